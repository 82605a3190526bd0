/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_HOUSE_H
#define FLEET_HOUSE_H
/*
 * fleet_house -- a real controller with store and HTTP server, and agents that
 * are the test's own: they poll orders, sweep a made-up world, report.
 *
 * The world: client i is caught at site i % 3; while akl's test prefix is
 * withdrawn, its clients go to chc (those with i % 2 == 0) or wlg, the last
 * of them nowhere.  It is the same for each test prefix.
 */
#include <sys/stat.h>

#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>

#include "api/common.h"
#include "api/server.h"
#include "base/fetch.h"
#include "base/xalloc.h"
#include "daemon_parts.h"
#include "fleet/controller.h"
#include "loop_wait.h"
#include "probes/sweep.h"
#include "probes/sweep_packet.h"
#include "site/orders.h"
#include "test.h"

#define SITES 3
#define CLIENTS 12
#define NOWHERE SITES
#define TESTS 2 /* test prefixes, of which the first is always there */

struct house;

/* One agent of ours. */
struct fake {
	struct house *h;
	size_t site;
	char boot[20];
	const char *layout; /* of its packets; NULL: it does not tell */
	uint64_t wanted, applied;
	bool is_withdrawn; /* the first test prefix */
	bool withdrawn[TESTS];
	uint32_t experiment[TESTS]; /* that runs on it, by the orders */
	json_int_t given_up[TESTS];
	bool pairs_both;   /* takes both test prefixes for one pair */
	bool lacks_second; /* of them */
	uint32_t job;
	bool is_done;
	char failed[1024];
	json_int_t starts, lost_batches;
	uint64_t seq;
	json_t *intents; /* to report; NULL: none */
	bool is_silent;  /* does nothing at all */
	bool is_deaf;    /* reports, but hears no orders */
	bool is_drained; /* its service prefix is withdrawn */
	bool is_unsure;  /* it does not know whether it is */
	json_t *load;    /* to report; NULL: it measures none */
	json_t *unheard; /* test prefixes; NULL: it does not tell */
	json_t *more;    /* keys to add to its report; NULL: none */
	/* Its service: sick, it withdraws if its orders permit. */
	bool is_sick, is_gone, has_permit, is_last;
	json_int_t withdrawals;
};

struct house {
	struct store_file f;
	char path[128];
	char name_bytes[SITES][8];
	char *names[SITES];
	struct conf_controller fleet;
	struct conf conf;
	struct daemon_parts p;
	struct fetch_engine *fetch;
	struct api_server *server;
	struct api_events *events;
	struct feeds *feeds;
	struct controller *c;
	struct fake agents[SITES];
	/* The last answer. */
	bool is_done;
	int status;
	char *body;
	/* How the world is: what a sweep sees of a client, or NULL. */
	void (*twist)(struct house *h, size_t at, const struct sweep_job *job,
	    uint32_t client);
	unsigned sweeps;
	uint32_t jobs[256]; /* the newest one of each experiment */
	bool is_slow;   /* jobs take until somebody says that they are done */
	size_t n_tests; /* that the sites have */
	bool has_more;  /* the second one has an IPv6 prefix, too */
};

static const char *const house_tests[TESTS] = { "198.51.100.0/24",
	"203.0.113.0/24" };

/* ---- asking ---- */

static inline void
house_on_done(const struct fetch_answer *answer, void *arg)
{
	struct house *h = arg;

	h->is_done = true;
	h->status = answer->status;
	free(h->body);
	h->body =
	    xstrdup(answer->body != NULL ? (const char *)answer->body : "");
}

static inline int
ask_bytes(struct house *h, const char *path, const void *body, size_t len)
{
	char *url = xasprintf("http://localhost%s", path);
	struct fetch_request req = { .method = body != NULL ? "POST" : "GET",
		.url = url,
		.unix_socket = h->path,
		.body = body,
		.body_len = len,
		/* Thousands of rows, with sanitizers, on a busy machine. */
		.timeout_ms = WAIT_MAX_MS,
		.max_body_bytes = 8u << 20 };

	h->is_done = false;
	(void)fetch_start(h->fetch, &req, house_on_done, h);
	free(url);
	WAIT_FOR(h->p.lp, h->is_done);
	return h->status;
}

static inline int
get(struct house *h, const char *path)
{
	return ask_bytes(h, path, NULL, 0);
}

static inline int
post(struct house *h, const char *path, const char *body)
{
	return ask_bytes(h, path, body, strlen(body));
}

/* The last answer as JSON; new reference. */
static inline json_t *
answer_json(const struct house *h)
{
	json_t *doc = json_loads(h->body, 0, NULL);

	if (doc == NULL)
		fail_msg("not JSON: %s", h->body);
	return doc;
}

/* The heirs of its first map; new reference. */
static inline json_t *
answer_heirs(const struct house *h)
{
	json_t *doc = answer_json(h);
	json_t *map = json_array_get(json_object_get(doc, "maps"), 0);
	json_t *heirs = json_incref(json_object_get(map, "heirs"));

	json_decref(doc);
	return heirs;
}

/* The entry of one of them, "": of the unknown; borrowed.  NULL: none. */
static inline const json_t *
find_heir(const json_t *heirs, const char *heir)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (heirs, i, entry) {
		const char *name =
		    json_string_value(json_object_get(entry, "heir"));

		if (strcmp(name != NULL ? name : "", heir) == 0)
			return entry;
	}
	return NULL;
}

static inline void
assert_answer_has(const struct house *h, const char *text)
{
	if (strstr(h->body, text) == NULL)
		fail_msg("no %s in %s", text, h->body);
}

/* ---- agents ---- */

static inline const char *
fake_name(const struct fake *a)
{
	return a->h->names[a->site];
}

static inline json_t *
fake_prefixes(const struct fake *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->h->n_tests && i < TESTS; i++) {
		const char *is = a->withdrawn[i] ? "withdrawn" : "announced";

		json_array_append_new(list,
		    json_pack("{s:s, s:n, s:s, s:s}", "prefix", house_tests[i],
			"service", "desired", is, "real", is));
	}
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:s, s:s}", "prefix", "192.0.2.0/24",
		"service", "web", "desired",
		a->is_gone ? "withdrawn" : "announced", "real",
		a->is_unsure                      ? "unknown"
		    : a->is_gone || a->is_drained ? "withdrawn"
						  : "announced"));
	return list;
}

static inline json_t *
fake_tests(const struct fake *a)
{
	json_t *list = json_array();

	if (a->pairs_both) {
		json_array_append_new(list,
		    json_pack("{s:[s, s], s:i, s:i}", "prefixes",
			house_tests[0], house_tests[1], "experiment", 0,
			"given_up", 0));
		return list;
	}
	for (size_t i = 0; i < a->h->n_tests && i < TESTS; i++) {
		if (i > 0 && a->lacks_second)
			break;
		json_array_append_new(list,
		    json_pack("{s:[s, s*], s:I, s:I}", "prefixes",
			house_tests[i],
			i > 0 && a->h->has_more ? "2001:db8:2::/48" : NULL,
			"experiment", (json_int_t)a->experiment[i], "given_up",
			a->given_up[i]));
	}
	return list;
}

static inline json_t *
fake_status(const struct fake *a)
{
	return json_pack(
	    "{s:s, s:s, s:I, s:I, s:I, s:O?, "
	    "s:O*, s:I, s:o, s:o, "
	    "s:[{s:s, s:s}], "
	    "s:{s:I, s:b, s:s, s:I, s:I, s:I, s:{s:I}, s:O*, s:s*}, s:{s:I}}",
	    "boot", a->boot, "state", "announcing", "applied_revision",
	    (json_int_t)a->applied, "wanted_revision", (json_int_t)a->wanted,
	    "started_ms", (json_int_t)0, "intents", a->intents, "load", a->load,
	    "withdrawals", a->withdrawals, "prefixes", fake_prefixes(a),
	    "tests", fake_tests(a), "services", "service", "web", "health",
	    a->is_sick ? "sick" : "healthy", "sweep", "job", (json_int_t)a->job,
	    "done", a->is_done, "failed", a->failed, "sent",
	    (json_int_t)CLIENTS, "total", (json_int_t)CLIENTS, "starts",
	    a->starts, "counters", "kernel_drops", (json_int_t)0, "unheard",
	    a->unheard, "layout", a->layout, "uplink", "lost_batches",
	    a->lost_batches);
}

static inline int
fake_post_status(struct fake *a)
{
	json_t *status = fake_status(a);
	char *text, *path;
	int rc;

	if (a->more != NULL)
		json_object_update(status, a->more);
	text = json_dumps(status, JSON_COMPACT);
	assert_non_null(text);
	json_decref(status);
	path = xasprintf("/v1/sites/%s/status", fake_name(a));
	rc = post(a->h, path, text);
	free(path);
	free(text);
	return rc;
}

#define HOUSE_REMEDY "ip route add local 198.51.100.0/24 dev lo"

/* It reports that it hears no replies to the prefix; NULL: it hears all. */
static inline void
fake_become_deaf_by(struct fake *a, const char *prefix, const char *reason)
{
	json_decref(a->unheard);
	a->unheard = json_array();
	if (prefix != NULL) {
		json_array_append_new(a->unheard,
		    json_pack("{s:s, s:s, s:s}", "prefix", prefix, "reason",
			reason, "remedy", HOUSE_REMEDY));
	}
	assert_int_equal(fake_post_status(a), 200);
}

static inline void
fake_become_deaf(struct fake *a, const char *prefix)
{
	fake_become_deaf_by(a, prefix,
	    "there are only raw sockets, and it is not local");
}

static inline int
fake_post_batch(struct fake *a, uint64_t seq, const struct sweep_reply *r,
    size_t n)
{
	static uint8_t
	    buf[2 + SWEEP_REPLY_BATCH_MAX * SWEEP_REPLY_WIRE_MAX_BYTES];
	size_t len = sweep_encode_replies(r, n, buf, sizeof(buf));
	char *path = xasprintf("/v1/sites/%s/replies?boot=%s&seq=%llu",
	    fake_name(a), a->boot, (unsigned long long)seq);
	int rc;

	assert_true(len > 0);
	rc = ask_bytes(a->h, path, buf, len);
	free(path);
	return rc;
}

/* A reply to that job's probe, caught at the site. */
static inline void
fake_reply(struct house *h, size_t site, const struct sweep_job *job,
    uint32_t client, uint8_t flags)
{
	struct fake *a = &h->agents[site];
	struct sweep_reply r = { .index = client,
		.experiment = job->experiment,
		.phase = job->phase,
		.round = job->round,
		.flags = flags,
		.ttl = 60,
		.sent_us = 1000000,
		.recv_us = 1000000 + 100u * client };

	assert_int_equal(fake_post_batch(a, ++a->seq, &r, 1), 204);
}

/* The test prefix that the job's experiment is on. */
static inline size_t
test_of(const struct house *h, const struct sweep_job *job)
{
	for (size_t i = 0; i < SITES * h->n_tests; i++) {
		if (h->agents[i % SITES].experiment[i / SITES] ==
		    job->experiment)
			return i / SITES;
	}
	return 0;
}

static inline size_t
world(const struct house *h, const struct sweep_job *job, uint32_t client)
{
	if (client % SITES != 0 || !h->agents[0].withdrawn[test_of(h, job)])
		return client % SITES;
	if (client == CLIENTS - SITES)
		return NOWHERE;
	return client % 2 == 0 ? 1 : 2;
}

static inline void
fake_sweep(struct fake *a, const struct sweep_job *job)
{
	struct house *h = a->h;
	uint32_t n = job->n_subset > 0 ? job->n_subset : CLIENTS;

	/* Whatever happens, no round is sent twice. */
	assert_true(job->job > h->jobs[job->experiment % 256]);
	h->jobs[job->experiment % 256] = job->job;
	h->sweeps++;
	for (uint32_t k = 0; k < n; k++) {
		uint32_t client = job->n_subset > 0 ? job->subset[k] : k;
		size_t at = world(h, job, client);

		if (h->twist != NULL) {
			h->twist(h, at, job, client);
		} else if (at != NOWHERE) {
			fake_reply(h, at, job, client, 0);
		}
	}
	a->job = job->job;
	a->is_done = !h->is_slow;
}

static inline bool
has_prefix(const struct prefix *list, size_t n, const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		if (prefix_equal(&list[i], &p))
			return true;
	}
	return false;
}

/* What its service does now. */
static inline void
fake_serve(struct fake *a)
{
	if (!a->is_sick) {
		a->is_gone = false;
	} else if (a->has_permit && !a->is_gone) {
		a->is_gone = true;
		a->withdrawals++;
	}
}

static inline void
fake_take_tests(struct fake *a, const struct orders *o)
{
	for (size_t i = 0; i < TESTS; i++) {
		struct prefix p;

		assert_int_equal(prefix_parse(house_tests[i], &p, NULL), 0);
		a->experiment[i] = 0;
		a->withdrawn[i] = false;
		for (size_t t = 0; t < o->n_tests; t++) {
			if (!order_test_has(&o->tests[t], &p))
				continue;
			a->experiment[i] = o->tests[t].experiment;
			a->withdrawn[i] = o->tests[t].withdrawn;
		}
	}
	a->is_withdrawn = a->withdrawn[0];
}

/* Polls once; true if there were news. */
static inline bool
fake_poll(struct fake *a)
{
	char *path =
	    xasprintf("/v1/sites/%s/orders?after=%llu&wait_ms=0&boot=%s",
		fake_name(a), (unsigned long long)a->wanted, a->boot);
	int status = get(a->h, path);
	struct orders o;
	json_t *doc;

	free(path);
	if (status == 204)
		return false;
	assert_int_equal(status, 200);
	doc = answer_json(a->h);
	assert_int_equal(orders_parse(doc, &o, NULL), 0);
	a->wanted = o.revision;
	fake_take_tests(a, &o);
	a->has_permit = !o.has_permits ||
	    has_prefix(o.permits, o.n_permits, "192.0.2.0/24");
	if (!o.awaits_last)
		a->is_last = has_prefix(o.last, o.n_last, "192.0.2.0/24");
	fake_serve(a);
	if (o.job.job == 0) {
		a->job = 0;
	} else if (o.job.job != a->job) {
		a->is_done = false;
		fake_sweep(a, &o.job);
	}
	a->applied = o.revision;
	orders_fini(&o);
	json_decref(doc);
	return true;
}

/* By the answer to its status: are there orders that it has not? */
static inline bool
fake_has_news(const struct fake *a)
{
	json_t *doc = answer_json(a->h);
	json_int_t revision = 0;

	assert_int_equal(json_unpack(doc, "{s:I}", "revision", &revision), 0);
	json_decref(doc);
	return (uint64_t)revision != a->wanted;
}

/* One round of all: what they have to say, and new orders. */
static inline void
fakes_turn(struct house *h)
{
	for (size_t i = 0; i < SITES; i++) {
		struct fake *a = &h->agents[i];

		if (a->is_silent)
			continue;
		fake_serve(a);
		assert_int_equal(fake_post_status(a), 200);
		if (fake_has_news(a) && !a->is_deaf && fake_poll(a))
			assert_int_equal(fake_post_status(a), 200);
	}
}

/* ---- the house ---- */

/* Workers run under a keeper as root of nothing: the store only. */
static const struct worker_kind house_kinds[] = {
	{ "test-store", store_main, 0, WALL_NONE },
};

static inline void
house_start_controller(struct house *h)
{
	struct controller_env env = { .lp = h->p.lp,
		.store = h->p.store,
		.query = h->p.query,
		.conf = &h->conf };
	struct feeds_env feeds = { .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.conf = &h->conf };
	struct err err = { 0 };

	h->feeds = feeds_new(&feeds, &err);
	if (h->feeds == NULL)
		fail_msg("%s", err.msg);
	env.feeds = h->feeds;
	h->c = controller_new(&env, &err);
	if (h->c == NULL)
		fail_msg("%s", err.msg);
	h->server = api_server_new(h->p.lp);
	controller_serve(h->c, h->server);
	h->events = api_events_new(h->p.lp, h->p.query);
	api_events_serve(h->events, h->server);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = h->path }, &err),
	    0);
}

static inline void
house_stop_controller(struct house *h)
{
	api_server_free(h->server);
	controller_free(h->c);
	feeds_save(h->feeds);
	feeds_free(h->feeds);
	api_events_free(h->events);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
}

static inline void
house_restart_controller(struct house *h)
{
	house_stop_controller(h);
	house_start_controller(h);
}

static inline void
house_conf(struct house *h)
{
	static char text[] = "a test";
	static const char *const names[SITES] = { "akl", "chc", "wlg" };

	for (size_t i = 0; i < SITES; i++) {
		memcpy(h->name_bytes[i], names[i], strlen(names[i]) + 1);
		h->names[i] = h->name_bytes[i];
		h->agents[i] = (struct fake){
			.h = h, .site = i, .starts = 1, .layout = SWEEP_LAYOUT
		};
		(void)snprintf(h->agents[i].boot, sizeof(h->agents[i].boot),
		    "boot%zu", i);
	}
	h->fleet = (struct conf_controller){ .sites = h->names,
		.n_sites = SITES,
		.predict = { .rate_pps = 1000,
		    .linger_ms = 20,
		    .sentinels = 8,
		    .sentinel_interval_ms = 20,
		    .settle_max_ms = 5000,
		    .allow_special = true,
		    .null_run = { .limit_percent = 1,
			.min_clients = CLIENTS / 2,
			.every_ms = 3600000 },
		    .text = text } };
	h->conf = (struct conf){ .controller = &h->fleet };
	h->n_tests = 1;
}

static inline int
house_setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	file_make(&h->f);
	(void)snprintf(h->path, sizeof(h->path), "%s/sock", h->f.dir);
	house_conf(h);
	parts_start(&h->p, &h->f, house_kinds, TEST_COUNT(house_kinds));
	h->fetch = fetch_engine_new(h->p.lp);
	house_start_controller(h);
	*state = h;
	return 0;
}

static inline int
house_teardown(void **state)
{
	struct house *h = *state;

	fetch_engine_free(h->fetch);
	house_stop_controller(h);
	parts_stop(&h->p);
	for (size_t i = 0; i < SITES; i++) {
		json_decref(h->agents[i].intents);
		json_decref(h->agents[i].load);
		json_decref(h->agents[i].unheard);
		json_decref(h->agents[i].more);
	}
	free(h->body);
	file_remove(&h->f);
	free(h);
	return 0;
}

/* 12 clients: 6 of IPv4 with weight 1, 6 of IPv6 with weight 10. */
static inline void
house_load_clients(struct house *h)
{
	char *text = xstrdup("");

	for (unsigned i = 0; i < CLIENTS; i++) {
		char *more = i < CLIENTS / 2
		    ? xasprintf("%s203.0.113.%u\n", text, i + 1)
		    : xasprintf("%s2001:db8:1::%x,10\n", text, i + 1);

		free(text);
		text = more;
	}
	assert_int_equal(post(h, "/v1/clients?upload=t&part=0&last=1", text),
	    200);
	free(text);
	assert_answer_has(h, "\"count\":12");
}

/* All agents in contact, the list loaded. */
/* Until nobody has anything new to say or to hear. */
static inline void
house_turn(struct house *h)
{
	for (int i = 0; i < 12; i++) {
		fakes_turn(h);
		/* The guards see at once what somebody asks about. */
		assert_int_equal(get(h, "/v1/status"), 200);
	}
}

static inline void
house_use_guards(struct house *h, const struct conf_guards *guards)
{
	h->fleet.guards = *guards;
	house_restart_controller(h);
	house_turn(h);
}

static inline void
house_get_ready(struct house *h)
{
	house_load_clients(h);
	fakes_turn(h);
}

static inline int
house_main(const struct CMUnitTest *tests, size_t n)
{
	if (sodium_init() == -1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}

#define WITH_HOUSE(f)                                                          \
	cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

/* The state of an experiment; borrowed until the next call. */
static inline const char *
state_of(struct house *h, unsigned id)
{
	static char state[32];
	char path[64];
	const char *text = NULL;
	json_t *doc;

	(void)snprintf(path, sizeof(path), "/v1/experiments/%u", id);
	assert_int_equal(get(h, path), 200);
	doc = answer_json(h);
	assert_int_equal(json_unpack(doc, "{s:{s:s}}", "experiment", "state",
			     &text),
	    0);
	(void)snprintf(state, sizeof(state), "%s", text);
	json_decref(doc);
	return state;
}

#endif /* FLEET_HOUSE_H */
