/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_order.h"

#include <stdlib.h>
#include <string.h>

#include "sweep_fixture.h"
#include "test.h"

#define TARGETS_MAX 20000u

static struct addr addrs[TARGETS_MAX];
static uint32_t order[TARGETS_MAX];
static uint32_t block_of[TARGETS_MAX];
static uint32_t n_blocks;

/* Host `host` of /24 number `block`, or of the /48 of that number. */
static struct addr
host_of(bool is_ipv4, uint32_t block, uint32_t host)
{
	struct addr a = fixture_addr(is_ipv4 ? "10.0.0.0" : "2001:db8::");

	if (is_ipv4) {
		a.b[13] = (uint8_t)(block >> 8);
		a.b[14] = (uint8_t)block;
	} else {
		a.b[4] = (uint8_t)(block >> 8);
		a.b[5] = (uint8_t)block;
		a.b[14] = (uint8_t)(host >> 8);
	}
	a.b[15] = (uint8_t)host;
	return a;
}

static void
build(uint32_t n, uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	n_blocks = sweep_order_build(addrs, order, block_of, n, seed);
}

static void
assert_permutation(uint32_t n)
{
	uint8_t *seen = calloc(n > 0 ? n : 1, 1);

	assert_non_null(seen);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(order[i] < n);
		assert_int_equal(seen[order[i]]++, 0);
	}
	free(seen);
}

/* Equal blocks, half of them IPv6: block b has its hosts at b * hosts. */
static uint32_t
equal_blocks(uint32_t blocks, uint32_t hosts)
{
	for (uint32_t b = 0; b < blocks; b++) {
		for (uint32_t h = 0; h < hosts; h++)
			addrs[b * hosts + h] = host_of(b % 2 == 0, b, h);
	}
	return blocks * hosts;
}

/* Every target once: none is forgotten, none gets two probes. */
static void
test_order_is_a_permutation(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= 64; n++) {
		(void)equal_blocks(n, 1);
		build(n, n);
		assert_permutation(n);
	}
	(void)equal_blocks(1, 255);
	build(255, 1);
	assert_permutation(255);
	(void)equal_blocks(100, 200);
	build(TARGETS_MAX, 2);
	assert_permutation(TARGETS_MAX);
}

static void
test_same_seed_same_order(void **state)
{
	uint32_t n = equal_blocks(50, 40);
	uint32_t first[50 * 40];

	(void)state;
	build(n, 12345);
	memcpy(first, order, sizeof(first));
	build(n, 12345);
	assert_memory_equal(order, first, sizeof(first));
	build(n, 12346);
	assert_memory_not_equal(order, first, sizeof(first));
}

/* Round-robin: a block of equal ones comes again after all the others. */
static void
test_equal_blocks_take_turns(void **state)
{
	const uint32_t blocks = 100, hosts = 200;
	uint32_t n = equal_blocks(blocks, hosts);
	uint32_t last[100];

	(void)state;
	build(n, 99);
	memset(last, 0xff, sizeof(last));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t block = order[i] / hosts;

		if (last[block] != UINT32_MAX) {
			assert_in_range(i - last[block], blocks - 2,
			    blocks + 2);
		}
		last[block] = i;
	}
}

/* Else a large block among single hosts would get the whole rate at the end. */
static void
test_large_block_is_spread_over_all(void **state)
{
	const uint32_t large = 250, singles = 9750;
	uint32_t n = large + singles;
	uint32_t last = 0, shortest = UINT32_MAX, longest = 0;

	(void)state;
	for (uint32_t i = 0; i < large; i++)
		addrs[i] = host_of(true, 60000, i);
	for (uint32_t i = 0; i < singles; i++)
		addrs[large + i] = host_of(true, i, 7);
	build(n, 5);
	assert_permutation(n);
	for (uint32_t i = 0, seen = 0; i < n; i++) {
		if (order[i] >= large)
			continue;
		if (seen++ > 0 && i - last < shortest)
			shortest = i - last;
		if (i - last > longest)
			longest = i - last;
		last = i;
	}
	assert_in_range(shortest, 10, 40); /* 40 is the mean */
	assert_in_range(longest, 40, 80);
}

/* Hosts and blocks must not be visited in the order of their numbers. */
static void
test_hosts_come_in_random_order(void **state)
{
	uint32_t n = equal_blocks(1, 200);
	uint32_t ascending = 0;

	(void)state;
	build(n, 3);
	for (uint32_t i = 1; i < n; i++)
		ascending += order[i] > order[i - 1];
	assert_in_range(ascending, 70, 130);
}

/* A subset may name a target twice; it is visited twice. */
static void
test_repeated_targets_stay(void **state)
{
	uint32_t index[] = { 3, 3, 3, 5 };
	uint32_t block[TEST_COUNT(index)];
	uint32_t sum = 0;

	(void)state;
	(void)equal_blocks(3, 2);
	assert_int_equal(sweep_order_build(addrs, index, block,
			     TEST_COUNT(index), 1),
	    2);
	for (size_t i = 0; i < TEST_COUNT(index); i++)
		sum += index[i];
	assert_int_equal(sum, 14);
}

/* The gap between probes to one block is kept by these numbers. */
static void
test_blocks_are_numbered(void **state)
{
	const uint32_t blocks = 40, hosts = 25;
	uint32_t n = equal_blocks(blocks, hosts);
	uint32_t number[40];

	(void)state;
	build(n, 8);
	assert_int_equal(n_blocks, blocks);
	memset(number, 0xff, sizeof(number));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = order[i] / hosts;

		assert_true(block_of[i] < blocks);
		if (number[b] == UINT32_MAX)
			number[b] = block_of[i];
		assert_int_equal(block_of[i], number[b]);
	}
	for (uint32_t a = 0; a < blocks; a++) {
		for (uint32_t b = 0; b < a; b++)
			assert_int_not_equal(number[a], number[b]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_a_permutation),
		cmocka_unit_test(test_same_seed_same_order),
		cmocka_unit_test(test_equal_blocks_take_turns),
		cmocka_unit_test(test_large_block_is_spread_over_all),
		cmocka_unit_test(test_hosts_come_in_random_order),
		cmocka_unit_test(test_repeated_targets_stay),
		cmocka_unit_test(test_blocks_are_numbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
