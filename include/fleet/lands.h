/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_LANDS_H
#define FLEET_LANDS_H
/*
 * lands -- where loads land when sites are withdrawn: by a measured map, or by
 * what a campaign says; and what sites that are withdrawn already brought to
 * others, as far as the loads of these do not tell it yet.
 */
#include "core/pack_pairs.h"
#include "fleet/controller_state.h"

/*
 * Adds to lands[n_sites] what comes there of load[n_sites], by the measured map
 * of just these sites, which all others announce; false: there is none that
 * tells.
 */
bool lands_by_map(const struct controller *c, const bool *sites,
    const double *load, double *lands);

struct lands_asked {
	const bool *down; /* withdrawn already, n_sites */
	const bool *out;  /* withdrawn next, together */
	const double *load;
};
struct lands_campaign;
/* A campaign's answer; all of `asked` is copied.  NULL: there is no campaign. */
struct lands_campaign *lands_campaign_new(struct controller *c,
    const struct lands_asked *asked);
struct pack_pairs *lands_campaign_pairs(const struct lands_campaign *lc);
void lands_campaign_free(struct lands_campaign *lc);

/*
 * A load of the configuration never tells what a withdrawal brought; one that
 * an agent measures does when some half-lives of it have gone.  Until then all
 * of what came is added, though a part of it is there: to the safe side.
 */
struct lands_past {
	double *landed; /* n_sites: to be added to the loads */
	double lost;    /* nobody knows where so much more is */
	/* A site of which it is not known what it brought, or where to, and
	 * why; NO_SITE: none. */
	size_t unknown;
	const char *why;
};
/* Of the sites of `down`, which are withdrawn. */
void lands_past_find(struct controller *c, const bool *down,
    struct lands_past *out);
void lands_past_fini(struct lands_past *past);

#endif /* FLEET_LANDS_H */
