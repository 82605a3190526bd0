/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/experiment.h"

#include <assert.h>
#include <stddef.h>

#include "core/failover.h"

#define FAILS [EXPERIMENT_EV_FAIL] = EXPERIMENT_FAILED

static const struct {
	const char *name;
	bool holds_withdrawn;
	bool asks_all;
	enum experiment_state next[EXPERIMENT_EV_COUNT];
} states[EXPERIMENT_STATE_COUNT] = {
	[EXPERIMENT_BASELINE] = { "baseline", false, true,
	    { [EXPERIMENT_EV_COMPLETE] = EXPERIMENT_WITHDRAW,
		[EXPERIMENT_EV_NULL] = EXPERIMENT_REBASELINE,
		FAILS } },
	[EXPERIMENT_WITHDRAW] = { "withdraw", true, false,
	    { EXPERIMENT_SETTLE, FAILS } },
	[EXPERIMENT_SETTLE] = { "settle", true, false,
	    { EXPERIMENT_SWEEP, FAILS } },
	[EXPERIMENT_SWEEP] = { "sweep", true, true,
	    { EXPERIMENT_RESTORE, FAILS } },
	[EXPERIMENT_RESTORE] = { "restore", false, false,
	    { EXPERIMENT_VERIFY, FAILS } },
	[EXPERIMENT_VERIFY] = { "verify", false, false,
	    { EXPERIMENT_REBASELINE, FAILS } },
	[EXPERIMENT_REBASELINE] = { "rebaseline", false, true,
	    { EXPERIMENT_DONE, EXPERIMENT_DONE, FAILS } },
	[EXPERIMENT_DONE] = { "done", false, false, { 0 } },
	[EXPERIMENT_FAILED] = { "failed", false, false, { 0 } },
};

enum experiment_state
experiment_next(enum experiment_state state, enum experiment_event ev)
{
	assert(state < EXPERIMENT_STATE_COUNT && ev < EXPERIMENT_EV_COUNT);
	return states[state].next[ev];
}

bool
experiment_is_over(enum experiment_state state)
{
	return state == EXPERIMENT_DONE || state == EXPERIMENT_FAILED;
}

bool
experiment_holds_withdrawn(enum experiment_state state)
{
	assert(state < EXPERIMENT_STATE_COUNT);
	return states[state].holds_withdrawn;
}

bool
experiment_asks_all(enum experiment_state state)
{
	assert(state < EXPERIMENT_STATE_COUNT);
	return states[state].asks_all;
}

const char *
experiment_state_name(enum experiment_state state)
{
	assert(state < EXPERIMENT_STATE_COUNT);
	return states[state].name != NULL ? states[state].name : "";
}

/* From an order until BIRD exports it and the agent has said so: mostly less. */
#define CHANGE_MS 2000

/* A round under way, and those after it. */
static int64_t
rounds_ms(const struct experiment_time *t, int64_t first_ms, unsigned n)
{
	return n == 0
	    ? 0
	    : first_ms + (int64_t)(n - 1) * (t->interval_ms + t->round_ms);
}

static struct experiment_left
watching(const struct experiment_time *t, enum experiment_state state)
{
	bool is_now = state == t->state;
	unsigned n = state == EXPERIMENT_SETTLE ? SETTLE_ROUNDS : 1;
	struct experiment_left left = { .ms = is_now
		    ? rounds_ms(t, t->step_left_ms, t->rounds_left)
		    : rounds_ms(t, t->round_ms, n) };

	/* That time is over is seen at the end of a round. */
	left.max_ms = t->settle_max_ms - (is_now ? t->spent_ms : 0) +
	    t->interval_ms + t->round_ms;
	if (left.max_ms < left.ms)
		left.max_ms = left.ms;
	return left;
}

static struct experiment_left
left_of(const struct experiment_time *t, enum experiment_state state)
{
	int64_t ms = 0;

	if (state == EXPERIMENT_SETTLE || state == EXPERIMENT_VERIFY)
		return watching(t, state);
	if (!experiment_asks_all(state)) {
		ms = state == t->state ? CHANGE_MS - t->spent_ms : CHANGE_MS;
	} else {
		ms = state == t->state ? t->step_left_ms : t->sweep_ms;
	}
	if (ms < 0)
		ms = 0;
	return (struct experiment_left){ ms, ms };
}

struct experiment_left
experiment_left(const struct experiment_time *t)
{
	enum experiment_event ev =
	    t->is_null ? EXPERIMENT_EV_NULL : EXPERIMENT_EV_COMPLETE;
	struct experiment_left sum = { 0, 0 };

	for (enum experiment_state state = t->state; !experiment_is_over(state);
	     state = experiment_next(state, ev)) {
		struct experiment_left one = left_of(t, state);

		sum.ms += one.ms;
		sum.max_ms += one.max_ms;
	}
	return sum;
}
