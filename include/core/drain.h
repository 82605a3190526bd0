/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_DRAIN_H
#define CORE_DRAIN_H
/*
 * drain -- the steps of a drain and of the way back, for one prefix:
 *
 *	normal -> graceful shutdown -> prepend -> withdraw -> drained
 *	normal <- graceful shutdown <- prepend <-------- restored
 *
 * Which steps there are, how long each is held and what traffic may be left
 * before the next one is the operator's configuration.  Make before break (RFC
 * 8326): neighbours find another way while this one still works.  The steps add
 * up: a prepended route keeps the community.
 *
 * A step's time is the neighbours': it begins when BIRD really has what the step
 * asks for, and begins anew when it has not any more.  While BIRD takes nothing
 * a drain stands, for however long: whoever wants it to end all the same drains
 * at once.  To a prefix that nobody hears, by sickness or because BIRD does not
 * run, there is nothing to be gentle about: its steps count by time alone.
 *
 * Where a prefix stands can be read from the route itself (drain_adopt), so
 * nothing has to be remembered over a restart; only the time in the step begins
 * anew, and a drain gets slower by it, never quicker.  A reload that changes the
 * steps keeps what they asked for (drain_carry).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/mono.h"
#include "core/route.h"

/* Of what the stage asks for. */
enum drain_place {
	DRAIN_PLACE_NOT_YET, /* BIRD has it not, or is not known to have it */
	DRAIN_PLACE_HEARD,   /* it is announced so */
	DRAIN_PLACE_UNHEARD, /* it is not announced, and should not be */
};

struct drain_stage {
	size_t at; /* 0: normal; k: in steps[k - 1] */
	bool going_back;
	bool is_drained; /* the last step, held, its condition met */
	enum drain_place place;
	struct mono since; /* in the stage and in this place */
};

/* Why it is not further. */
enum drain_wait {
	DRAIN_WAIT_NONE,    /* where it should be */
	DRAIN_WAIT_BIRD,    /* it has not taken the step */
	DRAIN_WAIT_HOLD,    /* the step's time */
	DRAIN_WAIT_TRAFFIC, /* too much of it is left */
	DRAIN_WAIT_COUNTER, /* how much is left is not known */
	DRAIN_WAIT_DAMPING, /* the way back: core/damping.h */
	DRAIN_WAIT_FREEZE,  /* whoever calls asks for no step: a freeze */
	DRAIN_WAIT_COUNT
};

/* What BIRD has, as read back. */
struct drain_real {
	bool is_known;
	bool is_running; /* if it does not, nothing is announced */
	bool announced;
	struct route_attrs attrs;
	/* Without export.conf in bird.conf gentle steps change nothing. */
	bool has_attrs;
};

struct drain_input {
	bool wanted;       /* drained, else normal */
	bool at_once;      /* without the gentle steps */
	bool announceable; /* the route would be there, were there no drain */
	struct drain_real real;
	bool traffic_known;
	double traffic_per_s;
	/* The neighbours shall hear of no step back for so long; 0: they may.
	 * Steps towards drained are never held by it. */
	int64_t back_wait_ms;
	struct mono now;
};

struct drain_result {
	bool moved;
	/* It went on although too much traffic was left: wait_max was over. */
	bool went_on;
	enum drain_wait wait;
	int64_t next_ms; /* to be called again after so long; -1: on change */
};

/* Can `announceable` make a difference?  Only gentle steps ask for it. */
bool drain_asks_route(const struct conf_drain *conf,
    const struct drain_input *in);
/* Goes as far as it may.  But for a reload, the only function that moves a
 * stage. */
struct drain_result drain_advance(const struct conf_drain *conf,
    struct drain_stage *stage, const struct drain_input *in);

/* What the stage asks for. */
bool drain_withdraws(const struct conf_drain *conf,
    const struct drain_stage *stage);
struct route_attrs drain_attrs(const struct conf_drain *conf,
    const struct drain_stage *stage);

/* The stage of a route as it was found; wanted: a drain covers it. */
struct drain_stage drain_adopt(const struct conf_drain *conf, bool announced,
    struct route_attrs attrs, bool wanted);

/*
 * The stage of a route that went by the steps of `from` until now and goes by
 * those of `to` from here.  It stays in the step of its kind: what was withdrawn
 * is withdrawn, and drained if it was.  If that step is no more it is in the
 * last one before it that there is, so that it is never withdrawn by this.
 */
struct drain_stage drain_carry(const struct conf_drain *from,
    const struct conf_drain *to, const struct drain_stage *stage,
    struct mono now);

/* "normal", "graceful_shutdown", "prepend", "withdraw", "drained" */
const char *drain_stage_name(const struct conf_drain *conf,
    const struct drain_stage *stage);
const char *drain_wait_name(enum drain_wait wait);

#endif /* CORE_DRAIN_H */
