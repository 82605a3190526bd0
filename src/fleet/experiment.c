/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A state either waits for a condition in the sites' reports (withdraw,
 * restore) or runs rounds (baseline, sweep: one round over all clients; settle,
 * verify: rounds over the sentinels).  A round has three steps:
 *
 *	sending     the sender's job is under way
 *	lingering   late replies may still come
 *	collecting  a new revision goes to all sites; who has applied it has
 *	            delivered all that it captured before
 */
#include "fleet/experiment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "fleet/experiment_state.h"
#include "fleet/site_set.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"
#include "store/utf8.h"

/*
 * Silent clients are asked once more: the first packets over a cold link are
 * easily lost while neighbours are being resolved.
 */
#define ATTEMPTS 2
/* How long one step may take beyond what it must. */
#define STEP_MAX_MS 60000
#define RTT_UNKNOWN UINT32_MAX

static void enter(struct experiment *ex, enum experiment_event ev);
static void store_result(struct experiment *ex);

/* ---- small things ---- */

bool
experiment_is_running(const struct experiment *ex)
{
	return ex != NULL && !experiment_is_over(ex->state);
}

uint32_t
experiment_id(const struct experiment *ex)
{
	return ex->id;
}

bool
experiment_is_full_sweep(const struct experiment *ex)
{
	return experiment_asks_all(ex->state);
}

bool
experiment_has_rounds(const struct experiment *ex)
{
	return experiment_is_full_sweep(ex) || ex->state == EXPERIMENT_SETTLE ||
	    ex->state == EXPERIMENT_VERIFY;
}

/* How it stands, as a row of the store; borrows from ex. */
static struct store_experiment
row_of(const struct experiment *ex)
{
	struct store_experiment row = ex->result;

	row.id = ex->id;
	row.site = ex->name;
	row.state = experiment_state_name(ex->state);
	row.reason = ex->reason;
	row.created_ms = ex->created_ms;
	row.ended_ms = ex->ended_ms;
	row.changed_ms = ex->changed_ms;
	row.clients = ex->clients.n_base;
	row.asked = ex->clients.n;
	row.list = ex->clients.base;
	row.test = ex->test->name;
	row.campaign = ex->campaign;
	row.purpose = ex->purpose;
	row.sites = ex->c->site_names;
	return row;
}

/* So many sites are each told of it; an experiment over more has its own
 * subject alone. */
#define NOTED_SITES_MAX 3u

static void
note_of(struct experiment *ex, const char *subject,
    enum experiment_state before)
{
	char what[64], reason[sizeof(ex->reason) + 32];
	struct store_event ev = { .kind = "experiment",
		.subject = subject,
		.what = what,
		.reason = reason,
		.actor = "controller" };

	(void)snprintf(what, sizeof(what), "%s -> %s",
	    before == EXPERIMENT_STAY ? "new" : experiment_state_name(before),
	    experiment_state_name(ex->state));
	(void)snprintf(reason, sizeof(reason), "experiment %" PRIu32 "%s%s",
	    ex->id, ex->reason[0] != '\0' ? ": " : "", ex->reason);
	controller_note(ex->c, &ev);
}

static void
note(struct experiment *ex, enum experiment_state before)
{
	char subject[CONF_NAME_MAX + 16];
	bool is_named =
	    ex->n_withdrawn >= 1 && ex->n_withdrawn <= NOTED_SITES_MAX;

	for (size_t i = 0; i < ex->c->n_sites && is_named; i++) {
		if (!ex->withdrawn[i])
			continue;
		(void)snprintf(subject, sizeof(subject), "site/%s",
		    ex->c->sites[i].name);
		note_of(ex, subject, before);
	}
	if (!is_named) {
		(void)snprintf(subject, sizeof(subject), "experiment/%" PRIu32,
		    ex->id);
		note_of(ex, subject, before);
	}
}

static void
fail(struct experiment *ex, const char *why)
{
	if (!experiment_is_running(ex))
		return;
	(void)text_copy(ex->reason, sizeof(ex->reason), why);
	enter(ex, EXPERIMENT_EV_FAIL);
}

void
experiment_abort(struct experiment *ex, const char *why)
{
	fail(ex, why);
}

/* ---- rounds ---- */

static void
set_step(struct experiment *ex, enum round_step step)
{
	ex->step = step;
	ex->step_since = mono_now();
}

/* The outcomes that the present full sweep fills. */
static uint16_t *
sweep_outcomes(const struct experiment *ex)
{
	if (ex->state == EXPERIMENT_BASELINE)
		return ex->before;
	return ex->state == EXPERIMENT_SWEEP ? ex->after : ex->again;
}

static void
pick_silent(struct experiment *ex)
{
	const uint16_t *outcomes = sweep_outcomes(ex);

	ex->n_silent = 0;
	for (uint32_t i = 0; i < ex->clients.n; i++) {
		if (outcomes[i] == OUTCOME_NONE &&
		    ex->n_silent < EXPERIMENT_RETRY_MAX)
			ex->silent[ex->n_silent++] = i;
	}
}

static void
queue_round(struct experiment *ex)
{
	set_step(ex, ROUND_QUEUED);
	ex->queued = ++ex->c->turn.asked;
	experiments_grant(ex->c);
	/* Else that has told the sites what there is to tell. */
	if (ex->step == ROUND_QUEUED)
		controller_publish_all(ex->c);
}

void
experiment_send(struct experiment *ex)
{
	int64_t waited_ms = mono_diff_ms(mono_now(), ex->step_since);

	/* That others had to send first is no reason to give up. */
	ex->state_since = mono_add_ms(ex->state_since, waited_ms);
	ex->granted = ++ex->c->turn.granted;
	ex->c->sites[ex->sender].sends = ex->granted;
	set_step(ex, ROUND_SENDING);
	controller_publish_all(ex->c);
}

static void
start_round(struct experiment *ex)
{
	uint16_t *swap = ex->previous;

	ex->job++;
	ex->round++;
	if (experiment_is_full_sweep(ex)) {
		pick_silent(ex);
	} else {
		ex->previous = ex->current;
		ex->current = swap;
		memset(ex->current, 0, ex->n_sentinels * sizeof(*ex->current));
	}
	queue_round(ex);
}

/* Tells the sites, and notes what they must have applied. */
static void
publish(struct experiment *ex)
{
	controller_publish_all(ex->c);
	for (size_t i = 0; i < ex->c->n_sites; i++)
		ex->barrier[i] = ex->c->sites[i].revision;
}

static void
collect(struct experiment *ex)
{
	ex->order_step++;
	set_step(ex, ROUND_COLLECTING);
	publish(ex);
}

bool
experiment_has_applied(const struct experiment *ex, size_t site)
{
	return ex->c->sites[site].applied_revision >= ex->barrier[site];
}

static bool
all_collected(const struct experiment *ex)
{
	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if (!experiment_has_applied(ex, i))
			return false;
	}
	return true;
}

static void
baseline_done(struct experiment *ex)
{
	size_t answered = 0;

	for (uint32_t i = 0; i < ex->clients.n; i++)
		answered += ex->before[i] != OUTCOME_NONE;
	ex->n_silent_before = ex->clients.n - (uint32_t)answered;
	if (answered == 0 && !ex->is_comparison) {
		fail(ex, "no client answered the baseline sweep");
		return;
	}
	experiment_pick_sentinels(ex);
	if (ex->n_sentinels == 0 && !ex->is_comparison) {
		fail(ex, "no client answered to one site only");
		return;
	}
	enter(ex,
	    ex->n_withdrawn == 0 ? EXPERIMENT_EV_NULL : EXPERIMENT_EV_COMPLETE);
}

static void
sentinels_done(struct experiment *ex)
{
	char why[224];

	switch (experiment_judge_round(ex)) {
	case SENTINELS_CALM:
		enter(ex, EXPERIMENT_EV_COMPLETE);
		break;
	case SENTINELS_LATE:
		experiment_say_late(ex, why, sizeof(why));
		fail(ex, why);
		break;
	case SENTINELS_MOVE:
		set_step(ex, ROUND_PAUSE);
		ex->wait_until = mono_add_ms(mono_now(),
		    ex->c->conf->predict.sentinel_interval_ms);
		break;
	}
}

static uint32_t
count_silent(const struct experiment *ex)
{
	const uint16_t *outcomes = sweep_outcomes(ex);
	uint32_t n = 0;

	for (uint32_t i = 0; i < ex->clients.n; i++)
		n += outcomes[i] == OUTCOME_NONE;
	return n;
}

static bool
wants_retry(const struct experiment *ex)
{
	uint32_t silent;

	if (!experiment_is_full_sweep(ex) || ex->round >= ATTEMPTS)
		return false;
	silent = count_silent(ex);
	return silent > 0 && silent <= EXPERIMENT_RETRY_MAX;
}

static void
round_done(struct experiment *ex)
{
	char why[160];

	set_step(ex, ROUND_NONE);
	if (wants_retry(ex)) {
		start_round(ex);
		return;
	}
	if (ex->state == EXPERIMENT_BASELINE) {
		baseline_done(ex);
	} else if (!experiment_is_full_sweep(ex)) {
		sentinels_done(ex);
	} else if (!ex->is_comparison &&
	    experiment_is_silent(ex, why, sizeof(why))) {
		fail(ex, why);
	} else if (ex->state == EXPERIMENT_REBASELINE) {
		store_result(ex);
	} else {
		enter(ex, EXPERIMENT_EV_COMPLETE);
	}
}

/* The sender's word on its job: 1 done, 0 not yet, -1 failed. */
static int
job_progress(const struct experiment *ex, const char **why)
{
	json_t *sweep =
	    json_object_get(ex->c->sites[ex->sender].status, "sweep");
	json_int_t job;
	int done;

	if (json_unpack(sweep, "{s:I, s:b, s:s}", "job", &job, "done", &done,
		"failed", why) == -1 ||
	    job != ex->job || !done)
		return 0;
	return (*why)[0] != '\0' ? -1 : 1;
}

/* why is the agent's word. */
static void
fail_job(struct experiment *ex, const char *why)
{
	char text[sizeof(ex->reason)];

	(void)snprintf(text, sizeof(text), "the sweep by %s: %s",
	    ex->c->sites[ex->sender].name, why);
	utf8_clean(text);
	fail(ex, text);
}

static void
step_round(struct experiment *ex)
{
	const struct conf_predict *conf = &ex->c->conf->predict;
	struct mono now = mono_now();
	const char *why = "";
	int rc;

	switch (ex->step) {
	case ROUND_NONE:
	case ROUND_QUEUED:
		break;
	case ROUND_SENDING:
		rc = job_progress(ex, &why);
		if (rc == -1) {
			fail_job(ex, why);
		} else if (rc == 1) {
			set_step(ex, ROUND_LINGERING);
			ex->wait_until = mono_add_ms(now, conf->linger_ms);
			experiments_end_turn(ex->c);
		}
		break;
	case ROUND_LINGERING:
		if (!mono_before(now, ex->wait_until))
			collect(ex);
		break;
	case ROUND_COLLECTING:
		if (all_collected(ex))
			round_done(ex);
		break;
	case ROUND_PAUSE:
		if (!mono_before(now, ex->wait_until))
			start_round(ex);
		break;
	}
}

/* ---- states ---- */

static void
store_sweep(struct experiment *ex, uint8_t phase, const uint16_t *outcomes,
    const uint32_t *rtt)
{
	struct experiment_sweep sweep = { .experiment = ex->id,
		.phase = phase,
		.outcomes = outcomes,
		.rtt_us = rtt };

	experiment_store_sweep(ex->c->env.store, &ex->clients, &sweep);
}

struct failover_input
experiment_input(const struct experiment *ex)
{
	return (struct failover_input){ .n = ex->clients.n,
		.before = ex->before,
		/* A null run has no sweep between its baselines. */
		.after = ex->n_withdrawn > 0 ? ex->after : ex->again,
		.again = ex->again,
		.weight = ex->clients.weight,
		.is_ipv4 = ex->clients.is_ipv4,
		.block = ex->clients.block,
		.n_sites = ex->c->n_sites,
		.withdrawn = ex->withdrawn };
}

/* The last sweep is there: all that it comes to, in one go. */
static void
store_result(struct experiment *ex)
{
	struct failover_input in = experiment_input(ex);
	struct store_experiment row;

	store_sweep(ex, EXPERIMENT_REBASELINE, ex->again, NULL);
	ex->ended_ms = wall_now_ms();
	row = row_of(ex);
	row.state = experiment_state_name(EXPERIMENT_DONE);
	experiment_store_map(ex->c, &row, &in);
	ex->result = row;
	ex->result_row = store_newest(ex->c->env.store);
}

/* What is done on entering the state that ex is in now. */
static void
on_enter(struct experiment *ex)
{
	struct store_experiment row = row_of(ex);

	switch (ex->state) {
	case EXPERIMENT_WITHDRAW:
		store_sweep(ex, EXPERIMENT_BASELINE, ex->before,
		    ex->before_rtt);
		break;
	case EXPERIMENT_RESTORE:
		store_sweep(ex, EXPERIMENT_SWEEP, ex->after, ex->after_rtt);
		break;
	case EXPERIMENT_SETTLE:
		ex->settle = (struct settle){ 0 };
		ex->has_previous = false;
		break;
	case EXPERIMENT_VERIFY:
		ex->has_previous = false;
		break;
	case EXPERIMENT_REBASELINE:
		if (ex->n_withdrawn == 0) {
			store_sweep(ex, EXPERIMENT_BASELINE, ex->before,
			    ex->before_rtt);
		}
		break;
	case EXPERIMENT_DONE:
		return; /* written already */
	case EXPERIMENT_STAY:
	case EXPERIMENT_BASELINE:
	case EXPERIMENT_SWEEP:
	case EXPERIMENT_FAILED:
	case EXPERIMENT_STATE_COUNT:
		break;
	}
	store_put_experiment(ex->c->env.store, &row, NULL, NULL);
}

static void
enter(struct experiment *ex, enum experiment_event ev)
{
	enum experiment_state before = ex->state;
	enum experiment_state next = experiment_next(before, ev);
	bool was_sending = ex->step == ROUND_SENDING;

	if (next == EXPERIMENT_STAY)
		return;
	ex->state = next;
	ex->round = 0;
	if (experiment_holds_withdrawn(before) !=
	    experiment_holds_withdrawn(next)) {
		ex->changed_ms = wall_now_ms();
		ex->test->changed = mono_now();
		ex->test->was_changed = true;
	}
	ex->state_since = mono_now();
	set_step(ex, ROUND_NONE);
	if (experiment_is_over(next)) {
		if (next == EXPERIMENT_FAILED || ex->ended_ms == 0)
			ex->ended_ms = wall_now_ms();
		/* The sites count anew with the next one. */
		ex->counted = experiment_count(ex);
		ex->counted_sites = experiment_count_sites(ex);
		experiment_store_replies(ex);
	}
	note(ex, before);
	on_enter(ex);
	if (experiment_is_over(next))
		controller_on_experiment(ex->c, ex);
	if (experiment_has_rounds(ex)) {
		start_round(ex);
	} else {
		publish(ex);
	}
	if (was_sending)
		experiment_give_up_turn(ex);
}

/* Have all test prefixes of all sites of W become what is ordered? */
static bool
test_prefixes_are(const struct experiment *ex, const char *real)
{
	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if (ex->withdrawn[i] &&
		    (!experiment_has_applied(ex, i) ||
			!experiment_test_is(ex->test, &ex->c->sites[i], real)))
			return false;
	}
	return true;
}

/* Is the site's test prefix what it must be?  *real says what that is. */
static bool
test_is_expected(const struct experiment *ex, size_t site, const char **real)
{
	const struct fleet_site *s = &ex->c->sites[site];

	*real = "announced";
	if (ex->absent[site]) {
		*real = "absent, as it was";
		return !experiment_test_is(ex->test, s, "announced");
	}
	if (ex->withdrawn[site]) {
		/* On its way. */
		if (ex->state == EXPERIMENT_WITHDRAW ||
		    ex->state == EXPERIMENT_RESTORE)
			return true;
		if (experiment_holds_withdrawn(ex->state))
			*real = "withdrawn";
	}
	return experiment_test_is(ex->test, s, *real);
}

/* Is all well at the site?  Else why says what is not. */
static bool
site_is_good(const struct experiment *ex, size_t site, char *why, size_t size)
{
	const struct fleet_site *s = &ex->c->sites[site];
	struct experiment_where where = { ex->test, s };
	struct hearing_text deaf;
	const char *real;

	if (!experiment_watch_ok(&ex->watch[site], &where, why, size))
		return false;
	if (!test_is_expected(ex, site, &real)) {
		(void)snprintf(why, size, "the test prefix of %s is not %s",
		    s->name, real);
		return false;
	}
	if (!ex->absent[site] && !test_hearing_at(ex->c, ex->test, s, &deaf)) {
		(void)snprintf(why, size, "%s %s", s->name, deaf.text);
		return false;
	}
	return true;
}

/*
 * A site whose captured replies may be incomplete spoils the experiment, and
 * so does a test prefix that is not as it should be: BIRD may have died.
 */
static void
watch_sites(struct experiment *ex)
{
	char why[sizeof(ex->reason)];

	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if (site_is_good(ex, i, why, sizeof(why)))
			continue;
		fail(ex, why);
		return;
	}
}

static void
advance(struct experiment *ex)
{
	if (!experiment_is_running(ex))
		return;
	watch_sites(ex);
	if (!experiment_is_running(ex))
		return;
	if (ex->result_row != 0) {
		if (store_is_durable(ex->c->env.store, ex->result_row))
			enter(ex, EXPERIMENT_EV_COMPLETE);
		return;
	}
	if (experiment_has_rounds(ex)) {
		step_round(ex);
		return;
	}
	if (test_prefixes_are(ex,
		experiment_holds_withdrawn(ex->state) ? "withdrawn"
						      : "announced"))
		enter(ex, EXPERIMENT_EV_COMPLETE);
}

int64_t
experiment_round_max_ms(const struct conf_predict *conf, uint32_t n,
    uint32_t largest_block)
{
	return 2000LL * n / (int64_t)conf->rate_pps +
	    2 * conf->block_gap_ms * largest_block;
}

int64_t
experiment_sending_max_ms(const struct experiment *ex)
{
	return experiment_round_max_ms(&ex->c->conf->predict, ex->clients.n,
	    ex->clients.largest_block);
}

int64_t
experiment_sending_list_max_ms(const struct experiment *ex)
{
	return experiment_round_max_ms(&ex->c->conf->predict,
	    ex->clients.n_base, ex->clients.largest_block);
}

void
experiment_on_tick(struct experiment *ex)
{
	const struct conf_predict *conf = &ex->c->conf->predict;
	int64_t limit_ms = STEP_MAX_MS;
	char why[sizeof(ex->reason)];

	advance(ex);
	if (!experiment_is_running(ex) || ex->step == ROUND_QUEUED)
		return;
	if (experiment_has_rounds(ex) && ex->step == ROUND_SENDING)
		limit_ms += experiment_sending_max_ms(ex);
	if (experiment_has_rounds(ex))
		limit_ms += conf->linger_ms + conf->sentinel_interval_ms;
	if (mono_diff_ms(mono_now(),
		experiment_has_rounds(ex) ? ex->step_since : ex->state_since) >
	    limit_ms) {
		experiment_say_slow(ex, why, sizeof(why));
		fail(ex, why);
	}
}

void
experiment_on_status(struct experiment *ex, size_t site)
{
	(void)site;
	advance(ex);
}

void
experiment_on_reboot(struct experiment *ex, size_t site)
{
	char why[96];

	(void)snprintf(why, sizeof(why), "the agent of %s was restarted",
	    ex->c->sites[site].name);
	fail(ex, why);
}

/* ---- replies ---- */

static enum reply_class
take_outcome(struct experiment *ex, uint16_t *outcome, uint16_t site)
{
	if (*outcome == OUTCOME_NONE) {
		*outcome = site;
		ex->counters.accepted++;
		return REPLY_GOOD;
	}
	if (*outcome == site) {
		ex->counters.duplicate++;
		return REPLY_DUPLICATE;
	}
	*outcome = OUTCOME_FLIPPING;
	ex->counters.second_site++;
	return REPLY_SECOND_SITE;
}

/* Neither of this round nor from whom it asked?  REPLY_GOOD: it is. */
static enum reply_class
judge_reply(struct experiment *ex, const struct sweep_reply *r)
{
	bool is_sentinel = !experiment_is_full_sweep(ex);

	if (r->experiment != ex->id) {
		ex->counters.late++;
		return REPLY_LATE;
	}
	if (r->index >= ex->clients.n ||
	    (r->flags & SWEEP_REPLY_OTHER_SOURCE) != 0) {
		ex->counters.other_source++;
		return REPLY_OTHER_SOURCE;
	}
	/* In a full sweep the first attempt's replies are as good as later. */
	if (r->phase != (uint8_t)ex->state || r->round > ex->round ||
	    (is_sentinel && r->round != ex->round) || ex->step == ROUND_NONE ||
	    ex->step == ROUND_PAUSE) {
		ex->counters.late++;
		return REPLY_LATE;
	}
	return REPLY_GOOD;
}

/* An RTT only where one clock saw both ends. */
static void
take_rtt(struct experiment *ex, uint16_t site, const struct sweep_reply *r)
{
	uint32_t *rtt =
	    ex->state == EXPERIMENT_BASELINE ? ex->before_rtt : ex->after_rtt;

	if (ex->state != EXPERIMENT_REBASELINE && site == ex->sender + 1 &&
	    r->recv_us >= r->sent_us && r->recv_us - r->sent_us < RTT_UNKNOWN)
		rtt[r->index] = (uint32_t)(r->recv_us - r->sent_us);
}

static void
take_reply(struct experiment *ex, uint16_t site, const struct sweep_reply *r)
{
	bool is_sentinel = !experiment_is_full_sweep(ex);
	enum reply_class cl = judge_reply(ex, r);
	uint32_t slot = r->index;

	if (cl == REPLY_GOOD && is_sentinel) {
		slot = experiment_sentinel_slot(ex->sentinels, ex->n_sentinels,
		    r->index);
		if (slot == ex->n_sentinels)
			return;
	}
	if (cl == REPLY_GOOD) {
		cl = take_outcome(ex,
		    is_sentinel ? &ex->current[slot]
				: &sweep_outcomes(ex)[slot],
		    site);
		if (cl == REPLY_GOOD && !is_sentinel)
			take_rtt(ex, site, r);
	}
	reply_book_take(ex->book, site - 1, cl, r);
}

void
experiment_on_replies(struct experiment *ex, size_t site,
    const struct sweep_reply *replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sweep_reply *r = &replies[i];

		/* Samples of what the site has counted: they say nothing of a
		 * client. */
		if ((r->flags & SWEEP_REPLY_FORGED) != 0) {
			reply_book_keep(ex->book, site, REPLY_FORGED, r);
		} else if ((r->flags & SWEEP_REPLY_LATE) != 0) {
			reply_book_keep(ex->book, site, REPLY_LATE, r);
		} else {
			take_reply(ex, (uint16_t)(site + 1), r);
		}
	}
}

void
experiment_begin(struct experiment *ex)
{
	note(ex, EXPERIMENT_STAY);
	on_enter(ex);
	start_round(ex);
}
