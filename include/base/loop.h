/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H
/*
 * loop -- the event loop: file descriptors, timers and signals over libevent.
 *
 * Rules for callbacks: never block; bounded work per wake-up; a callback may
 * delete its own handle.  Handles belong to whoever made them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;
struct event_base;

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_FIRST 4u /* of all that is ready: see loop_fd_new */

typedef void loop_fd_cb(struct loop *lp, int fd, unsigned events, void *arg);
typedef void loop_timer_cb(struct loop *lp, void *arg);
typedef void loop_signal_cb(struct loop *lp, int signo, void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *lp);
/* Runs until loop_stop. */
void loop_run(struct loop *lp);
void loop_stop(struct loop *lp);
/* Handles what is ready, waiting at most wait_ms; for tests. */
void loop_step(struct loop *lp, int wait_ms);

/*
 * events: LOOP_READ and/or LOOP_WRITE, or 0; and with LOOP_FIRST it is handled
 * before everything else that is ready, timers too.  The fd stays the caller's.
 */
struct loop_fd *loop_fd_new(struct loop *lp, int fd, unsigned events,
    loop_fd_cb *cb, void *arg);
void loop_fd_set(struct loop_fd *h, unsigned events);
void loop_fd_free(struct loop_fd *h);

/* One-shot and idle until set; setting again replaces the time.  Never early. */
struct loop_timer *loop_timer_new(struct loop *lp, loop_timer_cb *cb,
    void *arg);
void loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void loop_timer_set_us(struct loop_timer *t, int64_t delay_us);
/* Those set for the same point nearly always share one wake-up. */
void loop_timer_set_at(struct loop_timer *t, struct mono when);
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_pending(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

struct loop_signal *loop_signal_new(struct loop *lp, int signo,
    loop_signal_cb *cb, void *arg);
void loop_signal_free(struct loop_signal *s);

/* For the HTTP server, which is libevent's own; nobody else. */
struct event_base *loop_event_base(struct loop *lp);

#endif /* BASE_LOOP_H */
