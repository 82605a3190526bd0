/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The controller by its API: orders, reports, intents, client lists. */
#include "fleet/controller.h"

#include "fleet_house.h"
#include "http_wire.h"
#include "test.h"

#define ALPHA                                                                  \
	"{\"id\":\"at-akl\",\"kind\":\"drain\",\"site\":\"akl\","              \
	"\"reason\":\"console\",\"actor\":\"uid 0\",\"created_ms\":5,"         \
	"\"until_ms\":0,\"ended_ms\":%s,\"ended_by\":\"%s\"}"

/* A number of the last answer. */
static json_int_t
number(const struct house *h, const char *key)
{
	json_t *doc = answer_json(h);
	json_int_t value = -1;

	if (json_unpack(doc, "{s:I}", key, &value) == -1)
		fail_msg("no number %s in %s", key, h->body);
	json_decref(doc);
	return value;
}

static uint64_t
revision_of(struct house *h, const char *site)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/v1/sites/%s/orders?after=0", site);
	assert_int_equal(get(h, path), 200);
	return (uint64_t)number(h, "revision");
}

/* ---- orders ---- */

static void
test_orders_are_whole_and_come_once(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[0];
	uint64_t first;

	assert_true(fake_poll(a));
	assert_answer_has(h, "\"intents\":[]");
	assert_answer_has(h, "\"withdrawn\":false");
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
	wire_unix(w, h->lp, h->path);
	wire_send(w, text);
	loop_idle(h->lp, 120);
	assert_int_equal(wire_answers(w), 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\"}"),
	    200);
	WAIT_FOR(h->lp, wire_has(w, "\"work\""));
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
		wire_unix(w, h->lp, h->path);
		wire_send(w, text);
		wire_close(w);
	}
	/* These wait to the very end. */
	wire_unix(w, h->lp, h->path);
	wire_send(w, text);
	assert_int_equal(post(h, "/v1/sites/akl/drain", ""), 200);
	WAIT_FOR(h->lp, wire_has(w, "\"intents\""));
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
		loop_idle(h->lp, 60);
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
	loop_idle(h->lp, 120);
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].wanted = 0;
		assert_true(fake_poll(&h->agents[i]));
		assert_null(strstr(h->body, "junk"));
	}
}

/* ---- intents ---- */

static void
test_drain_and_restore(void **state)
{
	struct house *h = *state;

	fakes_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\",\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"intent\":null");
	assert_answer_has(h, "- route 192.0.2.0/24");
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\"}"),
	    200);
	assert_answer_has(h, "\"from\":\"announced\",\"to\":\"withdrawn\"");
	assert_answer_has(h, "\"landing\":null");
	/* Durable when it is answered. */
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM intent WHERE "
			     "site = 'akl' AND ended_ms = 0"),
	    1);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	assert_answer_has(h, "drained already by uid");
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"reason\":\"work\"");
	assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 200);
	assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 409);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_answer_has(h, "\"ended\":[\"drain-akl-");
	assert_int_equal(post(h, "/v1/sites/xyz/drain", ""), 404);
	assert_answer_has(h, "known: akl chc wlg");
}

static void
test_drains_that_are_refused(void **state)
{
	static const char *const bad[] = { "[]", "{\"reason\":1}",
		"{\"for_ms\":-1}", "{\"for_ms\":31622400001}",
		"{\"for_ms\":\"1\"}", "{\"dry_run\":1}", "{\"what\":1}",
		"{\"reason\":null}" };
	struct house *h = *state;
	char text[400];

	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(post(h, "/v1/sites/akl/drain", bad[i]), 400);
	(void)snprintf(text, sizeof(text), "{\"reason\":\"%0*d\"}",
	    INTENT_REASON_BYTES, 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", text), 400);
	(void)snprintf(text, sizeof(text), "{\"reason\":\"%0*d\"}",
	    INTENT_REASON_BYTES - 1, 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", text), 200);
}

static void
test_drain_for_a_time_ends_by_itself(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"for_ms\":150}"),
	    200);
	WAIT_FOR(h->lp,
	    get(h, "/v1/sites/akl/orders?after=0") == 200 &&
		strstr(h->body, "\"intents\":[]") != NULL);
	assert_answer_has(h, "\"ended\":[\"drain-akl-");
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
	assert_int_equal(get(h, "/v1/events?subject=site/akl"), 200);
	assert_answer_has(h, "its time is over");
}

static void
report_intent(struct house *h, size_t site, const char *ended_ms,
    const char *ended_by)
{
	char *text = xasprintf("[" ALPHA "]", ended_ms, ended_by);
	struct fake *a = &h->agents[site];

	json_decref(a->intents);
	a->intents = json_loads(text, 0, NULL);
	assert_non_null(a->intents);
	free(text);
	assert_int_equal(fake_post_status(a), 200);
}

/* Made at the site's own console while we were out of reach. */
static void
test_intents_of_a_console_are_merged(void **state)
{
	struct house *h = *state;
	char now[32];

	report_intent(h, 0, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"id\":\"at-akl\"");
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"draining\"");
	(void)snprintf(now, sizeof(now), "%lld", (long long)wall_now_ms());
	report_intent(h, 0, now, "uid 7");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"ended\":[\"at-akl\"]");
	/* What was ended once stays ended. */
	report_intent(h, 0, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
}

static void
test_site_speaks_for_itself_only(void **state)
{
	struct house *h = *state;

	report_intent(h, 1, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_int_equal(get(h, "/v1/sites/chc/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
}

/* What everybody else has forgotten does not come back for ever. */
static void
test_intent_ended_long_ago_is_not_new(void **state)
{
	struct house *h = *state;
	uint64_t before;

	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	before = revision_of(h, "akl");
	report_intent(h, 0, "1000", "uid 7");
	assert_int_equal(revision_of(h, "akl"), before);
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM intent"), 0);
}

/* The set is full: that must be said, not passed over. */
static void
test_full_set_refuses_a_drain(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[0];
	struct mono start;

	a->intents = json_array();
	for (int i = 0; i < INTENTS_MAX; i++) {
		json_array_append_new(a->intents,
		    json_pack("{s:o, s:s, s:s, s:I}", "id",
			json_sprintf("i%d", i), "kind", "drain", "site", "akl",
			"ended_ms", (json_int_t)wall_now_ms()));
	}
	/* In one go: the controller must not work through them one by one,
	 * with all others' orders waiting. */
	start = mono_now();
	assert_int_equal(fake_post_status(a), 200);
	assert_true(mono_diff_ms(mono_now(), start) < 4000);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 409);
	assert_answer_has(h, "too many intents");
	json_decref(a->intents);
	a->intents = NULL;
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
	wire_unix(w, h->lp, h->path);
	/* No step of the loop between the two: it is gone when we read. */
	assert_int_equal(write(w->fd, text, strlen(text)), strlen(text));
	wire_close(w);
	free(w);
	WAIT_FOR(h->lp,
	    get(h, "/v1/clients") == 200 && number(h, "count") == 1);
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
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
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
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
	wire_unix(w, h->lp, h->path);
	wire_send(w,
	    "GET /v1/events?after=0&subject=site/akl&wait_ms=20000 HTTP/1.1\r\n"
	    "Host: a\r\n\r\n");
	loop_idle(h->lp, 250);
	assert_int_equal(wire_answers(w), 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"reason\":\"now\"}"),
	    200);
	WAIT_FOR(h->lp, wire_has(w, "\"now\""));
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
		wire_unix(&w[i], h->lp, h->path);
		wire_send(&w[i],
		    "GET /v1/events?after=0&subject=none&wait_ms=20000 "
		    "HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	loop_idle(h->lp, 100);
	for (int i = 0; i < 70; i++)
		answered += wire_has(&w[i], "\"events\":[]");
	assert_int_equal(answered, 6);
	for (int i = 0; i < 70; i++)
		wire_close(&w[i]);
	/* Those that went away make room. */
	loop_idle(h->lp, 50);
	wire_unix(w, h->lp, h->path);
	wire_send(w,
	    "GET /v1/events?after=0&subject=none&wait_ms=20000 "
	    "HTTP/1.1\r\nHost: a\r\n\r\n");
	loop_idle(h->lp, 50);
	w->len = 0;
	w->text[0] = '\0';
	assert_false(wire_has(w, "events"));
	wire_close(w);
	free(w);
}

/* ---- guards by hand ---- */

/* Whatever is missing or empty: nothing is selected, never all. */
static void
test_empty_selectors_select_nothing(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
	} asked[] = {
		{ "/v1/sites//drain", "{}", 404 },
		{ "/v1/sites//restore", "{}", 404 },
		{ "/v1/sites/drain", "{}", 404 },
		{ "/v1/sites/*/drain", "{}", 404 },
		{ "/v1/sites/*/restore", "{\"all\":true}", 404 },
		{ "/v1/sites/akl/drain", "{\"service\":\"\"}", 400 },
		{ "/v1/sites/akl/drain", "{\"prefix\":\"\"}", 400 },
		{ "/v1/sites/akl/restore", "{\"service\":\"\"}", 400 },
		{ "/v1/override", "{}", 400 },
		{ "/v1/override",
		    "{\"guard\":\"budget\",\"reason\":\"r\",\"for_ms\":1000}",
		    400 },
		{ "/v1/override",
		    "{\"guard\":\"budget\",\"site\":\"\",\"reason\":\"r\","
		    "\"for_ms\":1000}",
		    400 },
		{ "/v1/override",
		    "{\"guard\":\"\",\"site\":\"akl\",\"reason\":\"r\","
		    "\"for_ms\":1000}",
		    400 },
		{ "/v1/override/end", "{\"guard\":\"budget\"}", 400 },
		{ "/v1/override/end", "{\"guard\":\"budget\",\"site\":\"\"}",
		    400 },
		{ "/v1/freeze", "{\"reason\":\"r\"}", 400 },
		{ "/v1/freeze", "{\"reason\":\"r\",\"site\":\"\"}", 400 },
		{ "/v1/freeze", "{\"reason\":\"r\",\"site\":null}", 400 },
		{ "/v1/thaw", "{}", 400 },
		{ "/v1/thaw", "{\"site\":\"\"}", 400 },
		{ "/v1/experiments", "{\"site\":\"\"}", 400 },
		{ "/v1/experiments", "{}", 400 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(asked); i++) {
		int got = post(h, asked[i].path, asked[i].body);

		if (got != asked[i].status) {
			print_error("%s %s: %s\n", asked[i].path, asked[i].body,
			    h->body);
		}
		assert_int_equal(got, asked[i].status);
	}
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_null(strstr(h->body, "\"kind\""));
}

static void
test_override_is_recorded_and_limited(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"min_site\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    400);
	assert_answer_has(h, "no such guard");
	assert_answer_has(h, "min_sites min_capacity budget");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\"}"),
	    400);
	assert_answer_has(h, "needs a time");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"for_ms\":60000}"),
	    400);
	assert_answer_has(h, "needs a reason");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":700000000}"),
	    400);
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	assert_answer_has(h, "\"scope\":\"guard/budget\"");
	assert_answer_has(h, "\"kind\":\"override\"");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    409);
	/* The agent hears of it. */
	assert_true(fake_poll(&h->agents[0]));
	assert_answer_has(h, "guard/budget");
	assert_int_equal(post(h, "/v1/override/end",
			     "{\"guard\":\"budget\",\"site\":\"chc\"}"),
	    409);
	assert_int_equal(post(h, "/v1/override/end",
			     "{\"guard\":\"budget\",\"site\":\"akl\"}"),
	    200);
	assert_answer_has(h, "\"ended\":[{");
}

static void
test_frozen_nothing_is_drained_or_restored(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/sites/chc/drain", "{}"), 200);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"*\",\"reason\":\"storm\"}"),
	    200);
	assert_answer_has(h, "\"id\":\"freeze-fleet-");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	assert_answer_has(h, "guard freeze: the fleet is frozen by");
	assert_answer_has(h, "storm");
	assert_int_equal(post(h, "/v1/sites/chc/restore", "{}"), 409);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "guard freeze");
	/* Every agent hears of it, and the status shows it. */
	for (size_t i = 0; i < SITES; i++) {
		assert_true(fake_poll(&h->agents[i]));
		assert_answer_has(h, "\"kind\":\"freeze\"");
	}
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"kind\":\"freeze\"");
	/* Forced: it is recorded as an override. */
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"force\":\"freeze\",\"reason\":\"fire\","
			     "\"for_ms\":60000}"),
	    200);
	assert_true(fake_poll(&h->agents[0]));
	assert_answer_has(h, "\"scope\":\"guard/freeze\"");
	/* A freeze of the fleet is not ended by thawing a site. */
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"akl\"}"), 409);
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"*\"}"), 200);
	assert_int_equal(post(h, "/v1/sites/chc/restore", "{}"), 200);
	assert_true(fake_poll(&h->agents[1]));
	assert_answer_has(h, "\"ended\":[\"");
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
		WITH_HOUSE(test_prefixes_that_are_none),
		WITH_HOUSE(test_drain_and_restore),
		WITH_HOUSE(test_drains_that_are_refused),
		WITH_HOUSE(test_drain_for_a_time_ends_by_itself),
		WITH_HOUSE(test_intents_of_a_console_are_merged),
		WITH_HOUSE(test_site_speaks_for_itself_only),
		WITH_HOUSE(test_intent_ended_long_ago_is_not_new),
		WITH_HOUSE(test_full_set_refuses_a_drain),
		WITH_HOUSE(test_upload_in_parts),
		WITH_HOUSE(test_parts_out_of_order),
		WITH_HOUSE(test_bad_list_changes_nothing),
		WITH_HOUSE(test_client_gone_before_the_list_is_on_disk),
		WITH_HOUSE(test_events_in_pages),
		WITH_HOUSE(test_events_wait_for_the_next),
		WITH_HOUSE(test_events_only_so_many_wait),
		WITH_HOUSE(test_empty_selectors_select_nothing),
		WITH_HOUSE(test_override_is_recorded_and_limited),
		WITH_HOUSE(test_frozen_nothing_is_drained_or_restored),
	};

	return house_main(tests, TEST_COUNT(tests));
}
