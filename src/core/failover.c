/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/failover.h"

#include <string.h>

static bool
is_site_outcome(uint8_t outcome, size_t n_sites)
{
	return outcome != OUTCOME_NONE && outcome <= n_sites;
}

static void
share_add(struct failover_share *share, double weight)
{
	share->clients++;
	share->weight += weight;
}

void
failover_count(const struct failover_input *in, struct failover_map *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < in->n; i++) {
		size_t family = in->is_ipv4[i] ? 0 : 1;
		size_t heir = in->n_sites;

		if (!is_site_outcome(in->before[i], in->n_sites))
			continue;
		out->answered++;
		if (is_site_outcome(in->after[i], in->n_sites))
			heir = in->after[i] - 1u;
		if (in->before[i] - 1u == in->site) {
			share_add(&out->heirs[family][heir], in->weight[i]);
			share_add(&out->all, in->weight[i]);
		} else if (heir != in->n_sites && heir != in->before[i] - 1u) {
			out->bystanders++;
		}
	}
}

/* Clients that answered in both rounds, and how many of them moved. */
static void
rounds_compare(const uint8_t *a, const uint8_t *b, size_t n, size_t *both,
    size_t *moved)
{
	*both = 0;
	*moved = 0;
	for (size_t i = 0; i < n; i++) {
		if (a[i] == OUTCOME_NONE || b[i] == OUTCOME_NONE)
			continue;
		(*both)++;
		*moved += a[i] != b[i];
	}
}

unsigned
settle_moved_permille(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t both, moved;

	rounds_compare(a, b, n, &both, &moved);
	return both == 0 ? 1000 : (unsigned)(moved * 1000 / both);
}

bool
settle_step(struct settle *s, const uint8_t *previous, const uint8_t *current,
    size_t n, uint8_t forbidden)
{
	bool is_calm = previous != NULL &&
	    settle_moved_permille(previous, current, n) <=
		SETTLE_MOVED_MAX_PERMILLE;

	/* Of the previous round too: it is one of those that must be alike. */
	for (size_t i = 0; i < n && is_calm && forbidden != OUTCOME_NONE; i++)
		is_calm = current[i] != forbidden && previous[i] != forbidden;
	s->calm = is_calm ? s->calm + 1 : 0;
	/* The first round is compared with nothing, hence one less. */
	return s->calm >= SETTLE_ROUNDS - 1;
}
