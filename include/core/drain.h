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
 * Where a prefix stands can be read from the route itself (drain_adopt), so
 * nothing has to be remembered over a restart; only the time in the step begins
 * anew, and a drain gets slower by it, never quicker.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/mono.h"
#include "core/route.h"

struct drain_stage {
	size_t at; /* 0: normal; k: in steps[k - 1] */
	bool going_back;
	bool is_drained; /* the last step, held, its condition met */
	struct mono since;
};

/* Why it is not further. */
enum drain_wait {
	DRAIN_WAIT_NONE,    /* where it should be */
	DRAIN_WAIT_HOLD,    /* the step's time */
	DRAIN_WAIT_TRAFFIC, /* too much of it is left */
	DRAIN_WAIT_COUNTER, /* how much is left is not known */
	DRAIN_WAIT_COUNT
};

struct drain_input {
	bool wanted;  /* drained, else normal */
	bool at_once; /* without the gentle steps */
	bool traffic_known;
	double traffic_per_s;
	struct mono now;
};

struct drain_result {
	bool moved;
	/* It went on although too much traffic was left: wait_max was over. */
	bool went_on;
	enum drain_wait wait;
	int64_t next_ms; /* to be called again after so long; -1: on change */
};

/* Goes as far as it may.  The only function that moves a stage. */
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

/* "normal", "graceful_shutdown", "prepend", "withdraw", "drained" */
const char *drain_stage_name(const struct conf_drain *conf,
    const struct drain_stage *stage);
const char *drain_wait_name(enum drain_wait wait);

#endif /* CORE_DRAIN_H */
