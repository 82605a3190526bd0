/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/experiment.h"

#include <assert.h>
#include <stddef.h>

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
