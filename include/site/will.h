/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_WILL_H
#define SITE_WILL_H
/*
 * will -- what the keeper does when the daemon dies, or hangs, and does not
 * come back: it writes the include file as deposited, without the routes whose
 * time has come, and lets BIRD read it (bird/apply.h).  It needs no network and
 * nothing of the silent process.  While a protocol is disabled by hand it waits,
 * unless the configuration says `by_hand: overrule`.
 *
 * What it did it notes in a record file beside the store, for whoever lives
 * next; will_tell reads it.
 *
 * Several keepers may be left of daemons that died one after the other. Which
 * daemon is the last one that had a will of its own stands in the lock file;
 * the keepers of those before it end.  A daemon that dies while it starts, again
 * and again, thus relieves nobody.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"
#include "base/worker.h"
#include "bird/include.h"

/* A test prefix that an experiment holds withdrawn comes back so long after the
 * daemon's death (a supervisor restarts it faster) or last sign of life. */
#define WILL_TEST_GONE_MS 5000
#define WILL_TEST_HUNG_MS 10000

struct will_step {
	int64_t gone_ms; /* of silence, if the daemon died */
	int64_t hung_ms; /* if it only hangs */
	const char *subject;
	const char *what;
	const struct prefix *withdraw;
	size_t n_withdraw;
};

#define WILL_BOOT_BYTES 20
struct will_seat {
	char boot[WILL_BOOT_BYTES];   /* this daemon: any text, unique */
	char before[WILL_BOOT_BYTES]; /* who had the seat; "" nobody */
	bool is_taken;
};
/* Reads who had it. */
void will_seat_init(struct will_seat *seat, const struct conf *conf,
    const char *boot);

struct will {
	/* Of the include file, before any of the steps. */
	const char *text;
	/* In the order of both times; each adds to those before it. */
	const struct will_step *steps;
	size_t n_steps; /* 0: nothing to do */
};

/* The first one takes the seat.  -1: the keeper does not listen, try again
 * later. */
int will_deposit(struct keeper *k, const struct conf *conf,
    struct will_seat *seat, const struct will *will);
/* Without any step, at once, by a daemon that ends. Blocks for BIRD's
 * timeout. */
int will_do_now(const struct conf *conf, const struct bird_route *announced,
    size_t n, struct err *err);

/* For keeper_start. */
bool will_carry_out(const uint8_t *body, size_t len,
    const struct keeper_silence *silence, unsigned *done);

/* One thing that the keeper did; texts are borrowed for the call. */
struct will_act {
	const char *subject;
	const char *what;
	const char *reason; /* with the time */
};
typedef void will_act_cb(const struct will_act *act, void *arg);
/* Tells all acts on record, in their order, and removes the record. */
void will_tell(const struct conf *conf, will_act_cb *cb, void *arg);

/* The file whose lock says that a daemon lives. The caller frees it. */
char *will_lock_path(const struct conf *conf);
/* Takes the lock for the life of the process; -1 with err if a daemon has it
 * and keeps it for wait_ms. */
int will_lock(const char *path, int64_t wait_ms, struct err *err);

#endif /* SITE_WILL_H */
