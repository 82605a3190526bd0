/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_ASK_H
#define BIRD_ASK_H
/*
 * ask -- blocking conversations with BIRD, one session each, for the keeper,
 * which has no loop.  Each of greeting and reply has timeout_ms.
 */
#include <stdint.h>

#include "base/err.h"
#include "bird/survey.h"

/* `configure soft`; 0 when BIRD accepted it (0003, 0004 or 0005). */
int bird_ask_configure(const char *path, int64_t timeout_ms, struct err *err);
/* `configure check`; 0 when BIRD would take its configuration (0020). */
int bird_ask_check(const char *path, int64_t timeout_ms, struct err *err);
/* What BIRD_SURVEY_STATE tells: s->protocols has room for BIRD_PROTOCOLS_MAX. */
int bird_ask_state(const char *path, int64_t timeout_ms, struct bird_survey *s,
    struct err *err);

#endif /* BIRD_ASK_H */
