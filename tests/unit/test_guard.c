/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SITES 5

static const struct guard_site well = { true, true, true, false };
static const struct guard_site permitted = { true, true, true, true };
static const struct guard_site sick = { true, true, false, false };
static const struct guard_site gone = { true, false, false, true };
static const struct guard_site lost = { false, true, true, true };

static unsigned
count(const bool *permit, size_t n)
{
	unsigned c = 0;

	for (size_t i = 0; i < n; i++)
		c += permit[i];
	return c;
}

static void
test_all_but_the_minimum_get_one(void **state)
{
	struct guard_site s[SITES];
	bool permit[SITES];

	(void)state;
	for (unsigned min = 0; min <= SITES; min++) {
		for (size_t i = 0; i < SITES; i++)
			s[i] = well;
		assert_int_equal(guard_permits(s, SITES, min, permit),
		    GUARD_QUIET);
		assert_int_equal(count(permit, SITES), SITES - min);
	}
}

/* The anchor falls sick: another gives its permit back first. */
static void
test_a_sick_anchor_is_relieved(void **state)
{
	struct guard_site s[] = { sick, permitted, permitted };
	bool permit[3];

	(void)state;
	assert_int_equal(guard_permits(s, 3, 1, permit), GUARD_QUIET);
	assert_false(permit[0]); /* not yet */
	assert_false(permit[1]); /* asked back */
	assert_true(permit[2]);
	s[1].holds_permit = false; /* it said so */
	assert_int_equal(guard_permits(s, 3, 1, permit), GUARD_QUIET);
	assert_true(permit[0]);
	assert_false(permit[1]);
}

static void
test_the_last_sick_site_is_kept_and_told(void **state)
{
	struct guard_site s[] = { sick, gone, gone };
	bool permit[3];

	(void)state;
	assert_int_equal(guard_permits(s, 3, 1, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
	/* One that comes back may become the anchor, so it stays asked. */
	s[1] = permitted;
	assert_int_equal(guard_permits(s, 3, 1, permit), GUARD_QUIET);
	assert_false(permit[0]);
	assert_false(permit[1]);
}

/* The one that was to relieve the anchor fell sick too: one is enough. */
static void
test_no_more_are_kept_than_needed(void **state)
{
	struct guard_site s[] = { sick, sick, gone };
	bool permit[3];

	(void)state;
	assert_int_equal(guard_permits(s, 3, 1, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
	assert_true(permit[1]);
	assert_int_equal(guard_permits(s, 3, 2, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
	assert_false(permit[1]);
}

/* A site out of reach may withdraw at any time: it is no anchor. */
static void
test_a_lost_site_counts_for_nothing(void **state)
{
	struct guard_site s[] = { lost, permitted };
	bool permit[2];

	(void)state;
	assert_int_equal(guard_permits(s, 2, 1, permit), GUARD_QUIET);
	assert_true(permit[0]); /* cannot be taken back */
	assert_false(permit[1]);
}

static void
test_drain_of_the_last_is_refused(void **state)
{
	struct guard_site s[] = { well, sick, lost };
	unsigned leaves;

	(void)state;
	assert_false(guard_allows_drain(s, 3, 0, 1, &leaves));
	assert_int_equal(leaves, 0);
	assert_true(guard_allows_drain(s, 3, 1, 1, &leaves));
	assert_true(guard_allows_drain(s, 3, 0, 0, &leaves));
}

/*
 * A model of the whole: documents and reports travel with delays, sites fall
 * sick, recover, and lose contact at random; a sick site withdraws if its last
 * document permits.  What must hold: sickness never takes the last min_sites
 * announcements, once so many were there.
 */
struct model_site {
	bool sick, announces; /* the truth at the site */
	bool permit;          /* of the last document received */
	unsigned taken;       /* its revision */
	bool cut;             /* no contact */
	/* At the controller: */
	bool doc_permit;
	unsigned revision, revoked; /* revision that took the permit away */
	bool seen_sick, seen_announces, seen_live;
	unsigned seen_taken;
};

static void
model_site_acts(struct model_site *m)
{
	if (!m->sick) {
		m->announces = true;
	} else if (m->permit) {
		m->announces = false;
	}
}

static void
model_controller_acts(struct model_site *m, size_t n, unsigned min_sites)
{
	struct guard_site view[SITES];
	bool permit[SITES];

	for (size_t i = 0; i < n; i++) {
		view[i] = (struct guard_site){
			.is_live = m[i].seen_live,
			.announces = m[i].seen_announces,
			.is_well = !m[i].seen_sick,
			.holds_permit =
			    m[i].doc_permit || m[i].seen_taken < m[i].revoked,
		};
	}
	(void)guard_permits(view, n, min_sites, permit);
	for (size_t i = 0; i < n; i++) {
		if (permit[i] == m[i].doc_permit)
			continue;
		m[i].doc_permit = permit[i];
		m[i].revision++;
		if (!permit[i])
			m[i].revoked = m[i].revision;
	}
}

static void
model_random_event(struct model_site *m)
{
	switch (random() % 6) {
	case 0:
		m->sick = !m->sick;
		break;
	case 1:
		m->cut = random() % 4 == 0;
		m->seen_live = m->seen_live && !m->cut;
		break;
	case 2:
	case 3: /* a document arrives */
		if (!m->cut) {
			m->permit = m->doc_permit;
			m->taken = m->revision;
		}
		break;
	default: /* a report arrives */
		if (!m->cut) {
			m->seen_sick = m->sick;
			m->seen_announces = m->announces;
			m->seen_taken = m->taken;
			m->seen_live = true;
		}
		break;
	}
}

static void
test_sickness_never_takes_the_last_ones(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned run = 0; run < 400; run++) {
		unsigned min_sites = 1 + run % 3;
		struct model_site m[SITES] = { 0 };

		for (unsigned i = 0; i < 2000; i++) {
			unsigned before = 0, after = 0;
			size_t who = (size_t)random() % SITES;

			for (size_t k = 0; k < SITES; k++)
				before += m[k].announces;
			model_random_event(&m[who]);
			model_site_acts(&m[who]);
			model_controller_acts(m, SITES, min_sites);
			for (size_t k = 0; k < SITES; k++)
				after += m[k].announces;
			if (after < before)
				assert_true(after >= min_sites);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_but_the_minimum_get_one),
		cmocka_unit_test(test_a_sick_anchor_is_relieved),
		cmocka_unit_test(test_the_last_sick_site_is_kept_and_told),
		cmocka_unit_test(test_no_more_are_kept_than_needed),
		cmocka_unit_test(test_a_lost_site_counts_for_nothing),
		cmocka_unit_test(test_drain_of_the_last_is_refused),
		cmocka_unit_test(test_sickness_never_takes_the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
