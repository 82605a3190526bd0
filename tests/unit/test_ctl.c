/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole of anycastctl but main, against a real HTTP server on a UNIX
 * socket in a child process, which gives the answers of docs/api.md.
 */
#include "anycastctl/commands.h"
#include "test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "base/xalloc.h"
#include "ctl_run.h"

#define GOLDEN_DIR "tests/golden/report/"
#define PART_MAX_BYTES ((size_t)256 * 1024)

/* ---- the daemon's stand-in, in the child ---- */

struct fake {
	struct event_base *base;
	unsigned looks;   /* at experiment 7 */
	unsigned follows; /* long polls after event 42 */
	uint64_t received_bytes;
	uint64_t next_part;
};

static void
reply_text(struct evhttp_request *req, int status, const char *text)
{
	struct evbuffer *out = evbuffer_new();

	evbuffer_add(out, text, strlen(text));
	evhttp_send_reply(req, status, "x", out);
	evbuffer_free(out);
}

static void
reply_file(struct evhttp_request *req, const char *name)
{
	char *path = xasprintf(GOLDEN_DIR "%s.json", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct evbuffer *out = evbuffer_new();

	if (fd == -1 || evbuffer_add_file(out, fd, 0, -1) == -1)
		_exit(9);
	evhttp_send_reply(req, 200, "OK", out);
	evbuffer_free(out);
	free(path);
}

static void
refuse(struct evhttp_request *req, int status, const char *message)
{
	json_t *doc = json_pack("{s:{s:s, s:s}}", "error", "code", "refused",
	    "message", message);
	char *text = json_dumps(doc, 0);

	reply_text(req, status, text);
	free(text);
	json_decref(doc);
}

static json_t *
read_body(struct evhttp_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);

	return json_loadb((const char *)evbuffer_pullup(in, -1), len, 0, NULL);
}

static void
on_drain(struct evhttp_request *req)
{
	json_t *body = read_body(req);
	const char *reason = json_string_value(json_object_get(body, "reason"));
	json_int_t for_ms = json_integer_value(json_object_get(body, "for_ms"));

	if (json_is_true(json_object_get(body, "dry_run"))) {
		reply_file(req, "drain");
	} else if (reason != NULL && strcmp(reason, "a b\"c") == 0 &&
	    for_ms == 3600000) {
		reply_file(req, "drain_done");
	} else {
		refuse(req, 409, "site chc: is drained already");
	}
	json_decref(body);
}

static const char *
query(struct evhttp_request *req, struct evkeyvalq *q, const char *key)
{
	const char *value;

	evhttp_parse_query_str(
	    evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req)), q);
	value = evhttp_find_header(q, key);
	return value == NULL ? "" : value;
}

static void
on_events(struct fake *fake, struct evhttp_request *req)
{
	struct evkeyvalq q = { 0 };
	const char *after = query(req, &q, "after");

	if (strcmp(after, "-1") == 0) {
		reply_file(req, "events");
	} else if (strcmp(after, "42") != 0) {
		refuse(req, 500, "the end");
	} else if (fake->follows++ == 0) {
		evhttp_connection_free(evhttp_request_get_connection(req));
	} else {
		reply_text(req, 200,
		    "{\"events\": [{\"id\": 43, \"at_ms\": 0, \"kind\": "
		    "\"k\", \"subject\": \"s\", \"what\": \"later\"}], "
		    "\"last\": 43}");
	}
	evhttp_clear_headers(&q);
}

static void
on_start(struct evhttp_request *req)
{
	json_t *body = read_body(req);
	const char *site = json_string_value(json_object_get(body, "site"));

	if (site != NULL && strcmp(site, "chc") == 0) {
		reply_text(req, 200, "{\"experiment\": {\"id\": 7}}");
	} else if (site != NULL && strcmp(site, "syd") == 0) {
		reply_text(req, 200, "{\"experiment\": {\"id\": 8}}");
	} else {
		refuse(req, 409, "an experiment is running: 7 of site chc");
	}
	json_decref(body);
}

static void
on_look(struct fake *fake, struct evhttp_request *req)
{
	if (fake->looks++ < 2) {
		reply_text(req, 200,
		    "{\"experiment\": {\"id\": 7, \"site\": \"chc\", "
		    "\"state\": \"sweep\", \"progress_permille\": 500}}");
	} else {
		reply_text(req, 200,
		    "{\"experiment\": {\"id\": 7, \"site\": \"chc\", "
		    "\"state\": \"done\"}}");
	}
}

static void
on_part(struct fake *fake, struct evhttp_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);
	const unsigned char *bytes = evbuffer_pullup(in, -1);
	struct evkeyvalq q = { 0 };
	bool last = strcmp(query(req, &q, "last"), "1") == 0;
	const char *part = evhttp_find_header(&q, "part");
	char *want = xasprintf("%llu", (unsigned long long)fake->next_part++);
	char *text;

	fake->received_bytes += len;
	if (len > PART_MAX_BYTES || part == NULL || strcmp(part, want) != 0) {
		refuse(req, 400, "wrong part");
	} else if (len >= 3 && memcmp(bytes, "bad", 3) == 0) {
		refuse(req, 400, "2 lines are malformed:\nline 1: bad\nline 2");
		last = true;
	} else {
		text = xasprintf(last
			? "{\"list\": 1, \"count\": %llu, \"lines\": 1, "
			  "\"dropped_special\": 0, \"duplicates\": 0}"
			: "{\"received_bytes\": %llu}",
		    (unsigned long long)fake->received_bytes);
		reply_text(req, 200, text);
		free(text);
	}
	if (last)
		fake->received_bytes = fake->next_part = 0;
	free(want);
	evhttp_clear_headers(&q);
}

static void
on_failover(struct evhttp_request *req)
{
	struct evkeyvalq q = { 0 };
	const char *site = query(req, &q, "site");

	if (strcmp(site, "syd") == 0) {
		reply_text(req, 200, "{\"maps\": []}");
	} else if (strcmp(site, "bad") == 0) {
		reply_text(req, 200, "{\"maps\": [{\"site\": 3}]}");
	} else {
		reply_file(req, "failover");
	}
	evhttp_clear_headers(&q);
}

static void
on_explain(struct evhttp_request *req)
{
	struct evkeyvalq q = { 0 };

	if (strcmp(query(req, &q, "what"), "192.0.2.0/24") == 0) {
		reply_file(req, "explain");
	} else {
		refuse(req, 404, "xyz: no prefix and no site of this fleet");
	}
	evhttp_clear_headers(&q);
}

static void
on_probe_run(struct evhttp_request *req)
{
	json_t *body = read_body(req);
	const char *service =
	    json_string_value(json_object_get(body, "service"));
	const char *probe = json_string_value(json_object_get(body, "probe"));

	if (probe != NULL && strcmp(probe, "page") == 0 &&
	    (service == NULL || strcmp(service, "web") == 0)) {
		reply_file(req, "probe");
	} else if (probe != NULL && strcmp(probe, "port") == 0) {
		reply_text(req, 200,
		    "{\"service\": \"web\", \"probe\": \"port\", "
		    "\"kind\": \"tcp\", \"verdict\": \"pass\", "
		    "\"health\": \"sick\", \"rtt_us\": 5}");
	} else {
		refuse(req, 404, "probe x: not of service web");
	}
	json_decref(body);
}

static void
on_check(struct evhttp_request *req)
{
	json_t *body = read_body(req);
	const char *service =
	    json_string_value(json_object_get(body, "service"));

	if (service == NULL) {
		reply_file(req, "check");
	} else if (strcmp(service, "web") == 0) {
		reply_text(req, 200, "{\"site\": \"chc\", \"services\": []}");
	} else {
		refuse(req, 404, "service x: not at site chc");
	}
	json_decref(body);
}

/* What always has the same answer: a file, or a refusal. */
static const struct canned {
	const char *path;
	bool is_post;
	const char *file;
} canned[] = {
	{ "/v1/status", false, "status" },
	{ "/v1/clients", false, "clients" },
	{ "/v1/clients/recent", false, "recent" },
	{ "/v1/clients/take", true, "taken" },
	{ "/v1/sites/chc/restore", true, "restore" },
	{ "/v1/experiments/7/abort", true, "experiment" },
	{ "/v1/experiments/8", false, "experiment" },
	{ "/v1/experiments/8/replies", false, "replies" },
	{ "/v1/experiments/7/replies", false, "replies" },
	{ "/v1/optouts", false, "optouts" },
	{ "/v1/optouts", true, "optout_added" },
	{ "/v1/optouts/remove", true, "optout_removed" },
};

static bool
answer_canned(struct evhttp_request *req, const char *path, bool is_post)
{
	for (size_t i = 0; i < TEST_COUNT(canned); i++) {
		if (is_post == canned[i].is_post &&
		    strcmp(path, canned[i].path) == 0) {
			reply_file(req, canned[i].file);
			return true;
		}
	}
	return false;
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct fake *fake = arg;
	const char *path =
	    evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	bool is_post = evhttp_request_get_command(req) == EVHTTP_REQ_POST;

	if (answer_canned(req, path, is_post))
		return;
	if (is_post && strcmp(path, "/v1/sites/chc/drain") == 0) {
		on_drain(req);
	} else if (is_post && strcmp(path, "/v1/sites/x%2Fy/restore") == 0) {
		refuse(req, 409, "site x/y: \033[2Jnot drained");
	} else if (is_post && strcmp(path, "/v1/probes/run") == 0) {
		on_probe_run(req);
	} else if (is_post && strcmp(path, "/v1/check") == 0) {
		on_check(req);
	} else if (is_post && strcmp(path, "/v1/experiments") == 0) {
		on_start(req);
	} else if (is_post && strcmp(path, "/v1/clients") == 0) {
		on_part(fake, req);
	} else if (!is_post && strcmp(path, "/v1/events") == 0) {
		on_events(fake, req);
	} else if (!is_post && strcmp(path, "/v1/explain") == 0) {
		on_explain(req);
	} else if (!is_post && strcmp(path, "/v1/experiments/7") == 0) {
		on_look(fake, req);
	} else if (!is_post && strcmp(path, "/v1/failover") == 0) {
		on_failover(req);
	} else {
		reply_text(req, 404, "<html>no JSON</html>");
	}
}

static void
serve(int unix_fd, int tcp_fd)
{
	struct fake fake = { .base = event_base_new() };
	struct evhttp *http = evhttp_new(fake.base);

	evhttp_set_gencb(http, on_request, &fake);
	if (evhttp_accept_socket(http, unix_fd) == -1 ||
	    evhttp_accept_socket(http, tcp_fd) == -1)
		_exit(9);
	event_base_dispatch(fake.base);
	_exit(9);
}

/* ---- the test's side ---- */

static struct {
	char dir[32];
	char socket[64];
	char list[64];
	char url[48];
	pid_t pid;
} env;

static int
listen_on(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || bind(fd, sa, len) == -1 || listen(fd, 16) == -1)
		return -1;
	return fd;
}

static int
start_fake(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int unix_fd, tcp_fd;

	(void)state;
	(void)snprintf(env.dir, sizeof(env.dir), "/tmp/test_ctl.XXXXXX");
	if (mkdtemp(env.dir) == NULL)
		return -1;
	(void)snprintf(env.socket, sizeof(env.socket), "%s/sock", env.dir);
	(void)snprintf(env.list, sizeof(env.list), "%s/list", env.dir);
	memcpy(sun.sun_path, env.socket, strlen(env.socket) + 1);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	unix_fd = listen_on((const struct sockaddr *)&sun, sizeof(sun));
	tcp_fd = listen_on((const struct sockaddr *)&sin, sizeof(sin));
	if (unix_fd == -1 || tcp_fd == -1 ||
	    getsockname(tcp_fd, (struct sockaddr *)&sin, &len) == -1)
		return -1;
	(void)snprintf(env.url, sizeof(env.url), "http://127.0.0.1:%d/",
	    ntohs(sin.sin_port));
	env.pid = fork();
	if (env.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(unix_fd, tcp_fd);
	}
	(void)close(unix_fd);
	(void)close(tcp_fd);
	(void)setenv("ANYCASTD_SOCKET", env.socket, 1);
	return env.pid == -1 ? -1 : 0;
}

static int
stop_fake(void **state)
{
	(void)state;
	(void)kill(env.pid, SIGKILL);
	(void)waitpid(env.pid, NULL, 0);
	(void)unlink(env.list);
	(void)unlink(env.socket);
	return rmdir(env.dir);
}

static void
write_list(const char *text, size_t times)
{
	FILE *out = fopen(env.list, "we");

	assert_non_null(out);
	while (times-- > 0)
		fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void
test_done(void **state)
{
	(void)state;
	check(RUN("status"), CTL_DONE, "akl   announcing", "");
	check(RUN("status", "chc"), CTL_DONE, "site chc: drained", "");
	check(RUN("restore", "chc"), CTL_DONE, "site chc: restored", "");
	check(RUN("explain", "192.0.2.0/24"), CTL_DONE, "decides", "");
	check(RUN("events"), CTL_DONE, "intent chc: drain", "");
	check(RUN("predict", "show", "--site", "chc"), CTL_DONE, "HEIR", "");
	check(RUN("predict", "status"), CTL_DONE, "experiment 7", "");
	check(RUN("predict", "abort"), CTL_DONE, "experiment 7: aborted", "");
	check(RUN("report", "failover"), CTL_DONE, "HEIR", "");
	check(RUN("clients", "stats"), CTL_DONE, "120000", "");
	check(RUN("clients", "list", "--top", "2"), CTL_DONE, "203.0.113.50",
	    "");
	check(RUN("clients", "list", "--site=chc"), CTL_DONE, "2001:db8:18::1",
	    "");
	check(RUN("clients", "take", "--top=8"), CTL_DONE,
	    "list 5 taken from recent clients", "");
	check(RUN("clients", "list", "--top=0"), CTL_USAGE, "",
	    "option --top: 0: expected a number from 1 to 16000000");
	check(RUN("help"), CTL_DONE, "usage: anycastctl", "");
	check(RUN("version"), CTL_DONE, "anycastctl ", "");
}

static void
test_drain_sends_reason_and_time(void **state)
{
	(void)state;
	check(RUN("drain", "chc", "--dry-run"), CTL_DONE, "nothing was changed",
	    "");
	check(RUN("drain", "--reason", "a b\"c", "chc", "--for=1h"), CTL_DONE,
	    "site chc: drained by jo", "");
	check(RUN("drain", "chc"), CTL_FAILED, "",
	    "anycastctl: site chc: is drained already\n");
	check(RUN("drain", "chc", "--reason", "\xff"), CTL_USAGE, "",
	    "not UTF-8");
}

/* The exit status tells whether the probe passed. */
static void
test_probe_run(void **state)
{
	(void)state;
	check(RUN("probe", "run", "page"), CTL_FAILED, "status 503", "");
	check(RUN("probe", "run", "web/page"), CTL_FAILED, "status 503", "");
	check(RUN("probe", "run", "web/port"), CTL_DONE, "pass", "");
	check(RUN("probe", "run", "web/x"), CTL_FAILED, "",
	    "not of service web");
	check(RUN("probe", "run", "other/page"), CTL_FAILED, "",
	    "not of service web");
	check(RUN("probe", "run", "\xff"), CTL_USAGE, "", "not UTF-8");
	check(RUN("probe", "run", "\xff/page"), CTL_USAGE, "", "not UTF-8");
	check(RUN("probe", "run"), CTL_USAGE, "", "[SERVICE/]PROBE");
}

static void
test_check_now(void **state)
{
	(void)state;
	check(RUN("check", "now"), CTL_FAILED, "service dns is sick", "");
	check(RUN("check", "now", "web"), CTL_DONE, "", "");
	check(RUN("check", "now", "x"), CTL_FAILED, "", "not at site chc");
	check(RUN("check", "now", "\xff"), CTL_USAGE, "", "not UTF-8");
	check(RUN("check", "now", "--json"), CTL_FAILED, "\"services\"", "");
}

static void
test_url_instead_of_socket(void **state)
{
	(void)state;
	check(RUN("--url", env.url, "status"), CTL_DONE, "akl", "");
	check(RUN("status", "--url", "http://127.0.0.1:1"), CTL_UNREACHABLE, "",
	    "http://127.0.0.1:1: ");
}

/* One document on standard output, whatever the command. */
static void
test_json_is_one_document(void **state)
{
	static const char *const calls[][ARGS_MAX] = {
		{ "status", "--json" },
		{ "--json", "status", "chc" },
		{ "drain", "chc", "--dry-run", "--json" },
		{ "restore", "chc", "--json" },
		{ "explain", "192.0.2.0/24", "--json" },
		{ "events", "--json" },
		{ "predict", "show", "--site", "chc", "--json" },
		{ "predict", "run", "--site", "chc", "--json" },
		{ "predict", "run", "--site", "chc", "--detach", "--json" },
		{ "predict", "status", "--json" },
		{ "predict", "abort", "--json" },
		{ "report", "failover", "--json" },
		{ "report", "failover", "--format", "json" },
		{ "clients", "stats", "--json" },
		{ "version", "--json" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(calls); i++) {
		struct result r = run_args(calls[i]);
		json_t *doc = json_loads(r.out, JSON_DISABLE_EOF_CHECK, NULL);

		assert_int_equal(r.rc, CTL_DONE);
		assert_true(json_is_object(doc));
		json_decref(doc);
		doc = json_loads(r.out, 0, NULL);
		assert_non_null(doc);
		json_decref(doc);
		result_clear(&r);
	}
}

static void
test_refused(void **state)
{
	(void)state;
	check(RUN("status", "xyz"), CTL_FAILED, "",
	    "anycastctl: site xyz: not in this fleet, known: akl chc syd\n");
	check(RUN("explain", "xyz"), CTL_FAILED, "", "xyz: no prefix");
	/* Escaped on its way there, cleaned on its way back. */
	check(RUN("restore", "x/y"), CTL_FAILED, "",
	    "site x/y: ?[2Jnot drained");
	check(RUN("restore", "nowhere"), CTL_FAILED, "", "HTTP status 404");
	check(RUN("predict", "run", "--site", "akl"), CTL_FAILED, "",
	    "an experiment is running");
	check(RUN("predict", "show", "--site", "syd"), CTL_FAILED, "",
	    "site syd: no failover map yet");
	check(RUN("predict", "show", "--site", "bad"), CTL_FAILED, "",
	    "the daemon's answer: ");
}

static void
test_predict_run_waits_for_the_end(void **state)
{
	(void)state;
	check(RUN("predict", "run", "--site", "chc"), CTL_DONE, "HEIR",
	    "experiment 7 of site chc started\n");
	check(RUN("predict", "run", "--site", "chc", "--detach"), CTL_DONE,
	    "experiment 7 of site chc started\n", "");
	check(RUN("predict", "run", "--site", "syd"), CTL_FAILED, "",
	    "experiment 8: failed: settle: clients still moving");
}

/* A signal ends the watching, not the experiment, and says so. */
static void
test_interrupted_run_goes_on(void **state)
{
	sigset_t set, before;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	assert_int_equal(raise(SIGTERM), 0);
	/* A fresh daemon, whose experiment 7 is not done at the first look. */
	assert_int_equal(stop_fake(NULL), 0);
	assert_int_equal(start_fake(NULL), 0);
	check(RUN("predict", "run", "--site", "chc"), CTL_FAILED, "",
	    "experiment 7 goes on");
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void
test_report_goes_to_a_file(void **state)
{
	char line[256];
	FILE *in;

	(void)state;
	check(RUN("report", "failover", "--format", "csv", "--output",
		  env.list),
	    CTL_DONE, "", "");
	in = fopen(env.list, "re");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line,
	    "site,experiment,measured_at,family,heir,clients,clients_share,"
	    "weight,weight_share,depth,via,low,high,load,load_after,capacity,"
	    "label,noise_floor,age_ms,tests,load_after_max,load_unplaced\n");
	(void)fclose(in);
	check(RUN("report", "failover", "--output", "/nonexistent/x"),
	    CTL_FAILED, "", "/nonexistent/x: No such file");
	check(RUN("report", "failover", "--output", "/dev/full"), CTL_FAILED,
	    "", "/dev/full: No space left");
}

/* What cannot be rendered leaves the report of before alone. */
static void
test_failed_report_keeps_the_file(void **state)
{
	char line[16];
	FILE *file = fopen(env.list, "we");

	(void)state;
	assert_non_null(file);
	assert_true(fputs("before\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	check(RUN("report", "failover", "--site", "bad", "--format", "html",
		  "--output", env.list),
	    CTL_FAILED, "", "the daemon's answer: ");
	file = fopen(env.list, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_string_equal(line, "before\n");
	(void)fclose(file);
}

static void
test_every_report_in_every_format(void **state)
{
	static const struct {
		const char *format;
		const char *of_site, *of_experiment; /* what is in it */
	} cases[] = {
		{ "table", "newest events", "replies" },
		{ "csv", "site,experiment,", "id,site,state," },
		{ "json", "\"events\": [", "\"counters\": {" },
		{ "dot", "digraph failover {", "digraph failover {" },
		{ "svg", "<svg xmlns=", "<svg xmlns=" },
		{ "html", "<title>Site chc</title>",
		    "<title>Experiment 7</title>" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		check(RUN("report", "site", "chc", "--format", cases[i].format),
		    CTL_DONE, cases[i].of_site, "");
		check(RUN("report", "experiment", "8", "--format",
			  cases[i].format),
		    CTL_DONE, cases[i].of_experiment, "");
	}
	/* Levels below are asked for site by site; syd has none to give. */
	check(RUN("report", "failover", "--format", "svg"), CTL_DONE,
	    "</text>\n</svg>", "");
	check(RUN("report", "failover", "--format", "html"), CTL_DONE,
	    "id=\"site=syd\"", "");
	/* A site without a map has a report nevertheless. */
	check(RUN("report", "site", "syd"), CTL_DONE, "no failover map yet",
	    "");
	check(RUN("report", "site", "xyz"), CTL_FAILED, "",
	    "site xyz: not in this fleet, known: ");
	check(RUN("report", "experiment", "99"), CTL_FAILED, "", "404");
}

static void
test_optouts(void **state)
{
	(void)state;
	check(RUN("optout", "list"), CTL_DONE, "mail of noc@example.net", "");
	check(RUN("optout", "list", "--json"), CTL_DONE, "\"created_ms\"", "");
	check(RUN("optout", "add", "192.0.2.0/24", "--reason", "a mail"),
	    CTL_DONE, "is not pinged any more, 3 clients left the list", "");
	check(RUN("optout", "del", "192.0.2.0/24"), CTL_DONE,
	    "may be pinged again", "");
	check(RUN("optout", "add", "\xff"), CTL_USAGE, "", "not UTF-8");
	check(RUN("optout", "add"), CTL_USAGE, "", "");
}

/* An experiment's report has the map that it has measured, no other. */
static void
test_experiment_has_its_own_map(void **state)
{
	struct result r = RUN("report", "experiment", "8", "--json");

	(void)state;
	assert_int_equal(r.rc, CTL_DONE);
	assert_non_null(strstr(r.out, "\"maps\": []"));
	assert_non_null(strstr(r.out, "\"class\": \"forged\""));
	result_clear(&r);
	stop_fake(NULL);
	assert_int_equal(start_fake(NULL), 0);
	r = RUN("report", "experiment", "7", "--json");
	assert_int_equal(r.rc, CTL_DONE);
	assert_non_null(strstr(r.out, "\"measured_ms\": 1772337600123"));
	assert_null(strstr(r.out, "\"measured_ms\": 1772237600123"));
	result_clear(&r);
}

/* Files end anywhere: in a part, at its end, one byte behind it. */
static void
test_import_cuts_files_into_parts(void **state)
{
	static const size_t sizes[] = { 1, PART_MAX_BYTES - 1, PART_MAX_BYTES,
		PART_MAX_BYTES + 1, 2 * PART_MAX_BYTES,
		2 * PART_MAX_BYTES + 1 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		char *want = xasprintf("clients            %zu\n", sizes[i]);

		write_list("x", sizes[i]);
		check(RUN("clients", "import", env.list), CTL_DONE, want, "");
		free(want);
	}
}

static void
test_import_refused(void **state)
{
	(void)state;
	write_list("bad\n", 1);
	check(RUN("clients", "import", env.list), CTL_FAILED, "",
	    "anycastctl: 2 lines are malformed:\n  line 1: bad\n  line 2\n");
	write_list("", 0);
	check(RUN("clients", "import", env.list), CTL_FAILED, "", "is empty");
	check(RUN("clients", "import", "/nonexistent"), CTL_FAILED, "",
	    "/nonexistent: No such file");
	check(RUN("clients", "import", "/"), CTL_FAILED, "",
	    "/: Is a directory");
}

/* The daemon goes away in the middle: said, and gone on when it is back. */
static void
test_follow_survives_a_lost_connection(void **state)
{
	struct result r = RUN("events", "--follow", "--json");
	size_t lines = 0;

	(void)state;
	assert_int_equal(r.rc, CTL_FAILED);
	for (const char *s = r.out; *s != '\0'; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 3);
	assert_non_null(strstr(r.out, "\"what\":\"later\""));
	assert_non_null(strstr(r.err, "trying again"));
	assert_non_null(strstr(r.err, "the daemon is back"));
	assert_non_null(strstr(r.err, "anycastctl: the end\n"));
	result_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_drain_sends_reason_and_time),
		cmocka_unit_test(test_probe_run),
		cmocka_unit_test(test_check_now),
		cmocka_unit_test(test_url_instead_of_socket),
		cmocka_unit_test(test_json_is_one_document),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_predict_run_waits_for_the_end),
		cmocka_unit_test(test_report_goes_to_a_file),
		cmocka_unit_test(test_failed_report_keeps_the_file),
		cmocka_unit_test(test_every_report_in_every_format),
		cmocka_unit_test(test_experiment_has_its_own_map),
		cmocka_unit_test(test_optouts),
		cmocka_unit_test(test_import_cuts_files_into_parts),
		cmocka_unit_test(test_import_refused),
		cmocka_unit_test(test_follow_survives_a_lost_connection),
		cmocka_unit_test(test_interrupted_run_goes_on),
	};

	return cmocka_run_group_tests(tests, start_fake, stop_fake);
}
