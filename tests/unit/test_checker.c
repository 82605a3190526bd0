/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real probes in real time against a real HTTP service that can be switched. */
#include "site/checker.h"

#include <curl/curl.h>
#include <signal.h>

#include "api/server.h"
#include "http_wire.h"
#include "loop_wait.h"
#include "test.h"

#define INTERVAL_MS 50LL
#define BEAT_OFF_MS 15
#define HALF_US 500000
#define TOGETHER ((size_t)4) /* at most, of one service: core/beat.c */

struct service_state {
	int status;
	size_t answers;    /* so far with this status */
	size_t script_len; /* statuses to give in turn; 0: always `status` */
	const int *script;
	bool hold; /* do not answer */
	int64_t delay_ms;
};

struct house {
	uint16_t port;
	char url[64];
	struct loop *lp;
	struct api_server *server;
	struct loop_timer *delay;
	struct api_request *delayed;
	struct service_state service;
	size_t asked;
	struct mono asked_last;
	int64_t beat_ms;
	size_t on_beat; /* asked in a row so long after the time before */
	int64_t half;   /* half of which second it is */
	size_t in_half, in_half_before; /* asked */
	struct probe_env *env;
	struct conf_probe probes[2];
	struct conf_service conf;
	struct checker *ck;
	/* What was told. */
	unsigned probe_changes, service_changes;
	size_t answers_at_change;
	enum health probe_now, service_now;
	char reason[256];
};

/* How many of the service's probes are in that state. */
static size_t
count(const struct house *h, enum health state)
{
	size_t n = 0;

	for (size_t p = 0; p < h->conf.n_probes; p++)
		n += checker_probe(h->ck, 0, p)->health == state;
	return n;
}

static void
set_status(struct house *h, int status)
{
	h->service.status = status;
	h->service.answers = 0;
}

static void
answer(struct house *h, struct api_request *req)
{
	int status = h->service.status;

	if (h->service.script_len > 0) {
		status =
		    h->service
			.script[h->service.answers % h->service.script_len];
	}
	h->service.answers++;
	api_reply_bytes(req, status, "text/plain", "x", 1);
}

static void
on_gone(struct api_request *req, void *arg)
{
	struct house *h = arg;

	(void)req;
	h->delayed = NULL;
	loop_timer_cancel(h->delay);
}

static void
on_delay(struct loop *lp, void *arg)
{
	struct house *h = arg;
	struct api_request *req = h->delayed;

	(void)lp;
	h->delayed = NULL;
	answer(h, req);
}

static void
note_asked(struct house *h)
{
	struct mono now = mono_now();
	int64_t off_ms = mono_diff_ms(now, h->asked_last) - h->beat_ms;

	h->on_beat =
	    off_ms > -BEAT_OFF_MS && off_ms < BEAT_OFF_MS ? h->on_beat + 1 : 0;
	h->asked_last = now;
	h->asked++;
	if (now.us / HALF_US != h->half) {
		h->in_half_before =
		    now.us / HALF_US == h->half + 1 ? h->in_half : 0;
		h->in_half = 0;
		h->half = now.us / HALF_US;
	}
	h->in_half++;
}

static void
handle(struct api_request *req, void *arg)
{
	struct house *h = arg;

	note_asked(h);
	if (!h->service.hold && h->service.delay_ms == 0) {
		answer(h, req);
		return;
	}
	h->delayed = req;
	api_request_defer(req, on_gone, h);
	if (!h->service.hold)
		loop_timer_set(h->delay, h->service.delay_ms);
}

static const struct api_route routes[] = {
	{ "GET", "/health", API_READ, handle },
	{ 0 },
};

static void
on_service(size_t s, enum health before, enum health now, const char *reason,
    void *arg)
{
	struct house *h = arg;

	assert_int_equal(s, 0);
	assert_int_equal(before, h->service_now);
	assert_int_equal(checker_service(h->ck, 0), now);
	assert_true(checker_service_since_ms(h->ck, 0) > 0);
	h->service_now = now;
	h->service_changes++;
	(void)snprintf(h->reason, sizeof(h->reason), "%s", reason);
}

static void
on_probe(const struct checker_change *ch, void *arg)
{
	struct house *h = arg;
	const struct checker_probe *known = checker_probe(h->ck, 0, ch->p);

	assert_int_equal(ch->s, 0);
	assert_int_not_equal(ch->before, ch->now);
	assert_int_equal(known->health, ch->now);
	assert_string_equal(known->detail, ch->detail);
	if (ch->p == 0) {
		h->probe_now = ch->now;
		h->answers_at_change = h->service.answers;
		h->probe_changes++;
	}
}

static int
setup(void **state)
{
	static struct conf_range codes = { 200, 299 };
	struct house *h = calloc(1, sizeof(*h));
	struct err err = { 0 };
	char where[32];

	assert_non_null(h);
	(void)signal(SIGPIPE, SIG_IGN);
	h->lp = loop_new();
	h->server = api_server_new(h->lp);
	api_server_add(h->server, routes, h);
	h->port = wire_free_port();
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .tcp = where }, &err),
	    0);
	(void)snprintf(h->url, sizeof(h->url), "http://%s/health", where);
	h->delay = loop_timer_new(h->lp, on_delay, h);
	h->env = probe_env_new(h->lp);
	h->service.status = 200;
	for (size_t i = 0; i < 2; i++) {
		h->probes[i] = (struct conf_probe){ .name = h->url,
			.kind = PROBE_HTTP,
			.target = h->url,
			.interval_ms = INTERVAL_MS,
			.timeout_ms = 1000,
			.down_after = 3,
			.up_after = 2,
			.http = { .codes = &codes, .n_codes = 1 } };
	}
	h->conf = (struct conf_service){
		.name = h->url, .probes = h->probes, .n_probes = 1, .need = 1
	};
	*state = h;
	return 0;
}

static void
begin(struct house *h)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };

	h->ck = checker_new(h->lp, h->env, &h->conf, 1, &ops, h);
	assert_int_equal(checker_service(h->ck, 0), HEALTH_UNKNOWN);
	assert_int_equal(checker_probe(h->ck, 0, 0)->last_ms, 0);
}

static int
teardown(void **state)
{
	struct house *h = *state;

	checker_free(h->ck);
	probe_env_free(h->env);
	api_server_free(h->server);
	loop_timer_free(h->delay);
	loop_free(h->lp);
	free(h);
	return 0;
}

static void
become_healthy(struct house *h)
{
	begin(h);
	WAIT_FOR(h->lp, h->service_now == HEALTH_HEALTHY);
}

/* After a reload: the same service, and one whose second probe is new. */
static void
test_heir_knows_what_is_the_same(void **state)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };
	struct house *h = *state;
	char name[] = "other";
	struct conf_probe probes[2];
	struct conf_service now = h->conf;
	struct checker *heir;
	int64_t since_ms;

	h->probes[0].interval_ms = 60000;
	h->probes[0].quick_interval_ms = INTERVAL_MS;
	become_healthy(h);
	since_ms = checker_service_since_ms(h->ck, 0);
	heir = checker_new(h->lp, h->env, &now, 1, &ops, h);
	checker_inherit(heir, h->ck);
	assert_int_equal(checker_service(heir, 0), HEALTH_HEALTHY);
	assert_int_equal(checker_service_since_ms(heir, 0), since_ms);
	assert_int_equal(checker_probe(heir, 0, 0)->health, HEALTH_HEALTHY);
	assert_true(checker_probe(heir, 0, 0)->last_ms > 0);
	/* Its result is as old as it was. */
	assert_int_equal(checker_expire(heir, 1), 0);
	assert_int_equal(checker_probe(heir, 0, 0)->health, HEALTH_HEALTHY);
	checker_free(heir);
	/* One probe more: nothing is known of that one, nor of the whole. */
	probes[0] = h->probes[0];
	probes[1] = h->probes[0];
	probes[1].name = name;
	now.probes = probes;
	now.n_probes = now.need = 2;
	heir = checker_new(h->lp, h->env, &now, 1, &ops, h);
	checker_inherit(heir, h->ck);
	assert_int_equal(checker_service(heir, 0), HEALTH_UNKNOWN);
	assert_int_equal(checker_probe(heir, 0, 0)->health, HEALTH_HEALTHY);
	assert_int_equal(checker_probe(heir, 0, 1)->health, HEALTH_UNKNOWN);
	checker_free(heir);
	/* The probe itself is another one. */
	probes[0].down_after++;
	now.n_probes = now.need = 1;
	heir = checker_new(h->lp, h->env, &now, 1, &ops, h);
	checker_inherit(heir, h->ck);
	assert_int_equal(checker_probe(heir, 0, 0)->health, HEALTH_UNKNOWN);
	checker_free(heir);
	/* Another service. */
	now.probes = h->probes;
	now.name = name;
	heir = checker_new(h->lp, h->env, &now, 1, &ops, h);
	checker_inherit(heir, h->ck);
	assert_int_equal(checker_service(heir, 0), HEALTH_UNKNOWN);
	checker_free(heir);
}

/* Else a brake that holds would let go at a reload. */
static void
test_heir_goes_on_failing(void **state)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };
	struct house *h = *state;
	struct mono since = { 0 }, inherited = { 0 };
	struct checker *heir;

	become_healthy(h);
	set_status(h, 503);
	WAIT_FOR(h->lp, h->probe_now == HEALTH_SICK);
	assert_true(checker_is_failing(h->ck, 0, &since));
	heir = checker_new(h->lp, h->env, &h->conf, 1, &ops, h);
	checker_inherit(heir, h->ck);
	assert_true(checker_is_failing(heir, 0, &inherited));
	assert_int_equal(inherited.us, since.us);
	checker_free(heir);
}

/* The fewest results of one of the first n probes. */
static uint64_t
least_results(const struct house *h, size_t n)
{
	uint64_t least = UINT64_MAX;

	for (size_t p = 0; p < n; p++) {
		const struct checker_probe *known = checker_probe(h->ck, 0, p);

		if (known->results[PROBE_PASS] < least)
			least = known->results[PROBE_PASS];
	}
	return least;
}

/* A reload gives the first place to new probes: those that had it before move
 * to the next one, and do not begin together with them for ever. */
static void
test_heir_shares_out_the_places_anew(void **state)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };
	struct house *h = *state;
	char names[2 * TOGETHER][8];
	struct conf_probe probes[2 * TOGETHER];
	struct conf_service before = h->conf, now = h->conf;
	struct checker *old;

	for (size_t i = 0; i < 2 * TOGETHER; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "p%zu", i);
		probes[i] = h->probes[0];
		probes[i].name = names[i];
		probes[i].interval_ms = 1000;
	}
	before.probes = probes + TOGETHER;
	before.n_probes = TOGETHER;
	now.probes = probes;
	now.n_probes = 2 * TOGETHER;
	h->ck = old = checker_new(h->lp, h->env, &before, 1, &ops, h);
	WAIT_FOR(h->lp, least_results(h, TOGETHER) > 0);
	h->ck = checker_new(h->lp, h->env, &now, 1, &ops, h);
	checker_inherit(h->ck, old);
	checker_free(old);
	/* From the second result on they are where they stay. */
	WAIT_FOR(h->lp, least_results(h, TOGETHER) > 2);
	WAIT_FOR(h->lp,
	    h->in_half == TOGETHER && h->in_half_before == TOGETHER);
	checker_free(h->ck);
	h->ck = NULL;
}

static void
test_it_falls_and_rises_after_exactly_so_many(void **state)
{
	struct house *h = *state;

	become_healthy(h);
	for (int i = 0; i < 3; i++) {
		set_status(h, 503);
		WAIT_FOR(h->lp, h->probe_now == HEALTH_SICK);
		assert_int_equal(h->answers_at_change, 3);
		assert_int_equal(h->service_now, HEALTH_SICK);
		assert_non_null(strstr(h->reason, "503"));
		assert_int_equal(count(h, HEALTH_SICK), 1);
		set_status(h, 200);
		WAIT_FOR(h->lp, h->probe_now == HEALTH_HEALTHY);
		assert_int_equal(h->answers_at_change, 2);
		assert_int_equal(h->service_now, HEALTH_HEALTHY);
	}
	assert_int_equal(h->probe_changes, 7);
	assert_int_equal(h->service_changes, 7);
	assert_in_range(wall_now_ms() - checker_probe(h->ck, 0, 0)->since_ms, 0,
	    5000);
}

/* Two failures, then a success: never three in a row. */
static void
test_less_than_so_many_in_a_row_is_nothing(void **state)
{
	static const int script[] = { 503, 503, 200 };
	struct house *h = *state;

	become_healthy(h);
	set_status(h, 0);
	h->service.script = script;
	h->service.script_len = TEST_COUNT(script);
	WAIT_FOR(h->lp, h->service.answers >= 12);
	assert_int_equal(h->probe_changes, 1);
	assert_int_equal(h->service_now, HEALTH_HEALTHY);
}

static void
test_refused_connection_is_a_failure(void **state)
{
	struct house *h = *state;

	become_healthy(h);
	api_server_free(h->server);
	h->server = NULL;
	WAIT_FOR(h->lp, h->service_now == HEALTH_SICK);
	assert_true(checker_probe(h->ck, 0, 0)->detail[0] != '\0');
}

/* Our own trouble says nothing about the service. */
static void
test_no_answer_from_us_changes_nothing(void **state)
{
	static char program[] = "/bin/false", name[] = "script";
	static char *argv[] = { program, NULL };
	struct house *h = *state;

	h->conf.n_probes = 2;
	h->conf.need = 1;
	h->probes[1] = (struct conf_probe){ .name = name,
		.kind = PROBE_EXEC,
		.argv = argv,
		.interval_ms = INTERVAL_MS,
		.timeout_ms = 1000,
		.down_after = 1,
		.up_after = 1 };
	become_healthy(h);
	/* There is no runner process. */
	WAIT_FOR(h->lp, checker_probe(h->ck, 0, 1)->last_ms != 0);
	loop_idle(h->lp, 4 * INTERVAL_MS);
	assert_int_equal(checker_probe(h->ck, 0, 1)->health, HEALTH_UNKNOWN);
	assert_int_equal(checker_probe(h->ck, 0, 1)->since_ms, 0);
	assert_true(checker_probe(h->ck, 0, 1)->detail[0] != '\0');
	assert_int_equal(count(h, HEALTH_UNKNOWN), 1);
	assert_int_equal(h->service_now, HEALTH_HEALTHY);
	assert_int_equal(h->service_changes, 1);
}

static void
test_all_or_any_of_two(void **state)
{
	static char url[64];
	struct house *h = *state;

	for (unsigned need = 1; need <= 2; need++) {
		/* The second one's service is not there. */
		(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/",
		    wire_free_port());
		h->probes[1].target = url;
		h->conf.n_probes = 2;
		h->conf.need = need;
		h->service_now = HEALTH_UNKNOWN;
		begin(h);
		WAIT_FOR(h->lp,
		    count(h, HEALTH_SICK) == 1 &&
			count(h, HEALTH_HEALTHY) == 1);
		assert_int_equal(checker_service(h->ck, 0),
		    need == 1 ? HEALTH_HEALTHY : HEALTH_SICK);
		checker_free(h->ck);
	}
	h->ck = NULL;
}

/* It is asked several times in a row just so long after the time before. */
static void
expect_beat(struct house *h, int64_t ms)
{
	h->beat_ms = ms;
	h->on_beat = 0;
	WAIT_FOR(h->lp, h->on_beat >= 6);
}

/* A slow answer does not move the later rounds. */
static void
test_beat_is_kept(void **state)
{
	struct house *h = *state;

	become_healthy(h);
	expect_beat(h, INTERVAL_MS);
	h->service.delay_ms = 35;
	expect_beat(h, INTERVAL_MS);
	/* Longer than the interval: every second beat. */
	h->service.delay_ms = 80;
	expect_beat(h, 2 * INTERVAL_MS);
}

static void
test_end_while_probes_run(void **state)
{
	struct house *h = *state;

	h->service.hold = true;
	begin(h);
	WAIT_FOR(h->lp, h->delayed != NULL);
	checker_free(h->ck);
	h->ck = NULL;
	WAIT_FOR(h->lp, h->delayed == NULL);
	loop_idle(h->lp, 2 * INTERVAL_MS);
	assert_int_equal(h->asked, 1);
	checker_free(NULL);
}

/* The first failure tells, long before it is sick; a pass ends it. */
static void
test_failing_is_known_before_it_is_sick(void **state)
{
	struct house *h = *state;
	struct mono since = { 0 }, again = { 0 };

	h->probes[0].down_after = 100;
	become_healthy(h);
	assert_false(checker_is_failing(h->ck, 0, &since));
	set_status(h, 503);
	WAIT_FOR(h->lp, checker_is_failing(h->ck, 0, &since));
	assert_int_equal(h->service_now, HEALTH_HEALTHY);
	assert_true(since.us != 0);
	WAIT_FOR(h->lp, h->service.answers >= 4);
	assert_true(checker_is_failing(h->ck, 0, &again));
	assert_int_equal(since.us, again.us);
	set_status(h, 200);
	WAIT_FOR(h->lp, !checker_is_failing(h->ck, 0, &since));
}

/* One of two fails: it depends on how many are needed. */
static void
test_failing_as_far_as_it_matters(void **state)
{
	static char url[64];
	struct house *h = *state;
	struct mono since;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/",
	    wire_free_port());
	h->probes[1].target = url;
	h->conf.n_probes = 2;
	h->conf.need = 1;
	begin(h);
	WAIT_FOR(h->lp, count(h, HEALTH_SICK) == 1);
	assert_false(checker_is_failing(h->ck, 0, &since));
	h->conf.need = 2;
	assert_true(checker_is_failing(h->ck, 0, &since));
}

/* What had no result for too long is unknown, until it has some again. */
static void
test_old_results_expire(void **state)
{
	static char program[] = "/bin/false";
	static char *argv[] = { program, NULL };
	struct house *h = *state;

	become_healthy(h);
	assert_int_equal(checker_expire(h->ck, 1), 0);
	assert_int_equal(h->service_now, HEALTH_HEALTHY);
	/* The prober is gone: there is no runner process. */
	h->probes[0].timeout_ms = 100;
	h->probes[0].argv = argv;
	h->probes[0].kind = PROBE_EXEC;
	WAIT_FOR(h->lp, checker_expire(h->ck, 2) == 1);
	assert_int_equal(h->service_now, HEALTH_UNKNOWN);
	assert_int_equal(h->probe_now, HEALTH_UNKNOWN);
	assert_non_null(strstr(h->reason, "no result for"));
	assert_true(checker_probe(h->ck, 0, 0)->is_stale);
	/* Told once. */
	assert_int_equal(checker_expire(h->ck, 2), 1);
	assert_int_equal(h->service_changes, 2);
	h->probes[0].timeout_ms = 1000;
	h->probes[0].kind = PROBE_HTTP;
	WAIT_FOR(h->lp, h->service_now == HEALTH_HEALTHY);
	assert_int_equal(checker_expire(h->ck, 2), 0);
	assert_false(checker_probe(h->ck, 0, 0)->is_stale);
}

/* One that returns to its place has its next result up to half an interval
 * later than one that is there. */
static void
test_on_the_way_to_its_place_is_not_too_old(void **state)
{
	static char program[] = "/bin/false";
	static char *argv[] = { program, NULL };
	struct house *h = *state;
	struct conf_probe *cp = &h->probes[0];

	cp->interval_ms = 1000;
	cp->quick_interval_ms = INTERVAL_MS;
	become_healthy(h);
	/* No result that counts comes any more, wherever its place is. */
	cp->timeout_ms = 100;
	cp->argv = argv;
	cp->kind = PROBE_EXEC;
	WAIT_FOR(h->lp, checker_expire(h->ck, 1) == 1);
	assert_true(mono_diff_ms(mono_now(), h->asked_last) >=
	    cp->interval_ms * 3 / 2 + cp->timeout_ms);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(test_it_falls_and_rises_after_exactly_so_many),
		WITH(test_heir_knows_what_is_the_same),
		WITH(test_heir_goes_on_failing),
		WITH(test_heir_shares_out_the_places_anew),
		WITH(test_less_than_so_many_in_a_row_is_nothing),
		WITH(test_refused_connection_is_a_failure),
		WITH(test_no_answer_from_us_changes_nothing),
		WITH(test_all_or_any_of_two),
		WITH(test_beat_is_kept),
		WITH(test_failing_is_known_before_it_is_sick),
		WITH(test_failing_as_far_as_it_matters),
		WITH(test_old_results_expire),
		WITH(test_on_the_way_to_its_place_is_not_too_old),
		WITH(test_end_while_probes_run),
	};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
