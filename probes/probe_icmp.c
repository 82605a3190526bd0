/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * icmp: echoes, sent by the pinger process one after the other, each with its
 * share of the time.  (Two at once to one address would be sent as one.)
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "probes/probe_run.h"
#include "probes/probe_wire.h"

struct pings {
	struct probe_ping_msg msg;
	unsigned done;
	unsigned lost;
	int64_t rtt_sum_us; /* of those that were answered in time */
};

static void
send_ping(struct probe *p)
{
	struct pings *pings = p->own;
	uint8_t body[PROBE_WIRE_PING_BYTES];
	size_t len;

	/* A number for each: a late answer must not count for the next. */
	p->id = ++p->env->last_id;
	pings->msg.id = p->id;
	len = probe_wire_encode_pings(&pings->msg, 1, body, sizeof(body));
	if (len == 0) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "time-out of %lld ms: out of range",
		    (long long)p->cp->timeout_ms);
	} else {
		probe_ask_worker(p, p->env->pinger, PROBE_MSG_PING, body, len);
	}
}

static void
icmp_start(struct probe *p)
{
	struct pings *pings = xcalloc(1, sizeof(*pings));
	struct err err = { 0 };

	p->own = pings;
	pings->msg.timeout_ms =
	    (uint32_t)(p->cp->timeout_ms / p->cp->icmp.count);
	if (addr_parse(p->cp->target, &pings->msg.addr, &err) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s", err.msg);
	} else {
		send_ping(p);
	}
}

static bool
is_slow(const struct probe *p, int64_t rtt_us)
{
	int64_t max_ms = p->cp->icmp.max_rtt_ms;

	return max_ms != 0 && rtt_us > max_ms * 1000;
}

static bool
is_too_much(const struct conf_icmp *conf, unsigned lost)
{
	return lost * 100 > conf->max_loss_percent * conf->count;
}

/* One ping alone: its own words say most. */
static void
judge_only(struct probe *p, const struct probe_result *answer)
{
	p->result.rtt_us = answer->rtt_us;
	if (answer->verdict == PROBE_PASS && is_slow(p, answer->rtt_us)) {
		probe_decide(p, PROBE_FAIL,
		    "answered in %.1f ms, expected %lld ms",
		    (double)answer->rtt_us / 1000.0,
		    (long long)p->cp->icmp.max_rtt_ms);
	} else {
		probe_decide(p, answer->verdict, "%s", answer->detail);
	}
}

static void
judge_all(struct probe *p)
{
	const struct conf_icmp *conf = &p->cp->icmp;
	const struct pings *pings = p->own;
	unsigned answered = pings->done - pings->lost;

	if (is_too_much(conf, pings->lost)) {
		probe_decide(p, PROBE_FAIL,
		    "%u of %u pings lost or late, at most %u%% may be",
		    pings->lost, pings->done, conf->max_loss_percent);
		return;
	}
	if (answered > 0)
		p->result.rtt_us = pings->rtt_sum_us / answered;
	probe_decide(p, PROBE_PASS, "%u of %u pings answered", answered,
	    pings->done);
}

static void
icmp_on_answer(struct probe *p, const struct probe_result *answer)
{
	const struct conf_icmp *conf = &p->cp->icmp;
	struct pings *pings = p->own;

	if (answer->verdict == PROBE_NO_ANSWER_FROM_US || conf->count == 1) {
		judge_only(p, answer);
		return;
	}
	pings->done++;
	if (answer->verdict == PROBE_FAIL || is_slow(p, answer->rtt_us)) {
		pings->lost++;
	} else {
		pings->rtt_sum_us += answer->rtt_us;
	}
	if (pings->done == conf->count || is_too_much(conf, pings->lost)) {
		judge_all(p);
	} else {
		send_ping(p);
	}
}

/* A ping needs no recall: its late answer finds nobody. */
static void
icmp_stop(struct probe *p)
{
	p->worker = NULL;
	free(p->own);
	p->own = NULL;
}

const struct probe_kind_ops probe_icmp_ops = {
	.grace_ms = PROBE_WORKER_GRACE_MS,
	.start = icmp_start,
	.stop = icmp_stop,
	.on_timer = probe_on_worker_silent,
	.on_answer = icmp_on_answer,
};
