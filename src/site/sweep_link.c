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
#include "base/tls.h"
#include "base/xalloc.h"
#include "probes/sweep_list.h"
#include "probes/sweep_packet.h"
#include "site/agent_state.h"
#include "site/uplink.h"

static_assert((int)CONF_ENGINE_RAW == SWEEP_ENGINE_RAW &&
	(int)CONF_ENGINE_PACKET == SWEEP_ENGINE_PACKET,
    "the configuration names the sender's engines");

#define LIST_MAX_BYTES (256u << 20)
#define LIST_TIMEOUT_MS 60000
#define ADDR_BYTES 16

/* A target list at hand. */
struct target_list {
	uint32_t list; /* 0: none */
	uint64_t digest;
	struct addr *targets;
	uint32_t n;
	bool is_sent; /* the sweeper has it */
};

struct sweep_link {
	struct agent *agent;
	struct worker *sweeper;
	uint64_t starts; /* of the sweeper; more than one: it died */
	struct sweep_capture capture;
	/* Used last first.  The sweeper makes room by the same rule, so that it
	 * has those that were sent: see probes/sweep_list.h. */
	struct target_list lists[SWEEP_LISTS_KEPT];
	struct fetch *fetch;
	uint32_t fetched; /* list */
	bool is_fresh;    /* fetched by a connection of its own */
	/* The job ordered last; job 0: none. */
	struct sweep_job job;
	uint32_t *subset;
	struct prefix *optouts;
	bool job_waits; /* for the list */
	struct sweep_progress progress;
	char failed[96]; /* why the job cannot run; "" otherwise */
	char trouble[160];
	enum sweep_capture_mode mode; /* of this sweeper */
	enum sweep_hearing hearing[SWEEP_PREFIX_MAX];
	struct sweep_counters counters;
	uint64_t flush_cookie; /* the newest asked for, not answered; 0: none */
};

static void
send_capture(struct sweep_link *sl)
{
	uint8_t buf[1024];
	size_t len = sweep_encode_capture(&sl->capture, buf, sizeof(buf));

	(void)worker_send(sl->sweeper, SWEEP_MSG_CAPTURE, buf, len);
}

/* ---- the target lists ---- */

/* NULL: none has the number. */
static struct target_list *
find_list(struct sweep_link *sl, uint32_t list)
{
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++) {
		if (sl->lists[i].list == list)
			return &sl->lists[i];
	}
	return NULL;
}

/* A controller whose store was replaced counts from 1 again: the number alone
 * may be another list's. */
static bool
is_ordered(const struct sweep_link *sl, const struct target_list *l)
{
	return sl->job.list_digest == 0 || sl->job.list_digest == l->digest;
}

/* l, one of the lists, becomes the one used last. */
static struct target_list *
touch_list(struct sweep_link *sl, struct target_list *l)
{
	struct target_list used = *l;

	memmove(&sl->lists[1], &sl->lists[0],
	    (size_t)(l - sl->lists) * sizeof(*l));
	sl->lists[0] = used;
	return &sl->lists[0];
}

static void
send_list(struct sweep_link *sl, struct target_list *l)
{
	size_t size = SWEEP_TARGETS_PER_MSG * ADDR_BYTES + 64;
	uint8_t *buf = xcalloc(size, 1);

	for (uint32_t i = 0; i < l->n; i += SWEEP_TARGETS_PER_MSG) {
		uint32_t left = l->n - i;
		struct sweep_targets part = { .list = l->list,
			.total = l->n,
			.first = i,
			.n = left < SWEEP_TARGETS_PER_MSG
			    ? left
			    : SWEEP_TARGETS_PER_MSG,
			.addrs = l->targets + i };
		size_t len = sweep_encode_targets(&part, buf, size);

		(void)worker_send(sl->sweeper, SWEEP_MSG_TARGETS, buf, len);
	}
	free(buf);
	l->is_sent = true;
}

/* Its list is at hand. */
static void
send_job(struct sweep_link *sl, struct target_list *l)
{
	size_t size = 256 + (size_t)sl->job.n_subset * sizeof(uint32_t) +
	    sl->job.n_optouts * sizeof(struct prefix);
	uint8_t *buf;
	size_t len;

	sl->job_waits = false;
	l = touch_list(sl, l);
	if (!l->is_sent)
		send_list(sl, l);
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

static void fetch_list(struct sweep_link *sl, bool is_fresh);

static void
on_list(const struct fetch_answer *answer, void *arg)
{
	struct sweep_link *sl = arg;
	struct target_list *l = find_list(sl, sl->fetched);

	if (l == NULL)
		l = &sl->lists[SWEEP_LISTS_KEPT - 1];
	sl->fetch = NULL;
	/* The controller took other certificates over; those of ours may be
	 * several that were made before. */
	if (answer->status == TLS_MISDIRECTED && !sl->is_fresh) {
		fetch_list(sl, true);
		return;
	}
	if (answer->status != 200 || answer->body_len == 0 ||
	    answer->body_len % ADDR_BYTES != 0) {
		job_failed(sl, "the client list cannot be had");
		return;
	}
	free(l->targets);
	*l = (struct target_list){ .list = sl->fetched,
		.n = (uint32_t)(answer->body_len / ADDR_BYTES) };
	l->targets = xcalloc(l->n, sizeof(*l->targets));
	memcpy(l->targets, answer->body, answer->body_len);
	l->digest = sweep_list_digest(l->targets, l->n);
	l = touch_list(sl, l);
	if (sl->job_waits && !is_ordered(sl, l)) {
		job_failed(sl, "the client list is not the one ordered");
	} else if (sl->job_waits) {
		send_job(sl, l);
	}
}

static void
fetch_list(struct sweep_link *sl, bool is_fresh)
{
	char *url = xasprintf("%s/v1/client-lists/%" PRIu32,
	    sl->agent->conf->controller, sl->job.list);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.tls = agent_tls(sl->agent),
		.timeout_ms = LIST_TIMEOUT_MS,
		.max_body_bytes = LIST_MAX_BYTES,
		.fresh_connection = is_fresh };

	sl->fetched = sl->job.list;
	sl->is_fresh = is_fresh;
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
	/* Nobody was asked: that is no sweep which nobody answered. */
	if (p.is_refused) {
		job_failed(sl, sl->trouble);
		return;
	}
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
	if (cookie > sl->flush_cookie)
		return;
	if (cookie == sl->flush_cookie)
		sl->flush_cookie = 0;
	if (sl->agent->uplink != NULL)
		uplink_on_flushed(sl->agent->uplink, cookie);
}

/* ---- can it hear ---- */

static bool
is_deaf(enum sweep_hearing h)
{
	return h == SWEEP_DEAF_NOT_LOCAL || h == SWEEP_DEAF_NO_SOCKET;
}

/* Why replies to a test prefix are not heard, and what would mend it. */
struct deafness {
	char prefix[PREFIX_TEXT_BYTES];
	char reason[160];
	char remedy[96];
};

static void
deafness_of(const struct sweep_link *sl, size_t i, struct deafness *out)
{
	const struct prefix *p = &sl->capture.prefixes[i];
	char source[ADDR_TEXT_BYTES];

	(void)prefix_format(p, out->prefix);
	if (sl->hearing[i] == SWEEP_DEAF_NO_SOCKET) {
		(void)text_copy(out->reason, sizeof(out->reason),
		    "neither packet nor raw sockets can be opened");
		(void)text_copy(out->remedy, sizeof(out->remedy),
		    "give anycastd CAP_NET_RAW");
		return;
	}
	(void)snprintf(out->reason, sizeof(out->reason),
	    "there are only raw sockets, and %s is not local",
	    addr_format(&sl->capture.sources[i], source));
	(void)snprintf(out->remedy, sizeof(out->remedy),
	    "ip %sroute add local %s dev lo", p->is_ipv4 ? "" : "-6 ",
	    out->prefix);
}

static void
note_hearing(struct sweep_link *sl, size_t i)
{
	char subject[PREFIX_TEXT_BYTES + 8], reason[280];
	struct deafness d;
	struct store_event ev = { .kind = "sweep",
		.subject = subject,
		.what = "unheard -> heard",
		.reason = "replies to it would be captured" };

	deafness_of(sl, i, &d);
	(void)snprintf(subject, sizeof(subject), "prefix/%s", d.prefix);
	if (is_deaf(sl->hearing[i])) {
		(void)snprintf(reason, sizeof(reason), "%s: %s", d.reason,
		    d.remedy);
		ev.what = "heard -> unheard";
		ev.reason = reason;
	}
	agent_note(sl->agent, &ev);
}

static void
on_hearing(struct sweep_link *sl, const struct chan_msg *msg)
{
	enum sweep_hearing now[SWEEP_PREFIX_MAX];
	int n = sweep_decode_hearing(msg->body, msg->len, now);
	bool is_news = false;

	for (int i = 0; i < n && i < sl->capture.n_prefixes; i++) {
		enum sweep_hearing before = sl->hearing[i];

		/* To know nothing is no change. */
		if (now[i] == before || now[i] == SWEEP_HEARING_UNKNOWN)
			continue;
		sl->hearing[i] = now[i];
		is_news = true;
		if (is_deaf(now[i]) != is_deaf(before))
			note_hearing(sl, (size_t)i);
	}
	if (is_news && sl->agent->uplink != NULL)
		uplink_touch(sl->agent->uplink);
}

/* [{"prefix", "reason", "remedy"}]; new reference. */
static json_t *
unheard_json(const struct sweep_link *sl)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sl->capture.n_prefixes; i++) {
		struct deafness d;

		if (!is_deaf(sl->hearing[i]))
			continue;
		deafness_of(sl, i, &d);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s}", "prefix", d.prefix, "reason",
			d.reason, "remedy", d.remedy));
	}
	return list;
}

void
sweep_link_inherit(struct sweep_link *sl, const struct sweep_link *from)
{
	for (size_t i = 0; i < sl->capture.n_prefixes; i++) {
		for (size_t k = 0; k < from->capture.n_prefixes; k++) {
			if (prefix_equal(&sl->capture.prefixes[i],
				&from->capture.prefixes[k]))
				sl->hearing[i] = from->hearing[k];
		}
	}
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
	case SWEEP_MSG_HEARING:
		on_hearing(sl, msg);
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
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++)
		sl->lists[i].is_sent = false;
	sl->mode = SWEEP_CAPTURE_OFF;
	/* Without an experiment, too: it says whether it would hear one. */
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
	for (size_t i = 0; i < test->n_prefixes; i++) {
		sl->capture.prefixes[i] = test->prefixes[i];
		sl->capture.sources[i] = test->sources[i];
	}
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
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++)
		free(sl->lists[i].targets);
	free(sl->subset);
	free(sl->optouts);
	free(sl);
}

/* Those of the test's prefixes that are the site's; 0: none is. */
static uint16_t
own_prefixes(const struct sweep_link *sl, const struct order_test *t)
{
	unsigned bits = 0;

	for (size_t i = 0; i < sl->capture.n_prefixes; i++) {
		if (order_test_has(t, &sl->capture.prefixes[i]))
			bits |= 1u << i;
	}
	return (uint16_t)bits;
}

/* The number alone may come again after a controller's sudden end. */
static bool
is_same_run(const struct sweep_run *a, const struct sweep_run *b)
{
	return a->experiment == b->experiment && a->prefixes == b->prefixes &&
	    memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

void
sweep_link_capture(struct sweep_link *sl, const struct order_test *tests,
    size_t n)
{
	struct sweep_capture next = sl->capture;
	const struct sweep_run *now, *then;
	bool is_same;

	next.n_runs = 0;
	for (size_t i = 0; i < n; i++) {
		struct sweep_run *run = &next.runs[next.n_runs];

		*run = (struct sweep_run){ .experiment = tests[i].experiment,
			.prefixes = own_prefixes(sl, &tests[i]) };
		memcpy(run->key, tests[i].key, sizeof(run->key));
		next.n_runs = (uint8_t)(next.n_runs + (run->prefixes != 0));
	}
	is_same = next.n_runs == sl->capture.n_runs;
	for (size_t i = 0; i < next.n_runs && is_same; i++)
		is_same = is_same_run(&next.runs[i], &sl->capture.runs[i]);
	if (is_same)
		return;
	now = sweep_capture_run(&sl->capture, sl->job.experiment);
	then = sweep_capture_run(&next, sl->job.experiment);
	if (now == NULL || then == NULL || !is_same_run(now, then))
		sweep_link_stop(sl);
	if (sl->capture.n_runs == 0)
		sl->trouble[0] = '\0';
	sl->capture = next;
	send_capture(sl);
}

static void
set_sources(struct sweep_link *sl, struct sweep_job *job)
{
	const struct conf_test *test = &sl->agent->conf->test;
	const struct sweep_run *run =
	    sweep_capture_run(&sl->capture, job->experiment);

	for (size_t i = 0; i < test->n_sources && run != NULL; i++) {
		if ((run->prefixes >> i & 1) == 0)
			continue;
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
	struct target_list *l = find_list(sl, job->list);

	if (job->job == sl->job.job)
		return;
	sl->job_waits = false;
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
	set_sources(sl, &sl->job);
	sl->progress = (struct sweep_progress){ .job = job->job };
	sl->failed[0] = '\0';
	fetch_cancel(sl->fetch);
	sl->fetch = NULL;
	if (!worker_is_up(sl->sweeper)) {
		job_failed(sl, "the sweeper is down");
	} else if (sweep_capture_run(&sl->capture, job->experiment) == NULL) {
		job_failed(sl, "no test prefix of the experiment is here");
	} else if (l != NULL && is_ordered(sl, l)) {
		send_job(sl, l);
	} else {
		sl->job_waits = true;
		fetch_list(sl, false);
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

	return json_pack(
	    "{s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:s, s:s, s:s, "
	    "s:o, s:I, s:I, s:I, s:s, s:{s:I, s:I, s:I, s:I, s:I, s:I}}",
	    "job", (json_int_t)sl->job.job, "sent",
	    (json_int_t)sl->progress.sent, "total",
	    (json_int_t)sl->progress.total, "send_errors",
	    (json_int_t)sl->progress.send_errors, "done", sl->progress.done,
	    "failed", sl->failed, "starts", (json_int_t)sl->starts, "trouble",
	    sl->trouble, "capture", sweep_capture_mode_name(sl->mode), "engine",
	    conf_engine_name(sl->agent->conf->test.engine), "unheard",
	    unheard_json(sl), "sent_packet",
	    (json_int_t)sl->progress.sent_packet, "skipped_optout",
	    (json_int_t)sl->progress.skipped_optout, "skipped_special",
	    (json_int_t)sl->progress.skipped_special, "layout", SWEEP_LAYOUT,
	    "counters", "accepted", (json_int_t)c->accepted, "short",
	    (json_int_t)c->bad_short, "type", (json_int_t)c->bad_type, "late",
	    (json_int_t)c->bad_experiment, "forged", (json_int_t)c->bad_mac,
	    "kernel_drops", (json_int_t)c->kernel_drops);
}
