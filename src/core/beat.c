/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/beat.h"

#include <stdbool.h>
#include <string.h>

/* Of its interval, a check may begin so much late to share a wake-up. */
#define GRID_PART 20
#define APART_MS 5
#define APART_MAX_MS 10000
/* So many checks that begin together are no burst for a service: the shortest
 * queues of connections in use hold five. */
#define TOGETHER_MAX 4
/* So many of all services begin in one wake-up while there is room elsewhere:
 * some milliseconds of the loop.  The first check after a rest finds nothing in
 * the processor's caches, and costs as much as several. */
#define POINT_MAX 100
#define POINT_MS 50
/* From this interval on a probe has a place: on the coarsest grid with room. */
#define PLACED_MIN_MS 1000

/* 1: no grid, that is the clock's own step. */
static int64_t
grid_ms(const struct conf_probe *cp, int64_t interval_ms)
{
	static const int64_t steps_ms[] = { 50, 25, 10, 5, 2 };

	/* To start a program costs far more than a wake-up. */
	if (cp->kind == PROBE_EXEC)
		return 1;
	for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
		if (steps_ms[i] * GRID_PART <= interval_ms &&
		    interval_ms % steps_ms[i] == 0)
			return steps_ms[i];
	}
	return 1;
}

struct mono
beat_begin(const struct conf_probe *cp, int64_t interval_ms, struct mono due)
{
	int64_t step_ms = grid_ms(cp, interval_ms);

	return step_ms == 1 ? due : mono_ceil_ms(due, step_ms);
}

/* Opens a connection, or is a query, that somebody has to take. */
static bool
is_asking(const struct conf_probe *cp)
{
	return cp->kind == PROBE_HTTP || cp->kind == PROBE_TCP ||
	    cp->kind == PROBE_DNS;
}

/* FNV-1a of the target's host and port. */
static uint32_t
service_hash(const struct conf_probe *cp)
{
	const char *scheme = strstr(cp->target, "://");
	const char *s = scheme != NULL ? scheme + 3 : cp->target;
	uint32_t h = 2166136261u;

	for (; *s != '\0' && *s != '/'; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

static uint8_t *
count_of(struct beat_places *places, uint32_t hash, uint32_t point)
{
	return &places->taken[(hash ^ (point * 2654435761u)) >> 20];
}

/* The best place so far. */
struct search {
	uint8_t *taken; /* by its service; NULL: no place yet */
	uint16_t *together;
	uint16_t *alone;
	int64_t place_ms;
	unsigned crowd; /* of its service, if that is too many */
};

static bool
is_better(const struct search *a, const struct search *b)
{
	if (b->taken == NULL || a->crowd != b->crowd)
		return b->taken == NULL || a->crowd < b->crowd;
	if (*a->together != *b->together)
		return *a->together < *b->together;
	return *a->alone < *b->alone;
}

/* Whether it has room; if so, or if no place was better, it is the best. */
static bool
search_try(struct search *best, struct beat_places *places, uint32_t hash,
    int64_t place_ms)
{
	size_t cell = (size_t)(place_ms / POINT_MS);
	size_t point = cell % BEAT_POINTS;
	struct search se = { .taken = count_of(places, hash, (uint32_t)point),
		.together = &places->together[point],
		.alone = &places->alone[cell % BEAT_CELLS],
		.place_ms = place_ms };
	bool has_room;

	se.crowd = *se.taken < TOGETHER_MAX ? 0 : *se.taken;
	has_room = se.crowd == 0 && *se.together < POINT_MAX;
	if (has_room || is_better(&se, best))
		*best = se;
	return has_room;
}

int64_t
beat_place_ms(struct beat_places *places, const struct conf_probe *cp)
{
	static const int64_t steps_ms[] = { 500, 250, 100, POINT_MS };
	struct search se = { 0 };
	/* Pings, too: who answers them may have set a limit. */
	bool is_counted = is_asking(cp) || cp->kind == PROBE_ICMP;
	/* Of the others, which may have no target, nobody counts any. */
	uint32_t hash = is_counted ? service_hash(cp) : 0;
	int64_t most_ms =
	    cp->interval_ms < APART_MAX_MS ? cp->interval_ms : APART_MAX_MS;
	bool found = false;

	/* Who spreads the first checks wants the later ones so, too. */
	if (cp->kind == PROBE_EXEC || cp->has_spread ||
	    cp->interval_ms < PLACED_MIN_MS || cp->interval_ms % POINT_MS != 0)
		return BEAT_NO_PLACE;
	for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
		for (int64_t ms = 0; !found && ms < most_ms; ms += steps_ms[i])
			found = search_try(&se, places, hash, ms);
	}
	if (is_counted && *se.taken < UINT8_MAX)
		(*se.taken)++;
	if (*se.together < UINT16_MAX)
		(*se.together)++;
	if (*se.alone < UINT16_MAX)
		(*se.alone)++;
	return se.place_ms;
}

struct mono
beat_next(const struct conf_probe *cp, int64_t place_ms, struct mono last)
{
	int64_t interval_us = cp->interval_ms * 1000, intervals;

	if (place_ms == BEAT_NO_PLACE)
		return mono_add_ms(last, cp->interval_ms);
	/* To the nearest.  The clock is above 0, if not above every place. */
	intervals =
	    (last.us - place_ms * 1000 + interval_us * 3 / 2) / interval_us;
	return (struct mono){ .us = intervals * interval_us + place_ms * 1000 };
}

int64_t
beat_first_wait_ms(struct beat_places *places, const struct conf_probe *cp,
    size_t place, struct mono now)
{
	int64_t interval_ms = cp->interval_ms;
	int64_t step_ms = grid_ms(cp, interval_ms);
	int64_t most_ms =
	    interval_ms < APART_MAX_MS ? interval_ms : APART_MAX_MS;
	int64_t wait_ms = (int64_t)place * APART_MS % most_ms, best_ms = 0;
	uint8_t none = UINT8_MAX, *best = &none;
	uint32_t hash;

	if (step_ms == 1 || !is_asking(cp))
		return wait_ms;
	hash = service_hash(cp);
	for (int64_t moved_ms = 0; moved_ms < most_ms; moved_ms += step_ms) {
		int64_t try_ms = (wait_ms + moved_ms) % most_ms;
		struct mono begin =
		    beat_begin(cp, interval_ms, mono_add_ms(now, try_ms));
		uint32_t point =
		    (uint32_t)(begin.us / 1000 % interval_ms / step_ms);
		uint8_t *taken = count_of(places, hash, point);

		if (*taken < *best) {
			best = taken;
			best_ms = try_ms;
		}
		if (*taken < TOGETHER_MAX)
			break;
	}
	if (*best < UINT8_MAX)
		(*best)++;
	return best_ms;
}
