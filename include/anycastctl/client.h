/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_CLIENT_H
#define ANYCASTCTL_CLIENT_H
/*
 * client -- calls of the HTTP API, one after the other, over the daemon's UNIX
 * socket or a URL.  Blocks until the answer is there or time is up.  Each call
 * is a connection of its own, and reads the files of TLS anew.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "base/tls.h"

struct ctl_client;

/* The daemon: one of socket and url, the other is NULL. */
struct ctl_target {
	const char *socket;
	const char *url;
	struct tls_files tls; /* for https; NULLs: the system's authorities */
};

/* NULL is none. */
bool ctl_url_is_https(const char *url);

struct ctl_request {
	const char *method; /* "GET", "POST" */
	const char *path;   /* "/v1/..." with its query, escaped */
	const char *type;   /* Content-Type of body */
	const void *body;   /* NULL: none */
	size_t body_len;
	int64_t timeout_ms; /* of the whole call; connecting has 2 s of it */
};

struct ctl_answer {
	int status;    /* of HTTP; 0: the daemon gave no answer */
	json_t *doc;   /* a new reference; NULL: nothing in the answer */
	char *message; /* why it failed, any length, maybe several lines */
};

/* What target points to must outlive the client.  NULL with err if it cannot be
 * one, or the files of tls do not fit each other. */
struct ctl_client *ctl_client_new(const struct ctl_target *target,
    struct err *err);
void ctl_client_free(struct ctl_client *cl);

/*
 * 0: done.  -1: the daemon refused, failed or was not reached, see status and
 * message.  *out is set in either case; clear it with ctl_answer_clear.
 */
int ctl_client_call(struct ctl_client *cl, const struct ctl_request *req,
    struct ctl_answer *out);
void ctl_answer_clear(struct ctl_answer *answer);

/* s as a part of a path or query (RFC 3986 s.2.1); the caller frees. */
char *ctl_escape(const char *s);

#endif /* ANYCASTCTL_CLIENT_H */
