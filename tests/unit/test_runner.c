/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real runner in a process of its own, spoken to over its channel. */
#include "probes/probe_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "test.h"

#define RESULTS_MAX 300

struct fixture {
	struct loop *lp;
	struct chan *ch;
	pid_t pid;
	struct probe_result_msg results[RESULTS_MAX];
	size_t n_results;
	bool closed;
	char dir[32];
};

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct fixture *fx = arg;

	(void)ch;
	assert_int_equal(msg->type, PROBE_MSG_RESULT);
	assert_true(fx->n_results < RESULTS_MAX);
	assert_int_equal(probe_wire_decode_result(msg->body, msg->len,
			     &fx->results[fx->n_results++]),
	    0);
}

static void
on_close(struct chan *ch, void *arg)
{
	struct fixture *fx = arg;

	(void)ch;
	fx->closed = true;
}

static int
setup(void **state)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));
	int sv[2];

	/* Orphans of killed groups come to us, where init may not reap. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	memcpy(fx->dir, "/tmp/test_runner.XXXXXX", 24);
	assert_non_null(mkdtemp(fx->dir));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
	    0);
	fx->pid = fork();
	assert_int_not_equal(fx->pid, -1);
	if (fx->pid == 0) {
		(void)close(sv[0]);
		log_init("runner", false);
		/* As the keeper leaves it. */
		(void)signal(SIGPIPE, SIG_IGN);
		(void)signal(SIGTERM, SIG_IGN);
		_exit(runner_main(sv[1]));
	}
	(void)close(sv[1]);
	fx->lp = loop_new();
	fx->ch = chan_new(fx->lp, sv[0], on_msg, on_close, fx);
	*state = fx;
	return 0;
}

static int
wait_exit(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	chan_free(fx->ch);
	loop_free(fx->lp);
	if (fx->pid != 0)
		assert_int_equal(wait_exit(fx->pid), 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	(void)rmdir(fx->dir);
	free(fx);
	return 0;
}

static void
send_exec(struct fixture *fx, uint64_t id, uint32_t timeout_ms,
    char *const argv[])
{
	uint8_t body[PROBE_WIRE_EXEC_BYTES];
	size_t len =
	    probe_wire_encode_exec(id, timeout_ms, argv, body, sizeof(body));

	assert_int_not_equal(len, 0);
	chan_send(fx->ch, PROBE_MSG_EXEC, body, len);
}

static void
send_shell(struct fixture *fx, uint64_t id, uint32_t timeout_ms,
    const char *script)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char *text = xstrdup(script);
	char *argv[] = { sh, c, text, NULL };

	send_exec(fx, id, timeout_ms, argv);
	free(text);
}

static void
wait_results(struct fixture *fx, size_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (fx->n_results < n && !fx->closed && mono_before(mono_now(), end))
		loop_step(fx->lp, 100);
	assert_int_equal(fx->n_results, n);
}

static void
expect_shell(struct fixture *fx, const char *script, enum probe_verdict verdict,
    const char *detail)
{
	fx->n_results = 0;
	send_shell(fx, 42, 5000, script);
	wait_results(fx, 1);
	assert_string_equal(fx->results[0].result.detail, detail);
	assert_int_equal(fx->results[0].result.verdict, verdict);
	assert_int_equal(fx->results[0].id, 42);
	assert_true(fx->results[0].result.rtt_us > 0);
}

static void
test_exit_status(void **state)
{
	struct fixture *fx = *state;
	char true_path[] = "/bin/true", false_path[] = "/bin/false";
	char *argv_true[] = { true_path, NULL };
	char *argv_false[] = { false_path, NULL };

	send_exec(fx, 1, 5000, argv_true);
	wait_results(fx, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_PASS);
	assert_string_equal(fx->results[0].result.detail, "exit status 0");
	send_exec(fx, 2, 5000, argv_false);
	wait_results(fx, 2);
	assert_int_equal(fx->results[1].id, 2);
	assert_int_equal(fx->results[1].result.verdict, PROBE_FAIL);
	assert_string_equal(fx->results[1].result.detail, "exit status 1");

	expect_shell(fx, "echo all good", PROBE_PASS,
	    "exit status 0: all good");
	expect_shell(fx, "echo first >&2; echo second; exit 3", PROBE_FAIL,
	    "exit status 3: first");
	expect_shell(fx, "exit 255", PROBE_FAIL, "exit status 255");
	expect_shell(fx, "kill -9 $$", PROBE_FAIL, "killed by signal 9");
	/* Signals that the worker ignores are the default again. */
	expect_shell(fx, "kill -TERM $$; echo alive", PROBE_FAIL,
	    "killed by signal 15");
}

static void
test_cannot_run(void **state)
{
	struct fixture *fx = *state;
	char missing[] = "/nonexistent/probe", dir[] = "/tmp";
	char *argv_missing[] = { missing, NULL };
	char *argv_dir[] = { dir, NULL };

	send_exec(fx, 1, 5000, argv_missing);
	wait_results(fx, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_FAIL);
	assert_string_equal(fx->results[0].result.detail,
	    "cannot run /nonexistent/probe: No such file or directory");
	send_exec(fx, 2, 5000, argv_dir);
	wait_results(fx, 2);
	assert_int_equal(fx->results[1].result.verdict, PROBE_FAIL);
	assert_string_equal(fx->results[1].result.detail,
	    "cannot run /tmp: Permission denied");
}

/* PATH and nothing else, no descriptor of ours, stdin empty. */
static void
test_surroundings(void **state)
{
	struct fixture *fx = *state;

	expect_shell(fx,
	    "tr '\\0' '\\n' </proc/self/environ | grep -v '^PATH='", PROBE_FAIL,
	    "exit status 1");
	/* No pipeline: while it is set up the shell itself has more open. */
	expect_shell(fx, "ls -x /proc/$$/fd; :", PROBE_PASS,
	    "exit status 0: 0  1  2");
	expect_shell(fx, "cat; pwd", PROBE_PASS, "exit status 0: /");
	expect_shell(fx,
	    /* 32 and 33 are the C library's own, nobody can reset them. */
	    "grep -E '^Sig(Blk|Ign)' /proc/self/status | "
	    "grep -vE '0{7}[01][08]0{7}$'",
	    PROBE_FAIL, "exit status 1");
}

static bool
group_is_gone(pid_t pgid)
{
	struct mono end = mono_add_ms(mono_now(), 5000);

	while (mono_before(mono_now(), end)) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (kill(-pgid, 0) == -1 && errno == ESRCH)
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* The number that a script left in `name`; it is waited for. */
static pid_t
read_pid(struct fixture *fx, const char *name)
{
	struct mono end = mono_add_ms(mono_now(), 5000);
	char *path = xasprintf("%s/%s", fx->dir, name);
	char text[32] = "";
	pid_t pid;

	while (strchr(text, '\n') == NULL && mono_before(mono_now(), end)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;

		if (n >= 0)
			text[n] = '\0';
		if (fd != -1)
			(void)close(fd);
		loop_step(fx->lp, 10);
	}
	(void)unlink(path);
	free(path);
	pid = (pid_t)strtol(text, NULL, 10);
	assert_true(pid > 1);
	return pid;
}

static void
send_script(struct fixture *fx, uint64_t id, uint32_t timeout_ms,
    const char *fmt)
{
	/* Each fmt has one %s: the directory. */
	char script[256];
	const char *at = strstr(fmt, "%s");

	assert_non_null(at);
	(void)snprintf(script, sizeof(script), "%.*s%s%s", (int)(at - fmt), fmt,
	    fx->dir, at + 2);
	send_shell(fx, id, timeout_ms, script);
}

static void
test_timeout_kills_the_group(void **state)
{
	struct fixture *fx = *state;
	struct mono start = mono_now();
	pid_t pgid;

	send_script(fx, 1, 300, "echo $$ >%s/pid; sleep 100 & wait");
	pgid = read_pid(fx, "pid");
	wait_results(fx, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_FAIL);
	assert_string_equal(fx->results[0].result.detail,
	    "no answer in 300 ms");
	assert_true(mono_diff_ms(mono_now(), start) < 50000);
	assert_true(group_is_gone(pgid));
}

/* SIGTERM ignored or not: there is no way to refuse. */
static void
test_leftover_children_are_killed(void **state)
{
	struct fixture *fx = *state;
	pid_t pgid;

	send_script(fx, 1, 5000,
	    "trap '' TERM HUP; sleep 100 & echo $$ >%s/pid; exit 0");
	pgid = read_pid(fx, "pid");
	wait_results(fx, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_PASS);
	assert_true(group_is_gone(pgid));
}

static void
test_stop_kills_without_an_answer(void **state)
{
	struct fixture *fx = *state;
	uint8_t body[PROBE_WIRE_STOP_BYTES];
	pid_t pgid;

	send_script(fx, 1, 10000, "echo $$ >%s/pid; sleep 100; sleep 100");
	pgid = read_pid(fx, "pid");
	(void)probe_wire_encode_stop(1, body, sizeof(body));
	chan_send(fx->ch, PROBE_MSG_STOP, body, sizeof(body));
	assert_true(group_is_gone(pgid));
	/* An unknown one is no trouble. */
	chan_send(fx->ch, PROBE_MSG_STOP, body, sizeof(body));
	expect_shell(fx, "echo next", PROBE_PASS, "exit status 0: next");
}

static void
test_end_of_main_kills_all(void **state)
{
	struct fixture *fx = *state;
	pid_t pgid;

	send_script(fx, 1, 60000, "echo $$ >%s/pid; sleep 100; sleep 100");
	pgid = read_pid(fx, "pid");
	chan_free(fx->ch);
	fx->ch = NULL;
	assert_int_equal(wait_exit(fx->pid), 0);
	fx->pid = 0;
	assert_true(group_is_gone(pgid));
}

/* kill -9 of the runner itself: the kernel takes the leaders. */
static void
test_killed_runner_leaves_no_leader(void **state)
{
	struct fixture *fx = *state;
	int status = 0;
	pid_t pgid;

	send_script(fx, 1, 60000, "echo $$ >%s/pid; exec sleep 100");
	pgid = read_pid(fx, "pid");
	assert_int_equal(kill(fx->pid, SIGKILL), 0);
	assert_int_equal(waitpid(fx->pid, &status, 0), fx->pid);
	fx->pid = 0;
	assert_true(group_is_gone(pgid));
}

static void
test_huge_output_is_discarded(void **state)
{
	struct fixture *fx = *state;
	const char *detail = fx->results[0].result.detail;
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	send_shell(fx, 1, 20000, "head -c 50000000 /dev/zero | tr '\\0' x");
	while (fx->n_results == 0 && mono_before(mono_now(), end))
		loop_step(fx->lp, 100);
	assert_int_equal(fx->n_results, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_PASS);
	assert_memory_equal(detail, "exit status 0: xxxxxxxx", 23);
	assert_int_equal(strlen(detail), 15 + 140);
}

/* Output closed early, or never: only the leader's end counts. */
static void
test_closed_output(void **state)
{
	struct fixture *fx = *state;

	expect_shell(fx, "exec >&- 2>&-; sleep 0.2; exit 4", PROBE_FAIL,
	    "exit status 4");
	expect_shell(fx, "(sleep 100 &) ; echo done", PROBE_PASS,
	    "exit status 0: done");
}

/* More than allowed at once: refused at once, the others are served. */
static void
test_many_at_once(void **state)
{
	enum { ALL = 300, AT_ONCE = 256 };
	struct fixture *fx = *state;
	char dir[] = "/tmp/anycast-runner-XXXXXX";
	char *gate, *command;
	int fd;

	assert_non_null(mkdtemp(dir));
	gate = xasprintf("%s/gate", dir);
	command = xasprintf("read word <%s", gate);
	assert_int_equal(mkfifo(gate, 0600), 0);
	for (uint64_t id = 0; id < ALL; id++)
		send_shell(fx, id, 60000, command);
	wait_results(fx, ALL - AT_ONCE);
	for (size_t i = 0; i < ALL - AT_ONCE; i++) {
		assert_string_equal(fx->results[i].result.detail,
		    "too many commands are running");
	}
	/* One line for each of those that wait. */
	fd = open(gate, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < AT_ONCE; i++)
		assert_int_equal(write(fd, "\n", 1), 1);
	wait_results(fx, ALL);
	for (size_t i = ALL - AT_ONCE; i < ALL; i++)
		assert_int_equal(fx->results[i].result.verdict, PROBE_PASS);
	(void)close(fd);
	(void)unlink(gate);
	(void)rmdir(dir);
	free(command);
	free(gate);
	expect_shell(fx, "echo room", PROBE_PASS, "exit status 0: room");
}

/* Main would be mad to send that: better no runner than a confused one. */
static void
test_malformed_message_ends_the_runner(void **state)
{
	static const struct {
		uint16_t type;
		const char *body;
	} cases[] = {
		{ PROBE_MSG_EXEC, "short" },
		{ PROBE_MSG_STOP, "short" },
		{ PROBE_MSG_RESULT, "" },
		{ 99, "" },
	};

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct fixture *fx;

		if (i > 0)
			assert_int_equal(setup(state), 0);
		fx = *state;
		chan_send(fx->ch, cases[i].type, cases[i].body,
		    strlen(cases[i].body));
		assert_int_equal(wait_exit(fx->pid), 1);
		fx->pid = 0;
		if (i + 1 < TEST_COUNT(cases))
			assert_int_equal(teardown(state), 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_exit_status),
		CASE(test_cannot_run),
		CASE(test_surroundings),
		CASE(test_timeout_kills_the_group),
		CASE(test_leftover_children_are_killed),
		CASE(test_stop_kills_without_an_answer),
		CASE(test_end_of_main_kills_all),
		CASE(test_killed_runner_leaves_no_leader),
		CASE(test_huge_output_is_discarded),
		CASE(test_closed_output),
		CASE(test_many_at_once),
		CASE(test_malformed_message_ends_the_runner),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
