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
		uint8_t *taken =
		    &places->taken[(hash ^ (point * 2654435761u)) >> 20];

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
