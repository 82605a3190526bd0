/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_MONO_H
#define BASE_MONO_H
/*
 * mono -- points on the monotonic clock, in a struct so that they cannot be
 * mixed with durations or with wall time (after OpenBGPD's monotime.h).
 */
#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t
	    us; /* since an arbitrary start; only differences mean anything */
};

struct mono mono_now(void);

static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){ .us = t.us + ms * 1000 };
}

/* later - earlier, in milliseconds, rounded towards zero. */
static inline int64_t
mono_diff_ms(struct mono later, struct mono earlier)
{
	return (later.us - earlier.us) / 1000;
}

/* The first point at or after t on a grid that all who use it share. */
static inline struct mono
mono_ceil_ms(struct mono t, int64_t grid_ms)
{
	int64_t grid_us = grid_ms * 1000;

	return (struct mono){ .us = (t.us + grid_us - 1) / grid_us * grid_us };
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.us < b.us;
}

/* Wall time, for the store, output and wire only: never for decisions on
 * durations, since it may be stepped. */
int64_t wall_now_ms(void);

/* "2026-03-01T12:00:00.123Z" into buf. Returns buf. */
#define WALL_TEXT_BYTES 32
char *wall_format(int64_t wall_ms, char buf[WALL_TEXT_BYTES]);

#endif /* BASE_MONO_H */
