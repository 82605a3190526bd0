/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole agent without BIRD, and a controller that is the test's own: what it
 * says wrong must neither hurt nor hold anything.
 */
#include "site/uplink.h"

#include <curl/curl.h>
#include <sodium.h>

#include "base/json_text.h"
#include "base/text.h"
#include "bird/include.h"
#include "loop_wait.h"
#include "probes/sweep_list.h"
#include "probes/sweep_packet.h"
#include "site/agent_state.h"
#include "site/sweep_link.h"
#include "store/intent_row.h"
#include "tls_made.h"
#include "uplink_house.h"

#define ORDERS(n)                                                              \
	"{\"revision\":" #n ",\"intents\":[],\"ended\":[],\"tests\":[]}"

static bool
is_withdrawn(const struct house *h)
{
	return !reconcile_wanted(h->agent->reconcile, 0);
}

static unsigned
polls_in(struct house *h, int64_t ms)
{
	unsigned before = h->polls;

	loop_idle(h->p.lp, ms);
	return h->polls - before;
}

static const char *const unreadable[] = {
	"", "x", "{}", "[]", "null", "{\"revision\":6}",
	"{\"revision\":-1,\"intents\":[],\"ended\":[],\"tests\":[" TEST_7 "]}",
	"{\"revision\":6,\"intents\":[],\"ended\":[],"
	"\"tests\":[" TEST_7 "," TEST_7 "]}",
	"{\"revision\":6,\"revision\":6}",
	WITHDRAW, /* readable, but nothing that was asked for */
};

/* They come at once, again and again: that must be no storm. */
static void
test_orders_that_cannot_be_read_are_no_storm(void **state)
{
	struct house *h = *state;

	h->orders = WITHDRAW;
	begin(h);
	WAIT_FOR(h->p.lp, h->polls == 1);
	for (size_t i = 0; i < TEST_COUNT(unreadable); i++) {
		h->orders = unreadable[i];
		assert_in_range(polls_in(h, 600), 1, 4);
	}
}

/* Nor do they confirm that the test prefix shall stay withdrawn. */
static void
test_orders_that_cannot_be_read_confirm_nothing(void **state)
{
	struct house *h = *state;

	for (size_t i = 0; i + 1 < TEST_COUNT(unreadable); i++) {
		h->orders = WITHDRAW;
		begin(h);
		WAIT_FOR(h->p.lp, is_withdrawn(h));
		h->orders = unreadable[i];
		WAIT_FOR(h->p.lp, !is_withdrawn(h));
		agent_free(h->agent);
		h->agent = NULL;
	}
}

static void
test_silent_controller_confirms_nothing(void **state)
{
	struct house *h = *state;

	h->orders = WITHDRAW;
	begin(h);
	WAIT_FOR(h->p.lp, is_withdrawn(h));
	h->orders = NULL;
	h->posts_answer = "{\"revision\":99}";
	WAIT_FOR(h->p.lp, !is_withdrawn(h));
}

static bool
has_told(const struct house *h, const char *key, json_int_t revision)
{
	json_t *status =
	    json_loads(h->status != NULL ? h->status : "", 0, NULL);
	bool is_told =
	    json_integer_value(json_object_get(status, key)) == revision;

	json_decref(status);
	return is_told;
}

/* A permit that it took away is another site's as soon as we say that we have
 * read so: a restart must not bring it back. */
static void
test_orders_are_taken_when_they_are_on_disk(void **state)
{
	struct house *h = *state;
	unsigned posts;

	h->orders = ORDERS(5);
	begin(h);
	WAIT_FOR(h->p.lp, has_told(h, "wanted_revision", 5));
	assert_int_equal(kill(*store_pid, SIGSTOP), 0);
	h->orders = ORDERS(6);
	WAIT_FOR(h->p.lp, has_told(h, "applied_revision", 6));
	posts = h->posts;
	WAIT_FOR(h->p.lp, h->posts >= posts + 3);
	assert_true(has_told(h, "wanted_revision", 5));
	assert_int_equal(kill(*store_pid, SIGCONT), 0);
	WAIT_FOR(h->p.lp, has_told(h, "wanted_revision", 6));
}

/* Of thousands of drains; the permit, too, is missing then. */
static char *
long_orders(void)
{
	struct intent row = intent_new("drain", "akl", "a test", "jo");
	json_t *rows = json_array(), *doc;
	char *text;

	(void)text_copy(row.scope, sizeof(row.scope), "prefix/203.0.113.0/24");
	memset(row.reason, 'x', sizeof(row.reason) - 1);
	for (size_t i = 0; i < 3000; i++)
		json_array_append_new(rows, intent_to_json(&row));
	doc = json_pack("{s:i, s:o, s:[], s:[], s:[]}", "revision", 7,
	    "intents", rows, "ended", "tests", "permits");
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

static void
test_long_orders_are_kept_too(void **state)
{
	struct house *h = *state;
	char *text = long_orders(), *kept = NULL;
	uint64_t revision;
	struct err err;

	assert_true(strlen(text) > STORE_ORDER_MAX);
	h->orders = text;
	begin(h);
	WAIT_FOR(h->p.lp, has_told(h, "wanted_revision", 7));
	assert_int_equal(query_order(h->p.query, "akl", &revision, &kept, &err),
	    1);
	assert_int_equal(revision, 7);
	assert_non_null(strstr(kept, "\"permits\":[]"));
	free(kept);
	free(text);
}

/* As long as it says the same, the withdrawal is held. */
static void
test_living_controller_holds_the_test_prefix(void **state)
{
	struct house *h = *state;

	h->orders = WITHDRAW;
	h->agent_conf.test.confirm_ms = 3000;
	h->posts_answer = "{\"revision\":5}";
	begin(h);
	WAIT_FOR(h->p.lp, is_withdrawn(h));
	h->orders = NULL;
	loop_idle(h->p.lp, 4000);
	assert_true(is_withdrawn(h));
}

static uint64_t
applied(const struct house *h)
{
	json_t *doc = h->status != NULL ? json_loads(h->status, 0, NULL) : NULL;
	json_int_t revision =
	    json_integer_value(json_object_get(doc, "applied_revision"));

	json_decref(doc);
	return (uint64_t)revision;
}

/* With several experiments documents come one after the other: each must be
 * reported as applied before long, and the last one in the end. */
static void
test_a_stream_of_orders_is_applied_meanwhile(void **state)
{
	struct house *h = *state;
	uint64_t last;

	h->revision = 10;
	begin(h);
	WAIT_FOR(h->p.lp, applied(h) >= 10);
	last = applied(h);
	WAIT_FOR(h->p.lp, applied(h) > last + 10);
	last = h->revision - 1;
	h->revision = 0;
	h->orders = NULL;
	WAIT_FOR(h->p.lp, applied(h) == last);
}

/* An error's text goes into our own report: it must stay JSON. */
static void
test_errors_of_any_bytes_are_reported(void **state)
{
	struct house *h = *state;
	const char *last_error = NULL;
	json_t *doc;

	h->orders = "\xff\xfe not text \xc3";
	h->orders_status = 500;
	begin(h);
	WAIT_FOR(h->p.lp,
	    h->status != NULL && strstr(h->status, "not text") != NULL);
	doc = json_loads(h->status, 0, NULL);
	assert_non_null(doc);
	assert_int_equal(json_unpack(doc, "{s:{s:s}}", "uplink", "last_error",
			     &last_error),
	    0);
	json_decref(doc);
}

static void
test_answers_to_a_report_of_any_shape(void **state)
{
	static const char *const answers[] = { "", "x", "[]", "null",
		"{\"revision\":\"x\"}", "{\"revision\":-1}" };
	struct house *h = *state;

	begin(h);
	for (size_t i = 0; i < TEST_COUNT(answers); i++) {
		unsigned before = h->posts;

		h->posts_answer = answers[i];
		WAIT_FOR(h->p.lp, h->posts > before + 1);
	}
}

static json_int_t
version_posted(const json_t *doc)
{
	return json_integer_value(json_object_get(doc, "prefixes_version"));
}

/* The next status that is posted. */
static json_t *
next_status(struct house *h)
{
	unsigned before = h->posts;
	json_t *doc;

	WAIT_FOR(h->p.lp, h->posts > before);
	doc = json_loads(h->status, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static void
controller_has(struct house *h, json_int_t version)
{
	(void)snprintf(h->answer, sizeof(h->answer),
	    "{\"prefixes_version\":%lld}", (long long)version);
	h->posts_answer = h->answer;
}

/* Does the last status tell of the prefix, as so?  Which version it is. */
static bool
tells(const struct house *h, const char *real, json_int_t *version)
{
	json_t *doc = h->status != NULL ? json_loads(h->status, 0, NULL) : NULL;
	const json_t *p = json_array_get(json_object_get(doc, "prefixes"), 0);
	bool does = p != NULL && strcmp(json_text(p, "real"), real) == 0;

	*version = version_posted(doc);
	json_decref(doc);
	return does;
}

static bool
is_told(struct house *h)
{
	json_t *doc = next_status(h);
	bool is = json_object_get(doc, "prefixes") != NULL;

	json_decref(doc);
	return is;
}

/* With a BIRD, so that nothing is different for long. */
static void
begin_with_bird(struct house *h)
{
	char text[512], path[128];

	if (!bird_is_installed())
		skip();
	(void)snprintf(text, sizeof(text),
	    "router id 10.0.0.1;\nprotocol device {}\ninclude \"%s\";\n",
	    h->include);
	(void)snprintf(path, sizeof(path), "%s/bird.conf", h->f.dir);
	assert_int_equal(bird_include_write(path, text, NULL), 0);
	assert_int_equal(bird_include_write(h->include, "", NULL), 0);
	(void)snprintf(h->bird, sizeof(h->bird), "%s/bird.ctl", h->f.dir);
	h->bird_pid = bird_spawn(h->f.dir, "bird");
	begin(h);
}

/* Prefixes are left out only while the controller says that it has them. */
static void
test_prefixes_are_told_once(void **state)
{
	struct house *h = *state;
	json_int_t version;

	begin_with_bird(h);
	WAIT_FOR(h->p.lp, tells(h, "announced", &version));
	controller_has(h, version);
	(void)is_told(h);
	assert_false(is_told(h));
	assert_false(is_told(h));
	/* It has lost them. */
	controller_has(h, 0);
	assert_false(is_told(h));
	assert_true(is_told(h));
	assert_true(is_told(h));
	/* Another one may be there after trouble. */
	controller_has(h, version);
	(void)is_told(h);
	assert_false(is_told(h));
	h->posts_status = 500;
	assert_false(is_told(h));
	assert_true(is_told(h));
}

/* What has changed is told, whatever the controller has. */
static void
test_changed_prefixes_are_told(void **state)
{
	struct house *h = *state;
	json_int_t version, changed;

	begin_with_bird(h);
	WAIT_FOR(h->p.lp, tells(h, "announced", &version));
	controller_has(h, version);
	(void)is_told(h);
	assert_false(is_told(h));
	h->agent_conf.test.confirm_ms = 60000;
	api_reply_bytes(h->waiting, 200, NULL, WITHDRAW, strlen(WITHDRAW));
	h->waiting = NULL;
	WAIT_FOR(h->p.lp, tells(h, "withdrawn", &changed));
	assert_true(changed > version);
}

/* The end while all requests are under way. */
static void
test_end_while_a_poll_waits(void **state)
{
	struct house *h = *state;

	begin(h);
	WAIT_FOR(h->p.lp, h->waiting != NULL);
	agent_free(h->agent);
	h->agent = NULL;
	WAIT_FOR(h->p.lp, h->waiting == NULL);
}

static void
test_no_controller_there(void **state)
{
	struct house *h = *state;

	api_server_free(h->server);
	h->server = NULL;
	begin(h);
	loop_idle(h->p.lp, 500);
	assert_false(is_withdrawn(h));
}

#define SWEEP                                                                  \
	"{\"revision\":5,\"intents\":[],\"ended\":[],\"tests\":[" TEST_7 "],"  \
	"\"sweep\":{\"job\":9,\"experiment\":7,\"list\":3,\"phase\":1,"        \
	"\"round\":0,\"rate_pps\":100,\"seed\":77}}"

static json_int_t
sweep_number(const struct house *h, const char *key)
{
	json_t *doc = sweep_link_status(h->agent->sweep);
	json_int_t n = json_integer_value(json_object_get(doc, key));

	json_decref(doc);
	return n;
}

static bool
sweep_failed(const struct house *h, const char *why)
{
	json_t *doc = sweep_link_status(h->agent->sweep);
	bool has = strcmp(json_text(doc, "failed"), why) == 0;

	json_decref(doc);
	return has;
}

static bool
sweep_is_done(const struct house *h, json_int_t job)
{
	json_t *doc = sweep_link_status(h->agent->sweep);
	bool is = json_integer_value(json_object_get(doc, "job")) == job &&
	    json_is_true(json_object_get(doc, "done"));

	json_decref(doc);
	return is;
}

/* Orders can be given now, and a sweep would run. */
static void
begin_with_sweeper(struct house *h)
{
	h->posts_answer = "{\"revision\":5}";
	begin(h);
	WAIT_FOR(h->p.lp,
	    h->waiting != NULL && h->posts > 0 &&
		sweep_number(h, "starts") == 1);
}

static void
order_sweep(struct house *h)
{
	api_reply_bytes(h->waiting, 200, NULL, SWEEP, strlen(SWEEP));
	h->waiting = NULL;
}

/* What ca is made of changes, but not whom it stands for. */
static void
renew(const char *ca)
{
	FILE *f = fopen(ca, "ae");

	assert_non_null(f);
	fputs("\n", f);
	assert_int_equal(fclose(f), 0);
}

static void
on_fetched(const struct fetch_answer *answer, void *arg)
{
	struct house *h = arg;

	assert_int_equal(answer->status, 200);
	h->fetched++;
}

/* Some more connections that the agent keeps. */
static void
make_connections(struct house *h)
{
	char *url = xasprintf("%s/v1/client-lists/3", h->url);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.tls = &h->agent->tls,
		.timeout_ms = 20000,
		.max_body_bytes = 100 };

	for (size_t i = 0; i < 4; i++)
		(void)fetch_start(h->fetch, &req, on_fetched, h);
	WAIT_FOR(h->p.lp, h->fetched == 4);
	h->lists = 0;
	free(url);
}

/* The controller reads new files, and each connection that the agent keeps is
 * misdirected once: over another one of them it would be once more. */
static void
test_list_is_fetched_after_a_renewal(void **state)
{
	static struct identity akl, chc;
	static char ca[96];
	struct house *h = *state;
	char *where = xstrdup(h->url + strlen("http://"));
	struct api_places places = { .tcp = where };
	struct tls_files files = files_of(&akl, made.fleet, "akl");

	(void)files_of(&chc, made.fleet, "chc");
	(void)snprintf(ca, sizeof(ca), "%s/renewed.pem", made.dir);
	made_copy(akl.ca, ca);
	files.ca = ca;
	places.tls = &files;
	assert_int_equal(api_server_listen(h->server, &places, NULL), 0);
	(void)snprintf(h->url, sizeof(h->url), "https://%s", where);
	h->conf.tls = (struct conf_tls){
		.certificate = chc.certificate, .key = chc.key, .ca = chc.ca
	};
	begin_with_sweeper(h);
	make_connections(h);
	renew(ca);
	assert_int_equal(api_server_listen(h->server, &places, NULL), 0);
	order_sweep(h);
	WAIT_FOR(h->p.lp, sweep_number(h, "skipped_special") == 2);
	assert_true(sweep_failed(h, ""));
	assert_int_equal(h->lists, 1);
	free(where);
}

/* But not for ever. */
static void
test_list_that_is_always_misdirected(void **state)
{
	struct house *h = *state;

	h->is_misdirected = true;
	begin_with_sweeper(h);
	order_sweep(h);
	WAIT_FOR(h->p.lp, sweep_failed(h, "the client list cannot be had"));
	loop_idle(h->p.lp, 300);
	assert_int_equal(h->lists, 2);
}

/* What the sweeper cannot do is no sweep that nobody answered. */
static void
test_a_refused_job_is_told(void **state)
{
	struct house *h = *state;
	static const char text[] =
	    "{\"revision\":5,\"intents\":[],\"ended\":[],"
	    "\"tests\":[" TEST_7 "],\"sweep\":{\"job\":9,"
	    "\"experiment\":7,\"list\":3,\"phase\":1,"
	    "\"round\":0,\"rate_pps\":100,\"seed\":77,"
	    "\"subset\":[5]}}";

	begin_with_sweeper(h);
	api_reply_bytes(h->waiting, 200, NULL, text, strlen(text));
	h->waiting = NULL;
	WAIT_FOR(h->p.lp, sweep_is_done(h, 9));
	assert_true(sweep_failed(h, "job 9: target 5 of list 3, which has 2"));
}

/* As a controller does whose list 3 has so many clients. */
static void
order_job(struct house *h, unsigned job, uint32_t clients)
{
	char *text =
	    xasprintf("{\"revision\":%u,\"intents\":[],\"ended\":[],"
		      "\"tests\":[" TEST_7
		      "],\"sweep\":{\"job\":%u,\"experiment\":7,"
		      "\"list\":3,\"list_digest\":%llu,\"phase\":1,\"round\":0,"
		      "\"rate_pps\":100,\"seed\":77}}",
		job, job,
		(unsigned long long)sweep_list_digest(house_list, clients));

	WAIT_FOR(h->p.lp, h->waiting != NULL);
	api_reply_bytes(h->waiting, 200, NULL, text, strlen(text));
	h->waiting = NULL;
	free(text);
	WAIT_FOR(h->p.lp, sweep_is_done(h, job));
}

/* A controller whose store was replaced counts its lists from 1 again: the one
 * at hand has that number, and other clients. */
static void
test_a_list_is_known_by_its_clients(void **state)
{
	struct house *h = *state;

	begin_with_sweeper(h);
	order_job(h, 9, 2);
	assert_int_equal(sweep_number(h, "skipped_special"), 2);
	order_job(h, 10, 2);
	assert_int_equal(h->lists, 1);
	h->is_replaced = true;
	order_job(h, 11, 3);
	assert_int_equal(sweep_number(h, "skipped_special"), 3);
	assert_int_equal(h->lists, 2);
	order_job(h, 12, 3);
	assert_int_equal(h->lists, 2);
	assert_true(sweep_failed(h, ""));
}

/* It was replaced after the order was given. */
static void
test_another_list_is_not_swept(void **state)
{
	struct house *h = *state;

	h->is_replaced = true;
	begin_with_sweeper(h);
	order_job(h, 9, 2);
	assert_true(sweep_failed(h, "the client list is not the one ordered"));
}

/* The "unheard" of the status, as text; until the next call. */
static const char *
unheard(const struct house *h)
{
	static char text[512];
	json_t *doc = sweep_link_status(h->agent->sweep);
	char *list = json_dumps(json_object_get(doc, "unheard"), JSON_COMPACT);

	(void)snprintf(text, sizeof(text), "%s", list);
	free(list);
	json_decref(doc);
	return text;
}

static int64_t
sweep_events(struct house *h, const char *what)
{
	char *sql = xasprintf("SELECT count(*) FROM event WHERE kind = 'sweep'"
			      " AND subject = 'prefix/198.51.100.0/24'"
			      " AND what LIKE '%s'",
	    what);
	int64_t n;

	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	n = file_number(&h->f, sql);
	free(sql);
	return n;
}

/* One event when it begins and one when it is over, whatever is said meanwhile;
 * the status names what mends it. */
static void
test_a_prefix_that_is_not_heard_is_told(void **state)
{
	static const struct order_test none[] = { { .experiment = 0 } };
	struct order_test test = { .experiment = 7, .n_prefixes = 1 };
	struct house *h = *state;
	unsigned posts;

	h->sweeper = 2;
	begin(h);
	test.prefixes[0] = h->test_prefix;
	WAIT_FOR(h->p.lp, strcmp(unheard(h), "[]") != 0);
	assert_non_null(strstr(unheard(h), "\"prefix\":\"198.51.100.0/24\""));
	assert_non_null(strstr(unheard(h), " is not local\""));
	assert_non_null(strstr(unheard(h),
	    "\"remedy\":\"ip route add local 198.51.100.0/24 dev lo\""));
	assert_int_equal(sweep_events(h, "heard -> unheard"), 1);
	sweep_link_capture(h->agent->sweep, &test, 1); /* it cannot say */
	sweep_link_capture(h->agent->sweep, none, 0);
	WAIT_FOR(h->p.lp, strstr(unheard(h), "CAP_NET_RAW") != NULL);
	assert_int_equal(sweep_events(h, "%"), 1);
	posts = h->posts;
	sweep_link_capture(h->agent->sweep, &test, 1);
	sweep_link_capture(h->agent->sweep, none, 0);
	WAIT_FOR(h->p.lp, strcmp(unheard(h), "[]") == 0);
	WAIT_FOR(h->p.lp, h->posts > posts);
	assert_non_null(strstr(h->status, "\"layout\":\"" SWEEP_LAYOUT "\""));
	assert_int_equal(sweep_events(h, "unheard -> heard"), 1);
	assert_int_equal(sweep_events(h, "%"), 2);
}

/* A new configuration is no news of the routes. */
static void
test_a_reload_does_not_tell_again(void **state)
{
	struct house *h = *state;
	struct agent *old;

	h->sweeper = 2;
	begin(h);
	WAIT_FOR(h->p.lp, strcmp(unheard(h), "[]") != 0);
	old = h->agent;
	h->from = old;
	begin(h);
	agent_free(old);
	assert_string_not_equal(unheard(h), "[]");
	WAIT_FOR(h->p.lp, sweep_number(h, "starts") == 1);
	h->posts = 0;
	WAIT_FOR(h->p.lp, h->posts > 1);
	assert_int_equal(sweep_events(h, "%"), 1);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(test_orders_that_cannot_be_read_are_no_storm),
		WITH(test_orders_that_cannot_be_read_confirm_nothing),
		WITH(test_silent_controller_confirms_nothing),
		WITH(test_orders_are_taken_when_they_are_on_disk),
		WITH(test_long_orders_are_kept_too),
		WITH(test_living_controller_holds_the_test_prefix),
		WITH(test_a_stream_of_orders_is_applied_meanwhile),
		WITH(test_errors_of_any_bytes_are_reported),
		WITH(test_answers_to_a_report_of_any_shape),
		WITH(test_prefixes_are_told_once),
		WITH(test_changed_prefixes_are_told),
		WITH(test_end_while_a_poll_waits),
		WITH(test_no_controller_there),
		WITH(test_list_is_fetched_after_a_renewal),
		WITH(test_list_that_is_always_misdirected),
		WITH(test_a_refused_job_is_told),
		WITH(test_a_list_is_known_by_its_clients),
		WITH(test_another_list_is_not_swept),
		WITH(test_a_prefix_that_is_not_heard_is_told),
		WITH(test_a_reload_does_not_tell_again),
	};

	if (sodium_init() == -1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
