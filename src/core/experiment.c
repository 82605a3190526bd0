/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/experiment.h"

#include <assert.h>
#include <stddef.h>

static const struct {
	const char *name;
	bool holds_withdrawn;
	enum experiment_state next[EXPERIMENT_EV_COUNT];
} states[EXPERIMENT_STATE_COUNT] = {
	[EXPERIMENT_BASELINE] = { "baseline", false,
	    { EXPERIMENT_WITHDRAW, EXPERIMENT_FAILED } },
	[EXPERIMENT_WITHDRAW] = { "withdraw", true,
	    { EXPERIMENT_SETTLE, EXPERIMENT_FAILED } },
	[EXPERIMENT_SETTLE] = { "settle", true,
	    { EXPERIMENT_SWEEP, EXPERIMENT_FAILED } },
	[EXPERIMENT_SWEEP] = { "sweep", true,
	    { EXPERIMENT_RESTORE, EXPERIMENT_FAILED } },
	[EXPERIMENT_RESTORE] = { "restore", false,
	    { EXPERIMENT_VERIFY, EXPERIMENT_FAILED } },
	[EXPERIMENT_VERIFY] = { "verify", false,
	    { EXPERIMENT_DONE, EXPERIMENT_FAILED } },
	[EXPERIMENT_DONE] = { "done", false, { 0 } },
	[EXPERIMENT_FAILED] = { "failed", false, { 0 } },
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

const char *
experiment_state_name(enum experiment_state state)
{
	assert(state < EXPERIMENT_STATE_COUNT);
	return states[state].name != NULL ? states[state].name : "";
}
