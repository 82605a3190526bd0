/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/damping.h"

#include <math.h>

#define HOUR_MS 3600000.0
/* Less is nothing: the state may be forgotten. */
#define PENALTY_LEAST 1.0
#define UPDATES_LEAST 0.001

/* So that the penalty is below reuse max_hold after the last of them. */
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

static double
leaked(double updates, const struct damping_conf *conf, double ms)
{
	return conf->updates != 0
	    ? fmax(updates - ms * conf->updates / HOUR_MS, 0)
	    : 0;
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
	d->updates = leaked(d->updates, conf, ms);
	d->moves = leaked(d->moves, conf, ms);
	if (d->penalty < PENALTY_LEAST)
		d->penalty = 0;
}

/* Of steps down beyond the budget only so many are remembered: nobody waits for
 * very much longer than an hour to have room again. */
static double
most_updates(const struct damping_conf *conf)
{
	return 2.0 * conf->updates;
}

void
damping_note(struct damping *d, const struct damping_conf *conf,
    enum damping_update update, struct mono now)
{
	static const double penalty_of[] = {
		[DAMPING_ANNOUNCED] = 0,
		[DAMPING_CHANGED] = DAMPING_PENALTY_CHANGED,
		[DAMPING_WITHDRAWN] = DAMPING_PENALTY_WITHDRAWN,
	};

	if (damping_is_over(d))
		d->at = now;
	damping_decay(d, conf, now);
	d->updates = fmin(d->updates + 1, most_updates(conf));
	if (update != DAMPING_CHANGED)
		d->moves = fmin(d->moves + 1, most_updates(conf));
	if (update == DAMPING_ANNOUNCED || conf->suppress == 0)
		return;
	d->penalty = fmin(d->penalty + penalty_of[update], ceiling(conf));
	if (d->penalty >= conf->suppress)
		d->is_suppressed = true;
}

/* One more update would be more than there may be at once. */
static bool
is_used_up(double updates, const struct damping_conf *conf)
{
	return conf->updates != 0 && updates + 1 > conf->updates;
}

enum damping_verdict
damping_judge(const struct damping *d, const struct damping_conf *conf,
    const struct damping_wish *wish)
{
	if (wish->announce == wish->is_announced && !wish->is_back)
		return DAMPING_OK;
	if (!wish->announce) {
		return wish->is_last && is_used_up(d->moves, conf)
		    ? DAMPING_NO_UPDATES
		    : DAMPING_OK;
	}
	if (wish->is_last && !wish->is_back)
		return DAMPING_OK;
	if (d->is_suppressed && !wish->is_last)
		return DAMPING_SUPPRESSED;
	return is_used_up(d->updates, conf) ? DAMPING_NO_UPDATES : DAMPING_OK;
}

int64_t
damping_wait_ms(const struct damping *d, const struct damping_conf *conf,
    bool is_last)
{
	double for_penalty = 0, for_updates = 0;

	if (!is_last && d->is_suppressed && d->penalty >= conf->reuse) {
		for_penalty =
		    log2(d->penalty / conf->reuse) * (double)conf->half_life_ms;
		for_penalty += 1; /* below it, not at it */
	}
	if (is_used_up(d->updates, conf)) {
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
	d->updates = bounded(d->updates, most_updates(conf));
	d->moves = bounded(d->moves, d->updates);
	d->at = now;
	if (conf->suppress == 0 || d->penalty < conf->reuse)
		d->is_suppressed = false;
	if (age_ms > 0) {
		d->at = mono_add_ms(now, -age_ms);
		damping_decay(d, conf, now);
	}
}
