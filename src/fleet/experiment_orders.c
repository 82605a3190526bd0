/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an experiment orders of the sites, and what it tells people. */
#include <inttypes.h>
#include <stdio.h>

#include <sodium.h>

#include "fleet/experiment_state.h"
#include "fleet/test_prefix.h"

#define COUNT_MAX (INT64_C(1) << 48)

/* ---- orders ---- */

/* Whom the round asks; JSON null for all. */
static json_t *
subset_json(const struct experiment *ex)
{
	bool is_full = experiment_is_full_sweep(ex);
	const uint32_t *who = is_full ? ex->silent : ex->sentinels;
	uint32_t n = is_full ? ex->n_silent : ex->n_sentinels;
	json_t *list;

	if (is_full && ex->round <= 1)
		return json_null();
	list = json_array();
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(who[i]));
	return list;
}

static json_t *
sweep_json(const struct experiment *ex)
{
	const struct conf_predict *conf = &ex->c->conf->predict;

	return json_pack(
	    "{s:I, s:I, s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:s, s:b, "
	    "s:o, s:o}",
	    "job", (json_int_t)ex->job, "experiment", (json_int_t)ex->id,
	    "list", (json_int_t)ex->clients.list, "list_digest",
	    (json_int_t)ex->clients.digest, "phase", (int)ex->state, "round",
	    (int)ex->round, "rate_pps", (json_int_t)conf->rate_pps, "seed",
	    (json_int_t)ex->id, "gap_ms", (json_int_t)conf->block_gap_ms,
	    "text", conf->text, "allow_special", conf->allow_special, "optouts",
	    optouts_prefixes(&ex->c->optouts), "subset", subset_json(ex));
}

/*
 * Whose round the site sends, or has sent last: while that is not collected the
 * order stays, so that the document need not change.  One that had its turn
 * before must not come back: the site would send it again.
 */
static const struct experiment *
sender_of(const struct controller *c, size_t site)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		const struct experiment *ex = c->tests[i]->experiment;

		if (ex == NULL || !experiment_is_running(ex) ||
		    ex->sender != site || ex->granted != c->sites[site].sends)
			continue;
		return ex->step == ROUND_SENDING ||
			ex->step == ROUND_LINGERING ||
			ex->step == ROUND_COLLECTING
		    ? ex
		    : NULL;
	}
	return NULL;
}

static json_t *
test_json(const struct experiment *ex, size_t site)
{
	char hex[2 * SWEEP_KEY_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), ex->key, sizeof(ex->key));
	return json_pack("{s:I, s:O, s:b, s:s}", "experiment",
	    (json_int_t)ex->id, "prefixes", ex->test->prefixes, "withdrawn",
	    ex->withdrawn[site] && experiment_holds_withdrawn(ex->state), "key",
	    hex);
}

void
experiments_add_orders(const struct controller *c, size_t site, json_t *doc)
{
	const struct experiment *sender = sender_of(c, site);
	json_t *tests = json_array();
	uint64_t step = 0;

	for (size_t i = 0; i < c->n_tests; i++) {
		const struct experiment *ex = c->tests[i]->experiment;

		if (!experiment_is_running(ex))
			continue;
		json_array_append_new(tests, test_json(ex, site));
		step += ex->order_step;
	}
	json_object_set_new(doc, "tests", tests);
	json_object_set_new(doc, "sweep",
	    sender != NULL ? sweep_json(sender) : json_null());
	json_object_set_new(doc, "step", json_integer((json_int_t)step));
}

/* ---- what is told ---- */

static unsigned
progress_permille(const struct experiment *ex, uint32_t sent, uint32_t total)
{
	/* Rough weights of the states, the sweeps being the long ones. */
	static const unsigned start[EXPERIMENT_STATE_COUNT] = {
		[EXPERIMENT_BASELINE] = 0,
		[EXPERIMENT_WITHDRAW] = 260,
		[EXPERIMENT_SETTLE] = 280,
		[EXPERIMENT_SWEEP] = 340,
		[EXPERIMENT_RESTORE] = 600,
		[EXPERIMENT_VERIFY] = 620,
		[EXPERIMENT_REBASELINE] = 700,
		[EXPERIMENT_DONE] = 1000,
		[EXPERIMENT_FAILED] = 1000,
	};
	unsigned base = start[ex->state];

	if (experiment_is_full_sweep(ex) && total > 0)
		base += (unsigned)(260ULL * sent / total);
	return base;
}

/* Whatever an agent says, so that sums over all sites stay numbers. */
static int64_t
count_of(const json_t *counters, const char *counter)
{
	int64_t n = json_integer_value(json_object_get(counters, counter));

	return n < 0 ? 0 : n > COUNT_MAX ? COUNT_MAX : n;
}

/* Sweepers count for all experiments together, from their start on.  If one
 * was restarted it has counted all since. */
int64_t
experiment_counted_at(const struct experiment *ex, size_t site,
    const char *counter)
{
	const json_t *sweep =
	    json_object_get(ex->c->sites[site].status, "sweep");
	int64_t now = count_of(json_object_get(sweep, "counters"), counter);
	int64_t before =
	    count_of(json_array_get(ex->counted_before, site), counter);

	return now >= before ? now - before : now;
}

json_t *
experiment_count(const struct experiment *ex)
{
	const struct experiment_counters *own = &ex->counters;
	int64_t late = (int64_t)own->late, forged = 0, cut = 0, drops = 0;

	for (size_t i = 0; i < ex->c->n_sites; i++) {
		late += experiment_counted_at(ex, i, "late");
		forged += experiment_counted_at(ex, i, "forged");
		cut += experiment_counted_at(ex, i, "short") +
		    experiment_counted_at(ex, i, "type");
		drops += experiment_counted_at(ex, i, "kernel_drops");
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted",
	    (json_int_t)own->accepted, "duplicate", (json_int_t)own->duplicate,
	    "second_site", (json_int_t)own->second_site, "late",
	    (json_int_t)late, "forged", (json_int_t)forged, "other_source",
	    (json_int_t)own->other_source, "short", (json_int_t)cut,
	    "kernel_drops", (json_int_t)drops);
}

static json_t *
withdrawn_json(const struct experiment *ex)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if (ex->withdrawn[i]) {
			json_array_append_new(list,
			    json_string(ex->c->sites[i].name));
		}
	}
	return list;
}

/* Of one that is not the first: how far it is from that. */
static void
add_test(const struct experiment *ex, json_t *doc)
{
	const struct test_prefix *tp = ex->test;

	json_object_set_new(doc, "test", json_string(tp->name));
	if (test_prefix_trust(ex->c, tp) == TEST_FIRST || tp->check.at_ms == 0)
		return;
	json_object_set_new(doc, "test_distance",
	    json_real(tp->check.distance));
	json_object_set_new(doc, "test_noise", json_real(tp->check.noise));
}

static void
add_left(const struct experiment *ex, uint32_t sent, json_t *doc)
{
	struct experiment_left left = experiment_left_now(ex, sent);

	json_object_set_new(doc, "left_ms", json_integer(left.ms));
	json_object_set_new(doc, "left_max_ms", json_integer(left.max_ms));
}

json_t *
experiment_to_json(const struct experiment *ex)
{
	json_int_t sent = 0, total = 0, job = 0;
	json_t *doc;
	char step[96];

	if (ex == NULL)
		return json_null();
	(void)json_unpack(ex->c->sites[ex->sender].status,
	    "{s:{s:I, s:I, s:I}}", "sweep", "job", &job, "sent", &sent, "total",
	    &total);
	if (job != ex->job || sent < 0 || total < sent || total > UINT32_MAX)
		sent = total = 0;
	(void)snprintf(step, sizeof(step), "%s",
	    experiment_state_name(ex->state));
	if (experiment_is_full_sweep(ex) && experiment_is_running(ex)) {
		(void)snprintf(step, sizeof(step), "%s: %lld of %" PRIu32,
		    experiment_state_name(ex->state), (long long)sent,
		    ex->clients.n);
	} else if (experiment_has_rounds(ex)) {
		(void)snprintf(step, sizeof(step), "%s: round %u",
		    experiment_state_name(ex->state), (unsigned)ex->round);
	}
	/* When it is over its state says all. */
	if (!experiment_is_running(ex))
		step[0] = '\0';
	doc = json_pack("{s:I, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, "
			"s:s, s:i, s:s, s:o, s:o, s:{s:I, s:I, s:f}}",
	    "id", (json_int_t)ex->id, "site", ex->name, "withdrawn",
	    withdrawn_json(ex), "state", experiment_state_name(ex->state),
	    "reason", ex->reason, "created_ms", (json_int_t)ex->created_ms,
	    "ended_ms", (json_int_t)ex->ended_ms, "clients",
	    (json_int_t)ex->clients.n_base, "asked", (json_int_t)ex->clients.n,
	    "campaign", (json_int_t)ex->campaign, "purpose", ex->purpose,
	    "progress_permille",
	    (int)progress_permille(ex, (uint32_t)sent, (uint32_t)total), "step",
	    step, "counters",
	    ex->counted != NULL ? json_incref(ex->counted)
				: experiment_count(ex),
	    "replies",
	    ex->counted_sites != NULL ? json_incref(ex->counted_sites)
				      : experiment_count_sites(ex),
	    "null", "both", (json_int_t)ex->result.null_both, "moved",
	    (json_int_t)ex->result.null_moved, "tv", ex->result.null_tv);
	json_object_set_new(doc, "settle", experiment_settle_json(ex));
	add_left(ex, (uint32_t)sent, doc);
	add_test(ex, doc);
	return doc;
}
