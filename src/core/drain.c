/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/drain.h"

#include <assert.h>

static const char *const wait_names[DRAIN_WAIT_COUNT] = {
	[DRAIN_WAIT_NONE] = "none",
	[DRAIN_WAIT_BIRD] = "bird to take the step",
	[DRAIN_WAIT_HOLD] = "the step's time",
	[DRAIN_WAIT_TRAFFIC] = "traffic that is left",
	[DRAIN_WAIT_COUNTER] = "the traffic counter",
	[DRAIN_WAIT_DAMPING] = "flap damping",
	[DRAIN_WAIT_FREEZE] = "the freeze to end",
};

const char *
drain_wait_name(enum drain_wait wait)
{
	assert(wait < DRAIN_WAIT_COUNT);
	return wait_names[wait];
}

static void
move(struct drain_stage *stage, size_t at, struct drain_result *r,
    struct mono now)
{
	stage->at = at;
	stage->place = DRAIN_PLACE_NOT_YET;
	stage->since = now;
	stage->is_drained = false;
	r->moved = true;
}

static enum drain_place
place_of(const struct conf_drain *conf, const struct drain_stage *stage,
    const struct drain_input *in)
{
	const struct drain_real *real = &in->real;

	if (!real->is_running)
		return DRAIN_PLACE_UNHEARD;
	if (!real->is_known)
		return DRAIN_PLACE_NOT_YET;
	if (drain_withdraws(conf, stage) || !in->announceable) {
		return real->announced ? DRAIN_PLACE_NOT_YET
				       : DRAIN_PLACE_UNHEARD;
	}
	if (!real->announced ||
	    (real->has_attrs &&
		!route_attrs_equal(real->attrs, drain_attrs(conf, stage))))
		return DRAIN_PLACE_NOT_YET;
	return DRAIN_PLACE_HEARD;
}

/* Has the time in the step passed?  If not, *r says what is waited for. */
static bool
is_held(const struct conf_drain *conf, struct drain_stage *stage,
    const struct drain_input *in, struct drain_result *r)
{
	const struct conf_drain_step *step = &conf->steps[stage->at - 1];
	enum drain_place place = place_of(conf, stage, in);
	int64_t left_ms;

	if (place != stage->place) {
		stage->place = place;
		stage->since = in->now;
	}
	if (place == DRAIN_PLACE_NOT_YET) {
		r->wait = DRAIN_WAIT_BIRD;
		return false;
	}
	left_ms = (in->wanted ? step->hold_ms : step->back_ms) -
	    mono_diff_ms(in->now, stage->since);
	if (left_ms <= 0)
		return true;
	r->wait = DRAIN_WAIT_HOLD;
	r->next_ms = left_ms;
	return false;
}

/* Is little enough traffic left, or was it waited for long enough? */
static bool
is_quiet(const struct conf_drain_step *step, const struct drain_stage *stage,
    const struct drain_input *in, struct drain_result *r)
{
	int64_t over_ms;

	if (step->below_per_s == 0)
		return true;
	if (in->traffic_known && in->traffic_per_s < (double)step->below_per_s)
		return true;
	over_ms = mono_diff_ms(in->now, stage->since) - step->hold_ms;
	if (step->wait_max_ms > 0 && over_ms >= step->wait_max_ms) {
		r->went_on = true;
		return true;
	}
	r->wait = in->traffic_known ? DRAIN_WAIT_TRAFFIC : DRAIN_WAIT_COUNTER;
	r->next_ms = step->wait_max_ms > 0 ? step->wait_max_ms - over_ms : -1;
	return false;
}

/* One step towards drained; false when it can go no further now. */
static bool
go_on(const struct conf_drain *conf, struct drain_stage *stage,
    const struct drain_input *in, struct drain_result *r)
{
	const struct conf_drain_step *step;

	if (in->at_once && stage->at < conf->n_steps) {
		move(stage, conf->n_steps, r, in->now);
		return true;
	}
	if (stage->at == 0) {
		move(stage, 1, r, in->now);
		return true;
	}
	if (stage->is_drained)
		return false;
	step = &conf->steps[stage->at - 1];
	if (!is_held(conf, stage, in, r) || !is_quiet(step, stage, in, r))
		return false;
	if (stage->at == conf->n_steps) {
		stage->is_drained = true;
		r->moved = true;
		return false;
	}
	move(stage, stage->at + 1, r, in->now);
	return true;
}

/* One step towards normal. A withdrawn prefix has nobody to be gentle to. */
static bool
go_back(const struct conf_drain *conf, struct drain_stage *stage,
    const struct drain_input *in, struct drain_result *r)
{
	if (stage->at == 0)
		return false;
	if (stage->at < conf->n_steps && !is_held(conf, stage, in, r))
		return false;
	/* What nobody hears is no update; and whether a withdrawn one may be
	 * announced is not for the steps to say. */
	if (in->back_wait_ms > 0 && stage->at < conf->n_steps &&
	    stage->place == DRAIN_PLACE_HEARD && in->real.has_attrs) {
		r->wait = DRAIN_WAIT_DAMPING;
		r->next_ms = in->back_wait_ms;
		return false;
	}
	move(stage, stage->at - 1, r, in->now);
	return true;
}

struct drain_result
drain_advance(const struct conf_drain *conf, struct drain_stage *stage,
    const struct drain_input *in)
{
	struct drain_result r = { .next_ms = -1 };

	assert(stage->at <= conf->n_steps);
	if (stage->at > 0 && stage->going_back == in->wanted)
		stage->since = in->now; /* it turned round */
	stage->going_back = !in->wanted;
	if (in->wanted) {
		while (go_on(conf, stage, in, &r))
			;
	} else {
		stage->is_drained = false;
		while (go_back(conf, stage, in, &r))
			;
	}
	return r;
}

bool
drain_asks_route(const struct conf_drain *conf, const struct drain_input *in)
{
	return conf->n_steps > 1 && !(in->wanted && in->at_once);
}

bool
drain_withdraws(const struct conf_drain *conf, const struct drain_stage *stage)
{
	return stage->at > 0 && stage->at >= conf->n_steps;
}

struct route_attrs
drain_attrs(const struct conf_drain *conf, const struct drain_stage *stage)
{
	struct route_attrs attrs = { 0 };

	for (size_t i = 0; i < stage->at && i < conf->n_steps; i++) {
		const struct conf_drain_step *step = &conf->steps[i];

		if (step->kind == DRAIN_GRACEFUL_SHUTDOWN)
			attrs.graceful_shutdown = true;
		if (step->kind == DRAIN_PREPEND)
			attrs.prepend = (uint8_t)step->times;
	}
	return attrs;
}

struct drain_stage
drain_adopt(const struct conf_drain *conf, bool announced,
    struct route_attrs attrs, bool wanted)
{
	struct drain_stage stage = { .going_back = !wanted };

	if (!announced) {
		stage.at = wanted ? conf->n_steps : 0;
		return stage;
	}
	for (size_t i = 0; i < conf->n_steps; i++) {
		enum drain_kind kind = conf->steps[i].kind;

		if ((kind == DRAIN_GRACEFUL_SHUTDOWN &&
			attrs.graceful_shutdown) ||
		    (kind == DRAIN_PREPEND && attrs.prepend > 0))
			stage.at = i + 1;
	}
	return stage;
}

struct drain_stage
drain_carry(const struct conf_drain *from, const struct conf_drain *to,
    const struct drain_stage *stage, struct mono now)
{
	struct drain_stage carried = *stage;
	enum drain_kind kind;

	if (stage->at == 0)
		return carried;
	/* Of one kind there is one step, and all are in the order of kinds. */
	kind = from->steps[stage->at - 1].kind;
	carried.at = 0;
	while (carried.at < to->n_steps && to->steps[carried.at].kind <= kind)
		carried.at++;
	if (carried.at > 0 && to->steps[carried.at - 1].kind == kind)
		return carried;
	return (struct drain_stage){
		.at = carried.at, .going_back = stage->going_back, .since = now
	};
}

const char *
drain_stage_name(const struct conf_drain *conf, const struct drain_stage *stage)
{
	if (stage->at == 0)
		return "normal";
	if (stage->is_drained)
		return "drained";
	if (stage->at > conf->n_steps)
		return conf_drain_kind_name(DRAIN_WITHDRAW);
	return conf_drain_kind_name(conf->steps[stage->at - 1].kind);
}
