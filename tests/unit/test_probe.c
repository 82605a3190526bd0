/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Probes of all kinds against real servers and real worker processes; workers
 * that go wrong are in test_probe_workers.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "canned.h"
#include "probe_workers_rig.h"
#include "probes/probe_wire.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ok\r\n"

/* Set when lo of a namespace of our own answers pings. */
static bool has_namespace;

static int
setup(void **state)
{
	return rig_setup(state, rig_kinds, TEST_COUNT(rig_kinds));
}

static int
setup_workers(void **state)
{
	return rig_setup_workers(state, rig_kinds, TEST_COUNT(rig_kinds));
}

/* The server is closed again by the caller, the text is freed by it. */
static char *
target_of(const struct canned *srv, const char *before, const char *after)
{
	return xasprintf("%s127.0.0.1:%u%s", before, srv->port, after);
}

/*
 * http
 */

static void
test_http_pass_and_status(void **state)
{
	static const struct {
		const char *reply;
		unsigned min, max;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ OK_REPLY, 200, 299, PROBE_PASS, "status 200" },
		{ OK_REPLY, 200, 200, PROBE_PASS, "status 200" },
		{ OK_REPLY, 201, 299, PROBE_FAIL,
		    "status 200, expected 201-299" },
		{ "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 200, 299,
		    PROBE_FAIL, "status 503, expected 200-299" },
		{ "HTTP/1.1 301 Moved\r\nLocation: /\r\n"
		  "Content-Length: 0\r\n\r\n",
		    200, 200, PROBE_FAIL, "status 301, expected 200" },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 200, 299, PROBE_FAIL,
		    "the answer is not HTTP" },
		{ "", 200, 299, PROBE_FAIL, "closed without an answer" },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct canned *srv =
		    canned_new(fx->lp, CANNED_CLOSE, cases[i].reply);
		char *url = target_of(srv, "http://", "/health");
		struct conf_probe cp = probe_conf(PROBE_HTTP, url);
		struct conf_range codes = { cases[i].min, cases[i].max };

		cp.http.codes = &codes;
		expect(fx, &cp, cases[i].verdict, cases[i].detail);
		free(url);
		canned_free(srv);
	}
}

static void
test_http_match(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, OK_REPLY);
	char *url = target_of(srv, "http://", "/");
	struct conf_probe cp = probe_conf(PROBE_HTTP, url);
	char ok[] = "ll ok", absent[] = "healthy", utf8[] = "gr\xc3\xbcn";

	cp.http.match = ok;
	expect(fx, &cp, PROBE_PASS, "status 200");
	cp.http.match = absent;
	expect(fx, &cp, PROBE_FAIL, "body lacks \"healthy\"");
	cp.http.match = utf8;
	expect(fx, &cp, PROBE_FAIL, "body lacks \"gr??n\"");
	free(url);
	canned_free(srv);
}

/* An endless body costs no more than its first 64 KiB. */
static void
test_http_match_looks_at_the_beginning(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv =
	    canned_new(fx->lp, CANNED_REPEAT, "HTTP/1.1 200 OK\r\n\r\nfirst");
	char *url = target_of(srv, "http://", "/");
	struct conf_probe cp = probe_conf(PROBE_HTTP, url);
	char first[] = "first", never[] = "never";

	srv->more = "more and more and more";
	cp.http.match = first;
	expect(fx, &cp, PROBE_PASS, "status 200");
	cp.http.match = never;
	expect(fx, &cp, PROBE_FAIL, "body lacks \"never\"");
	free(url);
	canned_free(srv);
}

static void
test_http_failures(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = target_of(srv, "http://", "/");
	struct conf_probe cp = probe_conf(PROBE_HTTP, url);
	char bad_url[] = "gopher://127.0.0.1/";

	srv->until = "never sent";
	cp.timeout_ms = 200;
	expect(fx, &cp, PROBE_FAIL, "no answer in 200 ms");
	canned_free(srv);
	expect(fx, &cp, PROBE_FAIL, "connection refused");
	cp.target = bad_url;
	expect(fx, &cp, PROBE_NO_ANSWER_FROM_US, "URL: neither http nor https");
	free(url);

	srv = canned_new(fx->lp, CANNED_RESET, "");
	url = target_of(srv, "http://", "/");
	cp.target = url;
	expect(fx, &cp, PROBE_FAIL, "connection reset by peer");
	free(url);
	canned_free(srv);
}

/* A probe that reused a connection would not notice a dead listener. */
static void
test_http_connects_each_time(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = target_of(srv, "http://", "/");
	struct conf_probe cp = probe_conf(PROBE_HTTP, url);

	for (unsigned i = 1; i <= 3; i++) {
		expect(fx, &cp, PROBE_PASS, "status 200");
		assert_int_equal(srv->n_accepted, i);
	}
	free(url);
	canned_free(srv);
}

/*
 * tcp
 */

static void
test_tcp(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_CLOSE, "");
	char *target = target_of(srv, "", "");
	struct conf_probe cp = probe_conf(PROBE_TCP, target);
	char v6[] = "[::1]:1";

	expect(fx, &cp, PROBE_PASS, "connected");
	canned_free(srv);
	expect(fx, &cp, PROBE_FAIL, "connection refused");
	cp.target = v6;
	expect(fx, &cp, PROBE_FAIL, "connection refused");
	free(target);
}

static void
test_tcp_bad_targets(void **state)
{
	static const char *const targets[] = { "", ":", ":80", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:80x",
		"::1:80", "[::1]", "[::1]80", "[:80", "]:80", "[]:80",
		"[127.0.0.1]:80", "localhost:80", "[::1:80",
		"1111111111111111111111111111111111111111111111111111:80" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < TEST_COUNT(targets); i++) {
		char *target = xstrdup(targets[i]);
		struct conf_probe cp = probe_conf(PROBE_TCP, target);
		struct got got = { 0 };

		assert_non_null(probe_start(fx->env, &cp, on_done, &got));
		assert_int_equal(got.calls, 0);
		wait_calls(fx, &got, 1);
		assert_int_equal(got.result.verdict, PROBE_NO_ANSWER_FROM_US);
		assert_true(got.result.detail[0] != '\0');
		free(target);
	}
}

/* A full backlog drops SYNs: nothing comes back at all. */
static void
test_tcp_timeout(void **state)
{
	struct fixture *fx = *state;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fill[4];
	char target[32];
	struct conf_probe cp = probe_conf(PROBE_TCP, target);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	for (size_t i = 0; i < TEST_COUNT(fill); i++) {
		fill[i] = socket(AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, len);
	}
	(void)snprintf(target, sizeof(target), "127.0.0.1:%u",
	    ntohs(sin.sin_port));
	cp.timeout_ms = 200;
	expect(fx, &cp, PROBE_FAIL, "no answer in 200 ms");
	for (size_t i = 0; i < TEST_COUNT(fill); i++)
		(void)close(fill[i]);
	(void)close(fd);
}

static void
test_no_descriptors_is_no_failure(void **state)
{
	struct fixture *fx = *state;
	char target[] = "127.0.0.1:1", url[] = "http://127.0.0.1:1/";
	struct conf_probe tcp = probe_conf(PROBE_TCP, target);
	struct conf_probe http = probe_conf(PROBE_HTTP, url);
	struct rlimit old, none = { 0 };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect(fx, &tcp, PROBE_NO_ANSWER_FROM_US, "too many open files");
	expect(fx, &http, PROBE_NO_ANSWER_FROM_US, "too many open files");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/*
 * icmp and exec through their workers
 */

static void
test_icmp(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1", v6[] = "::1", name[] = "localhost";
	struct conf_probe cp = probe_conf(PROBE_ICMP, addr);
	struct got got = { 0 };

	cp.target = name;
	assert_non_null(probe_start(fx->env, &cp, on_done, &got));
	wait_calls(fx, &got, 1);
	assert_int_equal(got.result.verdict, PROBE_NO_ANSWER_FROM_US);
	if (!has_namespace) {
		print_message("no namespaces: pings skipped\n");
		skip();
	}
	cp.target = addr;
	expect(fx, &cp, PROBE_PASS, "answered");
	cp.target = v6;
	expect(fx, &cp, PROBE_PASS, "answered");
	cp.icmp.count = 5;
	expect(fx, &cp, PROBE_PASS, "5 of 5 pings answered");
}

static void
test_exec(void **state)
{
	struct fixture *fx = *state;
	char sh[] = "/bin/sh", c[] = "-c", script[] = "echo bad disk; exit 2";
	char hang[] = "sleep 100";
	char *argv[] = { sh, c, script, NULL };
	struct conf_probe cp = probe_conf(PROBE_EXEC, NULL);

	cp.argv = argv;
	expect(fx, &cp, PROBE_FAIL, "exit status 2: bad disk");
	argv[2] = hang;
	cp.timeout_ms = 200;
	expect(fx, &cp, PROBE_FAIL, "no answer in 200 ms");
}

static void
test_exec_long_command_line(void **state)
{
	struct fixture *fx = *state;
	char *arg = calloc(1, PROBE_WIRE_ARGS_BYTES + 1);
	char *argv[] = { arg, NULL };
	struct conf_probe cp = probe_conf(PROBE_EXEC, NULL);

	assert_non_null(arg);
	memset(arg, 'x', PROBE_WIRE_ARGS_BYTES);
	cp.argv = argv;
	expect(fx, &cp, PROBE_NO_ANSWER_FROM_US,
	    "the command line is too long");
	free(arg);
}

/* Cancelled: the command goes too. 64 slots would soon be full otherwise. */
static void
test_exec_cancel_frees_the_slot(void **state)
{
	struct fixture *fx = *state;
	char sleep_path[] = "/bin/sleep", sec[] = "100", t[] = "/bin/true";
	char *argv[] = { sleep_path, sec, NULL };
	char *argv_true[] = { t, NULL };
	struct conf_probe cp = probe_conf(PROBE_EXEC, NULL);
	struct probe *running[64];
	struct got got = { 0 };
	struct mono end;

	cp.argv = argv;
	cp.timeout_ms = 60000;
	for (size_t i = 0; i < TEST_COUNT(running); i++)
		running[i] = probe_start(fx->env, &cp, on_done, &got);
	loop_step(fx->lp, 200);
	for (size_t i = 0; i < TEST_COUNT(running); i++)
		probe_cancel(running[i]);
	cp.argv = argv_true;
	end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	/* Until the killed ones are reaped. */
	do {
		got.calls = 0;
		(void)probe_start(fx->env, &cp, on_done, &got);
		wait_calls(fx, &got, 1);
	} while (got.result.verdict != PROBE_PASS &&
	    mono_before(mono_now(), end));
	assert_int_equal(got.result.verdict, PROBE_PASS);
}

/*
 * Exactly once, or not at all
 */

static void
test_cancel_in_every_state(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = target_of(srv, "http://", "/");
	char *target = target_of(srv, "", "");
	char addr[] = "127.0.0.1", t[] = "/bin/true", bad[] = "bad";
	char *argv[] = { t, NULL };
	struct conf_probe http = probe_conf(PROBE_HTTP, url);
	struct conf_probe tcp = probe_conf(PROBE_TCP, target);
	struct conf_probe icmp = probe_conf(PROBE_ICMP, addr);
	struct conf_probe exec = probe_conf(PROBE_EXEC, NULL);
	struct conf_probe bad_tcp = probe_conf(PROBE_TCP, bad);
	struct conf_probe *cps[] = { &http, &tcp, &icmp, &exec, &bad_tcp };
	struct got got = { 0 };

	exec.argv = argv;
	icmp.icmp.count = 3;
	probe_cancel(NULL);
	for (size_t i = 0; i < TEST_COUNT(cps); i++) {
		for (int steps = 0; steps < 6; steps++) {
			struct probe *p =
			    probe_start(fx->env, cps[i], on_done, &got);

			got.calls = 0;
			for (int k = 0; k < steps && got.calls == 0; k++)
				loop_step(fx->lp, 1);
			if (got.calls == 0)
				probe_cancel(p);
			assert_true(got.calls <= 1);
		}
	}
	got.calls = 0;
	for (int i = 0; i < 10; i++)
		loop_step(fx->lp, 20);
	assert_int_equal(got.calls, 0);
	/* Left running: the environment ends them. */
	for (size_t i = 0; i < TEST_COUNT(cps); i++)
		(void)probe_start(fx->env, cps[i], on_done, &got);
	free(url);
	free(target);
	canned_free(srv);
}

struct busy {
	struct fixture *fx;
	const struct conf_probe *cp;
	struct probe *self;
	struct probe *other;
	struct got next;
	unsigned calls;
	unsigned other_calls;
};

static void
on_done_busy(const struct probe_result *result, void *arg)
{
	struct busy *busy = arg;

	(void)result;
	busy->calls++;
	probe_cancel(busy->self);
	probe_cancel(busy->other);
	busy->other = NULL;
	(void)probe_start(busy->fx->env, busy->cp, on_done, &busy->next);
}

/* The other one, when it is the first to end. */
static void
on_other_done(const struct probe_result *result, void *arg)
{
	struct busy *busy = arg;

	(void)result;
	busy->other_calls++;
	busy->other = NULL;
}

/* on_done may cancel itself and others, and start anew. */
static void
test_on_done_may_do_anything(void **state)
{
	struct fixture *fx = *state;
	char tcp[] = "127.0.0.1:1", url[] = "http://127.0.0.1:1/";
	char addr[] = "127.0.0.1", t[] = "/bin/true";
	char *argv[] = { t, NULL };
	struct conf_probe to_tcp = probe_conf(PROBE_TCP, tcp);
	struct conf_probe http = probe_conf(PROBE_HTTP, url);
	struct conf_probe icmp = probe_conf(PROBE_ICMP, addr);
	struct conf_probe exec = probe_conf(PROBE_EXEC, NULL);
	struct conf_probe *cps[] = { &to_tcp, &http, &icmp, &exec };

	exec.argv = argv;
	for (size_t i = 0; i < TEST_COUNT(cps); i++) {
		struct busy busy = { .fx = fx, .cp = cps[i] };

		cps[i]->timeout_ms = 5000;
		busy.self = probe_start(fx->env, cps[i], on_done_busy, &busy);
		busy.other = probe_start(fx->env, cps[i], on_other_done, &busy);
		wait_calls(fx, &busy.next, 1);
		assert_int_equal(busy.calls, 1);
		assert_true(busy.other_calls <= 1);
	}
}

/* A stall of our own must not look like a service that does not answer. */
static void
test_own_stall_is_no_failure(void **state)
{
	struct fixture *fx = *state;
	struct canned *srv = canned_new(fx->lp, CANNED_KEEP, OK_REPLY);
	char *url = target_of(srv, "http://", "/");
	struct conf_probe cp = probe_conf(PROBE_HTTP, url);
	struct got got = { 0 };

	srv->until = "never sent";
	cp.timeout_ms = 100;
	(void)probe_start(fx->env, &cp, on_done, &got);
	loop_step(fx->lp, 10);
	(void)usleep(900000);
	wait_calls(fx, &got, 1);
	assert_int_equal(got.result.verdict, PROBE_NO_ANSWER_FROM_US);
	free(url);
	canned_free(srv);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(probe_verdict_name(PROBE_PASS), "pass");
	assert_string_equal(probe_verdict_name(PROBE_FAIL), "fail");
	assert_string_equal(probe_verdict_name(PROBE_NO_ANSWER_FROM_US),
	    "no answer from us");
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WORKERS(test)                                                          \
	cmocka_unit_test_setup_teardown(test, setup_workers, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_http_pass_and_status),
		ALONE(test_http_match),
		ALONE(test_http_match_looks_at_the_beginning),
		ALONE(test_http_failures),
		ALONE(test_http_connects_each_time),
		ALONE(test_tcp),
		ALONE(test_tcp_bad_targets),
		ALONE(test_tcp_timeout),
		ALONE(test_no_descriptors_is_no_failure),
		WORKERS(test_icmp),
		WORKERS(test_exec),
		WORKERS(test_exec_long_command_line),
		WORKERS(test_exec_cancel_frees_the_slot),
		WORKERS(test_cancel_in_every_state),
		WORKERS(test_on_done_may_do_anything),
		ALONE(test_own_stall_is_no_failure),
		cmocka_unit_test(test_names),
	};

	/* As the daemon does: a dead worker shows on reading. */
	(void)signal(SIGPIPE, SIG_IGN);
	has_namespace = namespace_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
