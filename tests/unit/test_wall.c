/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each case in a process of its own: a wall is for good. */
#include "base/wall.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_NO_WALL true
#else
#define HAS_NO_WALL false
#endif

static void *
thread_main(void *arg)
{
	return arg;
}

static bool
may_read(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) != -1;
}

static bool
may_write(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC) != -1;
}

static bool
may_talk(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) != -1;
}

/* Its protocol 0 receives nothing; without rights EPERM, which is no wall. */
static bool
may_capture(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) != -1 ||
	    errno != ENOSYS;
}

static bool
may_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, thread_main, NULL) == 0 &&
	    pthread_join(thread, NULL) == 0;
}

static bool
may_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid != -1 && waitpid(pid, NULL, 0) == pid;
}

static bool
may_execute(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		(void)execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
may_trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != -1;
}

enum act { READ, WRITE, TALK, CAPTURE, THREAD, FORK, EXECUTE, TRACE, ACTS };

static bool (*const acts[ACTS])(void) = { may_read, may_write, may_talk,
	may_capture, may_thread, may_fork, may_execute, may_trace };

/* Bits of what may be done behind the wall, or -1. */
static int
behind(unsigned groups)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		int may = 0;

		(void)setenv("ANYCASTD_WALL", "", 1);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
		    wall_raise(groups, NULL) == -1)
			_exit(255);
		for (int i = 0; i < ACTS; i++)
			may |= acts[i]() ? 1 << i : 0;
		_exit(may);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define BIT(act) (1 << (act))

static void
test_groups_allow_what_they_say(void **state)
{
	(void)state;
	if (HAS_NO_WALL)
		skip();
	assert_int_equal(behind(WALL_PLAIN), 0);
	assert_int_equal(behind(WALL_READ), BIT(READ));
	assert_int_equal(behind(WALL_READ | WALL_FILES),
	    BIT(READ) | BIT(WRITE));
	assert_int_equal(behind(WALL_NET), BIT(TALK));
	assert_int_equal(behind(WALL_NET | WALL_RAW), BIT(TALK) | BIT(CAPTURE));
	assert_int_equal(behind(WALL_THREADS), BIT(THREAD));
	assert_int_equal(behind(WALL_READ | WALL_FORK),
	    BIT(READ) | BIT(THREAD) | BIT(FORK));
	/* Programs of others: all but the kernel's own affairs. */
	assert_int_equal(behind(WALL_OPEN), BIT(TRACE) - 1);
}

/* Who may write files may not execute one, and so on. */
static void
test_main_executes_nothing(void **state)
{
	(void)state;
	if (HAS_NO_WALL)
		skip();
	assert_int_equal(behind(WALL_READ | WALL_FILES | WALL_NET |
			     WALL_THREADS) &
		(BIT(CAPTURE) | BIT(FORK) | BIT(EXECUTE) | BIT(TRACE)),
	    0);
}

/* As the tests of the lab have it. */
static void
test_violation_is_seen_if_wanted(void **state)
{
	int status, out[2];
	char text[256] = "";
	pid_t pid;

	(void)state;
	if (HAS_NO_WALL)
		skip();
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(out[1], STDERR_FILENO);
		(void)setenv("ANYCASTD_WALL", "trap", 1);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (wall_raise(WALL_PLAIN, NULL) == 0)
			(void)may_trace();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "wall: violation: system call"));
	assert_non_null(strstr(text, "ptrace"));
	(void)close(out[0]);
	(void)close(out[1]);
}

static void
test_no_wall_if_not_wanted(void **state)
{
	struct err err;
	int status;
	pid_t pid;

	(void)state;
	if (HAS_NO_WALL)
		skip();
	assert_int_equal(wall_raise(WALL_NONE, &err), 0);
	pid = fork();
	if (pid == 0) {
		(void)setenv("ANYCASTD_WALL", "off", 1);
		_exit(wall_raise(WALL_PLAIN, NULL) == 0 && may_read() &&
			    may_write()
			? 0
			: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_allow_what_they_say),
		cmocka_unit_test(test_main_executes_nothing),
		cmocka_unit_test(test_violation_is_seen_if_wanted),
		cmocka_unit_test(test_no_wall_if_not_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
