/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/escape.h"

#include <string.h>

#include "base/xalloc.h"

#define ESCAPED_BYTES_MAX 4 /* "\xNN" */

static const char hex[] = "0123456789abcdef";
/* Letter behind the backslash, and the byte, in pairs. */
static const char letters[] = "r\rn\nt\t\\\\";

static int
hex_value(char c)
{
	const char *at;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	at = c != '\0' ? strchr(hex, c) : NULL;
	return at != NULL ? (int)(at - hex) : -1;
}

/* One escape, *s at its backslash, then behind it; the byte, or -1. */
static int
parse_one(const char **s)
{
	const char *p = *s + 1;
	int high, low;

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
		if (*p == letters[i]) {
			*s = p + 1;
			return letters[i + 1];
		}
	}
	if (*p != 'x')
		return -1;
	high = hex_value(p[1]);
	low = high != -1 ? hex_value(p[2]) : -1;
	if (low == -1)
		return -1;
	*s = p + 3;
	return high << 4 | low;
}

ptrdiff_t
escape_parse(const char *text, uint8_t *out, struct err *err)
{
	const char *s = text;
	ptrdiff_t n = 0;

	while (*s != '\0') {
		int byte = (unsigned char)*s;

		if (*s != '\\') {
			s++;
		} else {
			byte = parse_one(&s);
		}
		if (byte == -1) {
			return err_set(err, ERR_CONF,
			    "character %zu: expected one of \\r \\n \\t \\\\ "
			    "\\xNN",
			    (size_t)(s - text) + 1);
		}
		out[n++] = (uint8_t)byte;
	}
	return n;
}

static size_t
format_one(char *out, uint8_t byte)
{
	for (size_t i = 1; i < sizeof(letters); i += 2) {
		if (byte == (uint8_t)letters[i]) {
			out[0] = '\\';
			out[1] = letters[i - 1];
			return 2;
		}
	}
	if (byte >= ' ' && byte <= '~') {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[byte >> 4];
	out[3] = hex[byte & 0xf];
	return ESCAPED_BYTES_MAX;
}

char *
escape_format(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	char *text = xcalloc(len + 1, ESCAPED_BYTES_MAX);
	size_t used = 0;

	for (size_t i = 0; i < len; i++)
		used += format_one(text + used, p[i]);
	return text;
}
