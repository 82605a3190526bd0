/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real processes: the test is main, the keeper and its workers are forked. */
#include "base/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/keeper_wire.h"
#include "loop_wait.h"
#include "test.h"

#define CAP_NET_RAW_BIT (1ull << 13)
#define CAP_NET_ADMIN_BIT (1ull << 12)

enum {
	MSG_ECHO = 1,
	MSG_SAY_AND_DIE,
	MSG_ABOUT,
	MSG_ABOUT_CHILD,
	MSG_END_FILE
};

enum { KIND_ECHO, KIND_RAW, KIND_SHAPER, KIND_DEAD, KIND_COUNT };

static void
nap(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = (ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* ---- in the worker ---- */

/* What a worker has open and may do, as text. */
static size_t
tell_about(char *out, size_t size)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	size_t used = 0;
	DIR *d;
	const struct dirent *e;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, "Cap", 3) == 0 ||
		    strncmp(line, "NoNewPrivs", 10) == 0 ||
		    strncmp(line, "Name", 4) == 0) {
			used += (size_t)snprintf(out + used, size - used, "%s",
			    line);
		}
	}
	if (status != NULL)
		(void)fclose(status);
	d = opendir("/proc/self/fd");
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' &&
		    strtol(e->d_name, NULL, 10) != dirfd(d)) {
			used += (size_t)snprintf(out + used, size - used,
			    "fd %s\n", e->d_name);
		}
	}
	if (d != NULL)
		(void)closedir(d);
	return used;
}

/* The same of a program that it executes. */
static size_t
tell_about_child(char *out, size_t size)
{
	/* NOLINTNEXTLINE(cert-env33-c): constant text */
	FILE *child = popen("exec cat /proc/self/status", "re");
	size_t used = child != NULL ? fread(out, 1, size, child) : 0;

	if (child != NULL)
		(void)pclose(child);
	return used;
}

static void
leave_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)close(fd);
}

static void
say_and_die(int fd)
{
	for (int i = 0; i < 300; i++)
		(void)frame_write(fd, MSG_ECHO, "last", 4, NULL);
	(void)raise(SIGKILL);
}

static int
echo_main(int fd)
{
	static uint8_t buf[65536];
	static char text[65536], end_file[PATH_MAX];
	struct chan_msg msg;

	while (frame_read(fd, buf, sizeof(buf), &msg, NULL) == 1) {
		if (msg.type == MSG_ECHO) {
			(void)frame_write(fd, MSG_ECHO, msg.body, msg.len,
			    NULL);
		} else if (msg.type == MSG_SAY_AND_DIE) {
			say_and_die(fd);
		} else if (msg.type == MSG_ABOUT) {
			(void)frame_write(fd, MSG_ABOUT, text,
			    tell_about(text, sizeof(text)), NULL);
		} else if (msg.type == MSG_ABOUT_CHILD) {
			(void)frame_write(fd, MSG_ABOUT, text,
			    tell_about_child(text, sizeof(text)), NULL);
		} else if (msg.type == MSG_END_FILE) {
			(void)snprintf(end_file, sizeof(end_file), "%.*s",
			    (int)msg.len, (const char *)msg.body);
		}
	}
	if (end_file[0] != '\0') {
		nap(300);
		leave_file(end_file);
	}
	return 0;
}

static int
dead_main(int fd)
{
	(void)fd;
	return 3;
}

static const struct worker_kind kinds[KIND_COUNT] = {
	[KIND_ECHO] = { "test-echo", echo_main, 0, WALL_NONE },
	[KIND_RAW] = { "test-raw", echo_main, RIGHT_NET_RAW, WALL_NONE },
	[KIND_SHAPER] = { "test-shaper", echo_main,
	    RIGHT_NET_ADMIN | RIGHT_HANDED_ON, WALL_NONE },
	[KIND_DEAD] = { "test-dead", dead_main, 0, WALL_NONE },
};

/* ---- main's side ---- */

struct house {
	char dir[64];
	char path[PATH_MAX];
	struct loop *lp;
	struct keeper *k;
	struct worker *w;
	unsigned starts, lost, msgs, keeper_lost, acted;
	struct mono started_at[8];
	bool free_on_lost;
	char text[65536]; /* the last message */
};

static void
on_start(struct worker *w, void *arg)
{
	struct house *h = arg;

	assert_true(worker_is_up(w));
	if (h->starts < TEST_COUNT(h->started_at))
		h->started_at[h->starts] = mono_now();
	h->starts++;
}

static void
on_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct house *h = arg;

	(void)w;
	assert_true(msg->len < sizeof(h->text));
	memcpy(h->text, msg->body, msg->len);
	h->text[msg->len] = '\0';
	h->msgs++;
}

static void
on_lost(struct worker *w, void *arg)
{
	struct house *h = arg;

	assert_false(worker_is_up(w));
	assert_int_equal(worker_send(w, MSG_ECHO, "x", 1), -1);
	h->lost++;
	if (h->free_on_lost) {
		worker_free(w);
		h->w = NULL;
	}
}

static const struct worker_ops ops = {
	.on_start = on_start, .on_msg = on_msg, .on_lost = on_lost
};

static void
on_keeper_lost(void *arg)
{
	struct house *h = arg;

	h->keeper_lost++;
}

/* The will is a path, and after a blank the silence that it waits for. */
static bool
will_write(const uint8_t *body, size_t len,
    const struct keeper_silence *silence, unsigned *done)
{
	char path[PATH_MAX];
	int64_t after_ms = 0;
	char *blank;

	(void)snprintf(path, sizeof(path), "%.*s", (int)len,
	    (const char *)body);
	blank = strchr(path, ' ');
	if (blank != NULL) {
		after_ms = strtol(blank + 1, NULL, 10);
		*blank = '\0';
	}
	if (*done == 0 && silence->ms >= after_ms) {
		leave_file(path);
		*done = 1;
	}
	return *done == 0;
}

static void
on_acted(void *arg)
{
	struct house *h = arg;

	h->acted++;
}

static void
house_open(struct house *h)
{
	struct err err = { 0 };

	h->k = keeper_start(kinds, KIND_COUNT, will_write, &err);
	assert_non_null(h->k);
	h->lp = loop_new();
	keeper_attach(h->k, h->lp, on_keeper_lost, h);
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_worker.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/file", h->dir);
	house_open(h);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	worker_free(h->w);
	keeper_dismiss(h->k);
	loop_free(h->lp);
	(void)unlink(h->path);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static bool
has_file(const struct house *h)
{
	struct stat st;

	return stat(h->path, &st) == 0;
}

static void
test_worker_answers(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	assert_false(worker_is_up(h->w));
	assert_string_equal(worker_name(h->w), "test-echo");
	assert_int_equal(worker_send(h->w, MSG_ECHO, "early", 5), -1);
	WAIT_FOR(h->lp, h->starts == 1);
	assert_int_equal(worker_send(h->w, MSG_ECHO, "hello", 5), 0);
	WAIT_FOR(h->lp, h->msgs == 1);
	assert_string_equal(h->text, "hello");
	WAIT_FOR(h->lp, worker_pid(h->w) > 0);
}

static void
test_killed_worker_comes_again_after_a_growing_pause(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	for (unsigned i = 1; i <= 3; i++) {
		WAIT_FOR(h->lp, h->starts == i && worker_pid(h->w) > 0);
		assert_int_equal(kill(worker_pid(h->w), SIGKILL), 0);
		WAIT_FOR(h->lp, h->lost == i);
		assert_int_equal(worker_pid(h->w), 0);
	}
	WAIT_FOR(h->lp, h->starts == 4);
	/* Pauses of 100, 200 and 400 ms. */
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(mono_diff_ms(h->started_at[i],
				h->started_at[i - 1]) >= (50 << i) - 1);
	}
	assert_int_equal(worker_send(h->w, MSG_ECHO, "again", 5), 0);
	WAIT_FOR(h->lp, h->msgs == 1);
	assert_int_equal(h->keeper_lost, 0);
}

static void
test_what_it_said_before_it_died_is_delivered(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1);
	(void)worker_send(h->w, MSG_SAY_AND_DIE, NULL, 0);
	WAIT_FOR(h->lp, h->lost == 1);
	assert_int_equal(h->msgs, 300);
}

/* One that cannot even start must not take the machine's time. */
static void
test_worker_that_ends_at_once_is_no_storm(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_DEAD, &ops, h);
	loop_idle(h->lp, 1000);
	assert_in_range(h->starts, 2, 5);
}

static void
test_free_in_on_lost(void **state)
{
	struct house *h = *state;

	h->free_on_lost = true;
	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1);
	(void)worker_send(h->w, MSG_SAY_AND_DIE, NULL, 0);
	WAIT_FOR(h->lp, h->lost == 1);
	assert_null(h->w);
	loop_idle(h->lp, 300);
	assert_int_equal(h->starts, 1);
}

static unsigned long long
status_bits(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 16);
}

/* A worker reads input from outside: it has its channel and nothing else. */
static void
check_rights(struct house *h, size_t kind, unsigned long long may_have)
{
	const char *names[] = { "CapInh:", "CapPrm:", "CapEff:", "CapAmb:" };
	/* What a worker must not inherit, with and without close-on-exec. */
	int leak = open("/dev/null", O_RDONLY);
	unsigned open_fds = 0;

	h->w = worker_new(h->k, kind, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1);
	(void)worker_send(h->w, MSG_ABOUT, NULL, 0);
	WAIT_FOR(h->lp, h->msgs == 1);
	for (size_t i = 0; i < TEST_COUNT(names); i++)
		assert_int_equal(status_bits(h->text, names[i]) & ~may_have, 0);
	assert_int_equal(status_bits(h->text, "NoNewPrivs:"), 1);
	for (const char *p = h->text; (p = strstr(p, "fd ")) != NULL; p += 3) {
		long fd = strtol(p + 3, NULL, 10);

		assert_in_range(fd, 0, 3);
		open_fds++;
	}
	assert_int_equal(open_fds, 4);
	(void)close(leak);
}

static void
test_worker_has_no_rights_and_no_descriptors(void **state)
{
	struct house *h = *state;

	check_rights(h, KIND_ECHO, 0);
	assert_non_null(strstr(h->text, "Name:\ttest-echo\n"));
	/* What it cannot have again: the bounding set, if we may drop that. */
	if (prctl(PR_CAPBSET_READ, 8 /* CAP_SETPCAP */) == 1 && geteuid() == 0)
		assert_int_equal(status_bits(h->text, "CapBnd:"), 0);
}

static void
test_prober_keeps_raw_sockets_only(void **state)
{
	struct house *h = *state;

	check_rights(h, KIND_RAW, CAP_NET_RAW_BIT);
	if (geteuid() == 0) {
		assert_int_equal(status_bits(h->text, "CapEff:"),
		    CAP_NET_RAW_BIT);
	}
}

static void
test_rights_are_handed_on_only_if_it_says_so(void **state)
{
	struct house *h = *state;
	const size_t kinds_and_rights[][2] = {
		{ KIND_SHAPER, CAP_NET_ADMIN_BIT },
		{ KIND_RAW, 0 },
	};

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < TEST_COUNT(kinds_and_rights); i++) {
		h->starts = h->msgs = 0;
		h->w = worker_new(h->k, kinds_and_rights[i][0], &ops, h);
		WAIT_FOR(h->lp, h->starts == 1);
		(void)worker_send(h->w, MSG_ABOUT_CHILD, NULL, 0);
		WAIT_FOR(h->lp, h->msgs == 1);
		assert_int_equal(status_bits(h->text, "CapEff:"),
		    kinds_and_rights[i][1]);
		assert_int_equal(status_bits(h->text, "CapBnd:"),
		    kinds_and_rights[i][1]);
		assert_int_equal(status_bits(h->text, "NoNewPrivs:"), 1);
		worker_free(h->w);
		h->w = NULL;
	}
}

/* The store writes its last rows then. */
static void
test_dismiss_waits_for_the_workers(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1);
	(void)worker_send(h->w, MSG_END_FILE, h->path, strlen(h->path));
	(void)worker_send(h->w, MSG_ECHO, "x", 1);
	WAIT_FOR(h->lp, h->msgs == 1);
	worker_free(h->w);
	h->w = NULL;
	assert_false(has_file(h));
	keeper_dismiss(h->k);
	h->k = NULL;
	assert_true(has_file(h));
}

static void
test_lost_keeper_is_told(void **state)
{
	struct house *h = *state;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1);
	assert_int_equal(kill(keeper_pid(h->k), SIGKILL), 0);
	WAIT_FOR(h->lp, h->keeper_lost == 1);
	/* Without it nothing can be started; that is all that happens. */
	(void)worker_send(h->w, MSG_SAY_AND_DIE, NULL, 0);
	WAIT_FOR(h->lp, h->lost == 1);
	loop_idle(h->lp, 300);
	assert_int_equal(h->starts, 1);
	assert_int_equal(h->keeper_lost, 1);
}

/* ---- the will ---- */

enum { WILL_KEPT, WILL_CLEARED, WILL_DISMISSED, WILL_REPLACED };

/* A child as main: deposits, then dies in its way; its keeper remains. */
static void
die_with_will(const struct house *h, int how)
{
	pid_t pid = fork(), keeper;
	int status;

	assert_true(pid != -1);
	if (pid == 0) {
		struct keeper *k =
		    keeper_start(kinds, KIND_COUNT, will_write, NULL);

		if (k == NULL)
			_exit(1);
		if (how == WILL_REPLACED)
			(void)keeper_set_will(k, "/nonexistent/file", 17);
		(void)keeper_set_will(k, h->path, strlen(h->path));
		if (how == WILL_CLEARED)
			(void)keeper_set_will(k, NULL, 0);
		if (how == WILL_DISMISSED)
			keeper_dismiss(k);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	/* The orphaned keeper comes to us, as a subreaper. */
	do {
		keeper = waitpid(-1, &status, WNOHANG);
		nap(5);
	} while (keeper == 0 || keeper == pid);
	if (how == WILL_DISMISSED) {
		assert_int_equal(keeper, -1);
	} else {
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void
test_will_is_done_when_main_dies(void **state)
{
	static const bool done[] = { [WILL_KEPT] = true,
		[WILL_CLEARED] = false,
		[WILL_DISMISSED] = false,
		[WILL_REPLACED] = true };
	struct house *h = *state;

	/* Our own keeper would be in the way of waiting for the other. */
	keeper_dismiss(h->k);
	h->k = NULL;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int how = 0; how < (int)TEST_COUNT(done); how++) {
		die_with_will(h, how);
		assert_int_equal(has_file(h), done[how]);
		(void)unlink(h->path);
	}
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* A main that hangs is the test's own: it does not beat while it waits. */
static void
test_will_is_done_when_main_hangs_and_told_when_it_beats_again(void **state)
{
	struct house *h = *state;
	char body[PATH_MAX + 16];

	keeper_set_on_acted(h->k, on_acted, h);
	(void)snprintf(body, sizeof(body), "%s 4000", h->path);
	assert_int_equal(keeper_set_will(h->k, body, strlen(body)), 0);
	/* While it beats, nothing is done. */
	for (int i = 0; i < 10; i++) {
		loop_idle(h->lp, 500);
		keeper_beat(h->k);
	}
	assert_false(has_file(h));
	WAIT_FOR(h->lp, has_file(h));
	assert_int_equal(h->acted, 0);
	keeper_beat(h->k);
	WAIT_FOR(h->lp, h->acted == 1);
	/* From the beginning: it is told once, and done again. */
	keeper_beat(h->k);
	loop_idle(h->lp, 200);
	assert_int_equal(h->acted, 1);
	(void)unlink(h->path);
	WAIT_FOR(h->lp, has_file(h));
}

/* What a frozen keeper does not see is no silence of main. */
static void
test_time_of_a_frozen_keeper_does_not_count(void **state)
{
	struct house *h = *state;
	char body[PATH_MAX + 16];

	(void)snprintf(body, sizeof(body), "%s 4000", h->path);
	assert_int_equal(keeper_set_will(h->k, body, strlen(body)), 0);
	assert_int_equal(kill(keeper_pid(h->k), SIGSTOP), 0);
	loop_idle(h->lp, 5000);
	assert_int_equal(kill(keeper_pid(h->k), SIGCONT), 0);
	loop_idle(h->lp, 1000);
	assert_false(has_file(h));
	keeper_beat(h->k);
	loop_idle(h->lp, 500);
	assert_false(has_file(h));
}

/* It would have to wait for somebody who waits. */
static void
test_main_does_not_block_on_a_frozen_keeper(void **state)
{
	struct house *h = *state;
	int rc = 0;

	assert_int_equal(kill(keeper_pid(h->k), SIGSTOP), 0);
	for (int i = 0; i < 5000 && rc == 0; i++) {
		keeper_beat(h->k);
		rc = keeper_set_will(h->k, h->path, strlen(h->path));
	}
	assert_int_equal(rc, -1);
	assert_int_equal(kill(keeper_pid(h->k), SIGCONT), 0);
	WAIT_FOR(h->lp, keeper_set_will(h->k, NULL, 0) == 0);
}

static void
test_kicked_worker_comes_again(void **state)
{
	struct house *h = *state;
	pid_t old;

	h->w = worker_new(h->k, KIND_ECHO, &ops, h);
	WAIT_FOR(h->lp, h->starts == 1 && worker_pid(h->w) > 0);
	old = worker_pid(h->w);
	assert_int_equal(kill(old, SIGSTOP), 0);
	worker_kick(h->w);
	assert_int_equal(h->lost, 1);
	worker_kick(h->w);
	assert_int_equal(h->lost, 1);
	WAIT_FOR(h->lp, h->starts == 2 && worker_pid(h->w) > 0);
	assert_int_not_equal(worker_pid(h->w), old);
	WAIT_FOR(h->lp, kill(old, 0) == -1);
}

/* ---- the keeper alone ---- */

/*
 * Main asks to kill a worker of whose death it has not heard yet: its number
 * may be somebody else's by then.
 */
static void
test_keeper_kills_nobody_but_its_own(void **state)
{
	struct keeper_record kill_it = { .op = KEEPER_KILL };
	struct keeper_record end = { .op = KEEPER_DISMISS };
	int sv[2], status;
	pid_t keeper, other;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	other = fork();
	if (other == 0) {
		(void)close(sv[0]);
		(void)close(sv[1]);
		(void)pause();
		_exit(0);
	}
	keeper = fork();
	if (keeper == 0) {
		struct keeper_job job = {
			.sock = sv[1], .kinds = kinds, .n_kinds = KIND_COUNT
		};

		(void)close(sv[0]);
		keeper_main(&job);
		_exit(0);
	}
	(void)close(sv[1]);
	kill_it.a = (uint32_t)other;
	assert_int_equal(keeper_record_send(sv[0], &kill_it, -1), 0);
	kill_it.a = 0; /* would be the whole process group */
	assert_int_equal(keeper_record_send(sv[0], &kill_it, -1), 0);
	assert_int_equal(keeper_record_send(sv[0], &end, -1), 0);
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	assert_true(WIFEXITED(status));
	assert_int_equal(waitpid(other, &status, WNOHANG), 0);
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, &status, 0), other);
	(void)close(sv[0]);
}

static void
test_record_of_wrong_size_is_refused(void **state)
{
	uint8_t bytes[32] = { 0 };
	struct keeper_record rec;
	int sv[2], fd;

	(void)state;
	for (size_t n = 1; n <= sizeof(bytes); n++) {
		if (n == sizeof(rec))
			continue;
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
		assert_int_equal(write(sv[0], bytes, n), n);
		/* What is longer arrives cut: its descriptor is closed. */
		if (n < sizeof(rec)) {
			assert_int_equal(keeper_record_recv(sv[1], &rec, &fd),
			    -1);
		}
		(void)close(sv[0]);
		(void)close(sv[1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_worker_answers, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_killed_worker_comes_again_after_a_growing_pause, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_it_said_before_it_died_is_delivered, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_worker_that_ends_at_once_is_no_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_in_on_lost, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_worker_has_no_rights_and_no_descriptors, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_prober_keeps_raw_sockets_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_rights_are_handed_on_only_if_it_says_so, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_dismiss_waits_for_the_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_keeper_is_told, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_will_is_done_when_main_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_will_is_done_when_main_hangs_and_told_when_it_beats_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_time_of_a_frozen_keeper_does_not_count, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_main_does_not_block_on_a_frozen_keeper, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_kicked_worker_comes_again,
		    setup, teardown),
		cmocka_unit_test(test_keeper_kills_nobody_but_its_own),
		cmocka_unit_test(test_record_of_wrong_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
