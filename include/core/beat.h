/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_BEAT_H
#define CORE_BEAT_H
/*
 * beat -- when the checks of a site's probes begin: in the beat of their
 * interval, many in one wake-up of the loop, few of them at one service.
 *
 * A wake-up costs more than many a check, so checks begin on a grid that all
 * probes share, a twentieth of the interval late at most.  Its step divides the
 * interval: on it, checks stay exactly an interval apart.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/mono.h"

/* When the check begins that is due in a beat of interval_ms. */
struct mono beat_begin(const struct conf_probe *cp, int64_t interval_ms,
    struct mono due);

#define BEAT_PLACES 4096u

/* How many probes of one service begin at one point of the grid.  All zero to
 * begin with; two of them that share a count only move more than they must. */
struct beat_places {
	uint8_t taken[BEAT_PLACES];
};

/*
 * How long probe number `place` waits for its first check, so that those which
 * begin together are no burst: less than its interval, and than 10 s.
 */
int64_t beat_first_wait_ms(struct beat_places *places,
    const struct conf_probe *cp, size_t place, struct mono now);

#endif /* CORE_BEAT_H */
