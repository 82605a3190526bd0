/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/intent_row.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mono.h"
#include "base/text.h"

json_t *
intent_to_json(const struct intent *in)
{
	return json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s}",
	    "id", in->id, "kind", in->kind, "site", in->site, "scope",
	    in->scope, "reason", in->reason, "actor", in->actor, "owner",
	    in->owner, "at_once", in->at_once, "created_ms",
	    (json_int_t)in->created_ms, "until_ms", (json_int_t)in->until_ms,
	    "ended_ms", (json_int_t)in->ended_ms, "ended_by", in->ended_by);
}

/* A text member that fits; absent or null is "". */
static int
get_text(const json_t *json, const char *key, char *out, size_t size,
    struct err *err)
{
	const json_t *value = json_object_get(json, key);

	out[0] = '\0';
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value) ||
	    !text_copy(out, size, json_string_value(value))) {
		return err_set(err, ERR_PROTO,
		    "intent: %s: expected a text of at most %zu bytes", key,
		    size - 1);
	}
	return 0;
}

static int
get_time(const json_t *json, const char *key, int64_t *out, struct err *err)
{
	const json_t *value = json_object_get(json, key);

	*out = 0;
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0) {
		return err_set(err, ERR_PROTO, "intent: %s: expected a time",
		    key);
	}
	*out = json_integer_value(value);
	return 0;
}

int
intent_from_json(const json_t *json, struct intent *out, struct err *err)
{
	struct intent in = { 0 };

	if (!json_is_object(json))
		return err_set(err, ERR_PROTO, "intent: expected an object");
	if (get_text(json, "id", in.id, sizeof(in.id), err) == -1 ||
	    get_text(json, "kind", in.kind, sizeof(in.kind), err) == -1 ||
	    get_text(json, "site", in.site, sizeof(in.site), err) == -1 ||
	    get_text(json, "scope", in.scope, sizeof(in.scope), err) == -1 ||
	    get_text(json, "owner", in.owner, sizeof(in.owner), err) == -1 ||
	    get_text(json, "reason", in.reason, sizeof(in.reason), err) == -1 ||
	    get_text(json, "actor", in.actor, sizeof(in.actor), err) == -1 ||
	    get_text(json, "ended_by", in.ended_by, sizeof(in.ended_by), err) ==
		-1 ||
	    get_time(json, "created_ms", &in.created_ms, err) == -1 ||
	    get_time(json, "until_ms", &in.until_ms, err) == -1 ||
	    get_time(json, "ended_ms", &in.ended_ms, err) == -1)
		return -1;
	/* A truth value over the network, a number in the store. */
	in.at_once = json_is_true(json_object_get(json, "at_once")) ||
	    json_integer_value(json_object_get(json, "at_once")) == 1;
	if (!intent_is_valid(&in)) {
		return err_set(err, ERR_PROTO,
		    "intent: id, site, kind and scope: not those of a drain, a freeze or an override");
	}
	*out = in;
	return 0;
}

json_t *
intents_to_json(const struct intent_set *set, const char *site,
    bool active_only)
{
	json_t *list = json_array();

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *in = &set->rows[i];

		if ((site == NULL || intent_is_about(in, site)) &&
		    (!active_only || intent_is_active(in)))
			json_array_append_new(list, intent_to_json(in));
	}
	return list;
}

struct store_intent
intent_to_row(const struct intent *in)
{
	return (struct store_intent){ .id = in->id,
		.kind = in->kind,
		.site = in->site,
		.scope = in->scope,
		.owner = in->owner,
		.at_once = in->at_once,
		.reason = in->reason,
		.actor = in->actor,
		.created_ms = in->created_ms,
		.until_ms = in->until_ms,
		.ended_ms = in->ended_ms,
		.ended_by = in->ended_by[0] != '\0' ? in->ended_by : NULL };
}

struct intent
intent_new(const char *kind, const char *site, const char *reason,
    const char *actor)
{
	bool is_fleet = strcmp(site, INTENT_FLEET) == 0;
	struct intent in = { .created_ms = wall_now_ms() };
	uint64_t unique = 0;

	(void)!getrandom(&unique, sizeof(unique), 0);
	(void)snprintf(in.id, sizeof(in.id), "%s-%s-%016llx", kind,
	    is_fleet ? "fleet" : site, (unsigned long long)unique);
	(void)text_copy(in.kind, sizeof(in.kind), kind);
	(void)text_copy(in.site, sizeof(in.site), site);
	(void)text_copy(in.reason, sizeof(in.reason), reason);
	(void)text_copy(in.actor, sizeof(in.actor), actor);
	return in;
}

struct intent
intent_new_drain(const char *site, const char *reason, const char *actor,
    int64_t now_ms, int64_t for_ms)
{
	struct intent in = intent_new("drain", site, reason, actor);

	in.created_ms = now_ms;
	in.until_ms = for_ms > 0 ? now_ms + for_ms : 0;
	return in;
}

int
intents_load(const json_t *rows, struct intent_set *set, struct err *err)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		struct intent in;

		if (intent_from_json(row, &in, err) == -1)
			return -1;
		(void)intent_set_merge(set, &in);
	}
	return 0;
}
