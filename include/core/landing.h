/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_LANDING_H
#define CORE_LANDING_H
/*
 * landing -- a prediction beside what really happened: where the clients of
 * withdrawn sites were told to go, and where their traffic was seen since.
 *
 * Who was not seen says nothing: he is counted, and never shared out.  Outcomes
 * are those of core/failover.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct landing_input {
	size_t n; /* clients */
	const uint16_t *home;
	const uint16_t *predicted; /* OUTCOME_NONE: unknown */
	const uint16_t *seen; /* OUTCOME_NONE: nowhere; FLIPPING: at several */
	const double *weight;
	size_t n_sites;
	const bool *down;
};

struct landing {
	uint32_t displaced; /* clients at home at a site of `down` */
	uint32_t seen;      /* of them: at one site, with a prediction */
	uint32_t agreed;    /* of those: at the one predicted */
	uint32_t remained;  /* seen at a site of `down` all the same */
	uint32_t several;   /* seen at several sites */
	double weight_seen, weight_agreed;
	/* Total variation between the sites' shares by weight, predicted and
	 * seen, over the seen; 0 if there is none. */
	double distance;
	/* Weights of the seen by site: n_sites each. */
	double *predicted, *landed;
};

/* *out is to be given to landing_fini. */
void landing_compare(const struct landing_input *in, struct landing *out);
void landing_fini(struct landing *l);

#endif /* CORE_LANDING_H */
