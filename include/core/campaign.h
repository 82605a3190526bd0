/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_CAMPAIGN_H
#define CORE_CAMPAIGN_H
/*
 * campaign -- a series of experiments over the fleet, from a null run to maps
 * of depth 1 to 3: its states as data, and whom its experiments ask.  Which
 * sets of sites it withdraws is core/pack.h's to say.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum campaign_state {
	CAMPAIGN_STAY = 0, /* an edge left out; never a state */
	CAMPAIGN_RUNNING,
	CAMPAIGN_PAUSED, /* a running experiment goes on to its end */
	CAMPAIGN_DONE,
	CAMPAIGN_ABORTED,
	CAMPAIGN_FAILED,
	CAMPAIGN_STATE_COUNT
};

enum campaign_event {
	CAMPAIGN_EV_PAUSE,
	CAMPAIGN_EV_RESUME,
	CAMPAIGN_EV_COMPLETE, /* nothing is left to measure */
	CAMPAIGN_EV_ABORT,
	CAMPAIGN_EV_FAIL,
	CAMPAIGN_EV_COUNT
};

/* The next state, or CAMPAIGN_STAY when the event means nothing here. */
enum campaign_state campaign_next(enum campaign_state state,
    enum campaign_event ev);
bool campaign_is_over(enum campaign_state state);
const char *campaign_state_name(enum campaign_state state);
/* CAMPAIGN_STAY for a name that is none. */
enum campaign_state campaign_state_find(const char *name);

/* An experiment that failed so often in a row pauses its campaign. */
#define CAMPAIGN_ATTEMPTS 5u

/*
 * Whom an experiment asks: every client whose home (outcome of the null run)
 * is withdrawn, and of the others a sample of about `others`, evenly over the
 * list, for the bystanders among them.  Ascending indices into out, which has
 * room for n; returns how many.
 */
struct campaign_ask {
	size_t n;
	const uint16_t *home; /* of core/failover.h */
	size_t n_sites;
	const bool *withdrawn;
	uint32_t others;
};
uint32_t campaign_pick(const struct campaign_ask *ask, uint32_t *out);

/* How many experiments a campaign takes, before anything is measured: of a small
 * fleet its singles, what each campaign has, and as many as there are sets; or
 * what simulated campaigns took, if that is less. */
unsigned campaign_rough(size_t n_sites, unsigned depth);
/* Baselines, seeds and hold-outs. */
#define CAMPAIGN_FIXED 16u
/* The sets that a campaign may ask for beside singles; at depth 1 as many as
 * there are sites, since disputes are settled by other sets. */
uint64_t campaign_open_sets(size_t n_sites, unsigned depth);
/* How long so many experiments take, on n_tests test prefixes side by side, each
 * of which rests for pace_ms behind each of its own. */
struct campaign_time {
	unsigned experiments;
	unsigned n_tests; /* 0: as 1 */
	int64_t each_ms, pace_ms;
};
int64_t campaign_time_ms(const struct campaign_time *t);
/* How many experiments to plan at once, at most max: none of the test prefixes
 * shall idle while the last ones of a batch run. */
unsigned campaign_batch(unsigned n_tests, unsigned max);

#endif /* CORE_CAMPAIGN_H */
