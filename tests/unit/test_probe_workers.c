/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Probes whose worker process is missing, mute, dying or mad: that is never a
 * failure of the service. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_workers_rig.h"
#include "probes/probe_wire.h"

enum { KIND_MUTE = KIND_OWN, KIND_DYING, KIND_MAD };

/*
 * Workers that go wrong.
 */

static int
mute_main(int chan_fd)
{
	uint8_t byte;

	while (read(chan_fd, &byte, 1) == 1)
		;
	return 0;
}

static int
dying_main(int chan_fd)
{
	uint8_t byte;

	(void)!read(chan_fd, &byte, 1);
	return 0;
}

/* Answers with rubbish, with a foreign id, then rightly, twice. */
static int
mad_main(int chan_fd)
{
	struct probe_result r = { .verdict = PROBE_PASS, .rtt_us = 5 };
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	uint8_t in[4096], out[PROBE_WIRE_RESULT_BYTES];
	struct chan_msg msg;
	size_t len;

	memcpy(r.detail, "mad", 4);
	while (frame_read(chan_fd, in, sizeof(in), &msg, NULL) == 1) {
		if (probe_wire_decode_pings(msg.body, msg.len, pings) != 1)
			return 1;
		(void)frame_write(chan_fd, PROBE_MSG_RESULT, "x", 1, NULL);
		(void)frame_write(chan_fd, 99, "x", 1, NULL);
		len = probe_wire_encode_result(pings[0].id + 1000, &r, out,
		    sizeof(out));
		(void)frame_write(chan_fd, PROBE_MSG_RESULT, out, len, NULL);
		len =
		    probe_wire_encode_result(pings[0].id, &r, out, sizeof(out));
		(void)frame_write(chan_fd, PROBE_MSG_RESULT, out, len, NULL);
		(void)frame_write(chan_fd, PROBE_MSG_RESULT, out, len, NULL);
	}
	return 0;
}

static const struct worker_kind kinds[] = {
	RIG_KINDS,
	[KIND_MUTE] = { "mute", mute_main, 0, WALL_NONE },
	[KIND_DYING] = { "dying", dying_main, 0, WALL_NONE },
	[KIND_MAD] = { "mad", mad_main, 0, WALL_NONE },
};

static int
setup(void **state)
{
	return rig_setup(state, kinds, TEST_COUNT(kinds));
}

static int
setup_workers(void **state)
{
	return rig_setup_workers(state, kinds, TEST_COUNT(kinds));
}

/*
 * What the probes make of them.
 */

static void
test_no_workers(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1", t[] = "/bin/true";
	char *argv[] = { t, NULL };
	struct conf_probe icmp = probe_conf(PROBE_ICMP, addr);
	struct conf_probe exec = probe_conf(PROBE_EXEC, NULL);

	exec.argv = argv;
	expect(fx, &icmp, PROBE_NO_ANSWER_FROM_US,
	    "the pinger process is not running");
	expect(fx, &exec, PROBE_NO_ANSWER_FROM_US,
	    "the runner process is not running");
}

static void
test_mute_worker(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1";
	struct conf_probe cp = probe_conf(PROBE_ICMP, addr);
	struct mono start;
	int64_t took_ms;

	fx->pinger = worker_new(fx->keeper, KIND_MUTE, &ops, fx);
	probe_env_set_workers(fx->env, fx->pinger, NULL);
	/* Not started yet. */
	expect(fx, &cp, PROBE_NO_ANSWER_FROM_US,
	    "the pinger process is not running");
	wait_up(fx, fx->pinger);
	cp.timeout_ms = 100;
	start = mono_now();
	expect(fx, &cp, PROBE_NO_ANSWER_FROM_US,
	    "the pinger process does not answer");
	took_ms = mono_diff_ms(mono_now(), start);
	assert_true(took_ms >= 2090 && took_ms < 4000);
}

static void
test_worker_that_reads_nothing(void **state)
{
	struct fixture *fx = *state;
	char t[] = "/bin/true";
	char *filler = calloc(1, PROBE_WIRE_ARGS_BYTES);
	char *argv[] = { t, filler, NULL };
	struct conf_probe cp = probe_conf(PROBE_EXEC, NULL);
	struct got got = { 0 }, early;
	size_t backlog_bytes;
	pid_t pid;

	assert_non_null(filler);
	memset(filler, 'x', PROBE_WIRE_ARGS_BYTES - 100);
	cp.argv = argv;
	cp.timeout_ms = 60000;
	pid = worker_pid(fx->runner);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	for (int i = 0; i < 200; i++)
		(void)probe_start(fx->env, &cp, on_done, &got);
	for (int i = 0; i < 20; i++)
		loop_step(fx->lp, 10);
	early = got;
	backlog_bytes = worker_backlog_bytes(fx->runner);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(early.calls > 0 && early.calls < 200);
	assert_string_equal(early.result.detail,
	    "the runner process does not answer");
	assert_true(backlog_bytes < (size_t)512 * 1024);
	wait_calls(fx, &got, 200);
	assert_string_equal(got.result.detail, "the runner process died");
	free(filler);
}

static void
test_dying_worker(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1";
	struct conf_probe cp = probe_conf(PROBE_ICMP, addr);
	struct got got = { 0 };

	fx->pinger = worker_new(fx->keeper, KIND_DYING, &ops, fx);
	probe_env_set_workers(fx->env, fx->pinger, NULL);
	wait_up(fx, fx->pinger);
	for (int i = 0; i < 10; i++)
		(void)probe_start(fx->env, &cp, on_done, &got);
	wait_calls(fx, &got, 10);
	assert_int_equal(got.result.verdict, PROBE_NO_ANSWER_FROM_US);
	assert_string_equal(got.result.detail, "the pinger process died");
}

static void
test_mad_worker(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1";
	struct conf_probe cp = probe_conf(PROBE_ICMP, addr);

	fx->pinger = worker_new(fx->keeper, KIND_MAD, &ops, fx);
	probe_env_set_workers(fx->env, fx->pinger, NULL);
	wait_up(fx, fx->pinger);
	expect(fx, &cp, PROBE_PASS, "mad");
	expect(fx, &cp, PROBE_PASS, "mad");
	/* The second answer to a ping is not the first to the next one. */
	cp.icmp.count = 4;
	expect(fx, &cp, PROBE_PASS, "4 of 4 pings answered");
}

/* As on a change of the configuration: the old worker is freed. */
static void
test_worker_freed_under_a_probe(void **state)
{
	struct fixture *fx = *state;
	char addr[] = "127.0.0.1", t[] = "/bin/sleep", sec[] = "5";
	char *argv[] = { t, sec, NULL };
	struct conf_probe icmp = probe_conf(PROBE_ICMP, addr);
	struct conf_probe exec = probe_conf(PROBE_EXEC, NULL);
	struct got got = { 0 };
	struct probe *p;

	exec.argv = argv;
	exec.timeout_ms = 10;
	icmp.timeout_ms = 10;
	(void)probe_start(fx->env, &icmp, on_done, &got);
	p = probe_start(fx->env, &exec, on_done, &got);
	probe_env_set_workers(fx->env, NULL, NULL);
	worker_free(fx->pinger);
	worker_free(fx->runner);
	fx->pinger = NULL;
	fx->runner = NULL;
	probe_cancel(p);
	wait_calls(fx, &got, 1);
	assert_int_equal(got.result.verdict, PROBE_NO_ANSWER_FROM_US);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WORKERS(test)                                                          \
	cmocka_unit_test_setup_teardown(test, setup_workers, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_no_workers),
		ALONE(test_mute_worker),
		WORKERS(test_worker_that_reads_nothing),
		ALONE(test_dying_worker),
		ALONE(test_mad_worker),
		WORKERS(test_worker_freed_under_a_probe),
	};

	/* As the daemon does: a dead worker shows on reading. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* Where the pinger may open its sockets. */
	(void)namespace_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
