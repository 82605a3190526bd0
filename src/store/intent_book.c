/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/intent_book.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/intent_row.h"

/* Ended intents are kept so long, for the other side to hear of it. */
#define MEMORY_MS INT64_C(604800000) /* a week */
/* A far due time is looked at again: wall time may be stepped. */
#define DUE_CHECK_MAX_MS INT64_C(60000)
/* Ended ones go at some time later than MEMORY_MS. */
#define FORGET_EVERY_MS (3600LL * 1000)

static const char by_time[] = "its time is over";

static void
arm_due(struct intent_book *book)
{
	int64_t next = intent_set_next_due(&book->set), wait_ms;

	if (next == 0) {
		loop_timer_set(book->due, FORGET_EVERY_MS);
		return;
	}
	wait_ms = next - wall_now_ms();
	if (wait_ms > DUE_CHECK_MAX_MS)
		wait_ms = DUE_CHECK_MAX_MS;
	loop_timer_set(book->due, wait_ms > 0 ? wait_ms : 0);
}

static const char *
verb_of(const struct intent *row)
{
	bool active = intent_is_active(row);

	if (strcmp(row->kind, "freeze") == 0)
		return active ? "freeze" : "thaw";
	if (strcmp(row->kind, "override") == 0)
		return active ? "override" : "end of the override";
	return active ? "drain" : "restore";
}

static void
note(struct intent_book *book, const struct intent *row)
{
	bool active = intent_is_active(row);
	bool is_fleet = strcmp(row->site, INTENT_FLEET) == 0;
	char subject[CONF_NAME_MAX + 8], what[INTENT_SCOPE_BYTES + 24];
	struct store_event ev = { .kind = "intent",
		.subject = subject,
		.what = what,
		.reason = active ? row->reason : row->id,
		.actor = active ? row->actor : row->ended_by };

	(void)snprintf(subject, sizeof(subject), "%s%s",
	    is_fleet ? "fleet" : "site/", is_fleet ? "" : row->site);
	(void)snprintf(what, sizeof(what), "%s%s%s", verb_of(row),
	    row->scope[0] != '\0' ? " of " : "",
	    row->scope[0] != '\0' ? intent_scope_name(row->scope) : "");
	log_info("intent %s: %s by %s: %s", subject, ev.what, ev.actor,
	    ev.reason);
	store_put_event(book->store, &ev);
}

static void
put(struct intent_book *book, const struct intent *row,
    store_done_cb *on_durable, void *arg)
{
	struct store_intent out = intent_to_row(row);

	store_put_intent(book->store, &out, on_durable, arg);
}

/* ---- memory ---- */

static bool
is_forgotten(const struct intent_book *book, const struct intent *row)
{
	return row->ended_ms < wall_now_ms() - MEMORY_MS ||
	    row->ended_ms <= book->forgotten_ms;
}

/* The store keeps all of them.  What was put lately may not be there yet. */
static bool
find_stored(struct intent_book *book, const char *id, struct intent *out)
{
	struct err err = { 0 };
	json_t *rows = query_intent(book->query, id, &err);
	bool is_there = false;

	if (rows != NULL && json_array_size(rows) > 0) {
		is_there =
		    intent_from_json(json_array_get(rows, 0), out, &err) == 0;
	}
	if (err.msg[0] != '\0')
		log_limited(&book->limit, "intent %s: %s", id, err.msg);
	json_decref(rows);
	return is_there;
}

/* Of an ended row: would anybody who still has it active hear from the store
 * that it is not? */
static bool
may_go(struct intent_book *book, const struct intent *row)
{
	struct intent stored;

	return !intent_set_needs(&book->set, row) &&
	    find_stored(book, row->id, &stored) && !intent_is_active(&stored);
}

/* For one row more: those that ended first are forgotten. */
static void
make_room(struct intent_book *book)
{
	while (book->set.n >= INTENTS_KEPT_MAX) {
		const struct intent *first = intent_set_first_ended(&book->set);

		/* What must not wait for a full disk is in what is left. */
		if (first == NULL ||
		    (book->set.n < INTENTS_MAX && !may_go(book, first)))
			return;
		if (book->forgotten_ms < first->ended_ms)
			book->forgotten_ms = first->ended_ms;
		intent_set_drop(&book->set, first);
	}
}

/*
 * What is to be taken in for a row that is not in the set, or NULL.  The other
 * side may have forgotten less than we did, and may not have heard of an end:
 * such a row comes back as it ended, for it to hear of that now.
 */
static const struct intent *
admit(struct intent_book *book, const struct intent *row, struct intent *stored)
{
	bool is_active = intent_is_active(row);
	bool is_due = intent_is_due(row, wall_now_ms());

	if (!is_active && is_forgotten(book, row))
		return NULL;
	if (is_active && find_stored(book, row->id, stored) &&
	    !intent_is_active(stored)) {
		/* Not in place of another that came back with it. */
		if (book->set.n == INTENTS_MAX)
			make_room(book);
		return stored;
	}
	if (is_active && !is_due && intent_set_is_full(&book->set, row->kind)) {
		log_limited(&book->limit,
		    "intent %s of %s is left out: too many are active", row->id,
		    row->site);
		return NULL;
	}
	make_room(book);
	return row;
}

/* ---- changes ---- */

/* What was let through for a drain ends with it, wherever that ended. */
static void
end_forced(struct intent_book *book, const struct intent *drain)
{
	const struct intent *found;

	while ((found = intent_set_forced_for(&book->set, drain)) != NULL) {
		struct intent row = *found;

		(void)intent_end(&row, drain->ended_ms, drain->ended_by);
		found = intent_set_merge(&book->set, &row);
		put(book, found, NULL, NULL);
		note(book, found);
	}
}

bool
intent_book_take(struct intent_book *book, const struct intent *row,
    store_done_cb *on_durable, void *arg)
{
	bool is_known = intent_set_find(&book->set, row->id) != NULL;
	const struct intent *kept = NULL, *taken = row;
	struct intent stored, ended;

	if (!is_known)
		taken = admit(book, row, &stored);
	/* Nobody acts upon it, not for a moment. */
	if (taken == row && intent_is_due(row, wall_now_ms())) {
		ended = *row;
		(void)intent_end(&ended, wall_now_ms(), by_time);
		taken = row = &ended;
	}
	if (taken != NULL)
		kept = intent_set_merge(&book->set, taken);
	if (kept != NULL) {
		/* Both before anything is done about it. */
		store_hold(book->store);
		if (!intent_is_active(kept))
			end_forced(book, kept);
		put(book, kept, on_durable, arg);
		/* What comes back was told when it ended. */
		if (taken == row)
			note(book, kept);
		store_release(book->store);
		arm_due(book);
		if (book->on_change != NULL)
			book->on_change(kept, book->arg);
	} else if (is_known && on_durable != NULL) {
		put(book, row, on_durable, arg);
	}
	/* What was left out must not be in the store either: it would come to
	 * life at the next start. */
	return kept != NULL || is_known;
}

void
intent_book_end(struct intent_book *book, const char *id, const char *by)
{
	const struct intent *mine = intent_set_find(&book->set, id);
	struct intent row;

	if (mine == NULL)
		return;
	row = *mine;
	if (intent_end(&row, wall_now_ms(), by))
		(void)intent_book_take(book, &row, NULL, NULL);
}

void
intent_book_end_due(struct intent_book *book)
{
	int64_t now_ms = wall_now_ms();

	for (size_t i = 0; i < book->set.n; i++) {
		struct intent row = book->set.rows[i];

		if (intent_is_due(&row, now_ms))
			intent_book_end(book, row.id, by_time);
	}
}

static void
on_due(struct loop *lp, void *arg)
{
	struct intent_book *book = arg;

	(void)lp;
	intent_book_end_due(book);
	intent_set_forget(&book->set, wall_now_ms() - MEMORY_MS);
	arm_due(book);
}

int
intent_book_init(struct intent_book *book, struct loop *lp, struct store *store,
    struct query *query, struct err *err)
{
	json_t *rows =
	    query_intents(query, wall_now_ms() - MEMORY_MS, INTENTS_MAX, err);
	int rc;

	*book = (struct intent_book){ .store = store, .query = query };
	if (rows == NULL)
		return -1;
	rc = intents_load(rows, &book->set, err);
	json_decref(rows);
	if (rc == -1) {
		intent_set_fini(&book->set);
		return -1;
	}
	make_room(book);
	book->due = loop_timer_new(lp, on_due, book);
	arm_due(book);
	return 0;
}

void
intent_book_fini(struct intent_book *book)
{
	loop_timer_free(book->due);
	intent_set_fini(&book->set);
}
