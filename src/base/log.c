/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* The one mutable global of the library: where and how to write lines. */
static struct {
	const char *process;
	bool debug;
	bool journal;
} log_state = { .process = "anycastd" };

void
log_init(const char *process, bool debug)
{
	log_state.process = process;
	log_state.debug = debug;
	log_state.journal = getenv("JOURNAL_STREAM") != NULL;
}

static void log_line(int level, const char *suffix, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* One write per line, so that lines of several processes do not mix. */
static void
log_line(int level, const char *suffix, const char *fmt, va_list ap)
{
	char text[1024], line[1200], when[WALL_TEXT_BYTES];
	int n;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	for (char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	if (log_state.journal) {
		n = snprintf(line, sizeof(line), "<%d>%s: %s%s%s\n", level,
		    log_state.process, text, suffix[0] != '\0' ? ": " : "",
		    suffix);
	} else {
		n = snprintf(line, sizeof(line), "%s %s%s: %s%s%s\n",
		    wall_format(wall_now_ms(), when),
		    level <= LOG_WARNING ? "warning: " : "", log_state.process,
		    text, suffix[0] != '\0' ? ": " : "", suffix);
	}
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* A full or closed stderr must not stop the daemon. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_state.debug)
		return;
	va_start(ap, fmt);
	log_line(LOG_DEBUG, "", fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFO, "", fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARNING, "", fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARNING, strerror(saved), fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_limited(struct log_limit *limit, const char *fmt, ...)
{
	struct mono now = mono_now();
	va_list ap;

	if (limit->window_start.us == 0 ||
	    mono_diff_ms(now, limit->window_start) >= LOG_LIMIT_WINDOW_MS) {
		if (limit->suppressed > 0) {
			log_warnx(
			    "log: %llu lines like the next one were suppressed",
			    (unsigned long long)limit->suppressed);
		}
		limit->window_start = now;
		limit->in_window = 0;
		limit->suppressed = 0;
	}
	if (limit->in_window >= LOG_LIMIT_PER_WINDOW) {
		limit->suppressed++;
		return;
	}
	limit->in_window++;
	va_start(ap, fmt);
	log_line(LOG_WARNING, "", fmt, ap);
	va_end(ap);
}
