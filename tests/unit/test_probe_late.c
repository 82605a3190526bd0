/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our own process stands still while a probe runs: what went wrong meanwhile may
 * be our fault, and what is right when we look is right.
 */
#include "probe_rig.h"

#define TIMEOUT_MS 100
#define STANDSTILL_MS 700
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ok\r\n"
#define LATE ", but we were busy until "

static struct conf_probe
conf(enum probe_kind kind, char *target)
{
	static struct conf_range codes = { 200, 299 };
	static uint8_t hello[] = "hello", ok[] = "all ok";

	return (struct conf_probe){ .kind = kind,
		.target = target,
		.timeout_ms = TIMEOUT_MS,
		.tcp = { .send = { hello, 5 }, .expect = { ok, 6 } },
		.http = { .codes = &codes, .n_codes = 1 } };
}

/* The server, by hand: once it has the request, it says reply, or resets. */
static void
serve(struct rig *rig, int listener, const char *reply)
{
	struct linger rst = { .l_onoff = 1, .l_linger = 0 };
	char request[512];
	int conn = -1;

	WAIT_FOR(rig->lp,
	    rig->calls > 0 || (conn = accept(listener, NULL, NULL)) != -1);
	WAIT_FOR(rig->lp,
	    rig->calls > 0 ||
		recv(conn, request, sizeof(request), MSG_DONTWAIT) > 0);
	if (conn == -1)
		return;
	if (reply == NULL) {
		(void)setsockopt(conn, SOL_SOCKET, SO_LINGER, &rst,
		    sizeof(rst));
	} else {
		(void)send(conn, reply, strlen(reply), MSG_NOSIGNAL);
	}
	(void)close(conn);
}

static void
run_late(struct rig *rig, enum probe_kind kind, const char *path,
    const char *reply)
{
	uint16_t port = 0;
	int listener = rig_socket(SOCK_STREAM, &port);
	char target[64];
	struct conf_probe cp = conf(kind, target);
	struct mono end;

	(void)snprintf(target, sizeof(target), "%s127.0.0.1:%u%s",
	    kind == PROBE_HTTP ? "http://" : "", port, path);
	assert_int_equal(listen(listener, 4), 0);
	/* Once more if it was over before the server had its request. */
	do {
		rig->calls = 0;
		assert_non_null(probe_start(rig->env, &cp, rig_on_done, rig));
		serve(rig, listener, reply);
	} while (rig->calls > 0);
	end = mono_add_ms(mono_now(), STANDSTILL_MS);
	while (mono_before(mono_now(), end))
		(void)usleep(10000);
	WAIT_FOR(rig->lp, rig->calls > 0);
	(void)close(listener);
}

static void
test_late_failure_is_none(void **state)
{
	static const struct {
		enum probe_kind kind;
		const char *path;
		const char *reply;
		const char *detail;
	} cases[] = {
		{ PROBE_TCP, "", NULL, "connection reset by peer" },
		{ PROBE_TCP, "", "no", "an answer without \"all ok\"" },
		{ PROBE_HTTP, "/", NULL, "connection reset by peer" },
		{ PROBE_HTTP, "/", "", "closed without an answer" },
		{ PROBE_HTTP, "/",
		    "HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n",
		    "status 408, expected 200-299" },
		/* By libcurl. */
		{ PROBE_HTTP, "/#", NULL, "no answer in 100 ms" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		size_t len = strlen(cases[i].detail);

		run_late(rig, cases[i].kind, cases[i].path, cases[i].reply);
		assert_int_equal(rig->result.verdict, PROBE_NO_ANSWER_FROM_US);
		assert_memory_equal(rig->result.detail, cases[i].detail, len);
		assert_memory_equal(rig->result.detail + len, LATE,
		    sizeof(LATE) - 1);
	}
}

static void
test_late_success_is_one(void **state)
{
	struct rig *rig = *state;

	run_late(rig, PROBE_TCP, "", OK_REPLY);
	assert_string_equal(rig->result.detail, "answered as expected");
	assert_int_equal(rig->result.verdict, PROBE_PASS);
	run_late(rig, PROBE_HTTP, "/", OK_REPLY);
	assert_string_equal(rig->result.detail, "status 200");
	assert_int_equal(rig->result.verdict, PROBE_PASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_late_failure_is_none),
		T(test_late_success_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
