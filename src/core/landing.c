/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/landing.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "core/failover.h"
#include "core/heirs.h"

static void
compare_client(const struct landing_input *in, size_t i, struct landing *out)
{
	uint16_t seen = in->seen[i], told = in->predicted[i];

	out->displaced++;
	out->several += seen == OUTCOME_FLIPPING;
	if (!outcome_is_site(seen, in->n_sites))
		return;
	out->remained += in->down[seen - 1u];
	if (!outcome_is_site(told, in->n_sites))
		return;
	out->seen++;
	out->weight_seen += in->weight[i];
	out->predicted[told - 1u] += in->weight[i];
	out->landed[seen - 1u] += in->weight[i];
	if (seen == told) {
		out->agreed++;
		out->weight_agreed += in->weight[i];
	}
}

static double
distance_of(const struct landing *l, size_t n_sites)
{
	double *a = xcalloc(n_sites, sizeof(*a));
	double *b = xcalloc(n_sites, sizeof(*b)), distance = 0;

	if (l->weight_seen > 0) {
		for (size_t i = 0; i < n_sites; i++) {
			a[i] = l->predicted[i] / l->weight_seen;
			b[i] = l->landed[i] / l->weight_seen;
		}
		distance = heirs_distance(a, b, n_sites);
	}
	free(a);
	free(b);
	return distance;
}

void
landing_compare(const struct landing_input *in, struct landing *out)
{
	*out = (struct landing){ .predicted = xcalloc(in->n_sites,
				     sizeof(*out->predicted)),
		.landed = xcalloc(in->n_sites, sizeof(*out->landed)) };
	for (size_t i = 0; i < in->n; i++) {
		if (outcome_is_site(in->home[i], in->n_sites) &&
		    in->down[in->home[i] - 1u])
			compare_client(in, i, out);
	}
	out->distance = distance_of(out, in->n_sites);
}

void
landing_fini(struct landing *l)
{
	free(l->predicted);
	free(l->landed);
	*l = (struct landing){ 0 };
}
