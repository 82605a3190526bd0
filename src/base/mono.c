/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/mono.h"

#include <stdio.h>
#include <time.h>

struct mono
mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){ .us = (int64_t)ts.tv_sec * 1000000 +
		    ts.tv_nsec / 1000 };
}

int64_t
wall_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

char *
wall_format(int64_t wall_ms, char buf[WALL_TEXT_BYTES])
{
	time_t sec = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t n;

	if (wall_ms < 0 || gmtime_r(&sec, &tm) == NULL) {
		(void)snprintf(buf, WALL_TEXT_BYTES, "unknown");
		return buf;
	}
	n = strftime(buf, WALL_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, WALL_TEXT_BYTES - n, ".%03dZ",
	    (int)(wall_ms % 1000));
	return buf;
}
