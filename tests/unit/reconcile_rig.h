/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RECONCILE_RIG_H
#define RECONCILE_RIG_H
/*
 * reconcile_rig -- a reconciler of four prefixes, and all that it has said.
 */
#include <stdio.h>
#include <string.h>

#include "fake_bird.h"
#include "site/reconcile.h"
#include "test.h"

#define RIG_PREFIXES 4u
#define RIG_NOTICES 16u
#define RIG_POLL_MS 60
#define RIG_TIMEOUT_MS 300

static const char *const rig_prefixes[RIG_PREFIXES] = {
	"192.0.2.0/24",
	"198.51.100.0/24",
	"2001:db8:1::/48",
	"2001:db8:2::/48",
};

struct recon {
	struct loop *lp;
	struct conf_bird conf;
	struct prefix prefixes[RIG_PREFIXES]; /* in prefix_compare order */
	struct reconcile *r;
	unsigned changes[RIG_PREFIXES][REAL_COUNT]; /* times it became so */
	unsigned converged;
	char notices[RIG_NOTICES][400]; /* "what: reason" */
	unsigned n_notices;
};

static inline void
recon_on_real(size_t i, enum route_real before, enum route_real now, void *arg)
{
	struct recon *rec = arg;

	assert_true(i < RIG_PREFIXES);
	assert_int_not_equal(before, now);
	rec->changes[i][now]++;
}

static inline void
recon_on_notice(const char *what, const char *reason, void *arg)
{
	struct recon *rec = arg;

	(void)snprintf(rec->notices[rec->n_notices % RIG_NOTICES],
	    sizeof(rec->notices[0]), "%s: %s", what, reason);
	rec->n_notices++;
}

static inline void
recon_on_converged(void *arg)
{
	struct recon *rec = arg;

	rec->converged++;
}

static inline void
recon_start(struct recon *rec)
{
	const struct reconcile_ops ops = { .on_real = recon_on_real,
		.on_notice = recon_on_notice,
		.on_converged = recon_on_converged,
		.arg = rec };

	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		assert_int_equal(prefix_parse(rig_prefixes[i],
				     &rec->prefixes[i], NULL),
		    0);
	}
	qsort(rec->prefixes, RIG_PREFIXES, sizeof(rec->prefixes[0]),
	    prefix_compare);
	rec->r = reconcile_new(rec->lp, &rec->conf, rec->prefixes, RIG_PREFIXES,
	    &ops);
}

/* As the daemon's restart: nothing is remembered but the file. */
static inline void
recon_restart(struct recon *rec)
{
	reconcile_free(rec->r);
	memset(rec->changes, 0, sizeof(rec->changes));
	rec->converged = 0;
	rec->n_notices = 0;
	recon_start(rec);
}

/* wanted: bit i for prefix i. */
static inline void
recon_want(struct recon *rec, unsigned wanted)
{
	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		reconcile_want(rec->r, i,
		    (struct route_want){ .announced = (wanted >> i & 1) != 0 });
	}
	reconcile_apply(rec->r);
}

/* The prefixes that BIRD announces, as bits; unknown is not announced. */
static inline unsigned
recon_real(const struct recon *rec)
{
	unsigned real = 0;

	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		if (reconcile_real(rec->r, i) == REAL_ANNOUNCED)
			real |= 1u << i;
	}
	return real;
}

static inline bool
recon_is_equal(const struct recon *rec)
{
	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		enum route_real want = reconcile_wanted(rec->r, i)
		    ? REAL_ANNOUNCED
		    : REAL_WITHDRAWN;

		if (reconcile_real(rec->r, i) != want)
			return false;
		assert_int_equal(reconcile_diverged_ms(rec->r, i), 0);
	}
	return true;
}

static inline struct reconcile_bird
recon_bird(const struct recon *rec)
{
	struct reconcile_bird bird;

	reconcile_get_bird(rec->r, &bird);
	return bird;
}

/* The last of the texts that was said and has this in it, or NULL. */
static inline const char *
recon_notice(const struct recon *rec, const char *part)
{
	for (unsigned i = rec->n_notices; i > 0; i--) {
		const char *text = rec->notices[(i - 1) % RIG_NOTICES];

		if (rec->n_notices - i >= RIG_NOTICES)
			break;
		if (strstr(text, part) != NULL)
			return text;
	}
	return NULL;
}

#endif /* RECONCILE_RIG_H */
