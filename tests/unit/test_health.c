/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/health.h"

#include <string.h>

#include "test.h"

#define DOWN_AFTER 3u
#define UP_AFTER 2u

/* '+' a pass, '-' a failure; want: the state after each, by first letter. */
static const struct {
	const char *results, *want;
} courses[] = {
	{ "", "" },
	/* From unknown as from the other side. */
	{ "++", "uh" },
	{ "---", "uus" },
	/* One result of the other kind begins the count anew. */
	{ "+-+-+-+-", "uuuuuuuu" },
	{ "--+--+", "uuuuuu" },
	{ "++--+--+---", "uhhhhhhhhhs" },
	{ "---+-+-++", "uussssssh" },
	{ "---++", "uussh" },
	{ "++---++", "uhhhssh" },
	{ "++++++++++", "uhhhhhhhhh" },
	{ "----------", "uussssssss" },
};

static void
test_course_of_results(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(courses); i++) {
		const char *results = courses[i].results;
		struct probe_health ph = { 0 };

		for (size_t k = 0; results[k] != '\0'; k++) {
			enum health before = ph.state;
			bool changed = probe_health_step(&ph, results[k] == '+',
			    DOWN_AFTER, UP_AFTER);

			assert_int_equal(health_name(ph.state)[0],
			    courses[i].want[k]);
			assert_int_equal(changed, ph.state != before);
		}
	}
}

/* What the state must be after the first n results, by the rule alone. */
static enum health
state_by_rule(unsigned bits, unsigned n, unsigned down_after, unsigned up_after)
{
	enum health h = HEALTH_UNKNOWN;
	unsigned run = 0;

	for (unsigned k = 0; k < n; k++) {
		bool pass = (bits >> k & 1) != 0;

		run =
		    k > 0 && pass == ((bits >> (k - 1) & 1) != 0) ? run + 1 : 1;
		if (pass && run >= up_after)
			h = HEALTH_HEALTHY;
		if (!pass && run >= down_after)
			h = HEALTH_SICK;
	}
	return h;
}

static enum health
state_by_steps(unsigned bits, unsigned n, unsigned down_after,
    unsigned up_after)
{
	struct probe_health ph = { 0 };

	for (unsigned k = 0; k < n; k++) {
		(void)probe_health_step(&ph, (bits >> k & 1) != 0, down_after,
		    up_after);
	}
	return ph.state;
}

/* All courses of 10 results, for all small thresholds. */
static void
test_every_course_obeys_the_rule(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 16u << 10; code++) {
		unsigned bits = code & 0x3ff;
		unsigned down_after = 1 + (code >> 10) % 4;
		unsigned up_after = 1 + (code >> 10) / 4;

		assert_int_equal(state_by_steps(bits, 10, down_after, up_after),
		    state_by_rule(bits, 10, down_after, up_after));
	}
}

/* A probe that passes for years must still fall at once. */
static void
test_counts_do_not_wrap(void **state)
{
	struct probe_health ph = { .passes = UINT32_MAX };

	(void)state;
	assert_true(probe_health_step(&ph, true, DOWN_AFTER, UP_AFTER));
	assert_int_equal(ph.state, HEALTH_HEALTHY);
	for (unsigned i = 0; i < 100; i++)
		assert_false(probe_health_step(&ph, true, 1, UP_AFTER));
	assert_true(probe_health_step(&ph, false, 1, UP_AFTER));
	assert_int_equal(ph.state, HEALTH_SICK);
}

/* The rule in words, written a second time. */
static enum health
verdict_by_rule(const enum health *states, unsigned n, unsigned need)
{
	unsigned count[HEALTH_COUNT] = { 0 };

	for (unsigned k = 0; k < n; k++)
		count[states[k]]++;
	if (count[HEALTH_HEALTHY] >= need)
		return HEALTH_HEALTHY;
	if (count[HEALTH_HEALTHY] + count[HEALTH_UNKNOWN] < need)
		return HEALTH_SICK;
	return HEALTH_UNKNOWN;
}

/* All states of up to 5 probes, each need. */
static void
test_verdict_of_every_combination(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 5 * 243; code++) {
		unsigned n = 1 + code / 243, digits = code % 243;
		enum health states[5];

		for (unsigned k = 0; k < 5; k++, digits /= 3)
			states[k] = (enum health)(digits % 3);
		for (unsigned need = 1; need <= n; need++) {
			assert_int_equal(health_verdict(states, n, need),
			    verdict_by_rule(states, n, need));
		}
	}
}

/* All unknown is unknown, whatever is needed: a restart withdraws nothing. */
static void
test_nothing_known_is_unknown(void **state)
{
	static const enum health states[4] = { HEALTH_UNKNOWN };

	(void)state;
	for (unsigned need = 1; need <= 4; need++) {
		assert_int_equal(health_verdict(states, 4, need),
		    HEALTH_UNKNOWN);
	}
}

static void
test_names_differ(void **state)
{
	(void)state;
	for (unsigned a = 0; a < HEALTH_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(health_name((enum health)a),
			    health_name((enum health)b));
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_course_of_results),
		cmocka_unit_test(test_every_course_obeys_the_rule),
		cmocka_unit_test(test_counts_do_not_wrap),
		cmocka_unit_test(test_verdict_of_every_combination),
		cmocka_unit_test(test_nothing_known_is_unknown),
		cmocka_unit_test(test_names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
