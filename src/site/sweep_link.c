/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/sweep_link.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "site/agent_state.h"
#include "site/uplink.h"

static_assert((int)CONF_ENGINE_RAW == SWEEP_ENGINE_RAW &&
	(int)CONF_ENGINE_PACKET == SWEEP_ENGINE_PACKET,
    "the configuration names the sender's engines");

#define LIST_MAX_BYTES (256u << 20)
#define LIST_TIMEOUT_MS 60000
#define ADDR_BYTES 16

struct sweep_link {
	struct agent *agent;
	struct worker *sweeper;
	uint64_t starts; /* of the sweeper; more than one: it died */
	struct sweep_capture capture;
	/* The target list at hand; list 0: none. */
	uint32_t list;
	struct addr *targets;
	uint32_t n_targets;
	uint32_t sent_list; /* the list that this sweeper has */
	struct fetch *fetch;
	/* The job ordered last; job 0: none. */
	struct sweep_job job;
	uint32_t *subset;
	struct prefix *optouts;
	bool job_waits; /* for the list */
	struct sweep_progress progress;
	char failed[96]; /* why the job cannot run; "" otherwise */
	char trouble[160];
	enum sweep_capture_mode mode; /* of this sweeper */
	struct sweep_counters counters;
	uint64_t flush_cookie; /* asked for, not answered; 0: none */
};

static void
send_capture(struct sweep_link *sl)
{
	uint8_t buf[512];
	size_t len = sweep_encode_capture(&sl->capture, buf, sizeof(buf));

	(void)worker_send(sl->sweeper, SWEEP_MSG_CAPTURE, buf, len);
}

static void
send_list(struct sweep_link *sl)
{
	size_t size = SWEEP_TARGETS_PER_MSG * ADDR_BYTES + 64;
	uint8_t *buf = xcalloc(size, 1);

	for (uint32_t i = 0; i < sl->n_targets; i += SWEEP_TARGETS_PER_MSG) {
		uint32_t left = sl->n_targets - i;
		struct sweep_targets part = { .list = sl->list,
			.total = sl->n_targets,
			.first = i,
			.n = left < SWEEP_TARGETS_PER_MSG
			    ? left
			    : SWEEP_TARGETS_PER_MSG,
			.addrs = sl->targets + i };
		size_t len = sweep_encode_targets(&part, buf, size);

		(void)worker_send(sl->sweeper, SWEEP_MSG_TARGETS, buf, len);
	}
	free(buf);
	sl->sent_list = sl->list;
}

static void
send_job(struct sweep_link *sl)
{
	size_t size = 256 + (size_t)sl->job.n_subset * sizeof(uint32_t) +
	    sl->job.n_optouts * sizeof(struct prefix);
	uint8_t *buf;
	size_t len;

	sl->job_waits = false;
	if (sl->sent_list != sl->list)
		send_list(sl);
	buf = xcalloc(size, 1);
	len = sweep_encode_job(&sl->job, buf, size);
	(void)worker_send(sl->sweeper, SWEEP_MSG_JOB, buf, len);
	free(buf);
}

static void
job_failed(struct sweep_link *sl, const char *why)
{
	sl->job_waits = false;
	(void)text_copy(sl->failed, sizeof(sl->failed), why);
	sl->progress.done = true;
	log_warnx("sweep: job %" PRIu32 ": %s", sl->job.job, why);
	if (sl->agent->uplink != NULL)
		uplink_touch(sl->agent->uplink);
}

/* ---- the target list ---- */

static void
on_list(const struct fetch_answer *answer, void *arg)
{
	struct sweep_link *sl = arg;

	sl->fetch = NULL;
	if (answer->status != 200 || answer->body_len == 0 ||
	    answer->body_len % ADDR_BYTES != 0) {
		job_failed(sl, "the client list cannot be had");
		return;
	}
	free(sl->targets);
	sl->n_targets = (uint32_t)(answer->body_len / ADDR_BYTES);
	sl->targets = xcalloc(sl->n_targets, sizeof(*sl->targets));
	memcpy(sl->targets, answer->body, answer->body_len);
	sl->list = sl->job.list;
	sl->sent_list = 0;
	if (sl->job_waits)
		send_job(sl);
}

static void
fetch_list(struct sweep_link *sl)
{
	char *url = xasprintf("%s/v1/client-lists/%" PRIu32,
	    sl->agent->conf->controller, sl->job.list);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.timeout_ms = LIST_TIMEOUT_MS,
		.max_body_bytes = LIST_MAX_BYTES };

	if (sl->fetch != NULL)
		fetch_cancel(sl->fetch);
	sl->fetch = fetch_start(sl->agent->env.fetch, &req, on_list, sl);
	free(url);
}

/* ---- the sweeper's messages ---- */

static void
on_progress(struct sweep_link *sl, const struct chan_msg *msg)
{
	struct sweep_progress p;

	if (sweep_decode_progress(msg->body, msg->len, &p) == -1 ||
	    p.job != sl->job.job)
		return;
	sl->progress = p;
	if (sl->agent->uplink != NULL)
		uplink_touch(sl->agent->uplink);
}

static void
on_flushed(struct sweep_link *sl, const struct chan_msg *msg)
{
	uint64_t cookie;

	if (sweep_decode_flushed(msg->body, msg->len, &cookie, &sl->counters) ==
	    -1)
		return;
	if (cookie != sl->flush_cookie)
		return;
	sl->flush_cookie = 0;
	if (sl->agent->uplink != NULL)
		uplink_on_flushed(sl->agent->uplink, cookie);
}

static void
on_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct sweep_link *sl = arg;

	(void)w;
	switch ((enum sweep_msg)msg->type) {
	case SWEEP_MSG_REPLIES:
		if (sl->agent->uplink != NULL) {
			uplink_queue_replies(sl->agent->uplink, msg->body,
			    msg->len);
		}
		break;
	case SWEEP_MSG_PROGRESS:
		on_progress(sl, msg);
		break;
	case SWEEP_MSG_FLUSHED:
		on_flushed(sl, msg);
		break;
	case SWEEP_MSG_TROUBLE:
		(void)snprintf(sl->trouble, sizeof(sl->trouble), "%.*s",
		    (int)(msg->len < sizeof(sl->trouble) ? msg->len
							 : sizeof(sl->trouble)),
		    (const char *)msg->body);
		log_warnx("sweep: %s", sl->trouble);
		break;
	case SWEEP_MSG_CAPTURING:
		(void)sweep_decode_capturing(msg->body, msg->len, &sl->mode);
		break;
	case SWEEP_MSG_CAPTURE:
	case SWEEP_MSG_TARGETS:
	case SWEEP_MSG_JOB:
	case SWEEP_MSG_STOP:
	case SWEEP_MSG_FLUSH:
		break;
	}
}

static void
send_flush(struct sweep_link *sl)
{
	uint8_t body[8];
	struct wcursor w = { .p = body, .left = sizeof(body) };

	wcursor_be64(&w, sl->flush_cookie);
	(void)worker_send(sl->sweeper, SWEEP_MSG_FLUSH, body, sizeof(body));
}

static void
on_start(struct worker *w, void *arg)
{
	struct sweep_link *sl = arg;

	(void)w;
	sl->starts++;
	sl->sent_list = 0;
	sl->mode = SWEEP_CAPTURE_OFF;
	if (sl->capture.experiment != 0)
		send_capture(sl);
	if (sl->flush_cookie != 0)
		send_flush(sl);
}

static void
on_lost(struct worker *w, void *arg)
{
	struct sweep_link *sl = arg;

	(void)w;
	if (sl->job.job != 0 && !sl->progress.done)
		job_failed(sl, "the sweeper died");
}

/* ---- the door ---- */

struct sweep_link *
sweep_link_new(struct agent *a)
{
	static const struct worker_ops ops = {
		.on_start = on_start, .on_msg = on_msg, .on_lost = on_lost
	};
	struct sweep_link *sl = xcalloc(1, sizeof(*sl));
	const struct conf_test *test = &a->conf->test;

	sl->agent = a;
	sl->capture.n_prefixes = (uint8_t)test->n_prefixes;
	for (size_t i = 0; i < test->n_prefixes; i++)
		sl->capture.prefixes[i] = test->prefixes[i];
	sl->sweeper = worker_new(a->env.keeper, a->env.kind_sweeper, &ops, sl);
	return sl;
}

void
sweep_link_free(struct sweep_link *sl)
{
	if (sl == NULL)
		return;
	if (sl->fetch != NULL)
		fetch_cancel(sl->fetch);
	worker_free(sl->sweeper);
	free(sl->targets);
	free(sl->subset);
	free(sl->optouts);
	free(sl);
}

void
sweep_link_capture(struct sweep_link *sl, uint32_t experiment,
    const uint8_t key[SWEEP_KEY_BYTES])
{
	/* The number alone may come again after a controller's sudden end. */
	if (sl->capture.experiment == experiment &&
	    memcmp(sl->capture.key, key, SWEEP_KEY_BYTES) == 0)
		return;
	sweep_link_stop(sl);
	sl->capture.experiment = experiment;
	memcpy(sl->capture.key, key, SWEEP_KEY_BYTES);
	sl->counters = (struct sweep_counters){ 0 };
	sl->trouble[0] = '\0';
	send_capture(sl);
}

static void
set_sources(struct sweep_job *job, const struct conf_test *test)
{
	for (size_t i = 0; i < test->n_sources; i++) {
		if (addr_is_ipv4(&test->sources[i])) {
			job->source4 = test->sources[i];
			job->has_source4 = true;
		} else {
			job->source6 = test->sources[i];
			job->has_source6 = true;
		}
	}
}

void
sweep_link_run(struct sweep_link *sl, const struct sweep_job *job)
{
	if (job->job == sl->job.job)
		return;
	free(sl->subset);
	sl->job = *job;
	sl->subset = xcalloc(job->n_subset, sizeof(*sl->subset));
	if (job->n_subset > 0) {
		memcpy(sl->subset, job->subset,
		    job->n_subset * sizeof(*sl->subset));
	}
	sl->job.subset = sl->subset;
	free(sl->optouts);
	sl->optouts = xcalloc(job->n_optouts, sizeof(*sl->optouts));
	if (job->n_optouts > 0) {
		memcpy(sl->optouts, job->optouts,
		    job->n_optouts * sizeof(*sl->optouts));
	}
	sl->job.optouts = sl->optouts;
	sl->job.engine = (uint8_t)sl->agent->conf->test.engine;
	set_sources(&sl->job, &sl->agent->conf->test);
	sl->progress = (struct sweep_progress){ .job = job->job };
	sl->failed[0] = '\0';
	if (!worker_is_up(sl->sweeper)) {
		job_failed(sl, "the sweeper is down");
	} else if (sl->list == job->list) {
		send_job(sl);
	} else {
		sl->job_waits = true;
		fetch_list(sl);
	}
}

void
sweep_link_stop(struct sweep_link *sl)
{
	if (sl->job.job == 0)
		return;
	sl->job.job = 0;
	sl->job_waits = false;
	sl->progress = (struct sweep_progress){ .done = true };
	sl->failed[0] = '\0';
	(void)worker_send(sl->sweeper, SWEEP_MSG_STOP, NULL, 0);
}

void
sweep_link_flush(struct sweep_link *sl, uint64_t cookie)
{
	sl->flush_cookie = cookie;
	if (worker_is_up(sl->sweeper))
		send_flush(sl);
}

json_t *
sweep_link_status(const struct sweep_link *sl)
{
	const struct sweep_counters *c = &sl->counters;

	return json_pack("{s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:s, s:s, s:s, "
			 "s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}}",
	    "job", (json_int_t)sl->job.job, "sent",
	    (json_int_t)sl->progress.sent, "total",
	    (json_int_t)sl->progress.total, "send_errors",
	    (json_int_t)sl->progress.send_errors, "done", sl->progress.done,
	    "failed", sl->failed, "starts", (json_int_t)sl->starts, "trouble",
	    sl->trouble, "capture", sweep_capture_mode_name(sl->mode), "engine",
	    conf_engine_name(sl->agent->conf->test.engine), "sent_packet",
	    (json_int_t)sl->progress.sent_packet, "skipped_optout",
	    (json_int_t)sl->progress.skipped_optout, "skipped_special",
	    (json_int_t)sl->progress.skipped_special, "counters", "accepted",
	    (json_int_t)c->accepted, "short", (json_int_t)c->bad_short, "type",
	    (json_int_t)c->bad_type, "late", (json_int_t)c->bad_experiment,
	    "forged", (json_int_t)c->bad_mac, "kernel_drops",
	    (json_int_t)c->kernel_drops);
}
