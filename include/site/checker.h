/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_CHECKER_H
#define SITE_CHECKER_H
/*
 * checker -- runs the probes of a site's services in time, and turns their
 * results into the verdict of each service.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/loop.h"
#include "core/health.h"
#include "probes/probe.h"

struct checker;

struct checker_ops {
	/* The verdict of service s changed. reason: borrowed, for people. */
	void (*on_service)(size_t s, enum health before, enum health now,
	    const char *reason, void *arg);
	void (*on_probe)(size_t s, size_t p, enum health before,
	    enum health now, const char *detail, void *arg);
};

/* What is known of one probe. */
struct checker_probe {
	enum health health;
	int64_t since_ms; /* wall: of the state; 0 never changed */
	int64_t last_ms;  /* wall: of the last result; 0 none yet */
	int64_t rtt_us;
	char detail[160]; /* of the last result */
	uint64_t results[PROBE_VERDICT_COUNT]; /* so far, by verdict */
};

/* services: borrowed, n. Probes begin at once, a little apart. */
struct checker *checker_new(struct loop *lp, struct probe_env *env,
    const struct conf_service *services, size_t n,
    const struct checker_ops *ops, void *arg);
void checker_free(struct checker *ck);

enum health checker_service(const struct checker *ck, size_t s);
int64_t checker_service_since_ms(const struct checker *ck, size_t s);
const struct checker_probe *checker_probe(const struct checker *ck, size_t s,
    size_t p);
/* How many of the service's probes are in that state. */
size_t checker_count(const struct checker *ck, size_t s, enum health state);

#endif /* SITE_CHECKER_H */
