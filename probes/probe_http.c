/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http: one request over a fresh connection; redirects are not followed. */
#include <string.h>

#include "probes/probe_run.h"

/* The text to match must stand in the first part of the body. */
#define BODY_MAX_BYTES ((size_t)64 * 1024)
#define MATCH_SHOWN_CHARS 60

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
		probe_decide(p, PROBE_FAIL, "%s", err->msg);
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

static void
judge_answer(struct probe *p, const struct fetch_answer *answer)
{
	const struct conf_probe *cp = p->cp;
	unsigned status = (unsigned)answer->status;

	if (status < cp->status_min || status > cp->status_max) {
		if (cp->status_min == cp->status_max) {
			probe_decide(p, PROBE_FAIL, "status %u, expected %u",
			    status, cp->status_min);
		} else {
			probe_decide(p, PROBE_FAIL, "status %u, expected %u-%u",
			    status, cp->status_min, cp->status_max);
		}
		return;
	}
	if (cp->match != NULL &&
	    memmem(answer->body, answer->body_len, cp->match,
		strlen(cp->match)) == NULL) {
		probe_decide(p, PROBE_FAIL, "body lacks \"%.*s\"",
		    MATCH_SHOWN_CHARS, cp->match);
		return;
	}
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
	struct fetch_request req = { .method = "GET",
		.url = p->cp->target,
		.timeout_ms = p->cp->timeout_ms,
		.max_body_bytes = BODY_MAX_BYTES,
		.fresh_connection = true,
		.insecure = p->cp->insecure,
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
