/* SPDX-License-Identifier: GPL-3.0-or-later */
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mono.h"
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

static const char *skip_reason;

/* A sweeper, and all that it has said. */
struct rig {
	int fd;
	pid_t pid;
	uint8_t *body; /* CHAN_BODY_MAX */
	struct sweep_progress progress;
	struct sweep_counters counters;
	uint64_t cookie;
	char trouble[256];
	uint32_t n_replies;
	uint32_t seen[TARGETS]; /* replies by index */
	struct sweep_reply last;
};

static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		skip_reason = path;
	if (fd != -1)
		(void)close(fd);
}

/* Sets skip_reason when this machine does not let us. */
static int
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
	return 0;
}

static int
rig_start(void **state)
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
		_exit(sweeper_main(fds[1]));
	}
	(void)close(fds[1]);
	rig->fd = fds[0];
	(void)setsockopt(rig->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit));
	return 0;
}

/* A sweeper without main ends, and in good order. */
static int
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

static void
skip_if_impossible(void)
{
	if (skip_reason == NULL)
		return;
	print_message("no network namespace: %s\n", skip_reason);
	skip();
}

static void
rig_send(struct rig *rig, uint16_t type, size_t len)
{
	assert_int_equal(frame_write(rig->fd, type, rig->body, len, NULL), 0);
}

static void
send_capture(struct rig *rig, const struct sweep_capture *capture)
{
	rig_send(rig, SWEEP_MSG_CAPTURE,
	    sweep_encode_capture(capture, rig->body, CHAN_BODY_MAX));
}

static void
send_flush(struct rig *rig, uint64_t cookie)
{
	struct wcursor w = { .p = rig->body, .left = sizeof(cookie) };

	wcursor_be64(&w, cookie);
	rig_send(rig, SWEEP_MSG_FLUSH, sizeof(cookie));
}

static void
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

static void
send_job(struct rig *rig, const struct sweep_job *job)
{
	rig_send(rig, SWEEP_MSG_JOB,
	    sweep_encode_job(job, rig->body, CHAN_BODY_MAX));
}

static void
take_replies(struct rig *rig, const struct chan_msg *msg)
{
	static struct sweep_reply replies[SWEEP_REPLY_BATCH_MAX];
	int n = sweep_decode_replies(msg->body, msg->len, replies,
	    SWEEP_REPLY_BATCH_MAX);

	assert_in_range(n, 1, SWEEP_REPLY_BATCH_MAX);
	for (int i = 0; i < n; i++) {
		rig->n_replies++;
		rig->last = replies[i];
		if (replies[i].index < TARGETS)
			rig->seen[replies[i].index]++;
	}
}

static void
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
	case SWEEP_MSG_TROUBLE:
		(void)snprintf(rig->trouble, sizeof(rig->trouble), "%.*s",
		    (int)msg->len, (const char *)msg->body);
		break;
	default:
		fail_msg("message %u", msg->type);
	}
}

/* Reads until a message of this type has come. */
static void
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

static void
wait_until_done(struct rig *rig)
{
	do {
		wait_for(rig, SWEEP_MSG_PROGRESS);
	} while (!rig->progress.done);
}

static void
flush(struct rig *rig)
{
	static uint64_t cookie;

	send_flush(rig, ++cookie);
	wait_for(rig, SWEEP_MSG_FLUSHED);
	assert_true(rig->cookie == cookie);
}

/* Half of them IPv4, over 4 /24s; each answers. */
static void
fill_targets(struct addr addrs[TARGETS])
{
	for (uint32_t i = 0; i < TARGETS; i++) {
		addrs[i] =
		    fixture_addr(i % 2 == 0 ? "10.77.1.0" : "2001:db8:77::");
		addrs[i].b[14] = (uint8_t)(addrs[i].b[14] + i / 500);
		addrs[i].b[15] = (uint8_t)(1 + i % 500 / 2);
	}
}

static struct sweep_job
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
		.has_source6 = true };
}

/* Captures, and knows the list. */
static void
prepare(struct rig *rig)
{
	struct sweep_capture capture = fixture_capture();
	struct addr addrs[TARGETS];

	fill_targets(addrs);
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TARGETS);
}

static int
raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	assert_int_not_equal(fd, -1);
	return fd;
}

/* Puts the packet on the wire as it is, but for IPv4's length and checksum. */
static void
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

static void
inject(const struct fixture_reply *reply)
{
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(reply, packet);

	inject_bytes(packet, len);
}

static void
test_sweep_captures_every_target_once(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	uint64_t before_us = (uint64_t)wall_now_ms() * 1000;

	skip_if_impossible();
	prepare(rig);
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, job.job);
	assert_int_equal(rig->progress.total, TARGETS);
	assert_int_equal(rig->progress.sent, TARGETS);
	assert_int_equal(rig->progress.send_errors, 0);
	flush(rig);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 1);
	assert_true(rig->counters.accepted == TARGETS);
	assert_true(rig->counters.bad_short + rig->counters.bad_type +
		rig->counters.bad_experiment + rig->counters.bad_mac +
		rig->counters.kernel_drops ==
	    0);
	assert_int_equal(rig->last.phase, job.phase);
	assert_int_equal(rig->last.round, job.round);
	assert_int_equal(rig->last.flags, 0);
	assert_int_equal(rig->last.ttl, 64);
	assert_true(rig->last.sent_us >= before_us);
	assert_true(rig->last.recv_us >= rig->last.sent_us);
	assert_true(rig->last.recv_us - before_us < WAIT_S * UINT64_C(1000000));
	assert_string_equal(rig->trouble, "");
}

/* A family without a source is left out, and is not in the total. */
static void
test_subset_of_one_family(void **state)
{
	static const uint32_t subset[] = { 0, 1, 2, 1998, 1999 };
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	job.subset = subset;
	job.n_subset = TEST_COUNT(subset);
	job.has_source6 = false;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 3);
	assert_int_equal(rig->progress.sent, 3);
	flush(rig);
	assert_int_equal(rig->n_replies, 3);
	assert_int_equal(rig->seen[0] + rig->seen[2] + rig->seen[1998], 3);

	job.has_source4 = false;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 0);
}

/* At the rate that was asked for, and no faster. */
static void
test_rate_is_kept(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct mono start;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	job.rate_pps = 4000;
	start = mono_now();
	send_job(rig, &job);
	wait_until_done(rig);
	assert_in_range(mono_diff_ms(mono_now(), start), 470, 5000);
	assert_int_equal(rig->progress.sent, TARGETS);
}

static void
test_stop_ends_a_job(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	job.rate_pps = 100;
	send_job(rig, &job);
	wait_for(rig, SWEEP_MSG_PROGRESS); /* comes while it runs */
	assert_false(rig->progress.done);
	assert_in_range(rig->progress.sent, 1, 200);
	rig_send(rig, SWEEP_MSG_STOP, 0);
	wait_until_done(rig);
	assert_in_range(rig->progress.sent, 1, 200);
	flush(rig);
	assert_true(rig->counters.accepted == rig->progress.sent);
	/* A new job takes the place of a running one. */
	send_job(rig, &job);
	job.job = 12;
	job.rate_pps = 20000;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, 11);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, 12);
	assert_int_equal(rig->progress.sent, TARGETS);
}

/* One target that the kernel refuses must not end the sweep. */
static void
test_refused_targets_are_counted(void **state)
{
	struct rig *rig = *state;
	struct sweep_capture capture = fixture_capture();
	struct addr addrs[] = { fixture_addr("192.0.2.1"), /* no route */
		fixture_addr("10.77.0.1"), fixture_addr("224.0.0.1"),
		fixture_addr("2001:db8:99::1"), /* no route */
		fixture_addr("2001:db8:77::1"), fixture_addr("127.0.0.1"),
		fixture_addr("ff02::1"), fixture_addr("::1") };
	struct sweep_job job = full_job();

	skip_if_impossible();
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TEST_COUNT(addrs));
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, TEST_COUNT(addrs));
	assert_int_equal(rig->progress.sent, 2);
	assert_int_equal(rig->progress.send_errors, 6);
	flush(rig);
	assert_int_equal(rig->seen[1], 1);
	assert_int_equal(rig->seen[4], 1);
	assert_int_equal(rig->n_replies, 2);
}

/* Breaks a job; returns a word of what must be said about it, or NULL. */
static const char *
break_job(struct sweep_job *job, unsigned how)
{
	static const uint32_t beyond[] = { TARGETS };

	switch (how) {
	case 0:
		job->list++;
		return "unknown";
	case 1:
		job->experiment++;
		return "experiment 78";
	case 2:
		job->rate_pps = 0;
		return "rate";
	case 3:
		job->subset = beyond;
		job->n_subset = 1;
		return "target 2000";
	case 4:
		job->source4 = job->source6;
		return "source of IPv4";
	case 5:
		job->source6 = job->source4;
		return "source of IPv6";
	default:
		return NULL;
	}
}

static void
test_impossible_jobs_are_refused(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	const char *why;

	skip_if_impossible();
	prepare(rig);
	for (unsigned i = 0; (why = break_job(&job, i)) != NULL; i++) {
		job.job = 100 + i;
		send_job(rig, &job);
		wait_until_done(rig);
		assert_non_null(strstr(rig->trouble, why));
		assert_int_equal(rig->progress.job, job.job);
		assert_int_equal(rig->progress.sent, 0);
		job = full_job();
	}
}

/* Without capture a job would send probes that nobody can count. */
static void
test_job_without_capture_is_refused(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	rig_send(rig, SWEEP_MSG_CAPTURE,
	    sweep_encode_capture(&(struct sweep_capture){ .experiment = 0 },
		rig->body, CHAN_BODY_MAX));
	job.experiment = 0;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.sent, 0);
	assert_non_null(strstr(rig->trouble, "experiment 0"));
}

/* It is no news to main that it is wrong, but it must be told. */
static void
test_malformed_messages_are_trouble(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	for (unsigned type = 0; type <= SWEEP_MSG_REPLIES; type++) {
		if (type == SWEEP_MSG_STOP)
			continue;
		rig->body[0] = 1;
		rig->trouble[0] = '\0';
		rig_send(rig, (uint16_t)type, 1);
		wait_for(rig, SWEEP_MSG_TROUBLE);
		assert_string_not_equal(rig->trouble, "");
	}
	flush(rig);
}

/* Each packet ends in exactly one counter. */
static void
test_bad_replies_are_counted_by_reason(void **state)
{
	static const char *const sources[] = { "10.77.0.9", "2001:db8:77::9" };
	static const char *const sites[] = { "198.51.100.200",
		"2001:db8:100::200" };
	struct rig *rig = *state;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	for (size_t i = 0; i < 2; i++) {
		struct fixture_reply r = { .source = sources[i],
			.destination = sites[i],
			.index = 17 };
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t icmp = i == 0 ? 20 : 40;
		size_t len = fixture_build(&r, packet);

		inject_bytes(packet, len);
		inject_bytes(packet, len); /* again: the controller's to see */
		packet[len - 1] ^= 1;
		inject_bytes(packet, len); /* MAC */
		packet[icmp + 8 + 6] = 1;
		inject_bytes(packet, len); /* version */
		packet[icmp + 1] = 1;
		inject_bytes(packet, len); /* code */
		packet[icmp] ^= 8;
		inject_bytes(packet, len); /* no echo reply: not even seen */
		r.experiment = FIXTURE_EXPERIMENT - 1;
		inject(&r); /* late */
		r.experiment = 0;
		len = fixture_build(&r, packet) - 1;
		packet[5] = i == 0 ? packet[5] : (uint8_t)(packet[5] - 1);
		inject_bytes(packet, len); /* truncated */
		r.destination = r.source;  /* not to the test prefix */
		inject(&r);
	}
	flush(rig);
	assert_true(rig->counters.accepted == 4);
	assert_true(rig->counters.bad_mac == 2);
	assert_true(rig->counters.bad_type == 4);
	assert_true(rig->counters.bad_experiment == 2);
	assert_true(rig->counters.bad_short == 2);
	assert_int_equal(rig->seen[17], 4);
	assert_int_equal(rig->n_replies, 4);
}

static void
test_unusual_replies_are_accepted(void **state)
{
	struct fixture_reply r = { .source = "10.77.3.3",
		.target = "10.77.3.4",
		.destination = "198.51.100.7",
		.index = 1,
		.option_bytes = 40 };
	struct rig *rig = *state;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_int_equal(rig->n_replies, 1);
	assert_int_equal(rig->last.flags, SWEEP_REPLY_OTHER_SOURCE);
	assert_int_equal(rig->last.ttl, 57);
}

static void
test_new_experiment_begins_from_zero(void **state)
{
	struct fixture_reply r = { .source = "10.77.3.3",
		.destination = "198.51.100.7" };
	struct sweep_capture capture = fixture_capture();
	struct rig *rig = *state;

	skip_if_impossible();
	send_capture(rig, &capture);
	flush(rig);
	inject(&r);
	send_capture(rig, &capture); /* the same again changes nothing */
	flush(rig);
	assert_true(rig->counters.accepted == 1);

	capture.experiment++;
	send_capture(rig, &capture);
	flush(rig);
	assert_true(rig->counters.accepted == 0);
	inject(&r);
	flush(rig);
	assert_true(rig->counters.accepted == 0);
	assert_true(rig->counters.bad_experiment == 1);

	capture.experiment = 0;
	send_capture(rig, &capture);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_true(rig->counters.bad_experiment == 0);
	assert_int_equal(rig->n_replies, 1);
}

/* Several may be under way; each is answered, in order. */
static void
test_flushes_are_answered_in_order(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	for (uint64_t i = 0; i < 16; i++)
		send_flush(rig, i << 32);
	for (uint64_t i = 0; i < 16; i++) {
		wait_for(rig, SWEEP_MSG_FLUSHED);
		assert_true(rig->cookie == i << 32);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_start, rig_stop)
		RIG_TEST(test_sweep_captures_every_target_once),
		RIG_TEST(test_subset_of_one_family),
		RIG_TEST(test_rate_is_kept),
		RIG_TEST(test_stop_ends_a_job),
		RIG_TEST(test_refused_targets_are_counted),
		RIG_TEST(test_impossible_jobs_are_refused),
		RIG_TEST(test_job_without_capture_is_refused),
		RIG_TEST(test_malformed_messages_are_trouble),
		RIG_TEST(test_bad_replies_are_counted_by_reason),
		RIG_TEST(test_unusual_replies_are_accepted),
		RIG_TEST(test_new_experiment_begins_from_zero),
		RIG_TEST(test_flushes_are_answered_in_order),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
