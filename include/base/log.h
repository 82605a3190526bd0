/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * log -- lines on stderr with syslog levels ("<4>...") for the journal, plain
 * with a time when stderr is a terminal or a file.
 *
 * Form of a line: "subject: what: why", lower case, no full stop.  warn means
 * that somebody must look; info is for changes of state only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

/* process: name put before each line, e.g. "main"; borrowed, keep it alive. */
void log_init(const char *process, bool debug);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As log_warnx; appends ": strerror(errno)". */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A budget of lines for whatever a packet or a peer can trigger. */
struct log_limit {
	struct mono window_start;
	unsigned in_window;
	uint64_t suppressed;
};
#define LOG_LIMIT_PER_WINDOW 5u
#define LOG_LIMIT_WINDOW_MS 10000

/* A warning that is counted instead of printed when the budget is spent. */
void log_limited(struct log_limit *limit, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* BASE_LOG_H */
