/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard.h"

#include <assert.h>
#include <string.h>

/* Names are part of the API: of `force`, of intents, of metrics. */
static const char *const names[GUARD_COUNT] = {
	[GUARD_FREEZE] = "freeze",
	[GUARD_MIN_SITES] = "min_sites",
	[GUARD_MIN_CAPACITY] = "min_capacity",
	[GUARD_BUDGET] = "budget",
	[GUARD_BRAKE] = "brake",
	[GUARD_STALE] = "stale",
	[GUARD_DAMPING] = "damping",
	[GUARD_ROOM] = "room",
	[GUARD_BY_HAND] = "by_hand",
};

const char *
guard_name(enum guard g)
{
	assert(g < GUARD_COUNT);
	return names[g];
}

bool
guard_find(const char *name, enum guard *out)
{
	for (enum guard g = 0; g < GUARD_COUNT; g++) {
		if (strcmp(names[g], name) == 0) {
			*out = g;
			return true;
		}
	}
	return false;
}

const char *
guard_all_names(void)
{
	return "freeze min_sites min_capacity budget brake stale damping room "
	       "by_hand";
}

/* ---- permits ---- */

/* It announces, means to go on, and cannot withdraw by itself. */
static bool
is_anchor(const struct guard_site *s)
{
	return s->is_live && s->announces && s->is_well && !s->holds_permit;
}

/* It would be one, if it gave its permit back. */
static bool
can_be_anchor(const struct guard_site *s)
{
	return s->is_live && s->announces && s->is_well && s->holds_permit;
}

/* Sick, and announcing only because it may not withdraw. */
static bool
is_kept(const struct guard_site *s)
{
	return s->is_live && s->announces && !s->is_well && !s->holds_permit;
}

bool
guard_is_enough(const struct guard_floor *left, const struct guard_floor *floor)
{
	return left->sites >= floor->sites && left->capacity >= floor->capacity;
}

static void
add(struct guard_floor *sum, const struct guard_site *s)
{
	sum->sites++;
	sum->capacity += s->capacity;
}

/*
 * Enough anchors: those that are not needed may withdraw, and all others.  Who
 * is barred remains one anyway.
 */
static void
grant_all_but(const struct guard_site *sites, size_t n,
    const struct guard_floor *floor, const struct guard_floor *anchors,
    bool *permit)
{
	struct guard_floor kept = *anchors;

	for (size_t i = 0; i < n; i++) {
		const struct guard_site *s = &sites[i];
		struct guard_floor without = { kept.sites - 1,
			kept.capacity - s->capacity };

		if (!s->is_live) {
			/* Out of reach: it cannot be told anything. */
			permit[i] = s->is_granted;
		} else if (s->is_barred) {
			permit[i] = false;
		} else if (!is_anchor(s)) {
			permit[i] = true;
		} else {
			permit[i] = kept.sites > floor->sites &&
			    guard_is_enough(&without, floor);
			if (permit[i])
				kept = without;
		}
	}
}

/*
 * Too few anchors: some that are well are asked to become one, and of the sick
 * that are kept only as many as are needed until then.
 */
static enum guard_alarm
fill_up(const struct guard_site *sites, size_t n,
    const struct guard_floor *floor, const struct guard_floor *anchors,
    bool *permit)
{
	struct guard_floor asked = *anchors, kept = *anchors;
	bool keeps_any = false;

	for (size_t i = 0; i < n; i++) {
		const struct guard_site *s = &sites[i];
		bool asks = can_be_anchor(s) && !guard_is_enough(&asked, floor);
		bool is_needed = is_kept(s) && !guard_is_enough(&kept, floor);
		bool is_relieved = is_kept(s) && !is_needed && !s->is_barred;
		bool is_taken = asks || (s->is_live && s->is_barred);

		if (asks)
			add(&asked, s);
		if (is_needed)
			add(&kept, s);
		keeps_any |= is_needed;
		/* Who may still hold one that was taken away, or that another
		 * process gave, does not get it anew. */
		permit[i] = (s->is_granted && !is_taken) || is_relieved;
	}
	return keeps_any && !guard_is_enough(&asked, floor) ? GUARD_LAST_SITES
							    : GUARD_QUIET;
}

enum guard_alarm
guard_permits(const struct guard_site *sites, size_t n,
    const struct guard_floor *floor, bool *permit)
{
	struct guard_floor anchors = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (is_anchor(&sites[i]))
			add(&anchors, &sites[i]);
	}
	if (!guard_is_enough(&anchors, floor))
		return fill_up(sites, n, floor, &anchors, permit);
	grant_all_but(sites, n, floor, &anchors, permit);
	return GUARD_QUIET;
}

struct guard_floor
guard_left(const struct guard_site *sites, size_t n, size_t without)
{
	struct guard_floor left = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct guard_site *s = &sites[i];

		if (i != without && s->is_live && s->announces && s->is_well)
			add(&left, s);
	}
	return left;
}
