/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEED_POLICY_H
#define FEEDS_FEED_POLICY_H
/*
 * feed_policy -- which records are sightings of clients, and what they weigh.
 */
#include "core/client_pool.h"
#include "feeds/feed.h"

/* Older than so many half-lives is nothing. */
#define FEED_OLD_HALF_LIVES 32

struct feed_policy {
	enum feed_weight weight;
	bool allow_special;
	int64_t half_life_ms;
	/* Sorted, none within another; n 0: wherever a packet went. */
	struct prefix *destinations;
	size_t n_destinations;
	struct prefix *senders;
	size_t n_senders;
};

/* Both lists are copied. */
void feed_policy_init(struct feed_policy *p, const struct conf_feed *feed,
    const struct conf_clients *clients);
void feed_policy_fini(struct feed_policy *p);

/* The present, by both clocks: ages are by the wall, the pool's time is not, so
 * that a wall clock that is stepped cannot empty the pool. */
struct feed_now {
	int64_t wall_ms;
	int64_t mono_ms;
};

/* FEED_OK with *out, or why it does not count. */
enum feed_reason feed_policy_judge(const struct feed_policy *p,
    const struct feed_record *rec, struct feed_now now,
    struct client_sighting *out);
bool feed_policy_may_send(const struct feed_policy *p,
    const struct addr *sender);

#endif /* FEEDS_FEED_POLICY_H */
