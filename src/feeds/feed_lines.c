/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams into lines. */
#include <string.h>

#include "feeds/feed_line.h"

static void
keep(struct feed_lines *fl, const char *data, size_t len)
{
	if (fl->is_too_long || len > FEED_LINE_MAX - fl->len) {
		fl->is_too_long = true;
		return;
	}
	memcpy(fl->line + fl->len, data, len);
	fl->len += len;
}

static void
give_kept(struct feed_lines *fl, feed_line_fn *fn, void *arg)
{
	size_t len = fl->len;
	bool is_too_long = fl->is_too_long;

	fl->len = 0;
	fl->is_too_long = false;
	fl->line[len] = '\0';
	fn(is_too_long ? NULL : fl->line, is_too_long ? 0 : len, arg);
}

void
feed_lines_push(struct feed_lines *fl, char *data, size_t len, feed_line_fn *fn,
    void *arg)
{
	while (len > 0) {
		char *lf = memchr(data, '\n', len);
		size_t piece = lf != NULL ? (size_t)(lf - data) : len;

		if (lf == NULL) {
			keep(fl, data, piece);
			return;
		}
		if (fl->len == 0 && !fl->is_too_long &&
		    piece <= FEED_LINE_MAX) {
			/* Whole, so it need not be copied. */
			*lf = '\0';
			fn(data, piece, arg);
		} else {
			keep(fl, data, piece);
			give_kept(fl, fn, arg);
		}
		data += piece + 1;
		len -= piece + 1;
	}
}

void
feed_lines_end(struct feed_lines *fl, feed_line_fn *fn, void *arg)
{
	if (fl->len > 0 || fl->is_too_long)
		give_kept(fl, fn, arg);
}
