/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunk.h"

#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "core/failover.h"

#define FORMAT_ROWS 1u
#define FORMAT_COLUMNS 2u
#define NARROW_FLIPPING 255u
#define RTT_UNKNOWN UINT32_MAX

static uint8_t
flags_of(const uint16_t *sites, const uint32_t *rtt_us, uint32_t n)
{
	unsigned flags = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (sites[i] == OUTCOME_NOT_ASKED) {
			flags |= CHUNK_SPARSE;
			continue;
		}
		if (sites[i] >= NARROW_FLIPPING && sites[i] != OUTCOME_FLIPPING)
			flags |= CHUNK_WIDE;
		if (rtt_us != NULL && rtt_us[i] != RTT_UNKNOWN)
			flags |= CHUNK_TIMED;
	}
	return (uint8_t)flags;
}

static void
put_bits(struct wcursor *w, const uint16_t *sites, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += 8) {
		unsigned bits = 0;

		for (uint32_t k = i; k < n && k < i + 8; k++) {
			if (sites[k] != OUTCOME_NOT_ASKED)
				bits |= 1u << (k - i);
		}
		wcursor_u8(w, (uint8_t)bits);
	}
}

size_t
chunk_encode(const uint16_t *sites, const uint32_t *rtt_us, uint32_t n,
    /* NOLINTNEXTLINE(readability-non-const-parameter): filled by the cursor */
    uint8_t *out)
{
	struct wcursor w = { .p = out, .left = CHUNK_BYTES_MAX };
	uint8_t flags = flags_of(sites, rtt_us, n);

	wcursor_u8(&w, FORMAT_COLUMNS);
	wcursor_u8(&w, flags);
	if ((flags & CHUNK_SPARSE) != 0)
		put_bits(&w, sites, n);
	for (uint32_t i = 0; i < n; i++) {
		if (sites[i] == OUTCOME_NOT_ASKED)
			continue;
		if ((flags & CHUNK_WIDE) != 0) {
			wcursor_be16(&w, sites[i]);
		} else {
			wcursor_u8(&w, (uint8_t)(sites[i] & 0xffu));
		}
	}
	for (uint32_t i = 0; i < n && (flags & CHUNK_TIMED) != 0; i++) {
		if (sites[i] != OUTCOME_NOT_ASKED)
			wcursor_be32(&w, rtt_us[i]);
	}
	return CHUNK_BYTES_MAX - w.left;
}

static uint16_t
from_narrow(uint8_t site)
{
	return site == NARROW_FLIPPING ? OUTCOME_FLIPPING : site;
}

static void
get_rows(struct cursor *c, uint32_t n, uint16_t *sites, uint32_t *rtt_us)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t rtt;

		sites[i] = from_narrow(cursor_u8(c));
		rtt = cursor_be32(c);
		if (rtt_us != NULL)
			rtt_us[i] = rtt;
	}
}

static void
get_columns(struct cursor *c, uint32_t n, uint16_t *sites, uint32_t *rtt_us)
{
	uint8_t flags = cursor_u8(c);
	struct cursor bits = *c;
	uint8_t byte = 0xff;

	if ((flags & ~(CHUNK_SPARSE | CHUNK_WIDE | CHUNK_TIMED)) != 0)
		c->bad = true;
	if ((flags & CHUNK_SPARSE) != 0)
		cursor_skip(c, (n + 7) / 8);
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		if ((flags & CHUNK_SPARSE) != 0 && i % 8 == 0)
			byte = cursor_u8(&bits);
		if ((byte >> (i % 8) & 1) == 0) {
			sites[i] = OUTCOME_NOT_ASKED;
		} else if ((flags & CHUNK_WIDE) != 0) {
			sites[i] = cursor_be16(c);
			c->bad |= sites[i] == OUTCOME_NOT_ASKED;
		} else {
			sites[i] = from_narrow(cursor_u8(c));
		}
	}
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		uint32_t rtt = RTT_UNKNOWN;

		if ((flags & CHUNK_TIMED) != 0 && sites[i] != OUTCOME_NOT_ASKED)
			rtt = cursor_be32(c);
		if (rtt_us != NULL)
			rtt_us[i] = rtt;
	}
}

int
chunk_decode(const uint8_t *data, size_t len, uint32_t n, uint16_t *sites,
    uint32_t *rtt_us)
{
	struct cursor c = { .p = data, .left = len };

	if (n > CHUNK_CLIENTS_MAX)
		return -1;
	switch (cursor_u8(&c)) {
	case FORMAT_ROWS:
		get_rows(&c, n, sites, rtt_us);
		break;
	case FORMAT_COLUMNS:
		get_columns(&c, n, sites, rtt_us);
		break;
	default:
		return -1;
	}
	return c.bad || c.left > 0 ? -1 : 0;
}
