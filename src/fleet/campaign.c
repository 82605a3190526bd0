/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "fleet/campaign_log.h"
#include "fleet/experiment_state.h"
#include "fleet/null_run.h"
#include "fleet/site_set.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"

/* Clients of other sites that an experiment asks. */
#define OTHERS 4096u
#define RETRY_MS 2000
#define SEED_MASK INT64_MAX

static void
store(const struct campaign *ca)
{
	struct store_campaign row = { .id = ca->id,
		.state = campaign_state_name(ca->state),
		.reason = ca->reason,
		.depth = ca->depth,
		.seed = ca->seed,
		.created_ms = ca->created_ms,
		.ended_ms = ca->ended_ms,
		.list = ca->list,
		.sites = ca->c->site_names };

	store_put_campaign(ca->c->env.store, &row);
}

static void
enter(struct campaign *ca, enum campaign_event ev, const char *why,
    const char *actor)
{
	enum campaign_state before = ca->state;
	enum campaign_state next = campaign_next(before, ev);
	char subject[32], what[64];
	struct store_event note = { .kind = "campaign",
		.subject = subject,
		.what = what,
		.reason = ca->reason,
		.actor = actor };

	if (next == CAMPAIGN_STAY)
		return;
	ca->state = next;
	(void)text_copy(ca->reason, sizeof(ca->reason), why);
	if (campaign_is_over(next))
		ca->ended_ms = wall_now_ms();
	ca->waiting[0] = '\0';
	for (size_t i = 0; i < ca->n_slots; i++)
		ca->slots[i].attempts = 0;
	(void)snprintf(subject, sizeof(subject), "campaign/%" PRIu32, ca->id);
	(void)snprintf(what, sizeof(what), "%s -> %s",
	    campaign_state_name(before), campaign_state_name(next));
	controller_note(ca->c, &note);
	store(ca);
}

/* ---- experiments ---- */

static void
wait_for(struct campaign *ca, const char *why)
{
	(void)text_copy(ca->waiting, sizeof(ca->waiting), why);
	ca->retry_at = mono_add_ms(mono_now(), RETRY_MS);
}

/* Clients that are expected to go the same way when the set is withdrawn, for
 * the sentinels: numbers by home and heir. */
static uint32_t *
response_classes(const struct campaign *ca, const struct pack_set *set)
{
	size_t n_sites = ca->c->n_sites;
	uint32_t *class = xcalloc(ca->n, sizeof(*class));
	uint16_t *heir = xcalloc(ca->n, sizeof(*heir));

	pack_predict(ca->pack, set, heir, NULL);
	for (uint32_t i = 0; i < ca->n; i++) {
		size_t known = heir[i] < n_sites ? heir[i] + 1u : 0;

		if (outcome_is_site(ca->home[i], n_sites)) {
			class[i] =
			    (uint32_t)((ca->home[i] - 1u) * (n_sites + 1) +
				known);
		}
	}
	free(heir);
	return class;
}

/* Withdraws nothing: two baselines. */
static bool
is_null(const struct campaign_slot *slot)
{
	return pack_set_count(&slot->plan.withdrawn) == 0;
}

/* The null run that says where clients are at home is the first test prefix's;
 * if it is time for one it is compared with the others'. */
static struct experiment *
start_null(struct campaign *ca, const struct experiment_plan *plan,
    struct err *err)
{
	struct experiment_plan on_first = *plan;

	if (null_run_is_due(ca->c))
		return null_run_start(ca->c, plan, err);
	on_first.test = test_prefix_first(ca->c);
	return experiment_start(ca->c, &on_first, err);
}

/* A set that is measured again: said, with what was wrong. */
static void
note_repeat(struct campaign *ca, const struct campaign_slot *slot)
{
	size_t of = slot->plan.repeats - 1u;
	char subject[32], what[64], reason[160];
	struct store_event note = { .kind = "campaign",
		.subject = subject,
		.what = what,
		.reason = reason,
		.actor = "controller" };
	struct pack_check check;

	pack_check(ca->pack, of, &check);
	(void)snprintf(subject, sizeof(subject), "campaign/%" PRIu32, ca->id);
	(void)snprintf(what, sizeof(what), "experiment %" PRIu32 " again",
	    ca->experiments[of]);
	(void)snprintf(reason, sizeof(reason),
	    "%.1f %% of the clients of other sites were elsewhere, that are nearly always at home",
	    100 * check.astray);
	controller_note(ca->c, &note);
}

static int
start_slot(struct campaign *ca, struct campaign_slot *slot,
    struct test_prefix *test, struct err *err)
{
	struct controller *c = ca->c;
	bool *withdrawn = xcalloc(c->n_sites, sizeof(*withdrawn));
	uint32_t *subset = xcalloc(ca->n, sizeof(*subset)), *class = NULL;
	struct campaign_ask ask = { .n = ca->n,
		.home = ca->home,
		.n_sites = c->n_sites,
		.withdrawn = withdrawn,
		.others = OTHERS };
	struct experiment_plan plan = { .test = test,
		.withdrawn = withdrawn,
		.campaign = ca->id,
		.purpose = pack_purpose_name(slot->plan.purpose),
		.list = ca->list,
		.clients = ca->clients,
		.n_clients = ca->n };
	struct experiment *ex;

	for (size_t i = 0; i < c->n_sites; i++)
		withdrawn[i] = pack_set_has(&slot->plan.withdrawn, i);
	if (is_null(slot)) {
		ex = start_null(ca, &plan, err);
	} else {
		plan.subset = subset;
		plan.n_subset = campaign_pick(&ask, subset);
		class = response_classes(ca, &slot->plan.withdrawn);
		plan.class = class;
		plan.n_classes = c->n_sites * (c->n_sites + 1);
		ex = experiment_start(c, &plan, err);
	}
	if (ex != NULL) {
		slot->experiment = experiment_id(ex);
		slot->begun = mono_now();
	}
	if (ex != NULL && slot->plan.purpose == PACK_REPEAT)
		note_repeat(ca, slot);
	free(withdrawn);
	free(subset);
	free(class);
	return ex != NULL ? 0 : -1;
}

/* ---- what comes next ---- */

/* Something to be made, or under way. */
static bool
has_slot(const struct campaign *ca)
{
	for (size_t i = 0; i < ca->n_slots; i++) {
		if (!ca->slots[i].is_done)
			return true;
	}
	return false;
}

/* By all that was measured; false: there is nothing any more. */
static bool
plan_batch(struct campaign *ca)
{
	struct pack_plan plans[CAMPAIGN_BATCH];
	unsigned n_tests = (unsigned)test_prefixes_usable(ca->c);

	ca->n_slots =
	    pack_next(ca->pack, plans, campaign_batch(n_tests, CAMPAIGN_BATCH));
	for (size_t i = 0; i < ca->n_slots; i++)
		ca->slots[i] = (struct campaign_slot){ .plan = plans[i] };
	return ca->n_slots > 0;
}

/* What may be begun now.  Before the null run nobody knows who lives where: what
 * comes behind it waits. */
static struct campaign_slot *
next_slot(struct campaign *ca)
{
	for (size_t i = 0; i < ca->n_slots; i++) {
		struct campaign_slot *slot = &ca->slots[i];

		if (slot->is_done)
			continue;
		if (slot->experiment == 0)
			return slot;
		if (is_null(slot))
			return NULL;
	}
	return NULL;
}

/* A trusted one that is idle; whether it rests is another question. */
static bool
is_idle(const struct controller *c, const struct test_prefix *tp)
{
	return test_prefix_is_usable(c, tp) && test_prefix_is_ready(c, tp);
}

/* One that may be changed now; NULL: all are busy, or rest. */
static struct test_prefix *
free_test(const struct controller *c)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_prefix *tp = c->tests[i];

		if (is_idle(c, tp) && test_prefix_rest_ms(c, tp) == 0)
			return tp;
	}
	return NULL;
}

/* How long until a trusted one that is idle may be changed; -1: all are busy. */
static int64_t
least_rest_ms(const struct controller *c)
{
	int64_t least = -1;

	for (size_t i = 0; i < c->n_tests; i++) {
		const struct test_prefix *tp = c->tests[i];
		int64_t rest = test_prefix_rest_ms(c, tp);

		if (is_idle(c, tp) && (least == -1 || rest < least))
			least = rest;
	}
	return least;
}

/* None is busy, and sites do not announce or not hear any of them: who the first
 * is. */
static void
say_missing(struct campaign *ca)
{
	const struct controller *c = ca->c;
	struct err err;

	for (size_t i = 0; i < c->n_tests; i++) {
		const struct test_prefix *tp = c->tests[i];

		if (test_prefix_is_usable(c, tp) && !test_prefix_is_busy(tp) &&
		    (test_prefix_check_everywhere(c, tp, &err) == -1 ||
			test_hearing_check(c, tp, &err) == -1)) {
			(void)text_copy(ca->waiting, sizeof(ca->waiting),
			    err.msg);
			return;
		}
	}
}

static void
say_rest(struct campaign *ca)
{
	size_t n = test_prefixes_usable(ca->c);
	int64_t rest_ms = least_rest_ms(ca->c);

	ca->waiting[0] = '\0';
	if (n == 0) {
		(void)text_copy(ca->waiting, sizeof(ca->waiting),
		    "no test prefix may be used: see \"anycastctl predict tests\"");
	}
	if (rest_ms < 0)
		say_missing(ca);
	if (n == 0 || rest_ms <= 0)
		return;
	if (n == 1) {
		(void)snprintf(ca->waiting, sizeof(ca->waiting),
		    "the test prefix rests for another %" PRId64 " s",
		    (rest_ms + 999) / 1000);
	} else {
		(void)snprintf(ca->waiting, sizeof(ca->waiting),
		    "of %zu test prefixes the next rests for another %" PRId64
		    " s",
		    n, (rest_ms + 999) / 1000);
	}
}

/* A null run is due, or under way: nothing else begins.  True if so. */
static bool
mind_null_run(struct campaign *ca, const struct campaign_slot *slot)
{
	struct controller *c = ca->c;
	bool *nowhere;
	struct experiment_plan plan = { .campaign = ca->id,
		.purpose = NULL_RUN_PURPOSE,
		.list = ca->list,
		.clients = ca->clients,
		.n_clients = ca->n };
	struct err err;

	if (null_run_is_running(c)) {
		(void)text_copy(ca->waiting, sizeof(ca->waiting),
		    "the null run over the test prefixes");
		return true;
	}
	if (!null_run_is_due(c) || is_null(slot))
		return false;
	if (experiments_any_runs(c)) {
		(void)text_copy(ca->waiting, sizeof(ca->waiting),
		    "a null run over the test prefixes is due, when those under way are over");
		return true;
	}
	nowhere = xcalloc(c->n_sites, sizeof(*nowhere));
	plan.withdrawn = nowhere;
	if (null_run_start(c, &plan, &err) == NULL)
		wait_for(ca, err.msg);
	free(nowhere);
	return true;
}

/* True: something was begun, and more may be. */
static bool
go_on(struct campaign *ca)
{
	struct campaign_slot *slot;
	struct test_prefix *test;
	struct err err;

	if (!has_slot(ca) && campaign_log_is_working(ca)) {
		(void)text_copy(ca->waiting, sizeof(ca->waiting),
		    "what the last experiments say is being worked out");
		return false;
	}
	if (!has_slot(ca) && !plan_batch(ca)) {
		enter(ca, CAMPAIGN_EV_COMPLETE, "", "controller");
		return false;
	}
	/* An experiment of somebody else's may have asked other families. */
	memcpy(ca->c->asks, ca->asks, sizeof(ca->asks));
	slot = next_slot(ca);
	if (slot == NULL || mind_null_run(ca, slot))
		return false;
	test = free_test(ca->c);
	if (is_null(slot) && experiments_any_runs(ca->c))
		return false;
	if (!is_null(slot) && test == NULL &&
	    test_prefix_first(ca->c) != NULL) {
		say_rest(ca);
		return false;
	}
	if (start_slot(ca, slot, test, &err) == -1) {
		wait_for(ca, err.msg);
		return false;
	}
	ca->waiting[0] = '\0';
	return true;
}

void
campaign_on_tick(struct controller *c)
{
	struct campaign *ca = c->campaign;

	if (ca == NULL || campaign_log_step(ca))
		return;
	while (ca->state == CAMPAIGN_RUNNING &&
	    !mono_before(mono_now(), ca->retry_at) && go_on(ca))
		continue;
}

static void
on_failed(struct campaign *ca, struct campaign_slot *slot,
    const struct experiment *ex)
{
	char why[CAMPAIGN_TEXT_BYTES];

	ca->failed++;
	slot->attempts++;
	(void)snprintf(why, sizeof(why), "experiment %" PRIu32 ": %s", ex->id,
	    ex->reason);
	wait_for(ca, why);
	if (slot->attempts >= CAMPAIGN_ATTEMPTS)
		enter(ca, CAMPAIGN_EV_PAUSE, why, "controller");
}

static struct campaign_slot *
find_slot(struct campaign *ca, uint32_t experiment)
{
	for (size_t i = 0; i < ca->n_slots; i++) {
		if (ca->slots[i].experiment == experiment)
			return &ca->slots[i];
	}
	return NULL;
}

void
campaign_on_experiment(struct controller *c, const struct experiment *ex)
{
	struct campaign *ca = c->campaign;
	struct campaign_slot *slot;

	if (ca == NULL || ex->campaign != ca->id)
		return;
	slot = find_slot(ca, ex->id);
	if (slot == NULL)
		return;
	slot->experiment = 0;
	if (campaign_is_over(ca->state))
		return;
	if (ex->state == EXPERIMENT_FAILED) {
		on_failed(ca, slot, ex);
		return;
	}
	campaign_log_take(ca, ex);
	ca->spent_ms += mono_diff_ms(mono_now(), slot->begun);
	slot->is_done = true;
	/* One null run is two baselines. */
	for (size_t i = 0; i < ca->n_slots && ex->n_withdrawn == 0; i++)
		ca->slots[i].is_done |= is_null(&ca->slots[i]);
}

/* ---- life ---- */

static bool
is_running(const struct controller *c)
{
	return c->campaign != NULL && !campaign_is_over(c->campaign->state);
}

/* Each is withdrawn in its turn.  Those that have not reported yet will be waited
 * for. */
static int
check_test_prefixes(const struct controller *c, struct err *err)
{
	const struct test_prefix *first = test_prefix_first(c);

	for (size_t i = 0; i < c->n_sites && first != NULL; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (s->tests != NULL && test_prefix_at(first, s) == NULL) {
			return err_set(err, ERR_REFUSED,
			    "site %s: has no test prefix %.120s, and a campaign withdraws each site: give it one, or take it out of the fleet",
			    s->name, first->name);
		}
	}
	return 0;
}

static int
check_start(struct controller *c, struct err *err)
{
	if (is_running(c)) {
		return err_set(err, ERR_REFUSED, "campaign %" PRIu32 " is %s",
		    c->campaign->id, campaign_state_name(c->campaign->state));
	}
	/* Which experiments are set aside is on its way to the store then. */
	if (c->campaign != NULL && campaign_log_is_working(c->campaign)) {
		return err_set(err, ERR_REFUSED,
		    "what campaign %" PRIu32
		    " measured is being worked out: try again in some seconds",
		    c->campaign->id);
	}
	if (experiment_check_clients(c->n_clients, err) == -1)
		return -1;
	if (c->n_sites < 2 || c->n_sites > PACK_SITES_MAX) {
		return err_set(err, ERR_REFUSED,
		    "%zu sites: a campaign has 2 to %u", c->n_sites,
		    PACK_SITES_MAX);
	}
	if (check_test_prefixes(c, err) == -1)
		return -1;
	return test_hearing_check_first(c, err);
}

int
campaign_start(struct controller *c, unsigned depth, const char *actor,
    struct err *err)
{
	struct campaign *ca;
	char subject[32];
	struct store_event note = { .kind = "campaign",
		.subject = subject,
		.what = "new -> running",
		.reason = "",
		.actor = actor };

	if (check_start(c, err) == -1)
		return -1;
	ca = xcalloc(1, sizeof(*ca));
	*ca = (struct campaign){ .c = c,
		.id = c->next_campaign,
		.state = CAMPAIGN_RUNNING,
		.depth = depth,
		.created_ms = wall_now_ms(),
		.list = c->list,
		.n = c->n_clients };
	randombytes_buf(&ca->seed, sizeof(ca->seed));
	ca->seed &= SEED_MASK;
	ca->clients = xcalloc(ca->n, sizeof(*ca->clients));
	memcpy(ca->clients, c->clients, ca->n * sizeof(*ca->clients));
	if (campaign_log_init(ca, err) == -1) {
		campaign_free(ca);
		return -1;
	}
	test_prefixes_ask(c, ca->clients, ca->n);
	memcpy(ca->asks, c->asks, sizeof(ca->asks));
	test_prefixes_try_again(c);
	c->next_campaign++;
	campaign_free(c->campaign);
	c->campaign = ca;
	(void)snprintf(subject, sizeof(subject), "campaign/%" PRIu32, ca->id);
	controller_note(c, &note);
	store(ca);
	return 0;
}

int
campaign_command(struct controller *c, enum campaign_event ev,
    const char *actor, struct err *err)
{
	static const char *const verbs[CAMPAIGN_EV_COUNT] = {
		[CAMPAIGN_EV_PAUSE] = "paused",
		[CAMPAIGN_EV_RESUME] = "resumed",
		[CAMPAIGN_EV_ABORT] = "aborted",
	};
	struct campaign *ca = c->campaign;
	char why[128];

	if (ca == NULL)
		return err_set(err, ERR_REFUSED, "there is no campaign");
	if (campaign_next(ca->state, ev) == CAMPAIGN_STAY) {
		return err_set(err, ERR_REFUSED, "campaign %" PRIu32 " is %s",
		    ca->id, campaign_state_name(ca->state));
	}
	(void)snprintf(why, sizeof(why), "%s by %.100s", verbs[ev], actor);
	enter(ca, ev, why, actor);
	for (size_t i = 0; i < c->n_tests && ev == CAMPAIGN_EV_ABORT; i++) {
		struct experiment *ex = c->tests[i]->experiment;

		if (experiment_is_running(ex) && ex->campaign == ca->id)
			experiment_abort(ex, why);
	}
	return 0;
}

void
campaign_free(struct campaign *ca)
{
	if (ca == NULL)
		return;
	campaign_log_fini(ca);
	free(ca->clients);
	free(ca);
}

/* As it is in the store; it goes on from there. */
static int
take_up(struct controller *c, json_t *row, struct err *err)
{
	json_int_t id = 0, depth = 0, seed = 0, created = 0, ended = 0,
		   list = 0;
	const char *state = "", *reason = "", *sites = "";
	struct campaign *ca;

	(void)json_unpack(row, "{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s}",
	    "id", &id, "state", &state, "reason", &reason, "depth", &depth,
	    "seed", &seed, "created_ms", &created, "ended_ms", &ended, "list",
	    &list, "sites", &sites);
	c->next_campaign = (uint32_t)id + 1;
	ca = xcalloc(1, sizeof(*ca));
	*ca = (struct campaign){ .c = c,
		.id = (uint32_t)id,
		.state = campaign_state_find(state),
		.depth = (unsigned)depth,
		.seed = (uint64_t)seed,
		.created_ms = created,
		.ended_ms = ended,
		.list = (uint32_t)list };
	(void)text_copy(ca->reason, sizeof(ca->reason), reason);
	c->campaign = ca;
	if (query_list_clients(c->env.query, ca->list, &ca->clients, &ca->n,
		err) == -1)
		return -1;
	if (strcmp(sites, c->site_names) != 0) {
		enter(ca, CAMPAIGN_EV_FAIL, "the fleet's sites have changed",
		    "controller");
		return 0;
	}
	if (ca->n == 0) {
		enter(ca, CAMPAIGN_EV_FAIL, "its client list is gone",
		    "controller");
		return 0;
	}
	test_prefixes_ask(c, ca->clients, ca->n);
	memcpy(ca->asks, c->asks, sizeof(ca->asks));
	return campaign_log_init(ca, err) == -1 ? -1
						: campaign_log_load(ca, err);
}

int
campaign_load(struct controller *c, struct err *err)
{
	json_t *rows = query_campaigns(c->env.query, 1, err);
	int rc = 0;

	c->next_campaign = 1;
	if (rows == NULL)
		return -1;
	if (json_array_size(rows) > 0)
		rc = take_up(c, json_array_get(rows, 0), err);
	json_decref(rows);
	return rc;
}
