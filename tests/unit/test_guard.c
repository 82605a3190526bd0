/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/guard.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SITES 5

#define SITE(live, announcing, healthy, permit)                                \
	{                                                                      \
		.is_live = (live), .announces = (announcing),                  \
		.is_well = (healthy), .holds_permit = (permit),                \
		.is_granted = (permit)                                         \
	}
static const struct guard_site well = SITE(true, true, true, false);
static const struct guard_site permitted = SITE(true, true, true, true);
static const struct guard_site sick = SITE(true, true, false, false);
static const struct guard_site gone = SITE(true, false, false, true);
static const struct guard_site lost = SITE(false, true, true, true);

/* The permits with a floor of so many sites. */
static enum guard_alarm
permits(const struct guard_site *s, size_t n, unsigned min_sites, bool *permit)
{
	struct guard_floor floor = { .sites = min_sites };

	return guard_permits(s, n, &floor, permit);
}

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
		assert_int_equal(permits(s, SITES, min, permit), GUARD_QUIET);
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
	assert_int_equal(permits(s, 3, 1, permit), GUARD_QUIET);
	assert_false(permit[0]); /* not yet */
	assert_false(permit[1]); /* asked back */
	assert_true(permit[2]);
	s[1].holds_permit = false; /* it said so */
	assert_int_equal(permits(s, 3, 1, permit), GUARD_QUIET);
	assert_true(permit[0]);
	assert_false(permit[1]);
}

static void
test_the_last_sick_site_is_kept_and_told(void **state)
{
	struct guard_site s[] = { sick, gone, gone };
	bool permit[3];

	(void)state;
	assert_int_equal(permits(s, 3, 1, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
	/* One that comes back may become the anchor, so it stays asked. */
	s[1] = permitted;
	assert_int_equal(permits(s, 3, 1, permit), GUARD_QUIET);
	assert_false(permit[0]);
	assert_false(permit[1]);
}

/* The one that was to relieve the anchor fell sick too: one is enough. */
/* The controller was restarted: the last one's report comes before it has seen
 * a document of this process, so that it may hold a permit of the last. */
static void
test_no_permit_is_given_because_it_may_be_held(void **state)
{
	struct guard_site s[2] = { sick, gone };
	bool permit[2];

	(void)state;
	s[0].holds_permit = s[1].holds_permit = true;
	s[0].is_granted = s[1].is_granted = false;
	(void)permits(s, 2, 1, permit);
	assert_false(permit[0]);
	assert_false(permit[1]);
	/* Seen now: it is kept. */
	s[0].holds_permit = false;
	assert_int_equal(permits(s, 2, 1, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
}

static void
test_no_more_are_kept_than_needed(void **state)
{
	struct guard_site s[] = { sick, sick, gone };
	bool permit[3];

	(void)state;
	assert_int_equal(permits(s, 3, 1, permit), GUARD_LAST_SITES);
	assert_false(permit[0]);
	assert_true(permit[1]);
	assert_int_equal(permits(s, 3, 2, permit), GUARD_LAST_SITES);
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
	assert_int_equal(permits(s, 2, 1, permit), GUARD_QUIET);
	assert_true(permit[0]); /* cannot be taken back */
	assert_false(permit[1]);
}

static void
test_drain_of_the_last_is_refused(void **state)
{
	struct guard_site s[] = { well, sick, lost };
	struct guard_floor one = { .sites = 1 }, none = { 0 }, left;

	(void)state;
	left = guard_left(s, 3, 0);
	assert_int_equal(left.sites, 0);
	assert_false(guard_is_enough(&left, &one));
	assert_true(guard_is_enough(&left, &none));
	left = guard_left(s, 3, 1);
	assert_true(guard_is_enough(&left, &one));
}

/* The small ones may go, the large one carries what must be carried. */
static void
test_capacity_counts_beside_the_number(void **state)
{
	struct guard_site s[] = { well, well, well };
	struct guard_floor floor = { .sites = 1, .capacity = 100 };
	bool permit[3];

	(void)state;
	s[0].capacity = 40;
	s[1].capacity = 70;
	s[2].capacity = 100;
	assert_int_equal(guard_permits(s, 3, &floor, permit), GUARD_QUIET);
	assert_true(permit[0]);
	assert_true(permit[1]);
	assert_false(permit[2]);
	/* One site is enough in number, but it does not carry it. */
	s[0] = s[1] = gone;
	s[2] = sick;
	s[2].capacity = 99;
	assert_int_equal(guard_permits(s, 3, &floor, permit), GUARD_LAST_SITES);
	assert_false(permit[2]);
}

/* Who is barred by the budget gives its permit back, and gets none. */
static void
test_barred_sites_hold_none(void **state)
{
	struct guard_site s[] = { well, permitted, permitted, sick };
	bool permit[4];

	(void)state;
	s[1].is_barred = true;
	s[3].is_barred = true;
	assert_int_equal(permits(s, 4, 1, permit), GUARD_QUIET);
	assert_false(permit[0]);
	assert_false(permit[1]);
	assert_true(permit[2]);
	assert_false(permit[3]);
	/* Out of reach: it cannot be told. */
	s[1].is_live = false;
	assert_int_equal(permits(s, 4, 1, permit), GUARD_QUIET);
	assert_true(permit[1]);
	s[0] = sick;
	s[0].is_barred = true;
	assert_int_equal(permits(s, 4, 1, permit), GUARD_QUIET);
	assert_false(permit[0]);
}

static void
test_names_lead_to_their_guards(void **state)
{
	enum guard g = GUARD_COUNT;

	(void)state;
	for (enum guard i = 0; i < GUARD_COUNT; i++) {
		assert_true(guard_find(guard_name(i), &g));
		assert_int_equal(g, i);
		assert_non_null(strstr(guard_all_names(), guard_name(i)));
	}
	assert_false(guard_find("", &g));
	assert_false(guard_find("min_site", &g));
}

/*
 * A model of the whole: documents and reports travel with delays, sites fall
 * sick, recover, and lose contact at random; a sick site withdraws if its last
 * document permits.  What must hold: sickness never takes the last min_sites
 * announcements, once so many were there.
 */
struct model_site {
	double capacity;
	bool sick, announces; /* the truth at the site */
	bool permit;          /* of the last document received */
	bool cut;             /* no contact */
	unsigned taken;       /* the document's revision */
	/* At the controller: */
	bool doc_permit;
	bool seen_sick, seen_announces, seen_live;
	unsigned revision, revoked; /* revision that took the permit away */
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
model_controller_acts(struct model_site *m, size_t n,
    const struct guard_floor *floor)
{
	struct guard_site view[SITES];
	bool permit[SITES];

	for (size_t i = 0; i < n; i++) {
		view[i] = (struct guard_site){
			.is_live = m[i].seen_live,
			.announces = m[i].seen_announces,
			.is_well = !m[i].seen_sick,
			.is_granted = m[i].doc_permit,
			.holds_permit =
			    m[i].doc_permit || m[i].seen_taken < m[i].revoked,
			.capacity = m[i].capacity,
		};
	}
	(void)guard_permits(view, n, floor, permit);
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

static struct guard_floor
model_announced(const struct model_site *m)
{
	struct guard_floor sum = { 0 };

	for (size_t k = 0; k < SITES; k++) {
		sum.sites += m[k].announces;
		sum.capacity += m[k].announces ? m[k].capacity : 0;
	}
	return sum;
}

static void
test_sickness_never_takes_the_last_ones(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned run = 0; run < 400; run++) {
		struct guard_floor floor = { .sites = 1 + run % 3,
			.capacity = (double)(run % 5) * 30 };
		struct model_site m[SITES] = { 0 };

		for (size_t k = 0; k < SITES; k++)
			m[k].capacity = (double)(10 + random() % 90);
		for (unsigned i = 0; i < 2000; i++) {
			struct guard_floor before = model_announced(m), after;
			size_t who = (size_t)random() % SITES;

			model_random_event(&m[who]);
			model_site_acts(&m[who]);
			model_controller_acts(m, SITES, &floor);
			after = model_announced(m);
			if (after.sites < before.sites)
				assert_true(guard_is_enough(&after, &floor));
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
		cmocka_unit_test(
		    test_no_permit_is_given_because_it_may_be_held),
		cmocka_unit_test(test_no_more_are_kept_than_needed),
		cmocka_unit_test(test_a_lost_site_counts_for_nothing),
		cmocka_unit_test(test_drain_of_the_last_is_refused),
		cmocka_unit_test(test_capacity_counts_beside_the_number),
		cmocka_unit_test(test_barred_sites_hold_none),
		cmocka_unit_test(test_names_lead_to_their_guards),
		cmocka_unit_test(test_sickness_never_takes_the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
