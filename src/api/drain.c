/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/drain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/explain.h"
#include "api/guard_acts.h"
#include "base/json_text.h"
#include "base/mono.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "store/intent_row.h"

#define DRAIN_MAX_MS (366LL * 24 * 3600 * 1000)

/* ---- requests ---- */

/* At most one of both; neither is the whole site. */
static int
take_scope(const char *service, const char *net, char out[INTENT_SCOPE_BYTES],
    struct err *err)
{
	struct prefix p;

	out[0] = '\0';
	if (service != NULL && net != NULL) {
		return err_set(err, ERR_CONF,
		    "service and prefix: only one of them");
	}
	if (service != NULL)
		return intent_scope_of_service(service, out, err);
	if (net == NULL)
		return 0;
	if (prefix_parse(net, &p, err) == -1)
		return err_wrap(err, "prefix");
	intent_scope_of_prefix(&p, out);
	return 0;
}

static int
take_time(json_int_t for_ms, json_int_t until_ms, int64_t *out, struct err *err)
{
	int64_t now_ms = wall_now_ms();

	if (for_ms != 0 && until_ms != 0) {
		return err_set(err, ERR_CONF,
		    "drain: for_ms and until_ms: only one of them");
	}
	if (for_ms < 0 || for_ms > DRAIN_MAX_MS) {
		return err_set(err, ERR_CONF,
		    "drain: for_ms: expected 0 to a year");
	}
	if (until_ms != 0 &&
	    (until_ms <= now_ms || until_ms > now_ms + DRAIN_MAX_MS)) {
		return err_set(err, ERR_CONF,
		    "drain: until_ms: expected a time within the next year");
	}
	*out = for_ms > 0 ? now_ms + for_ms : until_ms;
	return 0;
}

/* "min_sites,budget" */
static int
take_force(struct drain_request *want, const char *names, struct err *err)
{
	while (*names != '\0') {
		size_t len = strcspn(names, ",");
		char name[32];
		enum guard g;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, names);
		if (guard_parse(name, &g, err) == -1)
			return err_wrap(err, "drain: force");
		want->force[g] = true;
		names += len;
		names += *names == ',';
		if (want->reason[0] == '\0' || want->until_ms == 0) {
			return err_set(err, ERR_CONF,
			    "drain: to force a guard needs a reason and a time");
		}
	}
	return 0;
}

static int
take_text(const char *name, const char *text, char *out, size_t size,
    struct err *err)
{
	if (text_copy(out, size, text))
		return 0;
	return err_set(err, ERR_CONF, "drain: %s: longer than %zu bytes", name,
	    size - 1);
}

static int
drain_body(json_t *body, struct drain_request *out, struct err *err)
{
	const char *reason = "", *owner = "", *force = "";
	const char *service = NULL, *net = NULL;
	json_int_t for_ms = 0, until_ms = 0;
	int dry_run = 0, at_once = 0;
	json_error_t why;

	if (json_unpack_ex(body, &why, JSON_STRICT,
		"{s?s, s?s, s?s, s?s, s?I, s?I, s?b, s?b, s?s}", "service",
		&service, "prefix", &net, "reason", &reason, "owner", &owner,
		"for_ms", &for_ms, "until_ms", &until_ms, "dry_run", &dry_run,
		"at_once", &at_once, "force", &force) == -1)
		return err_set(err, ERR_PROTO, "drain: %s", why.text);
	if (take_scope(service, net, out->scope, err) == -1 ||
	    take_time(for_ms, until_ms, &out->until_ms, err) == -1 ||
	    take_text("reason", reason, out->reason, sizeof(out->reason),
		err) == -1 ||
	    take_text("owner", owner, out->owner, sizeof(out->owner), err) ==
		-1 ||
	    take_force(out, force, err) == -1)
		return -1;
	out->dry_run = dry_run != 0;
	out->at_once = at_once != 0;
	return 0;
}

int
drain_request_parse(const struct api_request *req, struct drain_request *out,
    struct err *err)
{
	json_t *body = api_body_json(req, err);
	int rc;

	*out = (struct drain_request){ 0 };
	if (body == NULL)
		return -1;
	rc = drain_body(body, out, err);
	json_decref(body);
	return rc;
}

int
restore_request_parse(const struct api_request *req,
    struct restore_request *out, struct err *err)
{
	json_t *body = api_body_json(req, err);
	const char *service = NULL, *net = NULL;
	json_error_t why;
	int all = 0, rc;

	*out = (struct restore_request){ .actor = api_actor(req) };
	if (body == NULL)
		return -1;
	if (json_unpack_ex(body, &why, JSON_STRICT, "{s?s, s?s, s?b}",
		"service", &service, "prefix", &net, "all", &all) == -1) {
		rc = err_set(err, ERR_PROTO, "restore: %s", why.text);
	} else if (all != 0 && (service != NULL || net != NULL)) {
		rc = err_set(err, ERR_CONF,
		    "restore: all, or a service, or a prefix");
	} else {
		rc = take_scope(service, net, out->scope, err);
	}
	out->all = all != 0;
	json_decref(body);
	return rc;
}

/* ---- what they act upon ---- */

int
drain_scope_check(const json_t *site, const char *scope, struct err *err)
{
	struct intent wish = { 0 };
	const json_t *obj;
	struct prefix p;
	size_t i;

	if (scope[0] == '\0')
		return 0;
	(void)text_copy(wish.scope, sizeof(wish.scope), scope);
	json_array_foreach (json_object_get(site, "prefixes"), i, obj) {
		const struct intent_target target = { .site = "",
			.service = json_text(obj, "service"),
			.prefix = &p };

		if (target.service[0] != '\0' &&
		    prefix_parse(json_text(obj, "prefix"), &p, NULL) == 0 &&
		    intent_covers(&wish, &target))
			return 0;
	}
	return err_set(err, ERR_GONE,
	    "site %s: has no %s that carries users' traffic",
	    json_text(site, "site"), intent_scope_name(scope));
}

static size_t
count_forced(const struct drain_request *want)
{
	size_t n = 0;

	for (enum guard g = 0; g < GUARD_COUNT; g++)
		n += want->force[g];
	return n;
}

int
drain_is_new(const struct intent_set *set, const char *site,
    const struct drain_request *want, struct err *err)
{
	const char *scope = want->scope;
	const struct intent *before =
	    intent_set_drain_as_quick(set, site, scope, want->at_once);

	if (before != NULL) {
		return err_set(err, ERR_REFUSED,
		    "site %s: %s%sdrained already by %s: %s (%s)", site,
		    scope[0] != '\0' ? intent_scope_name(scope) : "",
		    scope[0] != '\0' ? " is " : "", before->actor,
		    before->reason[0] != '\0' ? before->reason
					      : "no reason given",
		    before->id);
	}
	if (intent_set_is_full(set, "drain")) {
		return err_set(err, ERR_REFUSED,
		    "site %s: %d drains, overrides and freezes are active, which is the most",
		    site, INTENTS_KEPT_MAX);
	}
	/* They come before it. */
	if (intent_set_is_full_after(set, "drain", count_forced(want))) {
		return err_set(err, ERR_REFUSED,
		    "site %s: with the overrides that it forces a drain is one too many: %d drains, overrides and freezes is the most",
		    site, INTENTS_KEPT_MAX);
	}
	return 0;
}

/* The override that lasts as long as the drain. */
static struct intent
override_of(enum guard g, const struct intent *drain)
{
	struct intent row =
	    intent_new("override", drain->site, drain->reason, drain->actor);

	intent_forced_id(drain, g, row.id);
	row.until_ms = drain->until_ms;
	(void)text_copy(row.owner, sizeof(row.owner), drain->owner);
	intent_scope_of_guard(g, row.scope);
	return row;
}

/* An override without its drain would let through what nobody asked for. */
static void
end_overrides(struct intent_book *book, const struct intent *drain)
{
	const struct intent *row;

	while ((row = intent_set_forced_for(&book->set, drain)) != NULL) {
		const struct intent left = *row;

		intent_book_end(book, left.id, "its drain was refused");
	}
}

int
/* NOLINTNEXTLINE(readability-function-size): as the header has it */
drain_take(struct intent_book *book, const struct drain_request *want,
    const struct intent *drain, store_done_cb *on_durable, void *arg,
    struct err *err)
{
	bool is_taken;

	/* All or none of it outlives a crash. */
	store_hold(book->store);
	for (enum guard g = 0; g < GUARD_COUNT; g++) {
		struct intent row;

		if (!want->force[g])
			continue;
		row = override_of(g, drain);
		(void)intent_book_take(book, &row, NULL, NULL);
	}
	is_taken = intent_book_take(book, drain, on_durable, arg);
	if (!is_taken)
		end_overrides(book, drain);
	store_release(book->store);
	if (is_taken)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "site %s: the drain was left out: too many drains, overrides and freezes are active",
	    drain->site);
}

struct intent_set
drain_wished(const struct intent_set *set, const struct drain_request *want,
    const struct intent *row)
{
	struct intent_set wished = intent_set_with(set, row);

	for (enum guard g = 0; g < GUARD_COUNT; g++) {
		struct intent override;

		if (!want->force[g])
			continue;
		override = override_of(g, row);
		(void)intent_set_merge(&wished, &override);
	}
	return wished;
}

struct intent
drain_intent(const char *site, const struct drain_request *want,
    const char *actor)
{
	struct intent row =
	    intent_new_drain(site, want->reason, actor, wall_now_ms(), 0);

	row.until_ms = want->until_ms;
	row.at_once = want->at_once;
	(void)text_copy(row.scope, sizeof(row.scope), want->scope);
	(void)text_copy(row.owner, sizeof(row.owner), want->owner);
	return row;
}

/* The next active drain that the request names. */
static const struct intent *
next_of(const struct intent_set *set, const char *site,
    const struct restore_request *want)
{
	if (!want->all)
		return intent_set_drain_of(set, site, want->scope);
	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && strcmp(row->kind, "drain") == 0 &&
		    strcmp(row->site, site) == 0)
			return row;
	}
	return NULL;
}

/* Something else of the site is drained: most likely that was meant. */
static int
refuse_restore(const struct intent_set *set, const char *site,
    const char *scope, struct err *err)
{
	const struct restore_request every = { .all = true };
	const struct intent *other = next_of(set, site, &every);

	if (other == NULL) {
		return err_set(err, ERR_REFUSED,
		    "site %s: nothing to restore, it is not drained", site);
	}
	return err_set(err, ERR_REFUSED,
	    "site %s: nothing to restore, %s is not drained as such, but %s is",
	    site, intent_scope_name(scope), intent_scope_name(other->scope));
}

static void
add_ending(struct drain_ending *out, const struct intent *active,
    const char *actor)
{
	struct intent *row = &out->rows[out->n++];

	*row = *active;
	(void)intent_end(row, wall_now_ms(), actor);
	(void)intent_set_merge(&out->after, row);
}

int
drain_ending_make(const struct intent_set *set, const char *site,
    const struct restore_request *want, struct drain_ending *out,
    struct err *err)
{
	const struct intent *drain = next_of(set, site, want);

	*out = (struct drain_ending){ 0 };
	if (drain == NULL)
		return refuse_restore(set, site, want->scope, err);
	out->rows = xcalloc(set->n, sizeof(*out->rows));
	out->after = intent_set_with(set, drain);
	while ((drain = next_of(&out->after, site, want)) != NULL) {
		const struct intent ended = *drain;

		add_ending(out, drain, want->actor);
		/* The book does the same; here it is told beforehand. */
		while ((drain = intent_set_forced_for(&out->after, &ended)) !=
		    NULL)
			add_ending(out, drain, want->actor);
	}
	return 0;
}

void
drain_ending_fini(struct drain_ending *e)
{
	free(e->rows);
	intent_set_fini(&e->after);
}

json_t *
drain_ending_json(const struct drain_ending *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->n; i++)
		json_array_append_new(list, intent_to_json(&e->rows[i]));
	return list;
}

/* What a freeze found withdrawn it keeps so, see intent_set_gives_back.  A
 * restore gets here only if the drain's own force held that freeze off. */
static bool
is_kept(const struct intent_set *after, const struct intent *row)
{
	return strcmp(row->kind, "drain") == 0 &&
	    guard_check_frozen(after, row->site, NULL) == -1 &&
	    intent_set_newest_freeze(after, row->site) > row->created_ms;
}

const char *
drain_ending_hindrance(const struct drain_ending *e, const json_t *site)
{
	for (size_t i = 0; i < e->n; i++) {
		if (is_kept(&e->after, &e->rows[i]))
			return "a freeze began after the drain: restored when that ends, or guard freeze is overridden";
	}
	return explain_hindrance(site, &e->after);
}

/* The store writes in order: the last on disk is all on disk. */
void
drain_ending_take(const struct drain_ending *e, struct intent_book *book,
    store_done_cb *on_durable, void *arg)
{
	for (size_t i = 0; i + 1 < e->n; i++)
		(void)intent_book_take(book, &e->rows[i], NULL, NULL);
	/* Known ones are not left out. */
	(void)intent_book_take(book, &e->rows[e->n - 1], on_durable, arg);
}
