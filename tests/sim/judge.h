/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H
/*
 * judge -- compares predictions with what the synthetic Internet really does.
 * It alone sees the truth: nothing of it reaches core/pack.
 */
#include "internet.h"
#include "noise.h"

enum judge_level { JUDGE_1, JUDGE_2, JUDGE_3, JUDGE_CHAIN, JUDGE_LEVELS };

struct judge;

/*
 * Routes all singles, all pairs {s, t} where t inherits at least 1 % of s (or s
 * of t), triples that matter (a sample), and for each site the chain of s, its
 * top heir, and the top heir of both.  Only clients that answer count.  Where
 * a flapping client is, is a share of the time for each of its two routes; what
 * of it was predicted, is right.
 */
struct judge *judge_new(struct internet *net, const struct noise *noise,
    unsigned depth);
void judge_free(struct judge *j);

size_t judge_sets(const struct judge *j, enum judge_level level);
/* Pairs and triples that matter: what a campaign of one set each needs,
 * baseline included. */
size_t judge_naive(const struct judge *j, unsigned depth);

struct judge_score {
	double right;     /* share of displaced answering weight */
	double certified; /* share that is labelled certified or measured */
	double certified_right;
	double second; /* clients displaced twice (their heir too): right */
	double steady; /* right, without the clients that flap */
	/* Right if one site must be named for each client, and only its first
	 * route is the truth: half of what flaps is wrong, whatever is said. */
	double single;
	double share[PACK_LABEL_COUNT]; /* by label: of the weight, */
	double wrong[PACK_LABEL_COUNT]; /* and of the wrong weight of all */
	double tv_median, tv_p95;       /* total variation per set */
};
void judge_score(struct judge *j, struct pack *p, enum judge_level level,
    struct judge_score *out);

#endif /* SIM_JUDGE_H */
