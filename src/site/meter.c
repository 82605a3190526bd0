/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/meter.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/xalloc.h"

#define TROUBLE_BYTES 160

struct meter {
	struct meters *ms;
	const struct conf_drain *conf;
	struct counter *counter;
	char trouble[TROUBLE_BYTES];
	bool has_last, has_rate;
	uint64_t last;
	struct mono last_at;
	double per_s;
};

struct meters {
	struct meters_env env;
	struct meter *meters; /* one per counter */
	size_t n;
	struct meter **of_service; /* NULL: none */
};

static void
on_count(uint64_t count, struct mono now, void *arg)
{
	struct meter *m = arg;
	int64_t us = now.us - m->last_at.us;

	m->trouble[0] = '\0';
	/* A counter that fell was reset: begin anew. */
	m->has_rate = m->has_last && count >= m->last && us > 0;
	if (m->has_rate)
		m->per_s = (double)(count - m->last) * 1e6 / (double)us;
	m->last = count;
	m->last_at = now;
	m->has_last = true;
	m->ms->env.on_reading(m->ms->env.arg);
}

static void
on_trouble(const char *why, void *arg)
{
	struct meter *m = arg;

	(void)text_copy(m->trouble, sizeof(m->trouble), why);
	m->has_rate = false;
	m->has_last = false;
	m->ms->env.on_reading(m->ms->env.arg);
}

static bool
is_same(const struct meter *m, const struct conf_drain *d)
{
	return m->conf->interval_ms == d->interval_ms &&
	    conf_counter_equal(&m->conf->counter, &d->counter);
}

static void
meter_init(struct meter *m, struct meters *ms, const struct conf_drain *d)
{
	static const struct counter_ops ops = { .on_count = on_count,
		.on_trouble = on_trouble };

	*m = (struct meter){ .ms = ms, .conf = d };
	(void)text_copy(m->trouble, sizeof(m->trouble), "not read yet");
	m->counter = counter_new(&ms->env.counters, &d->counter, d->interval_ms,
	    &ops, m);
}

struct meters *
meters_new(const struct meters_env *env, const struct conf_service *services,
    size_t n)
{
	struct meters *ms = xcalloc(1, sizeof(*ms));

	ms->env = *env;
	ms->meters = xcalloc(n, sizeof(*ms->meters));
	ms->of_service = xcalloc(n, sizeof(struct meter *));
	for (size_t s = 0; s < n; s++) {
		const struct conf_drain *d = &services[s].drain;
		size_t i = 0;

		if (d->counter.kind == COUNTER_NONE)
			continue;
		while (i < ms->n && !is_same(&ms->meters[i], d))
			i++;
		if (i == ms->n)
			meter_init(&ms->meters[ms->n++], ms, d);
		ms->of_service[s] = &ms->meters[i];
	}
	return ms;
}

void
meters_free(struct meters *ms)
{
	if (ms == NULL)
		return;
	for (size_t i = 0; i < ms->n; i++)
		counter_free(ms->meters[i].counter);
	free(ms->meters);
	free(ms->of_service);
	free(ms);
}

bool
meters_rate(const struct meters *ms, size_t s, double *per_s)
{
	const struct meter *m = ms->of_service[s];

	if (m == NULL || !m->has_rate)
		return false;
	*per_s = m->per_s;
	return true;
}

const char *
meters_trouble(const struct meters *ms, size_t s)
{
	return ms->of_service[s] != NULL ? ms->of_service[s]->trouble : "";
}

const char *
meters_name(const struct meters *ms, size_t s)
{
	return ms->of_service[s] != NULL
	    ? counter_name(ms->of_service[s]->counter)
	    : "";
}
