/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_EXPERIMENT_H
#define CORE_EXPERIMENT_H
/*
 * experiment -- the course of one withdrawal experiment, as data:
 *
 *	baseline -> withdraw -> settle -> sweep -> restore -> verify
 *	    -> rebaseline -> done
 *
 * The test prefix is withdrawn at a set W of sites.  The sweep lies between two
 * baselines (A-B-A): what differs between those two is not W's doing, so their
 * distance is the noise floor of what the sweep says.  With W empty, a null
 * run, the two baselines are all there is.
 *
 * From every state but the ends it can fail; the test prefix is withdrawn only
 * in the states that say so, so that leaving them is restoring it.
 */
#include <stdbool.h>
#include <stdint.h>

/* Numbers travel in probes and stand in the store: they never change. */
enum experiment_state {
	EXPERIMENT_STAY = 0,     /* an edge left out; never a state */
	EXPERIMENT_BASELINE = 1, /* full sweep, all announced */
	EXPERIMENT_WITHDRAW,     /* wait until the sites of W have withdrawn */
	EXPERIMENT_SETTLE,       /* sentinel rounds until nothing moves */
	EXPERIMENT_SWEEP = 4,    /* full sweep, withdrawn */
	EXPERIMENT_RESTORE,      /* wait until W announces it again */
	EXPERIMENT_VERIFY,       /* sentinel rounds until all are back */
	EXPERIMENT_REBASELINE,   /* full sweep, all announced again */
	EXPERIMENT_DONE,
	EXPERIMENT_FAILED,
	EXPERIMENT_STATE_COUNT
};

enum experiment_event {
	EXPERIMENT_EV_COMPLETE, /* what the state waits for has happened */
	EXPERIMENT_EV_NULL,     /* the same, and W is empty */
	EXPERIMENT_EV_FAIL,
	EXPERIMENT_EV_COUNT
};

/* The next state, or EXPERIMENT_STAY when the event means nothing here. */
enum experiment_state experiment_next(enum experiment_state state,
    enum experiment_event ev);
bool experiment_is_over(enum experiment_state state);
/* Is the test prefix withdrawn at the sites of W in this state? */
bool experiment_holds_withdrawn(enum experiment_state state);
/* Does the state ask all clients? */
bool experiment_asks_all(enum experiment_state state);
const char *experiment_state_name(enum experiment_state state);

/*
 * How long it still takes, as the configuration and the clients say: without the
 * wait for the turn of others, and without failure.
 */
struct experiment_time {
	bool is_null; /* W is empty */
	/* Sending and lingering: of a sweep over all clients, second attempt
	 * included, and of a round of sentinels. */
	int64_t sweep_ms, round_ms;
	int64_t interval_ms; /* between two rounds of sentinels */
	int64_t settle_max_ms;
	/* Where it is: what is left of the sweep, or of the round under way or
	 * waited for, and for how long the state has been. */
	enum experiment_state state;
	int64_t step_left_ms, spent_ms;
	unsigned rounds_left; /* that one included, if all go well */
};
struct experiment_left {
	int64_t ms;     /* if all is calm and back at once */
	int64_t max_ms; /* if that takes as long as it may, both times */
};
struct experiment_left experiment_left(const struct experiment_time *t);

#endif /* CORE_EXPERIMENT_H */
