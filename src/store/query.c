/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/query.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cursor.h"
#include "base/xalloc.h"
#include "core/failover.h"
#include "store/chunk.h"
#include "store/rows.h"
#include "store/schema.h"
#include "store/store_wire.h"

#define BUSY_MS 200
#define LIMIT_MAX 1000u

enum stmt {
	STMT_BEGIN,
	STMT_END,
	STMT_EVENTS_AFTER,
	STMT_EVENTS_AFTER_OF,
	STMT_EVENTS_NEWEST,
	STMT_EVENTS_NEWEST_OF,
	STMT_INTENTS,
	STMT_INTENT,
	STMT_EXPERIMENTS,
	STMT_EXPERIMENTS_OF,
	STMT_EXPERIMENT,
	STMT_NEWEST_MAPS,
	STMT_CAMPAIGN_EXPERIMENTS,
	STMT_CAMPAIGNS,
	STMT_LANDINGS,
	STMT_MAX_LANDING,
	STMT_NULL_RUNS,
	STMT_LIST_COUNT,
	STMT_HEIRS,
	STMT_MAP_BEFORE,
	STMT_ORDER,
	STMT_STATE,
	STMT_MAX_REVISION,
	STMT_MAX_EXPERIMENT,
	STMT_LIST,
	STMT_CLIENTS,
	STMT_OUTCOMES,
	STMT_HAS_OUTCOMES,
	STMT_RECENT,
	STMT_OPTOUTS,
	STMT_REPLIES,
	STMT_COUNT
};

#define EVENT_COLS "id, at_ms, kind, subject, what, reason, actor"
#define INTENT_COLS                                                            \
	"id, kind, site, reason, actor, created_ms, until_ms, ended_ms,"       \
	" ended_by, scope, owner, at_once"
#define EXPERIMENT_COLS                                                        \
	"id, site, state, reason, created_ms, ended_ms, clients, list,"        \
	" answered, bystanders, sites, asked, others, null_both, null_moved,"  \
	" null_tv, campaign, purpose, test, changed_ms, set_aside,"            \
	" null_moved_weight"

#define CAMPAIGN_COLS                                                          \
	"id, state, reason, depth, seed, created_ms, ended_ms, list, sites"

/* A bare name means the site, service or prefix of that name. */
#define SUBJECT_IS                                                             \
	"subject IN (?3, 'site/' || ?3, 'service/' || ?3, 'prefix/' || ?3)"

static const char *const sql[] = {
	[STMT_BEGIN] = "BEGIN",
	[STMT_END] = "COMMIT",
	[STMT_EVENTS_AFTER] = "SELECT " EVENT_COLS " FROM event"
			      " WHERE id > ?1 ORDER BY id LIMIT ?2",
	[STMT_EVENTS_AFTER_OF] =
	    "SELECT " EVENT_COLS " FROM event"
	    " WHERE " SUBJECT_IS " AND id > ?1 ORDER BY id LIMIT ?2",
	[STMT_EVENTS_NEWEST] = "SELECT * FROM (SELECT " EVENT_COLS " FROM event"
			       " ORDER BY id DESC LIMIT ?2) ORDER BY id",
	[STMT_EVENTS_NEWEST_OF] =
	    "SELECT * FROM (SELECT " EVENT_COLS " FROM event"
	    " WHERE " SUBJECT_IS " ORDER BY id DESC LIMIT ?2)"
	    " ORDER BY id",
	[STMT_INTENTS] = "SELECT * FROM (SELECT " INTENT_COLS " FROM intent"
			 " WHERE ended_ms = 0 OR ended_ms > ?1"
			 " ORDER BY ended_ms <> 0, ended_ms DESC LIMIT ?2)"
			 " ORDER BY created_ms, id",
	[STMT_INTENT] = "SELECT " INTENT_COLS " FROM intent WHERE id = ?1",
	[STMT_EXPERIMENTS] = "SELECT " EXPERIMENT_COLS " FROM experiment"
			     " ORDER BY id DESC LIMIT ?1",
	[STMT_EXPERIMENTS_OF] = "SELECT " EXPERIMENT_COLS " FROM experiment"
				" WHERE site = ?2 ORDER BY id DESC LIMIT ?1",
	[STMT_EXPERIMENT] = "SELECT " EXPERIMENT_COLS " FROM experiment"
			    " WHERE id = ?1",
	[STMT_NEWEST_MAPS] =
	    "SELECT " EXPERIMENT_COLS " FROM experiment WHERE id IN"
	    " (SELECT max(id) FROM experiment WHERE state = 'done'"
	    " GROUP BY site) ORDER BY id DESC",
	/* As they ended: so they came into the log that is read back. */
	[STMT_CAMPAIGN_EXPERIMENTS] =
	    "SELECT " EXPERIMENT_COLS " FROM experiment"
	    " WHERE campaign = ?1 AND state = 'done' ORDER BY ended_ms, id",
	[STMT_CAMPAIGNS] = "SELECT " CAMPAIGN_COLS " FROM campaign"
			   " ORDER BY id DESC LIMIT ?1",
	[STMT_LANDINGS] =
	    "SELECT id, at_ms, since_ms, down, label, experiment, campaign,"
	    " displaced, seen, agreed, remained, several, weight_seen,"
	    " weight_agreed, distance, heirs, short FROM landing"
	    " ORDER BY id DESC LIMIT ?1",
	[STMT_MAX_LANDING] = "SELECT ifnull(max(id), 0) FROM landing",
	/* The newest of each test prefix. */
	[STMT_NULL_RUNS] =
	    "SELECT experiment, first_experiment, test, first, at_ms, verdict,"
	    " reason, compared, distance, noise, beyond, max_beyond, shares"
	    " FROM null_run AS r WHERE first_experiment ="
	    " (SELECT max(first_experiment) FROM null_run WHERE test = r.test)"
	    " ORDER BY first_experiment DESC, test",
	[STMT_LIST_COUNT] = "SELECT n FROM client_list WHERE id = ?1",
	[STMT_HEIRS] = "SELECT site, family, heir, clients, weight, unstable,"
		       " square FROM heir"
		       " WHERE experiment = ?1 ORDER BY site, family, heir",
	[STMT_MAP_BEFORE] = "SELECT ifnull(max(id), 0) FROM experiment"
			    " WHERE site = ?1 AND state = 'done' AND id < ?2"
			    " AND set_aside = 0",
	[STMT_STATE] = "SELECT revision, json FROM guard_state WHERE name = ?1",
	[STMT_ORDER] = "SELECT revision, json FROM site_order WHERE site = ?1",
	[STMT_MAX_REVISION] = "SELECT ifnull(max(revision), 0)"
			      " FROM site_order",
	[STMT_MAX_EXPERIMENT] = "SELECT ifnull(max(id), 0) FROM experiment",
	[STMT_LIST] = "SELECT id, n FROM client_list WHERE current = 1",
	[STMT_CLIENTS] = "SELECT idx, addr, weight, last_seen FROM client"
			 " WHERE list = ?1 ORDER BY idx",
	/* A chunk has at most STORE_OUTCOMES_PER_CHUNK clients. */
	[STMT_OUTCOMES] = "SELECT first, n, data FROM outcome_chunk"
			  " WHERE experiment = ?1 AND phase = ?2"
			  " AND first < ?3 + ?4 AND first > ?3 - 8192"
			  " ORDER BY first",
	[STMT_HAS_OUTCOMES] =
	    "SELECT 1 FROM outcome_chunk WHERE experiment = ?1 LIMIT 1",
	[STMT_RECENT] = "SELECT site, saved_ms, data FROM recent_client"
			" ORDER BY site, part",
	[STMT_OPTOUTS] = "SELECT prefix, reason, actor, created_ms FROM optout"
			 " ORDER BY prefix",
	[STMT_REPLIES] = "SELECT site, class, n, samples FROM reply_class"
			 " WHERE experiment = ?1 ORDER BY site, class",
};
static_assert(STORE_OUTCOMES_PER_CHUNK == 8192, "as in STMT_OUTCOMES");
static_assert(sizeof(sql) / sizeof(sql[0]) == STMT_COUNT,
    "every statement has its text");

struct query {
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_COUNT];
};

#define COL_MS(name)                                                           \
	{                                                                      \
		name, ROWS_INT, 0, INT64_MAX                                   \
	}
#define COL_U32(name)                                                          \
	{                                                                      \
		name, ROWS_INT, 0, UINT32_MAX                                  \
	}

static const struct rows_col event_cols[] = {
	{ "id", ROWS_INT, 1, INT64_MAX },
	COL_MS("at_ms"),
	{ "kind", ROWS_TEXT, 0, 0 },
	{ "subject", ROWS_TEXT, 0, 0 },
	{ "what", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	{ "actor", ROWS_TEXT, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col intent_cols[] = {
	{ "id", ROWS_TEXT, 0, 0 },
	{ "kind", ROWS_TEXT, 0, 0 },
	{ "site", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	{ "actor", ROWS_TEXT, 0, 0 },
	COL_MS("created_ms"),
	COL_MS("until_ms"),
	COL_MS("ended_ms"),
	{ "ended_by", ROWS_TEXT_OR_NULL, 0, 0 },
	{ "scope", ROWS_TEXT, 0, 0 },
	{ "owner", ROWS_TEXT, 0, 0 },
	{ "at_once", ROWS_INT, 0, 1 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col experiment_cols[] = {
	{ "id", ROWS_INT, 1, UINT32_MAX },
	{ "site", ROWS_TEXT, 0, 0 },
	{ "state", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	COL_MS("created_ms"),
	COL_MS("ended_ms"),
	COL_U32("clients"),
	COL_U32("list"),
	COL_U32("answered"),
	COL_U32("bystanders"),
	{ "sites", ROWS_TEXT, 0, 0 },
	COL_U32("asked"),
	COL_U32("others"),
	COL_U32("null_both"),
	COL_U32("null_moved"),
	{ "null_tv", ROWS_REAL, 0, 0 },
	COL_U32("campaign"),
	{ "purpose", ROWS_TEXT, 0, 0 },
	{ "test", ROWS_TEXT, 0, 0 },
	COL_MS("changed_ms"),
	{ "set_aside", ROWS_INT, 0, 1 },
	{ "null_moved_weight", ROWS_REAL, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col campaign_cols[] = {
	{ "id", ROWS_INT, 1, UINT32_MAX },
	{ "state", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	{ "depth", ROWS_INT, 1, 3 },
	{ "seed", ROWS_INT, 0, INT64_MAX },
	COL_MS("created_ms"),
	COL_MS("ended_ms"),
	COL_U32("list"),
	{ "sites", ROWS_TEXT, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col landing_cols[] = {
	{ "id", ROWS_INT, 1, UINT32_MAX },
	COL_MS("at_ms"),
	COL_MS("since_ms"),
	{ "down", ROWS_TEXT, 0, 0 },
	{ "label", ROWS_TEXT, 0, 0 },
	COL_U32("experiment"),
	COL_U32("campaign"),
	COL_U32("displaced"),
	COL_U32("seen"),
	COL_U32("agreed"),
	COL_U32("remained"),
	COL_U32("several"),
	{ "weight_seen", ROWS_REAL, 0, 0 },
	{ "weight_agreed", ROWS_REAL, 0, 0 },
	{ "distance", ROWS_REAL, 0, 0 },
	{ "heirs", ROWS_LIST, 0, 0 },
	{ "short", ROWS_INT, 0, 1 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col null_run_cols[] = {
	COL_U32("experiment"),
	COL_U32("first_experiment"),
	{ "test", ROWS_TEXT, 0, 0 },
	{ "first", ROWS_TEXT, 0, 0 },
	COL_MS("at_ms"),
	{ "verdict", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	COL_U32("compared"),
	{ "distance", ROWS_REAL, 0, 0 },
	{ "noise", ROWS_REAL, 0, 0 },
	{ "beyond", ROWS_REAL, 0, 0 },
	{ "max_beyond", ROWS_REAL, 0, 0 },
	{ "shares", ROWS_TEXT, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col optout_cols[] = {
	{ "prefix", ROWS_TEXT, 0, 0 },
	{ "reason", ROWS_TEXT, 0, 0 },
	{ "actor", ROWS_TEXT, 0, 0 },
	COL_MS("created_ms"),
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col reply_cols[] = {
	{ "site", ROWS_TEXT, 0, 0 },
	{ "class", ROWS_TEXT, 0, 0 },
	{ "n", ROWS_INT, 0, INT64_MAX },
	{ "samples", ROWS_LIST, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static const struct rows_col heir_cols[] = {
	{ "site", ROWS_TEXT, 0, 0 },
	{ "family", ROWS_INT, 4, 6 },
	{ "heir", ROWS_TEXT, 0, 0 },
	COL_U32("clients"),
	{ "weight", ROWS_REAL, 0, 0 },
	COL_U32("unstable"),
	{ "square", ROWS_REAL, 0, 0 },
	{ NULL, ROWS_INT, 0, 0 },
};

static int
query_prepare(struct query *q, struct err *err)
{
	(void)sqlite3_extended_result_codes(q->db, 1);
	(void)sqlite3_busy_timeout(q->db, BUSY_MS);
	(void)sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(q->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (sqlite3_exec(q->db, "PRAGMA query_only = ON", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return schema_err(err, q->db, "query_only");
	if (schema_check(q->db, err) == -1)
		return -1;
	for (size_t i = 0; i < STMT_COUNT; i++) {
		if (sqlite3_prepare_v3(q->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &q->stmts[i],
			NULL) != SQLITE_OK)
			return schema_err(err, q->db, "prepare");
	}
	return 0;
}

/*
 * Read-only as to the file.  Its -wal and -shm are made if need be, and a WAL
 * left by a crash is read, for which the directory must be writable to us
 * (https://www.sqlite.org/wal.html#readonly).
 */
struct query *
query_open(const char *path, struct err *err)
{
	struct query *q = xcalloc(1, sizeof(*q));

	if (sqlite3_open_v2(path, &q->db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK) {
		(void)schema_err(err, q->db, "open");
	} else if (query_prepare(q, err) == 0) {
		return q;
	}
	(void)err_wrap(err, "%s", path);
	query_close(q);
	return NULL;
}

void
query_close(struct query *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		(void)sqlite3_finalize(q->stmts[i]);
	(void)sqlite3_close(q->db);
	free(q);
}

static void
done(sqlite3_stmt *st)
{
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

static void
bind_text(sqlite3_stmt *st, int at, const char *text)
{
	(void)sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static int64_t
limit_of(unsigned limit)
{
	return limit < LIMIT_MAX ? limit : LIMIT_MAX;
}

static json_t *
rows_of(sqlite3_stmt *st, int64_t first, const struct rows_col *cols,
    struct err *err)
{
	(void)sqlite3_bind_int64(st, 1, first);
	return rows_json(st, cols, err);
}

json_t *
query_events(struct query *q, int64_t after, unsigned limit,
    const char *subject, struct err *err)
{
	static const enum stmt which[2][2] = {
		{ STMT_EVENTS_AFTER, STMT_EVENTS_AFTER_OF },
		{ STMT_EVENTS_NEWEST, STMT_EVENTS_NEWEST_OF },
	};
	sqlite3_stmt *st = q->stmts[which[after < 0][subject != NULL]];

	(void)sqlite3_bind_int64(st, 1, after);
	(void)sqlite3_bind_int64(st, 2, limit_of(limit));
	if (subject != NULL)
		bind_text(st, 3, subject);
	return rows_json(st, event_cols, err);
}

json_t *
query_intents(struct query *q, int64_t ended_after_ms, unsigned limit,
    struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_INTENTS];

	(void)sqlite3_bind_int64(st, 2, limit);
	return rows_of(st, ended_after_ms, intent_cols, err);
}

json_t *
query_intent(struct query *q, const char *id, struct err *err)
{
	bind_text(q->stmts[STMT_INTENT], 1, id);
	return rows_json(q->stmts[STMT_INTENT], intent_cols, err);
}

json_t *
query_experiments(struct query *q, const char *site, unsigned limit,
    struct err *err)
{
	sqlite3_stmt *st =
	    q->stmts[site != NULL ? STMT_EXPERIMENTS_OF : STMT_EXPERIMENTS];

	if (site != NULL)
		bind_text(st, 2, site);
	return rows_of(st, limit_of(limit), experiment_cols, err);
}

json_t *
query_experiment(struct query *q, uint32_t id, struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_EXPERIMENT];
	json_t *rows, *row;

	(void)sqlite3_bind_int64(st, 1, id);
	rows = rows_json(st, experiment_cols, err);
	if (rows == NULL)
		return NULL;
	row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	if (row == NULL)
		err_set(err, ERR_GONE, "experiment %u: not in the store", id);
	return row;
}

json_t *
query_newest_maps(struct query *q, struct err *err)
{
	return rows_json(q->stmts[STMT_NEWEST_MAPS], experiment_cols, err);
}

json_t *
query_campaign_experiments(struct query *q, uint32_t campaign, struct err *err)
{
	return rows_of(q->stmts[STMT_CAMPAIGN_EXPERIMENTS], campaign,
	    experiment_cols, err);
}

json_t *
query_campaigns(struct query *q, unsigned limit, struct err *err)
{
	return rows_of(q->stmts[STMT_CAMPAIGNS], limit_of(limit), campaign_cols,
	    err);
}

/* The one number that st gives, from 0 to max; -1 with err. */
static int64_t
number(sqlite3_stmt *st, int64_t max, struct err *err)
{
	int64_t v = -1;
	int rc = rows_step(st, err);

	if (rc == 1)
		v = sqlite3_column_int64(st, 0);
	if (rc == 1 &&
	    (sqlite3_column_type(st, 0) != SQLITE_INTEGER || v < 0 || v > max))
		v = rows_absurd(st, sqlite3_column_name(st, 0), err);
	done(st);
	return v;
}

json_t *
query_landings(struct query *q, unsigned limit, struct err *err)
{
	return rows_of(q->stmts[STMT_LANDINGS], limit_of(limit), landing_cols,
	    err);
}

json_t *
query_null_runs(struct query *q, struct err *err)
{
	return rows_json(q->stmts[STMT_NULL_RUNS], null_run_cols, err);
}

int64_t
query_max_landing(struct query *q, struct err *err)
{
	return number(q->stmts[STMT_MAX_LANDING], UINT32_MAX, err);
}

json_t *
query_heirs(struct query *q, uint32_t experiment, struct err *err)
{
	return rows_of(q->stmts[STMT_HEIRS], experiment, heir_cols, err);
}

int64_t
query_map_before(struct query *q, const char *site, uint32_t before,
    struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_MAP_BEFORE];

	bind_text(st, 1, site);
	(void)sqlite3_bind_int64(st, 2, before);
	return number(st, UINT32_MAX, err);
}

int64_t
query_max_revision(struct query *q, struct err *err)
{
	return number(q->stmts[STMT_MAX_REVISION], INT64_MAX, err);
}

int64_t
query_max_experiment(struct query *q, struct err *err)
{
	return number(q->stmts[STMT_MAX_EXPERIMENT], UINT32_MAX, err);
}

/* Of a statement that gives a revision and a document. */
static int
read_document(sqlite3_stmt *st, const char *key, uint64_t *revision,
    char **json, struct err *err)
{
	int64_t found;
	const char *text;
	int rc, len;

	bind_text(st, 1, key);
	rc = rows_step(st, err);
	if (rc == 1) {
		found = sqlite3_column_int64(st, 0);
		text = (const char *)sqlite3_column_text(st, 1);
		len = sqlite3_column_bytes(st, 1);
		if (found < 0 || text == NULL || len > (int)STORE_ORDER_MAX ||
		    memchr(text, '\0', (size_t)len) != NULL) {
			rc = rows_absurd(st, "document", err);
		} else {
			*revision = (uint64_t)found;
			*json = xstrdup(text);
		}
	}
	done(st);
	return rc;
}

int
query_order(struct query *q, const char *site, uint64_t *revision, char **json,
    struct err *err)
{
	return read_document(q->stmts[STMT_ORDER], site, revision, json, err);
}

int
query_state(struct query *q, const char *name, uint64_t *revision, char **json,
    struct err *err)
{
	return read_document(q->stmts[STMT_STATE], name, revision, json, err);
}

/* The row of client i; *out only on success. */
static int
read_client(sqlite3_stmt *st, uint32_t i, struct store_client *out)
{
	struct store_client client;
	const void *addr = sqlite3_column_blob(st, 1);

	client.weight = sqlite3_column_double(st, 2);
	client.last_seen = sqlite3_column_int64(st, 3);
	if (sqlite3_column_int64(st, 0) != i || addr == NULL ||
	    sqlite3_column_bytes(st, 1) != (int)sizeof(client.addr) ||
	    !isfinite(client.weight) || client.weight < 0 ||
	    client.last_seen < 0)
		return -1;
	memcpy(client.addr, addr, sizeof(client.addr));
	*out = client;
	return 0;
}

/* Just n clients, or -1 with err. */
static int
read_clients(struct query *q, uint32_t list, struct store_client *out,
    uint32_t n, struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_CLIENTS];
	uint32_t i = 0;
	int rc;

	(void)sqlite3_bind_int64(st, 1, list);
	while ((rc = rows_step(st, err)) == 1) {
		if (i >= n || read_client(st, i, &out[i]) == -1) {
			rc = rows_absurd(st, "client", err);
			break;
		}
		i++;
	}
	done(st);
	if (rc == 0 && i < n)
		rc = rows_absurd(st, "number of clients", err);
	return rc;
}

/* Id and length of the current list, 0 and 0 if there is none. */
static int
read_list(struct query *q, uint32_t *list, uint32_t *n, struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_LIST];
	int64_t id, count;
	int rc = rows_step(st, err);

	*list = 0;
	*n = 0;
	if (rc == 1) {
		id = sqlite3_column_int64(st, 0);
		count = sqlite3_column_int64(st, 1);
		rc = 0;
		if (id < 1 || id > UINT32_MAX || count < 0 ||
		    count > STORE_CLIENTS_MAX)
			rc = rows_absurd(st, "client list", err);
		*list = (uint32_t)id;
		*n = (uint32_t)count;
	}
	done(st);
	return rc;
}

static int
run(sqlite3_stmt *st, struct err *err)
{
	int rc = rows_step(st, err);

	done(st);
	return rc;
}

int
query_clients(struct query *q, uint32_t *list, struct store_client **out,
    uint32_t *n, struct err *err)
{
	struct store_client *clients = NULL;
	uint32_t id, count;

	/* One view of both tables. */
	if (run(q->stmts[STMT_BEGIN], err) == -1)
		return -1;
	if (read_list(q, &id, &count, err) == -1)
		goto fail;
	clients = xcalloc(count, sizeof(*clients));
	if (read_clients(q, id, clients, count, err) == -1)
		goto fail;
	(void)run(q->stmts[STMT_END], NULL);
	*list = id;
	*out = clients;
	*n = count;
	return 0;

fail:
	(void)run(q->stmts[STMT_END], NULL);
	free(clients);
	return -1;
}

json_t *
query_optouts(struct query *q, struct err *err)
{
	return rows_json(q->stmts[STMT_OPTOUTS], optout_cols, err);
}

json_t *
query_replies(struct query *q, uint32_t experiment, struct err *err)
{
	return rows_of(q->stmts[STMT_REPLIES], experiment, reply_cols, err);
}

int
query_recent_clients(struct query *q, query_recent_fn *fn, void *arg,
    struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_RECENT];
	int rc;

	while ((rc = rows_step(st, err)) == 1) {
		struct query_recent part = {
			.site = (const char *)sqlite3_column_text(st, 0),
			.saved_ms = sqlite3_column_int64(st, 1),
			.data = sqlite3_column_blob(st, 2),
			.len = (size_t)sqlite3_column_bytes(st, 2)
		};

		if (part.site == NULL || part.saved_ms < 0 ||
		    part.len > STORE_RECENT_BYTES_MAX) {
			rc = rows_absurd(st, "recent clients", err);
			break;
		}
		rc = fn(&part, arg, err);
		if (rc == -1)
			break;
	}
	done(st);
	return rc;
}

int
query_list_clients(struct query *q, uint32_t list, struct store_client **out,
    uint32_t *n, struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_LIST_COUNT];
	struct store_client *clients;
	int64_t count = 0;
	int rc;

	(void)sqlite3_bind_int64(st, 1, list);
	rc = rows_step(st, err);
	if (rc == 1)
		count = sqlite3_column_int64(st, 0);
	done(st);
	if (rc == -1)
		return -1;
	if (count < 0 || count > STORE_CLIENTS_MAX)
		return rows_absurd(st, "client list", err);
	clients = xcalloc((size_t)count, sizeof(*clients));
	if (read_clients(q, list, clients, (uint32_t)count, err) == -1) {
		free(clients);
		return -1;
	}
	*out = clients;
	*n = (uint32_t)count;
	return 0;
}

/* Copies the chunk's share of what is wanted. */
static int
read_chunk(sqlite3_stmt *st, const struct query_outcomes *want, struct err *err)
{
	static uint16_t sites[STORE_OUTCOMES_PER_CHUNK];
	static uint32_t rtt_us[STORE_OUTCOMES_PER_CHUNK];
	int64_t first = sqlite3_column_int64(st, 0);
	int64_t n = sqlite3_column_int64(st, 1);
	const uint8_t *data = sqlite3_column_blob(st, 2);
	size_t len = (size_t)sqlite3_column_bytes(st, 2);

	if (first < 0 || first > STORE_CLIENTS_MAX || n < 0 ||
	    n > STORE_OUTCOMES_PER_CHUNK ||
	    chunk_decode(data, len, (uint32_t)n, sites, rtt_us) == -1)
		return rows_absurd(st, "outcome chunk", err);
	for (int64_t k = 0; k < n; k++) {
		int64_t i = first - want->first + k;

		if (i < 0 || i >= want->n)
			continue;
		want->sites[i] = sites[k];
		if (want->rtt_us != NULL)
			want->rtt_us[i] = rtt_us[k];
	}
	return 0;
}

int
query_outcomes(struct query *q, const struct query_outcomes *want,
    struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_OUTCOMES];
	int rc;

	for (uint32_t i = 0; i < want->n; i++)
		want->sites[i] = OUTCOME_NOT_ASKED;
	if (want->n > 0 && want->rtt_us != NULL)
		memset(want->rtt_us, 0xff, want->n * sizeof(want->rtt_us[0]));
	(void)sqlite3_bind_int64(st, 1, want->experiment);
	(void)sqlite3_bind_int64(st, 2, want->phase);
	(void)sqlite3_bind_int64(st, 3, want->first);
	(void)sqlite3_bind_int64(st, 4, want->n);
	while ((rc = rows_step(st, err)) == 1) {
		rc = read_chunk(st, want, err);
		if (rc == -1)
			break;
	}
	done(st);
	return rc;
}

int
query_has_outcomes(struct query *q, uint32_t experiment, struct err *err)
{
	sqlite3_stmt *st = q->stmts[STMT_HAS_OUTCOMES];
	int rc;

	(void)sqlite3_bind_int64(st, 1, experiment);
	rc = rows_step(st, err);
	done(st);
	return rc;
}
