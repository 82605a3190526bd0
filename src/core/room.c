/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/room.h"

/* Less than this lands by the noise of floating point alone. */
#define LANDS_LEAST 1e-9
#define LOST_LEAST 1e-6

struct check {
	const struct room_site *sites;
	size_t n, site;
	const struct room_conf *conf;
	double goes;
	struct room_answer answer;
};

/* Full beats unknown; the first of each is told. */
static void
keep(struct check *c, const struct room_answer *a)
{
	if (a->verdict == ROOM_FULL ||
	    (a->verdict == ROOM_UNKNOWN && c->answer.verdict == ROOM_OK))
		c->answer = *a;
}

static double
in_use(const struct check *c, const struct room_site *s)
{
	return s->load + s->landed * (100.0 + c->conf->margin_percent) / 100.0;
}

static void
judge_heir(struct check *c, size_t heir, size_t after, double lands)
{
	const struct room_site *s = &c->sites[heir];
	struct room_answer a = { .heir = heir,
		.after = after,
		.load = in_use(c, s),
		.lands = lands * (100.0 + c->conf->margin_percent) / 100.0,
		.capacity = s->capacity * c->conf->limit_percent / 100.0 };

	if (!s->announces || !s->has_load || !s->has_capacity) {
		a.verdict = ROOM_UNKNOWN;
	} else if (a.load + a.lands > a.capacity) {
		a.verdict = ROOM_FULL;
	}
	keep(c, &a);
}

/* Of this load nobody knows where it goes. */
static double
lost_load(const struct check *c, const double *row, size_t after)
{
	double lost = c->goes;

	if (after != ROOM_NONE && c->sites[after].has_load)
		lost += c->sites[after].load + c->sites[after].landed;
	for (size_t k = 0; k < c->n; k++)
		lost -= row[k];
	return lost > LOST_LEAST ? lost : 0;
}

/* Could all of it fill this one? */
static void
judge_lost(struct check *c, size_t k, size_t after, const double *row)
{
	const struct room_site *s = &c->sites[k];
	double scale = (100.0 + c->conf->margin_percent) / 100.0;
	double lost = lost_load(c, row, after);
	struct room_answer a = { .verdict = ROOM_UNKNOWN,
		.heir = k,
		.after = after,
		.load = in_use(c, s),
		.lands = row[k] * scale,
		.capacity = s->capacity * c->conf->limit_percent / 100.0 };

	if (!s->announces || lost <= 0)
		return;
	if (!s->has_load || !s->has_capacity) {
		/* As little as makes no heir makes no doubt. */
		if (lost * 1000 >= c->goes * ROOM_NEXT_PERMILLE)
			keep(c, &a);
		return;
	}
	a.lost = lost * scale;
	if (a.load + a.lands + a.lost > a.capacity)
		keep(c, &a);
}

/* Somebody must be there for whom nobody knows where he goes. */
static void
judge_nobody(struct check *c, size_t after, const double *row)
{
	struct room_answer a = { .verdict = ROOM_UNKNOWN,
		.heir = ROOM_NONE,
		.after = after,
		.lost = lost_load(c, row, after) };

	for (size_t k = 0; k < c->n; k++) {
		if (k != c->site && k != after && c->sites[k].announces)
			return;
	}
	if (a.lost > 0)
		keep(c, &a);
}

static void
judge_row(struct check *c, const double *row, size_t after)
{
	for (size_t k = 0; k < c->n && c->answer.verdict != ROOM_FULL; k++) {
		if (k != c->site && k != after && row[k] > LANDS_LEAST)
			judge_heir(c, k, after, row[k]);
	}
	for (size_t k = 0; k < c->n && c->answer.verdict == ROOM_OK; k++) {
		if (k != c->site && k != after)
			judge_lost(c, k, after, row);
	}
	judge_nobody(c, after, row);
}

bool
room_is_next(const double *level1, size_t n, size_t site, size_t heir)
{
	double all = 0;

	for (size_t k = 0; k < n; k++)
		all += k != site ? level1[k] : 0;
	return heir != site && level1[heir] > LANDS_LEAST &&
	    level1[heir] * 1000 >= all * ROOM_NEXT_PERMILLE;
}

static void
judge_next(struct check *c, const struct room_landing *landing, size_t heir)
{
	const double *row = &landing->level2[heir * c->n];
	const struct room_answer no_map = {
		.verdict = ROOM_UNKNOWN, .heir = ROOM_NONE, .after = heir
	};

	if (row[0] < 0) {
		keep(c, &no_map);
	} else {
		judge_row(c, row, heir);
	}
}

struct room_answer
room_check(const struct room_site *sites, size_t n, size_t site,
    const struct room_landing *landing, const struct room_conf *conf)
{
	struct check c = { .sites = sites,
		.n = n,
		.site = site,
		.conf = conf,
		.goes = landing->goes,
		.answer = { .heir = ROOM_NONE, .after = ROOM_NONE } };

	judge_row(&c, landing->level1, ROOM_NONE);
	for (size_t h = 0; landing->level2 != NULL && h < n; h++) {
		if (c.answer.verdict != ROOM_FULL && sites[h].announces &&
		    room_is_next(landing->level1, n, site, h))
			judge_next(&c, landing, h);
	}
	return c.answer;
}
