/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mono.h"
#include "test.h"

#define TIMEOUT_MS 200
#define PATIENCE_MS 10000
#define GREETING "0001 BIRD 2.0.12 ready.\n"
#define READING "0002-Reading configuration from bird.conf\n"

/* What the other end says, and what must come of it. */
static const struct {
	const char *greeting, *reply; /* NULL: nothing, and it stays */
	bool hangs_up;                /* after it has said all that */
	uint8_t piece;                /* bytes at a time; 0: all */
	enum err_code want;           /* ERR_NONE: done */
	const char *text;             /* in the error */
} cases[] = {
	{ GREETING, READING "0003 Reconfigured\n", false, 0, ERR_NONE, "" },
	{ GREETING, READING "0003 Reconfigured\n", true, 0, ERR_NONE, "" },
	{ GREETING, READING "0003 Reconfigured\n", false, 1, ERR_NONE, "" },
	{ GREETING, "+log\n" READING "+log\n0003 Reconfigured\n+log\n", false,
	    0, ERR_NONE, "" },
	{ GREETING, READING "0004 Reconfiguration in progress\n", false, 0,
	    ERR_NONE, "" },
	{ GREETING, READING "0005 queueing new config\n", false, 0, ERR_NONE,
	    "" },
	/* All else is no reconfiguration, errors or not. */
	{ GREETING, READING "0006 Reconfiguration ignored, shutting down\n",
	    false, 0, ERR_BIRD, "0006 Reconfiguration ignored" },
	{ GREETING, "0000 \n", false, 0, ERR_BIRD, "0000" },
	{ GREETING, "0002 x\n", false, 0, ERR_BIRD, "0002" },
	{ GREETING, READING "8002 bird.conf:7:1 syntax error\n", false, 0,
	    ERR_BIRD, "8002 bird.conf:7:1 syntax error" },
	{ GREETING, "8007 Access denied\n", false, 0, ERR_BIRD, "8007" },
	{ GREETING, "9001 syntax error\n", false, 0, ERR_BIRD, "9001" },
	{ GREETING, "nonsense\n", false, 0, ERR_PROTO, "nonsense" },
	{ GREETING, NULL, false, 0, ERR_TIMEOUT, "no answer in 200 ms" },
	{ GREETING, NULL, true, 0, ERR_GONE, "closed" },
	{ GREETING, READING, false, 0, ERR_TIMEOUT, "no answer" },
	{ GREETING, READING "0003 Recon", true, 0, ERR_GONE, "closed" },
	{ NULL, NULL, false, 0, ERR_TIMEOUT, "no answer in 200 ms" },
	{ NULL, NULL, true, 0, ERR_GONE, "closed" },
	{ "0001 BIRD", NULL, false, 0, ERR_TIMEOUT, "no answer" },
	{ "0013 hello\n", NULL, false, 0, ERR_BIRD, "0013 hello" },
	{ "SSH-2.0\n", NULL, false, 0, ERR_PROTO, "SSH-2.0" },
};

static char dir[64], path[96];

static int
listen_at_path(int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	(void)unlink(path);
	assert_int_not_equal(fd, -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void
say(int fd, const char *text, size_t piece)
{
	size_t left = text != NULL ? strlen(text) : 0;

	while (left > 0) {
		size_t n = piece > 0 && left > piece ? piece : left;
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		text += sent;
		left -= (size_t)sent;
		if (piece > 0)
			(void)poll(NULL, 0, 1);
	}
}

/* The other end, in a process of its own, since ask blocks. */
static void __attribute__((noreturn)) serve(int listen_fd, size_t i)
{
	static const char command[] = "configure soft\n";
	char heard[64] = "";
	int fd = accept(listen_fd, NULL, NULL);
	size_t len = 0;

	say(fd, cases[i].greeting, cases[i].piece);
	while (cases[i].reply != NULL && len < sizeof(command) - 1) {
		ssize_t n = recv(fd, heard + len, sizeof(heard) - 1 - len, 0);

		if (n <= 0)
			_exit(1);
		len += (size_t)n;
	}
	if (cases[i].reply != NULL && strcmp(heard, command) != 0)
		_exit(1);
	say(fd, cases[i].reply, cases[i].piece);
	/* Until the asker goes. */
	while (!cases[i].hangs_up && recv(fd, heard, 1, 0) > 0)
		;
	_exit(0);
}

static void
check_case(size_t i)
{
	int fd = listen_at_path(8), status;
	struct err err = { .code = ERR_NONE };
	struct mono start = mono_now();
	pid_t pid = fork();
	int rc;

	assert_int_not_equal(pid, -1);
	if (pid == 0)
		serve(fd, i);
	(void)close(fd);
	/* Only where nothing comes the time may run out. */
	rc = bird_ask_configure(path,
	    cases[i].want == ERR_TIMEOUT ? TIMEOUT_MS : PATIENCE_MS, &err);
	/* Greeting and reply, and a machine that does other things too. */
	assert_true(mono_diff_ms(mono_now(), start) < PATIENCE_MS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (rc != (cases[i].want == ERR_NONE ? 0 : -1) ||
	    err.code != cases[i].want ||
	    (rc == -1 && strstr(err.msg, cases[i].text) == NULL))
		fail_msg("case %zu: %d: %s", i, rc, err.msg);
	assert_int_equal(status, 0);
}

static void
test_one_conversation(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++)
		check_case(i);
}

static void
test_nobody_there(void **state)
{
	struct err err = { 0 };

	(void)state;
	(void)unlink(path);
	assert_int_equal(bird_ask_configure(path, TIMEOUT_MS, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	(void)close(listen_at_path(8));
	assert_int_equal(bird_ask_configure(path, TIMEOUT_MS, &err), -1);
	assert_int_equal(err.sys, ECONNREFUSED);
	/* err may be NULL. */
	assert_int_equal(bird_ask_configure(path, TIMEOUT_MS, NULL), -1);
}

/* A stopped BIRD: the first waits for its greeting, the rest are refused. */
static void
test_stopped_for_long(void **state)
{
	struct err err = { 0 };
	int fd = listen_at_path(0);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(bird_ask_configure(path, TIMEOUT_MS, &err),
		    -1);
		assert_int_equal(err.code, ERR_TIMEOUT);
	}
	(void)close(fd);
}

static int
dir_make(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_ask.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bird.ctl", dir);
	return 0;
}

static int
dir_remove(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_conversation),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_stopped_for_long),
	};

	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
