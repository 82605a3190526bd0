/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an http probe can be told: against a server of the test's own that keeps
 * the request, and against a real TLS server (openssl) with a certificate made
 * for the test.
 */
#include "canned.h"
#include "probe_rig.h"

#define OPENSSL "/usr/bin/openssl"
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ok\r\n"

/* The certificate lasts so many days, less the time since it was made. */
#define CERT_DAYS "20"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static struct {
	pid_t pid; /* 0: there is no TLS server */
	uint16_t port;
	char dir[40];
	char key[64], cert[64];
} tls;

static struct conf_probe
http_conf(char *url)
{
	static struct conf_range codes = { 200, 299 };

	return (struct conf_probe){ .kind = PROBE_HTTP,
		.target = url,
		.timeout_ms = 5000,
		.http = { .codes = &codes, .n_codes = 1 } };
}

static char *
url_of(const struct canned *srv, const char *host)
{
	return xasprintf("http://%s:%u/health?x=1", host, srv->port);
}

static void
test_methods(void **state)
{
	static const struct {
		enum conf_method method;
		const char *line;
	} cases[] = {
		{ CONF_METHOD_GET, "GET /health?x=1 HTTP/1.1\r\n" },
		{ CONF_METHOD_HEAD, "HEAD /health?x=1 HTTP/1.1\r\n" },
		{ CONF_METHOD_POST, "POST /health?x=1 HTTP/1.1\r\n" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct canned *srv = canned_new(rig->lp, CANNED_KEEP,
		    cases[i].method == CONF_METHOD_HEAD
			? "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
			: OK_REPLY);
		char *url = url_of(srv, "127.0.0.1");
		struct conf_probe cp = http_conf(url);

		cp.http.method = cases[i].method;
		rig_expect(rig, &cp, PROBE_PASS, "status 200");
		assert_memory_equal(srv->request, cases[i].line,
		    strlen(cases[i].line));
		assert_true((strstr(srv->request, "Content-Length: 0\r\n") !=
				NULL) == (i == 2));
		free(url);
		canned_free(srv);
	}
}

static void
test_headers(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "127.0.0.1");
	struct conf_probe cp = http_conf(url);
	char host[] = "Host: www.example.net", probe[] = "X-Probe: a, b";
	char agent[] = "user-agent: other", type[] = "Content-Type: text/x";
	char *headers[] = { host, probe, agent, type, NULL };

	cp.http.headers = headers;
	for (int i = 0; i < 2; i++) {
		rig_expect(rig, &cp, PROBE_PASS, "status 200");
		assert_non_null(strstr(srv->request,
		    "\r\nHost: www.example.net\r\n"));
		assert_non_null(strstr(srv->request, "\r\nX-Probe: a, b\r\n"));
		assert_non_null(strstr(srv->request,
		    "\r\nuser-agent: other\r\n"));
		assert_non_null(strstr(srv->request,
		    "\r\nContent-Type: text/x\r\n"));
		assert_null(strstr(srv->request, "127.0.0.1"));
		assert_null(strstr(srv->request, "anycastd"));
		cp.http.method = CONF_METHOD_POST;
	}
	free(url);
	canned_free(srv);
}

static void
test_status_set(void **state)
{
	static struct conf_range codes[] = { { 200, 299 }, { 304, 304 },
		{ 500, 502 } };
	static const struct {
		const char *reply;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ OK_REPLY, PROBE_PASS, "status 200" },
		{ "HTTP/1.1 304 x\r\n\r\n", PROBE_PASS, "status 304" },
		{ "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n", PROBE_PASS,
		    "status 502" },
		{ "HTTP/1.1 303 x\r\nContent-Length: 0\r\n\r\n", PROBE_FAIL,
		    "status 303, expected 200-299,304,500-502" },
		{ "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", PROBE_FAIL,
		    "status 503, expected 200-299,304,500-502" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct canned *srv =
		    canned_new(rig->lp, CANNED_CLOSE, cases[i].reply);
		char *url = url_of(srv, "127.0.0.1");
		struct conf_probe cp = http_conf(url);

		cp.http.codes = codes;
		cp.http.n_codes = TEST_COUNT(codes);
		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		free(url);
		canned_free(srv);
	}
}

/* The name goes into the request, and nobody resolves it. */
static void
test_resolve_keeps_the_host(void **state)
{
	struct rig *rig = *state;
	struct canned *srv = canned_new(rig->lp, CANNED_CLOSE, OK_REPLY);
	char *url = url_of(srv, "www.example.invalid");
	struct conf_probe cp = http_conf(url);
	char here[] = "127.0.0.1", other[] = "::1";
	char *host =
	    xasprintf("\r\nHost: www.example.invalid:%u\r\n", srv->port);

	cp.http.resolve = here;
	rig_expect(rig, &cp, PROBE_PASS, "status 200");
	assert_non_null(strstr(srv->request, host));
	/* Somebody else's port of that number. */
	cp.http.resolve = other;
	rig_run(rig, &cp);
	assert_int_not_equal(rig->result.verdict, PROBE_PASS);
	assert_int_equal(srv->n_accepted, 1);
	free(host);
	free(url);
	canned_free(srv);
}

static void
test_source(void **state)
{
	struct rig *rig = *state;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_STREAM, &port);
	char *url = xasprintf("http://127.0.0.1:%u/", port);
	struct conf_probe cp = http_conf(url);
	char here[] = "127.0.0.9", absent[] = "192.0.2.1";
	char no_link[] = "fe80::1", ipv6[] = "http://[::1]:1/";
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	struct probe *p;
	int conn = -1;

	assert_int_equal(listen(fd, 4), 0);
	cp.source = here;
	p = probe_start(rig->env, &cp, rig_on_done, rig);
	WAIT_FOR(rig->lp,
	    (conn = accept(fd, (struct sockaddr *)&from, &len)) != -1);
	assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000009);
	probe_cancel(p);
	(void)close(conn);
	cp.source = absent;
	rig_run(rig, &cp);
	assert_int_equal(rig->result.verdict, PROBE_NO_ANSWER_FROM_US);
	assert_string_equal(rig->result.detail,
	    "cannot assign requested address");
	/* Of no link: not the service's doing, either. */
	cp.source = no_link;
	cp.target = ipv6;
	rig_expect(rig, &cp, PROBE_NO_ANSWER_FROM_US, "invalid argument");
	(void)close(fd);
	free(url);
}

/*
 * TLS.
 */

static int
run_openssl(char *const argv[])
{
	pid_t pid = rig_spawn(argv);
	int status = -1;

	(void)waitpid(pid, &status, 0);
	return status;
}

/* The first certificate is for who asks for another name than the second. */
static int
start_tls(void **state)
{
	char *port = xasprintf("%u", tls.port = rig_free_port());
	static char a[][40] = { OPENSSL, "req", "-x509", "-newkey", "rsa:2048",
		"-nodes", "-days", CERT_DAYS, "-subj", "/CN=www.example.net",
		"-addext", "subjectAltName=DNS:www.example.net", "-keyout",
		"-out" };
	static char s[][24] = { OPENSSL, "s_server", "-www", "-quiet",
		"-servername_fatal", "-servername", "www.example.net", "-cert",
		"-key", "-cert2", "-key2", "-accept" };
	char *const req[] = { a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7],
		a[8], a[9], a[10], a[11], a[12], tls.key, a[13], tls.cert,
		NULL };
	char *const serve[] = { s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7],
		tls.cert, s[8], tls.key, s[9], tls.cert, s[10], tls.key, s[11],
		port, NULL };

	(void)state;
	(void)snprintf(tls.dir, sizeof(tls.dir), "/tmp/test_probe_http.XXXXXX");
	if (mkdtemp(tls.dir) == NULL)
		return -1;
	(void)snprintf(tls.key, sizeof(tls.key), "%s/key", tls.dir);
	(void)snprintf(tls.cert, sizeof(tls.cert), "%s/cert", tls.dir);
	if (access(OPENSSL, X_OK) == 0 && run_openssl(req) == 0)
		tls.pid = rig_spawn(serve);
	free(port);
	return 0;
}

static int
stop_tls(void **state)
{
	(void)state;
	if (tls.pid != 0)
		rig_reap(tls.pid);
	(void)unlink(tls.key);
	(void)unlink(tls.cert);
	return rmdir(tls.dir);
}

static char *
tls_url(const char *host)
{
	return xasprintf("https://%s:%u/", host, tls.port);
}

static void
need_tls(struct rig *rig, const struct conf_probe *cp)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	if (tls.pid == 0) {
		print_message("no " OPENSSL ": skipped\n");
		skip();
	}
	do {
		rig_run(rig, cp);
		loop_idle(rig->lp, 20);
	} while (rig->result.verdict != PROBE_PASS &&
	    mono_before(mono_now(), end));
}

static void
test_tls_expiry(void **state)
{
	struct rig *rig = *state;
	char *url = tls_url("www.example.net");
	struct conf_probe cp = http_conf(url);
	char here[] = "127.0.0.1";

	cp.http.resolve = here;
	cp.http.insecure = true;
	need_tls(rig, &cp);
	rig_expect(rig, &cp, PROBE_PASS, "status 200");
	cp.http.tls_expiry_ms = 14 * DAY_MS;
	rig_expect(rig, &cp, PROBE_PASS, "status 200");
	cp.http.tls_expiry_ms = 30 * DAY_MS;
	rig_expect(rig, &cp, PROBE_FAIL,
	    "the certificate ends in 19d23h, expected 30d");
	free(url);
}

/* It asks for the certificate of the URL's host, wherever it connects to. */
static void
test_resolve_keeps_the_tls_name(void **state)
{
	struct rig *rig = *state;
	char *url = tls_url("www.example.net");
	char *other = tls_url("other.example.net");
	struct conf_probe cp = http_conf(url);
	char here[] = "127.0.0.1";

	cp.http.resolve = here;
	cp.http.insecure = true;
	need_tls(rig, &cp);
	rig_expect(rig, &cp, PROBE_PASS, "status 200");
	cp.target = other;
	rig_run(rig, &cp);
	assert_int_equal(rig->result.verdict, PROBE_FAIL);
	free(url);
	free(other);
}

static void
test_tls_unknown_issuer(void **state)
{
	struct rig *rig = *state;
	char *url = tls_url("www.example.net");
	struct conf_probe cp = http_conf(url);
	char here[] = "127.0.0.1";

	cp.http.resolve = here;
	cp.http.insecure = true;
	need_tls(rig, &cp);
	cp.http.insecure = false;
	cp.http.tls_expiry_ms = DAY_MS;
	rig_run(rig, &cp);
	assert_int_equal(rig->result.verdict, PROBE_FAIL);
	assert_non_null(strstr(rig->result.detail, "certificate"));
	free(url);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_methods),
		T(test_headers),
		T(test_status_set),
		T(test_resolve_keeps_the_host),
		T(test_source),
		T(test_tls_expiry),
		T(test_resolve_keeps_the_tls_name),
		T(test_tls_unknown_issuer),
	};

	return cmocka_run_group_tests(tests, start_tls, stop_tls);
}
