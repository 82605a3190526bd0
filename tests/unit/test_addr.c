/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <string.h>

#include "test.h"

static struct addr
addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

static struct prefix
prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static void
test_addresses_round_trip(void **state)
{
	static const char *const texts[] = { "0.0.0.0", "192.0.2.1",
		"255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1",
		"1:2:3:4:5:6:7:8" };
	char buf[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		struct addr a = addr_of(texts[i]);

		assert_string_equal(addr_format(&a, buf), texts[i]);
		assert_int_equal(addr_is_ipv4(&a),
		    strchr(texts[i], ':') == NULL);
	}
}

static void
test_nothing_but_an_address(void **state)
{
	static const char *const bad[] = { "", " ", "1.2.3", "1.2.3.4.5",
		"1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "0x1.2.3.4",
		"16909060", "1.2.3.4/32", "fe80::1%eth0", "[::1]",
		":::", "1:2:3:4:5:6:7:8:9", "::g", "localhost",
		"2001:db8::1\n" };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct err err = { .code = ERR_NONE };

		assert_int_equal(addr_parse(bad[i], &a, &err), -1);
		assert_int_equal(err.code, ERR_CONF);
	}
}

/* It would silently turn into an IPv4 address. */
static void
test_mapped_address_is_refused(void **state)
{
	struct err err = { .code = ERR_NONE };
	struct prefix p;
	struct addr a;

	(void)state;
	assert_int_equal(addr_parse("::ffff:192.0.2.1", &a, &err), -1);
	assert_string_equal(err.msg,
	    "::ffff:192.0.2.1: IPv4-mapped IPv6 address is ambiguous, expected "
	    "192.0.2.1");
	assert_int_equal(addr_parse("::ffff:c000:201", &a, NULL), -1);
	assert_int_equal(prefix_parse("::ffff:0:0/96", &p, NULL), -1);
}

static void
test_in_addr_both_ways(void **state)
{
	struct in_addr in = { .s_addr = htonl(0xc0000201) };
	struct addr a = addr_from_in(in);
	struct addr b = addr_of("192.0.2.1");
	struct addr other = addr_of("192.0.2.2");

	(void)state;
	assert_true(addr_equal(&a, &b));
	assert_false(addr_equal(&a, &other));
	assert_int_equal(addr_to_in(&b).s_addr, in.s_addr);
}

/* The first and the last address of each range, and their neighbours. */
static const struct {
	const char *text;
	const char *why; /* begins with; NULL: a host may have it */
} specials[] = {
	{ "0.0.0.0", "this network" },
	{ "0.255.255.255", "this network" },
	{ "1.0.0.0", NULL },
	{ "9.255.255.255", NULL },
	{ "10.0.0.0", "private (RFC 1918)" },
	{ "10.255.255.255", "private (RFC 1918)" },
	{ "11.0.0.0", NULL },
	{ "100.63.255.255", NULL },
	{ "100.64.0.0", "shared" },
	{ "100.127.255.255", "shared" },
	{ "100.128.0.0", NULL },
	{ "127.0.0.1", "loopback" },
	{ "128.0.0.0", NULL },
	{ "169.254.1.1", "link-local" },
	{ "172.15.255.255", NULL },
	{ "172.16.0.0", "private" },
	{ "172.31.255.255", "private" },
	{ "172.32.0.0", NULL },
	{ "192.0.0.8", "IETF" },
	{ "192.0.1.255", NULL },
	{ "192.0.2.255", "documentation" },
	{ "192.0.3.0", NULL },
	{ "192.88.99.1", "6to4" },
	{ "192.168.255.255", "private" },
	{ "192.169.0.0", NULL },
	{ "198.17.255.255", NULL },
	{ "198.18.0.0", "benchmarking" },
	{ "198.19.255.255", "benchmarking" },
	{ "198.20.0.0", NULL },
	{ "198.51.100.1", "documentation" },
	{ "203.0.113.1", "documentation" },
	{ "223.255.255.255", NULL },
	{ "224.0.0.0", "multicast" },
	{ "239.255.255.255", "multicast" },
	{ "240.0.0.0", "reserved" },
	{ "255.255.255.254", "reserved" },
	{ "255.255.255.255", "limited broadcast" },
	{ "::", "unspecified" },
	{ "::1", "loopback" },
	{ "::2", "not global unicast" },
	{ "64:ff9b::1", "IPv4/IPv6 translation (RFC 6052)" },
	{ "64:ff9b:1::1", "IPv4/IPv6 translation (RFC 8215)" },
	{ "100::1", "discard-only" },
	{ "100:0:0:1::1", "dummy" },
	{ "2001::1", "Teredo" },
	{ "2001:2::1", "benchmarking" },
	{ "2001:10::1", "ORCHID (" },
	{ "2001:20::1", "ORCHIDv2" },
	{ "2001:1ff:ffff::", "IETF" },
	{ "2001:200::1", NULL },
	{ "2001:db7:ffff::1", NULL },
	{ "2001:db8::1", "documentation" },
	{ "2001:db9::1", NULL },
	{ "2002:c000:201::1", "6to4" },
	{ "2003::1", NULL },
	{ "2a00:1450::1", NULL },
	{ "3fff:fff::1", "documentation" },
	{ "3fff:1000::1", NULL },
	{ "4000::1", "not global unicast" },
	{ "5f00::1", "segment routing" },
	{ "8000::1", "not global unicast" },
	{ "fc00::1", "unique local" },
	{ "fdff::1", "unique local" },
	{ "fe80::1", "link-local" },
	{ "fec0::1", "site-local" },
	{ "ff02::1", "multicast" },
};

static void
test_special_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(specials); i++) {
		struct addr a = addr_of(specials[i].text);
		const char *why = addr_special(&a);

		if (specials[i].why == NULL) {
			assert_null(why);
			continue;
		}
		assert_non_null(why);
		assert_memory_equal(why, specials[i].why,
		    strlen(specials[i].why));
	}
}

static void
test_never_a_host(void **state)
{
	static const char *const never[] = { "0.0.0.0", "127.0.0.1",
		"224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "::1",
		"ff02::1" };
	static const char *const maybe[] = { "10.0.0.1", "192.0.2.1",
		"100.64.0.1", "1.1.1.1", "2001:db8::1", "fd00::1", "::2" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(never); i++) {
		struct addr a = addr_of(never[i]);

		assert_true(addr_is_never_host(&a));
		assert_non_null(addr_special(&a));
	}
	for (size_t i = 0; i < TEST_COUNT(maybe); i++) {
		struct addr a = addr_of(maybe[i]);

		assert_false(addr_is_never_host(&a));
	}
}

static void
test_prefixes_round_trip(void **state)
{
	static const char *const texts[] = { "0.0.0.0/0", "128.0.0.0/1",
		"192.0.2.0/24", "192.0.2.1/32", "192.0.2.128/25", "::/0",
		"2001:db8::/32", "2001:db8::/127", "2001:db8::1/128" };
	char buf[PREFIX_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		struct prefix p = prefix_of(texts[i]);

		assert_string_equal(prefix_format(&p, buf), texts[i]);
		assert_int_equal(p.is_ipv4, strchr(texts[i], ':') == NULL);
	}
}

static void
test_bad_prefixes(void **state)
{
	static const char *const bad[] = { "", "/", "192.0.2.0", "192.0.2.0/",
		"/24", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/24/1",
		"192.0.2.0/ 24", "192.0.2.0/24 ", "192.0.2/24", "::/129",
		"192.0.2.0/256", "2001:db8::/4294967296",
		"1111111111111111111111111111111111111111111111/8" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct err err = { .code = ERR_NONE };
		struct prefix p;

		assert_int_equal(prefix_parse(bad[i], &p, &err), -1);
		assert_int_equal(err.code, ERR_CONF);
	}
}

static void
test_host_bits_name_what_was_meant(void **state)
{
	struct err err = { .code = ERR_NONE };
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse("192.0.2.1/24", &p, &err), -1);
	assert_string_equal(err.msg,
	    "192.0.2.1/24: host bits are set, expected 192.0.2.0/24");
	assert_int_equal(prefix_parse("2001:db8::1/49", &p, &err), -1);
	assert_string_equal(err.msg,
	    "2001:db8::1/49: host bits are set, expected 2001:db8::/49");
	assert_int_equal(prefix_parse("1.1.1.1/0", &p, &err), -1);
}

static void
test_contains(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool want;
	} samples[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "192.0.2.7/32", "192.0.2.7", true },
		{ "192.0.2.7/32", "192.0.2.6", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "192.0.2.1", false },
		{ "::/0", "ff02::1", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(samples); i++) {
		struct prefix p = prefix_of(samples[i].prefix);
		struct addr a = addr_of(samples[i].addr);

		assert_int_equal(prefix_contains(&p, &a), samples[i].want);
	}
}

static void
test_prefix_equality_needs_the_length(void **state)
{
	struct prefix a = prefix_of("192.0.2.0/24");
	struct prefix b = prefix_of("192.0.2.0/25");
	struct prefix c = prefix_of("192.0.2.0/24");

	(void)state;
	assert_false(prefix_equal(&a, &b));
	assert_true(prefix_equal(&a, &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_round_trip),
		cmocka_unit_test(test_nothing_but_an_address),
		cmocka_unit_test(test_mapped_address_is_refused),
		cmocka_unit_test(test_in_addr_both_ways),
		cmocka_unit_test(test_special_ranges),
		cmocka_unit_test(test_never_a_host),
		cmocka_unit_test(test_prefixes_round_trip),
		cmocka_unit_test(test_bad_prefixes),
		cmocka_unit_test(test_host_bits_name_what_was_meant),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_prefix_equality_needs_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
