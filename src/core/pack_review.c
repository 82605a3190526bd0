/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which experiments to mistrust: those in which clients went astray.
 *
 * A bystander, a client whose own site announces, should be where it always is.
 * Some never are: they flap, or an AS on their way minds what else is withdrawn.
 * Those move in one experiment after the other, and big sets move many of them;
 * so they say nothing about a single one.  A client that is at home in nearly
 * all experiments and elsewhere in this one does: something else happened while
 * it ran.  What went astray with it are the displaced clients, and their
 * readings are wrong.
 *
 * All follows from the log, so it is the same after a restart, and with more
 * experiments it is judged better.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

/* A client that moved is astray if it left home so seldom -- this share of its
 * experiments, but once is always seldom -- and not for long. */
#define LEFT_SHARE_MAX 0.1
#define AWAY_SHARE_MAX 0.34
/* An experiment is suspect with more than so many times the median of its like,
 * or this share of the bystanders, whichever is more, and beyond chance: so many
 * standard deviations of their number; and with this number of them. */
#define SUSPECT_FACTOR 3.0
#define SUSPECT_SHARE_MIN 0.015
#define SUSPECT_DEVIATIONS 3.0
#define SUSPECT_CLIENTS_MIN 4u
/* A median of fewer is none. */
#define LIKE_MIN 3u
/* One repeat for so many others; a few in any case. */
#define REPEAT_OF 4u
#define REPEATS_ALWAYS 2u

/* Bystanders of one experiment. */
struct crowd {
	uint32_t standing, astray;
};

/* Experiments in which one client was a bystander. */
struct path {
	uint16_t moved[PACK_EXPERIMENTS_MAX]; /* where it was elsewhere */
	unsigned n_moved, n;
	unsigned left; /* how often it left home */
};

/* Where all baselines have the client, or PACK_NONE. */
static uint16_t
home_of(const struct pack *p, const uint16_t *u)
{
	uint16_t home = PACK_NONE;

	for (size_t i = 0; i < p->n_log; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (e->n_withdrawn > 0 || e->is_discarded || u[i] == PACK_NONE)
			continue;
		if (u[i] == PACK_FLIPPING ||
		    (home != PACK_NONE && u[i] != home))
			return PACK_NONE;
		home = u[i];
	}
	return home;
}

static void
path_find(const struct pack *p, const uint16_t *u, uint16_t home,
    struct crowd *crowds, struct path *path)
{
	bool is_away = false;

	path->n_moved = path->n = path->left = 0;
	for (size_t i = 0; i < p->n_log; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (e->is_discarded || u[i] == PACK_NONE ||
		    pack_set_has(&e->withdrawn, home))
			continue;
		path->n++;
		crowds[i].standing++;
		if (u[i] != home) {
			path->left += !is_away;
			path->moved[path->n_moved++] = (uint16_t)i;
		}
		is_away = u[i] != home;
	}
}

/* Did an experiment before the repeat have the client at the same site?  Of
 * others with the same set this tells nothing: they may have run side by side. */
static bool
is_as_before(const struct pack *p, const uint16_t *u, size_t repeat)
{
	for (size_t i = p->log[repeat].twin; i > 0; i = p->log[i - 1].twin) {
		if (!p->log[i - 1].is_discarded && u[i - 1] == u[repeat])
			return true;
	}
	return false;
}

/* Does the client go the same way whenever a set is withdrawn?  Or has it moved
 * for good? */
static bool
is_repeated(const struct pack *p, const uint16_t *u, const struct path *path)
{
	for (unsigned k = 0; k < path->n_moved; k++) {
		size_t i = path->moved[k];

		if (p->log[i].repeats != 0 && is_as_before(p, u, i))
			return true;
	}
	return false;
}

static bool
is_steady(const struct path *path)
{
	if (path->left > 1 && path->left > LEFT_SHARE_MAX * path->n)
		return false;
	return path->n_moved <= 1 || path->n_moved <= AWAY_SHARE_MAX * path->n;
}

static void
client_review(const struct pack *p, const uint16_t *u, struct crowd *crowds)
{
	uint16_t home = home_of(p, u);
	struct path path;

	if (home == PACK_NONE)
		return;
	path_find(p, u, home, crowds, &path);
	if (!is_steady(&path) || is_repeated(p, u, &path))
		return;
	for (unsigned k = 0; k < path.n_moved; k++)
		crowds[path.moved[k]].astray++;
}

static int
float_order(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Big sets move more than small ones: each is held against its like. */
static bool
is_big(const struct pack *p, size_t i)
{
	return p->log[i].n_withdrawn > p->low;
}

/* The median share astray among its like; false: there are too few. */
static bool
median_find(const struct pack *p, bool of_big, float *median)
{
	float values[PACK_EXPERIMENTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->n_log; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (!e->is_discarded && e->n_withdrawn > 0 &&
		    is_big(p, i) == of_big)
			values[n++] = e->astray;
	}
	if (n < LIKE_MIN)
		return false;
	qsort(values, n, sizeof(values[0]), float_order);
	*median = values[n / 2];
	return true;
}

static bool
is_beyond(uint32_t astray, uint32_t all, double median)
{
	double usual = SUSPECT_FACTOR * median;

	if (usual < SUSPECT_SHARE_MIN)
		usual = SUSPECT_SHARE_MIN;
	usual *= all;
	return astray >= SUSPECT_CLIENTS_MIN &&
	    astray > usual + SUSPECT_DEVIATIONS * sqrt(usual);
}

static void
suspects_find(struct pack *p, const struct crowd *crowds)
{
	float median[2];
	bool is_known[2];

	for (size_t i = 0; i < p->n_log; i++) {
		const struct crowd *k = &crowds[i];

		p->log[i].astray =
		    k->standing > 0 ? (float)k->astray / (float)k->standing : 0;
	}
	for (int big = 0; big < 2; big++)
		is_known[big] = median_find(p, big, &median[big]);
	for (size_t i = 0; i < p->n_log; i++) {
		struct pack_experiment *e = &p->log[i];
		bool big = is_big(p, i);

		e->is_suspect = is_known[big] && e->n_withdrawn > 0 &&
		    !e->is_discarded &&
		    is_beyond(crowds[i].astray, crowds[i].standing,
			(double)median[big]);
	}
}

/* How many sets may still be measured again. */
static unsigned
repeats_left(const struct pack *p)
{
	unsigned repeats = 0, others = 0, most;

	for (size_t i = 0; i < p->n_log; i++) {
		repeats += p->log[i].repeats != 0;
		others += p->log[i].repeats == 0;
	}
	most = others / REPEAT_OF;
	if (most < REPEATS_ALWAYS)
		most = REPEATS_ALWAYS;
	return most > repeats ? most - repeats : 0;
}

/*
 * Was the set of experiment i measured again?  Or has it come once more later on,
 * in peace?  One before does not do: the Internet may have changed for good
 * since.  Nor does a hold-out, which teaches nothing, for what is none.
 */
static bool
is_settled(const struct pack *p, size_t i)
{
	const struct pack_experiment *e = &p->log[i];

	for (size_t k = 0; k < p->n_log; k++) {
		const struct pack_experiment *o = &p->log[k];

		if (o->is_discarded ||
		    !pack_set_equal(&o->withdrawn, &e->withdrawn))
			continue;
		if (o->repeats != 0 ||
		    (k > i && !o->is_suspect &&
			(!o->is_holdout || e->is_holdout)))
			return true;
	}
	return false;
}

static bool
asks_for_repeat(const struct pack *p, size_t i)
{
	const struct pack_experiment *e = &p->log[i];

	return e->is_suspect && e->repeats == 0 && e->purpose != PACK_OTHER &&
	    !is_settled(p, i);
}

/* Does one before it, with the same set, ask as well? */
static bool
was_asked(const struct pack *p, size_t i)
{
	for (size_t k = p->log[i].twin; k > 0; k = p->log[k - 1].twin) {
		if (asks_for_repeat(p, k - 1))
			return true;
	}
	return false;
}

/* One repeat is for all that ask for the same set, of which the i-th is the
 * first; it is due for the one that pack_add will find. */
static void
answer_all(struct pack *p, size_t i, bool is_granted)
{
	struct pack_experiment *due = NULL;

	for (size_t k = i; k < p->n_log; k++) {
		struct pack_experiment *e = &p->log[k];

		if (!pack_set_equal(&e->withdrawn, &p->log[i].withdrawn) ||
		    !asks_for_repeat(p, k))
			continue;
		e->is_aside = is_granted;
		if (due == NULL || due->is_holdout || !e->is_holdout)
			due = e;
	}
	if (due != NULL)
		due->is_due = is_granted;
}

/*
 * A suspect one is out, and its set is measured again: once, and while repeats
 * are left; what is suspect beyond that is believed after all.  If the same
 * clients move in the repeat it is the Internet that does that, and neither is
 * suspect any more; if others do, something happened again, and both are out.
 */
static void
asides_find(struct pack *p)
{
	unsigned left = repeats_left(p);

	for (size_t i = 0; i < p->n_log; i++) {
		p->log[i].is_aside = p->log[i].is_suspect;
		p->log[i].is_due = false;
	}
	for (size_t i = 0; i < p->n_log; i++) {
		if (!asks_for_repeat(p, i) || was_asked(p, i))
			continue;
		answer_all(p, i, left > 0);
		left -= left > 0;
	}
}

/* A hold-out is what was disturbed if no other of its set is suspect. */
size_t
pack_original(const struct pack *p, const struct pack_experiment *e)
{
	const struct pack_experiment *o;

	if (e->repeats == 0 || p->log[e->repeats - 1].is_suspect)
		return e->repeats;
	for (size_t i = e->twin; i > e->repeats; i = o->twin) {
		o = &p->log[i - 1];
		if (o->is_holdout && !o->is_discarded && o->repeats == 0)
			return i;
	}
	return e->repeats;
}

static size_t
crowds_bytes(const struct pack *p)
{
	return (p->n_log + 1) * sizeof(struct crowd);
}

static void
review_begin(struct pack *p, void *sums)
{
	(void)sums;
	p->as_of = p->n_log;
}

static void
review_add(struct pack *p, const struct pack_block *block, void *sums)
{
	for (size_t c = 0; c < block->n; c++)
		client_review(p, block->readings + c * p->as_of, sums);
}

static void
review_end(struct pack *p, void *sums)
{
	suspects_find(p, sums);
	asides_find(p);
}

/* Judges all experiments: who is suspect, set aside, to be measured again. */
const struct pack_pass pack_pass_review = { crowds_bytes, review_begin,
	review_add, review_end };

bool
pack_is_aside(struct pack *p, size_t i)
{
	pack_infer(p);
	return p->log[i].is_aside;
}
