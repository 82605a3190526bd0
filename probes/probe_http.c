/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http: one request over a fresh connection; redirects are not followed. */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "probes/probe_run.h"

/* The text to match must stand in the first part of the body. */
#define BODY_MAX_BYTES ((size_t)64 * 1024)
#define MATCH_SHOWN_CHARS 60
#define CODES_SHOWN_BYTES 80
#define HOUR_MS (INT64_C(3600) * 1000)
#define STATUS_REQUEST_TIMEOUT 408

static void
judge_error(struct probe *p, const struct err *err)
{
	switch (err->code) {
	case ERR_TIMEOUT:
		probe_decide_timeout(p);
		return;
	case ERR_SYS:
		probe_decide_errno(p, err->sys);
		return;
	case ERR_PROTO:
		/* As a rule it has closed: it lost patience with us. */
		if (probe_is_late(p)) {
			probe_decide_timeout(p);
		} else {
			probe_decide(p, PROBE_FAIL, "%s", err->msg);
		}
		return;
	case ERR_GONE: /* the resolver did not answer, nobody was asked */
	case ERR_CONF:
	case ERR_NONE:
	case ERR_STORE:
	case ERR_BIRD:
	case ERR_REFUSED:
	case ERR_CODE_COUNT:
		break;
	}
	probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s", err->msg);
}

static bool
is_expected(const struct conf_http *http, unsigned status)
{
	for (size_t i = 0; i < http->n_codes; i++) {
		if (status >= http->codes[i].min &&
		    status <= http->codes[i].max)
			return true;
	}
	return false;
}

static void
fail_status(struct probe *p, unsigned status)
{
	const struct conf_http *http = &p->cp->http;
	char text[CODES_SHOWN_BYTES] = "";
	size_t used = 0;

	for (size_t i = 0; i < http->n_codes && used < sizeof(text); i++) {
		const struct conf_range *r = &http->codes[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    r->min == r->max ? "%s%u" : "%s%u-%u", i > 0 ? "," : "",
		    r->min, r->max);
	}
	probe_decide(p, PROBE_FAIL, "status %u, expected %s", status, text);
}

/* True: the certificate lasts; else the attempt has ended. */
static bool
check_expiry(struct probe *p, int64_t end_ms)
{
	int64_t left_ms = end_ms - wall_now_ms();
	char left[DURATION_TEXT_BYTES], want[DURATION_TEXT_BYTES];

	if (p->cp->http.tls_expiry_ms == 0)
		return true;
	if (end_ms == -1) {
		probe_decide(p, PROBE_FAIL,
		    "the end of the certificate cannot be read");
		return false;
	}
	if (left_ms >= p->cp->http.tls_expiry_ms)
		return true;
	if (left_ms <= 0) {
		probe_decide(p, PROBE_FAIL, "the certificate has ended");
		return false;
	}
	/* Whole hours tell enough, if there are any. */
	if (left_ms > HOUR_MS)
		left_ms -= left_ms % HOUR_MS;
	probe_decide(p, PROBE_FAIL, "the certificate ends in %s, expected %s",
	    num_format_duration_ms(left_ms, left),
	    num_format_duration_ms(p->cp->http.tls_expiry_ms, want));
	return false;
}

static void
judge_answer(struct probe *p, const struct fetch_answer *answer)
{
	const struct conf_http *http = &p->cp->http;
	unsigned status = (unsigned)answer->status;

	if (!is_expected(http, status)) {
		if (status == STATUS_REQUEST_TIMEOUT && probe_is_late(p)) {
			probe_decide_timeout(p);
		} else {
			fail_status(p, status);
		}
		return;
	}
	if (http->match != NULL &&
	    memmem(answer->body, answer->body_len, http->match,
		strlen(http->match)) == NULL) {
		probe_decide(p, PROBE_FAIL, "body lacks \"%.*s\"",
		    MATCH_SHOWN_CHARS, http->match);
		return;
	}
	if (check_expiry(p, answer->cert_end_ms))
		probe_decide(p, PROBE_PASS, "status %u", status);
}

static void
http_on_done(const struct fetch_answer *answer, void *arg)
{
	struct probe *p = arg;

	p->fetch = NULL;
	p->result.rtt_us = answer->took_us;
	if (answer->err.code != ERR_NONE) {
		judge_error(p, &answer->err);
	} else {
		judge_answer(p, answer);
	}
}

static void
http_start(struct probe *p)
{
	const struct conf_http *http = &p->cp->http;
	struct fetch_request req = { .method = conf_method_name(http->method),
		.url = p->cp->target,
		.headers = http->headers,
		.resolve = http->resolve,
		.source = p->cp->source,
		.timeout_ms = p->cp->timeout_ms,
		.max_body_bytes = BODY_MAX_BYTES,
		.fresh_connection = true,
		.insecure = http->insecure,
		.want_cert_end = http->tls_expiry_ms != 0,
		.truncate = true };

	p->fetch = fetch_start(p->env->fetch, &req, http_on_done, p);
}

static void
http_stop(struct probe *p)
{
	fetch_cancel(p->fetch);
	p->fetch = NULL;
}

/* The request has its own time-out; the timer is here for the worst case. */
const struct probe_kind_ops probe_http_ops = {
	.grace_ms = PROBE_WORKER_GRACE_MS,
	.start = http_start,
	.stop = http_stop,
	.on_timer = probe_decide_timeout,
};
