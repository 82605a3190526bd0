/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tcp probes that talk: against a server that answers as it is told. */
#include "canned.h"
#include "probe_rig.h"

static struct conf_probe
/* NOLINTNEXTLINE(readability-non-const-parameter): kept */
tcp_conf(char *target, const char *send_text, const char *expect_text)
{
	static uint8_t out[64], in[64];
	struct conf_probe cp = {
		.kind = PROBE_TCP, .target = target, .timeout_ms = 5000
	};

	if (send_text != NULL) {
		cp.tcp.send.bytes = out;
		cp.tcp.send.len = strlen(send_text);
		memcpy(out, send_text, cp.tcp.send.len);
	}
	if (expect_text != NULL) {
		cp.tcp.expect.bytes = in;
		cp.tcp.expect.len = strlen(expect_text);
		memcpy(in, expect_text, cp.tcp.expect.len);
	}
	return cp;
}

static char *
target_of(const struct canned *srv)
{
	return xasprintf("127.0.0.1:%u", srv->port);
}

static void
test_send_and_expect(void **state)
{
	static const struct {
		const char *reply;
		const char *expect;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ "+PONG\r\n", "+PONG\r\n", PROBE_PASS,
		    "answered as expected" },
		{ "first\r\nthen +PONG", "+PONG", PROBE_PASS,
		    "answered as expected" },
		{ "-ERR\r\n", "+PONG\r\n", PROBE_FAIL,
		    "closed without \"+PONG\\r\\n\"" },
		{ "", "+PONG", PROBE_FAIL, "closed without \"+PONG\"" },
		{ "-ERR", "a text that is longer than what is shown",
		    PROBE_FAIL,
		    "closed without \"a text that is longer th\"..." },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct canned *srv =
		    canned_new(rig->lp, CANNED_CLOSE, cases[i].reply);
		char *target = target_of(srv);
		struct conf_probe cp =
		    tcp_conf(target, "PING\r\n", cases[i].expect);

		srv->until = "PING\r\n";
		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		free(target);
		canned_free(srv);
	}
}

/* Without something to expect, all has gone well when it was sent. */
static void
test_send_only(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_CLOSE, "");
	char *target = target_of(srv);
	struct conf_probe cp = tcp_conf(target, "QUIT\r\n", NULL);

	srv->until = "QUIT\r\n";
	rig_expect(rig, &cp, PROBE_PASS, "connected");
	free(target);
	canned_free(srv);
}

/* NUL bytes are sent and found like others. */
static void
test_any_bytes(void **state)
{
	struct rig *rig = *state;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_STREAM, &port);
	char *target = xasprintf("127.0.0.1:%u", port);
	struct conf_probe cp = tcp_conf(target, "abc", "xyz");
	char got[8] = "";
	int conn = -1;

	cp.tcp.send.bytes[1] = '\0';
	cp.tcp.expect.bytes[0] = '\0';
	assert_int_equal(listen(fd, 4), 0);
	(void)probe_start(rig->env, &cp, rig_on_done, rig);
	rig->calls = 0;
	WAIT_FOR(rig->lp, (conn = accept(fd, NULL, NULL)) != -1);
	WAIT_FOR(rig->lp, recv(conn, got, sizeof(got), MSG_DONTWAIT) == 3);
	assert_memory_equal(got, "a\0c", 3);
	/* In two pieces. */
	assert_int_equal(send(conn, "..\0y", 4, 0), 4);
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->calls, 0);
	assert_int_equal(send(conn, "z..", 3, 0), 3);
	WAIT_FOR(rig->lp, rig->calls == 1);
	assert_int_equal(rig->result.verdict, PROBE_PASS);
	(void)close(conn);
	(void)close(fd);
	free(target);
}

/* A greeting comes by itself. */
static void
test_expect_only(void **state)
{
	struct rig *rig = *state;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_STREAM, &port);
	char *target = xasprintf("127.0.0.1:%u", port);
	struct conf_probe cp = tcp_conf(target, NULL, "220 ");
	int conn = -1;

	assert_int_equal(listen(fd, 4), 0);
	rig->calls = 0;
	(void)probe_start(rig->env, &cp, rig_on_done, rig);
	WAIT_FOR(rig->lp, (conn = accept(fd, NULL, NULL)) != -1);
	assert_int_equal(send(conn, "220 ready", 9, 0), 9);
	WAIT_FOR(rig->lp, rig->calls == 1);
	assert_string_equal(rig->result.detail, "answered as expected");
	(void)close(conn);
	(void)close(fd);
	free(target);
}

/* Found at the very end of the first part, not found behind it. */
static void
test_looks_at_the_beginning(void **state)
{
	struct rig *rig = *state;
	char *reply = xcalloc(CONF_EXPECT_WITHIN_BYTES + 100, 1);
	struct canned *srv;

	memset(reply, '.', CONF_EXPECT_WITHIN_BYTES + 90);
	for (size_t shift = 0; shift < 2; shift++) {
		char *target;
		struct conf_probe cp;

		/* Behind the first it leaves "++END". */
		reply[CONF_EXPECT_WITHIN_BYTES - 4 + shift] = '+';
		reply[CONF_EXPECT_WITHIN_BYTES - 3 + shift] = 'E';
		reply[CONF_EXPECT_WITHIN_BYTES - 2 + shift] = 'N';
		reply[CONF_EXPECT_WITHIN_BYTES - 1 + shift] = 'D';
		srv = canned_new(rig->lp, CANNED_KEEP, reply);
		target = target_of(srv);
		cp = tcp_conf(target, "x", "+END");
		srv->until = "x";
		rig_expect(rig, &cp, shift == 0 ? PROBE_PASS : PROBE_FAIL,
		    shift == 0 ? "answered as expected"
			       : "a long answer without \"+END\"");
		free(target);
		canned_free(srv);
	}
	free(reply);
}

/* Endless words cost no more than their beginning. */
static void
test_endless_answer(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_REPEAT, "first");
	char *target = target_of(srv);
	struct conf_probe cp = tcp_conf(target, "x", "never");

	srv->more = "more and more";
	srv->until = "x";
	rig_expect(rig, &cp, PROBE_FAIL, "a long answer without \"never\"");
	free(target);
	canned_free(srv);
}

static void
test_time_runs_out(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_KEEP, "not yet");
	char *target = target_of(srv);
	struct conf_probe cp = tcp_conf(target, "x", "ready");

	srv->until = "x";
	cp.timeout_ms = 200;
	rig_expect(rig, &cp, PROBE_FAIL, "an answer without \"ready\"");
	srv->until = "never sent";
	rig_expect(rig, &cp, PROBE_FAIL, "no answer in 200 ms");
	free(target);
	canned_free(srv);
}

static void
test_reset(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_RESET, "");
	char *target = target_of(srv);
	struct conf_probe cp = tcp_conf(target, "x", "ready");

	srv->until = "x";
	rig_expect(rig, &cp, PROBE_FAIL, "connection reset by peer");
	free(target);
	canned_free(srv);
}

static void
test_source(void **state)
{
	struct rig *rig = *state;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_STREAM, &port), conn = -1;
	char *target = xasprintf("127.0.0.1:%u", port);
	struct conf_probe cp = tcp_conf(target, NULL, NULL);
	char here[] = "127.0.0.9", absent[] = "192.0.2.1", bad[] = "x";
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);

	assert_int_equal(listen(fd, 4), 0);
	cp.source = here;
	rig_expect(rig, &cp, PROBE_PASS, "connected");
	conn = accept(fd, (struct sockaddr *)&from, &len);
	assert_true(conn != -1);
	assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000009);
	cp.source = absent;
	rig_expect(rig, &cp, PROBE_NO_ANSWER_FROM_US,
	    "cannot assign requested address");
	cp.source = bad;
	rig_run(rig, &cp);
	assert_int_equal(rig->result.verdict, PROBE_NO_ANSWER_FROM_US);
	(void)close(conn);
	(void)close(fd);
	free(target);
}

static void
test_cancel(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_KEEP, "ready");
	char *target = target_of(srv);
	struct conf_probe cp = tcp_conf(target, "x", "never");

	srv->until = "x";
	rig->calls = 0;
	for (int steps = 0; steps < 8; steps++) {
		struct probe *p = probe_start(rig->env, &cp, rig_on_done, rig);

		for (int i = 0; i < steps; i++)
			loop_step(rig->lp, 1);
		probe_cancel(p);
	}
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->calls, 0);
	free(target);
	canned_free(srv);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_send_and_expect),
		T(test_send_only),
		T(test_any_bytes),
		T(test_expect_only),
		T(test_looks_at_the_beginning),
		T(test_endless_answer),
		T(test_time_runs_out),
		T(test_reset),
		T(test_source),
		T(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
