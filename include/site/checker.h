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
#include "base/mono.h"
#include "core/health.h"
#include "probes/probe.h"

struct checker;

/* The state of probe p of service s changed. */
struct checker_change {
	size_t s, p;
	enum health before, now;
	const char *detail; /* borrowed, for people */
};

struct checker_ops {
	/* The verdict of service s changed. reason: borrowed, for people. */
	void (*on_service)(size_t s, enum health before, enum health now,
	    const char *reason, void *arg);
	void (*on_probe)(const struct checker_change *ch, void *arg);
};

/* What is known of one probe. */
struct checker_probe {
	enum health health;
	int64_t since_ms;        /* wall: of the state; 0 never changed */
	int64_t last_ms;         /* wall: of the last result; 0 none yet */
	enum probe_verdict last; /* result */
	int64_t rtt_us;
	char detail[160];                      /* of the last result */
	bool is_stale;                         /* and too old to count */
	uint64_t results[PROBE_VERDICT_COUNT]; /* so far, by verdict */
};

/*
 * services: borrowed, n.  Probes begin at once, a little apart, but none later
 * than its interval or 10 s; one with a spread at its place within that.
 */
struct checker *checker_new(struct loop *lp, struct probe_env *env,
    const struct conf_service *services, size_t n,
    const struct checker_ops *ops, void *arg);
/*
 * Takes over what another one knows of probes that are the same in both: their
 * health, and the verdict of services that are.  Before any result.
 */
void checker_inherit(struct checker *ck, const struct checker *from);
void checker_free(struct checker *ck);

/*
 * Checks all probes of service s now, or of all services if it is
 * CHECKER_ALL, a little apart; the results count like any other.  on_done is
 * called once all are there that began after this call, and never from within
 * it; the round is gone then.  There must be at least one probe.
 * NULL: CHECKER_ROUNDS_MAX are waiting already.
 */
#define CHECKER_ALL ((size_t)-1)
#define CHECKER_ROUNDS_MAX 16u
struct checker_round;
typedef void checker_round_cb(void *arg);
struct checker_round *checker_check_now(struct checker *ck, size_t s,
    checker_round_cb *on_done, void *arg);
/* on_done will not be called; the checks go on. */
void checker_round_cancel(struct checker_round *round);

enum health checker_service(const struct checker *ck, size_t s);
int64_t checker_service_since_ms(const struct checker *ck, size_t s);
const struct checker_probe *checker_probe(const struct checker *ck, size_t s,
    size_t p);

/*
 * Is it failing, though perhaps not for long enough to be sick: as many probes
 * failed when last checked as make it so?  *since: when that began.
 */
bool checker_is_failing(const struct checker *ck, size_t s, struct mono *since);

/*
 * Makes unknown what had no result for more than so many intervals and its
 * timeout; returns how many probes are so.
 */
size_t checker_expire(struct checker *ck, unsigned intervals);

#endif /* SITE_CHECKER_H */
