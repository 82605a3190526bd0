/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "test.h"

/* In a block of its exact size. */
static enum feed_reason
decode(enum feed_type type, const char *text, size_t len,
    struct feed_record *out)
{
	char *exact = malloc(len + 1);
	enum feed_reason why;

	assert_non_null(exact);
	memcpy(exact, text, len);
	exact[len] = '\0';
	memset(out, 0, sizeof(*out));
	why = feed_line_decode(type, exact, len, out);
	free(exact);
	return why;
}

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): reads better */
struct line {
	enum feed_type type;
	const char *text;
	enum feed_reason why;
	const char *src, *dst; /* dst NULL: none */
	double packets, bytes, requests;
	int64_t at_ms;
};

static void
assert_line(const struct line *l)
{
	char buf[ADDR_TEXT_BYTES];
	struct feed_record rec;
	enum feed_reason why = decode(l->type, l->text, strlen(l->text), &rec);

	if (why != l->why)
		fail_msg("%s: %s", l->text, feed_reason_name(why));
	if (why != FEED_OK)
		return;
	assert_string_equal(addr_format(&rec.src, buf), l->src);
	assert_true(rec.has_dst == (l->dst != NULL));
	if (l->dst != NULL)
		assert_string_equal(addr_format(&rec.dst, buf), l->dst);
	if (rec.packets != l->packets || rec.bytes != l->bytes ||
	    rec.requests != l->requests || rec.at_ms != l->at_ms) {
		fail_msg("%s: %g %g %g %lld", l->text, rec.packets, rec.bytes,
		    rec.requests, (long long)rec.at_ms);
	}
}

#define GOFLOW2_V1                                                             \
	"{\"Type\":\"SFLOW_5\",\"TimeReceived\":1700000000,"                   \
	"\"SequenceNum\":2999,\"SamplingRate\":100,"                           \
	"\"SamplerAddress\":\"192.0.2.9\",\"Bytes\":1500,\"Packets\":2,"       \
	"\"SrcAddr\":\"203.0.113.1\",\"DstAddr\":\"192.0.2.1\","               \
	"\"Etype\":2048,\"Proto\":17,\"SrcPort\":53,\"VlanId\":0}"
#define GOFLOW2_V2                                                             \
	"{\"type\":\"SFLOW_5\",\"time_received_ns\":1700000000123456789,"      \
	"\"sequence_num\":2999,\"sampling_rate\":100,"                         \
	"\"sampler_address\":\"192.0.2.9\",\"bytes\":\"1500\",\"packets\":2,"  \
	"\"src_addr\":\"2001:db8:9::1\",\"dst_addr\":\"2001:db8::1\","         \
	"\"etype\":\"IPv6\",\"proto\":\"UDP\",\"layer_stack\":[\"Ethernet\"]}"

static void
test_reads_each_format(void **state)
{
	static const struct line lines[] = {
		/* as pmacctd 1.7.7 and nfdump 1.7.1 print it */
		{ FEED_PMACCT,
		    "{\"event_type\": \"purge\", \"ip_src\": \"203.0.113.1\", "
		    "\"ip_dst\": \"192.0.2.1\", \"packets\": 10, "
		    "\"bytes\": 1000}",
		    FEED_OK, "203.0.113.1", "192.0.2.1", 10, 1000, 1, 0 },
		{ FEED_PMACCT,
		    "{\"ip_src\":\"2001:db8::7\",\"packets\":3,\"bytes\":4,"
		    "\"flows\":2}\r",
		    FEED_OK, "2001:db8::7", NULL, 3, 4, 2, 0 },
		{ FEED_NFDUMP,
		    "1700000000.123,     203.0.113.1,      10,    1000",
		    FEED_OK, "203.0.113.1", NULL, 10, 1000, 1,
		    INT64_C(1700000000123) },
		{ FEED_NFDUMP, "1700000000.000,2001:db8::7,1.5 M,2.0 G",
		    FEED_OK, "2001:db8::7", NULL, 1.5e6, 2e9, 1,
		    INT64_C(1700000000000) },
		{ FEED_GOFLOW2, GOFLOW2_V1, FEED_OK, "203.0.113.1", "192.0.2.1",
		    200, 150000, 100, INT64_C(1700000000000) },
		{ FEED_GOFLOW2, GOFLOW2_V2, FEED_OK, "2001:db8:9::1",
		    "2001:db8::1", 200, 150000, 100, INT64_C(1700000000123) },
		{ FEED_GOFLOW2,
		    "{\"src_addr\":\"203.0.113.1\",\"sampling_rate\":0,"
		    "\"packets\":7,\"bytes\":9}",
		    FEED_OK, "203.0.113.1", NULL, 7, 9, 1, 0 },
		{ FEED_TEXT, "203.0.113.1", FEED_OK, "203.0.113.1", NULL, 1, 1,
		    1, 0 },
		{ FEED_TEXT, " 2001:db8::1 , 2.5,1700000000\r", FEED_OK,
		    "2001:db8::1", NULL, 2.5, 2.5, 2.5,
		    INT64_C(1700000000000) },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(lines); i++)
		assert_line(&lines[i]);
}

static void
test_says_why_not(void **state)
{
	static const struct line lines[] = {
		{ .type = FEED_TEXT, .text = "", .why = FEED_NOTHING },
		{ .type = FEED_TEXT, .text = "# x", .why = FEED_NOTHING },
		{ .type = FEED_NFDUMP, .text = " \r", .why = FEED_NOTHING },
		{ .type = FEED_PMACCT, .text = "", .why = FEED_NOTHING },
		{ FEED_TEXT, "1.2.3.4,1,1,1", .why = FEED_BAD_SYNTAX },
		{ FEED_TEXT, "1.2.3", .why = FEED_BAD_ADDRESS },
		{ FEED_TEXT, "1.2.3.4,-1", .why = FEED_BAD_NUMBER },
		{ FEED_TEXT, "1.2.3.4,nan", .why = FEED_BAD_NUMBER },
		{ FEED_TEXT, "1.2.3.4,1,999999999999999",
		    .why = FEED_BAD_NUMBER },
		{ FEED_NFDUMP, "1.0,1.2.3.4,1", .why = FEED_BAD_SYNTAX },
		{ FEED_NFDUMP, "No matching flows", .why = FEED_BAD_SYNTAX },
		{ FEED_NFDUMP, "1.0,2001:db8..1:1,1,1",
		    .why = FEED_BAD_ADDRESS },
		{ FEED_NFDUMP, "x,1.2.3.4,1,1", .why = FEED_BAD_NUMBER },
		{ FEED_NFDUMP, "1.0,1.2.3.4,1 X,1", .why = FEED_BAD_NUMBER },
		{ FEED_NFDUMP, "1.0,1.2.3.4,1, M", .why = FEED_BAD_NUMBER },
		{ FEED_NFDUMP, "1.0,1.2.3.4,1,9999999999 T",
		    .why = FEED_BAD_NUMBER },
		{ FEED_PMACCT, "{\"ip_src\":", .why = FEED_BAD_SYNTAX },
		{ FEED_PMACCT, "[1]", .why = FEED_BAD_SYNTAX },
		{ FEED_PMACCT, "7", .why = FEED_BAD_SYNTAX },
		{ FEED_PMACCT, "{\"ip_src\":\"\"}", .why = FEED_OTHER },
		{ FEED_PMACCT, "{\"event_type\":\"x\"}", .why = FEED_OTHER },
		{ FEED_PMACCT, "{\"ip_src\":\"x\"}", .why = FEED_BAD_ADDRESS },
		{ FEED_PMACCT, "{\"ip_src\":\"1.2.3.4\",\"ip_dst\":\"x\"}",
		    .why = FEED_BAD_ADDRESS },
		{ FEED_PMACCT, "{\"ip_src\":\"1.2.3.4\",\"packets\":-1}",
		    .why = FEED_BAD_NUMBER },
		{ FEED_PMACCT, "{\"ip_src\":\"1.2.3.4\",\"bytes\":[]}",
		    .why = FEED_BAD_NUMBER },
		{ FEED_GOFLOW2,
		    "{\"src_addr\":\"1.2.3.4\",\"sampling_rate\":1e300}",
		    .why = FEED_BAD_NUMBER },
		{ FEED_GOFLOW2, "{\"src_addr\":\"1.2.3.4\",\"bytes\":\"z\"}",
		    .why = FEED_BAD_NUMBER },
		{ FEED_GOFLOW2,
		    "{\"src_addr\":\"1.2.3.4\",\"time_received_ns\":-5}",
		    .why = FEED_BAD_NUMBER },
		{ .type = FEED_SFLOW, .text = "x", .why = FEED_BAD_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(lines); i++)
		assert_line(&lines[i]);
}

/* What a record does not tell is not taken for nothing. */
static void
test_missing_quantities_are_negative(void **state)
{
	static const char text[] = "{\"ip_src\":\"203.0.113.1\"}";
	struct feed_record rec;

	(void)state;
	assert_int_equal(decode(FEED_PMACCT, text, strlen(text), &rec),
	    FEED_OK);
	assert_true(rec.packets < 0 && rec.bytes < 0 && rec.requests == 1);
}

static void
test_nul_is_no_end(void **state)
{
	static const char text[] = "203.0.113.1\0,7";
	struct feed_record rec;

	(void)state;
	for (enum feed_type type = 0; type < FEED_TYPE_COUNT; type++) {
		assert_int_equal(decode(type, text, sizeof(text) - 1, &rec),
		    FEED_BAD_SYNTAX);
	}
}

/* Cut anywhere: no read beyond it, and JSON that is cut is no record. */
static void
test_every_truncation(void **state)
{
	static const struct {
		enum feed_type type;
		const char *text;
	} lines[] = {
		{ FEED_GOFLOW2, GOFLOW2_V1 },
		{ FEED_GOFLOW2, GOFLOW2_V2 },
		{ FEED_NFDUMP, "1700000000.123, 2001:db8::1,  1.5 M,  2.5 G" },
		{ FEED_TEXT, " 2001:db8::1 , 2.5,1700000000" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(lines); i++) {
		size_t len = strlen(lines[i].text);
		struct feed_record rec;

		for (size_t cut = 0; cut < len; cut++) {
			enum feed_reason why =
			    decode(lines[i].type, lines[i].text, cut, &rec);

			if (lines[i].type == FEED_GOFLOW2)
				assert_true(why != FEED_OK);
		}
		assert_int_equal(decode(lines[i].type, lines[i].text, len,
				     &rec),
		    FEED_OK);
	}
}

/* ---- lines ---- */

struct seen {
	char text[256];
	size_t n;
	size_t too_long;
};

static void
on_line(char *line, size_t len, void *arg)
{
	struct seen *s = arg;
	size_t used = strlen(s->text);

	s->n++;
	if (line == NULL) {
		s->too_long++;
		return;
	}
	assert_int_equal(line[len], '\0');
	if (len < 40) {
		(void)snprintf(s->text + used, sizeof(s->text) - used, "%s|",
		    line);
	}
}

static void
push_pieces(const char *text, size_t len, size_t piece, struct seen *s)
{
	struct feed_lines *fl = xcalloc(1, sizeof(*fl));

	memset(s, 0, sizeof(*s));
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *exact = malloc(n);

		assert_non_null(exact);
		memcpy(exact, text + at, n);
		feed_lines_push(fl, exact, n, on_line, s);
		free(exact);
	}
	feed_lines_end(fl, on_line, s);
	free(fl);
}

static void
test_lines_whatever_the_pieces(void **state)
{
	static const char text[] = "one\n\ntwo two\nthree";
	struct seen s;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		push_pieces(text, sizeof(text) - 1, piece, &s);
		assert_string_equal(s.text, "one||two two|three|");
	}
}

static void
test_long_lines_are_dropped_alone(void **state)
{
	(void)state;
	for (size_t over = 0; over < 3; over++) {
		size_t n = FEED_LINE_MAX - 1 + over, len;
		char *text = xcalloc(1, n + 16);

		memset(text, 'x', n);
		memcpy(text + n, "\nlast\n", 7);
		len = strlen(text);
		for (size_t piece = 1; piece <= len; piece += 511) {
			struct seen s;

			push_pieces(text, len, piece, &s);
			assert_int_equal(s.n, 2);
			assert_int_equal(s.too_long, over == 2);
			assert_string_equal(s.text, "last|");
		}
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_each_format),
		cmocka_unit_test(test_says_why_not),
		cmocka_unit_test(test_missing_quantities_are_negative),
		cmocka_unit_test(test_nul_is_no_end),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_lines_whatever_the_pieces),
		cmocka_unit_test(test_long_lines_are_dropped_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
