/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H
/*
 * table -- rows of text, each column as wide as its widest cell.  Cells are
 * cleaned as text_put does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_ink {
	TABLE_PLAIN,
	TABLE_BOLD,
	TABLE_RED,
	TABLE_GREEN,
	TABLE_INK_COUNT
};

struct table_column {
	const char *name;
	bool right; /* align to the right: numbers */
};

struct table;

/* columns: borrowed until table_free; at least one. */
struct table *table_new(const struct table_column *columns, size_t n_columns);
void table_free(struct table *t);
/* Add the next cell, in the order of the columns, row after row. */
void table_add(struct table *t, enum table_ink ink, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The next cell stays empty. */
void table_skip(struct table *t);
/*
 * Header and rows, each line behind indent.  A row that was not filled is
 * padded with empty cells.  Without color no escape sequence is written.
 */
void table_print(const struct table *t, const char *indent, bool color,
    FILE *out);

/* One piece of text in ink, cleaned. */
void table_put_ink(FILE *out, enum table_ink ink, bool color, const char *text);

#endif /* REPORT_TABLE_H */
