/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/ping_round.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <oping.h>

#include "base/mono.h"
#include "probes/ping_filter.h"

/* With 3000 idents in use, ten draws fail once in 10^13. */
#define IDENT_DRAWS 10

/* One address: liboping refuses to hold it twice, several pings may want it. */
struct target {
	char text[ADDR_TEXT_BYTES];
	uint16_t ident;
	bool has_ident;
	bool refused; /* liboping would not take it */
};

struct work {
	const struct ping_round *round;
	struct probe_result *results;
	struct target targets[PROBE_WIRE_PINGS_MAX];
	size_t n_targets;
	size_t target_of[PROBE_WIRE_PINGS_MAX]; /* index of a ping's target */
	pingobj_t *obj;
	int64_t took_ms;
	int64_t timeout_ms;
};

struct ping_idents *
ping_idents_new(struct err *err)
{
	struct ping_idents *idents = mmap(NULL, sizeof(*idents),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (idents == MAP_FAILED) {
		err_sys(err, "mmap");
		return NULL;
	}
	return idents;
}

void
ping_idents_free(struct ping_idents *idents)
{
	if (idents != NULL)
		(void)munmap(idents, sizeof(*idents));
}

void
ping_idents_release(struct ping_idents *idents, uint8_t owner)
{
	for (size_t i = 0; i < sizeof(idents->owner); i++) {
		if (idents->owner[i] == owner)
			idents->owner[i] = 0;
	}
}

static bool
ident_take(struct ping_idents *idents, uint16_t ident, uint8_t owner)
{
	uint8_t nobody = 0;

	return atomic_compare_exchange_strong(&idents->owner[ident], &nobody,
	    owner);
}

static void
targets_release(struct work *wk)
{
	for (size_t i = 0; i < wk->n_targets; i++) {
		struct target *t = &wk->targets[i];

		if (t->has_ident)
			wk->round->idents->owner[t->ident] = 0;
		t->has_ident = false;
	}
}

static void
targets_collect(struct work *wk)
{
	for (size_t i = 0; i < wk->round->n; i++) {
		char text[ADDR_TEXT_BYTES];
		size_t k = 0;

		(void)addr_format(&wk->round->pings[i].addr, text);
		while (k < wk->n_targets &&
		    strcmp(wk->targets[k].text, text) != 0)
			k++;
		if (k == wk->n_targets) {
			memcpy(wk->targets[k].text, text, sizeof(text));
			wk->n_targets++;
		}
		wk->target_of[i] = k;
	}
}

static void __attribute__((format(printf, 4, 5))) target_result(struct work *wk,
    size_t target, enum probe_verdict verdict, const char *fmt, ...)
{
	struct probe_result r = { .verdict = verdict, .rtt_us = -1 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r.detail, sizeof(r.detail), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < wk->round->n; i++) {
		if (wk->target_of[i] == target)
			wk->results[i] = r;
	}
}

/* The host in obj that was added last. */
static pingobj_iter_t *
last_host(pingobj_t *obj)
{
	pingobj_iter_t *it = ping_iterator_get(obj), *last = NULL;

	for (; it != NULL; it = ping_iterator_next(it))
		last = it;
	return last;
}

static bool
host_info(pingobj_iter_t *host, int what, void *out, size_t size)
{
	size_t len = size;

	return ping_iterator_get_info(host, what, out, &len) == 0;
}

/* 0 added, 1 the ident is in use: try again, -1 liboping refuses. */
static int
target_try(struct work *wk, struct target *t)
{
	pingobj_iter_t *host;
	uint16_t ident;

	if (ping_host_add(wk->obj, t->text) < 0)
		return -1;
	host = last_host(wk->obj);
	if (host == NULL ||
	    !host_info(host, PING_INFO_IDENT, &ident, sizeof(ident)))
		return -1;
	if (!ident_take(wk->round->idents, ident, wk->round->owner))
		return ping_host_remove(wk->obj, t->text) == 0 ? 1 : -1;
	t->ident = ident;
	t->has_ident = true;
	ping_iterator_set_context(host, t);
	return 0;
}

/* liboping draws an ident at random each time that a host is added. */
static int
target_add(struct work *wk, struct target *t)
{
	int rc = 1;

	for (int i = 0; i < IDENT_DRAWS && rc == 1; i++)
		rc = target_try(wk, t);
	return rc == 0 ? 0 : -1;
}

/* What liboping says about its last trouble, or else if it is silent. */
static const char *
obj_error(const struct work *wk, const char *otherwise)
{
	const char *text = ping_get_error(wk->obj);

	return text != NULL && text[0] != '\0' ? text : otherwise;
}

/*
 * A pingobj with all targets but those refused; NULL when none is left.
 * After a failed add liboping may hold a host without a socket, and sending
 * would hit an assertion: such an object is thrown away.
 */
static void
obj_build(struct work *wk)
{
	double timeout_sec = (double)wk->timeout_ms / 1000.0;
	size_t i = 0;

	while (wk->obj == NULL) {
		wk->obj = ping_construct();
		if (wk->obj == NULL)
			return;
		(void)ping_setopt(wk->obj, PING_OPT_TIMEOUT, &timeout_sec);
		for (i = 0; i < wk->n_targets; i++) {
			if (!wk->targets[i].refused &&
			    target_add(wk, &wk->targets[i]) == -1)
				break;
		}
		if (i == wk->n_targets)
			break;
		wk->targets[i].refused = true;
		target_result(wk, i, PROBE_NO_ANSWER_FROM_US, "cannot ping: %s",
		    obj_error(wk, "no free ident"));
		targets_release(wk);
		ping_destroy(wk->obj);
		wk->obj = NULL;
	}
}

/* A host without an answer: was it asked, and given the time to answer? */
static void
judge_silent(struct work *wk, size_t target, unsigned sent)
{
	if (sent == 0) {
		target_result(wk, target, PROBE_NO_ANSWER_FROM_US,
		    "cannot ping: %s", obj_error(wk, "not sent in time"));
	} else if (wk->took_ms < wk->timeout_ms - 1) {
		target_result(wk, target, PROBE_NO_ANSWER_FROM_US,
		    "given up after %lld ms", (long long)wk->took_ms);
	} else {
		target_result(wk, target, PROBE_FAIL, "no answer in %lld ms",
		    (long long)wk->timeout_ms);
	}
}

static void
judge_host(struct work *wk, pingobj_iter_t *host)
{
	const struct target *t = ping_iterator_get_context(host);
	size_t target = (size_t)(t - wk->targets);
	double latency_ms = -1.0;
	unsigned sent = 0;

	(void)host_info(host, PING_INFO_LATENCY, &latency_ms,
	    sizeof(latency_ms));
	/* The sequence number of the next echo; the first one is 0. */
	(void)host_info(host, PING_INFO_SEQUENCE, &sent, sizeof(sent));
	if (latency_ms < 0.0) {
		judge_silent(wk, target, sent);
		return;
	}
	target_result(wk, target, PROBE_PASS, "answered");
	for (size_t i = 0; i < wk->round->n; i++) {
		if (wk->target_of[i] == target)
			wk->results[i].rtt_us = (int64_t)(latency_ms * 1000.0);
	}
}

static void
hear_own_only(const struct work *wk)
{
	uint16_t idents[PROBE_WIRE_PINGS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < wk->n_targets; i++) {
		if (wk->targets[i].has_ident)
			idents[n++] = wk->targets[i].ident;
	}
	ping_filter_attach(idents, n);
}

static void
obj_send(struct work *wk)
{
	struct mono start = mono_now();
	pingobj_iter_t *it;

	hear_own_only(wk);
	/* Negative when some could not be sent: each host tells by itself. */
	(void)ping_send(wk->obj);
	wk->took_ms = mono_diff_ms(mono_now(), start);
	for (it = ping_iterator_get(wk->obj); it != NULL;
	     it = ping_iterator_next(it))
		judge_host(wk, it);
}

void
ping_round_run(const struct ping_round *round, struct probe_result *results)
{
	struct work wk = { .round = round,
		.results = results,
		.timeout_ms = round->pings[0].timeout_ms };

	targets_collect(&wk);
	for (size_t i = 0; i < wk.n_targets; i++) {
		target_result(&wk, i, PROBE_NO_ANSWER_FROM_US,
		    "cannot ping: out of memory");
	}
	obj_build(&wk);
	if (wk.obj == NULL)
		return;
	if (ping_iterator_get(wk.obj) != NULL)
		obj_send(&wk);
	targets_release(&wk);
	ping_destroy(wk.obj);
}
