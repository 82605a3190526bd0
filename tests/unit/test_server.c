/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/server.h"

#include <signal.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "base/fetch.h"
#include "base/user.h"
#include "http_wire.h"
#include "loop_wait.h"
#include "test.h"

struct house {
	char dir[64];
	char path[128];
	uint16_t port;
	struct loop *lp;
	struct api_server *server;
	struct fetch_engine *fetch;
	struct wire *wire;
	/* The answer of the last get. */
	bool is_done;
	int status;
	char body[4096];
	/* What handlers saw. */
	unsigned calls, gone;
	struct api_request *deferred;
	size_t body_len;
	char seen[512];
};

/* ---- handlers ---- */

static void
handle_hello(struct api_request *req, void *arg)
{
	struct house *h = arg;

	h->calls++;
	api_reply_json(req, 200, json_pack("{s:s}", "hello", "you"));
}

static void
handle_seen(struct api_request *req, void *arg)
{
	struct house *h = arg;
	const char *q = api_param(req, "q");

	h->calls++;
	(void)api_body(req, &h->body_len);
	(void)snprintf(h->seen, sizeof(h->seen), "%s|%s|%s|%s",
	    api_segment(req, 2), api_segment(req, 9), q != NULL ? q : "-",
	    api_actor(req));
	api_reply_bytes(req, 200, "text/plain", "seen", 4);
}

static void
handle_echo(struct api_request *req, void *arg)
{
	struct house *h = arg;
	struct err err = { 0 };
	json_t *body = api_body_json(req, &err);

	h->calls++;
	if (body == NULL) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200, body);
	}
}

static void
handle_number(struct api_request *req, void *arg)
{
	static const int64_t range[] = { -1, 100 };
	int64_t value = 7;
	struct err err = { 0 };

	(void)arg;
	if (api_param_i64(req, "n", range, &value, &err) == -1) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200,
		    json_pack("{s:I}", "n", (json_int_t)value));
	}
}

static void
handle_fail(struct api_request *req, void *arg)
{
	struct err err = { 0 };

	(void)arg;
	(void)err_set(&err,
	    (enum err_code)strtol(api_segment(req, 2), NULL, 10), "%s",
	    api_segment(req, 3));
	api_reply_err(req, &err);
}

static void
handle_not_json(struct api_request *req, void *arg)
{
	(void)arg;
	api_reply_json(req, 200, NULL);
}

static void
on_gone(struct api_request *req, void *arg)
{
	struct house *h = arg;

	assert_ptr_equal(req, h->deferred);
	h->gone++;
	h->deferred = NULL;
}

static void
handle_later(struct api_request *req, void *arg)
{
	struct house *h = arg;

	h->calls++;
	h->deferred = req;
	api_request_defer(req, on_gone, h);
}

static const struct api_route routes[] = {
	{ "GET", "/v1/hello", API_READ, handle_hello },
	{ "GET", "/v1/seen/+", API_READ, handle_seen },
	{ "POST", "/v1/seen/+", API_READ, handle_seen },
	{ "POST", "/v1/echo", API_AGENT, handle_echo },
	{ "GET", "/v1/number", API_READ, handle_number },
	{ "GET", "/v1/fail/+/+", API_READ, handle_fail },
	{ "GET", "/v1/not-json", API_READ, handle_not_json },
	{ "GET", "/v1/later", API_READ, handle_later },
	{ "POST", "/v1/later", API_READ, handle_later },
	{ "POST", "/v1/change", API_LOCAL, handle_hello },
	{ 0 },
};

static const struct api_route more_routes[] = {
	{ "GET", "/v1/more", API_READ, handle_hello },
	{ 0 },
};

/* ---- the house ---- */

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct err err = { 0 };
	char where[32];

	assert_non_null(h);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/sock", h->dir);
	h->wire = calloc(1, sizeof(*h->wire));
	assert_non_null(h->wire);
	h->wire->fd = -1;
	h->lp = loop_new();
	h->fetch = fetch_engine_new(h->lp);
	h->server = api_server_new(h->lp);
	api_server_add(h->server, routes, h);
	api_server_add(h->server, more_routes, h);
	h->port = wire_free_port();
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){
				 .local = h->path, .tcp = where },
			     &err),
	    0);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	if (h->wire->fd != -1)
		wire_close(h->wire);
	free(h->wire);
	fetch_engine_free(h->fetch);
	api_server_free(h->server);
	loop_free(h->lp);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static void
on_done(const struct fetch_answer *answer, void *arg)
{
	struct house *h = arg;

	h->is_done = true;
	h->status = answer->status;
	(void)snprintf(h->body, sizeof(h->body), "%s",
	    answer->body != NULL ? (const char *)answer->body : "");
}

static struct fetch *
begin(struct house *h, const char *method, const char *path, bool is_local,
    const char *body)
{
	char url[512];
	struct fetch_request req = { .method = method,
		.url = url,
		.unix_socket = is_local ? h->path : NULL,
		.body = body,
		.body_len = body != NULL ? strlen(body) : 0,
		.timeout_ms = 5000,
		.max_body_bytes = sizeof(h->body) - 1 };

	h->is_done = false;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", h->port,
	    path);
	return fetch_start(h->fetch, &req, on_done, h);
}

static int
ask(struct house *h, const char *method, const char *path, bool is_local,
    const char *body)
{
	(void)begin(h, method, path, is_local, body);
	WAIT_FOR(h->lp, h->is_done);
	return h->status;
}

/* ---- routes ---- */

static const struct {
	const char *method, *path;
	int status;
} paths[] = {
	{ "GET", "/v1/hello", 200 },
	{ "GET", "/v1/hello?x=1", 200 },
	{ "GET", "/v1/more", 200 },
	{ "POST", "/v1/hello", 404 },
	{ "GET", "/v1/hello/", 404 },
	{ "GET", "/v1", 404 },
	{ "GET", "/v1/hell", 404 },
	{ "GET", "/v1/helloo", 404 },
	{ "GET", "/", 404 },
	{ "GET", "//v1/hello", 404 },
	{ "GET", "/v1%2Fhello", 404 },
	{ "GET", "/v1/hell%6f", 200 },
	{ "GET", "/v1/hello%00", 400 },
	{ "GET", "/v1/seen/x%00y", 400 },
	{ "GET", "/a/b/c/d/e/f", 404 },
	{ "GET", "/a/b/c/d/e/f/g", 400 },
	{ "GET", "/v1/seen/a?q=b%20c", 200 },
	{ "GET", "/v1/seen/a?q", 400 },
	{ "GET", "/v1/seen/a?=b", 400 },
	{ "PUT", "/v1/hello", 501 },
	{ "DELETE", "/v1/hello", 501 },
};

static void
check_path(struct house *h, size_t i, bool is_local)
{
	int status = ask(h, paths[i].method, paths[i].path, is_local, NULL);

	if (status != paths[i].status)
		fail_msg("%s %s: %d", paths[i].method, paths[i].path, status);
}

static void
test_routes(void **state)
{
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(paths); i++)
		check_path(h, i, i % 2 == 0);
}

static void
test_handler_sees_segments_parameters_and_the_actor(void **state)
{
	char name[USER_NAME_BYTES];
	struct house *h = *state;
	char want[128];

	assert_int_equal(ask(h, "GET", "/v1/seen/a%2fb?q=c%26+d&q=e", true,
			     NULL),
	    200);
	assert_true(user_name(getuid(), name));
	(void)snprintf(want, sizeof(want), "a/b||c& d|uid %u (%s)",
	    (unsigned)getuid(), name);
	assert_string_equal(h->seen, want);
	assert_string_equal(h->body, "seen");
	assert_int_equal(ask(h, "POST", "/v1/seen/x", false, "12345"), 200);
	assert_string_equal(h->seen, "x||-|127.0.0.1");
	assert_int_equal(h->body_len, 5);
}

/* What changes things is for who may open the control socket. */
static void
test_local_routes_are_not_there_over_tcp(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "POST", "/v1/change", false, NULL), 404);
	assert_int_equal(h->calls, 0);
	assert_int_equal(ask(h, "POST", "/v1/change", true, NULL), 200);
	assert_int_equal(h->calls, 1);
	assert_int_equal(ask(h, "POST", "/v1/echo", false, "{}"), 200);
}

static void
test_numbers_in_parameters(void **state)
{
	static const struct {
		const char *path, *body;
	} cases[] = {
		{ "/v1/number", "{\"n\":7}" },
		{ "/v1/number?n=-1", "{\"n\":-1}" },
		{ "/v1/number?n=0", "{\"n\":0}" },
		{ "/v1/number?n=100", "{\"n\":100}" },
		{ "/v1/number?n=101", NULL },
		{ "/v1/number?n=-2", NULL },
		{ "/v1/number?n=", NULL },
		{ "/v1/number?n=1x", NULL },
		{ "/v1/number?n=+1", NULL },
		{ "/v1/number?n=99999999999999999999", NULL },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		int status = ask(h, "GET", cases[i].path, true, NULL);

		assert_int_equal(status, cases[i].body != NULL ? 200 : 400);
		if (cases[i].body != NULL) {
			assert_string_equal(h->body, cases[i].body);
		} else {
			assert_non_null(strstr(h->body, "parameter n"));
		}
	}
}

static void
test_bodies_are_json_objects(void **state)
{
	static const struct {
		const char *body;
		int status;
	} cases[] = {
		{ "", 200 },
		{ "{}", 200 },
		{ "{\"a\":[1,{\"b\":null}]}", 200 },
		{ "[]", 400 },
		{ "1", 400 },
		{ "null", 400 },
		{ "\"x\"", 400 },
		{ "{", 400 },
		{ "{\"a\":1,\"a\":2}", 400 },
		{ "{\"a\":1}}", 400 },
		{ "{\"a\":\"\\u0000\"}", 400 },
		{ "{\"a\":\"\xff\"}", 400 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		assert_int_equal(ask(h, "POST", "/v1/echo", true,
				     cases[i].body),
		    cases[i].status);
	}
}

static void
test_errors_have_a_status_and_a_body(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} cases[] = {
		{ ERR_SYS, 500 },
		{ ERR_CONF, 400 },
		{ ERR_PROTO, 400 },
		{ ERR_STORE, 500 },
		{ ERR_BIRD, 500 },
		{ ERR_REFUSED, 409 },
		{ ERR_TIMEOUT, 504 },
		{ ERR_GONE, 404 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char path[64], want[128];

		(void)snprintf(path, sizeof(path), "/v1/fail/%d/why",
		    (int)cases[i].code);
		(void)snprintf(want, sizeof(want),
		    "{\"error\":{\"code\":\"%s\",\"message\":\"why\"}}",
		    err_code_name(cases[i].code));
		assert_int_equal(ask(h, "GET", path, true, NULL),
		    cases[i].status);
		assert_string_equal(h->body, want);
	}
	assert_int_equal(ask(h, "GET", "/v1/not-json", true, NULL), 500);
}

/* An error quotes the request: whatever it was, the answer is JSON. */
static void
test_error_that_quotes_bytes_is_json(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "GET", "/v1/fail/6/%ff%c3%28x%e2%82", true,
			     NULL),
	    409);
	assert_non_null(strstr(h->body, "\"message\":\"?\?(x?\?\""));
	assert_int_equal(ask(h, "GET", "/v1/fail/6/%c3%bc", true, NULL), 409);
	assert_non_null(strstr(h->body, "\"message\":\"\xc3\xbc\""));
}

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

/* ---- answers that wait ---- */

static void
test_deferred_answer_arrives(void **state)
{
	struct house *h = *state;

	(void)begin(h, "GET", "/v1/later", true, NULL);
	WAIT_FOR(h->lp, h->deferred != NULL);
	loop_idle(h->lp, 20);
	assert_false(h->is_done);
	api_reply_empty(h->deferred, 204);
	WAIT_FOR(h->lp, h->is_done);
	assert_int_equal(h->status, 204);
	assert_int_equal(h->gone, 0);
	/* The connection is used again. */
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* Who waits must hear that the client went away, not answer a ghost. */
static void
test_client_gone_while_it_waits(void **state)
{
	static const char *const requests[] = {
		"GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /v1/later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		"\r\n{}",
		/* The next request is there already. */
		"GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n"
		"GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	struct house *h = *state;

	for (unsigned i = 0; i < 2 * TEST_COUNT(requests); i++) {
		if (i % 2 == 0) {
			wire_unix(h->wire, h->lp, h->path);
		} else {
			wire_tcp(h->wire, h->lp, h->port);
		}
		wire_send(h->wire, requests[i / 2]);
		WAIT_FOR(h->lp, h->deferred != NULL);
		wire_close(h->wire);
		WAIT_FOR(h->lp, h->gone == i + 1);
		assert_null(h->deferred);
	}
	loop_idle(h->lp, 20);
	assert_int_equal(h->gone, 2 * TEST_COUNT(requests));
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
test_next_request_waits_for_the_deferred_one(void **state)
{
	struct house *h = *state;

	wire_unix(h->wire, h->lp, h->path);
	wire_send(h->wire,
	    "GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_FOR(h->lp, h->deferred != NULL);
	loop_idle(h->lp, 20);
	assert_int_equal(h->calls, 1);
	api_reply_empty(h->deferred, 204);
	h->deferred = NULL;
	WAIT_FOR(h->lp, wire_has(h->wire, "\"hello\""));
	assert_int_equal(wire_answers(h->wire), 2);
}

/* At a clean end requests may still wait. */
static void
test_server_ends_while_a_request_waits(void **state)
{
	struct house *h = *state;

	(void)begin(h, "GET", "/v1/later", true, NULL);
	WAIT_FOR(h->lp, h->deferred != NULL);
	api_server_free(h->server);
	h->server = NULL;
	assert_int_equal(h->gone, 1);
	assert_null(h->deferred);
}

/* ---- the control socket ---- */

static void
test_control_socket_is_for_its_group(void **state)
{
	struct house *h = *state;
	struct stat st;

	assert_int_equal(stat(h->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
}

static int
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == -1 ? -1 : (int)(st.st_mode & 07777);
}

/* Everybody may look, nobody may change anything there. */
static void
test_read_socket_only_tells(void **state)
{
	struct house *h = *state;
	char control[sizeof(h->path)], where[32];
	struct err err = { 0 };

	(void)snprintf(control, sizeof(control), "%s", h->path);
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	(void)snprintf(h->path, sizeof(h->path), "%s/read", h->dir);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = control,
				 .local_read = h->path,
				 .local_read_mode = 0666,
				 .tcp = where },
			     &err),
	    0);
	assert_int_equal(mode_of(h->path), 0666);
	assert_int_equal(mode_of(control), 0660);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
	for (size_t i = 0; routes[i].method != NULL; i++) {
		if (routes[i].reach == API_READ)
			continue;
		assert_in_range(ask(h, routes[i].method, routes[i].path, true,
				    NULL),
		    400, 409);
	}
	assert_int_equal(ask(h, "POST", "/v1/hello", true, NULL), 409);
	/* Not there any more, and the rest is. */
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = control }, &err),
	    0);
	assert_int_equal(mode_of(h->path), -1);
	(void)snprintf(h->path, sizeof(h->path), "%s", control);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* Of several new places one cannot be had: all is as it was. */
static void
test_listening_elsewhere_is_all_or_nothing(void **state)
{
	struct house *h = *state;
	char read[sizeof(h->path)];
	struct err err = { 0 };

	(void)snprintf(read, sizeof(read), "%s/read", h->dir);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){
				 .local = read, .tcp = "192.0.2.1:1" },
			     &err),
	    -1);
	assert_int_equal(mode_of(read), -1);
	assert_int_equal(mode_of(h->path), 0660);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
	assert_int_equal(ask(h, "GET", "/v1/hello", false, NULL), 200);
}

static void
test_living_daemon_keeps_its_socket(void **state)
{
	struct house *h = *state;
	struct api_server *other = api_server_new(h->lp);
	struct err err = { 0 };

	assert_int_equal(api_server_listen(other,
			     &(struct api_places){ .local = h->path }, &err),
	    -1);
	assert_int_equal(err.code, ERR_REFUSED);
	api_server_free(other);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
test_dead_socket_is_replaced(void **state)
{
	struct house *h = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct err err = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	api_server_free(h->server);
	assert_int_equal(access(h->path, F_OK), -1);
	memcpy(sa.sun_path, h->path, strlen(h->path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)close(fd);
	h->server = api_server_new(h->lp);
	api_server_add(h->server, routes, h);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = h->path }, &err),
	    0);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
test_bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "", "example.org:80",
		"1.2.3.4:99999", "192.0.2.1:1" };
	struct house *h = *state;
	char where[32];
	char long_path[200];

	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct api_server *s = api_server_new(h->lp);
		struct err err = { 0 };

		assert_int_equal(api_server_listen(s,
				     &(struct api_places){ .tcp = bad[i] },
				     &err),
		    -1);
		assert_int_not_equal(err.code, ERR_NONE);
		api_server_free(s);
	}
	/* Taken by ours. */
	for (int i = 0; i < 2; i++) {
		struct api_server *s = api_server_new(h->lp);
		struct err err = { 0 };

		(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
		memset(long_path, 'x', sizeof(long_path) - 1);
		long_path[0] = '/';
		long_path[sizeof(long_path) - 1] = '\0';
		assert_int_equal(i == 0
			? api_server_listen(s,
			      &(struct api_places){ .tcp = where }, &err)
			: api_server_listen(s,
			      &(struct api_places){ .local = long_path }, &err),
		    -1);
		assert_int_equal(err.code, i == 0 ? ERR_SYS : ERR_CONF);
		api_server_free(s);
	}
}

int
main(void)
{
#define WITH_HOUSE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_routes),
		WITH_HOUSE(test_handler_sees_segments_parameters_and_the_actor),
		WITH_HOUSE(test_local_routes_are_not_there_over_tcp),
		WITH_HOUSE(test_numbers_in_parameters),
		WITH_HOUSE(test_bodies_are_json_objects),
		WITH_HOUSE(test_errors_have_a_status_and_a_body),
		WITH_HOUSE(test_error_that_quotes_bytes_is_json),
		WITH_HOUSE(test_ambiguous_requests_are_refused),
		WITH_HOUSE(test_good_requests_on_one_connection),
		WITH_HOUSE(test_request_cut_at_every_byte),
		WITH_HOUSE(test_request_never_finished),
		WITH_HOUSE(test_long_headers_are_refused),
		WITH_HOUSE(test_long_bodies_are_refused),
		WITH_HOUSE(test_deferred_answer_arrives),
		WITH_HOUSE(test_client_gone_while_it_waits),
		WITH_HOUSE(test_next_request_waits_for_the_deferred_one),
		WITH_HOUSE(test_server_ends_while_a_request_waits),
		WITH_HOUSE(test_control_socket_is_for_its_group),
		WITH_HOUSE(test_read_socket_only_tells),
		WITH_HOUSE(test_listening_elsewhere_is_all_or_nothing),
		WITH_HOUSE(test_living_daemon_keeps_its_socket),
		WITH_HOUSE(test_dead_socket_is_replaced),
		WITH_HOUSE(test_bad_addresses_are_refused),
	};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
