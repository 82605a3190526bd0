/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading and showing the client list. */
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "feeds/recent_api.h"
#include "fleet/controller_state.h"
#include "fleet/experiment.h"
#include "fleet/landings.h"

#define TOKEN_BYTES 40
/* Rows in one message to the store. */
#define STORE_PART 8192u

/* One list on its way in, in parts. */
struct client_upload {
	struct client_list *list;
	char token[TOKEN_BYTES];
	int64_t next_part;
	uint64_t bytes;
};

void
client_upload_free(struct client_upload *up)
{
	if (up == NULL)
		return;
	client_list_free(up->list);
	free(up);
}

/* Makes the clients from which nobody opted out the current list.
 * Takes rows over. */
static void
adopt_rows(struct controller *c, struct store_client *rows, size_t n)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct addr a;

		memcpy(a.b, rows[i].addr, sizeof(a.b));
		if (!optouts_contain(&c->optouts, &a))
			rows[kept++] = rows[i];
	}
	free(c->clients);
	c->clients = rows;
	c->n_clients = kept;
	c->list++;
}

/* Makes them the current list. */
static void
adopt(struct controller *c, const struct client *clients, size_t n)
{
	struct store_client *rows = xcalloc(n, sizeof(*rows));

	for (size_t i = 0; i < n; i++) {
		memcpy(rows[i].addr, clients[i].addr.b, sizeof(rows[i].addr));
		rows[i].weight = clients[i].weight;
		rows[i].last_seen = clients[i].last_seen;
	}
	adopt_rows(c, rows, n);
}

/* A list that somebody gives is right: it is what others are measured by. */
static void
forget_most(struct controller *c)
{
	c->taken_most = 0;
	for (size_t i = 0; i < c->n_sites; i++)
		c->sites[i].taken_clients = 0;
}

static void
store_list(struct controller *c, store_done_cb *on_durable, void *arg)
{
	uint32_t i = 0;

	do {
		uint32_t left = c->n_clients - i;
		bool last = left <= STORE_PART;

		store_put_clients(c->env.store, c->list, c->clients + i,
		    last ? left : STORE_PART, last, last ? on_durable : NULL,
		    arg);
		i += STORE_PART;
	} while (i < c->n_clients);
}

void
fleet_clients_drop_optouts(struct controller *c)
{
	struct store_client *rows;
	bool any = false;

	for (uint32_t i = 0; i < c->n_clients && !any; i++) {
		struct addr a;

		memcpy(a.b, c->clients[i].addr, sizeof(a.b));
		any = optouts_contain(&c->optouts, &a);
	}
	if (!any)
		return;
	rows = xcalloc(c->n_clients, sizeof(*rows));
	memcpy(rows, c->clients, c->n_clients * sizeof(*rows));
	adopt_rows(c, rows, c->n_clients);
	store_list(c, NULL, NULL);
}

static void
finish(struct controller *c, struct api_request *req, struct client_upload *up)
{
	const struct client_list_counts *counts;
	const struct client *clients;
	size_t n;
	struct store_event ev = { .kind = "clients",
		.subject = "clients",
		.what = "loaded",
		.reason = "a new client list",
		.actor = api_actor(req) };
	struct err err;

	if (client_list_end(up->list, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	counts = client_list_counts(up->list);
	clients = client_list_get(up->list, &n);
	adopt(c, clients, n);
	forget_most(c);
	controller_note(c, &ev);
	store_list(c, api_later_send,
	    api_later_new(req,
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "list",
		    (json_int_t)c->list, "count", (json_int_t)c->n_clients,
		    "lines", (json_int_t)counts->lines, "dropped_special",
		    (json_int_t)counts->dropped_special, "dropped_optout",
		    (json_int_t)(n - c->n_clients), "duplicates",
		    (json_int_t)counts->duplicates)));
}

/* The upload that this part belongs to, or NULL with err. */
static struct client_upload *
find_upload(struct controller *c, const char *token, int64_t part,
    struct err *err)
{
	struct client_upload *up = c->upload;

	if (part == 0) {
		/* A new one takes the place of one that was given up. */
		client_upload_free(up);
		up = xcalloc(1, sizeof(*up));
		up->list = client_list_new(c->conf->predict.allow_special);
		(void)text_copy(up->token, sizeof(up->token), token);
		c->upload = up;
	}
	if (up == NULL || strcmp(up->token, token) != 0 ||
	    part != up->next_part) {
		err_set(err, ERR_REFUSED,
		    "upload %s: part %lld is out of order: begin again", token,
		    (long long)part);
		return NULL;
	}
	return up;
}

static void
handle_import(struct api_request *req, void *arg)
{
	static const int64_t parts[] = { 0, INT64_MAX };
	static const int64_t flags[] = { 0, 1 };
	struct controller *c = arg;
	const char *token = api_param(req, "upload");
	int64_t part = -1, last = 0;
	struct client_upload *up;
	const uint8_t *body;
	struct err err;
	size_t len;

	if (api_param_i64(req, "part", parts, &part, &err) == -1 ||
	    api_param_i64(req, "last", flags, &last, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	up = find_upload(c, token != NULL ? token : "", part, &err);
	if (up == NULL) {
		api_reply_err(req, &err);
		return;
	}
	body = api_body(req, &len);
	if (len > 0)
		client_list_feed(up->list, (const char *)body, len);
	up->bytes += len;
	up->next_part++;
	if (last == 0) {
		api_reply_json(req, 200,
		    json_pack("{s:I}", "received_bytes",
			(json_int_t)up->bytes));
		return;
	}
	c->upload = NULL;
	finish(c, req, up);
	client_upload_free(up);
}

/* ---- recent clients ---- */

/* What the collectors told, ours and those of the agents. */
static json_t *
collector_stats(const struct controller *c)
{
	json_t *stats = json_pack("[O*]", feeds_stats(c->env.feeds));

	for (size_t i = 0; i < c->n_sites; i++) {
		json_t *told = json_object_get(c->sites[i].status, "feeds");

		if (told != NULL)
			(void)json_array_append(stats, told);
	}
	return stats;
}

static void
handle_recent(struct api_request *req, void *arg)
{
	struct controller *c = arg;

	recent_reply_list(req, feeds_book(c->env.feeds));
}

/* A part of an agent's list. */
static void
handle_site_clients(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	const char *name = api_segment(req, 2);
	size_t site = controller_find_site(c, name);
	struct feed_part part;
	const uint8_t *body;
	struct err err;
	bool is_taken;
	size_t len;

	if (site == NO_SITE) {
		err_set(&err, ERR_GONE, "site %s: not in this fleet", name);
		api_reply_err(req, &err);
		return;
	}
	body = api_body(req, &len);
	is_taken = feed_part_decode(body, len, &part, &err) == 0;
	if (is_taken) {
		feed_part_set_clock(&part, wall_now_ms() / 1000);
		is_taken = client_book_take(feeds_book(c->env.feeds), name,
			       &part, &err) != -1;
	}
	if (!is_taken) {
		log_limited(&c->sites[site].limit, "site %s: %s", name,
		    err.msg);
		api_reply_err(req, &err);
		return;
	}
	api_reply_empty(req, 204);
}

/* Cuts out what is not to be pinged; how many. */
static size_t
drop_special(const struct controller *c, struct client *clients, size_t *n)
{
	size_t kept = 0, all = *n;

	for (size_t i = 0; i < all; i++) {
		if (c->conf->predict.allow_special ||
		    addr_special(&clients[i].addr) == NULL)
			clients[kept++] = clients[i];
	}
	*n = kept;
	return all - kept;
}

static void
sum_clients(const struct controller *c, json_int_t *ipv4, double *weight)
{
	for (uint32_t i = 0; i < c->n_clients; i++) {
		struct addr a;

		memcpy(a.b, c->clients[i].addr, sizeof(a.b));
		*ipv4 += addr_is_ipv4(&a);
		*weight += c->clients[i].weight;
	}
}

static void
reply_taken(struct controller *c, struct api_request *req,
    const struct recent_choice *choice, size_t dropped)
{
	struct store_event ev = { .kind = "clients",
		.subject = "clients",
		.what = "loaded",
		.actor = api_actor(req) };
	char *reason = xasprintf("recent clients of %s",
	    choice->site != NULL ? choice->site : "all sites");
	json_int_t ipv4 = 0;
	double weight = 0;

	sum_clients(c, &ipv4, &weight);
	ev.reason = reason;
	controller_note(c, &ev);
	free(reason);
	store_list(c, api_later_send,
	    api_later_new(req,
		json_pack("{s:I, s:I, s:I, s:f, s:I, s:I}", "list",
		    (json_int_t)c->list, "count", (json_int_t)c->n_clients,
		    "dropped_special", (json_int_t)dropped, "weight", weight,
		    "ipv4", ipv4, "ipv6", (json_int_t)c->n_clients - ipv4)));
}

/* The recent clients become the list that sweeps ask. */
static void
handle_take(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	const struct client_book *book = feeds_book(c->env.feeds);
	struct recent_choice choice;
	struct client *clients = NULL;
	size_t n = 0, dropped = 0;
	struct err err;

	if (recent_choice_parse(req, book, &choice, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	if (choice.top == 0)
		choice.top = CLIENT_LIST_MAX;
	clients = client_book_merge(book, choice.site, choice.top, &n);
	if (n > 0)
		dropped = drop_special(c, clients, &n);
	if (n == 0) {
		err_set(&err, ERR_REFUSED,
		    "no recent clients, %zu dropped as private or otherwise "
		    "special: the list stays",
		    dropped);
		api_reply_err(req, &err);
	} else {
		adopt(c, clients, n);
		forget_most(c);
		reply_taken(c, req, &choice, dropped);
	}
	free(clients);
}

/* ---- by themselves ---- */

/* After a start the agents' lists have to come in first. */
#define TAKE_FIRST_MS (10 * INT64_C(60000))
/* Of the most there were, and of what each site had: with fewer a feed must have
 * failed.  A site with next to none before says nothing. */
#define TAKE_SHARE_MIN 0.5
#define TAKE_SITE_MIN 100u
/* Times of another clock, set right, are right to some seconds, and it drifts. */
#define TAKE_CLOCK_S 30

static void
note_taken(struct controller *c, const char *what, const char *reason)
{
	const struct store_event ev = { .kind = "clients",
		.subject = "clients",
		.what = what,
		.reason = reason,
		.actor = "controller" };

	controller_note(c, &ev);
}

static struct client_book_list
recent_of(const struct controller *c, size_t site)
{
	struct client_book_list list = { .n = 0 };

	(void)client_book_find(feeds_book(c->env.feeds), c->sites[site].name,
	    &list);
	return list;
}

static int64_t
newest_seen(const struct client_book_list *list)
{
	int64_t newest = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		if (list->clients[i].last_seen > newest)
			newest = list->clients[i].last_seen;
	}
	return newest;
}

static void
note_site_taken(struct controller *c, size_t site)
{
	struct client_book_list list = recent_of(c, site);
	struct fleet_site *s = &c->sites[site];
	int64_t newest = newest_seen(&list), now = wall_now_ms() / 1000;

	s->taken_clients = list.n;
	s->taken_serial = list.serial;
	/* Its clock may have been ahead for a while. */
	s->taken_seen = newest < now ? newest : now;
}

/* Nothing has to come where no traffic is. */
static bool
is_nobody_seen(const struct controller *c, size_t site,
    const struct client_book_list *list)
{
	const struct fleet_site *s = &c->sites[site];

	return s->taken_clients >= TAKE_SITE_MIN && fleet_site_is_live(s) &&
	    !landings_down(c)[site] &&
	    intent_set_drain(&c->intents.set, s->name) == NULL &&
	    newest_seen(list) <= s->taken_seen + TAKE_CLOCK_S;
}

/*
 * Clients without traffic stay on a site's list, lighter and lighter: where it is
 * told anew with nobody seen since, nothing came.  That a feed failed is likely,
 * but a site that stands by may be like that for ever: it is told, once, and the
 * list is taken.
 */
static void
note_quiet(struct controller *c, size_t site)
{
	struct client_book_list list = recent_of(c, site);
	struct fleet_site *s = &c->sites[site];
	bool was_quiet = s->is_quiet;
	char reason[160];

	if (list.serial == s->taken_serial)
		return;
	s->is_quiet = is_nobody_seen(c, site, &list);
	if (was_quiet || !s->is_quiet)
		return;
	(void)snprintf(reason, sizeof(reason),
	    "the feeds of %.64s saw nobody since the list was taken: do they fail?",
	    s->name);
	note_taken(c, "nobody seen at a site", reason);
}

/* Why they are not to be taken; false: they may be. */
static bool
look_short(const struct controller *c, size_t n, char reason[160])
{
	size_t most =
	    c->taken_most > c->n_clients ? c->taken_most : c->n_clients;

	if (n == 0 || (double)n < TAKE_SHARE_MIN * (double)most) {
		(void)snprintf(reason, 160,
		    "the feeds told of %zu recent clients, there were %zu: does a feed fail?",
		    n, most);
		return true;
	}
	for (size_t i = 0; i < c->n_sites; i++) {
		uint32_t before = c->sites[i].taken_clients;
		uint32_t now = recent_of(c, i).n;

		if (before < TAKE_SITE_MIN ||
		    (double)now >= TAKE_SHARE_MIN * (double)before)
			continue;
		(void)snprintf(reason, 160,
		    "the feeds of %.64s told of %u recent clients, before of %u: does one fail?",
		    c->sites[i].name, now, before);
		return true;
	}
	return false;
}

static void
take_by_itself(struct controller *c)
{
	size_t n = 0, before = c->n_clients;
	struct client *clients = client_book_merge(feeds_book(c->env.feeds),
	    NULL, CLIENT_LIST_MAX, &n);
	char reason[160];

	if (n > 0)
		(void)drop_special(c, clients, &n);
	if (look_short(c, n, reason)) {
		note_taken(c, "recent clients not taken", reason);
	} else {
		if (n > c->taken_most)
			c->taken_most = n;
		for (size_t i = 0; i < c->n_sites; i++) {
			note_quiet(c, i);
			note_site_taken(c, i);
		}
		adopt(c, clients, n);
		(void)snprintf(reason, sizeof(reason),
		    "%zu recent clients of all sites, before %zu",
		    (size_t)c->n_clients, before);
		note_taken(c, "loaded", reason);
		store_list(c, NULL, NULL);
	}
	free(clients);
}

void
fleet_clients_on_tick(struct controller *c)
{
	int64_t every_ms = c->conf->predict.take_clients_ms;
	struct mono now = mono_now();

	/* The first time as if it had been done so long before. */
	if (c->taken.us == 0) {
		c->taken = every_ms > TAKE_FIRST_MS
		    ? mono_add_ms(now, TAKE_FIRST_MS - every_ms)
		    : now;
	}
	if (every_ms == 0 || mono_diff_ms(now, c->taken) < every_ms)
		return;
	c->taken = now;
	take_by_itself(c);
}

static void
handle_stats(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	json_t *stats = collector_stats(c);
	json_int_t ipv4 = 0;
	double weight = 0;

	sum_clients(c, &ipv4, &weight);
	api_reply_json(req, 200,
	    json_pack("{s:I, s:I, s:f, s:I, s:I, s:o}", "list",
		(json_int_t)c->list, "count", (json_int_t)c->n_clients,
		"weight", weight, "ipv4", ipv4, "ipv6",
		(json_int_t)c->n_clients - ipv4, "recent",
		recent_to_json(feeds_book(c->env.feeds), stats)));
	json_decref(stats);
}

void
fleet_serve_clients(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/clients", API_READ, handle_stats },
		{ "POST", "/v1/clients", API_LOCAL, handle_import },
		{ "GET", "/v1/clients/recent", API_LOCAL, handle_recent },
		{ "POST", "/v1/clients/take", API_LOCAL, handle_take },
		{ "POST", "/v1/sites/+/clients", API_SITE,
		    handle_site_clients },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
