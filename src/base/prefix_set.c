/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disjoint ranges of addresses in rising order, and a binary search. */
#include "base/prefix_set.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct range {
	struct addr first, last;
};

struct prefix_set {
	size_t n;
	struct range ranges[];
};

static struct range
range_of(const struct prefix *p)
{
	struct range r = { .first = p->addr, .last = p->addr };
	unsigned len = p->len + (p->is_ipv4 ? 96u : 0u);

	for (unsigned bit = len; bit < 128; bit++)
		r.last.b[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	return r;
}

static int
addr_order(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static int
range_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return addr_order(&x->first, &y->first);
}

/* Two prefixes are disjoint or one holds the other. */
static size_t
drop_inner(struct range *ranges, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct range *before = kept > 0 ? &ranges[kept - 1] : NULL;

		if (before == NULL ||
		    addr_order(&ranges[i].first, &before->last) > 0) {
			ranges[kept++] = ranges[i];
		} else if (addr_order(&ranges[i].last, &before->last) > 0) {
			before->last = ranges[i].last;
		}
	}
	return kept;
}

/* The ranges of a prefix into out, one or two; how many.  All of IPv4 lies within
 * ::/80 as addresses are written, and is none of an IPv6 prefix. */
static size_t
put_ranges(const struct prefix *p, struct range out[2])
{
	const struct prefix all4 = {
		.addr = addr_from_in((struct in_addr){ 0 }), .is_ipv4 = true
	};
	const struct range ipv4 = range_of(&all4);
	struct range *below = &out[0], *above = &out[1];

	out[0] = out[1] = range_of(p);
	if (p->is_ipv4 || addr_order(&below->first, &ipv4.first) > 0 ||
	    addr_order(&below->last, &ipv4.last) < 0)
		return 1;
	/* ::fffe:ffff:ffff and ::1:0:0:0 */
	below->last = ipv4.first;
	memset(&below->last.b[11], 0xff, 5);
	below->last.b[11] = 0xfe;
	above->first = ipv4.last;
	memset(&above->first.b[10], 0, 6);
	above->first.b[9] = 1;
	return addr_order(&above->first, &above->last) <= 0 ? 2 : 1;
}

struct prefix_set *
prefix_set_new(const struct prefix *prefixes, size_t n)
{
	struct prefix_set *set =
	    xcalloc(1, sizeof(*set) + 2 * n * sizeof(set->ranges[0]));
	size_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += put_ranges(&prefixes[i], &set->ranges[all]);
	qsort(set->ranges, all, sizeof(set->ranges[0]), range_order);
	set->n = drop_inner(set->ranges, all);
	return set;
}

void
prefix_set_free(struct prefix_set *set)
{
	free(set);
}

bool
prefix_set_contains(const struct prefix_set *set, const struct addr *a)
{
	size_t low = 0, high = set->n;

	/* The first range that begins behind a. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr_order(&set->ranges[mid].first, a) <= 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low > 0 && addr_order(a, &set->ranges[low - 1].last) <= 0;
}
