/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MS_PER_SEC 1000

/* One family behind the other: ::/0 is around all IPv4 as it is written. */
static int
compare(const void *va, const void *vb)
{
	const struct prefix *a = va;
	const struct prefix *b = vb;

	if (a->is_ipv4 != b->is_ipv4)
		return a->is_ipv4 ? -1 : 1;
	return prefix_compare(a, b);
}

/* Sorted, without those that lie within another: what contains an address is
 * then the last that begins at or before it. */
static struct prefix *
copy_sorted(const struct prefix *in, size_t n, size_t *out_n)
{
	struct prefix *out;
	size_t kept = 0;

	*out_n = 0;
	if (n == 0)
		return NULL;
	out = xcalloc(n, sizeof(*out));
	memcpy(out, in, n * sizeof(*out));
	qsort(out, n, sizeof(*out), compare);
	for (size_t i = 1; i < n; i++) {
		if (out[kept].is_ipv4 != out[i].is_ipv4 ||
		    !prefix_contains(&out[kept], &out[i].addr))
			out[++kept] = out[i];
	}
	*out_n = kept + 1;
	return out;
}

void
feed_policy_init(struct feed_policy *p, const struct conf_feed *feed,
    const struct conf_clients *clients)
{
	*p = (struct feed_policy){ .weight = feed->weight,
		.allow_special = clients->allow_special,
		.half_life_ms = clients->half_life_ms };
	p->destinations = copy_sorted(clients->destinations,
	    clients->n_destinations, &p->n_destinations);
	p->senders = copy_sorted(feed->senders, feed->n_senders, &p->n_senders);
}

void
feed_policy_fini(struct feed_policy *p)
{
	free(p->destinations);
	free(p->senders);
}

/* The prefix of a sorted list that contains a, or NULL. */
static const struct prefix *
find_prefix(const struct prefix *list, size_t n, const struct addr *a)
{
	/* As a prefix it comes behind all others that begin with it. */
	const struct prefix key = {
		.addr = *a, .len = UINT8_MAX, .is_ipv4 = addr_is_ipv4(a)
	};
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&list[middle], &key) <= 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0 || list[low - 1].is_ipv4 != key.is_ipv4 ||
	    !prefix_contains(&list[low - 1], a))
		return NULL;
	return &list[low - 1];
}

bool
feed_policy_may_send(const struct feed_policy *p, const struct addr *sender)
{
	return p->n_senders == 0 ||
	    find_prefix(p->senders, p->n_senders, sender) != NULL;
}

static double
pick_weight(const struct feed_policy *p, const struct feed_record *rec)
{
	switch (p->weight) {
	case FEED_PACKETS:
		return rec->packets;
	case FEED_BYTES:
		return rec->bytes;
	case FEED_REQUESTS:
		return rec->requests;
	case FEED_WEIGHT_COUNT:
		break;
	}
	return -1;
}

static enum feed_reason
judge_addrs(const struct feed_policy *p, const struct feed_record *rec)
{
	const struct prefix *ours;

	if (addr_is_never_host(&rec->src) ||
	    (!p->allow_special && addr_special(&rec->src) != NULL))
		return FEED_SPECIAL;
	if (p->n_destinations == 0)
		return FEED_OK;
	/* A default route stands for everybody, not for our addresses. */
	ours = find_prefix(p->destinations, p->n_destinations, &rec->src);
	if (ours != NULL && ours->len > 0)
		return FEED_OWN;
	if (rec->has_dst &&
	    find_prefix(p->destinations, p->n_destinations, &rec->dst) == NULL)
		return FEED_ELSEWHERE;
	return FEED_OK;
}

enum feed_reason
feed_policy_judge(const struct feed_policy *p, const struct feed_record *rec,
    struct feed_now now, struct client_sighting *out)
{
	double weight = pick_weight(p, rec);
	enum feed_reason why = judge_addrs(p, rec);
	int64_t age_ms = 0;

	if (why != FEED_OK)
		return why;
	if (weight < 0)
		return FEED_BAD_WEIGHT;
	if (!(weight <= FEED_NUMBER_MAX))
		return FEED_BAD_NUMBER;
	/* One from the future is of now: somebody's clock is wrong. */
	if (rec->at_ms > 0 && rec->at_ms < now.wall_ms)
		age_ms = now.wall_ms - rec->at_ms;
	if (age_ms / FEED_OLD_HALF_LIVES > p->half_life_ms)
		return FEED_OLD;
	*out = (struct client_sighting){ .addr = rec->src,
		.weight = weight,
		.at_ms = now.mono_ms - age_ms,
		.last_seen = (now.wall_ms - age_ms) / MS_PER_SEC };
	return FEED_OK;
}
