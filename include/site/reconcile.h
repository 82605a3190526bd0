/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_RECONCILE_H
#define SITE_RECONCILE_H
/*
 * reconcile -- makes BIRD's routes what is wanted, and keeps them so.
 *
 * Level, not edge: what is wanted is compared with what BIRD says it has and
 * exported; while they differ it makes a change, and tries again with a growing
 * pause.  A frozen BIRD, a broken include elsewhere, a BIRD restart only delay
 * it.  A change is a transaction: BIRD takes it for a time, and keeps it only if
 * all is well then (reconcile_change.c).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"
#include "base/loop.h"
#include "core/route.h"

enum route_real {
	REAL_UNKNOWN, /* BIRD has not been asked, or does not answer */
	REAL_ANNOUNCED,
	REAL_WITHDRAWN,
	REAL_COUNT
};

enum bird_state {
	BIRD_DOWN,   /* nobody is there */
	BIRD_SILENT, /* it does not answer, or not us: it may announce */
	BIRD_CONNECTED,
	BIRD_STATE_COUNT
};

#define RECONCILE_TEXT_BYTES 256

struct reconcile;

struct reconcile_ops {
	/* What BIRD has for managed prefix i changed. */
	void (*on_real)(size_t i, enum route_real before, enum route_real now,
	    void *arg);
	/* What BIRD has, routes or what stands at them, is not what it was when
	 * it was read before.  NULL: nobody asks. */
	void (*on_read)(void *arg);
	/* Something to tell people: BIRD lost, found, refuses. */
	void (*on_notice)(const char *what, const char *reason, void *arg);
	/* Wanted and real are equal (again). */
	void (*on_converged)(void *arg);
	/* May a change go ahead although a protocol was disabled by hand, which
	 * it would undo?  NULL: never. */
	bool (*may_overrule)(void *arg);
	void *arg; /* for all of them */
	/* What may ever be written for BIRD; borrowed; NULL: any unicast. */
	const struct allow_list *allow;
};

struct reconcile_bird {
	enum bird_state state;
	char version[32];
	size_t sessions_up;
	size_t sessions_all;
	char last_error[RECONCILE_TEXT_BYTES]; /* "" when all is well */
	/* Why BIRD would refuse any change, when it was asked last; "" it would
	 * not, or it is not asked ahead and nothing is to be changed. */
	char config_error[RECONCILE_TEXT_BYTES];
	uint64_t reconfigurations; /* that BIRD took from us */
	uint64_t failures;         /* changes that have to be tried again */
	uint64_t confirmed;        /* changes that were found well */
	uint64_t undone;           /* ... and that were not */
	uint64_t foreign;          /* reconfigurations by somebody else */
	const char *change;        /* step of the change under way, or "none" */
	bool has_attrs;            /* bird.conf includes export.conf */
	/* Protocols disabled by hand; "" none. */
	char by_hand[RECONCILE_TEXT_BYTES];
};

/* What is wanted of one prefix. */
struct route_want {
	bool announced;
	struct route_attrs attrs; /* zero unless announced */
};

/*
 * prefixes: all that this site manages, n, in prefix_compare order; copied.  Each starts as the include
 * file on disk has it (adopt: see reconcile_wanted), so that a restart changes
 * nothing by itself.
 */
struct reconcile *reconcile_new(struct loop *lp, const struct conf_bird *conf,
    const struct prefix *prefixes, size_t n, const struct reconcile_ops *ops);
void reconcile_free(struct reconcile *r);

/* Sets what is wanted for prefix i; nothing happens until reconcile_apply. */
void reconcile_want(struct reconcile *r, size_t i, struct route_want want);
/* Goes to work if anything that is wanted changed. */
void reconcile_apply(struct reconcile *r);

/* From an agent to the next one, which has the same prefixes and BIRD. */
void reconcile_hand_over(struct reconcile *r, const struct conf_bird *conf,
    const struct reconcile_ops *ops);
/* No change is under way. */
bool reconcile_is_idle(const struct reconcile *r);
/* Its cycles end and begin, or BIRD is away. */
bool reconcile_turns(const struct reconcile *r);
bool reconcile_wanted(const struct reconcile *r, size_t i);
struct route_want reconcile_get_want(const struct reconcile *r, size_t i);
/* Does bird.conf make something of a route's attributes? */
bool reconcile_has_attrs(const struct reconcile *r);
/* BIRD was looked for, and is not there: nothing is announced. */
bool reconcile_bird_is_gone(const struct reconcile *r);
struct route_attrs reconcile_real_attrs(const struct reconcile *r, size_t i);
enum route_real reconcile_real(const struct reconcile *r, size_t i);
/* Established BGP sessions to which BIRD exports prefix i from us. */
size_t reconcile_exported_to(const struct reconcile *r, size_t i);
/* How long wanted and real have differed; 0 when equal. */
int64_t reconcile_diverged_ms(const struct reconcile *r, size_t i);
void reconcile_get_bird(const struct reconcile *r, struct reconcile_bird *out);

const char *route_real_name(enum route_real real);
const char *bird_state_name(enum bird_state state);

#endif /* SITE_RECONCILE_H */
