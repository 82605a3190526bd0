/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cursor.h"

#include <string.h>

/* The next n bytes, or NULL with the cursor marked bad. */
static const uint8_t *
take(struct cursor *c, size_t n)
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

static uint64_t
read_be(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t
cursor_u8(struct cursor *c)
{
	return (uint8_t)read_be(c, 1);
}

uint16_t
cursor_be16(struct cursor *c)
{
	return (uint16_t)read_be(c, 2);
}

uint32_t
cursor_be32(struct cursor *c)
{
	return (uint32_t)read_be(c, 4);
}

uint64_t
cursor_be64(struct cursor *c)
{
	return read_be(c, 8);
}

void
cursor_skip(struct cursor *c, size_t n)
{
	(void)take(c, n);
}

void
cursor_bytes(struct cursor *c, void *out, size_t n)
{
	const uint8_t *p = take(c, n);

	if (n == 0)
		return;
	if (p == NULL) {
		memset(out, 0, n);
	} else {
		memcpy(out, p, n);
	}
}

/* Room for n bytes, or NULL with the cursor marked bad. */
static uint8_t *
room(struct wcursor *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || n > w->left) {
		w->bad = true;
		return NULL;
	}
	if (n > 0)
		w->p += n;
	w->left -= n;
	return p;
}

static void
write_be(struct wcursor *w, uint64_t v, size_t n)
{
	uint8_t *p = room(w, n);

	if (p == NULL)
		return;
	for (size_t i = n; i > 0; i--) {
		p[i - 1] = (uint8_t)v;
		v >>= 8;
	}
}

void
wcursor_u8(struct wcursor *w, uint8_t v)
{
	write_be(w, v, 1);
}

void
wcursor_be16(struct wcursor *w, uint16_t v)
{
	write_be(w, v, 2);
}

void
wcursor_be32(struct wcursor *w, uint32_t v)
{
	write_be(w, v, 4);
}

void
wcursor_be64(struct wcursor *w, uint64_t v)
{
	write_be(w, v, 8);
}

void
wcursor_bytes(struct wcursor *w, const void *in, size_t n)
{
	uint8_t *p = room(w, n);

	if (p != NULL && n > 0)
		memcpy(p, in, n);
}
