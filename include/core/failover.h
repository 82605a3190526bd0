/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_FAILOVER_H
#define CORE_FAILOVER_H
/*
 * failover -- who inherits the clients of a withdrawn site, counted from the
 * outcomes of two sweeps.
 *
 * An outcome is one byte per client: the index of the site that caught the
 * reply + 1; 0 when none answered.  "No answer" is not missing at random, so
 * it is a column of its own and never shared out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTCOME_NONE 0u
#define OUTCOME_FLIPPING 255u /* caught at two sites in one sweep */
#define FAILOVER_SITES_MAX 254u

struct failover_input {
	size_t n; /* clients */
	const uint8_t *before;
	const uint8_t *after;
	const double *weight;
	const bool *is_ipv4;
	size_t n_sites;
	size_t site; /* the withdrawn one */
};

struct failover_share {
	uint32_t clients;
	double weight;
};

struct failover_map {
	/* [family][heir]: family 0 IPv4, 1 IPv6; heir: site index, or n_sites
	 * for unknown (no answer, or flipping). */
	struct failover_share heirs[2][FAILOVER_SITES_MAX + 1];
	struct failover_share all; /* the site's clients at baseline */
	uint32_t answered;         /* clients that answered at baseline */
	uint32_t bystanders;       /* clients of other sites that moved */
};

void failover_count(const struct failover_input *in, struct failover_map *out);

/*
 * settle -- when has routing settled?  Fed with rounds of sentinel outcomes:
 * settled after SETTLE_ROUNDS rounds in a row that are alike.  Clients that do
 * not answer in either round say nothing.
 */
#define SETTLE_ROUNDS 3u
#define SETTLE_MOVED_MAX_PERMILLE 5u

struct settle {
	unsigned calm; /* rounds in a row without movement */
};

/* previous NULL: the first round.  forbidden: an outcome that must not occur
 * (the withdrawn site), 0: any may.  Returns whether it is settled. */
bool settle_step(struct settle *s, const uint8_t *previous,
    const uint8_t *current, size_t n, uint8_t forbidden);
/* Permille of the sentinels answering in both that differ; 1000 when none
 * answers in both, since silence proves nothing. */
unsigned settle_moved_permille(const uint8_t *a, const uint8_t *b, size_t n);

#endif /* CORE_FAILOVER_H */
