/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_CHOOSE_H
#define PROBES_SWEEP_CHOOSE_H
/*
 * sweep_choose -- whom a job may ping.  The sender decides for itself: neither
 * a list nor an order makes it ping whoever opted out, or what is no host.
 */
#include "probes/sweep.h"

struct sweep_chosen {
	uint32_t *index; /* n indices into addrs; free() */
	uint32_t n;
	uint32_t skipped_optout;
	uint32_t skipped_special; /* see addr_special, addr_is_never_host */
};

/* Those of the job's targets that have a source of their family; the others
 * are neither chosen nor skipped.  All indices must be less than n_addrs. */
struct sweep_chosen sweep_choose(const struct sweep_job *job,
    const struct addr *addrs, uint32_t n_addrs);

#endif /* PROBES_SWEEP_CHOOSE_H */
