/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The will as the keeper carries it out: blocking, alone, after a time of
 * grace.  All cases wait at the same time, each in a process of its own.
 */
#include "site/will.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mono.h"
#include "store_file.h"
#include "test.h"

#define TEXT "route 198.51.100.0/24 blackhole;\n"

/* One case: a directory with include file, lock and a BIRD. */
struct stage {
	struct store_file f;
	char include[PATH_MAX + 16], socket[PATH_MAX + 16];
	char lock[PATH_MAX + 16];
	pid_t bird, keeper;
	int lock_fd;
};

static void
stage_open(struct stage *s)
{
	file_make(&s->f);
	(void)snprintf(s->include, sizeof(s->include), "%s/include", s->f.dir);
	(void)snprintf(s->socket, sizeof(s->socket), "%s/bird", s->f.dir);
	(void)snprintf(s->lock, sizeof(s->lock), "%s/lock", s->f.dir);
	file_write(s->include, "old\n", 4);
	s->bird = s->keeper = -1;
	s->lock_fd = -1;
}

/* Refuses so many times, then takes the new configuration. */
static void __attribute__((noreturn))
bird_main(const struct stage *s, int refusals)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/bird", s->f.dir);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    listen(fd, 4) == -1)
		_exit(1);
	for (;;) {
		static const char hello[] = "0001 BIRD 2.0.12 ready.\n";
		static const char no[] = "8002 bird.conf:1: syntax error\n";
		static const char yes[] = "0002-Reading\n0003 Reconfigured\n";
		int conn = accept(fd, NULL, NULL);
		char buf[64] = "";

		(void)!write(conn, hello, strlen(hello));
		if (read(conn, buf, sizeof(buf) - 1) <= 0 ||
		    strcmp(buf, "configure soft\n") != 0)
			_exit(1);
		(void)!write(conn, refusals > 0 ? no : yes,
		    strlen(refusals > 0 ? no : yes));
		(void)close(conn);
		refusals--;
	}
}

static void
stage_start_bird(struct stage *s, int refusals)
{
	s->bird = fork();
	assert_true(s->bird != -1);
	if (s->bird == 0)
		bird_main(s, refusals);
}

static void
stage_start_keeper(struct stage *s)
{
	char body[2 * PATH_MAX];
	int n = snprintf(body, sizeof(body),
	    "{\"include\":\"%s\",\"socket\":\"%s\",\"timeout_ms\":1000,"
	    "\"lock\":\"%s\",\"text\":\""
	    "route 198.51.100.0/24 blackhole;\\n"
	    "\"}",
	    s->include, s->socket, s->lock);

	assert_true(n > 0 && (size_t)n < sizeof(body));
	s->keeper = fork();
	assert_true(s->keeper != -1);
	if (s->keeper == 0) {
		will_carry_out((const uint8_t *)body, (size_t)n);
		_exit(0);
	}
}

static void
stage_close(struct stage *s)
{
	if (s->bird != -1) {
		(void)kill(s->bird, SIGKILL);
		(void)waitpid(s->bird, NULL, 0);
	}
	if (s->lock_fd != -1)
		(void)close(s->lock_fd);
	file_remove(&s->f);
}

static bool
has_text(const struct stage *s)
{
	size_t len;
	char *text = file_read(s->include, &len);
	bool has = strstr(text, TEXT) != NULL;

	free(text);
	return has;
}

/* All three at once: each has to wait for the time of grace. */
static void
test_will_is_done_unless_a_daemon_takes_over(void **state)
{
	struct stage plain, refused, succeeded;
	struct err err = { 0 };
	struct mono start;
	int status;

	(void)state;
	stage_open(&plain);
	stage_open(&refused);
	stage_open(&succeeded);
	stage_start_bird(&plain, 0);
	stage_start_bird(&refused, 2);
	stage_start_bird(&succeeded, 0);
	succeeded.lock_fd = will_lock(succeeded.lock, 0, &err);
	assert_int_not_equal(succeeded.lock_fd, -1);
	start = mono_now();
	stage_start_keeper(&plain);
	stage_start_keeper(&refused);
	stage_start_keeper(&succeeded);
	assert_int_equal(waitpid(plain.keeper, &status, 0), plain.keeper);
	/* A supervisor gets its time to start the daemon again. */
	assert_true(mono_diff_ms(mono_now(), start) >= 4900);
	assert_int_equal(waitpid(refused.keeper, &status, 0), refused.keeper);
	assert_int_equal(waitpid(succeeded.keeper, &status, 0),
	    succeeded.keeper);
	assert_true(has_text(&plain));
	assert_true(has_text(&refused));
	assert_false(has_text(&succeeded));
	stage_close(&plain);
	stage_close(&refused);
	stage_close(&succeeded);
}

static void
test_unreadable_will_is_left_alone(void **state)
{
	static const char *const bad[] = { "x", "{}", "[]", "null",
		("{\"include\":1,\"socket\":\"s\",\"timeout_ms\":1,"
		 "\"lock\":\"l\",\"text\":\"t\"}"),
		"{\"include\":\"/nonexistent/x\",\"socket\":\"s\"}" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		will_carry_out((const uint8_t *)bad[i], strlen(bad[i]));
}

static void
test_lock_is_for_one(void **state)
{
	struct stage s;
	struct err err = { 0 };
	struct mono start;
	int first, second;
	pid_t pid;

	(void)state;
	stage_open(&s);
	first = will_lock(s.lock, 0, &err);
	assert_int_not_equal(first, -1);
	start = mono_now();
	assert_int_equal(will_lock(s.lock, 200, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_true(mono_diff_ms(mono_now(), start) >= 199);
	(void)close(first);
	second = will_lock(s.lock, 0, &err);
	assert_int_not_equal(second, -1);
	(void)close(second);
	/* The last daemon is still ending. */
	pid = fork();
	if (pid == 0) {
		struct timespec ts = { .tv_nsec = 200000000 };

		(void)will_lock(s.lock, 0, NULL);
		file_write(s.include, "locked", 6);
		(void)nanosleep(&ts, NULL);
		_exit(0);
	}
	while (file_bytes(s.include) != 6)
		(void)poll(NULL, 0, 5);
	second = will_lock(s.lock, 5000, &err);
	assert_int_not_equal(second, -1);
	(void)close(second);
	(void)waitpid(pid, NULL, 0);
	stage_close(&s);
	assert_int_equal(will_lock("/nonexistent/dir/lock", 0, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
}

static void
test_lock_is_beside_the_control_socket(void **state)
{
	static char path[] = "/run/anycastd/anycastd.sock";
	struct conf conf = { .socket = path };
	char *lock = will_lock_path(&conf);

	(void)state;
	assert_string_equal(lock, "/run/anycastd/anycastd.sock.lock");
	free(lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_will_is_done_unless_a_daemon_takes_over),
		cmocka_unit_test(test_unreadable_will_is_left_alone),
		cmocka_unit_test(test_lock_is_for_one),
		cmocka_unit_test(test_lock_is_beside_the_control_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
