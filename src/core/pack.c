/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log of packed experiments.  Columns are kept as they come, one per
 * experiment: appending is free and nothing is ever moved.  Inference reads
 * blocks of clients across all columns (pack_gather).
 */
#include "core/pack.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

#define BATCH_DEFAULT 4u
#define CAP_PERMILLE_DEFAULT 350u
#define CAP_PERMILLE_MAX 900u
#define LOW_MIN 4u
#define LOW_SHARE 20u /* of the sites: 1/20 */

/* Codes of one byte: sites, then these. */
#define BYTE_SITES_MAX 254u
#define BYTE_NONE 255u
#define BYTE_FLIPPING 254u

static const char *const purpose_names[] = {
	[PACK_BASELINE] = "baseline",
	[PACK_SINGLE] = "single",
	[PACK_SEED] = "seed",
	[PACK_REPACK] = "repack",
	[PACK_CONFIRM] = "confirm",
	[PACK_ALONE] = "alone",
	[PACK_HOLDOUT] = "holdout",
	[PACK_REPEAT] = "repeat",
	[PACK_OTHER] = "other",
};
static_assert(sizeof(purpose_names) / sizeof(purpose_names[0]) ==
	PACK_PURPOSE_COUNT,
    "a name for each purpose");

static const char *const label_names[] = {
	[PACK_UNKNOWN] = "unknown",
	[PACK_GUESSED] = "guessed",
	[PACK_CONTRADICTED] = "contradicted",
	[PACK_UNSTABLE] = "unstable",
	[PACK_COMPOSED] = "composed",
	[PACK_CERTIFIED] = "certified",
	[PACK_MEASURED] = "measured",
};
static_assert(sizeof(label_names) / sizeof(label_names[0]) == PACK_LABEL_COUNT,
    "a name for each label");

const char *
pack_purpose_name(enum pack_purpose purpose)
{
	return purpose_names[purpose];
}

const char *
pack_label_name(enum pack_label label)
{
	return label_names[label];
}

size_t
pack_set_count(const struct pack_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < PACK_WORDS; i++)
		n += (size_t)__builtin_popcountll(set->bits[i]);
	return n;
}

bool
pack_set_equal(const struct pack_set *a, const struct pack_set *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void
pack_rng_init(struct pack_rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t z = seed + (stream + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	r->s = (z ^ (z >> 31)) | 1;
}

uint64_t
pack_rng_next(struct pack_rng *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * UINT64_C(0x2545f4914f6cdd1d);
}

double
pack_rng_unit(struct pack_rng *r)
{
	return (double)(pack_rng_next(r) >> 11) * 0x1p-53;
}

static int
conf_check(const struct pack_conf *conf, struct err *err)
{
	if (conf->n_sites < 1 || conf->n_sites > PACK_SITES_MAX) {
		return err_set(err, ERR_CONF, "%zu sites: 1 to %u",
		    conf->n_sites, PACK_SITES_MAX);
	}
	if (conf->n_clients < 1 || conf->n_clients > PACK_CLIENTS_MAX) {
		return err_set(err, ERR_CONF, "%zu clients: 1 to %u",
		    conf->n_clients, PACK_CLIENTS_MAX);
	}
	if (conf->depth < 1 || conf->depth > PACK_DEPTH_MAX) {
		return err_set(err, ERR_CONF, "depth %u: 1 to %u", conf->depth,
		    PACK_DEPTH_MAX);
	}
	if (conf->batch > PACK_BATCH_MAX) {
		return err_set(err, ERR_CONF, "batch %u: %u at most",
		    conf->batch, PACK_BATCH_MAX);
	}
	if (conf->budget > PACK_EXPERIMENTS_MAX) {
		return err_set(err, ERR_CONF, "budget %u: %u at most",
		    conf->budget, PACK_EXPERIMENTS_MAX);
	}
	if (conf->cap_permille > CAP_PERMILLE_MAX) {
		return err_set(err, ERR_CONF, "cap %u permille: %u at most",
		    conf->cap_permille, CAP_PERMILLE_MAX);
	}
	for (size_t c = 0; conf->weight != NULL && c < conf->n_clients; c++) {
		if (!isfinite(conf->weight[c]) || conf->weight[c] < 0) {
			return err_set(err, ERR_CONF, "client %zu: bad weight",
			    c);
		}
	}
	return 0;
}

static void
conf_fill(struct pack_conf *conf)
{
	conf->weight = NULL;
	if (conf->batch == 0)
		conf->batch = BATCH_DEFAULT;
	if (conf->budget == 0)
		conf->budget = PACK_EXPERIMENTS_MAX;
	if (conf->cap_permille == 0)
		conf->cap_permille = CAP_PERMILLE_DEFAULT;
}

/* What is inferred: nothing. */
static void
derived_make(struct pack *p)
{
	size_t n = p->conf.n_sites;

	p->next = xcalloc(n * n, sizeof(*p->next));
	p->site_weight = xcalloc(n, sizeof(*p->site_weight));
	p->result = xcalloc(p->conf.n_clients, sizeof(*p->result));
	p->route = NULL;
	p->n_route = p->route_room = 0;
	p->work = (struct pack_work){ 0 };
	p->is_inferred = p->is_checked = p->has_progress = false;
}

struct pack *
pack_new(const struct pack_conf *conf, struct err *err)
{
	struct pack *p;

	if (conf_check(conf, err) == -1)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->conf = *conf;
	conf_fill(&p->conf);
	p->code_bytes = conf->n_sites <= BYTE_SITES_MAX ? 1 : 2;
	p->low = (unsigned)conf->n_sites / LOW_SHARE;
	if (p->low < LOW_MIN)
		p->low = LOW_MIN;
	p->few = (unsigned)conf->n_sites / LOW_SHARE;
	if (p->few < 1)
		p->few = 1;
	for (size_t s = 0; s < conf->n_sites; s++)
		pack_set_add(&p->sites, s);
	p->weight = xcalloc(conf->n_clients, sizeof(*p->weight));
	for (size_t c = 0; c < conf->n_clients; c++) {
		p->weight[c] =
		    conf->weight == NULL ? 1.0F : (float)conf->weight[c];
	}
	derived_make(p);
	return p;
}

struct pack *
pack_copy(const struct pack *p)
{
	struct pack *copy = xcalloc(1, sizeof(*copy));

	*copy = *p;
	copy->weight = xcalloc(p->conf.n_clients, sizeof(*copy->weight));
	memcpy(copy->weight, p->weight,
	    p->conf.n_clients * sizeof(*copy->weight));
	for (size_t i = 0; i < p->n_log; i++)
		p->log[i].column->users++;
	derived_make(copy);
	return copy;
}

void
pack_free(struct pack *p)
{
	if (p == NULL)
		return;
	pack_work_reset(p);
	for (size_t i = 0; i < p->n_log; i++) {
		if (--p->log[i].column->users == 0)
			free(p->log[i].column);
	}
	free(p->weight);
	free(p->next);
	free(p->site_weight);
	free(p->result);
	free(p->route);
	free(p);
}

size_t
pack_count(const struct pack *p)
{
	return p->n_log;
}

static void
column_write8(const struct pack *p, struct pack_experiment *e,
    const uint16_t *outcome)
{
	uint8_t *out = e->column->codes;

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		uint16_t u = outcome[c];

		if (u < p->conf.n_sites && !pack_set_has(&e->withdrawn, u)) {
			out[c] = (uint8_t)u;
		} else {
			out[c] = u == PACK_FLIPPING ? BYTE_FLIPPING : BYTE_NONE;
			e->impossible += u != PACK_FLIPPING && u != PACK_NONE;
		}
	}
}

static void
column_write16(const struct pack *p, struct pack_experiment *e,
    const uint16_t *outcome)
{
	uint16_t *out = (void *)e->column->codes;

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		uint16_t u = outcome[c];

		if (u == PACK_FLIPPING || u == PACK_NONE ||
		    (u < p->conf.n_sites && !pack_set_has(&e->withdrawn, u))) {
			out[c] = u;
		} else {
			out[c] = PACK_NONE;
			e->impossible++;
		}
	}
}

static int
set_check(const struct pack *p, const struct pack_set *set, struct err *err)
{
	for (size_t i = 0; i < PACK_WORDS; i++) {
		if ((set->bits[i] & ~p->sites.bits[i]) != 0) {
			return err_set(err, ERR_CONF,
			    "withdrawn: there is no such site");
		}
	}
	if (pack_set_equal(set, &p->sites)) {
		return err_set(err, ERR_CONF,
		    "withdrawn: no site is left announcing");
	}
	return 0;
}

/* 1 + the newest experiment with this set; 0: there is none. */
static uint16_t
twin_find(const struct pack *p, const struct pack_set *set)
{
	size_t i = p->n_log;

	while (i > 0 && !pack_set_equal(&p->log[i - 1].withdrawn, set))
		i--;
	return (uint16_t)i;
}

/*
 * Of which experiment e, the next one, is the repeat.  Few sites have few sets,
 * and the same one is measured for several reasons: it is a repeat of all of
 * them, and a hold-out only if they all are.  Named is the newest other one.
 */
static void
original_find(const struct pack *p, struct pack_experiment *e)
{
	const struct pack_experiment *o;

	for (size_t i = e->twin; i > 0; i = o->twin) {
		o = &p->log[i - 1];
		if (o->is_discarded || o->repeats != 0 ||
		    o->purpose == PACK_OTHER)
			continue;
		if (e->repeats == 0)
			e->repeats = (uint16_t)i;
		e->is_holdout = o->is_holdout;
		if (!o->is_holdout) {
			e->repeats = (uint16_t)i;
			return;
		}
	}
	if (e->repeats == 0)
		e->purpose = PACK_OTHER;
}

int
pack_add(struct pack *p, const struct pack_set *withdrawn,
    enum pack_purpose purpose, const uint16_t *outcome, struct err *err)
{
	struct pack_experiment *e;

	if (p->n_log == PACK_EXPERIMENTS_MAX) {
		return err_set(err, ERR_CONF, "the log of %u is full",
		    PACK_EXPERIMENTS_MAX);
	}
	if (set_check(p, withdrawn, err) == -1)
		return -1;
	e = &p->log[p->n_log];
	*e = (struct pack_experiment){
		.withdrawn = *withdrawn,
		.n_withdrawn = (unsigned)pack_set_count(withdrawn),
		.purpose = purpose,
		.is_holdout = purpose == PACK_HOLDOUT,
		.twin = twin_find(p, withdrawn),
		.column = xcalloc(1,
		    sizeof(*e->column) + p->conf.n_clients * p->code_bytes),
	};
	e->column->users = 1;
	if (purpose == PACK_REPEAT)
		original_find(p, e);
	if (p->code_bytes == 1) {
		column_write8(p, e, outcome);
	} else {
		column_write16(p, e, outcome);
	}
	pack_work_reset(p);
	return (int)p->n_log++;
}

void
pack_discard(struct pack *p, size_t i)
{
	assert(i < p->n_log);
	p->log[i].is_discarded = true;
	pack_work_reset(p);
}

static const uint16_t byte_special[] = { PACK_FLIPPING, PACK_NONE };

uint16_t
pack_read(const struct pack *p, size_t i, size_t c)
{
	uint8_t code;

	if (p->code_bytes == 2)
		return ((const uint16_t *)pack_codes(p, i))[c];
	code = ((const uint8_t *)pack_codes(p, i))[c];
	return code < BYTE_FLIPPING ? code : byte_special[code - BYTE_FLIPPING];
}

static void
gather8(const struct pack *p, size_t first, size_t n, uint16_t *out)
{
	for (size_t i = 0; i < p->as_of; i++) {
		const uint8_t *column =
		    (const uint8_t *)pack_codes(p, i) + first;

		for (size_t c = 0; c < n; c++) {
			out[c * p->as_of + i] = column[c] < BYTE_FLIPPING
			    ? column[c]
			    : byte_special[column[c] - BYTE_FLIPPING];
		}
	}
}

void
pack_gather(const struct pack *p, size_t first, size_t n, uint16_t *out)
{
	if (p->code_bytes == 1) {
		gather8(p, first, n, out);
		return;
	}
	for (size_t i = 0; i < p->as_of; i++) {
		const uint16_t *column =
		    (const uint16_t *)pack_codes(p, i) + first;

		for (size_t c = 0; c < n; c++)
			out[c * p->as_of + i] = column[c];
	}
}
