/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several pings in one check, by a pinger that loses and delays as told. */
#include <stdio.h>

#include "probe_rig.h"
#include "probes/probe_wire.h"

/*
 * The n-th ping of an address takes n * 10 ms; it is lost if bit n - 1 of the
 * address is set, and cannot be sent if it is the eighth.
 */
static int
lossy_main(int chan_fd)
{
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	uint8_t in[4096], out[PROBE_WIRE_RESULT_BYTES];
	unsigned n_sent[256] = { 0 };
	struct chan_msg msg;

	while (frame_read(chan_fd, in, sizeof(in), &msg, NULL) == 1) {
		struct probe_result r = { .verdict = PROBE_PASS };
		unsigned last, n;

		if (probe_wire_decode_pings(msg.body, msg.len, pings) != 1)
			return 1;
		last = pings[0].addr.b[15];
		n = ++n_sent[last];
		r.rtt_us = (int64_t)n * 10000;
		(void)snprintf(r.detail, sizeof(r.detail), "ping %u of %u ms",
		    n, pings[0].timeout_ms);
		if (n == 8) {
			r.verdict = PROBE_NO_ANSWER_FROM_US;
		} else if ((last >> (n - 1) & 1) != 0) {
			r.verdict = PROBE_FAIL;
		}
		(void)frame_write(chan_fd, PROBE_MSG_RESULT, out,
		    probe_wire_encode_result(pings[0].id, &r, out, sizeof(out)),
		    NULL);
	}
	return 0;
}

static const struct worker_kind kinds[] = { { "lossy", lossy_main, 0,
    WALL_NONE } };

static struct keeper *keeper;
static struct worker *lossy;

static void
on_worker_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct rig *rig = arg;

	probe_env_on_worker_msg(rig->env, w, msg);
}

static void
on_worker_lost(struct worker *w, void *arg)
{
	(void)w;
	(void)arg;
	abort();
}

static void
on_keeper_lost(void *arg)
{
	(void)arg;
	abort();
}

static int
setup(void **state)
{
	static const struct worker_ops ops = { .on_msg = on_worker_msg,
		.on_lost = on_worker_lost };
	struct err err = { 0 };
	struct rig *rig;

	keeper = keeper_start(kinds, TEST_COUNT(kinds), NULL, &err);
	assert_non_null(keeper);
	(void)rig_setup(state);
	rig = *state;
	keeper_attach(keeper, rig->lp, on_keeper_lost, NULL);
	lossy = worker_new(keeper, 0, &ops, rig);
	probe_env_set_workers(rig->env, lossy, NULL);
	WAIT_FOR(rig->lp, worker_is_up(lossy) && worker_pid(lossy) != 0);
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	probe_env_free(rig->env);
	worker_free(lossy);
	keeper_dismiss(keeper);
	loop_free(rig->lp);
	free(rig);
	return 0;
}

static void
test_icmp_loss_and_time(void **state)
{
	static const struct {
		const char *addr;
		struct conf_icmp icmp;
		enum probe_verdict verdict;
		const char *detail;
		int64_t rtt_us;
	} cases[] = {
		{ "192.0.2.0", { 4, 0, 0 }, PROBE_PASS, "4 of 4 pings answered",
		    25000 },
		/* Each has its share of the time. */
		{ "10.0.0.128", { 1, 0, 0 }, PROBE_PASS, "ping 1 of 2000 ms",
		    10000 },
		/* No more is sent than is needed to know. */
		{ "192.0.2.2", { 4, 0, 0 }, PROBE_FAIL,
		    "1 of 2 pings lost or late, at most 0% may be", -1 },
		{ "192.0.2.10", { 4, 50, 0 }, PROBE_PASS,
		    "2 of 4 pings answered", 20000 },
		{ "192.0.2.11", { 4, 50, 0 }, PROBE_FAIL,
		    "3 of 4 pings lost or late, at most 50% may be", -1 },
		/* 33 % of 3 are less than one. */
		{ "192.0.2.4", { 3, 33, 0 }, PROBE_FAIL,
		    "1 of 3 pings lost or late, at most 33% may be", -1 },
		{ "192.0.2.12", { 3, 34, 0 }, PROBE_PASS,
		    "2 of 3 pings answered", 15000 },
		/* Late is lost; just in time is not. */
		{ "192.0.2.16", { 4, 25, 30 }, PROBE_PASS,
		    "3 of 4 pings answered", 20000 },
		{ "192.0.2.32", { 4, 25, 29 }, PROBE_FAIL,
		    "2 of 4 pings lost or late, at most 25% may be", -1 },
		{ "192.0.2.48", { 1, 0, 10 }, PROBE_PASS, "ping 1 of 2000 ms",
		    10000 },
		{ "192.0.2.64", { 1, 0, 9 }, PROBE_FAIL,
		    "answered in 10.0 ms, expected 9 ms", 10000 },
		/* That one could not be sent says nothing. */
		{ "192.0.2.80", { 10, 90, 0 }, PROBE_NO_ANSWER_FROM_US,
		    "ping 8 of 200 ms", 80000 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *addr = xstrdup(cases[i].addr);
		struct conf_probe cp = { .kind = PROBE_ICMP,
			.target = addr,
			.timeout_ms = 2000,
			.icmp = cases[i].icmp };

		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		if (cases[i].rtt_us != -1)
			assert_int_equal(rig->result.rtt_us, cases[i].rtt_us);
		free(addr);
	}
}

/* In the middle of a check: the answer that comes later finds nobody. */
static void
test_cancel(void **state)
{
	struct rig *rig = *state;
	char addr[] = "192.0.2.0";
	struct conf_probe cp = { .kind = PROBE_ICMP,
		.target = addr,
		.timeout_ms = 2000,
		.icmp = { .count = 5 } };

	for (int steps = 0; steps < 8; steps++) {
		struct probe *p = probe_start(rig->env, &cp, rig_on_done, rig);

		rig->calls = 0;
		for (int i = 0; i < steps && rig->calls == 0; i++)
			loop_step(rig->lp, 1);
		if (rig->calls == 0)
			probe_cancel(p);
	}
	rig->calls = 0;
	loop_idle(rig->lp, 50);
	assert_int_equal(rig->calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_icmp_loss_and_time),
		T(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
