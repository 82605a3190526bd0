/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/schema.h"
#include "store/store.h"
#include "store_file.h"
#include "test.h"

/* Refused for `why`, and not one byte is different afterwards. */
static void
assert_refused(const struct store_file *f, const char *why)
{
	struct err err = { 0 };
	size_t before_len, after_len;
	char *before = file_read(f->path, &before_len), *after;

	assert_int_equal(store_prepare(f->path, &err), -1);
	if (strstr(err.msg, why) == NULL || strstr(err.msg, f->path) == NULL)
		fail_msg("%s: expected %s", err.msg, why);
	after = file_read(f->path, &after_len);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
	free(before);
	free(after);
}

static void
test_fresh_file(void **state)
{
	struct store_file f;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	file_make(&f);
	assert_int_equal(store_prepare(f.path, &err), 0);
	assert_int_equal(store_prepare(f.path, &err), 0);
	assert_int_equal(file_number(&f, "PRAGMA application_id"),
	    SCHEMA_APPLICATION_ID);
	assert_true(file_number(&f, "PRAGMA user_version") > 0);
	assert_int_equal(file_number(&f, "PRAGMA page_size"), 8192);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 07007, 0);
	file_remove(&f);
}

/* All tables and indexes as text, layout aside; free() it. */
static char *
schema_text(const struct store_file *f)
{
	sqlite3 *db = file_db(f);
	sqlite3_stmt *st = NULL;
	char *text;

	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT group_concat(replace(replace(replace(sql, char(10),"
		" ''), ' ', ''), '\"', ''), char(10)) FROM"
		" (SELECT sql FROM sqlite_schema ORDER BY name)",
		-1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return text;
}

/* A file of each older version ends with the schema of a fresh one, and with
 * its rows. */
static void
assert_migrates(const char *golden)
{
	struct store_file old, fresh;
	struct err err = { 0 };
	char *got, *want;

	file_make(&old);
	file_make(&fresh);
	file_from_golden(&old, golden);
	if (store_prepare(old.path, &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(store_prepare(fresh.path, &err), 0);
	got = schema_text(&old);
	want = schema_text(&fresh);
	assert_string_equal(got, want);
	assert_int_equal(file_number(&old, "PRAGMA user_version"),
	    file_number(&fresh, "PRAGMA user_version"));
	assert_int_equal(file_number(&old, "SELECT count(*) FROM event"), 3);
	assert_int_equal(file_number(&old, "SELECT count(*) FROM client"), 4);
	assert_int_equal(file_number(&old, "SELECT count(*) FROM intent"), 2);
	free(got);
	free(want);
	file_remove(&old);
	file_remove(&fresh);
}

static void
test_migration_from_every_version(void **state)
{
	static const char *const golden[] = { GOLDEN_V1, GOLDEN_V2, GOLDEN_V3,
		GOLDEN_V4, GOLDEN_V5, GOLDEN_V6, GOLDEN_V7, GOLDEN_V8,
		GOLDEN_V9, GOLDEN_V10 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(golden); i++)
		assert_migrates(golden[i]);
}

/* Version 7 stored a null run that never began on a test prefix under an older
 * experiment. */
static void
test_null_runs_are_attributed_rightly(void **state)
{
	struct store_file f;

	(void)state;
	file_make(&f);
	file_from_golden(&f, GOLDEN_V7);
	assert_int_equal(store_prepare(f.path, NULL), 0);
	assert_int_equal(file_number(&f, "SELECT count(*) FROM null_run"), 2);
	assert_int_equal(file_number(&f,
			     "SELECT experiment FROM null_run"
			     " WHERE first_experiment = 7"
			     " AND verdict = 'alike'"),
	    8);
	assert_int_equal(file_number(&f,
			     "SELECT experiment FROM null_run"
			     " WHERE first_experiment = 9"
			     " AND verdict = 'unknown'"),
	    0);
	file_remove(&f);
}

static void
test_newer_schema_is_refused(void **state)
{
	struct store_file f;

	(void)state;
	file_make(&f);
	file_from_golden(&f, GOLDEN_V1);
	file_exec(&f, "PRAGMA user_version = 99");
	assert_refused(&f, "version 99 was written by a newer anycastd");
	file_remove(&f);
}

/* As a newer version's crash just after its migration leaves it. */
static void
test_newer_schema_in_the_wal_is_refused(void **state)
{
	struct store_file f;
	char wal[PATH_MAX + 8];
	sqlite3 *db;
	off_t before;

	(void)state;
	file_make(&f);
	file_from_golden(&f, GOLDEN_V1);
	(void)snprintf(wal, sizeof(wal), "%s-wal", f.path);
	db = file_db(&f);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 98", NULL,
			     NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	before = file_bytes(wal);
	assert_true(before > 0);
	assert_refused(&f, "version 98 was written by a newer anycastd");
	assert_int_equal(file_bytes(wal), before);
	file_remove(&f);
}

static void
test_garbage_is_refused(void **state)
{
	static const char text[] =
	    "this is somebody's precious text, which is a good deal longer "
	    "than the header of a database would be: more than 100 bytes";
	struct store_file f;

	(void)state;
	file_make(&f);
	for (size_t len = 1; len < sizeof(text); len += 20) {
		file_write(f.path, text, len);
		assert_refused(&f, "is not an SQLite file");
	}
	file_write(f.path, "SQLite format 3\0short", 21);
	assert_refused(&f, "is not an SQLite file");
	file_remove(&f);
}

static void
test_strangers_database_is_refused(void **state)
{
	struct store_file f;

	(void)state;
	file_make(&f);
	file_exec(&f, "CREATE TABLE theirs(a); INSERT INTO theirs VALUES(1)");
	assert_refused(&f, "another program");
	file_exec(&f, "PRAGMA application_id = 0x0f055112");
	assert_refused(&f, "another program");
	/* An own file without a version is damaged. */
	file_exec(&f, "PRAGMA application_id = 0x616e7963");
	assert_refused(&f, "version 0");
	file_exec(&f, "PRAGMA user_version = -1");
	assert_refused(&f, "version -1");
	file_remove(&f);
}

static void
test_no_file_possible(void **state)
{
	struct store_file f;
	struct err err = { 0 };
	char path[PATH_MAX + 8];

	(void)state;
	file_make(&f);
	assert_int_equal(store_prepare(f.dir, &err), -1);
	assert_non_null(strstr(err.msg, "directory"));
	(void)snprintf(path, sizeof(path), "%s/no/a.db", f.dir);
	assert_int_equal(store_prepare(path, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(mkfifo(f.path, 0600), 0);
	assert_int_equal(store_prepare(f.path, &err), -1);
	assert_non_null(strstr(err.msg, "not a regular file"));
	file_remove(&f);
}

/* Killed between making the file and the tables: the next start goes on. */
static void
test_half_made_file_is_finished(void **state)
{
	struct store_file f;
	struct err err = { 0 };

	(void)state;
	file_make(&f);
	file_write(f.path, "", 0);
	assert_int_equal(store_prepare(f.path, &err), 0);
	file_remove(&f);

	file_make(&f);
	file_exec(&f, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL");
	assert_true(file_bytes(f.path) > 0);
	assert_int_equal(store_prepare(f.path, &err), 0);
	assert_true(file_number(&f, "PRAGMA user_version") > 0);
	file_remove(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_file),
		cmocka_unit_test(test_migration_from_every_version),
		cmocka_unit_test(test_null_runs_are_attributed_rightly),
		cmocka_unit_test(test_newer_schema_is_refused),
		cmocka_unit_test(test_newer_schema_in_the_wal_is_refused),
		cmocka_unit_test(test_garbage_is_refused),
		cmocka_unit_test(test_strangers_database_is_refused),
		cmocka_unit_test(test_no_file_possible),
		cmocka_unit_test(test_half_made_file_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
