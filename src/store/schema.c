/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file is judged before anything is written: first its raw header, since
 * SQLite would roll back a stranger's journal when it opens the file, then the
 * header that SQLite sees, which may still be in the WAL.
 */
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/log.h"

/* https://www.sqlite.org/fileformat.html, 1.3 */
#define HEADER_BYTES 100u
#define HEADER_VERSION_OFFSET 60u
#define HEADER_APPLICATION_GAP 4u
static const uint8_t header_magic[16] = "SQLite format 3";

#define BUSY_MS 5000
/* Client addresses are in the file: not for everybody's eyes. */
#define FILE_MODE 0640

/* Step i brings version i to i + 1.  Steps are never changed once released;
 * tests/golden/store/ has a file of every version. */
static const char *const steps[] = {
	[0] = "CREATE TABLE event("
	      " id INTEGER PRIMARY KEY AUTOINCREMENT,"
	      " uid TEXT NOT NULL UNIQUE,"
	      " at_ms INTEGER NOT NULL,"
	      " kind TEXT NOT NULL,"
	      " subject TEXT NOT NULL,"
	      " what TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " actor TEXT NOT NULL"
	      ") STRICT;"
	      "CREATE INDEX event_subject ON event(subject);"

	      "CREATE TABLE intent("
	      " id TEXT NOT NULL PRIMARY KEY,"
	      " kind TEXT NOT NULL,"
	      " site TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " actor TEXT NOT NULL,"
	      " created_ms INTEGER NOT NULL,"
	      " until_ms INTEGER NOT NULL,"
	      " ended_ms INTEGER NOT NULL,"
	      " ended_by TEXT"
	      ") STRICT, WITHOUT ROWID;"
	      "CREATE INDEX intent_ended ON intent(ended_ms);"

	      "CREATE TABLE site_order("
	      " site TEXT NOT NULL PRIMARY KEY,"
	      " revision INTEGER NOT NULL,"
	      " json TEXT NOT NULL"
	      ") STRICT, WITHOUT ROWID;"

	      "CREATE TABLE experiment("
	      " id INTEGER PRIMARY KEY,"
	      " site TEXT NOT NULL,"
	      " state TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " created_ms INTEGER NOT NULL,"
	      " ended_ms INTEGER NOT NULL,"
	      " clients INTEGER NOT NULL,"
	      " list INTEGER NOT NULL,"
	      " answered INTEGER NOT NULL,"
	      " bystanders INTEGER NOT NULL,"
	      " sites TEXT NOT NULL"
	      ") STRICT;"
	      "CREATE INDEX experiment_site ON experiment(site, state);"

	      "CREATE TABLE client_list("
	      " id INTEGER PRIMARY KEY,"
	      " created_ms INTEGER NOT NULL,"
	      " n INTEGER NOT NULL,"
	      " current INTEGER NOT NULL CHECK(current IN (0, 1))"
	      ") STRICT;"
	      "CREATE UNIQUE INDEX client_list_current ON client_list(current)"
	      " WHERE current = 1;"

	      "CREATE TABLE client("
	      " list INTEGER NOT NULL,"
	      " idx INTEGER NOT NULL,"
	      " addr BLOB NOT NULL CHECK(length(addr) = 16),"
	      " weight REAL NOT NULL,"
	      " last_seen INTEGER NOT NULL,"
	      " PRIMARY KEY(list, idx)"
	      ") STRICT, WITHOUT ROWID;"

	      "CREATE TABLE outcome_chunk("
	      " experiment INTEGER NOT NULL,"
	      " phase INTEGER NOT NULL,"
	      " first INTEGER NOT NULL,"
	      " n INTEGER NOT NULL,"
	      " data BLOB NOT NULL,"
	      " PRIMARY KEY(experiment, phase, first)"
	      ") STRICT, WITHOUT ROWID;"

	      "CREATE TABLE heir("
	      " experiment INTEGER NOT NULL,"
	      " site TEXT NOT NULL,"
	      " family INTEGER NOT NULL CHECK(family IN (4, 6)),"
	      " heir TEXT NOT NULL,"
	      " clients INTEGER NOT NULL,"
	      " weight REAL NOT NULL,"
	      " PRIMARY KEY(experiment, site, family, heir)"
	      ") STRICT, WITHOUT ROWID;"

	      "PRAGMA application_id = 0x616e7963;"
	      "PRAGMA user_version = 1;",
	/* Intents with a scope, an owner, and haste. */
	[1] = "ALTER TABLE intent ADD COLUMN scope TEXT NOT NULL DEFAULT '';"
	      "ALTER TABLE intent ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	      "ALTER TABLE intent ADD COLUMN at_once INTEGER NOT NULL DEFAULT 0"
	      " CHECK(at_once IN (0, 1));"
	      "PRAGMA user_version = 2;",
	/* Clients that feeds told of: parts as they travel between processes. */
	[2] = "CREATE TABLE recent_client("
	      " site TEXT NOT NULL,"
	      " part INTEGER NOT NULL,"
	      " saved_ms INTEGER NOT NULL,"
	      " data BLOB NOT NULL,"
	      " PRIMARY KEY(site, part)"
	      ") STRICT;"
	      "PRAGMA user_version = 3;",
	/* Who does not want to be pinged; what an experiment's replies were. */
	[3] = "CREATE TABLE optout("
	      " prefix TEXT NOT NULL PRIMARY KEY,"
	      " reason TEXT NOT NULL,"
	      " actor TEXT NOT NULL,"
	      " created_ms INTEGER NOT NULL"
	      ") STRICT, WITHOUT ROWID;"
	      "CREATE TABLE reply_class("
	      " experiment INTEGER NOT NULL,"
	      " site TEXT NOT NULL,"
	      " class TEXT NOT NULL,"
	      " n INTEGER NOT NULL,"
	      " samples TEXT NOT NULL,"
	      " PRIMARY KEY(experiment, site, class)"
	      ") STRICT, WITHOUT ROWID;"
	      "PRAGMA user_version = 4;",
	/* Experiments over sets of sites, between two baselines, in campaigns:
	 * experiment.site is the set, comma between the names. */
	[4] = "ALTER TABLE experiment ADD COLUMN"
	      " asked INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " others INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " null_both INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " null_moved INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " null_tv REAL NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " campaign INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " purpose TEXT NOT NULL DEFAULT '';"
	      "ALTER TABLE experiment ADD COLUMN"
	      " prefix_group INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " changed_ms INTEGER NOT NULL DEFAULT 0;"
	      "CREATE INDEX experiment_campaign ON experiment(campaign);"
	      "ALTER TABLE heir ADD COLUMN"
	      " unstable INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE heir ADD COLUMN"
	      " square REAL NOT NULL DEFAULT 0;"
	      "UPDATE experiment SET asked = clients;"

	      "CREATE TABLE campaign("
	      " id INTEGER PRIMARY KEY,"
	      " state TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " depth INTEGER NOT NULL,"
	      " seed INTEGER NOT NULL,"
	      " created_ms INTEGER NOT NULL,"
	      " ended_ms INTEGER NOT NULL,"
	      " list INTEGER NOT NULL,"
	      " sites TEXT NOT NULL"
	      ") STRICT;"

	      /* Real withdrawals beside their predictions. */
	      "CREATE TABLE landing("
	      " id INTEGER PRIMARY KEY,"
	      " at_ms INTEGER NOT NULL,"
	      " since_ms INTEGER NOT NULL,"
	      " down TEXT NOT NULL,"
	      " label TEXT NOT NULL,"
	      " experiment INTEGER NOT NULL,"
	      " campaign INTEGER NOT NULL,"
	      " displaced INTEGER NOT NULL,"
	      " seen INTEGER NOT NULL,"
	      " agreed INTEGER NOT NULL,"
	      " remained INTEGER NOT NULL,"
	      " several INTEGER NOT NULL,"
	      " weight_seen REAL NOT NULL,"
	      " weight_agreed REAL NOT NULL,"
	      " distance REAL NOT NULL,"
	      " heirs TEXT NOT NULL"
	      ") STRICT;"
	      "PRAGMA user_version = 5;",
	/* What guards remember. */
	[5] = "CREATE TABLE guard_state("
	      " name TEXT NOT NULL PRIMARY KEY,"
	      " revision INTEGER NOT NULL,"
	      " json TEXT NOT NULL"
	      ") STRICT, WITHOUT ROWID;"
	      "PRAGMA user_version = 6;",
	/* On which test prefix; and whether they are treated alike. */
	[6] = "ALTER TABLE experiment DROP COLUMN prefix_group;"
	      "ALTER TABLE experiment ADD COLUMN"
	      " test TEXT NOT NULL DEFAULT '';"
	      "CREATE TABLE null_run("
	      " experiment INTEGER PRIMARY KEY,"
	      " first_experiment INTEGER NOT NULL,"
	      " test TEXT NOT NULL,"
	      " first TEXT NOT NULL,"
	      " at_ms INTEGER NOT NULL,"
	      " verdict TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " compared INTEGER NOT NULL,"
	      " distance REAL NOT NULL,"
	      " noise REAL NOT NULL,"
	      " beyond REAL NOT NULL,"
	      " max_beyond REAL NOT NULL,"
	      " shares TEXT NOT NULL"
	      ") STRICT;"
	      "PRAGMA user_version = 7;",
	/* A null run that did not begin on a test prefix has no experiment there;
	 * it was stored under an older one. */
	[7] = "ALTER TABLE null_run RENAME TO null_run_old;"
	      "CREATE TABLE null_run("
	      " test TEXT NOT NULL,"
	      " first_experiment INTEGER NOT NULL,"
	      " experiment INTEGER NOT NULL,"
	      " first TEXT NOT NULL,"
	      " at_ms INTEGER NOT NULL,"
	      " verdict TEXT NOT NULL,"
	      " reason TEXT NOT NULL,"
	      " compared INTEGER NOT NULL,"
	      " distance REAL NOT NULL,"
	      " noise REAL NOT NULL,"
	      " beyond REAL NOT NULL,"
	      " max_beyond REAL NOT NULL,"
	      " shares TEXT NOT NULL,"
	      " PRIMARY KEY(test, first_experiment)"
	      ") STRICT, WITHOUT ROWID;"
	      "INSERT INTO null_run SELECT test, first_experiment,"
	      " CASE WHEN experiment > first_experiment THEN experiment"
	      " ELSE 0 END, first, at_ms, verdict, reason, compared, distance,"
	      " noise, beyond, max_beyond, shares FROM null_run_old"
	      " WHERE true ON CONFLICT DO NOTHING;"
	      "DROP TABLE null_run_old;"
	      "PRAGMA user_version = 8;",
	/* Experiments that campaigns do not believe.  Of those of older versions
	 * only the newest campaign's are found out, when it is read again. */
	[8] = "ALTER TABLE experiment ADD COLUMN"
	      " set_aside INTEGER NOT NULL DEFAULT 0"
	      " CHECK(set_aside IN (0, 1));"
	      "PRAGMA user_version = 9;",
	/* Landings of withdrawals that were over early. */
	[9] = "ALTER TABLE landing ADD COLUMN"
	      " short INTEGER NOT NULL DEFAULT 0"
	      " CHECK(short IN (0, 1));"
	      "PRAGMA user_version = 10;",
	/* The noise of maps by weight; of older ones it is not known. */
	[10] = "ALTER TABLE experiment ADD COLUMN"
	       " null_moved_weight REAL NOT NULL DEFAULT -1;"
	       "PRAGMA user_version = 11;",
};

#define SCHEMA_VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

int
schema_err(struct err *err, sqlite3 *db, const char *what)
{
	int code = sqlite3_errcode(db) & 0xff;
	/* Only these set it; else it is an older one's. */
	int sys = code == SQLITE_IOERR || code == SQLITE_CANTOPEN
	    ? sqlite3_system_errno(db)
	    : 0;

	if (sys != 0) {
		return err_set(err, ERR_STORE, "%s: %s (%s)", what,
		    sqlite3_errmsg(db), strerror(sys));
	}
	return err_set(err, ERR_STORE, "%s: %s", what, sqlite3_errmsg(db));
}

static int
exec_sql(sqlite3 *db, const char *sql, const char *what, struct err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return schema_err(err, db, what);
	return 0;
}

/* The one value of a query without parameters. */
static int
get_int(sqlite3 *db, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW) {
		*out = sqlite3_column_int64(st, 0);
		rc = 0;
	} else {
		(void)schema_err(err, db, "reading the header");
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int
judge(int64_t application_id, int64_t version, struct err *err)
{
	if (application_id != SCHEMA_APPLICATION_ID) {
		return err_set(err, ERR_STORE,
		    "is a database of another program (application id "
		    "0x%08llx, expected 0x%08x)",
		    (unsigned long long)application_id, SCHEMA_APPLICATION_ID);
	}
	if (version > SCHEMA_VERSION) {
		return err_set(err, ERR_STORE,
		    "schema version %lld was written by a newer anycastd; this "
		    "one knows versions up to %d",
		    (long long)version, SCHEMA_VERSION);
	}
	if (version < 1) {
		return err_set(err, ERR_STORE, "schema version %lld: absurd",
		    (long long)version);
	}
	return 0;
}

static int
judge_raw_header(const uint8_t *buf, size_t len, struct err *err)
{
	struct cursor c = { .p = buf, .left = len };
	uint8_t magic[sizeof(header_magic)];
	uint32_t version, application_id;

	cursor_bytes(&c, magic, sizeof(magic));
	cursor_skip(&c, HEADER_VERSION_OFFSET - sizeof(magic));
	version = cursor_be32(&c);
	cursor_skip(&c, HEADER_APPLICATION_GAP);
	application_id = cursor_be32(&c);
	if (c.bad || memcmp(magic, header_magic, sizeof(magic)) != 0)
		return err_set(err, ERR_STORE, "is not an SQLite file");
	/* Ours, created just before a crash: its tables are in the WAL. */
	if (application_id == 0 && version == 0)
		return 0;
	return judge(application_id, (int32_t)version, err);
}

/*
 * Creates an empty file when there is none.  Closing the descriptor drops this
 * process's locks on the file (fcntl(2)): no connection may be open yet.
 */
static int
check_file(const char *path, struct err *err)
{
	uint8_t header[HEADER_BYTES];
	struct stat st;
	ssize_t n;
	int rc = -1;
	int fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, FILE_MODE);

	if (fd == -1)
		return err_sys(err, "open");
	if (fstat(fd, &st) == -1) {
		err_sys(err, "stat");
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_STORE, "is not a regular file");
		goto out;
	}
	n = pread(fd, header, sizeof(header), 0);
	if (n == -1) {
		err_sys(err, "read");
		goto out;
	}
	rc = n == 0 ? 0 : judge_raw_header(header, (size_t)n, err);
out:
	(void)close(fd);
	return rc;
}

/* What SQLite sees, the WAL included. */
static int
check_content(sqlite3 *db, int64_t *version, struct err *err)
{
	int64_t application_id, tables;

	if (get_int(db, "PRAGMA application_id", &application_id, err) == -1 ||
	    get_int(db, "PRAGMA user_version", version, err) == -1 ||
	    get_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err) ==
		-1)
		return -1;
	if (application_id == 0 && *version == 0 && tables == 0)
		return 0;
	return judge(application_id, *version, err);
}

int
schema_check(sqlite3 *db, struct err *err)
{
	int64_t version;

	if (check_content(db, &version, err) == -1)
		return -1;
	if (version != SCHEMA_VERSION) {
		return err_set(err, ERR_STORE,
		    "schema version %lld, expected %d", (long long)version,
		    SCHEMA_VERSION);
	}
	return 0;
}

static int
set_wal(sqlite3 *db, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &st,
		NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW) {
		(void)schema_err(err, db, "journal mode");
	} else if (sqlite3_stricmp((const char *)sqlite3_column_text(st, 0),
		       "wal") != 0) {
		(void)err_set(err, ERR_STORE,
		    "this file system cannot hold a WAL");
	} else {
		rc = 0;
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int
migrate(sqlite3 *db, struct err *err)
{
	int64_t version, after;

	/* Another process may be at it: the version counts under the lock. */
	if (exec_sql(db, "BEGIN IMMEDIATE", "migration", err) == -1)
		return -1;
	if (check_content(db, &version, err) == -1)
		goto fail;
	for (; version < SCHEMA_VERSION; version++) {
		if (exec_sql(db, steps[version], "migration", err) == -1 ||
		    get_int(db, "PRAGMA user_version", &after, err) == -1)
			goto fail;
		if (after != version + 1) {
			err_set(err, ERR_STORE, "migration %lld: gave %lld",
			    (long long)version, (long long)after);
			goto fail;
		}
		log_info("schema version %lld -> %lld", (long long)version,
		    (long long)after);
	}
	if (exec_sql(db, "COMMIT", "migration", err) == 0)
		return 0;
fail:
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* FULL: a commit is on disk before it is acknowledged.  The WAL is folded into
 * the file every 16 MiB and shrinks again after a large load. */
static const char settings[] = "PRAGMA synchronous = FULL;"
			       "PRAGMA wal_autocheckpoint = 2000;"
			       "PRAGMA journal_size_limit = 67108864;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA cell_size_check = ON;";

static int
prepare(sqlite3 *db, struct err *err)
{
	int64_t version;

	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_busy_timeout(db, BUSY_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* Else closing a file that we refuse would fold its WAL into it. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (check_content(db, &version, err) == -1)
		return -1;
	if (exec_sql(db, "PRAGMA page_size = 8192", "page size", err) == -1 ||
	    set_wal(db, err) == -1 ||
	    exec_sql(db, settings, "settings", err) == -1)
		return -1;
	if (version < SCHEMA_VERSION && migrate(db, err) == -1)
		return -1;
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return 0;
}

sqlite3 *
schema_open(const char *path, struct err *err)
{
	sqlite3 *db = NULL;

	if (check_file(path, err) == -1)
		goto fail;
	if (sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK) {
		(void)schema_err(err, db, "open");
		goto fail;
	}
	if (prepare(db, err) == -1)
		goto fail;
	return db;

fail:
	(void)sqlite3_close(db);
	(void)err_wrap(err, "%s", path);
	return NULL;
}
