/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server: routes, what handlers see and answer, where it listens. */
#include "api/server.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/user.h"
#include "server_rig.h"
#include "test.h"

/* ---- routes ---- */

static const struct {
	const char *method, *path;
	int status;
} paths[] = {
	{ "GET", "/v1/hello", 200 },
	{ "GET", "/v1/hello?x=1", 200 },
	{ "GET", "/v1/more", 200 },
	{ "POST", "/v1/hello", 404 },
	{ "GET", "/v1/hello/", 404 },
	{ "GET", "/v1", 404 },
	{ "GET", "/v1/hell", 404 },
	{ "GET", "/v1/helloo", 404 },
	{ "GET", "/", 404 },
	{ "GET", "//v1/hello", 404 },
	{ "GET", "/v1%2Fhello", 404 },
	{ "GET", "/v1/hell%6f", 200 },
	{ "GET", "/v1/hello%00", 400 },
	{ "GET", "/v1/seen/x%00y", 400 },
	{ "GET", "/a/b/c/d/e/f", 404 },
	{ "GET", "/a/b/c/d/e/f/g", 400 },
	{ "GET", "/v1/seen/a?q=b%20c", 200 },
	{ "GET", "/v1/seen/a?q", 400 },
	{ "GET", "/v1/seen/a?=b", 400 },
	{ "PUT", "/v1/hello", 501 },
	{ "DELETE", "/v1/hello", 501 },
};

static void
check_path(struct house *h, size_t i, bool is_local)
{
	int status = ask(h, paths[i].method, paths[i].path, is_local, NULL);

	if (status != paths[i].status)
		fail_msg("%s %s: %d", paths[i].method, paths[i].path, status);
}

static void
test_routes(void **state)
{
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(paths); i++)
		check_path(h, i, i % 2 == 0);
}

static void
test_handler_sees_segments_parameters_and_the_actor(void **state)
{
	char name[USER_NAME_BYTES];
	struct house *h = *state;
	char want[128];

	assert_int_equal(ask(h, "GET", "/v1/seen/a%2fb?q=c%26+d&q=e", true,
			     NULL),
	    200);
	assert_true(user_name(getuid(), name));
	(void)snprintf(want, sizeof(want), "a/b||c& d|uid %u (%s)",
	    (unsigned)getuid(), name);
	assert_string_equal(h->seen, want);
	assert_string_equal(h->body, "seen");
	assert_int_equal(ask(h, "POST", "/v1/seen/x", false, "12345"), 200);
	assert_string_equal(h->seen, "x||-|127.0.0.1");
	assert_int_equal(h->body_len, 5);
}

/* What changes things is for who may open the control socket. */
static void
test_local_routes_are_not_there_over_tcp(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "POST", "/v1/change", false, NULL), 404);
	assert_int_equal(h->calls, 0);
	assert_int_equal(ask(h, "POST", "/v1/change", true, NULL), 200);
	assert_int_equal(h->calls, 1);
	assert_int_equal(ask(h, "POST", "/v1/echo", false, "{}"), 200);
}

static void
test_numbers_in_parameters(void **state)
{
	static const struct {
		const char *path, *body;
	} cases[] = {
		{ "/v1/number", "{\"n\":7}" },
		{ "/v1/number?n=-1", "{\"n\":-1}" },
		{ "/v1/number?n=0", "{\"n\":0}" },
		{ "/v1/number?n=100", "{\"n\":100}" },
		{ "/v1/number?n=101", NULL },
		{ "/v1/number?n=-2", NULL },
		{ "/v1/number?n=", NULL },
		{ "/v1/number?n=1x", NULL },
		{ "/v1/number?n=+1", NULL },
		{ "/v1/number?n=99999999999999999999", NULL },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		int status = ask(h, "GET", cases[i].path, true, NULL);

		assert_int_equal(status, cases[i].body != NULL ? 200 : 400);
		if (cases[i].body != NULL) {
			assert_string_equal(h->body, cases[i].body);
		} else {
			assert_non_null(strstr(h->body, "parameter n"));
		}
	}
}

static void
test_bodies_are_json_objects(void **state)
{
	static const struct {
		const char *body;
		int status;
	} cases[] = {
		{ "", 200 },
		{ "{}", 200 },
		{ "{\"a\":[1,{\"b\":null}]}", 200 },
		{ "[]", 400 },
		{ "1", 400 },
		{ "null", 400 },
		{ "\"x\"", 400 },
		{ "{", 400 },
		{ "{\"a\":1,\"a\":2}", 400 },
		{ "{\"a\":1}}", 400 },
		{ "{\"a\":\"\\u0000\"}", 400 },
		{ "{\"a\":\"\xff\"}", 400 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		assert_int_equal(ask(h, "POST", "/v1/echo", true,
				     cases[i].body),
		    cases[i].status);
	}
}

static void
test_errors_have_a_status_and_a_body(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} cases[] = {
		{ ERR_SYS, 500 },
		{ ERR_CONF, 400 },
		{ ERR_PROTO, 400 },
		{ ERR_STORE, 500 },
		{ ERR_BIRD, 500 },
		{ ERR_REFUSED, 409 },
		{ ERR_TIMEOUT, 504 },
		{ ERR_GONE, 404 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char path[64], want[128];

		(void)snprintf(path, sizeof(path), "/v1/fail/%d/why",
		    (int)cases[i].code);
		(void)snprintf(want, sizeof(want),
		    "{\"error\":{\"code\":\"%s\",\"message\":\"why\"}}",
		    err_code_name(cases[i].code));
		assert_int_equal(ask(h, "GET", path, true, NULL),
		    cases[i].status);
		assert_string_equal(h->body, want);
	}
	assert_int_equal(ask(h, "GET", "/v1/not-json", true, NULL), 500);
}

/* An error quotes the request: whatever it was, the answer is JSON. */
static void
test_error_that_quotes_bytes_is_json(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "GET", "/v1/fail/6/%ff%c3%28x%e2%82", true,
			     NULL),
	    409);
	assert_non_null(strstr(h->body, "\"message\":\"?\?(x?\?\""));
	assert_int_equal(ask(h, "GET", "/v1/fail/6/%c3%bc", true, NULL), 409);
	assert_non_null(strstr(h->body, "\"message\":\"\xc3\xbc\""));
}

/* ---- answers that wait ---- */

static void
test_deferred_answer_arrives(void **state)
{
	struct house *h = *state;

	(void)begin(h, "GET", "/v1/later", true, NULL);
	WAIT_FOR(h->lp, h->deferred != NULL);
	loop_idle(h->lp, 20);
	assert_false(h->is_done);
	api_reply_empty(h->deferred, 204);
	WAIT_FOR(h->lp, h->is_done);
	assert_int_equal(h->status, 204);
	assert_int_equal(h->gone, 0);
	/* The connection is used again. */
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* Who waits must hear that the client went away, not answer a ghost. */
static void
test_client_gone_while_it_waits(void **state)
{
	static const char *const requests[] = {
		"GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /v1/later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		"\r\n{}",
		/* The next request is there already. */
		"GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n"
		"GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	struct house *h = *state;

	for (unsigned i = 0; i < 2 * TEST_COUNT(requests); i++) {
		if (i % 2 == 0) {
			wire_unix(h->wire, h->lp, h->path);
		} else {
			wire_tcp(h->wire, h->lp, h->port);
		}
		wire_send(h->wire, requests[i / 2]);
		WAIT_FOR(h->lp, h->deferred != NULL);
		wire_close(h->wire);
		WAIT_FOR(h->lp, h->gone == i + 1);
		assert_null(h->deferred);
	}
	loop_idle(h->lp, 20);
	assert_int_equal(h->gone, 2 * TEST_COUNT(requests));
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* A reset wakes the loop for ever if nobody looks; so would bytes that come
 * while the answer waits. */
static void
test_client_reset_while_it_waits(void **state)
{
	static const struct linger reset = { .l_onoff = 1 };
	struct house *h = *state;

	for (unsigned i = 0; i < 2; i++) {
		unsigned turns = 0;

		wire_tcp(h->wire, h->lp, h->port);
		wire_send(h->wire, "GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n");
		WAIT_FOR(h->lp, h->deferred != NULL);
		if (i == 1)
			wire_send(h->wire, "GET /v1/hello");
		for (struct mono end = mono_add_ms(mono_now(), 300);
		     mono_before(mono_now(), end); turns++)
			loop_step(h->lp, 50);
		assert_true(turns < 100);
		assert_int_equal(setsockopt(h->wire->fd, SOL_SOCKET, SO_LINGER,
				     &reset, sizeof(reset)),
		    0);
		wire_close(h->wire);
		WAIT_FOR(h->lp, h->gone == i + 1);
		assert_null(h->deferred);
	}
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* No descriptor is left for those who knock: that is no reason to spin, and when
 * there are some again the door opens. */
static void
test_descriptors_run_out(void **state)
{
	struct house *h = *state;
	struct rlimit before, few;
	unsigned turns = 0;
	pid_t pid = hold_connections(h->port, 40);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 24;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (struct mono end = mono_add_ms(mono_now(), 700);
	     mono_before(mono_now(), end); turns++)
		loop_step(h->lp, 50);
	assert_int_equal(dup(STDERR_FILENO), -1);
	assert_true(turns < 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(ask(h, "GET", "/v1/hello", false, NULL), 200);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
test_next_request_waits_for_the_deferred_one(void **state)
{
	struct house *h = *state;

	wire_unix(h->wire, h->lp, h->path);
	wire_send(h->wire,
	    "GET /v1/later HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_FOR(h->lp, h->deferred != NULL);
	loop_idle(h->lp, 20);
	assert_int_equal(h->calls, 1);
	api_reply_empty(h->deferred, 204);
	h->deferred = NULL;
	WAIT_FOR(h->lp, wire_has(h->wire, "\"hello\""));
	assert_int_equal(wire_answers(h->wire), 2);
}

/* At a clean end requests may still wait. */
static void
test_server_ends_while_a_request_waits(void **state)
{
	struct house *h = *state;

	(void)begin(h, "GET", "/v1/later", true, NULL);
	WAIT_FOR(h->lp, h->deferred != NULL);
	api_server_free(h->server);
	h->server = NULL;
	assert_int_equal(h->gone, 1);
	assert_null(h->deferred);
}

/* ---- the control socket ---- */

static void
test_control_socket_is_for_its_group(void **state)
{
	struct house *h = *state;
	struct stat st;

	assert_int_equal(stat(h->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
}

static int
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == -1 ? -1 : (int)(st.st_mode & 07777);
}

/* Everybody may look, nobody may change anything there. */
static void
test_read_socket_only_tells(void **state)
{
	struct house *h = *state;
	char control[sizeof(h->path)], where[32];
	struct err err = { 0 };

	(void)snprintf(control, sizeof(control), "%s", h->path);
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	(void)snprintf(h->path, sizeof(h->path), "%s/read", h->dir);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = control,
				 .local_read = h->path,
				 .local_read_mode = 0666,
				 .tcp = where },
			     &err),
	    0);
	assert_int_equal(mode_of(h->path), 0666);
	assert_int_equal(mode_of(control), 0660);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
	for (size_t i = 0; routes[i].method != NULL; i++) {
		if (routes[i].reach == API_READ)
			continue;
		assert_in_range(ask(h, routes[i].method, routes[i].path, true,
				    NULL),
		    400, 409);
	}
	assert_int_equal(ask(h, "POST", "/v1/hello", true, NULL), 409);
	/* Not there any more, and the rest is. */
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = control }, &err),
	    0);
	assert_int_equal(mode_of(h->path), -1);
	(void)snprintf(h->path, sizeof(h->path), "%s", control);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

/* Of several new places one cannot be had: all is as it was. */
static void
test_listening_elsewhere_is_all_or_nothing(void **state)
{
	struct house *h = *state;
	char read[sizeof(h->path)];
	struct err err = { 0 };

	(void)snprintf(read, sizeof(read), "%s/read", h->dir);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){
				 .local = read, .tcp = "192.0.2.1:1" },
			     &err),
	    -1);
	assert_int_equal(mode_of(read), -1);
	assert_int_equal(mode_of(h->path), 0660);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
	assert_int_equal(ask(h, "GET", "/v1/hello", false, NULL), 200);
}

static void
test_living_daemon_keeps_its_socket(void **state)
{
	struct house *h = *state;
	struct api_server *other = api_server_new(h->lp);
	struct err err = { 0 };

	assert_int_equal(api_server_listen(other,
			     &(struct api_places){ .local = h->path }, &err),
	    -1);
	assert_int_equal(err.code, ERR_REFUSED);
	api_server_free(other);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
test_dead_socket_is_replaced(void **state)
{
	struct house *h = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct err err = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	api_server_free(h->server);
	assert_int_equal(access(h->path, F_OK), -1);
	memcpy(sa.sun_path, h->path, strlen(h->path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)close(fd);
	h->server = api_server_new(h->lp);
	api_server_add(h->server, routes, h);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = h->path }, &err),
	    0);
	assert_int_equal(ask(h, "GET", "/v1/hello", true, NULL), 200);
}

static void
test_bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "", "example.org:80",
		"1.2.3.4:99999", "192.0.2.1:1" };
	struct house *h = *state;
	char where[32];
	char long_path[200];

	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct api_server *s = api_server_new(h->lp);
		struct err err = { 0 };

		assert_int_equal(api_server_listen(s,
				     &(struct api_places){ .tcp = bad[i] },
				     &err),
		    -1);
		assert_int_not_equal(err.code, ERR_NONE);
		api_server_free(s);
	}
	/* Taken by ours. */
	for (int i = 0; i < 2; i++) {
		struct api_server *s = api_server_new(h->lp);
		struct err err = { 0 };

		(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
		memset(long_path, 'x', sizeof(long_path) - 1);
		long_path[0] = '/';
		long_path[sizeof(long_path) - 1] = '\0';
		assert_int_equal(i == 0
			? api_server_listen(s,
			      &(struct api_places){ .tcp = where }, &err)
			: api_server_listen(s,
			      &(struct api_places){ .local = long_path }, &err),
		    -1);
		assert_int_equal(err.code, i == 0 ? ERR_SYS : ERR_CONF);
		api_server_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_routes),
		WITH_HOUSE(test_handler_sees_segments_parameters_and_the_actor),
		WITH_HOUSE(test_local_routes_are_not_there_over_tcp),
		WITH_HOUSE(test_numbers_in_parameters),
		WITH_HOUSE(test_bodies_are_json_objects),
		WITH_HOUSE(test_errors_have_a_status_and_a_body),
		WITH_HOUSE(test_error_that_quotes_bytes_is_json),
		WITH_HOUSE(test_deferred_answer_arrives),
		WITH_HOUSE(test_client_gone_while_it_waits),
		WITH_HOUSE(test_client_reset_while_it_waits),
		WITH_HOUSE(test_descriptors_run_out),
		WITH_HOUSE(test_next_request_waits_for_the_deferred_one),
		WITH_HOUSE(test_server_ends_while_a_request_waits),
		WITH_HOUSE(test_control_socket_is_for_its_group),
		WITH_HOUSE(test_read_socket_only_tells),
		WITH_HOUSE(test_listening_elsewhere_is_all_or_nothing),
		WITH_HOUSE(test_living_daemon_keeps_its_socket),
		WITH_HOUSE(test_dead_socket_is_replaced),
		WITH_HOUSE(test_bad_addresses_are_refused),
	};

	return house_main(tests, TEST_COUNT(tests));
}
