/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_choose.h"

#include "base/prefix_set.h"
#include "base/xalloc.h"

static bool
is_special(const struct sweep_job *job, const struct addr *a)
{
	return addr_is_never_host(a) ||
	    (!job->allow_special && addr_special(a) != NULL);
}

struct sweep_chosen
sweep_choose(const struct sweep_job *job, const struct addr *addrs,
    uint32_t n_addrs)
{
	uint32_t n = job->n_subset > 0 ? job->n_subset : n_addrs;
	struct prefix_set *optouts =
	    prefix_set_new(job->optouts, job->n_optouts);
	struct sweep_chosen c = { .index = xcalloc(n, sizeof(*c.index)) };

	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = job->n_subset > 0 ? job->subset[i] : i;
		const struct addr *a = &addrs[index];

		if (addr_is_ipv4(a) ? !job->has_source4 : !job->has_source6)
			continue;
		if (is_special(job, a)) {
			c.skipped_special++;
		} else if (prefix_set_contains(optouts, a)) {
			c.skipped_optout++;
		} else {
			c.index[c.n++] = index;
		}
	}
	prefix_set_free(optouts);
	return c;
}
