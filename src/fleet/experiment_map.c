/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/experiment_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "fleet/experiment.h"
#include "fleet/test_prefix.h"

static bool
is_same_block(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, addr_is_ipv4(a) ? 15 : 6) == 0;
}

uint32_t
experiment_block_after(uint32_t block, const struct addr *before,
    const struct addr *a)
{
	return before != NULL && is_same_block(before, a) ? block : block + 1;
}

void
experiment_clients_init(struct experiment_clients *ec,
    const struct experiment_plan *plan)
{
	*ec = (struct experiment_clients){ .list = plan->list,
		.base = plan->list,
		.n_base = plan->n_clients,
		.n = plan->subset != NULL ? plan->n_subset : plan->n_clients };
	if (plan->subset != NULL) {
		ec->index = xcalloc(ec->n, sizeof(*ec->index));
		if (ec->n > 0) {
			memcpy(ec->index, plan->subset,
			    ec->n * sizeof(*ec->index));
		}
	}
	ec->addr = xcalloc(ec->n, sizeof(*ec->addr));
	ec->weight = xcalloc(ec->n, sizeof(*ec->weight));
	ec->is_ipv4 = xcalloc(ec->n, sizeof(*ec->is_ipv4));
	ec->block = xcalloc(ec->n, sizeof(*ec->block));
	for (uint32_t i = 0; i < ec->n; i++) {
		const struct store_client *client =
		    &plan->clients[experiment_clients_base(ec, i)];

		memcpy(ec->addr[i].b, client->addr, sizeof(ec->addr[i].b));
		ec->weight[i] = client->weight;
		ec->is_ipv4[i] = addr_is_ipv4(&ec->addr[i]);
	}
	/* The list is in the order of addresses. */
	for (uint32_t i = 0, run = 0; i < ec->n; i++) {
		ec->block[i] =
		    experiment_block_after(i > 0 ? ec->block[i - 1] : 0,
			i > 0 ? &ec->addr[i - 1] : NULL, &ec->addr[i]);
		run = i > 0 && ec->block[i] == ec->block[i - 1] ? run + 1 : 1;
		if (run > ec->largest_block)
			ec->largest_block = run;
	}
}

void
experiment_clients_fini(struct experiment_clients *ec)
{
	free(ec->index);
	free(ec->addr);
	free(ec->weight);
	free(ec->is_ipv4);
	free(ec->block);
}

uint32_t
experiment_clients_base(const struct experiment_clients *ec, uint32_t i)
{
	return ec->index != NULL ? ec->index[i] : i;
}

void
experiment_store_sweep(struct store *store, const struct experiment_clients *ec,
    const struct experiment_sweep *sweep)
{
	static uint16_t sites[STORE_OUTCOMES_PER_CHUNK];
	static uint32_t rtt_us[STORE_OUTCOMES_PER_CHUNK];
	uint32_t i = 0;

	while (i < ec->n) {
		uint32_t first = experiment_clients_base(ec, i) /
		    STORE_OUTCOMES_PER_CHUNK * STORE_OUTCOMES_PER_CHUNK;
		uint32_t left = ec->n_base - first, at;
		struct store_outcomes part = { .experiment = sweep->experiment,
			.phase = sweep->phase,
			.first = first,
			.n = left < STORE_OUTCOMES_PER_CHUNK
			    ? left
			    : STORE_OUTCOMES_PER_CHUNK,
			.sites = sites,
			.rtt_us = sweep->rtt_us != NULL ? rtt_us : NULL };

		for (uint32_t k = 0; k < part.n; k++)
			sites[k] = OUTCOME_NOT_ASKED;
		for (; i < ec->n; i++) {
			at = experiment_clients_base(ec, i) - first;
			if (at >= part.n)
				break;
			sites[at] = sweep->outcomes[i];
			if (sweep->rtt_us != NULL)
				rtt_us[at] = sweep->rtt_us[i];
		}
		store_put_outcomes(store, &part);
	}
}

static int
index_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t
experiment_sentinel_slot(const uint32_t *sentinels, uint32_t n, uint32_t client)
{
	const uint32_t *found =
	    bsearch(&client, sentinels, n, sizeof(*sentinels), index_compare);

	return found == NULL ? n : (uint32_t)(found - sentinels);
}

/* ---- the watch over the sites ---- */

static void
watch_read(struct experiment_watch *w, const struct experiment_where *where)
{
	const json_t *test = test_prefix_at(where->test, where->site);

	*w = (struct experiment_watch){ 0 };
	w->given_up = json_integer_value(json_object_get(test, "given_up"));
	(void)json_unpack(where->site->status, "{s:{s:I}, s:{s:I}}", "sweep",
	    "starts", &w->starts, "uplink", "lost_batches", &w->lost_batches);
}

void
experiment_watch_init(struct experiment_watch *w,
    const struct experiment_where *where)
{
	watch_read(w, where);
}

bool
experiment_watch_ok(const struct experiment_watch *w,
    const struct experiment_where *where, char *why, size_t size)
{
	const struct fleet_site *s = where->site;
	struct experiment_watch now;

	if (!fleet_site_is_live(s)) {
		(void)snprintf(why, size, "the agent of %s is silent", s->name);
		return false;
	}
	watch_read(&now, where);
	if (now.starts != w->starts) {
		(void)snprintf(why, size, "the prober of %s was restarted",
		    s->name);
		return false;
	}
	if (now.lost_batches != w->lost_batches) {
		(void)snprintf(why, size, "replies captured at %s were lost",
		    s->name);
		return false;
	}
	if (now.given_up != w->given_up) {
		(void)snprintf(why, size,
		    "%s restored its test prefix, the controller was silent",
		    s->name);
		return false;
	}
	return true;
}

bool
experiment_prefix_is(const json_t *prefix, const char *real)
{
	const char *is = json_string_value(json_object_get(prefix, "real"));
	const json_t *peers = json_object_get(prefix, "exported_to");
	bool is_gone = strcmp(real, "withdrawn") == 0;

	return is != NULL && strcmp(is, real) == 0 &&
	    (!json_is_integer(peers) ||
		(json_integer_value(peers) == 0) == is_gone);
}

bool
experiment_test_is(const struct test_prefix *test, const struct fleet_site *s,
    const char *real)
{
	const json_t *p;
	size_t i, n = 0;

	json_array_foreach (s->test_prefixes, i, p) {
		const char *prefix =
		    json_string_value(json_object_get(p, "prefix"));

		if (prefix == NULL || !test_prefix_has(test, prefix))
			continue;
		if (!experiment_prefix_is(p, real))
			return false;
		n++;
	}
	return n > 0;
}

/* ---- the map ---- */

/* The rows of one origin, behind the n that are there; how many then. */
static size_t
origin_rows(const struct controller *c, const struct store_experiment *ex,
    const struct failover_origin *o, struct store_heir *rows, size_t n)
{
	for (size_t family = 0; family < 2; family++) {
		for (size_t heir = 0; heir <= c->n_sites; heir++) {
			const struct failover_share *share =
			    &o->heirs[family][heir];

			/* Unknown has its row even when it is nobody. */
			if (share->clients == 0 && heir != c->n_sites)
				continue;
			rows[n++] = (struct store_heir){ .experiment = ex->id,
				.site = c->sites[o->site].name,
				.family = family == 0 ? 4 : 6,
				.heir = heir == c->n_sites
				    ? ""
				    : c->sites[heir].name,
				.clients = share->clients,
				.unstable = share->unstable,
				.weight = share->weight,
				.square = share->square };
		}
	}
	return n;
}

void
experiment_store_map(struct controller *c, struct store_experiment *row,
    const struct failover_input *in)
{
	struct failover_map map;
	struct store_heir *rows;
	size_t n = 0;

	failover_count(in, &map);
	rows = xcalloc(map.n_origins * 2 * (c->n_sites + 1), sizeof(*rows));
	row->answered = map.answered;
	row->others = map.others;
	row->bystanders = map.bystanders;
	row->null_both = map.null_both;
	row->null_moved = map.null_moved;
	row->null_tv = map.null_tv;
	row->null_moved_weight = map.null_moved_weight;
	for (size_t i = 0; i < map.n_origins; i++)
		n = origin_rows(c, row, &map.origins[i], rows, n);
	store_put_heirs(c->env.store, row, rows, n, NULL, NULL);
	free(rows);
	failover_map_fini(&map);
}
