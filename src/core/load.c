/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/load.h"

#include <math.h>

/* How much of the mean so far is left after so long. */
static double
rest_after(const struct load_conf *conf, int64_t us)
{
	if (conf->half_life_ms == 0)
		return 0;
	return exp2(-(double)us / ((double)conf->half_life_ms * 1000));
}

void
load_take(struct load *l, const struct load_conf *conf, uint64_t count,
    struct mono now)
{
	int64_t us = now.us - l->counted.us;
	/* After a gap the growth is of any time in it, not of now. */
	bool has_grown =
	    l->has_count && count >= l->count && us <= conf->stale_ms * 1000;
	double value, rest, old = 0;

	/* Twice at one time: the later one will tell. */
	if (has_grown && us <= 0)
		return;
	if (has_grown) {
		value =
		    (double)(count - l->count) * 1e6 / (double)us / conf->unit;
		/* Where nothing is known, there is no mean to go on with. */
		rest = load_get(l, conf, now, &old)
		    ? rest_after(conf, now.us - l->valued.us)
		    : 0;
		l->value = rest > 0 ? value + (old - value) * rest : value;
		l->has_value = true;
		l->valued = now;
	}
	l->has_count = true;
	l->count = count;
	l->counted = now;
}

bool
load_get(const struct load *l, const struct load_conf *conf, struct mono now,
    double *out)
{
	if (!l->has_value || mono_diff_ms(now, l->valued) > conf->stale_ms)
		return false;
	*out = l->value;
	return true;
}
