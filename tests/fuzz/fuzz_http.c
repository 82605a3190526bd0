/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as HTTP requests on the control socket: through libevent's parser,
 * our own checks, the dispatch, and the readers of what operators send. The
 * server must answer in HTTP or hang up, and be there for the next one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/drain.h"
#include "api/guard_acts.h"
#include "api/server.h"
#include "base/log.h"
#include "base/loop.h"

#define STEPS_MAX 200
#define ANSWER_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *lp;
static struct api_server *server;
static char path[64];

static void
require(bool ok)
{
	if (!ok)
		abort();
}

static void
reply(struct api_request *req, int rc, const struct err *err)
{
	if (rc == -1) {
		api_reply_err(req, err);
	} else {
		api_reply_json(req, 200,
		    json_pack("{s:s}", "who", api_actor(req)));
	}
}

static void
on_get(struct api_request *req, void *arg)
{
	static const int64_t range[] = { -5, 1000 };
	const char *what = api_param(req, "what");
	struct err err = { 0 };
	int64_t n = 0;
	int rc = api_param_i64(req, "n", range, &n, &err);

	(void)arg;
	require(what == NULL || strlen(what) < (1u << 20));
	require(rc == -1 || (n >= range[0] && n <= range[1]));
	require(strlen(api_segment(req, 2)) < (1u << 20));
	reply(req, rc, &err);
}

static void
on_drain(struct api_request *req, void *arg)
{
	struct drain_request want;
	struct err err = { 0 };
	int rc = drain_request_parse(req, &want, &err);

	(void)arg;
	require(rc == -1 || intent_scope_is_valid(want.scope));
	reply(req, rc, &err);
}

static void
on_restore(struct api_request *req, void *arg)
{
	struct restore_request want;
	struct err err = { 0 };
	int rc = restore_request_parse(req, &want, &err);

	(void)arg;
	require(rc == -1 || intent_scope_is_valid(want.scope));
	require(rc == -1 || !want.all || want.scope[0] == '\0');
	reply(req, rc, &err);
}

static const struct api_route routes[] = {
	{ "GET", "/v1/sites/+", API_READ, on_get },
	{ "POST", "/v1/sites/+/drain", API_LOCAL, on_drain },
	{ "POST", "/v1/sites/+/restore", API_LOCAL, on_restore },
	{ 0 },
};

static void
start(void)
{
	struct err err = { 0 };
	struct api_places places = { .local = path };

	(void)signal(SIGPIPE, SIG_IGN);
	lp = loop_new();
	server = api_server_new(lp);
	api_server_add(server, routes, NULL);
	(void)snprintf(path, sizeof(path), "/tmp/fuzz_http.%d", (int)getpid());
	require(api_server_listen(server, &places, &err) == 0);
}

static int
dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, path, strlen(path));
	require(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[ANSWER_BYTES];
	size_t got = 0;
	int fd;

	if (server == NULL)
		start();
	fd = dial();
	/* What does not fit into the socket at once is not sent. */
	(void)!write(fd, data, size);
	(void)shutdown(fd, SHUT_WR);
	for (int i = 0; i < STEPS_MAX; i++) {
		ssize_t n;

		loop_step(lp, 0);
		n = read(fd, answer + got, sizeof(answer) - got);
		if (n == 0 || got == sizeof(answer))
			break;
		if (n > 0)
			got += (size_t)n;
	}
	require(got == 0 || (got >= 5 && memcmp(answer, "HTTP/", 5) == 0));
	(void)close(fd);
	loop_step(lp, 0);
	return 0;
}
