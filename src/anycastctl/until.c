/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/until.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/printable.h"

static const char *const formats[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
	"%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M" };
#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))
#define TIME_OF_DAY (FORMAT_COUNT - 1)

static time_t
to_time(struct tm *tm, bool is_utc)
{
	tm->tm_isdst = -1; /* summer time as the date has it */
	return is_utc ? timegm(tm) : mktime(tm);
}

/* The format that takes all of the text; FORMAT_COUNT: none. */
static size_t
read_time(const char *text, time_t now, struct tm *out, bool *is_utc)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++) {
		size_t len = strlen(text);
		const char *end;

		*is_utc = len > 0 && text[len - 1] == 'Z';
		/* Today, for a time of day. */
		if (*is_utc) {
			(void)gmtime_r(&now, out);
		} else {
			(void)localtime_r(&now, out);
		}
		out->tm_sec = 0;
		end = strptime(text, formats[i], out);
		if (end != NULL && strcmp(end, *is_utc ? "Z" : "") == 0)
			return i;
	}
	return FORMAT_COUNT;
}

int
ctl_parse_until(const char *text, int64_t now_ms, int64_t *out_ms,
    struct err *err)
{
	time_t now = (time_t)(now_ms / 1000), at;
	char shown[PRINTABLE_TEXT_BYTES];
	struct tm tm;
	bool is_utc;
	int day;
	size_t format = read_time(text, now, &tm, &is_utc);

	if (format == FORMAT_COUNT) {
		return err_set(err, ERR_CONF,
		    "%s: expected a time such as 18:30 or '2026-12-24 18:30'",
		    printable(text, shown));
	}
	day = tm.tm_mday;
	at = to_time(&tm, is_utc);
	/* Else 30 February is 2 March. */
	if (tm.tm_mday != day) {
		return err_set(err, ERR_CONF, "%s: there is no such date",
		    printable(text, shown));
	}
	if (format == TIME_OF_DAY && at <= now) {
		tm.tm_mday++; /* tomorrow; mktime carries over */
		at = to_time(&tm, is_utc);
	}
	if (at <= now) {
		return err_set(err, ERR_CONF, "%s: is in the past",
		    printable(text, shown));
	}
	*out_ms = (int64_t)at * 1000;
	return 0;
}
