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

/* Those that fail since at most window_ms; *standing: those that do not. */
static unsigned
count_recent(const struct brake_item *items, size_t n, int64_t window_ms,
    struct mono now, unsigned *standing)
{
	unsigned recent = 0;

	*standing = 0;
	for (size_t i = 0; i < n; i++) {
		recent += is_recent(&items[i], window_ms, now);
		*standing += !items[i].is_failing;
	}
	return recent;
}

void
brake_see(struct brake_item *item, enum brake_sight sight, struct mono since)
{
	switch (sight) {
	case BRAKE_UNSEEN:
		break;
	case BRAKE_WELL:
		*item = (struct brake_item){ 0 };
		break;
	case BRAKE_FAILING:
		*item = (struct brake_item){ true, since };
		break;
	}
}

/* Those that failed within its window or later; who failed long before it does
 * not keep it engaged. */
static unsigned
count_holding(const struct brake *b, const struct brake_item *items, size_t n,
    unsigned *standing)
{
	return count_recent(items, n, b->window_ms, b->since, standing);
}

static enum brake_change
watch(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n, struct mono now)
{
	unsigned standing;
	unsigned recent =
	    count_recent(items, n, conf->window_ms, now, &standing);

	if (recent < threshold(conf, recent + standing))
		return BRAKE_SAME;
	*b = (struct brake){ .is_engaged = true,
		.since = now,
		.window_ms = conf->window_ms,
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
	unsigned failing, standing;

	if (!b->is_engaged)
		return watch(b, conf, items, n, now);
	failing = count_holding(b, items, n, &standing);
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

struct brake_item
brake_item_new(const struct brake *b)
{
	return (struct brake_item){ b->is_engaged, b->since };
}

void
brake_reckon(struct brake *b, const struct brake_conf *conf,
    const struct brake_item *items, size_t n)
{
	unsigned failing, standing, least;

	if (!b->is_engaged)
		return;
	failing = count_holding(b, items, n, &standing);
	least = threshold(conf, failing + standing);
	if (least > failing)
		least = failing > 0 ? failing : 1;
	if (least < b->at_least)
		b->at_least = least;
}
