/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Main's side of the keeper and of its workers. */
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/keeper_wire.h"
#include "base/log.h"
#include "base/xalloc.h"

#define WORKERS_MAX 16
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
/* A worker that lived so long earns the short pause again. */
#define RESTART_CALM_MS 10000

struct keeper {
	const struct worker_kind *kinds;
	size_t n_kinds;
	int sock;
	pid_t pid;
	struct loop *lp;
	struct loop_fd *io;
	void (*on_lost)(void *arg);
	void *arg;
	void (*on_acted)(void *arg);
	void *acted_arg;
	struct worker *workers[WORKERS_MAX];
};

struct worker {
	struct keeper *k;
	size_t slot;
	size_t kind;
	struct worker_ops ops;
	void *arg;
	struct chan *ch;
	pid_t pid;
	struct mono started;
	int64_t pause_ms;
	struct loop_timer *restart;
};

struct keeper *
keeper_start(const struct worker_kind *kinds, size_t n, keeper_will_fn *will,
    struct err *err)
{
	struct keeper *k;
	int sv[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1) {
		err_sys(err, "socketpair");
		return NULL;
	}
	pid = fork();
	if (pid == -1) {
		err_sys(err, "fork");
		(void)close(sv[0]);
		(void)close(sv[1]);
		return NULL;
	}
	if (pid == 0) {
		struct keeper_job job = { .sock = sv[1],
			.kinds = kinds,
			.n_kinds = n,
			.will = will };

		(void)close(sv[0]);
		(void)prctl(PR_SET_NAME, "anycastd-keeper", 0, 0, 0);
		log_init("keeper", getenv("ANYCASTD_DEBUG") != NULL);
		keeper_main(&job);
		exit(0);
	}
	(void)close(sv[1]);
	k = xcalloc(1, sizeof(*k));
	*k = (struct keeper){
		.kinds = kinds, .n_kinds = n, .sock = sv[0], .pid = pid
	};
	return k;
}

static struct worker *
worker_by_pid(struct keeper *k, pid_t pid)
{
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = k->workers[i];

		if (w != NULL && w->pid == pid)
			return w;
	}
	return NULL;
}

static void
worker_down(struct worker *w)
{
	bool was_up = w->ch != NULL;

	chan_free(w->ch);
	w->ch = NULL;
	if (w->pid != 0) {
		struct keeper_record rec = { .op = KEEPER_KILL,
			.a = (uint32_t)w->pid };

		(void)keeper_record_send(w->k->sock, &rec, -1);
		w->pid = 0;
	}
	if (mono_diff_ms(mono_now(), w->started) > RESTART_CALM_MS)
		w->pause_ms = RESTART_MIN_MS;
	loop_timer_set(w->restart, w->pause_ms);
	w->pause_ms =
	    w->pause_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : w->pause_ms * 2;
	if (was_up && w->ops.on_lost != NULL)
		w->ops.on_lost(w, w->arg);
}

static void
worker_on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct worker *w = arg;

	(void)ch;
	w->ops.on_msg(w, msg, w->arg);
}

static void
worker_on_close(struct chan *ch, void *arg)
{
	struct worker *w = arg;

	(void)ch;
	log_warnx("worker %s: lost", worker_name(w));
	worker_down(w);
}

void
worker_kick(struct worker *w)
{
	if (w->ch == NULL)
		return;
	log_warnx("worker %s: does not answer: started again", worker_name(w));
	worker_down(w);
}

static void
worker_on_restart(struct loop *lp, void *arg)
{
	struct worker *w = arg;
	struct keeper_record rec = { .op = KEEPER_START,
		.a = (uint32_t)w->kind,
		.b = (uint32_t)w->slot };
	int sv[2];

	(void)lp;
	w->started = mono_now();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1) {
		log_warn("worker %s: socketpair", worker_name(w));
		worker_down(w);
		return;
	}
	if (keeper_record_send(w->k->sock, &rec, sv[1]) == -1) {
		log_warn("worker %s: keeper", worker_name(w));
		(void)close(sv[0]);
		(void)close(sv[1]);
		worker_down(w);
		return;
	}
	(void)close(sv[1]);
	w->ch = chan_new(w->k->lp, sv[0], worker_on_msg, worker_on_close, w);
	if (w->ops.on_start != NULL)
		w->ops.on_start(w, w->arg);
}

static void
keeper_on_exited(struct keeper *k, pid_t pid, int status)
{
	struct worker *w = worker_by_pid(k, pid);

	if (WIFSIGNALED(status)) {
		log_warnx("worker pid %d: killed by signal %d", (int)pid,
		    WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		log_warnx("worker pid %d: exit status %d", (int)pid,
		    WEXITSTATUS(status));
	}
	/* Its channel still holds what it said last: the close comes there. */
	if (w != NULL)
		w->pid = 0;
}

static void
keeper_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct keeper *k = arg;
	struct keeper_record rec;
	int extra, rc = keeper_record_recv(fd, &rec, &extra);

	(void)lp;
	(void)events;
	if (extra != -1)
		(void)close(extra);
	if (rc <= 0) {
		loop_fd_set(k->io, 0);
		log_warnx("keeper: lost");
		k->on_lost(k->arg);
		return;
	}
	if (rec.op == KEEPER_STARTED && rec.b < WORKERS_MAX &&
	    k->workers[rec.b] != NULL) {
		k->workers[rec.b]->pid = (pid_t)rec.a;
	} else if (rec.op == KEEPER_EXITED) {
		keeper_on_exited(k, (pid_t)rec.a, (int)rec.b);
	} else if (rec.op == KEEPER_ACTED && k->on_acted != NULL) {
		k->on_acted(k->acted_arg);
	}
}

void
keeper_attach(struct keeper *k, struct loop *lp, void (*on_lost)(void *arg),
    void *arg)
{
	k->lp = lp;
	k->on_lost = on_lost;
	k->arg = arg;
	k->io = loop_fd_new(lp, k->sock, LOOP_READ, keeper_on_io, k);
}

void
keeper_set_on_acted(struct keeper *k, void (*on_acted)(void *arg), void *arg)
{
	k->on_acted = on_acted;
	k->acted_arg = arg;
}

void
keeper_beat(struct keeper *k)
{
	struct keeper_record rec = { .op = KEEPER_BEAT };

	/* A keeper that is busy has unread ones enough. */
	(void)keeper_record_send(k->sock, &rec, -1);
}

/* The will as a sealed file in memory, or -1. */
static int
will_file(const void *body, size_t len)
{
	int fd = memfd_create("will", MFD_CLOEXEC);
	size_t done = 0;

	while (fd != -1 && done < len) {
		ssize_t n = write(fd, (const char *)body + done, len - done);

		if (n <= 0) {
			(void)close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	return fd;
}

int
keeper_set_will(struct keeper *k, const void *body, size_t len)
{
	struct keeper_record rec = { .op = KEEPER_WILL };
	int fd = -1, rc;

	if (len > 0) {
		fd = will_file(body, len);
		if (fd == -1) {
			log_warn("keeper: will not deposited");
			return -1;
		}
	}
	rc = keeper_record_send(k->sock, &rec, fd);
	if (rc == -1)
		log_warn("keeper: will not deposited");
	if (fd != -1)
		(void)close(fd);
	return rc;
}

void
keeper_dismiss(struct keeper *k)
{
	struct keeper_record rec = { .op = KEEPER_DISMISS };
	int fd;

	if (k == NULL)
		return;
	(void)keeper_record_send(k->sock, &rec, -1);
	loop_fd_free(k->io);
	/* To the end: closing with unread records would be a reset, and the
	 * keeper take us for dead before it reads its dismissal. */
	while (keeper_record_recv(k->sock, &rec, &fd) > 0) {
		if (fd != -1)
			(void)close(fd);
	}
	(void)close(k->sock);
	/* It waits for the workers: the store writes its last rows. */
	(void)waitpid(k->pid, NULL, 0);
	free(k);
}

pid_t
keeper_pid(const struct keeper *k)
{
	return k->pid;
}

struct worker *
worker_new(struct keeper *k, size_t kind, const struct worker_ops *ops,
    void *arg)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	size_t slot = 0;

	while (slot < WORKERS_MAX && k->workers[slot] != NULL)
		slot++;
	if (slot == WORKERS_MAX || kind >= k->n_kinds) {
		log_warnx("worker: no room for kind %zu", kind);
		abort();
	}
	*w = (struct worker){ .k = k,
		.slot = slot,
		.kind = kind,
		.ops = *ops,
		.arg = arg,
		.pause_ms = RESTART_MIN_MS };
	w->restart = loop_timer_new(k->lp, worker_on_restart, w);
	k->workers[slot] = w;
	loop_timer_set(w->restart, 0);
	return w;
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	w->k->workers[w->slot] = NULL;
	loop_timer_free(w->restart);
	chan_free(w->ch);
	free(w);
}

bool
worker_is_up(const struct worker *w)
{
	return w->ch != NULL;
}

pid_t
worker_pid(const struct worker *w)
{
	return w->pid;
}

int
worker_send(struct worker *w, uint16_t type, const void *body, size_t len)
{
	if (w->ch == NULL)
		return -1;
	chan_send(w->ch, type, body, len);
	return 0;
}

int
worker_send_soon(struct worker *w, uint16_t type, const void *body, size_t len)
{
	if (w->ch == NULL)
		return -1;
	chan_send_soon(w->ch, type, body, len);
	return 0;
}

size_t
worker_backlog_bytes(const struct worker *w)
{
	return w->ch != NULL ? chan_backlog_bytes(w->ch) : 0;
}

const char *
worker_name(const struct worker *w)
{
	return w->k->kinds[w->kind].name;
}
