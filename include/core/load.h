/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_LOAD_H
#define CORE_LOAD_H
/*
 * load -- how loaded a site is, from a counter that only grows: what it grows
 * by per second, in units of so many, as a mean in which a reading weighs half
 * as much after each half-life.
 *
 * A counter that fell was reset, or has wrapped: how far nobody knows, so that
 * reading says nothing, and the next one is compared with it; so does the first
 * one after a gap.  Nothing is known before the second reading, nor when the last
 * growth is too old.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

struct load_conf {
	uint32_t unit;        /* so many a second are a load of 1; at least 1 */
	int64_t half_life_ms; /* 0: the newest reading alone counts */
	/* What is older is not known, and no growth is told over a longer
	 * time. */
	int64_t stale_ms;
};

/* All zero at first. */
struct load {
	bool has_count, has_value;
	uint64_t count;
	struct mono counted;
	double value;
	struct mono valued; /* when value was true */
};

/* The counter stood at count. */
void load_take(struct load *l, const struct load_conf *conf, uint64_t count,
    struct mono now);
/* False: not known. */
bool load_get(const struct load *l, const struct load_conf *conf,
    struct mono now, double *out);

#endif /* CORE_LOAD_H */
