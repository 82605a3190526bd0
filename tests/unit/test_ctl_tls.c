/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * anycastctl over TLS.  A child is the daemons: the real server, at a port for
 * each way to meet it.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anycastctl/client.h"
#include "api/server.h"
#include "base/mono.h"
#include "ctl_run.h"
#include "http_wire.h"
#include "tls_made.h"

#define GOLDEN_DIR "tests/golden/report/"

enum port {
	PORT_FLEET,
	PORT_FLEET_6,
	PORT_ELSEWHERE, /* of the fleet, but not of this address */
	PORT_STRANGER,
	PORT_CLEAR,
	PORT_COUNT
};

static struct {
	char url[PORT_COUNT][48];
	pid_t pid;
} env;

/* ---- the daemons, in the child ---- */

static unsigned n_follows;

static void
handle_status(struct api_request *req, void *arg)
{
	(void)arg;
	api_reply_json(req, 200,
	    json_load_file(GOLDEN_DIR "status.json", 0, NULL));
}

/* Three calls, then an end. */
static void
handle_events(struct api_request *req, void *arg)
{
	struct err err = { 0 };

	(void)arg;
	if (++n_follows > 3) {
		err_set(&err, ERR_REFUSED, "the end");
		api_reply_err(req, &err);
		return;
	}
	api_reply_json(req, 200,
	    json_load_file(GOLDEN_DIR "events.json", 0, NULL));
}

static const struct api_route routes[] = {
	{ "GET", "/v1/status", API_READ, handle_status },
	{ "GET", "/v1/events", API_READ, handle_events },
	{ "GET", "/v1/optouts", API_LOCAL, handle_status },
	{ "POST", "/v1/sites/+/drain", API_LOCAL, handle_status },
	{ 0 },
};

static void
serve_at(struct loop *lp, const char *where, const struct tls_files *files)
{
	struct api_server *s = api_server_new(lp);
	const struct api_places places = { .tcp = where, .tls = files };
	struct err err;

	api_server_add(s, routes, NULL);
	if (api_server_listen(s, &places, &err) == -1) {
		print_error("%s\n", err.msg);
		_exit(9);
	}
}

static void
serve(int ready)
{
	static struct identity akl, chc, stranger;
	const struct tls_files *const files[PORT_COUNT] = { &akl.files,
		&akl.files, &chc.files, &stranger.files, NULL };
	struct loop *lp = loop_new();

	(void)signal(SIGPIPE, SIG_IGN);
	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&chc, made.fleet, "chc");
	(void)files_of(&stranger, made.other, "akl");
	for (int i = 0; i < PORT_COUNT; i++)
		serve_at(lp, strstr(env.url[i], "//") + 2, files[i]);
	if (write(ready, "", 1) != 1)
		_exit(9);
	loop_run(lp);
	_exit(9);
}

/* ---- the test's side ---- */

static int
setup(void **state)
{
	int ready[2];
	char byte;

	if (made_setup(state) != 0 || pipe(ready) == -1)
		return -1;
	for (int i = 0; i < PORT_COUNT; i++) {
		(void)snprintf(env.url[i], sizeof(env.url[i]), "%s://%s:%u",
		    i == PORT_CLEAR ? "http" : "https",
		    i == PORT_FLEET_6 ? "[::1]" : "127.0.0.1",
		    wire_free_port());
	}
	fflush(NULL);
	env.pid = fork();
	if (env.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ready[0]);
		serve(ready[1]);
	}
	(void)close(ready[1]);
	if (env.pid == -1 || read(ready[0], &byte, 1) != 1)
		return -1;
	return close(ready[0]);
}

static int
teardown(void **state)
{
	(void)kill(env.pid, SIGKILL);
	(void)waitpid(env.pid, NULL, 0);
	return made_teardown(state);
}

/* Who asks by these files, at that URL. */
static struct result
run_as(const char *url, const struct tls_files *files, const char *first,
    const char *second)
{
	const char *const args[] = { "--url", url, "--certificate",
		files->certificate, "--key", files->key, "--ca", files->ca,
		first, second, NULL };

	return run_args(args);
}

static void
test_certificate_of_the_fleet(void **state)
{
	struct identity chc, jo;

	(void)state;
	(void)files_of(&chc, made.fleet, "chc");
	(void)files_of(&jo, made.fleet, PERSON);
	check(run_as(env.url[PORT_FLEET], &chc.files, "status", NULL), CTL_DONE,
	    "akl   announcing", "");
	check(run_as(env.url[PORT_FLEET], &jo.files, "status", "chc"), CTL_DONE,
	    "site chc: drained", "");
	check(run_as(env.url[PORT_FLEET_6], &jo.files, "status", NULL),
	    CTL_DONE, "akl   announcing", "");
}

/* What changes something is nowhere but at the socket. */
static void
test_what_a_url_is_not_for(void **state)
{
	struct identity jo;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	check(run_as(env.url[PORT_FLEET], &jo.files, "drain", "chc"),
	    CTL_FAILED, "",
	    "/v1/sites/chc/drain: nothing here: not over a URL: ask over the "
	    "daemon's socket\n");
	check(run_as(env.url[PORT_FLEET], &jo.files, "optout", "list"),
	    CTL_FAILED, "", "/v1/optouts: nothing here: not over a URL");
}

static void
test_follow(void **state)
{
	struct identity jo;
	struct result r;
	size_t lines = 0;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	r = run_as(env.url[PORT_FLEET], &jo.files, "events", "--follow");
	assert_int_equal(r.rc, CTL_FAILED);
	assert_string_equal(r.err, "anycastctl: the end\n");
	for (const char *s = r.out; (s = strstr(s, "drain")) != NULL; s++)
		lines++;
	assert_int_equal(lines, 3);
	result_clear(&r);
}

/* Reads on until the text has been there so many times. */
static void
see(int tty, const char *text, unsigned times, char *seen, size_t size)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	struct pollfd fd = { .fd = tty, .events = POLLIN };
	unsigned n = 0;

	for (size_t len = 0; n < times;) {
		ssize_t got;

		assert_true(mono_before(mono_now(), end));
		if (poll(&fd, 1, 100) == 0)
			continue;
		got = read(tty, seen + len, size - 1 - len);
		assert_true(got > 0);
		seen[len += (size_t)got] = '\0';
		n = 0;
		for (const char *s = seen; (s = strstr(s, text)) != NULL; s++)
			n++;
	}
}

/* By the environment; NULL: without. */
static void
set_env(const char *url, const struct tls_files *files)
{
	static const char *const names[] = { "ANYCASTD_URL",
		"ANYCASTD_CERTIFICATE", "ANYCASTD_KEY", "ANYCASTD_CA" };
	const char *const values[] = { url,
		files != NULL ? files->certificate : NULL,
		files != NULL ? files->key : NULL,
		files != NULL ? files->ca : NULL };

	for (size_t i = 0; i < TEST_COUNT(names); i++) {
		assert_int_equal(values[i] != NULL
			? setenv(names[i], values[i], 1)
			: unsetenv(names[i]),
		    0);
	}
}

static void
watch_as_child(const struct tls_files *files)
{
	char name[] = "anycastctl", cmd[] = "watch",
	     every[] = "--interval=100ms";
	char *argv[] = { name, cmd, every, NULL };

	set_env(env.url[PORT_FLEET], files);
	(void)setenv("TERM", "xterm", 1);
	_exit((int)ctl_run(3, argv, stdout, stderr));
}

static void
test_watch(void **state)
{
	static char seen[1u << 20];
	struct winsize size = { .ws_row = 12, .ws_col = 70 };
	struct identity jo;
	int tty, status;
	pid_t pid;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	fflush(NULL);
	pid = forkpty(&tty, NULL, NULL, &size);
	assert_true(pid != -1);
	if (pid == 0)
		watch_as_child(&jo.files);
	/* Asked anew each time, and never in vain. */
	see(tty, "q ends", 4, seen, sizeof(seen));
	assert_non_null(strstr(seen, "announcing"));
	assert_null(strstr(seen, "state of "));
	assert_int_equal(write(tty, "q", 1), 1);
	see(tty, "\033[?1049l", 1, seen, sizeof(seen));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CTL_DONE);
	(void)close(tty);
}

static int
clear_env(void **state)
{
	(void)state;
	set_env(NULL, NULL);
	return unsetenv("ANYCASTD_SOCKET");
}

static void
test_environment(void **state)
{
	struct identity jo, stranger;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	(void)files_of(&stranger, made.other, PERSON);
	set_env(env.url[PORT_FLEET], &jo.files);
	check(RUN("status"), CTL_DONE, "akl   announcing", "");
	/* What an option says comes before. */
	check(RUN("status", "--url", env.url[PORT_STRANGER], "--ca",
		  stranger.ca, "--key", stranger.key, "--certificate",
		  stranger.certificate),
	    CTL_DONE, "akl   announcing", "");
	check(RUN("status", "--key", stranger.key), CTL_USAGE, "",
	    "key values mismatch");
	check(RUN("status", "--socket", "/nowhere/sock"), CTL_UNREACHABLE, "",
	    "socket /nowhere/sock: ");
	/* They wait for a URL that they are for. */
	check(RUN("status", "--url", env.url[PORT_CLEAR]), CTL_DONE,
	    "akl   announcing", "");
	(void)setenv("ANYCASTD_SOCKET", "/nowhere/sock", 1);
	check(RUN("status"), CTL_USAGE, "",
	    "ANYCASTD_SOCKET and ANYCASTD_URL: only one of them");
	check(RUN("status", "--url", env.url[PORT_FLEET]), CTL_DONE,
	    "akl   announcing", "");
	/* Set to nothing is not set. */
	(void)setenv("ANYCASTD_SOCKET", "", 1);
	check(RUN("status"), CTL_DONE, "akl   announcing", "");
	(void)unsetenv("ANYCASTD_SOCKET");
	(void)setenv("ANYCASTD_KEY", "", 1);
	check(RUN("status"), CTL_USAGE, "", "--key is missing");
}

static void
test_who_is_not_let_in(void **state)
{
	struct identity jo, stranger;
	struct tls_files mixed;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	(void)files_of(&stranger, made.other, PERSON);
	/* Which of two texts it is, is up to who comes first. */
	mixed = (struct tls_files){ stranger.certificate, stranger.key, jo.ca };
	for (int i = 0; i < 4; i++) {
		struct result r =
		    run_as(env.url[PORT_FLEET], &mixed, "status", NULL);

		assert_null(strstr(r.err, "may have been done"));
		assert_non_null(strstr(r.err, stranger.certificate));
		check(r, CTL_UNREACHABLE, "", "refuse");
	}
	check(RUN("status", "--url", env.url[PORT_FLEET]), CTL_UNREACHABLE, "",
	    "a fleet with certificates needs --certificate, --key and --ca");
	check(RUN("status", "--url", strstr(env.url[PORT_FLEET], "127")),
	    CTL_USAGE, "", "expected http://HOST:PORT or https://HOST:PORT");
}

static void
test_who_is_not_believed(void **state)
{
	struct identity jo;
	char *https = xasprintf("https%s", strchr(env.url[PORT_CLEAR], ':'));
	char *http = xasprintf("http%s", strchr(env.url[PORT_FLEET], ':'));

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	check(run_as(env.url[PORT_STRANGER], &jo.files, "status", NULL),
	    CTL_UNREACHABLE, "", jo.ca);
	check(run_as(env.url[PORT_STRANGER], &jo.files, "status", NULL),
	    CTL_UNREACHABLE, "",
	    "not believed to be anycastd: SSL certificate");
	check(run_as(env.url[PORT_ELSEWHERE], &jo.files, "status", NULL),
	    CTL_UNREACHABLE, "", "target host name '127.0.0.1'");
	check(run_as(https, &jo.files, "status", NULL), CTL_UNREACHABLE, "",
	    "is it http there?");
	check(RUN("status", "--url", http), CTL_UNREACHABLE, "",
	    "or is it https there?");
	free(https);
	free(http);
}

static void
test_options_that_do_not_go_together(void **state)
{
	struct identity jo;
	const char *url = env.url[PORT_FLEET];

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	check(RUN("status", "--url", url, "--key", jo.key, "--ca", jo.ca),
	    CTL_USAGE, "", "--certificate is missing");
	check(RUN("status", "--url", url, "--certificate", jo.certificate,
		  "--ca", jo.ca),
	    CTL_USAGE, "", "--key is missing");
	check(RUN("status", "--url", url, "--key", jo.key, "--certificate",
		  jo.certificate),
	    CTL_USAGE, "", "--ca is missing");
	check(run_as(env.url[PORT_CLEAR], &jo.files, "status", NULL), CTL_USAGE,
	    "", "only for https, not for http://");
	check(RUN("status", "--socket", "/nowhere/sock", "--ca", jo.ca),
	    CTL_USAGE, "", "only for https, not for /nowhere/sock");
}

static void
test_files_that_do_not_fit(void **state)
{
	struct identity jo, chc;
	const char *const lock[] = { "openssl", "pkey", "-in", jo.key,
		"-aes128", "-passout=pass:x", NULL };
	char *locked = xasprintf("%s/locked.key", made.dir);
	const char *url = env.url[PORT_FLEET];
	struct tls_files files;
	char out[1024];
	FILE *f;

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	(void)files_of(&chc, made.fleet, "chc");
	files = (struct tls_files){ "/nowhere/x.pem", jo.key, jo.ca };
	check(run_as(url, &files, "status", NULL), CTL_USAGE, "",
	    "certificate: /nowhere/x.pem: No such file or directory");
	files = (struct tls_files){ jo.certificate, chc.key, jo.ca };
	check(run_as(url, &files, "status", NULL), CTL_USAGE, "",
	    "chc.key: key values mismatch");
	files = (struct tls_files){ jo.certificate, jo.key, made.dir };
	check(run_as(url, &files, "status", NULL), CTL_USAGE, "", "ca: ");
	/* Nobody is asked for a pass phrase. */
	assert_int_equal(run_program(lock, "", out, sizeof(out)), 0);
	f = fopen(locked, "we");
	assert_non_null(f);
	fputs(out, f);
	assert_int_equal(fclose(f), 0);
	files = (struct tls_files){ jo.certificate, locked, jo.ca };
	check(run_as(url, &files, "status", NULL), CTL_USAGE, "",
	    "locked.key: ");
	assert_int_equal(unlink(locked), 0);
	free(locked);
}

/* While it watches: a renewed certificate is shown from the next call on. */
static void
test_files_are_replaced(void **state)
{
	struct ctl_request req = {
		.method = "GET", .path = "/v1/status", .timeout_ms = WAIT_MAX_MS
	};
	char *key = xasprintf("%s/own.key", made.dir);
	struct ctl_target target = { .url = env.url[PORT_FLEET] };
	struct identity jo, chc;
	struct ctl_client *cl;
	struct ctl_answer answer;
	struct err err = { 0 };

	(void)state;
	(void)files_of(&jo, made.fleet, PERSON);
	(void)files_of(&chc, made.fleet, "chc");
	made_copy(jo.key, key);
	target.tls = (struct tls_files){ jo.certificate, key, jo.ca };
	cl = ctl_client_new(&target, &err);
	assert_non_null(cl);
	assert_int_equal(ctl_client_call(cl, &req, &answer), 0);
	ctl_answer_clear(&answer);
	made_copy(chc.key, key);
	assert_int_equal(ctl_client_call(cl, &req, &answer), -1);
	assert_int_equal(answer.status, 0);
	assert_non_null(strstr(answer.message, key));
	assert_null(strstr(answer.message, "may have been done"));
	ctl_answer_clear(&answer);
	made_copy(jo.key, key);
	assert_int_equal(ctl_client_call(cl, &req, &answer), 0);
	ctl_answer_clear(&answer);
	ctl_client_free(cl);
	assert_int_equal(unlink(key), 0);
	free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_of_the_fleet),
		cmocka_unit_test(test_what_a_url_is_not_for),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_watch),
		cmocka_unit_test_teardown(test_environment, clear_env),
		cmocka_unit_test(test_who_is_not_let_in),
		cmocka_unit_test(test_who_is_not_believed),
		cmocka_unit_test(test_options_that_do_not_go_together),
		cmocka_unit_test(test_files_that_do_not_fit),
		cmocka_unit_test(test_files_are_replaced),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
