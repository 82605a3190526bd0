/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H
/*
 * fetch -- HTTP requests in the loop, over libcurl's multi interface.  Used by
 * http probes and by the agent's link to its controller.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct fetch_engine; /* one per loop */
struct fetch;        /* one running request */

struct tls_files; /* base/tls.h */

struct fetch_request {
	const char *method;       /* "GET", "HEAD", "POST" */
	const char *url;          /* http or https, nothing else */
	const char *unix_socket;  /* NULL: TCP */
	const char *content_type; /* NULL: none */
	char *const *headers;     /* more lines, NULL-terminated; or NULL */
	const char *resolve;      /* connect to this address; NULL: as url */
	const char *source;       /* connect from this address; NULL: any */
	const void *body;         /* copied; NULL: none */
	size_t body_len;
	int64_t timeout_ms;    /* of the whole request */
	size_t max_body_bytes; /* of the answer; longer ends in error */
	bool fresh_connection; /* no reuse: a probe must test connecting */
	bool insecure;         /* https: do not verify */
	/* https: who asks, and who alone is believed; borrowed for the call.
	 * NULL: nobody, and the authorities of the system. */
	const struct tls_files *tls;
	bool want_cert_end; /* https: see cert_end_ms */
	bool truncate;      /* keep the first max_body_bytes instead of
				     failing when the answer is longer */
};

struct fetch_answer {
	int status;          /* HTTP status; 0 if there was none: see err */
	const uint8_t *body; /* borrowed for the call, NUL-terminated */
	size_t body_len;
	int64_t took_us;
	int64_t cert_end_ms; /* wall: when the server's certificate ends; -1:
				not asked for, or unknown */
	struct err err;      /* code ERR_NONE when an answer came */
};

typedef void fetch_done_cb(const struct fetch_answer *answer, void *arg);

struct fetch_engine *fetch_engine_new(struct loop *lp);
/* Cancels what is running; not to be called from on_done. */
void fetch_engine_free(struct fetch_engine *fe);

/* on_done is called exactly once, never from within fetch_start. */
struct fetch *fetch_start(struct fetch_engine *fe,
    const struct fetch_request *req, fetch_done_cb *on_done, void *arg);
/* on_done will not be called. */
void fetch_cancel(struct fetch *f);

#endif /* BASE_FETCH_H */
