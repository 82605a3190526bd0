/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_INCLUDE_H
#define BIRD_INCLUDE_H
/*
 * include -- the one file through which BIRD is steered: two static protocols,
 * one per family, with a blackhole route for each announced prefix.  A prefix
 * that is absent is withdrawn.
 *
 *	include "/usr/share/anycastd/export.conf"; # in bird.conf, at top level
 *	include "/var/lib/anycastd/bird.conf";
 *	export where anycastd_export(64512);	   # in a session's channel
 *
 * One file for both families, so that a change of both is one rename.  What a
 * drain asks of the neighbours stands at the route, as BIRD's custom
 * attributes, which never leave BIRD: bird/export.conf makes prepends and
 * communities of them.  So the filters never change, and a reconfiguration
 * sends just the routes that did.  The text depends on nothing but the routes:
 * no time, no comment that changes.
 */
#include <stddef.h>

#include "base/addr.h"
#include "base/allow.h"
#include "base/err.h"
#include "core/route.h"

#define BIRD_STATIC4 "anycastd4"
#define BIRD_STATIC6 "anycastd6"
#define BIRD_ATTR_PREPEND "anycastd_prepend"
#define BIRD_ATTR_GSHUT "anycastd_graceful_shutdown"

/* An announced prefix. */
struct bird_route {
	struct prefix prefix;
	struct route_attrs attrs;
	/* The prefix's text, of who has it; borrowed; NULL: it is made. */
	const char *net;
};

/*
 * The file's text for n announced routes (sorted here, their prefixes must be
 * unique).  The caller frees it.
 */
char *bird_include_format(const struct bird_route *routes, size_t n);
/*
 * The same, for what BIRD is to be given: NULL with err when a prefix is not
 * allowed (base/allow.h).  The configuration was checked already; should a
 * prefix have come from elsewhere, nothing is written at all.
 */
char *bird_include_make(const struct allow_list *allow,
    const struct bird_route *routes, size_t n, struct err *err);

/*
 * The routes that a file of ours announces: fills at most max, returns how
 * many there are; lines that are not ours are passed over.
 */
size_t bird_include_parse(const char *text, struct bird_route *out, size_t max);

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
/* The same in two parts: in place for all who read, and there after a power
 * cut.  The second takes as long as the disk takes. */
int bird_include_put(const char *path, const char *text, struct err *err);
/* The first part in two again, for who has time before it must be in place. */
int bird_include_stage(const char *path, const char *text, struct err *err);
int bird_include_place(const char *path, struct err *err);
void bird_include_unstage(const char *path);
/*
 * bird_include_put, and the old file itself is then what bird_include_stage would
 * have made of its text for the path `aside`, if *is_staged: it is not where
 * there was none, nor where the file system cannot exchange two names.  Nothing
 * waits for the disk, where a rename over another file has ext4 write the new
 * one first.
 */
int bird_include_swap(const char *path, const char *text, const char *aside,
    bool *is_staged, struct err *err);
int bird_include_sync(const char *path, struct err *err);

/* The line of one announced route, without newline. Returns buf. */
#define BIRD_ROUTE_LINE_BYTES (PREFIX_TEXT_BYTES + 120)
char *bird_include_line(const struct bird_route *r,
    char buf[BIRD_ROUTE_LINE_BYTES]);

#endif /* BIRD_INCLUDE_H */
