/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_CAPTURE_H
#define PROBES_SWEEP_CAPTURE_H
/*
 * sweep_capture -- captures the replies that reach this site, through packet
 * rings of the kernel, one for each address family of the test prefixes.
 *
 * It sees replies before routing and reverse-path filter do, and whether or not
 * the address is configured here.  Where packet sockets are not to be had it
 * uses raw sockets, which are less: see sweep_rawcap.h.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "probes/sweep.h"

/* What arrived this long ago can be read from the ring, also when the ring's
 * current block is not full: some jiffies above its time limit. */
#define SWEEP_CAPTURE_SETTLE_MS 60

struct sweep_rings;

/* One reply, accepted, or late or forged by its flags; borrowed for the call. */
typedef void sweep_reply_cb(const struct sweep_reply *reply, void *arg);

/* Needs CAP_NET_RAW.  what is copied; its prefixes stay.  NULL with err. */
struct sweep_rings *sweep_capture_open(struct loop *lp,
    const struct sweep_capture *what, sweep_reply_cb *cb, void *arg,
    struct err *err);
void sweep_capture_close(struct sweep_rings *r); /* NULL is fine */
/* Captures for other runs from now on; the prefixes must be the same.  What can
 * be read now is first, and counts for the runs before. */
void sweep_capture_set_runs(struct sweep_rings *r,
    const struct sweep_capture *what);

/* Reads all that waits now, instead of when the loop says so. */
void sweep_capture_drain(struct sweep_rings *r);
/* While paused nothing is read; a ring that fills up is in kernel_drops. May
 * be called from within the callback: a block more may still come. */
void sweep_capture_pause(struct sweep_rings *r, bool pause);
bool sweep_capture_is_paused(const struct sweep_rings *r);
/* Of both families: the lesser. */
enum sweep_capture_mode sweep_capture_mode(const struct sweep_rings *r);
/* Of one; SWEEP_CAPTURE_OFF: it has no test prefix. */
enum sweep_capture_mode sweep_capture_family_mode(const struct sweep_rings *r,
    bool is_ipv4);
/* Since open. */
struct sweep_counters sweep_capture_counters(struct sweep_rings *r);

#endif /* PROBES_SWEEP_CAPTURE_H */
