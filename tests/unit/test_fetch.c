/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <net/if.h>

#include "fetch_rig.h"

static void
test_get(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.err.code, ERR_NONE);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "hello");
	assert_true(got.took_us > 0 &&
	    got.took_us < (int64_t)TIMEOUT_MS * 1000);
	assert_memory_equal(srv->request, "GET /x HTTP/1.1\r\n", 17);
	assert_non_null(strstr(srv->request, "User-Agent: anycastd\r\n"));
	canned_free(srv);
}

static void
test_post(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	struct fetch_request req = request(NULL);
	struct got got = { 0 };
	char body[] = "pay\0load.";

	req.method = "POST";
	req.content_type = "application/json";
	req.body = body;
	req.body_len = sizeof(body) - 1;
	srv->until = "\r\n\r\npay";
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 200);
	assert_memory_equal(srv->request, "POST /x HTTP/1.1\r\n", 18);
	assert_non_null(strstr(srv->request,
	    "Content-Type: application/json\r\n"));
	assert_non_null(strstr(srv->request, "Content-Length: 9\r\n"));
	assert_null(strstr(srv->request, "Expect"));
	canned_free(srv);
}

static void
test_post_without_body_and_other_methods(void **state)
{
	struct fixture *fx = *state;
	static const char *const methods[] = { "POST", "DELETE", "PUT" };

	for (size_t i = 0; i < TEST_COUNT(methods); i++) {
		struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
		struct fetch_request req = request(NULL);
		struct got got = { 0 };

		req.method = methods[i];
		fetch_once(fx, srv, &req, &got);
		assert_int_equal(got.status, 200);
		assert_memory_equal(srv->request, methods[i],
		    strlen(methods[i]));
		canned_free(srv);
	}
}

static void
test_unix_socket(void **state)
{
	struct fixture *fx = *state;
	char dir[] = "/tmp/test_fetch.XXXXXX";
	char *path;
	struct canned *srv;
	struct fetch_request req = request("http://localhost/v1/state");
	struct got got = { 0 };

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/s", dir);
	srv = canned_new_unix(fx->lp, path, OK_REPLY);
	req.unix_socket = path;
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 200);
	canned_free(srv);

	/* Nobody there: at once, by its errno. */
	(void)unlink(path);
	memset(&got, 0, sizeof(got));
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	wait_calls(fx, &got, 1);
	assert_int_equal(got.err.code, ERR_SYS);
	assert_int_equal(got.err.sys, ENOENT);
	(void)rmdir(dir);
	free(path);
}

static void
test_connections_are_kept_unless_fresh(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = request(url);
	struct got got = { 0 };

	for (unsigned i = 1; i <= 3; i++) {
		assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
		wait_calls(fx, &got, i);
	}
	assert_int_equal(srv->n_accepted, 1);
	req.fresh_connection = true;
	for (unsigned i = 4; i <= 6; i++) {
		assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
		wait_calls(fx, &got, i);
	}
	assert_int_equal(srv->n_accepted, 4);
	free(url);
	canned_free(srv);
}

/* Following would probe another service than the one configured. */
static void
test_redirects_are_not_followed(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE,
	    "HTTP/1.1 302 Found\r\nLocation: /other\r\n"
	    "Content-Length: 0\r\n\r\n");
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 302);
	assert_int_equal(srv->n_accepted, 1);
	canned_free(srv);
}

static void
test_proxy_environment_is_ignored(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 200);
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
	canned_free(srv);
}

static void
test_refused_connection(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = request(url);
	struct got got = { 0 };

	canned_free(srv);
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	wait_calls(fx, &got, 1);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.err.code, ERR_SYS);
	assert_int_equal(got.err.sys, ECONNREFUSED);
	assert_true(got.took_us < 500000);
	free(url);
}

static void
test_silent_server_times_out(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	srv->until = "never sent";
	req.timeout_ms = 150;
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.err.code, ERR_TIMEOUT);
	assert_string_equal(got.err.msg, "no answer in 150 ms");
	assert_true(got.took_us >= 149000 && got.took_us < 1500000);
	canned_free(srv);
}

/* The time-out is one of the whole request, dripping does not extend it. */
static void
test_half_an_answer_times_out(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf");
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	req.timeout_ms = 150;
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.body_len, 0);
	assert_int_equal(got.err.code, ERR_TIMEOUT);
	canned_free(srv);
}

static void
test_broken_answers(void **state)
{
	static const struct {
		enum canned_mode mode;
		const char *reply;
		const char *more;
		enum err_code code;
		int sys;
		const char *msg;
	} cases[] = {
		{ CANNED_CLOSE, "220 mail.example ESMTP\r\n", NULL, ERR_PROTO,
		    0, "the answer is not HTTP" },
		{ CANNED_CLOSE, "", NULL, ERR_PROTO, 0,
		    "closed without an answer" },
		{ CANNED_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
		    NULL, ERR_PROTO, 0, "the answer ends too early" },
		{ CANNED_RESET, "", NULL, ERR_SYS, ECONNRESET, NULL },
		{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\n",
		    "X-Endless: header header header header\r\n", ERR_PROTO, 0,
		    "header of more than 262144 bytes" },
		{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\nX-Endless: ",
		    "line line line line line line", ERR_PROTO, 0, NULL },
		{ CANNED_REPEAT, "HTTP/1.1 200 OK\r\n\r\n", "endless body ",
		    ERR_PROTO, 0, "body of more than 65536 bytes" },
		{ CANNED_REPEAT, "HTTP/1.1 100 Continue\r\n\r\n",
		    "HTTP/1.1 100 Continue\r\n\r\n", ERR_PROTO, 0, NULL },
		{ CANNED_CLOSE,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
		    "\r\n\r\nzz\r\n",
		    NULL, ERR_PROTO, 0, NULL },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct canned *srv =
		    canned_new(fx->lp, cases[i].mode, cases[i].reply);
		struct fetch_request req = request(NULL);
		struct got got = { 0 };

		req.timeout_ms = 5000;
		srv->more = cases[i].more;
		fetch_once(fx, srv, &req, &got);
		if (cases[i].msg != NULL)
			assert_string_equal(got.err.msg, cases[i].msg);
		assert_int_equal(got.err.code, cases[i].code);
		assert_int_equal(got.err.sys, cases[i].sys);
		assert_true(got.err.msg[0] != '\0');
		assert_int_equal(got.status, 0);
		canned_free(srv);
	}
}

static void
test_truncate_keeps_the_beginning(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv =
	    canned_new(fx->lp, CANNED_REPEAT, "HTTP/1.1 200 OK\r\n\r\n");
	struct fetch_request req = request(NULL);
	struct got got = { 0 };

	srv->more = "0123456789";
	req.truncate = true;
	req.max_body_bytes = 15;
	fetch_once(fx, srv, &req, &got);
	assert_int_equal(got.err.code, ERR_NONE);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "012345678901234");
	canned_free(srv);
}

/* Exactly as long as allowed is not too long. */
static void
test_body_length_limit(void **state)
{
	struct fixture *fx = *state;

	for (size_t max = 4; max <= 5; max++) {
		struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
		struct fetch_request req = request(NULL);
		struct got got = { 0 };

		req.max_body_bytes = max;
		fetch_once(fx, srv, &req, &got);
		assert_int_equal(got.err.code, max == 5 ? ERR_NONE : ERR_PROTO);
		canned_free(srv);
	}
}

static void
test_unusable_urls(void **state)
{
	static const char *const urls[] = { "ftp://127.0.0.1/",
		"file:///etc/passwd", "gopher://127.0.0.1:1/", "http://",
		"http://127.0.0.1:99999/", "" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(urls); i++) {
		struct fetch_request req = request(urls[i]);
		struct got got = { 0 };

		assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
		assert_int_equal(got.calls, 0);
		wait_calls(fx, &got, 1);
		assert_int_equal(got.err.code, ERR_CONF);
	}
}

/* Out of descriptors is told apart: it says nothing about the server. */
static void
test_no_descriptors(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = request(url);
	struct got got = { 0 };

	fetch_without_descriptors(fx, &req, &got);
	free(url);
	canned_free(srv);
}

static void
test_cancel(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = request(url);
	struct got cancelled = { 0 }, got = { 0 };

	fetch_cancel(NULL);
	/* At once, after connecting, and a failing one. */
	fetch_cancel(fetch_start(fx->fe, &req, fetch_on_done, &cancelled));
	for (int steps = 1; steps < 4; steps++) {
		struct fetch *f =
		    fetch_start(fx->fe, &req, fetch_on_done, &cancelled);

		for (int i = 0; i < steps && cancelled.calls == 0; i++)
			loop_step(fx->lp, 10);
		if (cancelled.calls == 0)
			fetch_cancel(f);
		cancelled.calls = 0;
	}
	req.url = "ftp://x/";
	fetch_cancel(fetch_start(fx->fe, &req, fetch_on_done, &cancelled));
	req.url = url;
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	wait_calls(fx, &got, 1);
	assert_int_equal(cancelled.calls, 0);
	assert_int_equal(got.status, 200);
	/* Left running: the engine ends it. */
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &cancelled));
	free(url);
	canned_free(srv);
}

/* Ended by one finishing: the other must not be delivered afterwards. */
struct pair {
	struct fetch *other;
	struct fixture *fx;
	unsigned calls;
};

static void
on_done_cancel_other(const struct fetch_answer *answer, void *arg)
{
	struct pair *pair = arg;

	(void)answer;
	pair->calls++;
	fetch_cancel(pair->other);
	pair->other = NULL;
}

static void
test_cancel_another_from_on_done(void **state)
{
	struct fixture *fx = *state;
	struct fetch_request req = request("ftp://x/");
	struct pair pairs[2] = { { .fx = fx }, { .fx = fx } };
	struct got got = { 0 };

	pairs[1].other =
	    fetch_start(fx->fe, &req, on_done_cancel_other, &pairs[0]);
	pairs[0].other =
	    fetch_start(fx->fe, &req, on_done_cancel_other, &pairs[1]);
	assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	wait_calls(fx, &got, 1);
	assert_int_equal(pairs[0].calls + pairs[1].calls, 1);
}

static void
test_many_at_once(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "/");
	struct fetch_request req = request(url);
	struct got got = { 0 };

	req.fresh_connection = true;
	for (int i = 0; i < 100; i++)
		assert_non_null(fetch_start(fx->fe, &req, fetch_on_done, &got));
	wait_calls(fx, &got, 100);
	assert_int_equal(got.status, 200);
	assert_int_equal(srv->n_accepted, 100);
	free(url);
	canned_free(srv);
}

/*
 * A resolver that never answers must cost the time-out and nothing more, and
 * must not be held against the host.  Needs namespaces: 77 without them.
 */
static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		_exit(77);
	(void)close(fd);
}

static void
dead_resolver_setup(void)
{
	char conf[] = "/tmp/test_fetch.XXXXXX";
	struct ifreq ifr = { .ifr_name = "lo",
		.ifr_flags = IFF_UP | IFF_RUNNING };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char *map = xasprintf("0 %u 1\n", (unsigned)getuid());
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == -1)
		_exit(77);
	write_file("/proc/self/uid_map", map);
	free(map);
	fd = mkstemp(conf);
	write_file(conf, "nameserver 127.0.0.1\n");
	if (fd == -1 ||
	    mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) == -1)
		_exit(77);
	(void)unlink(conf);
	/* It takes every query and says nothing. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) == -1 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		_exit(77);
}

static int
dead_resolver_child(void)
{
	struct fixture fx;
	struct fetch_request req = request("http://service.example/");
	struct got got = { 0 }, never = { 0 };
	struct mono start;

	dead_resolver_setup();
	fx.lp = loop_new();
	fx.fe = fetch_engine_new(fx.lp);
	req.timeout_ms = 300;
	start = mono_now();
	(void)fetch_start(fx.fe, &req, fetch_on_done, &got);
	while (got.calls == 0)
		loop_step(fx.lp, 100);
	if (got.err.code != ERR_GONE || mono_diff_ms(mono_now(), start) > 1500)
		return 1;
	fetch_cancel(fetch_start(fx.fe, &req, fetch_on_done, &never));
	(void)fetch_start(fx.fe, &req, fetch_on_done, &never);
	for (int i = 0; i < 5; i++)
		loop_step(fx.lp, 10);
	fetch_engine_free(fx.fe);
	loop_free(fx.lp);
	return mono_diff_ms(mono_now(), start) > 2500 ? 2 : 0;
}

static void
test_dead_resolver_does_not_block(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(dead_resolver_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no namespaces: skipped\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_post, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(
		    test_post_without_body_and_other_methods, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_unix_socket, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(
		    test_connections_are_kept_unless_fresh, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_redirects_are_not_followed,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(
		    test_proxy_environment_is_ignored, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_refused_connection,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(test_silent_server_times_out,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(test_half_an_answer_times_out,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(test_broken_answers,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(
		    test_truncate_keeps_the_beginning, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_body_length_limit,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(test_unusable_urls, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors,
		    fetch_setup, fetch_teardown),
		cmocka_unit_test_setup_teardown(test_cancel, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(
		    test_cancel_another_from_on_done, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once, fetch_setup,
		    fetch_teardown),
		cmocka_unit_test(test_dead_resolver_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
