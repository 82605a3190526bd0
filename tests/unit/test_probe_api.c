/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Probes on demand, over the real server on a UNIX socket. */
#include "site/probe_api.h"

#include <sys/stat.h>

#include "http_wire.h"
#include "probe_rig.h"
#include "site/agent_state.h"

#define HOUR_MS (INT64_C(3600) * 1000)

/* Two services: both have a probe "same", the first "file" and "slow" too. */
struct house {
	struct rig *rig;
	char dir[40], file[64], sock[64], slow[32];
	char web[8], dns[8], same[8], name_file[8], name_slow[8], site[8];
	struct conf_probe probes[4];
	struct conf_service services[2];
	struct conf_agent conf;
	struct agent a;
	struct api_server *server;
	int slow_fd;
	struct wire w;
};

static void
on_service(size_t s, enum health before, enum health now, const char *reason,
    void *arg)
{
	(void)s;
	(void)before;
	(void)now;
	(void)reason;
	(void)arg;
}

static void
on_probe(const struct checker_change *ch, void *arg)
{
	(void)ch;
	(void)arg;
}

static struct conf_probe
file_probe(struct house *h, char *name)
{
	return (struct conf_probe){ .name = name,
		.kind = PROBE_FILE,
		.target = h->file,
		.when_present = true,
		.interval_ms = HOUR_MS,
		.timeout_ms = 1000,
		.down_after = 3,
		.up_after = 2 };
}

static void
fill_conf(struct house *h)
{
	static uint8_t never[] = { 'x' };

	memcpy(h->web, "web", 4);
	memcpy(h->dns, "dns", 4);
	memcpy(h->same, "same", 5);
	memcpy(h->name_file, "file", 5);
	memcpy(h->name_slow, "slow", 5);
	memcpy(h->site, "chc", 4);
	h->probes[0] = file_probe(h, h->name_file);
	h->probes[1] = file_probe(h, h->same);
	h->probes[2] = file_probe(h, h->name_slow);
	h->probes[2].kind = PROBE_TCP;
	h->probes[2].target = h->slow;
	h->probes[2].timeout_ms = 300;
	h->probes[2].tcp.expect =
	    (struct conf_bytes){ .bytes = never, .len = 1 };
	h->probes[3] = file_probe(h, h->same);
	h->services[0] = (struct conf_service){
		.name = h->web, .probes = h->probes, .n_probes = 3, .need = 1
	};
	h->services[1] = (struct conf_service){ .name = h->dns,
		.probes = h->probes + 3,
		.n_probes = 1,
		.need = 1 };
	h->conf = (struct conf_agent){
		.site = h->site, .services = h->services, .n_services = 2
	};
}

static int
setup(void **state)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };
	struct house *h = xcalloc(1, sizeof(*h));
	void *rig = NULL;
	uint16_t port = 0;
	struct err err = { 0 };

	(void)rig_setup(&rig);
	h->rig = rig;
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_probe_api.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->file, sizeof(h->file), "%s/ready", h->dir);
	(void)snprintf(h->sock, sizeof(h->sock), "%s/sock", h->dir);
	assert_int_equal(mkfifo(h->file, 0600), 0);
	h->slow_fd = rig_socket(SOCK_STREAM, &port);
	assert_int_equal(listen(h->slow_fd, 64), 0);
	(void)snprintf(h->slow, sizeof(h->slow), "127.0.0.1:%u", port);
	fill_conf(h);
	h->a.conf = &h->conf;
	h->a.probes = h->rig->env;
	h->a.checker =
	    checker_new(h->rig->lp, h->rig->env, h->services, 2, &ops, h);
	h->a.probe_api = probe_api_new(&h->a);
	h->server = api_server_new(h->rig->lp);
	probe_api_serve(h->a.probe_api, h->server);
	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){ .local = h->sock }, &err),
	    0);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;
	void *rig = h->rig;

	api_server_free(h->server);
	probe_api_free(h->a.probe_api);
	checker_free(h->a.checker);
	(void)rig_teardown(&rig);
	(void)close(h->slow_fd);
	(void)unlink(h->sock);
	(void)unlink(h->file);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static void
post(struct wire *w, const struct house *h, const char *path, const char *body)
{
	char *text = xasprintf("POST %s HTTP/1.1\r\nHost: x\r\n"
			       "Content-Length: %zu\r\n\r\n%s",
	    path, strlen(body), body);

	wire_unix(w, h->rig->lp, h->sock);
	wire_send(w, text);
	free(text);
}

/* The answer holds status and text. */
static void
expect(struct house *h, const char *path, const char *body, const char *status,
    const char *text)
{
	struct wire *w = &h->w;

	post(w, h, path, body);
	WAIT_FOR(h->rig->lp, wire_has(w, "\r\n\r\n") && wire_has(w, "}"));
	if (!wire_has(w, status) || !wire_has(w, text))
		print_error("%s\n", w->text);
	assert_true(wire_has(w, status));
	assert_true(wire_has(w, text));
	wire_close(w);
}

static uint64_t
n_results(const struct house *h, size_t s, size_t p)
{
	const struct checker_probe *known = checker_probe(h->a.checker, s, p);
	uint64_t n = 0;

	for (size_t v = 0; v < PROBE_VERDICT_COUNT; v++)
		n += known->results[v];
	return n;
}

/* The first round of all is over: nothing happens by itself for an hour. */
static void
settle(struct house *h)
{
	WAIT_FOR(h->rig->lp,
	    n_results(h, 0, 0) == 1 && n_results(h, 0, 1) == 1 &&
		n_results(h, 0, 2) == 1 && n_results(h, 1, 0) == 1);
}

#define RUN_PATH "/v1/probes/run"
#define CHECK_PATH "/v1/check"

static void
test_run_does_not_count(void **state)
{
	struct house *h = *state;

	settle(h);
	for (int i = 0; i < 3; i++) {
		expect(h, RUN_PATH, "{\"probe\": \"file\"}", "200 OK",
		    "\"verdict\":\"pass\"");
		expect(h, RUN_PATH,
		    "{\"service\": \"dns\", \"probe\": \"same\"}", "200 OK",
		    "\"service\":\"dns\"");
	}
	assert_int_equal(unlink(h->file), 0);
	expect(h, RUN_PATH, "{\"probe\": \"file\"}", "200 OK",
	    "\"verdict\":\"fail\"");
	expect(h, RUN_PATH, "{\"probe\": \"file\"}", "200 OK",
	    "\"health\":\"unknown\"");
	assert_int_equal(n_results(h, 0, 0), 1);
	assert_int_equal(n_results(h, 1, 0), 1);
	assert_int_equal(mkfifo(h->file, 0600), 0);
}

static void
test_run_refuses(void **state)
{
	static const struct {
		const char *body, *status, *text;
	} cases[] = {
		{ "{\"probe\": \"same\"}", "409",
		    "probe same: 2 services have one, expected SERVICE/same" },
		{ "{\"probe\": \"none\"}", "404",
		    "probe none: not at site chc" },
		{ "{\"service\": \"dns\", \"probe\": \"file\"}", "404",
		    "probe file: not of service dns" },
		{ "{\"service\": \"x\", \"probe\": \"file\"}", "404",
		    "service x: not at site chc, known: web dns" },
		{ "{}", "400", "probe" },
		{ "{\"probe\": 7}", "400", "string" },
		{ "{\"probe\": \"file\", \"more\": 1}", "400", "more" },
		{ "[]", "\"message\"", "object" },
		{ "{", "\"message\"", "" },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		expect(h, RUN_PATH, cases[i].body, cases[i].status,
		    cases[i].text);
	}
}

static void
test_check_counts(void **state)
{
	struct house *h = *state;

	settle(h);
	expect(h, CHECK_PATH, "{\"service\": \"dns\"}", "200 OK",
	    "\"health\":\"healthy\"");
	assert_false(wire_has(&h->w, "web"));
	assert_int_equal(n_results(h, 1, 0), 2);
	assert_int_equal(n_results(h, 0, 0), 1);
	expect(h, CHECK_PATH, "", "200 OK", "\"service\":\"web\"");
	assert_true(strstr(h->w.text, "no answer in 300 ms") != NULL);
	assert_int_equal(n_results(h, 0, 0), 2);
	assert_int_equal(n_results(h, 0, 2), 2);
	assert_int_equal(n_results(h, 1, 0), 3);
	expect(h, CHECK_PATH, "{\"service\": \"x\"}", "404",
	    "service x: not at site chc, known: web dns");
	expect(h, CHECK_PATH, "{\"services\": \"x\"}", "400", "services");
}

/* Who goes away takes the run with him, and leaves room for others. */
static void
test_client_goes_away(void **state)
{
	struct house *h = *state;
	struct wire *many = xcalloc(17, sizeof(*many));

	settle(h);
	h->probes[2].timeout_ms = 60000;
	for (size_t i = 0; i < 16; i++)
		post(&many[i], h, RUN_PATH, "{\"probe\": \"slow\"}");
	loop_idle(h->rig->lp, 50);
	expect(h, RUN_PATH, "{\"probe\": \"file\"}", "409",
	    "16 probes are being run");
	for (size_t i = 0; i < 15; i++)
		wire_close(&many[i]);
	loop_idle(h->rig->lp, 50);
	expect(h, RUN_PATH, "{\"probe\": \"file\"}", "200 OK", "pass");
	/* The last one, and one that waits for all, are there at the end. */
	post(&many[16], h, CHECK_PATH, "{}");
	loop_idle(h->rig->lp, 50);
	wire_close(&many[15]);
	wire_close(&many[16]);
	loop_idle(h->rig->lp, 50);
	post(&many[0], h, CHECK_PATH, "{}");
	post(&many[1], h, RUN_PATH, "{\"probe\": \"slow\"}");
	loop_idle(h->rig->lp, 50);
	wire_close(&many[0]);
	wire_close(&many[1]);
	free(many);
}

static void
test_so_many_checks(void **state)
{
	struct house *h = *state;
	struct wire *many = xcalloc(CHECKER_ROUNDS_MAX, sizeof(*many));

	settle(h);
	h->probes[2].timeout_ms = 2000;
	for (size_t i = 0; i < CHECKER_ROUNDS_MAX; i++)
		post(&many[i], h, CHECK_PATH, "{}");
	expect(h, CHECK_PATH, "{}", "409", "16 checks are waiting");
	for (size_t i = 0; i < CHECKER_ROUNDS_MAX; i++) {
		WAIT_FOR(h->rig->lp, wire_has(&many[i], "no answer in"));
		wire_close(&many[i]);
	}
	free(many);
}

/* A site with nothing but a test prefix. */
static void
test_no_services(void **state)
{
	struct house *h = *state;
	size_t n = h->conf.n_services;

	h->conf.n_services = 0;
	expect(h, CHECK_PATH, "{}", "200 OK", "\"services\":[]");
	expect(h, RUN_PATH, "{\"probe\": \"file\"}", "404", "not at site chc");
	h->conf.n_services = n;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_run_does_not_count),
		T(test_run_refuses),
		T(test_check_counts),
		T(test_client_goes_away),
		T(test_so_many_checks),
		T(test_no_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
