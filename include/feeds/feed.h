/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEED_H
#define FEEDS_FEED_H
/*
 * feed -- what any source of recent clients is made of: records, and the
 * reasons why one does not count.  Decoders hand on each record that they find,
 * or why there was none; nothing in a feed is an error to anybody but to its
 * counters.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"

#define FEED_LINE_MAX 4096u /* bytes of a line, without its end */
#define FEED_DATAGRAM_MAX 9216u
#define FEED_NUMBER_MAX 1e15

enum feed_reason {
	FEED_OK,
	FEED_NOTHING, /* an empty line, a comment: not even a record */
	/* well formed and of no use */
	FEED_OTHER,     /* no packet of an IP client */
	FEED_SPECIAL,   /* private, multicast, ...: no client on the Internet */
	FEED_OWN,       /* sent by one of our own prefixes */
	FEED_ELSEWHERE, /* sent to others than the destinations */
	FEED_OLD,       /* of a time that has decayed to nothing */
	/* bad */
	FEED_BAD_SHORT,   /* ends too early */
	FEED_BAD_LONG,    /* longer than a line or a datagram may be */
	FEED_BAD_VERSION, /* sFlow of another version than 5 */
	FEED_BAD_SYNTAX,
	FEED_BAD_ADDRESS,
	FEED_BAD_NUMBER,
	FEED_BAD_WEIGHT, /* has not what the feed weighs by */
	FEED_BAD_SENDER, /* came from an address that may not send */
	FEED_REASON_COUNT
};

/* A short stable name, for JSON, metrics and logs. */
const char *feed_reason_name(enum feed_reason why);
static inline bool
feed_reason_is_bad(enum feed_reason why)
{
	return why >= FEED_BAD_SHORT;
}

/* A quantity below 0 was not given. */
struct feed_record {
	struct addr src;
	struct addr dst;
	bool has_dst;
	double packets, bytes, requests; /* what the samples stand for */
	int64_t at_ms;                   /* epoch; 0: now */
};

/* rec: borrowed for the call; NULL unless why is FEED_OK. */
typedef void feed_take_fn(enum feed_reason why, const struct feed_record *rec,
    void *arg);

#endif /* FEEDS_FEED_H */
