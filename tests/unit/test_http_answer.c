/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each answer comes whole, byte by byte, and in two pieces cut anywhere. */
#include "base/http_answer.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define BODY_BYTES 4096u
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define ENCODED(how) "HTTP/1.1 200 OK\r\nTransfer-Encoding: " how "\r\n\r\n"
#define LENGTH(n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n"

struct body {
	char text[BODY_BYTES];
	size_t len;
	size_t enough; /* 0: never */
};

struct read {
	struct http_answer a;
	struct body body;
	enum http_progress progress;
	size_t used; /* up to the piece that ended it */
	struct err err;
};

static bool
on_body(const uint8_t *bytes, size_t len, void *arg)
{
	struct body *body = arg;

	assert_true(len > 0 && body->len + len < BODY_BYTES);
	memcpy(body->text + body->len, bytes, len);
	body->len += len;
	return body->enough == 0 || body->len < body->enough;
}

static void
begin(struct read *rd, bool is_to_head)
{
	memset(rd, 0, sizeof(*rd));
	/* What was there before is not read. */
	memset(&rd->a, 'x', sizeof(rd->a));
	http_answer_begin(&rd->a, is_to_head, on_body, &rd->body);
}

/* From a copy of its own: a read beyond the end is seen. */
static void
feed(struct read *rd, const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (rd->progress != HTTP_MORE || len == 0) {
		free(copy);
		return;
	}
	assert_non_null(copy);
	copy = realloc(copy, len);
	memcpy(copy, bytes, len);
	rd->progress = http_answer_feed(&rd->a, copy, len, &rd->err);
	rd->used += len;
	free(copy);
}

static void
end(struct read *rd)
{
	if (rd->progress == HTTP_MORE)
		rd->progress = http_answer_close(&rd->a, &rd->err);
}

/* What is expected of text.  OPEN: it ends while the connection is there; HEAD:
 * so does this answer to HEAD. */
struct expected {
	const char *text;
	const char *body; /* or the error */
	unsigned status;  /* 0: broken */
	enum { OPEN, CLOSED, HEAD } when;
};

static void
check(struct read *rd, const struct expected *want)
{
	if (want->when != CLOSED)
		assert_int_equal(rd->progress, HTTP_WHOLE);
	end(rd);
	assert_int_not_equal(rd->progress, HTTP_MORE);
	if (want->status == 0) {
		assert_string_equal(rd->err.msg, want->body);
		assert_int_equal(rd->err.code, ERR_PROTO);
		assert_int_equal(rd->progress, HTTP_BROKEN);
		return;
	}
	assert_string_equal(rd->err.msg, "");
	assert_int_equal(rd->progress, HTTP_WHOLE);
	assert_int_equal(rd->a.status, want->status);
	assert_int_equal(rd->body.len, strlen(want->body));
	assert_memory_equal(rd->body.text, want->body, rd->body.len);
}

static void
check_all_ways(const struct expected *want, size_t len)
{
	struct read rd;

	begin(&rd, want->when == HEAD);
	feed(&rd, want->text, len);
	check(&rd, want);
	begin(&rd, want->when == HEAD);
	for (size_t i = 0; i < len; i++)
		feed(&rd, want->text + i, 1);
	check(&rd, want);
	for (size_t cut = 1; cut < len; cut++) {
		begin(&rd, want->when == HEAD);
		feed(&rd, want->text, cut);
		feed(&rd, want->text + cut, len - cut);
		check(&rd, want);
	}
}

static void
check_table(const struct expected *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_all_ways(&table[i], strlen(table[i].text));
}

static void
test_where_it_ends(void **state)
{
	static const struct expected table[] = {
		{ LENGTH("5") "hello", "hello", 200, OPEN },
		{ LENGTH("5") "hello and more", "hello", 200, OPEN },
		{ LENGTH("0"), "", 200, OPEN },
		{ LENGTH("5") "hell", "the answer ends too early", 0, CLOSED },
		{ "HTTP/1.0 200 OK\r\n\r\nuntil closed", "until closed", 200,
		    CLOSED },
		{ "HTTP/1.1 200 OK\r\n\r\n", "", 200, CLOSED },
		{ "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "", 204,
		    OPEN },
		{ "HTTP/1.1 304 No\r\n\r\n", "", 304, OPEN },
		{ LENGTH("5"), "", 200, HEAD },
		{ CHUNKED, "", 200, HEAD },
		{ "HTTP/1.1 100 C\r\nContent-Length: 7\r\n\r\n" LENGTH("1") "x",
		    "x", 200, OPEN },
		{ "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 102 P\r\n\r\n" LENGTH(
		      "1") "x",
		    "x", 200, OPEN },
		{ "HTTP/1.1 100 Continue\r\n\r\n", "the answer ends too early",
		    0, CLOSED },
		{ "HTTP/1.1 101 S\r\n\r\nother", "other", 101, CLOSED },
		{ "", "closed without an answer", 0, CLOSED },
		{ "HTTP", "the answer ends too early", 0, CLOSED },
		{ "HTTP/1.1 200 OK\r\n", "the answer ends too early", 0,
		    CLOSED },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n\r", "the answer ends too early",
		    0, CLOSED },
	};

	(void)state;
	check_table(table, TEST_COUNT(table));
}

static void
test_chunks(void **state)
{
	static const struct expected table[] = {
		{ CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello", 200, OPEN },
		{ CHUNKED "5\nhello\n0\n\n", "hello", 200, OPEN },
		{ CHUNKED
		    "0000A;a=\"b\"\r\n0123456789\r\n1 \r\nx\r\n0;\r\n\r\n",
		    "0123456789x", 200, OPEN },
		{ CHUNKED "00000000000000001,\r\nx\r\r\n0\r\n\r\n", "x", 200,
		    OPEN },
		{ CHUNKED "1x\r\nx\r\n0\r\n\r\n", "x", 200, OPEN },
		{ CHUNKED "aB\r\n", "the answer ends too early", 0, CLOSED },
		{ CHUNKED "1\r\nx\r\n0\r\nTrailer: 1\r\nno colon\r\n\r\n", "x",
		    200, OPEN },
		{ CHUNKED "1\r\nx\r\n0\r\n", "the answer ends too early", 0,
		    CLOSED },
		{ CHUNKED "1\r\nx", "the answer ends too early", 0, CLOSED },
		{ CHUNKED "1\r\nxy\r\n", "chunk without an end", 0, CLOSED },
		{ CHUNKED "\r\nx\r\n", "chunk without a size", 0, CLOSED },
		{ CHUNKED "g\r\nx\r\n", "chunk without a size", 0, CLOSED },
		{ CHUNKED "-1\r\nx\r\n", "chunk without a size", 0, CLOSED },
		{ CHUNKED " 1\r\nx\r\n", "chunk without a size", 0, CLOSED },
		{ CHUNKED "1000000000000000\r\nx\r\n", "chunk without a size",
		    0, CLOSED },
		{ CHUNKED "7ffffffffffffff\r\nx", "the answer ends too early",
		    0, CLOSED },
	};

	(void)state;
	check_table(table, TEST_COUNT(table));
}

static void
test_fields(void **state)
{
	static const struct expected table[] = {
		{ "HTTP/1.1 200 OK\ncONTENT-lENGTH:\t 5 \t\n\nhello", "hello",
		    200, OPEN },
		{ "HTTP/1.1 200 OK\r\nContent-Length : 9\r\nA: b\r\n c\r\n"
		  "\td\r\nX-Content-Length: 7\r\n\r\nx",
		    "x", 200, CLOSED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
		  "content-length: 0000000000000000000005\r\n\r\nhello",
		    "hello", 200, OPEN },
		{ LENGTH("5, 5") "hello", "hello", 200, OPEN },
		{ LENGTH("+5") "hello", "hello", 200, OPEN },
		{ "HTTP/1.1 200 OK\r\r\nX: y\r\r\n\r\r\nhello", "hello", 200,
		    CLOSED },
		{ ENCODED("none") "x", "x", 200, CLOSED },
		{ LENGTH("5 bytes\r") "hello", "hello", 200, OPEN },
		{ LENGTH(""), "Content-Length is no number", 0, CLOSED },
		{ LENGTH("-1"), "Content-Length is no number", 0, CLOSED },
		{ LENGTH("x5"), "Content-Length is no number", 0, CLOSED },
		{ LENGTH("99999999999999999999") "x", "x", 200, CLOSED },
		{ LENGTH("576460752303423488") "x", "the answer ends too early",
		    0, CLOSED },
		{ LENGTH("x"), "", 200, HEAD },
		{ "HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n", "", 304,
		    OPEN },
		{ "HTTP/1.1 100 C\r\nContent-Length: x\r\n\r\n" LENGTH("1") "x",
		    "x", 200, OPEN },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED \r\n"
		  "Content-Length: x\r\n\r\n0\r\n\r\n",
		    "", 200, OPEN },
		{ ENCODED("identity,\tchunked,") "1\r\nx\r\n0\r\n\r\n", "x",
		    200, OPEN },
		{ ENCODED("Identity\r\nContent-Length: 1") "x", "x", 200,
		    OPEN },
		{ ENCODED("") "x", "x", 200, CLOSED },
		{ ENCODED("gzip, chunked"),
		    "Transfer-Encoding other than chunked", 0, CLOSED },
		{ ENCODED("chunkedx"), "Transfer-Encoding other than chunked",
		    0, CLOSED },
		{ ENCODED("gzip, chunked"), "", 200, HEAD },
		{ "HTTP/1.1 200 OK\r\nnonsense\r\n",
		    "header line without a colon", 0, CLOSED },
	};

	(void)state;
	check_table(table, TEST_COUNT(table));
}

static void
test_status_lines(void **state)
{
	static const struct expected table[] = {
		{ "HTTP/1.1 200\r\n\r\n", "", 200, CLOSED },
		{ "HTTP/1.0 404  \r\n\r\n", "", 404, CLOSED },
		{ "HTTP/1.1  599 x\n\n", "", 599, CLOSED },
		{ "HTTP/1.1 200OK\r\n\r\n", "", 200, CLOSED },
		{ "HTTP/1.1 200\tOK\r\n\r\n", "", 200, CLOSED },
		{ "HTTP/1.2 200 OK\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP/1.1 1000\r\n", "status line without a status", 0,
		    CLOSED },
		{ "HTTP/1.1 099\r\n", "status line without a status", 0,
		    CLOSED },
		{ "HTTP/1.1 20\r\n", "status line without a status", 0,
		    CLOSED },
		{ "HTTP/1.1 \r\n", "status line without a status", 0, CLOSED },
		{ "HTTP/1.1\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP/1.10 200\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP/1.x 200\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP/1.\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "\r\nHTTP/1.1 200\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "\n", "the answer is not HTTP", 0, CLOSED },
		{ "HTTP/2 200\r\n", "the answer is not HTTP", 0, CLOSED },
		{ "SSH-2.0-x", "the answer is not HTTP", 0, CLOSED },
		{ "x", "the answer is not HTTP", 0, CLOSED },
	};

	(void)state;
	check_table(table, TEST_COUNT(table));
}

static void
test_nul(void **state)
{
	static const char in_name[] = "HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
			  alone[] = "HTTP/1.1 200 OK\r\n\0\r\n\r\n",
			  in_body[] = LENGTH("3") "a\0b",
			  at_chunk[] = CHUNKED "1\r\nx\0\r\n";
	struct expected want = { in_name, "NUL in the header", 0, CLOSED };

	(void)state;
	check_all_ways(&want, sizeof(in_name) - 1);
	want.text = alone;
	check_all_ways(&want, sizeof(alone) - 1);
	want.text = at_chunk;
	want.body = "chunk without an end";
	check_all_ways(&want, sizeof(at_chunk) - 1);
	for (size_t cut = 1; cut < sizeof(in_body) - 1; cut++) {
		struct read rd;

		begin(&rd, false);
		feed(&rd, in_body, cut);
		feed(&rd, in_body + cut, sizeof(in_body) - 1 - cut);
		assert_int_equal(rd.progress, HTTP_WHOLE);
		assert_int_equal(rd.body.len, 3);
		assert_memory_equal(rd.body.text, "a\0b", 3);
	}
}

/* Lines of all lengths about what is kept of one. */
static void
test_long_lines(void **state)
{
	static char text[2 * HTTP_LINE_BYTES];
	struct read rd;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = HTTP_LINE_BYTES - 4; len < sizeof(text); len++) {
		begin(&rd, false);
		feed(&rd, "HTTP/1.1 200 ", 13);
		feed(&rd, text, len);
		feed(&rd, "\r\n", 2);
		feed(&rd, text, len); /* no colon within what is kept */
		feed(&rd, ":\r\n", 3);
		feed(&rd, "Content-Length: 1\r\n\r\nx", 22);
		assert_int_equal(rd.progress, HTTP_WHOLE);
		assert_int_equal(rd.body.len, 1);
		/* A length that is not all seen is none. */
		begin(&rd, false);
		feed(&rd, "HTTP/1.1 200\r\nContent-Length: ", 30);
		memset(text, '0', len);
		feed(&rd, text, len);
		feed(&rd, "2\r\n\r\nab", 7);
		assert_string_equal(rd.err.msg, "Content-Length is no number");
		begin(&rd, false);
		feed(&rd, CHUNKED "1;", sizeof(CHUNKED) + 1);
		memset(text, 'x', len);
		feed(&rd, text, len);
		feed(&rd, "\r\nx\r\n0\r\n\r\n", 10);
		assert_int_equal(rd.progress, HTTP_WHOLE);
	}
}

static void
test_head_limit(void **state)
{
	static const char line[] = "X-Endless: header header\r\n",
			  interim[] = "HTTP/1.1 100 C\r\n\r\n";
	static const char *const texts[] = { line, interim, "x" };
	struct read rd;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		size_t len = strlen(texts[i]);

		begin(&rd, false);
		if (texts[i] != interim)
			feed(&rd, "HTTP/1.1 200 OK\r\n", 17);
		while (rd.progress == HTTP_MORE &&
		    rd.used <= 2 * HTTP_HEAD_MAX_BYTES)
			feed(&rd, texts[i], len);
		assert_string_equal(rd.err.msg,
		    "header of more than 262144 bytes");
		assert_true(rd.used > HTTP_HEAD_MAX_BYTES &&
		    rd.used <= HTTP_HEAD_MAX_BYTES + len);
	}
	begin(&rd, false);
	feed(&rd, CHUNKED "1;", sizeof(CHUNKED) + 1);
	while (rd.progress == HTTP_MORE && rd.used < HTTP_HEAD_MAX_BYTES)
		feed(&rd, "extension", 9);
	assert_string_equal(rd.err.msg, "chunk with too long a line");
	/* Chunks are not the head, however many. */
	begin(&rd, false);
	feed(&rd, CHUNKED, sizeof(CHUNKED) - 1);
	while (rd.used < 2 * HTTP_HEAD_MAX_BYTES) {
		rd.body.len = 0;
		feed(&rd, "1\r\nx\r\n", 6);
	}
	assert_int_equal(rd.progress, HTTP_MORE);
	/* Trailers are. */
	feed(&rd, "0\r\n", 3);
	for (size_t i = 0; i < HTTP_HEAD_MAX_BYTES; i += sizeof(line) - 1)
		feed(&rd, line, sizeof(line) - 1);
	assert_int_equal(rd.progress, HTTP_BROKEN);
}

static void
test_enough(void **state)
{
	static const char *const texts[] = { LENGTH("10") "0123456789",
		CHUNKED "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n0123456789" };
	struct read rd;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		begin(&rd, false);
		rd.body.enough = 3;
		for (size_t at = 0; at < strlen(texts[i]); at++)
			feed(&rd, texts[i] + at, 1);
		assert_int_equal(rd.progress, HTTP_WHOLE);
		assert_int_equal(rd.body.len, 3);
		assert_memory_equal(rd.body.text, "012", 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_it_ends),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
