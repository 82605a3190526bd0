/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_HEALTH_H
#define CORE_HEALTH_H
/*
 * health -- rise and fall of a probe, and the verdict of a service over its
 * probes.  Pure: results come in, states come out.
 */
#include <stdbool.h>
#include <stddef.h>

enum health {
	HEALTH_UNKNOWN, /* not enough results yet: keeps what is there */
	HEALTH_HEALTHY,
	HEALTH_SICK,
	HEALTH_COUNT
};

/* All zero: unknown, nothing seen. */
struct probe_health {
	enum health state;
	unsigned passes;   /* in a row */
	unsigned failures; /* in a row */
};

/*
 * Feeds one result.  Healthy after up_after passes in a row, sick after
 * down_after failures in a row, from unknown as from the other side.
 * Returns whether the state changed.
 */
bool probe_health_step(struct probe_health *ph, bool pass, unsigned down_after,
    unsigned up_after);

/*
 * The verdict over n probes of which `need` must be healthy: healthy as soon
 * as need are, sick as soon as need cannot be reached any more, else unknown.
 */
enum health health_verdict(const enum health *states, size_t n, unsigned need);

const char *health_name(enum health h);

#endif /* CORE_HEALTH_H */
