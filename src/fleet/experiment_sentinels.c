/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sentinels of an experiment: who they are, and what their rounds say. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "fleet/experiment_state.h"

void
experiment_pick_sentinels(struct experiment *ex)
{
	struct sentinel_input in = { .n = ex->clients.n,
		.before = ex->before,
		.class = ex->class,
		.n_classes = ex->n_classes,
		.n_sites = ex->c->n_sites,
		.withdrawn = ex->withdrawn };

	ex->n_sentinels =
	    sentinels_pick(&in, ex->c->conf->predict.sentinels, ex->sentinels);
	for (uint32_t i = 0; i < ex->n_sentinels; i++)
		ex->baseline[i] = ex->before[ex->sentinels[i]];
}

static bool
has_settled(struct experiment *ex)
{
	struct settle_round round = {
		.previous = ex->has_previous ? ex->previous : NULL,
		.current = ex->current,
		.home = ex->baseline,
		.n = ex->n_sentinels,
		.forbidden = ex->withdrawn,
		.n_sites = ex->c->n_sites
	};

	return settle_step(&ex->settle, &round);
}

/* Silence is no movement: whose site hears nobody is not back. */
static bool
are_back(const struct experiment *ex)
{
	char why[160];

	return settle_moved_permille(ex->baseline, ex->current,
		   ex->n_sentinels) <= SETTLE_MOVED_MAX_PERMILLE &&
	    !experiment_is_silent(ex, why, sizeof(why));
}

enum sentinels_verdict
experiment_judge_round(struct experiment *ex)
{
	int64_t max_ms = ex->c->conf->predict.settle_max_ms;
	bool is_calm =
	    ex->state == EXPERIMENT_SETTLE ? has_settled(ex) : are_back(ex);

	ex->has_previous = true;
	if (is_calm)
		return SENTINELS_CALM;
	/* Before there were so many nobody can say that it has settled; nor is
	 * one round that takes long enough for who comes back. */
	if (mono_diff_ms(mono_now(), ex->state_since) <= max_ms ||
	    ex->round < SETTLE_ROUNDS)
		return SENTINELS_MOVE;
	/* They may have lost all routes for good: the sweep will tell. */
	if (ex->state == EXPERIMENT_SETTLE && settle_is_still(&ex->settle)) {
		log_info("experiment %" PRIu32 ": none of %" PRIu32
			 " displaced sentinels answered for %" PRId64
			 " s, all others are calm: sweeping",
		    ex->id, ex->settle.displaced, max_ms / 1000);
		return SENTINELS_CALM;
	}
	return SENTINELS_LATE;
}

void
experiment_say_late(const struct experiment *ex, char *why, size_t size)
{
	char silent[160];

	if (ex->state == EXPERIMENT_SETTLE) {
		(void)snprintf(why, size, "routing did not settle in time");
		return;
	}
	(void)snprintf(why, size, "clients did not come back in time%s%s",
	    experiment_is_silent(ex, silent, sizeof(silent)) ? ": " : "",
	    silent);
}

json_t *
experiment_settle_json(const struct experiment *ex)
{
	const struct settle *s = &ex->settle;

	if (s->displaced == 0)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:I}", "silence",
	    settle_silence_name(s->silence), "displaced",
	    (json_int_t)s->displaced, "answered", (json_int_t)s->answered,
	    "rose", (json_int_t)s->rose, "fell", (json_int_t)s->fell);
}
