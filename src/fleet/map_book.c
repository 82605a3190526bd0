/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/map_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "core/heirs.h"
#include "fleet/campaign.h"
#include "fleet/experiment_map.h"
#include "fleet/experiment_state.h"
#include "fleet/site_set.h"
#include "fleet/test_names.h"
#include "fleet/test_prefix.h"

/* Campaigns withdraw a third of the sites at once, hundreds of times, and sets
 * of their own chance: of a set of more sites the heirs are read when somebody
 * asks for them, which is seldom. */
#define KEPT_DEPTH_MAX 3

struct map_book {
	struct fleet_map **maps;
	size_t n, room;
	struct fleet_map *read; /* the one of these whose heirs are here */
};

void
fleet_map_free(struct fleet_map *map)
{
	if (map == NULL)
		return;
	free(map->name);
	free(map->down);
	free(map->tests);
	failover_map_fini(&map->counts);
	free(map);
}

static struct fleet_map *
map_new(const struct controller *c, const bool *down)
{
	struct fleet_map *map = xcalloc(1, sizeof(*map));

	map->down = xcalloc(c->n_sites, sizeof(*map->down));
	memcpy(map->down, down, c->n_sites * sizeof(*map->down));
	map->name = site_set_name(c, down);
	map->depth = site_set_size(c, down);
	return map;
}

/* A map that was measured may still be one of what moves by itself. */
static void
judge_measured(struct fleet_map *map)
{
	const struct failover_map *m = &map->counts;
	uint32_t clients = 0, unstable = 0;
	double moved =
	    m->null_both > 0 ? (double)m->null_moved / (double)m->null_both : 0;

	for (size_t i = 0; i < m->n_origins; i++) {
		clients += m->origins[i].all.clients;
		unstable += m->origins[i].all.unstable;
	}
	if (clients > 0 && (double)unstable / clients > moved)
		moved = (double)unstable / clients;
	map->label =
	    pack_label_name(moved > HEIRS_UNSTABLE_SHARE ? PACK_UNSTABLE
							 : PACK_MEASURED);
	map->labels[PACK_MEASURED] = 1;
}

/* ---- from the store ---- */

static struct failover_origin *
find_origin(struct failover_map *m, size_t site)
{
	for (size_t i = 0; i < m->n_origins; i++) {
		if (m->origins[i].site == site)
			return &m->origins[i];
	}
	return NULL;
}

static void
share_put(struct failover_share *s, const struct failover_share *part)
{
	s->clients += part->clients;
	s->unstable += part->unstable;
	s->weight += part->weight;
	s->square += part->square;
}

/* A heir that is no site of the fleet any more is as good as unknown. */
static void
take_heir(const struct controller *c, struct failover_map *m, json_t *row)
{
	const char *site = "", *heir = "";
	json_int_t family = 0, clients = 0, unstable = 0;
	struct failover_share part = { 0 };
	struct failover_origin *o;
	size_t at;

	(void)json_unpack(row, "{s:s, s:s, s:I, s:I, s:I, s:F, s:F}", "site",
	    &site, "heir", &heir, "family", &family, "clients", &clients,
	    "unstable", &unstable, "weight", &part.weight, "square",
	    &part.square);
	part.clients = (uint32_t)clients;
	part.unstable = (uint32_t)unstable;
	o = find_origin(m, controller_find_site(c, site));
	if (o == NULL)
		return;
	at = controller_find_site(c, heir);
	share_put(&o->heirs[family == 4 ? 0 : 1]
			   [at != NO_SITE ? at : c->n_sites],
	    &part);
	share_put(&o->all, &part);
}

static void
take_row(struct fleet_map *map, json_t *row)
{
	json_int_t id = 0, campaign = 0, ended = 0, asked = 0, clients = 0;
	json_int_t answered = 0, others = 0, bystanders = 0, both = 0,
		   moved = 0, aside = 0;

	(void)json_unpack(row,
	    "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:F, s:I, s:F}",
	    "id", &id, "campaign", &campaign, "ended_ms", &ended, "asked",
	    &asked, "clients", &clients, "answered", &answered, "others",
	    &others, "bystanders", &bystanders, "null_both", &both,
	    "null_moved", &moved, "null_tv", &map->counts.null_tv, "set_aside",
	    &aside, "null_moved_weight", &map->counts.null_moved_weight);
	test_names_add(&map->tests,
	    json_string_value(json_object_get(row, "test")));
	map->experiment = (uint32_t)id;
	map->campaign = (uint32_t)campaign;
	map->measured_ms = ended;
	map->is_doubted = aside != 0;
	map->asked = (uint32_t)asked;
	map->list_clients = (uint32_t)clients;
	map->counts.answered = (uint32_t)answered;
	map->counts.others = (uint32_t)others;
	map->counts.bystanders = (uint32_t)bystanders;
	map->counts.null_both = (uint32_t)both;
	map->counts.null_moved = (uint32_t)moved;
}

static int
read_heirs(const struct controller *c, struct fleet_map *map, struct err *err)
{
	struct failover_input nobody = { .n_sites = c->n_sites,
		.withdrawn = map->down };
	json_t *heirs = query_heirs(c->env.query, map->experiment, err), *heir;
	struct failover_map counts;
	size_t i;

	if (heirs == NULL)
		return -1;
	failover_count(&nobody, &counts);
	map->counts.origins = counts.origins;
	map->counts.n_origins = counts.n_origins;
	json_array_foreach (heirs, i, heir)
		take_heir(c, &map->counts, heir);
	json_decref(heirs);
	judge_measured(map);
	map->is_brief = false;
	return 0;
}

static void
forget_heirs(struct fleet_map *map)
{
	struct failover_map counts = map->counts;

	failover_map_fini(&map->counts);
	map->counts = counts;
	map->counts.origins = NULL;
	map->counts.n_origins = 0;
	map->is_brief = true;
}

/* Without its heirs.  NULL: a site of its set is not in the fleet any more. */
static struct fleet_map *
read_brief(const struct controller *c, json_t *row)
{
	const char *site = json_string_value(json_object_get(row, "site"));
	bool *down = xcalloc(c->n_sites, sizeof(*down));
	struct fleet_map *map = NULL;

	if (site_set_parse(c, site, down, NULL) == 0) {
		map = map_new(c, down);
		take_row(map, row);
		map->is_brief = true;
	}
	free(down);
	return map;
}

/* NULL without err: a site of its set is not in the fleet any more. */
static struct fleet_map *
read_map(const struct controller *c, json_t *row, struct err *err)
{
	struct fleet_map *map = read_brief(c, row);

	if (map == NULL || read_heirs(c, map, err) == 0)
		return map;
	fleet_map_free(map);
	return NULL;
}

struct fleet_map *
map_book_read(struct controller *c, uint32_t experiment, struct err *err)
{
	json_t *row = query_experiment(c->env.query, experiment, err);
	const char *state = json_string_value(json_object_get(row, "state"));
	struct fleet_map *map = NULL;

	if (row == NULL)
		return NULL;
	if (state == NULL || strcmp(state, "done") != 0) {
		err_set(err, ERR_REFUSED, "experiment %u: it gave no map",
		    experiment);
	} else {
		err_set(err, ERR_GONE,
		    "experiment %u: its sites are not in this fleet any more",
		    experiment);
		map = read_map(c, row, err);
	}
	json_decref(row);
	return map;
}

/* ---- the book ---- */

/* In the place of an older one of the same set.  The store knows sets by their
 * name, which follows the order of fleet.sites: one may have several. */
static void
put(struct controller *c, struct map_book *book, struct fleet_map *map)
{
	for (size_t i = 0; i < book->n; i++) {
		struct fleet_map *other = book->maps[i];

		if (!site_set_equal(c, other->down, map->down))
			continue;
		if (other->experiment < map->experiment) {
			book->maps[i] = map;
			map = other;
		}
		if (book->read == map)
			book->read = NULL;
		fleet_map_free(map);
		return;
	}
	if (book->n == book->room) {
		book->room = book->room > 0 ? 2 * book->room : 64;
		book->maps = xreallocarray(book->maps, book->room,
		    sizeof(struct fleet_map *));
	}
	book->maps[book->n++] = map;
}

struct map_book *
map_book_load(struct controller *c, struct err *err)
{
	json_t *rows = query_newest_maps(c->env.query, err), *row;
	struct map_book *book;
	size_t i;

	if (rows == NULL)
		return NULL;
	book = xcalloc(1, sizeof(*book));
	json_array_foreach (rows, i, row) {
		struct fleet_map *map = read_brief(c, row);
		struct err why = { 0 };

		if (map == NULL)
			continue;
		if (map->depth > KEPT_DEPTH_MAX ||
		    read_heirs(c, map, &why) == 0) {
			put(c, book, map);
		} else {
			log_warnx("failover map: %s", why.msg);
			fleet_map_free(map);
		}
	}
	json_decref(rows);
	return book;
}

void
map_book_free(struct map_book *book)
{
	if (book == NULL)
		return;
	for (size_t i = 0; i < book->n; i++)
		fleet_map_free(book->maps[i]);
	free(book->maps);
	free(book);
}

void
map_book_take(struct controller *c, const struct experiment *ex)
{
	struct fleet_map *map;
	struct failover_input in = experiment_input(ex);

	if (ex->state != EXPERIMENT_DONE)
		return;
	map = map_new(c, ex->withdrawn);
	failover_count(&in, &map->counts);
	test_names_add(&map->tests, ex->test->name);
	map->experiment = ex->id;
	map->campaign = ex->campaign;
	map->measured_ms = ex->ended_ms;
	map->asked = ex->clients.n;
	map->list_clients = ex->clients.n_base;
	judge_measured(map);
	/* It is on disk. */
	if (map->depth > KEPT_DEPTH_MAX)
		forget_heirs(map);
	put(c, c->maps, map);
}

void
map_book_doubt(struct controller *c, uint32_t experiment, bool is_doubted)
{
	for (size_t i = 0; i < c->maps->n; i++) {
		if (c->maps->maps[i]->experiment == experiment)
			c->maps->maps[i]->is_doubted = is_doubted;
	}
}

/* With its heirs; NULL if they cannot be read. */
static const struct fleet_map *
make_whole(const struct controller *c, struct fleet_map *map)
{
	struct map_book *book = c->maps;
	struct err why = { 0 };

	if (!map->is_brief)
		return map;
	if (book->read != NULL)
		forget_heirs(book->read);
	book->read = NULL;
	if (read_heirs(c, map, &why) == -1) {
		log_warnx("failover map of %.100s: %s", map->name, why.msg);
		return NULL;
	}
	book->read = map;
	return map;
}

const struct fleet_map *
map_book_find(const struct controller *c, const bool *down)
{
	for (size_t i = 0; i < c->maps->n; i++) {
		struct fleet_map *map = c->maps->maps[i];

		if (site_set_equal(c, map->down, down))
			return map->is_doubted ? NULL : make_whole(c, map);
	}
	return NULL;
}

const struct fleet_map **
map_book_list(const struct controller *c, size_t depth, size_t *n)
{
	const struct fleet_map **list =
	    xcalloc(c->maps->n, sizeof(struct fleet_map *));

	*n = 0;
	for (size_t i = 0; i < c->maps->n; i++) {
		const struct fleet_map *map = c->maps->maps[i];

		if (map->depth > 0 && (depth == 0 || map->depth == depth) &&
		    !map->is_doubted)
			list[(*n)++] = map;
	}
	return list;
}

/* ---- of sets that were not measured ---- */

/* What moves by itself, as the campaign's experiments showed it. */
static void
add_noise(const struct controller *c, struct fleet_map *map)
{
	struct failover_map *sum = &map->counts;
	double tv = 0;

	for (size_t i = 0; i < c->maps->n; i++) {
		const struct fleet_map *one = c->maps->maps[i];

		if (one->campaign != map->campaign || one->is_doubted)
			continue;
		sum->null_both += one->counts.null_both;
		sum->null_moved += one->counts.null_moved;
		tv += one->counts.null_tv * one->counts.null_both;
	}
	if (sum->null_both > 0)
		sum->null_tv = tv / sum->null_both;
}

/* Clients of the set's sites, their numbers into out; and how many others
 * there are. */
static uint32_t
find_displaced(const struct controller *c, const struct campaign_view *view,
    const bool *down, uint32_t *out, uint32_t *others)
{
	uint32_t n = 0;

	*others = 0;
	for (uint32_t i = 0; i < view->n; i++) {
		if (!outcome_is_site(view->home[i], c->n_sites))
			continue;
		if (down[view->home[i] - 1u]) {
			out[n++] = i;
		} else {
			++*others;
		}
	}
	return n;
}

uint32_t *
map_blocks(const struct campaign_view *view)
{
	uint32_t *block = xcalloc(view->n, sizeof(*block));
	struct addr a, before;

	for (uint32_t i = 0; i < view->n; i++) {
		memcpy(a.b, view->clients[i].addr, sizeof(a.b));
		block[i] = experiment_block_after(i > 0 ? block[i - 1] : 0,
		    i > 0 ? &before : NULL, &a);
		before = a;
	}
	return block;
}

/* Of the displaced alone, in their order. */
struct predicted {
	uint32_t *client; /* its number in the view */
	uint32_t n, others;
	struct pack_prediction *to;
	uint16_t *before, *after; /* outcomes */
	double *weight;
	bool *is_ipv4;
	uint32_t *block;
};

static void
predicted_init(struct predicted *pr, const struct controller *c,
    const struct campaign_view *view, const struct fleet_map *map)
{
	*pr = (struct predicted){ .client =
				      xcalloc(view->n, sizeof(*pr->client)) };
	pr->n = find_displaced(c, view, map->down, pr->client, &pr->others);
	pr->to = xcalloc(pr->n, sizeof(*pr->to));
	pr->before = xcalloc(pr->n, sizeof(*pr->before));
	pr->after = xcalloc(pr->n, sizeof(*pr->after));
	pr->weight = xcalloc(pr->n, sizeof(*pr->weight));
	pr->is_ipv4 = xcalloc(pr->n, sizeof(*pr->is_ipv4));
	pr->block = xcalloc(pr->n, sizeof(*pr->block));
}

static void
predicted_fini(struct predicted *pr)
{
	free(pr->client);
	free(pr->to);
	free(pr->before);
	free(pr->after);
	free(pr->weight);
	free(pr->is_ipv4);
	free(pr->block);
}

static void
predicted_fill(struct predicted *pr, const struct controller *c,
    const struct campaign_view *view)
{
	struct addr a, before;

	for (uint32_t i = 0; i < pr->n; i++) {
		const struct store_client *client =
		    &view->clients[pr->client[i]];

		memcpy(a.b, client->addr, sizeof(a.b));
		pr->block[i] =
		    experiment_block_after(i > 0 ? pr->block[i - 1] : 0,
			i > 0 ? &before : NULL, &a);
		before = a;
		pr->is_ipv4[i] = addr_is_ipv4(&a);
		pr->weight[i] = client->weight;
		pr->before[i] = view->home[pr->client[i]];
		pr->after[i] = pr->to[i].site < c->n_sites
		    ? (uint16_t)(pr->to[i].site + 1u)
		    : OUTCOME_NONE;
	}
}

static void
fill_labels(struct fleet_map *map, const struct predicted *pr)
{
	double all = 0;

	for (uint32_t i = 0; i < pr->n; i++) {
		all += pr->weight[i];
		if (pr->to[i].label < PACK_LABEL_COUNT)
			map->labels[pr->to[i].label] += pr->weight[i];
	}
	for (int i = 0; i < PACK_LABEL_COUNT && all > 0; i++)
		map->labels[i] /= all;
}

/* The clients of other sites, nearly all, stay where they are, and are only
 * counted: with half a million of them main would stand still for a minute over
 * the maps of 300 sites. */
static void
fill_predicted(struct controller *c, const struct campaign_view *view,
    struct fleet_map *map, const struct pack_set *set)
{
	struct predicted pr;
	struct failover_input in = { .n_sites = c->n_sites,
		.withdrawn = map->down };

	predicted_init(&pr, c, view, map);
	pack_predict_split_some(view->pack, set, pr.client, pr.n, pr.to);
	predicted_fill(&pr, c, view);
	fill_labels(map, &pr);
	map->wrong = pack_wrong_of(view->pack, set, pr.client, pr.n);
	map->label =
	    pack_label_name(pack_label_of(view->pack, set, pr.client, pr.n));
	in.n = pr.n;
	in.before = pr.before;
	in.after = pr.after;
	in.weight = pr.weight;
	in.is_ipv4 = pr.is_ipv4;
	in.block = pr.block;
	failover_count(&in, &map->counts);
	map->counts.answered += pr.others;
	map->counts.others += pr.others;
	predicted_fini(&pr);
}

struct fleet_map *
map_predict(struct controller *c, const bool *down, struct err *err)
{
	struct pack_set set = { { 0 } };
	struct campaign_view view;
	struct fleet_map *map;

	if (!campaign_view(c, &view)) {
		(void)campaign_view_err(c, err);
		return NULL;
	}
	for (size_t i = 0; i < c->n_sites; i++) {
		if (down[i])
			pack_set_add(&set, i);
	}
	map = map_new(c, down);
	test_names_add(&map->tests, view.tests);
	map->campaign = view.id;
	map->measured_ms = view.measured_ms;
	map->asked = map->list_clients = view.n;
	fill_predicted(c, &view, map, &set);
	add_noise(c, map);
	return map;
}
