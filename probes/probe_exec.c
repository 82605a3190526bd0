/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exec, main's side: the command runs under the runner process. */
#include "probes/probe_run.h"
#include "probes/probe_wire.h"

static void
exec_start(struct probe *p)
{
	uint8_t body[PROBE_WIRE_EXEC_BYTES];
	size_t len = probe_wire_encode_exec(p->id, (uint32_t)p->cp->timeout_ms,
	    p->cp->argv, body, sizeof(body));

	if (len == 0) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "the command line is too long");
	} else {
		probe_ask_worker(p, p->env->runner, PROBE_MSG_EXEC, body, len);
	}
}

/* Still running there: it may end. */
static void
exec_stop(struct probe *p)
{
	uint8_t body[PROBE_WIRE_STOP_BYTES];

	if (p->worker == NULL)
		return;
	(void)worker_send(p->worker, PROBE_MSG_STOP, body,
	    probe_wire_encode_stop(p->id, body, sizeof(body)));
	p->worker = NULL;
}

const struct probe_kind_ops probe_exec_ops = {
	.grace_ms = PROBE_WORKER_GRACE_MS,
	.start = exec_start,
	.stop = exec_stop,
	.on_timer = probe_on_worker_silent,
};
