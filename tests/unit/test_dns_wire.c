/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/dns_wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "test.h"

#define ID 0x1234
/* Nine strings fit into the text of a record. */
#define SHOWN_BYTES ((size_t)9 * 255)
#define ANSWER 0x8180 /* an answer, recursion desired and available */

/* "www.example.net" stands at 12 in every message here. */
#define QNAME "\3www\7example\3net"
#define AT_QNAME "\xc0\x0c"
#define AT_EXAMPLE "\xc0\x10"

struct msg {
	uint8_t buf[70000];
	struct wcursor w;
};

static struct msg the_msg;

static struct dns_question
question(const char *type)
{
	return (struct dns_question){
		.id = ID, .name = "www.example.net", .type = dns_type_find(type)
	};
}

static void
put(struct msg *m, const void *bytes, size_t len)
{
	wcursor_bytes(&m->w, bytes, len);
}

/* Header and question. */
static struct msg *
begin(uint16_t flags, const struct dns_question *q, uint16_t n_answers)
{
	struct msg *m = &the_msg;

	m->w = (struct wcursor){ .p = m->buf, .left = sizeof(m->buf) };
	wcursor_be16(&m->w, ID);
	wcursor_be16(&m->w, flags);
	wcursor_be16(&m->w, 1);
	wcursor_be16(&m->w, n_answers);
	wcursor_be16(&m->w, 7); /* authority and additional: not looked at */
	wcursor_be16(&m->w, 9);
	put(m, QNAME, sizeof(QNAME));
	wcursor_be16(&m->w, q->type->number);
	wcursor_be16(&m->w, q->type->class);
	return m;
}

/* A record of the question's type, named by a pointer. */
static void
record(struct msg *m, const struct dns_type *type, const void *data, size_t len)
{
	put(m, AT_QNAME, 2);
	wcursor_be16(&m->w, type->number);
	wcursor_be16(&m->w, type->class);
	wcursor_be32(&m->w, 3600);
	wcursor_be16(&m->w, (uint16_t)len);
	put(m, data, len);
}

static size_t
msg_len(const struct msg *m)
{
	assert_false(m->w.bad);
	return sizeof(m->buf) - m->w.left;
}

/* From a block of just its size. */
static enum dns_verdict
decode_part(const struct msg *m, size_t len, const struct dns_question *q,
    const char *wanted, struct dns_reply *out)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum dns_verdict v;

	assert_non_null(copy);
	memcpy(copy, m->buf, len);
	v = dns_wire_decode_reply(copy, len, q, wanted, out);
	free(copy);
	return v;
}

static enum dns_verdict
decode(const struct msg *m, const struct dns_question *q, const char *wanted,
    struct dns_reply *out)
{
	return decode_part(m, msg_len(m), q, wanted, out);
}

static void
test_query(void **state)
{
	static const uint8_t want[] =
	    "\x12\x34\x01\x00\0\1\0\0\0\0\0\0" QNAME "\0\0\1\0\1";
	struct dns_question q = question("A");
	uint8_t buf[DNS_QUERY_BYTES_MAX];

	(void)state;
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)),
	    sizeof(want) - 1);
	assert_memory_equal(buf, want, sizeof(want) - 1);
	for (size_t size = 0; size < sizeof(want) - 1; size++)
		assert_int_equal(dns_wire_encode_query(&q, buf, size), 0);
	q.name = ".";
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)), 17);
	q.type = dns_type_find("CHAOS TXT");
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)), 17);
	assert_memory_equal(buf + 12, "\0\0\x10\0\3", 5);
}

static void
test_query_limits(void **state)
{
	char name[300];
	struct dns_question q = question("A");
	uint8_t buf[DNS_QUERY_BYTES_MAX];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	q.name = name;
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)),
	    sizeof(buf));
	name[253] = 'a';
	name[254] = '\0';
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)), 0);
	q.name = "a..b";
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)), 0);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	q.name = name;
	assert_int_equal(dns_wire_encode_query(&q, buf, sizeof(buf)), 0);
}

/* Each type's data as text. */
static void
test_data_of_each_type(void **state)
{
#define DATA(s) s, sizeof(s) - 1
	static const struct {
		const char *type;
		const char *data;
		size_t len;
		const char *text;
	} cases[] = {
		{ "A", DATA("\xc0\0\2\1"), "192.0.2.1" },
		{ "AAAA", DATA("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
		    "2001:db8::1" },
		{ "NS", DATA("\3NS1" AT_EXAMPLE), "ns1.example.net" },
		{ "PTR", DATA("\1a\0"), "a" },
		{ "CNAME", DATA("\0"), "." },
		{ "CNAME", DATA(AT_QNAME), "www.example.net" },
		{ "MX", DATA("\0\xa\4mail" AT_EXAMPLE), "10 mail.example.net" },
		{ "SRV", DATA("\0\1\0\2\x13\xc4" AT_EXAMPLE),
		    "1 2 5060 example.net" },
		{ "SOA",
		    DATA("\2ns" AT_EXAMPLE "\4root\0"
			 "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\xff\xff\xff\xff"),
		    "ns.example.net root 1 2 3 4 4294967295" },
		{ "TXT", DATA("\5hello\1 \5world"), "hello world" },
		{ "TXT", DATA("\0"), "" },
		{ "CHAOS TXT", DATA("\4v1.2"), "v1.2" },
		/* What would need an escape has one: no name looks like
		 * another. */
		{ "NS", DATA("\3a.b\2\\\0\0"), "a\\046b.\\092\\000" },
	};
#undef DATA

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct dns_question q = question(cases[i].type);
		struct msg *m = begin(ANSWER, &q, 1);
		struct dns_reply r = { 0 };

		record(m, q.type, cases[i].data, cases[i].len);
		assert_int_equal(decode(m, &q, cases[i].text, &r), DNS_OK);
		assert_int_equal(r.rcode, 0);
		assert_int_equal(r.n_records, 1);
		assert_string_equal(r.first, cases[i].text);
		assert_true(r.has_wanted);
		assert_int_equal(decode(m, &q, "other", &r), DNS_OK);
		assert_false(r.has_wanted);
		assert_int_equal(decode(m, &q, NULL, &r), DNS_OK);
		assert_false(r.has_wanted);
	}
}

/* Shorter or longer data than the type has: malformed, whatever it is. */
static void
test_data_of_wrong_length(void **state)
{
	static const char *const types[] = { "A", "AAAA", "NS", "MX", "SRV",
		"SOA" };
	static const uint8_t bytes[64] = { 0 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(types); i++) {
		struct dns_question q = question(types[i]);
		unsigned n_ok = 0;

		for (size_t len = 0; len <= sizeof(bytes); len++) {
			struct msg *m = begin(ANSWER, &q, 1);
			struct dns_reply r;

			record(m, q.type, bytes, len);
			n_ok += decode(m, &q, NULL, &r) == DNS_OK;
		}
		assert_int_equal(n_ok, 1);
	}
}

/* Any record may be the wanted one; those of other types do not count. */
static void
test_several_records(void **state)
{
	struct dns_question q = question("A");
	struct msg *m = begin(ANSWER, &q, 4);
	struct dns_reply r;

	(void)state;
	record(m, dns_type_find("CNAME"), AT_QNAME, 2);
	record(m, q.type, "\xc0\0\2\1", 4);
	record(m, dns_type_find("TXT"), "\xff", 1);
	record(m, q.type, "\xc0\0\2\2", 4);
	assert_int_equal(decode(m, &q, "192.0.2.2", &r), DNS_OK);
	assert_int_equal(r.n_records, 2);
	assert_true(r.has_wanted);
	assert_string_equal(r.first, "192.0.2.1");
}

/* Cut anywhere: not taken for an answer, and nothing is read behind it. */
static void
test_every_length(void **state)
{
	struct dns_question q = question("SOA");
	struct msg *m = begin(ANSWER, &q, 2);
	size_t question_end = msg_len(m);
	struct dns_reply r;

	(void)state;
	record(m, q.type,
	    "\2ns" AT_EXAMPLE "\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 26);
	record(m, dns_type_find("A"), "\xc0\0\2\1", 4);
	assert_int_equal(decode(m, &q, NULL, &r), DNS_OK);
	for (size_t len = 0; len < msg_len(m); len++) {
		assert_int_equal(decode_part(m, len, &q, NULL, &r),
		    len < question_end ? DNS_FOREIGN : DNS_MALFORMED);
	}
}

static void
test_foreign(void **state)
{
	struct dns_question q = question("A");
	struct dns_question asked[] = { q, q, q, q };
	struct dns_reply r;
	struct msg *m;

	(void)state;
	asked[0].id = ID + 1;
	asked[1].name = "www.example.org";
	asked[2].type = dns_type_find("AAAA");
	asked[3].name = ".";
	m = begin(ANSWER, &q, 0);
	for (size_t i = 0; i < TEST_COUNT(asked); i++)
		assert_int_equal(decode(m, &asked[i], NULL, &r), DNS_FOREIGN);
	assert_int_equal(decode(m, &q, NULL, &r), DNS_OK);
	/* A question, another operation. */
	assert_int_equal(decode(begin(0x0100, &q, 0), &q, NULL, &r),
	    DNS_FOREIGN);
	assert_int_equal(decode(begin(ANSWER | 0x2000, &q, 0), &q, NULL, &r),
	    DNS_FOREIGN);
	/* Two questions, none. */
	m = begin(ANSWER, &q, 0);
	m->buf[5] = 2;
	assert_int_equal(decode(m, &q, NULL, &r), DNS_FOREIGN);
	m->buf[5] = 0;
	assert_int_equal(decode(m, &q, NULL, &r), DNS_FOREIGN);
	/* A refusal without the question is one. */
	m->buf[3] |= 5;
	assert_int_equal(decode(m, &q, NULL, &r), DNS_OK);
	assert_int_equal(r.rcode, 5);
}

static void
test_case_of_the_question(void **state)
{
	struct dns_question q = question("A");
	struct msg *m = begin(ANSWER, &q, 0);
	struct dns_reply r;

	(void)state;
	memcpy(m->buf + 12, "\3wWW\7EXAMple\3NET", sizeof(QNAME));
	assert_int_equal(decode(m, &q, NULL, &r), DNS_OK);
}

static void
test_truncated(void **state)
{
	struct dns_question q = question("A");
	struct dns_reply r;

	(void)state;
	assert_int_equal(decode(begin(ANSWER | 0x0200, &q, 3), &q, NULL, &r),
	    DNS_TRUNCATED);
}

/* Pointers to themselves, to each other, forward, out of the message. */
static void
test_pointer_loops(void **state)
{
	struct dns_question q = question("NS");
	size_t data_at;
	struct dns_reply r;
	struct msg *m = begin(ANSWER, &q, 1);

	(void)state;
	/* Where the data of the first record begins. */
	data_at = msg_len(m) + 12;
	for (size_t target = 0; target < 0x4000; target++) {
		uint8_t data[] = { 1, 'a', (uint8_t)(0xc0 | target >> 8),
			(uint8_t)target };
		bool is_name;

		m = begin(ANSWER, &q, 1);
		record(m, q.type, data, sizeof(data));
		/* Before the data: labels of the question, whose name ends,
		 * or whatever else can be read as one. */
		is_name = decode(m, &q, NULL, &r) == DNS_OK;
		assert_true(!is_name || target < data_at);
		if (target == 12)
			assert_string_equal(r.first, "a.www.example.net");
	}
}

/* A chain of pointers, each before the last, is a name up to 255 bytes. */
static void
test_long_names(void **state)
{
	struct dns_question q = question("NS");
	uint8_t label[64] = { 63 };
	struct dns_reply r;

	(void)state;
	memset(label + 1, 'a', 63);
	for (size_t n = 1; n <= 5; n++) {
		struct msg *m = begin(ANSWER, &q, (uint16_t)n);
		size_t at = 12; /* of the name that is continued */

		for (size_t i = 0; i < n; i++) {
			uint8_t data[66];
			size_t here = msg_len(m) + 12;

			memcpy(data, label, sizeof(label));
			data[64] = (uint8_t)(0xc0 | at >> 8);
			data[65] = (uint8_t)at;
			record(m, q.type, data, sizeof(data));
			at = here;
		}
		/* 17 bytes and 64 for each. */
		assert_int_equal(decode(m, &q, NULL, &r),
		    17 + 64 * n <= 255 ? DNS_OK : DNS_MALFORMED);
	}
}

static void
test_reserved_labels(void **state)
{
	struct dns_question q = question("NS");
	struct dns_reply r;

	(void)state;
	for (unsigned high = 64; high < 192; high++) {
		uint8_t data[200] = { (uint8_t)high };
		struct msg *m = begin(ANSWER, &q, 1);

		record(m, q.type, data, sizeof(data));
		assert_int_equal(decode(m, &q, NULL, &r), DNS_MALFORMED);
	}
}

/* The longest text there can be, and a TXT that goes beyond it. */
static void
test_long_texts(void **state)
{
	struct dns_question q = question("TXT");
	static uint8_t data[256 * 250];
	char wanted[DNS_DATA_BYTES + 1];
	struct dns_reply r;
	struct msg *m;

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < sizeof(data); i += 256)
		data[i] = 255;
	memset(wanted, 'x', sizeof(wanted));
	m = begin(ANSWER, &q, 1);
	record(m, q.type, data, 9 * (size_t)256);
	wanted[SHOWN_BYTES] = '\0';
	assert_int_equal(decode(m, &q, wanted, &r), DNS_OK);
	assert_true(r.has_wanted);
	for (size_t n = 10; n <= 250; n += 80) {
		m = begin(ANSWER, &q, 1);
		record(m, q.type, data, n * 256);
		wanted[SHOWN_BYTES] = '\0';
		assert_int_equal(decode(m, &q, wanted, &r), DNS_OK);
		assert_false(r.has_wanted);
		assert_int_equal(r.n_records, 1);
		assert_int_equal(strlen(r.first), SHOWN_BYTES);
	}
}

/* NUL is a byte like others: a text with it is not its beginning. */
static void
test_text_with_nul(void **state)
{
	struct dns_question q = question("TXT");
	struct msg *m = begin(ANSWER, &q, 1);
	struct dns_reply r;

	(void)state;
	record(m, q.type, "\4ok\0x", 5);
	assert_int_equal(decode(m, &q, "ok", &r), DNS_OK);
	assert_false(r.has_wanted);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_limits),
		cmocka_unit_test(test_data_of_each_type),
		cmocka_unit_test(test_data_of_wrong_length),
		cmocka_unit_test(test_several_records),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_case_of_the_question),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_pointer_loops),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_reserved_labels),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_text_with_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
