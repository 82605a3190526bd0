/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/intent_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/drain.h"
#include "daemon_parts.h"
#include "loop_wait.h"
#include "store/intent_row.h"
#include "test.h"

#define WEEK_MS (7LL * 24 * 3600 * 1000)

struct house {
	struct store_file f;
	struct daemon_parts p;
	struct intent_book book;
	unsigned changes, durable;
	struct intent last;
};

static const struct worker_kind kinds[] = {
	{ "test-store", store_main, 0, WALL_NONE },
};

static void
on_change(const struct intent *row, void *arg)
{
	struct house *h = arg;

	h->changes++;
	h->last = *row;
}

static void
on_durable(void *arg)
{
	struct house *h = arg;

	h->durable++;
}

static void
book_open(struct house *h)
{
	struct err err = { 0 };

	if (intent_book_init(&h->book, h->p.lp, h->p.store, h->p.query, &err) ==
	    -1)
		fail_msg("%s", err.msg);
	h->book.on_change = on_change;
	h->book.arg = h;
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	file_make(&h->f);
	parts_start(&h->p, &h->f, kinds, TEST_COUNT(kinds));
	book_open(h);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	intent_book_fini(&h->book);
	parts_stop(&h->p);
	file_remove(&h->f);
	free(h);
	return 0;
}

/* As a new process would find it. */
static void
book_reopen(struct house *h)
{
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	intent_book_fini(&h->book);
	book_open(h);
}

static void
test_what_was_taken_is_there_after_a_restart(void **state)
{
	struct house *h = *state;
	struct intent in =
	    intent_new_drain("chc", "work", "uid 7", wall_now_ms(), 0);

	intent_book_take(&h->book, &in, on_durable, h);
	assert_int_equal(h->changes, 1);
	assert_string_equal(h->last.id, in.id);
	assert_int_equal(h->durable, 0);
	WAIT_FOR(h->p.lp, h->durable == 1);
	book_reopen(h);
	assert_int_equal(h->book.set.n, 1);
	assert_memory_equal(&h->book.set.rows[0], &in, sizeof(in));
	assert_int_equal(h->changes, 1);
}

/* The other side says it every second: no event, no row, but an answer. */
static void
test_known_rows_change_nothing(void **state)
{
	struct house *h = *state;
	struct intent in = intent_new_drain("chc", "", "", wall_now_ms(), 0);

	for (int i = 0; i < 5; i++)
		intent_book_take(&h->book, &in, NULL, NULL);
	assert_int_equal(h->changes, 1);
	intent_book_take(&h->book, &in, on_durable, h);
	WAIT_FOR(h->p.lp, h->durable == 1);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(h->changes, 1);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM event"), 1);
}

static void
test_ended_stays_ended(void **state)
{
	struct house *h = *state;
	struct intent in = intent_new_drain("chc", "", "", wall_now_ms(), 0);

	intent_book_take(&h->book, &in, NULL, NULL);
	intent_book_end(&h->book, in.id, "uid 9");
	assert_int_equal(h->changes, 2);
	assert_string_equal(h->last.ended_by, "uid 9");
	intent_book_end(&h->book, in.id, "uid 9");
	intent_book_end(&h->book, "nobody", "uid 9");
	intent_book_take(&h->book, &in, NULL, NULL);
	assert_int_equal(h->changes, 2);
	assert_null(intent_set_drain(&h->book.set, "chc"));
	book_reopen(h);
	assert_null(intent_set_drain(&h->book.set, "chc"));
	assert_int_equal(h->book.set.n, 1);
}

static void
test_due_rows_end_in_time(void **state)
{
	struct house *h = *state;
	struct mono start = mono_now();
	struct intent first, second;

	second = intent_new_drain("chc", "", "", wall_now_ms(), 250);
	first = intent_new_drain("akl", "", "", wall_now_ms(), 100);
	intent_book_take(&h->book, &second, NULL, NULL);
	intent_book_take(&h->book, &first, NULL, NULL);
	WAIT_FOR(h->p.lp, h->changes == 3);
	assert_true(mono_diff_ms(mono_now(), start) >= 99);
	assert_string_equal(h->last.id, first.id);
	WAIT_FOR(h->p.lp, h->changes == 4);
	assert_true(mono_diff_ms(mono_now(), start) >= 249);
	assert_string_equal(h->last.id, second.id);
	assert_string_equal(h->last.ended_by, "its time is over");
}

/* What was let through for a drain is over with it, whoever ended it. */
static void
test_an_override_of_force_ends_with_its_drain(void **state)
{
	struct house *h = *state;
	struct intent drain = intent_new_drain("chc", "", "", 1, 0);
	struct intent forced = intent_new("override", "chc", "", "");
	struct intent by_hand = forced;

	intent_scope_of_guard(GUARD_FREEZE, forced.scope);
	intent_scope_of_guard(GUARD_FREEZE, by_hand.scope);
	intent_forced_id(&drain, GUARD_FREEZE, forced.id);
	intent_book_take(&h->book, &forced, NULL, NULL);
	intent_book_take(&h->book, &by_hand, NULL, NULL);
	intent_book_take(&h->book, &drain, NULL, NULL);
	assert_int_equal(h->changes, 3);
	/* One change, and only then is anything done about it. */
	(void)intent_end(&drain, 77, "uid 7");
	intent_book_take(&h->book, &drain, on_durable, h);
	assert_int_equal(h->changes, 4);
	assert_string_equal(h->last.id, drain.id);
	WAIT_FOR(h->p.lp, h->durable == 1);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM event"), 5);
	book_reopen(h);
	/* Both in the store, and the one made by hand stays. */
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM intent WHERE ended_ms = 77"
			     " AND ended_by = 'uid 7'"),
	    2);
	assert_string_equal(intent_set_override(&h->book.set, "chc",
				GUARD_FREEZE)
				->id,
	    by_hand.id);
}

/* It fell due while no process was there. */
static void
test_due_rows_end_after_a_restart(void **state)
{
	struct house *h = *state;
	struct intent in = intent_new_drain("chc", "", "", wall_now_ms(), 1);

	in.until_ms = wall_now_ms() + 150;
	intent_book_take(&h->book, &in, NULL, NULL);
	book_reopen(h);
	WAIT_FOR(h->p.lp, h->changes == 2);
	assert_string_equal(h->last.ended_by, "its time is over");
}

/* Ended rows are forgotten, and what is forgotten is not news. */
static void
test_old_rows_are_forgotten(void **state)
{
	struct house *h = *state;
	struct intent old = intent_new_drain("chc", "", "", 1, 0);
	struct intent young = intent_new_drain("chc", "", "", 1, 0);

	(void)intent_end(&old, wall_now_ms() - WEEK_MS + 300, "uid 7");
	(void)intent_end(&young, wall_now_ms() - WEEK_MS / 2, "uid 7");
	intent_book_take(&h->book, &old, NULL, NULL);
	intent_book_take(&h->book, &young, NULL, NULL);
	assert_int_equal(h->book.set.n, 2);
	/* Looked after also when nothing falls due. */
	assert_true(loop_timer_pending(h->book.due));
	loop_idle(h->p.lp, 320);
	loop_timer_set(h->book.due, 0);
	WAIT_FOR(h->p.lp, h->book.set.n == 1);
	assert_string_equal(h->book.set.rows[0].id, young.id);
	assert_true(loop_timer_pending(h->book.due));
	intent_book_take(&h->book, &old, NULL, NULL);
	assert_int_equal(h->book.set.n, 1);
	assert_int_equal(h->changes, 2);
}

/* As many as are kept, ended one after the other; all are on disk then. */
static void
fill(struct house *h, struct intent rows[INTENTS_KEPT_MAX])
{
	int64_t now_ms = wall_now_ms();

	for (size_t i = 0; i < INTENTS_KEPT_MAX; i++) {
		rows[i] = intent_new_drain("chc", "", "", 1, 0);
		(void)intent_end(&rows[i],
		    now_ms - INTENTS_KEPT_MAX + (int64_t)i, "uid 7");
		intent_book_take(&h->book, &rows[i], NULL, NULL);
	}
	assert_int_equal(h->book.set.n, INTENTS_KEPT_MAX);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
}

static struct intent
as_before_its_end(const struct intent *row)
{
	struct intent active = *row;

	active.ended_ms = 0;
	active.ended_by[0] = '\0';
	return active;
}

static bool
is_there(const struct house *h, const struct intent *row)
{
	return intent_set_find(&h->book.set, row->id) != NULL;
}

/* Whatever a loop of somebody's script did: the kill switch works. */
static void
test_a_full_book_forgets_what_ended_first(void **state)
{
	static struct intent rows[INTENTS_KEPT_MAX];
	struct house *h = *state;
	struct intent freeze = intent_new("freeze", "*", "the loop", "jo");

	fill(h, rows);
	intent_book_take(&h->book, &freeze, on_durable, h);
	assert_int_equal(h->book.set.n, INTENTS_KEPT_MAX);
	assert_false(is_there(h, &rows[0]));
	assert_true(is_there(h, &rows[1]));
	WAIT_FOR(h->p.lp, h->durable == 1);
	/* What the other side still tells of is no news, nor after a restart,
	 * and whatever is active is kept. */
	for (int i = 0; i < 2; i++) {
		h->changes = 0;
		intent_book_take(&h->book, &rows[0], NULL, NULL);
		assert_int_equal(h->changes, 0);
		assert_false(is_there(h, &rows[0]));
		assert_true(is_there(h, &rows[INTENTS_KEPT_MAX - 1]));
		assert_true(is_there(h, &freeze));
		book_reopen(h);
	}
	assert_non_null(intent_set_freeze(&h->book.set, "chc"));
}

/* The other side was away when it ended: it does not come back to life, and is
 * there for the other side to hear of it. */
static void
test_what_was_forgotten_stays_ended(void **state)
{
	static struct intent rows[INTENTS_KEPT_MAX];
	struct house *h = *state;
	struct intent late[2], old, unknown;
	int64_t events;

	fill(h, rows);
	/* By age, too. */
	old = intent_new_drain("akl", "", "", 1, 0);
	intent_book_take(&h->book, &old, NULL, NULL);
	(void)intent_end(&old, 5, "uid 7");
	intent_book_take(&h->book, &old, NULL, NULL);
	unknown = intent_new_drain("wlg", "", "", 1, 0);
	intent_book_take(&h->book, &unknown, NULL, NULL);
	book_reopen(h);
	assert_false(is_there(h, &old));
	assert_false(is_there(h, &rows[0]));
	events = file_number(&h->f, "SELECT count(*) FROM event");
	h->changes = 0;
	late[0] = as_before_its_end(&rows[0]);
	late[1] = as_before_its_end(&old);
	for (size_t i = 0; i < TEST_COUNT(late); i++) {
		for (int times = 0; times < 3; times++)
			intent_book_take(&h->book, &late[i], NULL, NULL);
		assert_int_equal(h->changes, i + 1);
		assert_string_equal(h->last.id, late[i].id);
		assert_string_equal(h->last.ended_by, "uid 7");
	}
	/* Both at once, in one document. */
	assert_true(is_there(h, &rows[0]));
	assert_true(is_there(h, &old));
	assert_null(intent_set_drain(&h->book.set, "chc"));
	assert_null(intent_set_drain(&h->book.set, "akl"));
	assert_non_null(intent_set_drain(&h->book.set, "wlg"));
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM event"),
	    events);
}

/* A freeze gives back what a drain took that was forced against it. */
static void
test_what_a_freeze_goes_by_is_not_forgotten(void **state)
{
	static struct intent rows[INTENTS_KEPT_MAX];
	struct house *h = *state;
	struct intent freeze = intent_new("freeze", "chc", "", "");
	struct intent more = intent_new_drain("akl", "", "", 1, 0);

	fill(h, rows);
	/* Room for it is made before it is there. */
	freeze.created_ms = rows[0].ended_ms;
	intent_book_take(&h->book, &freeze, NULL, NULL);
	assert_false(is_there(h, &rows[0]));
	intent_book_take(&h->book, &more, NULL, NULL);
	assert_true(is_there(h, &more));
	assert_true(is_there(h, &rows[1]));
	assert_int_equal(h->book.set.n, INTENTS_KEPT_MAX + 1);
}

/* So many that are active. */
static void
fill_active(struct house *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct intent row = intent_new_drain("chc", "", "", 1, 0);

		assert_true(intent_book_take(&h->book, &row, NULL, NULL));
	}
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	h->changes = 0;
}

/* What is left out is not there after a restart either. */
static void
test_what_is_left_out_is_not_stored(void **state)
{
	struct house *h = *state;
	struct intent more = intent_new_drain("akl", "", "", 1, 0);
	struct intent over = more;

	fill_active(h, INTENTS_KEPT_MAX);
	assert_false(intent_book_take(&h->book, &more, on_durable, h));
	assert_int_equal(h->changes, 0);
	book_reopen(h);
	assert_int_equal(h->durable, 0);
	assert_false(is_there(h, &more));
	/* There is room to hear of an end. */
	over.until_ms = 2;
	assert_true(intent_book_take(&h->book, &over, on_durable, h));
	assert_int_equal(h->last.ended_ms != 0, 1);
	WAIT_FOR(h->p.lp, h->durable == 1);
}

/* The overrides of a drain are not what leaves no room for it. */
static void
test_a_forced_drain_needs_room_for_its_overrides(void **state)
{
	struct drain_request plain = { .reason = "fire",
		.until_ms = wall_now_ms() + 600000 };
	struct drain_request forced = plain;
	struct house *h = *state;
	struct err err = { 0 };
	struct intent drain;

	forced.force[GUARD_FREEZE] = true;
	fill_active(h, INTENTS_KEPT_MAX - 1);
	assert_int_equal(drain_is_new(&h->book.set, "akl", &forced, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(drain_is_new(&h->book.set, "akl", &plain, &err), 0);
	/* Whoever does not ask before: all or nothing of it. */
	drain = drain_intent("akl", &forced, "jo");
	err = (struct err){ 0 };
	assert_int_equal(drain_take(&h->book, &forced, &drain, on_durable, h,
			     &err),
	    -1);
	assert_int_equal(err.code, ERR_REFUSED);
	for (int i = 0; i < 2; i++) {
		assert_null(intent_set_drain(&h->book.set, "akl"));
		assert_null(intent_set_override(&h->book.set, "akl",
		    GUARD_FREEZE));
		book_reopen(h);
	}
	assert_int_equal(h->durable, 0);
	drain = drain_intent("akl", &plain, "jo");
	assert_int_equal(drain_take(&h->book, &plain, &drain, on_durable, h,
			     &err),
	    0);
	WAIT_FOR(h->p.lp, h->durable == 1);
	assert_non_null(intent_set_drain(&h->book.set, "akl"));
}

/* Nobody is told of it as an active one. */
static void
test_what_is_over_when_it_comes_is_taken_as_ended(void **state)
{
	struct house *h = *state;
	struct intent in = intent_new_drain("chc", "", "", 1, 1);

	assert_true(intent_book_take(&h->book, &in, on_durable, h));
	assert_int_equal(h->changes, 1);
	assert_false(intent_is_active(&h->last));
	assert_string_equal(h->last.ended_by, "its time is over");
	WAIT_FOR(h->p.lp, h->durable == 1);
	assert_true(intent_book_take(&h->book, &in, on_durable, h));
	assert_int_equal(h->changes, 1);
	WAIT_FOR(h->p.lp, h->durable == 2);
	book_reopen(h);
	assert_int_equal(h->book.set.n, 1);
	assert_false(intent_is_active(&h->book.set.rows[0]));
}

/* ---- rows as JSON ---- */

static void
test_json_both_ways(void **state)
{
	struct intent in =
	    intent_new_drain("chc", "r\xc3\xbc\"\\", "uid 7", 5, 7);
	struct intent back = { 0 };
	json_t *json;

	(void)state;
	(void)intent_end(&in, 9, "uid 8");
	strcpy(in.scope, "service/web");
	strcpy(in.owner, "ops");
	in.at_once = true;
	json = intent_to_json(&in);
	assert_int_equal(intent_from_json(json, &back, NULL), 0);
	assert_memory_equal(&back, &in, sizeof(in));
	json_decref(json);
}

static void
test_texts_of_most_bytes_and_one_more(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} texts[] = {
		{ "id", INTENT_ID_BYTES - 1 },
		{ "site", CONF_NAME_MAX },
		{ "reason", INTENT_REASON_BYTES - 1 },
		{ "actor", INTENT_ACTOR_BYTES - 1 },
		{ "ended_by", INTENT_ACTOR_BYTES - 1 },
		{ "owner", INTENT_ACTOR_BYTES - 1 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		for (size_t more = 0; more < 2; more++) {
			struct intent in =
			    intent_new_drain("chc", "", "", 1, 0);
			json_t *json = intent_to_json(&in);
			struct err err = { 0 };

			json_object_set_new(json, texts[i].key,
			    json_sprintf("%0*d", (int)(texts[i].max + more),
				0));
			assert_int_equal(intent_from_json(json, &in, &err),
			    more == 0 ? 0 : -1);
			json_decref(json);
		}
	}
}

static void
test_rows_that_are_refused(void **state)
{
	static const char *const bad[] = { "{}", "[]", "1", "null",
		"{\"id\":\"x\",\"site\":\"chc\"}",
		"{\"id\":\"x\",\"site\":\"chc\",\"kind\":\"drain\","
		"\"scope\":\"prefix/192.0.2.1/24\"}",
		"{\"id\":\"x\",\"site\":\"chc\",\"kind\":\"hold\"}",
		"{\"id\":\"\",\"site\":\"chc\",\"kind\":\"drain\"}",
		"{\"id\":\"x\",\"site\":\"\",\"kind\":\"drain\"}",
		"{\"id\":1,\"site\":\"chc\",\"kind\":\"drain\"}",
		"{\"id\":\"x\",\"site\":\"chc\",\"kind\":\"drain\","
		"\"until_ms\":-1}",
		"{\"id\":\"x\",\"site\":\"chc\",\"kind\":\"drain\","
		"\"ended_ms\":1.5}",
		"{\"id\":\"x\",\"site\":\"chc\",\"kind\":\"drain\","
		"\"created_ms\":\"1\"}" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		json_t *json = json_loads(bad[i], JSON_DECODE_ANY, NULL);
		struct intent in = { .id = "untouched" };
		struct err err = { 0 };

		assert_non_null(json);
		assert_int_equal(intent_from_json(json, &in, &err), -1);
		assert_int_equal(err.code, ERR_PROTO);
		assert_string_equal(in.id, "untouched");
		json_decref(json);
	}
	assert_int_equal(intent_from_json(NULL, &(struct intent){ 0 }, NULL),
	    -1);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(test_what_was_taken_is_there_after_a_restart),
		WITH(test_known_rows_change_nothing),
		WITH(test_ended_stays_ended),
		WITH(test_due_rows_end_in_time),
		WITH(test_an_override_of_force_ends_with_its_drain),
		WITH(test_due_rows_end_after_a_restart),
		WITH(test_old_rows_are_forgotten),
		WITH(test_a_full_book_forgets_what_ended_first),
		WITH(test_what_was_forgotten_stays_ended),
		WITH(test_what_a_freeze_goes_by_is_not_forgotten),
		WITH(test_what_is_left_out_is_not_stored),
		WITH(test_a_forced_drain_needs_room_for_its_overrides),
		WITH(test_what_is_over_when_it_comes_is_taken_as_ended),
		cmocka_unit_test(test_json_both_ways),
		cmocka_unit_test(test_texts_of_most_bytes_and_one_more),
		cmocka_unit_test(test_rows_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
