/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/health.h"

#include <assert.h>

static const char *const names[HEALTH_COUNT] = {
	[HEALTH_UNKNOWN] = "unknown",
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_SICK] = "sick",
};

bool
probe_health_step(struct probe_health *ph, bool pass, unsigned down_after,
    unsigned up_after)
{
	enum health before = ph->state;

	if (pass) {
		ph->failures = 0;
		if (ph->passes < up_after)
			ph->passes++;
		if (ph->passes >= up_after)
			ph->state = HEALTH_HEALTHY;
	} else {
		ph->passes = 0;
		if (ph->failures < down_after)
			ph->failures++;
		if (ph->failures >= down_after)
			ph->state = HEALTH_SICK;
	}
	return ph->state != before;
}

enum health
health_verdict(const enum health *states, size_t n, unsigned need)
{
	size_t healthy = 0, sick = 0;

	for (size_t i = 0; i < n; i++) {
		healthy += states[i] == HEALTH_HEALTHY;
		sick += states[i] == HEALTH_SICK;
	}
	if (healthy >= need)
		return HEALTH_HEALTHY;
	if (n - sick < need)
		return HEALTH_SICK;
	return HEALTH_UNKNOWN;
}

const char *
health_name(enum health h)
{
	assert(h < HEALTH_COUNT);
	return names[h];
}
