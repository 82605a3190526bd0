/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H
/*
 * worker -- the daemon's helper processes.
 *
 * The keeper is forked first, while the process is small and still has the
 * capabilities that it was started with.  It forks workers when main asks,
 * each dropping to its own rights before it reads any input, and reports
 * their deaths.  It never reads anything but main's fixed-size requests.
 *
 * The keeper outlives main.  Main deposits a last will with it (see
 * keeper_set_will) and beats as long as its control loop turns; when main is
 * gone without a goodbye, or silent for long, the keeper carries the will out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/chan.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/rights.h"
#include "base/wall.h"

/* Runs in the child until the channel closes; returns the exit status. */
typedef int worker_main_fn(int chan_fd);

struct worker_kind {
	const char *name; /* process title and log subject */
	worker_main_fn *run;
	unsigned rights; /* RIGHT_* that it keeps; all else is dropped */
	unsigned wall;   /* WALL_*: system calls that it may make */
};

/* What the keeper knows of main when it looks into the will. */
struct keeper_silence {
	/* Since main's last beat.  Time in which the keeper did not run itself
	 * does not count: the whole machine may have been frozen. */
	int64_t ms;
	bool is_gone; /* main died without keeper_dismiss; else it may hang */
};

/*
 * Runs in the keeper about twice a second while main is silent; body is what
 * main last deposited.  *done is the will's own, 0 at main's last beat; what
 * is above 0 then is told to main at its next beat (on_acted).  May block for
 * seconds.  false: nothing is left to do, should main stay silent.
 */
typedef bool keeper_will_fn(const uint8_t *body, size_t len,
    const struct keeper_silence *silence, unsigned *done);

struct keeper;

/*
 * Forks the keeper.  kinds: the table of what it can start, n entries, static.
 * Call before the loop and before any thread.  NULL with err.
 */
struct keeper *keeper_start(const struct worker_kind *kinds, size_t n,
    keeper_will_fn *will, struct err *err);
/* Joins the keeper to the loop; on_lost: the keeper died (main should end). */
void keeper_attach(struct keeper *k, struct loop *lp,
    void (*on_lost)(void *arg), void *arg);
/* After a beat: meanwhile the keeper had carried out something of the will. */
void keeper_set_on_acted(struct keeper *k, void (*on_acted)(void *arg),
    void *arg);
/* Replaces the will; len 0: nothing to do.  -1: the keeper does not listen,
 * the old will stays. */
int keeper_set_will(struct keeper *k, const void *body, size_t len);
/* A sign of life. */
void keeper_beat(struct keeper *k);
/* A clean end: the keeper drops the will, ends the workers and exits. */
void keeper_dismiss(struct keeper *k);
pid_t keeper_pid(const struct keeper *k);

struct worker;

struct worker_ops {
	/* Started for the first time or again; send it what it must know. */
	void (*on_start)(struct worker *w, void *arg);
	void (*on_msg)(struct worker *w, const struct chan_msg *msg, void *arg);
	/* Died or closed; it is started again after a growing pause. */
	void (*on_lost)(struct worker *w, void *arg);
};

/* kind: index into the keeper's table. Keeps it running until worker_free. */
struct worker *worker_new(struct keeper *k, size_t kind,
    const struct worker_ops *ops, void *arg);
void worker_free(struct worker *w);
bool worker_is_up(const struct worker *w);
/* 0 while it is down. */
pid_t worker_pid(const struct worker *w);
/* It does not answer: ends it, with on_lost, and starts it again. */
void worker_kick(struct worker *w);
/* -1 if it is down: the message is dropped, on_start will come again. */
int worker_send(struct worker *w, uint16_t type, const void *body, size_t len);
/* The same by chan_send_soon. */
int worker_send_soon(struct worker *w, uint16_t type, const void *body,
    size_t len);
size_t worker_backlog_bytes(const struct worker *w);
const char *worker_name(const struct worker *w);

#endif /* BASE_WORKER_H */
