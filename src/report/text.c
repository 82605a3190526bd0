/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/text.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

struct span {
	uint32_t first, last;
};

/* C0, DEL, C1; marks and overrides of direction; line separators; BOM; what is
 * no character, nor allowed in XML. */
static const struct span unsafe[] = {
	{ 0x0000, 0x001f },
	{ 0x007f, 0x009f },
	{ 0x061c, 0x061c },
	{ 0x200b, 0x200f },
	{ 0x2028, 0x202e },
	{ 0x2060, 0x206f },
	{ 0xfeff, 0xfeff },
	{ 0xfffe, 0xffff },
};

/* Two columns wide, roughly: East Asian scripts and pictures. */
static const struct span wide[] = {
	{ 0x1100, 0x115f },
	{ 0x2e80, 0xa4cf },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },
	{ 0xff00, 0xff60 },
	{ 0x1f300, 0x1faff },
	{ 0x20000, 0x3fffd },
};

static bool
is_in(const struct span *spans, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++) {
		if (c >= spans[i].first && c <= spans[i].last)
			return true;
	}
	return false;
}

/* How many bytes follow the first byte of a character; -1: none starts so. */
static int
tail_bytes(unsigned char first)
{
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first < 0xe0)
		return 1;
	if (first >= 0xe0 && first < 0xf0)
		return 2;
	if (first >= 0xf0 && first < 0xf5)
		return 3;
	return -1;
}

size_t
text_next(const char *s, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	static const unsigned char mask[] = { 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *p = (const unsigned char *)s;
	int tail = tail_bytes(p[0]);
	uint32_t c;

	*out = '?';
	if (tail == -1)
		return 1;
	c = p[0] & mask[tail];
	for (int i = 1; i <= tail; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[tail] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 1;
	if (!is_in(unsafe, sizeof(unsafe) / sizeof(unsafe[0]), c))
		*out = c;
	return (size_t)tail + 1;
}

static size_t
char_width(uint32_t c)
{
	if (c >= 0x300 && c <= 0x36f) /* combining marks */
		return 0;
	return is_in(wide, sizeof(wide) / sizeof(wide[0]), c) ? 2 : 1;
}

static void
put_char(FILE *out, const char *s, size_t n, uint32_t c)
{
	if (c == '?') {
		fputc('?', out);
	} else {
		fwrite(s, 1, n, out);
	}
}

void
text_put(FILE *out, const char *s)
{
	text_put_cut(out, s, SIZE_MAX);
}

void
text_put_lines(FILE *out, const char *s, const char *indent)
{
	while (*s != '\0') {
		uint32_t c;
		size_t n = text_next(s, &c);

		if (*s != '\n') {
			put_char(out, s, n, c);
		} else if (s[1] != '\0') {
			fprintf(out, "\n%s", indent);
		}
		s += n;
	}
}

void
text_put_cut(FILE *out, const char *s, size_t max_columns)
{
	while (*s != '\0') {
		uint32_t c;
		size_t n = text_next(s, &c);
		size_t width = char_width(c);

		if (width > max_columns)
			return;
		max_columns -= width;
		put_char(out, s, n, c);
		s += n;
	}
}

size_t
text_width(const char *s)
{
	size_t width = 0;

	while (*s != '\0') {
		uint32_t c;

		s += text_next(s, &c);
		width += char_width(c);
	}
	return width;
}

char *
text_age(int64_t ms, char buf[TEXT_NUMBER_BYTES])
{
	long long sec = ms / 1000;
	size_t n = TEXT_NUMBER_BYTES;

	if (ms < 1000) {
		(void)snprintf(buf, n, "%lldms", (long long)(ms < 0 ? 0 : ms));
	} else if (sec < 60) {
		(void)snprintf(buf, n, "%llds", sec);
	} else if (sec < 60LL * 60) {
		(void)snprintf(buf, n, "%lldm%llds", sec / 60, sec % 60);
	} else if (sec < 24LL * 60 * 60) {
		(void)snprintf(buf, n, "%lldh%lldm", sec / 3600, sec / 60 % 60);
	} else {
		(void)snprintf(buf, n, "%lldd%lldh", sec / 86400,
		    sec / 3600 % 24);
	}
	return buf;
}

char *
text_clock(int64_t wall_ms, int64_t now_ms, char buf[TEXT_NUMBER_BYTES])
{
	time_t at = (time_t)(wall_ms / 1000);
	bool today = wall_ms / 86400000 == now_ms / 86400000;
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&at, &tm) == NULL)
		return buf;
	(void)strftime(buf, TEXT_NUMBER_BYTES,
	    today ? "%H:%MZ" : "%Y-%m-%d %H:%MZ", &tm);
	return buf;
}

char *
text_weight(double weight, char buf[TEXT_NUMBER_BYTES])
{
	if (fabs(weight) >= 1e15) {
		(void)snprintf(buf, TEXT_NUMBER_BYTES, "%e", weight);
	} else if (floor(weight) == weight) {
		(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.0f", weight);
	} else {
		(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.2f", weight);
	}
	return buf;
}

/* Of a per cent. */
static double
tenths(double share)
{
	double thousandths = floor(share * 100000 + 0.5);

	return floor((thousandths + 50) / 100);
}

char *
text_share(double share, char buf[TEXT_NUMBER_BYTES])
{
	(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.1f %%", tenths(share) / 10);
	return buf;
}

char *
text_ratio(double ratio, char buf[TEXT_NUMBER_BYTES])
{
	double thousandths = floor(ratio * 1000 + 0.5);

	(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.0f %%",
	    floor((thousandths + 5) / 10));
	return buf;
}

char *
text_range(double low, double high, const char *dash,
    char buf[TEXT_NUMBER_BYTES])
{
	(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.1f%s%.1f", tenths(low) / 10,
	    dash, tenths(high) / 10);
	return buf;
}
