/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed_policy.h"

#include <string.h>

#include "test.h"

#define DAY_MS INT64_C(86400000)
#define NOW_MS INT64_C(1700000000000)

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static struct feed_policy
policy(enum feed_weight weight, const char *const *destinations)
{
	struct conf_feed feed = { .weight = weight };
	struct conf_clients clients = { .half_life_ms = DAY_MS };
	struct prefix list[8];
	struct feed_policy p;
	size_t n = 0;

	for (; destinations != NULL && destinations[n] != NULL; n++)
		list[n] = prefix(destinations[n]);
	clients.destinations = list;
	clients.n_destinations = n;
	feed_policy_init(&p, &feed, &clients);
	return p;
}

static struct feed_record
record(const char *src, const char *dst)
{
	struct feed_record rec = { .packets = 3,
		.bytes = 300,
		.requests = 1,
		.has_dst = dst != NULL };

	assert_int_equal(addr_parse(src, &rec.src, NULL), 0);
	if (dst != NULL)
		assert_int_equal(addr_parse(dst, &rec.dst, NULL), 0);
	return rec;
}

static enum feed_reason
judge(const struct feed_policy *p, const struct feed_record *rec,
    struct client_sighting *out)
{
	const struct feed_now now = { .wall_ms = NOW_MS, .mono_ms = 5000 };

	memset(out, 0, sizeof(*out));
	return feed_policy_judge(p, rec, now, out);
}

static enum feed_reason
judge_pair(const struct feed_policy *p, const char *src, const char *dst)
{
	struct feed_record rec = record(src, dst);
	struct client_sighting s;

	return judge(p, &rec, &s);
}

static void
test_weighs_by_what_was_asked(void **state)
{
	static const double want[] = { 3, 300, 1 };
	struct feed_record rec = record("8.8.8.8", NULL);
	struct client_sighting s;

	(void)state;
	for (enum feed_weight w = 0; w < FEED_WEIGHT_COUNT; w++) {
		struct feed_policy p = policy(w, NULL);

		assert_int_equal(judge(&p, &rec, &s), FEED_OK);
		assert_true(s.weight == want[w]);
		assert_true(s.at_ms == 5000);
		assert_true(s.last_seen == NOW_MS / 1000);
		feed_policy_fini(&p);
	}
}

static void
test_weight_must_be_there_and_sane(void **state)
{
	struct feed_policy p = policy(FEED_PACKETS, NULL);
	struct feed_record rec = record("8.8.8.8", NULL);
	struct client_sighting s;

	(void)state;
	rec.packets = -1;
	assert_int_equal(judge(&p, &rec, &s), FEED_BAD_WEIGHT);
	rec.packets = FEED_NUMBER_MAX * 2;
	assert_int_equal(judge(&p, &rec, &s), FEED_BAD_NUMBER);
	rec.packets = 0;
	assert_int_equal(judge(&p, &rec, &s), FEED_OK);
	feed_policy_fini(&p);
}

static void
test_special_sources_are_no_clients(void **state)
{
	static const char *const never[] = { "0.0.0.0", "::", "127.0.0.1",
		"::1", "224.0.0.1", "ff02::1", "255.255.255.255" };
	static const char *const special[] = { "10.1.2.3", "192.0.2.1",
		"fe80::1", "fc00::1", "2001:db8::1", "100.64.0.1" };
	struct feed_policy p = policy(FEED_PACKETS, NULL);

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(never); i++) {
		assert_int_equal(judge_pair(&p, never[i], NULL), FEED_SPECIAL);
		p.allow_special = true;
		assert_int_equal(judge_pair(&p, never[i], NULL), FEED_SPECIAL);
		p.allow_special = false;
	}
	for (size_t i = 0; i < TEST_COUNT(special); i++) {
		assert_int_equal(judge_pair(&p, special[i], NULL),
		    FEED_SPECIAL);
		p.allow_special = true;
		assert_int_equal(judge_pair(&p, special[i], NULL), FEED_OK);
		p.allow_special = false;
	}
	feed_policy_fini(&p);
}

/* Also of prefixes within each other, and of both families. */
static void
test_only_what_goes_to_us_counts(void **state)
{
	static const char *const ours[] = { "198.41.0.0/24", "198.41.0.4/32",
		"2001:500::/48", "199.9.14.0/24", NULL };
	struct feed_policy p = policy(FEED_PACKETS, ours);

	(void)state;
	assert_int_equal(p.n_destinations, 3);
	assert_int_equal(judge_pair(&p, "8.8.8.8", NULL), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.41.0.0"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.41.0.4"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.41.0.255"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "199.9.14.7"), FEED_OK);
	assert_int_equal(judge_pair(&p, "2a00::1", "2001:500::9"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.41.1.0"),
	    FEED_ELSEWHERE);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.40.255.255"),
	    FEED_ELSEWHERE);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "255.0.0.1"),
	    FEED_ELSEWHERE);
	assert_int_equal(judge_pair(&p, "2a00::1", "2001:501::"),
	    FEED_ELSEWHERE);
	assert_int_equal(judge_pair(&p, "2a00::1", "::"), FEED_ELSEWHERE);
	/* what we answer */
	assert_int_equal(judge_pair(&p, "198.41.0.4", "8.8.8.8"), FEED_OWN);
	assert_int_equal(judge_pair(&p, "2001:500::1", NULL), FEED_OWN);
	feed_policy_fini(&p);
}

/* ::/0 lies around all of IPv4 as addresses are written. */
static void
test_default_routes_take_all_of_their_family(void **state)
{
	static const char *const both[] = { "198.41.0.0/24", "::/0",
		"0.0.0.0/0", NULL };
	static const char *const six[] = { "::/0", "198.41.0.0/24", NULL };
	struct feed_policy p = policy(FEED_PACKETS, both);

	(void)state;
	assert_int_equal(judge_pair(&p, "8.8.8.8", "255.1.1.1"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "198.41.0.1"), FEED_OK);
	assert_int_equal(judge_pair(&p, "2a00::1", "2001:500::1"), FEED_OK);
	feed_policy_fini(&p);
	p = policy(FEED_PACKETS, six);
	assert_int_equal(judge_pair(&p, "2a00::1", "2001:500::1"), FEED_OK);
	assert_int_equal(judge_pair(&p, "2a00::1", "::5"), FEED_OK);
	assert_int_equal(judge_pair(&p, "8.8.8.8", "8.8.4.4"), FEED_ELSEWHERE);
	feed_policy_fini(&p);
}

/* The age counts, not the clock: and nobody is of tomorrow. */
static void
test_times_become_ages(void **state)
{
	struct feed_policy p = policy(FEED_PACKETS, NULL);
	struct feed_record rec = record("8.8.8.8", NULL);
	struct client_sighting s;

	(void)state;
	rec.at_ms = NOW_MS - 90000;
	assert_int_equal(judge(&p, &rec, &s), FEED_OK);
	assert_true(s.at_ms == 5000 - 90000);
	assert_true(s.last_seen == NOW_MS / 1000 - 90);
	rec.at_ms = NOW_MS + DAY_MS;
	assert_int_equal(judge(&p, &rec, &s), FEED_OK);
	assert_true(s.at_ms == 5000);
	assert_true(s.last_seen == NOW_MS / 1000);
	rec.at_ms = NOW_MS - FEED_OLD_HALF_LIVES * DAY_MS;
	assert_int_equal(judge(&p, &rec, &s), FEED_OK);
	rec.at_ms = NOW_MS - (FEED_OLD_HALF_LIVES + 2) * DAY_MS;
	assert_int_equal(judge(&p, &rec, &s), FEED_OLD);
	rec.at_ms = 1;
	assert_int_equal(judge(&p, &rec, &s), FEED_OLD);
	feed_policy_fini(&p);
}

static void
test_senders(void **state)
{
	struct prefix list[] = { prefix("10.0.0.1/32"), prefix("fd00::/8") };
	struct conf_feed feed = { .senders = list, .n_senders = 2 };
	struct conf_clients clients = { .half_life_ms = DAY_MS };
	struct feed_policy p;
	struct addr a;

	(void)state;
	feed_policy_init(&p, &feed, &clients);
	assert_int_equal(addr_parse("10.0.0.1", &a, NULL), 0);
	assert_true(feed_policy_may_send(&p, &a));
	assert_int_equal(addr_parse("10.0.0.2", &a, NULL), 0);
	assert_false(feed_policy_may_send(&p, &a));
	assert_int_equal(addr_parse("fd12::1", &a, NULL), 0);
	assert_true(feed_policy_may_send(&p, &a));
	feed_policy_fini(&p);
	feed.n_senders = 0;
	feed_policy_init(&p, &feed, &clients);
	assert_true(feed_policy_may_send(&p, &a));
	feed_policy_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weighs_by_what_was_asked),
		cmocka_unit_test(test_weight_must_be_there_and_sane),
		cmocka_unit_test(test_special_sources_are_no_clients),
		cmocka_unit_test(test_only_what_goes_to_us_counts),
		cmocka_unit_test(test_default_routes_take_all_of_their_family),
		cmocka_unit_test(test_times_become_ages),
		cmocka_unit_test(test_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
