/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_NUM_H
#define BASE_NUM_H
/*
 * num -- numbers from text.  The whole string must be the number: no blanks,
 * no sign for unsigned ones, no left-over.
 */
#include <stdint.h>

#include "base/err.h"

/* min <= *out <= max, else -1 with err naming the range.  Decimal only. */
int num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out,
    struct err *err);
int num_parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *out,
    struct err *err);

/* Digits, optionally a point and more digits: 0 <= *out <= max. */
int num_parse_decimal(const char *s, double max, double *out, struct err *err);

/*
 * "250ms", "2s", "5m", "1h", "2d" -> milliseconds; a bare number is refused.
 * Several may follow each other, the longer unit first, as in "1h30m".
 */
int num_parse_duration_ms(const char *s, int64_t min_ms, int64_t max_ms,
    int64_t *out_ms, struct err *err);

/* "1h30m", "45s", "250ms": exact, and parses back. Returns buf. */
#define DURATION_TEXT_BYTES 32
char *num_format_duration_ms(int64_t ms, char buf[DURATION_TEXT_BYTES]);

#endif /* BASE_NUM_H */
