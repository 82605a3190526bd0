/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/beat.h"

#include <stdio.h>

#include "test.h"

#define NOW_MS 123456789LL
#define PROBES 100

static const struct mono now = { .us = NOW_MS * 1000 };

static struct conf_probe
probe_of(enum probe_kind kind, char *target, int64_t interval_ms)
{
	return (struct conf_probe){
		.kind = kind, .target = target, .interval_ms = interval_ms
	};
}

static int64_t
late_us(enum probe_kind kind, int64_t interval_ms, int64_t due_us)
{
	static char target[] = "192.0.2.1:80";
	struct conf_probe cp = probe_of(kind, target, interval_ms);
	struct mono due = { .us = due_us };

	return beat_begin(&cp, interval_ms, due).us - due_us;
}

static void
test_begins_on_the_grid(void **state)
{
	(void)state;
	assert_int_equal(late_us(PROBE_TCP, 1000, 7000000), 0);
	assert_int_equal(late_us(PROBE_TCP, 1000, 7000001), 49999);
	assert_int_equal(late_us(PROBE_FILE, 3600000, 7050001), 49999);
	assert_int_equal(late_us(PROBE_HTTP, 500, 7000001), 24999);
	assert_int_equal(late_us(PROBE_ICMP, 200, 7000001), 9999);
	assert_int_equal(late_us(PROBE_DNS, 50, 7000001), 1999);
	/* No step divides it, or even the smallest is too long. */
	assert_int_equal(late_us(PROBE_TCP, 1237, 7000001), 0);
	assert_int_equal(late_us(PROBE_TCP, 10, 7000001), 0);
	assert_int_equal(late_us(PROBE_EXEC, 1000, 7000001), 0);
}

/* Never before it is due, never later than a twentieth, and in the beat. */
static void
test_stays_in_the_beat(void **state)
{
	(void)state;
	for (int64_t interval_ms = 10; interval_ms < 3000; interval_ms++) {
		for (int64_t i = 0; i < 50; i++) {
			int64_t due_us = NOW_MS * 1000 + i * 1777;
			int64_t late = late_us(PROBE_TCP, interval_ms, due_us);

			assert_in_range(late, 0, interval_ms * 1000 / 20);
			assert_int_equal(late_us(PROBE_TCP, interval_ms,
					     due_us + interval_ms * 1000),
			    late);
		}
	}
}

/* How many of them begin together, at most, in any later interval. */
static unsigned
most_together(const struct conf_probe *probes, size_t n)
{
	struct beat_places places = { .taken = { 0 } };
	unsigned counts[1000] = { 0 }, most = 0;

	for (size_t i = 0; i < n; i++) {
		const struct conf_probe *cp = &probes[i];
		int64_t wait_ms = beat_first_wait_ms(&places, cp, i, now);
		struct mono begin;
		unsigned *count;

		assert_in_range(wait_ms, 0, cp->interval_ms - 1);
		begin = beat_begin(cp, cp->interval_ms,
		    mono_add_ms(now, wait_ms + cp->interval_ms));
		count = &counts[begin.us / 1000 % cp->interval_ms];
		if (++*count > most)
			most = *count;
	}
	return most;
}

static void
test_one_service_is_asked_by_few_at_once(void **state)
{
	static char url[] = "http://[2001:db8::1]:80/health",
		    tcp[] = "[2001:db8::1]:80", ping[] = "2001:db8::1";
	struct conf_probe probes[PROBES];

	(void)state;
	for (size_t i = 0; i < PROBES; i++) {
		probes[i] = i % 2 == 0 ? probe_of(PROBE_HTTP, url, 1000)
				       : probe_of(PROBE_TCP, tcp, 1000);
	}
	/* As long as there is room. */
	for (size_t n = 1; n <= 80; n++)
		assert_true(most_together(probes, n) <= 4);
	/* Then even. */
	assert_int_equal(most_together(probes, PROBES), 5);
	for (size_t i = 0; i < PROBES; i++)
		probes[i].interval_ms = 200;
	assert_int_equal(most_together(probes, PROBES), 5);
	/* No kernel minds ten pings. */
	for (size_t i = 0; i < PROBES; i++)
		probes[i] = probe_of(PROBE_ICMP, ping, 1000);
	assert_int_equal(most_together(probes, PROBES), 10);
}

static void
test_first_checks_come_soon(void **state)
{
	struct beat_places places = { .taken = { 0 } };
	static char targets[PROBES][16];

	(void)state;
	for (size_t i = 0; i < PROBES; i++) {
		struct conf_probe cp;

		(void)snprintf(targets[i], sizeof(targets[i]), "h%zu:80", i);
		cp = probe_of(PROBE_TCP, targets[i], 1000);
		assert_int_equal(beat_first_wait_ms(&places, &cp, i, now),
		    5 * i);
	}
}

/* More than a count can hold: they still wait within the interval. */
static void
test_any_number_has_a_place(void **state)
{
	static char target[] = "192.0.2.1:80";
	struct conf_probe cp = probe_of(PROBE_TCP, target, 50);
	struct beat_places places = { .taken = { 0 } };

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		assert_in_range(beat_first_wait_ms(&places, &cp, i, now), 0,
		    49);
	}
	cp.interval_ms = 3600000;
	for (size_t i = 0; i < 20000; i++) {
		assert_in_range(beat_first_wait_ms(&places, &cp, i, now), 0,
		    9999);
	}
}

/* How many wake-ups an interval has, if all checks are in their places. */
static size_t
wake_ups(const struct conf_probe *probes, size_t n, unsigned *most)
{
	struct beat_places places = { .taken = { 0 } };
	unsigned counts[1000 / 50] = { 0 };
	size_t points = 0;

	*most = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t place_ms = beat_place_ms(&places, &probes[i]);
		unsigned *count = &counts[place_ms / 50];

		assert_in_range(place_ms, 0, 999);
		assert_int_equal(place_ms % 50, 0);
		if ((*count)++ == 0)
			points++;
		if (*count > *most)
			*most = *count;
	}
	return points;
}

static void
test_places_are_few(void **state)
{
	static char targets[4000][16];
	static struct conf_probe probes[4000];
	unsigned most;

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		(void)snprintf(targets[i], sizeof(targets[i]), "h%zu:80", i);
		probes[i] = probe_of(i % 2 == 0 ? PROBE_TCP : PROBE_ICMP,
		    targets[i], 1000);
	}
	assert_int_equal(wake_ups(probes, 1, &most), 1);
	assert_int_equal(wake_ups(probes, 100, &most), 1);
	assert_int_equal(wake_ups(probes, 200, &most), 2);
	assert_int_equal(wake_ups(probes, 400, &most), 4);
	assert_int_equal(most, 100);
	assert_int_equal(wake_ups(probes, 2000, &most), 20);
	assert_int_equal(most, 100);
	/* Then even. */
	assert_int_equal(wake_ups(probes, 4000, &most), 20);
	assert_int_equal(most, 200);
}

static void
test_places_of_one_service_are_apart(void **state)
{
	static char url[] = "http://[2001:db8::1]:80/health",
		    tcp[] = "[2001:db8::1]:80", ping[] = "2001:db8::1";
	struct conf_probe probes[PROBES];
	unsigned most;

	(void)state;
	for (size_t i = 0; i < PROBES; i++) {
		probes[i] = i % 2 == 0 ? probe_of(PROBE_HTTP, url, 1000)
				       : probe_of(PROBE_TCP, tcp, 1000);
	}
	for (size_t n = 1; n <= 80; n++) {
		assert_int_equal(wake_ups(probes, n, &most), (n + 3) / 4);
		assert_true(most <= 4);
	}
	assert_int_equal(wake_ups(probes, PROBES, &most), 20);
	assert_int_equal(most, 5);
	for (size_t i = 0; i < PROBES; i++)
		probes[i] = probe_of(PROBE_ICMP, ping, 1000);
	assert_int_equal(wake_ups(probes, PROBES, &most), 20);
	assert_int_equal(most, 5);
	/* What asks nobody has no target, and needs no room. */
	for (size_t i = 0; i < PROBES; i++)
		probes[i] = probe_of(PROBE_ADDRESS, NULL, 1000);
	assert_int_equal(wake_ups(probes, PROBES, &most), 1);
}

/* They meet every two seconds. */
static void
test_places_of_other_intervals_are_apart(void **state)
{
	static char tcp[] = "192.0.2.1:80";
	struct beat_places places = { .taken = { 0 } };
	unsigned counts[20] = { 0 };

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		struct conf_probe cp =
		    probe_of(PROBE_TCP, tcp, i < 4 ? 1000 : 2000);

		counts[beat_place_ms(&places, &cp) / 50 % 20]++;
	}
	for (size_t i = 0; i < 20; i++)
		assert_true(counts[i] <= 4);
}

/* Of a long interval not the first second alone, if that is full. */
static void
test_many_places_of_a_long_interval(void **state)
{
	static char targets[4000][16];
	struct beat_places places = { .taken = { 0 } };
	unsigned counts[200] = { 0 };

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		struct conf_probe cp;

		(void)snprintf(targets[i], sizeof(targets[i]), "h%zu:80", i);
		cp = probe_of(PROBE_FILE, targets[i], 60000);
		counts[beat_place_ms(&places, &cp) / 50]++;
	}
	for (size_t i = 0; i < 200; i++)
		assert_true(counts[i] <= 100);
}

static void
test_some_keep_their_own_time(void **state)
{
	static char target[] = "192.0.2.1:80";
	struct beat_places places = { .taken = { 0 } };
	struct conf_probe cp = probe_of(PROBE_EXEC, target, 1000);
	struct mono last = { .us = 7123456 };

	(void)state;
	assert_int_equal(beat_place_ms(&places, &cp), BEAT_NO_PLACE);
	assert_int_equal(beat_next(&cp, BEAT_NO_PLACE, last).us, 8123456);
	cp = probe_of(PROBE_TCP, target, 950);
	assert_int_equal(beat_place_ms(&places, &cp), BEAT_NO_PLACE);
	cp.interval_ms = 1237;
	assert_int_equal(beat_place_ms(&places, &cp), BEAT_NO_PLACE);
	cp.interval_ms = 1000;
	cp.has_spread = true;
	assert_int_equal(beat_place_ms(&places, &cp), BEAT_NO_PLACE);
	cp.has_spread = false;
	assert_int_equal(beat_place_ms(&places, &cp), 0);
}

/* From its place exactly an interval; from elsewhere back to it, neither too
 * soon nor much too late. */
static void
test_returns_to_its_place(void **state)
{
	static char target[] = "192.0.2.1:80";
	struct conf_probe cp = probe_of(PROBE_TCP, target, 1000);

	(void)state;
	for (int64_t place_ms = 0; place_ms < 1000; place_ms += 50) {
		for (int64_t us = 0; us < 3000000; us += 1777) {
			struct mono last = { .us = us }, next;

			next = beat_next(&cp, place_ms, last);
			assert_int_equal(next.us % 1000000, place_ms * 1000);
			assert_in_range(next.us - us, 500000, 1500000);
			last = next;
			next = beat_next(&cp, place_ms, last);
			assert_int_equal(next.us - last.us, 1000000);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_on_the_grid),
		cmocka_unit_test(test_stays_in_the_beat),
		cmocka_unit_test(test_one_service_is_asked_by_few_at_once),
		cmocka_unit_test(test_first_checks_come_soon),
		cmocka_unit_test(test_any_number_has_a_place),
		cmocka_unit_test(test_places_are_few),
		cmocka_unit_test(test_places_of_one_service_are_apart),
		cmocka_unit_test(test_places_of_other_intervals_are_apart),
		cmocka_unit_test(test_many_places_of_a_long_interval),
		cmocka_unit_test(test_some_keep_their_own_time),
		cmocka_unit_test(test_returns_to_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
