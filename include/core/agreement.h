/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_AGREEMENT_H
#define CORE_AGREEMENT_H
/*
 * agreement -- does the Internet treat two test prefixes alike?
 *
 * Each was swept twice with nothing withdrawn, all four sweeps near each other
 * in time.  Two sweeps of one prefix differ too, by clients that flap and by
 * replies that are lost: that is the noise.  If the prefixes are alike, a sweep
 * of one differs from a sweep of the other by no more than that, on average;
 * what is above it is the prefixes' doing: a filter, a route map, a policy that
 * knows one of them.
 *
 * Three ways to differ are counted apart, for each family: a client that was
 * caught at another site (moved), one that was heard by one prefix only (lost),
 * and one that was caught at two sites in a sweep of one prefix only (flips).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outcomes are those of core/failover.h. */
struct agreement_input {
	size_t n;               /* clients */
	const uint16_t *one[2]; /* the two sweeps of the first test prefix */
	const uint16_t *two[2]; /* of the other */
	const double *weight;
	const bool *is_ipv4;
	/* The /24 or /48 of each, as in core/failover.h; NULL: each is one. */
	const uint32_t *block;
	size_t n_sites;
};

enum agreement_way {
	AGREEMENT_MOVED, /* of those that flip in no sweep */
	AGREEMENT_LOST,
	AGREEMENT_FLIPS,
	AGREEMENT_WAY_COUNT
};

/* Shares, 0 to 1. */
struct agreement_share {
	uint32_t compared; /* clients that could have differed */
	double distance;   /* of them: differ, between the prefixes */
	double noise;      /* of them: differ, between two sweeps of one */
	/* The same by weight. */
	double weight_distance, weight_noise;
	/* What is beyond the noise for sure: the lower end of the 95 %
	 * interval, of clients or weight, whichever is more, where the clients
	 * of a block count as one; never negative. */
	double beyond;
	bool by_weight; /* it is of the weight */
};

struct agreement {
	/* [family]: 0 IPv4, 1 IPv6 */
	struct agreement_share shares[2][AGREEMENT_WAY_COUNT];
	uint32_t asked[2];
	uint32_t compared; /* clients heard in any of the sweeps */
	/* The share that is farthest beyond its noise. */
	unsigned worst_family;
	enum agreement_way worst_way;
};

void agreement_count(const struct agreement_input *in, struct agreement *out);

enum agreement_verdict {
	AGREEMENT_UNKNOWN, /* of too few clients it is known where they go */
	AGREEMENT_ALIKE,
	AGREEMENT_DIFFERS
};

/* What is asked of two test prefixes. */
struct agreement_rule {
	double limit; /* how far beyond its noise a share may be, 0 to 1 */
	/* Of each family: clients that reached a site by both, so that they
	 * could have been seen to move.  A few that agree show little. */
	uint32_t min_clients;
	/* [family]: one of the prefixes is of it.  Only clients of such a family
	 * can answer; a family that has none is not judged. */
	bool has_family[2];
};
enum agreement_verdict agreement_judge(const struct agreement *a,
    const struct agreement_rule *rule);
/* The family of which too few clients were compared: 0 IPv4, 1 IPv6; -1: none,
 * or there was no client to ask. */
int agreement_thin_family(const struct agreement *a,
    const struct agreement_rule *rule);
const char *agreement_verdict_name(enum agreement_verdict v);
const char *agreement_way_name(enum agreement_way way);

#endif /* CORE_AGREEMENT_H */
