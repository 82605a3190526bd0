/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H
/*
 * rows -- what a query gives, checked against a table of columns and turned
 * into JSON.  A value outside of the table was not written by us; then the
 * whole query fails.
 */
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#include "base/err.h"

enum rows_type {
	ROWS_INT,
	ROWS_REAL,
	ROWS_TEXT,
	ROWS_TEXT_OR_NULL,
	ROWS_LIST, /* text of a JSON array; [] if it is none, as one cut off */
};

struct rows_col {
	const char *name; /* the JSON key; NULL ends the table */
	enum rows_type type;
	int64_t min, max; /* of ROWS_INT */
};

/* 1 a row, 0 the end, -1 with err. */
int rows_step(sqlite3_stmt *st, struct err *err);
/* Runs st, already bound, and resets it.  A new array of objects, or NULL with
 * err. */
json_t *rows_json(sqlite3_stmt *st, const struct rows_col *cols,
    struct err *err);
/* Fill err: `what` of st's file is not a value of ours.  Return -1. */
int rows_absurd(sqlite3_stmt *st, const char *what, struct err *err);

#endif /* STORE_ROWS_H */
