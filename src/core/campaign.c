/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/campaign.h"

#include <assert.h>
#include <string.h>

#include "core/failover.h"

#define ENDS                                                                   \
	[CAMPAIGN_EV_ABORT] = CAMPAIGN_ABORTED,                                \
	[CAMPAIGN_EV_FAIL] = CAMPAIGN_FAILED

static const struct {
	const char *name;
	enum campaign_state next[CAMPAIGN_EV_COUNT];
} states[CAMPAIGN_STATE_COUNT] = {
	[CAMPAIGN_RUNNING] = { "running",
	    { [CAMPAIGN_EV_PAUSE] = CAMPAIGN_PAUSED,
		[CAMPAIGN_EV_COMPLETE] = CAMPAIGN_DONE,
		ENDS } },
	[CAMPAIGN_PAUSED] = { "paused",
	    { [CAMPAIGN_EV_RESUME] = CAMPAIGN_RUNNING, ENDS } },
	[CAMPAIGN_DONE] = { "done", { 0 } },
	[CAMPAIGN_ABORTED] = { "aborted", { 0 } },
	[CAMPAIGN_FAILED] = { "failed", { 0 } },
};

enum campaign_state
campaign_next(enum campaign_state state, enum campaign_event ev)
{
	assert(state < CAMPAIGN_STATE_COUNT && ev < CAMPAIGN_EV_COUNT);
	return states[state].next[ev];
}

bool
campaign_is_over(enum campaign_state state)
{
	return state != CAMPAIGN_RUNNING && state != CAMPAIGN_PAUSED;
}

const char *
campaign_state_name(enum campaign_state state)
{
	assert(state < CAMPAIGN_STATE_COUNT);
	return states[state].name != NULL ? states[state].name : "";
}

enum campaign_state
campaign_state_find(const char *name)
{
	for (int i = CAMPAIGN_RUNNING; i < CAMPAIGN_STATE_COUNT; i++) {
		if (strcmp(name, states[i].name) == 0)
			return (enum campaign_state)i;
	}
	return CAMPAIGN_STAY;
}

uint32_t
campaign_pick(const struct campaign_ask *ask, uint32_t *out)
{
	uint64_t have = 0, seen = 0, taken = 0;
	uint32_t n = 0;

	for (size_t i = 0; i < ask->n; i++) {
		have += outcome_is_site(ask->home[i], ask->n_sites) &&
		    !ask->withdrawn[ask->home[i] - 1u];
	}
	for (size_t i = 0; i < ask->n; i++) {
		if (!outcome_is_site(ask->home[i], ask->n_sites))
			continue;
		if (ask->withdrawn[ask->home[i] - 1u]) {
			out[n++] = (uint32_t)i;
			continue;
		}
		seen++;
		/* Evenly: the k-th is taken when its share is due. */
		if (taken * have < seen * ask->others && taken < ask->others) {
			taken++;
			out[n++] = (uint32_t)i;
		}
	}
	return n;
}

/* Level 1 of a small fleet is measured site by site. */
#define SMALL_FLEET 40u

uint64_t
campaign_open_sets(size_t n_sites, unsigned depth)
{
	uint64_t sets = n_sites, all = depth == 1 ? n_sites : 0;

	for (unsigned k = 2; k <= depth && k < n_sites; k++) {
		sets = sets * (n_sites - k + 1) / k;
		all += sets;
	}
	return all;
}

unsigned
campaign_rough(size_t n_sites, unsigned depth)
{
	/* What simulated campaigns took, beside singles and what is fixed. */
	static const unsigned designed[] = { 20, 30, 80 };
	static const unsigned large[] = { 0, 70, 160 };
	uint64_t sets;

	assert(depth >= 1 && depth <= 3);
	if (n_sites >= SMALL_FLEET)
		return 1 + SMALL_FLEET + large[depth - 1];
	sets = campaign_open_sets(n_sites, depth);
	if (sets > designed[depth - 1])
		sets = designed[depth - 1];
	return (unsigned)n_sites + CAMPAIGN_FIXED + (unsigned)sets;
}

int64_t
campaign_time_ms(const struct campaign_time *t)
{
	unsigned n_tests = t->n_tests > 0 ? t->n_tests : 1;
	int64_t rounds = (t->experiments + n_tests - 1) / n_tests;

	if (rounds == 0)
		return 0;
	return rounds * t->each_ms + (rounds - 1) * t->pace_ms;
}

unsigned
campaign_batch(unsigned n_tests, unsigned max)
{
	if (n_tests == 0 || n_tests >= max)
		return max;
	return max / n_tests * n_tests;
}
