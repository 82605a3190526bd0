/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_NOISE_H
#define SIM_NOISE_H
/*
 * noise -- what a sweep sees of the synthetic Internet: clients that never
 * answer, lost replies, clients that flap between two routes, ASes that waver
 * between exits, and drift while days go by.
 */
#include "internet.h"

struct noise_conf {
	uint64_t seed;
	double silent;   /* clients that never answer */
	double lost;     /* replies, per experiment */
	double flapping; /* clients: either route, by the toss of a coin */
	double wavering; /* ASes that pick another exit, per experiment */
	double drift;    /* ASes that change for good, per experiment */
	/* So often something happens while an experiment runs: then this share
	 * of the ASes picks another exit until it is over. */
	double bursts, burst_share;
};

/* "none", "n1", "n2", "n3" of the study (docs/pack.md).  False: no such. */
bool noise_model(const char *name, uint64_t seed, struct noise_conf *out);

struct noise {
	struct noise_conf conf;
	struct internet *net;
	uint64_t experiments; /* made so far */
	uint64_t disturbed;   /* of them, by a burst */
	bool *is_silent;
	bool *is_flapping;
	uint16_t *second;
};

void noise_init(struct noise *n, const struct noise_conf *conf,
    struct internet *net);
void noise_fini(struct noise *n);

/* One experiment: outcome as pack_add takes it. */
void noise_measure(struct noise *n, const struct pack_set *withdrawn,
    uint16_t *outcome);

#endif /* SIM_NOISE_H */
