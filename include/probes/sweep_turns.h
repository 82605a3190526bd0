/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_TURNS_H
#define PROBES_SWEEP_TURNS_H
/*
 * sweep_turns -- whose turn it is: the order of sweep_order, kept apart in time
 * so that no block, a /24 or a /48, gets two probes within the gap.
 *
 * A target whose block must wait is passed over and comes as soon as its block
 * may; when only such blocks remain the sweep is as slow as they are.  Pure:
 * time is an argument, in microseconds of any clock that never goes back.
 */
#include <stdint.h>

struct sweep_turns;

/* block: number of the block of each of the n positions, less than n_blocks;
 * borrowed until free. */
struct sweep_turns *sweep_turns_new(const uint32_t *block, uint32_t n,
    uint32_t n_blocks, int64_t gap_us);
void sweep_turns_free(struct sweep_turns *t); /* NULL is fine */

#define SWEEP_TURNS_NONE UINT32_MAX

/*
 * The position that is to be sent now, each once; or SWEEP_TURNS_NONE with
 * *wait_us: so long no block may be asked, -1: all had their turn.
 */
uint32_t sweep_turns_next(struct sweep_turns *t, int64_t now_us,
    int64_t *wait_us);

#endif /* PROBES_SWEEP_TURNS_H */
