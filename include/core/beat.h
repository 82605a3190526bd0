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
 *
 * Where the interval is long enough, a probe has a place of its own in it, and
 * returns to it after quick checks and checks that somebody wished: the places
 * are as few as they can be, so that a second of a site has few wake-ups.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/mono.h"

/* When the check begins that is due in a beat of interval_ms. */
struct mono beat_begin(const struct conf_probe *cp, int64_t interval_ms,
    struct mono due);

#define BEAT_PLACES 4096u
#define BEAT_POINTS 20u
#define BEAT_CELLS 200u

/* How many probes of one service begin at one point of the grid, and how many
 * of all: points that are whole seconds apart count as one, as most intervals
 * are whole seconds; alone tells them apart.  All zero to begin with; two of
 * them that share a count only move more than they must. */
struct beat_places {
	uint8_t taken[BEAT_PLACES];
	uint16_t together[BEAT_POINTS];
	uint16_t alone[BEAT_CELLS];
};

#define BEAT_NO_PLACE INT64_C(-1)

/*
 * The place of a probe: its checks begin that many milliseconds after a whole
 * number of its intervals, on the monotonic clock.  BEAT_NO_PLACE: they keep
 * the time of the first.
 */
int64_t beat_place_ms(struct beat_places *places, const struct conf_probe *cp);

/* When it is due next after a check that was due at `last`: in its place, as
 * near to an interval later as may be. */
struct mono beat_next(const struct conf_probe *cp, int64_t place_ms,
    struct mono last);

/*
 * How long probe number `place` waits for its first check, so that those which
 * begin together are no burst: less than its interval, and than 10 s.
 */
int64_t beat_first_wait_ms(struct beat_places *places,
    const struct conf_probe *cp, size_t place, struct mono now);

#endif /* CORE_BEAT_H */
