/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every real withdrawal beside its prediction: a drain, or sick services.
 *
 * The test prefix cannot tell where users' traffic really went.  What can are
 * the feeds of recent clients: a displaced client that a feed saw at a site
 * since the withdrawal has landed there.  No packet is sent for it.
 */
#include "fleet/landings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "base/xalloc.h"
#include "core/landing.h"
#include "fleet/campaign.h"
#include "fleet/landing_told.h"
#include "fleet/site_set.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 1000
/* Feeds count seconds, and traffic under way when the routes changed was still
 * right to go where it did. */
#define MARGIN_S 2

/* Of one site. */
struct site_past {
	struct mono turned; /* when it went down or came back */
	bool has_load;
	double load; /* the last measured one of when it announced */
};

struct landings {
	bool *down; /* of which all service prefixes are withdrawn */
	struct site_past *past;
	struct mono since;
	int64_t since_ms; /* wall */
	bool is_compared;
	uint32_t next;
};

struct landings *
landings_new(struct controller *c, struct err *err)
{
	int64_t newest = query_max_landing(c->env.query, err);
	struct landings *l;

	if (newest == -1)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->down = xcalloc(c->n_sites, sizeof(*l->down));
	l->past = xcalloc(c->n_sites, sizeof(*l->past));
	for (size_t i = 0; i < c->n_sites; i++)
		l->past[i].turned = mono_now();
	l->next = (uint32_t)newest + 1;
	l->is_compared = true; /* nobody is down */
	return l;
}

void
landings_free(struct landings *l)
{
	if (l == NULL)
		return;
	free(l->down);
	free(l->past);
	free(l);
}

/* ---- who is down ---- */

const bool *
landings_down(const struct controller *c)
{
	return c->landings->down;
}

int64_t
landings_turned_ms(const struct controller *c, size_t site)
{
	return mono_diff_ms(mono_now(), c->landings->past[site].turned);
}

bool
landings_load_before(const struct controller *c, size_t site, double *out)
{
	const struct site_past *past = &c->landings->past[site];

	*out = past->load;
	return past->has_load;
}

/* A site that is silent is what it was. */
static bool
is_down(const struct fleet_site *s, bool was)
{
	const char *name;
	json_t *prefix;
	size_t n = 0;

	if (!fleet_site_is_live(s))
		return was;
	json_object_foreach (s->service_prefixes, name, prefix) {
		const char *real =
		    json_string_value(json_object_get(prefix, "real"));

		if (real == NULL || strcmp(real, "withdrawn") != 0)
			return false;
		n++;
	}
	return n > 0;
}

/* Steps of a drain take its load away before it is withdrawn; one that has come
 * back gets it again in a while. */
void
landings_take_status(struct controller *c, size_t site)
{
	struct site_past *past = &c->landings->past[site];
	const struct fleet_site *s = &c->sites[site];
	const char *state =
	    json_string_value(json_object_get(s->status, "state"));
	struct fleet_load load = fleet_site_load(c, site);

	if (load.source != LOAD_MEASURED || state == NULL ||
	    strcmp(state, "announcing") != 0 ||
	    is_down(s, c->landings->down[site]) ||
	    intent_set_drain(&c->intents.set, s->name) != NULL)
		return;
	if (past->has_load && load.load < past->load &&
	    landings_turned_ms(c, site) < fleet_load_settle_ms(c, site))
		return;
	past->has_load = true;
	past->load = load.load;
}

static void
watch(struct controller *c, struct landings *l)
{
	bool *down = xcalloc(c->n_sites, sizeof(*down));

	for (size_t i = 0; i < c->n_sites; i++) {
		down[i] = is_down(&c->sites[i], l->down[i]);
		if (down[i] != l->down[i])
			l->past[i].turned = mono_now();
	}
	if (memcmp(down, l->down, c->n_sites * sizeof(*down)) != 0) {
		memcpy(l->down, down, c->n_sites * sizeof(*down));
		l->since = mono_now();
		l->since_ms = wall_now_ms();
		l->is_compared = site_set_size(c, down) == 0;
	}
	free(down);
}

/* ---- what was predicted, what was seen ---- */

static int
compare_addr(const struct client *c, const uint8_t *addr)
{
	return memcmp(c->addr.b, addr, sizeof(c->addr.b));
}

/* Where each client was seen since the withdrawal. */
static uint16_t *
seen_at(const struct controller *c, const struct landings *l,
    const struct landing_told *told)
{
	const struct client_book *book = feeds_book(c->env.feeds);
	uint16_t *seen = xcalloc(told->n, sizeof(*seen));

	for (size_t site = 0; site < c->n_sites && book != NULL; site++) {
		struct client_book_list list;
		size_t k = 0;

		if (!client_book_find(book, c->sites[site].name, &list))
			continue;
		/* Both are in the order of addresses. */
		for (uint32_t i = 0; i < told->n; i++) {
			const uint8_t *addr = told->clients[i].addr;

			while (k < list.n &&
			    compare_addr(&list.clients[k], addr) < 0)
				k++;
			if (k == list.n ||
			    compare_addr(&list.clients[k], addr) != 0 ||
			    list.clients[k].last_seen <=
				l->since_ms / 1000 + MARGIN_S)
				continue;
			seen[i] = seen[i] == OUTCOME_NONE ? (uint16_t)(site + 1)
							  : OUTCOME_FLIPPING;
		}
	}
	return seen;
}

static char *
heirs_text(const struct controller *c, const struct landing *found)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < c->n_sites; i++) {
		if (found->predicted[i] <= 0 && found->landed[i] <= 0)
			continue;
		json_array_append_new(list,
		    json_pack("{s:s, s:f, s:f}", "heir", c->sites[i].name,
			"predicted", found->predicted[i] / found->weight_seen,
			"seen", found->landed[i] / found->weight_seen));
	}
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

static void
note(struct controller *c, const struct store_landing *row)
{
	char subject[CONF_NAME_MAX + 16], what[96], reason[240];
	struct store_event ev = { .kind = "landing",
		.subject = subject,
		.what = what,
		.reason = reason,
		.actor = "controller" };

	(void)snprintf(subject, sizeof(subject), "landing/%" PRIu32, row->id);
	if (row->seen > 0) {
		(void)snprintf(what, sizeof(what),
		    "%.1f %% of the weight landed as predicted",
		    100 * row->weight_agreed / row->weight_seen);
	} else {
		(void)snprintf(what, sizeof(what),
		    "not compared: no displaced client was seen");
	}
	(void)snprintf(reason, sizeof(reason),
	    "%.100s withdrawn: %" PRIu32 " of %" PRIu32
	    " displaced clients seen since, distance %.1f %%",
	    row->down, row->seen, row->displaced, 100 * row->distance);
	controller_note(c, &ev);
}

static void
put(struct controller *c, struct landings *l, const struct landing_told *told,
    const struct landing *found)
{
	char *down = site_set_name(c, l->down), *heirs = heirs_text(c, found);
	struct store_landing row = { .id = l->next++,
		.at_ms = wall_now_ms(),
		.since_ms = l->since_ms,
		.down = down,
		.label = told->label,
		.experiment = told->experiment,
		.campaign = told->campaign,
		.displaced = found->displaced,
		.seen = found->seen,
		.agreed = found->agreed,
		.remained = found->remained,
		.several = found->several,
		.weight_seen = found->weight_seen,
		.weight_agreed = found->weight_agreed,
		.distance = found->distance,
		.heirs = heirs };

	store_put_landing(c->env.store, &row);
	note(c, &row);
	free(down);
	free(heirs);
}

static void
compare(struct controller *c, struct landings *l,
    const struct landing_told *told)
{
	double *weight = xcalloc(told->n, sizeof(*weight));
	uint16_t *seen = seen_at(c, l, told);
	struct landing_input in = { .n = told->n,
		.home = told->home,
		.predicted = told->after,
		.seen = seen,
		.weight = weight,
		.n_sites = c->n_sites,
		.down = l->down };
	struct landing found;

	for (uint32_t i = 0; i < told->n; i++)
		weight[i] = told->clients[i].weight;
	landing_compare(&in, &found);
	put(c, l, told, &found);
	landing_fini(&found);
	free(weight);
	free(seen);
}

void
landings_on_tick(struct controller *c)
{
	struct landings *l = c->landings;
	struct landing_told told;

	watch(c, l);
	if (l->is_compared ||
	    mono_diff_ms(mono_now(), l->since) <
		c->conf->predict.landing_after_ms)
		return;
	l->is_compared = true;
	if (site_set_size(c, l->down) < c->n_sites &&
	    landing_told_find(c, l->down, &told)) {
		compare(c, l, &told);
		landing_told_fini(&told);
	}
}

/* ---- for people ---- */

static void
handle_landings(struct api_request *req, void *arg)
{
	static const int64_t limits[] = { 1, LIMIT_MAX };
	struct controller *c = arg;
	int64_t limit = LIMIT_DEFAULT;
	struct err err;
	json_t *rows = NULL;

	if (api_param_i64(req, "limit", limits, &limit, &err) == 0)
		rows = query_landings(c->env.query, (unsigned)limit, &err);
	if (rows == NULL) {
		api_reply_err(req, &err);
		return;
	}
	api_reply_json(req, 200, json_pack("{s:o}", "landings", rows));
}

void
fleet_serve_landings(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/landings", API_READ, handle_landings },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
