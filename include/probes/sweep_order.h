/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_ORDER_H
#define PROBES_SWEEP_ORDER_H
/*
 * sweep_order -- in which order a sweep visits its targets.
 *
 * Nobody's network shall feel a burst.  The targets of one block, a /24 or a
 * /48, are visited at equal distances over the whole sweep, each block starting
 * at its own random place, its hosts in random order.  When all blocks are
 * equally large this is round-robin over the blocks.  The order depends on
 * nothing but the arguments, so a sweep can be repeated exactly.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * Permutes index[0..n), which are indices into addrs and may repeat; block[i]
 * becomes the number of the block of index[i], counted from 0.  Returns how
 * many blocks there are.  Takes linear time, and while it runs some 8 bytes per
 * target and 24 to 48 per block.
 */
uint32_t sweep_order_build(const struct addr *addrs, uint32_t *index,
    uint32_t *block, uint32_t n, uint64_t seed);

#endif /* PROBES_SWEEP_ORDER_H */
