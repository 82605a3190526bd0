/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pacing is a token bucket filled by the clock and emptied in small batches.
 * A late wake-up is made good, but only up to DEBT_MAX_MS: a machine that stood
 * still for a second must not answer with a burst of a second.
 */
#include "probes/sweep_send.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "probes/sweep_lane.h"
#include "probes/sweep_order.h"

#define DEBT_MAX_MS 20
#define PROGRESS_MS 200
#define KERNEL_FULL_RETRY_US 1000
#define BATCHES_PER_WAKEUP 4
/* A batch is what is due in half a millisecond: small enough for the send
 * times in it to be true, large enough to save system calls. */
#define BATCHES_PER_S 2000u
/* Credit is counted in millionths of a packet: microseconds times rate. */
#define PACKET_CREDIT 1000000

struct sweep_send {
	struct loop_timer *tick;
	struct loop_timer *report;
	sweep_progress_cb *cb;
	void *arg;

	/* The running job; list is NULL when there is none. */
	struct sweep_list *list;
	struct sweep_progress progress;
	uint32_t *order; /* progress.total indices into the list */
	uint32_t next;   /* order[next..] are not yet in a lane */
	int64_t rate_pps;
	int64_t credit;
	struct mono credited;       /* up to here time has become credit */
	struct sweep_lane lanes[2]; /* IPv4, IPv6 */
};

bool
sweep_send_is_running(const struct sweep_send *s)
{
	return s->list != NULL;
}

static void
job_clear(struct sweep_send *s)
{
	loop_timer_cancel(s->tick);
	loop_timer_cancel(s->report);
	for (size_t i = 0; i < 2; i++)
		sweep_lane_close(&s->lanes[i]);
	free(s->order);
	s->order = NULL;
	sweep_list_release(s->list);
	s->list = NULL;
}

void
sweep_send_stop(struct sweep_send *s)
{
	struct sweep_progress last = s->progress;

	if (!sweep_send_is_running(s))
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

/* Takes the next of the order into the lanes, which must be empty. */
static void
fill_lanes(struct sweep_send *s, int64_t n)
{
	for (; n > 0 && s->next < s->progress.total; n--) {
		uint32_t index = s->order[s->next++];
		const struct addr *target = &s->list->addrs[index];

		s->credit -= PACKET_CREDIT;
		if (addr_is_never_host(target)) {
			s->progress.send_errors++;
		} else {
			sweep_lane_add(&s->lanes[addr_is_ipv4(target) ? 0 : 1],
			    index, target);
		}
	}
}

static enum sweep_lane_end
flush_lanes(struct sweep_send *s)
{
	struct sweep_progress *p = &s->progress;
	enum sweep_lane_end end = SWEEP_LANE_EMPTY;

	for (size_t i = 0; i < 2; i++) {
		if (sweep_lane_flush(&s->lanes[i], &p->sent, &p->send_errors) ==
		    SWEEP_LANE_FULL)
			end = SWEEP_LANE_FULL;
	}
	return end;
}

/* When a batch, or the rest if that is less, will have been earned. */
static int64_t
next_batch_us(const struct sweep_send *s)
{
	int64_t left = (int64_t)(s->progress.total - s->next);
	int64_t n = left < batch_size(s) ? left : batch_size(s);
	int64_t missing = n * PACKET_CREDIT - s->credit;

	return missing > 0 ? (missing + s->rate_pps - 1) / s->rate_pps : 0;
}

static void
on_tick(struct loop *lp, void *arg)
{
	struct sweep_send *s = arg;

	(void)lp;
	credit_time(s);
	for (int i = 0; i < BATCHES_PER_WAKEUP; i++) {
		if (flush_lanes(s) == SWEEP_LANE_FULL) {
			loop_timer_set_us(s->tick, KERNEL_FULL_RETRY_US);
			return;
		}
		if (s->next == s->progress.total) {
			sweep_send_stop(s);
			return;
		}
		if (next_batch_us(s) > 0)
			break;
		fill_lanes(s, batch_size(s));
	}
	loop_timer_set_us(s->tick, next_batch_us(s));
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
	s->lanes[0].fd = s->lanes[1].fd = -1;
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

/* Those of the job that have a source of their family, not yet in order. */
static void
choose_targets(struct sweep_send *s, const struct sweep_job *job)
{
	uint32_t n = job->n_subset > 0 ? job->n_subset : s->list->total;

	s->order = xcalloc(n, sizeof(*s->order));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = job->n_subset > 0 ? job->subset[i] : i;

		if (addr_is_ipv4(&s->list->addrs[index]) ? job->has_source4
							 : job->has_source6)
			s->order[s->progress.total++] = index;
	}
}

static int
open_lanes(struct sweep_send *s, const struct sweep_job *job,
    const uint8_t key[SWEEP_KEY_BYTES], struct err *err)
{
	struct sweep_request request = { .experiment = job->experiment,
		.phase = job->phase,
		.round = job->round };

	memcpy(request.key, key, sizeof(request.key));
	request.source = job->source4;
	if (job->has_source4 &&
	    sweep_lane_open(&s->lanes[0], &request, err) == -1)
		return -1;
	request.source = job->source6;
	if (job->has_source6 &&
	    sweep_lane_open(&s->lanes[1], &request, err) == -1)
		return -1;
	return 0;
}

int
sweep_send_start(struct sweep_send *s, const struct sweep_job *job,
    struct sweep_list *list, const uint8_t key[SWEEP_KEY_BYTES],
    struct err *err)
{
	if (check_job(job, list, err) == -1)
		return -1;
	if (open_lanes(s, job, key, err) == -1) {
		job_clear(s);
		return -1;
	}
	s->list = sweep_list_hold(list);
	s->progress = (struct sweep_progress){ .job = job->job };
	choose_targets(s, job);
	sweep_order_build(list->addrs, s->order, s->progress.total,
	    job->order_seed);
	s->next = 0;
	s->rate_pps = job->rate_pps;
	s->credit = 0;
	s->credited = mono_now();
	loop_timer_set_us(s->tick, 0);
	loop_timer_set(s->report, PROGRESS_MS);
	return 0;
}
