/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H
/*
 * schema -- the tables of the store's file, their version and how a file is
 * opened: created when absent, brought forward when old, refused untouched
 * when it is newer or not ours.
 */
#include <sqlite3.h>

#include "base/err.h"

#define SCHEMA_APPLICATION_ID 0x616e7963 /* "anyc" */

/* A connection that may write, everything set; the caller closes it with
 * sqlite3_close.  NULL with err, and then the file is as it was. */
sqlite3 *schema_open(const char *path, struct err *err);

/* 0 if db is ours and of just this version; -1 with err. */
int schema_check(sqlite3 *db, struct err *err);

/* Fill err with what and SQLite's own words about db.  Return -1. */
int schema_err(struct err *err, sqlite3 *db, const char *what);

#endif /* STORE_SCHEMA_H */
