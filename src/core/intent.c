/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/intent.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"

void
intent_set_fini(struct intent_set *set)
{
	free(set->rows);
	*set = (struct intent_set){ 0 };
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
intent_set_is_full(const struct intent_set *set)
{
	return set->n == INTENTS_MAX;
}

static const struct intent *
intent_set_add(struct intent_set *set, const struct intent *row)
{
	if (intent_set_is_full(set))
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

const struct intent *
intent_set_drain(const struct intent_set *set, const char *site)
{
	const struct intent *oldest = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct intent *row = &set->rows[i];

		if (intent_is_active(row) && strcmp(row->kind, "drain") == 0 &&
		    strcmp(row->site, site) == 0 &&
		    (oldest == NULL || row->created_ms < oldest->created_ms))
			oldest = row;
	}
	return oldest;
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
