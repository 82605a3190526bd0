/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pacing is a token bucket filled by the clock and emptied in small batches.
 * A late wake-up is made good, but only up to DEBT_MAX_MS: a machine that stood
 * still for a second must not answer with a burst of a second.
 */
#include "probes/sweep_send.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "probes/sweep_choose.h"
#include "probes/sweep_hops.h"
#include "probes/sweep_lane.h"
#include "probes/sweep_order.h"
#include "probes/sweep_turns.h"

#define DEBT_MAX_MS 20
#define PROGRESS_MS 200
/* Before what the kernel has is sent: a ring of 256 packets at 400,000 a
 * second. */
#define KERNEL_FULL_RETRY_US 600
#define BATCHES_PER_WAKEUP 4
/* A batch is what is due in half a millisecond: small enough for the send
 * times in it to be true, large enough to save system calls. */
#define BATCHES_PER_S 2000u
/* Credit is counted in millionths of a packet: microseconds times rate. */
#define PACKET_CREDIT 1000000
/* The order leads all over the list, so its memory is asked for a batch ahead:
 * nearer than that it would not be there in time.  (A function that did nothing
 * else would be none to the compiler.) */
#define FETCH_AHEAD SWEEP_BATCH_MAX

/* So long an interface may take nothing at all, before the kernel is given the
 * rest: one without a carrier would never. */
#define STUCK_MAX_MS 1000

struct sweep_send {
	struct loop_timer *tick;
	struct loop_timer *report;
	sweep_progress_cb *cb;
	void *arg;

	/* The running job; list is NULL when there is none. */
	struct sweep_list *list;
	struct sweep_progress progress;
	uint32_t *order; /* progress.total indices into the list */
	uint32_t *block; /* by position in the order */
	struct sweep_turns *turns;
	uint32_t taken; /* into a lane, so far */
	int64_t rate_pps;
	int64_t credit;
	struct mono credited;    /* up to here time has become credit */
	int64_t gap_wait_us;     /* no block may be asked for so long */
	struct sweep_hops *hops; /* NULL: all through raw sockets */
	bool is_stuck;           /* some interface takes nothing, */
	struct mono stuck_since; /* since then */
	/* By engine, then IPv4 and IPv6. */
	struct sweep_lane lanes[SWEEP_ENGINE_COUNT][2];
};

static bool
is_running(const struct sweep_send *s)
{
	return s->list != NULL;
}

static void
job_clear(struct sweep_send *s)
{
	loop_timer_cancel(s->tick);
	loop_timer_cancel(s->report);
	for (size_t i = 0; i < 2; i++) {
		sweep_lane_close(&s->lanes[SWEEP_ENGINE_RAW][i]);
		sweep_lane_close(&s->lanes[SWEEP_ENGINE_PACKET][i]);
	}
	sweep_hops_free(s->hops);
	s->hops = NULL;
	sweep_turns_free(s->turns);
	s->turns = NULL;
	free(s->order);
	free(s->block);
	s->order = s->block = NULL;
	sweep_list_release(s->list);
	s->list = NULL;
}

void
sweep_send_stop(struct sweep_send *s)
{
	struct sweep_progress last = s->progress;

	if (!is_running(s))
		return;
	job_clear(s);
	last.done = true;
	s->cb(&last, s->arg);
}

static int64_t
batch_size(const struct sweep_send *s)
{
	int64_t n = s->rate_pps / BATCHES_PER_S;

	return n < 1 ? 1 : n > SWEEP_BATCH_MAX ? SWEEP_BATCH_MAX : n;
}

/* At most 20 ms of packets, and never less than a batch. */
static void
credit_time(struct sweep_send *s)
{
	struct mono now = mono_now();
	int64_t elapsed_us = now.us - s->credited.us;
	int64_t max = s->rate_pps * DEBT_MAX_MS * 1000;

	if (max < batch_size(s) * PACKET_CREDIT)
		max = batch_size(s) * PACKET_CREDIT;
	if (elapsed_us > max / s->rate_pps) {
		s->credit = max;
	} else {
		s->credit += elapsed_us * s->rate_pps;
	}
	if (s->credit > max)
		s->credit = max;
	s->credited = now;
}

static void
add_to_lane(struct sweep_send *s, uint32_t position, struct mono now)
{
	uint32_t index = s->order[position];
	uint32_t soon = position + FETCH_AHEAD;
	const struct addr *target = &s->list->addrs[index];
	const struct sweep_hop *hop = s->hops != NULL
	    ? sweep_hops_find(s->hops, s->block[position], target, now)
	    : NULL;
	enum sweep_engine engine =
	    hop != NULL ? SWEEP_ENGINE_PACKET : SWEEP_ENGINE_RAW;

	if (soon < s->progress.total)
		__builtin_prefetch(&s->list->addrs[s->order[soon]]);
	sweep_lane_add(&s->lanes[engine][addr_is_ipv4(target) ? 0 : 1], index,
	    target, hop);
}

/* Takes whose turn it is into the lanes, which must be empty. */
static void
fill_lanes(struct sweep_send *s, int64_t n)
{
	struct mono now = mono_now();

	for (; n > 0; n--) {
		int64_t wait_us;
		uint32_t position =
		    sweep_turns_next(s->turns, now.us, &wait_us);

		if (position == SWEEP_TURNS_NONE) {
			s->gap_wait_us = wait_us > 0 ? wait_us : 0;
			return;
		}
		s->credit -= PACKET_CREDIT;
		s->taken++;
		add_to_lane(s, position, now);
	}
}

/* From now on the kernel routes this job's packets. */
static void
leave_packet_engine(struct sweep_send *s)
{
	log_warnx("sweep: an interface took no packet for %d ms: the kernel "
		  "gets the rest",
	    STUCK_MAX_MS);
	for (size_t i = 0; i < 2; i++) {
		sweep_lane_move(&s->lanes[SWEEP_ENGINE_PACKET][i],
		    &s->lanes[SWEEP_ENGINE_RAW][i]);
	}
	sweep_hops_free(s->hops);
	s->hops = NULL;
}

/* Of the packet engine: did an interface take nothing for too long? */
static bool
is_stuck_long(struct sweep_send *s, bool is_stuck)
{
	if (is_stuck && !s->is_stuck)
		s->stuck_since = mono_now();
	s->is_stuck = is_stuck;
	return is_stuck &&
	    mono_diff_ms(mono_now(), s->stuck_since) >= STUCK_MAX_MS;
}

static enum sweep_lane_end
flush_lanes(struct sweep_send *s)
{
	struct sweep_progress *p = &s->progress;
	bool raw_is_full = false, is_full = false, is_stuck = false;

	for (size_t i = 0; i < 2; i++) {
		uint32_t by_packet = 0;

		if (sweep_lane_flush(&s->lanes[SWEEP_ENGINE_RAW][i], &p->sent,
			&p->send_errors) == SWEEP_LANE_FULL)
			raw_is_full = true;
		if (sweep_lane_flush(&s->lanes[SWEEP_ENGINE_PACKET][i],
			&by_packet, &p->send_errors) == SWEEP_LANE_FULL) {
			is_full = true;
			is_stuck |= by_packet == 0;
		}
		p->sent_packet += by_packet;
		p->sent += by_packet;
	}
	if (is_stuck_long(s, is_stuck) && !raw_is_full)
		leave_packet_engine(s);
	return raw_is_full || is_full ? SWEEP_LANE_FULL : SWEEP_LANE_EMPTY;
}

/* When a batch, or the rest if that is less, will have been earned. */
static int64_t
next_batch_us(const struct sweep_send *s)
{
	int64_t left = (int64_t)(s->progress.total - s->taken);
	int64_t n = left < batch_size(s) ? left : batch_size(s);
	int64_t missing = n * PACKET_CREDIT - s->credit;

	return missing > 0 ? (missing + s->rate_pps - 1) / s->rate_pps : 0;
}

static void
on_tick(struct loop *lp, void *arg)
{
	struct sweep_send *s = arg;
	int64_t due_us;

	(void)lp;
	credit_time(s);
	s->gap_wait_us = 0;
	/* What is taken is sent before anything is waited for: its block's gap
	 * has begun. */
	for (int i = 0;; i++) {
		if (flush_lanes(s) == SWEEP_LANE_FULL) {
			loop_timer_set_us(s->tick, KERNEL_FULL_RETRY_US);
			return;
		}
		if (s->taken == s->progress.total) {
			sweep_send_stop(s);
			return;
		}
		if (i == BATCHES_PER_WAKEUP || s->gap_wait_us > 0 ||
		    next_batch_us(s) > 0)
			break;
		fill_lanes(s, batch_size(s));
	}
	due_us = next_batch_us(s);
	loop_timer_set_us(s->tick,
	    due_us > s->gap_wait_us ? due_us : s->gap_wait_us);
}

static void
on_report(struct loop *lp, void *arg)
{
	struct sweep_send *s = arg;

	(void)lp;
	loop_timer_set(s->report, PROGRESS_MS);
	s->cb(&s->progress, s->arg);
}

struct sweep_send *
sweep_send_new(struct loop *lp, sweep_progress_cb *cb, void *arg)
{
	struct sweep_send *s = xcalloc(1, sizeof(*s));

	s->tick = loop_timer_new(lp, on_tick, s);
	s->report = loop_timer_new(lp, on_report, s);
	s->cb = cb;
	s->arg = arg;
	for (size_t i = 0; i < 2; i++) {
		s->lanes[SWEEP_ENGINE_RAW][i].fd = -1;
		s->lanes[SWEEP_ENGINE_PACKET][i].fd = -1;
	}
	return s;
}

void
sweep_send_free(struct sweep_send *s)
{
	if (s == NULL)
		return;
	job_clear(s);
	loop_timer_free(s->tick);
	loop_timer_free(s->report);
	free(s);
}

static int
check_job(const struct sweep_job *job, const struct sweep_list *list,
    struct err *err)
{
	if (job->rate_pps == 0)
		return err_set(err, ERR_PROTO, "rate is zero");
	if (job->has_source4 && !addr_is_ipv4(&job->source4))
		return err_set(err, ERR_PROTO, "source of IPv4 is none");
	if (job->has_source6 && addr_is_ipv4(&job->source6))
		return err_set(err, ERR_PROTO, "source of IPv6 is none");
	for (uint32_t i = 0; i < job->n_subset; i++) {
		if (job->subset[i] >= list->total) {
			return err_set(err, ERR_PROTO,
			    "target %u of list %u, which has %u",
			    job->subset[i], list->list, list->total);
		}
	}
	return 0;
}

static int
open_family(struct sweep_send *s, const struct sweep_job *job, size_t family,
    struct sweep_request *request, struct err *err)
{
	request->source = family == 0 ? job->source4 : job->source6;
	if (sweep_lane_open(&s->lanes[SWEEP_ENGINE_RAW][family],
		SWEEP_ENGINE_RAW, request, err) == -1)
		return -1;
	return job->engine != SWEEP_ENGINE_PACKET
	    ? 0
	    : sweep_lane_open(&s->lanes[SWEEP_ENGINE_PACKET][family],
		  SWEEP_ENGINE_PACKET, request, err);
}

static int
open_lanes(struct sweep_send *s, const struct sweep_job *job,
    const uint8_t key[SWEEP_KEY_BYTES], struct err *err)
{
	struct sweep_request request = { .experiment = job->experiment,
		.phase = job->phase,
		.round = job->round,
		.text = job->text };

	memcpy(request.key, key, sizeof(request.key));
	if (job->has_source4 && open_family(s, job, 0, &request, err) == -1)
		return -1;
	if (job->has_source6 && open_family(s, job, 1, &request, err) == -1)
		return -1;
	return 0;
}

static int
order_targets(struct sweep_send *s, const struct sweep_job *job,
    struct err *err)
{
	struct sweep_chosen chosen =
	    sweep_choose(job, s->list->addrs, s->list->total);
	uint32_t n_blocks;

	s->progress = (struct sweep_progress){ .job = job->job,
		.total = chosen.n,
		.skipped_optout = chosen.skipped_optout,
		.skipped_special = chosen.skipped_special };
	s->order = chosen.index;
	s->block = xcalloc(chosen.n, sizeof(*s->block));
	n_blocks = sweep_order_build(s->list->addrs, s->order, s->block,
	    chosen.n, job->order_seed);
	s->turns = sweep_turns_new(s->block, chosen.n, n_blocks,
	    (int64_t)job->gap_ms * 1000);
	if (job->engine != SWEEP_ENGINE_PACKET)
		return 0;
	s->hops =
	    sweep_hops_new(n_blocks, job->has_source4 ? &job->source4 : NULL,
		job->has_source6 ? &job->source6 : NULL, err);
	return s->hops == NULL ? -1 : 0;
}

int
sweep_send_start(struct sweep_send *s, const struct sweep_job *job,
    struct sweep_list *list, const uint8_t key[SWEEP_KEY_BYTES],
    struct err *err)
{
	if (check_job(job, list, err) == -1)
		return -1;
	s->list = sweep_list_hold(list);
	if (open_lanes(s, job, key, err) == -1 ||
	    order_targets(s, job, err) == -1) {
		job_clear(s);
		return -1;
	}
	s->taken = 0;
	s->is_stuck = false;
	s->rate_pps = job->rate_pps;
	s->credit = 0;
	s->credited = mono_now();
	loop_timer_set_us(s->tick, 0);
	loop_timer_set(s->report, PROGRESS_MS);
	return 0;
}
