/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_PROBE_H
#define PROBES_PROBE_H
/*
 * probe -- runs one health probe of any kind once and reports the result.
 *
 * http and tcp run in the caller's loop; icmp goes to the pinger process
 * (liboping blocks), exec to the runner process.  Scheduling is the caller's
 * (site/health); a probe knows only how to find out once.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/loop.h"
#include "base/worker.h"

enum probe_verdict {
	PROBE_PASS,
	PROBE_FAIL,
	PROBE_NO_ANSWER_FROM_US, /* could not be tried: our worker is down, out
				    of descriptors...: says nothing about the
				    service, health stays as it is */
	PROBE_VERDICT_COUNT
};

struct probe_result {
	enum probe_verdict verdict;
	int64_t rtt_us;   /* how long it took; -1 if unknown */
	char detail[160]; /* why, e.g. "status 503, expected 200-299" */
};

typedef void probe_done_cb(const struct probe_result *result, void *arg);

struct probe_env; /* what probes share: loop, HTTP engine, workers */
struct probe;     /* one running attempt */

/* pinger, runner: started by the caller with the ops below; may be NULL when
 * no probe needs them (they then report PROBE_NO_ANSWER_FROM_US). */
struct probe_env *probe_env_new(struct loop *lp);
/* Cancels what is running; not to be called from on_done. */
void probe_env_free(struct probe_env *env);
/* Also to be called, with what remains, before a worker is freed. */
void probe_env_set_workers(struct probe_env *env, struct worker *pinger,
    struct worker *runner);
/* To be called from the worker_ops of the pinger and the runner. */
void probe_env_on_worker_msg(struct probe_env *env, struct worker *w,
    const struct chan_msg *msg);
void probe_env_on_worker_lost(struct probe_env *env, struct worker *w);

/*
 * Starts one attempt; cp is borrowed until it is done.  on_done is called
 * exactly once, never from within probe_start, at the latest shortly after
 * cp->timeout_ms (2 s later if a worker is stuck).  The probe is gone when
 * on_done returns.  probe_cancel: on_done will not be called.
 */
struct probe *probe_start(struct probe_env *env, const struct conf_probe *cp,
    probe_done_cb *on_done, void *arg);
void probe_cancel(struct probe *p);

/* Worker mains, for the keeper's table. */
int pinger_main(int chan_fd);
int runner_main(int chan_fd);

const char *probe_verdict_name(enum probe_verdict v);

#endif /* PROBES_PROBE_H */
