/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/campaign_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/xalloc.h"
#include "fleet/experiment_state.h"
#include "fleet/map_book.h"
#include "fleet/null_run.h"
#include "fleet/site_set.h"
#include "fleet/test_names.h"
#include "fleet/test_prefix.h"

/* What a part of the working out may take: some milliseconds. */
#define PART_CLIENTS 2048u
#define PART_PAUSE_MS 1

/* Which experiments are set aside now, and which no longer are: to the store,
 * which may know it, since all is worked out again after a start. */
static void
mark_asides(struct campaign *ca)
{
	for (size_t i = 0; i < pack_count(ca->pack); i++) {
		bool is_aside = pack_is_aside(ca->pack, i);

		if (is_aside == ca->is_aside[i])
			continue;
		ca->is_aside[i] = is_aside;
		store_put_aside(ca->c->env.store, ca->experiments[i], is_aside);
		map_book_doubt(ca->c, ca->experiments[i], is_aside);
	}
}

/* The newest experiments are worked into a copy of what is known, in parts; the
 * loop turns between them, and what is asked meanwhile is answered by the old. */
static void
on_part(struct loop *lp, void *arg)
{
	struct campaign *ca = arg;

	(void)lp;
	if (ca->next == NULL || ca->to_load != NULL)
		return;
	if (pack_work(ca->next, PART_CLIENTS)) {
		loop_timer_set(ca->part, PART_PAUSE_MS);
		return;
	}
	pack_free(ca->pack);
	ca->pack = ca->next;
	ca->next = NULL;
	ca->known_ms = ca->measured_ms;
	mark_asides(ca);
}

bool
campaign_log_is_working(const struct campaign *ca)
{
	return ca->next != NULL || ca->to_load != NULL;
}

int
campaign_log_init(struct campaign *ca, struct err *err)
{
	double *weight = xcalloc(ca->n, sizeof(*weight));
	struct pack_conf conf = { .n_sites = ca->c->n_sites,
		.n_clients = ca->n,
		.weight = weight,
		.depth = ca->depth,
		.batch = CAMPAIGN_BATCH,
		.seed = ca->seed };

	for (uint32_t i = 0; i < ca->n; i++)
		weight[i] = ca->clients[i].weight;
	ca->pack = pack_new(&conf, err);
	free(weight);
	ca->part = loop_timer_new(ca->c->env.lp, on_part, ca);
	ca->home = xcalloc(ca->n, sizeof(*ca->home));
	return ca->pack != NULL ? 0 : -1;
}

void
campaign_log_fini(struct campaign *ca)
{
	loop_timer_free(ca->part);
	pack_free(ca->pack);
	pack_free(ca->next);
	free(ca->home);
	free(ca->tests);
	json_decref(ca->to_load);
}

static uint16_t
to_pack(uint16_t outcome, size_t n_sites)
{
	if (outcome_is_site(outcome, n_sites))
		return (uint16_t)(outcome - 1u);
	return outcome == OUTCOME_FLIPPING ? PACK_FLIPPING : PACK_NONE;
}

static enum pack_purpose
purpose_find(const char *name)
{
	for (int i = 0; i < PACK_PURPOSE_COUNT; i++) {
		if (strcmp(name, pack_purpose_name((enum pack_purpose)i)) == 0)
			return (enum pack_purpose)i;
	}
	return PACK_OTHER;
}

/* One sweep over all clients; outcome is turned into pack's numbers.  Where it
 * is in the log; -1: nowhere. */
static int
add(struct campaign *ca, uint32_t experiment, const bool *withdrawn,
    const char *purpose, uint16_t *outcome)
{
	struct pack_set set = { { 0 } };
	struct err err;
	int at;

	for (size_t i = 0; i < ca->c->n_sites; i++) {
		if (withdrawn[i])
			pack_set_add(&set, i);
	}
	for (uint32_t i = 0; i < ca->n; i++)
		outcome[i] = to_pack(outcome[i], ca->c->n_sites);
	if (ca->next == NULL)
		ca->next = pack_copy(ca->pack);
	at = pack_add(ca->next, &set, purpose_find(purpose), outcome, &err);
	if (at == -1) {
		log_warnx("campaign %u: %s", ca->id, err.msg);
	} else {
		ca->experiments[at] = experiment;
	}
	loop_timer_set(ca->part, PART_PAUSE_MS);
	return at;
}

/* The null run says where clients are at home: the first answer counts. */
static void
settle_down(struct campaign *ca, const uint16_t *outcome)
{
	for (uint32_t i = 0; i < ca->n; i++) {
		if (!outcome_is_site(ca->home[i], ca->c->n_sites))
			ca->home[i] = outcome[i];
	}
}

/* ---- an experiment that is done now ---- */

static uint16_t *
spread(const struct campaign *ca, const struct experiment *ex,
    const uint16_t *outcomes)
{
	uint16_t *all = xcalloc(ca->n, sizeof(*all));

	for (uint32_t i = 0; i < ca->n; i++)
		all[i] = OUTCOME_NOT_ASKED;
	for (uint32_t i = 0; i < ex->clients.n; i++)
		all[experiment_clients_base(&ex->clients, i)] = outcomes[i];
	return all;
}

static void
add_sweep(struct campaign *ca, const struct experiment *ex,
    const uint16_t *outcomes)
{
	uint16_t *all = spread(ca, ex, outcomes);

	if (ex->n_withdrawn == 0)
		settle_down(ca, all);
	(void)add(ca, ex->id, ex->withdrawn, ex->purpose, all);
	free(all);
}

void
campaign_log_take(struct campaign *ca, const struct experiment *ex)
{
	if (ex->n_withdrawn == 0) {
		add_sweep(ca, ex, ex->before);
		add_sweep(ca, ex, ex->again);
	} else {
		add_sweep(ca, ex, ex->after);
	}
	ca->made++;
	ca->measured_ms = ex->ended_ms;
	test_names_add(&ca->tests, ex->test->name);
}

/* ---- what the store has ---- */

int
campaign_log_load(struct campaign *ca, struct err *err)
{
	size_t i;

	ca->to_load = query_campaign_experiments(ca->c->env.query, ca->id, err);
	if (ca->to_load == NULL)
		return -1;
	/* Those of the other test prefixes teach nothing; the first's would,
	 * but it has its baselines. */
	for (i = json_array_size(ca->to_load); i-- > 0;) {
		const json_t *row = json_array_get(ca->to_load, i);

		if (strcmp(json_string_value(json_object_get(row, "purpose")),
			NULL_RUN_PURPOSE) == 0)
			(void)json_array_remove(ca->to_load, i);
	}
	return 0;
}

static int
load_sweep(struct campaign *ca, uint32_t experiment, uint8_t phase,
    /* NOLINTNEXTLINE(readability-non-const-parameter): the query fills it */
    uint16_t *out, struct err *err)
{
	struct query_outcomes want = { .experiment = experiment,
		.phase = phase,
		.n = ca->n,
		.sites = out };

	return query_outcomes(ca->c->env.query, &want, err);
}

static int
load_one(struct campaign *ca, const json_t *row, struct err *err)
{
	static const uint8_t null_phases[] = { EXPERIMENT_BASELINE,
		EXPERIMENT_REBASELINE };
	static const uint8_t phases[] = { EXPERIMENT_SWEEP };
	const char *site = json_string_value(json_object_get(row, "site"));
	const char *purpose =
	    json_string_value(json_object_get(row, "purpose"));
	uint32_t id = (uint32_t)json_integer_value(json_object_get(row, "id"));
	bool *withdrawn = xcalloc(ca->c->n_sites, sizeof(*withdrawn));
	uint16_t *outcome = xcalloc(ca->n, sizeof(*outcome));
	bool is_null = site[0] == '\0';
	bool is_aside =
	    json_integer_value(json_object_get(row, "set_aside")) != 0;
	int rc = site_set_parse(ca->c, site, withdrawn, err), at = -1;

	for (int i = 0; i < (is_null ? 2 : 1) && rc == 0; i++) {
		rc = load_sweep(ca, id, is_null ? null_phases[i] : phases[i],
		    outcome, err);
		if (rc == 0 && is_null)
			settle_down(ca, outcome);
		if (rc == 0)
			at = add(ca, id, withdrawn, purpose, outcome);
		if (at != -1)
			ca->is_aside[at] = is_aside;
	}
	free(withdrawn);
	free(outcome);
	return rc;
}

bool
campaign_log_step(struct campaign *ca)
{
	const json_t *row;
	struct err err;

	if (ca->to_load == NULL)
		return false;
	row = json_array_get(ca->to_load, ca->loaded);
	if (row == NULL) {
		json_decref(ca->to_load);
		ca->to_load = NULL;
		loop_timer_set(ca->part, PART_PAUSE_MS);
		return false;
	}
	if (load_one(ca, row, &err) == -1)
		log_warnx("campaign %u: %s", ca->id, err.msg);
	ca->loaded++;
	ca->made++;
	ca->measured_ms = json_integer_value(json_object_get(row, "ended_ms"));
	test_names_add(&ca->tests,
	    json_string_value(json_object_get(row, "test")));
	return true;
}

bool
campaign_view(const struct controller *c, struct campaign_view *out)
{
	const struct campaign *ca = c->campaign;

	if (ca == NULL || ca->pack == NULL || pack_count(ca->pack) == 0)
		return false;
	*out = (struct campaign_view){ .pack = ca->pack,
		.id = ca->id,
		.list = ca->list,
		.clients = ca->clients,
		.n = ca->n,
		.home = ca->home,
		.measured_ms = ca->known_ms,
		.tests = ca->tests };
	return true;
}

bool
campaign_is_reading(const struct controller *c)
{
	const struct campaign *ca = c->campaign;

	return ca != NULL && ca->pack != NULL && pack_count(ca->pack) == 0 &&
	    campaign_log_is_working(ca);
}

int
campaign_view_err(const struct controller *c, struct err *err)
{
	if (campaign_is_reading(c)) {
		return err_set(err, ERR_REFUSED,
		    "what campaign %" PRIu32
		    " measured is being read and worked out: ask again in some seconds",
		    c->campaign->id);
	}
	return err_set(err, ERR_GONE,
	    "no experiment withdrew just these sites, and no campaign tells: see anycastctl help predict");
}
