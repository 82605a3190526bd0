/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * First byte: 1 for an answer to HEAD, and how large the pieces are; the rest:
 * the answer.  In pieces, it must come to what it comes to as a whole.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENOUGH 4096u

struct read {
	struct http_answer a;
	uint8_t body[2 * ENOUGH];
	size_t body_len;
	enum http_progress progress;
	struct err err;
};

static bool
on_body(const uint8_t *bytes, size_t len, void *arg)
{
	struct read *rd = arg;
	size_t room = sizeof(rd->body) - rd->body_len;

	if (len == 0 || rd->body_len >= ENOUGH)
		abort();
	if (len > room)
		len = room;
	memcpy(rd->body + rd->body_len, bytes, len);
	rd->body_len += len;
	return rd->body_len < ENOUGH;
}

static void
read_in_pieces(struct read *rd, const uint8_t *data, size_t size, size_t piece,
    bool is_to_head)
{
	memset(rd, 0, sizeof(*rd));
	http_answer_begin(&rd->a, is_to_head, on_body, rd);
	while (rd->progress == HTTP_MORE && size > 0) {
		size_t n = size < piece ? size : piece;

		rd->progress = http_answer_feed(&rd->a, data, n, &rd->err);
		data += n;
		size -= n;
	}
	if (rd->progress == HTTP_MORE)
		rd->progress = http_answer_close(&rd->a, &rd->err);
	if (rd->progress == HTTP_MORE ||
	    (rd->progress == HTTP_BROKEN) != (rd->err.code == ERR_PROTO))
		abort();
	if (rd->progress == HTTP_WHOLE &&
	    (rd->a.status < 100 || rd->a.status > 999))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct read whole, pieces;
	bool is_to_head;
	size_t kept;

	if (size == 0)
		return 0;
	is_to_head = (data[0] & 1u) != 0;
	read_in_pieces(&whole, data + 1, size - 1, size, is_to_head);
	read_in_pieces(&pieces, data + 1, size - 1, (data[0] >> 1) + 1u,
	    is_to_head);
	if (whole.progress != pieces.progress ||
	    strcmp(whole.err.msg, pieces.err.msg) != 0)
		abort();
	if (whole.progress == HTTP_BROKEN)
		return 0;
	/* The piece with which it is enough may be longer or shorter. */
	kept = whole.body_len < ENOUGH ? whole.body_len : ENOUGH;
	if (whole.a.status != pieces.a.status || pieces.body_len < kept ||
	    (kept < ENOUGH && pieces.body_len != kept) ||
	    memcmp(whole.body, pieces.body, kept) != 0)
		abort();
	return 0;
}
