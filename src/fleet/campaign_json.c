/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a campaign tells: how far it is, and what one would be. */
#include <math.h>

#include "fleet/campaign_log.h"
#include "fleet/experiment.h"

/* Before the first was done: sweeps at the rate, and what lies between. */
static int64_t
guess_each_ms(const struct controller *c)
{
	const struct conf_predict *conf = &c->conf->predict;
	int64_t sweep_ms = 1000LL * c->n_clients / conf->rate_pps;

	/* Each displaced client is asked thrice; a site has its share. */
	return 3 * (sweep_ms / (int64_t)c->n_sites + conf->linger_ms) +
	    6 * (conf->sentinel_interval_ms + conf->linger_ms);
}

static int64_t
each_ms(const struct campaign *ca)
{
	/* What was read from the store took its time elsewhere. */
	size_t here = ca->made > ca->loaded ? ca->made - ca->loaded : 0;

	return here > 0 ? ca->spent_ms / (int64_t)here : guess_each_ms(ca->c);
}

static unsigned
experiments_left(const struct campaign *ca, const struct pack_progress *p)
{
	unsigned rough = campaign_rough(ca->c->n_sites, ca->depth);

	if (campaign_is_over(ca->state))
		return 0;
	if (p->estimate > 0)
		return p->estimate;
	return rough > ca->made ? rough - ca->made : 1;
}

json_t *
campaign_brief_json(const struct controller *c)
{
	const struct campaign *ca = c->campaign;

	if (ca == NULL)
		return json_null();
	return json_pack("{s:I, s:s, s:I, s:s, s:s}", "id", (json_int_t)ca->id,
	    "state", campaign_state_name(ca->state), "made",
	    (json_int_t)ca->made, "waiting", ca->waiting, "reason", ca->reason);
}

json_t *
campaign_to_json(const struct controller *c)
{
	const struct campaign *ca = c->campaign;
	struct pack_progress progress = { 0 };
	struct pack_summary summary = { .holdout = NAN };
	int64_t left_ms;
	unsigned left;

	if (ca == NULL)
		return json_null();
	if (ca->pack != NULL && ca->to_load == NULL) {
		pack_progress(ca->pack, &progress);
		pack_summary(ca->pack, &summary);
	}
	left = experiments_left(ca, &progress);
	left_ms = campaign_is_over(ca->state)
	    ? 0
	    : campaign_time_ms(left, each_ms(ca), c->conf->predict.pace_ms) +
		experiment_pace_left_ms(c);
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:s, s:I, s:f, s:f, s:o, s:I}",
	    "id", (json_int_t)ca->id, "state", campaign_state_name(ca->state),
	    "reason", ca->reason, "waiting", ca->waiting, "depth",
	    (json_int_t)ca->depth, "created_ms", (json_int_t)ca->created_ms,
	    "ended_ms", (json_int_t)ca->ended_ms, "list", (json_int_t)ca->list,
	    "clients", (json_int_t)ca->n, "made", (json_int_t)ca->made,
	    "failed", (json_int_t)ca->failed, "estimate", (json_int_t)left,
	    "phase", pack_purpose_name(progress.phase), "left_ms",
	    (json_int_t)left_ms, "certified", progress.certified,
	    "expected_wrong", progress.expected_wrong, "holdout",
	    isnan(summary.holdout) ? json_null() : json_real(summary.holdout),
	    "experiment", (json_int_t)ca->experiment);
}

json_t *
campaign_plan(struct controller *c, unsigned depth, struct err *err)
{
	unsigned n = campaign_rough(c->n_sites, depth);
	int64_t one_ms;

	if (c->n_clients == 0 || c->n_sites < 2) {
		err_set(err, ERR_REFUSED,
		    c->n_sites < 2
			? "one site has no heirs: a campaign needs two"
			: "no clients: load a list with \"anycastctl clients import\"");
		return NULL;
	}
	one_ms = guess_each_ms(c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "depth",
	    (json_int_t)depth, "sites", (json_int_t)c->n_sites, "clients",
	    (json_int_t)c->n_clients, "experiments", (json_int_t)n, "each_ms",
	    (json_int_t)one_ms, "pace_ms", (json_int_t)c->conf->predict.pace_ms,
	    "time_ms",
	    (json_int_t)campaign_time_ms(n, one_ms, c->conf->predict.pace_ms));
}
