/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_ASK_H
#define BIRD_ASK_H
/*
 * ask -- one blocking conversation with BIRD, for the keeper, which has no
 * loop.
 */
#include <stdint.h>

#include "base/err.h"

/* `configure soft`; 0 when BIRD accepted it (0003, 0004 or 0005). */
int bird_ask_configure(const char *path, int64_t timeout_ms, struct err *err);

#endif /* BIRD_ASK_H */
