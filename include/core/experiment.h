/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_EXPERIMENT_H
#define CORE_EXPERIMENT_H
/*
 * experiment -- the course of one withdrawal experiment, as data:
 *
 *	baseline -> withdraw -> settle -> sweep -> restore -> verify -> done
 *
 * From every state but the ends it can fail; the test prefix is withdrawn only
 * in the states that say so, so that leaving them is restoring it.
 */
#include <stdbool.h>

enum experiment_state {
	EXPERIMENT_STAY = 0, /* an edge left out; never a state */
	EXPERIMENT_BASELINE, /* full sweep, all announced */
	EXPERIMENT_WITHDRAW, /* wait until the site has withdrawn it */
	EXPERIMENT_SETTLE,   /* sentinel rounds until nothing moves */
	EXPERIMENT_SWEEP,    /* full sweep, withdrawn */
	EXPERIMENT_RESTORE,  /* wait until the site announces it again */
	EXPERIMENT_VERIFY,   /* sentinel rounds until all are back */
	EXPERIMENT_DONE,
	EXPERIMENT_FAILED,
	EXPERIMENT_STATE_COUNT
};

enum experiment_event {
	EXPERIMENT_EV_COMPLETE, /* what the state waits for has happened */
	EXPERIMENT_EV_FAIL,
	EXPERIMENT_EV_COUNT
};

/* The next state, or EXPERIMENT_STAY when the event means nothing here. */
enum experiment_state experiment_next(enum experiment_state state,
    enum experiment_event ev);
bool experiment_is_over(enum experiment_state state);
/* Is the test prefix withdrawn at the site in this state? */
bool experiment_holds_withdrawn(enum experiment_state state);
const char *experiment_state_name(enum experiment_state state);

#endif /* CORE_EXPERIMENT_H */
