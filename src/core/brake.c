/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/brake.h"

/* One failure alone is never correlated with anything. */
#define AT_LEAST 2u

static bool
is_recent(const struct brake_item *item, int64_t window_ms, struct mono now)
{
	return item->is_failing && mono_diff_ms(now, item->since) <= window_ms;
}

/* How many of n it takes. */
static unsigned
threshold(const struct brake_conf *conf, unsigned n)
{
	unsigned least = conf->more_than + 1;

	if (conf->share_percent != 0) {
		least =
		    (unsigned)(((uint64_t)n * conf->share_percent + 99) / 100);
	}
	return least < AT_LEAST ? AT_LEAST : least;
}

static enum brake_change
watch(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n, struct mono now)
{
	unsigned recent = 0, standing = 0;

	for (size_t i = 0; i < n; i++) {
		recent += is_recent(&items[i], conf->window_ms, now);
		standing += !items[i].is_failing;
	}
	if (recent < threshold(conf, recent + standing))
		return BRAKE_SAME;
	*b = (struct brake){ .is_engaged = true,
		.since = now,
		.failed = recent,
		.of = recent + standing,
		.at_least = threshold(conf, recent + standing) };
	return BRAKE_ENGAGED;
}

enum brake_change
brake_step(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n, struct mono now)
{
	int64_t held_ms = mono_diff_ms(now, b->since);
	unsigned failing = 0;

	if (!b->is_engaged)
		return watch(b, conf, items, n, now);
	/* Those that failed long before it do not keep it engaged. */
	for (size_t i = 0; i < n; i++)
		failing += is_recent(&items[i], conf->window_ms + held_ms, now);
	if (failing < b->at_least) {
		*b = (struct brake){ 0 };
		return BRAKE_RECOVERED;
	}
	if (conf->release_ms != 0 && held_ms >= conf->release_ms &&
	    held_ms > conf->window_ms) {
		*b = (struct brake){ 0 };
		return BRAKE_TIMED_OUT;
	}
	return BRAKE_SAME;
}
