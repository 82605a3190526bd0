/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/reply.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bird_golden.h"
#include "test.h"

#define NO_EXPORT                                                              \
	"Requested 'show route export' to protocols which aren't accepting exports at all."

static const struct {
	const char *name;
	size_t lines;
	unsigned code;
	const char *text; /* what bird_reply_text must say */
	/* Where BIRD 3 says it otherwise */
	size_t lines3;
	const char *text3;
} goldens[] = {
	{ "greeting", 1, 1, "BIRD 2.", 0, "BIRD 3." },
	{ "protocols", 9, 0, "", 0, NULL },
	{ "protocols-disabled", 9, 0, "", 0, NULL },
	{ "routes4", 4, 0, "", 0, NULL },
	{ "routes4-undone", 6, 0, "", 10, NULL },
	{ "routes6", 3, 0, "", 0, NULL },
	{ "routes-none", 1, 0, "", 0, NULL },
	{ "routes-unknown", 1, 9001,
	    "syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN",
	    0, NULL },
	{ "routes-no-channel", 1, 9001, "No valid tables", 0, NULL },
	{ "attrs4", 9, 0, "", 13, NULL },
	{ "attrs6", 1, 0, "", 0, NULL },
	{ "attrs-unknown", 1, 9001, "syntax error, unexpected CF_SYM_UNDEFINED",
	    0, NULL },
	{ "export", 7, 0, "", 0, NULL },
	{ "export-down", 1, 9001, "No valid tables", 0, NO_EXPORT },
	{ "exported", 7, 0, "", 0, NULL },
	{ "exported-down", 1, 9001, "No valid tables", 0, NO_EXPORT },
	{ "exported-disabled", 1, 9001, "No valid tables", 0, NO_EXPORT },
	{ "exported-unknown", 1, 9001,
	    "syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN",
	    0, NULL },
	{ "exported4-one", 3, 0, "", 0, NULL },
	{ "exported4-nowhere", 1, 8001, "Network not found", 0, NULL },
	{ "not-found", 1, 8001, "Network not found", 0, NULL },
	{ "status", 7, 13, "Daemon is up and running", 0, NULL },
	{ "status-pending", 7, 13, "Daemon is up and running", 0, NULL },
	{ "status-in-progress", 7, 13, "Reconfiguration in progress", 0, NULL },
	{ "check-ok", 2, 20, "Configuration OK", 0, NULL },
	{ "check-bad-prefix", 2, 8002,
	    "./inc.conf:3:18 Invalid prefix length 33", 0, NULL },
	{ "check-no-include", 2, 8002,
	    "site.conf:4:10 Unable to open included file ./inc.conf: No such file or directory",
	    0, NULL },
	{ "configure-bad-prefix", 2, 8002,
	    "./inc.conf:3:18 Invalid prefix length 33", 0, NULL },
	{ "reconfigured", 2, 3, "Reconfigured", 0, NULL },
	{ "in-progress", 2, 4, "Reconfiguration in progress", 0, NULL },
	{ "queued", 2, 5,
	    "Reconfiguration already in progress, queueing new config", 0,
	    NULL },
	{ "timeout", 3, 3, "Reconfigured", 0, NULL },
	{ "confirm", 1, 18, "Reconfiguration confirmed", 0, NULL },
	{ "confirm-nothing", 1, 19, "Nothing to do", 0, NULL },
	{ "confirm-late", 1, 19, "Nothing to do", 0, NULL },
	{ "undo", 2, 3, "Reconfigured", 0, NULL },
	{ "undo-again", 2, 19, "Nothing to do", 0, NULL },
	{ "disable", 2, 0, "", 0, NULL },
	{ "enable", 2, 0, "", 0, NULL },
};

static void
check_reply(size_t i, const char *version, const struct bird_reply *reply)
{
	bool is_3 = version[0] == '3';
	const char *want = is_3 && goldens[i].text3 != NULL ? goldens[i].text3
							    : goldens[i].text;
	const char *text = bird_reply_text(reply);

	if (reply->code != goldens[i].code)
		fail_msg("%s/%s: %u", version, goldens[i].name, reply->code);
	assert_int_equal(reply->n,
	    is_3 && goldens[i].lines3 > 0 ? goldens[i].lines3
					  : goldens[i].lines);
	assert_int_equal(reply->lines[reply->n - 1].code, goldens[i].code);
	if (goldens[i].code == 1) {
		assert_memory_equal(text, want, strlen(want));
	} else {
		assert_string_equal(text, want);
	}
	assert_int_equal(bird_code_is_ok(reply->code), goldens[i].code < 8000);
}

static void
check_cut_at_every_byte(size_t i, const char *version)
{
	struct golden g = golden_read(version, goldens[i].name);
	struct bird_reader *r = bird_reader_new();

	for (size_t cut = 0; cut < g.len; cut++) {
		const struct bird_reply *reply = NULL;
		char *head = malloc(cut > 0 ? cut : 1);
		struct err err;
		size_t used;

		assert_non_null(head);
		memcpy(head, g.bytes, cut);
		assert_int_equal(bird_reader_feed(r, head, cut, &used, &reply,
				     &err),
		    0);
		free(head);
		assert_int_equal(used, cut);
		assert_null(reply);
		reply = reply_of(r, g.bytes + cut, g.len - cut);
		check_reply(i, version, reply);
	}
	bird_reader_free(r);
	free(g.bytes);
}

/* Cut anywhere, a reply is the same; without its end there is none. */
static void
test_real_replies_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++) {
		for (size_t i = 0; i < TEST_COUNT(goldens); i++)
			check_cut_at_every_byte(i, golden_versions[v]);
	}
}

static void
check_byte_by_byte(size_t i, const char *version)
{
	struct golden g = golden_read(version, goldens[i].name);
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply = NULL;

	for (size_t k = 0; k < g.len; k++) {
		struct err err;
		size_t used;

		assert_int_equal(bird_reader_feed(r, g.bytes + k, 1, &used,
				     &reply, &err),
		    k + 1 == g.len);
	}
	check_reply(i, version, reply);
	free(g.bytes);
	bird_reader_free(r);
}

static void
test_real_replies_byte_by_byte(void **state)
{
	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++) {
		for (size_t i = 0; i < TEST_COUNT(goldens); i++)
			check_byte_by_byte(i, golden_versions[v]);
	}
}

static void
check_asynchronous_lines(const char *version)
{
	struct golden g = golden_read(version, "echo");
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply;
	struct err err;
	size_t used, first;

	assert_int_equal(bird_reader_feed(r, g.bytes, g.len, &first, &reply,
			     &err),
	    1);
	assert_int_equal(reply->n, 2);
	assert_int_equal(reply->code, 3);
	assert_int_equal(bird_reader_feed(r, g.bytes + first, g.len - first,
			     &used, &reply, &err),
	    1);
	assert_int_equal(first + used, g.len);
	assert_int_equal(reply->n, 3);
	assert_int_equal(reply->lines[0].code, 1007);
	assert_string_equal(reply->lines[0].text, "Table master6:");
	bird_reader_free(r);
	free(g.bytes);
}

/* As BIRD sends them after `echo all`: behind one reply, before the next. */
static void
test_asynchronous_lines_belong_to_no_reply(void **state)
{
	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++)
		check_asynchronous_lines(golden_versions[v]);
}

/* Bytes -> its lines as "code:text|", or NULL if it is not BIRD's protocol. */
static const struct {
	const char *bytes;
	size_t len; /* 0: up to the NUL */
	const char *want;
} cases[] = {
	{ "0000 \n", 0, "0:|" },
	{ "9999 x\n", 0, "9999:x|" },
	{ "1007-a\n b\n1008-c\n d\n\te\n", 0, NULL },
	{ "1007-a\n b\n1008-c\n  d\n0000 \n", 0,
	    "1007:a|1007:b|1008:c|1008: d|0:|" },
	{ "1007-a\n \n0000 \n", 0, "1007:a|1007:|0:|" },
	{ "1007-\n0000 \n", 0, "1007:|0:|" },
	/* Carriage returns; one of them only is the line's end. */
	{ "1007-a\r\n b\r\n0000 \r\n", 0, "1007:a|1007:b|0:|" },
	{ "0000 a\r\r\n", 0, "0:a?|" },
	/* Asynchronous: anywhere, whatever it looks like. */
	{ "+x\n1007-a\n+0000 \n b\n+\n0003 c\n", 0, "1007:a|1007:b|3:c|" },
	/* A code and no text behind it is a text: only the head counts. */
	{ " 0000 \n", 0, NULL },
	{ "1007-a\n 0000 \n0000 \n", 0, "1007:a|1007:0000 |0:|" },
	/* What is not printable must not reach logs or JSON. */
	{ "0003 \x1b[31m\xc3\xa4\x7f\ttab\n", 0, "3:?[31m????tab|" },
	/* No code, or none of BIRD's. */
	{ "\n", 0, NULL },
	{ "\r\n", 0, NULL },
	{ " a\n", 0, NULL },
	{ "hello\n", 0, NULL },
	{ "0000\n", 0, NULL },
	{ "0000x\n", 0, NULL },
	{ "000 x\n", 0, NULL },
	{ "00000 x\n", 0, NULL },
	{ "00a0 x\n", 0, NULL },
	{ "-001 x\n", 0, NULL },
	{ "0x10 x\n", 0, NULL },
	{ "1007-a\nb\n", 0, NULL },
	{ "1007-a\n\n0000 \n", 0, NULL },
	{ "HTTP/1.1 400 Bad Request\r\n", 0, NULL },
	/* NUL: would cut the text short. */
	{ "0000 \0\n", 7, NULL },
	{ "00\00000 \n", 9, NULL },
	{ "+\0\n0000 \n", 9, NULL },
};

static char *
reply_text(const struct bird_reply *reply)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (size_t i = 0; i < reply->n; i++) {
		(void)fprintf(out, "%u:%s|", reply->lines[i].code,
		    reply->lines[i].text);
	}
	(void)fclose(out);
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '\t')
			*p = '?';
	}
	return text;
}

/* Feeds pieces until something comes of it; as bird_reader_feed. */
static int
feed_in_pieces(struct bird_reader *r, const char *bytes, size_t len,
    size_t piece, const struct bird_reply **reply)
{
	struct err err = { 0 };
	int rc = 0;

	for (size_t at = 0, used; rc == 0 && at < len; at += used) {
		size_t n = len - at < piece ? len - at : piece;

		rc = bird_reader_feed(r, bytes + at, n, &used, reply, &err);
		assert_true(used <= n);
		assert_true(rc != 0 || used == n);
	}
	assert_int_equal(err.code, rc == -1 ? ERR_PROTO : ERR_NONE);
	return rc;
}

static void
check_case(size_t i, size_t piece)
{
	const char *bytes = cases[i].bytes;
	size_t len = cases[i].len > 0 ? cases[i].len : strlen(bytes);
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply = NULL;
	int rc = feed_in_pieces(r, bytes, len, piece, &reply);

	if (rc != (cases[i].want != NULL ? 1 : -1))
		fail_msg("case %zu: %d", i, rc);
	if (cases[i].want != NULL && reply != NULL) {
		char *text = reply_text(reply);

		assert_string_equal(text, cases[i].want);
		free(text);
	}
	bird_reader_free(r);
}

static void
test_framing(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		for (size_t piece = 1; piece < 40; piece++)
			check_case(i, piece);
	}
}

/* After nonsense a reader is as new once it is reset. */
static void
test_reset_forgets_everything(void **state)
{
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply;
	struct err err;
	size_t used;

	(void)state;
	assert_int_equal(bird_reader_feed(r, "1007-a\n 00", 10, &used, &reply,
			     &err),
	    0);
	bird_reader_reset(r);
	/* Not even the code of the line before. */
	assert_int_equal(bird_reader_feed(r, " b\n", 3, &used, &reply, &err),
	    -1);
	bird_reader_reset(r);
	reply = reply_of(r, "0003 b\n", 7);
	assert_int_equal(reply->n, 1);
	assert_string_equal(reply->lines[0].text, "b");
	bird_reader_free(r);
}

/* Only one reply is taken from the bytes, the rest is left. */
static void
test_one_reply_at_a_time(void **state)
{
	static const char bytes[] = "0001 a\n0002-b\n0003 c\n0004";
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply;
	struct err err;
	size_t used;

	(void)state;
	assert_int_equal(bird_reader_feed(r, bytes, 25, &used, &reply, &err),
	    1);
	assert_int_equal(used, 7);
	assert_int_equal(reply->code, 1);
	assert_int_equal(bird_reader_feed(r, bytes + 7, 18, &used, &reply,
			     &err),
	    1);
	assert_int_equal(used, 14);
	assert_int_equal(reply->code, 3);
	assert_int_equal(reply->n, 2);
	assert_int_equal(bird_reader_feed(r, bytes + 21, 4, &used, &reply,
			     &err),
	    0);
	assert_int_equal(used, 4);
	bird_reader_free(r);
}

static char *
line_of(size_t len, const char head[5])
{
	char *line = malloc(len + 1);

	assert_non_null(line);
	memset(line, 'x', len);
	memcpy(line, head, 5);
	line[len] = '\n';
	return line;
}

/* A line of the greatest length, and one byte more, in pieces of any size. */
static void
test_longest_line(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		size_t len = BIRD_LINE_MAX + over;
		char *line = line_of(len, "0000 ");

		for (size_t piece = 1; piece < 2 * len; piece *= 7) {
			struct bird_reader *r = bird_reader_new();
			const struct bird_reply *reply = NULL;

			assert_int_equal(feed_in_pieces(r, line, len + 1, piece,
					     &reply),
			    over == 0 ? 1 : -1);
			bird_reader_free(r);
		}
		free(line);
	}
}

/* A line that never ends takes no more memory than the longest. */
static void
test_endless_line_is_refused(void **state)
{
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply;
	struct err err;
	size_t used, n = 0;

	(void)state;
	while (bird_reader_feed(r, "x", 1, &used, &reply, &err) == 0)
		n++;
	assert_int_equal(n, BIRD_LINE_MAX);
	assert_int_equal(err.code, ERR_PROTO);
	bird_reader_free(r);
}

/* How many lines of this length are taken before it is too much. */
static size_t
lines_until_refused(const char *line, size_t len)
{
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply;
	struct err err = { 0 };
	size_t used, n = 0;

	while (bird_reader_feed(r, line, len, &used, &reply, &err) == 0) {
		n++;
		assert_true(n <= BIRD_REPLY_LINES_MAX);
	}
	assert_string_equal(err.msg, "bird: reply without end");
	bird_reader_free(r);
	return n;
}

static void
test_reply_without_end_is_refused(void **state)
{
	char *line = line_of(BIRD_LINE_MAX, "1007-");

	(void)state;
	assert_int_equal(lines_until_refused("1007-x\n", 7),
	    BIRD_REPLY_LINES_MAX);
	/* Each takes its text and a NUL. */
	assert_int_equal(lines_until_refused(line, BIRD_LINE_MAX + 1),
	    BIRD_REPLY_BYTES_MAX / (BIRD_LINE_MAX - 5 + 1));
	free(line);
}

static void
test_text_is_of_the_first_error(void **state)
{
	static const char bytes[] =
	    "0002-reading\n8002-first\n9001-second\n0000 last\n";
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply none = { 0 };

	(void)state;
	assert_string_equal(bird_reply_text(reply_of(r, bytes,
				sizeof(bytes) - 1)),
	    "first");
	assert_string_equal(bird_reply_text(&none), "");
	bird_reader_free(r);
	bird_reader_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_replies_cut_at_every_byte),
		cmocka_unit_test(test_real_replies_byte_by_byte),
		cmocka_unit_test(test_asynchronous_lines_belong_to_no_reply),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_reset_forgets_everything),
		cmocka_unit_test(test_one_reply_at_a_time),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_endless_line_is_refused),
		cmocka_unit_test(test_reply_without_end_is_refused),
		cmocka_unit_test(test_text_is_of_the_first_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
