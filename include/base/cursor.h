/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H
/*
 * cursor -- the one bounded reader for bytes from outside.  The error is
 * sticky: read all fields, test `bad` once.  A read beyond the end returns
 * zero and moves nothing.  Left-over bytes are visible in `left`.
 *
 * Inline: a sweep reads and writes some twenty fields for each packet, and calls
 * for them were a tenth of its time.
 */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p; /* borrowed */
	size_t left;
	bool bad;
};

/* The next n bytes, or NULL with the cursor marked bad. */
static inline const uint8_t *
cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	if (n > 0)
		c->p += n;
	c->left -= n;
	return p;
}

static inline void
cursor_skip(struct cursor *c, size_t n)
{
	(void)cursor_take(c, n);
}

static inline void
cursor_bytes(struct cursor *c, void *out, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	if (n == 0)
		return;
	if (p == NULL) {
		memset(out, 0, n);
	} else {
		memcpy(out, p, n);
	}
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
	uint8_t v;

	cursor_bytes(c, &v, sizeof(v));
	return v;
}

static inline uint16_t
cursor_be16(struct cursor *c)
{
	uint16_t v;

	cursor_bytes(c, &v, sizeof(v));
	return be16toh(v);
}

static inline uint32_t
cursor_be32(struct cursor *c)
{
	uint32_t v;

	cursor_bytes(c, &v, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
cursor_be64(struct cursor *c)
{
	uint64_t v;

	cursor_bytes(c, &v, sizeof(v));
	return be64toh(v);
}

/*
 * The writing half: fills a caller's array, `bad` when it would overflow.
 */
struct wcursor {
	uint8_t *p;
	size_t left;
	bool bad;
};

static inline void
wcursor_bytes(struct wcursor *w, const void *in, size_t n)
{
	if (w->bad || n > w->left) {
		w->bad = true;
		return;
	}
	if (n > 0) {
		memcpy(w->p, in, n);
		w->p += n;
	}
	w->left -= n;
}

static inline void
wcursor_u8(struct wcursor *w, uint8_t v)
{
	wcursor_bytes(w, &v, sizeof(v));
}

static inline void
wcursor_be16(struct wcursor *w, uint16_t v)
{
	uint16_t be = htobe16(v);

	wcursor_bytes(w, &be, sizeof(be));
}

static inline void
wcursor_be32(struct wcursor *w, uint32_t v)
{
	uint32_t be = htobe32(v);

	wcursor_bytes(w, &be, sizeof(be));
}

static inline void
wcursor_be64(struct wcursor *w, uint64_t v)
{
	uint64_t be = htobe64(v);

	wcursor_bytes(w, &be, sizeof(be));
}

#endif /* BASE_CURSOR_H */
