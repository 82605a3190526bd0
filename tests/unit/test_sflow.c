/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/sflow.h"

#include <stdio.h>
#include <stdlib.h>

#include "sflow_make.h"

#define REAL "tests/golden/feeds/pmacct-sfprobe.bin"
#define TAKEN_MAX 64

struct taken {
	size_t n[FEED_REASON_COUNT];
	struct feed_record rec[TAKEN_MAX];
};

static void
take(enum feed_reason why, const struct feed_record *rec, void *arg)
{
	struct taken *t = arg;

	assert_true((why == FEED_OK) == (rec != NULL));
	if (rec != NULL && t->n[FEED_OK] < TAKEN_MAX)
		t->rec[t->n[FEED_OK]] = *rec;
	t->n[why]++;
}

/* In a block of its exact size; how many bytes were left. */
static size_t
decode(const uint8_t *bytes, size_t len, struct taken *t)
{
	uint8_t *exact = malloc(len + (len == 0));
	struct cursor c = { .p = exact, .left = len };
	size_t bad = 0;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	*t = (struct taken){ 0 };
	sflow_decode(&c, take, t);
	free(exact);
	for (size_t i = 0; i < FEED_REASON_COUNT; i++)
		bad += i >= FEED_BAD_SHORT ? t->n[i] : 0;
	if (c.bad)
		assert_true(bad > 0);
	return c.left;
}

static void
assert_addr(const struct addr *a, const char *want)
{
	char buf[ADDR_TEXT_BYTES];

	assert_string_equal(addr_format(a, buf), want);
}

static void
make_ethernet(struct sflow_make *m, uint32_t format, const uint16_t *tags,
    const char *src)
{
	sflow_make_begin(m, 5, 1);
	sflow_make_sample(m, format, 512, 1);
	sflow_make_ethernet(m, tags, src,
	    strchr(src, ':') == NULL ? "192.0.2.1" : "2001:db8::1");
	sflow_make_sample_end(m);
}

static void
test_reads_ethernet_with_and_without_tags(void **state)
{
	static const uint16_t tags[][5] = { { 0 }, { 0x8100, 0 },
		{ 0x88a8, 0x8100, 0 }, { 0x9100, 0x8100, 0 },
		{ 0x88a8, 0x88a8, 0x8100, 0x8100, 0 } };
	static const char *const srcs[] = { "203.0.113.7", "2001:db8:7::9" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(tags) * 2 * 2; i++) {
		struct sflow_make m;
		struct taken t;

		make_ethernet(&m, i % 2 == 0 ? 1 : 3, tags[i / 4],
		    srcs[i / 2 % 2]);
		assert_int_equal(decode(m.buf, sflow_make_len(&m), &t), 0);
		assert_int_equal(t.n[FEED_OK], 1);
		assert_addr(&t.rec[0].src, srcs[i / 2 % 2]);
		assert_true(t.rec[0].has_dst);
		assert_addr(&t.rec[0].dst,
		    i / 2 % 2 == 0 ? "192.0.2.1" : "2001:db8::1");
		assert_true(t.rec[0].packets == 512);
		assert_true(t.rec[0].bytes == 512.0 * 1500);
		assert_true(t.rec[0].at_ms == 0);
	}
}

static void
test_reads_ip_headers_and_sampled_ip(void **state)
{
	struct sflow_make m;
	struct taken t;

	(void)state;
	sflow_make_begin(&m, 5, 4);
	sflow_make_sample(&m, 1, 10, 1);
	sflow_make_raw_ip(&m, 11, "203.0.113.1", "192.0.2.1");
	sflow_make_sample_end(&m);
	sflow_make_sample(&m, 3, 20, 1);
	sflow_make_raw_ip(&m, 12, "2001:db8:1::1", "2001:db8::1");
	sflow_make_sample_end(&m);
	sflow_make_sample(&m, 1, 30, 1);
	sflow_make_sampled_ip(&m, "203.0.113.3", "192.0.2.1");
	sflow_make_sample_end(&m);
	/* A rate of nothing is one packet. */
	sflow_make_sample(&m, 3, 0, 1);
	sflow_make_sampled_ip(&m, "2001:db8:4::1", "2001:db8::1");
	sflow_make_sample_end(&m);
	assert_int_equal(decode(m.buf, sflow_make_len(&m), &t), 0);
	assert_int_equal(t.n[FEED_OK], 4);
	assert_addr(&t.rec[0].src, "203.0.113.1");
	assert_addr(&t.rec[1].src, "2001:db8:1::1");
	assert_addr(&t.rec[2].src, "203.0.113.3");
	assert_addr(&t.rec[3].src, "2001:db8:4::1");
	assert_true(t.rec[1].bytes == 20 * 200);
	assert_true(t.rec[2].bytes == 30 * 80);
	assert_true(t.rec[3].packets == 1 && t.rec[3].bytes == 80);
}

/* Two records of one packet are one packet. */
static void
test_sample_counts_once(void **state)
{
	static const uint16_t no_tag[] = { 0 };
	struct sflow_make m;
	struct taken t;

	(void)state;
	sflow_make_begin(&m, 5, 1);
	sflow_make_sample(&m, 1, 10, 3);
	sflow_make_record(&m, 1001); /* switch data: passed over */
	wcursor_bytes(&m.w, "abcde", 5);
	sflow_make_record_end(&m);
	sflow_make_ethernet(&m, no_tag, "203.0.113.1", "192.0.2.1");
	sflow_make_sampled_ip(&m, "203.0.113.2", "192.0.2.1");
	sflow_make_sample_end(&m);
	assert_int_equal(decode(m.buf, sflow_make_len(&m), &t), 0);
	assert_int_equal(t.n[FEED_OK], 1);
	assert_addr(&t.rec[0].src, "203.0.113.1");
}

static void
test_passes_over_what_it_does_not_know(void **state)
{
	static const uint16_t arp[] = { 0x0806, 0 };
	static const uint16_t many[] = { 0x8100, 0x8100, 0x8100, 0x8100, 0x8100,
		0 };
	struct sflow_make m;
	struct taken t;

	(void)state;
	sflow_make_begin(&m, 5, 6);
	/* counters, and a sample of another enterprise */
	for (uint32_t format = 2; format < 0x10000; format += 0x4321) {
		wcursor_be32(&m.w, format);
		wcursor_be32(&m.w, 8);
		wcursor_be64(&m.w, UINT64_MAX);
	}
	sflow_make_sample(&m, 1, 1, 1);
	sflow_make_ethernet(&m, arp, "203.0.113.1", "192.0.2.1");
	sflow_make_sample_end(&m);
	sflow_make_sample(&m, 1, 1, 1);
	sflow_make_ethernet(&m, many, "203.0.113.1", "192.0.2.1");
	sflow_make_sample_end(&m);
	assert_int_equal(decode(m.buf, sflow_make_len(&m), &t), 0);
	assert_int_equal(t.n[FEED_OTHER], 2);
	assert_int_equal(t.n[FEED_OK], 0);
}

/* An IPv6 packet that says that it is IPv4, or the other way round. */
static void
test_refuses_wrong_ip_version(void **state)
{
	struct sflow_make m;
	struct taken t;

	(void)state;
	sflow_make_begin(&m, 5, 2);
	sflow_make_sample(&m, 1, 1, 1);
	sflow_make_raw_ip(&m, 11, "2001:db8::1", "2001:db8::2");
	sflow_make_sample_end(&m);
	sflow_make_sample(&m, 1, 1, 1);
	sflow_make_raw_ip(&m, 12, "192.0.2.1", "192.0.2.2");
	sflow_make_sample_end(&m);
	(void)decode(m.buf, sflow_make_len(&m), &t);
	assert_int_equal(t.n[FEED_BAD_SYNTAX], 2);
}

static void
test_refuses_other_versions(void **state)
{
	static const uint16_t no_tag[] = { 0 };
	struct sflow_make m;
	struct taken t;

	(void)state;
	sflow_make_begin(&m, 4, 1);
	sflow_make_sample(&m, 1, 1, 1);
	sflow_make_ethernet(&m, no_tag, "203.0.113.1", "192.0.2.1");
	sflow_make_sample_end(&m);
	(void)decode(m.buf, sflow_make_len(&m), &t);
	assert_int_equal(t.n[FEED_BAD_VERSION], 1);
	assert_int_equal(t.n[FEED_OK], 0);
	/* An agent with an address of an unknown family. */
	sflow_make_begin(&m, 5, 0);
	m.buf[7] = 3;
	(void)decode(m.buf, sflow_make_len(&m), &t);
	assert_int_equal(t.n[FEED_BAD_SYNTAX], 1);
}

/* Counts that promise more than there is: one short sample, no loop. */
static void
test_counts_are_not_believed(void **state)
{
	static const uint16_t no_tag[] = { 0 };
	struct sflow_make m;
	struct taken t;
	struct wcursor w;

	(void)state;
	make_ethernet(&m, 1, no_tag, "203.0.113.7");
	w = (struct wcursor){ .p = m.buf + 24, .left = 4 };
	wcursor_be32(&w, UINT32_MAX);
	(void)decode(m.buf, sflow_make_len(&m), &t);
	assert_int_equal(t.n[FEED_OK], 1);
	assert_int_equal(t.n[FEED_BAD_SHORT], 1);
	/* the sample's length */
	make_ethernet(&m, 1, no_tag, "203.0.113.7");
	w = (struct wcursor){ .p = m.buf + 32, .left = 4 };
	wcursor_be32(&w, UINT32_MAX - 1);
	(void)decode(m.buf, sflow_make_len(&m), &t);
	assert_int_equal(t.n[FEED_OK], 0);
	assert_int_equal(t.n[FEED_BAD_SHORT], 1);
}

/* Cut anywhere it is short, never read beyond, and never a client that is not
 * wholly there. */
static void
test_every_truncation_is_short(void **state)
{
	static const uint16_t tags[] = { 0x88a8, 0x8100, 0 };
	static const char *const srcs[] = { "203.0.113.7", "2001:db8:7::9" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct sflow_make m;
		struct taken t;

		make_ethernet(&m, i % 2 == 0 ? 1 : 3, tags, srcs[i / 2]);
		for (size_t len = 0; len < sflow_make_len(&m); len++) {
			(void)decode(m.buf, len, &t);
			assert_int_equal(t.n[FEED_OK], 0);
			assert_int_equal(t.n[FEED_BAD_SHORT], 1);
		}
	}
}

/* A header that the sampler cut short, inside of a whole datagram. */
static void
test_short_sampled_headers(void **state)
{
	(void)state;
	for (uint32_t len = 0; len < 14 + 20; len++) {
		struct sflow_make m;
		struct taken t;

		sflow_make_begin(&m, 5, 1);
		sflow_make_sample(&m, 1, 1, 1);
		sflow_make_record(&m, 1);
		wcursor_be32(&m.w, 1);
		wcursor_be32(&m.w, 1500);
		wcursor_be32(&m.w, 0);
		wcursor_be32(&m.w, len);
		for (uint32_t i = 0; i < len; i++)
			wcursor_u8(&m.w, i == 12 ? 8 : i == 14 ? 0x45 : 0);
		sflow_make_record_end(&m);
		sflow_make_sample_end(&m);
		assert_int_equal(decode(m.buf, sflow_make_len(&m), &t), 0);
		assert_int_equal(t.n[FEED_OK], 0);
		assert_int_equal(t.n[FEED_BAD_SHORT], 1);
	}
}

/* What pmacctd 1.7.7 with its sfprobe plugin sent: 300 packets of 128 bytes to
 * a resolver, from one IPv4 and one IPv6 client in turn. */
static void
test_reads_a_real_probe(void **state)
{
	uint8_t buf[FEED_DATAGRAM_MAX];
	struct taken t;
	size_t len;
	FILE *f = fopen(REAL, "re");

	(void)state;
	assert_non_null(f);
	len = fread(buf, 1, sizeof(buf), f);
	(void)fclose(f);
	assert_int_equal(len, 1324);
	assert_int_equal(decode(buf, len, &t), 0);
	assert_int_equal(t.n[FEED_OK], 6);
	assert_addr(&t.rec[0].src, "198.18.0.1");
	assert_addr(&t.rec[0].dst, "198.18.0.2");
	assert_addr(&t.rec[1].src, "2001:db8:18::1");
	assert_addr(&t.rec[1].dst, "2001:db8:18::2");
	assert_true(t.rec[0].packets == 1 && t.rec[0].bytes == 146);
	for (size_t cut = 0; cut < len; cut++)
		(void)decode(buf, cut, &t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_ethernet_with_and_without_tags),
		cmocka_unit_test(test_reads_ip_headers_and_sampled_ip),
		cmocka_unit_test(test_sample_counts_once),
		cmocka_unit_test(test_passes_over_what_it_does_not_know),
		cmocka_unit_test(test_refuses_wrong_ip_version),
		cmocka_unit_test(test_refuses_other_versions),
		cmocka_unit_test(test_counts_are_not_believed),
		cmocka_unit_test(test_every_truncation_is_short),
		cmocka_unit_test(test_short_sampled_headers),
		cmocka_unit_test(test_reads_a_real_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
