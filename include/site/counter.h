/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_COUNTER_H
#define SITE_COUNTER_H
/*
 * counter -- reads one of the counters that the operator named, again and
 * again: packets or bytes that an interface received, those of a named counter
 * of nftables, or the number that a command prints.
 *
 * Commands run in the runner, nft in a runner that keeps CAP_NET_ADMIN; both
 * are killed after COUNTER_TIMEOUT_MS, and there is one at a time.
 */
#include <stdint.h>

#include "base/conf.h"
#include "base/loop.h"
#include "base/mono.h"
#include "probes/probe.h"

#define COUNTER_TIMEOUT_MS 5000

struct counter_env {
	struct loop *lp;
	struct probe_env *commands; /* for COUNTER_COMMAND */
	struct probe_env *nft;      /* for COUNTER_NFT */
};

/* May not free the counter. */
struct counter_ops {
	void (*on_count)(uint64_t count, struct mono now, void *arg);
	void (*on_trouble)(const char *why, void *arg);
};

struct counter;

/* env: copied; conf: borrowed, not COUNTER_NONE.  The first look is at the next
 * turn of the loop. */
struct counter *counter_new(const struct counter_env *env,
    const struct conf_counter *conf, int64_t interval_ms,
    const struct counter_ops *ops, void *arg);
void counter_free(struct counter *c);

/* "interface eth0", "nft inet filter web", "command /usr/bin/x" */
const char *counter_name(const struct counter *c);

#endif /* SITE_COUNTER_H */
