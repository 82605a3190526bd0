/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The experiments that run side by side, one on each test prefix at most.  They
 * wait side by side, for routing to settle and for prefixes to rest; but only
 * one of them sends at a time, whatever its sender: so together they keep to
 * the rate that the configuration allows.  The gap between two probes to one
 * block is the sender's within a round; between the end of one round and the
 * beginning of the next, whosever it is, the controller leaves it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "fleet/experiment_state.h"
#include "fleet/test_prefix.h"

bool
experiments_any_runs(const struct controller *c)
{
	return experiments_running(c) > 0;
}

size_t
experiments_running(const struct controller *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_tests; i++)
		n += experiment_is_running(c->tests[i]->experiment);
	return n;
}

static struct experiment *
find_newest(const struct controller *c, bool has_to_run)
{
	struct experiment *newest = NULL;

	for (size_t i = 0; i < c->n_tests; i++) {
		struct experiment *ex = c->tests[i]->experiment;

		if (ex != NULL && (newest == NULL || ex->id > newest->id) &&
		    (!has_to_run || experiment_is_running(ex)))
			newest = ex;
	}
	return newest;
}

struct experiment *
experiment_newest(const struct controller *c)
{
	return find_newest(c, false);
}

struct experiment *
experiment_find(const struct controller *c, uint32_t id)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		struct experiment *ex = c->tests[i]->experiment;

		if (ex != NULL && ex->id == id)
			return ex;
	}
	return NULL;
}

/* ---- whose turn it is ---- */

/* The fullest /24 or /48 of the list that an old experiment asked; 0: nobody
 * knows any more. */
static uint32_t
largest_block_of(const struct controller *c, uint32_t list)
{
	struct experiment_plan plan = {
		.list = list, .clients = c->clients, .n_clients = c->n_clients
	};
	struct store_client *clients = NULL;
	struct experiment_clients ec;
	uint32_t largest;
	struct err err;

	if (list != c->list) {
		if (query_list_clients(c->env.query, list, &clients,
			&plan.n_clients, &err) == -1) {
			log_warnx("client list %" PRIu32 ": %s", list, err.msg);
			plan.n_clients = 0;
		}
		plan.clients = clients;
	}
	experiment_clients_init(&ec, &plan);
	largest = ec.largest_block;
	experiment_clients_fini(&ec);
	free(clients);
	return largest;
}

void
experiments_note_old(struct controller *c, const json_t *row)
{
	const struct conf_predict *conf = &c->conf->predict;
	const char *state = json_string_value(json_object_get(row, "state"));
	int64_t ended_ms = json_integer_value(json_object_get(row, "ended_ms"));
	int64_t ago_ms = ended_ms != 0 ? wall_now_ms() - ended_ms : 0, left_ms;
	uint32_t list =
	    (uint32_t)json_integer_value(json_object_get(row, "list"));
	uint32_t n =
	    (uint32_t)json_integer_value(json_object_get(row, "asked"));

	/* One that failed may have done so while it was sent, or at the last
	 * start but one. */
	if (ended_ms != 0 &&
	    strcmp(state, experiment_state_name(EXPERIMENT_FAILED)) != 0)
		return;
	/* Of the future: the clock was set back. */
	if (ago_ms < 0)
		ago_ms = 0;
	/* No block has more; spares to count them for what is long over. */
	if (experiment_round_max_ms(conf, n, n) <= ago_ms)
		return;
	left_ms = experiment_round_max_ms(conf, n, largest_block_of(c, list)) -
	    ago_ms;
	if (left_ms > c->turn.old_ms)
		c->turn.old_ms = left_ms;
}

/*
 * Orders of a controller that was killed may still be carried out: until each
 * site has applied some of this one's, or can have nothing left to send.
 */
static bool
is_taken_over(struct controller *c, const struct experiment *next)
{
	struct mono now = mono_now();
	int64_t max_ms = experiment_sending_list_max_ms(next);
	bool is_over;

	if (c->turn.is_taken_over)
		return true;
	/* The store may not have known of all. */
	if (c->turn.old_ms > max_ms)
		max_ms = c->turn.old_ms;
	is_over = !mono_before(now, mono_add_ms(c->turn.began, max_ms));
	for (size_t i = 0; i < c->n_sites && !is_over; i++) {
		const struct fleet_site *s = &c->sites[i];

		/* A higher one is of a store that was lost. */
		if (s->applied_revision < s->first_revision ||
		    s->applied_revision > s->revision)
			return false;
	}
	c->turn.is_taken_over = true;
	c->turn.ended = now;
	return true;
}

/* Has the last sender, whose experiment failed, stopped for sure? */
static bool
is_quiet(struct controller *c)
{
	const struct fleet_site *s;

	if (c->turn.quiet_revision == 0)
		return true;
	s = &c->sites[c->turn.quiet_site];
	if (s->applied_revision < c->turn.quiet_revision &&
	    mono_before(mono_now(), c->turn.quiet_until))
		return false;
	c->turn.quiet_revision = 0;
	c->turn.ended = mono_now();
	return true;
}

/* Its last probe may have been to any block. */
static bool
is_gap_over(const struct controller *c)
{
	return mono_diff_ms(mono_now(), c->turn.ended) >=
	    c->conf->predict.block_gap_ms;
}

void
experiments_end_turn(struct controller *c)
{
	c->turn.ended = mono_now();
	experiments_grant(c);
}

void
experiment_give_up_turn(struct experiment *ex)
{
	struct controller *c = ex->c;

	c->turn.quiet_site = ex->sender;
	c->turn.quiet_revision = c->sites[ex->sender].revision;
	c->turn.quiet_until =
	    mono_add_ms(mono_now(), experiment_sending_max_ms(ex));
}

void
experiments_grant(struct controller *c)
{
	struct experiment *next = NULL;

	if (!is_quiet(c))
		return;
	for (size_t i = 0; i < c->n_tests; i++) {
		struct experiment *ex = c->tests[i]->experiment;

		if (ex == NULL || !experiment_is_running(ex))
			continue;
		if (ex->step == ROUND_SENDING)
			return;
		if (ex->step == ROUND_QUEUED &&
		    (next == NULL || ex->queued < next->queued))
			next = ex;
	}
	if (next != NULL && is_taken_over(c, next) && is_gap_over(c))
		experiment_send(next);
}

/* ---- what happens to all ---- */

void
experiments_on_tick(struct controller *c)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		if (c->tests[i]->experiment != NULL)
			experiment_on_tick(c->tests[i]->experiment);
	}
	experiments_grant(c);
}

void
experiments_on_status(struct controller *c, size_t site)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		if (c->tests[i]->experiment != NULL)
			experiment_on_status(c->tests[i]->experiment, site);
	}
	experiments_grant(c);
}

void
experiments_on_reboot(struct controller *c, size_t site)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		if (c->tests[i]->experiment != NULL)
			experiment_on_reboot(c->tests[i]->experiment, site);
	}
}

/* Whoever it is not for counts it as late; NULL: none runs. */
static struct experiment *
whose(const struct controller *c, const struct sweep_reply *r)
{
	struct experiment *ex = experiment_find(c, r->experiment);

	return experiment_is_running(ex) ? ex : find_newest(c, true);
}

void
experiments_on_replies(struct controller *c, size_t site,
    const struct sweep_reply *replies, size_t n)
{
	size_t i = 0;

	while (i < n) {
		struct experiment *ex = whose(c, &replies[i]);
		size_t first = i++;

		while (i < n &&
		    replies[i].experiment == replies[first].experiment)
			i++;
		if (ex != NULL) {
			experiment_on_replies(ex, site, &replies[first],
			    i - first);
		}
	}
}

uint8_t *
experiments_list_bytes(const struct controller *c, uint32_t list, size_t *len)
{
	const struct experiment *ex = NULL;
	size_t each = sizeof(ex->clients.addr[0].b);
	uint8_t *bytes;

	for (size_t i = 0; i < c->n_tests && ex == NULL; i++) {
		ex = c->tests[i]->experiment;
		if (!experiment_is_running(ex) || ex->clients.list != list)
			ex = NULL;
	}
	if (ex == NULL)
		return NULL;
	*len = ex->clients.n * each;
	bytes = xcalloc(ex->clients.n, each);
	for (uint32_t i = 0; i < ex->clients.n; i++)
		memcpy(bytes + i * each, ex->clients.addr[i].b, each);
	return bytes;
}

json_t *
experiments_json(const struct controller *c)
{
	json_t *list = json_array();
	uint32_t last = 0;

	/* By number: they are few. */
	for (;;) {
		const struct experiment *next = NULL;

		for (size_t i = 0; i < c->n_tests; i++) {
			const struct experiment *ex = c->tests[i]->experiment;

			if (experiment_is_running(ex) && ex->id > last &&
			    (next == NULL || ex->id < next->id))
				next = ex;
		}
		if (next == NULL)
			return list;
		json_array_append_new(list, experiment_to_json(next));
		last = next->id;
	}
}
