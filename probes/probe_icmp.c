/* SPDX-License-Identifier: GPL-3.0-or-later */
/* icmp: one echo, sent by the pinger process. */
#include "probes/probe_run.h"
#include "probes/probe_wire.h"

static void
icmp_start(struct probe *p)
{
	uint8_t body[PROBE_WIRE_PING_BYTES];
	struct probe_ping_msg msg = { .id = p->id,
		.timeout_ms = (uint32_t)p->cp->timeout_ms };
	struct err err = { 0 };
	size_t len;

	if (addr_parse(p->cp->target, &msg.addr, &err) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s", err.msg);
		return;
	}
	len = probe_wire_encode_pings(&msg, 1, body, sizeof(body));
	if (len == 0) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "time-out of %lld ms: out of range",
		    (long long)p->cp->timeout_ms);
	} else {
		probe_ask_worker(p, p->env->pinger, PROBE_MSG_PING, body, len);
	}
}

/* A ping needs no recall: its late answer finds nobody. */
static void
icmp_stop(struct probe *p)
{
	p->worker = NULL;
}

const struct probe_kind_ops probe_icmp_ops = {
	.grace_ms = PROBE_WORKER_GRACE_MS,
	.start = icmp_start,
	.stop = icmp_stop,
	.on_timer = probe_on_worker_silent,
};
