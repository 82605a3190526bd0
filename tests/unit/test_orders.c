/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order document comes from the network: each field in every wrong way. */
#include "site/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define GOOD_INTENT                                                            \
	"{\"id\":\"i1\",\"kind\":\"drain\",\"site\":\"chc\",\"reason\":\"r\"," \
	"\"actor\":\"a\",\"created_ms\":1,\"until_ms\":2,\"ended_ms\":0,"      \
	"\"ended_by\":\"\"}"
#define GOOD_KEY "000102030405060708090a0b0c0d0eff"

static const char good[] =
    "{\"revision\":12,\"term\":1,\"intents\":[" GOOD_INTENT "],"
    "\"ended\":[\"e1\",\"e2\"],"
    "\"permits\":[\"192.0.2.0/24\",\"2001:db8::/32\"],"
    "\"tests\":[{\"experiment\":7,\"withdrawn\":true,\"key\":\"" GOOD_KEY
    "\",\"prefixes\":[\"198.51.100.0/24\",\"2001:db8:7e57::/48\"]},"
    "{\"experiment\":8,\"withdrawn\":false,\"key\":\"" GOOD_KEY
    "\",\"prefixes\":[\"203.0.113.0/24\"]}],"
    "\"sweep\":{\"job\":9,\"experiment\":7,\"list\":3,\"phase\":1,"
    "\"round\":2,\"rate_pps\":20000,\"seed\":77,\"subset\":[0,5]},"
    "\"step\":1}";

static json_t *
load(const char *text)
{
	json_t *doc = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(doc);
	return doc;
}

static void
test_whole_document(void **state)
{
	json_t *doc = load(good);
	struct orders o;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(orders_parse(doc, &o, &err), 0);
	assert_int_equal(o.revision, 12);
	assert_int_equal(o.n_intents, 1);
	assert_string_equal(o.intents[0].id, "i1");
	assert_int_equal(o.intents[0].until_ms, 2);
	assert_int_equal(o.n_ended, 2);
	assert_string_equal(o.ended[1], "e2");
	assert_true(o.has_permits);
	assert_int_equal(o.n_permits, 2);
	assert_true(o.permits[0].addr.b[12] == 192);
	assert_int_equal(o.n_tests, 2);
	assert_int_equal(o.tests[0].experiment, 7);
	assert_true(o.tests[0].withdrawn);
	assert_int_equal(o.tests[0].key[1], 1);
	assert_int_equal(o.tests[0].key[15], 255);
	assert_int_equal(o.tests[0].n_prefixes, 2);
	assert_int_equal(o.tests[0].prefixes[1].len, 48);
	assert_int_equal(o.tests[1].experiment, 8);
	assert_false(o.tests[1].withdrawn);
	assert_true(order_test_has(&o.tests[0], &o.tests[0].prefixes[1]));
	assert_false(order_test_has(&o.tests[1], &o.tests[0].prefixes[0]));
	assert_int_equal(o.job.job, 9);
	assert_int_equal(o.job.list, 3);
	assert_int_equal(o.job.phase, 1);
	assert_int_equal(o.job.round, 2);
	assert_int_equal(o.job.rate_pps, 20000);
	assert_int_equal(o.job.order_seed, 77);
	assert_int_equal(o.job.n_subset, 2);
	assert_int_equal(o.job.subset[1], 5);
	orders_fini(&o);
	json_decref(doc);
}

static void
test_document_without_an_experiment(void **state)
{
	static const char *const texts[] = {
		"{\"revision\":0,\"intents\":[],\"ended\":[],"
		"\"tests\":[]}",
		"{\"revision\":1,\"intents\":[],\"ended\":[],"
		"\"tests\":[],\"sweep\":null,\"new\":{}}",
		/* From before there could be several. */
		"{\"revision\":2,\"intents\":[],\"ended\":[],"
		"\"test\":{\"withdrawn\":false},\"capture\":null}",
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		json_t *doc = load(texts[i]);
		struct orders o;

		assert_int_equal(orders_parse(doc, &o, NULL), 0);
		assert_int_equal(o.revision, i);
		assert_false(o.has_permits);
		assert_int_equal(o.n_tests, 0);
		assert_int_equal(o.job.job, 0);
		orders_fini(&o);
		json_decref(doc);
	}
}

/* The least of a document, and more keys of it: ",..." or "". */
static struct orders
parse_with(const char *more)
{
	char text[128];
	struct orders o;
	json_t *doc;

	(void)snprintf(text, sizeof(text),
	    "{\"revision\":1,\"intents\":[],\"ended\":[]%s}", more);
	doc = load(text);
	assert_int_equal(orders_parse(doc, &o, NULL), 0);
	json_decref(doc);
	return o;
}

/* Nothing is not the same as null, nor as an empty list. */
static void
test_who_announces_last(void **state)
{
	static const struct {
		const char *last;
		bool has_last, awaits_last;
	} rows[] = { { "", false, false }, { ",\"last\":null", false, true },
		{ ",\"last\":[]", true, false },
		{ ",\"last\":[\"192.0.2.0/24\"]", true, false } };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct orders o = parse_with(rows[i].last);

		assert_int_equal(o.has_last, rows[i].has_last);
		assert_int_equal(o.awaits_last, rows[i].awaits_last);
		assert_int_equal(o.n_last, i == 3);
		orders_fini(&o);
	}
}

/* Of a guard that is not known here, or none: permits are missing all the same. */
static void
test_which_guard_withholds(void **state)
{
	static const struct {
		const char *by;
		enum guard want;
	} rows[] = { { "", GUARD_MIN_SITES },
		{ ",\"withheld_by\":\"budget\"", GUARD_BUDGET },
		{ ",\"withheld_by\":\"min_capacity\"", GUARD_MIN_CAPACITY },
		{ ",\"withheld_by\":\"a new one\"", GUARD_MIN_SITES },
		{ ",\"withheld_by\":7", GUARD_MIN_SITES },
		{ ",\"withheld_by\":null", GUARD_MIN_SITES } };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct orders o = parse_with(rows[i].by);

		assert_int_equal(o.withheld_by, rows[i].want);
		orders_fini(&o);
	}
}

/* A path of keys into the document, and what is no good there. */
static const struct {
	const char *outer, *inner; /* inner NULL: outer itself */
	const char *values[16];
} bad[] = {
	{ "revision", NULL,
	    { "-1", "1.0", "\"1\"", "null", "[]", "{}", "true" } },
	{ "intents", NULL,
	    { "{}", "null", "1", "\"\"", "[1]", "[null]", "[[]]", "[{}]" } },
	{ "permits", NULL,
	    { "{}", "1", "true", "\"192.0.2.0/24\"", "[1]", "[null]", "[\"\"]",
		"[\"junk\"]", "[\"192.0.2.1/24\"]", "[\"192.0.2.0/24\",[]]" } },
	{ "ended", NULL, { "{}", "null", "1", "[1]", "[null]", "[[]]" } },
	{ "tests", NULL,
	    { "[]", "null", "1", "\"\"", "{}", "[1]", "[null]", "[{}]" } },
	{ "tests", "withdrawn", { "0", "null", "\"true\"", "[]" } },
	{ "tests", "experiment",
	    { "0", "-1", "4294967296", "1.5", "null", "\"7\"", "8", "9" } },
	{ "tests", "prefixes",
	    { "[]", "null", "{}", "1", "\"198.51.100.0/24\"", "[1]", "[\"\"]",
		"[\"198.51.100.1/24\"]", "[\"203.0.113.0/24\"]",
		"[\"10.0.0.0/24\",\"10.1.0.0/24\",\"10.2.0.0/24\"]" } },
	{ "tests", "key",
	    { "null", "1", "\"\"", "\"00\"",
		"\"000102030405060708090a0b0c0d0e\"",
		"\"000102030405060708090a0b0c0d0e0\"",
		"\"000102030405060708090a0b0c0d0e0f0\"",
		"\"000102030405060708090a0b0c0d0e0f10\"",
		"\"000102030405060708090a0b0c0d0exx\"",
		"\"00010203 4050607 8090a0b0c0d0eff\"" } },
	{ "sweep", NULL, { "[]", "1", "\"\"", "{}", "true" } },
	{ "sweep", "job", { "0", "-1", "4294967296", "null", "\"1\"" } },
	{ "sweep", "experiment", { "0", "9", "-1", "null", "4294967296" } },
	{ "sweep", "list", { "0", "-1", "4294967296", "null" } },
	{ "sweep", "phase", { "-1", "256", "null", "1.0" } },
	{ "sweep", "round", { "-1", "256", "null", "1.0" } },
	{ "sweep", "rate_pps", { "0", "-1", "4294967296", "null" } },
	{ "sweep", "seed", { "-1", "null", "1.0", "\"1\"" } },
	{ "sweep", "subset",
	    { "[]", "{}", "1", "\"1\"", "[-1]", "[4294967296]", "[1.0]",
		"[null]", "[[1]]", "[1,\"2\"]" } },
};

static void
check_refused(const json_t *doc, const char *key, const char *value)
{
	struct orders o;
	struct err err = { 0 };

	if (orders_parse(doc, &o, &err) == 0)
		fail_msg("%s: %s was taken", key, value);
	assert_int_equal(err.code, ERR_PROTO);
	/* Nothing is left that somebody might act upon. */
	assert_null(o.intents);
	assert_null(o.ended);
	assert_null(o.subset);
	assert_null(o.permits);
	orders_fini(&o);
}

/* The first one of a list speaks for all. */
static json_t *
inside(json_t *doc, const char *outer)
{
	json_t *at = json_object_get(doc, outer);

	return json_is_array(at) ? json_array_get(at, 0) : at;
}

/* The good document with one value at that place, which is no good there. */
static void
try_value(const char *outer, const char *inner, const char *value)
{
	json_t *doc = load(good), *at = doc;
	const char *key = outer;

	if (inner != NULL) {
		at = inside(doc, outer);
		key = inner;
	}
	json_object_set_new(at, key, load(value));
	check_refused(doc, key, value);
	json_decref(doc);
}

static void
test_each_field_in_every_wrong_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		for (size_t v = 0; bad[i].values[v] != NULL; v++)
			try_value(bad[i].outer, bad[i].inner, bad[i].values[v]);
	}
}

static void
test_each_field_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		json_t *doc = load(good), *at = doc;
		const char *key = bad[i].outer;

		if (bad[i].inner != NULL) {
			at = inside(doc, bad[i].outer);
			key = bad[i].inner;
		}
		/* These may be absent. */
		if (strcmp(key, "sweep") != 0 && strcmp(key, "subset") != 0 &&
		    strcmp(key, "permits") != 0) {
			assert_int_equal(json_object_del(at, key), 0);
			check_refused(doc, key, "nothing");
		}
		json_decref(doc);
	}
}

static void
test_document_of_another_type(void **state)
{
	static const char *const texts[] = { "[]", "null", "1", "\"x\"",
		"true" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		json_t *doc = load(texts[i]);

		check_refused(doc, "document", texts[i]);
		json_decref(doc);
	}
	check_refused(NULL, "document", "NULL");
}

/* An array of n zeros, or of n times the text. */
static json_t *
array_of(size_t n, const char *text)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list,
		    text != NULL ? json_string(text) : json_integer(0));
	}
	return list;
}

static void
test_most_entries_and_one_more(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		json_t *doc = load(good);
		struct orders o;

		json_object_set_new(doc, "ended",
		    array_of(INTENTS_MAX + more, "id"));
		assert_int_equal(orders_parse(doc, &o, NULL), more ? -1 : 0);
		orders_fini(&o);
		json_object_set_new(doc, "ended", json_array());
		json_object_set_new(json_object_get(doc, "sweep"), "subset",
		    array_of(ORDER_SUBSET_MAX + more, NULL));
		assert_int_equal(orders_parse(doc, &o, NULL), more ? -1 : 0);
		orders_fini(&o);
		json_decref(doc);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_document),
		cmocka_unit_test(test_document_without_an_experiment),
		cmocka_unit_test(test_who_announces_last),
		cmocka_unit_test(test_which_guard_withholds),
		cmocka_unit_test(test_each_field_in_every_wrong_way),
		cmocka_unit_test(test_each_field_missing),
		cmocka_unit_test(test_document_of_another_type),
		cmocka_unit_test(test_most_entries_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
