/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every real withdrawal beside its prediction: a drain, or sick services.
 *
 * The test prefix cannot tell where users' traffic really went.  What can are
 * the feeds of recent clients: a displaced client that a feed saw at a site
 * since the withdrawal has landed there.  No packet is sent for it.
 *
 * Who is down, and since when, is kept in the store: a restarted controller goes
 * on with it, and compares nothing twice.
 */
#include "fleet/landings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "core/landing.h"
#include "fleet/campaign.h"
#include "fleet/landing_told.h"
#include "fleet/site_set.h"
#include "store/age.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 1000
/* Feeds count seconds, and traffic under way when the routes changed was still
 * right to go where it did. */
#define MARGIN_S 2
/* A withdrawal that is over sooner than landing_after is compared all the same
 * after this part of it, and when feeds can have seen anybody at all. */
#define SHORT_PART 10
#define SHORT_MIN_MS (MARGIN_S * 1000 + 1000)
#define STATE_NAME "landing"
#define AGE_MAX_MS (INT64_C(3650) * 86400 * 1000)

/* Of one site. */
struct site_past {
	struct mono turned; /* when it went down or came back */
	bool is_heard;      /* by this process */
	bool has_load;
	double load; /* the last measured one of when it announced */
};

struct landings {
	bool *down; /* of which all service prefixes are withdrawn */
	struct site_past *past;
	struct mono since;
	int64_t since_ms; /* wall */
	/* Else it was before, while nobody looked. */
	bool is_since_known;
	bool is_compared;
	struct mono started;
	uint32_t next;
	uint64_t revision; /* of what is kept */
	/* The newest landing, where a former version kept nothing else: "" */
	char *newest;
};

/* ---- what is kept over a restart ---- */

static void
keep(struct controller *c, struct landings *l)
{
	char *down = site_set_name(c, l->down), *text;
	json_t *doc = json_pack("{s:s, s:I, s:I, s:b, s:b}", "down", down,
	    "since_ms", (json_int_t)l->since_ms, "age_ms",
	    (json_int_t)mono_diff_ms(mono_now(), l->since), "since_known",
	    l->is_since_known, "compared", l->is_compared);

	age_stamp(doc);
	text = json_dumps(doc, JSON_COMPACT);
	if (store_put_state(c->env.store, STATE_NAME, ++l->revision, text) ==
	    -1)
		log_warnx("landings: who is down cannot be kept: too long");
	json_decref(doc);
	free(text);
	free(down);
}

/* A site that has gone from the configuration makes it another set. */
static void
take_kept(struct controller *c, struct landings *l, json_t *doc)
{
	json_int_t since_ms, age_ms;
	int is_known, is_compared;
	const char *down;

	if (json_unpack(doc, "{s:s, s:I, s:I, s:b, s:b}", "down", &down,
		"since_ms", &since_ms, "age_ms", &age_ms, "since_known",
		&is_known, "compared", &is_compared) == -1 ||
	    since_ms < 0 || age_ms < 0 || age_ms > AGE_MAX_MS ||
	    site_set_parse(c, down, l->down, NULL) == -1)
		return;
	l->since = mono_add_ms(mono_now(), -age_ms - age_of(doc));
	l->since_ms = since_ms;
	l->is_since_known = is_known != 0;
	l->is_compared = is_compared != 0;
}

static void
take_newest(struct controller *c, struct landings *l)
{
	struct err err;
	json_t *rows = query_landings(c->env.query, 1, &err);
	const char *down =
	    json_string_value(json_object_get(json_array_get(rows, 0), "down"));

	l->newest = xstrdup(down != NULL ? down : "");
	json_decref(rows);
}

static void
load_kept(struct controller *c, struct landings *l)
{
	struct err err = { 0 };
	char *text = NULL;
	int rc =
	    query_state(c->env.query, STATE_NAME, &l->revision, &text, &err);
	json_t *doc = rc == 1 ? json_loads(text, 0, NULL) : NULL;

	if (rc == -1 || (rc == 1 && doc == NULL)) {
		log_warnx("landings: who was down cannot be read: %s",
		    rc == -1 ? err.msg : "not JSON");
	}
	if (rc == 0) {
		take_newest(c, l);
	} else {
		l->newest = xstrdup("");
	}
	if (doc != NULL)
		take_kept(c, l, doc);
	json_decref(doc);
	free(text);
}

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
	l->started = mono_now();
	load_kept(c, l);
	return l;
}

void
landings_free(struct landings *l)
{
	if (l == NULL)
		return;
	free(l->down);
	free(l->past);
	free(l->newest);
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

/* A site that is silent, or does not know what BIRD has, is what it was. */
static bool
is_down(const struct fleet_site *s, bool was)
{
	bool is_known = true;
	const char *name;
	json_t *prefix;
	size_t n = 0;

	if (!fleet_site_is_live(s))
		return was;
	json_object_foreach (s->service_prefixes, name, prefix) {
		const char *real =
		    json_string_value(json_object_get(prefix, "real"));

		n++;
		if (real == NULL || strcmp(real, "unknown") == 0) {
			is_known = false;
		} else if (strcmp(real, "withdrawn") != 0) {
			return false;
		}
	}
	return n > 0 && (is_known || was);
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
	if (row->weight_seen > 0) {
		(void)snprintf(what, sizeof(what),
		    "%.1f %% of the weight landed as predicted",
		    100 * row->weight_agreed / row->weight_seen);
	} else if (row->seen > 0) {
		(void)snprintf(what, sizeof(what),
		    "not compared: the displaced clients seen have no weight");
	} else {
		(void)snprintf(what, sizeof(what),
		    "not compared: no displaced client was seen");
	}
	(void)snprintf(reason, sizeof(reason),
	    "%.100s withdrawn%s: %" PRIu32 " of %" PRIu32
	    " displaced clients seen since, distance %.1f %%",
	    row->down, row->is_short ? " for a short time" : "", row->seen,
	    row->displaced, 100 * row->distance);
	controller_note(c, &ev);
}

static void
put(struct controller *c, struct landings *l, const struct landing_told *told,
    const struct landing *found, bool is_short)
{
	char *down = site_set_name(c, l->down), *heirs = heirs_text(c, found);
	struct store_landing row = { .id = l->next++,
		.at_ms = wall_now_ms(),
		.since_ms = l->is_since_known ? l->since_ms : 0,
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
		.heirs = heirs,
		.is_short = is_short };

	store_put_landing(c->env.store, &row);
	note(c, &row);
	free(down);
	free(heirs);
}

static void
compare(struct controller *c, struct landings *l,
    const struct landing_told *told, bool is_short)
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
	put(c, l, told, &found, is_short);
	landing_fini(&found);
	free(weight);
	free(seen);
}

static void
compare_if_told(struct controller *c, struct landings *l, bool is_short)
{
	struct landing_told told;

	l->is_compared = true;
	if (site_set_size(c, l->down) < c->n_sites &&
	    landing_told_find(c, l->down, &told)) {
		compare(c, l, &told, is_short);
		landing_told_fini(&told);
	}
}

/* ---- when ---- */

/* It ends, or other sites are withdrawn from now on. */
static void
end_set(struct controller *c, struct landings *l)
{
	int64_t after_ms = c->conf->predict.landing_after_ms;
	int64_t lasted_ms = mono_diff_ms(mono_now(), l->since);

	if (!l->is_compared && lasted_ms >= SHORT_MIN_MS &&
	    lasted_ms >= after_ms / SHORT_PART)
		compare_if_told(c, l, lasted_ms < after_ms);
}

/* `is_seen`: all of what changed did so while this process looked. */
static void
begin_set(struct controller *c, struct landings *l, const bool *down,
    bool is_seen)
{
	char *name = site_set_name(c, down);

	memcpy(l->down, down, c->n_sites * sizeof(*down));
	l->since = mono_now();
	l->since_ms = wall_now_ms();
	l->is_since_known = is_seen;
	l->is_compared = site_set_size(c, down) == 0 ||
	    (!is_seen && strcmp(name, l->newest) == 0);
	keep(c, l);
	free(name);
}

static void
watch(struct controller *c, struct landings *l)
{
	bool *down = xcalloc(c->n_sites, sizeof(*down));
	bool is_changed = false, is_seen = true;

	for (size_t i = 0; i < c->n_sites; i++) {
		struct site_past *past = &l->past[i];

		down[i] = is_down(&c->sites[i], l->down[i]);
		if (down[i] != l->down[i]) {
			past->turned = mono_now();
			is_changed = true;
			is_seen = is_seen && past->is_heard;
		}
		past->is_heard =
		    past->is_heard || fleet_site_is_live(&c->sites[i]);
	}
	if (is_changed) {
		/* While nobody looked clients may have come back. */
		if (is_seen)
			end_set(c, l);
		begin_set(c, l, down, is_seen);
	}
	free(down);
}

/* A restarted controller waits for the sites, for what the feeds saw while it
 * was away, and until it knows again what was predicted. */
static bool
is_due(const struct controller *c, const struct landings *l)
{
	int64_t after_ms = c->conf->predict.landing_after_ms;
	struct mono now = mono_now();

	if (l->is_compared || mono_diff_ms(now, l->since) < after_ms ||
	    mono_diff_ms(now, l->started) < after_ms / SHORT_PART ||
	    campaign_is_reading(c))
		return false;
	for (size_t i = 0; i < c->n_sites; i++) {
		if (l->down[i] && !l->past[i].is_heard)
			return false;
	}
	return true;
}

void
landings_on_tick(struct controller *c)
{
	struct landings *l = c->landings;

	watch(c, l);
	if (is_due(c, l)) {
		compare_if_told(c, l, false);
		keep(c, l);
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
	json_t *rows = NULL, *row;
	size_t i;

	if (api_param_i64(req, "limit", limits, &limit, &err) == 0)
		rows = query_landings(c->env.query, (unsigned)limit, &err);
	if (rows == NULL) {
		api_reply_err(req, &err);
		return;
	}
	json_array_foreach (rows, i, row) {
		json_object_set_new(row, "short",
		    json_boolean(json_integer_value(json_object_get(row,
				     "short")) != 0));
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
