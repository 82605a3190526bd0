/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SWEEPER_RIG_H
#define SWEEPER_RIG_H
/*
 * The whole sweeper process in a network namespace of its own, where every
 * address of 10.77.0.0/16 and 2001:db8:77::/48 is local and answers pings, and
 * so are the test prefixes.  Needs unprivileged user namespaces.
 */
#include "probes/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/mono.h"
#include "base/rights.h"
#include "sweep_fixture.h"
#include "test.h"

#define TARGETS 2000u
#define LIST 5u
#define WAIT_S 20

static const char *const links[] = {
	"ip link set lo up",
	"ip route add local 10.77.0.0/16 dev lo",
	"ip route add local 198.51.100.0/24 dev lo",
	"ip -6 route add local 2001:db8:77::/48 dev lo",
	"ip -6 route add local 2001:db8:100::/48 dev lo",
};

/* Behind a gateway, in a network namespace of its own: all of 10.78.0.0/16 and
 * 2001:db8:78::/48; of 10.81.0.0/16 and 2001:db8:81::/48 by another interface. */
#define NO_DAD "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad"
static const char *const peer_links[] = {
	(NO_DAD " && nsenter -t \"$PEER\" -n sh -c '" NO_DAD "'"),
	"ip link add v0 type veth peer name v1 netns \"$PEER\"",
	"ip addr add 10.79.0.1/24 dev v0 && ip link set v0 up",
	"ip addr add 2001:db8:79::1/64 dev v0 nodad",
	"ip link add v2 type veth peer name v3 netns \"$PEER\"",
	"ip addr add 10.80.0.1/24 dev v2 && ip link set v2 up",
	"ip addr add 2001:db8:80::1/64 dev v2 nodad",
	"ip addr add 198.51.100.1/32 dev lo",
	"ip addr add 2001:db8:100::1/128 dev lo nodad",
	"ip route add 10.81.0.0/16 via 10.80.0.2",
	"ip -6 route add 2001:db8:81::/48 via 2001:db8:80::2",
	"ip route add 10.78.0.0/16 via 10.79.0.2",
	"ip -6 route add 2001:db8:78::/48 via 2001:db8:79::2",
	"nsenter -t \"$PEER\" -n sh -ec 'ip link set lo up;"
	" ip addr add 10.79.0.2/24 dev v1; ip link set v1 up;"
	" ip addr add 2001:db8:79::2/64 dev v1 nodad;"
	" ip addr add 10.80.0.2/24 dev v3; ip link set v3 up;"
	" ip addr add 2001:db8:80::2/64 dev v3 nodad;"
	" ip route add local 10.78.0.0/16 dev lo;"
	" ip -6 route add local 2001:db8:78::/48 dev lo;"
	" ip route add local 10.81.0.0/16 dev lo;"
	" ip -6 route add local 2001:db8:81::/48 dev lo;"
	" ip route add 198.51.100.0/24 via 10.79.0.1;"
	" ip -6 route add 2001:db8:100::/48 via 2001:db8:79::1'",
};

static const char *skip_reason;
static const char *peer_skip_reason;

/* A sweeper, and all that it has said. */
struct rig {
	int fd;
	pid_t pid;
	uint8_t *body; /* CHAN_BODY_MAX */
	struct sweep_progress progress;
	struct sweep_counters counters;
	uint64_t cookie;
	enum sweep_capture_mode mode;
	enum sweep_hearing hearing[SWEEP_PREFIX_MAX];
	char trouble[256];
	uint32_t n_replies;        /* without samples */
	uint32_t n_late, n_forged; /* samples */
	struct sweep_reply sample;
	uint32_t seen[TARGETS]; /* replies by index */
	struct sweep_reply last;
};

static inline void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		skip_reason = path;
	if (fd != -1)
		(void)close(fd);
}

/* Lives in a network namespace of its own until we die. */
static inline pid_t
peer_start(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC) == -1)
		return -1;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == -1 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	if (pid == -1 || read(ready[0], &c, 1) != 1)
		pid = -1;
	(void)close(ready[0]);
	return pid;
}

/* Sets peer_skip_reason when this machine does not let us. */
static inline void
peer_connect(void)
{
	char text[16];
	pid_t pid = peer_start();

	if (pid == -1) {
		peer_skip_reason = "no second network namespace";
		return;
	}
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	(void)setenv("PEER", text, 1);
	for (size_t i = 0;
	     i < TEST_COUNT(peer_links) && peer_skip_reason == NULL; i++) {
		/* NOLINTNEXTLINE(cert-env33-c): constant text */
		if (system(peer_links[i]) != 0)
			peer_skip_reason = peer_links[i];
	}
}

/* Sets skip_reason when this machine does not let us. */
static inline int
enter_namespace(void **state)
{
	char uid_map[32], gid_map[32];

	(void)state;
	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1) {
		skip_reason = strerror(errno);
		return 0;
	}
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", uid_map);
	write_text("/proc/self/gid_map", gid_map);
	for (size_t i = 0; i < TEST_COUNT(links) && skip_reason == NULL; i++) {
		/* NOLINTNEXTLINE(cert-env33-c): constant text */
		if (system(links[i]) != 0)
			skip_reason = links[i];
	}
	if (skip_reason == NULL)
		peer_connect();
	return 0;
}

static inline int
rig_start_with(void **state, void (*prepare_process)(void))
{
	struct timeval limit = { .tv_sec = WAIT_S };
	struct rig *rig = calloc(1, sizeof(*rig));
	int fds[2];

	assert_non_null(rig);
	rig->body = malloc(CHAN_BODY_MAX);
	*state = rig;
	if (skip_reason != NULL)
		return 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	(void)fflush(NULL);
	rig->pid = fork();
	assert_int_not_equal(rig->pid, -1);
	if (rig->pid == 0) {
		(void)close(fds[0]);
		(void)signal(SIGPIPE, SIG_IGN); /* as the keeper does */
		if (prepare_process != NULL)
			prepare_process();
		_exit(sweeper_main(fds[1]));
	}
	(void)close(fds[1]);
	rig->fd = fds[0];
	(void)setsockopt(rig->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit));
	return 0;
}

static inline int
rig_start(void **state)
{
	return rig_start_with(state, NULL);
}

/* As in a container whose seccomp profile knows better. */
static inline void
forbid_packet_sockets(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_PACKET, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = TEST_COUNT(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == -1)
		_exit(99);
}

static inline int
rig_start_without_packet_sockets(void **state)
{
	return rig_start_with(state, forbid_packet_sockets);
}

/* As where nobody gave us CAP_NET_RAW. */
static inline void
forbid_raw_sockets(void)
{
	if (rights_drop(0, NULL) == -1)
		_exit(99);
}

static inline int
rig_start_without_sockets(void **state)
{
	return rig_start_with(state, forbid_raw_sockets);
}

/* A sweeper without main ends, and in good order. */
static inline int
rig_stop(void **state)
{
	struct rig *rig = *state;
	int status = 0;

	if (rig->pid > 0) {
		(void)close(rig->fd);
		assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	}
	free(rig->body);
	free(rig);
	return status;
}

static inline void
skip_if_impossible(void)
{
	if (skip_reason == NULL)
		return;
	print_message("no network namespace: %s\n", skip_reason);
	skip();
}

static inline void
rig_send(struct rig *rig, uint16_t type, size_t len)
{
	assert_int_equal(frame_write(rig->fd, type, rig->body, len, NULL), 0);
}

static inline void
send_capture(struct rig *rig, const struct sweep_capture *capture)
{
	rig_send(rig, SWEEP_MSG_CAPTURE,
	    sweep_encode_capture(capture, rig->body, CHAN_BODY_MAX));
}

static inline void
send_flush(struct rig *rig, uint64_t cookie)
{
	struct wcursor w = { .p = rig->body, .left = sizeof(cookie) };

	wcursor_be64(&w, cookie);
	rig_send(rig, SWEEP_MSG_FLUSH, sizeof(cookie));
}

static inline void
send_targets(struct rig *rig, uint32_t list, const struct addr *addrs,
    uint32_t total)
{
	const uint32_t per_part = 777;

	for (uint32_t first = 0; first < total; first += per_part) {
		struct sweep_targets part = { .list = list,
			.total = total,
			.first = first,
			.n =
			    total - first < per_part ? total - first : per_part,
			.addrs = addrs + first };

		rig_send(rig, SWEEP_MSG_TARGETS,
		    sweep_encode_targets(&part, rig->body, CHAN_BODY_MAX));
	}
}

static inline void
send_job(struct rig *rig, const struct sweep_job *job)
{
	rig_send(rig, SWEEP_MSG_JOB,
	    sweep_encode_job(job, rig->body, CHAN_BODY_MAX));
}

static inline void
take_replies(struct rig *rig, const struct chan_msg *msg)
{
	static struct sweep_reply replies[SWEEP_REPLY_BATCH_MAX];
	int n = sweep_decode_replies(msg->body, msg->len, replies,
	    SWEEP_REPLY_BATCH_MAX);

	assert_in_range(n, 1, SWEEP_REPLY_BATCH_MAX);
	for (int i = 0; i < n; i++) {
		if ((replies[i].flags &
			(SWEEP_REPLY_LATE | SWEEP_REPLY_FORGED)) != 0) {
			rig->n_late +=
			    (replies[i].flags & SWEEP_REPLY_LATE) != 0;
			rig->n_forged +=
			    (replies[i].flags & SWEEP_REPLY_FORGED) != 0;
			rig->sample = replies[i];
			continue;
		}
		rig->n_replies++;
		rig->last = replies[i];
		if (replies[i].index < TARGETS)
			rig->seen[replies[i].index]++;
	}
}

static inline void
take_msg(struct rig *rig, const struct chan_msg *msg)
{
	switch (msg->type) {
	case SWEEP_MSG_REPLIES:
		take_replies(rig, msg);
		break;
	case SWEEP_MSG_PROGRESS:
		assert_int_equal(sweep_decode_progress(msg->body, msg->len,
				     &rig->progress),
		    0);
		break;
	case SWEEP_MSG_FLUSHED:
		assert_int_equal(sweep_decode_flushed(msg->body, msg->len,
				     &rig->cookie, &rig->counters),
		    0);
		break;
	case SWEEP_MSG_CAPTURING:
		assert_int_equal(sweep_decode_capturing(msg->body, msg->len,
				     &rig->mode),
		    0);
		break;
	case SWEEP_MSG_HEARING:
		assert_int_not_equal(sweep_decode_hearing(msg->body, msg->len,
					 rig->hearing),
		    -1);
		break;
	case SWEEP_MSG_TROUBLE:
		(void)snprintf(rig->trouble, sizeof(rig->trouble), "%.*s",
		    (int)msg->len, (const char *)msg->body);
		break;
	default:
		fail_msg("message %u", msg->type);
	}
}

/* Reads until a message of this type has come. */
static inline void
wait_for(struct rig *rig, uint16_t type)
{
	struct chan_msg msg = { .type = 0 };

	while (msg.type != type) {
		struct err err = { .code = ERR_NONE };

		if (frame_read(rig->fd, rig->body, CHAN_BODY_MAX, &msg, &err) !=
		    1)
			fail_msg("no message %u: %s", type, err.msg);
		take_msg(rig, &msg);
	}
}

static inline void
wait_until_done(struct rig *rig)
{
	do {
		wait_for(rig, SWEEP_MSG_PROGRESS);
	} while (!rig->progress.done);
}

static inline void
flush(struct rig *rig)
{
	static uint64_t cookie;

	send_flush(rig, ++cookie);
	wait_for(rig, SWEEP_MSG_FLUSHED);
	assert_true(rig->cookie == cookie);
}

/* Half of them IPv4, over 4 /24s; each answers. */
static inline void
fill_targets(struct addr addrs[TARGETS])
{
	for (uint32_t i = 0; i < TARGETS; i++) {
		addrs[i] =
		    fixture_addr(i % 2 == 0 ? "10.77.1.0" : "2001:db8:77::");
		addrs[i].b[14] = (uint8_t)(addrs[i].b[14] + i / 500);
		addrs[i].b[15] = (uint8_t)(1 + i % 500 / 2);
	}
}

static inline struct sweep_job
full_job(void)
{
	return (struct sweep_job){ .job = 11,
		.list = LIST,
		.experiment = FIXTURE_EXPERIMENT,
		.phase = 2,
		.round = 3,
		.rate_pps = 20000,
		.order_seed = 42,
		.source4 = fixture_addr("198.51.100.1"),
		.source6 = fixture_addr("2001:db8:100::1"),
		.has_source4 = true,
		.has_source6 = true,
		.allow_special = true };
}

/* Captures, and knows the list. */
static inline void
prepare(struct rig *rig)
{
	struct sweep_capture capture = fixture_capture();
	struct addr addrs[TARGETS];

	fill_targets(addrs);
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TARGETS);
}

static inline int
raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	assert_int_not_equal(fd, -1);
	return fd;
}

/* Puts the packet on the wire as it is, but for IPv4's length and checksum. */
static inline void
inject_bytes(const uint8_t *packet, size_t len)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	bool is_ipv4 = packet[0] >> 4 == 4;
	int fd = raw_socket(is_ipv4 ? AF_INET : AF_INET6);
	ssize_t n;

	memcpy(&to4.sin_addr, packet + 16, 4);
	memcpy(&to6.sin6_addr, packet + 24, 16);
	if (is_ipv4) {
		n = sendto(fd, packet, len, 0, (struct sockaddr *)&to4,
		    sizeof(to4));
	} else {
		n = sendto(fd, packet, len, 0, (struct sockaddr *)&to6,
		    sizeof(to6));
	}
	assert_int_equal(n, len);
	(void)close(fd);
}

static inline void
inject(const struct fixture_reply *reply)
{
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(reply, packet);

	inject_bytes(packet, len);
}

#endif /* SWEEPER_RIG_H */
