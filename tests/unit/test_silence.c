/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/silence.h"

#include "core/failover.h"
#include "test.h"

#define SITES 4u
#define MAX 2000u

/* Clients are added in groups that do the same. */
struct world {
	size_t n;
	uint16_t before[MAX], now[MAX];
	bool is_ipv4[MAX];
	uint32_t block[MAX]; /* each its own, unless a test says else */
	bool excused[SITES];
};

static void
add(struct world *w, bool is_ipv4, size_t n, uint16_t before, uint16_t now)
{
	assert_true(w->n + n <= MAX);
	for (size_t i = 0; i < n; i++, w->n++) {
		w->before[w->n] = before;
		w->now[w->n] = now;
		w->is_ipv4[w->n] = is_ipv4;
		w->block[w->n] = (uint32_t)w->n + 1;
	}
}

static bool
look(const struct world *w, struct silence *s)
{
	struct silence_input in = { .n = w->n,
		.before = w->before,
		.now = w->now,
		.is_ipv4 = w->is_ipv4,
		.block = w->block,
		.n_sites = SITES,
		.excused = w->excused };

	return silence_find(&in, s);
}

/* Sites 2 to 4 hear 20 clients of each family, as before. */
static struct world
calm(void)
{
	struct world w = { .n = 0 };

	for (uint16_t site = 2; site <= SITES; site++) {
		add(&w, true, 20, site, site);
		add(&w, false, 20, site, site);
	}
	return w;
}

static void
test_a_silent_site_is_found(void **state)
{
	struct world w = calm();
	struct silence s;

	(void)state;
	assert_false(look(&w, &s));
	add(&w, true, 5, 1, OUTCOME_NONE);
	add(&w, false, 3, 1, OUTCOME_NONE);
	assert_true(look(&w, &s));
	assert_int_equal(s.site, 0);
	assert_int_equal(s.family, SILENCE_BOTH);
	assert_int_equal(s.clients, 8);
	w.excused[0] = true;
	assert_false(look(&w, &s));
}

static void
test_one_family_may_be_silent_alone(void **state)
{
	struct world w = calm();
	struct silence s;

	(void)state;
	add(&w, true, 5, 1, 1);
	add(&w, false, 5, 1, OUTCOME_NONE);
	assert_true(look(&w, &s));
	assert_int_equal(s.site, 0);
	assert_int_equal(s.family, SILENCE_IPV6);
	assert_int_equal(s.clients, 5);
}

/* Somebody is heard there, or one of its clients elsewhere, or at two sites. */
static void
test_movement_is_no_silence(void **state)
{
	static const struct {
		uint16_t before, now;
	} heard[] = { { 1, 1 }, { 1, 3 }, { 1, OUTCOME_FLIPPING }, { 2, 1 },
		{ OUTCOME_NONE, 1 }, { OUTCOME_FLIPPING, 1 } };
	struct silence s;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(heard); i++) {
		struct world w = calm();

		add(&w, true, 20, 1, OUTCOME_NONE);
		assert_true(look(&w, &s));
		add(&w, true, 1, heard[i].before, heard[i].now);
		assert_false(look(&w, &s));
	}
}

/* Some may have been switched off, or lose more than others; of four all only
 * where loss is high. */
static void
test_loss_is_no_silence(void **state)
{
	struct world w = calm();
	struct silence s;

	(void)state;
	add(&w, true, 3, 1, OUTCOME_NONE);
	assert_false(look(&w, &s));
	add(&w, true, 1, 1, OUTCOME_NONE);
	assert_true(look(&w, &s));
	/* A third of the others is lost, too. */
	for (uint16_t site = 2; site <= SITES; site++)
		add(&w, true, 20, site, OUTCOME_NONE);
	assert_false(look(&w, &s));
	add(&w, true, 20, 1, OUTCOME_NONE);
	assert_true(look(&w, &s));
	assert_int_equal(s.clients, 24);
}

/* A network that goes down, or has had enough of probes, silences all of its
 * clients: of two networks it is unlikely. */
static void
test_an_outage_is_no_silence(void **state)
{
	struct world w = calm();
	struct silence s;
	size_t first = w.n;

	(void)state;
	add(&w, true, 30, 1, OUTCOME_NONE);
	for (size_t i = first; i < w.n; i++)
		w.block[i] = (uint32_t)first + 1;
	assert_false(look(&w, &s));
	/* Clients of other sites in it are no block between. */
	w.before[first + 15] = w.now[first + 15] = 2;
	assert_false(look(&w, &s));
	add(&w, true, 30, 1, OUTCOME_NONE);
	for (size_t i = first + 30; i < w.n; i++)
		w.block[i] = (uint32_t)first + 2;
	assert_true(look(&w, &s));
	assert_int_equal(s.site, 0);
	assert_int_equal(s.clients, 59);
}

/* Site 1 heard n clients, of which so many are lost; is it found?  The others are
 * as `calm` says, or lose so many of 50 more each. */
static bool
finds_part(size_t n, size_t lost, size_t lost_beside)
{
	struct world w = calm();
	struct silence s;

	for (uint16_t site = 2; site <= SITES && lost_beside > 0; site++) {
		add(&w, true, lost_beside, site, OUTCOME_NONE);
		add(&w, true, 50 - lost_beside, site, site);
	}
	add(&w, true, lost, 1, OUTCOME_NONE);
	add(&w, true, n - lost, 1, 1);
	if (!look(&w, &s))
		return false;
	assert_true(s.is_part);
	assert_int_equal(s.site, 0);
	assert_int_equal(s.family, SILENCE_BOTH);
	assert_int_equal(s.clients, n);
	assert_int_equal(s.lost, lost);
	w.excused[0] = true;
	assert_false(look(&w, &s));
	return true;
}

/* It was deaf for a while, or its ring was full. */
static void
test_a_site_that_hears_a_part_is_found(void **state)
{
	(void)state;
	assert_true(finds_part(60, 30, 0));
	assert_true(finds_part(30, 29, 0));
	assert_true(finds_part(100, 30, 0));
	/* Too few to say, or too little. */
	assert_false(finds_part(29, 28, 0));
	assert_false(finds_part(100, 25, 0));
	assert_false(finds_part(30, 10, 0));
	/* The others lose a fifth, too. */
	assert_false(finds_part(60, 20, 19));
	assert_true(finds_part(60, 40, 19));
}

/* Clients that moved are heard; those of one network go together. */
static void
test_movement_and_outage_lose_no_part(void **state)
{
	struct world w = calm();
	struct silence s;
	size_t first = w.n;

	(void)state;
	add(&w, true, 40, 1, 2);
	add(&w, true, 40, 1, OUTCOME_FLIPPING);
	add(&w, true, 60, 1, OUTCOME_NONE);
	for (size_t i = first + 80; i < w.n; i++)
		w.block[i] = (uint32_t)first + 81;
	assert_false(look(&w, &s));
}

/* The sender's probes are lost: that is no loss of any network. */
static void
test_all_may_hear_a_part(void **state)
{
	struct world w = { .n = 0 };
	struct silence s;

	(void)state;
	for (uint16_t site = 1; site <= SITES; site++) {
		add(&w, true, 60, site, OUTCOME_NONE);
		add(&w, true, 40, site, site);
	}
	assert_true(look(&w, &s));
	assert_true(s.is_part);
	assert_int_equal(s.clients, 100);
	assert_int_equal(s.lost, 60);
}

static void
test_one_family_may_hear_a_part_alone(void **state)
{
	struct world w = calm();
	struct silence s;

	(void)state;
	add(&w, true, 150, 1, 1);
	add(&w, false, 15, 1, 1);
	add(&w, false, 30, 1, OUTCOME_NONE);
	assert_true(look(&w, &s));
	assert_true(s.is_part);
	assert_int_equal(s.family, SILENCE_IPV6);
	assert_int_equal(s.clients, 45);
	assert_int_equal(s.lost, 30);
}

/* As addresses that change do: it is no site's fault. */
static void
test_a_family_may_lose_more_everywhere(void **state)
{
	struct world w = { .n = 0 };
	struct silence s;

	(void)state;
	for (uint16_t site = 1; site <= SITES; site++) {
		add(&w, true, 400, site, site);
		add(&w, false, 40, site, site);
		add(&w, false, 20, site, OUTCOME_NONE);
	}
	assert_false(look(&w, &s));
}

/* What is lost at a silent site says nothing of the loss at another one. */
static void
test_several_may_be_silent(void **state)
{
	struct world w = { .n = 0 };
	struct silence s;

	(void)state;
	for (uint16_t site = 1; site <= SITES; site++)
		add(&w, true, (size_t)10 * site, site, OUTCOME_NONE);
	assert_true(look(&w, &s));
	assert_int_equal(s.site, SITES - 1);
	assert_int_equal(s.clients, 40);
	add(&w, true, 6, 1, 1);
	assert_true(look(&w, &s));
	assert_int_equal(s.site, SITES - 1);
}

static void
test_nobody_is_not_silent(void **state)
{
	struct world w = { .n = 0 };
	struct silence s;

	(void)state;
	assert_false(look(&w, &s));
	add(&w, true, 50, OUTCOME_NONE, OUTCOME_NONE);
	add(&w, true, 50, OUTCOME_FLIPPING, OUTCOME_NONE);
	add(&w, true, 50, OUTCOME_NOT_ASKED, OUTCOME_NONE);
	assert_false(look(&w, &s));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_silent_site_is_found),
		cmocka_unit_test(test_one_family_may_be_silent_alone),
		cmocka_unit_test(test_movement_is_no_silence),
		cmocka_unit_test(test_loss_is_no_silence),
		cmocka_unit_test(test_an_outage_is_no_silence),
		cmocka_unit_test(test_a_site_that_hears_a_part_is_found),
		cmocka_unit_test(test_movement_and_outage_lose_no_part),
		cmocka_unit_test(test_all_may_hear_a_part),
		cmocka_unit_test(test_one_family_may_hear_a_part_alone),
		cmocka_unit_test(test_a_family_may_lose_more_everywhere),
		cmocka_unit_test(test_several_may_be_silent),
		cmocka_unit_test(test_nobody_is_not_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
