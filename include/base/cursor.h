/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H
/*
 * cursor -- the one bounded reader for bytes from outside.  The error is
 * sticky: read all fields, test `bad` once.  A read beyond the end returns
 * zero and moves nothing.  Left-over bytes are visible in `left`.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *p; /* borrowed */
	size_t left;
	bool bad;
};

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
void cursor_skip(struct cursor *c, size_t n);
void cursor_bytes(struct cursor *c, void *out, size_t n);

/*
 * The writing half: fills a caller's array, `bad` when it would overflow.
 */
struct wcursor {
	uint8_t *p;
	size_t left;
	bool bad;
};

void wcursor_u8(struct wcursor *w, uint8_t v);
void wcursor_be16(struct wcursor *w, uint16_t v);
void wcursor_be32(struct wcursor *w, uint32_t v);
void wcursor_be64(struct wcursor *w, uint64_t v);
void wcursor_bytes(struct wcursor *w, const void *in, size_t n);

#endif /* BASE_CURSOR_H */
