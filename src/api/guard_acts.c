/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/guard_acts.h"

#include <stdio.h>
#include <string.h>

#include "api/common.h"
#include "base/mono.h"
#include "base/text.h"
#include "store/intent_row.h"

/* An override is for now; what lasts longer belongs in the configuration. */
#define OVERRIDE_MAX_MS (7LL * 24 * 3600 * 1000)
#define FREEZE_MAX_MS (366LL * 24 * 3600 * 1000)

int
guard_parse(const char *name, enum guard *out, struct err *err)
{
	if (guard_find(name, out))
		return 0;
	if (strcmp(name, "allow_list") == 0) {
		return err_set(err, ERR_CONF,
		    "allow_list: is not overridden but changed, in the configuration of the site");
	}
	return err_set(err, ERR_CONF,
	    "%.40s: no such guard, expected one of %s",
	    name[0] != '\0' ? name : "\"\"", guard_all_names());
}

/* The body of any of these requests. */
struct act {
	enum guard guard;
	const char *site; /* as resolved */
	char reason[INTENT_REASON_BYTES];
	int64_t for_ms;
};

struct wish {
	const char *name;
	bool has_guard;  /* it names one */
	bool has_reason; /* needs one, and may have a time */
	bool needs_time;
	int64_t max_ms;
};

static int
act_check(const struct wish *w, struct act *out, const char *reason,
    struct err *err)
{
	if (!text_copy(out->reason, sizeof(out->reason), reason)) {
		return err_set(err, ERR_CONF,
		    "%s: reason: longer than %d bytes", w->name,
		    INTENT_REASON_BYTES - 1);
	}
	if (w->has_reason && reason[0] == '\0')
		return err_set(err, ERR_CONF, "%s: needs a reason", w->name);
	if (w->needs_time && out->for_ms == 0)
		return err_set(err, ERR_CONF, "%s: needs a time", w->name);
	if (out->for_ms < 0 || out->for_ms > w->max_ms) {
		return err_set(err, ERR_CONF,
		    "%s: for_ms: expected 0 to %lld days", w->name,
		    (long long)(w->max_ms / 86400000));
	}
	return 0;
}

static int
act_parse(json_t *body, const struct wish *w, const struct guard_acts *ga,
    struct act *out, struct err *err)
{
	const char *site = "", *guard = "", *reason = "";
	json_int_t for_ms = 0;
	json_error_t why;

	*out = (struct act){ 0 };
	if (json_unpack_ex(body, &why, JSON_STRICT, "{s?s, s?s, s?s, s?I}",
		"site", &site, "guard", &guard, "reason", &reason, "for_ms",
		&for_ms) == -1)
		return err_set(err, ERR_PROTO, "%s: %s", w->name, why.text);
	if (site[0] == '\0') {
		return err_set(err, ERR_CONF,
		    "%s: site: which one? \"*\" means all", w->name);
	}
	if (w->has_guard && guard_parse(guard, &out->guard, err) == -1)
		return err_wrap(err, "%s", w->name);
	out->for_ms = for_ms;
	out->site = ga->resolve(site, ga->arg, err);
	return out->site == NULL ? -1 : act_check(w, out, reason, err);
}

/* Reads the request; false if it was refused and answered. */
static bool
act_take(struct api_request *req, const struct wish *w,
    const struct guard_acts *ga, struct act *out)
{
	struct err err;
	json_t *body = api_body_json(req, &err);
	int rc = body == NULL ? -1 : act_parse(body, w, ga, out, &err);

	json_decref(body);
	if (rc == -1)
		api_reply_err(req, &err);
	return rc == 0;
}

/* Exactly this kind, site and scope, active; or NULL. */
static const struct intent *
find_exact(const struct intent_set *set, const char *kind, const char *site,
    const char *scope)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && strcmp(row->kind, kind) == 0 &&
		    strcmp(row->site, site) == 0 &&
		    strcmp(row->scope, scope) == 0)
			return row;
	}
	return NULL;
}

/* "the fleet" or the site's name. */
static const char *
shown_site(const char *site)
{
	return strcmp(site, INTENT_FLEET) == 0 ? "the fleet" : site;
}

static void
begin(struct api_request *req, const struct guard_acts *ga,
    const struct act *act, const char *kind, const char *scope)
{
	const struct intent *before =
	    find_exact(&ga->book->set, kind, act->site, scope);
	struct api_later *later;
	struct intent row;
	struct err err;

	if (before != NULL || intent_set_is_full(&ga->book->set, kind)) {
		err_set(&err, ERR_REFUSED, "%s of %s: %s%s%s", kind,
		    shown_site(act->site),
		    before != NULL
			? "there is one already, by "
			: "too many drains, overrides and freezes are active",
		    before != NULL ? before->actor : "",
		    before != NULL && before->until_ms == 0
			? ", until it is ended"
			: "");
		api_reply_err(req, &err);
		return;
	}
	row = intent_new(kind, act->site, act->reason, api_actor(req));
	(void)text_copy(row.scope, sizeof(row.scope), scope);
	if (act->for_ms != 0)
		row.until_ms = row.created_ms + act->for_ms;
	later = api_later_new(req,
	    json_pack("{s:o}", "intent", intent_to_json(&row)));
	if (!intent_book_take(ga->book, &row, api_later_send, later)) {
		err_set(&err, ERR_REFUSED,
		    "%s of %s: too many drains, overrides and freezes are active",
		    kind, shown_site(act->site));
		api_later_refuse(later, &err);
	}
}

static void
end(struct api_request *req, const struct guard_acts *ga, const struct act *act,
    const char *kind, const char *scope)
{
	const struct intent *found =
	    find_exact(&ga->book->set, kind, act->site, scope);
	struct intent row;
	struct err err;

	if (found == NULL) {
		err_set(&err, ERR_REFUSED,
		    "%s of %s: there is none to be ended", kind,
		    shown_site(act->site));
		api_reply_err(req, &err);
		return;
	}
	row = *found;
	(void)intent_end(&row, wall_now_ms(), api_actor(req));
	/* A known one is not left out. */
	(void)intent_book_take(ga->book, &row, api_later_send,
	    api_later_new(req,
		json_pack("{s:[o]}", "ended", intent_to_json(&row))));
}

static void
handle_override(struct api_request *req, void *arg)
{
	static const struct wish wish = { .name = "override",
		.has_guard = true,
		.has_reason = true,
		.needs_time = true,
		.max_ms = OVERRIDE_MAX_MS };
	char scope[INTENT_SCOPE_BYTES];
	struct act act;

	if (!act_take(req, &wish, arg, &act))
		return;
	intent_scope_of_guard(act.guard, scope);
	begin(req, arg, &act, "override", scope);
}

static void
handle_override_end(struct api_request *req, void *arg)
{
	static const struct wish wish = { .name = "override end",
		.has_guard = true };
	char scope[INTENT_SCOPE_BYTES];
	struct act act;

	if (!act_take(req, &wish, arg, &act))
		return;
	intent_scope_of_guard(act.guard, scope);
	end(req, arg, &act, "override", scope);
}

static void
handle_freeze(struct api_request *req, void *arg)
{
	static const struct wish wish = {
		.name = "freeze", .has_reason = true, .max_ms = FREEZE_MAX_MS
	};
	struct act act;

	if (act_take(req, &wish, arg, &act))
		begin(req, arg, &act, "freeze", "");
}

static void
handle_thaw(struct api_request *req, void *arg)
{
	static const struct wish wish = { .name = "thaw" };
	struct act act;

	if (act_take(req, &wish, arg, &act))
		end(req, arg, &act, "freeze", "");
}

void
guard_acts_serve(struct guard_acts *ga, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "POST", "/v1/override", API_LOCAL, handle_override },
		{ "POST", "/v1/override/end", API_LOCAL, handle_override_end },
		{ "POST", "/v1/freeze", API_LOCAL, handle_freeze },
		{ "POST", "/v1/thaw", API_LOCAL, handle_thaw },
		{ 0 },
	};

	api_server_add(server, routes, ga);
}

int
guard_check_frozen(const struct intent_set *set, const char *site,
    struct err *err)
{
	const struct intent *freeze = intent_set_freeze(set, site);

	if (freeze == NULL ||
	    intent_set_override(set, site, GUARD_FREEZE) != NULL)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "guard freeze: %s is frozen by %s: %.100s",
	    shown_site(freeze->site), freeze->actor, freeze->reason);
}

void
guard_add_json(json_t *list, enum guard guard, const char *state,
    const char *why)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:s}", "guard", guard_name(guard), "state",
		state, "why", why));
}

void
guard_add_freeze(json_t *list, const struct intent_set *set, const char *site)
{
	const struct intent *freeze = intent_set_freeze(set, site);
	char why[INTENT_REASON_BYTES + INTENT_ACTOR_BYTES + 16];

	if (freeze == NULL)
		return;
	(void)snprintf(why, sizeof(why), "by %s: %s", freeze->actor,
	    freeze->reason);
	guard_add_json(list, GUARD_FREEZE,
	    guard_check_frozen(set, site, NULL) == -1 ? "holds" : "overridden",
	    why);
}
