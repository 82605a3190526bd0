/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/rows.h"

#include <string.h>

#include "store/schema.h"
#include "store/store_wire.h"

static const char *
file_name(sqlite3_stmt *st)
{
	return sqlite3_db_filename(sqlite3_db_handle(st), "main");
}

int
rows_absurd(sqlite3_stmt *st, const char *what, struct err *err)
{
	return err_set(err, ERR_STORE, "%s: %s: not a value of ours",
	    file_name(st), what);
}

int
rows_step(sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	(void)schema_err(err, sqlite3_db_handle(st), "query");
	return err_wrap(err, "%s", file_name(st));
}

static json_t *
list_json(const char *text, size_t len)
{
	json_t *list = json_loadb(text, len, 0, NULL);

	if (json_is_array(list))
		return list;
	json_decref(list);
	return json_array();
}

/* New reference; NULL if the value is not what col says. */
static json_t *
value_json(sqlite3_stmt *st, int at, const struct rows_col *col)
{
	int type = sqlite3_column_type(st, at);
	int64_t number = sqlite3_column_int64(st, at);
	double real = sqlite3_column_double(st, at);
	const char *text;
	int len;

	switch (col->type) {
	case ROWS_INT:
		if (type != SQLITE_INTEGER || number < col->min ||
		    number > col->max)
			return NULL;
		return json_integer(number);
	case ROWS_REAL:
		/* Infinity has no JSON: json_real refuses it. */
		return type == SQLITE_FLOAT ? json_real(real) : NULL;
	case ROWS_TEXT_OR_NULL:
		if (type == SQLITE_NULL)
			return json_null();
		break;
	case ROWS_TEXT:
	case ROWS_LIST:
		break;
	}
	if (type != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(st, at);
	len = sqlite3_column_bytes(st, at);
	if (text == NULL || len > (int)STORE_TEXT_MAX ||
	    memchr(text, '\0', (size_t)len) != NULL)
		return NULL;
	if (col->type == ROWS_LIST)
		return list_json(text, (size_t)len);
	/* Refuses what is no UTF-8. */
	return json_stringn(text, (size_t)len);
}

/* New reference; NULL with err. */
static json_t *
row_json(sqlite3_stmt *st, const struct rows_col *cols, struct err *err)
{
	json_t *row = json_object();

	for (int i = 0; cols[i].name != NULL; i++) {
		json_t *value = value_json(st, i, &cols[i]);

		/* Takes the value over; refuses NULL. */
		if (json_object_set_new(row, cols[i].name, value) == -1) {
			(void)rows_absurd(st, cols[i].name, err);
			json_decref(row);
			return NULL;
		}
	}
	return row;
}

json_t *
rows_json(sqlite3_stmt *st, const struct rows_col *cols, struct err *err)
{
	json_t *rows = json_array(), *row;
	int rc;

	while ((rc = rows_step(st, err)) == 1) {
		row = row_json(st, cols, err);
		if (json_array_append_new(rows, row) == -1) {
			rc = -1;
			break;
		}
	}
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if (rc == 0)
		return rows;
	json_decref(rows);
	return NULL;
}
