/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard_budget.h"

#include <stdlib.h>
#include <string.h>

#include "core/guard.h"
#include "test.h"

#define SITES 6
#define WINDOW_MS 60000

static const struct budget_site well = { .is_live = true,
	.withdrew_ago_ms = BUDGET_NEVER,
	.prefixes = 2,
	.capacity = 10 };

static const struct budget_limit two = { .window_ms = WINDOW_MS, .sites = 2 };

static void
fill(struct budget_site *s)
{
	for (size_t i = 0; i < SITES; i++)
		s[i] = well;
}

static void
hold(struct budget_site *s)
{
	s->is_held = s->is_granted = true;
}

static unsigned
count(const bool *may)
{
	unsigned c = 0;

	for (size_t i = 0; i < SITES; i++)
		c += may[i];
	return c;
}

static size_t
admit(const struct budget_site *s, const struct budget_limit *limits,
    size_t n_limits, bool *may)
{
	const struct budget_view view = { s, SITES, limits, n_limits };

	return budget_admit(&view, may);
}

/* Would this site's drain exceed the limit of two? */
static const struct budget_limit *
refuses(const struct budget_site *s, size_t site, struct budget_use *use)
{
	const struct budget_view view = { s, SITES, &two, 1 };

	return budget_refuses(&view, site, use);
}

static void
test_no_more_may_than_the_limit(void **state)
{
	struct budget_site s[SITES];
	struct budget_limit limits[] = { { .window_ms = WINDOW_MS, .sites = 3 },
		{ .window_ms = WINDOW_MS, .prefixes = 5 },
		{ .window_ms = WINDOW_MS, .capacity = 10 }, { 0 } };
	static const unsigned want[] = { 3, 2, 1, SITES };
	bool may[SITES];

	(void)state;
	fill(s);
	for (size_t k = 0; k < TEST_COUNT(limits); k++) {
		assert_int_equal(admit(s, &limits[k], 1, may), 0);
		assert_int_equal(count(may), want[k]);
	}
	assert_int_equal(admit(s, limits, 4, may), 0);
	assert_int_equal(count(may), 1);
}

/* Room that is spent comes back with time, not before. */
static void
test_withdrawn_sites_spend_for_the_window(void **state)
{
	struct budget_site s[SITES];
	bool may[SITES];

	(void)state;
	fill(s);
	s[4].withdrew_ago_ms = WINDOW_MS - 1;
	s[5].withdrew_ago_ms = 0;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 2);
	assert_true(may[4] && may[5]); /* costs no more than it did */
	s[4].withdrew_ago_ms = WINDOW_MS;
	s[5].is_live = false;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 1);
	assert_true(may[0]);
}

/* A sick site without a permit gets the room of one that is well. */
static void
test_the_sick_are_served_first(void **state)
{
	struct budget_site s[SITES];
	bool may[SITES];

	(void)state;
	fill(s);
	hold(&s[0]);
	hold(&s[1]);
	s[3].is_sick = true;
	assert_int_equal(admit(s, &two, 1, may), 1);
	assert_true(may[0]);
	assert_false(may[1]); /* asked back */
	assert_false(may[3]); /* not before it is back */
	s[1].is_held = s[1].is_granted = false;
	assert_int_equal(admit(s, &two, 1, may), 0);
	assert_true(may[3]);
	assert_false(may[1]);
	/* Nobody well is left to give: it waits, and is counted. */
	hold(&s[3]);
	s[0].is_sick = s[5].is_sick = true;
	assert_int_equal(admit(s, &two, 1, may), 1);
	assert_true(may[0] && may[3]);
	assert_false(may[5]);
}

/* The limit was made lower: the last ones are asked to give back. */
static void
test_too_many_are_called_back(void **state)
{
	struct budget_site s[SITES];
	bool may[SITES];

	(void)state;
	fill(s);
	for (size_t i = 0; i < SITES; i++)
		hold(&s[i]);
	s[5].is_live = false; /* cannot be called back */
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 2);
	assert_true(may[0] && may[5]);
}

/* After a start everybody might hold a permit: nobody gets one until enough
 * have said that they do not. */
static void
test_none_is_given_while_too_many_might_hold(void **state)
{
	struct budget_site s[SITES];
	bool may[SITES];

	(void)state;
	fill(s);
	for (size_t i = 0; i < SITES; i++)
		s[i].is_held = true;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 0);
	s[0].is_held = s[1].is_held = s[2].is_held = false;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 0);
	s[3].is_held = s[4].is_held = false; /* only 5 might */
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 2);
	s[5].is_live = false;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 1);
}

static void
test_drains_are_members_and_are_refused(void **state)
{
	struct budget_site s[SITES];
	struct budget_use use;
	bool may[SITES];

	(void)state;
	fill(s);
	/* Permits of the well are taken back for a drain. */
	hold(&s[0]);
	hold(&s[1]);
	assert_null(refuses(s, 3, &use));
	s[3].is_held = s[3].is_drained = true;
	admit(s, &two, 1, may);
	assert_true(may[0]);
	assert_false(may[1]);
	s[1].is_held = s[1].is_granted = false;
	s[3].withdrew_ago_ms = 0;
	s[4].withdrew_ago_ms = 10;
	assert_ptr_equal(refuses(s, 5, &use), &two);
	assert_int_equal(use.sites, 3);
	assert_int_equal(use.prefixes, 6);
	assert_null(refuses(s, 4, &use));
	s[5].is_exempt = true;
	assert_null(refuses(s, 5, &use));
}

static void
test_exempt_sites_cost_nothing(void **state)
{
	struct budget_site s[SITES];
	bool may[SITES];

	(void)state;
	fill(s);
	s[0].is_exempt = s[1].is_exempt = true;
	admit(s, &two, 1, may);
	assert_int_equal(count(may), 4);
	assert_true(may[0] && may[1] && may[2] && may[3]);
}

/*
 * A model of the whole, permits included: sites fall sick and recover, reports
 * and orders are late or lost, time passes, the controller is restarted.  What
 * must hold: in no window do more sites withdraw by sickness than the limit
 * says; nor more than leaves min_sites announcing.
 */
struct model_site {
	bool sick, announces, permit;
	unsigned taken;
	bool cut;
	int64_t withdrew_ms; /* the truth */
	unsigned withdrawals;
	/* At the controller: */
	bool doc_permit, seen_sick, seen_announces, seen_live;
	unsigned revision, revoked, first, seen_taken, seen_withdrawals;
	int64_t charged_ms;
};

struct model {
	struct model_site m[SITES];
	int64_t now_ms;
	unsigned limit, min_sites;
};

static void
act(struct model *mo, struct model_site *m)
{
	if (!m->sick) {
		m->announces = true;
	} else if (m->permit && m->announces) {
		unsigned spent = 1, left = 0;

		m->announces = false;
		m->withdrew_ms = mo->now_ms;
		m->withdrawals++;
		for (size_t i = 0; i < SITES; i++) {
			const struct model_site *o = &mo->m[i];

			left += o->announces;
			spent +=
			    o != m && mo->now_ms - o->withdrew_ms < WINDOW_MS;
		}
		assert_true(spent <= mo->limit);
		assert_true(left >= mo->min_sites);
	}
}

static bool
holds(const struct model_site *m)
{
	return m->doc_permit || m->seen_taken < m->revoked ||
	    m->seen_taken < m->first;
}

static void
control(struct model *mo)
{
	struct budget_limit limit = { .window_ms = WINDOW_MS,
		.sites = mo->limit };
	struct guard_floor floor = { .sites = mo->min_sites };
	struct budget_site b[SITES];
	struct guard_site g[SITES] = { 0 };
	bool may[SITES], permit[SITES];

	for (size_t i = 0; i < SITES; i++) {
		struct model_site *m = &mo->m[i];

		b[i] = (struct budget_site){ .is_live = m->seen_live,
			.is_held = holds(m),
			.is_granted = m->doc_permit,
			.is_sick = m->seen_sick,
			.withdrew_ago_ms = mo->now_ms - m->charged_ms };
	}
	(void)admit(b, &limit, 1, may);
	for (size_t i = 0; i < SITES; i++) {
		struct model_site *m = &mo->m[i];

		g[i] = (struct guard_site){ .is_live = m->seen_live,
			.announces = m->seen_announces,
			.is_well = !m->seen_sick,
			.holds_permit = holds(m),
			.is_granted = m->doc_permit,
			.is_barred = !may[i] };
	}
	guard_permits(g, SITES, &floor, permit);
	for (size_t i = 0; i < SITES; i++) {
		struct model_site *m = &mo->m[i];

		if (permit[i] == m->doc_permit)
			continue;
		m->doc_permit = permit[i];
		m->revision++;
		if (!permit[i])
			m->revoked = m->revision;
	}
}

/* Charges what was withdrawn, as late as it hears of it; also what was
 * announced again meanwhile. */
static void
hear(struct model *mo, struct model_site *m)
{
	if (m->cut)
		return;
	if (m->withdrawals != m->seen_withdrawals)
		m->charged_ms = mo->now_ms;
	m->seen_withdrawals = m->withdrawals;
	m->seen_sick = m->sick;
	m->seen_announces = m->announces;
	m->seen_taken = m->taken;
	m->seen_live = true;
}

/* The ledger is kept in the store; who holds permits is not known any more. */
static void
restart(struct model *mo)
{
	for (size_t i = 0; i < SITES; i++) {
		struct model_site *m = &mo->m[i];

		m->doc_permit = false;
		m->first = m->revoked = ++m->revision;
		m->seen_live = false;
		m->seen_sick = false;
		m->seen_taken = 0;
	}
}

static void
event(struct model *mo)
{
	struct model_site *m = &mo->m[(size_t)random() % SITES];

	switch (random() % 8) {
	case 0:
		m->sick = !m->sick;
		break;
	case 1:
		m->cut = random() % 4 == 0;
		m->seen_live = m->seen_live && !m->cut;
		break;
	case 2:
	case 3:
		if (!m->cut) {
			m->permit = m->doc_permit;
			m->taken = m->revision;
		}
		break;
	case 4:
		mo->now_ms += random() % 20 == 0 ? WINDOW_MS : 100;
		break;
	case 5:
		if (random() % 50 == 0)
			restart(mo);
		break;
	default:
		hear(mo, m);
		break;
	}
	act(mo, m);
	control(mo);
}

static void
test_no_window_sees_more_than_the_limit(void **state)
{
	(void)state;
	srandom(3);
	for (unsigned run = 0; run < 400; run++) {
		struct model mo = { .limit = 1 + run % 4,
			.min_sites = run % 3,
			.now_ms = WINDOW_MS };

		for (size_t i = 0; i < SITES; i++)
			mo.m[i].withdrew_ms = mo.m[i].charged_ms = -WINDOW_MS;
		for (unsigned i = 0; i < 3000; i++)
			event(&mo);
	}
}

/* The limit in the way is named: the first one, of what is no member yet. */
static void
test_the_limit_in_the_way(void **state)
{
	const struct budget_limit limits[] = { { .window_ms = WINDOW_MS,
						   .sites = 3 },
		{ .window_ms = WINDOW_MS / 2, .sites = 1 } };
	struct budget_site s[SITES];
	const struct budget_view view = { s, SITES, limits, 2 };

	(void)state;
	fill(s);
	assert_null(budget_exceeded(&view, 0));
	hold(&s[0]);
	assert_null(budget_exceeded(&view, 0));
	assert_ptr_equal(budget_exceeded(&view, 1), &limits[1]);
	s[1].withdrew_ago_ms = WINDOW_MS / 4; /* spent already */
	assert_null(budget_exceeded(&view, 1));
	hold(&s[2]);
	assert_ptr_equal(budget_exceeded(&view, 3), &limits[0]);
	s[3].is_exempt = true;
	assert_null(budget_exceeded(&view, 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limit_in_the_way),
		cmocka_unit_test(test_no_more_may_than_the_limit),
		cmocka_unit_test(test_withdrawn_sites_spend_for_the_window),
		cmocka_unit_test(test_the_sick_are_served_first),
		cmocka_unit_test(test_too_many_are_called_back),
		cmocka_unit_test(test_none_is_given_while_too_many_might_hold),
		cmocka_unit_test(test_drains_are_members_and_are_refused),
		cmocka_unit_test(test_exempt_sites_cost_nothing),
		cmocka_unit_test(test_no_window_sees_more_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
