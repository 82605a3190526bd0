/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_SEND_H
#define PROBES_SWEEP_SEND_H
/*
 * sweep_send -- sends the echo requests of one job at a time, paced, from
 * timers of the loop.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "probes/sweep.h"
#include "probes/sweep_list.h"

struct sweep_send;

/* Now and then while a job runs, and once with done set when it has ended.
 * Never from within sweep_send_start. */
typedef void sweep_progress_cb(const struct sweep_progress *progress,
    void *arg);

struct sweep_send *sweep_send_new(struct loop *lp, sweep_progress_cb *cb,
    void *arg);
/* A running job ends without a word. */
void sweep_send_free(struct sweep_send *s);

/*
 * Starts a job; none may be running.  The list must be complete and is held
 * until the end; of job nothing is kept but copies.  Needs CAP_NET_RAW.
 * -1 with err: there is no job and there will be no progress.
 */
int sweep_send_start(struct sweep_send *s, const struct sweep_job *job,
    struct sweep_list *list, const uint8_t key[SWEEP_KEY_BYTES],
    struct err *err);
/* Ends the running job, if any, with a last progress. */
void sweep_send_stop(struct sweep_send *s);

#endif /* PROBES_SWEEP_SEND_H */
