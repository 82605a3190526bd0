/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "probes/probe_run.h"
#include "probes/probe_wire.h"

/* A worker that takes nothing in is not fed any further. */
#define WORKER_BACKLOG_MAX_BYTES ((size_t)256 * 1024)

static const char *const verdict_names[PROBE_VERDICT_COUNT] = {
	[PROBE_PASS] = "pass",
	[PROBE_FAIL] = "fail",
	[PROBE_NO_ANSWER_FROM_US] = "no answer from us",
};
static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) ==
	PROBE_VERDICT_COUNT,
    "every verdict has a name");

/* A timer is handled sooner, unless the loop stood still. */
#define OVERDUE_MS 5
/* A hundred sockets, first to write, then to read. */
#define EXTRA_TURNS_MAX 4u

static const struct probe_kind_ops *const kinds[PROBE_KIND_COUNT] = {
	[PROBE_HTTP] = &probe_http_ops,
	[PROBE_TCP] = &probe_tcp_ops,
	[PROBE_ICMP] = &probe_icmp_ops,
	[PROBE_EXEC] = &probe_exec_ops,
	[PROBE_DNS] = &probe_dns_ops,
	[PROBE_ADDRESS] = &probe_address_ops,
	[PROBE_FILE] = &probe_file_ops,
};
static_assert(sizeof(kinds) / sizeof(kinds[0]) == PROBE_KIND_COUNT,
    "every kind can be run");

const char *
probe_verdict_name(enum probe_verdict v)
{
	return verdict_names[v];
}

struct probe_env *
probe_env_new(struct loop *lp)
{
	struct probe_env *env = xcalloc(1, sizeof(*env));

	env->lp = lp;
	env->fetch = fetch_engine_new(lp);
	TAILQ_INIT(&env->running);
	return env;
}

void
probe_env_free(struct probe_env *env)
{
	struct probe *p, *next;

	if (env == NULL)
		return;
	for (p = TAILQ_FIRST(&env->running); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		probe_cancel(p);
	}
	fetch_engine_free(env->fetch);
	free(env);
}

void
probe_env_set_workers(struct probe_env *env, struct worker *pinger,
    struct worker *runner)
{
	struct probe *p;

	env->pinger = pinger;
	env->runner = runner;
	/* The old ones may be freed next: whoever waits for them is left to
	 * its timer. */
	TAILQ_FOREACH (p, &env->running, entry) {
		if (p->worker != pinger && p->worker != runner)
			p->worker = NULL;
	}
}

static void
probe_free(struct probe *p)
{
	loop_timer_free(p->timer);
	free(p);
}

/* on_done may start and cancel any probe, this one included. */
static void
probe_deliver(struct probe *p)
{
	p->state = PROBE_DELIVERING;
	TAILQ_REMOVE(&p->env->running, p, entry);
	p->on_done(&p->result, p->arg);
	probe_free(p);
}

/* The loop stood still.  What came meanwhile is still to be handed up: of many
 * sockets not all at once, and time-outs come behind each part. */
static bool
is_overdue(const struct probe *p)
{
	return mono_diff_ms(mono_now(), p->started) >
	    p->cp->timeout_ms + p->ops->grace_ms + OVERDUE_MS;
}

static void
probe_on_timer(struct loop *lp, void *arg)
{
	struct probe *p = arg;

	(void)lp;
	if (p->state == PROBE_DECIDED) {
		probe_deliver(p);
	} else if (p->extra_turns < EXTRA_TURNS_MAX && is_overdue(p)) {
		/* A loop that is always late must not wait for ever. */
		p->extra_turns++;
		loop_timer_set(p->timer, 0);
	} else {
		p->ops->on_timer(p);
	}
}

struct probe *
probe_start(struct probe_env *env, const struct conf_probe *cp,
    probe_done_cb *on_done, void *arg)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	*p = (struct probe){ .env = env,
		.cp = cp,
		.ops = kinds[cp->kind],
		.on_done = on_done,
		.arg = arg,
		.id = ++env->last_id,
		.state = PROBE_STARTING,
		.started = mono_now(),
		.result.rtt_us = -1,
		.fd = -1 };
	TAILQ_INSERT_TAIL(&env->running, p, entry);
	p->timer = loop_timer_new(env->lp, probe_on_timer, p);
	loop_timer_set(p->timer, cp->timeout_ms + p->ops->grace_ms);
	p->ops->start(p);
	if (p->state == PROBE_STARTING)
		p->state = PROBE_RUNNING;
	return p;
}

void
probe_cancel(struct probe *p)
{
	if (p == NULL || p->state == PROBE_DELIVERING)
		return;
	if (p->state == PROBE_RUNNING)
		p->ops->stop(p);
	TAILQ_REMOVE(&p->env->running, p, entry);
	probe_free(p);
}

/* Details end up in JSON and on terminals: printable ASCII only. */
static void
detail_clean(char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < ' ' || *s > '~')
			*s = '?';
	}
}

void
probe_decide(struct probe *p, enum probe_verdict verdict, const char *fmt, ...)
{
	struct probe_result *r = &p->result;
	bool starting = p->state == PROBE_STARTING;
	va_list ap;

	assert(starting || p->state == PROBE_RUNNING);
	r->verdict = verdict;
	if (r->rtt_us == -1 && verdict != PROBE_NO_ANSWER_FROM_US)
		r->rtt_us = mono_now().us - p->started.us;
	va_start(ap, fmt);
	(void)vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
	va_end(ap);
	detail_clean(r->detail);

	p->ops->stop(p);
	p->state = PROBE_DECIDED;
	if (starting) {
		loop_timer_set(p->timer, 0);
	} else {
		probe_deliver(p);
	}
}

bool
probe_is_late(const struct probe *p)
{
	return mono_diff_ms(mono_now(), p->started) >
	    p->cp->timeout_ms + PROBE_LATE_MS;
}

void
probe_decide_timeout(struct probe *p)
{
	int64_t timeout_ms = p->cp->timeout_ms;
	int64_t took_ms = mono_diff_ms(mono_now(), p->started);

	if (probe_is_late(p)) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "no answer in %lld ms, but we were busy until %lld ms",
		    (long long)timeout_ms, (long long)took_ms);
	} else {
		probe_decide(p, PROBE_FAIL, "no answer in %lld ms",
		    (long long)timeout_ms);
	}
}

/* Refused by our own machine before anything could reach the service. */
static bool
errno_is_ours(int errnum)
{
	static const int ours[] = {
		EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EADDRINUSE,
		EAGAIN, EPERM, EACCES, EAFNOSUPPORT,
		EINVAL /* from a source such as 127.0.0.1, or without a link */
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (errnum == ours[i])
			return true;
	}
	return false;
}

bool
probe_was_given_up(const struct probe *p, int errnum)
{
	return (errnum == ECONNRESET || errnum == EPIPE) && probe_is_late(p);
}

void
probe_decide_errno(struct probe *p, int errnum)
{
	const char *text = strerror(errnum);
	char first = text[0];

	if (probe_was_given_up(p, errnum)) {
		probe_decide_timeout(p);
		return;
	}
	if (first >= 'A' && first <= 'Z')
		first = (char)(first - 'A' + 'a');
	probe_decide(p,
	    errno_is_ours(errnum) ? PROBE_NO_ANSWER_FROM_US : PROBE_FAIL,
	    "%c%s", first, text[0] != '\0' ? text + 1 : "");
}

void
probe_decide_err(struct probe *p, const struct err *err)
{
	if (err->code == ERR_SYS) {
		probe_decide_errno(p, err->sys);
	} else {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s", err->msg);
	}
}

static const char *
worker_title(const struct probe *p)
{
	return p->cp->kind == PROBE_ICMP ? "pinger" : "runner";
}

void
probe_ask_worker(struct probe *p, struct worker *w, uint16_t type,
    const uint8_t *body, size_t len)
{
	if (w != NULL && worker_backlog_bytes(w) > WORKER_BACKLOG_MAX_BYTES) {
		probe_on_worker_silent(p);
	} else if (w == NULL || worker_send_soon(w, type, body, len) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "the %s process is not running", worker_title(p));
	} else {
		p->worker = w;
	}
}

void
probe_on_worker_silent(struct probe *p)
{
	probe_decide(p, PROBE_NO_ANSWER_FROM_US,
	    "the %s process does not answer", worker_title(p));
}

static struct probe *
probe_find(struct probe_env *env, const struct worker *w, uint64_t id)
{
	struct probe *p;

	TAILQ_FOREACH (p, &env->running, entry) {
		if (p->worker == w && p->id == id)
			return p;
	}
	return NULL;
}

void
probe_env_on_worker_msg(struct probe_env *env, struct worker *w,
    const struct chan_msg *msg)
{
	struct probe_result_msg got;
	struct probe *p;

	if (msg->type != PROBE_MSG_RESULT ||
	    probe_wire_decode_result(msg->body, msg->len, &got) == -1) {
		log_warnx("worker %s: message %u of %zu bytes: malformed",
		    worker_name(w), msg->type, msg->len);
		return;
	}
	/* An unknown id was cancelled, or given up before. */
	p = probe_find(env, w, got.id);
	if (p == NULL)
		return;
	p->worker = NULL;
	if (p->ops->on_answer != NULL) {
		p->ops->on_answer(p, &got.result);
		return;
	}
	p->result.rtt_us = got.result.rtt_us;
	probe_decide(p, got.result.verdict, "%s", got.result.detail);
}

static struct probe *
probe_find_any(struct probe_env *env, const struct worker *w)
{
	struct probe *p;

	TAILQ_FOREACH (p, &env->running, entry) {
		if (p->worker == w)
			return p;
	}
	return NULL;
}

void
probe_env_on_worker_lost(struct probe_env *env, struct worker *w)
{
	struct probe *p;

	/* From the head each time: on_done may have changed the list. */
	while ((p = probe_find_any(env, w)) != NULL) {
		p->worker = NULL;
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "the %s process died",
		    worker_title(p));
	}
}
