/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sweeper process: joins the channel to main with capture and sender.
 *
 * Replies are collected into batches.  When main does not read them, capture
 * is paused until it does; what the ring cannot hold meanwhile is counted by
 * the kernel.  So memory stays bounded and nothing is lost unseen.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "probes/sweep.h"
#include "probes/sweep_capture.h"
#include "probes/sweep_hearing.h"
#include "probes/sweep_list.h"
#include "probes/sweep_send.h"
#include "probes/sweep_wire.h"

#define BATCH_WAIT_MS 50
#define BACKLOG_MAX_BYTES ((size_t)8 << 20)
#define BACKLOG_LOW_BYTES (BACKLOG_MAX_BYTES / 2)
#define PAUSE_CHECK_MS 10
#define FLUSHES_MAX 16u
/* Routes may come and go while we run. */
#define HEARING_EVERY_MS 2000
#define TROUBLE_MAX_BYTES 600
/* Late and forged replies, of which anybody can send any number: so many are
 * reported in a second. */
#define SAMPLES_PER_S 20u

struct flush {
	uint64_t cookie;
	struct mono due; /* when the ring has handed over what it had */
};

struct sweeper {
	struct loop *lp;
	struct chan *ch;
	struct sweep_lists lists;
	struct sweep_send *send;
	uint32_t job_experiment;       /* of the newest job */
	struct sweep_capture what;     /* no runs: nothing is captured */
	struct sweep_rings *rings;     /* NULL then, or if it cannot be */
	struct sweep_counters counted; /* by rings that are closed */
	struct loop_timer *batch_timer;
	struct loop_timer *pause_timer;
	struct loop_timer *flush_timer;
	struct loop_timer *hearing_timer;
	enum sweep_hearing hearing[SWEEP_PREFIX_MAX]; /* as main knows it */
	struct flush flushes[FLUSHES_MAX];            /* oldest first */
	unsigned n_flushes;
	struct log_limit limit;
	struct mono samples_since;
	unsigned n_samples;
	size_t n_batch;
	struct sweep_reply batch[SWEEP_REPLY_BATCH_MAX];
	struct sweep_job_room room;
};

/* Main tells the operator; here it is logged sparingly. */
static void __attribute__((format(printf, 2, 3)))
trouble(struct sweeper *sw, const char *fmt, ...)
{
	char text[TROUBLE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_limited(&sw->limit, "sweep: %s", text);
	chan_send(sw->ch, SWEEP_MSG_TROUBLE, text, strlen(text));
}

static void
batch_send(struct sweeper *sw)
{
	uint8_t body[2 + SWEEP_REPLY_BATCH_MAX * SWEEP_REPLY_WIRE_MAX_BYTES];
	size_t len;

	loop_timer_cancel(sw->batch_timer);
	if (sw->n_batch == 0)
		return;
	len = sweep_encode_replies(sw->batch, sw->n_batch, body, sizeof(body));
	sw->n_batch = 0;
	chan_send(sw->ch, SWEEP_MSG_REPLIES, body, len);
	if (chan_backlog_bytes(sw->ch) > BACKLOG_MAX_BYTES &&
	    sw->rings != NULL && !sweep_capture_is_paused(sw->rings)) {
		sweep_capture_pause(sw->rings, true);
		loop_timer_set(sw->pause_timer, PAUSE_CHECK_MS);
	}
}

static bool
is_sample_too_many(struct sweeper *sw)
{
	struct mono now = mono_now();

	if (mono_diff_ms(now, sw->samples_since) >= 1000) {
		sw->samples_since = now;
		sw->n_samples = 0;
	}
	return sw->n_samples++ >= SAMPLES_PER_S;
}

static void
on_reply(const struct sweep_reply *reply, void *arg)
{
	struct sweeper *sw = arg;

	if ((reply->flags & (SWEEP_REPLY_LATE | SWEEP_REPLY_FORGED)) != 0 &&
	    is_sample_too_many(sw))
		return;
	sw->batch[sw->n_batch++] = *reply;
	if (sw->n_batch == SWEEP_REPLY_BATCH_MAX) {
		batch_send(sw);
	} else if (sw->n_batch == 1) {
		loop_timer_set(sw->batch_timer, BATCH_WAIT_MS);
	}
}

static void
on_batch_timer(struct loop *lp, void *arg)
{
	(void)lp;
	batch_send(arg);
}

static void
on_pause_timer(struct loop *lp, void *arg)
{
	struct sweeper *sw = arg;

	(void)lp;
	if (sw->rings == NULL)
		return;
	if (chan_backlog_bytes(sw->ch) > BACKLOG_LOW_BYTES) {
		loop_timer_set(sw->pause_timer, PAUSE_CHECK_MS);
	} else {
		sweep_capture_pause(sw->rings, false);
	}
}

static void
on_progress(const struct sweep_progress *progress, void *arg)
{
	struct sweeper *sw = arg;
	uint8_t body[sizeof(*progress)];
	size_t len = sweep_encode_progress(progress, body, sizeof(body));

	chan_send(sw->ch, SWEEP_MSG_PROGRESS, body, len);
}

static bool
is_same_place(const struct sweep_capture *a, const struct sweep_capture *b)
{
	if (a->n_prefixes != b->n_prefixes)
		return false;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (!prefix_equal(&a->prefixes[i], &b->prefixes[i]))
			return false;
	}
	return true;
}

/* Does the other one have it too, the key and the prefixes included? */
static bool
has_run(const struct sweep_capture *what, const struct sweep_run *run)
{
	const struct sweep_run *other =
	    sweep_capture_run(what, run->experiment);

	return other != NULL && other->prefixes == run->prefixes &&
	    memcmp(other->key, run->key, sizeof(run->key)) == 0;
}

static struct sweep_counters
counters_now(struct sweeper *sw)
{
	struct sweep_counters n = sw->counted, more = { 0 };

	if (sw->rings != NULL)
		more = sweep_capture_counters(sw->rings);
	n.accepted += more.accepted;
	n.bad_short += more.bad_short;
	n.bad_type += more.bad_type;
	n.bad_experiment += more.bad_experiment;
	n.bad_mac += more.bad_mac;
	n.kernel_drops += more.kernel_drops;
	return n;
}

static void
capturing_send(struct sweeper *sw)
{
	uint8_t body[1];
	size_t len = sweep_encode_capturing(sw->rings != NULL
		? sweep_capture_mode(sw->rings)
		: SWEEP_CAPTURE_OFF,
	    body, sizeof(body));

	chan_send(sw->ch, SWEEP_MSG_CAPTURING, body, len);
}

static void
hearing_send(struct sweeper *sw)
{
	uint8_t body[1 + SWEEP_PREFIX_MAX];
	size_t len = sweep_encode_hearing(sw->hearing, sw->what.n_prefixes,
	    body, sizeof(body));

	chan_send(sw->ch, SWEEP_MSG_HEARING, body, len);
}

/* Between experiments: whether it would be heard then.  True: otherwise than
 * before. */
static bool
hearing_look(struct sweeper *sw)
{
	enum sweep_hearing now[SWEEP_PREFIX_MAX];
	enum sweep_capture_mode modes[2] = { SWEEP_CAPTURE_OFF,
		SWEEP_CAPTURE_OFF };
	bool is_changed = false;

	for (int i = 0; i < 2; i++) {
		if (sw->rings != NULL) {
			modes[i] = sweep_capture_family_mode(sw->rings, i == 0);
		} else if (sw->what.n_runs == 0) {
			modes[i] = sweep_hearing_try(i == 0);
		}
	}
	sweep_hearing_look(&sw->what, modes, now);
	for (size_t i = 0; i < sw->what.n_prefixes; i++) {
		is_changed |= now[i] != sw->hearing[i];
		sw->hearing[i] = now[i];
	}
	loop_timer_set(sw->hearing_timer, HEARING_EVERY_MS);
	return is_changed;
}

static void
on_hearing_timer(struct loop *lp, void *arg)
{
	struct sweeper *sw = arg;

	(void)lp;
	if (hearing_look(sw))
		hearing_send(sw);
}

static void
capture_stop(struct sweeper *sw)
{
	sw->counted = counters_now(sw);
	sweep_capture_close(sw->rings);
	sw->rings = NULL;
	sw->n_batch = 0;
	loop_timer_cancel(sw->batch_timer);
	loop_timer_cancel(sw->pause_timer);
}

/* A job of an experiment that main has left ends. */
static void
leave_runs(struct sweeper *sw, const struct sweep_capture *what)
{
	const struct sweep_run *run =
	    sweep_capture_run(&sw->what, sw->job_experiment);

	if (run != NULL && !has_run(what, run))
		sweep_send_stop(sw->send);
}

/*
 * Experiments come and go while others run: the rings stay, and what they hold.
 * Only with the first are they opened, and closed with the last; what is not
 * yet reported then belongs to an experiment that main has left, and is
 * dropped.
 */
static void
capture_change(struct sweeper *sw, struct sweep_capture what)
{
	struct err err = { .code = ERR_NONE };

	leave_runs(sw, &what);
	if (sw->rings != NULL && what.n_runs > 0 &&
	    is_same_place(&what, &sw->what)) {
		sweep_capture_set_runs(sw->rings, &what);
		sw->what = what;
		return;
	}
	if (sw->rings == NULL && what.n_runs == 0 && sw->what.n_runs == 0) {
		sw->what = what;
		return;
	}
	sweep_send_stop(sw->send);
	capture_stop(sw);
	sw->what = what;
	if (what.n_runs == 0) {
		capturing_send(sw);
		return;
	}
	sw->rings = sweep_capture_open(sw->lp, &what, on_reply, sw, &err);
	if (sw->rings == NULL)
		trouble(sw, "capture: %s", err.msg);
	capturing_send(sw);
}

static void
handle_capture(struct sweeper *sw, const struct chan_msg *msg)
{
	struct sweep_capture what;

	if (sweep_decode_capture(msg->body, msg->len, &what) == -1) {
		trouble(sw, "capture: malformed message");
		return;
	}
	capture_change(sw, what);
	(void)hearing_look(sw);
	hearing_send(sw);
}

static void
handle_targets(struct sweeper *sw, const struct chan_msg *msg)
{
	struct sweep_targets part;
	struct err err = { .code = ERR_NONE };

	if (sweep_decode_targets(msg->body, msg->len, &part) == -1) {
		trouble(sw, "targets: malformed message");
	} else if (sweep_lists_add(&sw->lists, &part, &err) == -1) {
		trouble(sw, "targets: %s", err.msg);
	}
}

static int
job_start(struct sweeper *sw, const struct sweep_job *job, struct err *err)
{
	struct sweep_list *list = sweep_lists_use(&sw->lists, job->list, err);
	const struct sweep_run *run =
	    sweep_capture_run(&sw->what, job->experiment);

	if (list == NULL)
		return -1;
	if (run == NULL) {
		return err_set(err, ERR_PROTO,
		    "experiment %u: its replies are not captured",
		    job->experiment);
	}
	sw->job_experiment = job->experiment;
	return sweep_send_start(sw->send, job, list, run->key, err);
}

/* A new job takes the place of the running one. */
static void
handle_job(struct sweeper *sw, const struct chan_msg *msg)
{
	struct sweep_job job;
	struct err err = { .code = ERR_NONE };

	if (sweep_decode_job(msg->body, msg->len, &job, &sw->room) == -1) {
		trouble(sw, "job: malformed message");
		return;
	}
	sweep_send_stop(sw->send);
	if (job_start(sw, &job, &err) == -1) {
		struct sweep_progress none = {
			.job = job.job, .done = true, .is_refused = true
		};

		trouble(sw, "job %u: %s", job.job, err.msg);
		on_progress(&none, sw);
	}
}

static void
flush_answer(struct sweeper *sw, uint64_t cookie)
{
	struct sweep_counters n = counters_now(sw);
	uint8_t body[sizeof(cookie) + sizeof(n)];
	size_t len;

	batch_send(sw);
	/* What was captured so far is worth what could be heard. */
	if (sw->rings != NULL && hearing_look(sw))
		hearing_send(sw);
	len = sweep_encode_flushed(cookie, &n, body, sizeof(body));
	chan_send(sw->ch, SWEEP_MSG_FLUSHED, body, len);
}

/* If capture is paused, or gets so by what the ring held, main must first read
 * what waits. */
static void
on_flush_timer(struct loop *lp, void *arg)
{
	struct sweeper *sw = arg;
	struct mono now = mono_now();

	(void)lp;
	if (sw->rings != NULL)
		sweep_capture_drain(sw->rings);
	if (sw->rings != NULL && sweep_capture_is_paused(sw->rings)) {
		loop_timer_set(sw->flush_timer, PAUSE_CHECK_MS);
		return;
	}
	while (sw->n_flushes > 0 && !mono_before(now, sw->flushes[0].due)) {
		flush_answer(sw, sw->flushes[0].cookie);
		sw->n_flushes--;
		memmove(&sw->flushes[0], &sw->flushes[1],
		    sw->n_flushes * sizeof(sw->flushes[0]));
	}
	if (sw->n_flushes > 0) {
		loop_timer_set(sw->flush_timer,
		    mono_diff_ms(sw->flushes[0].due, now) + 1);
	}
}

static void
handle_flush(struct sweeper *sw, const struct chan_msg *msg)
{
	struct mono due = mono_add_ms(mono_now(), SWEEP_CAPTURE_SETTLE_MS);
	uint64_t cookie;

	if (sweep_decode_flush(msg->body, msg->len, &cookie) == -1) {
		trouble(sw, "flush: malformed message");
		return;
	}
	/* Main wants to know of the newest: it stands for the one before. */
	if (sw->n_flushes == FLUSHES_MAX)
		sw->n_flushes--;
	sw->flushes[sw->n_flushes++] =
	    (struct flush){ .cookie = cookie, .due = due };
	if (sw->n_flushes == 1)
		loop_timer_set(sw->flush_timer, SWEEP_CAPTURE_SETTLE_MS);
}

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct sweeper *sw = arg;

	(void)ch;
	switch (msg->type) {
	case SWEEP_MSG_CAPTURE:
		handle_capture(sw, msg);
		break;
	case SWEEP_MSG_TARGETS:
		handle_targets(sw, msg);
		break;
	case SWEEP_MSG_JOB:
		handle_job(sw, msg);
		break;
	case SWEEP_MSG_STOP:
		sweep_send_stop(sw->send);
		break;
	case SWEEP_MSG_FLUSH:
		handle_flush(sw, msg);
		break;
	default:
		trouble(sw, "unknown message %u", msg->type);
		break;
	}
}

static void
on_close(struct chan *ch, void *arg)
{
	struct sweeper *sw = arg;

	(void)ch;
	loop_stop(sw->lp);
}

static struct sweeper *
sweeper_new(int chan_fd)
{
	struct sweeper *sw = xcalloc(1, sizeof(*sw));

	sw->lp = loop_new();
	sw->ch = chan_new(sw->lp, chan_fd, on_msg, on_close, sw);
	sw->send = sweep_send_new(sw->lp, on_progress, sw);
	sw->batch_timer = loop_timer_new(sw->lp, on_batch_timer, sw);
	sw->pause_timer = loop_timer_new(sw->lp, on_pause_timer, sw);
	sw->flush_timer = loop_timer_new(sw->lp, on_flush_timer, sw);
	sw->hearing_timer = loop_timer_new(sw->lp, on_hearing_timer, sw);
	return sw;
}

static void
sweeper_free(struct sweeper *sw)
{
	sweep_send_free(sw->send);
	sweep_capture_close(sw->rings);
	sweep_lists_fini(&sw->lists);
	loop_timer_free(sw->batch_timer);
	loop_timer_free(sw->pause_timer);
	loop_timer_free(sw->flush_timer);
	loop_timer_free(sw->hearing_timer);
	chan_free(sw->ch);
	loop_free(sw->lp);
	free(sw);
}

int
sweeper_main(int chan_fd)
{
	struct sweeper *sw;

	if (sodium_init() == -1) {
		log_warnx("sweep: sodium_init: no random numbers");
		return 1;
	}
	sw = sweeper_new(chan_fd);
	loop_run(sw->lp);
	sweeper_free(sw);
	return 0;
}
