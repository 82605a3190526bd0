/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastd/pulse.h"

#include <stdlib.h>

#include "anycastd/daemon.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"

/* Stalls are seen by a finer beat: one that begins and ends between two beats
 * leaves no trace, and of another one the first part.  Half of these beats share
 * the wake-ups of most checks (core/beat.c); each of the others costs as much as
 * some checks do. */
#define TICK_MS 250
#define TICKS_PER_PULSE (PULSE_MS / TICK_MS)

struct pulse {
	struct loop_timer *tick;
	struct keeper *keeper;
	struct pulse_ops ops;
	struct mono due;
	unsigned ticks;
	bool is_watched; /* by a supervisor */
	bool turned;     /* at the last pulse */
	bool store_well;
	int64_t longest_stall_ms;
	uint64_t stalls;
};

/* Says it once, when it begins and when it ends. */
static void
note_change(bool *was, bool is, const char *what)
{
	if (*was && !is) {
		log_warnx("pulse: %s", what);
	} else if (!*was && is) {
		log_info("pulse: over: %s", what);
	}
	*was = is;
}

static void
pulse_beat(struct pulse *p)
{
	note_change(&p->turned, p->ops.turn(p->ops.arg),
	    "the control loop does not turn");
	if (p->turned)
		keeper_beat(p->keeper);
	note_change(&p->store_well, p->ops.store_is_well(p->ops.arg),
	    "the store process does not answer");
	if (p->turned && p->store_well && p->is_watched)
		notify_supervisor("WATCHDOG=1");
}

/* On the grid of the checks, to share their wake-ups. */
static void
set_tick(struct pulse *p)
{
	p->due = mono_ceil_ms(mono_add_ms(mono_now(), TICK_MS / 2), TICK_MS);
	loop_timer_set_at(p->tick, p->due);
}

static void
on_tick(struct loop *lp, void *arg)
{
	struct pulse *p = arg;
	int64_t late_ms = mono_diff_ms(mono_now(), p->due);

	(void)lp;
	set_tick(p);
	if (late_ms > p->longest_stall_ms)
		p->longest_stall_ms = late_ms;
	if (late_ms > PULSE_STALL_MS) {
		p->stalls++;
		log_warnx("loop: did not turn for %lld ms", (long long)late_ms);
	}
	if (++p->ticks % TICKS_PER_PULSE == 0 || late_ms > PULSE_STALL_MS)
		pulse_beat(p);
}

struct pulse *
pulse_new(struct loop *lp, struct keeper *k, const struct pulse_ops *ops)
{
	struct pulse *p = xcalloc(1, sizeof(*p));

	*p = (struct pulse){ .keeper = k,
		.ops = *ops,
		.is_watched = getenv("WATCHDOG_USEC") != NULL,
		.turned = true,
		.store_well = true };
	p->tick = loop_timer_new(lp, on_tick, p);
	set_tick(p);
	keeper_beat(k);
	return p;
}

void
pulse_free(struct pulse *p)
{
	if (p == NULL)
		return;
	loop_timer_free(p->tick);
	free(p);
}

int64_t
pulse_longest_stall_ms(const struct pulse *p)
{
	return p->longest_stall_ms;
}

uint64_t
pulse_stalls(const struct pulse *p)
{
	return p->stalls;
}
