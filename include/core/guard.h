/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_GUARD_H
#define CORE_GUARD_H
/*
 * guard -- stands between wish and act.  This file has the guards' names and
 * the permits; the others are core/guard_budget.h (budget of withdrawals),
 * core/brake.h (correlated failures), core/damping.h (flaps), core/room.h
 * (heirs must have room) and base/allow.h (prefixes that may be announced).
 *
 * Permits: a sick site withdraws a prefix by itself, at once, and without
 * asking, if it holds a permit to.  The controller hands permits out so that
 * sites that announce the prefix and never hold one are at least so many, with
 * at least so much capacity, as the floor says: whatever the others do, alone
 * or all at once, and whoever loses contact, those go on announcing.  A site
 * without a permit that becomes sick gets one as soon as others, well, have
 * given their own back.
 *
 * Why permits and not questions: a question needs the controller at the worst
 * moment; a permit was given before it.
 *
 * For several controllers: all that is decided here is a function of the view
 * and of who holds permits.  A permit is data with a revision (of the order
 * document that gave it, or took it away); a controller that wrote it by
 * compare-and-swap on that revision would decide the same, and one that lost
 * the swap must read the view again and decide anew.  Nothing is kept elsewhere.
 */
#include <stdbool.h>
#include <stddef.h>

/* In the order in which people are told of them. */
enum guard {
	GUARD_FREEZE,       /* an operator's freeze: nothing changes */
	GUARD_MIN_SITES,    /* well announcing sites per prefix */
	GUARD_MIN_CAPACITY, /* their capacity */
	GUARD_BUDGET,       /* withdrawals per window */
	GUARD_BRAKE,        /* many sick at once */
	GUARD_STALE,        /* old results say nothing */
	GUARD_DAMPING,      /* flaps */
	GUARD_ROOM,         /* heirs must have room */
	GUARD_BY_HAND,      /* protocols of BIRD disabled by hand */
	GUARD_COUNT
};

const char *guard_name(enum guard g);
/* False if there is no such guard. */
bool guard_find(const char *name, enum guard *out);
/* All names, a blank between them. */
const char *guard_all_names(void);

/* What the controller knows of one site, for one prefix. */
struct guard_site {
	bool is_live;   /* its reports are fresh */
	bool announces; /* as it read back from BIRD */
	bool is_well;   /* neither sick nor drained: it means to announce */
	/* A permit was given and not yet surely given back. */
	bool holds_permit;
	bool is_granted; /* its newest orders have it; then it holds one */
	/* May not hold one: see core/guard_budget.h. */
	bool is_barred;
	double capacity; /* 0: none, or not known */
};

/* What must go on announcing; zero: no such floor. */
struct guard_floor {
	unsigned sites;
	double capacity; /* their sum, in the unit of guard_site.capacity */
};

enum guard_alarm {
	GUARD_QUIET,
	/* Sick sites are kept announcing: no well one is left for them. */
	GUARD_LAST_SITES,
	GUARD_ALARM_COUNT
};

/*
 * Decides who may hold a permit now; permit[n] is written.  Taking one away
 * counts as given back only when the site has said so, see holds_permit.
 */
enum guard_alarm guard_permits(const struct guard_site *sites, size_t n,
    const struct guard_floor *floor, bool *permit);

/*
 * What would be left announcing and well without that site; compare it with
 * the floor by guard_is_enough.
 */
struct guard_floor guard_left(const struct guard_site *sites, size_t n,
    size_t without);
bool guard_is_enough(const struct guard_floor *left,
    const struct guard_floor *floor);

#endif /* CORE_GUARD_H */
