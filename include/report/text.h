/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H
/*
 * text -- strings of others on somebody's terminal, and numbers for people.
 *
 * Whatever a daemon says may hold anything, escape sequences too: control
 * characters, characters that turn the direction of writing and broken UTF-8
 * come out as '?'.  No locale is consulted: the same everywhere.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One line: line breaks are control characters as well. */
void text_put(FILE *out, const char *s);
/*
 * As text_put, but line breaks stay, for messages of several lines: indent is
 * put before all lines but the first; a line feed at the very end is dropped.
 */
void text_put_lines(FILE *out, const char *s, const char *indent);
/* As text_put; no more than max_columns of the terminal. */
void text_put_cut(FILE *out, const char *s, size_t max_columns);
/* Columns that text_put takes. */
size_t text_width(const char *s);

/*
 * The character at s, not at its end, for those that write it in a way of
 * their own; '?' if it is not fit to show.  Returns its bytes.
 */
size_t text_next(const char *s, uint32_t *out);

#define TEXT_NUMBER_BYTES 40
/* "120ms", "12s", "3m12s", "5h3m", "2d4h": two units at most. Returns buf. */
char *text_age(int64_t ms, char buf[TEXT_NUMBER_BYTES]);
/*
 * UTC: "03:12Z" if it is the day of now_ms, else "2026-03-01 03:12Z".
 * Both between 0 and TEXT_WALL_MAX_MS.  Returns buf.
 */
char *text_clock(int64_t wall_ms, int64_t now_ms, char buf[TEXT_NUMBER_BYTES]);
#define TEXT_WALL_MAX_MS INT64_C(253402300799999) /* end of the year 9999 */
/* A weight: "24000", "0.25", "1.000000e+20". Returns buf. */
char *text_weight(double weight, char buf[TEXT_NUMBER_BYTES]);
/*
 * A share of 1 as "41.2 %"; and a ratio as "106 %".  Rounded half up from
 * thousandths of a per cent: as whoever has only those would.  Returns buf.
 */
char *text_share(double share, char buf[TEXT_NUMBER_BYTES]);
char *text_ratio(double ratio, char buf[TEXT_NUMBER_BYTES]);
/* Two shares as "40.1-42.3", in per cent; dash is between them. Returns buf. */
char *text_range(double low, double high, const char *dash,
    char buf[TEXT_NUMBER_BYTES]);

#endif /* REPORT_TEXT_H */
