/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_UNTIL_H
#define ANYCASTCTL_UNTIL_H
/*
 * until -- points in time as people write them: "18:30" (the next one),
 * "2026-12-24 18:30", "2026-12-24T18:30:00"; local time, or UTC with Z behind.
 */
#include <stdint.h>

#include "base/err.h"

/* *out_ms: wall time, later than now_ms. */
int ctl_parse_until(const char *text, int64_t now_ms, int64_t *out_ms,
    struct err *err);

#endif /* ANYCASTCTL_UNTIL_H */
