/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEED_LINE_H
#define FEEDS_FEED_LINE_H
/*
 * feed_line -- the formats of one record a line:
 *
 *	pmacct   the JSON of pmacct's print plugin
 *	nfdump   nfdump -q -N -6 -o 'fmt:%tsr,%sa,%ipkt,%ibyt'
 *	goflow2  its JSON, keys of version 1 or 2
 *	text     address[,weight[,epoch]], see core/client_list.h
 */
#include "feeds/feed.h"

/* line: any bytes but LF, then a NUL at line[len]; overwritten.  *out only on
 * FEED_OK. */
enum feed_reason feed_line_decode(enum feed_type type, char *line, size_t len,
    struct feed_record *out);

/* Cuts a stream into lines, whatever pieces it comes in. */
struct feed_lines {
	char line[FEED_LINE_MAX + 1];
	size_t len;       /* of the beginning of a line, kept */
	bool is_too_long; /* its rest is dropped */
};

/* line: as for feed_line_decode; NULL: it was longer than FEED_LINE_MAX. */
typedef void feed_line_fn(char *line, size_t len, void *arg);

/* data: overwritten. */
void feed_lines_push(struct feed_lines *fl, char *data, size_t len,
    feed_line_fn *fn, void *arg);
/* The stream is over: its last line may have no end. */
void feed_lines_end(struct feed_lines *fl, feed_line_fn *fn, void *arg);

#endif /* FEEDS_FEED_LINE_H */
