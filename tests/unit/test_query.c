/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All on the golden file of schema version 1: its rows are known. */
#include "store/query.h"
#include "store/schema.h"
#include "store_file.h"
#include "core/failover.h"
#include "test.h"

struct golden {
	struct store_file f;
	struct query *q;
};

static int
setup(void **state)
{
	struct golden *g = calloc(1, sizeof(*g));
	struct err err = { 0 };

	assert_non_null(g);
	file_make(&g->f);
	file_from_golden(&g->f, GOLDEN_V1);
	assert_int_equal(store_prepare(g->f.path, &err), 0);
	g->q = query_open(g->f.path, &err);
	if (g->q == NULL)
		fail_msg("%s", err.msg);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct golden *g = *state;

	query_close(g->q);
	file_remove(&g->f);
	free(g);
	return 0;
}

/* Takes the reference over. */
static void
assert_json(json_t *got, const char *want)
{
	json_error_t where;
	json_t *wanted = json_loads(want, 0, &where);
	char *text;

	if (wanted == NULL)
		fail_msg("%s in %s", where.text, want);
	assert_non_null(got);
	text = json_dumps(got, JSON_COMPACT);
	if (json_equal(got, wanted) == 0)
		fail_msg("got %s, want %s", text, want);
	free(text);
	json_decref(wanted);
	json_decref(got);
}

/* The ids of an array of rows, as "[1,2]"; takes the reference over. */
static void
assert_ids(json_t *rows, const char *want)
{
	json_t *ids = json_array(), *row;
	size_t i;

	assert_non_null(rows);
	json_array_foreach (rows, i, row)
		assert_int_equal(json_array_append(ids,
				     json_object_get(row, "id")),
		    0);
	json_decref(rows);
	assert_json(ids, want);
}

static void
assert_absurd(json_t *rows, const struct err *err)
{
	assert_null(rows);
	assert_int_equal(err->code, ERR_STORE);
}

static void
test_events(void **state)
{
	struct golden *g = *state;
	struct err err;

	assert_json(query_events(g->q, 2, 10, NULL, &err),
	    "[{\"id\":3,\"at_ms\":1772366402000,\"kind\":\"route\","
	    "\"subject\":\"prefix/192.0.2.0/24\","
	    "\"what\":\"announced -> withdrawn\","
	    "\"reason\":\"site chc is drained\",\"actor\":\"anycastd\"}]");
	assert_ids(query_events(g->q, 0, 10, NULL, &err), "[1,2,3]");
	assert_ids(query_events(g->q, 3, 10, NULL, &err), "[]");
	assert_ids(query_events(g->q, 0, 0, NULL, &err), "[]");
	assert_ids(query_events(g->q, -1, 2, NULL, &err), "[2,3]");
	assert_ids(query_events(g->q, -1, 10, "prefix/192.0.2.0/24", &err),
	    "[1,3]");
	assert_ids(query_events(g->q, 1, 10, "prefix/192.0.2.0/24", &err),
	    "[3]");
	assert_ids(query_events(g->q, 0, 10, "' OR 1 --", &err), "[]");
}

/* Following `after` page by page gives every event once. */
static void
test_events_paging(void **state)
{
	struct golden *g = *state;
	int64_t after = 0, count = 0;
	struct err err;

	file_exec(&g->f,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 2500) INSERT INTO event(uid, at_ms, kind, subject,"
	    " what, reason, actor) SELECT 'x-' || i, i, 'k', 's', '', '', ''"
	    " FROM n");
	for (;;) {
		json_t *page = query_events(g->q, after, 100000, NULL, &err);
		size_t n = json_array_size(page);

		assert_non_null(page);
		assert_true(n <= 1000);
		for (size_t i = 0; i < n; i++) {
			json_t *row = json_array_get(page, i);
			int64_t id =
			    json_integer_value(json_object_get(row, "id"));

			assert_int_equal(id, after + 1);
			after = id;
			count++;
		}
		json_decref(page);
		if (n == 0)
			break;
	}
	assert_int_equal(count, 2503);
}

static void
test_intents(void **state)
{
	struct golden *g = *state;
	struct err err;

	assert_json(query_intents(g->q, 1772283600000, 9, &err),
	    "[{\"id\":\"i-2\",\"kind\":\"drain\",\"site\":\"chc\","
	    "\"reason\":\"new line card\",\"actor\":\"uid 1000 (jo)\","
	    "\"created_ms\":1772366401000,\"until_ms\":1772370001000,"
	    "\"ended_ms\":0,\"ended_by\":null,\"scope\":\"\","
	    "\"owner\":\"\",\"at_once\":0}]");
	assert_ids(query_intents(g->q, 1772283599999, 9, &err),
	    "[\"i-1\",\"i-2\"]");
	/* The active one is never left out. */
	assert_ids(query_intents(g->q, 0, 1, &err), "[\"i-2\"]");
	assert_ids(query_intent(g->q, "i-1", &err), "[\"i-1\"]");
	assert_ids(query_intent(g->q, "i-3", &err), "[]");
}

static void
test_experiments(void **state)
{
	struct golden *g = *state;
	struct err err;

	assert_json(query_experiments(g->q, NULL, 1, &err),
	    "[{\"id\":8,\"site\":\"akl\",\"state\":\"sweep\",\"reason\":\"\","
	    "\"created_ms\":1772366000000,\"ended_ms\":0,\"clients\":3,"
	    "\"list\":3,\"answered\":0,\"bystanders\":0,\"sites\":\"akl chc\","
	    "\"asked\":3,\"others\":0,\"null_both\":0,\"null_moved\":0,"
	    "\"null_tv\":0.0,\"campaign\":0,\"purpose\":\"\","
	    "\"test\":\"\",\"changed_ms\":0,\"set_aside\":0,"
	    "\"null_moved_weight\":-1.0}]");
	assert_ids(query_experiments(g->q, "chc", 9, &err), "[7,6]");
	assert_int_equal(query_map_before(g->q, "chc", UINT32_MAX, &err), 6);
	assert_int_equal(query_map_before(g->q, "akl", UINT32_MAX, &err), 0);
	/* One that is not believed is nothing to compare with. */
	file_exec(&g->f, "UPDATE experiment SET set_aside = 1 WHERE id = 6");
	assert_int_equal(query_map_before(g->q, "chc", UINT32_MAX, &err), 0);
	assert_int_equal(query_max_experiment(g->q, &err), 8);
	assert_json(query_heirs(g->q, 6, &err),
	    "[{\"site\":\"chc\",\"family\":4,\"heir\":\"\",\"clients\":1,"
	    "\"weight\":2.5,"
	    "\"unstable\":0,\"square\":0.0},{\"site\":\"chc\",\"family\":4,\"heir\":\"akl\","
	    "\"clients\":1,\"weight\":1.0,"
	    "\"unstable\":0,\"square\":0.0},{\"site\":\"chc\",\"family\":6,"
	    "\"heir\":\"syd\",\"clients\":1,\"weight\":100.0,"
	    "\"unstable\":0,\"square\":0.0}]");
	assert_json(query_heirs(g->q, 7, &err), "[]");
}

/* A campaign's log is in the order in which they ended, and side by side that
 * is not the one in which they began.  What did not end in a map is no part. */
static void
test_campaign_log_order(void **state)
{
	struct golden *g = *state;
	struct err err;

	file_exec(&g->f,
	    "WITH e(id, state, ended, campaign) AS (VALUES"
	    " (20, 'done', 500, 4), (21, 'done', 900, 4),"
	    " (22, 'failed', 600, 4), (23, 'done', 700, 4),"
	    " (24, 'done', 800, 3), (25, 'done', 700, 4),"
	    " (26, 'sweep', 0, 4), (27, 'done', 400, 4))"
	    " INSERT INTO experiment(id, site, state, reason, created_ms,"
	    " ended_ms, clients, list, answered, bystanders, sites, campaign)"
	    " SELECT id, 'chc', state, '', id, ended, 1, 3, 1, 0, 'akl chc',"
	    " campaign FROM e");
	assert_ids(query_campaign_experiments(g->q, 4, &err),
	    "[27,20,23,25,21]");
	assert_ids(query_campaign_experiments(g->q, 3, &err), "[24]");
	assert_ids(query_campaign_experiments(g->q, 5, &err), "[]");
}

static void
test_orders(void **state)
{
	struct golden *g = *state;
	uint64_t revision = 0;
	char *json = NULL;
	struct err err;

	assert_int_equal(query_order(g->q, "chc", &revision, &json, &err), 1);
	assert_int_equal(revision, 12);
	assert_string_equal(json, "{\"revision\": 12}");
	free(json);
	assert_int_equal(query_order(g->q, "xyz", &revision, &json, &err), 0);
	assert_int_equal(query_max_revision(g->q, &err), 12);
}

static void
test_empty_store(void **state)
{
	struct store_client *clients = NULL;
	struct golden *g = *state;
	uint32_t list = 9, n = 9;
	struct store_file f;
	struct query *q;
	struct err err;

	(void)g;
	file_make(&f);
	assert_int_equal(store_prepare(f.path, &err), 0);
	q = query_open(f.path, &err);
	assert_non_null(q);
	assert_json(query_events(q, -1, 10, NULL, &err), "[]");
	assert_int_equal(query_max_revision(q, &err), 0);
	assert_int_equal(query_max_experiment(q, &err), 0);
	assert_int_equal(query_clients(q, &list, &clients, &n, &err), 0);
	assert_int_equal(list, 0);
	assert_int_equal(n, 0);
	free(clients);
	query_close(q);
	file_remove(&f);
}

static void
test_clients(void **state)
{
	struct golden *g = *state;
	struct store_client *clients;
	uint32_t list, n;
	struct err err;

	assert_int_equal(query_clients(g->q, &list, &clients, &n, &err), 0);
	assert_int_equal(list, 3);
	assert_int_equal(n, 3);
	assert_int_equal(clients[1].addr[15], 7);
	assert_true(clients[1].weight == 2.5);
	assert_int_equal(clients[2].addr[0], 0x20);
	assert_int_equal(clients[2].last_seen, 1772350001);
	free(clients);
}

static void
test_outcomes(void **state)
{
	struct golden *g = *state;
	uint32_t rtt_us[5];
	uint16_t sites[5];
	struct query_outcomes want = {
		.experiment = 6, .n = 2, .sites = sites, .rtt_us = rtt_us
	};
	struct err err;

	sites[2] = 9;
	assert_int_equal(query_outcomes(g->q, &want, &err), 0);
	assert_int_equal(sites[0], 1);
	assert_int_equal(rtt_us[0], 1000);
	assert_int_equal(sites[1], 0);
	assert_int_equal(sites[2], 9); /* beyond n: untouched */
	want.n = 5;
	assert_int_equal(query_outcomes(g->q, &want, &err), 0);
	assert_int_equal(sites[2], 2);
	assert_int_equal(rtt_us[2], 60000);
	assert_int_equal(sites[4], OUTCOME_NOT_ASKED);
	assert_true(rtt_us[4] == UINT32_MAX);
	want.n = 0;
	assert_int_equal(query_outcomes(g->q, &want, &err), 0);
}

/* Rows that somebody else has put there. */
static void
test_absurd_events_are_refused(void **state)
{
	static const char *const damage[] = {
		"UPDATE event SET at_ms = -5 WHERE id = 2",
		"UPDATE event SET what = CAST(x'61ff' AS TEXT) WHERE id = 2",
		"UPDATE event SET what = CAST(x'610062' AS TEXT) WHERE id = 2",
		"UPDATE event SET what = hex(zeroblob(16001)) WHERE id = 2",
		"UPDATE event SET id = -7 WHERE id = 2",
	};
	struct golden *g = *state;

	for (size_t i = 0; i < TEST_COUNT(damage); i++) {
		struct err err = { 0 };

		file_exec(&g->f, damage[i]);
		assert_absurd(query_events(g->q, -1, 10, NULL, &err), &err);
		assert_non_null(strstr(err.msg, g->f.path));
		file_exec(&g->f,
		    "UPDATE event SET id = 2, at_ms = 5, what = ''"
		    " WHERE id = 2 OR id < 0");
	}
	/* Just as long as may be. */
	file_exec(&g->f, "UPDATE event SET what = hex(zeroblob(16000))");
	assert_ids(query_events(g->q, -1, 10, NULL, &(struct err){ 0 }),
	    "[1,2,3]");
}

static void
test_absurd_rows_are_refused(void **state)
{
	struct golden *g = *state;
	struct err err = { 0 };
	uint64_t revision;
	char *json;

	file_exec(&g->f, "UPDATE intent SET until_ms = -1");
	assert_absurd(query_intents(g->q, 0, 9, &err), &err);
	file_exec(&g->f, "UPDATE experiment SET clients = 4294967296");
	assert_absurd(query_experiments(g->q, NULL, 9, &err), &err);
	file_exec(&g->f, "UPDATE heir SET weight = 9e999");
	assert_absurd(query_heirs(g->q, 6, &err), &err);
	file_exec(&g->f, "UPDATE experiment SET id = 4294967296 WHERE id = 8");
	assert_int_equal(query_max_experiment(g->q, &err), -1);
	file_exec(&g->f,
	    "UPDATE site_order SET revision = -1,"
	    " json = hex(zeroblob(500001))");
	assert_int_equal(query_order(g->q, "chc", &revision, &json, &err), -1);
	assert_int_equal(query_max_revision(g->q, &err), -1);
	file_exec(&g->f, "UPDATE site_order SET revision = 1");
	assert_int_equal(query_order(g->q, "chc", &revision, &json, &err), -1);
	file_exec(&g->f, "UPDATE site_order SET json = substr(json, 3)");
	assert_int_equal(query_order(g->q, "chc", &revision, &json, &err), 1);
	free(json);
}

static void
test_absurd_clients_are_refused(void **state)
{
	static const char *const damage[][2] = {
		{ "UPDATE client SET weight = -1 WHERE list = 3 AND idx = 1",
		    "UPDATE client SET weight = 1" },
		{ "UPDATE client SET weight = 9e999 WHERE idx = 1",
		    "UPDATE client SET weight = 1" },
		{ "UPDATE client SET last_seen = -1 WHERE idx = 1",
		    "UPDATE client SET last_seen = 1" },
		{ "UPDATE client SET idx = 4 WHERE list = 3 AND idx = 2",
		    "UPDATE client SET idx = 2 WHERE idx = 4" },
		{ "UPDATE client_list SET n = 2 WHERE id = 3",
		    "UPDATE client_list SET n = 3 WHERE id = 3" },
		{ "UPDATE client_list SET n = 4 WHERE id = 3",
		    "UPDATE client_list SET n = 3 WHERE id = 3" },
		{ "UPDATE client_list SET n = 16777217 WHERE id = 3",
		    "UPDATE client_list SET n = 3 WHERE id = 3" },
	};
	struct golden *g = *state;
	struct store_client *clients;
	uint32_t list, n;

	for (size_t i = 0; i < TEST_COUNT(damage); i++) {
		struct err err = { 0 };

		file_exec(&g->f, damage[i][0]);
		assert_int_equal(query_clients(g->q, &list, &clients, &n, &err),
		    -1);
		assert_int_equal(err.code, ERR_STORE);
		file_exec(&g->f, damage[i][1]);
		assert_int_equal(query_clients(g->q, &list, &clients, &n, &err),
		    0);
		free(clients);
	}
}

static void
test_absurd_outcomes_are_refused(void **state)
{
	static const char *const damage[] = {
		"UPDATE outcome_chunk SET data = x''",
		"UPDATE outcome_chunk SET data = x'02'",
		"UPDATE outcome_chunk SET data = x'01', n = 1",
		"UPDATE outcome_chunk SET data = zeroblob(40966), n = 8193",
		"UPDATE outcome_chunk SET data = x'02', n = 0",
		"UPDATE outcome_chunk SET data = x'01', n = 0, first = -1",
	};
	struct golden *g = *state;
	uint32_t rtt_us[5];
	uint16_t sites[5];
	struct query_outcomes want = {
		.experiment = 6, .n = 5, .sites = sites, .rtt_us = rtt_us
	};
	struct err err;

	for (size_t i = 0; i < TEST_COUNT(damage); i++) {
		file_exec(&g->f, damage[i]);
		assert_int_equal(query_outcomes(g->q, &want, &err), -1);
	}
	file_exec(&g->f, "UPDATE outcome_chunk SET first = 0");
	assert_int_equal(query_outcomes(g->q, &want, &err), 0);
}

static void
assert_not_opened(const char *path, const char *why)
{
	struct err err = { 0 };

	assert_null(query_open(path, &err));
	assert_int_equal(err.code, ERR_STORE);
	if (strstr(err.msg, why) == NULL || strstr(err.msg, path) == NULL)
		fail_msg("%s: expected %s", err.msg, why);
}

static void
test_strange_files_are_not_opened(void **state)
{
	struct golden *g = *state;
	struct store_file f;

	file_make(&f);
	assert_not_opened(f.path, "unable to open");
	assert_int_equal(file_bytes(f.path), -1); /* not created */
	file_write(f.path, "", 0);
	assert_not_opened(f.path, "version 0");
	file_write(f.path, "no database at all", 18);
	assert_not_opened(f.path, "not a database");
	file_remove(&f);

	file_exec(&g->f, "PRAGMA user_version = 99");
	assert_not_opened(g->f.path, "newer");
	file_exec(&g->f, "PRAGMA user_version = 1;PRAGMA application_id = 7");
	assert_not_opened(g->f.path, "another program");
}

/* The writer was killed: the newest rows are in the WAL only, and the -shm that
 * tells where is lost. */
static void
test_wal_of_a_crash_is_read(void **state)
{
	struct golden *g = *state;
	struct store_file f;
	char from[PATH_MAX + 8], to[PATH_MAX + 8];
	struct query *q;
	struct err err;
	char *bytes;
	size_t len;

	file_make(&f);
	file_exec(&g->f,
	    "INSERT INTO event(uid, at_ms, kind, subject, what,"
	    " reason, actor) VALUES('u', 1, '', '', '', '', '')");
	bytes = file_read(g->f.path, &len);
	file_write(f.path, bytes, len);
	free(bytes);
	(void)snprintf(from, sizeof(from), "%s-wal", g->f.path);
	(void)snprintf(to, sizeof(to), "%s-wal", f.path);
	bytes = file_read(from, &len);
	assert_true(len > 0);
	file_write(to, bytes, len);
	free(bytes);

	q = query_open(f.path, &err);
	if (q == NULL)
		fail_msg("%s", err.msg);
	assert_ids(query_events(q, 2, 9, NULL, &err), "[3,4]");
	query_close(q);
	file_remove(&f);
}

/* A reader never waits for a writer. */
static void
test_reads_beside_a_writer(void **state)
{
	struct golden *g = *state;
	sqlite3 *db = file_db(&g->f);
	struct err err;

	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE; DELETE FROM event",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_ids(query_events(g->q, 0, 9, NULL, &err), "[1,2,3]");
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_ids(query_events(g->q, 0, 9, NULL, &err), "[]");
	(void)sqlite3_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events),
		TEST(test_events_paging),
		TEST(test_intents),
		TEST(test_experiments),
		TEST(test_campaign_log_order),
		TEST(test_orders),
		TEST(test_empty_store),
		TEST(test_clients),
		TEST(test_outcomes),
		TEST(test_absurd_events_are_refused),
		TEST(test_absurd_rows_are_refused),
		TEST(test_absurd_clients_are_refused),
		TEST(test_absurd_outcomes_are_refused),
		TEST(test_strange_files_are_not_opened),
		TEST(test_wal_of_a_crash_is_read),
		TEST(test_reads_beside_a_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
