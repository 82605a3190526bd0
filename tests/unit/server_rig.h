/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SERVER_RIG_H
#define SERVER_RIG_H
/*
 * server_rig -- a server of the test's own routes, on a socket and on a port,
 * and one client of it.
 */
#include "api/server.h"

#include <signal.h>
#include <sys/prctl.h>

#include <curl/curl.h>

#include "base/fetch.h"
#include "http_wire.h"
#include "loop_wait.h"
#include "test.h"

struct house {
	char dir[64];
	char path[128];
	uint16_t port;
	struct loop *lp;
	struct api_server *server;
	struct fetch_engine *fetch;
	struct wire *wire;
	/* The answer of the last get. */
	bool is_done;
	int status;
	char body[4096];
	/* What handlers saw. */
	unsigned calls, gone;
	struct api_request *deferred;
	size_t body_len;
	char seen[512];
};

/* ---- strangers ---- */

/* Connects so often, and holds on to it all until it is killed. */
static inline pid_t
hold_connections(uint16_t port, int n)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < n; i++) {
		(void)connect(socket(AF_INET, SOCK_STREAM, 0),
		    (struct sockaddr *)&sa, sizeof(sa));
	}
	for (;;)
		(void)pause();
}

/* ---- handlers ---- */

static inline void
handle_hello(struct api_request *req, void *arg)
{
	struct house *h = arg;

	h->calls++;
	api_reply_json(req, 200, json_pack("{s:s}", "hello", "you"));
}

static inline void
handle_seen(struct api_request *req, void *arg)
{
	struct house *h = arg;
	const char *q = api_param(req, "q");

	h->calls++;
	(void)api_body(req, &h->body_len);
	(void)snprintf(h->seen, sizeof(h->seen), "%s|%s|%s|%s",
	    api_segment(req, 2), api_segment(req, 9), q != NULL ? q : "-",
	    api_actor(req));
	api_reply_bytes(req, 200, "text/plain", "seen", 4);
}

static inline void
handle_echo(struct api_request *req, void *arg)
{
	struct house *h = arg;
	struct err err = { 0 };
	json_t *body = api_body_json(req, &err);

	h->calls++;
	if (body == NULL) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200, body);
	}
}

static inline void
handle_number(struct api_request *req, void *arg)
{
	static const int64_t range[] = { -1, 100 };
	int64_t value = 7;
	struct err err = { 0 };

	(void)arg;
	if (api_param_i64(req, "n", range, &value, &err) == -1) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200,
		    json_pack("{s:I}", "n", (json_int_t)value));
	}
}

static inline void
handle_fail(struct api_request *req, void *arg)
{
	struct err err = { 0 };

	(void)arg;
	(void)err_set(&err,
	    (enum err_code)strtol(api_segment(req, 2), NULL, 10), "%s",
	    api_segment(req, 3));
	api_reply_err(req, &err);
}

static inline void
handle_not_json(struct api_request *req, void *arg)
{
	(void)arg;
	api_reply_json(req, 200, NULL);
}

static inline void
on_gone(struct api_request *req, void *arg)
{
	struct house *h = arg;

	assert_ptr_equal(req, h->deferred);
	h->gone++;
	h->deferred = NULL;
}

static inline void
handle_later(struct api_request *req, void *arg)
{
	struct house *h = arg;

	h->calls++;
	h->deferred = req;
	api_request_defer(req, on_gone, h);
}

static const struct api_route routes[] = {
	{ "GET", "/v1/hello", API_READ, handle_hello },
	{ "GET", "/v1/seen/+", API_READ, handle_seen },
	{ "POST", "/v1/seen/+", API_READ, handle_seen },
	{ "POST", "/v1/echo", API_AGENT, handle_echo },
	{ "GET", "/v1/number", API_READ, handle_number },
	{ "GET", "/v1/fail/+/+", API_READ, handle_fail },
	{ "GET", "/v1/not-json", API_READ, handle_not_json },
	{ "GET", "/v1/later", API_READ, handle_later },
	{ "POST", "/v1/later", API_READ, handle_later },
	{ "POST", "/v1/change", API_LOCAL, handle_hello },
	{ 0 },
};

static const struct api_route more_routes[] = {
	{ "GET", "/v1/more", API_READ, handle_hello },
	{ 0 },
};

/* ---- the house ---- */

static inline int
house_setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct err err = { 0 };
	char where[32];

	assert_non_null(h);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/sock", h->dir);
	h->wire = calloc(1, sizeof(*h->wire));
	assert_non_null(h->wire);
	h->wire->fd = -1;
	h->lp = loop_new();
	h->fetch = fetch_engine_new(h->lp);
	h->server = api_server_new(h->lp);
	api_server_add(h->server, routes, h);
	api_server_add(h->server, more_routes, h);
	h->port = wire_free_port();
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){
				 .local = h->path, .tcp = where },
			     &err),
	    0);
	*state = h;
	return 0;
}

static inline int
house_teardown(void **state)
{
	struct house *h = *state;

	if (h->wire->fd != -1)
		wire_close(h->wire);
	free(h->wire);
	fetch_engine_free(h->fetch);
	api_server_free(h->server);
	loop_free(h->lp);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static inline void
on_done(const struct fetch_answer *answer, void *arg)
{
	struct house *h = arg;

	h->is_done = true;
	h->status = answer->status;
	(void)snprintf(h->body, sizeof(h->body), "%s",
	    answer->body != NULL ? (const char *)answer->body : "");
}

static inline struct fetch *
begin(struct house *h, const char *method, const char *path, bool is_local,
    const char *body)
{
	char url[512];
	struct fetch_request req = { .method = method,
		.url = url,
		.unix_socket = is_local ? h->path : NULL,
		.body = body,
		.body_len = body != NULL ? strlen(body) : 0,
		.timeout_ms = WAIT_MAX_MS,
		.max_body_bytes = sizeof(h->body) - 1 };

	h->is_done = false;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", h->port,
	    path);
	return fetch_start(h->fetch, &req, on_done, h);
}

static inline int
ask(struct house *h, const char *method, const char *path, bool is_local,
    const char *body)
{
	(void)begin(h, method, path, is_local, body);
	WAIT_FOR(h->lp, h->is_done);
	return h->status;
}

static inline int
house_main(const struct CMUnitTest *tests, size_t n)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}

#define WITH_HOUSE(f)                                                          \
	cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

#endif /* SERVER_RIG_H */
