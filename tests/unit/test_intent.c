/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/intent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "test.h"

#define ROWS 40u
#define ROUNDS 300u

/* Rows of 10 ids: each active or ended, always at the same time by the same
 * person, as ids are unique and a row is ended but once. */
static void
fill_rows(struct intent rows[ROWS], unsigned seed)
{
	srandom(seed);
	for (size_t i = 0; i < ROWS; i++) {
		unsigned id = (unsigned)random() % 10;

		rows[i] = (struct intent){
			.kind = "drain", .site = "chc", .created_ms = 100 + id
		};
		(void)snprintf(rows[i].id, sizeof(rows[i].id), "drain-%u", id);
		if (random() % 3 == 0)
			(void)intent_end(&rows[i], 500 + id, "ruth");
	}
}

static void
shuffle(struct intent rows[ROWS])
{
	for (size_t i = ROWS - 1; i > 0; i--) {
		size_t k = (size_t)random() % (i + 1);
		struct intent t = rows[i];

		rows[i] = rows[k];
		rows[k] = t;
	}
}

static void
merge_all(struct intent_set *set, const struct intent *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)intent_set_merge(set, &rows[i]);
}

static void
assert_sets_equal(const struct intent_set *a, const struct intent_set *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		const struct intent *other = intent_set_find(b, a->rows[i].id);

		assert_non_null(other);
		assert_memory_equal(other, &a->rows[i], sizeof(*other));
	}
}

/* In any order, and each row twice. */
static void
test_merge_is_commutative_and_idempotent(void **state)
{
	struct intent rows[ROWS];

	(void)state;
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct intent_set a = { 0 }, b = { 0 };

		fill_rows(rows, seed);
		merge_all(&a, rows, ROWS);
		shuffle(rows);
		merge_all(&b, rows, ROWS);
		assert_sets_equal(&a, &b);
		shuffle(rows);
		for (size_t i = 0; i < ROWS; i++)
			assert_null(intent_set_merge(&b, &rows[i]));
		assert_sets_equal(&a, &b);
		intent_set_fini(&a);
		intent_set_fini(&b);
	}
}

/* Two that exchanged first and then met a third know the same as any others. */
static void
test_merge_is_associative(void **state)
{
	struct intent rows[ROWS];

	(void)state;
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct intent_set all = { 0 }, left = { 0 }, right = { 0 };
		size_t cut = (size_t)random() % ROWS;

		fill_rows(rows, seed);
		merge_all(&all, rows, ROWS);
		merge_all(&left, rows, cut);
		merge_all(&right, rows + cut, ROWS - cut);
		merge_all(&right, left.rows, left.n);
		assert_sets_equal(&all, &right);
		merge_all(&left, right.rows, right.n);
		assert_sets_equal(&all, &left);
		intent_set_fini(&all);
		intent_set_fini(&left);
		intent_set_fini(&right);
	}
}

/* Whoever ended it first, and however often it is heard of as active. */
static void
test_ended_stays_ended(void **state)
{
	const struct intent active = {
		.id = "a", .kind = "drain", .site = "chc", .created_ms = 1
	};
	struct intent ended = active, later = active;
	struct intent_set set = { 0 };
	const struct intent *kept;

	(void)state;
	assert_true(intent_end(&ended, 5, "ruth"));
	assert_true(intent_end(&later, 9, "omar"));
	assert_non_null(intent_set_merge(&set, &active));
	kept = intent_set_merge(&set, &ended);
	assert_non_null(kept);
	assert_false(intent_is_active(kept));
	assert_null(intent_set_merge(&set, &active));
	assert_null(intent_set_merge(&set, &later));
	kept = intent_set_find(&set, "a");
	assert_int_equal(kept->ended_ms, 5);
	assert_string_equal(kept->ended_by, "ruth");
	assert_null(intent_set_drain(&set, "chc"));
	intent_set_fini(&set);
}

/* Ended before it was ever heard of here: never becomes active. */
static void
test_ended_before_heard_of(void **state)
{
	const struct intent active = {
		.id = "a", .kind = "drain", .site = "chc"
	};
	struct intent ended = active;
	struct intent_set set = { 0 };

	(void)state;
	(void)intent_end(&ended, 5, "ruth");
	assert_non_null(intent_set_merge(&set, &ended));
	assert_null(intent_set_merge(&set, &active));
	assert_null(intent_set_drain(&set, "chc"));
	intent_set_fini(&set);
}

static void
test_end_once_and_at_any_clock(void **state)
{
	static const int64_t clocks[] = { -1, 0, 1, 5 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(clocks); i++) {
		struct intent row = { .id = "a" };

		assert_true(intent_is_active(&row));
		assert_true(intent_end(&row, clocks[i], "ruth"));
		assert_false(intent_is_active(&row));
		assert_false(intent_end(&row, 9, "omar"));
		assert_string_equal(row.ended_by, "ruth");
	}
}

/* By site, kind and activity; the oldest of several. */
static void
test_drain_of_a_site(void **state)
{
	static const struct intent rows[] = {
		{ .id = "1", .kind = "drain", .site = "chc", .created_ms = 30 },
		{ .id = "2", .kind = "drain", .site = "chc", .created_ms = 20 },
		{ .id = "3",
		    .kind = "drain",
		    .site = "chc",
		    .created_ms = 10,
		    .ended_ms = 11 },
		{ .id = "4", .kind = "hold", .site = "chc", .created_ms = 5 },
		{ .id = "5", .kind = "drain", .site = "chcx", .created_ms = 1 },
	};
	struct intent_set set = { 0 };

	(void)state;
	assert_null(intent_set_drain(&set, "chc"));
	merge_all(&set, rows, TEST_COUNT(rows));
	assert_string_equal(intent_set_drain(&set, "chc")->id, "2");
	assert_string_equal(intent_set_drain(&set, "chcx")->id, "5");
	assert_null(intent_set_drain(&set, "ch"));
	assert_null(intent_set_drain(&set, ""));
	intent_set_fini(&set);
}

static const char *
over(const struct intent_set *set, const char *service, const char *net)
{
	struct prefix p;
	const struct intent_target target = { "chc", service, &p };
	const struct intent *row;

	assert_int_equal(prefix_parse(net, &p, NULL), 0);
	row = intent_set_drain_over(set, &target);
	return row != NULL ? row->id : "none";
}

/* The narrow ones cover theirs and nothing else; haste goes before age. */
static void
test_scopes(void **state)
{
	static const struct intent rows[] = {
		{ .id = "web",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "service/web",
		    .created_ms = 30 },
		{ .id = "net",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "prefix/192.0.2.0/24",
		    .created_ms = 20 },
		{ .id = "now",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "service/mail",
		    .at_once = true,
		    .created_ms = 40 },
		{ .id = "soft",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "service/mail",
		    .created_ms = 10 },
		{ .id = "akl",
		    .kind = "drain",
		    .site = "akl",
		    .scope = "service/dns" },
	};
	static const char *const services[] = { "web", "mail", "dns", "" };
	struct intent_set set = { 0 };

	(void)state;
	merge_all(&set, rows, TEST_COUNT(rows));
	assert_string_equal(over(&set, "web", "198.51.100.0/24"), "web");
	assert_string_equal(over(&set, "web", "192.0.2.0/24"), "net");
	assert_string_equal(over(&set, "dns", "192.0.2.0/24"), "net");
	assert_string_equal(over(&set, "dns", "192.0.2.0/25"), "none");
	assert_string_equal(over(&set, "we", "198.51.100.0/24"), "none");
	assert_string_equal(over(&set, "", "198.51.100.0/24"), "none");
	assert_string_equal(over(&set, "mail", "2001:db8::/32"), "now");
	assert_null(intent_set_drain(&set, "chc"));
	assert_string_equal(intent_set_drain_as_quick(&set, "chc",
				"service/mail", true)
				->id,
	    "now");
	assert_null(intent_set_drain_as_quick(&set, "chc", "service/web",
	    true));
	assert_string_equal(intent_set_drain_of(&set, "chc", "service/mail")
				->id,
	    "soft");
	/* Where none is of a prefix, the service alone decides. */
	assert_true(intent_set_drains_prefix(&set, "chc"));
	assert_false(intent_set_drains_prefix(&set, "akl"));
	assert_true(intent_end(intent_set_find(&set, "net"), 1, "x"));
	assert_false(intent_set_drains_prefix(&set, "chc"));
	for (size_t i = 0; i < TEST_COUNT(services); i++) {
		const struct intent_target target = { .site = "chc",
			.service = services[i] };
		const struct intent *row = intent_set_drain_over(&set, &target);

		assert_string_equal(row != NULL ? row->id : "none",
		    over(&set, services[i], "192.0.2.0/24"));
	}
	intent_set_fini(&set);
}

static void
test_scopes_as_text(void **state)
{
	static const char *const bad[] = { "service/", "prefix/",
		"prefix/192.0.2.1/24", "web", "/", "site/chc" };
	char scope[INTENT_SCOPE_BYTES], longest[INTENT_SCOPE_BYTES];
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_false(intent_scope_is_valid(bad[i]));
	assert_true(intent_scope_is_valid(""));
	assert_int_equal(intent_scope_of_service("web", scope, NULL), 0);
	assert_true(intent_scope_is_valid(scope));
	assert_int_equal(intent_scope_of_service("", scope, NULL), -1);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(intent_scope_of_service(longest, scope, NULL), -1);
	assert_int_equal(
	    prefix_parse("2001:db8:ffff:ffff:ffff:ffff:ffff:fff0/124", &p,
		NULL),
	    0);
	intent_scope_of_prefix(&p, scope);
	assert_true(intent_scope_is_valid(scope));
	assert_string_equal(intent_scope_name(scope),
	    "2001:db8:ffff:ffff:ffff:ffff:ffff:fff0/124");
}

static const struct {
	int64_t until_ms, ended_ms, now_ms;
	bool due;
} dues[] = {
	{ 0, 0, INT64_MAX, false }, /* until restored */
	{ 10, 0, 9, false },
	{ 10, 0, 10, true },
	{ 10, 0, 11, true },
	{ 10, 5, 11, false },
};

static void
test_due_when_its_time_is_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(dues); i++) {
		struct intent row = { .until_ms = dues[i].until_ms,
			.ended_ms = dues[i].ended_ms };

		assert_int_equal(intent_is_due(&row, dues[i].now_ms),
		    dues[i].due);
	}
}

static void
test_next_due_is_the_first_of_the_active(void **state)
{
	static const struct intent rows[] = {
		{ .id = "1", .until_ms = 0 },
		{ .id = "2", .until_ms = 50 },
		{ .id = "3", .until_ms = 40 },
		{ .id = "4", .until_ms = 10, .ended_ms = 3 },
	};
	static const int64_t next[] = { 0, 50, 40, 40 };
	struct intent_set set = { 0 };

	(void)state;
	assert_int_equal(intent_set_next_due(&set), 0);
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		assert_non_null(intent_set_merge(&set, &rows[i]));
		assert_int_equal(intent_set_next_due(&set), next[i]);
	}
	intent_set_fini(&set);
}

static void
test_only_what_ended_is_forgotten(void **state)
{
	static const struct intent rows[] = {
		{ .id = "old", .ended_ms = 9 },
		{ .id = "active", .created_ms = 1 },
		{ .id = "edge", .ended_ms = 10 },
		{ .id = "old2", .ended_ms = 1 },
		{ .id = "due", .created_ms = 1, .until_ms = 2 },
	};
	struct intent_set set = { 0 };

	(void)state;
	intent_set_forget(&set, 10);
	merge_all(&set, rows, TEST_COUNT(rows));
	intent_set_forget(&set, 10);
	assert_int_equal(set.n, 3);
	assert_null(intent_set_find(&set, "old"));
	assert_null(intent_set_find(&set, "old2"));
	assert_non_null(intent_set_find(&set, "active"));
	assert_non_null(intent_set_find(&set, "edge"));
	assert_non_null(intent_set_find(&set, "due"));
	intent_set_fini(&set);
}

/* A peer cannot make us grow without bound; what is known still changes. */
static void
test_full_set_takes_no_new_row(void **state)
{
	struct intent row = { .kind = "drain", .site = "chc" };
	struct intent_set set = { 0 };

	(void)state;
	for (unsigned i = 0; i < INTENTS_MAX; i++) {
		assert_int_equal(intent_set_is_full(&set, "drain"),
		    i >= INTENTS_KEPT_MAX);
		assert_int_equal(intent_set_is_full(&set, "override"),
		    i >= INTENTS_OVERRIDES_MAX);
		assert_false(intent_set_is_full(&set, "freeze"));
		assert_int_equal(intent_set_is_full_after(&set, "drain", 2),
		    i + 2 >= INTENTS_KEPT_MAX);
		(void)snprintf(row.id, sizeof(row.id), "drain-%u", i);
		assert_non_null(intent_set_merge(&set, &row));
	}
	assert_true(intent_set_is_full(&set, "freeze"));
	assert_null(intent_set_first_ended(&set));
	(void)snprintf(row.id, sizeof(row.id), "one-more");
	assert_null(intent_set_merge(&set, &row));
	assert_int_equal(set.n, INTENTS_MAX);
	row = *intent_set_find(&set, "drain-7");
	(void)intent_end(&row, 5, "ruth");
	assert_non_null(intent_set_merge(&set, &row));
	assert_false(intent_set_is_full(&set, "freeze"));
	row = *intent_set_find(&set, "drain-6");
	(void)intent_end(&row, 6, "ruth");
	assert_non_null(intent_set_merge(&set, &row));
	/* The one that ended first gives way, and nothing else. */
	assert_string_equal(intent_set_first_ended(&set)->id, "drain-7");
	intent_set_drop(&set, intent_set_first_ended(&set));
	assert_int_equal(set.n, INTENTS_MAX - 1);
	assert_null(intent_set_find(&set, "drain-7"));
	assert_string_equal(intent_set_first_ended(&set)->id, "drain-6");
	assert_string_equal(set.rows[7].id, "drain-8");
	assert_string_equal(set.rows[set.n - 1].id, "drain-4095");
	intent_set_fini(&set);
}

static void
test_freezes_and_overrides(void **state)
{
	static const struct intent rows[] = {
		{ .id = "a", .kind = "freeze", .site = "chc" },
		{ .id = "b",
		    .kind = "override",
		    .site = INTENT_FLEET,
		    .scope = "guard/brake" },
		{ .id = "c",
		    .kind = "override",
		    .site = "akl",
		    .scope = "guard/budget" },
		{ .id = "d",
		    .kind = "override",
		    .site = "chc",
		    .scope = "guard/room",
		    .ended_ms = 5 },
		{ .id = "e", .kind = "drain", .site = "chc" },
	};
	struct intent_set set = { 0 };

	(void)state;
	merge_all(&set, rows, TEST_COUNT(rows));
	assert_string_equal(intent_set_freeze(&set, "chc")->id, "a");
	assert_null(intent_set_freeze(&set, "akl"));
	assert_non_null(intent_set_override(&set, "chc", GUARD_BRAKE));
	assert_non_null(intent_set_override(&set, "akl", GUARD_BRAKE));
	assert_non_null(intent_set_override(&set, "akl", GUARD_BUDGET));
	assert_null(intent_set_override(&set, "chc", GUARD_BUDGET));
	assert_null(intent_set_override(&set, "chc", GUARD_ROOM));
	/* They drain nothing. */
	assert_string_equal(intent_set_drain(&set, "chc")->id, "e");
	assert_null(intent_set_drain(&set, "akl"));
	intent_set_fini(&set);
}

static void
test_what_the_force_of_a_drain_made(void **state)
{
	struct intent drain = { .id = "drain-chc-0123456789abcdef",
		.kind = "drain",
		.site = "chc" };
	struct intent row = { .kind = "override", .site = "chc" };
	struct intent_set set = { 0 };

	(void)state;
	/* Ids are different, and none is too long for what they are kept in. */
	memset(drain.id + 6, 'x', CONF_NAME_MAX);
	assert_true(text_copy(drain.id + 6 + CONF_NAME_MAX,
	    sizeof(drain.id) - 6 - CONF_NAME_MAX, "-0123456789abcdef"));
	for (enum guard g = 0; g < GUARD_COUNT; g++) {
		intent_forced_id(&drain, g, row.id);
		intent_scope_of_guard(g, row.scope);
		assert_non_null(strstr(row.id, "0123456789abcdef-"));
		assert_non_null(strstr(row.id, guard_name(g)));
		assert_true(intent_is_valid(&row));
		assert_true(intent_is_forced_for(&row, &drain));
		assert_non_null(intent_set_merge(&set, &row));
	}
	for (enum guard g = 0; g < GUARD_COUNT; g++)
		assert_true(intent_end(&set.rows[g], 9, "jo"));
	assert_null(intent_set_forced_for(&set, &drain));
	/* None of these: of another site, guard, drain; made by hand. */
	strcpy(row.site, "akl");
	assert_false(intent_is_forced_for(&row, &drain));
	strcpy(row.site, "chc");
	intent_scope_of_guard(0, row.scope);
	assert_false(intent_is_forced_for(&row, &drain));
	intent_forced_id(&drain, 0, row.id);
	assert_true(intent_is_forced_for(&row, &drain));
	strcpy(drain.id, "drain-chc-0123456789abcdee");
	assert_false(intent_is_forced_for(&row, &drain));
	strcpy(row.id, "override-chc-0123456789abcdee");
	assert_false(intent_is_forced_for(&row, &drain));
	intent_set_fini(&set);
}

/* A freeze at 100, and drains from and until; 0: active. */
struct kept {
	const char *scope;
	int64_t from, until;
};

static bool
gives_back(const struct kept *drains, size_t n, int64_t second_freeze)
{
	struct intent freeze = {
		.id = "f", .kind = "freeze", .site = "*", .created_ms = 100
	};
	struct intent_set set = { 0 };
	struct intent_target t = { .site = "chc", .service = "web" };
	struct prefix p;
	bool is;

	assert_int_equal(prefix_parse("192.0.2.0/24", &p, NULL), 0);
	t.prefix = &p;
	(void)intent_set_merge(&set, &freeze);
	for (size_t i = 0; i < n; i++) {
		struct intent row = { .kind = "drain",
			.site = "chc",
			.created_ms = drains[i].from,
			.ended_ms = drains[i].until };

		(void)snprintf(row.id, sizeof(row.id), "d%zu", i);
		(void)snprintf(row.scope, sizeof(row.scope), "%s",
		    drains[i].scope);
		(void)intent_set_merge(&set, &row);
	}
	if (second_freeze != 0) {
		freeze.id[0] = 'g';
		freeze.created_ms = second_freeze;
		(void)intent_set_merge(&set, &freeze);
	}
	is = intent_set_gives_back(&set, &t);
	/* Without a freeze there is nothing to be spared from. */
	for (size_t i = 0; i < set.n; i++)
		(void)intent_end(&set.rows[i], 999, "jo");
	assert_false(intent_set_gives_back(&set, &t));
	intent_set_fini(&set);
	return is;
}

static void
test_what_a_drain_in_a_freeze_took_is_given_back(void **state)
{
	static const struct kept cases[][2] = {
		{ { "", 150, 200 }, { "service/web", 160, 300 } },
		{ { "", 150, 200 }, { "service/dns", 50, 0 } },
		{ { "", 150, 200 }, { "", 20, 90 } }, /* over before it */
		/* None of these. */
		{ { "", 50, 200 }, { "service/dns", 150, 200 } },
		{ { "", 150, 0 }, { "service/web", 150, 200 } },
		{ { "", 150, 200 }, { "service/web", 50, 300 } },
		{ { "", 150, 200 }, { "service/web", 50, 0 } },
		{ { "", 20, 90 }, { "service/dns", 20, 0 } },
	};

	(void)state;
	assert_false(gives_back(NULL, 0, 0));
	for (size_t i = 0; i < TEST_COUNT(cases); i++)
		assert_int_equal(gives_back(cases[i], 2, 0), i < 3);
	/* The second freeze keeps what the drain had taken when it began. */
	assert_false(gives_back(cases[0], 2, 170));
	assert_true(gives_back(cases[0], 1, 120));
	assert_false(gives_back(cases[0], 1, 250));
}

static void
test_only_what_fits_together_is_an_intent(void **state)
{
	static const struct intent good[] = {
		{ .id = "a", .kind = "drain", .site = "chc" },
		{ .id = "a",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "service/web" },
		{ .id = "a", .kind = "freeze", .site = INTENT_FLEET },
		{ .id = "a",
		    .kind = "override",
		    .site = INTENT_FLEET,
		    .scope = "guard/budget" },
	};
	static const struct intent bad[] = {
		{ .id = "a", .kind = "drain", .site = INTENT_FLEET },
		{ .id = "a", .kind = "drain", .site = "" },
		{ .id = "", .kind = "drain", .site = "chc" },
		{ .id = "a",
		    .kind = "drain",
		    .site = "chc",
		    .scope = "guard/budget" },
		{ .id = "a",
		    .kind = "freeze",
		    .site = "chc",
		    .scope = "service/web" },
		{ .id = "a", .kind = "override", .site = "chc" },
		{ .id = "a",
		    .kind = "override",
		    .site = "chc",
		    .scope = "guard/none" },
		{ .id = "a",
		    .kind = "override",
		    .site = "chc",
		    .scope = "budget" },
		{ .id = "a", .kind = "other", .site = "chc" },
		{ .id = "a", .kind = "", .site = "chc" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(good); i++)
		assert_true(intent_is_valid(&good[i]));
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_false(intent_is_valid(&bad[i]));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_is_commutative_and_idempotent),
		cmocka_unit_test(test_merge_is_associative),
		cmocka_unit_test(test_ended_stays_ended),
		cmocka_unit_test(test_ended_before_heard_of),
		cmocka_unit_test(test_end_once_and_at_any_clock),
		cmocka_unit_test(test_drain_of_a_site),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_scopes_as_text),
		cmocka_unit_test(test_due_when_its_time_is_over),
		cmocka_unit_test(test_next_due_is_the_first_of_the_active),
		cmocka_unit_test(test_only_what_ended_is_forgotten),
		cmocka_unit_test(test_freezes_and_overrides),
		cmocka_unit_test(test_what_the_force_of_a_drain_made),
		cmocka_unit_test(
		    test_what_a_drain_in_a_freeze_took_is_given_back),
		cmocka_unit_test(test_only_what_fits_together_is_an_intent),
		cmocka_unit_test(test_full_set_takes_no_new_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
