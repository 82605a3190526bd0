/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_REPLY_H
#define BIRD_REPLY_H
/*
 * reply -- reads BIRD's control protocol (BIRD 2 and 3: doc/reply_codes).
 *
 *	"1007-text"  a line of code 1007, more follow
 *	" text"      one more line with the same code
 *	"0003 text"  the last line of the reply
 *	"+text"      asynchronous (log echo): skipped
 *
 * Fed in pieces of any size.  Judged by numeric code only.  What is not
 * printable ASCII reads as '?'.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BIRD_LINE_MAX 4096
#define BIRD_REPLY_LINES_MAX 200000
#define BIRD_REPLY_BYTES_MAX (32u << 20)

struct bird_line {
	unsigned code;
	const char *text; /* without code; NUL-terminated */
};

struct bird_reply {
	struct bird_line *lines;
	size_t n;
	unsigned code; /* of the last line: the verdict */
};

/* 0xxx action done, 8xxx run-time error, 9xxx parse error. */
static inline bool
bird_code_is_ok(unsigned code)
{
	return code < 8000;
}

struct bird_reader;

struct bird_reader *bird_reader_new(void);
void bird_reader_free(struct bird_reader *r);

/*
 * Consumes bytes up to and including the end of one reply.
 * Returns 1 when a reply is complete (*reply is borrowed until the next call),
 * 0 when more is needed, -1 with err when this is not BIRD's protocol: the
 * connection is of no further use.  *used tells how many bytes were taken.
 */
int bird_reader_feed(struct bird_reader *r, const char *bytes, size_t len,
    size_t *used, const struct bird_reply **reply, struct err *err);
void bird_reader_reset(struct bird_reader *r);

/* The text of the first 8xxx or 9xxx line, else of the last one. */
const char *bird_reply_text(const struct bird_reply *reply);

#endif /* BIRD_REPLY_H */
