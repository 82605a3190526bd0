/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEED_SOURCE_H
#define FEEDS_FEED_SOURCE_H
/*
 * feed_source -- one feed in the collector process: opens what it reads from,
 * again and again until it is there; reads a bounded piece per wake-up; counts
 * each record by what became of it; puts sightings into its site's pool.
 */
#include <sys/types.h>

#include <jansson.h>

#include "base/log.h"
#include "base/loop.h"
#include "feeds/feed_line.h"
#include "feeds/feed_policy.h"

#define FEED_CONNS_MAX 16u /* of a tcp or unix feed */

struct feed_conn;

struct feed_counters {
	uint64_t bytes;
	uint64_t by_reason[FEED_REASON_COUNT];
	uint64_t drops;   /* datagrams that the kernel had no room for */
	uint64_t refused; /* connections beyond FEED_CONNS_MAX */
	double weight;    /* of all sightings */
	int64_t last_ms;  /* wall: the last record that counted; 0: none */
};

struct feed {
	const struct conf_feed *conf;
	struct feed_policy policy;
	struct client_pool *pool; /* of its site; borrowed */
	struct feed_counters counters;
	struct feed_now now; /* when the present piece was read */
	struct log_limit limit;
	const char *sample;      /* what a log line may quote; NULL: no text */
	struct feed_lines lines; /* of a file or FIFO, and of one datagram */
	/* The rate: records counted at the last look at it. */
	uint64_t rate_records;
	struct mono rate_since;
	double rate; /* records per second */
	/* What is read. */
	struct loop *lp;
	int fd; /* -1: not open */
	struct loop_fd *io;
	struct loop_timer *timer;
	struct feed_conn *conns[FEED_CONNS_MAX];
	char trouble[160]; /* why it is not open; "" if it is */
	bool was_missing;  /* a file that appears is read from its beginning */
	dev_t dev;
	ino_t ino;
	off_t offset;
	uint32_t kernel_drops;
};

/* ---- without any input or output ---- */

void feed_init(struct feed *f, const struct conf_feed *conf,
    const struct conf_clients *clients, struct client_pool *pool);
void feed_fini(struct feed *f);

/* buf: overwritten, and so is buf[len]. */
void feed_take_datagram(struct feed *f, uint8_t *buf, size_t len);
/* A piece of a stream; each stream has its own lines. */
void feed_take_stream(struct feed *f, struct feed_lines *lines, char *buf,
    size_t len);
void feed_end_stream(struct feed *f, struct feed_lines *lines);
/* Counts, and logs a sample of what is bad. */
void feed_count(struct feed *f, enum feed_reason why);

/* Call now and then: the rate is that since the last call, smoothed. */
void feed_update_rate(struct feed *f, struct mono now);
/* The feed's object of docs/api.md; new reference. */
json_t *feed_to_json(const struct feed *f);

/* ---- with it ---- */

void feed_open(struct feed *f, struct loop *lp);
void feed_close(struct feed *f);

#endif /* FEEDS_FEED_SOURCE_H */
