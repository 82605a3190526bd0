/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBE_WORKERS_RIG_H
#define PROBE_WORKERS_RIG_H
/*
 * probe_workers_rig -- probes of all kinds with a real keeper and its worker
 * processes: the pinger, the runner, and those that a test adds.
 */
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "probes/probe.h"
#include "test.h"

/* A test's own kinds are numbered from KIND_OWN on, behind RIG_KINDS. */
enum { KIND_PINGER, KIND_RUNNER, KIND_OWN };
#define RIG_KINDS                                                              \
	[KIND_PINGER] = { "pinger", pinger_main, RIGHT_NET_RAW, WALL_NONE },   \
	[KIND_RUNNER] = { "runner", runner_main, 0, WALL_NONE }

static const struct worker_kind rig_kinds[] = { RIG_KINDS };

struct fixture {
	struct loop *lp;
	struct keeper *keeper;
	struct worker *pinger;
	struct worker *runner;
	struct probe_env *env;
};

struct got {
	unsigned calls;
	struct probe_result result;
};

/* A network namespace of our own, whose lo answers pings.  False: not here. */
static inline bool
namespace_enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo",
		.ifr_flags = IFF_UP | IFF_RUNNING };
	int fd, rc;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = fd != -1 ? ioctl(fd, SIOCSIFFLAGS, &ifr) : -1;
	if (fd != -1)
		(void)close(fd);
	return rc == 0;
}

static inline void
on_worker_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct fixture *fx = arg;

	probe_env_on_worker_msg(fx->env, w, msg);
}

static inline void
on_worker_lost(struct worker *w, void *arg)
{
	struct fixture *fx = arg;

	probe_env_on_worker_lost(fx->env, w);
}

static inline void
on_keeper_lost(void *arg)
{
	(void)arg;
	abort();
}

static const struct worker_ops ops = { .on_msg = on_worker_msg,
	.on_lost = on_worker_lost };

static inline void
wait_up(struct fixture *fx, const struct worker *w)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while ((!worker_is_up(w) || worker_pid(w) == 0) &&
	    mono_before(mono_now(), end))
		loop_step(fx->lp, 50);
	assert_true(worker_is_up(w));
}

static inline int
rig_setup(void **state, const struct worker_kind *kinds, size_t n_kinds)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));
	struct err err = { 0 };

	fx->keeper = keeper_start(kinds, n_kinds, NULL, &err);
	assert_non_null(fx->keeper);
	fx->lp = loop_new();
	keeper_attach(fx->keeper, fx->lp, on_keeper_lost, fx);
	fx->env = probe_env_new(fx->lp);
	*state = fx;
	return 0;
}

static inline int
rig_setup_workers(void **state, const struct worker_kind *kinds, size_t n_kinds)
{
	struct fixture *fx;

	(void)rig_setup(state, kinds, n_kinds);
	fx = *state;
	fx->pinger = worker_new(fx->keeper, KIND_PINGER, &ops, fx);
	fx->runner = worker_new(fx->keeper, KIND_RUNNER, &ops, fx);
	probe_env_set_workers(fx->env, fx->pinger, fx->runner);
	wait_up(fx, fx->pinger);
	wait_up(fx, fx->runner);
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *fx = *state;

	probe_env_free(fx->env);
	worker_free(fx->pinger);
	worker_free(fx->runner);
	keeper_dismiss(fx->keeper);
	loop_free(fx->lp);
	free(fx);
	return 0;
}

static inline void
on_done(const struct probe_result *result, void *arg)
{
	struct got *got = arg;

	got->calls++;
	got->result = *result;
}

static inline void
wait_calls(struct fixture *fx, const struct got *got, unsigned calls)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (got->calls < calls && mono_before(mono_now(), end))
		loop_step(fx->lp, 100);
	assert_int_equal(got->calls, calls);
}

static inline void
expect(struct fixture *fx, const struct conf_probe *cp,
    enum probe_verdict verdict, const char *detail)
{
	struct got got;

	/* A machine that stands still is no answer: asked again. */
	for (unsigned tries = 0; tries < 5; tries++) {
		got = (struct got){ 0 };
		assert_non_null(probe_start(fx->env, cp, on_done, &got));
		assert_int_equal(got.calls, 0);
		wait_calls(fx, &got, 1);
		if (strstr(got.result.detail, "but we were busy") == NULL)
			break;
	}
	assert_string_equal(got.result.detail, detail);
	assert_int_equal(got.result.verdict, verdict);
	if (verdict == PROBE_PASS)
		assert_true(got.result.rtt_us >= 0);
}

static inline struct conf_probe
probe_conf(enum probe_kind kind, char *target)
{
	static struct conf_range codes = { 200, 299 };

	return (struct conf_probe){ .kind = kind,
		.target = target,
		.timeout_ms = 2000,
		.http = { .codes = &codes, .n_codes = 1 },
		.icmp = { .count = 1 } };
}

#endif /* PROBE_WORKERS_RIG_H */
