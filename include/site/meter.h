/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_METER_H
#define SITE_METER_H
/*
 * meter -- how much traffic a site still gets, from the counters that the
 * operator named: an interface's received packets, a named counter of nftables,
 * or the number that a command prints.  Each counter only grows; the rate is
 * what it grew by since the last look.  Counters that services share are read
 * once.
 *
 * Commands run in the runner, nft in a runner that keeps CAP_NET_ADMIN; both
 * have a time limit.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/loop.h"
#include "probes/probe.h"

struct meters;

struct meters_env {
	struct loop *lp;
	struct probe_env *commands; /* for COUNTER_COMMAND */
	struct probe_env *nft;      /* for COUNTER_NFT */
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
/* "interface eth0", "nft inet filter web", "command /usr/bin/x", "" */
const char *meters_name(const struct meters *ms, size_t s);

/* Does any service count so? */
bool meters_need(const struct conf_service *services, size_t n,
    enum counter_kind kind);

#endif /* SITE_METER_H */
