/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "report/text.h"

#define GAP_COLUMNS 2

struct cell {
	char *text;
	size_t width;
	enum table_ink ink;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	struct cell *cells; /* the first row is the header */
	size_t n_cells;
	size_t cap_cells;
};

static const char *const ink_start[] = {
	[TABLE_PLAIN] = "",
	[TABLE_BOLD] = "\033[1m",
	[TABLE_RED] = "\033[31m",
	[TABLE_GREEN] = "\033[32m",
};
static_assert(sizeof(ink_start) / sizeof(ink_start[0]) == TABLE_INK_COUNT,
    "inks");

struct table *
table_new(const struct table_column *columns, size_t n_columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	assert(n_columns > 0);
	t->columns = columns;
	t->n_columns = n_columns;
	for (size_t i = 0; i < n_columns; i++)
		table_add(t, TABLE_BOLD, "%s", columns[i].name);
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
table_add(struct table *t, enum table_ink ink, const char *fmt, ...)
{
	struct cell *c;
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1)
		text = xstrdup("?");
	if (t->n_cells == t->cap_cells) {
		t->cap_cells = t->cap_cells == 0 ? 64 : t->cap_cells * 2;
		t->cells =
		    xreallocarray(t->cells, t->cap_cells, sizeof(*t->cells));
	}
	c = &t->cells[t->n_cells++];
	c->text = text;
	c->width = text_width(text);
	c->ink = ink;
}

void
table_skip(struct table *t)
{
	table_add(t, TABLE_PLAIN, "%s", "");
}

static size_t
column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n_cells; i += t->n_columns) {
		if (t->cells[i].width > width)
			width = t->cells[i].width;
	}
	return width;
}

static void
put_spaces(FILE *out, size_t n)
{
	while (n-- > 0)
		fputc(' ', out);
}

void
table_put_ink(FILE *out, enum table_ink ink, bool color, const char *text)
{
	bool inked = color && ink != TABLE_PLAIN;

	if (inked)
		fputs(ink_start[ink], out);
	text_put(out, text);
	if (inked)
		fputs("\033[0m", out);
}

/* pad: spaces owed by the cells before; written only if something follows, so
 * that no line ends in blanks. */
struct line {
	FILE *out;
	bool color;
	size_t pad;
};

static void
put_cell(struct line *l, const struct cell *c, size_t width, bool right)
{
	size_t fill = width - c->width;

	if (right)
		l->pad += fill;
	if (c->width > 0) {
		put_spaces(l->out, l->pad);
		l->pad = 0;
		table_put_ink(l->out, c->ink, l->color, c->text);
	}
	l->pad += right ? GAP_COLUMNS : fill + GAP_COLUMNS;
}

void
table_print(const struct table *t, const char *indent, bool color, FILE *out)
{
	size_t *widths = xcalloc(t->n_columns, sizeof(*widths));
	struct line l = { .out = out, .color = color };

	assert(t->n_columns > 0);
	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t column = i % t->n_columns;

		if (column == 0) {
			l.pad = 0;
			fputs(indent, out);
		}
		put_cell(&l, &t->cells[i], widths[column],
		    t->columns[column].right);
		if (column + 1 == t->n_columns || i + 1 == t->n_cells)
			fputc('\n', out);
	}
	free(widths);
}
