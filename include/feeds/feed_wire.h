/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEED_WIRE_H
#define FEEDS_FEED_WIRE_H
/*
 * feed_wire -- what main and the collector process say to each other, and how a
 * site's clients travel: in parts, the same bytes from the collector to main,
 * from an agent to its controller, into the store and back.
 *
 *	0       4        8       12      16            24
 *	| serial | total | first | clock | age ms      | half-life ms | rows ...
 *	row: address 16 | weight, IEEE 754 double 8 | last seen, epoch 4
 *
 * All big-endian.  serial: tells one list from the next; total: clients of the
 * whole list; first: index of this part's first; age: how old the list is when
 * the part is sent; clock: of whoever sends it, epoch, by which "last seen" is; 0
 * when that is the same machine's, or an older agent's.  Rows are sorted by
 * address.
 */
#include <stdint.h>

#include "base/conf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "core/client_list.h"

enum feed_msg {
	/* main -> collector */
	FEED_MSG_CONF = 1, /* JSON: feed_conf_encode; once, first */
	FEED_MSG_SEED,     /* name of a site, NUL, a part */
	/* collector -> main */
	FEED_MSG_STATS,   /* JSON, see docs/api.md */
	FEED_MSG_CLIENTS, /* name of a site, NUL, a part */
};

#define FEED_PART_HEAD_BYTES 32u
#define FEED_PART_ROW_BYTES 28u
#define FEED_PART_ROWS_MAX 16384u
/* Of one client: far beyond what feeds can add up to, and the squares of all
 * clients together are finite. */
#define FEED_WEIGHT_MAX 1e60
#define FEED_PART_BYTES_MAX                                                    \
	(FEED_PART_HEAD_BYTES + FEED_PART_ROWS_MAX * FEED_PART_ROW_BYTES)

struct feed_part {
	uint32_t serial;
	uint32_t total;
	uint32_t first;
	uint32_t n;
	int64_t age_ms;
	int64_t half_life_ms;
	uint32_t clock_s;
	/* Of a decoded part, 0 at first: what feed_part_next adds to "last
	 * seen". */
	int64_t shift_s;
	struct cursor rows; /* feed_part_next, n times */
};

/* clients: the whole list, of which the part takes what fits from part->first
 * on; part->n is set.  buf: FEED_PART_BYTES_MAX.  Returns the length. */
size_t feed_part_encode(struct feed_part *part, const struct client *clients,
    uint8_t *buf);
/* Any bytes: 0, or -1 with err. *out borrows. */
int feed_part_decode(const uint8_t *body, size_t len, struct feed_part *out,
    struct err *err);
/* "Last seen" as of our own clock from here on, unless the other one is right to
 * some seconds, as the way here takes. */
void feed_part_set_clock(struct feed_part *part, int64_t now_s);
/* 0, or -1: no weight of ours or no address of a host. */
int feed_part_next(struct feed_part *part, struct client *out);

/* The part of the configuration that is the collector's; free with free(). */
char *feed_conf_encode(const struct conf *conf);
/* A configuration with nothing but clients and feeds: free with conf_free. */
struct conf *feed_conf_decode(const uint8_t *body, size_t len);

#endif /* FEEDS_FEED_WIRE_H */
