/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_GUARD_BUDGET_H
#define CORE_GUARD_BUDGET_H
/*
 * guard_budget -- how many sites may withdraw within a window of time.
 *
 * It must hold at the worst moment, when nobody can be asked: so it limits the
 * permits (core/guard.h) that are out, and not the withdrawals after the fact.
 * The members of a window are the sites that withdrew something in it, and
 * those that could at any moment: they hold a permit, or an operator's drain
 * waits for them.  The rule is one: no site becomes a member by our doing when
 * the members' cost would then exceed the limit.  So in no window do more
 * sites withdraw than the limit says, however many fall sick at once.  While more
 * might hold a permit than may, as after the controller's start, none is given.
 *
 * A member may flap within its window and costs no more by it; flaps are
 * core/damping.h's.
 *
 * For several controllers: the members are data, each with the time at which
 * it last withdrew and the revision that gave it a permit.  Admitting one is a
 * compare-and-swap on the whole set: whoever loses it reads the set and decides
 * anew.  Times are ages, so that no clock has to be shared.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Within window_ms at most so much; 0: no such limit. */
struct budget_limit {
	int64_t window_ms;
	unsigned sites;
	unsigned prefixes; /* announcements: of all sites' prefixes */
	double capacity;   /* of the sites together */
};

#define BUDGET_NEVER INT64_MAX

struct budget_site {
	bool is_live; /* what it is told arrives */
	/* Could withdraw without asking: a permit that is not surely given
	 * back, or an active drain not carried out. */
	bool is_held;
	bool is_granted; /* its newest orders have permits; is_held, too */
	bool is_drained; /* held by the drain, which no permit takes back */
	bool is_sick;
	bool is_exempt;          /* an operator overrode the budget for it */
	int64_t withdrew_ago_ms; /* last time; BUDGET_NEVER */
	unsigned prefixes;       /* that it has */
	double capacity;
};

/* What members cost. */
struct budget_use {
	unsigned sites, prefixes;
	double capacity;
};

#define BUDGET_LIMITS_MAX 4u

/* All that a decision is made of. */
struct budget_view {
	const struct budget_site *sites;
	size_t n;
	const struct budget_limit *limits;
	size_t n_limits; /* at most BUDGET_LIMITS_MAX */
};

/* A limit that sets nothing refuses nothing. */
bool budget_is_set(const struct budget_limit *limit);
struct budget_use budget_members(const struct budget_site *sites, size_t n,
    const struct budget_limit *limit);

/*
 * Decides which sites may hold permits; may[n] is written.  A site that is
 * held and may not must be asked to give its permits back, and remains a member
 * until it is no longer is_held.  Returns how many sick sites have to wait.
 */
size_t budget_admit(const struct budget_view *view, bool *may);

/* The first limit that the site would exceed as a member; NULL: none. */
const struct budget_limit *budget_exceeded(const struct budget_view *view,
    size_t site);

/*
 * May an operator take this site out?  NULL if so, else the limit that it
 * would exceed; *use is what the members would then cost.  Permits of sites
 * that are well do not count here, since they are taken back for it: only for
 * the round trip that this takes could one more than the limit withdraw.
 */
const struct budget_limit *budget_refuses(const struct budget_view *view,
    size_t site, struct budget_use *use);

#endif /* CORE_GUARD_BUDGET_H */
