/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /metrics, and the listener for those who only read. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/metrics.h"
#include "base/fetch.h"
#include "http_wire.h"
#include "loop_wait.h"
#include "test.h"

struct house {
	char dir[64];
	char path[128];
	uint16_t port, read_port;
	struct loop *lp;
	struct api_server *server;
	struct metrics_page *page;
	struct fetch_engine *fetch;
	int64_t backlog;
	bool is_done;
	int status;
	char body[4096];
};

static void
handle_nothing(struct api_request *req, void *arg)
{
	(void)arg;
	api_reply_empty(req, 200);
}

static const struct api_route routes[] = {
	{ "GET", "/v1/tells", API_READ, handle_nothing },
	{ "POST", "/v1/agents", API_AGENT, handle_nothing },
	{ "POST", "/v1/changes", API_LOCAL, handle_nothing },
	{ 0 },
};

static void
first_source(struct metrics *m, void *arg)
{
	const struct house *h = arg;

	metrics_add(m, METRIC_STORE_BACKLOG, h->backlog, METRIC_NO_LABELS);
}

static void
second_source(struct metrics *m, void *arg)
{
	(void)arg;
	metrics_add(m, METRIC_BUILD_INFO, 1, METRIC_LABELS("1.2\"3"));
}

static void
make_where(char where[32], uint16_t port)
{
	(void)snprintf(where, 32, "127.0.0.1:%u", port);
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct err err = { 0 };
	char where[32], read_where[32];

	assert_non_null(h);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_metrics.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/sock", h->dir);
	h->lp = loop_new();
	h->fetch = fetch_engine_new(h->lp);
	h->server = api_server_new(h->lp);
	h->page = metrics_page_new();
	metrics_page_add(h->page, first_source, h);
	metrics_page_add(h->page, second_source, NULL);
	metrics_page_serve(h->page, h->server);
	api_server_add(h->server, routes, NULL);
	h->port = wire_free_port();
	make_where(where, h->port);
	h->read_port = wire_free_port();
	make_where(read_where, h->read_port);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = h->path,
				 .tcp = where,
				 .read = read_where },
			     &err),
	    0);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	fetch_engine_free(h->fetch);
	api_server_free(h->server);
	metrics_page_free(h->page);
	loop_free(h->lp);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static void
on_done(const struct fetch_answer *answer, void *arg)
{
	struct house *h = arg;

	h->is_done = true;
	h->status = answer->status;
	(void)snprintf(h->body, sizeof(h->body), "%s",
	    answer->body != NULL ? (const char *)answer->body : "");
}

/* port 0: over the control socket. */
static int
ask(struct house *h, const char *method, const char *path, uint16_t port)
{
	char url[256];
	struct fetch_request req = { .method = method,
		.url = url,
		.unix_socket = port == 0 ? h->path : NULL,
		.timeout_ms = WAIT_MAX_MS,
		.max_body_bytes = sizeof(h->body) - 1 };

	h->is_done = false;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	(void)fetch_start(h->fetch, &req, on_done, h);
	WAIT_FOR(h->lp, h->is_done);
	return h->status;
}

static void
test_page_is_made_anew_for_each_request(void **state)
{
	struct house *h = *state;
	const uint16_t ports[] = { 0, h->port, h->read_port };

	for (size_t i = 0; i < TEST_COUNT(ports); i++) {
		char want[64];

		h->backlog = (int64_t)i + 10;
		(void)snprintf(want, sizeof(want),
		    "\nanycastd_store_backlog_rows %zu\n", i + 10);
		assert_int_equal(ask(h, "GET", "/metrics", ports[i]), 200);
		assert_non_null(strstr(h->body, want));
		assert_non_null(strstr(h->body,
		    "\nanycastd_build_info{version=\"1.2\\\"3\"} 1\n"));
	}
	assert_int_equal(ask(h, "POST", "/metrics", 0), 404);
}

/* A scraper's address must not be a way to steer a fleet. */
static void
test_read_listener_serves_nothing_that_changes(void **state)
{
	struct house *h = *state;
	const struct {
		const char *method, *path;
		int local, tcp, read;
	} cases[] = {
		{ "GET", "/v1/tells", 200, 200, 200 },
		{ "POST", "/v1/agents", 200, 200, 404 },
		{ "POST", "/v1/changes", 200, 404, 404 },
	};

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		const char *method = cases[i].method, *path = cases[i].path;

		assert_int_equal(ask(h, method, path, 0), cases[i].local);
		assert_int_equal(ask(h, method, path, h->port), cases[i].tcp);
		assert_int_equal(ask(h, method, path, h->read_port),
		    cases[i].read);
	}
}

static void
test_read_listener_refuses_an_address_in_use(void **state)
{
	struct house *h = *state;
	struct api_server *other = api_server_new(h->lp);
	struct err err = { 0 };
	char where[32];

	make_where(where, h->read_port);
	assert_int_equal(api_server_listen(other,
			     &(struct api_places){ .read = where }, &err),
	    -1);
	assert_non_null(strstr(err.msg, where));
	assert_int_equal(api_server_listen(other,
			     &(struct api_places){ .read = "here" }, &err),
	    -1);
	api_server_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_page_is_made_anew_for_each_request, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_read_listener_serves_nothing_that_changes, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_read_listener_refuses_an_address_in_use, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
