/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long an experiment still takes. */
#include "fleet/experiment_state.h"

static int64_t
longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Sending to so many clients. */
static int64_t
sending_ms(const struct experiment *ex, uint32_t n)
{
	return 1000LL * n / (int64_t)ex->c->conf->predict.rate_pps;
}

/* After a round's last probe; the gap to the next round runs meanwhile. */
static int64_t
tail_ms(const struct experiment *ex)
{
	const struct conf_predict *conf = &ex->c->conf->predict;

	return longer(conf->linger_ms, conf->block_gap_ms);
}

/* A sweep's first attempt, of which so many have been sent; a block's clients
 * are asked one by one, with the gap between two. */
static int64_t
attempt_ms(const struct experiment *ex, uint32_t sent)
{
	const struct experiment_clients *ec = &ex->clients;
	int64_t block_ms =
	    ex->c->conf->predict.block_gap_ms * ec->largest_block;
	uint32_t left = sent < ec->n ? ec->n - sent : 0;

	if (ec->n > 0)
		block_ms = block_ms * left / ec->n;
	return longer(sending_ms(ex, left), block_ms) + tail_ms(ex);
}

/* The second one asks who was silent; before the first baseline nobody knows of
 * any. */
static int64_t
second_ms(const struct experiment *ex)
{
	uint32_t n = ex->n_silent_before;

	if (n == 0 || n > EXPERIMENT_RETRY_MAX)
		return 0;
	return sending_ms(ex, n) + tail_ms(ex);
}

static int64_t
round_ms(const struct experiment *ex)
{
	return sending_ms(ex,
		   ex->n_sentinels > 0 ? ex->n_sentinels
				       : ex->c->conf->predict.sentinels) +
	    ex->c->conf->predict.linger_ms;
}

static int64_t
until(struct mono when)
{
	return longer(0, mono_diff_ms(when, mono_now()));
}

/* What is left of the round under way or waited for. */
static int64_t
round_left_ms(const struct experiment *ex)
{
	switch (ex->step) {
	case ROUND_LINGERING:
		return until(ex->wait_until);
	case ROUND_COLLECTING:
		return 0;
	case ROUND_PAUSE:
		return until(ex->wait_until) + round_ms(ex);
	case ROUND_NONE:
	case ROUND_QUEUED:
	case ROUND_SENDING:
		break;
	}
	return round_ms(ex);
}

static int64_t
sweep_left_ms(const struct experiment *ex, uint32_t sent)
{
	int64_t second = ex->round <= 1 ? second_ms(ex) : 0, left;

	if (ex->step == ROUND_LINGERING) {
		left = until(ex->wait_until);
	} else if (ex->step == ROUND_COLLECTING) {
		left = 0;
	} else if (ex->round <= 1) {
		left = attempt_ms(ex, sent);
	} else {
		left = sending_ms(ex,
			   sent < ex->n_silent ? ex->n_silent - sent : 0) +
		    tail_ms(ex);
	}
	return left + second;
}

/* Of sentinels, the present one included, if nothing moves any more. */
static unsigned
rounds_left(const struct experiment *ex)
{
	unsigned calm = ex->settle.calm;

	if (ex->state != EXPERIMENT_SETTLE)
		return 1;
	if (!ex->has_previous)
		return SETTLE_ROUNDS;
	return calm < SETTLE_ROUNDS - 1 ? SETTLE_ROUNDS - 1 - calm : 0;
}

struct experiment_left
experiment_left_now(const struct experiment *ex, uint32_t sent)
{
	struct experiment_time t = { .is_null = ex->n_withdrawn == 0,
		.sweep_ms = attempt_ms(ex, 0) + second_ms(ex),
		.round_ms = round_ms(ex),
		.interval_ms = ex->c->conf->predict.sentinel_interval_ms,
		.settle_max_ms = ex->c->conf->predict.settle_max_ms,
		.state = ex->state,
		.step_left_ms = experiment_is_full_sweep(ex)
		    ? sweep_left_ms(ex, sent)
		    : round_left_ms(ex),
		.spent_ms = mono_diff_ms(mono_now(), ex->state_since),
		.rounds_left = rounds_left(ex) };

	return experiment_left(&t);
}
