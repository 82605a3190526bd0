/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What agents call: orders, status, replies, client lists. */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/log.h"
#include "base/num.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "fleet/controller_state.h"
#include "fleet/experiment.h"
#include "fleet/landings.h"
#include "fleet/test_prefix.h"
#include "store/intent_row.h"

#define WAIT_MAX_MS 60000
/* Nobody counts so far: a higher one would leave no room for what follows. */
#define REVISION_MAX ((uint64_t)1 << 62)
#define ADDR_BYTES 16

static struct fleet_site *
find_site(struct controller *c, struct api_request *req)
{
	size_t i = controller_find_site(c, api_segment(req, 2));
	struct err err;

	if (i != NO_SITE)
		return &c->sites[i];
	err_set(&err, ERR_GONE, "site %s: not in this fleet",
	    api_segment(req, 2));
	api_reply_err(req, &err);
	return NULL;
}

/* NULL is for those who need not say it. */
static bool
is_boot(const char *boot)
{
	struct fleet_site *s;

	return boot == NULL || strlen(boot) < sizeof(s->boot);
}

/* The agent may be another process than the one that reported last. */
static void
check_boot(struct controller *c, struct fleet_site *s, const char *boot)
{
	bool was_known = s->boot[0] != '\0';

	if (boot == NULL || strcmp(boot, s->boot) == 0)
		return;
	(void)text_copy(s->boot, sizeof(s->boot), boot);
	s->applied_revision = 0;
	s->taken_revision = 0;
	if (was_known)
		experiments_on_reboot(c, (size_t)(s - c->sites));
}

/* ---- orders ---- */

void
order_waiter_free(struct order_waiter *w)
{
	LIST_REMOVE(w, entry);
	free(w);
}

static void
on_waiter_gone(struct api_request *req, void *arg)
{
	(void)req;
	order_waiter_free(arg);
}

void
fleet_site_wake(struct fleet_site *s)
{
	struct order_waiter *w, *next;

	for (w = LIST_FIRST(&s->waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		if (s->revision == w->after)
			continue;
		api_reply_json(w->req, 200, json_incref(s->orders));
		order_waiter_free(w);
	}
}

void
fleet_expire_waiters(struct controller *c)
{
	struct mono now = mono_now();

	for (size_t i = 0; i < c->n_sites; i++) {
		struct order_waiter *w, *next;

		for (w = LIST_FIRST(&c->sites[i].waiters); w != NULL;
		     w = next) {
			next = LIST_NEXT(w, entry);
			if (mono_before(now, w->deadline))
				continue;
			api_reply_empty(w->req, 204);
			order_waiter_free(w);
		}
	}
}

static void
handle_orders(struct api_request *req, void *arg)
{
	static const int64_t revisions[] = { 0, INT64_MAX };
	static const int64_t waits[] = { 0, WAIT_MAX_MS };
	struct controller *c = arg;
	struct fleet_site *s = find_site(c, req);
	int64_t after = 0, wait_ms = 0;
	struct order_waiter *w;
	struct err err;

	if (s == NULL)
		return;
	if (api_param_i64(req, "after", revisions, &after, &err) == -1 ||
	    api_param_i64(req, "wait_ms", waits, &wait_ms, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	if (!is_boot(api_param(req, "boot")) ||
	    ((uint64_t)after > c->revision && (uint64_t)after > REVISION_MAX)) {
		err_set(&err, ERR_PROTO, "orders: boot or after: too long");
		api_reply_err(req, &err);
		return;
	}
	check_boot(c, s, api_param(req, "boot"));
	controller_step_guards(c);
	/* It has newer orders than we ever gave: our store was replaced. */
	if ((uint64_t)after > c->revision) {
		c->revision = (uint64_t)after;
		json_decref(s->orders);
		s->orders = NULL;
		controller_publish(c, (size_t)(s - c->sites));
	}
	if ((uint64_t)after != s->revision) {
		api_reply_json(req, 200, json_incref(s->orders));
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct order_waiter){ .req = req,
		.site = s,
		.after = (uint64_t)after,
		.deadline = mono_add_ms(mono_now(), wait_ms) };
	LIST_INSERT_HEAD(&s->waiters, w, entry);
	api_request_defer(req, on_waiter_gone, w);
}

/* ---- status ---- */

/* Intents made or ended at the site's own console. */
static void
take_intents(struct controller *c, struct fleet_site *s, const json_t *status)
{
	const json_t *row;
	size_t i;

	c->holds_publish = true;
	json_array_foreach (json_object_get(status, "intents"), i, row) {
		struct intent in;
		struct err err;

		if (intent_from_json(row, &in, &err) == -1) {
			log_limited(&s->limit, "site %s: %s", s->name, err.msg);
			break;
		}
		/* A site speaks for itself only. */
		if (strcmp(in.site, s->name) == 0)
			(void)intent_book_take(&c->intents, &in, NULL, NULL);
	}
	c->holds_publish = false;
	if (c->wants_publish)
		controller_publish(c, (size_t)(s - c->sites));
	c->wants_publish = false;
}

/*
 * An agent leaves out the prefixes that its last status told of: there may be
 * thousands.  False when we do not have them; is_same: they are those.
 */
static bool
complete_prefixes(const struct fleet_site *s, json_t *body, bool *is_same)
{
	const json_t *version = json_object_get(body, "prefixes_version");

	*is_same = version != NULL && json_object_get(body, "prefixes") == NULL;
	if (!*is_same)
		return true;
	if (!json_equal(version,
		json_object_get(s->status, "prefixes_version")) ||
	    strcmp(json_text(s->status, "boot"), json_text(body, "boot")) != 0)
		return false;
	json_object_set(body, "prefixes",
	    json_object_get(s->status, "prefixes"));
	return true;
}

static bool
have_same_health(const json_t *before, const json_t *now)
{
	const json_t *list = json_object_get(before, "services"), *service;
	size_t i;

	json_array_foreach (json_object_get(now, "services"), i, service) {
		const json_t *was = json_array_get(list, i);

		if (strcmp(json_text(was, "service"),
			json_text(service, "service")) != 0 ||
		    strcmp(json_text(was, "health"),
			json_text(service, "health")) != 0)
			return false;
	}
	return i == json_array_size(list);
}

static json_t *
status_answer(const struct fleet_site *s)
{
	return json_pack("{s:I, s:O*}", "revision", (json_int_t)s->revision,
	    "prefixes_version", json_object_get(s->status, "prefixes_version"));
}

/* What the status says, in place of the one before. */
static void
take_status(struct controller *c, struct fleet_site *s, json_t *body,
    bool is_same)
{
	size_t site = (size_t)(s - c->sites);

	json_decref(s->status);
	s->status = body;
	test_prefixes_take(c, s, is_same);
	/* What is the same costs little: a fleet says it every second. */
	if (!is_same)
		guards_take_status(s);
	fleet_guards_take_status(c, s);
	take_intents(c, s, body);
	landings_take_status(c, site);
	if (c->guards_are_old)
		controller_touch_guards(c);
	experiments_on_status(c, site);
}

static void
handle_status(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	struct fleet_site *s = find_site(c, req);
	const char *boot;
	json_int_t applied = 0, taken = 0;
	bool is_same, is_news;
	json_t *body;
	struct err err;

	if (s == NULL)
		return;
	body = api_body_json(req, &err);
	if (body == NULL) {
		api_reply_err(req, &err);
		return;
	}
	if (json_unpack(body, "{s:s, s?I, s?I}", "boot", &boot,
		"applied_revision", &applied, "wanted_revision",
		&taken) == -1 ||
	    !is_boot(boot)) {
		err_set(&err, ERR_PROTO, "status: boot is missing");
		api_reply_err(req, &err);
		json_decref(body);
		return;
	}
	if (!complete_prefixes(s, body, &is_same)) {
		api_reply_json(req, 200,
		    json_pack("{s:i}", "prefixes_version", 0));
		json_decref(body);
		return;
	}
	check_boot(c, s, boot);
	applied = applied > 0 ? applied : 0;
	taken = taken > 0 ? taken : 0;
	/* Permits may wait for either. */
	is_news = !is_same || !fleet_site_is_live(s) ||
	    s->taken_revision != (uint64_t)taken ||
	    !have_same_health(s->status, body);
	s->applied_revision = (uint64_t)applied;
	s->taken_revision = (uint64_t)taken;
	/* Both clocks at once: else who is lost by one is not yet by the other. */
	controller_count_awake(c);
	s->contact = c->ticked;
	s->contact_awake_ms = c->awake_ms;
	if (is_news)
		c->guards_are_old = true;
	take_status(c, s, body, is_same);
	api_reply_json(req, 200, status_answer(s));
}

/* ---- replies ---- */

static void
take_replies(struct controller *c, struct fleet_site *s, const uint8_t *body,
    size_t len, struct err *err)
{
	static struct sweep_reply replies[SWEEP_REPLY_BATCH_MAX];
	int n = sweep_decode_replies(body, len, replies, SWEEP_REPLY_BATCH_MAX);

	if (n == -1) {
		err_set(err, ERR_PROTO, "replies: malformed");
		return;
	}
	/* Late ones are no error: a refusal counts as loss at the agent, and
	 * would spoil the experiment that comes next. */
	experiments_on_replies(c, (size_t)(s - c->sites), replies, (size_t)n);
}

static void
handle_replies(struct api_request *req, void *arg)
{
	static const int64_t seqs[] = { 1, INT64_MAX };
	struct controller *c = arg;
	struct fleet_site *s = find_site(c, req);
	const char *boot = api_param(req, "boot");
	struct err err = { 0 };
	const uint8_t *body;
	int64_t seq = 0;
	size_t len;

	if (s == NULL)
		return;
	if (api_param_i64(req, "seq", seqs, &seq, &err) == -1 || seq == 0 ||
	    boot == NULL || !is_boot(boot)) {
		err_set(&err, ERR_PROTO, "replies: boot and seq are required");
		api_reply_err(req, &err);
		return;
	}
	if (strcmp(s->replies_boot, boot) != 0) {
		(void)text_copy(s->replies_boot, sizeof(s->replies_boot), boot);
		s->replies_seq = 0;
	}
	/* Sent again because our answer was lost: taken already. */
	if ((uint64_t)seq <= s->replies_seq) {
		api_reply_empty(req, 204);
		return;
	}
	body = api_body(req, &len);
	take_replies(c, s, body, len, &err);
	s->replies_seq = (uint64_t)seq;
	if (err.code != ERR_NONE) {
		api_reply_err(req, &err);
	} else {
		api_reply_empty(req, 204);
	}
}

/* ---- client lists ---- */

static void
handle_client_list(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	uint32_t list = 0;
	struct err err;
	uint8_t *bytes;
	size_t len = 0;
	bool is_number =
	    num_parse_u32(api_segment(req, 2), 1, UINT32_MAX, &list, &err) == 0;

	bytes = experiments_list_bytes(c, list, &len);
	if (is_number && list != c->list && bytes != NULL) {
		api_reply_bytes(req, 200, "application/octet-stream", bytes,
		    len);
		free(bytes);
		return;
	}
	free(bytes);
	if (!is_number || list != c->list) {
		err_set(&err, ERR_GONE, "client list %s: not the current one",
		    api_segment(req, 2));
		api_reply_err(req, &err);
		return;
	}
	bytes = xcalloc(c->n_clients, ADDR_BYTES);
	for (uint32_t i = 0; i < c->n_clients; i++) {
		memcpy(bytes + (size_t)i * ADDR_BYTES, c->clients[i].addr,
		    ADDR_BYTES);
	}
	api_reply_bytes(req, 200, "application/octet-stream", bytes,
	    (size_t)c->n_clients * ADDR_BYTES);
	free(bytes);
}

void
fleet_serve_agents(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/sites/+/orders", API_SITE, handle_orders },
		{ "POST", "/v1/sites/+/status", API_SITE, handle_status },
		{ "POST", "/v1/sites/+/replies", API_SITE, handle_replies },
		{ "GET", "/v1/client-lists/+", API_AGENT, handle_client_list },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
