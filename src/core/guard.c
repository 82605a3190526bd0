/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard.h"

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

/* Enough anchors: all others may withdraw. */
static void
grant_all_but(const struct guard_site *sites, size_t n, unsigned min_sites,
    bool *permit)
{
	unsigned kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool keeps = is_anchor(&sites[i]) && kept < min_sites;

		kept += keeps;
		/* One that is out of reach cannot be told anything. */
		permit[i] = sites[i].is_live ? !keeps : sites[i].holds_permit;
	}
}

/* Sick, and announcing only because it may not withdraw. */
static bool
is_kept(const struct guard_site *s)
{
	return s->is_live && s->announces && !s->is_well && !s->holds_permit;
}

/*
 * Too few anchors: some that are well are asked to become one, and of the sick
 * that are kept only as many as are needed until then.
 */
static enum guard_alarm
fill_up(const struct guard_site *sites, size_t n, unsigned missing,
    bool *permit)
{
	unsigned asked = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool asks = can_be_anchor(&sites[i]) && asked < missing;
		bool relieved = is_kept(&sites[i]) && kept >= missing;

		asked += asks;
		kept += is_kept(&sites[i]) && !relieved;
		permit[i] = (sites[i].holds_permit && !asks) || relieved;
	}
	return kept > 0 && asked < missing ? GUARD_LAST_SITES : GUARD_QUIET;
}

enum guard_alarm
guard_permits(const struct guard_site *sites, size_t n, unsigned min_sites,
    bool *permit)
{
	unsigned anchors = 0;

	for (size_t i = 0; i < n; i++)
		anchors += is_anchor(&sites[i]);
	if (anchors < min_sites)
		return fill_up(sites, n, min_sites - anchors, permit);
	grant_all_but(sites, n, min_sites, permit);
	return GUARD_QUIET;
}

bool
guard_allows_drain(const struct guard_site *sites, size_t n, size_t site,
    unsigned min_sites, unsigned *leaves)
{
	*leaves = 0;
	for (size_t i = 0; i < n; i++) {
		*leaves += i != site && sites[i].is_live &&
		    sites[i].announces && sites[i].is_well;
	}
	return *leaves >= min_sites;
}
