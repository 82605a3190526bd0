/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our own process stands still while a probe runs: what went wrong meanwhile may
 * be our fault, and what is right when we look is right.
 */
#include <poll.h>

#include "probe_rig.h"

#define TIMEOUT_MS 100
#define STANDSTILL_MS 700
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ok\r\n"
#define PROBES ((size_t)90)

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

static int conns[2 * PROBES];
static size_t n_conns;

/* A server, by hand. */
struct hand {
	int listener;
	char target[64];
	struct conf_probe cp;
};

static void
hand_open(struct hand *h, enum probe_kind kind, const char *path)
{
	uint16_t port = 0;

	h->listener = rig_socket(SOCK_STREAM, &port);
	assert_int_equal(listen(h->listener, (int)PROBES), 0);
	(void)snprintf(h->target, sizeof(h->target), "%s127.0.0.1:%u%s",
	    kind == PROBE_HTTP ? "http://" : "", port, path);
	h->cp = conf(kind, h->target);
}

/* Once it has a request, it says reply, or resets.  False: all is over. */
static bool
hand_serve(struct rig *rig, const struct hand *h, const char *reply)
{
	struct linger rst = { .l_onoff = 1, .l_linger = 0 };
	char request[512];
	int conn = -1;

	WAIT_FOR(rig->lp,
	    rig->calls > 0 || (conn = accept(h->listener, NULL, NULL)) != -1);
	WAIT_FOR(rig->lp,
	    rig->calls > 0 ||
		recv(conn, request, sizeof(request), MSG_DONTWAIT) > 0);
	if (conn == -1)
		return false;
	if (reply == NULL) {
		(void)setsockopt(conn, SOL_SOCKET, SO_LINGER, &rst,
		    sizeof(rst));
	} else {
		(void)send(conn, reply, strlen(reply), MSG_NOSIGNAL);
	}
	(void)close(conn);
	return rig->calls == 0;
}

static void
stand_still(void)
{
	struct mono end = mono_add_ms(mono_now(), STANDSTILL_MS);

	while (mono_before(mono_now(), end))
		(void)usleep(10000);
}

/* Once more if it was over before the server had its request. */
static void
run_late(struct rig *rig, enum probe_kind kind, const char *path,
    const char *reply)
{
	struct hand h;
	bool is_served = false;

	while (!is_served) {
		hand_open(&h, kind, path);
		rig->calls = 0;
		assert_non_null(probe_start(rig->env, &h.cp, rig_on_done, rig));
		is_served = hand_serve(rig, &h, reply);
		if (is_served)
			stand_still();
		WAIT_FOR(rig->lp, rig->calls > 0);
		(void)close(h.listener);
	}
}

static void
expect_our_doing(struct rig *rig, enum probe_kind kind, const char *path,
    const char *reply)
{
	static const char detail[] =
	    "no answer in 100 ms, but we were busy until ";

	run_late(rig, kind, path, reply);
	assert_int_equal(rig->result.verdict, PROBE_NO_ANSWER_FROM_US);
	assert_memory_equal(rig->result.detail, detail, sizeof(detail) - 1);
}

static void
test_lost_patience_is_our_doing(void **state)
{
	static const char *const replies[] = { NULL, "",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
		"HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n" };
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(replies); i++) {
		expect_our_doing(rig, PROBE_TCP, "", replies[i]);
		expect_our_doing(rig, PROBE_HTTP, "/", replies[i]);
		/* By libcurl. */
		expect_our_doing(rig, PROBE_HTTP, "/#", replies[i]);
	}
}

/* Nobody was there to lose patience. */
static void
test_late_refusal_is_one(void **state)
{
	static const struct {
		enum probe_kind kind;
		const char *scheme, *path;
	} cases[] = { { PROBE_TCP, "", "" }, { PROBE_HTTP, "http://", "/" },
		{ PROBE_HTTP, "http://", "/#" } };
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *target = xasprintf("%s127.0.0.1:%u%s", cases[i].scheme,
		    rig_free_port(), cases[i].path);
		struct conf_probe cp = conf(cases[i].kind, target);

		rig->calls = 0;
		assert_non_null(probe_start(rig->env, &cp, rig_on_done, rig));
		stand_still();
		WAIT_FOR(rig->lp, rig->calls > 0);
		assert_string_equal(rig->result.detail, "connection refused");
		assert_int_equal(rig->result.verdict, PROBE_FAIL);
		free(target);
	}
}

static void
test_late_verdict_is_one(void **state)
{
	static const char head[19] = "HTTP/1.1 200 OK\r\n\r\n";
	static char page[64 * 1024];
	struct rig *rig = *state;

	run_late(rig, PROBE_TCP, "", OK_REPLY);
	assert_string_equal(rig->result.detail, "answered as expected");
	assert_int_equal(rig->result.verdict, PROBE_PASS);
	run_late(rig, PROBE_HTTP, "/", OK_REPLY);
	assert_string_equal(rig->result.detail, "status 200");
	assert_int_equal(rig->result.verdict, PROBE_PASS);
	run_late(rig, PROBE_HTTP, "/",
	    "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(rig->result.detail, "status 503, expected 200-299");
	assert_int_equal(rig->result.verdict, PROBE_FAIL);
	/* More than is read at once. */
	memset(page, 'x', sizeof(page) - 1);
	memcpy(page, head, sizeof(head));
	run_late(rig, PROBE_HTTP, "/", page);
	assert_string_equal(rig->result.detail, "status 200");
}

/* To whatever is asked. */
static void
hand_reply(const struct hand *h, const char *reply)
{
	struct pollfd pfd = { .fd = h->listener, .events = POLLIN };
	int conn;

	assert_int_equal(poll(&pfd, 1, WAIT_MAX_MS), 1);
	conn = accept(h->listener, NULL, NULL);
	assert_true(send(conn, reply, strlen(reply), MSG_NOSIGNAL) > 0);
	assert_int_equal(shutdown(conn, SHUT_WR), 0);
	/* Open until it is read: it would be reset. */
	assert_true(n_conns < 2 * PROBES);
	conns[n_conns++] = conn;
}

struct count {
	unsigned calls, passed;
};

static void
count_on_done(const struct probe_result *result, void *arg)
{
	struct count *count = arg;

	count->calls++;
	count->passed += result->verdict == PROBE_PASS;
}

/* The loop hears of some sockets at a time, and of what is due behind them. */
static void
test_many_late_answers(void **state)
{
	static const enum probe_kind both[] = { PROBE_TCP, PROBE_HTTP };
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(both); i++) {
		struct count count = { 0 };
		struct hand h;

		hand_open(&h, both[i], both[i] == PROBE_HTTP ? "/" : "");
		h.cp.timeout_ms = STANDSTILL_MS - 200;
		rig->calls = 0;
		for (size_t j = 0; j < PROBES; j++) {
			assert_non_null(probe_start(rig->env, &h.cp,
			    count_on_done, &count));
		}
		/* The loop does not turn before all of it is there. */
		for (size_t j = 0; j < PROBES; j++)
			hand_reply(&h, OK_REPLY);
		stand_still();
		WAIT_FOR(rig->lp, count.calls == PROBES);
		assert_int_equal(count.passed, PROBES);
		(void)close(h.listener);
	}
	while (n_conns > 0)
		(void)close(conns[--n_conns]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_lost_patience_is_our_doing),
		T(test_late_refusal_is_one),
		T(test_late_verdict_is_one),
		T(test_many_late_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
