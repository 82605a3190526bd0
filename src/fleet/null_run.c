/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/null_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "fleet/experiment_state.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"

#define RETRY_MS 5000
#define RETRY_MAX_MS 600000
/* After so many in a row without a result it is left alone for the time that a
 * result would hold. */
#define FAILURES_MAX 3u
#define WHY_BYTES 121u

bool
null_run_is_running(const struct controller *c)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		if (c->tests[i]->null_run != 0)
			return true;
	}
	return false;
}

bool
null_run_is_due(const struct controller *c)
{
	if (mono_before(mono_now(), c->null_retry))
		return false;
	for (size_t i = 0; i < c->n_tests; i++) {
		/* One that is not heard everywhere cannot be compared yet. */
		if (test_prefix_trust(c, c->tests[i]) == TEST_UNCHECKED &&
		    test_hearing_check(c, c->tests[i], NULL) == 0)
			return true;
	}
	return false;
}

/* ---- what came of it ---- */

static void
note(struct controller *c, const struct test_prefix *tp, enum test_trust before)
{
	char subject[160], what[64];
	struct store_event ev = { .kind = "experiment",
		.subject = subject,
		.what = what,
		.reason = tp->check.reason,
		.actor = "controller" };

	(void)snprintf(subject, sizeof(subject), "test prefix %s", tp->name);
	(void)snprintf(what, sizeof(what), "%s -> %s", test_trust_name(before),
	    test_trust_name(test_prefix_trust(c, tp)));
	controller_note(c, &ev);
}

static void
store(struct controller *c, const struct test_prefix *tp)
{
	const struct test_check *check = &tp->check;
	char *shares = json_dumps(check->shares, JSON_COMPACT);
	struct store_null_run row = { .experiment = check->experiment,
		.first_experiment = check->first_experiment,
		.test = tp->name,
		.first = check->first,
		.at_ms = check->at_ms,
		.verdict = agreement_verdict_name(check->verdict),
		.reason = check->reason,
		.compared = check->compared,
		.distance = check->distance,
		.noise = check->noise,
		.beyond = check->beyond,
		.max_beyond = check->max_beyond,
		.shares = shares };

	store_put_null_run(c->env.store, &row);
	free(shares);
}

/* Takes over what check holds; the rest of it is filled in here. */
static void
conclude(struct controller *c, struct test_prefix *tp, struct test_check *check)
{
	enum test_trust before = test_prefix_trust(c, tp);

	check->at_ms = wall_now_ms();
	check->at = mono_now();
	check->first = xstrdup(test_prefix_first(c)->name);
	check->max_beyond = c->conf->predict.null_run.limit_percent / 100.0;
	check->experiment = tp->null_run;
	check->first_experiment = test_prefix_first(c)->experiment->id;
	if (check->shares == NULL)
		check->shares = json_array();
	test_prefix_set_check(c, tp, check);
	tp->null_failures = 0;
	store(c, tp);
	note(c, tp, before);
}

static json_t *
shares_json(const struct agreement *a)
{
	json_t *list = json_array();

	for (int f = 0; f < 2; f++) {
		for (int w = 0; w < AGREEMENT_WAY_COUNT; w++) {
			const struct agreement_share *s = &a->shares[f][w];

			if (s->compared == 0)
				continue;
			json_array_append_new(list,
			    json_pack("{s:i, s:s, s:I, s:f, s:f, s:f, s:f, "
				      "s:f}",
				"family", f == 0 ? 4 : 6, "way",
				agreement_way_name((enum agreement_way)w),
				"compared", (json_int_t)s->compared, "distance",
				s->distance, "noise", s->noise,
				"weight_distance", s->weight_distance,
				"weight_noise", s->weight_noise, "beyond",
				s->beyond));
		}
	}
	return list;
}

/* What such clients do, for people. */
static const char *
way_text(enum agreement_way way)
{
	static const char *const texts[AGREEMENT_WAY_COUNT] = {
		[AGREEMENT_MOVED] = "reach another site than by the first",
		[AGREEMENT_LOST] = "answer by one of the two only",
		[AGREEMENT_FLIPS] =
		    "reach two sites at once by one of the two only",
	};

	return texts[way];
}

static char *
few_text(const struct agreement *a, const struct agreement_rule *rule)
{
	int thin = agreement_thin_family(a, rule);

	if (thin == -1 || a->compared == 0)
		return xstrdup("no client answered in any of the sweeps");
	return xasprintf(
	    "%u IPv%d clients reached a site by both, too few to say: at least %u must (fleet.predict.null_run.min_clients)",
	    (unsigned)a->shares[thin][AGREEMENT_MOVED].compared,
	    thin == 0 ? 4 : 6, (unsigned)rule->min_clients);
}

static char *
reason_of(const struct agreement *a, const struct test_check *check,
    const struct agreement_rule *rule)
{
	const struct agreement_share *s =
	    &a->shares[a->worst_family][a->worst_way];

	if (check->verdict == AGREEMENT_UNKNOWN)
		return few_text(a, rule);
	return xasprintf(
	    "%.2f %% of the %s of %u IPv%d clients %s, %.2f %% within one prefix; %.2f %% is beyond that for sure, at most %.0f %% may be (fleet.predict.null_run.limit)",
	    100 * check->distance, s->by_weight ? "weight" : "number",
	    (unsigned)s->compared, a->worst_family == 0 ? 4 : 6,
	    way_text(a->worst_way), 100 * check->noise, 100 * check->beyond,
	    100 * rule->limit);
}

static void
compare(struct controller *c, struct test_prefix *tp)
{
	const struct experiment *one = test_prefix_first(c)->experiment;
	const struct experiment *two = tp->experiment;
	struct agreement_input in = { .n = one->clients.n,
		.one = { one->before, one->again },
		.two = { two->before, two->again },
		.weight = one->clients.weight,
		.is_ipv4 = one->clients.is_ipv4,
		.block = one->clients.block,
		.n_sites = c->n_sites };
	struct agreement_rule rule = test_prefix_rule(c, tp);
	const struct agreement_share *worst;
	struct test_check check = { 0 };
	struct agreement a;

	agreement_count(&in, &a);
	worst = &a.shares[a.worst_family][a.worst_way];
	check.verdict = agreement_judge(&a, &rule);
	check.compared = a.compared;
	check.distance =
	    worst->by_weight ? worst->weight_distance : worst->distance;
	check.noise = worst->by_weight ? worst->weight_noise : worst->noise;
	check.beyond = worst->beyond;
	check.shares = shares_json(&a);
	check.reason = reason_of(&a, &check, &rule);
	conclude(c, tp, &check);
}

/* tp's part of the null run came to nothing. */
static void
fail(struct controller *c, struct test_prefix *tp, const char *why)
{
	struct test_check check = { .verdict = AGREEMENT_UNKNOWN };
	char last[WHY_BYTES]; /* an agent's word, perhaps */

	c->null_retry = mono_add_ms(mono_now(), RETRY_MS);
	if (++tp->null_failures < FAILURES_MAX)
		return;
	(void)text_copy(last, sizeof(last), why);
	check.reason =
	    xasprintf("%u null runs in a row failed, the last one: %s",
		tp->null_failures, last);
	conclude(c, tp, &check);
}

static bool
is_same_clients(const struct experiment *a, const struct experiment *b)
{
	return a->clients.list == b->clients.list &&
	    a->clients.n == b->clients.n;
}

static void
judge(struct controller *c, struct test_prefix *tp)
{
	const struct experiment *one = test_prefix_first(c)->experiment;
	const struct experiment *two = tp->experiment;

	if (one->state != EXPERIMENT_DONE)
		return; /* nothing is said of the others */
	if (two->state != EXPERIMENT_DONE) {
		fail(c, tp, two->reason);
	} else if (is_same_clients(one, two)) {
		compare(c, tp);
	}
}

/* A sweep of all clients over all test prefixes that fails again and again is
 * tried ever less often. */
static void
pace_retries(struct controller *c, const struct experiment *first)
{
	int64_t wait_ms = RETRY_MS;

	if (first->state == EXPERIMENT_DONE) {
		c->null_failures = 0;
		return;
	}
	for (unsigned i = 0; i < c->null_failures && wait_ms < RETRY_MAX_MS;
	     i++)
		wait_ms *= 2;
	c->null_failures++;
	c->null_retry = mono_add_ms(mono_now(),
	    wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
}

void
null_run_on_experiment(struct controller *c, const struct experiment *ex)
{
	struct test_prefix *first = test_prefix_first(c);
	bool is_whole;

	if (ex->test->null_run != ex->id)
		return;
	for (size_t i = 0; i < c->n_tests; i++) {
		if (c->tests[i]->null_run != 0 &&
		    experiment_is_running(c->tests[i]->experiment))
			return;
	}
	/* The first may have become another one meanwhile. */
	is_whole =
	    first != NULL && first->null_run != 0 && first->experiment != NULL;
	if (is_whole)
		pace_retries(c, first->experiment);
	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_prefix *tp = c->tests[i];

		if (tp->null_run != 0 && tp != first && is_whole &&
		    tp->n_sites > 0 && !tp->is_ambiguous)
			judge(c, tp);
	}
	for (size_t i = 0; i < c->n_tests; i++)
		c->tests[i]->null_run = 0;
}

/* ---- the beginning ---- */

static void
start_other(struct controller *c, struct test_prefix *tp,
    const struct experiment_plan *plan)
{
	struct experiment_plan other = *plan;
	struct experiment *ex;
	struct err err;

	other.test = tp;
	other.purpose = NULL_RUN_PURPOSE;
	other.is_comparison = true;
	ex = experiment_start(c, &other, &err);
	if (ex != NULL) {
		tp->null_run = ex->id;
	} else {
		fail(c, tp, err.msg);
	}
}

struct experiment *
null_run_start(struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	struct experiment_plan with_list = *plan;
	struct experiment *ex;

	with_list.test = test_prefix_first(c);
	if (with_list.test == NULL) {
		(void)err_set(err, ERR_REFUSED,
		    "no site has a test prefix, or none has reported yet");
		return NULL;
	}
	for (size_t i = 0; i < c->n_tests; i++) {
		if (!test_prefix_is_busy(c->tests[i]))
			continue;
		(void)err_set(err, ERR_REFUSED,
		    "test prefix %.120s: an experiment runs on it",
		    c->tests[i]->name);
		return NULL;
	}
	ex = experiment_start(c, &with_list, err);
	if (ex == NULL)
		return NULL;
	/* The others ask the same clients, whatever is loaded meanwhile. */
	if (with_list.clients == NULL) {
		with_list.list = c->list;
		with_list.clients = c->clients;
		with_list.n_clients = c->n_clients;
	}
	ex->test->null_run = ex->id;
	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_prefix *tp = c->tests[i];

		if (tp != ex->test && tp->n_sites > 0 && !tp->is_ambiguous)
			start_other(c, tp, &with_list);
	}
	return ex;
}
