/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests that go without libcurl: what is sent, and what is made of the
 * answer, is what libcurl does with the same URL and a fragment behind it, which
 * is not plain and is not sent.
 */
#include "base/fetch_plain.h"

#include "fetch_rig.h"
#include "loop_wait.h"

#define BIG_HEADER_BYTES ((size_t)1024 * 1024)
#define BIG_HEADERS 12

/* What was sent, and what came of it. */
struct outcome {
	char request[8192];
	struct got got;
};

/* From nowhere, so that it asks nobody. */
static bool
is_ours(struct fixture *fx, const struct fetch_request *req)
{
	struct fetch_request from_nowhere = *req;
	struct fetch_plain *fp;

	from_nowhere.source = "192.0.2.1";
	fp = fetch_plain_start(fx->lp, &from_nowhere, NULL, NULL, NULL);
	fetch_plain_free(fp);
	return fp != NULL;
}

static void
run(struct fixture *fx, struct canned *srv, const struct fetch_request *req,
    struct outcome *out)
{
	memset(out, 0, sizeof(*out));
	memset(srv->request, 0, sizeof(srv->request));
	assert_non_null(fetch_start(fx->fe, req, fetch_on_done, &out->got));
	wait_calls(fx, &out->got, 1);
	memcpy(out->request, srv->request, sizeof(out->request));
}

/* Ours first. */
static void
run_both(struct fixture *fx, struct canned *srv,
    const struct fetch_request *req, struct outcome both[2])
{
	struct fetch_request theirs = *req;
	char *url = xasprintf("%s#fragment", req->url);

	theirs.url = url;
	assert_true(is_ours(fx, req));
	assert_false(is_ours(fx, &theirs));
	run(fx, srv, req, &both[0]);
	run(fx, srv, &theirs, &both[1]);
	free(url);
}

static void
assert_same(const struct outcome both[2])
{
	assert_string_equal(both[0].request, both[1].request);
	assert_int_equal(both[0].got.err.code, both[1].got.err.code);
	assert_int_equal(both[0].got.err.sys, both[1].got.err.sys);
	assert_int_equal(both[0].got.status, both[1].got.status);
	assert_int_equal(both[0].got.body_len, both[1].got.body_len);
	assert_string_equal(both[0].got.body, both[1].got.body);
}

static struct fetch_request
plain_request(const char *url)
{
	struct fetch_request req = request(url);

	req.fresh_connection = true;
	req.truncate = true;
	return req;
}

static void
test_requests_are_the_same(void **state)
{
	static const char *const methods[] = { "GET", "HEAD" };
	/* The caller's Host is sent as it is. */
	static const char *const paths[] = { "", "/", "/x", "/a/b.c?d=e&f=%20",
		"//x", "/?", "/~a;b=c,d(e)!$'*+@:" };
	char host[] = "host:  www.example.net ", probe[] = "X-Probe: a, b";
	char agent[] = "User-Agent: other", accept[] = "ACCEPT: text/plain";
	char type[] = "Content-Type: text/x", expect[] = "Expect: nothing";
	char *some[] = { probe, host, NULL };
	char *all[] = { host, probe, agent, accept, type, expect, NULL };
	char **const headers[] = { NULL, some, all };
	struct fixture *fx = *state;
	struct canned *srv =
	    canned_new(fx->lp, CANNED_CLOSE, "HTTP/1.1 204 None\r\n\r\n");
	struct outcome both[2];

	for (size_t i = 0; i < TEST_COUNT(paths); i++) {
		char *url = url_of(srv, paths[i]);

		/* Each header set by GET and by HEAD. */
		for (size_t j = 0; j < 2 * TEST_COUNT(headers); j++) {
			struct fetch_request req = plain_request(url);

			req.method = methods[j % 2];
			req.headers = headers[j / 2];
			run_both(fx, srv, &req, both);
			assert_same(both);
			assert_int_equal(both[0].got.status, 204);
			assert_memory_equal(both[0].request, req.method,
			    strlen(req.method));
		}
		free(url);
	}
	canned_free(srv);
}

/* The host goes into the request, the address is where it goes to. */
static void
test_hosts_are_the_same(void **state)
{
	static const char *const hosts[] = { "www.example.net", "localhost",
		"[2001:db8::1]", "192.0.2.1", "x", "0x7f.example", "a-b.c1" };
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	struct outcome both[2];

	for (size_t i = 0; i < TEST_COUNT(hosts); i++) {
		char *url = xasprintf("http://%s:%u/", hosts[i], srv->port);
		char *line =
		    xasprintf("\r\nHost: %s:%u\r\n", hosts[i], srv->port);
		struct fetch_request req = plain_request(url);

		req.resolve = "127.0.0.1";
		run_both(fx, srv, &req, both);
		assert_same(both);
		assert_int_equal(both[0].got.status, 200);
		assert_non_null(strstr(both[0].request, line));
		free(line);
		free(url);
	}
	canned_free(srv);
}

static void
test_default_port(void **state)
{
	static const char *const urls[] = { "http://127.0.0.1",
		"http://127.0.0.1/", "http://127.0.0.1:80/x", "http://[::1]/x",
		"http://www.example.net/" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(urls); i++) {
		struct fetch_request req = plain_request(urls[i]);

		req.resolve = "127.0.0.1";
		assert_true(is_ours(fx, &req));
	}
}

/* libcurl knows what to make of them, or has what they need. */
static void
test_what_is_not_plain(void **state)
{
	static const char *const urls[] = { "https://127.0.0.1/",
		"HTTP://127.0.0.1/", "ftp://127.0.0.1/", "127.0.0.1", "http://",
		"http:///x", "http://127.1/", "http://0x7f.0.0.1/",
		"http://2130706433/", "http://127.0.0.1./",
		"http://127.0.0.01/", "http://user@127.0.0.1/",
		"http://user:80@127.0.0.1/", "http://127.0.0.1:/",
		"http://127.0.0.1:0/", "http://127.0.0.1:65536/",
		"http://127.0.0.1:8x/", "http://127.0.0.1:80:80/",
		"http://127.0.0.1?x", "http://127.0.0.1/#x",
		"http://127.0.0.1/a/../b", "http://127.0.0.1/.",
		"http://127.0.0.1/a b", "http://127.0.0.1/\"",
		"http://127.0.0.1/\xc3\xa4", "http://127.0.0.1\\x",
		"http://127.0.0.1/\\x", "http://127.0.0.1/\r\nX: y",
		"http://::1/", "http://[::1", "http://[127.0.0.1]/",
		"http://[::0001]/", "http://[FE80::1]/",
		"http://[fe80::1%25lo]/", "http://[::ffff:127.0.0.1]/",
		"http://[::1]x/", "http://[]/", "http://www.example.net/",
		"http://[www.example.net]/" };
	static const char *const names[] = { "http://WWW.example.net/",
		"http://www.example.net./", "http://1.2.3/", "http://a..1/",
		"http://a_b.example/", "http://w%77w.example.net/",
		"http://\xc3\xa4.example/", "http://user@www.example.net/" };
	struct fixture *fx = *state;
	struct fetch_request req, plain = plain_request("http://127.0.0.1:1/");

	for (size_t i = 0; i < TEST_COUNT(urls); i++) {
		req = plain_request(urls[i]);
		assert_false(is_ours(fx, &req));
	}
	for (size_t i = 0; i < TEST_COUNT(names); i++) {
		req = plain_request(names[i]);
		req.resolve = "127.0.0.1";
		assert_false(is_ours(fx, &req));
	}
	assert_true(is_ours(fx, &plain));
	req = plain;
	req.fresh_connection = false;
	assert_false(is_ours(fx, &req));
	req = plain;
	req.method = "POST";
	assert_false(is_ours(fx, &req));
	req = plain;
	req.body = "x";
	req.body_len = 1;
	assert_false(is_ours(fx, &req));
	req = plain;
	req.content_type = "text/plain";
	assert_false(is_ours(fx, &req));
	req = plain;
	req.unix_socket = "/nonexistent";
	assert_false(is_ours(fx, &req));
	req = plain;
	req.resolve = "localhost";
	assert_false(is_ours(fx, &req));
}

static const struct {
	enum canned_mode mode;
	const char *reply;
	const char *more;
	const char *ours; /* the error, where libcurl says else */
} answers[] = {
	{ CANNED_KEEP, OK_REPLY, NULL, NULL },
	{ CANNED_CLOSE, OK_REPLY "more than said", NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.0 200 OK\ncontent-length:5 \n\nhello", NULL,
	    NULL },
	{ CANNED_CLOSE, "HTTP/1.0 200 OK\r\n\r\nuntil the end", NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.1 304 x\r\n\r\n", NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 503 x\r\nContent-Length: 1\r\n\r\nx", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.1 999 x\r\nContent-Length: 1\r\n\r\nx", NULL,
	    NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n"
	    "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK_REPLY,
	    NULL, NULL },
	{ CANNED_CLOSE, "HTTP/1.1 101 Switching\r\n\r\nwhat", NULL, NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n1;x=y\r\n \r\n00a\r\n0123456789\r\n"
	    "0\r\nX-Trailer: x\r\n\r\n",
	    NULL, NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n"
	    "Content-Length: 3\r\n\r\n5\nhello\n0\n\n",
	    NULL, NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "X-Folded: a\r\n b\r\n\tc\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "Content-Length: 5\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", NULL, NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n"
	    "Content-Length: 5\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked,\r\n\r\n"
	    "5\r\nhello\r\n0\r\n\r\n",
	    NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\r\nX: y\r\r\n\r\r\nhello", NULL,
	    NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: none\r\n\r\nhello", NULL,
	    NULL },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
	    NULL, "Transfer-Encoding other than chunked" },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
	    "Content-Length: 5\r\n\r\nhello",
	    NULL, NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n"
	    "hello",
	    NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n", NULL,
	    NULL },
	{ CANNED_KEEP, "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", NULL,
	    "the answer is not HTTP" },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "0000000000000005x\r\nhello\r\r\n0\r\n\r\n",
	    NULL, NULL },
	{ CANNED_CLOSE, "", NULL, NULL },
	{ CANNED_CLOSE, "H", NULL, NULL },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK", NULL, NULL },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\n", NULL,
	    "the answer ends too early" },
	{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", NULL,
	    NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhel",
	    NULL, NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n",
	    NULL, NULL },
	{ CANNED_CLOSE,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", NULL,
	    NULL },
	{ CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhelloworld\r\n",
	    NULL, NULL },
	{ CANNED_CLOSE, "220 mail.example ESMTP\r\n", NULL, NULL },
	{ CANNED_KEEP, "SSH-2.0-x\r\n", NULL, NULL },
	{ CANNED_KEEP, "HTTP/2 200\r\n\r\n", NULL, "the answer is not HTTP" },
	{ CANNED_KEEP, "HTTP/1.1 2000 OK\r\n\r\n", NULL, NULL },
	{ CANNED_KEEP, "HTTP/1.1 abc OK\r\n\r\n", NULL, NULL },
	{ CANNED_KEEP, "http/1.1 200 OK\r\n\r\n", NULL,
	    "the answer is not HTTP" },
	{ CANNED_RESET, "", NULL, NULL },
	{ CANNED_RESET, "HTTP/1.1 200 OK\r\n\r\nhalf", NULL, NULL },
	{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\n",
	    "X-Endless: header header header header\r\n", NULL },
	{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\nX-Endless: ",
	    "line line line line line line", NULL },
	{ CANNED_REPEAT, "HTTP/1.1 100 Continue\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\n\r\n", NULL },
	{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\n\r\n", "endless body ", NULL },
	{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n",
	    "long enough ", NULL },
	{ CANNED_REPEAT,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "3\r\nabc\r\n", NULL },
};

static void
test_answers_are_the_same(void **state)
{
	struct fixture *fx = *state;
	struct outcome both[2];

	for (size_t i = 0; i < TEST_COUNT(answers); i++) {
		struct canned *srv =
		    canned_new(fx->lp, answers[i].mode, answers[i].reply);
		char *url = url_of(srv, "/");
		struct fetch_request req = plain_request(url);

		/* Some are long, and both must see their end. */
		req.timeout_ms = WAIT_MAX_MS;
		srv->more = answers[i].more;
		if (answers[i].ours != NULL) {
			run(fx, srv, &req, &both[0]);
			assert_string_equal(both[0].got.err.msg,
			    answers[i].ours);
		} else {
			run_both(fx, srv, &req, both);
			assert_same(both);
		}
		free(url);
		canned_free(srv);
	}
}

static void
test_body_limit(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = plain_request(url);
	struct outcome both[2];

	for (size_t i = 0; i < 4; i++) {
		req.max_body_bytes = 4 + i / 2;
		req.truncate = i % 2 == 1;
		run_both(fx, srv, &req, both);
		assert_same(both);
		assert_string_equal(both[0].got.err.msg, both[1].got.err.msg);
	}
	free(url);
	canned_free(srv);
}

static void
test_refused(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = plain_request(url);
	struct got got = { 0 };

	/* At once, and not when the time is over. */
	req.timeout_ms = INT64_C(10) * WAIT_MAX_MS;
	canned_free(srv);
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	assert_int_equal(got.calls, 0);
	wait_calls(fx, &got, 1);
	assert_string_equal(got.err.msg, "connection: Connection refused");
	assert_int_equal(got.err.sys, ECONNREFUSED);
	free(url);
}

static void
test_sources(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = plain_request(url);
	struct outcome both[2];

	req.source = "127.0.0.9";
	run_both(fx, srv, &req, both);
	assert_same(both);
	assert_int_equal(both[0].got.status, 200);
	req.source = "192.0.2.1";
	run_both(fx, srv, &req, both);
	assert_same(both);
	assert_int_equal(both[0].got.err.sys, EADDRNOTAVAIL);
	free(url);
	canned_free(srv);
}

static void
test_no_descriptors(void **state)
{
	struct fixture *fx = *state;
	struct fetch_request req = plain_request("http://127.0.0.1:1/");
	struct got got = { 0 };

	fetch_without_descriptors(fx, &req, &got);
}

static void
test_time_out(void **state)
{
	static const char *const replies[] = { "",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(replies); i++) {
		struct canned *srv =
		    canned_new(fx->lp, CANNED_KEEP, replies[i]);
		char *url = url_of(srv, "/");
		struct fetch_request req = plain_request(url);
		struct got got = { 0 };

		req.timeout_ms = 150;
		assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
		wait_calls(fx, &got, 1);
		assert_int_equal(got.status, 0);
		assert_int_equal(got.body_len, 0);
		assert_int_equal(got.err.code, ERR_TIMEOUT);
		assert_string_equal(got.err.msg, "no answer in 150 ms");
		assert_true(got.took_us >= 149000);
		free(url);
		canned_free(srv);
	}
}

static void
test_cancel(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = plain_request(url);
	struct got never = { 0 };

	for (int steps = 0; steps < 4; steps++) {
		struct fetch *f =
		    fetch_start(fx->fe, &req, fetch_on_done, &never);

		for (int i = 0; i < steps && never.calls == 0; i++)
			loop_step(fx->lp, 10);
		if (never.calls == 0)
			fetch_cancel(f);
		never.calls = 0;
	}
	canned_free(srv);
	/* One that has failed already; and one that the engine ends. */
	fetch_cancel(fetch_start(fx->fe, &req, fetch_on_done, &never));
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &never));
	free(url);
	fetch_engine_free(fx->fe);
	fx->fe = fetch_engine_new(fx->lp);
	for (int i = 0; i < 5; i++)
		loop_step(fx->lp, 5);
	assert_int_equal(never.calls, 0);
}

/*
 * A server by hand, whose queue holds one connection.
 */
struct slow {
	struct fixture *fx;
	int fd;
	int conn;
	char *url;
	struct fetch_request req;
	struct got got;
};

static void
slow_open(struct slow *s, struct fixture *fx)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*s = (struct slow){ .fx = fx, .fd = fd, .conn = -1 };
	s->url = xasprintf("http://127.0.0.1:%u/", ntohs(sin.sin_port));
	s->req = plain_request(s->url);
	s->req.timeout_ms = WAIT_MAX_MS;
}

static void
slow_accept(struct slow *s)
{
	WAIT_FOR(s->fx->lp, (s->conn = accept(s->fd, NULL, NULL)) != -1);
}

static void
slow_start(struct slow *s)
{
	assert_non_null(fetch_start(s->fx->fe, &s->req, fetch_on_done,
	    &s->got));
	slow_accept(s);
}

static void
slow_close(struct slow *s)
{
	(void)close(s->conn);
	(void)close(s->fd);
	free(s->url);
}

/* Until at least so many bytes of the request are here. */
static void
slow_read(struct slow *s, size_t want)
{
	static char bytes[64 * 1024];
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	size_t got = 0;

	while (got < want && mono_before(mono_now(), end)) {
		ssize_t n = recv(s->conn, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n > 0)
			got += (size_t)n;
		loop_step(s->fx->lp, n > 0 ? 0 : 5);
	}
	assert_true(got >= want);
}

static void
slow_say(struct slow *s, const char *text, size_t len)
{
	assert_int_equal(send(s->conn, text, len, MSG_NOSIGNAL), len);
}

/* Each byte is a piece of its own. */
static void
test_byte_by_byte(void **state)
{
	struct slow s;

	slow_open(&s, *state);
	slow_start(&s);
	for (const char *p = OK_REPLY; *p != '\0'; p++) {
		assert_int_equal(s.got.calls, 0);
		slow_say(&s, p, 1);
		loop_step(s.fx->lp, WAIT_STEP_MS);
	}
	wait_calls(s.fx, &s.got, 1);
	assert_string_equal(s.got.body, "hello");
	slow_close(&s);
}

/* The time is that of the whole request: what drips does not extend it. */
static void
test_dripping_server(void **state)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	struct slow s;

	slow_open(&s, *state);
	s.req.timeout_ms = 200;
	slow_start(&s);
	(void)send(s.conn, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
	while (s.got.calls == 0 && mono_before(mono_now(), end)) {
		(void)send(s.conn, "x", 1, MSG_NOSIGNAL);
		loop_idle(s.fx->lp, 20);
	}
	assert_int_equal(s.got.calls, 1);
	assert_string_equal(s.got.err.msg, "no answer in 200 ms");
	slow_close(&s);
}

/* The kernel answers the second try of those for whom the queue has no room. */
static void
test_slow_to_accept(void **state)
{
	struct got got[3] = { 0 };
	struct slow s;

	slow_open(&s, *state);
	for (size_t i = 0; i < TEST_COUNT(got); i++) {
		assert_non_null(fetch_start(s.fx->fe, &s.req, fetch_on_done,
		    &got[i]));
	}
	loop_idle(s.fx->lp, 50);
	for (size_t i = 0; i < TEST_COUNT(got); i++) {
		slow_accept(&s);
		slow_read(&s, 1);
		slow_say(&s, OK_REPLY, strlen(OK_REPLY));
		(void)close(s.conn);
	}
	for (size_t i = 0; i < TEST_COUNT(got); i++) {
		wait_calls(s.fx, &got[i], 1);
		assert_int_equal(got[i].status, 200);
	}
	s.conn = -1;
	slow_close(&s);
}

/* More than the kernel takes at once. */
static void
test_big_request(void **state)
{
	char *headers[BIG_HEADERS + 1] = { NULL };
	struct slow s;

	for (size_t i = 0; i < BIG_HEADERS; i++) {
		headers[i] = xcalloc(BIG_HEADER_BYTES, 1);
		memset(headers[i], 'x', BIG_HEADER_BYTES - 1);
		headers[i][1] = ':';
	}
	slow_open(&s, *state);
	s.req.headers = headers;
	slow_start(&s);
	slow_read(&s, BIG_HEADERS * (BIG_HEADER_BYTES + 1));
	assert_int_equal(s.got.calls, 0);
	slow_say(&s, OK_REPLY, strlen(OK_REPLY));
	wait_calls(s.fx, &s.got, 1);
	assert_int_equal(s.got.status, 200);
	for (size_t i = 0; i < BIG_HEADERS; i++)
		free(headers[i]);
	slow_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, fetch_setup, fetch_teardown)
		T(test_requests_are_the_same),
		T(test_hosts_are_the_same),
		T(test_default_port),
		T(test_what_is_not_plain),
		T(test_answers_are_the_same),
		T(test_body_limit),
		T(test_refused),
		T(test_sources),
		T(test_no_descriptors),
		T(test_time_out),
		T(test_cancel),
		T(test_byte_by_byte),
		T(test_dripping_server),
		T(test_slow_to_accept),
		T(test_big_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
