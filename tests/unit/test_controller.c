/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The controller by its API: orders, reports, client lists, events. */
#include "fleet/controller.h"

#include "controller_rig.h"
#include "http_wire.h"
#include "test.h"

/* ---- orders ---- */

static void
test_orders_are_whole_and_come_once(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[0];
	uint64_t first;

	assert_true(fake_poll(a));
	assert_answer_has(h, "\"intents\":[]");
	assert_answer_has(h, "\"tests\":[]");
	first = a->wanted;
	assert_true(first > 0);
	assert_false(fake_poll(a));
	assert_int_equal(a->wanted, first);
	assert_int_equal(get(h, "/v1/sites/xyz/orders?after=0"), 404);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=-1"), 400);
	assert_int_equal(get(h, "/v1/sites/akl/orders?wait_ms=60001"), 400);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=x"), 400);
}

/* Who waits is woken by the change, not by the end of its time. */
static void
test_waiting_agent_is_woken(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[0];
	struct wire *w = calloc(1, sizeof(*w));
	char text[200];

	assert_non_null(w);
	assert_true(fake_poll(a));
	(void)snprintf(text, sizeof(text),
	    "GET /v1/sites/akl/orders?after=%llu&wait_ms=60000 HTTP/1.1\r\n"
	    "Host: a\r\n\r\n",
	    (unsigned long long)a->wanted);
	wire_unix(w, h->p.lp, h->path);
	wire_send(w, text);
	loop_idle(h->p.lp, 120);
	assert_int_equal(wire_answers(w), 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\"}"),
	    200);
	WAIT_FOR(h->p.lp, wire_has(w, "\"work\""));
	wire_close(w);
	free(w);
}

/* An agent that goes away while it waits leaves nothing behind. */
static void
test_waiting_agent_goes_away(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[0];
	struct wire *w = calloc(1, sizeof(*w));
	char text[200];

	assert_non_null(w);
	assert_true(fake_poll(a));
	(void)snprintf(text, sizeof(text),
	    "GET /v1/sites/akl/orders?after=%llu&wait_ms=60000 HTTP/1.1\r\n"
	    "Host: a\r\n\r\n",
	    (unsigned long long)a->wanted);
	for (int i = 0; i < 20; i++) {
		wire_unix(w, h->p.lp, h->path);
		wire_send(w, text);
		wire_close(w);
	}
	/* These wait to the very end. */
	wire_unix(w, h->p.lp, h->path);
	wire_send(w, text);
	assert_int_equal(post(h, "/v1/sites/akl/drain", ""), 200);
	WAIT_FOR(h->p.lp, wire_has(w, "\"intents\""));
	wire_send(w, text);
	wire_close(w);
	free(w);
}

static void
test_revision_survives_a_restart(void **state)
{
	struct house *h = *state;
	uint64_t before = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t now;

		assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 200);
		assert_int_equal(post(h, "/v1/sites/chc/restore", ""), 200);
		now = revision_of(h, "chc");
		assert_true(now > before);
		before = now;
		house_restart_controller(h);
	}
	assert_true(revision_of(h, "chc") > before);
}

/* Our store was replaced by an older one: what follows must be newer still. */
static void
test_agent_knows_a_higher_revision(void **state)
{
	struct house *h = *state;
	uint64_t known = revision_of(h, "akl") + 100000000;
	char path[96];

	(void)snprintf(path, sizeof(path), "/v1/sites/akl/orders?after=%llu",
	    (unsigned long long)known);
	assert_int_equal(get(h, path), 200);
	assert_true((uint64_t)number(h, "revision") > known);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 200);
	assert_true(revision_of(h, "chc") > known);
}

/* One agent gone mad must not take all numbers from the others. */
static void
test_absurd_revision_of_an_agent(void **state)
{
	static const char *const paths[] = {
		"/v1/sites/akl/orders?after=9223372036854775807",
		"/v1/sites/akl/orders?after=4611686018427387905",
	};
	struct house *h = *state;
	uint64_t before = revision_of(h, "chc");

	for (size_t i = 0; i < TEST_COUNT(paths); i++)
		assert_int_equal(get(h, paths[i]), 400);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 200);
	assert_in_range(revision_of(h, "chc"), before + 1, before + 10);
	/* The highest that is believed leaves room enough. */
	assert_int_equal(get(h,
			     "/v1/sites/akl/orders?after=4611686018427387904"),
	    200);
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].wanted = 0;
		assert_true(fake_poll(&h->agents[i]));
		assert_false(fake_poll(&h->agents[i]));
	}
}

/* ---- reports ---- */

/* Any JSON may come; none of it may hurt. */
static const char *const hostile[] = {
	"{\"boot\":\"b\"}",
	"{\"boot\":\"b\",\"intents\":0}",
	"{\"boot\":\"b\",\"intents\":{}}",
	"{\"boot\":\"b\",\"intents\":[0]}",
	"{\"boot\":\"b\",\"intents\":[null,[],{}]}",
	"{\"boot\":\"b\",\"intents\":[{\"id\":0,\"site\":[],\"kind\":{}}]}",
	"{\"boot\":\"b\",\"intents\":[{\"id\":\"x\",\"site\":\"akl\","
	"\"kind\":\"drain\",\"created_ms\":-1}]}",
	"{\"boot\":\"b\",\"prefixes\":0}",
	"{\"boot\":\"b\",\"prefixes\":0,\"prefixes_version\":{}}",
	"{\"boot\":\"b\",\"prefixes_version\":{}}",
	"{\"boot\":\"b\",\"prefixes\":[0,null,\"x\",[],{}]}",
	"{\"boot\":\"b\",\"prefixes\":[{\"prefix\":0,\"service\":0,"
	"\"real\":0,\"desired\":[]}]}",
	"{\"boot\":\"b\",\"prefixes\":[{\"prefix\":\"x\",\"service\":\"web\","
	"\"desired\":\"announced\"}]}",
	"{\"boot\":\"b\",\"prefixes\":[{\"prefix\":\"192.0.2.0/24\","
	"\"service\":\"web\",\"desired\":\"announced\"}],\"services\":0}",
	"{\"boot\":\"b\",\"prefixes\":[{\"prefix\":\"192.0.2.0/24\","
	"\"service\":\"web\",\"desired\":\"withdrawn\"}],"
	"\"services\":[0,{},{\"service\":0},{\"service\":\"web\"},"
	"{\"service\":\"web\",\"health\":1}]}",
	"{\"boot\":\"b\",\"services\":\"x\",\"bird\":[],\"state\":7}",
	"{\"boot\":\"b\",\"explain\":0}",
	"{\"boot\":\"b\",\"explain\":[0,{},{\"prefix\":[]},"
	"{\"prefix\":\"192.0.2.0/24\"},{\"prefix\":\"junk\"}]}",
	"{\"boot\":\"b\",\"sweep\":0,\"uplink\":0}",
	"{\"boot\":\"b\",\"sweep\":{\"job\":\"x\",\"done\":1,\"failed\":0}}",
	"{\"boot\":\"b\",\"sweep\":{\"job\":4097,\"sent\":-1,\"total\":-5,"
	"\"done\":true,\"failed\":[],\"starts\":1}}",
	"{\"boot\":\"b\",\"sweep\":{\"job\":4097,"
	"\"sent\":9223372036854775807,\"total\":1}}",
	"{\"boot\":\"b\",\"sweep\":{\"counters\":{\"late\":-1,"
	"\"forged\":-9223372036854775808,\"short\":9223372036854775807,"
	"\"type\":9223372036854775807,\"kernel_drops\":[]}}}",
	"{\"boot\":\"b\",\"site\":\"chc\",\"state\":null,"
	"\"agent_age_ms\":\"x\",\"wanted_revision\":{}}",
	"{\"boot\":\"b\",\"applied_revision\":-5}",
	"{\"boot\":\"b\",\"applied_revision\":9223372036854775807}",
};

/* All that people may ask, whatever agents said. */
static void
ask_everything(struct house *h)
{
	static const char *const paths[] = { "/v1/status",
		"/v1/explain?what=akl", "/v1/explain?what=192.0.2.0/24",
		"/v1/failover", "/v1/failover?site=akl", "/v1/clients",
		"/v1/events", "/metrics" };

	for (size_t i = 0; i < TEST_COUNT(paths); i++) {
		int status = get(h, paths[i]);

		if (status != 200 && status != 404)
			fail_msg("%s: %d: %s", paths[i], status, h->body);
	}
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	(void)post(h, "/v1/sites/akl/restore", "");
	(void)post(h, "/v1/experiments", "{\"site\":\"chc\"}");
}

/* Taken or refused, but never our own fault. */
static void
report_odd(struct house *h, const char *site, const char *text)
{
	char path[64];
	int status;

	(void)snprintf(path, sizeof(path), "/v1/sites/%s/status", site);
	status = post(h, path, text);
	if (status != 200 && status != 400)
		fail_msg("%s: %s", text, h->body);
}

static void
test_reports_of_any_shape(void **state)
{
	struct house *h = *state;

	house_load_clients(h);
	for (size_t i = 0; i < TEST_COUNT(hostile); i++) {
		report_odd(h, "akl", hostile[i]);
		ask_everything(h);
	}
}

/* The same while an experiment reads them all the time. */
static void
test_reports_of_any_shape_in_an_experiment(void **state)
{
	struct house *h = *state;
	char path[64];

	house_load_clients(h);
	for (size_t i = 0; i < TEST_COUNT(hostile); i++) {
		for (size_t k = 0; k < SITES; k++) {
			h->agents[k].wanted = 0;
			assert_int_equal(fake_post_status(&h->agents[k]), 200);
		}
		assert_int_equal(post(h, "/v1/experiments",
				     "{\"site\":\"akl\"}"),
		    200);
		/* The boot as it was, so that only the rest is odd. */
		memcpy(h->agents[1].boot, "b", 2);
		report_odd(h, "chc", hostile[i]);
		loop_idle(h->p.lp, 60);
		ask_everything(h);
		(void)snprintf(path, sizeof(path), "/v1/experiments/%zu/abort",
		    i + 1);
		(void)post(h, path, "");
	}
}

static void
test_bodies_that_are_no_report(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "x", "{\"boot\":1}",
		"{\"boot\":null}",
		"{\"boot\":\"b\",\"applied_revision\":\"x\"}",
		"{\"boot\":\"b\",\"applied_revision\":1.5}",
		"{\"boot\":\"0123456789012345678901234567890123456789\"}" };
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(post(h, "/v1/sites/akl/status", bad[i]), 400);
	assert_int_equal(post(h, "/v1/sites/xyz/status", "{\"boot\":\"b\"}"),
	    404);
}

/* Nesting without end is refused before it is walked. */
static void
test_deep_report(void **state)
{
	struct house *h = *state;
	size_t depth = 100000;
	char *text = malloc(2 * depth + 64);

	assert_non_null(text);
	(void)snprintf(text, 64, "{\"boot\":\"b\",\"x\":");
	memset(text + strlen(text), '[', depth);
	text[15 + depth] = '\0';
	(void)post(h, "/v1/sites/akl/status", text);
	assert_int_equal(h->status, 400);
	free(text);
}

#define PREFIXES                                                               \
	"\"prefixes\":[{\"prefix\":\"192.0.2.0/24\",\"service\":\"web\","      \
	"\"desired\":\"announced\",\"real\":\"announced\"}]"

/* What the controller knows of the site's prefixes. */
static size_t
prefixes_known(struct house *h)
{
	json_t *doc, *sites;
	size_t n;

	assert_int_equal(get(h, "/v1/status"), 200);
	doc = answer_json(h);
	sites = json_object_get(doc, "sites");
	n = json_array_size(json_object_get(json_array_get(sites, 0),
	    "prefixes"));
	json_decref(doc);
	return n;
}

/* An agent leaves prefixes out that it has told of; its boot counts. */
static void
test_prefixes_left_out(void **state)
{
	static const char *const unknown[] = {
		"{\"boot\":\"b1\",\"prefixes_version\":8}",
		"{\"boot\":\"b2\",\"prefixes_version\":7}",
		"{\"boot\":\"b1\",\"prefixes_version\":\"7\"}",
		"{\"boot\":\"b1\",\"prefixes_version\":null}",
	};
	struct house *h = *state;
	const char *path = "/v1/sites/akl/status";

	assert_int_equal(post(h, path,
			     "{\"boot\":\"b1\",\"prefixes_version\":7}"),
	    200);
	assert_int_equal(number(h, "prefixes_version"), 0);
	assert_int_equal(post(h, path,
			     "{\"boot\":\"b1\",\"prefixes_version\":7," PREFIXES
			     "}"),
	    200);
	assert_int_equal(number(h, "prefixes_version"), 7);
	for (size_t i = 0; i < TEST_COUNT(unknown); i++) {
		assert_int_equal(post(h, path, unknown[i]), 200);
		assert_int_equal(number(h, "prefixes_version"), 0);
		assert_null(strstr(h->body, "revision\":1"));
		assert_int_equal(prefixes_known(h), 1);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    post(h, path, "{\"boot\":\"b1\",\"prefixes_version\":7}"),
		    200);
		assert_int_equal(number(h, "prefixes_version"), 7);
		assert_true(number(h, "revision") > 0);
		assert_int_equal(prefixes_known(h), 1);
	}
	/* None is something else than left out. */
	assert_int_equal(
	    post(h, path,
		"{\"boot\":\"b1\",\"prefixes_version\":9,\"prefixes\":[]}"),
	    200);
	assert_int_equal(prefixes_known(h), 0);
	/* An agent that knows nothing of this. */
	assert_int_equal(post(h, path, "{\"boot\":\"b1\"," PREFIXES "}"), 200);
	assert_int_equal(prefixes_known(h), 1);
	assert_int_equal(post(h, path, "{\"boot\":\"b1\"}"), 200);
	assert_int_equal(prefixes_known(h), 0);
}

/* One site's nonsense must not get into the orders of the others. */
static void
test_prefixes_that_are_none(void **state)
{
	struct house *h = *state;

	h->fleet.guards.min_sites = 1;
	fakes_turn(h);
	assert_int_equal(
	    post(h, "/v1/sites/akl/status",
		"{\"boot\":\"boot0\",\"prefixes\":["
		"{\"prefix\":\"junk\",\"service\":\"web\"},"
		"{\"prefix\":\"192.0.2.1/24\",\"service\":\"web\"},"
		"{\"prefix\":\"2001:db8::/32\",\"service\":\"web\"}]}"),
	    200);
	loop_idle(h->p.lp, 120);
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].wanted = 0;
		assert_true(fake_poll(&h->agents[i]));
		assert_null(strstr(h->body, "junk"));
	}
}

/* ---- client lists ---- */

static int
upload(struct house *h, const char *params, const char *text)
{
	char *path = xasprintf("/v1/clients?%s", params);
	int status = post(h, path, text);

	free(path);
	return status;
}

static void
test_upload_in_parts(void **state)
{
	struct house *h = *state;

	assert_int_equal(upload(h, "upload=a&part=0", "203.0.11"), 200);
	assert_int_equal(number(h, "received_bytes"), 8);
	assert_int_equal(upload(h, "upload=a&part=1", "3.1\n203.0.113.2"), 200);
	assert_int_equal(number(h, "received_bytes"), 23);
	assert_int_equal(upload(h, "upload=a&part=2&last=1", ""), 200);
	assert_int_equal(number(h, "count"), 2);
	assert_int_equal(number(h, "list"), 1);
	assert_int_equal(get(h, "/v1/client-lists/1"), 200);
	assert_int_equal(get(h, "/v1/client-lists/2"), 404);
	assert_int_equal(get(h, "/v1/client-lists/0"), 404);
	assert_int_equal(get(h, "/v1/client-lists/x"), 404);
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_int_equal(number(h, "count"), 2);
	assert_int_equal(number(h, "ipv4"), 2);
	assert_int_equal(number(h, "list"), 1);
}

static void
test_parts_out_of_order(void **state)
{
	struct house *h = *state;

	assert_int_equal(upload(h, "upload=a&part=1", "x"), 409);
	assert_int_equal(upload(h, "upload=a&part=0", "203.0.113.1\n"), 200);
	assert_int_equal(upload(h, "upload=a&part=2", "x"), 409);
	assert_int_equal(upload(h, "upload=b&part=1", "x"), 409);
	assert_int_equal(upload(h, "part=1", "x"), 409);
	assert_int_equal(upload(h, "upload=a&part=-2", "x"), 400);
	assert_int_equal(upload(h, "upload=a&part=1&last=2", "x"), 400);
	assert_int_equal(upload(h, "upload=a", "x"), 409);
	/* Another one takes its place. */
	assert_int_equal(upload(h, "upload=b&part=0", "203.0.113.7\n"), 200);
	assert_int_equal(upload(h, "upload=a&part=1", "x"), 409);
	assert_int_equal(upload(h, "upload=b&part=1&last=1", ""), 200);
	assert_int_equal(number(h, "count"), 1);
}

static void
test_bad_list_changes_nothing(void **state)
{
	struct house *h = *state;

	house_load_clients(h);
	assert_int_equal(upload(h, "upload=a&part=0&last=1",
			     "203.0.113.1\njunk\n"),
	    400);
	assert_answer_has(h, "line 2");
	assert_int_equal(upload(h, "upload=a&part=0&last=1", ""), 400);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_int_equal(number(h, "count"), CLIENTS);
	assert_int_equal(number(h, "list"), 1);
}

/* The answer waits for the disk; its client may not. */
static void
test_client_gone_before_the_list_is_on_disk(void **state)
{
	static const char text[] =
	    "POST /v1/clients?upload=a&part=0&last=1 HTTP/1.1\r\n"
	    "Host: a\r\nContent-Length: 12\r\n\r\n203.0.113.1\n";
	struct house *h = *state;
	struct wire *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	wire_unix(w, h->p.lp, h->path);
	/* No step of the loop between the two: it is gone when we read. */
	assert_int_equal(write(w->fd, text, strlen(text)), strlen(text));
	wire_close(w);
	free(w);
	WAIT_FOR(h->p.lp,
	    get(h, "/v1/clients") == 200 && number(h, "count") == 1);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
}

/* ---- events ---- */

static void
test_events_in_pages(void **state)
{
	struct house *h = *state;
	json_int_t last = 0;
	size_t n = 0;

	for (int i = 0; i < 10; i++) {
		assert_int_equal(post(h, "/v1/sites/akl/drain", ""), 200);
		assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 200);
	}
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	for (int page = 0; page < 10; page++) {
		char path[96];
		json_t *doc;

		(void)snprintf(path, sizeof(path),
		    "/v1/events?after=%lld&limit=7&subject=site/akl",
		    (long long)last);
		assert_int_equal(get(h, path), 200);
		doc = answer_json(h);
		n += json_array_size(json_object_get(doc, "events"));
		json_decref(doc);
		assert_true(number(h, "last") >= last);
		last = number(h, "last");
	}
	assert_int_equal(n, 20);
	assert_int_equal(get(h, "/v1/events?limit=0"), 400);
	assert_int_equal(get(h, "/v1/events?limit=1001"), 400);
	assert_int_equal(get(h, "/v1/events?after=-2"), 400);
	assert_int_equal(get(h, "/v1/events?wait_ms=30001"), 400);
	assert_int_equal(get(h, "/v1/events?subject=nothing"), 200);
	assert_answer_has(h, "\"events\":[]");
}

static void
test_events_wait_for_the_next(void **state)
{
	struct house *h = *state;
	struct wire *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	wire_unix(w, h->p.lp, h->path);
	wire_send(w,
	    "GET /v1/events?after=0&subject=site/akl&wait_ms=20000 HTTP/1.1\r\n"
	    "Host: a\r\n\r\n");
	loop_idle(h->p.lp, 250);
	assert_int_equal(wire_answers(w), 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"reason\":\"now\"}"),
	    200);
	WAIT_FOR(h->p.lp, wire_has(w, "\"now\""));
	wire_close(w);
	/* Nothing new: an empty answer when the time is over. */
	assert_int_equal(get(h, "/v1/events?after=0&subject=none&wait_ms=150"),
	    200);
	assert_answer_has(h, "\"events\":[]");
	assert_int_equal(number(h, "last"), 0);
	free(w);
}

/* Each waiting one costs a query ten times a second: not without end. */
static void
test_events_only_so_many_wait(void **state)
{
	struct house *h = *state;
	struct wire *w = calloc(70, sizeof(*w));
	size_t answered = 0;

	assert_non_null(w);
	for (int i = 0; i < 70; i++) {
		wire_unix(&w[i], h->p.lp, h->path);
		wire_send(&w[i],
		    "GET /v1/events?after=0&subject=none&wait_ms=20000 "
		    "HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	loop_idle(h->p.lp, 100);
	for (int i = 0; i < 70; i++)
		answered += wire_has(&w[i], "\"events\":[]");
	assert_int_equal(answered, 6);
	for (int i = 0; i < 70; i++)
		wire_close(&w[i]);
	/* Those that went away make room. */
	loop_idle(h->p.lp, 50);
	wire_unix(w, h->p.lp, h->path);
	wire_send(w,
	    "GET /v1/events?after=0&subject=none&wait_ms=20000 "
	    "HTTP/1.1\r\nHost: a\r\n\r\n");
	loop_idle(h->p.lp, 50);
	w->len = 0;
	w->text[0] = '\0';
	assert_false(wire_has(w, "events"));
	wire_close(w);
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_orders_are_whole_and_come_once),
		WITH_HOUSE(test_waiting_agent_is_woken),
		WITH_HOUSE(test_waiting_agent_goes_away),
		WITH_HOUSE(test_revision_survives_a_restart),
		WITH_HOUSE(test_agent_knows_a_higher_revision),
		WITH_HOUSE(test_absurd_revision_of_an_agent),
		WITH_HOUSE(test_reports_of_any_shape),
		WITH_HOUSE(test_reports_of_any_shape_in_an_experiment),
		WITH_HOUSE(test_bodies_that_are_no_report),
		WITH_HOUSE(test_deep_report),
		WITH_HOUSE(test_prefixes_left_out),
		WITH_HOUSE(test_prefixes_that_are_none),
		WITH_HOUSE(test_upload_in_parts),
		WITH_HOUSE(test_parts_out_of_order),
		WITH_HOUSE(test_bad_list_changes_nothing),
		WITH_HOUSE(test_client_gone_before_the_list_is_on_disk),
		WITH_HOUSE(test_events_in_pages),
		WITH_HOUSE(test_events_wait_for_the_next),
		WITH_HOUSE(test_events_only_so_many_wait),
	};

	return house_main(tests, TEST_COUNT(tests));
}
