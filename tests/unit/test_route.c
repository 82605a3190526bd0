/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/route.h"

#include <stdlib.h>

#include "test.h"

#define INPUTS_COUNT (2u * HEALTH_COUNT * 256u)

/* The code-th of all inputs that there are. */
static struct route_inputs
inputs_number(unsigned code)
{
	struct route_inputs in = { 0 };

	in.kind = code % 2 == 0 ? ROUTE_SERVICE : ROUTE_TEST;
	code /= 2;
	in.health = (enum health)(code % HEALTH_COUNT);
	code /= HEALTH_COUNT;
	in.drained = (code & 1) != 0;
	in.test_withdrawn = (code & 2) != 0;
	in.announced_before = (code & 4) != 0;
	in.withdraw_forbidden = (code & 8) != 0;
	in.frozen = (code & 16) != 0;
	in.braked = (code & 32) != 0;
	in.damped_down = (code & 64) != 0;
	in.damped_up = (code & 128) != 0;
	return in;
}

/* Makes the which-th of its parts another one. */
static void
flip(struct route_inputs *in, unsigned which)
{
	bool *const flags[] = { &in->drained, &in->test_withdrawn, &in->frozen,
		&in->withdraw_forbidden, &in->braked, &in->damped_down,
		&in->damped_up, &in->announced_before,
		&in->attrs.graceful_shutdown };

	if (which < TEST_COUNT(flags)) {
		*flags[which] = !*flags[which];
	} else if (which == TEST_COUNT(flags)) {
		in->kind = in->kind == ROUTE_TEST ? ROUTE_SERVICE : ROUTE_TEST;
	} else if (which == TEST_COUNT(flags) + 1) {
		in->health = (enum health)((in->health + 1) % HEALTH_COUNT);
	} else {
		in->attrs.prepend++;
	}
}

/* The rule in words, written a second time. */
static bool
should_announce(const struct route_inputs *in)
{
	if (in->kind == ROUTE_TEST)
		return !in->test_withdrawn;
	if (in->frozen)
		return in->announced_before;
	if (in->drained)
		return false;
	if (in->health == HEALTH_SICK) {
		return (in->withdraw_forbidden || in->braked ||
			   in->damped_down) &&
		    in->announced_before;
	}
	if (in->health == HEALTH_HEALTHY && in->damped_up)
		return in->announced_before;
	return in->health == HEALTH_HEALTHY || in->announced_before;
}

static void
test_every_input_is_decided_by_the_rule(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code);
		struct route_decision d = route_decide(&in);

		assert_int_equal(d.announce, should_announce(&in));
	}
}

static void
decides_as_alone(struct route_last *last, const struct route_inputs *in)
{
	struct route_decision alone = route_decide(in);
	struct route_decision next = route_decide_next(last, in);

	assert_int_equal(next.announce, alone.announce);
	assert_int_equal(next.rule, alone.rule);
	assert_true(route_attrs_equal(next.attrs, alone.attrs));
}

/* One after the other, in whatever order: as each for itself. */
static void
test_the_one_before_decides_nothing(void **state)
{
	struct route_last last = { 0 };

	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 4 * INPUTS_COUNT; i++) {
		struct route_inputs in = inputs_number(i < INPUTS_COUNT
			? i
			: (unsigned)random() % INPUTS_COUNT);

		in.attrs.prepend = (uint8_t)(random() % 2);
		/* And all that differ from it in one thing. */
		for (unsigned bit = 0; bit < 12; bit++) {
			struct route_inputs other = in;

			flip(&other, bit);
			decides_as_alone(&last, &in);
			decides_as_alone(&last, &other);
		}
	}
}

/* What decided concerns this kind, applies, and nothing before it does. */
static void
test_first_rule_that_applies_decides(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code);
		struct route_decision d = route_decide(&in);

		assert_true(route_rule_concerns(d.rule, in.kind));
		assert_true(route_rule_applies(d.rule, &in));
		for (unsigned k = 0; k < d.rule; k++) {
			assert_false(route_rule_concerns((enum route_rule)k,
					 in.kind) &&
			    route_rule_applies((enum route_rule)k, &in));
		}
	}
}

/* Carrying the decision out changes nothing about it: no flapping. */
static void
test_decision_is_stable(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code);
		struct route_decision d = route_decide(&in);
		struct route_decision again;

		in.announced_before = d.announce;
		again = route_decide(&in);
		assert_int_equal(again.announce, d.announce);
		assert_int_equal(again.rule, d.rule);
	}
}

/* What a service's health is must not touch the test prefix. */
static void
test_test_prefix_depends_on_the_experiment_alone(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code);

		in.kind = ROUTE_TEST;
		assert_int_equal(route_decide(&in).announce,
		    !in.test_withdrawn);
	}
}

/* An experiment must not touch users' traffic. */
static void
test_experiment_never_touches_a_service_prefix(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code), other;

		in.kind = ROUTE_SERVICE;
		other = in;
		other.test_withdrawn = !in.test_withdrawn;
		assert_int_equal(route_decide(&in).announce,
		    route_decide(&other).announce);
		assert_int_equal(route_decide(&in).rule,
		    route_decide(&other).rule);
	}
}

/* The guard keeps what is there; it never announces, nor undoes a drain. */
static void
test_guard_only_keeps(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code), unguarded;

		in.withdraw_forbidden = true;
		unguarded = in;
		unguarded.withdraw_forbidden = false;
		if (route_decide(&in).announce ==
		    route_decide(&unguarded).announce)
			continue;
		assert_int_equal(in.kind, ROUTE_SERVICE);
		assert_int_equal(in.health, HEALTH_SICK);
		assert_true(in.announced_before);
		assert_false(in.drained);
	}
}

/* Damping delays announcements, not withdrawals; that is the last announcer's
 * budget alone. */
static void
test_flaps_never_delay_a_withdrawal(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code), undamped;

		in.damped_up = true;
		undamped = in;
		undamped.damped_up = false;
		if (route_decide(&in).announce ==
		    route_decide(&undamped).announce)
			continue;
		assert_int_equal(in.health, HEALTH_HEALTHY);
		assert_false(in.announced_before);
		assert_int_equal(route_decide(&in).rule, ROUTE_RULE_DAMPING);
		assert_true(route_rule_is_guard(route_decide(&in).rule));
	}
}

/* A freeze stops changes, never routes. */
static void
test_frozen_nothing_changes(void **state)
{
	(void)state;
	for (unsigned code = 0; code < INPUTS_COUNT; code++) {
		struct route_inputs in = inputs_number(code);

		in.frozen = true;
		if (in.kind == ROUTE_SERVICE) {
			assert_int_equal(route_decide(&in).announce,
			    in.announced_before);
		}
	}
}

static void
test_rules_have_names_and_both_texts(void **state)
{
	(void)state;
	for (unsigned a = 0; a < ROUTE_RULE_COUNT; a++) {
		enum route_rule rule = (enum route_rule)a;

		assert_true(route_rule_concerns(rule, ROUTE_SERVICE) !=
		    route_rule_concerns(rule, ROUTE_TEST));
		assert_true(route_rule_text(rule, true)[0] != '\0');
		/* The last resort always applies: it has no other form. */
		if (rule != ROUTE_RULE_TEST)
			assert_true(route_rule_text(rule, false)[0] != '\0');
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(route_rule_name(rule),
			    route_rule_name((enum route_rule)b));
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_input_is_decided_by_the_rule),
		cmocka_unit_test(test_the_one_before_decides_nothing),
		cmocka_unit_test(test_first_rule_that_applies_decides),
		cmocka_unit_test(test_decision_is_stable),
		cmocka_unit_test(
		    test_test_prefix_depends_on_the_experiment_alone),
		cmocka_unit_test(
		    test_experiment_never_touches_a_service_prefix),
		cmocka_unit_test(test_guard_only_keeps),
		cmocka_unit_test(test_flaps_never_delay_a_withdrawal),
		cmocka_unit_test(test_frozen_nothing_changes),
		cmocka_unit_test(test_rules_have_names_and_both_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
