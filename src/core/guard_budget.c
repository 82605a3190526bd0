/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard_budget.h"

#include <assert.h>
#include <string.h>

bool
budget_is_set(const struct budget_limit *limit)
{
	return limit->sites != 0 || limit->prefixes != 0 || limit->capacity > 0;
}

static bool
is_member(const struct budget_site *s, const struct budget_limit *limit)
{
	return !s->is_exempt &&
	    (s->is_held || s->withdrew_ago_ms < limit->window_ms);
}

static void
add(struct budget_use *use, const struct budget_site *s)
{
	use->sites++;
	use->prefixes += s->prefixes;
	use->capacity += s->capacity;
}

static bool
is_over(const struct budget_use *use, const struct budget_limit *limit)
{
	return (limit->sites != 0 && use->sites > limit->sites) ||
	    (limit->prefixes != 0 && use->prefixes > limit->prefixes) ||
	    (limit->capacity > 0 && use->capacity > limit->capacity);
}

struct budget_use
budget_members(const struct budget_site *sites, size_t n,
    const struct budget_limit *limit)
{
	struct budget_use use = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (is_member(&sites[i], limit))
			add(&use, &sites[i]);
	}
	return use;
}

/* It could give its permit back and nobody would be the worse for it. */
static bool
can_give_back(const struct budget_site *s)
{
	return s->is_live && s->is_held && !s->is_sick && !s->is_drained &&
	    !s->is_exempt;
}

/* What it costs is spent already, whatever it holds. */
static bool
is_spent(const struct budget_site *s, const struct budget_limit *limit)
{
	return s->withdrew_ago_ms < limit->window_ms;
}

/* The state of one decision. */
struct admission {
	struct budget_view v;
	/* Per limit: the members and those admitted so far; what is asked back
	 * is not back yet, so it counts. */
	struct budget_use use[BUDGET_LIMITS_MAX];
	bool *may;
};

static bool
try_admit(struct admission *ad, size_t i)
{
	const struct budget_site *s = &ad->v.sites[i];
	struct budget_use after[BUDGET_LIMITS_MAX];

	for (size_t k = 0; k < ad->v.n_limits; k++) {
		const struct budget_limit *limit = &ad->v.limits[k];

		after[k] = ad->use[k];
		if (s->is_exempt || is_spent(s, limit))
			continue;
		if (!is_member(s, limit))
			add(&after[k], s);
		/* Also of a member: it may not truly be one, see is_held. */
		if (is_over(&after[k], limit))
			return false;
	}
	memcpy(ad->use, after, ad->v.n_limits * sizeof(after[0]));
	ad->may[i] = true;
	return true;
}

static void
drop(struct budget_use *use, const struct budget_site *s)
{
	use->sites--;
	use->prefixes -= s->prefixes;
	use->capacity -= s->capacity;
}

/* It holds none by our will, and will soon have said so. */
static bool
is_leaving(const struct budget_site *s)
{
	return s->is_live && s->is_held && !s->is_granted && !s->is_drained &&
	    !s->is_exempt;
}

/* More were given than may be, as after a change of the limit: the last ones
 * give back. */
static void
shrink(struct admission *ad, const struct budget_limit *limit,
    struct budget_use use)
{
	for (size_t i = 0; i < ad->v.n; i++) {
		if (is_leaving(&ad->v.sites[i]) &&
		    !is_spent(&ad->v.sites[i], limit))
			drop(&use, &ad->v.sites[i]);
	}
	for (size_t i = ad->v.n; i > 0 && is_over(&use, limit); i--) {
		const struct budget_site *s = &ad->v.sites[i - 1];

		if (!can_give_back(s) || is_leaving(s) || is_spent(s, limit))
			continue;
		ad->may[i - 1] = false;
		drop(&use, s);
	}
}

/* Returns how many of the sick got none. */
static size_t
admit_sick(struct admission *ad)
{
	size_t waiting = 0;

	for (size_t i = 0; i < ad->v.n; i++) {
		const struct budget_site *s = &ad->v.sites[i];

		if (s->is_live && s->is_sick && !s->is_granted)
			waiting += !try_admit(ad, i);
	}
	return waiting;
}

static void
admit_well(struct admission *ad)
{
	for (size_t i = 0; i < ad->v.n; i++) {
		const struct budget_site *s = &ad->v.sites[i];

		if (s->is_live && !s->is_sick && !s->is_granted)
			(void)try_admit(ad, i);
	}
}

/* Some who are well give their room to those who are sick. */
static void
make_room(struct admission *ad, size_t waiting)
{
	for (size_t i = ad->v.n; i > 0 && waiting > 0; i--) {
		if (ad->may[i - 1] && can_give_back(&ad->v.sites[i - 1])) {
			ad->may[i - 1] = false;
			waiting--;
		}
	}
}

size_t
budget_admit(const struct budget_view *view, bool *may)
{
	struct admission ad = { .v = *view, .may = may };
	size_t waiting;

	assert(view->n_limits <= BUDGET_LIMITS_MAX);
	for (size_t i = 0; i < view->n; i++)
		may[i] = view->sites[i].is_granted;
	for (size_t k = 0; k < view->n_limits; k++) {
		ad.use[k] =
		    budget_members(view->sites, view->n, &view->limits[k]);
		shrink(&ad, &view->limits[k], ad.use[k]);
	}
	waiting = admit_sick(&ad);
	if (waiting > 0) {
		make_room(&ad, waiting);
	} else {
		admit_well(&ad);
	}
	return waiting;
}

const struct budget_limit *
budget_exceeded(const struct budget_view *view, size_t site)
{
	const struct budget_site *s = &view->sites[site];

	for (size_t k = 0; k < view->n_limits; k++) {
		const struct budget_limit *limit = &view->limits[k];
		struct budget_use use =
		    budget_members(view->sites, view->n, limit);

		if (s->is_exempt || is_spent(s, limit))
			continue;
		if (!is_member(s, limit))
			add(&use, s);
		if (is_over(&use, limit))
			return limit;
	}
	return NULL;
}

/* What the site's drain adds up to, permits of the well apart. */
static struct budget_use
use_of_drain(const struct budget_view *view, size_t site,
    const struct budget_limit *limit)
{
	struct budget_use use = { 0 };

	for (size_t i = 0; i < view->n; i++) {
		const struct budget_site *s = &view->sites[i];
		bool stays = is_member(s, limit) &&
		    (is_spent(s, limit) || !can_give_back(s));

		if (i == site || stays)
			add(&use, s);
	}
	return use;
}

const struct budget_limit *
budget_refuses(const struct budget_view *view, size_t site,
    struct budget_use *use)
{
	const struct budget_site *s = &view->sites[site];

	for (size_t k = 0; k < view->n_limits; k++) {
		const struct budget_limit *limit = &view->limits[k];

		*use = use_of_drain(view, site, limit);
		if (!s->is_exempt && !is_spent(s, limit) && is_over(use, limit))
			return limit;
	}
	return NULL;
}
