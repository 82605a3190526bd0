/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/dns_name.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static void
test_types(void **state)
{
	char names[DNS_TYPE_NAMES_BYTES];

	(void)state;
	assert_int_equal(dns_type_find("A")->number, 1);
	assert_int_equal(dns_type_find("aaaa")->number, 28);
	assert_int_equal(dns_type_find("TXT")->class, DNS_CLASS_IN);
	assert_int_equal(dns_type_find("CHAOS TXT")->class, DNS_CLASS_CH);
	assert_int_equal(dns_type_find("chaos txt")->number, 16);
	assert_null(dns_type_find(""));
	assert_null(dns_type_find("ANY"));
	assert_null(dns_type_find("CHAOS  TXT"));
	assert_string_equal(dns_type_names(names),
	    "A, AAAA, NS, SOA, CNAME, PTR, MX, SRV, TXT, CHAOS TXT");
}

static void
test_rcodes(void **state)
{
	char buf[DNS_RCODE_TEXT_BYTES];

	(void)state;
	assert_int_equal(dns_rcode_find("NOERROR"), 0);
	assert_int_equal(dns_rcode_find("nxdomain"), 3);
	assert_int_equal(dns_rcode_find("REFUSED"), 5);
	assert_int_equal(dns_rcode_find("0"), -1);
	assert_string_equal(dns_rcode_format(2, buf), "SERVFAIL");
	assert_string_equal(dns_rcode_format(10, buf), "NOTZONE");
	assert_string_equal(dns_rcode_format(11, buf), "11");
	for (unsigned i = 0; i <= 10; i++)
		assert_int_equal(dns_rcode_find(dns_rcode_format(i, buf)), i);
}

static void
test_names(void **state)
{
	static const char *const cases[][2] = {
		{ ".", "." },
		{ "net", "net" },
		{ "Example.NET", "example.net" },
		{ "example.net.", "example.net" },
		{ "_sip._udp.a-b.1", "_sip._udp.a-b.1" },
	};
	static const char *const bad[] = { "", "..", ".net", "a..b", "a..",
		"a b", "a\\.b", "a\tb", "gr\xc3\xbcn", "a\x7f" };
	char out[DNS_NAME_TEXT_BYTES];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		assert_int_equal(dns_name_parse(cases[i][0], out, NULL), 0);
		assert_string_equal(out, cases[i][1]);
	}
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(dns_name_parse(bad[i], out, &err), -1);
	assert_int_equal(err.code, ERR_CONF);
}

/* 63 bytes a label, 255 a name on the wire: 253 characters. */
static void
test_name_limits(void **state)
{
	char text[300], out[DNS_NAME_TEXT_BYTES];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	assert_int_equal(dns_name_parse(text, out, NULL), 0);
	text[63] = 'a';
	text[64] = '\0';
	assert_int_equal(dns_name_parse(text, out, NULL), -1);
	memset(text, 'a', sizeof(text));
	text[63] = text[127] = text[191] = '.';
	text[253] = '\0';
	assert_int_equal(dns_name_parse(text, out, NULL), 0);
	assert_string_equal(out, text);
	text[253] = '.';
	text[254] = '\0';
	assert_int_equal(dns_name_parse(text, out, NULL), 0);
	text[253] = 'a';
	assert_int_equal(dns_name_parse(text, out, NULL), -1);
}

static void
test_data(void **state)
{
	static const char *const cases[][3] = {
		{ "A", "192.0.2.1", "192.0.2.1" },
		{ "AAAA", "2001:DB8:0:0::1", "2001:db8::1" },
		{ "NS", "Ns1.Example.net.", "ns1.example.net" },
		{ "MX", "007 Mail.example.net.", "7 mail.example.net" },
		{ "SRV", "1 2 65535 .", "1 2 65535 ." },
		{ "SOA", "A. b 1 2 3 4 4294967295", "a b 1 2 3 4 4294967295" },
		{ "TXT", "As  it is. ", "As  it is. " },
		{ "CHAOS TXT", "", "" },
	};
	static const char *const bad[][2] = {
		{ "A", "2001:db8::1" },
		{ "A", "192.0.2.1 " },
		{ "A", "" },
		{ "AAAA", "192.0.2.1" },
		{ "AAAA", "::ffff:192.0.2.1" },
		{ "NS", "a b" },
		{ "NS", "" },
		{ "MX", "10" },
		{ "MX", "10  a" },
		{ "MX", "10 a b" },
		{ "MX", "-1 a" },
		{ "SRV", "1 2 65536 a" },
		{ "SOA", "a b 1 2 3 4" },
		{ "SOA", "a b 1 2 3 4 4294967296" },
	};
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *out = NULL;

		assert_int_equal(dns_data_parse(dns_type_find(cases[i][0]),
				     cases[i][1], &out, NULL),
		    0);
		assert_string_equal(out, cases[i][2]);
		free(out);
	}
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		char *out = NULL;

		assert_int_equal(dns_data_parse(dns_type_find(bad[i][0]),
				     bad[i][1], &out, &err),
		    -1);
		assert_null(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_rcodes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_limits),
		cmocka_unit_test(test_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
