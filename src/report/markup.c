/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/markup.h"

#include <math.h>
#include <string.h>

#include "report/text.h"

#define ELLIPSIS "\xe2\x80\xa6"     /* U+2026 */
#define NARROW_SPACE "\xe2\x80\xaf" /* U+202F */

/* How a character is written; NULL: as it is. */
typedef const char *entity_fn(uint32_t c);

static const char *
html_entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* Graphviz reads HTML's entities in labels, and escapes like \N and \G. */
static const char *
dot_entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

static void
put(FILE *out, const char *s, size_t max_chars, entity_fn *entity)
{
	for (; *s != '\0' && max_chars > 0; max_chars--) {
		uint32_t c;
		size_t n = text_next(s, &c);
		const char *as = entity(c);

		if (as != NULL) {
			fputs(as, out);
		} else if (c == '?') {
			fputc('?', out);
		} else {
			fwrite(s, 1, n, out);
		}
		s += n;
	}
}

void
markup_put(FILE *out, const char *s)
{
	put(out, s, SIZE_MAX, html_entity);
}

void
markup_put_cut(FILE *out, const char *s, size_t max_columns)
{
	if (text_width(s) <= max_columns) {
		markup_put(out, s);
		return;
	}
	/* A character may be two columns wide: better too few. */
	put(out, s, (max_columns - 1) / 2, html_entity);
	fputs(ELLIPSIS, out);
}

void
markup_put_dot(FILE *out, const char *s)
{
	put(out, s, SIZE_MAX, dot_entity);
}

static void
put_utf16(FILE *out, uint32_t c)
{
	if (c < 0x10000) {
		fprintf(out, "\\u%04x", c);
	} else {
		c -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10),
		    0xdc00 + (c & 0x3ff));
	}
}

void
markup_put_json(FILE *out, const char *s)
{
	fputc('"', out);
	while (*s != '\0') {
		uint32_t c;

		s += text_next(s, &c);
		if (c < 0x80 && strchr("\"\\<>&'", (int)c) == NULL) {
			fputc((int)c, out);
		} else {
			put_utf16(out, c);
		}
	}
	fputc('"', out);
}

static void
put_percent(FILE *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%%%02X", (unsigned char)s[i]);
}

void
markup_put_fragment(FILE *out, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	while (*s != '\0') {
		uint32_t c;
		size_t n = text_next(s, &c);

		if (c < 0x80 && strchr(plain, (int)c) != NULL) {
			fputc((int)c, out);
		} else if (c == '?') {
			fputs("%3F", out);
		} else {
			put_percent(out, s, n);
		}
		s += n;
	}
}

void
markup_put_number(FILE *out, double v)
{
	char digits[TEXT_NUMBER_BYTES];
	size_t whole;

	if (!isfinite(v) || fabs(v) >= 1e15) {
		fprintf(out, "%.3g", v);
		return;
	}
	(void)snprintf(digits, sizeof(digits),
	    floor(v) == v || fabs(v) >= 100 ? "%.0f" : "%.2f", v);
	whole = strcspn(digits, ".");
	for (size_t i = 0; i < whole; i++) {
		if (i > 0 && (whole - i) % 3 == 0 && digits[i - 1] != '-')
			fputs(NARROW_SPACE, out);
		fputc(digits[i], out);
	}
	fputs(digits + whole, out);
}
