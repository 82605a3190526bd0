/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_HOPS_H
#define PROBES_SWEEP_HOPS_H
/*
 * sweep_hops -- the Ethernet next hop of each block of targets, as the kernel's
 * routes, rules and neighbours have it.
 *
 * An answer is believed for a second.  A block is a /24 or /48: routes longer
 * than that are not seen.
 */
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/mono.h"

struct sweep_hops;

struct sweep_hop {
	int ifindex;
	uint8_t mac[6];
	uint8_t own_mac[6]; /* the interface's */
};

/* sources: of IPv4 and of IPv6, NULL where there is none; copied.  NULL with
 * err. */
struct sweep_hops *sweep_hops_new(uint32_t n_blocks, const struct addr *source4,
    const struct addr *source6, struct err *err);
void sweep_hops_free(struct sweep_hops *h); /* NULL is fine */

/*
 * NULL: leave this packet to the kernel.  It has no gateway with a known
 * Ethernet address for it (local, on link, a tunnel, no route), or it shall
 * have one, so that it keeps its neighbour fresh.  Borrowed until the next call.
 */
const struct sweep_hop *sweep_hops_find(struct sweep_hops *h, uint32_t block,
    const struct addr *target, struct mono now);

#endif /* PROBES_SWEEP_HOPS_H */
