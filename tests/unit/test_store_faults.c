/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Store processes that get killed, stopped and run out of space: nothing is
 * lost, and there is an alarm where there should be one. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "store_rig.h"

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
process_kill(void)
{
	pid_t pid = shared->pid;

	shared->pid = 0;
	assert_int_equal(kill(pid, SIGKILL), 0);
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

/* In SQLite's words, by what it wrote when the limit came: nothing of a page, or
 * half of one, or the last one of a commit. */
static bool
says_full(const char *alarm)
{
	return strstr(alarm, "File too large") != NULL ||
	    strstr(alarm, "disk is full") != NULL ||
	    strstr(alarm, "disk I/O error") != NULL;
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
	assert_true(says_full(r->alarm));
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
		TEST(test_killed_process_loses_nothing),
		TEST(test_killed_before_main_reads_of_the_commit),
		TEST(test_delayed_event_keeps_its_time),
		TEST(test_full_file_system_loses_nothing),
		TEST(test_alarm_ends_with_a_new_process),
		TEST(test_long_queue_is_an_alarm),
		cmocka_unit_test(test_full_disk_loses_nothing),
	};

	/* As the daemon: a dead peer is an error of write(2). */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!rig_share())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
