/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_METER_H
#define SITE_METER_H
/*
 * meter -- how much traffic a service still gets while it is drained, from the
 * counters that the operator named (site/counter.h).  The rate is what a
 * counter grew by since the last look.  Counters that services share are read
 * once.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "site/counter.h"

struct meters;

struct meters_env {
	struct counter_env counters;
	/* A new reading of some counter. */
	void (*on_reading)(void *arg);
	void *arg;
};

/* services: borrowed, n. */
struct meters *meters_new(const struct meters_env *env,
    const struct conf_service *services, size_t n);
void meters_free(struct meters *ms);

/* The rate at service s; false: not known (no counter, or it cannot be read).
 */
bool meters_rate(const struct meters *ms, size_t s, double *per_s);
/* Why it is not known, or "". */
const char *meters_trouble(const struct meters *ms, size_t s);
/* As counter_name; "": none. */
const char *meters_name(const struct meters *ms, size_t s);

#endif /* SITE_METER_H */
