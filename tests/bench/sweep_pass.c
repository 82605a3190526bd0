/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sweep_pass -- one sweep by the sweeper process of anycastd, for the benchmark:
 *
 *	sweep_pass SEND_NETNS CAPTURE_NETNS ENGINE SOURCE PREFIX FIRST COUNT RATE
 *
 * Pings COUNT addresses from FIRST on, in the network namespace SEND_NETNS (a
 * file), and captures the replies in CAPTURE_NETNS; when both are the same, one
 * process does both.  Prints one line of JSON.  Takes the place of the daemon:
 * it reads every reply and marks the client in a table.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "probes/sweep.h"

#define LIST 1
#define EXPERIMENT 1
#define LINGER_MS 300
#define TEXT "catchment measurement, see https://example.net/ping"

struct sweeper {
	pid_t pid;
	int fd;
};

static uint8_t body[CHAN_BODY_MAX];
static struct sweep_progress progress;
static struct sweep_counters counters;
static enum sweep_capture_mode mode;
static bool is_flushed;
static uint8_t *seen; /* replies by index, up to 255 */
static uint32_t n_targets, n_distinct, n_duplicates, n_foreign;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sweeper
start(const char *netns)
{
	struct sweeper sw;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		die("socketpair");
	sw = (struct sweeper){ .pid = fork(), .fd = fds[0] };
	if (sw.pid == -1)
		die("fork");
	if (sw.pid == 0) {
		int ns = open(netns, O_RDONLY | O_CLOEXEC);

		if (ns == -1 || setns(ns, CLONE_NEWNET) == -1)
			die(netns);
		(void)signal(SIGPIPE, SIG_IGN);
		(void)close(fds[0]);
		_exit(sweeper_main(fds[1]));
	}
	(void)close(fds[1]);
	return sw;
}

static void
tell(const struct sweeper *sw, uint16_t type, size_t len)
{
	struct err err = { 0 };

	if (frame_write(sw->fd, type, body, len, &err) == -1) {
		(void)fprintf(stderr, "sweep_pass: %s\n", err.msg);
		exit(1);
	}
}

static void
take_replies(const struct chan_msg *msg)
{
	static struct sweep_reply replies[SWEEP_REPLY_BATCH_MAX];
	int n = sweep_decode_replies(msg->body, msg->len, replies,
	    SWEEP_REPLY_BATCH_MAX);

	for (int i = 0; i < n; i++) {
		uint32_t index = replies[i].index;

		if (replies[i].flags != 0 || index >= n_targets) {
			n_foreign++;
		} else if (seen[index]++ == 0) {
			n_distinct++;
		} else {
			n_duplicates++;
		}
	}
}

static void
take(const struct chan_msg *msg)
{
	uint64_t cookie;

	switch (msg->type) {
	case SWEEP_MSG_REPLIES:
		take_replies(msg);
		break;
	case SWEEP_MSG_PROGRESS:
		(void)sweep_decode_progress(msg->body, msg->len, &progress);
		break;
	case SWEEP_MSG_CAPTURING:
		(void)sweep_decode_capturing(msg->body, msg->len, &mode);
		break;
	case SWEEP_MSG_FLUSHED:
		(void)sweep_decode_flushed(msg->body, msg->len, &cookie,
		    &counters);
		is_flushed = true;
		break;
	default:
		(void)fprintf(stderr, "sweep_pass: %.*s\n", (int)msg->len,
		    (const char *)msg->body);
		break;
	}
}

static void
read_one(const struct sweeper *sw)
{
	struct chan_msg msg;
	struct err err = { 0 };

	if (frame_read(sw->fd, body, sizeof(body), &msg, &err) != 1) {
		(void)fprintf(stderr, "sweep_pass: a sweeper ended: %s\n",
		    err.msg);
		exit(1);
	}
	take(&msg);
}

/* Until *done or, if done is NULL, for so long. */
static void
run(const struct sweeper *sws, nfds_t n, const bool *done, int for_ms)
{
	struct mono until = mono_add_ms(mono_now(), for_ms);

	while (done != NULL ? !*done : mono_before(mono_now(), until)) {
		struct pollfd fds[2] = { { .fd = sws[0].fd, .events = POLLIN },
			{ .fd = sws[1].fd, .events = POLLIN } };

		if (poll(fds, n, 10) == -1)
			die("poll");
		for (nfds_t i = 0; i < n; i++) {
			if (fds[i].revents != 0)
				read_one(&sws[i]);
		}
	}
}

static void
give_targets(const struct sweeper *sw, struct addr first)
{
	static struct addr addrs[SWEEP_TARGETS_PER_MSG];
	uint32_t low = (uint32_t)first.b[12] << 24 | first.b[13] << 16 |
	    first.b[14] << 8 | first.b[15];

	for (uint32_t i = 0; i < n_targets; i += SWEEP_TARGETS_PER_MSG) {
		uint32_t left = n_targets - i;
		struct sweep_targets part = { .list = LIST,
			.total = n_targets,
			.first = i,
			.n = left < SWEEP_TARGETS_PER_MSG
			    ? left
			    : SWEEP_TARGETS_PER_MSG,
			.addrs = addrs };

		for (uint32_t k = 0; k < part.n; k++) {
			struct wcursor w = { .p = addrs[k].b + 12, .left = 4 };

			memcpy(addrs[k].b, first.b, 12);
			wcursor_be32(&w, low + i + k);
		}
		tell(sw, SWEEP_MSG_TARGETS,
		    sweep_encode_targets(&part, body, sizeof(body)));
	}
}

static void
set_up(int argc, char **argv, struct sweep_capture *what, struct sweep_job *job,
    struct addr *first)
{
	struct err err = { 0 };
	struct addr source;

	if (argc != 9 || addr_parse(argv[4], &source, &err) == -1 ||
	    prefix_parse(argv[5], &what->prefixes[0], &err) == -1 ||
	    addr_parse(argv[6], first, &err) == -1 ||
	    num_parse_u32(argv[7], 1, 1u << 22, &n_targets, &err) == -1 ||
	    num_parse_u32(argv[8], 1, 10000000, &job->rate_pps, &err) == -1) {
		(void)fprintf(stderr, "sweep_pass: arguments: %s\n", err.msg);
		exit(2);
	}
	what->n_runs = 1;
	what->runs[0].experiment = EXPERIMENT;
	what->runs[0].prefixes = 1;
	what->n_prefixes = 1;
	job->job = 1;
	job->list = LIST;
	job->experiment = EXPERIMENT;
	job->allow_special = true;
	job->has_source4 = addr_is_ipv4(&source);
	job->has_source6 = !job->has_source4;
	job->source4 = job->source6 = source;
	job->engine = strcmp(argv[3], "packet") == 0 ? SWEEP_ENGINE_PACKET
						     : SWEEP_ENGINE_RAW;
	job->text.len = sizeof(TEXT) - 1;
	memcpy(job->text.bytes, TEXT, sizeof(TEXT) - 1);
	seen = xcalloc(n_targets, 1);
}

static int64_t
cpu_us(const struct rusage *ru)
{
	return (int64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 +
	    ru->ru_utime.tv_usec + ru->ru_stime.tv_usec;
}

/* Ends the sweeper; what it used, in microseconds. */
static int64_t
finish(const struct sweeper *sw)
{
	struct rusage ru;
	int status;

	(void)close(sw->fd);
	if (wait4(sw->pid, &status, 0, &ru) == -1 || status != 0)
		die("sweeper");
	return cpu_us(&ru);
}

int
main(int argc, char **argv)
{
	struct sweep_capture what = { .runs = { { .key = "benchmark" } } };
	struct sweep_job job = { .order_seed = 1 };
	struct sweeper sws[2];
	struct addr first;
	struct rusage own;
	struct mono began;
	int64_t send_ms, cpu[2] = { 0, 0 };
	nfds_t n;

	set_up(argc, argv, &what, &job, &first);
	n = strcmp(argv[1], argv[2]) == 0 ? 1 : 2;
	for (nfds_t i = 0; i < n; i++) {
		sws[i] = start(argv[1 + i]);
		tell(&sws[i], SWEEP_MSG_CAPTURE,
		    sweep_encode_capture(&what, body, sizeof(body)));
		read_one(&sws[i]);
	}
	if (n == 1)
		sws[1] = sws[0];
	give_targets(&sws[0], first);
	began = mono_now();
	tell(&sws[0], SWEEP_MSG_JOB,
	    sweep_encode_job(&job, body, sizeof(body)));
	run(sws, n, &progress.done, 0);
	send_ms = mono_diff_ms(mono_now(), began);
	run(sws, n, NULL, LINGER_MS);
	memset(body, 0, sizeof(uint64_t));
	tell(&sws[n - 1], SWEEP_MSG_FLUSH, sizeof(uint64_t));
	run(sws, n, &is_flushed, 0);
	/* The second has a copy of the first one's channel. */
	for (nfds_t i = n; i-- > 0;)
		cpu[i] = finish(&sws[i]);
	(void)getrusage(RUSAGE_SELF, &own);
	(void)printf("{\"sent\": %" PRIu32 ", \"sent_packet\": %" PRIu32
		     ", \"send_errors\": %" PRIu32 ", \"send_ms\": %" PRId64
		     ", \"captured\": %" PRIu32 ", \"duplicates\": %" PRIu32
		     ", \"foreign\": %" PRIu32 ", \"kernel_drops\": %" PRIu64
		     ", \"capture\": \"%s\", \"sender_cpu_us\": %" PRId64
		     ", \"capture_cpu_us\": %" PRId64
		     ", \"reader_cpu_us\": %" PRId64 "}\n",
	    progress.sent, progress.sent_packet, progress.send_errors, send_ms,
	    n_distinct, n_duplicates, n_foreign, counters.kernel_drops,
	    sweep_capture_mode_name(mode), cpu[0], cpu[1], cpu_us(&own));
	return 0;
}
