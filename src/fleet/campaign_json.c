/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a campaign tells: how far it is, and what one would be. */
#include <math.h>

#include "fleet/campaign_log.h"
#include "fleet/experiment_state.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"

/* Before the first was done: sweeps at the rate, and what lies between. */
static int64_t
guess_each_ms(const struct controller *c)
{
	const struct conf_predict *conf = &c->conf->predict;
	int64_t sweep_ms = 1000LL * c->n_clients / conf->rate_pps;
	size_t n = test_prefixes_hoped(c);

	/* Each displaced client is asked thrice; a site has its share.  Those
	 * that run side by side send in turn. */
	return 3 *
	    (sweep_ms * (int64_t)(n > 0 ? n : 1) / (int64_t)c->n_sites +
		conf->linger_ms) +
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

/* Until all is measured, from now on. */
static int64_t
left_ms(const struct campaign *ca, unsigned left)
{
	const struct controller *c = ca->c;
	struct campaign_time t = { .experiments = left,
		.n_tests = (unsigned)test_prefixes_hoped(c),
		.each_ms = each_ms(ca),
		.pace_ms = c->conf->predict.pace_ms };
	int64_t rest_ms = 0;

	if (campaign_is_over(ca->state))
		return 0;
	for (size_t i = 0; i < c->n_tests; i++) {
		int64_t one = test_prefix_rest_ms(c, c->tests[i]);

		if (test_prefix_is_usable(c, c->tests[i]) &&
		    (rest_ms == 0 || one < rest_ms))
			rest_ms = one;
	}
	return campaign_time_ms(&t) + rest_ms;
}

/* Those under way, null runs included; new reference. */
static json_t *
experiments_of(const struct campaign *ca, json_int_t *newest)
{
	const struct controller *c = ca->c;
	json_t *list = json_array();

	*newest = 0;
	for (size_t i = 0; i < c->n_tests; i++) {
		const struct experiment *ex = c->tests[i]->experiment;

		if (!experiment_is_running(ex) || ex->campaign != ca->id)
			continue;
		json_array_append_new(list, json_integer((json_int_t)ex->id));
		if ((json_int_t)ex->id > *newest)
			*newest = (json_int_t)ex->id;
	}
	return list;
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

static json_t *
share_json(double share)
{
	return isnan(share) ? json_null() : json_real(share);
}

/* Experiments that nothing is learned from; new reference. */
static json_t *
set_aside(const struct campaign *ca)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pack_count(ca->pack); i++) {
		if (pack_is_aside(ca->pack, i)) {
			json_array_append_new(list,
			    json_integer((json_int_t)ca->experiments[i]));
		}
	}
	return list;
}

json_t *
campaign_to_json(const struct controller *c)
{
	const struct campaign *ca = c->campaign;
	struct pack_progress progress = { 0 };
	struct pack_summary summary = { .holdout = NAN, .right_estimate = NAN };
	json_int_t newest;
	json_t *running, *aside = NULL;
	unsigned left;

	if (ca == NULL)
		return json_null();
	if (ca->pack != NULL && ca->to_load == NULL) {
		pack_progress(ca->pack, &progress);
		pack_summary(ca->pack, &summary);
		aside = set_aside(ca);
	}
	left = experiments_left(ca, &progress);
	running = experiments_of(ca, &newest);
	return json_pack(
	    "{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, "
	    "s:I, s:I, s:s, s:I, s:f, s:f, s:o, s:o, s:I, s:I, s:I, s:o, s:I, s:o, s:I}",
	    "id", (json_int_t)ca->id, "state", campaign_state_name(ca->state),
	    "reason", ca->reason, "waiting", ca->waiting, "depth",
	    (json_int_t)ca->depth, "created_ms", (json_int_t)ca->created_ms,
	    "ended_ms", (json_int_t)ca->ended_ms, "list", (json_int_t)ca->list,
	    "clients", (json_int_t)ca->n, "made", (json_int_t)ca->made,
	    "failed", (json_int_t)ca->failed, "estimate", (json_int_t)left,
	    "phase", pack_purpose_name(progress.phase), "left_ms",
	    (json_int_t)left_ms(ca, left), "certified", progress.certified,
	    "expected_wrong", progress.expected_wrong, "holdout",
	    share_json(summary.holdout), "right_estimate",
	    share_json(summary.right_estimate), "suspect",
	    (json_int_t)summary.suspect, "repeats",
	    (json_int_t)summary.by_purpose[PACK_REPEAT], "cleared",
	    (json_int_t)summary.cleared, "set_aside",
	    aside != NULL ? aside : json_array(), "experiment", newest,
	    "experiments", running, "tests",
	    (json_int_t)test_prefixes_usable(c));
}

/* NULL: it may be used, or become so; or there is no such thing any more. */
static const char *
why_unusable(const struct test_prefix *tp, enum test_trust trust)
{
	switch (trust) {
	case TEST_UNKNOWN:
	case TEST_DIFFERS:
		return tp->check.reason;
	case TEST_AMBIGUOUS:
		return "sites pair it with different prefixes";
	case TEST_FIRST:
	case TEST_ALIKE:
	case TEST_UNCHECKED:
	case TEST_GONE:
	case TEST_TRUST_COUNT:
		break;
	}
	return NULL;
}

/* Test prefixes that are not counted on, and why; new reference. */
static json_t *
unusable_tests(const struct controller *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_tests; i++) {
		const struct test_prefix *tp = c->tests[i];
		enum test_trust trust = test_prefix_trust(c, tp);
		const char *why = why_unusable(tp, trust);

		if (why == NULL)
			continue;
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s}", "test", tp->name, "state",
			test_trust_name(trust), "reason", why));
	}
	return list;
}

json_t *
campaign_plan(struct controller *c, unsigned depth, struct err *err)
{
	struct campaign_time t = { .experiments =
				       campaign_rough(c->n_sites, depth),
		.n_tests = (unsigned)test_prefixes_hoped(c),
		.pace_ms = c->conf->predict.pace_ms };
	size_t unchecked = test_prefixes_hoped(c) - test_prefixes_usable(c);

	if (c->n_clients == 0 || c->n_sites < 2) {
		err_set(err, ERR_REFUSED,
		    c->n_sites < 2
			? "one site has no heirs: a campaign needs two"
			: "no clients: load a list with \"anycastctl clients import\"");
		return NULL;
	}
	t.each_ms = guess_each_ms(c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, "
			 "s:I}",
	    "depth", (json_int_t)depth, "sites", (json_int_t)c->n_sites,
	    "clients", (json_int_t)c->n_clients, "experiments",
	    (json_int_t)t.experiments, "each_ms", (json_int_t)t.each_ms,
	    "pace_ms", (json_int_t)t.pace_ms, "tests", (json_int_t)t.n_tests,
	    "unchecked", (json_int_t)unchecked, "unusable", unusable_tests(c),
	    "unheard", test_hearing_json(c), "time_ms",
	    (json_int_t)campaign_time_ms(&t));
}
