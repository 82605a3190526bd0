/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The beginning of an experiment: may it be, and what it needs; and its end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "api/guard_acts.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "fleet/experiment_state.h"
#include "fleet/site_set.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"
#include "probes/sweep_list.h"

/* The site is not in W and its test prefix is heard: it can be an heir. */
static bool
is_heir(const struct controller *c, const struct experiment_plan *plan,
    size_t site)
{
	return !plan->withdrawn[site] &&
	    experiment_test_is(plan->test, &c->sites[site], "announced");
}

/* Which of tp's prefixes the service prefix overlaps; NULL: none. */
static const char *
find_overlap(const struct test_prefix *tp, const char *service)
{
	struct prefix one, two;
	const json_t *p;
	size_t i;

	json_array_foreach (tp->prefixes, i, p) {
		const char *test = json_string_value(p);

		if (prefix_parse(service, &one, NULL) == 0 &&
		    prefix_parse(test, &two, NULL) == 0 &&
		    prefix_overlaps(&one, &two))
			return test;
	}
	return NULL;
}

/* Users' traffic must not notice.  A site's own configuration is checked for
 * that, but it knows the site's services only. */
static int
check_users(const struct controller *c, const struct test_prefix *tp,
    struct err *err)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];
		const char *name, *test;
		json_t *unused;

		json_object_foreach (s->service_prefixes, name, unused) {
			/* Most have the same, thousands perhaps. */
			if (i > 0 &&
			    json_object_get(s[-1].service_prefixes, name) !=
				NULL)
				continue;
			test = find_overlap(tp, name);
			if (test == NULL)
				continue;
			return err_set(err, ERR_REFUSED,
			    "site %s: serves users with %.48s, which overlaps the test prefix %.48s: expected a prefix without users",
			    s->name, name, test);
		}
	}
	return 0;
}

static int
check_sites(const struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	size_t heirs = 0;

	if (plan->test->is_ambiguous) {
		return err_set(err, ERR_REFUSED,
		    "test prefix %.120s: sites pair its prefixes differently",
		    plan->test->name);
	}
	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (plan->withdrawn[i] &&
		    !experiment_test_is(plan->test, s, "announced")) {
			return err_set(err, ERR_REFUSED,
			    "site %s: it has no test prefix that is announced%s%.100s",
			    s->name, c->n_tests > 1 ? ": " : "",
			    c->n_tests > 1 ? plan->test->name : "");
		}
		heirs += is_heir(c, plan, i);
	}
	if (heirs == 0) {
		return err_set(err, ERR_REFUSED,
		    "no site would be left: an experiment needs heirs");
	}
	if (test_prefix_check_everywhere(c, plan->test, err) == -1 ||
	    check_users(c, plan->test, err) == -1)
		return -1;
	return test_hearing_check(c, plan->test, err);
}

int
experiment_check_clients(uint32_t n, struct err *err)
{
	if (n == 0) {
		return err_set(err, ERR_REFUSED,
		    "no clients: load a list with \"anycastctl clients import\"");
	}
	if (n > SWEEP_LIST_TARGETS_MAX) {
		return err_set(err, ERR_REFUSED,
		    "%" PRIu32 " clients: a sweep asks at most %u", n,
		    SWEEP_LIST_TARGETS_MAX);
	}
	return 0;
}

/* What must be true before an experiment may begin, on whatever test prefix. */
static int
check_fleet(const struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	uint32_t asked =
	    plan->subset != NULL ? plan->n_subset : plan->n_clients;

	for (size_t i = 0; i < c->n_sites; i++) {
		if (plan->withdrawn[i] &&
		    guard_check_frozen(&c->intents.set, c->sites[i].name,
			err) == -1)
			return -1;
	}
	if (experiment_check_clients(c->n_clients > 0 ? asked : 0, err) == -1)
		return -1;
	if (c->n_sites < 2) {
		return err_set(err, ERR_REFUSED,
		    "one site has no heirs: an experiment needs two");
	}
	if (c->n_sites > FAILOVER_SITES_MAX) {
		return err_set(err, ERR_REFUSED,
		    "%zu sites: an experiment has at most %u", c->n_sites,
		    FAILOVER_SITES_MAX);
	}
	for (size_t i = 0; i < c->n_sites; i++) {
		if (!fleet_site_is_live(&c->sites[i])) {
			return err_set(err, ERR_REFUSED,
			    "site %s: its agent is silent, its replies would be lost",
			    c->sites[i].name);
		}
	}
	return 0;
}

/* And on this one. */
static int
check_test(const struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	const struct experiment *running = plan->test->experiment;
	int64_t left_ms = test_prefix_rest_ms(c, plan->test);
	bool is_null = true;

	for (size_t i = 0; i < c->n_sites; i++)
		is_null = is_null && !plan->withdrawn[i];
	if (experiment_is_running(running)) {
		return err_set(err, ERR_REFUSED,
		    "experiment %" PRIu32 " at %s is running", running->id,
		    running->name);
	}
	if (plan->test->null_run != 0 ||
	    experiments_running(c) >= SWEEP_RUNS_MAX) {
		return err_set(err, ERR_REFUSED,
		    "a null run over the test prefixes is running");
	}
	if (!is_null && !test_prefix_is_usable(c, plan->test)) {
		return err_set(err, ERR_REFUSED,
		    "test prefix %.120s: %s, see \"anycastctl predict tests\"",
		    plan->test->name,
		    test_trust_name(test_prefix_trust(c, plan->test)));
	}
	if (!is_null && left_ms > 0) {
		return err_set(err, ERR_REFUSED,
		    "the test prefix was changed lately: again in %lld s (fleet.predict.pace), or networks would damp it",
		    (long long)(left_ms + 999) / 1000);
	}
	return check_sites(c, plan, err);
}

/* As they are now, {} if nobody says; new reference. */
static json_t *
sweep_counters(const struct fleet_site *s)
{
	json_t *counters =
	    json_object_get(json_object_get(s->status, "sweep"), "counters");

	return counters != NULL ? json_incref(counters) : json_object();
}

static void
init_sites(struct experiment *ex, const struct experiment_plan *plan)
{
	const struct controller *c = ex->c;

	ex->counted_before = json_array();
	ex->barrier = xcalloc(c->n_sites, sizeof(*ex->barrier));
	ex->withdrawn = xcalloc(c->n_sites, sizeof(*ex->withdrawn));
	ex->absent = xcalloc(c->n_sites, sizeof(*ex->absent));
	ex->watch = xcalloc(c->n_sites, sizeof(*ex->watch));
	ex->sender = NO_SITE;
	for (size_t i = 0; i < c->n_sites; i++) {
		struct experiment_where where = { ex->test, &c->sites[i] };

		ex->withdrawn[i] = plan->withdrawn[i];
		ex->n_withdrawn += plan->withdrawn[i];
		ex->absent[i] =
		    !experiment_test_is(ex->test, &c->sites[i], "announced");
		experiment_watch_init(&ex->watch[i], &where);
		json_array_append_new(ex->counted_before,
		    sweep_counters(&c->sites[i]));
		if (ex->sender == NO_SITE && is_heir(c, plan, i))
			ex->sender = i;
	}
	ex->name = site_set_name(c, plan->withdrawn);
	ex->book = reply_book_new(c->n_sites);
}

static void
init_clients(struct experiment *ex, const struct experiment_plan *plan)
{
	uint32_t room = ex->c->conf->predict.sentinels, n;

	experiment_clients_init(&ex->clients, plan);
	if (plan->subset != NULL)
		ex->clients.list = EXPERIMENT_OWN_LIST | ex->id;
	n = ex->clients.n;
	ex->clients.digest = sweep_list_digest(ex->clients.addr, n);
	if (plan->class != NULL) {
		ex->class = xcalloc(n, sizeof(*ex->class));
		ex->n_classes = plan->n_classes;
		for (uint32_t i = 0; i < n; i++) {
			ex->class[i] =
			    plan->class[experiment_clients_base(&ex->clients,
				i)];
		}
	}
	ex->before = xcalloc(n, sizeof(*ex->before));
	ex->after = xcalloc(n, sizeof(*ex->after));
	ex->again = xcalloc(n, sizeof(*ex->again));
	ex->before_rtt = xcalloc(n, sizeof(uint32_t));
	ex->after_rtt = xcalloc(n, sizeof(uint32_t));
	memset(ex->before_rtt, 0xff, n * sizeof(uint32_t));
	memset(ex->after_rtt, 0xff, n * sizeof(uint32_t));
	ex->silent =
	    xcalloc(n < EXPERIMENT_RETRY_MAX ? n : EXPERIMENT_RETRY_MAX,
		sizeof(uint32_t));
	ex->sentinels = xcalloc(room, sizeof(uint32_t));
	ex->baseline = xcalloc(room, sizeof(*ex->baseline));
	ex->previous = xcalloc(room, sizeof(*ex->previous));
	ex->current = xcalloc(room, sizeof(*ex->current));
}

/* The one that may be changed first, of those that are trusted. */
static struct test_prefix *
choose_of(const struct controller *c, bool must_be_ready)
{
	struct test_prefix *best = NULL;

	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_prefix *tp = c->tests[i];

		if (!test_prefix_is_usable(c, tp) ||
		    (must_be_ready && !test_prefix_is_ready(c, tp)))
			continue;
		if (best == NULL ||
		    (test_prefix_is_busy(best) && !test_prefix_is_busy(tp)) ||
		    (test_prefix_is_busy(best) == test_prefix_is_busy(tp) &&
			test_prefix_rest_ms(c, tp) <
			    test_prefix_rest_ms(c, best)))
			best = tp;
	}
	return best;
}

/* If none is idle, announced and heard everywhere, any: it will be said why not
 * that one. */
static struct test_prefix *
choose_test(const struct controller *c, struct err *err)
{
	struct test_prefix *best;

	if (test_prefix_first(c) == NULL) {
		(void)err_set(err, ERR_REFUSED,
		    "no site has a test prefix, or none has reported yet");
		return NULL;
	}
	best = choose_of(c, true);
	if (best == NULL)
		best = choose_of(c, false);
	if (best == NULL) {
		(void)err_set(err, ERR_REFUSED,
		    "test prefix %.120s: sites pair it with different prefixes",
		    test_prefix_first(c)->name);
	}
	return best;
}

struct experiment *
experiment_start(struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	struct experiment_plan with_list = *plan;
	struct experiment *ex;
	bool asked[2];

	if (plan->clients == NULL) {
		bool any = c->n_clients > 0;

		if (!experiments_any_runs(c))
			fleet_clients_drop_optouts(c);
		if (any && c->n_clients == 0) {
			(void)err_set(err, ERR_REFUSED,
			    "all clients have opted out");
			return NULL;
		}
		with_list.list = c->list;
		with_list.clients = c->clients;
		with_list.n_clients = c->n_clients;
	}
	if (check_fleet(c, &with_list, err) == -1)
		return NULL;
	memcpy(asked, c->asks, sizeof(asked));
	test_prefixes_ask(c, with_list.clients, with_list.n_clients);
	if (with_list.test == NULL)
		with_list.test = choose_test(c, err);
	if (with_list.test == NULL || check_test(c, &with_list, err) == -1) {
		/* Whoever is refused has asked nobody. */
		memcpy(c->asks, asked, sizeof(c->asks));
		return NULL;
	}
	ex = xcalloc(1, sizeof(*ex));
	*ex = (struct experiment){ .c = c,
		.test = with_list.test,
		.is_comparison = plan->is_comparison,
		.id = c->next_experiment++,
		.campaign = plan->campaign,
		.state = EXPERIMENT_BASELINE,
		.created_ms = wall_now_ms(),
		.state_since = mono_now() };
	(void)text_copy(ex->purpose, sizeof(ex->purpose),
	    plan->purpose != NULL ? plan->purpose : "");
	randombytes_buf(ex->key, sizeof(ex->key));
	init_sites(ex, &with_list);
	init_clients(ex, &with_list);
	experiment_free(ex->test->experiment);
	ex->test->experiment = ex;
	/* Jobs are unique over all experiments: agents tell them apart by it. */
	ex->job = ex->id << 12;
	experiment_begin(ex);
	return ex;
}

void
experiment_free(struct experiment *ex)
{
	if (ex == NULL)
		return;
	experiment_clients_fini(&ex->clients);
	free(ex->withdrawn);
	free(ex->absent);
	free(ex->name);
	free(ex->class);
	free(ex->before);
	free(ex->after);
	free(ex->again);
	free(ex->before_rtt);
	free(ex->after_rtt);
	json_decref(ex->counted);
	json_decref(ex->counted_before);
	free(ex->barrier);
	json_decref(ex->counted_sites);
	reply_book_free(ex->book);
	free(ex->silent);
	free(ex->sentinels);
	free(ex->baseline);
	free(ex->previous);
	free(ex->current);
	free(ex->watch);
	free(ex);
}
