/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/intent.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"

void
intent_set_fini(struct intent_set *set)
{
	free(set->rows);
	*set = (struct intent_set){ 0 };
}

struct intent_set
intent_set_with(const struct intent_set *set, const struct intent *row)
{
	struct intent_set copy = { .n = set->n, .room = set->n + 1 };

	copy.rows = xcalloc(copy.room, sizeof(*copy.rows));
	if (set->n > 0)
		memcpy(copy.rows, set->rows, set->n * sizeof(*copy.rows));
	(void)intent_set_merge(&copy, row);
	return copy;
}

struct intent *
intent_set_find(const struct intent_set *set, const char *id)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->rows[i].id, id) == 0)
			return &set->rows[i];
	}
	return NULL;
}

bool
intent_set_is_full_after(const struct intent_set *set, const char *kind,
    size_t others)
{
	size_t max = INTENTS_KEPT_MAX, n = others;

	if (strcmp(kind, "override") == 0)
		max = INTENTS_OVERRIDES_MAX;
	if (strcmp(kind, "freeze") == 0)
		max = INTENTS_MAX;
	for (size_t i = 0; i < set->n; i++)
		n += intent_is_active(&set->rows[i]);
	return n >= max;
}

bool
intent_set_is_full(const struct intent_set *set, const char *kind)
{
	return intent_set_is_full_after(set, kind, 0);
}

const struct intent *
intent_set_first_ended(const struct intent_set *set)
{
	const struct intent *first = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (!intent_is_active(row) &&
		    (first == NULL || row->ended_ms < first->ended_ms))
			first = row;
	}
	return first;
}

void
intent_set_drop(struct intent_set *set, const struct intent *row)
{
	size_t at = (size_t)(row - set->rows);

	set->n--;
	memmove(&set->rows[at], &set->rows[at + 1],
	    (set->n - at) * sizeof(*set->rows));
}

static const struct intent *
intent_set_add(struct intent_set *set, const struct intent *row)
{
	if (set->n == INTENTS_MAX)
		return NULL;
	if (set->n == set->room) {
		set->room = set->room > 0 ? set->room * 2 : 8;
		set->rows =
		    xreallocarray(set->rows, set->room, sizeof(*set->rows));
	}
	set->rows[set->n] = *row;
	return &set->rows[set->n++];
}

const struct intent *
intent_set_merge(struct intent_set *set, const struct intent *row)
{
	struct intent *mine = intent_set_find(set, row->id);

	if (mine == NULL)
		return intent_set_add(set, row);
	if (!intent_is_active(mine) || intent_is_active(row))
		return NULL;
	mine->ended_ms = row->ended_ms;
	memcpy(mine->ended_by, row->ended_by, sizeof(mine->ended_by));
	return mine;
}

bool
intent_end(struct intent *row, int64_t now_ms, const char *by)
{
	if (!intent_is_active(row))
		return false;
	/* Zero means active, so that a clock at its epoch ends it too. */
	row->ended_ms = now_ms > 0 ? now_ms : 1;
	(void)text_copy(row->ended_by, sizeof(row->ended_by), by);
	return true;
}

bool
intent_is_active(const struct intent *row)
{
	return row->ended_ms == 0;
}

bool
intent_is_due(const struct intent *row, int64_t now_ms)
{
	return intent_is_active(row) && row->until_ms != 0 &&
	    row->until_ms <= now_ms;
}

static bool
is_active_drain(const struct intent *row, const char *site)
{
	return intent_is_active(row) && strcmp(row->kind, "drain") == 0 &&
	    strcmp(row->site, site) == 0;
}

const struct intent *
intent_set_drain_as_quick(const struct intent_set *set, const char *site,
    const char *scope, bool at_once)
{
	const struct intent *oldest = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (is_active_drain(row, site) && row->at_once >= at_once &&
		    strcmp(row->scope, scope) == 0 &&
		    (oldest == NULL || row->created_ms < oldest->created_ms))
			oldest = row;
	}
	return oldest;
}

const struct intent *
intent_set_drain_of(const struct intent_set *set, const char *site,
    const char *scope)
{
	return intent_set_drain_as_quick(set, site, scope, false);
}

const struct intent *
intent_set_drain(const struct intent_set *set, const char *site)
{
	return intent_set_drain_of(set, site, "");
}

/* ---- scopes ---- */

#define SERVICE_SCOPE "service/"
#define PREFIX_SCOPE "prefix/"
#define GUARD_SCOPE "guard/"

static const char *
behind(const char *scope, const char *head)
{
	size_t n = strlen(head);

	return strncmp(scope, head, n) == 0 ? scope + n : NULL;
}

int
intent_scope_of_service(const char *service, char scope[INTENT_SCOPE_BYTES],
    struct err *err)
{
	int n =
	    snprintf(scope, INTENT_SCOPE_BYTES, SERVICE_SCOPE "%s", service);

	if (service[0] == '\0')
		return err_set(err, ERR_CONF, "service: which one?");
	if (n < 0 || n >= INTENT_SCOPE_BYTES)
		return err_set(err, ERR_CONF, "service: longer than any name");
	return 0;
}

void
intent_scope_of_prefix(const struct prefix *p, char scope[INTENT_SCOPE_BYTES])
{
	char text[PREFIX_TEXT_BYTES];

	(void)snprintf(scope, INTENT_SCOPE_BYTES, PREFIX_SCOPE "%s",
	    prefix_format(p, text));
}

void
intent_scope_of_guard(enum guard g, char scope[INTENT_SCOPE_BYTES])
{
	(void)snprintf(scope, INTENT_SCOPE_BYTES, GUARD_SCOPE "%s",
	    guard_name(g));
}

bool
intent_scope_is_valid(const char *scope)
{
	const char *service = behind(scope, SERVICE_SCOPE);
	const char *net = behind(scope, PREFIX_SCOPE);
	struct prefix p;

	return scope[0] == '\0' || (service != NULL && service[0] != '\0') ||
	    (net != NULL && prefix_parse(net, &p, NULL) == 0);
}

const char *
intent_scope_name(const char *scope)
{
	const char *net = behind(scope, PREFIX_SCOPE);
	const char *guard = behind(scope, GUARD_SCOPE);

	if (guard != NULL)
		return guard;

	if (scope[0] == '\0')
		return "the site";
	return net != NULL ? net : scope;
}

bool
intent_covers(const struct intent *row, const struct intent_target *t)
{
	const char *service = behind(row->scope, SERVICE_SCOPE);
	char scope[INTENT_SCOPE_BYTES];

	if (strcmp(row->site, t->site) != 0)
		return false;
	if (row->scope[0] == '\0')
		return true;
	if (service != NULL)
		return strcmp(service, t->service) == 0;
	intent_scope_of_prefix(t->prefix, scope);
	return strcmp(row->scope, scope) == 0;
}

const struct intent *
intent_set_drain_over(const struct intent_set *set,
    const struct intent_target *t)
{
	const struct intent *best = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (!is_active_drain(row, t->site) || !intent_covers(row, t))
			continue;
		if (best == NULL || row->at_once > best->at_once ||
		    (row->at_once == best->at_once &&
			row->created_ms < best->created_ms))
			best = row;
	}
	return best;
}

bool
intent_set_drains_prefix(const struct intent_set *set, const char *site)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (is_active_drain(row, site) &&
		    behind(row->scope, PREFIX_SCOPE) != NULL)
			return true;
	}
	return false;
}

/* ---- freezes and overrides ---- */

bool
intent_is_about(const struct intent *row, const char *site)
{
	return strcmp(row->site, site) == 0 ||
	    strcmp(row->site, INTENT_FLEET) == 0;
}

static const struct intent *
find_about(const struct intent_set *set, const char *kind, const char *site,
    const char *scope)
{
	const struct intent *oldest = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && strcmp(row->kind, kind) == 0 &&
		    intent_is_about(row, site) &&
		    strcmp(row->scope, scope) == 0 &&
		    (oldest == NULL || row->created_ms < oldest->created_ms))
			oldest = row;
	}
	return oldest;
}

const struct intent *
intent_set_freeze(const struct intent_set *set, const char *site)
{
	return find_about(set, "freeze", site, "");
}

const struct intent *
intent_set_override(const struct intent_set *set, const char *site,
    enum guard g)
{
	char scope[INTENT_SCOPE_BYTES];

	intent_scope_of_guard(g, scope);
	return find_about(set, "override", site, scope);
}

int64_t
intent_set_newest_freeze(const struct intent_set *set, const char *site)
{
	int64_t newest = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && strcmp(row->kind, "freeze") == 0 &&
		    intent_is_about(row, site) && row->created_ms > newest)
			newest = row->created_ms;
	}
	return newest;
}

bool
intent_set_needs(const struct intent_set *set, const struct intent *row)
{
	int64_t frozen_ms = intent_set_newest_freeze(set, row->site);

	return frozen_ms != 0 && strcmp(row->kind, "drain") == 0 &&
	    row->ended_ms > frozen_ms;
}

bool
intent_set_gives_back(const struct intent_set *set,
    const struct intent_target *t)
{
	int64_t frozen_ms = intent_set_newest_freeze(set, t->site);
	bool is_over = false;

	for (size_t i = 0; i < set->n && frozen_ms != 0; i++) {
		const struct intent *row = &set->rows[i];
		bool is_past =
		    !intent_is_active(row) && row->ended_ms <= frozen_ms;

		if (is_past || strcmp(row->kind, "drain") != 0 ||
		    !intent_covers(row, t))
			continue;
		if (intent_is_active(row) || row->created_ms < frozen_ms)
			return false;
		is_over = true;
	}
	return is_over;
}

void
intent_forced_id(const struct intent *drain, enum guard g,
    char id[INTENT_ID_BYTES])
{
	const char *unique = strrchr(drain->id, '-');

	/* Without the site's name, or the longest ones would not fit. */
	(void)snprintf(id, INTENT_ID_BYTES, "override-%.32s-%.20s",
	    unique != NULL ? unique + 1 : drain->id, guard_name(g));
}

bool
intent_is_forced_for(const struct intent *row, const struct intent *drain)
{
	const char *name = behind(row->scope, GUARD_SCOPE);
	char id[INTENT_ID_BYTES];
	enum guard g;

	if (strcmp(row->kind, "override") != 0 ||
	    strcmp(drain->kind, "drain") != 0 ||
	    strcmp(row->site, drain->site) != 0 || name == NULL ||
	    !guard_find(name, &g))
		return false;
	intent_forced_id(drain, g, id);
	return strcmp(row->id, id) == 0;
}

const struct intent *
intent_set_forced_for(const struct intent_set *set, const struct intent *drain)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && intent_is_forced_for(row, drain))
			return row;
	}
	return NULL;
}

bool
intent_is_valid(const struct intent *row)
{
	const char *guard = behind(row->scope, GUARD_SCOPE);
	enum guard g;

	if (row->id[0] == '\0' || row->site[0] == '\0')
		return false;
	if (strcmp(row->kind, "drain") == 0) {
		return strcmp(row->site, INTENT_FLEET) != 0 &&
		    intent_scope_is_valid(row->scope);
	}
	if (strcmp(row->kind, "freeze") == 0)
		return row->scope[0] == '\0';
	return strcmp(row->kind, "override") == 0 && guard != NULL &&
	    guard_find(guard, &g);
}

int64_t
intent_set_next_due(const struct intent_set *set)
{
	int64_t next = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && row->until_ms != 0 &&
		    (next == 0 || row->until_ms < next))
			next = row->until_ms;
	}
	return next;
}

void
intent_set_forget(struct intent_set *set, int64_t before_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (intent_is_active(&set->rows[i]) ||
		    set->rows[i].ended_ms >= before_ms)
			set->rows[kept++] = set->rows[i];
	}
	set->n = kept;
}
