/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/damping.h"

#include <math.h>

#define HOUR_MS 3600000.0
/* Less is nothing: the state may be forgotten. */
#define PENALTY_LEAST 1.0
#define UPDATES_LEAST 0.001

/* So that the penalty is below reuse max_hold after the last flap. */
static double
ceiling(const struct damping_conf *conf)
{
	return conf->reuse *
	    exp2((double)conf->max_hold_ms / (double)conf->half_life_ms);
}

static double
decayed(double penalty, const struct damping_conf *conf, double ms)
{
	return penalty * exp2(-ms / (double)conf->half_life_ms);
}

void
damping_decay(struct damping *d, const struct damping_conf *conf,
    struct mono now)
{
	double ms = (double)mono_diff_ms(now, d->at);

	if (ms <= 0)
		return;
	d->at = now;
	if (conf->suppress != 0) {
		d->penalty = decayed(d->penalty, conf, ms);
	} else {
		d->penalty = 0;
	}
	if (d->penalty < conf->reuse)
		d->is_suppressed = false;
	d->updates -= ms * conf->updates / HOUR_MS;
	if (d->updates < 0 || conf->updates == 0)
		d->updates = 0;
	if (d->penalty < PENALTY_LEAST)
		d->penalty = 0;
}

void
damping_note(struct damping *d, const struct damping_conf *conf, bool is_flap,
    struct mono now)
{
	if (damping_is_over(d))
		d->at = now;
	damping_decay(d, conf, now);
	if (conf->updates != 0)
		d->updates += 1;
	if (!is_flap || conf->suppress == 0)
		return;
	d->penalty = fmin(d->penalty + DAMPING_PENALTY, ceiling(conf));
	if (d->penalty >= conf->suppress)
		d->is_suppressed = true;
}

/* One more update would be more than there may be at once. */
static bool
is_used_up(const struct damping *d, const struct damping_conf *conf)
{
	return conf->updates != 0 && d->updates + 1 > conf->updates;
}

enum damping_verdict
damping_judge(const struct damping *d, const struct damping_conf *conf,
    const struct damping_wish *wish)
{
	if (wish->announce == wish->is_announced)
		return DAMPING_OK;
	if (!wish->announce) {
		return wish->is_last && is_used_up(d, conf) ? DAMPING_NO_UPDATES
							    : DAMPING_OK;
	}
	if (wish->is_last)
		return DAMPING_OK;
	if (d->is_suppressed)
		return DAMPING_SUPPRESSED;
	return is_used_up(d, conf) ? DAMPING_NO_UPDATES : DAMPING_OK;
}

int64_t
damping_wait_ms(const struct damping *d, const struct damping_conf *conf)
{
	double for_penalty = 0, for_updates = 0;

	if (d->is_suppressed && d->penalty >= conf->reuse) {
		for_penalty =
		    log2(d->penalty / conf->reuse) * (double)conf->half_life_ms;
		for_penalty += 1; /* below it, not at it */
	}
	if (is_used_up(d, conf)) {
		for_updates =
		    (d->updates + 1 - conf->updates) * HOUR_MS / conf->updates;
	}
	return (int64_t)ceil(fmax(for_penalty, for_updates));
}

bool
damping_is_over(const struct damping *d)
{
	return d->penalty < PENALTY_LEAST && d->updates < UPDATES_LEAST &&
	    !d->is_suppressed;
}

static double
bounded(double value, double max)
{
	return value > 0 ? fmin(value, max) : 0; /* not a number: 0 */
}

void
damping_restore(struct damping *d, const struct damping_conf *conf,
    int64_t age_ms, struct mono now)
{
	d->penalty = bounded(d->penalty, ceiling(conf));
	d->updates = bounded(d->updates, conf->updates + 1.0);
	d->at = now;
	if (conf->suppress == 0 || d->penalty < conf->reuse)
		d->is_suppressed = false;
	if (age_ms > 0) {
		d->at = mono_add_ms(now, -age_ms);
		damping_decay(d, conf, now);
	}
}
