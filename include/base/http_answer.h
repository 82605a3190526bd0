/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_HTTP_ANSWER_H
#define BASE_HTTP_ANSWER_H
/*
 * http_answer -- reads the answer to one HTTP/1.1 request as it comes in: the
 * status, the body, and where it ends (RFC 9112).  Pure: whoever has the
 * connection hands the bytes in, in pieces of any size.
 *
 * A health check must not call a server sick for what other clients take, so it
 * is as patient as libcurl, and where RFC 9112 has an answer refused for fear of
 * the next one on the connection, which we do not have, it is not.  A bare LF
 * ends a line, interim answers are skipped, and header fields but the two that
 * say how long the body is are not looked at.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* All header lines of an answer together, those of interim ones too. */
#define HTTP_HEAD_MAX_BYTES ((size_t)256 * 1024)
/* Of a line, as much as is ever looked at. */
#define HTTP_LINE_BYTES 256u

enum http_progress {
	HTTP_MORE,  /* to come */
	HTTP_WHOLE, /* or as much as was wanted */
	HTTP_BROKEN /* err says how */
};

/* The next part of the body, at least one byte, borrowed; false: that is enough. */
typedef bool http_body_cb(const uint8_t *bytes, size_t len, void *arg);

struct http_answer {
	unsigned status; /* once the head is over; 100 to 999 */

	bool is_to_head; /* the answer to HEAD: has no body */
	http_body_cb *on_body;
	void *arg;
	enum http_part {
		HTTP_STATUS_LINE,
		HTTP_FIELDS,
		HTTP_BODY, /* left bytes of it */
		HTTP_BODY_UNTIL_CLOSE,
		HTTP_CHUNK_SIZE,
		HTTP_CHUNK,     /* left bytes of it */
		HTTP_CHUNK_END, /* the line's end behind it */
		HTTP_TRAILER,
		HTTP_END
	} part;
	enum http_length {
		HTTP_LENGTH_NONE, /* said, or too large to be one */
		HTTP_LENGTH_KNOWN,
		HTTP_LENGTH_BAD
	} length;
	uint64_t left; /* with a known length, or of the chunk */
	bool is_chunked;
	bool is_encoded; /* for the transfer, and not by chunks alone */
	size_t head_bytes;
	char line[HTTP_LINE_BYTES]; /* the first bytes of it, terminated */
	size_t line_bytes;          /* all of it so far */
	bool line_has_nul;
};

void http_answer_begin(struct http_answer *a, bool is_to_head,
    http_body_cb *on_body, void *arg);

/* What follows the answer is left alone.  Not to be called after the end. */
enum http_progress http_answer_feed(struct http_answer *a, const uint8_t *bytes,
    size_t len, struct err *err);

/* The other side closed the connection: never HTTP_MORE. */
enum http_progress http_answer_close(struct http_answer *a, struct err *err);

#endif /* BASE_HTTP_ANSWER_H */
