/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBE_RIG_H
#define PROBE_RIG_H
/*
 * probe_rig -- a loop and an environment for probes that need no worker.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "loop_wait.h"
#include "probes/probe.h"
#include "test.h"

struct rig {
	struct loop *lp;
	struct probe_env *env;
	unsigned calls;
	struct probe_result result;
};

static inline int
rig_setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));

	(void)signal(SIGPIPE, SIG_IGN);
	rig->lp = loop_new();
	rig->env = probe_env_new(rig->lp);
	*state = rig;
	return 0;
}

static inline int
rig_teardown(void **state)
{
	struct rig *rig = *state;

	probe_env_free(rig->env);
	loop_free(rig->lp);
	free(rig);
	return 0;
}

static inline void
rig_on_done(const struct probe_result *result, void *arg)
{
	struct rig *rig = arg;

	rig->calls++;
	rig->result = *result;
}

static inline void
rig_run(struct rig *rig, const struct conf_probe *cp)
{
	rig->calls = 0;
	assert_non_null(probe_start(rig->env, cp, rig_on_done, rig));
	assert_int_equal(rig->calls, 0);
	WAIT_FOR(rig->lp, rig->calls > 0);
	assert_int_equal(rig->calls, 1);
}

static inline void
rig_expect(struct rig *rig, const struct conf_probe *cp,
    enum probe_verdict verdict, const char *detail)
{
	rig_run(rig, cp);
	assert_string_equal(rig->result.detail, detail);
	assert_int_equal(rig->result.verdict, verdict);
}

/* Bound to a free port of 127.0.0.1, and not yet listening. */
static inline int
rig_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(*port) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd != -1);
	if (bind(fd, (struct sockaddr *)&sin, len) == -1) {
		(void)close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* A port that is free for TCP and UDP, most likely a little later too. */
static inline uint16_t
rig_free_port(void)
{
	for (;;) {
		uint16_t port = 0;
		int udp = rig_socket(SOCK_DGRAM, &port);
		int tcp = rig_socket(SOCK_STREAM, &port);

		(void)close(udp);
		if (tcp == -1)
			continue;
		(void)close(tcp);
		return port;
	}
}

/* A real server as a child, which dies with us; its words are thrown away. */
static inline pid_t
rig_spawn(char *const argv[])
{
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!freopen("/dev/null", "r", stdin);
		(void)!freopen("/dev/null", "w", stdout);
		(void)!freopen("/dev/null", "w", stderr);
		(void)execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static inline void
rig_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

#endif /* PROBE_RIG_H */
