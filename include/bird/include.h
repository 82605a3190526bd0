/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_INCLUDE_H
#define BIRD_INCLUDE_H
/*
 * include -- the one file through which BIRD is steered: two static protocols,
 * one per family, with a blackhole route for each announced prefix.  A prefix
 * that is absent is withdrawn.
 *
 *	include "/var/lib/anycastd/bird.conf";	# in bird.conf, at top level
 *	export where proto = "anycastd4";	# in a session's channel
 *
 * One file for both families, so that a change of both is one rename.  The
 * text depends on nothing but the prefixes: no time, no comment that changes.
 */
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"

#define BIRD_STATIC4 "anycastd4"
#define BIRD_STATIC6 "anycastd6"

/*
 * The file's text for n announced prefixes (sorted here, must be unique).
 * The caller frees it.
 */
char *bird_include_format(const struct prefix *announced, size_t n);

/*
 * The prefixes that a file of ours announces: fills at most max, returns how
 * many there are; lines that are not ours are passed over.
 */
size_t bird_include_parse(const char *text, struct prefix *out, size_t max);

/* The whole file, NUL-terminated, freed by the caller; "" if there is none;
 * NULL with err. */
char *bird_include_read(const char *path, struct err *err);
/* New file, fsync, rename, fsync of the folder. */
int bird_include_write(const char *path, const char *text, struct err *err);
/* The same through the file PATH.WRITER, for a second process that may write at
 * the same time. */
int bird_include_write_by(const char *writer, const char *path,
    const char *text, struct err *err);
/* text without the routes of the n prefixes; the caller frees it. */
char *bird_include_without(const char *text, const struct prefix *gone,
    size_t n);

/* The line of one announced prefix, without newline. Returns buf. */
#define BIRD_ROUTE_LINE_BYTES (PREFIX_TEXT_BYTES + 24)
char *bird_include_line(const struct prefix *p,
    char buf[BIRD_ROUTE_LINE_BYTES]);

#endif /* BIRD_INCLUDE_H */
