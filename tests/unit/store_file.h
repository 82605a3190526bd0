/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_FILE_H
#define STORE_FILE_H
/*
 * store_file -- a directory of its own for each test, and plain SQLite on the
 * file beside the code under test.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "test.h"

#define GOLDEN_V1 "tests/golden/store/v1.sql"
#define GOLDEN_V2 "tests/golden/store/v2.sql"
#define GOLDEN_V3 "tests/golden/store/v3.sql"
#define GOLDEN_V4 "tests/golden/store/v4.sql"
#define GOLDEN_V5 "tests/golden/store/v5.sql"
#define GOLDEN_V6 "tests/golden/store/v6.sql"
#define GOLDEN_V7 "tests/golden/store/v7.sql"
#define GOLDEN_V8 "tests/golden/store/v8.sql"
#define GOLDEN_V9 "tests/golden/store/v9.sql"
#define GOLDEN_V10 "tests/golden/store/v10.sql"

struct store_file {
	char path[PATH_MAX];
	char dir[64];
};

static inline void
file_make(struct store_file *f)
{
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/a.db", f->dir);
}

static inline void
file_remove(const struct store_file *f)
{
	DIR *d = opendir(f->dir);
	const struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	(void)closedir(d);
	(void)rmdir(f->dir);
}

/* All of a file with a NUL behind; free() it. */
static inline char *
file_read(const char *path, size_t *len)
{
	FILE *in = fopen(path, "rb");
	size_t size = 1 << 20;
	char *text = malloc(size);

	assert_non_null(in);
	assert_non_null(text);
	*len = fread(text, 1, size - 1, in);
	text[*len] = '\0';
	(void)fclose(in);
	return text;
}

static inline void
file_write(const char *path, const void *bytes, size_t len)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static inline off_t
file_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static inline sqlite3 *
file_db(const struct store_file *f)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000);
	return db;
}

static inline void
file_exec(const struct store_file *f, const char *sql)
{
	sqlite3 *db = file_db(f);
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The one number that a query gives. */
static inline int64_t
file_number(const struct store_file *f, const char *sql)
{
	sqlite3 *db = file_db(f);
	sqlite3_stmt *st = NULL;
	int64_t v;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return v;
}

/* The golden file of a schema version, as it was left by that version. */
static inline void
file_from_golden(const struct store_file *f, const char *golden)
{
	size_t len;
	char *sql = file_read(golden, &len);

	file_exec(f, sql);
	free(sql);
}

#endif /* STORE_FILE_H */
