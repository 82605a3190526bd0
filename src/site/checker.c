/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/checker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/xalloc.h"

/* First rounds are set so far apart, that a start is no burst. */
#define SPREAD_MS 5

struct slot {
	struct checker *ck;
	size_t service, index;
	const struct conf_probe *conf;
	struct probe_health health;
	struct checker_probe known;
	struct loop_timer *timer;
	struct probe *running;
	struct mono due; /* of the round that runs or comes next */
};

struct service {
	struct slot *slots;
	enum health verdict;
	int64_t since_ms;
};

struct checker {
	struct loop *lp;
	struct probe_env *env;
	const struct conf_service *conf;
	struct service *services;
	size_t n;
	struct checker_ops ops;
	void *arg;
};

static void
judge_service(struct checker *ck, size_t s, const struct slot *cause)
{
	struct service *sv = &ck->services[s];
	const struct conf_service *conf = &ck->conf[s];
	enum health *states = xcalloc(conf->n_probes, sizeof(*states));
	enum health before = sv->verdict;
	char reason[256];

	for (size_t p = 0; p < conf->n_probes; p++)
		states[p] = sv->slots[p].health.state;
	sv->verdict = health_verdict(states, conf->n_probes, conf->need);
	free(states);
	if (sv->verdict == before)
		return;
	sv->since_ms = wall_now_ms();
	(void)snprintf(reason, sizeof(reason), "probe %s: %s",
	    cause->conf->name, cause->known.detail);
	ck->ops.on_service(s, before, sv->verdict, reason, ck->arg);
}

/* Rounds keep their beat: a slow answer does not move the later ones. */
static void
schedule_next(struct slot *sl)
{
	struct mono now = mono_now();
	int64_t wait_ms;

	do {
		sl->due = mono_add_ms(sl->due, sl->conf->interval_ms);
	} while (mono_before(sl->due, now));
	wait_ms = mono_diff_ms(sl->due, now);
	loop_timer_set(sl->timer, wait_ms);
}

static void
on_result(const struct probe_result *result, void *arg)
{
	struct slot *sl = arg;
	struct checker *ck = sl->ck;
	enum health before = sl->health.state;
	bool changed = false;

	sl->running = NULL;
	sl->known.last_ms = wall_now_ms();
	sl->known.rtt_us = result->rtt_us;
	sl->known.results[result->verdict]++;
	(void)text_copy(sl->known.detail, sizeof(sl->known.detail),
	    result->detail);
	if (result->verdict != PROBE_NO_ANSWER_FROM_US) {
		changed = probe_health_step(&sl->health,
		    result->verdict == PROBE_PASS, sl->conf->down_after,
		    sl->conf->up_after);
	}
	sl->known.health = sl->health.state;
	schedule_next(sl);
	if (!changed)
		return;
	sl->known.since_ms = sl->known.last_ms;
	ck->ops.on_probe(sl->service, sl->index, before, sl->health.state,
	    sl->known.detail, ck->arg);
	judge_service(ck, sl->service, sl);
}

static void
on_due(struct loop *lp, void *arg)
{
	struct slot *sl = arg;

	(void)lp;
	if (sl->running == NULL)
		sl->running = probe_start(sl->ck->env, sl->conf, on_result, sl);
}

static void
slot_init(struct checker *ck, struct slot *sl, size_t s, size_t p,
    int64_t wait_ms)
{
	*sl = (struct slot){ .ck = ck,
		.service = s,
		.index = p,
		.conf = &ck->conf[s].probes[p],
		.due = mono_add_ms(mono_now(), wait_ms) };
	sl->known.rtt_us = -1;
	sl->timer = loop_timer_new(ck->lp, on_due, sl);
	loop_timer_set(sl->timer, wait_ms);
}

struct checker *
checker_new(struct loop *lp, struct probe_env *env,
    const struct conf_service *services, size_t n,
    const struct checker_ops *ops, void *arg)
{
	struct checker *ck = xcalloc(1, sizeof(*ck));
	int64_t wait_ms = 0;

	*ck = (struct checker){ .lp = lp,
		.env = env,
		.conf = services,
		.n = n,
		.ops = *ops,
		.arg = arg };
	ck->services = xcalloc(n, sizeof(*ck->services));
	for (size_t s = 0; s < n; s++) {
		struct service *sv = &ck->services[s];

		sv->slots = xcalloc(services[s].n_probes, sizeof(*sv->slots));
		for (size_t p = 0; p < services[s].n_probes; p++) {
			slot_init(ck, &sv->slots[p], s, p, wait_ms);
			wait_ms += SPREAD_MS;
		}
	}
	return ck;
}

void
checker_free(struct checker *ck)
{
	if (ck == NULL)
		return;
	for (size_t s = 0; s < ck->n; s++) {
		for (size_t p = 0; p < ck->conf[s].n_probes; p++) {
			struct slot *sl = &ck->services[s].slots[p];

			if (sl->running != NULL)
				probe_cancel(sl->running);
			loop_timer_free(sl->timer);
		}
		free(ck->services[s].slots);
	}
	free(ck->services);
	free(ck);
}

enum health
checker_service(const struct checker *ck, size_t s)
{
	assert(s < ck->n);
	return ck->services[s].verdict;
}

int64_t
checker_service_since_ms(const struct checker *ck, size_t s)
{
	assert(s < ck->n);
	return ck->services[s].since_ms;
}

const struct checker_probe *
checker_probe(const struct checker *ck, size_t s, size_t p)
{
	assert(s < ck->n && p < ck->conf[s].n_probes);
	return &ck->services[s].slots[p].known;
}

size_t
checker_count(const struct checker *ck, size_t s, enum health state)
{
	size_t n = 0;

	assert(s < ck->n);
	for (size_t p = 0; p < ck->conf[s].n_probes; p++)
		n += ck->services[s].slots[p].health.state == state;
	return n;
}
