/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/optouts.h"

#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "fleet/controller_state.h"
#include "fleet/experiment.h"
#include "probes/sweep.h"

/* ---- the list ---- */

static void
optout_fini(struct optout *row)
{
	free(row->reason);
	free(row->actor);
}

static void
renew_set(struct optouts *o)
{
	struct prefix *prefixes = xcalloc(o->n, sizeof(*prefixes));

	for (size_t i = 0; i < o->n; i++)
		prefixes[i] = o->rows[i].prefix;
	prefix_set_free(o->set);
	o->set = prefix_set_new(prefixes, o->n);
	free(prefixes);
}

/* Where the prefix is, or would be; *found tells which. */
static size_t
place_of(const struct optouts *o, const struct prefix *p, bool *found)
{
	size_t i = 0;

	while (i < o->n && prefix_compare(&o->rows[i].prefix, p) < 0)
		i++;
	*found = i < o->n && prefix_equal(&o->rows[i].prefix, p);
	return i;
}

/* Takes reason and actor over; the set is the caller's to renew. */
static void
insert(struct optouts *o, const struct optout *row)
{
	bool found;
	size_t at = place_of(o, &row->prefix, &found);

	if (found) {
		optout_fini(&o->rows[at]);
	} else {
		o->rows = xreallocarray(o->rows, o->n + 1, sizeof(*o->rows));
		memmove(&o->rows[at + 1], &o->rows[at],
		    (o->n - at) * sizeof(*o->rows));
		o->n++;
	}
	o->rows[at] = *row;
}

static void
drop(struct optouts *o, size_t at)
{
	optout_fini(&o->rows[at]);
	o->n--;
	memmove(&o->rows[at], &o->rows[at + 1], (o->n - at) * sizeof(*o->rows));
}

int
optouts_load(struct optouts *o, struct query *q, struct err *err)
{
	json_t *rows = query_optouts(q, err), *row;
	int rc = rows == NULL ? -1 : 0;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *text = "", *reason = "", *actor = "";
		json_int_t created_ms = 0;
		struct optout one = { 0 };

		(void)json_unpack(row, "{s:s, s:s, s:s, s:I}", "prefix", &text,
		    "reason", &reason, "actor", &actor, "created_ms",
		    &created_ms);
		if (prefix_parse(text, &one.prefix, err) == -1) {
			rc = err_wrap(err, "optout of the store");
			break;
		}
		one.reason = xstrdup(reason);
		one.actor = xstrdup(actor);
		one.created_ms = created_ms;
		insert(o, &one);
	}
	json_decref(rows);
	renew_set(o);
	return rc;
}

void
optouts_fini(struct optouts *o)
{
	while (o->n > 0)
		drop(o, o->n - 1);
	free(o->rows);
	prefix_set_free(o->set);
	*o = (struct optouts){ 0 };
}

bool
optouts_contain(const struct optouts *o, const struct addr *a)
{
	return prefix_set_contains(o->set, a);
}

json_t *
optouts_prefixes(const struct optouts *o)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < o->n; i++) {
		json_array_append_new(list,
		    json_string(prefix_format(&o->rows[i].prefix, text)));
	}
	return list;
}

/* ---- the API ---- */

static json_t *
optout_json(const struct optout *row)
{
	char text[PREFIX_TEXT_BYTES];

	return json_pack("{s:s, s:s, s:s, s:I}", "prefix",
	    prefix_format(&row->prefix, text), "reason", row->reason, "actor",
	    row->actor, "created_ms", (json_int_t)row->created_ms);
}

static void
handle_list(struct api_request *req, void *arg)
{
	const struct controller *c = arg;
	json_t *list = json_array();

	for (size_t i = 0; i < c->optouts.n; i++)
		json_array_append_new(list, optout_json(&c->optouts.rows[i]));
	api_reply_json(req, 200, json_pack("{s:o}", "optouts", list));
}

/* A single address means itself alone. */
static int
parse_prefix(const char *text, struct prefix *out, struct err *err)
{
	struct addr a;

	if (strchr(text, '/') != NULL)
		return prefix_parse(text, out, err);
	if (addr_parse(text, &a, err) == -1)
		return -1;
	*out = (struct prefix){ .addr = a,
		.is_ipv4 = addr_is_ipv4(&a),
		.len = addr_is_ipv4(&a) ? 32 : 128 };
	return 0;
}

/* {"prefix", "reason"?}: the prefix into *out; NULL with err, or the body,
 * which reason points into. */
static json_t *
parse_body(struct api_request *req, struct prefix *out, const char **reason,
    struct err *err)
{
	json_t *body = api_body_json(req, err);
	const char *text = NULL;

	*reason = "";
	if (body == NULL)
		return NULL;
	if (json_unpack(body, "{s:s, s?:s}", "prefix", &text, "reason",
		reason) == -1) {
		(void)err_set(err, ERR_CONF, "prefix: which one?");
	} else if (parse_prefix(text, out, err) == 0) {
		return body;
	}
	json_decref(body);
	return NULL;
}

static void
tell(struct controller *c, const char *what, const struct prefix *p,
    const struct store_optout *row)
{
	char text[PREFIX_TEXT_BYTES], subject[PREFIX_TEXT_BYTES + 8];
	struct store_event ev = { .kind = "optout",
		.subject = subject,
		.what = what,
		.reason = row->reason,
		.actor = row->actor };

	(void)snprintf(subject, sizeof(subject), "prefix/%s",
	    prefix_format(p, text));
	controller_note(c, &ev);
	renew_set(&c->optouts);
	controller_publish_all(c);
}

static void
add(struct controller *c, struct api_request *req, const struct prefix *p,
    const char *reason)
{
	char text[PREFIX_TEXT_BYTES];
	struct optout row = { .prefix = *p,
		.reason = xstrdup(reason),
		.actor = xstrdup(api_actor(req)),
		.created_ms = wall_now_ms() };
	struct store_optout stored = { .prefix = prefix_format(p, text),
		.reason = row.reason,
		.actor = row.actor,
		.created_ms = row.created_ms };
	uint32_t before = c->n_clients;

	insert(&c->optouts, &row);
	tell(c, "opted out", p, &stored);
	/* While an experiment runs its list must stay; the sender skips them
	 * from its next job on. */
	if (!experiments_any_runs(c))
		fleet_clients_drop_optouts(c);
	store_put_optout(c->env.store, &stored, api_later_send,
	    api_later_new(req,
		json_pack("{s:o, s:I}", "optout", optout_json(&row),
		    "clients_dropped", (json_int_t)(before - c->n_clients))));
}

static void
handle_add(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	const char *reason;
	struct prefix p;
	struct err err;
	json_t *body = parse_body(req, &p, &reason, &err);

	if (body == NULL) {
		api_reply_err(req, &err);
		return;
	}
	if (c->optouts.n >= SWEEP_OPTOUTS_MAX) {
		(void)err_set(&err, ERR_REFUSED,
		    "%zu prefixes opted out, there can be no more: merge some",
		    c->optouts.n);
		api_reply_err(req, &err);
	} else {
		add(c, req, &p, reason);
	}
	json_decref(body);
}

static void
handle_remove(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	char text[PREFIX_TEXT_BYTES];
	struct store_optout gone = { .prefix = text, .gone = true };
	const char *reason;
	struct prefix p;
	struct err err;
	json_t *body = parse_body(req, &p, &reason, &err);
	bool found = false;
	size_t at = 0;

	if (body != NULL) {
		at = place_of(&c->optouts, &p, &found);
		(void)prefix_format(&p, text);
		json_decref(body);
	}
	if (body != NULL && !found)
		(void)err_set(&err, ERR_GONE, "%s: has not opted out", text);
	if (!found) {
		api_reply_err(req, &err);
		return;
	}
	drop(&c->optouts, at);
	gone.reason = "";
	gone.actor = api_actor(req);
	tell(c, "no longer opted out", &p, &gone);
	store_put_optout(c->env.store, &gone, api_later_send,
	    api_later_new(req, json_pack("{s:s}", "prefix", text)));
}

void
fleet_serve_optouts(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		/* Names of people's networks: not for everybody. */
		{ "GET", "/v1/optouts", API_LOCAL, handle_list },
		{ "POST", "/v1/optouts", API_LOCAL, handle_add },
		{ "POST", "/v1/optouts/remove", API_LOCAL, handle_remove },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
