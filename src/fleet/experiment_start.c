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

/* The site is not in W and its test prefix is heard: it can be an heir. */
static bool
is_heir(const struct controller *c, const bool *withdrawn, size_t site)
{
	return !withdrawn[site] &&
	    experiment_test_is(&c->sites[site], "announced");
}

static int
check_sites(const struct controller *c, const bool *withdrawn, struct err *err)
{
	size_t heirs = 0;

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (!fleet_site_is_live(s)) {
			return err_set(err, ERR_REFUSED,
			    "site %s: its agent is silent, its replies would be lost",
			    s->name);
		}
		if (withdrawn[i] && !experiment_test_is(s, "announced")) {
			return err_set(err, ERR_REFUSED,
			    "site %s: it has no test prefix that is announced",
			    s->name);
		}
		heirs += is_heir(c, withdrawn, i);
	}
	if (heirs == 0) {
		return err_set(err, ERR_REFUSED,
		    "no site would be left: an experiment needs heirs");
	}
	return 0;
}

/* How long until the test prefix may be changed again. */
int64_t
experiment_pace_left_ms(const struct controller *c)
{
	int64_t left;

	if (!c->was_test_changed)
		return 0;
	left = c->conf->predict.pace_ms -
	    mono_diff_ms(mono_now(), c->test_changed);
	return left > 0 ? left : 0;
}

/* All that must be true before an experiment may begin. */
static int
check_fleet(const struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	bool is_null = true;
	int64_t left_ms = experiment_pace_left_ms(c);

	for (size_t i = 0; i < c->n_sites; i++) {
		is_null = is_null && !plan->withdrawn[i];
		if (plan->withdrawn[i] &&
		    guard_check_frozen(&c->intents.set, c->sites[i].name,
			err) == -1)
			return -1;
	}
	if (c->n_clients == 0 ||
	    (plan->subset != NULL && plan->n_subset == 0)) {
		return err_set(err, ERR_REFUSED,
		    "no clients: load a list with \"anycastctl clients import\"");
	}
	if (c->n_sites < 2) {
		return err_set(err, ERR_REFUSED,
		    "one site has no heirs: an experiment needs two");
	}
	if (c->n_sites > FAILOVER_SITES_MAX) {
		return err_set(err, ERR_REFUSED,
		    "%zu sites: an experiment has at most %u", c->n_sites,
		    FAILOVER_SITES_MAX);
	}
	if (experiment_is_running(c->experiment)) {
		return err_set(err, ERR_REFUSED,
		    "experiment %" PRIu32 " at %s is running",
		    c->experiment->id, c->experiment->name);
	}
	if (!is_null && left_ms > 0) {
		return err_set(err, ERR_REFUSED,
		    "the test prefix was changed lately: again in %lld s (fleet.predict.pace), or networks would damp it",
		    (long long)(left_ms + 999) / 1000);
	}
	return check_sites(c, plan->withdrawn, err);
}

static void
init_sites(struct experiment *ex, const bool *withdrawn)
{
	const struct controller *c = ex->c;

	ex->withdrawn = xcalloc(c->n_sites, sizeof(*ex->withdrawn));
	ex->absent = xcalloc(c->n_sites, sizeof(*ex->absent));
	ex->watch = xcalloc(c->n_sites, sizeof(*ex->watch));
	ex->sender = NO_SITE;
	for (size_t i = 0; i < c->n_sites; i++) {
		ex->withdrawn[i] = withdrawn[i];
		ex->n_withdrawn += withdrawn[i];
		ex->absent[i] = !experiment_test_is(&c->sites[i], "announced");
		experiment_watch_init(&ex->watch[i], &c->sites[i]);
		if (ex->sender == NO_SITE && is_heir(c, withdrawn, i))
			ex->sender = i;
	}
	ex->name = site_set_name(c, withdrawn);
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

struct experiment *
experiment_start(struct controller *c, const struct experiment_plan *plan,
    struct err *err)
{
	struct experiment_plan with_list = *plan;
	struct experiment *ex;

	if (plan->clients == NULL) {
		bool any = c->n_clients > 0;

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
	ex = xcalloc(1, sizeof(*ex));
	*ex = (struct experiment){ .c = c,
		.id = c->next_experiment++,
		.campaign = plan->campaign,
		.state = EXPERIMENT_BASELINE,
		.created_ms = wall_now_ms(),
		.state_since = mono_now() };
	(void)text_copy(ex->purpose, sizeof(ex->purpose),
	    plan->purpose != NULL ? plan->purpose : "");
	randombytes_buf(ex->key, sizeof(ex->key));
	init_sites(ex, plan->withdrawn);
	init_clients(ex, &with_list);
	experiment_free(c->experiment);
	c->experiment = ex;
	/* Jobs are unique over all experiments: agents tell them apart by it. */
	ex->job = ex->id << 12;
	experiment_begin(ex);
	return ex;
}

uint8_t *
experiment_list_bytes(const struct experiment *ex, uint32_t list, size_t *len)
{
	size_t each = sizeof(ex->clients.addr[0].b);
	uint8_t *bytes;

	if (!experiment_is_running(ex) || ex->clients.list != list)
		return NULL;
	*len = ex->clients.n * each;
	bytes = xcalloc(ex->clients.n, each);
	for (uint32_t i = 0; i < ex->clients.n; i++)
		memcpy(bytes + i * each, ex->clients.addr[i].b, each);
	return bytes;
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
