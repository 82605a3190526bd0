/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UPLINK_HOUSE_H
#define UPLINK_HOUSE_H
/*
 * uplink_house -- a whole agent without BIRD, and a controller that is the
 * test's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/server.h"
#include "base/fetch.h"
#include "daemon_parts.h"
#include "http_wire.h"
#include "probes/sweep.h"
#include "real_bird.h"
#include "site/agent.h"
#include "test.h"

#define CONFIRM_MS 400

/* A sweeper whose routes change between two captures: it does nothing but say
 * what it would hear. */
static inline int
changing_main(int chan_fd)
{
	static const uint8_t hearing[] = { SWEEP_DEAF_NOT_LOCAL,
		SWEEP_HEARING_UNKNOWN, SWEEP_DEAF_NO_SOCKET, SWEEP_HEARS,
		SWEEP_HEARS };
	uint8_t *body = malloc(CHAN_BODY_MAX);
	struct chan_msg msg;
	size_t i = 0;

	while (frame_read(chan_fd, body, CHAN_BODY_MAX, &msg, NULL) == 1) {
		const uint8_t said[] = { 1, hearing[i] };

		if (msg.type != SWEEP_MSG_CAPTURE)
			continue;
		if (frame_write(chan_fd, SWEEP_MSG_HEARING, said, sizeof(said),
			NULL) == -1)
			break;
		if (i + 1 < sizeof(hearing))
			i++;
	}
	free(body);
	return 0;
}

/* Of the store's process, which writes it there. */
static pid_t *store_pid;

static inline int
known_store_main(int chan_fd)
{
	*store_pid = getpid();
	return store_main(chan_fd);
}

static const struct worker_kind kinds[] = {
	{ "test-store", known_store_main, 0, WALL_NONE },
	{ "test-sweep", sweeper_main, RIGHT_NET_RAW, WALL_NONE },
	{ "test-ears", changing_main, 0, WALL_NONE },
};

struct house {
	struct store_file f;
	char bird[128], include[128], url[64], control[128];
	char site[8];
	struct prefix test_prefix;
	size_t number[1]; /* of the test prefix */
	struct addr source;
	struct conf_agent agent_conf;
	struct conf conf;
	struct daemon_parts p;
	struct fetch_engine *fetch;
	struct api_server *server;
	unsigned sweeper; /* its kind */
	struct agent *agent;
	struct agent *from; /* that it takes over from */
	/* The controller. */
	const char *orders; /* what it answers; NULL: it waits */
	uint64_t revision;  /* of a stream of orders; 0: it is none */
	int orders_status, posts_status;
	const char *posts_answer;
	struct api_request *waiting;
	unsigned polls, posts;
	unsigned lists;      /* asked for */
	unsigned fetched;    /* by the test itself */
	bool is_misdirected; /* all of them get 421 */
	bool is_replaced;    /* its store: the list is another one */
	char *status;        /* the last one posted */
	char answer[64];
	pid_t bird_pid; /* 0: none */
};

/* ---- the controller ---- */

static inline void
on_gone(struct api_request *req, void *arg)
{
	struct house *h = arg;

	(void)req;
	h->waiting = NULL;
}

static inline void
handle_orders(struct api_request *req, void *arg)
{
	struct house *h = arg;

	h->polls++;
	if (h->revision != 0) {
		api_reply_json(req, 200,
		    json_pack("{s:I, s:[], s:[], s:[]}", "revision",
			(json_int_t)h->revision++, "intents", "ended",
			"tests"));
		return;
	}
	if (h->orders != NULL) {
		api_reply_bytes(req, h->orders_status, NULL, h->orders,
		    strlen(h->orders));
		return;
	}
	h->waiting = req;
	api_request_defer(req, on_gone, h);
}

static inline void
handle_status(struct api_request *req, void *arg)
{
	struct house *h = arg;
	size_t len;
	const char *body = (const char *)api_body(req, &len);

	h->posts++;
	free(h->status);
	h->status = strndup(body, len);
	api_reply_bytes(req, h->posts_status, NULL, h->posts_answer,
	    strlen(h->posts_answer));
}

/* 192.0.2.1 and .2, then .1 to .3: documentation, which nobody sends anything
 * to. */
static const struct addr house_list[3] = {
	{ { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
	{ { [10] = 0xff, 0xff, 192, 0, 2, 2 } },
	{ { [10] = 0xff, 0xff, 192, 0, 2, 3 } },
};

static inline void
handle_list(struct api_request *req, void *arg)
{
	struct house *h = arg;
	size_t n = h->is_replaced ? 3 : 2;

	h->lists++;
	if (h->is_misdirected) {
		api_reply_empty(req, 421);
	} else {
		api_reply_bytes(req, 200, NULL, house_list,
		    n * sizeof(house_list[0]));
	}
}

static const struct api_route routes[] = {
	{ "GET", "/v1/client-lists/3", API_AGENT, handle_list },
	{ "GET", "/v1/sites/akl/orders", API_AGENT, handle_orders },
	{ "POST", "/v1/sites/akl/status", API_AGENT, handle_status },
	{ 0 },
};

/* ---- the house ---- */

static inline void
make_conf(struct house *h)
{
	memcpy(h->site, "akl", 4);
	(void)snprintf(h->bird, sizeof(h->bird), "%s/bird", h->f.dir);
	(void)snprintf(h->include, sizeof(h->include), "%s/include", h->f.dir);
	(void)snprintf(h->control, sizeof(h->control), "%s/sock", h->f.dir);
	assert_int_equal(prefix_parse("198.51.100.0/24", &h->test_prefix, NULL),
	    0);
	assert_int_equal(addr_parse("198.51.100.1", &h->source, NULL), 0);
	h->agent_conf = (struct conf_agent){ .site = h->site,
		.bird = { .socket = h->bird,
		    .include = h->include,
		    .poll_ms = 500,
		    .timeout_ms = 500 },
		.test = { .prefixes = &h->test_prefix,
		    .n_prefixes = 1,
		    .sources = &h->source,
		    .n_sources = 1,
		    .number = h->number,
		    .n_tests = 1,
		    .confirm_ms = CONFIRM_MS },
		.controller = h->url };
	h->conf = (struct conf){ .socket = h->control,
		.store = h->f.path,
		.agent = &h->agent_conf };
}

static inline int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct err err = { 0 };
	char where[32];

	assert_non_null(h);
	store_pid = mmap(NULL, sizeof(*store_pid), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(store_pid, MAP_FAILED);
	file_make(&h->f);
	make_conf(h);
	h->sweeper = 1;
	h->orders_status = h->posts_status = 200;
	h->posts_answer = "{\"revision\":0}";
	parts_start(&h->p, &h->f, kinds, TEST_COUNT(kinds));
	h->fetch = fetch_engine_new(h->p.lp);
	h->server = api_server_new(h->p.lp);
	api_server_add(h->server, routes, h);
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", wire_free_port());
	(void)snprintf(h->url, sizeof(h->url), "http://%s", where);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .tcp = where }, &err),
	    0);
	*state = h;
	return 0;
}

static inline void
begin(struct house *h)
{
	struct agent_env env = { .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.fetch = h->fetch,
		.conf = &h->conf,
		.kind_sweeper = h->sweeper,
		.from = h->from };
	struct err err = { 0 };

	h->agent = agent_new(&env, &err);
	if (h->agent == NULL)
		fail_msg("%s", err.msg);
}

static inline int
teardown(void **state)
{
	struct house *h = *state;

	(void)kill(*store_pid, SIGCONT); /* of a test that failed meanwhile */
	agent_free(h->agent);
	bird_kill(&h->bird_pid);
	api_server_free(h->server);
	fetch_engine_free(h->fetch);
	parts_stop(&h->p);
	(void)munmap(store_pid, sizeof(*store_pid));
	free(h->status);
	file_remove(&h->f);
	free(h);
	return 0;
}

#define KEY "000102030405060708090a0b0c0d0eff"
#define TEST_7                                                                 \
	"{\"experiment\":7,\"withdrawn\":true,\"key\":\"" KEY                  \
	"\",\"prefixes\":[\"198.51.100.0/24\"]}"
#define WITHDRAW                                                               \
	"{\"revision\":5,\"intents\":[],\"ended\":[],\"tests\":[" TEST_7 "]}"

#endif /* UPLINK_HOUSE_H */
