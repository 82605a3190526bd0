/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pinger process.  ping_send blocks until every host of its round has
 * answered or the time-out is over, so one silent host would hold up all
 * others.  The pinger itself therefore never pings: it hands rounds to lanes,
 * small processes forked from it as they are needed and kept for later rounds.
 *
 * A round takes all pings with the same time-out that have arrived when a lane
 * is free.  While every lane is busy pings wait, and so gather to full rounds.
 *
 * Whatever happens to a lane, each ping is answered once, and a lane that runs
 * over its time is killed.  (liboping measures by the wall clock: stepping it
 * back can make ping_send wait for hours.)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "probes/ping_round.h"
#include "probes/probe.h"
#include "probes/probe_wire.h"

#define LANES_MAX 32
#define WAITING_MAX 4096
/* Pings of one beat share a round and so, each time, the same one: what it needs
 * is kept (ping_round.h).  They may come in more messages than a channel hands
 * up at once. */
#define GATHER_MS 1
/* A ping that found no lane so long says nothing about its host any more. */
#define WAIT_MAX_MS 1000
/* Over the time-out of its round, then a lane is taken for stuck. */
#define LANE_GRACE_MS 1000

struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct probe_ping_msg ping;
	struct mono arrived;
};

struct lane {
	struct pinger *pg;
	uint8_t number; /* 1 .. LANES_MAX: owner of its idents */
	pid_t pid;      /* 0: not running */
	struct chan *ch;
	struct loop_timer *limit;
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	size_t n_open; /* pings not yet answered; 0: idle */
};

struct pinger {
	struct loop *lp;
	struct chan *main_ch;
	struct loop_timer *dispatch;
	bool is_gathering; /* dispatch is set for that */
	struct ping_idents *idents;
	TAILQ_HEAD(, waiting) waiting;
	size_t n_waiting;
	struct lane lanes[LANES_MAX];
	struct log_limit lane_log;
	int status; /* exit status */
};

/*
 * In a lane.
 */

static void
lane_round(int fd, struct ping_book *book, const struct chan_msg *msg)
{
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	struct probe_result results[PROBE_WIRE_PINGS_MAX];
	uint8_t out[PROBE_WIRE_PINGS_MAX *
	    (CHAN_HEADER_BYTES + PROBE_WIRE_RESULT_BYTES)];
	struct frames frames = { .buf = out, .size = sizeof(out) };
	int n = probe_wire_decode_pings(msg->body, msg->len, pings);

	if (n == -1)
		_exit(1);
	ping_round_run(book, pings, (size_t)n, results);
	for (int i = 0; i < n; i++) {
		uint8_t body[PROBE_WIRE_RESULT_BYTES];
		size_t len = probe_wire_encode_result(pings[i].id, &results[i],
		    body, sizeof(body));

		(void)frames_add(&frames, PROBE_MSG_RESULT, body, len);
	}
	if (frames_write(fd, &frames, NULL) == -1)
		_exit(0);
}

static void __attribute__((noreturn))
lane_main(int fd, struct ping_idents *idents, uint8_t number)
{
	struct ping_book *book = ping_book_new(idents, number);
	uint8_t buf[PROBE_WIRE_PINGS_BYTES];
	struct chan_msg msg;
	unsigned seed = number;
	/* The wall lets nothing be opened for writing. */
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* liboping prints what fails on stderr: for each packet, no limit.
	 * Here it cannot. */
	if (null_fd != -1)
		(void)dup2(null_fd, STDERR_FILENO);
	if (fd > 3)
		(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	/* Idents come from random(); liboping seeds it itself if it can. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (unsigned)mono_now().us ^ number;
	srandom(seed);
	while (frame_read(fd, buf, sizeof(buf), &msg, NULL) == 1)
		lane_round(fd, book, &msg);
	_exit(0);
}

/*
 * In the pinger.
 */

static void
answer_main(struct pinger *pg, uint64_t id, const struct probe_result *result)
{
	uint8_t body[PROBE_WIRE_RESULT_BYTES];

	chan_send_soon(pg->main_ch, PROBE_MSG_RESULT, body,
	    probe_wire_encode_result(id, result, body, sizeof(body)));
}

static void
answer_untried(struct pinger *pg, uint64_t id, const char *why)
{
	struct probe_result r = { .verdict = PROBE_NO_ANSWER_FROM_US,
		.rtt_us = -1 };

	(void)snprintf(r.detail, sizeof(r.detail), "%s", why);
	answer_main(pg, id, &r);
}

/* A lane has become free; what is being gathered is not torn apart for it. */
static void
dispatch_soon(struct pinger *pg)
{
	if (!pg->is_gathering)
		loop_timer_set(pg->dispatch, 0);
}

/* Ends the process and answers what it leaves open. */
static void
lane_end(struct lane *ln, const char *why)
{
	loop_timer_cancel(ln->limit);
	chan_free(ln->ch);
	ln->ch = NULL;
	(void)kill(ln->pid, SIGKILL);
	(void)waitpid(ln->pid, NULL, 0);
	ln->pid = 0;
	ping_idents_release(ln->pg->idents, ln->number);
	for (size_t i = 0; i < ln->n_open; i++)
		answer_untried(ln->pg, ln->pings[i].id, why);
	ln->n_open = 0;
	dispatch_soon(ln->pg);
}

static void
lane_on_limit(struct loop *lp, void *arg)
{
	struct lane *ln = arg;

	(void)lp;
	log_limited(&ln->pg->lane_log, "lane %u: stuck, killed", ln->number);
	lane_end(ln, "cannot ping: liboping got stuck");
}

static void
lane_on_close(struct chan *ch, void *arg)
{
	struct lane *ln = arg;

	(void)ch;
	log_limited(&ln->pg->lane_log, "lane %u: died", ln->number);
	lane_end(ln, "cannot ping: liboping crashed");
}

static void
lane_on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct lane *ln = arg;
	struct probe_result_msg got;
	size_t i = 0;

	(void)ch;
	if (msg->type != PROBE_MSG_RESULT ||
	    probe_wire_decode_result(msg->body, msg->len, &got) == -1) {
		lane_end(ln, "cannot ping: the lane went mad");
		return;
	}
	while (i < ln->n_open && ln->pings[i].id != got.id)
		i++;
	if (i == ln->n_open)
		return;
	ln->pings[i] = ln->pings[--ln->n_open];
	answer_main(ln->pg, got.id, &got.result);
	if (ln->n_open > 0)
		return;
	loop_timer_cancel(ln->limit);
	dispatch_soon(ln->pg);
}

static int
lane_fork(struct lane *ln)
{
	pid_t parent = getpid();
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	ln->pid = fork();
	if (ln->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(0);
		lane_main(sv[1], ln->pg->idents, ln->number);
	}
	(void)close(sv[1]);
	if (ln->pid == -1) {
		(void)close(sv[0]);
		ln->pid = 0;
		return -1;
	}
	ln->ch = chan_new(ln->pg->lp, sv[0], lane_on_msg, lane_on_close, ln);
	return 0;
}

/* An idle lane, started if need be; NULL while all are busy. */
static struct lane *
lane_find_idle(struct pinger *pg)
{
	struct lane *free_ln = NULL;

	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *ln = &pg->lanes[i];

		if (ln->pid != 0 && ln->n_open == 0)
			return ln;
		if (ln->pid == 0 && free_ln == NULL)
			free_ln = ln;
	}
	if (free_ln == NULL)
		return NULL;
	if (lane_fork(free_ln) == -1) {
		log_limited(&pg->lane_log, "lane %u: cannot start: %s",
		    free_ln->number, strerror(errno));
		return NULL;
	}
	return free_ln;
}

static void
waiting_del(struct pinger *pg, struct waiting *w)
{
	TAILQ_REMOVE(&pg->waiting, w, entry);
	pg->n_waiting--;
	free(w);
}

static void
waiting_expire(struct pinger *pg)
{
	struct mono now = mono_now();
	struct waiting *w, *next;

	for (w = TAILQ_FIRST(&pg->waiting); w != NULL; w = next) {
		if (mono_diff_ms(now, w->arrived) < WAIT_MAX_MS)
			break;
		next = TAILQ_NEXT(w, entry);
		answer_untried(pg, w->ping.id, "the pinger is overloaded");
		waiting_del(pg, w);
	}
}

/* Moves the oldest waiting ping to the lane, and all that can go with it. */
static void
lane_fill(struct lane *ln)
{
	struct pinger *pg = ln->pg;
	struct waiting *w = TAILQ_FIRST(&pg->waiting), *next;
	uint32_t timeout_ms = w->ping.timeout_ms;
	uint8_t body[PROBE_WIRE_PINGS_BYTES];
	size_t len;

	for (; w != NULL && ln->n_open < PROBE_WIRE_PINGS_MAX; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->ping.timeout_ms != timeout_ms)
			continue;
		ln->pings[ln->n_open++] = w->ping;
		waiting_del(pg, w);
	}
	len =
	    probe_wire_encode_pings(ln->pings, ln->n_open, body, sizeof(body));
	loop_timer_set(ln->limit, (int64_t)timeout_ms + LANE_GRACE_MS);
	chan_send(ln->ch, PROBE_MSG_PING, body, len);
}

static void
pinger_on_dispatch(struct loop *lp, void *arg)
{
	struct pinger *pg = arg;
	struct lane *ln;

	(void)lp;
	pg->is_gathering = false;
	waiting_expire(pg);
	while (!TAILQ_EMPTY(&pg->waiting)) {
		ln = lane_find_idle(pg);
		if (ln == NULL)
			break;
		lane_fill(ln);
	}
	/* Without a lane the oldest must still be answered in time. */
	if (!TAILQ_EMPTY(&pg->waiting) && !loop_timer_pending(pg->dispatch))
		loop_timer_set(pg->dispatch, WAIT_MAX_MS / 10);
}

static void
waiting_add(struct pinger *pg, const struct probe_ping_msg *ping)
{
	struct waiting *w;

	if (pg->n_waiting == WAITING_MAX) {
		answer_untried(pg, ping->id, "the pinger is overloaded");
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->ping = *ping;
	w->arrived = mono_now();
	TAILQ_INSERT_TAIL(&pg->waiting, w, entry);
	pg->n_waiting++;
}

static void
pinger_on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct pinger *pg = arg;
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	int n = -1;

	(void)ch;
	if (msg->type == PROBE_MSG_PING)
		n = probe_wire_decode_pings(msg->body, msg->len, pings);
	if (n == -1) {
		log_warnx("main: message %u of %zu bytes: malformed", msg->type,
		    msg->len);
		pg->status = 1;
		loop_stop(pg->lp);
		return;
	}
	for (int i = 0; i < n; i++)
		waiting_add(pg, &pings[i]);
	if (!pg->is_gathering)
		loop_timer_set(pg->dispatch, GATHER_MS);
	pg->is_gathering = true;
}

static void
pinger_on_close(struct chan *ch, void *arg)
{
	struct pinger *pg = arg;

	(void)ch;
	loop_stop(pg->lp);
}

static void
lanes_fini(struct pinger *pg)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *ln = &pg->lanes[i];

		if (ln->pid != 0) {
			chan_free(ln->ch);
			(void)kill(ln->pid, SIGKILL);
			(void)waitpid(ln->pid, NULL, 0);
		}
		loop_timer_free(ln->limit);
	}
}

static void
pinger_run(struct pinger *pg, int chan_fd)
{
	struct waiting *w, *next;

	pg->lp = loop_new();
	pg->dispatch = loop_timer_new(pg->lp, pinger_on_dispatch, pg);
	TAILQ_INIT(&pg->waiting);
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *ln = &pg->lanes[i];

		ln->pg = pg;
		ln->number = (uint8_t)(i + 1);
		ln->limit = loop_timer_new(pg->lp, lane_on_limit, ln);
	}
	pg->main_ch =
	    chan_new(pg->lp, chan_fd, pinger_on_msg, pinger_on_close, pg);
	loop_run(pg->lp);

	chan_free(pg->main_ch);
	lanes_fini(pg);
	for (w = TAILQ_FIRST(&pg->waiting); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		waiting_del(pg, w);
	}
	loop_timer_free(pg->dispatch);
	loop_free(pg->lp);
}

int
pinger_main(int chan_fd)
{
	struct pinger *pg = xcalloc(1, sizeof(*pg));
	struct err err = { 0 };
	int status = 1;

	pg->idents = ping_idents_new(&err);
	if (pg->idents == NULL) {
		log_warnx("%s", err.msg);
	} else {
		pinger_run(pg, chan_fd);
		ping_idents_free(pg->idents);
		status = pg->status;
	}
	free(pg);
	return status;
}
