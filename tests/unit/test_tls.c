/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server and its clients over TLS, with certificates of an authority of the
 * test's own: made by the script that operators have. */
#include "base/tls.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "door_metric.h"
#include "run_program.h"
#include "server_rig.h"
#include "tls_made.h"

static int
listen_with(struct house *h, const struct tls_files *files, struct err *err)
{
	char where[32];

	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	return api_server_listen(h->server,
	    &(struct api_places){
		.local = h->path, .tcp = where, .tls = files },
	    err);
}

static int
tls_setup(void **state)
{
	static const struct api_route site_routes[] = {
		{ "POST", "/v1/sites/+/status", API_SITE, handle_hello },
		{ 0 },
	};
	struct identity id;
	struct house *h;

	if (house_setup(state) != 0)
		return -1;
	h = *state;
	api_server_add(h->server, site_routes, h);
	(void)files_of(&id, made.fleet, "akl");
	return listen_with(h, &id.files, NULL);
}

struct answer {
	bool is_done;
	int status;
	char body[512], err[512];
};

static void
on_answer(const struct fetch_answer *answer, void *arg)
{
	struct answer *a = arg;

	a->is_done = true;
	a->status = answer->status;
	(void)snprintf(a->body, sizeof(a->body), "%s",
	    (const char *)answer->body);
	(void)snprintf(a->err, sizeof(a->err), "%s", answer->err.msg);
}

/* files NULL: in the clear. */
static void
ask_as(struct house *h, const struct tls_files *files, const char *path,
    struct answer *a)
{
	bool is_post = strncmp(path, "/v1/sites", 9) == 0;
	char *url = xasprintf("%s://127.0.0.1:%u%s",
	    files != NULL ? "https" : "http", h->port, path);
	struct fetch_request req = { .method = is_post ? "POST" : "GET",
		.url = url,
		.tls = files,
		.timeout_ms = WAIT_MAX_MS,
		.max_body_bytes = 511 };

	memset(a, 0, sizeof(*a));
	(void)fetch_start(h->fetch, &req, on_answer, a);
	WAIT_FOR(h->lp, a->is_done);
	free(url);
}

static void
test_site_speaks_for_itself(void **state)
{
	struct house *h = *state;
	struct identity chc;
	struct answer a;

	(void)files_of(&chc, made.fleet, "chc");
	ask_as(h, &chc.files, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 200);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(h->calls, 2);
	ask_as(h, &chc.files, "/v1/sites/akl/status", &a);
	assert_int_equal(a.status, 409);
	assert_non_null(strstr(a.body, "is of chc, not of akl"));
	ask_as(h, &chc.files, "/v1/sites/%2Achc/status", &a);
	assert_int_equal(a.status, 409);
	ask_as(h, &chc.files, "/v1/change", &a);
	assert_int_equal(a.status, 404);
	assert_int_equal(h->calls, 2);
	/* At the machine itself nobody has to prove anything. */
	assert_int_equal(ask(h, "POST", "/v1/sites/akl/status", true, "{}"),
	    200);
}

/* Whom the script names so that no site can be called it. */
static void
test_person_looks_only(void **state)
{
	struct house *h = *state;
	struct identity jo;
	struct answer a;

	(void)files_of(&jo, made.fleet, PERSON);
	ask_as(h, &jo.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	ask_as(h, &jo.files, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 409);
	assert_non_null(strstr(a.body, "is of " PERSON ", not of chc"));
	ask_as(h, &jo.files, "/v1/sites/example.net/status", &a);
	assert_int_equal(a.status, 409);
	ask_as(h, &jo.files, "/v1/change", &a);
	assert_int_equal(a.status, 404);
	assert_int_equal(h->calls, 1);
}

/* A person who is a site, too, or a site of the authority's name. */
static void
test_names_that_get_no_certificate(void **state)
{
	static const char *const names[] = { "jo@example.net,DNS:chc", "jo@",
		"@jo", "ca", "../chc", "a b", "" };
	char out[256];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(names); i++) {
		const char *const argv[] = { "sh", "-c", "\"$@\" 2>&1", MAKE,
			MAKE, made.fleet, names[i], NULL };

		assert_int_equal(run_program(argv, "", out, sizeof(out)), 2);
		assert_non_null(strstr(out, "make-certificates: "));
	}
}

/* Nothing of what they send is looked at. */
static void
test_strangers_stay_outside(void **state)
{
	struct house *h = *state;
	struct identity fleet, other;
	struct tls_files mixed;
	struct answer a;

	(void)files_of(&fleet, made.fleet, "chc");
	(void)files_of(&other, made.other, "chc");
	/* The name is right, the authority is not. */
	mixed = (struct tls_files){ other.certificate, other.key, fleet.ca };
	ask_as(h, &mixed, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.err, "unknown ca"));
	/* No certificate at all. */
	mixed = (struct tls_files){ .ca = fleet.ca };
	ask_as(h, &mixed, "/v1/hello", &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.err, "certificate required"));
	/* No TLS. */
	ask_as(h, NULL, "/v1/hello", &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(h->calls, 0);
}

/* The agent does not talk to everybody either. */
static void
test_controller_must_be_known(void **state)
{
	struct house *h = *state;
	struct identity fleet, other;
	struct tls_files mixed;
	struct answer a;

	(void)files_of(&fleet, made.fleet, "chc");
	(void)files_of(&other, made.other, "chc");
	mixed = (struct tls_files){ fleet.certificate, fleet.key, other.ca };
	ask_as(h, &mixed, "/v1/hello", &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.err, "certificate"));
	/* Of the fleet, but not the one that was asked for. */
	assert_int_equal(listen_with(h, &fleet.files, NULL), 0);
	ask_as(h, &fleet.files, "/v1/hello", &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(h->calls, 0);
}

/* What waits is answered, or seen to go, as without TLS. */
static void
test_answers_that_wait(void **state)
{
	struct house *h = *state;
	struct identity chc;
	struct answer a = { 0 };
	char *url = xasprintf("https://127.0.0.1:%u/v1/later", h->port);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.timeout_ms = WAIT_MAX_MS,
		.max_body_bytes = 511 };
	struct fetch *f;

	(void)files_of(&chc, made.fleet, "chc");
	req.tls = &chc.files;
	(void)fetch_start(h->fetch, &req, on_answer, &a);
	WAIT_FOR(h->lp, h->deferred != NULL);
	assert_false(a.is_done);
	api_reply_text(h->deferred, 200, "{}");
	h->deferred = NULL;
	WAIT_FOR(h->lp, a.is_done);
	assert_int_equal(a.status, 200);
	f = fetch_start(h->fetch, &req, on_answer, &a);
	WAIT_FOR(h->lp, h->deferred != NULL);
	fetch_cancel(f);
	WAIT_FOR(h->lp, h->gone == 1);
	free(url);
}

static void
test_handshakes_by_the_byte_end(void **state)
{
	static const char hello[] = "\x16\x03\x01\x40";
	struct house *h = *state;
	struct identity akl, chc;
	struct answer a;

	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&chc, made.fleet, "chc");
	api_server_limit(h->server,
	    &(struct conns_limits){ .handshake_ms = 400 });
	assert_int_equal(listen_with(h, &akl.files, NULL), 0);
	wire_tcp(h->wire, h->lp, h->port);
	wire_send_bytes(h->wire, hello, sizeof(hello) - 1);
	WAIT_FOR(h->lp, wire_drip(h->wire, '\0'));
	wire_close(h->wire);
	assert_int_equal(door_ended(h->server, "listen", CONN_HANDSHAKE), 1);
	wire_tcp(h->wire, h->lp, h->port);
	WAIT_FOR(h->lp, wire_is_closed(h->wire));
	assert_int_equal(door_ended(h->server, "listen", CONN_HANDSHAKE), 2);
	/* It is no deadline for what comes after. */
	api_server_limit(h->server,
	    &(struct conns_limits){ .handshake_ms = 2000 });
	assert_int_equal(listen_with(h, &akl.files, NULL), 0);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	loop_idle(h->lp, 2500);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(door_ended(h->server, "listen", CONN_HANDSHAKE), 2);
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 0);
}

/* A client that shakes hands and says nothing more. */
static pid_t
start_silent_client(const char *where, const struct tls_files *files)
{
	int in[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		/* Its own, for an input without an end. */
		(void)fcntl(in[1], F_SETFD, 0);
		(void)execlp("openssl", "openssl", "s_client", "-quiet",
		    "-connect", where, "-cert", files->certificate, "-key",
		    files->key, (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(in[1]);
	(void)close(null);
	return pid;
}

/* Whom the authority vouches for may not keep a connection for nothing either. */
static void
test_silence_after_the_handshake_ends(void **state)
{
	struct house *h = *state;
	struct identity akl, chc;
	char where[32];
	pid_t pid;

	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&chc, made.fleet, "chc");
	api_server_limit(h->server,
	    &(struct conns_limits){ .handshake_ms = 3000, .request_ms = 400 });
	assert_int_equal(listen_with(h, &akl.files, NULL), 0);
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", h->port);
	pid = start_silent_client(where, &chc.files);
	WAIT_FOR(h->lp, door_ended(h->server, "listen", CONN_SLOW) == 1);
	assert_int_equal(door_ended(h->server, "listen", CONN_HANDSHAKE), 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A reload with the same files leaves connections; with another authority those
 * of before are no way in any more. */
static void
test_replaced_files(void **state)
{
	struct house *h = *state;
	struct identity chc, akl, other, here;
	struct tls_files both;
	struct answer a;
	char *to = xasprintf("%s/replaced.pem", made.dir);

	(void)files_of(&chc, made.fleet, "chc");
	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&other, made.other, "chc");
	(void)files_of(&here, made.other, "akl");
	made_copy(akl.ca, to);
	both = (struct tls_files){ akl.certificate, akl.key, to };
	assert_int_equal(listen_with(h, &both, NULL), 0);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(listen_with(h, &both, NULL), 0);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
	/* Under the same name: who was let in before is not any more. */
	made_copy(here.ca, to);
	assert_int_equal(listen_with(h, &both, NULL), 0);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 421);
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.err, "unknown ca"));
	both = (struct tls_files){ other.certificate, other.key, chc.ca };
	ask_as(h, &both, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(unlink(to), 0);
	free(to);
}

/* TLS can be turned on and off; a connection in the clear is no way around. */
static void
test_on_and_off(void **state)
{
	struct house *h = *state;
	struct identity akl, chc;
	struct answer a;

	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&chc, made.fleet, "chc");
	assert_int_equal(listen_with(h, NULL, NULL), 0);
	ask_as(h, NULL, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(listen_with(h, &akl.files, NULL), 0);
	ask_as(h, NULL, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 421);
	ask_as(h, NULL, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 0);
	ask_as(h, &chc.files, "/v1/sites/chc/status", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(h->calls, 2);
}

static void
refused(struct house *h, const struct tls_files *files, const char *why)
{
	struct identity chc;
	struct answer a;
	struct err err = { 0 };

	assert_int_equal(listen_with(h, files, &err), -1);
	if (strstr(err.msg, why) == NULL)
		fail_msg("%s: %s", why, err.msg);
	/* All is as it was. */
	(void)files_of(&chc, made.fleet, "chc");
	ask_as(h, &chc.files, "/v1/hello", &a);
	assert_int_equal(a.status, 200);
}

static void
test_files_that_are_wrong(void **state)
{
	struct house *h = *state;
	char *locked = xasprintf("%s/locked.key", made.dir);
	struct identity akl, chc;
	struct tls_files files;
	const char *const lock[] = { "openssl", "genpkey", "-quiet",
		"-algorithm", "ed25519", "-aes128", "-pass=pass:x", NULL };
	char out[1024];
	FILE *f;

	(void)files_of(&akl, made.fleet, "akl");
	(void)files_of(&chc, made.fleet, "chc");
	files = akl.files;
	files.certificate = "/nowhere/x.pem";
	refused(h, &files, "tls.certificate: /nowhere/x.pem: ");
	files = akl.files;
	files.key = chc.key;
	refused(h, &files, "chc.key: key values mismatch");
	files = akl.files;
	files.ca = akl.key;
	refused(h, &files, "tls.ca: ");
	/* Nobody is asked for a pass phrase. */
	assert_int_equal(run_program(lock, "", out, sizeof(out)), 0);
	f = fopen(locked, "we");
	assert_non_null(f);
	fputs(out, f);
	(void)fclose(f);
	files = akl.files;
	files.key = locked;
	refused(h, &files, "locked.key: ");
	assert_int_equal(unlink(locked), 0);
	free(locked);
}

/* Who lets nobody in needs no files that fit: an agent starts without. */
static void
test_files_are_for_who_listens(void **state)
{
	struct house *h = *state;
	const struct tls_files files = { "/nowhere/x.pem", "/nowhere/x.key",
		"/nowhere/ca.pem" };
	struct err err = { 0 };

	assert_int_equal(api_server_listen(h->server,
			     &(struct api_places){
				 .local = h->path, .tls = &files },
			     &err),
	    0);
	assert_int_equal(listen_with(h, &files, &err), -1);
	assert_non_null(strstr(err.msg, "No such file"));
}

static void
test_end_of_a_certificate(void **state)
{
	struct identity chc;
	int64_t days;

	(void)state;
	(void)files_of(&chc, made.fleet, "chc");
	days = (tls_certificate_end_ms(chc.certificate) -
		   (int64_t)time(NULL) * 1000) /
	    86400000;
	assert_in_range(days, 823, 825);
	assert_int_equal(tls_certificate_end_ms(chc.key), 0);
	assert_int_equal(tls_certificate_end_ms("/nowhere"), 0);
}

#define WITH_TLS(f)                                                            \
	cmocka_unit_test_setup_teardown(f, tls_setup, house_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TLS(test_site_speaks_for_itself),
		WITH_TLS(test_person_looks_only),
		cmocka_unit_test(test_names_that_get_no_certificate),
		WITH_TLS(test_strangers_stay_outside),
		WITH_TLS(test_controller_must_be_known),
		WITH_TLS(test_answers_that_wait),
		WITH_TLS(test_handshakes_by_the_byte_end),
		WITH_TLS(test_silence_after_the_handshake_ends),
		WITH_TLS(test_replaced_files),
		WITH_TLS(test_on_and_off),
		WITH_TLS(test_files_that_are_wrong),
		WITH_TLS(test_files_are_for_who_listens),
		cmocka_unit_test(test_end_of_a_certificate),
	};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
