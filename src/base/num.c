/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/num.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

/* From the longest to the shortest: the order in which a text has them. */
static const char *const unit_names[] = { "d", "h", "m", "s", "ms" };
static const uint64_t unit_ms[] = {
	UINT64_C(24) * 60 * 60 * 1000,
	UINT64_C(60) * 60 * 1000,
	UINT64_C(60) * 1000,
	1000,
	1,
};

#define UNIT_COUNT (sizeof(unit_ms) / sizeof(unit_ms[0]))

static_assert(sizeof(unit_names) / sizeof(unit_names[0]) == UNIT_COUNT,
    "a unit has a name and a length");

/*
 * Reads the digits at *sp and moves it behind them; not strtoull, which takes
 * blanks and signs.  -1 if there is no digit or the number is too big.
 */
static int
read_digits(const char **sp, uint64_t *out)
{
	const char *s = *sp;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -1;
	}
	*sp = s;
	*out = v;
	return 0;
}

int
num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out,
    struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];
	const char *end = s;
	uint64_t v;

	if (read_digits(&end, &v) == -1 || *end != '\0' || v < min || v > max) {
		return err_set(err, ERR_CONF,
		    "%s: expected a number from %" PRIu64 " to %" PRIu64,
		    printable(s, shown), min, max);
	}
	*out = v;
	return 0;
}

int
num_parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *out,
    struct err *err)
{
	uint64_t v = 0;

	if (num_parse_u64(s, min, max, &v, err) == -1)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

/* No sign, no exponent. */
static bool
is_decimal(const char *s)
{
	static const char digits[] = "0123456789";
	size_t n = strspn(s, digits);

	if (n == 0)
		return false;
	s += n;
	if (*s == '\0')
		return true;
	if (*s != '.')
		return false;
	n = strspn(s + 1, digits);
	return n > 0 && s[1 + n] == '\0';
}

int
num_parse_decimal(const char *s, double max, double *out, struct err *err)
{
	char *end = NULL;
	double v;

	if (is_decimal(s)) {
		v = strtod(s, &end);
		/* In a locale with another point, strtod stops early. */
		if (*end == '\0' && v <= max) {
			*out = v;
			return 0;
		}
	}
	return err_set(err, ERR_CONF, "expected a decimal from 0 to %.0e", max);
}

/* The index of the unit whose letters are at *sp, moved behind them; or -1. */
static int
read_unit(const char **sp)
{
	size_t len = strspn(*sp, "dhms");

	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (strlen(unit_names[i]) == len &&
		    strncmp(*sp, unit_names[i], len) == 0) {
			*sp += len;
			return (int)i;
		}
	}
	return -1;
}

/* One or more numbers with units, the longer unit before the shorter. */
static int
read_duration(const char *s, int64_t *out_ms)
{
	uint64_t sum = 0;
	int last = -1;

	do {
		uint64_t v;
		int unit;

		if (read_digits(&s, &v) == -1)
			return -1;
		unit = read_unit(&s);
		if (unit <= last)
			return -1;
		if (__builtin_mul_overflow(v, unit_ms[unit], &v) ||
		    __builtin_add_overflow(sum, v, &sum) || sum > INT64_MAX)
			return -1;
		last = unit;
	} while (*s != '\0');
	*out_ms = (int64_t)sum;
	return 0;
}

int
num_parse_duration_ms(const char *s, int64_t min_ms, int64_t max_ms,
    int64_t *out_ms, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];
	char min[DURATION_TEXT_BYTES];
	char max[DURATION_TEXT_BYTES];
	int64_t ms;

	if (read_duration(s, &ms) == -1) {
		return err_set(err, ERR_CONF,
		    "%s: expected a duration such as 250ms, 2s, 5m, 1h or 2d",
		    printable(s, shown));
	}
	if (ms < min_ms || ms > max_ms) {
		return err_set(err, ERR_CONF,
		    "%s: expected a duration from %s to %s",
		    printable(s, shown), num_format_duration_ms(min_ms, min),
		    num_format_duration_ms(max_ms, max));
	}
	*out_ms = ms;
	return 0;
}

char *
num_format_duration_ms(int64_t ms, char buf[DURATION_TEXT_BYTES])
{
	uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
	size_t n = 0;

	if (ms == 0)
		(void)snprintf(buf, DURATION_TEXT_BYTES, "0s");
	if (ms < 0)
		buf[n++] = '-';
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (left < unit_ms[i])
			continue;
		n += (size_t)snprintf(buf + n, DURATION_TEXT_BYTES - n,
		    "%" PRIu64 "%s", left / unit_ms[i], unit_names[i]);
		left %= unit_ms[i];
	}
	return buf;
}
