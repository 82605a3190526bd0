/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_BRAKE_H
#define CORE_BRAKE_H
/*
 * brake -- the correlated-failure brake.  When very many fail within one short
 * time, what they share has failed more likely than they: the network between
 * probe and service, a configuration, the observer's own eyes.  Then nobody
 * withdraws further, and people are called.
 *
 * One rule for both: the controller counts sick sites, an agent its services.
 *
 * It lets go when enough are known to be well.  Who cannot be seen any more (a
 * site out of reach, a probe without results, another one in its place) is
 * what it was when it was last seen: else the observer's going blind would let
 * go of all that is held.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"

struct brake_conf {
	/* Engages when more than so many fail within the window... */
	unsigned more_than;
	/* ...or, if not 0, at least this share of those that did not fail
	 * already before it, and no fewer than two. */
	unsigned share_percent;
	int64_t window_ms;
	int64_t
	    release_ms; /* lets go after so long; 0: only when they recover */
};

enum brake_sight { BRAKE_UNSEEN, BRAKE_WELL, BRAKE_FAILING };

/* All zero: never seen failing. */
struct brake_item {
	bool is_failing;
	struct mono since; /* failing */
};

/* All zero: open. */
struct brake {
	bool is_engaged;
	struct mono since;
	int64_t window_ms; /* it counts those that began so long before it */
	unsigned failed;   /* when it engaged: so many of so many */
	unsigned of;
	unsigned at_least; /* it lets go when fewer than that are failing */
};

enum brake_change {
	BRAKE_SAME,
	BRAKE_ENGAGED,
	BRAKE_RECOVERED, /* let go: enough are well again */
	BRAKE_TIMED_OUT, /* let go: it was held for release_ms */
};

/* What is seen of it now; since: of BRAKE_FAILING. */
void brake_see(struct brake_item *item, enum brake_sight sight,
    struct mono since);

enum brake_change brake_step(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n, struct mono now);

/*
 * After a change of what is counted or how: an engaged one stays so until
 * someone recovers.  Items that came with the change count as failing until
 * they are seen well: brake_item_new.
 */
struct brake_item brake_item_new(const struct brake *b);
void brake_reckon(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n);

#endif /* CORE_BRAKE_H */
