/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "core/failover.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SITES 3u
#define NONE OUTCOME_NONE
#define FLIP OUTCOME_FLIPPING
#define UNKNOWN SITES
#define MANY 2000u

static const bool first_alone[SITES] = { true };

/* One client of weight 2: what it adds to. */
static const struct {
	uint16_t before, after;
	bool counted;   /* in answered */
	bool displaced; /* a client of site 0 */
	uint8_t heir;   /* of those */
	bool bystander;
} clients[] = {
	/* The withdrawn site's own. */
	{ 1, 2, true, true, 1, false },
	{ 1, 3, true, true, 2, false },
	{ 1, 1, true, true, UNKNOWN, false }, /* itself is no heir */
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
			.withdrawn = first_alone };
		uint32_t displaced = clients[k].displaced ? 1 : 0;
		const struct failover_origin *o;
		struct failover_map map;

		failover_count(&in, &map);
		assert_int_equal(map.n_origins, 1);
		o = &map.origins[0];
		assert_int_equal(map.answered, clients[k].counted);
		assert_int_equal(map.bystanders, clients[k].bystander);
		assert_int_equal(o->all.clients, displaced);
		for (size_t h = 0; h <= SITES; h++) {
			uint32_t want = h == clients[k].heir ? displaced : 0;

			assert_int_equal(o->heirs[family][h].clients, want);
			assert_true(o->heirs[family][h].weight == 2.0 * want);
			assert_true(o->heirs[family][h].square == 4.0 * want);
			assert_int_equal(o->heirs[1 - family][h].clients, 0);
		}
		failover_map_fini(&map);
	}
}

/* Clients of one block say what one of them says. */
static void
test_blocks_count_once(void **state)
{
	static const uint16_t before[] = { 1, 1, 1, 1, 1 };
	static const uint16_t after[] = { 2, 2, 2, 3, 2 };
	static const uint32_t block[] = { 1, 1, 2, 2, 3 };
	static const double weight[] = { 1, 2, 4, 8, 16 };
	static const bool is_ipv4[] = { true, true, true, true, true };
	struct failover_input in = { .n = 5,
		.before = before,
		.after = after,
		.block = block,
		.weight = weight,
		.is_ipv4 = is_ipv4,
		.n_sites = SITES,
		.withdrawn = first_alone };
	struct failover_map map;
	const struct failover_origin *o;

	(void)state;
	failover_count(&in, &map);
	o = &map.origins[0];
	assert_true(o->all.square == 3 * 3 + 12 * 12 + 16 * 16);
	assert_true(o->heirs[0][1].square == 3 * 3 + 4 * 4 + 16 * 16);
	assert_true(o->heirs[0][2].square == 8 * 8);
	failover_map_fini(&map);
	in.block = NULL;
	failover_count(&in, &map);
	assert_true(map.origins[0].all.square == 1 + 4 + 16 + 64 + 256);
	failover_map_fini(&map);
}

struct crowd {
	uint16_t before[MANY], after[MANY], again[MANY];
	double weight[MANY];
	bool is_ipv4[MANY];
	bool withdrawn[FAILOVER_SITES_MAX];
	struct failover_input in;
};

/* Any outcome, also such as cannot be; weights that add up exactly. */
static void
crowd_fill(struct crowd *c, unsigned seed, size_t n_sites)
{
	srandom(seed);
	for (size_t i = 0; i < MANY; i++) {
		c->before[i] = (uint16_t)(random() % 1026);
		c->after[i] = (uint16_t)(random() % 1026);
		c->again[i] = (uint16_t)(random() % 1026);
		c->weight[i] = (double)(random() % 1000);
		c->is_ipv4[i] = random() % 2 == 0;
	}
	for (size_t i = 0; i < n_sites; i++)
		c->withdrawn[i] = i == 0 || random() % 3 == 0;
	c->in = (struct failover_input){ .n = MANY,
		.before = c->before,
		.after = c->after,
		.again = c->again,
		.weight = c->weight,
		.is_ipv4 = c->is_ipv4,
		.n_sites = n_sites,
		.withdrawn = c->withdrawn };
}

/* Nothing is lost and nothing is shared out: also the unknown are a column. */
static void
check_sums(const struct failover_map *map, size_t n_sites)
{
	uint32_t displaced = 0;

	for (size_t k = 0; k < map->n_origins; k++) {
		const struct failover_origin *o = &map->origins[k];
		struct failover_share sum = { 0 };

		for (size_t h = 0; h < 2 * (n_sites + 1); h++) {
			sum.clients += o->heirs[h % 2][h / 2].clients;
			sum.unstable += o->heirs[h % 2][h / 2].unstable;
			sum.weight += o->heirs[h % 2][h / 2].weight;
		}
		assert_int_equal(sum.clients, o->all.clients);
		assert_int_equal(sum.unstable, o->all.unstable);
		assert_true(sum.weight == o->all.weight);
		displaced += sum.clients;
	}
	assert_true(map->bystanders <= map->others);
	assert_true(displaced + map->others <= map->answered);
	assert_true(map->null_moved <= map->null_both);
	assert_true(map->null_tv >= 0 && map->null_tv <= 1);
}

static void
test_shares_add_up(void **state)
{
	struct crowd *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (unsigned seed = 1; seed <= 50; seed++) {
		size_t n_sites = seed == 1 ? FAILOVER_SITES_MAX : 1 + seed * 5;
		struct failover_map map;

		crowd_fill(c, seed, n_sites);
		failover_count(&c->in, &map);
		check_sums(&map, n_sites);
		failover_map_fini(&map);
	}
	free(c);
}

/* A client that falls silent changes no heir's share but by its own. */
static void
test_unknown_column_is_never_renormalised(void **state)
{
	struct failover_map all_known, map;
	struct crowd *c = calloc(1, sizeof(*c));
	const struct failover_share *known, *now;
	uint32_t silent = 0;

	(void)state;
	assert_non_null(c);
	crowd_fill(c, 7, SITES);
	c->in.withdrawn = first_alone;
	for (size_t i = 0; i < MANY; i++) {
		c->before[i] = 1;
		c->after[i] = (uint16_t)(2 + i % 2);
		c->is_ipv4[i] = true;
	}
	failover_count(&c->in, &all_known);
	for (size_t i = 0; i < MANY; i += 4) {
		c->after[i] = i % 8 == 0 ? NONE : FLIP;
		silent++;
	}
	failover_count(&c->in, &map);
	known = all_known.origins[0].heirs[0];
	now = map.origins[0].heirs[0];
	assert_int_equal(now[UNKNOWN].clients, silent);
	assert_int_equal(now[1].clients, known[1].clients - silent);
	assert_int_equal(now[2].clients, known[2].clients);
	assert_true(map.origins[0].all.weight ==
	    all_known.origins[0].all.weight);
	failover_map_fini(&map);
	failover_map_fini(&all_known);
	free(c);
}

static void
test_no_clients_make_an_empty_map(void **state)
{
	const struct failover_input in = { .n_sites = SITES,
		.withdrawn = first_alone };
	struct failover_map map;

	(void)state;
	failover_count(&in, &map);
	assert_int_equal(map.answered, 0);
	assert_int_equal(map.origins[0].all.clients, 0);
	assert_int_equal(map.origins[0].heirs[0][UNKNOWN].clients, 0);
	failover_map_fini(&map);
}

/* What differs between the two baselines is not the withdrawal's doing. */
static void
test_null_distance(void **state)
{
	static const uint16_t before[] = { 1, 1, 1, 2, 2, 2, 1, NONE };
	static const uint16_t after[] = { 2, 2, 3, 2, 2, 2, 2, 2 };
	static const uint16_t again[] = { 1, 1, 2, 2, 2, 1, NONE, 1 };
	double weight[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	static const bool is_ipv4[8];
	const struct failover_input in = { .n = 8,
		.before = before,
		.after = after,
		.again = again,
		.weight = weight,
		.is_ipv4 = is_ipv4,
		.n_sites = SITES,
		.withdrawn = first_alone };
	struct failover_map map;

	(void)state;
	failover_count(&in, &map);
	assert_int_equal(map.null_both, 6);
	assert_int_equal(map.null_moved, 2);
	/* One went there, one came: the shares are as before. */
	assert_true(map.null_tv == 0);
	assert_int_equal(map.origins[0].all.clients, 4);
	assert_int_equal(map.origins[0].all.unstable, 1);
	assert_int_equal(map.origins[0].heirs[1][2].unstable, 1);
	assert_true(fabs(map.null_moved_weight - 2.0 / 6) < 1e-9);
	failover_map_fini(&map);
	/* Those who move weigh little, whoever they are. */
	for (size_t i = 0; i < 8; i++)
		weight[i] = before[i] == again[i] ? 50 : 1;
	failover_count(&in, &map);
	assert_true(fabs(map.null_moved_weight - 2.0 / 202) < 1e-9);
	failover_map_fini(&map);
}

/* ---- sentinels ---- */

static size_t
count_of(const struct sentinel_input *in, const uint32_t *picked, uint32_t n,
    uint32_t class)
{
	size_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t is = in->class != NULL ? in->class[picked[i]]
						: in->before[picked[i]];

		count += is == class;
	}
	return count;
}

static void
test_every_class_has_its_sentinel(void **state)
{
	static uint16_t before[MANY];
	static uint32_t class[MANY];
	struct sentinel_input in = { .n = MANY,
		.before = before,
		.class = class,
		.n_classes = 40,
		.n_sites = SITES,
		.withdrawn = first_alone };
	uint32_t picked[64], n;

	(void)state;
	/* Class 7 has one client, among the first site's many of class 0. */
	for (size_t i = 0; i < MANY; i++) {
		before[i] = (uint16_t)(1 + i % 2);
		class[i] = i % 2 == 0 ? 0 : 20 + (uint32_t)i % 13;
	}
	class[1000] = 7;
	before[2] = NONE;
	n = sentinels_pick(&in, 64, picked);
	assert_int_equal(n, 64);
	assert_int_equal(count_of(&in, picked, n, 7), 1);
	assert_int_equal(count_of(&in, picked, n, 0), 31);
	for (uint32_t k = 20; k < 33; k++)
		assert_true(count_of(&in, picked, n, k) >= 2);
	for (uint32_t i = 1; i < n; i++)
		assert_true(picked[i] > picked[i - 1]);
}

static void
test_sentinels_take_what_there_is(void **state)
{
	static const uint16_t before[] = { 1, 1, 2, FLIP, NONE, 3, 1, 99 };
	struct sentinel_input in = { .n = TEST_COUNT(before),
		.before = before,
		.n_sites = SITES,
		.withdrawn = first_alone };
	uint32_t picked[8];

	(void)state;
	assert_int_equal(sentinels_pick(&in, 8, picked), 5);
	assert_int_equal(sentinels_pick(&in, 3, picked), 3);
	assert_int_equal(count_of(&in, picked, 3, 1), 2);
	assert_int_equal(sentinels_pick(&in, 1, picked), 1);
	assert_int_equal(sentinels_pick(&in, 0, picked), 0);
}

/* One round per entry, three sentinels each; site 1 is the forbidden one. */
static const struct {
	const char *why;
	size_t n_rounds;
	uint16_t rounds[6][3];
	uint16_t forbidden;
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
	static const bool none[SITES];
	struct settle s = { 0 };

	for (size_t k = 0; k < settles[i].n_rounds; k++) {
		struct settle_round r = {
			.previous = k == 0 ? NULL : settles[i].rounds[k - 1],
			.current = settles[i].rounds[k],
			.n = 3,
			.forbidden =
			    settles[i].forbidden == 1 ? first_alone : none,
			.n_sites = SITES
		};

		expect(settle_step(&s, &r), settles[i].settled[k],
		    settles[i].why, k);
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
	static uint16_t late[1000], calm[1000];
	struct settle s = { 0 };
	struct settle_round r = { .current = late,
		.n = 1000,
		.forbidden = first_alone,
		.n_sites = SITES };

	(void)state;
	for (int i = 0; i < 1000; i++)
		calm[i] = late[i] = 2;
	late[500] = 1;
	assert_false(settle_step(&s, &r));
	r.previous = late;
	r.current = calm;
	assert_false(settle_step(&s, &r));
	r.previous = calm;
	assert_false(settle_step(&s, &r));
	assert_true(settle_step(&s, &r));
}

/*
 * So many of the displaced answer, the first ones, and the bystanders all the
 * time.  settled, still: the first round in which it is; -1 never.
 */
#define DISPLACED_MAX 60
#define BYSTANDERS 40
static const struct {
	const char *why;
	int displaced, n_rounds;
	int heard[10];
	int settled, still;
} silences[] = {
	{ "all answer", 60, 4, { 60, 60, 60, 60 }, 2, 2 },
	{ "all are dropped for five rounds", 60, 8,
	    { 0, 0, 0, 0, 0, 60, 60, 60 }, 7, 2 },
	{ "they come back by and by", 60, 8, { 5, 15, 25, 35, 45, 50, 50, 50 },
	    7, 7 },
	{ "some are silent for good", 60, 3, { 40, 40, 40 }, 2, 2 },
	{ "a few more, as by loss", 60, 4, { 56, 58, 57, 58 }, 2, 2 },
	{ "dropped after a calm round", 60, 6, { 60, 60, 10, 10, 10, 10 }, 4,
	    4 },
	{ "silent for good", 60, 6, { 0, 0, 0, 0, 0, 0 }, -1, 2 },
	{ "the only one is dropped", 1, 7, { 0, 0, 0, 0, 1, 1, 1 }, 6, 2 },
	{ "nobody is displaced", 0, 4, { 0, 0, 0, 0 }, 2, 2 },
};

static void
check_silence(size_t at)
{
	static uint16_t rounds[2][DISPLACED_MAX + BYSTANDERS];
	static uint16_t home[DISPLACED_MAX + BYSTANDERS];
	int n = silences[at].displaced + BYSTANDERS;
	int settled = -1, still = -1;
	struct settle s = { 0 };

	for (int k = 0; k < silences[at].n_rounds; k++) {
		struct settle_round r = { .previous = rounds[(k + 1) % 2],
			.current = rounds[k % 2],
			.home = home,
			.n = (size_t)n,
			.forbidden = first_alone,
			.n_sites = SITES };

		for (int i = 0; i < n; i++) {
			bool is_displaced = i < silences[at].displaced;

			home[i] = is_displaced ? 1 : 3;
			rounds[k % 2][i] =
			    is_displaced && i >= silences[at].heard[k] ? NONE
								       : 3;
		}
		if (k == 0)
			r.previous = NULL;
		if (settle_step(&s, &r) && settled == -1)
			settled = k;
		if (settle_is_still(&s) && still == -1)
			still = k;
		assert_int_equal(s.displaced, silences[at].displaced);
		assert_int_equal(s.answered, silences[at].heard[k]);
	}
	if (settled != silences[at].settled || still != silences[at].still) {
		fail_msg("%s: settled in round %d, still in %d",
		    silences[at].why, settled, still);
	}
}

static void
test_silence_of_the_displaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(silences); i++)
		check_silence(i);
}

/* In so many rounds, of which each loses one answer in five by chance. */
static int
rounds_under_loss(uint32_t *seed, int max)
{
	static uint16_t rounds[2][DISPLACED_MAX], home[DISPLACED_MAX];
	struct settle s = { 0 };

	for (int k = 0; k < max; k++) {
		struct settle_round r = {
			.previous = k == 0 ? NULL : rounds[(k + 1) % 2],
			.current = rounds[k % 2],
			.home = home,
			.n = DISPLACED_MAX,
			.forbidden = first_alone,
			.n_sites = SITES
		};

		for (int i = 0; i < DISPLACED_MAX; i++) {
			*seed = *seed * 1664525u + 1013904223u;
			home[i] = 1;
			rounds[k % 2][i] = (*seed >> 8) % 5 == 0 ? NONE : 2;
		}
		if (settle_step(&s, &r))
			return k + 1;
	}
	return max + 1;
}

static void
test_loss_does_not_hold_it_up(void **state)
{
	uint32_t seed = 1;
	int sum = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int n = rounds_under_loss(&seed, 20);

		assert_in_range(n, 3, 20);
		sum += n;
	}
	/* Of 3 that it takes without any. */
	assert_true(sum < 3500);
}

static void
test_moved_permille(void **state)
{
	static uint16_t a[1000], b[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		a[i] = b[i] = 2;
	assert_int_equal(settle_moved_permille(a, b, 0), 1000);
	assert_int_equal(settle_moved_permille(a, b, 1000), 0);
	for (unsigned i = 0; i < 1000; i++) {
		b[i] = 3;
		assert_int_equal(settle_moved_permille(a, b, 1000), i + 1);
	}
	/* The silent are no part of it. */
	for (int i = 0; i < 500; i++)
		b[i] = NONE;
	assert_int_equal(settle_moved_permille(a, b, 1000), 1000);
	for (int i = 500; i < 750; i++)
		b[i] = 2;
	assert_int_equal(settle_moved_permille(a, b, 1000), 500);
	memset(b, NONE, sizeof(b));
	assert_int_equal(settle_moved_permille(a, b, 1000), 1000);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_client_of_each_kind),
		cmocka_unit_test(test_blocks_count_once),
		cmocka_unit_test(test_shares_add_up),
		cmocka_unit_test(test_unknown_column_is_never_renormalised),
		cmocka_unit_test(test_no_clients_make_an_empty_map),
		cmocka_unit_test(test_null_distance),
		cmocka_unit_test(test_every_class_has_its_sentinel),
		cmocka_unit_test(test_sentinels_take_what_there_is),
		cmocka_unit_test(test_settle_courses),
		cmocka_unit_test(test_forbidden_round_is_none_of_the_three),
		cmocka_unit_test(test_silence_of_the_displaced),
		cmocka_unit_test(test_loss_does_not_hold_it_up),
		cmocka_unit_test(test_moved_permille),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
