/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/loop.h"

#include <stdlib.h>
#include <sys/time.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/xalloc.h"

/* Lower is first; an event has the last unless it says otherwise. */
#define PRIORITIES 2
#define PRIORITY_FIRST 0

struct loop {
	struct event_base *base;
};

struct loop_fd {
	struct loop *lp;
	struct event *ev; /* NULL while no events are wanted */
	int fd;
	unsigned events;
	loop_fd_cb *cb;
	void *arg;
};

struct loop_timer {
	struct loop *lp;
	struct event *ev;
	loop_timer_cb *cb;
	void *arg;
};

struct loop_signal {
	struct loop *lp;
	struct event *ev;
	loop_signal_cb *cb;
	void *arg;
};

/* It may have something to say very often. */
static void
on_libevent(int severity, const char *text)
{
	static struct log_limit limit;

	if (severity >= EVENT_LOG_WARN)
		log_limited(&limit, "libevent: %s", text);
}

struct loop *
loop_new(void)
{
	struct loop *lp = xcalloc(1, sizeof(*lp));
	struct event_config *cfg = event_config_new();

	event_set_log_callback(on_libevent);
	/* Timers are judged by a precise clock: probes run at 50 ms. */
	if (cfg != NULL)
		(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	lp->base = cfg != NULL ? event_base_new_with_config(cfg) : NULL;
	if (lp->base == NULL ||
	    event_base_priority_init(lp->base, PRIORITIES) == -1) {
		log_warn("loop: event_base_new");
		abort();
	}
	event_config_free(cfg);
	return lp;
}

void
loop_free(struct loop *lp)
{
	if (lp == NULL)
		return;
	event_base_free(lp->base);
	free(lp);
}

void
loop_run(struct loop *lp)
{
	(void)event_base_loop(lp->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *lp)
{
	(void)event_base_loopbreak(lp->base);
}

static void
on_step_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
loop_step(struct loop *lp, int wait_ms)
{
	struct timeval tv = { .tv_sec = wait_ms / 1000,
		.tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 };
	struct event *limit = evtimer_new(lp->base, on_step_timeout, NULL);

	if (wait_ms > 0 && limit != NULL)
		(void)evtimer_add(limit, &tv);
	(void)event_base_loop(lp->base,
	    EVLOOP_ONCE | (wait_ms > 0 ? 0 : EVLOOP_NONBLOCK));
	if (limit != NULL)
		event_free(limit);
}

struct event_base *
loop_event_base(struct loop *lp)
{
	return lp->base;
}

static void
on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *h = arg;
	unsigned events = 0;

	if ((what & EV_READ) != 0)
		events |= LOOP_READ;
	if ((what & EV_WRITE) != 0)
		events |= LOOP_WRITE;
	h->cb(h->lp, (int)fd, events, h->arg);
}

struct loop_fd *
loop_fd_new(struct loop *lp, int fd, unsigned events, loop_fd_cb *cb, void *arg)
{
	struct loop_fd *h = xcalloc(1, sizeof(*h));

	*h = (struct loop_fd){ .lp = lp, .fd = fd, .cb = cb, .arg = arg };
	loop_fd_set(h, events);
	return h;
}

void
loop_fd_set(struct loop_fd *h, unsigned events)
{
	short what = EV_PERSIST;

	if (events == h->events)
		return;
	if (h->ev != NULL)
		event_free(h->ev);
	h->ev = NULL;
	h->events = events;
	if ((events & (LOOP_READ | LOOP_WRITE)) == 0)
		return;
	if ((events & LOOP_READ) != 0)
		what |= EV_READ;
	if ((events & LOOP_WRITE) != 0)
		what |= EV_WRITE;
	h->ev = event_new(h->lp->base, h->fd, what, on_fd, h);
	if ((events & LOOP_FIRST) != 0 && h->ev != NULL)
		(void)event_priority_set(h->ev, PRIORITY_FIRST);
	if (h->ev == NULL || event_add(h->ev, NULL) == -1) {
		log_warnx("loop: fd %d: cannot be watched", h->fd);
		abort();
	}
}

void
loop_fd_free(struct loop_fd *h)
{
	if (h == NULL)
		return;
	loop_fd_set(h, 0);
	free(h);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->cb(t->lp, t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *lp, loop_timer_cb *cb, void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	*t = (struct loop_timer){ .lp = lp, .cb = cb, .arg = arg };
	t->ev = evtimer_new(lp->base, on_timer, t);
	if (t->ev == NULL) {
		log_warnx("loop: no timer");
		abort();
	}
	return t;
}

void
loop_timer_set_us(struct loop_timer *t, int64_t delay_us)
{
	struct timeval tv;

	if (delay_us < 0)
		delay_us = 0;
	/* libevent would add the delay to the time when it last woke up, and
	 * what was done since would be taken off it. */
	if (delay_us > 0)
		(void)event_base_update_cache_time(t->lp->base);
	tv.tv_sec = (time_t)(delay_us / 1000000);
	tv.tv_usec = (suseconds_t)(delay_us % 1000000);
	(void)evtimer_add(t->ev, &tv);
}

void
loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	loop_timer_set_us(t, delay_ms * 1000);
}

void
loop_timer_set_at(struct loop_timer *t, struct mono when)
{
	loop_timer_set_us(t, when.us - mono_now().us);
}

void
loop_timer_cancel(struct loop_timer *t)
{
	(void)evtimer_del(t->ev);
}

bool
loop_timer_pending(const struct loop_timer *t)
{
	return evtimer_pending(t->ev, NULL) != 0;
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_free(t->ev);
	free(t);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)what;
	s->cb(s->lp, (int)fd, s->arg);
}

struct loop_signal *
loop_signal_new(struct loop *lp, int signo, loop_signal_cb *cb, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));

	*s = (struct loop_signal){ .lp = lp, .cb = cb, .arg = arg };
	s->ev = evsignal_new(lp->base, signo, on_signal, s);
	if (s->ev == NULL || event_add(s->ev, NULL) == -1) {
		log_warnx("loop: signal %d: cannot be watched", signo);
		abort();
	}
	return s;
}

void
loop_signal_free(struct loop_signal *s)
{
	if (s == NULL)
		return;
	event_free(s->ev);
	free(s);
}
