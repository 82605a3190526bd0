/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTD_PULSE_H
#define ANYCASTD_PULSE_H
/*
 * pulse -- proves once a second that the control loop turns: it was run by the
 * loop, decided anew, and what steers BIRD went on too.  Only then it gives the
 * keeper a beat (base/worker.h) and, if the store process is well as well, the
 * supervisor its WATCHDOG=1.  It measures the loop's stalls on its way.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/worker.h"

#define PULSE_MS 1000

struct pulse;

struct pulse_ops {
	/* Decides; true if all of the control loop turns. */
	bool (*turn)(void *arg);
	/* false: rows are not written, for reasons that a new start may mend. */
	bool (*store_is_well)(void *arg);
	void *arg;
};

struct pulse *pulse_new(struct loop *lp, struct keeper *k,
    const struct pulse_ops *ops);
void pulse_free(struct pulse *p);

/* The longest time that the loop did not turn since the start, and how often
 * that was longer than PULSE_STALL_MS. */
#define PULSE_STALL_MS 1000
int64_t pulse_longest_stall_ms(const struct pulse *p);
uint64_t pulse_stalls(const struct pulse *p);

#endif /* ANYCASTD_PULSE_H */
