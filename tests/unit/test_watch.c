/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * anycastctl watch on a pseudo-terminal: a child runs it, the test is the
 * person in front of it, and the daemon too.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "anycastctl/ctl.h"
#include "base/xalloc.h"
#include "canned.h"
#include "loop_wait.h"
#include "test.h"

#define ENTER "\033[?1049h"
#define LEAVE "\033[?1049l"
#define SEEN_BYTES (1u << 20)
#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

struct scene {
	char dir[64];
	char socket[128];
	struct loop *lp;
	struct canned *daemon;
	char *answer;
	int tty; /* our end */
	pid_t child;
	char *seen; /* since the last look_away */
	size_t len;
};

/* ---- the daemon ---- */

static char *
make_answer(const char *state)
{
	return xasprintf(HEAD
	    "{\"version\": \"1\", \"roles\": [\"agent\"], \"now_ms\": 60000,"
	    " \"started_ms\": 0, \"sites\": ["
	    "{\"site\": \"akl\", \"state\": \"sick\"},"
	    "{\"site\": \"chc\", \"state\": \"%s\", \"services\": [],"
	    " \"prefixes\": [], \"intents\": []},"
	    "{\"site\": \"syd\", \"state\": \"a-state-as-long-as-this\"}]}",
	    state);
}

static void
daemon_start(struct scene *sc, const char *state)
{
	free(sc->answer);
	sc->answer = make_answer(state);
	sc->daemon = canned_new_unix(sc->lp, sc->socket, sc->answer);
	sc->daemon->mode = CANNED_CLOSE;
}

static void
daemon_stop(struct scene *sc)
{
	canned_free(sc->daemon);
	sc->daemon = NULL;
	(void)unlink(sc->socket);
}

/* ---- the person ---- */

static void
on_screen(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct scene *sc = arg;
	ssize_t n = read(fd, sc->seen + sc->len, SEEN_BYTES - 1 - sc->len);

	(void)lp;
	(void)events;
	if (n > 0)
		sc->len += (size_t)n;
	sc->seen[sc->len] = '\0';
}

static void
look_away(struct scene *sc)
{
	sc->len = 0;
	sc->seen[0] = '\0';
}

static void
press(struct scene *sc, const char *keys)
{
	assert_int_equal(write(sc->tty, keys, strlen(keys)), strlen(keys));
}

static bool
is_echoing(const struct scene *sc)
{
	struct termios modes;

	assert_int_equal(tcgetattr(sc->tty, &modes), 0);
	return (modes.c_lflag & ECHO) != 0 && (modes.c_lflag & ICANON) != 0;
}

static void
resize(struct scene *sc, unsigned short rows, unsigned short columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	assert_int_equal(ioctl(sc->tty, TIOCSWINSZ, &size), 0);
}

/* The child's whole life: argv[1..] of anycastctl, then its exit status. */
static void
run_child(const struct scene *sc, const char *site)
{
	char name[] = "anycastctl", option[] = "--socket", cmd[] = "watch";
	char every[] = "--interval=100ms";
	char *argv[] = { name, option, xstrdup(sc->socket), cmd, every,
		site != NULL ? xstrdup(site) : NULL, NULL };

	(void)setenv("TERM", "xterm", 1);
	_exit((int)ctl_run(site != NULL ? 6 : 5, argv, stdout, stderr));
}

static void
begin(struct scene *sc, const char *site)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	fflush(NULL);
	sc->child = forkpty(&sc->tty, NULL, NULL, &size);
	assert_true(sc->child != -1);
	if (sc->child == 0)
		run_child(sc, site);
	assert_int_equal(fcntl(sc->tty, F_SETFL, O_NONBLOCK), 0);
}

/* Whether the child has changed as waitpid tells; *status is set then. */
static bool
has_changed(struct scene *sc, int *status)
{
	return waitpid(sc->child, status, WNOHANG | WUNTRACED) == sc->child;
}

/* Ends with that exit status. */
static void
check_end(struct scene *sc, struct loop_fd *io, enum ctl_exit rc)
{
	int status = 0;

	WAIT_FOR(sc->lp, has_changed(sc, &status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), (int)rc);
	loop_step(sc->lp, WAIT_STEP_MS);
	loop_fd_free(io);
	(void)close(sc->tty);
}

static bool
sees(const struct scene *sc, const char *text)
{
	return strstr(sc->seen, text) != NULL;
}

static int
setup(void **state)
{
	struct scene *sc = xcalloc(1, sizeof(*sc));

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(sc->dir, sizeof(sc->dir), "/tmp/test_watch.XXXXXX");
	assert_non_null(mkdtemp(sc->dir));
	(void)snprintf(sc->socket, sizeof(sc->socket), "%s/sock", sc->dir);
	sc->lp = loop_new();
	sc->seen = xcalloc(SEEN_BYTES, 1);
	daemon_start(sc, "announcing");
	*state = sc;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *sc = *state;

	if (sc->daemon != NULL)
		daemon_stop(sc);
	loop_free(sc->lp);
	assert_int_equal(rmdir(sc->dir), 0);
	free(sc->answer);
	free(sc->seen);
	free(sc);
	return 0;
}

#define BEGIN(sc, site)                                                        \
	begin(sc, site);                                                       \
	io = loop_fd_new((sc)->lp, (sc)->tty, LOOP_READ, on_screen, sc)

/* ---- tests ---- */

static void
test_key_ends_it_and_the_terminal_is_as_before(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;

	BEGIN(sc, NULL);
	WAIT_FOR(sc->lp, sees(sc, "announcing"));
	assert_true(sees(sc, ENTER) && sees(sc, "every 100ms, q ends"));
	assert_false(is_echoing(sc));
	press(sc, "xq");
	WAIT_FOR(sc->lp, sees(sc, LEAVE));
	WAIT_FOR(sc->lp, is_echoing(sc));
	check_end(sc, io, CTL_DONE);
}

static void
test_signals_end_it_and_the_terminal_is_as_before(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct scene *sc = *state;

	for (size_t i = 0; i < TEST_COUNT(signals); i++) {
		struct loop_fd *io;

		look_away(sc);
		BEGIN(sc, NULL);
		WAIT_FOR(sc->lp, sees(sc, "announcing"));
		assert_int_equal(kill(sc->child, signals[i]), 0);
		WAIT_FOR(sc->lp, sees(sc, LEAVE) && is_echoing(sc));
		check_end(sc, io, CTL_DONE);
	}
}

static void
test_daemon_may_restart(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;

	BEGIN(sc, NULL);
	WAIT_FOR(sc->lp, sees(sc, "announcing"));
	daemon_stop(sc);
	look_away(sc);
	WAIT_FOR(sc->lp, sees(sc, "/sock: No such file"));
	/* What was known stays in sight, and how old it is. */
	assert_true(sees(sc, "state of "));
	WAIT_FOR(sc->lp, sees(sc, "announcing"));
	daemon_start(sc, "drained");
	WAIT_FOR(sc->lp, sees(sc, "drained"));
	look_away(sc);
	WAIT_FOR(sc->lp, sees(sc, "q ends"));
	press(sc, "\003");
	check_end(sc, io, CTL_DONE);
}

static void
test_what_does_not_fit_is_cut(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;

	BEGIN(sc, NULL);
	WAIT_FOR(sc->lp, sees(sc, "a-state-as-long-as-this"));
	resize(sc, 4, 20);
	WAIT_FOR(sc->lp, sees(sc, "... 3 more lines"));
	look_away(sc);
	resize(sc, 24, 20);
	WAIT_FOR(sc->lp, sees(sc, "a-state-as-lon"));
	assert_false(sees(sc, "a-state-as-long"));
	press(sc, "q");
	check_end(sc, io, CTL_DONE);
}

static void
test_suspended_and_resumed(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;
	int status = 0;

	BEGIN(sc, NULL);
	WAIT_FOR(sc->lp, sees(sc, "announcing"));
	press(sc, "\032");
	WAIT_FOR(sc->lp, has_changed(sc, &status));
	assert_true(WIFSTOPPED(status) && is_echoing(sc));
	WAIT_FOR(sc->lp, sees(sc, LEAVE));
	look_away(sc);
	assert_int_equal(kill(sc->child, SIGCONT), 0);
	WAIT_FOR(sc->lp, sees(sc, ENTER) && sees(sc, "announcing"));
	press(sc, "q");
	check_end(sc, io, CTL_DONE);
}

static void
test_one_site(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;

	BEGIN(sc, "chc");
	WAIT_FOR(sc->lp, sees(sc, "announcing"));
	assert_false(sees(sc, "akl"));
	press(sc, "q");
	check_end(sc, io, CTL_DONE);
}

/* Mistakes are told on the terminal as it is, where they can be read. */
static void
test_mistakes_do_not_begin(void **state)
{
	struct scene *sc = *state;
	struct loop_fd *io;

	BEGIN(sc, "xyz");
	WAIT_FOR(sc->lp, sees(sc, "site xyz: not in this fleet, known: akl"));
	assert_false(sees(sc, ENTER));
	check_end(sc, io, CTL_FAILED);
	daemon_stop(sc);
	BEGIN(sc, NULL);
	WAIT_FOR(sc->lp, sees(sc, "is anycastd running?"));
	assert_false(sees(sc, ENTER));
	check_end(sc, io, CTL_UNREACHABLE);
}

#define WATCH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH_TEST(test_key_ends_it_and_the_terminal_is_as_before),
		WATCH_TEST(test_signals_end_it_and_the_terminal_is_as_before),
		WATCH_TEST(test_daemon_may_restart),
		WATCH_TEST(test_what_does_not_fit_is_cut),
		WATCH_TEST(test_suspended_and_resumed),
		WATCH_TEST(test_one_site),
		WATCH_TEST(test_mistakes_do_not_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
