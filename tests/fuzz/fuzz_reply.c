/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as BIRD's side of a session.  The first byte is the size of the
 * pieces: however they are cut, the same replies come out, all printable.
 */
#include "bird/reply.h"

#include <stdlib.h>
#include <string.h>

#define REPLIES_MAX 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
digest_byte(uint64_t digest, unsigned byte)
{
	return (digest ^ byte) * UINT64_C(1099511628211); /* FNV-1a */
}

static uint64_t
digest_reply(uint64_t digest, const struct bird_reply *reply)
{
	if (reply->n == 0 || reply->code > 9999 ||
	    reply->lines[reply->n - 1].code != reply->code)
		abort();
	for (size_t i = 0; i < reply->n; i++) {
		const char *text = reply->lines[i].text;

		digest = digest_byte(digest, reply->lines[i].code);
		for (; *text != '\0'; text++) {
			if ((*text < ' ' && *text != '\t') || *text > '~')
				abort();
			digest = digest_byte(digest, (unsigned char)*text);
		}
	}
	if (bird_reply_text(reply) == NULL)
		abort();
	return digest_byte(digest, 0x100);
}

/* Of all replies up to the first error, and of whether there was one. */
static uint64_t
read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
	struct bird_reader *reader = bird_reader_new();
	uint64_t digest = 0;
	unsigned replies = 0;
	int rc = 0;

	while (size > 0 && rc != -1 && replies < REPLIES_MAX) {
		const struct bird_reply *reply = NULL;
		size_t n = size < piece ? size : piece, used = 0;
		struct err err = { 0 };
		char *block = malloc(n);

		if (block == NULL)
			abort();
		memcpy(block, data, n);
		rc = bird_reader_feed(reader, block, n, &used, &reply, &err);
		free(block);
		if (used > n || (rc == 0 && used != n) ||
		    (rc == -1 && err.msg[0] == '\0'))
			abort();
		if (rc == 1) {
			digest = digest_reply(digest, reply);
			replies++;
		}
		data += used;
		size -= used;
	}
	bird_reader_free(reader);
	return digest_byte(digest, rc == -1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (read_in_pieces(data + 1, size - 1, size) !=
	    read_in_pieces(data + 1, size - 1, data[0] + 1u))
		abort();
	return 0;
}
