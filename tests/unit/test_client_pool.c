/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/client_pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define HALF_LIFE_MS INT64_C(1000)
/* Any clock: it does not begin at zero. */
#define START_MS INT64_C(123456789012)

static struct client_pool *
pool(uint32_t clients, uint32_t blocks, uint32_t per_block)
{
	struct client_pool_limits limits = { .clients = clients,
		.blocks = blocks,
		.per_block = per_block,
		.half_life_ms = HALF_LIFE_MS,
		.seed = "0123456789abcde" };

	return client_pool_new(&limits);
}

static void
see(struct client_pool *cp, const char *addr, double weight, int64_t after_ms)
{
	struct client_sighting s = { .weight = weight,
		.at_ms = START_MS + after_ms,
		.last_seen = 1700000000 + after_ms / 1000 };

	assert_int_equal(addr_parse(addr, &s.addr, NULL), 0);
	client_pool_add(cp, &s);
}

static void
see_number(struct client_pool *cp, uint32_t block, uint8_t host, double weight)
{
	struct client_sighting s = { .weight = weight, .at_ms = START_MS };

	s.addr = addr_from_in((struct in_addr){
	    .s_addr = htonl((block + 0x10000) << 8 | host) });
	client_pool_add(cp, &s);
}

/* All clients in a block of its exact size; the caller frees. */
static struct client *
list(const struct client_pool *cp, int64_t after_ms, size_t *n)
{
	struct client *out;

	*n = client_pool_count(cp);
	out = malloc(*n * sizeof(*out) + (*n == 0));
	assert_non_null(out);
	client_pool_list(cp, START_MS + after_ms, out);
	for (size_t i = 1; i < *n; i++) {
		assert_true(memcmp(out[i - 1].addr.b, out[i].addr.b, 16) < 0);
	}
	return out;
}

/* The client's weight, -1 if it is not there. */
static double
weight_of(const struct client_pool *cp, const char *addr, int64_t after_ms)
{
	double found = -1;
	struct addr a;
	size_t n;
	struct client *all = list(cp, after_ms, &n);

	assert_int_equal(addr_parse(addr, &a, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		if (addr_equal(&all[i].addr, &a))
			found = all[i].weight;
	}
	free(all);
	return found;
}

static void
assert_near(double got, double want)
{
	if (fabs(got - want) > 1e-9 * (1 + fabs(want)))
		fail_msg("%.12g, expected %.12g", got, want);
}

static void
test_adds_up_and_keeps_both_families(void **state)
{
	struct client_pool *cp = pool(100, 100, 4);
	struct client_pool_stats st;
	size_t n;
	struct client *all;

	(void)state;
	see(cp, "2a00:1450:1:2:3:4:5:6", 7, 0);
	see(cp, "8.8.8.8", 2, 0);
	see(cp, "8.8.8.8", 3, 0);
	see(cp, "8.8.8.9", 1, 0);
	see(cp, "2a00:1450:1::6", 0.5, 0);
	all = list(cp, 0, &n);
	assert_int_equal(n, 4);
	assert_near(all[0].weight, 5);
	assert_int_equal(all[0].last_seen, 1700000000);
	free(all);
	assert_near(weight_of(cp, "2a00:1450:1:2:3:4:5:6", 0), 7);
	assert_near(weight_of(cp, "2a00:1450:1::6", 0), 0.5);
	client_pool_stats(cp, START_MS, &st);
	assert_int_equal(st.clients, 4);
	assert_int_equal(st.clients_ipv4, 2);
	assert_int_equal(st.blocks, 2);
	assert_near(st.weight, 13.5);
	client_pool_free(cp);
}

static void
test_weight_halves_with_each_half_life(void **state)
{
	struct client_pool *cp = pool(10, 10, 4);
	struct client_pool_stats st;

	(void)state;
	see(cp, "8.8.8.8", 8, 0);
	assert_near(weight_of(cp, "8.8.8.8", 0), 8);
	assert_near(weight_of(cp, "8.8.8.8", 1000), 4);
	assert_near(weight_of(cp, "8.8.8.8", 3000), 1);
	see(cp, "8.8.8.8", 1, 3000);
	assert_near(weight_of(cp, "8.8.8.8", 3000), 2);
	client_pool_stats(cp, START_MS + 4000, &st);
	assert_near(st.weight, 1);
	client_pool_free(cp);
}

/* A flow export comes minutes after the flow, and in any order. */
static void
test_late_sighting_counts_by_its_age(void **state)
{
	struct client_pool *early = pool(10, 10, 4);
	struct client_pool *late = pool(10, 10, 4);

	(void)state;
	see(early, "8.8.8.8", 4, 0);
	see(early, "8.8.8.8", 1, 2000);
	see(late, "8.8.8.8", 1, 2000);
	see(late, "8.8.8.8", 4, 0);
	assert_near(weight_of(early, "8.8.8.8", 2000), 2);
	assert_near(weight_of(late, "8.8.8.8", 2000), 2);
	see(late, "8.8.4.4", 1e15, -HALF_LIFE_MS * 100000);
	assert_near(weight_of(late, "8.8.4.4", 2000), 0);
	client_pool_free(early);
	client_pool_free(late);
}

/* Years of half-lives: nothing overflows, nothing old comes back. */
static void
test_landmark_moves(void **state)
{
	struct client_pool *cp = pool(10, 10, 4);
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		see(cp, "8.8.8.8", 1, at);
		at += HALF_LIFE_MS;
	}
	at -= HALF_LIFE_MS;
	assert_near(weight_of(cp, "8.8.8.8", at), 2);
	at += HALF_LIFE_MS * 1000000;
	see(cp, "8.8.4.4", 3, at);
	assert_near(weight_of(cp, "8.8.8.8", at), 0);
	assert_near(weight_of(cp, "8.8.4.4", at), 3);
	assert_near(weight_of(cp, "8.8.4.4", at + HALF_LIFE_MS * 100000), 0);
	client_pool_free(cp);
}

/* Space-saving: no more than per_block clients, their weights are the
 * block's, and whoever has more than its share of it is never lost. */
static void
test_block_keeps_its_heaviest(void **state)
{
	struct client_pool *cp = pool(100, 100, 4);
	struct client_pool_stats st;
	struct client *all;
	double sum = 0;
	size_t n;

	(void)state;
	for (int round = 0; round < 50; round++) {
		see(cp, "8.8.8.8", 50, 0);
		for (unsigned host = 100; host < 200; host++)
			see_number(cp, 0x080808 - 0x10000, (uint8_t)host, 0.5);
	}
	all = list(cp, 0, &n);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		sum += all[i].weight;
	free(all);
	assert_near(sum, 5000);
	assert_true(weight_of(cp, "8.8.8.8", 0) >= 2500);
	client_pool_stats(cp, START_MS, &st);
	assert_int_equal(st.blocks, 1);
	assert_near(st.weight, 5000);
	assert_true(st.replaced > 0);
	assert_int_equal(st.evicted_blocks, 0);
	client_pool_free(cp);
}

/* A flood of spoofed sources neither grows the pool nor drives out clients
 * with traffic. */
static void
test_flood_drives_out_the_lightest_only(void **state)
{
	struct client_pool *cp = pool(1000, 1000, 4);
	struct client_pool_stats st;
	unsigned kept = 0;
	size_t bytes = client_pool_bytes(cp), n;
	struct client *all;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		see_number(cp, i, 1, 10);
	for (uint32_t i = 0; i < 200000; i++)
		see_number(cp, 1000 + i, (uint8_t)i, 1);
	all = list(cp, 0, &n);
	for (size_t i = 0; i < n; i++)
		kept += all[i].weight > 9;
	free(all);
	assert_int_equal(kept, 500);
	assert_true(n <= 1000);
	client_pool_stats(cp, START_MS, &st);
	assert_true(st.blocks <= 1000);
	assert_int_equal(st.evicted_clients + n, 200500);
	assert_int_equal(st.evicted_blocks, st.evicted_clients);
	assert_int_equal(client_pool_bytes(cp), bytes);
	client_pool_free(cp);
}

/* The limit on clients is one of its own: here blocks would still fit. */
static void
test_clients_are_bounded_too(void **state)
{
	struct client_pool *cp = pool(1024, 1024, 64);
	struct client_pool_stats st;

	(void)state;
	for (unsigned host = 0; host < 60; host++)
		see_number(cp, 1, (uint8_t)host, 100);
	for (uint32_t i = 0; i < 100000; i++)
		see_number(cp, 2 + i % 29, (uint8_t)(i % 200), 1);
	client_pool_stats(cp, START_MS, &st);
	assert_true(st.clients <= 1024);
	assert_true(st.evicted_clients > 0);
	assert_true(st.blocks >= 2);
	assert_near(weight_of(cp, "1.0.1.5", 0), 100);
	client_pool_free(cp);
}

static void
test_smallest_pool(void **state)
{
	struct client_pool *cp = pool(1, 1, 1);

	(void)state;
	see(cp, "8.8.8.8", 1, 0);
	see(cp, "8.8.8.9", 1, 0);
	assert_near(weight_of(cp, "8.8.8.9", 0), 1);
	see(cp, "9.9.9.9", 1, 0);
	assert_near(weight_of(cp, "9.9.9.9", 0), 1);
	assert_int_equal(client_pool_count(cp), 1);
	client_pool_free(cp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_up_and_keeps_both_families),
		cmocka_unit_test(test_weight_halves_with_each_half_life),
		cmocka_unit_test(test_late_sighting_counts_by_its_age),
		cmocka_unit_test(test_landmark_moves),
		cmocka_unit_test(test_block_keeps_its_heaviest),
		cmocka_unit_test(test_flood_drives_out_the_lightest_only),
		cmocka_unit_test(test_clients_are_bounded_too),
		cmocka_unit_test(test_smallest_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
