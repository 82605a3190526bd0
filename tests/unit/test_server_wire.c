/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server, byte by byte: what RFC 9112 forbids, and requests that are cut,
 * never finished, or too long.
 */
#include "api/server.h"

#include "server_rig.h"
#include "test.h"

/* ---- what RFC 9112 forbids ---- */

static const struct {
	const char *why;
	const char *request;
} hostile[] = {
	{ "no host", "GET /v1/hello HTTP/1.1\r\n\r\n" },
	{ "two hosts", "GET /v1/hello HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n" },
	{ "length and encoding",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" },
	{ "two lengths",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Content-Length: 5\r\n\r\n{}abc" },
	{ "two equal lengths",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Content-Length: 2\r\n\r\n{}" },
	{ "list of lengths",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n"
	    "\r\n{}" },
	{ "signed length",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n"
	    "\r\n{}" },
	{ "negative length",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n"
	    "\r\n{}" },
	{ "hexadecimal length",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n"
	    "\r\n{}" },
	{ "huge length",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 99999999999999999999\r\n\r\n{}" },
	{ "blank after a name",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n"
	    "\r\n{}" },
	{ "tab after a name",
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n" },
	{ "unknown encoding",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: xchunked\r\n\r\n" },
	{ "two encodings in one",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" },
	{ "two encodings",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n0\r\n\r\n" },
	{ "folded encoding",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding:\r\n xchunked\r\n\r\n0\r\n\r\n" },
	/* Its body would be read as the next request. */
	{ "body of a get",
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n"
	    "\r\nGET /v1/hello HTTP/1.1\r\nHost: smuggled\r\n\r\n" },
	{ "chunks of a get",
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
	{ "no name", "GET /v1/hello HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" },
	{ "no colon", "GET /v1/hello HTTP/1.1\r\nHost: a\r\nb\r\n\r\n" },
	{ "no version", "GET /v1/hello\r\nHost: a\r\n\r\n" },
	{ "two blanks", "GET  /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "bad chunk size",
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" },
	{ "not http", "\x16\x03\x01\x02\r\n\r\n" },
};

/* No handler sees it, one answer at most, and the connection ends. */
static void
test_ambiguous_requests_are_refused(void **state)
{
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(hostile); i++) {
		if (i % 2 == 0) {
			wire_tcp(h->wire, h->lp, h->port);
		} else {
			wire_unix(h->wire, h->lp, h->path);
		}
		wire_send(h->wire, hostile[i].request);
		for (int k = 0; k < 400 && !wire_is_closed(h->wire); k++)
			loop_step(h->lp, WAIT_STEP_MS);
		if (!h->wire->is_closed || h->calls != 0 ||
		    wire_answers(h->wire) > 1 ||
		    (h->wire->len > 0 && !wire_has(h->wire, " 400 ") &&
			!wire_has(h->wire, " 413 ")))
			fail_msg("%s: %s", hostile[i].why, h->wire->text);
		wire_close(h->wire);
	}
}

static void
test_good_requests_on_one_connection(void **state)
{
	struct house *h = *state;

	wire_tcp(h->wire, h->lp, h->port);
	wire_send(h->wire,
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n"
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "\r\n{}"
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	WAIT_FOR(h->lp, (wire_pump(h->wire), wire_answers(h->wire) == 4));
	assert_int_equal(h->calls, 4);
	assert_null(strstr(h->wire->text, " 400 "));
	assert_false(wire_is_closed(h->wire));
}

static void
test_request_cut_at_every_byte(void **state)
{
	static const char request[] =
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n"
	    "\r\n{\"a\": 1}";
	struct house *h = *state;

	for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
		wire_unix(h->wire, h->lp, h->path);
		wire_send_bytes(h->wire, request, cut);
		assert_int_equal(wire_answers(h->wire), 0);
		wire_send(h->wire, request + cut);
		WAIT_FOR(h->lp, wire_has(h->wire, "{\"a\":1}"));
		wire_close(h->wire);
	}
}

/* A client that goes away in the middle of its request leaves nothing. */
static void
test_request_never_finished(void **state)
{
	static const char request[] =
	    "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n"
	    "\r\n{\"a\": 1}";
	struct house *h = *state;

	for (size_t cut = 0; cut < sizeof(request) - 1; cut += 7) {
		wire_unix(h->wire, h->lp, h->path);
		wire_send_bytes(h->wire, request, cut);
		wire_close(h->wire);
		loop_idle(h->lp, 10);
	}
	assert_int_equal(h->calls, 0);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
send_long(struct house *h, const char *head, size_t filler)
{
	size_t head_len = strlen(head);
	char *text = calloc(head_len + filler + 1, 1);

	assert_non_null(text);
	(void)snprintf(text, head_len + 1, "%s", head);
	memset(text + head_len, 'x', filler);
	wire_tcp(h->wire, h->lp, h->port);
	wire_send_bytes(h->wire, text, head_len + filler);
	free(text);
}

static void
test_long_headers_are_refused(void **state)
{
	struct house *h = *state;

	send_long(h, "GET /v1/hello HTTP/1.1\r\nHost: a\r\nX: ", 100000);
	WAIT_FOR(h->lp, wire_is_closed(h->wire));
	wire_close(h->wire);
	send_long(h, "GET /v1/", 100000);
	WAIT_FOR(h->lp, wire_is_closed(h->wire));
	assert_int_equal(h->calls, 0);
}

static void
test_long_bodies_are_refused(void **state)
{
	struct house *h = *state;
	char head[128];

	(void)snprintf(head, sizeof(head),
	    "POST /v1/seen/x HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	    API_BODY_MAX_BYTES + 1);
	send_long(h, head, 1000);
	WAIT_FOR(h->lp, wire_is_closed(h->wire));
	assert_true(wire_has(h->wire, " 413 "));
	wire_close(h->wire);
	assert_int_equal(h->calls, 0);
	(void)snprintf(head, sizeof(head),
	    "POST /v1/seen/x HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	    API_BODY_MAX_BYTES);
	send_long(h, head, API_BODY_MAX_BYTES);
	WAIT_FOR(h->lp, wire_has(h->wire, " 200 "));
	assert_int_equal(h->body_len, API_BODY_MAX_BYTES);
}

/* Where nobody has anything to say, nobody may fill our memory. */
static void
test_long_bodies_have_no_place_where_one_reads(void **state)
{
	struct house *h = *state;
	char where[32];

	h->port = wire_free_port();
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .read = where }, NULL),
	    0);
	send_long(h,
	    "POST /v1/seen/x HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 20000\r\n\r\n",
	    100);
	WAIT_FOR(h->lp, wire_is_closed(h->wire));
	assert_true(wire_has(h->wire, " 413 "));
	assert_int_equal(h->calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_ambiguous_requests_are_refused),
		WITH_HOUSE(test_good_requests_on_one_connection),
		WITH_HOUSE(test_request_cut_at_every_byte),
		WITH_HOUSE(test_request_never_finished),
		WITH_HOUSE(test_long_headers_are_refused),
		WITH_HOUSE(test_long_bodies_are_refused),
		WITH_HOUSE(test_long_bodies_have_no_place_where_one_reads),
	};

	return house_main(tests, TEST_COUNT(tests));
}
