/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/room.h"

#include "test.h"

#define N ((size_t)4)

static const struct room_conf conf = { .limit_percent = 90,
	.margin_percent = 10 };

static void
fill(struct room_site *s)
{
	for (size_t i = 0; i < N; i++) {
		s[i] = (struct room_site){ true, true, true, 50, 100, 0 };
	}
}

static void
test_what_fits_fits_with_margin(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 36, 14, 0 };
	struct room_landing landing = { .level1 = lands };
	struct room_answer a;

	(void)state;
	fill(s);
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_OK); /* 50 + 39.6 of 90 */
	lands[1] = 37;                        /* 50 + 40.7 */
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.heir, 1);
	assert_true(a.after == ROOM_NONE);
	assert_true(a.lands > 40.6 && a.lands < 40.8);
	assert_true(a.capacity == 90);
}

static void
test_the_second_level_counts(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 10, 0, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = { .level1 = lands, .level2 = both };
	struct room_answer a;

	(void)state;
	fill(s);
	landing.goes = 10;
	both[1 * N + 2] = 60; /* site 0 and then site 1 lost */
	both[3 * N + 2] = 99; /* site 3 inherits nothing: not looked at */
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.heir, 2);
	assert_int_equal(a.after, 1);
	s[1].load = 20;
	both[1 * N + 2] = 30;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_OK);
}

/* No map of the two is no reason to refuse, and is said. */
static void
test_a_missing_second_map_is_said(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 10, 10, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = { .level1 = lands, .level2 = both };
	struct room_answer a;

	(void)state;
	fill(s);
	landing.goes = 20;
	both[1 * N] = -1;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_true(a.heir == ROOM_NONE);
	assert_int_equal(a.after, 1);
	/* A full one is the worse news, also behind it. */
	both[2 * N + 3] = 60;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.heir, 3);
	assert_int_equal(a.after, 2);
	/* And the first level goes before the second. */
	s[2].has_load = false;
	both[2 * N + 3] = 0;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 2);
	assert_true(a.after == ROOM_NONE);
}

/* Clients of which a map does not tell where they go may all go to one site. */
static void
test_what_is_lost_may_land_anywhere(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 20, 20, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = { .goes = 50, .level1 = lands };
	struct room_answer a;

	(void)state;
	fill(s);
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_OK); /* 50 + 22 + 11 of 90 */
	landing.goes = 60;                    /* 20 are lost */
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 1);
	assert_true(a.lost > 21.9 && a.lost < 22.1);
	assert_true(a.lands > 21.9 && a.lands < 22.1);
	/* Also at one that no map calls an heir. */
	s[1].load = s[2].load = 10;
	s[3].load = 80;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 3);
	/* Unless it announces nothing. */
	s[3].announces = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_OK);
	/* At the second level there are the heir's own as well. */
	landing.level2 = both;
	s[2].load = 15;
	both[1 * N + 2] = both[2 * N + 1] = 60;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN); /* 15 + 66 + 11 of 90 */
	assert_int_equal(a.heir, 2);
	assert_int_equal(a.after, 1);
}

/* What withdrawn sites brought counts as what lands: with the margin. */
static void
test_what_has_landed_is_in_use(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 20, 20, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = {
		.goes = 40, .level1 = lands, .level2 = both
	};
	struct room_answer a;

	(void)state;
	fill(s);
	both[1 * N + 2] = both[2 * N + 1] = 20;
	both[1 * N + 3] = both[2 * N + 3] = 1;
	s[3].load = 0;
	s[3].capacity = 1000;
	s[1].load = s[2].load = 30;
	landing.level2 = NULL;
	s[1].landed = 34;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_OK); /* 30 + 37.4 + 22 of 90 */
	s[1].landed = 36;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.heir, 1);
	assert_true(a.load > 69.5 && a.load < 69.7);
	/* At the second level those that landed at the heir go on. */
	s[1].landed = 20;
	landing.level2 = both;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 2);
	assert_int_equal(a.after, 1);
	assert_true(a.lost > 75.8 && a.lost < 76); /* 1.1 * 69 of 40 + 50 */
}

/* A dead heir's clients are among the others' already: they do not come twice. */
static void
test_a_dead_heir_is_not_lost_next(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 10, 10, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = {
		.goes = 20, .level1 = lands, .level2 = both
	};
	struct room_answer a;

	(void)state;
	fill(s);
	s[1].announces = false;
	s[2].load = 70;
	s[2].capacity = 115;
	both[1 * N + 2] = 70; /* all of the site's 20, and its own 50 */
	both[2 * N + 3] = 30;
	both[2 * N + 1] = 50;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 1);
	assert_true(a.after == ROOM_NONE);
	s[1].announces = true;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.after, 1);
}

static void
test_an_heir_of_next_to_nothing_is_not_lost_next(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 10, 0.09, 0 };
	double both[N * N] = { 0 };
	struct room_landing landing = { .level1 = lands, .level2 = both };

	(void)state;
	fill(s);
	landing.goes = 10.09;
	s[1].load = s[2].load = 1;
	both[1 * N + 2] = 11.09;
	both[2 * N] = -1;
	assert_true(room_is_next(lands, N, 0, 1));
	assert_false(room_is_next(lands, N, 0, 2));
	assert_false(room_is_next(lands, N, 0, 3));
	assert_false(room_is_next(lands, N, 1, 1));
	assert_int_equal(room_check(s, N, 0, &landing, &conf).verdict, ROOM_OK);
	lands[2] = 0.11;
	landing.goes = 10.11;
	assert_true(room_is_next(lands, N, 0, 2));
	assert_int_equal(room_check(s, N, 0, &landing, &conf).verdict,
	    ROOM_UNKNOWN);
	/* Where nothing lands nobody is. */
	lands[1] = lands[2] = 0;
	assert_false(room_is_next(lands, N, 0, 1));
}

static void
test_what_is_not_known_is_said(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0, 10, 10, 0 };
	struct room_landing landing = { .level1 = lands };
	struct room_answer a;

	(void)state;
	fill(s);
	s[1].has_load = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 1);
	/* A full one is the worse news. */
	s[2].load = 89;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_FULL);
	assert_int_equal(a.heir, 2);
	/* An heir that is withdrawn now inherits nothing: the map is of another
	 * time. */
	fill(s);
	s[2].announces = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 2);
}

/* Nothing lands by the map, since it knows of nobody: that is no room. */
static void
test_who_is_lost_needs_somebody(void **state)
{
	struct room_site s[N];
	double lands[N] = { 0 };
	struct room_landing landing = { .goes = 10, .level1 = lands };
	struct room_answer a;

	(void)state;
	fill(s);
	assert_int_equal(room_check(s, N, 0, &landing, &conf).verdict, ROOM_OK);
	s[2].has_load = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 2);
	assert_true(a.lost == 0);
	s[2].has_load = true;
	s[3].has_capacity = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_int_equal(a.heir, 3);
	/* As little as this is the noise of the map. */
	lands[1] = 9.95;
	assert_int_equal(room_check(s, N, 0, &landing, &conf).verdict, ROOM_OK);
	/* Nobody else announces. */
	lands[1] = 0;
	s[1].announces = s[2].announces = s[3].announces = false;
	a = room_check(s, N, 0, &landing, &conf);
	assert_int_equal(a.verdict, ROOM_UNKNOWN);
	assert_true(a.heir == ROOM_NONE && a.after == ROOM_NONE);
	assert_true(a.lost == 10);
	/* Where nothing goes nobody is needed. */
	landing.goes = 0;
	assert_int_equal(room_check(s, N, 0, &landing, &conf).verdict, ROOM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits_fits_with_margin),
		cmocka_unit_test(test_the_second_level_counts),
		cmocka_unit_test(test_a_missing_second_map_is_said),
		cmocka_unit_test(test_what_is_lost_may_land_anywhere),
		cmocka_unit_test(test_what_has_landed_is_in_use),
		cmocka_unit_test(test_a_dead_heir_is_not_lost_next),
		cmocka_unit_test(
		    test_an_heir_of_next_to_nothing_is_not_lost_next),
		cmocka_unit_test(test_what_is_not_known_is_said),
		cmocka_unit_test(test_who_is_lost_needs_somebody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
