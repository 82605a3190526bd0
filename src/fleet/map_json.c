/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A failover map as the API tells it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/heirs.h"
#include "fleet/campaign.h"
#include "fleet/map_book.h"
#include "fleet/test_names.h"

/* Heirs' heirs are told of from this share on. */
#define LEVEL_MIN_SHARE 0.01

/* All families and origins, or one origin's, of one heir. */
struct heir_sum {
	size_t heir; /* n_sites: unknown */
	uint32_t clients, family_clients[2];
	double weight, family_weight[2];
};

struct heirs {
	struct heir_sum *sums; /* n_sites + 1 */
	struct failover_share all;
};

static void
add_origin(struct heirs *h, const struct failover_origin *o, size_t n_sites)
{
	for (size_t i = 0; i <= n_sites; i++) {
		struct heir_sum *sum = &h->sums[i];

		for (int f = 0; f < 2; f++) {
			const struct failover_share *s = &o->heirs[f][i];

			sum->clients += s->clients;
			sum->weight += s->weight;
			sum->family_clients[f] += s->clients;
			sum->family_weight[f] += s->weight;
			/* As the store has it: the same after a restart. */
			h->all.square += s->square;
		}
	}
	h->all.clients += o->all.clients;
	h->all.weight += o->all.weight;
}

static void
heirs_init(struct heirs *h, size_t n_sites)
{
	*h = (struct heirs){ .sums = xcalloc(n_sites + 1, sizeof(*h->sums)) };
	for (size_t i = 0; i <= n_sites; i++)
		h->sums[i].heir = i;
}

/* By weight; unknown (the highest number) last. */
static int
by_weight(const void *a, const void *b)
{
	const struct heir_sum *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return (x->heir > y->heir) - (x->heir < y->heir);
}

/* The load that comes to the heir (n_sites: to nobody knows whom), if that of all sites of the set is known. */
static bool
load_moved(const struct controller *c, const struct fleet_map *map, size_t heir,
    double *out)
{
	*out = 0;
	for (size_t i = 0; i < map->counts.n_origins; i++) {
		const struct failover_origin *o = &map->counts.origins[i];
		struct fleet_load load = fleet_site_load(c, o->site);
		double w = o->heirs[0][heir].weight + o->heirs[1][heir].weight;

		if (load.source == LOAD_UNKNOWN)
			return false;
		/* Nobody knows where the load of no clients goes. */
		if (o->all.weight <= 0 && load.load > 0)
			return false;
		if (o->all.weight > 0)
			*out += load.load * w / o->all.weight;
	}
	return true;
}

static void
add_load(const struct controller *c, const struct fleet_map *map, size_t heir,
    json_t *entry)
{
	struct fleet_load load = fleet_site_load(c, heir);
	double moved, unplaced;

	fleet_load_add(c, heir, entry);
	if (load.source == LOAD_UNKNOWN || !load_moved(c, map, heir, &moved) ||
	    !load_moved(c, map, c->n_sites, &unplaced))
		return;
	json_object_set_new(entry, "load_after", json_real(load.load + moved));
	json_object_set_new(entry, "load_after_max",
	    json_real(load.load + moved + unplaced));
}

/* The load of those of whom nobody knows where they go: they may all go to one
 * heir. */
static void
add_unplaced(const struct controller *c, const struct fleet_map *map,
    json_t *entry)
{
	double unplaced;

	if (load_moved(c, map, c->n_sites, &unplaced)) {
		json_object_set_new(entry, "load_unplaced",
		    json_real(unplaced));
	}
}

/*
 * 95 % of the heir's share.  Where no experiment withdrew just this, unknown
 * clients are not those that fell silent: they go somewhere, maybe all there.
 */
static void
interval_of(const struct controller *c, const struct fleet_map *map,
    const struct heirs *h, const struct heir_sum *sum, double out[2])
{
	struct heirs_part part = { .weight = sum->weight,
		.all = h->all.weight,
		.all_square = h->all.square,
		.noise = map->counts.null_tv + map->wrong };

	heirs_interval(&part, &out[0], &out[1]);
	if (map->experiment != 0 || h->all.weight <= 0)
		return;
	if (sum->heir == c->n_sites) {
		out[0] = 0;
	} else {
		out[1] = fmin(1,
		    out[1] + h->sums[c->n_sites].weight / h->all.weight);
	}
}

static json_t *
heir_json(const struct controller *c, const struct fleet_map *map,
    const struct heirs *h, const struct heir_sum *sum)
{
	double interval[2];

	interval_of(c, map, h, sum, interval);
	return json_pack("{s:o, s:I, s:f, s:f, s:f, s:f, s:f, s:{s:{s:I, s:f}, "
			 "s:{s:I, s:f}}}",
	    "heir",
	    sum->heir < c->n_sites ? json_string(c->sites[sum->heir].name)
				   : json_null(),
	    "clients", (json_int_t)sum->clients, "weight", sum->weight,
	    "clients_share",
	    h->all.clients > 0 ? (double)sum->clients / h->all.clients : 0.0,
	    "weight_share",
	    h->all.weight > 0 ? sum->weight / h->all.weight : 0.0, "low",
	    interval[0], "high", interval[1], "families", "4", "clients",
	    (json_int_t)sum->family_clients[0], "weight", sum->family_weight[0],
	    "6", "clients", (json_int_t)sum->family_clients[1], "weight",
	    sum->family_weight[1]);
}

/* Steals nothing; h->sums is put in order. */
static json_t *
heirs_json(const struct controller *c, const struct fleet_map *map,
    struct heirs *h, bool has_loads)
{
	json_t *list = json_array();

	qsort(h->sums, c->n_sites, sizeof(*h->sums), by_weight);
	for (size_t i = 0; i <= c->n_sites; i++) {
		json_t *entry;

		if (h->sums[i].clients == 0 && i < c->n_sites)
			continue;
		entry = heir_json(c, map, h, &h->sums[i]);
		if (has_loads && i < c->n_sites) {
			add_load(c, map, h->sums[i].heir, entry);
		} else if (has_loads) {
			add_unplaced(c, map, entry);
		}
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *
origins_json(const struct controller *c, const struct fleet_map *map)
{
	json_t *list = json_array();

	for (size_t i = 0; i < map->counts.n_origins; i++) {
		const struct failover_origin *o = &map->counts.origins[i];
		struct heirs h;

		heirs_init(&h, c->n_sites);
		add_origin(&h, o, c->n_sites);
		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:f, s:I, s:o}", "site",
			c->sites[o->site].name, "clients",
			(json_int_t)o->all.clients, "weight", o->all.weight,
			"unstable", (json_int_t)o->all.unstable, "heirs",
			heirs_json(c, map, &h, false)));
		free(h.sums);
	}
	return list;
}

static json_t *
labels_json(const struct fleet_map *map)
{
	json_t *obj = json_object();

	for (int i = 0; i < PACK_LABEL_COUNT; i++) {
		if (map->labels[i] > 0) {
			json_object_set_new(obj,
			    pack_label_name((enum pack_label)i),
			    json_real(map->labels[i]));
		}
	}
	return obj;
}

static json_t *
down_json(const struct controller *c, const bool *down)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_sites; i++) {
		if (down[i]) {
			json_array_append_new(list,
			    json_string(c->sites[i].name));
		}
	}
	return list;
}

/* ---- the second level ---- */

/* The clients of a site, and where each of them goes when it is down. */
struct displaced {
	struct campaign_view view;
	size_t site;
	uint32_t *clients;
	uint16_t *first;
	uint32_t n;
	/* Those of one heir, and where they go when it is down, too. */
	uint32_t *some;
	uint16_t *next;
	uint32_t *block; /* of each client of the view */
	double noise;    /* of the map */
};

/* False if nothing is known of any client. */
static bool
displaced_init(const struct controller *c, size_t site, struct displaced *d)
{
	struct pack_set one = { { 0 } };

	*d = (struct displaced){ .site = site };
	if (!campaign_view(c, &d->view))
		return false;
	d->clients = xcalloc(d->view.n, sizeof(*d->clients));
	d->first = xcalloc(d->view.n, sizeof(*d->first));
	d->some = xcalloc(d->view.n, sizeof(*d->some));
	d->next = xcalloc(d->view.n, sizeof(*d->next));
	d->block = map_blocks(&d->view);
	for (uint32_t i = 0; i < d->view.n; i++) {
		if (d->view.home[i] == site + 1)
			d->clients[d->n++] = i;
	}
	pack_set_add(&one, site);
	pack_predict_some(d->view.pack, &one, d->clients, d->n, d->first);
	return true;
}

static void
displaced_fini(struct displaced *d)
{
	free(d->clients);
	free(d->first);
	free(d->some);
	free(d->next);
	free(d->block);
}

static void
add_client(struct heirs *h, const struct store_client *client, size_t heir,
    uint32_t block)
{
	struct heir_sum *sum = &h->sums[heir];
	double w = client->weight;
	struct addr a;
	int family;

	memcpy(a.b, client->addr, sizeof(a.b));
	family = addr_is_ipv4(&a) ? 0 : 1;
	sum->clients++;
	sum->weight += w;
	sum->family_clients[family]++;
	sum->family_weight[family] += w;
	failover_share_add(&h->all, block, w);
}

/* Where the clients that go to heir when the site is down go when it is down
 * too. */
static json_t *
next_heirs(const struct controller *c, struct displaced *d, size_t heir)
{
	struct fleet_map next = { .counts = { .null_tv = d->noise } };
	struct pack_set both = { { 0 } };
	struct heirs h;
	uint32_t n = 0;
	json_t *list;

	for (uint32_t i = 0; i < d->n; i++) {
		if (d->first[i] == heir)
			d->some[n++] = d->clients[i];
	}
	pack_set_add(&both, d->site);
	pack_set_add(&both, heir);
	pack_predict_some(d->view.pack, &both, d->some, n, d->next);
	next.wrong = pack_wrong_of(d->view.pack, &both, d->some, n);
	heirs_init(&h, c->n_sites);
	for (uint32_t i = 0; i < n; i++) {
		add_client(&h, &d->view.clients[d->some[i]],
		    d->next[i] < c->n_sites ? d->next[i] : c->n_sites,
		    d->block[d->some[i]]);
	}
	list = heirs_json(c, &next, &h, false);
	free(h.sums);
	return list;
}

static void
add_next_heirs(const struct controller *c, const struct fleet_map *map,
    json_t *heirs)
{
	struct displaced d;
	json_t *entry;
	size_t i;

	if (!displaced_init(c, map->counts.origins[0].site, &d))
		return;
	d.noise = map->counts.null_tv;
	json_array_foreach (heirs, i, entry) {
		const char *name =
		    json_string_value(json_object_get(entry, "heir"));
		double share =
		    json_real_value(json_object_get(entry, "weight_share"));

		if (name == NULL || share < LEVEL_MIN_SHARE || c->n_sites < 3)
			continue;
		json_object_set_new(entry, "heirs",
		    next_heirs(c, &d, controller_find_site(c, name)));
	}
	displaced_fini(&d);
}

json_t *
fleet_map_json(struct controller *c, const struct fleet_map *map, int levels)
{
	const struct failover_map *m = &map->counts;
	int64_t age_ms = wall_now_ms() - map->measured_ms;
	struct heirs h;
	json_t *heirs;

	heirs_init(&h, c->n_sites);
	for (size_t i = 0; i < m->n_origins; i++)
		add_origin(&h, &m->origins[i], c->n_sites);
	heirs = heirs_json(c, map, &h, true);
	if (levels > 1 && m->n_origins == 1)
		add_next_heirs(c, map, heirs);
	free(h.sums);
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:i, s:s, s:o, s:I, "
			 "s:f, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, "
			 "s:{s:I, s:I, s:f}, s:o}",
	    "site", map->name, "down", down_json(c, map->down), "experiment",
	    (json_int_t)map->experiment, "campaign", (json_int_t)map->campaign,
	    "measured_ms", (json_int_t)map->measured_ms, "age_ms",
	    (json_int_t)(age_ms > 0 ? age_ms : 0), "depth", (int)map->depth,
	    "label", map->label, "labels", labels_json(map), "clients",
	    (json_int_t)h.all.clients, "weight", h.all.weight, "heirs", heirs,
	    "origins", origins_json(c, map), "bystanders",
	    (json_int_t)m->bystanders, "others", (json_int_t)m->others,
	    "answered", (json_int_t)m->answered, "asked",
	    (json_int_t)map->asked, "list_clients",
	    (json_int_t)map->list_clients, "noise_floor",
	    m->null_both > 0 ? json_real((double)m->null_moved / m->null_both)
			     : json_null(),
	    "null", "both", (json_int_t)m->null_both, "moved",
	    (json_int_t)m->null_moved, "tv", m->null_tv, "tests",
	    test_names_json(map->tests));
}
