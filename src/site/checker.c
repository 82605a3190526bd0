/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/checker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "core/beat.h"

struct slot {
	struct checker *ck;
	size_t service, index;
	const struct conf_probe *conf;
	struct probe_health health;
	struct checker_probe known;
	struct loop_timer *timer;
	struct probe *running;
	int64_t place_ms;          /* core/beat.h */
	struct mono due;           /* of the check that runs or comes next */
	struct mono counted;       /* when the last result that counts came */
	struct mono failing_since; /* .us 0: its last result was no failure */
	bool again; /* one more at once: it was wanted while this one ran */
	/* The newest wish at the time when the running check began, and the
	 * same of the last one that has its result. */
	uint64_t asked, answered;
};

struct service {
	struct slot *slots;
	enum health verdict;
	int64_t since_ms;
};

/* One wish to check now, fulfilled by checks that begin after it. */
struct checker_round {
	struct checker *ck;
	size_t service; /* or CHECKER_ALL */
	uint64_t wish;  /* its number */
	size_t n_awaited;
	checker_round_cb *on_done;
	void *arg;
};

struct checker {
	struct loop *lp;
	struct probe_env *env;
	const struct conf_service *conf;
	struct service *services;
	size_t n;
	size_t n_probes;                                  /* of all services */
	struct checker_round *rounds[CHECKER_ROUNDS_MAX]; /* NULL: free */
	uint64_t last_wish;
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

/* Its last results say something else than its state. */
static bool
is_changing(const struct probe_health *ph)
{
	return (ph->passes > 0 && ph->state != HEALTH_HEALTHY) ||
	    (ph->failures > 0 && ph->state != HEALTH_SICK);
}

static void
set_due(struct slot *sl, int64_t wait_ms)
{
	sl->due = mono_add_ms(mono_now(), wait_ms);
	loop_timer_set(sl->timer, wait_ms);
}

/* quick_ms: 0 unless the interval is another one for the time being. */
static struct mono
next_begin(struct slot *sl, int64_t quick_ms)
{
	if (quick_ms == 0) {
		sl->due = beat_next(sl->conf, sl->place_ms, sl->due);
		return beat_begin(sl->conf, sl->conf->interval_ms, sl->due);
	}
	sl->due = mono_add_ms(sl->due, quick_ms);
	return beat_begin(sl->conf, quick_ms, sl->due);
}

/* Checks keep their beat: a slow answer does not move the later ones. */
static void
schedule_next(struct slot *sl)
{
	int64_t quick_ms = 0;
	struct mono now = mono_now(), begin;

	if (sl->again) {
		sl->again = false;
		set_due(sl, 0);
		return;
	}
	if (is_changing(&sl->health))
		quick_ms = sl->conf->quick_interval_ms;
	do {
		begin = next_begin(sl, quick_ms);
	} while (mono_before(begin, now));
	loop_timer_set_at(sl->timer, begin);
}

static bool
is_of_round(const struct checker_round *r, size_t service)
{
	return r->service == CHECKER_ALL || r->service == service;
}

static void
note_answer(struct slot *sl)
{
	uint64_t before = sl->answered;

	sl->answered = sl->asked;
	for (size_t i = 0; i < CHECKER_ROUNDS_MAX; i++) {
		struct checker_round *r = sl->ck->rounds[i];

		if (r != NULL && is_of_round(r, sl->service) &&
		    before < r->wish && sl->answered >= r->wish)
			r->n_awaited--;
	}
}

/* on_done may begin rounds, which wait, and cancel others. */
static void
tell_rounds(struct checker *ck)
{
	for (size_t i = 0; i < CHECKER_ROUNDS_MAX; i++) {
		struct checker_round *r = ck->rounds[i];

		if (r == NULL || r->n_awaited > 0)
			continue;
		ck->rounds[i] = NULL;
		r->on_done(r->arg);
		free(r);
	}
}

static void
note_counted(struct slot *sl, bool is_pass)
{
	sl->counted = mono_now();
	sl->known.is_stale = false;
	if (is_pass) {
		sl->failing_since = (struct mono){ 0 };
	} else if (sl->failing_since.us == 0) {
		sl->failing_since = sl->counted;
	}
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
	sl->known.last = result->verdict;
	sl->known.rtt_us = result->rtt_us;
	sl->known.results[result->verdict]++;
	(void)text_copy(sl->known.detail, sizeof(sl->known.detail),
	    result->detail);
	if (result->verdict != PROBE_NO_ANSWER_FROM_US) {
		note_counted(sl, result->verdict == PROBE_PASS);
		changed = probe_health_step(&sl->health,
		    result->verdict == PROBE_PASS, sl->conf->down_after,
		    sl->conf->up_after);
	}
	sl->known.health = sl->health.state;
	schedule_next(sl);
	if (changed) {
		struct checker_change ch = { .s = sl->service,
			.p = sl->index,
			.before = before,
			.now = sl->health.state,
			.detail = sl->known.detail };

		sl->known.since_ms = sl->known.last_ms;
		ck->ops.on_probe(&ch, ck->arg);
		judge_service(ck, sl->service, sl);
	}
	note_answer(sl);
	tell_rounds(ck);
}

static void
on_due(struct loop *lp, void *arg)
{
	struct slot *sl = arg;

	(void)lp;
	if (sl->running != NULL)
		return;
	sl->asked = sl->ck->last_wish;
	sl->running = probe_start(sl->ck->env, sl->conf, on_result, sl);
}

/* How the probes of a new checker share out their time. */
struct times {
	struct beat_places first, steady;
	size_t n; /* probes that have theirs */
};

static int64_t
first_wait_ms(const struct slot *sl, struct times *times)
{
	const struct conf_probe *conf = sl->conf;
	size_t number = times->n++;

	if (conf->has_spread) {
		return conf->spread_ms * (int64_t)number /
		    (int64_t)sl->ck->n_probes;
	}
	return beat_first_wait_ms(&times->first, conf, number, mono_now());
}

static void
slot_init(struct checker *ck, size_t s, size_t p, struct times *times)
{
	struct slot *sl = &ck->services[s].slots[p];

	*sl = (struct slot){ .ck = ck,
		.service = s,
		.index = p,
		.conf = &ck->conf[s].probes[p] };
	sl->known.rtt_us = -1;
	sl->place_ms = beat_place_ms(&times->steady, sl->conf);
	sl->timer = loop_timer_new(ck->lp, on_due, sl);
	set_due(sl, first_wait_ms(sl, times));
}

struct checker *
/* NOLINTNEXTLINE(readability-function-size): as the header has it */
checker_new(struct loop *lp, struct probe_env *env,
    const struct conf_service *services, size_t n,
    const struct checker_ops *ops, void *arg)
{
	struct checker *ck = xcalloc(1, sizeof(*ck));
	struct times times = { .n = 0 };

	*ck = (struct checker){ .lp = lp,
		.env = env,
		.conf = services,
		.n = n,
		.ops = *ops,
		.arg = arg };
	ck->services = xcalloc(n, sizeof(*ck->services));
	for (size_t s = 0; s < n; s++)
		ck->n_probes += services[s].n_probes;
	for (size_t s = 0; s < n; s++) {
		struct service *sv = &ck->services[s];

		sv->slots = xcalloc(services[s].n_probes, sizeof(*sv->slots));
		for (size_t p = 0; p < services[s].n_probes; p++)
			slot_init(ck, s, p, &times);
	}
	return ck;
}

static void
inherit_probe(struct slot *sl, const struct slot *old)
{
	sl->health = old->health;
	sl->known = old->known;
	sl->counted = old->counted;
	sl->failing_since = old->failing_since;
	/* In the same beat, until the next one is in its place; what was under
	 * way begins again. */
	if (old->running != NULL) {
		set_due(sl, 0);
	} else {
		sl->due = old->due;
		loop_timer_set_at(sl->timer,
		    beat_begin(sl->conf, sl->conf->interval_ms, old->due));
	}
}

static void
inherit_service(struct checker *ck, size_t s, const struct checker *from,
    size_t old_s)
{
	const struct conf_service *conf = &ck->conf[s];
	const struct conf_service *old_conf = &from->conf[old_s];
	struct service *sv = &ck->services[s];
	const struct service *old = &from->services[old_s];
	bool is_same = conf_service_checks_equal(conf, old_conf);
	enum health *states = xcalloc(conf->n_probes, sizeof(*states));

	for (size_t p = 0; p < conf->n_probes; p++) {
		for (size_t q = 0; q < old_conf->n_probes; q++) {
			const struct conf_probe *a = &conf->probes[p];
			const struct conf_probe *b = &old_conf->probes[q];

			if (strcmp(a->name, b->name) == 0 &&
			    (is_same || conf_probe_equal(a, b)))
				inherit_probe(&sv->slots[p], &old->slots[q]);
		}
		states[p] = sv->slots[p].health.state;
	}
	sv->verdict = health_verdict(states, conf->n_probes, conf->need);
	sv->since_ms =
	    sv->verdict == old->verdict ? old->since_ms : wall_now_ms();
	free(states);
}

void
checker_inherit(struct checker *ck, const struct checker *from)
{
	for (size_t s = 0; s < ck->n; s++) {
		for (size_t old = 0; old < from->n; old++) {
			if (strcmp(ck->conf[s].name, from->conf[old].name) == 0)
				inherit_service(ck, s, from, old);
		}
	}
}

void
checker_free(struct checker *ck)
{
	if (ck == NULL)
		return;
	for (size_t i = 0; i < CHECKER_ROUNDS_MAX; i++)
		free(ck->rounds[i]);
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

/* Returns how many probes were asked. */
static size_t
check_service_now(struct checker *ck, size_t s, struct beat_places *places,
    size_t place)
{
	struct mono now = mono_now();

	for (size_t p = 0; p < ck->conf[s].n_probes; p++) {
		struct slot *sl = &ck->services[s].slots[p];
		int64_t wait_ms =
		    beat_first_wait_ms(places, sl->conf, place + p, now);

		if (sl->running != NULL) {
			sl->again = true;
		} else if (mono_before(mono_add_ms(now, wait_ms), sl->due)) {
			set_due(sl, wait_ms);
		}
	}
	return ck->conf[s].n_probes;
}

struct checker_round *
checker_check_now(struct checker *ck, size_t s, checker_round_cb *on_done,
    void *arg)
{
	struct checker_round *r;
	struct beat_places places = { .taken = { 0 } };
	size_t place = 0;

	assert(s == CHECKER_ALL || s < ck->n);
	while (place < CHECKER_ROUNDS_MAX && ck->rounds[place] != NULL)
		place++;
	if (place == CHECKER_ROUNDS_MAX)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	*r = (struct checker_round){ .ck = ck,
		.service = s,
		.wish = ++ck->last_wish,
		.on_done = on_done,
		.arg = arg };
	ck->rounds[place] = r;
	for (size_t i = 0; i < ck->n; i++) {
		if (is_of_round(r, i)) {
			r->n_awaited +=
			    check_service_now(ck, i, &places, r->n_awaited);
		}
	}
	assert(r->n_awaited > 0);
	return r;
}

void
checker_round_cancel(struct checker_round *round)
{
	size_t i = 0;

	while (round->ck->rounds[i] != round)
		i++;
	round->ck->rounds[i] = NULL;
	free(round);
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

static int
compare_monos(const void *va, const void *vb)
{
	const struct mono *a = va, *b = vb;

	return a->us < b->us ? -1 : a->us > b->us;
}

bool
checker_is_failing(const struct checker *ck, size_t s, struct mono *since)
{
	const struct conf_service *conf = &ck->conf[s];
	struct mono failing[CONF_PROBES_MAX];
	size_t n = 0;

	assert(s < ck->n);
	for (size_t p = 0; p < conf->n_probes; p++) {
		const struct slot *sl = &ck->services[s].slots[p];

		if (sl->failing_since.us != 0)
			failing[n++] = sl->failing_since;
	}
	/* With this one, need cannot be reached any more. */
	if (conf->n_probes - n >= conf->need)
		return false;
	qsort(failing, n, sizeof(failing[0]), compare_monos);
	*since = failing[conf->n_probes - conf->need];
	return true;
}

static bool
is_too_old(const struct slot *sl, unsigned intervals, struct mono now)
{
	int64_t most_ms =
	    sl->conf->interval_ms * (int64_t)intervals + sl->conf->timeout_ms;

	/* The way back to its place may take so much longer. */
	if (sl->place_ms != BEAT_NO_PLACE)
		most_ms += sl->conf->interval_ms / 2;
	return sl->health.state != HEALTH_UNKNOWN &&
	    mono_diff_ms(now, sl->counted) > most_ms;
}

static void
expire(struct checker *ck, struct slot *sl, struct mono now)
{
	struct checker_change ch = { .s = sl->service,
		.p = sl->index,
		.before = sl->health.state,
		.now = HEALTH_UNKNOWN,
		.detail = sl->known.detail };

	(void)snprintf(sl->known.detail, sizeof(sl->known.detail),
	    "no result for %lld s",
	    (long long)mono_diff_ms(now, sl->counted) / 1000);
	sl->health = (struct probe_health){ 0 };
	sl->failing_since = (struct mono){ 0 };
	sl->known.health = HEALTH_UNKNOWN;
	sl->known.since_ms = wall_now_ms();
	sl->known.is_stale = true;
	ck->ops.on_probe(&ch, ck->arg);
	judge_service(ck, sl->service, sl);
}

size_t
checker_expire(struct checker *ck, unsigned intervals)
{
	struct mono now = mono_now();
	size_t stale = 0;

	for (size_t s = 0; s < ck->n; s++) {
		for (size_t p = 0; p < ck->conf[s].n_probes; p++) {
			struct slot *sl = &ck->services[s].slots[p];

			if (is_too_old(sl, intervals, now))
				expire(ck, sl, now);
			stale += sl->known.is_stale;
		}
	}
	return stale;
}
