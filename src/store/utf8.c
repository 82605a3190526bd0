/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/utf8.h"

#include <string.h>

size_t
utf8_char_bytes(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
	} else {
		return 0;
	}
	if (p[0] == 0xe0) {
		low = 0xa0;
	} else if (p[0] == 0xed) {
		high = 0x9f;
	} else if (p[0] == 0xf0) {
		low = 0x90;
	} else if (p[0] == 0xf4) {
		high = 0x8f;
	}
	if (n > left || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool
utf8_is_text(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t at = 0;

	while (at < len) {
		size_t n = utf8_char_bytes(p + at, len - at);

		if (n == 0 || p[at] == '\0')
			return false;
		at += n;
	}
	return true;
}

void
utf8_clean(char *s)
{
	size_t left = strlen(s);

	while (left > 0) {
		size_t n = utf8_char_bytes((const uint8_t *)s, left);

		if (n == 0) {
			*s = '?';
			n = 1;
		}
		s += n;
		left -= n;
	}
}
