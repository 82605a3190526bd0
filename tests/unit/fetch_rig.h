/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FETCH_RIG_H
#define FETCH_RIG_H
/*
 * fetch_rig -- requests to servers of the test's own, in one loop with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fetch.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "canned.h"
#include "test.h"

#define TIMEOUT_MS 2000
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

struct fixture {
	struct loop *lp;
	struct fetch_engine *fe;
};

/* What on_done was told. */
struct got {
	unsigned calls;
	int status;
	char body[256];
	size_t body_len;
	int64_t took_us;
	struct err err;
};

static inline int
fetch_setup(void **state)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));

	fx->lp = loop_new();
	fx->fe = fetch_engine_new(fx->lp);
	*state = fx;
	return 0;
}

static inline int
fetch_teardown(void **state)
{
	struct fixture *fx = *state;

	fetch_engine_free(fx->fe);
	loop_free(fx->lp);
	free(fx);
	return 0;
}

static inline void
fetch_on_done(const struct fetch_answer *answer, void *arg)
{
	struct got *got = arg;
	size_t n = answer->body_len;

	got->calls++;
	got->status = answer->status;
	got->took_us = answer->took_us;
	got->err = answer->err;
	got->body_len = n;
	assert_int_equal(answer->body[n], '\0');
	if (n >= sizeof(got->body))
		n = sizeof(got->body) - 1;
	memcpy(got->body, answer->body, n);
	got->body[n] = '\0';
}

static inline void
wait_calls(struct fixture *fx, const struct got *got, unsigned calls)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (got->calls < calls && mono_before(mono_now(), end))
		loop_step(fx->lp, 100);
	assert_int_equal(got->calls, calls);
}

static inline struct fetch_request
request(const char *url)
{
	return (struct fetch_request){ .method = "GET",
		.url = url,
		.timeout_ms = TIMEOUT_MS,
		.max_body_bytes = 65536 };
}

static inline char *
url_of(const struct canned *srv, const char *path)
{
	return xasprintf("http://127.0.0.1:%u%s", srv->port, path);
}

/* One request to a server that answers so. */
static inline void
fetch_once(struct fixture *fx, struct canned *srv, struct fetch_request *req,
    struct got *got)
{
	char *url = url_of(srv, "/x");

	if (req->url == NULL)
		req->url = url;
	assert_non_null(fetch_start(fx->fe, req, fetch_on_done, got));
	assert_int_equal(got->calls, 0);
	wait_calls(fx, got, 1);
	free(url);
}

/* While not one descriptor more is to be had. */
static inline void
fetch_without_descriptors(struct fixture *fx, const struct fetch_request *req,
    struct got *got)
{
	struct rlimit old, none = { 0 };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_non_null(fetch_start(fx->fe, req, fetch_on_done, got));
	wait_calls(fx, got, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(got->err.code, ERR_SYS);
	assert_int_equal(got->err.sys, EMFILE);
}

#endif /* FETCH_RIG_H */
