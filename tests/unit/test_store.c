/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Main's side with a real keeper and real store processes, which get killed,
 * stopped and run out of space. */
#include "store/store.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/xalloc.h"
#include "store/query.h"
#include "store/store_wire.h"
#include "store_file.h"
#include "core/failover.h"
#include "test.h"

#define WAIT_MS 30000
#define LIMIT_BYTES (300u << 10)

/* What the store processes tell the test, and the test them. */
struct shared {
	volatile pid_t pid;
	volatile int starts;
	volatile bool is_limited; /* the next one: in the size of files */
};
static struct shared *shared;

struct rig {
	struct store_file f;
	struct keeper *k;
	struct loop *lp;
	struct store *s;
	unsigned durable; /* callbacks */
	unsigned alarms, calms;
	char alarm[STORE_ALARM_BYTES_MAX + 1];
};

static int
noted_store_main(int fd)
{
	if (shared->is_limited) {
		struct rlimit limit;

		(void)getrlimit(RLIMIT_FSIZE, &limit);
		limit.rlim_cur = LIMIT_BYTES;
		(void)setrlimit(RLIMIT_FSIZE, &limit);
	}
	shared->pid = getpid();
	shared->starts++;
	return store_main(fd);
}

static void
on_keeper_lost(void *arg)
{
	(void)arg;
	fail_msg("keeper lost");
}

static void
on_alarm(const char *text, void *arg)
{
	struct rig *r = arg;

	if (text == NULL) {
		r->calms++;
		return;
	}
	r->alarms++;
	(void)snprintf(r->alarm, sizeof(r->alarm), "%s", text);
}

static void
on_durable(void *arg)
{
	struct rig *r = arg;

	r->durable++;
}

static void
rig_open(struct rig *r)
{
	static const struct worker_kind kinds[] = {
		{ .name = "store", .run = noted_store_main },
	};
	struct err err = { 0 };

	if (store_prepare(r->f.path, &err) == -1)
		fail_msg("%s", err.msg);
	(void)fflush(NULL);
	r->k = keeper_start(kinds, 1, NULL, &err);
	assert_non_null(r->k);
	r->lp = loop_new();
	keeper_attach(r->k, r->lp, on_keeper_lost, r);
	r->s = store_new(r->k, 0, r->f.path, on_alarm, r);
}

static void
rig_close(struct rig *r)
{
	store_free(r->s);
	keeper_dismiss(r->k);
	loop_free(r->lp);
}

static int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	memset(shared, 0, sizeof(*shared));
	file_make(&r->f);
	rig_open(r);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	rig_close(r);
	file_remove(&r->f);
	free(r);
	return 0;
}

typedef bool cond_fn(const struct rig *r);

static bool
is_idle(const struct rig *r)
{
	return store_backlog(r->s) == 0;
}

static bool
has_process(const struct rig *r)
{
	(void)r;
	return shared->pid != 0;
}

static bool
has_alarm(const struct rig *r)
{
	return r->alarms > 0;
}

static bool
has_calm(const struct rig *r)
{
	return r->calms > 0;
}

static void
wait_for(struct rig *r, cond_fn *cond, const char *what)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (!cond(r)) {
		if (!mono_before(mono_now(), end))
			fail_msg("waited in vain: %s", what);
		loop_step(r->lp, 20);
	}
}
#define WAIT_FOR(r, cond) wait_for(r, cond, #cond)

static void
put_events(struct rig *r, int first, int n)
{
	char what[32];
	struct store_event ev = { .kind = "k", .subject = "s", .what = what };

	for (int i = first; i < first + n; i++) {
		(void)snprintf(what, sizeof(what), "%d", i);
		store_put_event(r->s, &ev);
	}
}

/* All of 0 .. n - 1, each once, in order. */
static void
assert_events(const struct rig *r, int n)
{
	assert_int_equal(file_number(&r->f, "SELECT count(*) FROM event"), n);
	assert_int_equal(file_number(&r->f,
			     "SELECT count(DISTINCT what) FROM event"),
	    n);
	assert_int_equal(file_number(&r->f,
			     "SELECT count(*) FROM event AS a JOIN event AS b"
			     " ON b.id = (SELECT min(id) FROM event"
			     " WHERE id > a.id) WHERE"
			     " CAST(b.what AS INT) <> CAST(a.what AS INT) + 1"),
	    0);
}

static void
process_kill(void)
{
	pid_t pid = shared->pid;

	shared->pid = 0;
	assert_int_equal(kill(pid, SIGKILL), 0);
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

/* kill -9 with rows in every place: in the queue, in the socket, half done. */
static void
test_killed_process_loses_nothing(void **state)
{
	struct rig *r = *state;
	int n = 0;

	WAIT_FOR(r, has_process);
	assert_int_equal(kill(shared->pid, SIGSTOP), 0);
	put_events(r, n, 400);
	n += 400;
	loop_step(r->lp, 20);
	process_kill();
	for (int round = 0; round < 4; round++) {
		put_events(r, n, 300);
		n += 300;
		WAIT_FOR(r, has_process);
		for (int i = 0; i < round; i++)
			loop_step(r->lp, 2);
		process_kill();
	}
	put_events(r, n, 50);
	n += 50;
	WAIT_FOR(r, is_idle);
	assert_true(shared->starts >= 6);
	assert_events(r, n);
}

/* Killed after the commit, before main has read the acknowledgement. */
static void
test_killed_before_main_reads_of_the_commit(void **state)
{
	struct rig *r = *state;
	int starts = 0;

	put_events(r, 0, 200);
	WAIT_FOR(r, is_idle);
	for (int round = 1; round <= 3; round++) {
		put_events(r, round * 200, 200);
		/* The channel took them when they were put. */
		while (file_number(&r->f, "SELECT count(*) FROM event") <
		    round * 200 + 1)
			(void)usleep(2000);
		process_kill();
		starts++;
		WAIT_FOR(r, has_process);
		WAIT_FOR(r, is_idle);
	}
	assert_true(shared->starts > starts);
	assert_int_equal(r->alarms, 0);
	assert_events(r, 800);
}

/* What is delayed keeps the time when it happened. */
static void
test_delayed_event_keeps_its_time(void **state)
{
	struct rig *r = *state;
	int64_t before, after;
	char sql[128];

	WAIT_FOR(r, has_process);
	assert_int_equal(kill(shared->pid, SIGSTOP), 0);
	before = wall_now_ms();
	put_events(r, 0, 1);
	after = wall_now_ms();
	(void)usleep(100000);
	assert_int_equal(kill(shared->pid, SIGCONT), 0);
	WAIT_FOR(r, is_idle);
	(void)snprintf(sql, sizeof(sql),
	    "SELECT at_ms BETWEEN %lld AND %lld FROM event", (long long)before,
	    (long long)after);
	assert_int_equal(file_number(&r->f, sql), 1);
}

static void
put_outcomes(struct rig *r, uint32_t experiment, uint32_t n)
{
	uint16_t *sites = xcalloc(n, sizeof(*sites));
	uint32_t *rtt_us = xcalloc(n, sizeof(*rtt_us));
	struct store_outcomes out = { .experiment = experiment,
		.n = n,
		.sites = sites,
		.rtt_us = rtt_us };

	for (uint32_t i = 0; i < n; i++) {
		sites[i] = (uint16_t)(i % 300);
		rtt_us[i] = i * 7919u;
	}
	store_put_outcomes(r->s, &out);
	free(sites);
	free(rtt_us);
}

static void
assert_outcomes(const struct rig *r, uint32_t experiment, uint32_t n)
{
	struct err err = { 0 };
	struct query *q = query_open(r->f.path, &err);
	struct query_outcomes want = { .experiment = experiment,
		.n = n + 1,
		.sites = xcalloc(n + 1, sizeof(uint16_t)),
		.rtt_us = xcalloc(n + 1, sizeof(uint32_t)) };

	assert_non_null(q);
	assert_int_equal(query_outcomes(q, &want, &err), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(want.sites[i], i % 300);
		assert_int_equal(want.rtt_us[i], i * 7919u);
	}
	assert_int_equal(want.sites[n], OUTCOME_NOT_ASKED);
	free(want.sites);
	free(want.rtt_us);
	query_close(q);
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
	char(*names)[12] = xcalloc(N, sizeof(*names));

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
	store_put_replies(r->s, &row);
	WAIT_FOR(r, is_idle);
	rows = read_rows(r, 7);
	assert_int_equal(json_array_size(rows), 2);
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

/* The store cannot write: an alarm, nothing lost; a new store process has the
 * same trouble; it ends when there is room. */
static void
test_full_file_system_loses_nothing(void **state)
{
	static const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct rig *r = *state;

	WAIT_FOR(r, has_process);
	shared->is_limited = true;
	process_kill();
	put_events(r, 0, 100);
	put_outcomes(r, 7, 500000);
	put_events(r, 100, 100);
	WAIT_FOR(r, has_alarm);
	assert_non_null(strstr(r->alarm, "File too large"));
	assert_int_equal(r->calms, 0);
	put_events(r, 200, 100);

	shared->is_limited = false;
	assert_int_equal(prlimit(shared->pid, RLIMIT_FSIZE, &no_limit, NULL),
	    0);
	WAIT_FOR(r, has_calm);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->calms, 1);
	assert_events(r, 300);
	assert_outcomes(r, 7, 500000);
}

/* The process in trouble was killed: the alarm must not stay for ever. */
static void
test_alarm_ends_with_a_new_process(void **state)
{
	struct rig *r = *state;

	WAIT_FOR(r, has_process);
	shared->is_limited = true;
	process_kill();
	put_outcomes(r, 7, 500000);
	WAIT_FOR(r, has_alarm);
	shared->is_limited = false;
	process_kill();
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->calms, 1);
	assert_outcomes(r, 7, 500000);
}

/* Nothing is dropped when main's memory fills up, but it is said. */
static void
test_long_queue_is_an_alarm(void **state)
{
	struct rig *r = *state;

	WAIT_FOR(r, has_process);
	assert_int_equal(kill(shared->pid, SIGSTOP), 0);
	for (int i = 0; i < 44; i++)
		put_outcomes(r, 7, 1000000);
	assert_int_equal(r->alarms, 0);
	put_outcomes(r, 7, 1000000);
	assert_int_equal(r->alarms, 1);
	assert_non_null(strstr(r->alarm, "rows"));
	assert_int_equal(kill(shared->pid, SIGCONT), 0);
	WAIT_FOR(r, has_calm);
	assert_int_equal(r->alarms, 1);
	WAIT_FOR(r, is_idle);
	assert_outcomes(r, 7, 1000000);
}

static void
map_id(const char *path, unsigned id)
{
	char map[32];

	(void)snprintf(map, sizeof(map), "0 %u 1", id);
	file_write(path, map, strlen(map));
}

/* A file system of 1 MiB of its own, in a namespace of its own. */
static bool
mount_small(const char *dir)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
		return false;
	/* user_namespaces(7): before gid_map, and for good. */
	file_write("/proc/self/setgroups", "deny", 4);
	map_id("/proc/self/uid_map", uid);
	map_id("/proc/self/gid_map", gid);
	return mount("none", dir, "tmpfs", 0, "size=1m") == 0;
}

/* Takes all the room that is left. */
static void
fill_disk(const char *path)
{
	static const char zeros[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	(void)close(fd);
}

/* Last of all: it changes the namespaces of the whole program. */
static void
test_full_disk_loses_nothing(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	char filler[PATH_MAX];

	(void)state;
	memset(shared, 0, sizeof(*shared));
	file_make(&r->f);
	if (!mount_small(r->f.dir)) {
		file_remove(&r->f);
		free(r);
		skip();
		return;
	}
	(void)snprintf(filler, sizeof(filler), "%s/filler", r->f.dir);
	rig_open(r);
	put_events(r, 0, 10);
	WAIT_FOR(r, is_idle);
	fill_disk(filler);
	put_events(r, 10, 1000);
	WAIT_FOR(r, has_alarm);
	assert_non_null(strstr(r->alarm, "full"));
	put_events(r, 1010, 10);
	assert_int_equal(unlink(filler), 0);
	WAIT_FOR(r, has_calm);
	WAIT_FOR(r, is_idle);
	assert_events(r, 1020);
	rig_close(r);
	assert_int_equal(umount(r->f.dir), 0);
	file_remove(&r->f);
	free(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_durable_rows_are_there),
		TEST(test_killed_process_loses_nothing),
		TEST(test_killed_before_main_reads_of_the_commit),
		TEST(test_delayed_event_keeps_its_time),
		TEST(test_million_outcomes_fit_in_8_mb),
		TEST(test_large_map),
		TEST(test_recent_clients_are_replaced_whole),
		TEST(test_optouts_come_and_go),
		TEST(test_replies_of_an_experiment),
		TEST(test_client_list_of_many_parts),
		TEST(test_too_long_order_is_not_taken),
		TEST(test_full_file_system_loses_nothing),
		TEST(test_alarm_ends_with_a_new_process),
		TEST(test_long_queue_is_an_alarm),
		TEST(test_guard_state_only_rises),
		cmocka_unit_test(test_full_disk_loses_nothing),
	};

	/* As the daemon: a dead peer is an error of write(2). */
	(void)signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
