/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Main's side with a real keeper and a real store process: what was put is in
 * the file.  Processes that go wrong are in test_store_faults.c. */
#include <signal.h>

#include "store_rig.h"

static void
on_durable(void *arg)
{
	struct rig *r = arg;

	r->durable++;
}

/* Once the callback came, another process finds the row, in a file that would
 * survive a crash. */
static void
test_durable_rows_are_there(void **state)
{
	struct rig *r = *state;
	struct store_intent in = {
		.id = "i-1", .kind = "drain", .site = "chc"
	};
	struct store_experiment ex = { .id = 7,
		.site = "chc",
		.state = "x",
		.answered = 8,
		.bystanders = 9 };
	struct store_client clients[2] = { { .weight = 1 }, { .weight = 2 } };
	struct query *q;
	uint32_t list, n;
	struct store_client *got;
	struct err err;

	put_events(r, 0, 3);
	store_put_intent(r->s, &in, on_durable, r);
	assert_int_equal(store_put_order(r->s, "chc", 12, "{}", on_durable, r),
	    0);
	store_put_experiment(r->s, &ex, on_durable, r);
	store_put_clients(r->s, 4, clients, 1, false, on_durable, r);
	store_put_clients(r->s, 4, clients + 1, 1, true, on_durable, r);
	assert_int_equal(r->durable, 0); /* never from within the put */
	assert_int_equal(store_backlog(r->s), 8);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 4);
	assert_events(r, 3);

	q = query_open(r->f.path, &err);
	assert_non_null(q);
	assert_int_equal(query_max_revision(q, &err), 12);
	assert_int_equal(query_max_experiment(q, &err), 7);
	assert_int_equal(file_number(&r->f,
			     "SELECT answered * 10 + bystanders"
			     " FROM experiment"),
	    89);
	assert_int_equal(query_clients(q, &list, &got, &n, &err), 0);
	assert_int_equal(list, 4);
	assert_int_equal(n, 2);
	assert_true(got[1].weight == 2);
	free(got);
	query_close(q);
	assert_int_equal(r->alarms, 0);
}

/* Nothing is handed on before the outermost release, and nothing is lost. */
static void
test_held_rows_go_together(void **state)
{
	struct rig *r = *state;
	struct store_intent in = {
		.id = "i-1", .kind = "drain", .site = "chc"
	};

	put_events(r, 0, 1);
	WAIT_FOR(r, is_idle);
	store_hold(r->s);
	store_hold(r->s);
	put_events(r, 1, 3);
	store_put_intent(r->s, &in, on_durable, r);
	store_release(r->s);
	for (int i = 0; i < 10; i++)
		loop_step(r->lp, 5);
	assert_int_equal(file_number(&r->f, "SELECT count(*) FROM event"), 1);
	assert_int_equal(store_backlog(r->s), 4);
	put_events(r, 4, 1000);
	store_release(r->s);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 1);
	assert_events(r, 1004);
}

static void
test_million_outcomes_fit_in_8_mb(void **state)
{
	enum { N = 1000000 };
	struct rig *r = *state;
	struct mono start = mono_now();
	int64_t took_ms;

	put_outcomes(r, 7, N);
	WAIT_FOR(r, is_idle);
	took_ms = mono_diff_ms(mono_now(), start);
	assert_outcomes(r, 7, N);
	/* A clean end folds the WAL into the file. */
	rig_close(r);
	print_message("%d outcomes: %lld ms, %.2f bytes each\n", N,
	    (long long)took_ms, (double)file_bytes(r->f.path) / N);
	assert_true(file_bytes(r->f.path) <= 8 * (off_t)N);
	rig_open(r);
}

/* More than a channel message holds: still one transaction. */
static void
test_large_map(void **state)
{
	enum { N = 200000 };
	struct rig *r = *state;
	struct store_experiment ex = {
		.id = 7, .site = "chc", .state = "done", .ended_ms = 1
	};
	struct store_heir *heirs = xcalloc(N, sizeof(*heirs));
	char(*names)[16] = xcalloc(N, sizeof(*names));

	for (int i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "site%d", i);
		heirs[i] = (struct store_heir){ .site = "chc",
			.family = 6,
			.heir = names[i],
			.clients = 1,
			.weight = 1 };
	}
	store_put_heirs(r->s, &ex, heirs, N, on_durable, r);
	assert_true(store_backlog(r->s) > 1);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 1);
	assert_int_equal(file_number(&r->f, "SELECT count(*) FROM heir"), N);
	assert_int_equal(r->alarms, 0);
	/* None at all is a map, too. */
	store_put_heirs(r->s, &ex, heirs, 0, on_durable, r);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 2);
	assert_int_equal(file_number(&r->f, "SELECT count(*) FROM heir"), 0);
	free(heirs);
	free(names);
}

static json_t *
read_rows(struct rig *r, uint32_t experiment)
{
	struct err err;
	struct query *q = query_open(r->f.path, &err);
	json_t *rows;

	assert_non_null(q);
	rows = experiment == 0 ? query_optouts(q, &err)
			       : query_replies(q, experiment, &err);
	assert_non_null(rows);
	query_close(q);
	return rows;
}

/* The later word about a prefix counts, also the one that it is gone. */
static void
test_optouts_come_and_go(void **state)
{
	struct rig *r = *state;
	struct store_optout o = { .prefix = "192.0.2.0/24",
		.reason = "first",
		.actor = "uid 0",
		.created_ms = 5 };
	json_t *rows;

	store_put_optout(r->s, &o, NULL, NULL);
	o.reason = "second";
	store_put_optout(r->s, &o, NULL, NULL);
	o.prefix = "2001:db8::/32";
	store_put_optout(r->s, &o, NULL, NULL);
	o.gone = true;
	store_put_optout(r->s, &o, NULL, NULL);
	store_put_optout(r->s, &o, NULL, NULL); /* again: nothing to do */
	WAIT_FOR(r, is_idle);
	rows = read_rows(r, 0);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rows, 0), "reason")),
	    "second");
	json_decref(rows);
	assert_int_equal(r->alarms, 0);
}

static void
test_replies_of_an_experiment(void **state)
{
	struct rig *r = *state;
	struct store_replies row = { .experiment = 7,
		.site = "chc",
		.class_name = "forged",
		.n = INT64_MAX,
		.samples = "[1]" };
	json_t *rows;

	store_put_replies(r->s, &row);
	row.site = "akl";
	store_put_replies(r->s, &row);
	row.n = 2;
	store_put_replies(r->s, &row); /* takes the place of the one before */
	row.experiment = 8;
	row.samples = "[1, 2"; /* cut off: nothing is left of it */
	store_put_replies(r->s, &row);
	WAIT_FOR(r, is_idle);
	rows = read_rows(r, 8);
	assert_int_equal(json_array_size(rows), 1);
	assert_true(json_is_array(json_object_get(json_array_get(rows, 0),
	    "samples")));
	json_decref(rows);
	rows = read_rows(r, 7);
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(json_array_size(json_object_get(json_array_get(rows,
							     0),
			     "samples")),
	    1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rows,
								0),
			     "n")),
	    2);
	assert_true(json_integer_value(json_object_get(json_array_get(rows, 1),
			"n")) == INT64_MAX);
	json_decref(rows);
	assert_int_equal(r->alarms, 0);
}

/* What came out, one line a part. */
struct recent_text {
	char text[256];
};

static int
on_recent(const struct query_recent *part, void *arg, struct err *err)
{
	struct recent_text *t = arg;
	size_t used = strlen(t->text);

	if (part->len == 0)
		return err_set(err, ERR_PROTO, "enough");
	(void)snprintf(t->text + used, sizeof(t->text) - used, "%s@%d %zu %c,",
	    part->site, (int)part->saved_ms, part->len, part->data[0]);
	return 0;
}

static void
put_recent(struct rig *r, const char *site, int64_t saved_ms,
    const char *pieces)
{
	for (uint32_t i = 0; i < strlen(pieces); i++) {
		struct store_recent row = { .site = site,
			.part = i,
			.last = pieces[i + 1] == '\0',
			.saved_ms = saved_ms,
			.len = STORE_RECENT_BYTES_MAX };
		uint8_t *data = xcalloc(1, row.len);

		memset(data, pieces[i], row.len);
		row.data = data;
		store_put_recent(r->s, &row);
		free(data);
	}
}

/* A site's newer list takes the place of all parts of the one before. */
static void
test_recent_clients_are_replaced_whole(void **state)
{
	struct rig *r = *state;
	struct recent_text t = { "" };
	struct query *q;
	struct err err;

	put_recent(r, "chc", 1, "abc");
	put_recent(r, "akl", 2, "x");
	WAIT_FOR(r, is_idle);
	q = query_open(r->f.path, &err);
	assert_non_null(q);
	assert_int_equal(query_recent_clients(q, on_recent, &t, &err), 0);
	assert_string_equal(t.text,
	    "akl@2 500000 x,chc@1 500000 a,chc@1 500000 b,chc@1 500000 c,");
	put_recent(r, "chc", 3, "de");
	WAIT_FOR(r, is_idle);
	t.text[0] = '\0';
	assert_int_equal(query_recent_clients(q, on_recent, &t, &err), 0);
	assert_string_equal(t.text,
	    "akl@2 500000 x,chc@3 500000 d,chc@3 500000 e,");
	assert_int_equal(r->alarms, 0);
	/* Rows that somebody else wrote. */
	file_exec(&r->f, "UPDATE recent_client SET saved_ms = -1");
	assert_int_equal(query_recent_clients(q, on_recent, &t, &err), -1);
	file_exec(&r->f, "UPDATE recent_client SET saved_ms = 1, data = x''");
	assert_int_equal(query_recent_clients(q, on_recent, &t, &err), -1);
	assert_string_equal(err.msg, "enough");
	query_close(q);
}

static void
test_client_list_of_many_parts(void **state)
{
	uint32_t n = 2 * STORE_CLIENTS_PER_MSG + 1, list, count;
	struct store_client *clients = xcalloc(n, sizeof(*clients)), *got;
	struct rig *r = *state;
	struct query *q;
	struct err err;

	for (uint32_t i = 0; i < n; i++)
		clients[i].last_seen = i;
	store_put_clients(r->s, 5, clients, n, false, on_durable, r);
	store_put_clients(r->s, 5, clients, n, false, on_durable, r);
	store_put_clients(r->s, 5, NULL, 0, true, on_durable, r);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 1);
	q = query_open(r->f.path, &err);
	assert_non_null(q);
	assert_int_equal(query_clients(q, &list, &got, &count, &err), 0);
	assert_int_equal(count, 2 * n);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(got[i].last_seen, i % n);
	free(got);
	free(clients);
	query_close(q);
}

/* Compare and swap: what is not newer changes nothing. */
static void
test_guard_state_only_rises(void **state)
{
	struct rig *r = *state;
	uint64_t revision = 0;
	char *json = NULL;
	struct query *q;
	struct err err;

	assert_int_equal(store_put_state(r->s, "budget", 2, "{\"n\":2}"), 0);
	assert_int_equal(store_put_state(r->s, "budget", 1, "{\"n\":1}"), 0);
	assert_int_equal(store_put_state(r->s, "budget", 2, "{\"n\":0}"), 0);
	WAIT_FOR(r, is_idle);
	q = query_open(r->f.path, &err);
	assert_non_null(q);
	assert_int_equal(query_state(q, "damping", &revision, &json, &err), 0);
	assert_int_equal(query_state(q, "budget", &revision, &json, &err), 1);
	assert_int_equal(revision, 2);
	assert_string_equal(json, "{\"n\":2}");
	free(json);
	query_close(q);
}

static void
test_too_long_order_is_not_taken(void **state)
{
	struct rig *r = *state;
	char *json = xcalloc(1, STORE_ORDER_MAX + 2);

	memset(json, ' ', STORE_ORDER_MAX + 1);
	assert_int_equal(store_put_order(r->s, "chc", 1, json, on_durable, r),
	    -1);
	assert_int_equal(store_backlog(r->s), 0);
	json[STORE_ORDER_MAX] = '\0';
	assert_int_equal(store_put_order(r->s, "chc", 1, json, on_durable, r),
	    0);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->durable, 1);
	free(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_durable_rows_are_there),
		TEST(test_held_rows_go_together),
		TEST(test_million_outcomes_fit_in_8_mb),
		TEST(test_large_map),
		TEST(test_recent_clients_are_replaced_whole),
		TEST(test_optouts_come_and_go),
		TEST(test_replies_of_an_experiment),
		TEST(test_client_list_of_many_parts),
		TEST(test_too_long_order_is_not_taken),
		TEST(test_guard_state_only_rises),
	};

	/* As the daemon: a dead peer is an error of write(2). */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!rig_share())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
