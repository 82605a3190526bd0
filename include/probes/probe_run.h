/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_PROBE_RUN_H
#define PROBES_PROBE_RUN_H
/*
 * probe_run -- inside of probe: what the kinds (probe_http.c, probe_tcp.c,
 * probe_icmp.c, probe_exec.c, probe_dns.c, probe_local.c) share with the
 * dispatcher probe.c.  Nobody else includes this.
 *
 * Life of an attempt: probe_start -> kind->start -> probe_decide, from start
 * itself or from any later callback -> kind->stop -> on_done -> freed.
 */
#include <stdint.h>
#include <sys/queue.h>

#include "base/fetch.h"
#include "base/loop.h"
#include "base/mono.h"
#include "probes/probe.h"

/* A worker that has not answered so long after the probe's own time-out is
 * taken for stuck. */
#define PROBE_WORKER_GRACE_MS 2000
/* A time-out that we notice so much too late says more about us. */
#define PROBE_LATE_MS 500

struct probe_env {
	struct loop *lp;
	struct fetch_engine *fetch;
	struct worker *pinger; /* may be NULL, as the next */
	struct worker *runner;
	uint64_t last_id;
	TAILQ_HEAD(, probe) running;
};

enum probe_state {
	PROBE_STARTING, /* in kind->start: on_done must wait */
	PROBE_RUNNING,
	PROBE_DECIDED,   /* the result waits for the timer */
	PROBE_DELIVERING /* in on_done */
};

struct probe_kind_ops {
	int64_t grace_ms; /* the timer runs for timeout_ms + grace_ms */
	void (*start)(struct probe *p);
	/* Releases what start took; called once, also on cancelling. */
	void (*stop)(struct probe *p);
	void (*on_timer)(struct probe *p);
	/* Its worker's answer; NULL: the answer is the result. */
	void (*on_answer)(struct probe *p, const struct probe_result *answer);
};

struct probe {
	TAILQ_ENTRY(probe) entry;
	struct probe_env *env;
	const struct conf_probe *cp;
	const struct probe_kind_ops *ops;
	probe_done_cb *on_done;
	void *arg;
	uint64_t id; /* in messages to workers */
	enum probe_state state;
	struct mono started;
	struct loop_timer *timer;
	unsigned extra_turns; /* of the loop, after the timer was due */
	struct probe_result result;

	struct fetch *fetch;   /* http */
	int fd;                /* tcp, dns; -1: none */
	struct loop_fd *io;    /* tcp, dns */
	struct worker *worker; /* icmp, exec; NULL once it has answered */
	void *own;             /* what else the kind keeps */
};

extern const struct probe_kind_ops probe_http_ops;
extern const struct probe_kind_ops probe_tcp_ops;
extern const struct probe_kind_ops probe_icmp_ops;
extern const struct probe_kind_ops probe_exec_ops;
extern const struct probe_kind_ops probe_dns_ops;
extern const struct probe_kind_ops probe_address_ops;
extern const struct probe_kind_ops probe_file_ops;

/*
 * Ends the attempt.  p may be gone on return.  The time since the start is
 * reported as rtt_us unless p->result.rtt_us was set before.
 */
void probe_decide(struct probe *p, enum probe_verdict verdict, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
/* "no answer in 500 ms", unless the delay is our own. */
void probe_decide_timeout(struct probe *p);
/* The delay is our own. */
bool probe_is_late(const struct probe *p);
/* A connection was there, and after a standstill of ours it is not: that the
 * other side lost patience is our doing.  errnum: what the kernel says of it. */
bool probe_was_given_up(const struct probe *p, int errnum);
/* By the errno of ERR_SYS, or else as something that could not be tried. */
void probe_decide_err(struct probe *p, const struct err *err);
/* "connection refused": from errno; trouble of our own is no failure, and
 * neither is being given up. */
void probe_decide_errno(struct probe *p, int errnum);
/* Hands a message about p to worker w, or ends the attempt. */
void probe_ask_worker(struct probe *p, struct worker *w, uint16_t type,
    const uint8_t *body, size_t len);
void probe_on_worker_silent(struct probe *p);

#endif /* PROBES_PROBE_RUN_H */
