/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/lands.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "fleet/campaign.h"
#include "fleet/landings.h"
#include "fleet/map_book.h"

bool
lands_by_map(const struct controller *c, const bool *sites, const double *load,
    double *lands)
{
	const struct fleet_map *map = map_book_find(c, sites);

	if (map == NULL)
		return false;
	for (size_t k = 0; k < map->counts.n_origins; k++) {
		const struct failover_origin *o = &map->counts.origins[k];

		/* Nobody knows where the load of no clients goes. */
		if (o->all.weight <= 0 && load[o->site] > 0)
			return false;
	}
	for (size_t k = 0; k < map->counts.n_origins; k++) {
		const struct failover_origin *o = &map->counts.origins[k];

		if (o->all.weight <= 0)
			continue;
		for (size_t i = 0; i < c->n_sites; i++) {
			lands[i] += load[o->site] *
			    (o->heirs[0][i].weight + o->heirs[1][i].weight) /
			    o->all.weight;
		}
	}
	return true;
}

/* ---- a campaign ---- */

struct lands_campaign {
	struct pack_pairs *pairs;
	/* What it borrows. */
	uint16_t *now;
	double *weight, *load;
};

/* Where each client is while the sites of `down` are. */
static void
find_now(const struct campaign_view *view, const struct pack_set *down,
    size_t n_sites, uint16_t *now)
{
	pack_predict(view->pack, down, now, NULL);
	for (uint32_t i = 0; i < view->n; i++) {
		uint16_t home = view->home[i];

		if (!outcome_is_site(home, n_sites) ||
		    !pack_set_has(down, home - 1u)) {
			now[i] = home;
		} else {
			now[i] = now[i] < n_sites ? (uint16_t)(now[i] + 1u)
						  : OUTCOME_NONE;
		}
	}
}

struct lands_campaign *
lands_campaign_new(struct controller *c, const struct lands_asked *asked)
{
	struct pack_pairs_input in = { .n_sites = c->n_sites };
	struct lands_campaign *lc;
	struct campaign_view view;

	if (!campaign_view(c, &view))
		return NULL;
	lc = xcalloc(1, sizeof(*lc));
	lc->weight = xcalloc(view.n, sizeof(*lc->weight));
	lc->load = xcalloc(c->n_sites, sizeof(*lc->load));
	for (uint32_t i = 0; i < view.n; i++)
		lc->weight[i] = view.clients[i].weight;
	for (size_t i = 0; i < c->n_sites; i++) {
		lc->load[i] = asked->load[i];
		if (asked->down[i])
			pack_set_add(&in.down, i);
		if (asked->out[i])
			pack_set_add(&in.out, i);
	}
	in.pack = view.pack;
	in.n = view.n;
	in.now = view.home;
	in.weight = lc->weight;
	in.load = lc->load;
	if (pack_set_count(&in.down) > 0) {
		lc->now = xcalloc(view.n, sizeof(*lc->now));
		find_now(&view, &in.down, c->n_sites, lc->now);
		in.now = lc->now;
	}
	lc->pairs = pack_pairs_new(&in);
	return lc;
}

struct pack_pairs *
lands_campaign_pairs(const struct lands_campaign *lc)
{
	return lc->pairs;
}

void
lands_campaign_free(struct lands_campaign *lc)
{
	if (lc == NULL)
		return;
	pack_pairs_free(lc->pairs);
	free(lc->now);
	free(lc->weight);
	free(lc->load);
	free(lc);
}

/* ---- what was brought already ---- */

/* What went from `out`, when those of `down` were withdrawn before. */
struct move {
	struct controller *c;
	bool *down, *out;
	double *load;  /* of out, from before */
	double *lands; /* the answer */
	double lost;
};

static void
move_init(struct move *m, struct controller *c)
{
	*m = (struct move){ .c = c };
	m->down = xcalloc(c->n_sites, sizeof(*m->down));
	m->out = xcalloc(c->n_sites, sizeof(*m->out));
	m->load = xcalloc(c->n_sites, sizeof(*m->load));
	m->lands = xcalloc(c->n_sites, sizeof(*m->lands));
}

static void
move_fini(struct move *m)
{
	free(m->down);
	free(m->out);
	free(m->load);
	free(m->lands);
}

/* What its clients were before it was withdrawn; false: not known. */
static bool
load_before(const struct controller *c, size_t site, double *out)
{
	const struct conf_capacity *conf = fleet_site_capacity(c, site);

	if (landings_load_before(c, site, out))
		return true;
	if (conf == NULL || !conf->has_load)
		return false;
	*out = conf->load;
	return true;
}

static bool
land(const struct move *m)
{
	const struct lands_asked asked = { m->down, m->out, m->load };
	struct lands_campaign *lc;
	bool is_known, is_first = true;

	for (size_t i = 0; i < m->c->n_sites; i++)
		is_first = is_first && !m->down[i];
	if (is_first && lands_by_map(m->c, m->out, m->load, m->lands))
		return true;
	lc = lands_campaign_new(m->c, &asked);
	is_known = lc != NULL && pack_pairs_first(lc->pairs, m->lands);
	lands_campaign_free(lc);
	return is_known;
}

/* To those whose load is of that source. */
static void
find_move(struct move *m, enum load_source source, struct lands_past *past)
{
	size_t first = NO_SITE;

	for (size_t i = 0; i < m->c->n_sites; i++) {
		if (!m->out[i])
			continue;
		first = first == NO_SITE ? i : first;
		if (!load_before(m->c, i, &m->load[i])) {
			past->unknown = i;
			past->why = "no load of it is known from before";
		}
		m->lost += m->load[i];
	}
	if (first == NO_SITE)
		return;
	if (!land(m)) {
		past->unknown = first;
		past->why = "nobody knows where its clients are";
		return;
	}
	for (size_t i = 0; i < m->c->n_sites; i++) {
		m->lost -= m->lands[i];
		if (fleet_site_load(m->c, i).source == source)
			past->landed[i] = m->lands[i];
	}
	if (m->lost > past->lost)
		past->lost = m->lost;
}

/* Some site that still announces has a load of that source. */
static bool
is_used(const struct controller *c, const bool *down, enum load_source source)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		if (!down[i] && fleet_site_load(c, i).source == source)
			return true;
	}
	return false;
}

static void
find_configured(struct controller *c, const bool *down, struct lands_past *out)
{
	struct move m;

	move_init(&m, c);
	memcpy(m.out, down, c->n_sites * sizeof(*m.out));
	find_move(&m, LOAD_CONFIGURED, out);
	move_fini(&m);
}

static void
find_measured(struct controller *c, const bool *down, struct lands_past *out)
{
	int64_t settle_ms = 0;
	struct move m;

	for (size_t i = 0; i < c->n_sites; i++) {
		int64_t ms = fleet_load_settle_ms(c, i);

		if (!down[i] && ms > settle_ms)
			settle_ms = ms;
	}
	move_init(&m, c);
	for (size_t i = 0; i < c->n_sites; i++) {
		m.out[i] = down[i] && landings_turned_ms(c, i) < settle_ms;
		m.down[i] = down[i] && !m.out[i];
	}
	find_move(&m, LOAD_MEASURED, out);
	move_fini(&m);
}

void
lands_past_find(struct controller *c, const bool *down, struct lands_past *out)
{
	*out = (struct lands_past){ .unknown = NO_SITE };
	out->landed = xcalloc(c->n_sites, sizeof(*out->landed));
	if (is_used(c, down, LOAD_CONFIGURED))
		find_configured(c, down, out);
	if (is_used(c, down, LOAD_MEASURED))
		find_measured(c, down, out);
}

void
lands_past_fini(struct lands_past *past)
{
	free(past->landed);
}
