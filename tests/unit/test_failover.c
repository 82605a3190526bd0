/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/failover.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SITES 3u
#define NONE OUTCOME_NONE
#define FLIP OUTCOME_FLIPPING
#define UNKNOWN SITES
#define MANY 2000u

static struct failover_map map; /* large: not on the stack */

/* One client of weight 2: what it adds to. */
static const struct {
	uint8_t before, after;
	bool counted;   /* in answered */
	bool displaced; /* a client of site 0 */
	uint8_t heir;   /* of those */
	bool bystander;
} clients[] = {
	/* The withdrawn site's own. */
	{ 1, 2, true, true, 1, false },
	{ 1, 3, true, true, 2, false },
	{ 1, 1, true, true, 0, false },
	{ 1, NONE, true, true, UNKNOWN, false },
	{ 1, FLIP, true, true, UNKNOWN, false },
	{ 1, SITES + 1, true, true, UNKNOWN, false },
	/* Other sites': moved or not. */
	{ 2, 2, true, false, 0, false },
	{ 2, 3, true, false, 0, true },
	{ 2, 1, true, false, 0, true },
	/* Silence is no movement, nor is flipping. */
	{ 2, NONE, true, false, 0, false },
	{ 2, FLIP, true, false, 0, false },
	/* Of nobody at baseline: says nothing. */
	{ NONE, 2, false, false, 0, false },
	{ NONE, NONE, false, false, 0, false },
	{ FLIP, 2, false, false, 0, false },
	{ SITES + 1, 2, false, false, 0, false },
};

static void
test_one_client_of_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * TEST_COUNT(clients); i++) {
		const size_t k = i / 2, family = i % 2;
		const bool is_ipv4 = family == 0;
		const double weight = 2;
		const struct failover_input in = { .n = 1,
			.before = &clients[k].before,
			.after = &clients[k].after,
			.weight = &weight,
			.is_ipv4 = &is_ipv4,
			.n_sites = SITES,
			.site = 0 };
		uint32_t displaced = clients[k].displaced ? 1 : 0;

		failover_count(&in, &map);
		assert_int_equal(map.answered, clients[k].counted);
		assert_int_equal(map.bystanders, clients[k].bystander);
		assert_int_equal(map.all.clients, displaced);
		for (size_t h = 0; h <= SITES; h++) {
			uint32_t want = h == clients[k].heir ? displaced : 0;

			assert_int_equal(map.heirs[family][h].clients, want);
			assert_true(map.heirs[family][h].weight == 2.0 * want);
			assert_int_equal(map.heirs[1 - family][h].clients, 0);
		}
	}
}

struct crowd {
	uint8_t before[MANY], after[MANY];
	double weight[MANY];
	bool is_ipv4[MANY];
	struct failover_input in;
};

/* Any outcome, also such as cannot be; weights that add up exactly. */
static void
crowd_fill(struct crowd *c, unsigned seed, size_t n_sites)
{
	srandom(seed);
	for (size_t i = 0; i < MANY; i++) {
		c->before[i] = (uint8_t)(random() % 256);
		c->after[i] = (uint8_t)(random() % 256);
		c->weight[i] = (double)(random() % 1000);
		c->is_ipv4[i] = random() % 2 == 0;
	}
	c->in = (struct failover_input){ .n = MANY,
		.before = c->before,
		.after = c->after,
		.weight = c->weight,
		.is_ipv4 = c->is_ipv4,
		.n_sites = n_sites,
		.site = (size_t)random() % n_sites };
}

/* Nothing is lost and nothing is shared out: also the unknown are a column. */
static void
test_shares_add_up(void **state)
{
	struct crowd *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (unsigned seed = 1; seed <= 50; seed++) {
		struct failover_share sum = { 0 };

		crowd_fill(c, seed,
		    seed == 1 ? FAILOVER_SITES_MAX : 1 + seed * 5);
		failover_count(&c->in, &map);
		for (size_t k = 0; k < 2 * (c->in.n_sites + 1); k++) {
			sum.clients += map.heirs[k % 2][k / 2].clients;
			sum.weight += map.heirs[k % 2][k / 2].weight;
		}
		assert_int_equal(sum.clients, map.all.clients);
		assert_true(sum.weight == map.all.weight);
		assert_true(map.all.clients + map.bystanders <= map.answered);
	}
	free(c);
}

/* A client that falls silent changes no heir's share but by its own. */
static void
test_unknown_column_is_never_renormalised(void **state)
{
	static struct failover_map all_known;
	struct crowd *c = calloc(1, sizeof(*c));
	uint32_t silent = 0;

	(void)state;
	assert_non_null(c);
	crowd_fill(c, 7, SITES);
	c->in.site = 0;
	for (size_t i = 0; i < MANY; i++) {
		c->before[i] = 1;
		c->after[i] = (uint8_t)(2 + i % 2);
		c->is_ipv4[i] = true;
	}
	failover_count(&c->in, &all_known);
	for (size_t i = 0; i < MANY; i += 4) {
		c->after[i] = i % 8 == 0 ? NONE : FLIP;
		silent++;
	}
	failover_count(&c->in, &map);
	assert_int_equal(map.heirs[0][UNKNOWN].clients, silent);
	assert_int_equal(map.heirs[0][1].clients,
	    all_known.heirs[0][1].clients - silent);
	assert_int_equal(map.heirs[0][2].clients,
	    all_known.heirs[0][2].clients);
	assert_true(map.all.weight == all_known.all.weight);
	free(c);
}

static void
test_no_clients_make_an_empty_map(void **state)
{
	const struct failover_input in = { .n_sites = SITES };

	(void)state;
	memset(&map, 0xff, sizeof(map));
	failover_count(&in, &map);
	assert_int_equal(map.answered, 0);
	assert_int_equal(map.all.clients, 0);
	assert_int_equal(map.heirs[0][UNKNOWN].clients, 0);
}

/* One round per entry, three sentinels each; site 1 is the forbidden one. */
static const struct {
	const char *why;
	size_t n_rounds;
	uint8_t rounds[6][3];
	uint8_t forbidden;
	bool settled[6];
} settles[] = {
	{ "three alike", 4,
	    { { 2, 3, 3 }, { 2, 3, 3 }, { 2, 3, 3 }, { 2, 3, 3 } }, 1,
	    { false, false, true, true } },
	{ "movement begins anew", 6,
	    { { 2, 3, 3 }, { 2, 3, 3 }, { 2, 2, 3 }, { 2, 2, 3 }, { 2, 2, 3 },
		{ 2, 2, 3 } },
	    1, { false, false, false, false, true, true } },
	{ "forbidden, however calm", 4,
	    { { 1, 3, 3 }, { 1, 3, 3 }, { 1, 3, 3 }, { 1, 3, 3 } }, 1,
	    { false, false, false, false } },
	{ "any may occur", 3, { { 1, 3, 3 }, { 1, 3, 3 }, { 1, 3, 3 } }, NONE,
	    { false, false, true } },
	{ "silence is not calm", 4,
	    { { NONE, NONE, NONE }, { NONE, NONE, NONE }, { NONE, NONE, NONE },
		{ NONE, NONE, NONE } },
	    1, { false, false, false, false } },
	{ "silent by turns is not calm", 4,
	    { { 2, NONE, NONE }, { NONE, 3, NONE }, { 2, NONE, NONE },
		{ NONE, 3, NONE } },
	    1, { false, false, false, false } },
	{ "who is silent says nothing", 3,
	    { { 2, 3, NONE }, { 2, NONE, 3 }, { 2, 3, NONE } }, 1,
	    { false, false, true } },
	{ "flipping and not is movement", 4,
	    { { FLIP, 3, 3 }, { 2, 3, 3 }, { FLIP, 3, 3 }, { 2, 3, 3 } }, 1,
	    { false, false, false, false } },
};

static void
expect(bool got, bool want, const char *why, size_t k)
{
	if (got != want)
		fail_msg("%s: round %zu: %d", why, k, got);
}

static void
check_settle(size_t i)
{
	struct settle s = { 0 };

	for (size_t k = 0; k < settles[i].n_rounds; k++) {
		const uint8_t *previous =
		    k == 0 ? NULL : settles[i].rounds[k - 1];

		expect(settle_step(&s, previous, settles[i].rounds[k], 3,
			   settles[i].forbidden),
		    settles[i].settled[k], settles[i].why, k);
	}
}

static void
test_settle_courses(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(settles); i++)
		check_settle(i);
}

/*
 * Among many sentinels one reply from the withdrawn site is within the
 * permille that may move, and yet the round that has it counts for nothing.
 */
static void
test_forbidden_round_is_none_of_the_three(void **state)
{
	static uint8_t late[1000], calm[1000];
	struct settle s = { 0 };

	(void)state;
	memset(calm, 2, sizeof(calm));
	memset(late, 2, sizeof(late));
	late[500] = 1;
	assert_false(settle_step(&s, NULL, late, 1000, 1));
	assert_false(settle_step(&s, late, calm, 1000, 1));
	assert_false(settle_step(&s, calm, calm, 1000, 1));
	assert_true(settle_step(&s, calm, calm, 1000, 1));
}

static void
test_moved_permille(void **state)
{
	static uint8_t a[1000], b[1000];

	(void)state;
	memset(a, 2, sizeof(a));
	memset(b, 2, sizeof(b));
	assert_int_equal(settle_moved_permille(a, b, 0), 1000);
	assert_int_equal(settle_moved_permille(a, b, 1000), 0);
	for (unsigned i = 0; i < 1000; i++) {
		b[i] = 3;
		assert_int_equal(settle_moved_permille(a, b, 1000), i + 1);
	}
	/* The silent are no part of it. */
	memset(b, NONE, 500);
	assert_int_equal(settle_moved_permille(a, b, 1000), 1000);
	memset(b + 500, 2, 250);
	assert_int_equal(settle_moved_permille(a, b, 1000), 500);
	memset(b, NONE, sizeof(b));
	assert_int_equal(settle_moved_permille(a, b, 1000), 1000);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_client_of_each_kind),
		cmocka_unit_test(test_shares_add_up),
		cmocka_unit_test(test_unknown_column_is_never_renormalised),
		cmocka_unit_test(test_no_clients_make_an_empty_map),
		cmocka_unit_test(test_settle_courses),
		cmocka_unit_test(test_forbidden_round_is_none_of_the_three),
		cmocka_unit_test(test_moved_permille),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
