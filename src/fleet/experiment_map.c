/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/experiment_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static bool
is_same_block(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, addr_is_ipv4(a) ? 15 : 6) == 0;
}

void
experiment_clients_init(struct experiment_clients *ec,
    const struct controller *c)
{
	*ec = (struct experiment_clients){ .list = c->list, .n = c->n_clients };
	ec->addr = xcalloc(ec->n, sizeof(*ec->addr));
	ec->weight = xcalloc(ec->n, sizeof(*ec->weight));
	ec->is_ipv4 = xcalloc(ec->n, sizeof(*ec->is_ipv4));
	for (uint32_t i = 0; i < ec->n; i++) {
		memcpy(ec->addr[i].b, c->clients[i].addr,
		    sizeof(ec->addr[i].b));
		ec->weight[i] = c->clients[i].weight;
		ec->is_ipv4[i] = addr_is_ipv4(&ec->addr[i]);
	}
	/* The list is in the order of addresses. */
	for (uint32_t i = 0, run = 0; i < ec->n; i++) {
		run = i > 0 && is_same_block(&ec->addr[i - 1], &ec->addr[i])
		    ? run + 1
		    : 1;
		if (run > ec->largest_block)
			ec->largest_block = run;
	}
}

void
experiment_clients_fini(struct experiment_clients *ec)
{
	free(ec->addr);
	free(ec->weight);
	free(ec->is_ipv4);
}

static uint32_t
count_class(const uint8_t *before, uint32_t n, uint8_t site, bool at_site)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		count += before[i] != OUTCOME_NONE &&
		    before[i] != OUTCOME_FLIPPING &&
		    (before[i] == site) == at_site;
	}
	return count;
}

uint32_t
experiment_pick_sentinels(const struct experiment_clients *ec,
    const uint8_t *before, uint8_t site, uint32_t max, uint32_t *out)
{
	/* [0] other sites' clients, [1] the site's own. */
	uint64_t have[2], want[2], seen[2] = { 0, 0 }, taken[2] = { 0, 0 };
	uint32_t n = 0;

	for (int own = 0; own < 2; own++) {
		have[own] = count_class(before, ec->n, site, own == 1);
		want[own] = have[own] < max / 2 ? have[own] : max / 2;
	}
	for (uint32_t i = 0; i < ec->n; i++) {
		int own = before[i] == site;

		if (before[i] == OUTCOME_NONE || before[i] == OUTCOME_FLIPPING)
			continue;
		seen[own]++;
		/* Evenly spread: the k-th is taken when its share is due. */
		if (taken[own] * have[own] < seen[own] * want[own] &&
		    taken[own] < want[own]) {
			taken[own]++;
			out[n++] = i;
		}
	}
	return n;
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
watch_read(struct experiment_watch *w, const struct fleet_site *s)
{
	*w = (struct experiment_watch){ 0 };
	(void)json_unpack(s->status, "{s:I, s:{s:I, s:{s:I}}, s:{s:I}}",
	    "test_given_up", &w->given_up, "sweep", "starts", &w->starts,
	    "counters", "kernel_drops", &w->kernel_drops, "uplink",
	    "lost_batches", &w->lost_batches);
}

void
experiment_watch_init(struct experiment_watch *w, const struct fleet_site *s)
{
	watch_read(w, s);
	w->kernel_drops = 0; /* counted anew for each experiment */
}

bool
experiment_watch_ok(const struct experiment_watch *w,
    const struct fleet_site *s, char *why, size_t size)
{
	struct experiment_watch now;

	if (!fleet_site_is_live(s)) {
		(void)snprintf(why, size, "the agent of %s is silent", s->name);
		return false;
	}
	watch_read(&now, s);
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
experiment_test_is(const struct fleet_site *s, const char *real)
{
	const json_t *p;
	size_t i, n = 0;

	json_array_foreach (json_object_get(s->status, "prefixes"), i, p) {
		const char *is = json_string_value(json_object_get(p, "real"));

		if (!json_is_null(json_object_get(p, "service")))
			continue;
		if (is == NULL || strcmp(is, real) != 0)
			return false;
		n++;
	}
	return n > 0;
}

int
experiment_site_is_ready(const struct fleet_site *s, struct err *err)
{
	if (!fleet_site_is_live(s)) {
		return err_set(err, ERR_REFUSED,
		    "site %s: its agent is silent, its replies would be lost",
		    s->name);
	}
	if (!experiment_test_is(s, "announced")) {
		return err_set(err, ERR_REFUSED,
		    "site %s: it has no test prefix that is announced",
		    s->name);
	}
	return 0;
}

/* ---- the map ---- */

void
experiment_store_map(struct controller *c, const struct store_experiment *row,
    const struct failover_input *in)
{
	struct failover_map *map = xcalloc(1, sizeof(*map));
	struct store_heir *rows = xcalloc(2 * (c->n_sites + 1), sizeof(*rows));
	struct store_experiment end = *row;
	size_t n = 0;

	failover_count(in, map);
	end.answered = map->answered;
	end.bystanders = map->bystanders;
	for (size_t family = 0; family < 2; family++) {
		for (size_t heir = 0; heir <= c->n_sites; heir++) {
			const struct failover_share *share =
			    &map->heirs[family][heir];

			/* Unknown has its row even when it is nobody. */
			if (share->clients == 0 && heir != c->n_sites)
				continue;
			rows[n++] = (struct store_heir){ .experiment = row->id,
				.site = row->site,
				.family = family == 0 ? 4 : 6,
				.heir = heir == c->n_sites
				    ? ""
				    : c->sites[heir].name,
				.clients = share->clients,
				.weight = share->weight };
		}
	}
	store_put_heirs(c->env.store, &end, rows, n, NULL, NULL);
	free(rows);
	free(map);
}
