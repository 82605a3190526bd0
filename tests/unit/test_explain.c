/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/explain.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static const char site_text[] =
    "{\"site\": \"chc\","
    " \"services\": [{\"service\": \"web\", \"health\": \"%s\","
    "  \"need\": 1, \"probes\": [{\"probe\": \"page\","
    "   \"kind\": \"http\", \"target\": \"http://x/\", \"health\": \"%s\","
    "   \"detail\": \"status 503\"}]}],"
    " \"prefixes\": ["
    "  {\"prefix\": \"192.0.2.0/24\", \"service\": \"web\","
    "   \"desired\": \"announced\", \"real\": \"announced\"},"
    "  {\"prefix\": \"198.51.100.0/24\", \"service\": null,"
    "   \"desired\": \"announced\", \"real\": \"announced\","
    "   \"experiment\": %s}],"
    " \"intents\": [%s], \"bird\": {\"state\": \"connected\"}}";

#define DRAIN_ID "\"id\": \"d\", \"site\": \"chc\", \"kind\": \"drain\", "
#define DRAIN                                                                  \
	"{" DRAIN_ID "\"actor\": \"jo\", \"reason\": \"fans\","                \
	" \"ended_ms\": 0}"
#define ENDED_DRAIN "{" DRAIN_ID "\"ended_ms\": 5}"
#define WEB_DRAIN "{" DRAIN_ID "\"scope\": \"service/web\"}"
#define DNS_DRAIN "{" DRAIN_ID "\"scope\": \"service/dns\"}"
#define NET_DRAIN "{" DRAIN_ID "\"scope\": \"prefix/192.0.2.0/24\"}"
#define ODD_DRAIN "{" DRAIN_ID "\"scope\": \"planet/earth\"}"

static json_t *
make_site(const char *experiment, const char *health, const char *intents)
{
	char text[2048];
	json_t *site;

	(void)snprintf(text, sizeof(text), site_text, health, health,
	    experiment, intents);
	site = json_loads(text, 0, NULL);
	assert_non_null(site);
	return site;
}

static const char *
deciding_rule(const json_t *prefix)
{
	const char *name = NULL;
	const json_t *rule;
	unsigned n = 0;
	size_t i;

	json_array_foreach (json_object_get(prefix, "rules"), i, rule) {
		if (!json_is_true(json_object_get(rule, "decides")))
			continue;
		name = json_string_value(json_object_get(rule, "rule"));
		n++;
	}
	assert_int_equal(n, 1);
	return name;
}

/* One rule decides, and it is the one that the agent would apply. */
static void
test_the_deciding_rule_is_told(void **state)
{
	static const struct {
		const char *experiment, *health, *intents;
		const char *service_rule, *test_rule;
	} rows[] = {
		{ "0", "healthy", "", "healthy", "test" },
		{ "0", "sick", "", "sick", "test" },
		{ "0", "unknown", "", "keep", "test" },
		{ "0", "nonsense", "", "keep", "test" },
		{ "0", "healthy", DRAIN, "drain", "test" },
		{ "0", "sick", DRAIN, "drain", "test" },
		{ "0", "healthy", ENDED_DRAIN, "healthy", "test" },
		{ "0", "healthy", WEB_DRAIN, "drain", "test" },
		{ "0", "healthy", NET_DRAIN, "drain", "test" },
		{ "0", "healthy", DNS_DRAIN, "healthy", "test" },
		{ "0", "healthy", ODD_DRAIN, "healthy", "test" },
		{ "7", "healthy", "", "healthy", "experiment" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		json_t *site = make_site(rows[i].experiment, rows[i].health,
		    rows[i].intents);
		json_t *list = explain_prefixes(site, NULL);

		assert_int_equal(json_array_size(list), 2);
		assert_string_equal(deciding_rule(json_array_get(list, 0)),
		    rows[i].service_rule);
		assert_string_equal(deciding_rule(json_array_get(list, 1)),
		    rows[i].test_rule);
		json_decref(list);
		json_decref(site);
	}
}

#define FREEZE "{\"id\": \"f\", \"site\": \"chc\", \"kind\": \"freeze\"}"

/* What comes back in spite of a freeze may be announced, and is kept then. */
static void
test_what_is_given_back_is_not_frozen(void **state)
{
	static const struct {
		bool is_announced, is_given_back;
		const char *rule;
	} rows[] = {
		{ false, false, "freeze" },
		{ false, true, "healthy" },
		{ true, true, "freeze" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		json_t *site = make_site("0", "healthy", FREEZE), *list;
		json_t *prefix =
		    json_array_get(json_object_get(site, "prefixes"), 0);

		json_object_set_new(prefix, "desired",
		    json_string(rows[i].is_announced ? "announced"
						     : "withdrawn"));
		json_object_set_new(prefix, "drain",
		    json_pack("{s:s, s:b}", "step", "normal", "given_back",
			rows[i].is_given_back));
		list = explain_prefixes(site, NULL);
		assert_string_equal(deciding_rule(json_array_get(list, 0)),
		    rows[i].rule);
		json_decref(list);
		json_decref(site);
	}
}

static void
test_one_prefix_is_picked(void **state)
{
	json_t *site = make_site("0", "healthy", ""), *list;
	struct prefix only;

	(void)state;
	assert_int_equal(prefix_parse("198.51.100.0/24", &only, NULL), 0);
	list = explain_prefixes(site, &only);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	assert_int_equal(prefix_parse("203.0.113.0/24", &only, NULL), 0);
	list = explain_prefixes(site, &only);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	json_decref(site);
}

static void
expect_changes(const char *health, const char *intents, bool drained,
    const char *diff)
{
	json_t *site = make_site("0", health, intents), *list;
	const struct intent row = { .id = "d", .kind = "drain", .site = "chc" };
	struct intent_set none = { 0 }, set = intent_set_with(&none, &row);
	char *got;

	list = explain_changes(site, drained ? &set : &none, &got);
	intent_set_fini(&set);
	assert_string_equal(got, diff);
	assert_int_equal(json_array_size(list), diff[0] != '\0');
	free(got);
	json_decref(list);
	json_decref(site);
}

/* A drain takes the service prefixes only; a restore brings back only what is
 * healthy. */
static void
test_changes_of_drain_and_restore(void **state)
{
	(void)state;
	expect_changes("healthy", "", true,
	    "- route 192.0.2.0/24 blackhole;\n");
	expect_changes("unknown", "", true,
	    "- route 192.0.2.0/24 blackhole;\n");
	expect_changes("healthy", "", false, "");
	expect_changes("sick", "", false, "- route 192.0.2.0/24 blackhole;\n");
}

#define STEPS                                                                  \
	"\"drain\": {\"steps\": [{\"step\": \"graceful_shutdown\"},"           \
	" {\"step\": \"prepend\", \"times\": 2}, {\"step\": \"withdraw\"}]}"

/* A site of one service, one of whose two prefixes is half way already. */
static json_t *
make_half_drained(const char *bird)
{
	char text[2048];
	json_t *site;

	(void)snprintf(text, sizeof(text),
	    "{\"site\": \"chc\", \"services\": [{\"service\": \"web\","
	    " \"health\": \"healthy\", %s}], \"prefixes\": ["
	    "{\"prefix\": \"192.0.2.0/24\", \"service\": \"web\","
	    " \"desired\": \"announced\", \"graceful_shutdown\": true,"
	    " \"drain\": {\"step\": \"graceful_shutdown\"}},"
	    "{\"prefix\": \"2001:db8:53::/48\", \"service\": \"web\","
	    " \"desired\": \"announced\", \"drain\": {\"step\": \"normal\"}}],"
	    " \"bird\": {%s}}",
	    STEPS, bird);
	site = json_loads(text, 0, NULL);
	assert_non_null(site);
	return site;
}

static void
expect_steps(const char *bird, const char *whole, const char *const *steps,
    size_t n)
{
	const struct intent row = { .id = "d", .kind = "drain", .site = "chc" };
	json_t *site = make_half_drained(bird), *answer = json_object();
	struct intent_set none = { 0 }, set = intent_set_with(&none, &row);
	const json_t *list;

	explain_add_changes(site, &set, answer);
	assert_string_equal(json_string_value(json_object_get(answer,
				"include_diff")),
	    whole);
	list = json_object_get(answer, "steps");
	assert_int_equal(json_array_size(list), n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(
		    json_string_value(json_object_get(json_array_get(list, i),
			"include_diff")),
		    steps[i]);
	}
	intent_set_fini(&set);
	json_decref(answer);
	json_decref(site);
}

#define LINE4 "route 192.0.2.0/24 blackhole"
#define LINE6 "route 2001:db8:53::/48 blackhole"
#define GSHUT " { anycastd_graceful_shutdown = 1; };\n"
#define BOTH " { anycastd_graceful_shutdown = 1; anycastd_prepend = 2; };\n"

/* Each prefix from where it is, and the lines that the file really has. */
static void
test_steps_are_exact(void **state)
{
	static const char *const steps[] = {
		"- " LINE6 ";\n+ " LINE6 GSHUT,
		"- " LINE4 GSHUT "+ " LINE4 BOTH "- " LINE6 GSHUT
		"+ " LINE6 BOTH,
		"- " LINE4 BOTH "- " LINE6 BOTH,
	};
	static const char *const abrupt[] = { "", "",
		"- " LINE4 ";\n- " LINE6 ";\n" };

	(void)state;
	expect_steps("\"state\": \"connected\", \"export_conf\": true",
	    "- " LINE4 GSHUT "- " LINE6 ";\n", steps, TEST_COUNT(steps));
	expect_steps("\"state\": \"connected\", \"export_conf\": false",
	    "- " LINE4 ";\n- " LINE6 ";\n", abrupt, TEST_COUNT(abrupt));
}

static void
test_steps_without_effect_are_told(void **state)
{
	const struct intent_set none = { 0 };
	json_t *site = make_half_drained(
	    "\"state\": \"connected\", \"export_conf\": false");

	(void)state;
	assert_non_null(strstr(explain_hindrance(site, &none), "export.conf"));
	json_object_set_new(json_object_get(site, "bird"), "export_conf",
	    json_true());
	assert_null(explain_hindrance(site, &none));
	json_decref(site);
}

static void
test_hindrance_is_told(void **state)
{
	struct intent row = { .id = "o", .kind = "override", .site = "chc" };
	struct intent_set none = { 0 }, forced;
	json_t *site = make_site("0", "healthy", "");

	(void)state;
	assert_null(explain_hindrance(site, &none));
	json_object_set_new(site, "guards",
	    json_pack("[{s:s, s:s}]", "guard", "by_hand", "state",
		"overridden"));
	assert_null(explain_hindrance(site, &none));
	json_object_set_new(site, "guards",
	    json_pack("[{s:s, s:s}]", "guard", "by_hand", "state", "holds"));
	assert_non_null(strstr(explain_hindrance(site, &none), "by_hand"));
	/* Overridden by what is ordered. */
	intent_scope_of_guard(GUARD_BY_HAND, row.scope);
	forced = intent_set_with(&none, &row);
	assert_null(explain_hindrance(site, &forced));
	intent_set_fini(&forced);
	json_object_set_new(json_object_get(site, "bird"), "state",
	    json_string("silent"));
	assert_non_null(strstr(explain_hindrance(site, &none), "BIRD"));
	json_object_set_new(site, "state", json_string("lost"));
	assert_non_null(strstr(explain_hindrance(site, &none), "agent"));
	json_decref(site);
}

/* A status comes from the network: any JSON is survived. */
/* Why the prefix has no permit. */
static void
expect_permit(const char *by, const char *want)
{
	json_t *site = make_site("0", "sick", ""), *list, *in;
	const char *is = NULL;
	size_t i;

	json_object_set_new(json_array_get(json_object_get(site, "prefixes"),
				0),
	    "permit", json_false());
	if (by != NULL)
		json_object_set_new(site, "withheld_by", json_string(by));
	list = explain_prefixes(site, NULL);
	json_array_foreach (json_object_get(json_array_get(list, 0), "inputs"),
	    i, in) {
		if (strcmp(json_string_value(json_object_get(in, "input")),
			"permit") == 0)
			is = json_string_value(json_object_get(in, "detail"));
	}
	assert_non_null(is);
	assert_string_equal(is, want);
	assert_string_equal(deciding_rule(json_array_get(list, 0)), "guard");
	json_decref(list);
	json_decref(site);
}

static void
test_what_withholds_a_permit_is_told(void **state)
{
	(void)state;
	expect_permit("min_sites",
	    "guard min_sites: the controller needs this site to go on announcing");
	expect_permit("budget",
	    "guard budget: as many sites as it lets may withdraw already");
	expect_permit("brake",
	    "guard brake: as many sites as it lets may withdraw already");
	/* Of an older agent. */
	expect_permit(NULL,
	    "the controller needs this site to go on announcing");
}

static void
test_nonsense_is_survived(void **state)
{
	static const char *const texts[] = { "null", "[]", "1", "{}",
		"{\"prefixes\": 5}", "{\"prefixes\": [1, null, {}]}",
		"{\"prefixes\": [{\"prefix\": \"192.0.2.0/24\"}]}",
		"{\"prefixes\": [{\"prefix\": \"192.0.2.0/24\","
		" \"service\": 9}], \"services\": {}, \"intents\": 4,"
		" \"bird\": []}",
		"{\"prefixes\": [{\"prefix\": \"192.0.2.0/24\","
		" \"service\": \"web\"}], \"services\": [3, {\"service\": 1},"
		" {\"service\": \"web\", \"probes\": [null, 3]}]}" };

	const struct intent_set none = { 0 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		json_t *site = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		char *diff;

		assert_non_null(site);
		json_decref(explain_prefixes(site, NULL));
		json_decref(explain_changes(site, &none, &diff));
		assert_non_null(explain_hindrance(site, &none));
		free(diff);
		json_decref(site);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_deciding_rule_is_told),
		cmocka_unit_test(test_what_is_given_back_is_not_frozen),
		cmocka_unit_test(test_one_prefix_is_picked),
		cmocka_unit_test(test_changes_of_drain_and_restore),
		cmocka_unit_test(test_steps_are_exact),
		cmocka_unit_test(test_steps_without_effect_are_told),
		cmocka_unit_test(test_hindrance_is_told),
		cmocka_unit_test(test_what_withholds_a_permit_is_told),
		cmocka_unit_test(test_nonsense_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
