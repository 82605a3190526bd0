/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_list.h"

#include "test.h"

static const struct addr addrs[8] = { { { 1 } }, { { 2 } }, { { 3 } },
	{ { 4 } }, { { 5 } }, { { 6 } }, { { 7 } }, { { 8 } } };

static int
add(struct sweep_lists *ls, uint32_t list, uint32_t total, uint32_t first,
    uint32_t n)
{
	struct sweep_targets part = { .list = list,
		.total = total,
		.first = first,
		.n = n,
		.addrs = &addrs[first % 8] };

	return sweep_lists_add(ls, &part, NULL);
}

static void
test_parts_make_a_list(void **state)
{
	struct sweep_lists ls = { { NULL } };
	const struct sweep_list *l;

	(void)state;
	assert_int_equal(add(&ls, 1, 5, 0, 2), 0);
	assert_null(sweep_lists_use(&ls, 1, NULL)); /* incomplete */
	assert_int_equal(add(&ls, 1, 5, 2, 3), 0);
	l = sweep_lists_use(&ls, 1, NULL);
	assert_non_null(l);
	assert_int_equal(l->total, 5);
	assert_memory_equal(l->addrs, addrs, 5 * sizeof(addrs[0]));
	assert_null(sweep_lists_use(&ls, 2, NULL));
	assert_int_equal(add(&ls, 2, 0, 0, 0), 0);
	assert_non_null(sweep_lists_use(&ls, 2, NULL)); /* empty */
	sweep_lists_fini(&ls);
}

/* A list with a hole would credit replies to the wrong clients. */
static void
test_wrong_part_drops_the_list(void **state)
{
	static const struct {
		uint32_t total, first, n;
	} wrong[] = {
		{ 6, 3, 1 }, /* a gap */
		{ 6, 1, 1 }, /* again */
		{ 7, 2, 1 }, /* another total */
		{ 6, 2, 5 }, /* beyond the end */
		{ 2, 0, 3 }, /* beyond the end, at once */
		{ SWEEP_LIST_TARGETS_MAX + 1, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
		struct sweep_lists ls = { { NULL } };

		assert_int_equal(add(&ls, 1, 6, 0, 2), 0);
		assert_int_equal(add(&ls, 2, 1, 0, 1), 0);
		assert_int_equal(add(&ls, 1, wrong[i].total, wrong[i].first,
				     wrong[i].n),
		    -1);
		assert_int_equal(add(&ls, 1, 6, 2, 1), -1); /* it is gone */
		assert_non_null(sweep_lists_use(&ls, 2, NULL));
		sweep_lists_fini(&ls);
	}
}

static bool
has(struct sweep_lists *ls, uint32_t list)
{
	return sweep_lists_use(ls, list, NULL) != NULL;
}

/* One that is asked from time to time must not make room for those that come
 * and go meanwhile. */
static void
test_those_used_last_are_kept(void **state)
{
	struct sweep_lists ls = { { NULL } };
	uint32_t list;

	(void)state;
	for (list = 1; list <= SWEEP_LISTS_KEPT; list++)
		assert_int_equal(add(&ls, list, 1, 0, 1), 0);
	assert_true(has(&ls, 1));
	for (; list <= 2 * SWEEP_LISTS_KEPT - 1; list++)
		assert_int_equal(add(&ls, list, 1, 0, 1), 0);
	assert_true(has(&ls, 1));
	for (uint32_t i = 2; i <= SWEEP_LISTS_KEPT; i++)
		assert_false(has(&ls, i));
	for (uint32_t i = SWEEP_LISTS_KEPT + 1; i < list; i++)
		assert_true(has(&ls, i));
	/* Given anew it takes its own place, not that of another. */
	assert_int_equal(add(&ls, 1, 2, 0, 2), 0);
	assert_int_equal(sweep_lists_use(&ls, 1, NULL)->total, 2);
	assert_true(has(&ls, SWEEP_LISTS_KEPT + 1));
	sweep_lists_fini(&ls);
}

/* A running job reads its list until the end. */
static void
test_held_list_outlives_its_place(void **state)
{
	struct sweep_lists ls = { { NULL } };
	struct sweep_list *held;

	(void)state;
	assert_int_equal(add(&ls, 1, 2, 0, 2), 0);
	held = sweep_list_hold(sweep_lists_use(&ls, 1, NULL));
	assert_int_equal(add(&ls, 1, 1, 0, 1), 0);
	assert_int_equal(add(&ls, 2, 1, 0, 1), 0);
	assert_int_equal(add(&ls, 3, 1, 0, 1), 0);
	assert_int_equal(held->total, 2);
	assert_memory_equal(held->addrs, addrs, 2 * sizeof(addrs[0]));
	sweep_list_release(held);
	sweep_list_release(NULL);
	sweep_lists_fini(&ls);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_make_a_list),
		cmocka_unit_test(test_wrong_part_drops_the_list),
		cmocka_unit_test(test_those_used_last_are_kept),
		cmocka_unit_test(test_held_list_outlives_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
