/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_FAILOVER_H
#define CORE_FAILOVER_H
/*
 * failover -- who inherits the clients of withdrawn sites, counted from the
 * outcomes of the sweeps of one experiment.
 *
 * An outcome is one number per client: the index of the site that caught the
 * reply + 1; 0 when none answered.  "No answer" is not missing at random, so
 * it is a column of its own and never shared out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTCOME_NONE 0u
#define OUTCOME_NOT_ASKED 65534u
#define OUTCOME_FLIPPING 65535u /* caught at two sites in one sweep */
#define FAILOVER_SITES_MAX 1024u

struct failover_input {
	size_t n; /* clients */
	const uint16_t *before;
	const uint16_t *after;
	const uint16_t *again; /* the second baseline; NULL: there is none */
	const double *weight;
	const bool *is_ipv4;
	/* The /24 or /48 of each, not falling, above 0; NULL: each is one. */
	const uint32_t *block;
	size_t n_sites;
	const bool *withdrawn; /* n_sites: those of W */
};

struct failover_share {
	uint32_t clients;
	uint32_t unstable; /* of them: their two baselines differ */
	double weight;
	/* Sum of the squares of the blocks' weights: clients of one go the same
	 * way, nearly always, so they say what one of them says. */
	double square;
	/* The last block, and what it weighs so far. */
	uint32_t block;
	double block_weight;
};

/* One client more; block 0: one by itself. */
void failover_share_add(struct failover_share *share, uint32_t block,
    double weight);
/* The clients of one withdrawn site, at baseline. */
struct failover_origin {
	size_t site;
	struct failover_share all;
	/* [family][heir]: family 0 IPv4, 1 IPv6; n_sites + 1 heirs each, the
	 * last one for unknown: no answer, flipping, or an answer to a
	 * withdrawn site, which cannot be an heir. */
	struct failover_share *heirs[2];
};

struct failover_map {
	struct failover_origin *origins; /* one per site of W, ascending */
	size_t n_origins;
	uint32_t answered;   /* clients that answered at baseline */
	uint32_t others;     /* clients of other sites, heard in both sweeps */
	uint32_t bystanders; /* of those: moved */
	/* The two baselines: clients heard in both, and those that differ. */
	uint32_t null_both, null_moved;
	double null_tv; /* total variation between the sites' shares, 0..1 */
	/* The weight of null_moved, of that of null_both: 0..1; below 0: not
	 * known. */
	double null_moved_weight;
};

/* *out is to be given to failover_map_fini. */
void failover_count(const struct failover_input *in, struct failover_map *out);
void failover_map_fini(struct failover_map *map);

/* Is the outcome a site of n_sites? */
bool outcome_is_site(uint16_t outcome, size_t n_sites);

/*
 * settle -- when has routing settled?  Fed with rounds of sentinel outcomes:
 * settled after SETTLE_ROUNDS rounds in a row that are alike.  Where to a client
 * moved is seen only if it answers in both rounds.  But networks that have lost
 * one route and not yet found another drop what is sent there, so of the
 * displaced, whose home is a forbidden site, as many must answer as the round
 * before: more or fewer than loss explains, which silences as many as it lets
 * be heard again, is movement.  Who is silent in both rounds may be so for good
 * and holds up nothing; only that none of the displaced answers proves nothing.
 */
#define SETTLE_ROUNDS 3u
#define SETTLE_MOVED_MAX_PERMILLE 5u

/* How many of the displaced answer, judged by the last two rounds. */
enum settle_silence {
	SETTLE_SILENCE_UNKNOWN, /* nobody is displaced, or it is the first */
	SETTLE_SILENCE_STEADY,
	SETTLE_SILENCE_CHANGING,
	SETTLE_SILENCE_NOBODY, /* in one of them none does */
	SETTLE_SILENCE_COUNT
};

struct settle {
	unsigned calm; /* rounds in a row without movement */
	/* The same, also if none of the displaced answers. */
	unsigned still;
	enum settle_silence silence;
	/* Of the last round: sentinels that are displaced, those of them that
	 * answer, wherever, and that began and ceased to. */
	uint32_t displaced, answered, rose, fell;
};

/* previous NULL: the first round.  forbidden: n_sites flags of those that must
 * not occur (the withdrawn ones).  Returns whether it is settled. */
struct settle_round {
	const uint16_t *previous, *current;
	const uint16_t *home; /* at the baseline; NULL: nobody is displaced */
	size_t n;
	const bool *forbidden;
	size_t n_sites;
};
bool settle_step(struct settle *s, const struct settle_round *round);
/* When there is no more time: is it settled, but for the displaced, of whom none
 * answers?  They may have lost all routes for good. */
bool settle_is_still(const struct settle *s);
const char *settle_silence_name(enum settle_silence silence);
/* Permille of the sentinels answering in both that differ; 1000 when none
 * answers in both, since silence proves nothing. */
unsigned settle_moved_permille(const uint16_t *a, const uint16_t *b, size_t n);

/*
 * Sentinels: at most max of the n clients, ascending indices into out, which
 * has room for max; returns how many.  Clients of one class behave alike
 * (site, and heirs as far as they are known): every class gets its share, one
 * at least while there is room.  Clients of withdrawn sites and others get half
 * of the room each; what one half does not need goes to the other.
 */
struct sentinel_input {
	size_t n;
	const uint16_t *before; /* who answered to no one site cannot be one */
	const uint32_t *class;  /* n, each < n_classes; NULL: the site is it */
	size_t n_classes;
	size_t n_sites;
	const bool *withdrawn;
};
uint32_t sentinels_pick(const struct sentinel_input *in, uint32_t max,
    uint32_t *out);

#endif /* CORE_FAILOVER_H */
