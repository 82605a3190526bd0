/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/drain.h"

#include <stdlib.h>

#include "core/damping.h"
#include "test.h"

#define SEC INT64_C(1000)

/* 30 s with the community, 60 s prepended until below 100/s but 10 min at
 * most, then withdrawn, and drained when below 5/s, however long it takes. */
static const struct conf_drain gentle = {
	.steps = {
		{ .kind = DRAIN_GRACEFUL_SHUTDOWN,
		    .hold_ms = 30 * SEC,
		    .back_ms = 10 * SEC },
		{ .kind = DRAIN_PREPEND,
		    .times = 3,
		    .hold_ms = 60 * SEC,
		    .back_ms = 20 * SEC,
		    .below_per_s = 100,
		    .wait_max_ms = 600 * SEC },
		{ .kind = DRAIN_WITHDRAW, .hold_ms = 5 * SEC, .below_per_s = 5 },
	},
	.n_steps = 3,
};

static const struct conf_drain plain = {
	.steps = { { .kind = DRAIN_WITHDRAW } },
	.n_steps = 1,
};

struct run {
	const struct conf_drain *conf;
	struct drain_stage stage;
	struct drain_input in;
	struct drain_result last;
	bool is_sick;
	bool is_stuck; /* BIRD takes nothing */
};

static void
advance(struct run *r)
{
	r->in.announceable = !r->is_sick;
	r->last = drain_advance(r->conf, &r->stage, &r->in);
}

/* BIRD does as the stage asks; true: that is another thing than before. */
static bool
bird_follows(struct run *r)
{
	const struct drain_real before = r->in.real;
	struct drain_real *real = &r->in.real;

	real->is_known = real->is_running = real->has_attrs = true;
	real->announced = !r->is_sick && !drain_withdraws(r->conf, &r->stage);
	real->attrs = real->announced ? drain_attrs(r->conf, &r->stage)
				      : (struct route_attrs){ 0 };
	return before.is_known != real->is_known ||
	    before.is_running != real->is_running ||
	    before.announced != real->announced ||
	    !route_attrs_equal(before.attrs, real->attrs);
}

/* Advances at a second of the test's clock, with a BIRD that takes each step at
 * once; returns the stage's name. */
static const char *
at(struct run *r, int64_t sec)
{
	bool moved, went_on;

	r->in.now = (struct mono){ 1000000000 + sec * 1000000 };
	advance(r);
	moved = r->last.moved;
	went_on = r->last.went_on;
	while (!r->is_stuck && bird_follows(r)) {
		advance(r);
		moved |= r->last.moved;
		went_on |= r->last.went_on;
	}
	r->last.moved = moved;
	r->last.went_on = went_on;
	return drain_stage_name(r->conf, &r->stage);
}

static void
test_plain_drain_is_immediate(void **state)
{
	struct run r = { .conf = &plain, .in.wanted = true };

	(void)state;
	assert_string_equal(at(&r, 0), "drained");
	assert_true(r.last.moved);
	assert_int_equal(r.last.next_ms, -1);
	assert_true(drain_withdraws(&plain, &r.stage));
	r.in.wanted = false;
	assert_string_equal(at(&r, 1), "normal");
	assert_false(drain_withdraws(&plain, &r.stage));
	assert_string_equal(at(&r, 2), "normal");
	assert_false(r.last.moved);
}

static void
test_steps_take_their_time_and_conditions(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true,
		    .traffic_known = true,
		    .traffic_per_s = 5000 } };
	struct route_attrs attrs;

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	attrs = drain_attrs(&gentle, &r.stage);
	assert_true(attrs.graceful_shutdown && attrs.prepend == 0);
	assert_int_equal(r.last.next_ms, 30 * SEC);
	assert_string_equal(at(&r, 29), "graceful_shutdown");
	assert_int_equal(r.last.wait, DRAIN_WAIT_HOLD);
	assert_string_equal(at(&r, 30), "prepend");
	attrs = drain_attrs(&gentle, &r.stage);
	/* The steps add up. */
	assert_true(attrs.graceful_shutdown && attrs.prepend == 3);
	assert_false(drain_withdraws(&gentle, &r.stage));
	/* Held, and then too much traffic is left. */
	assert_string_equal(at(&r, 95), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_TRAFFIC);
	assert_int_equal(r.last.next_ms, 595 * SEC);
	r.in.traffic_per_s = 99.9;
	assert_string_equal(at(&r, 100), "withdraw");
	assert_true(drain_withdraws(&gentle, &r.stage));
	assert_false(r.last.went_on);
	/* Withdrawn, not drained before the tail is gone, and that for ever. */
	assert_string_equal(at(&r, 110), "withdraw");
	assert_int_equal(r.last.next_ms, -1);
	assert_string_equal(at(&r, 100000), "withdraw");
	r.in.traffic_per_s = 4;
	assert_string_equal(at(&r, 100001), "drained");
	assert_true(r.last.moved);
	assert_string_equal(at(&r, 100002), "drained");
	assert_false(r.last.moved);
}

static void
test_goes_on_with_traffic_left_after_wait_max(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	(void)at(&r, 0);
	(void)at(&r, 30);
	/* Not known counts as too much. */
	assert_string_equal(at(&r, 90 + 599), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_COUNTER);
	assert_int_equal(r.last.next_ms, 1 * SEC);
	assert_string_equal(at(&r, 90 + 600), "withdraw");
	assert_true(r.last.went_on);
}

static void
test_restore_walks_back(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .at_once = true } };

	(void)state;
	assert_string_equal(at(&r, 0), "withdraw");
	r.in.wanted = r.in.at_once = false;
	/* Out of the withdrawal at once, then by the times of the way back. */
	assert_string_equal(at(&r, 100), "prepend");
	assert_int_equal(r.last.next_ms, 20 * SEC);
	assert_string_equal(at(&r, 119), "prepend");
	assert_string_equal(at(&r, 120), "graceful_shutdown");
	assert_string_equal(at(&r, 129), "graceful_shutdown");
	assert_string_equal(at(&r, 130), "normal");
	assert_int_equal(r.last.next_ms, -1);
}

/* Restored half way, and drained again on the way back: each turn begins the
 * time of its step anew. */
static void
test_turning_round(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true } };

	(void)state;
	(void)at(&r, 0);
	assert_string_equal(at(&r, 30), "prepend");
	r.in.wanted = false;
	assert_string_equal(at(&r, 80), "prepend");
	assert_string_equal(at(&r, 99), "prepend");
	assert_string_equal(at(&r, 100), "graceful_shutdown");
	r.in.wanted = true;
	assert_string_equal(at(&r, 105), "graceful_shutdown");
	assert_string_equal(at(&r, 134), "graceful_shutdown");
	assert_string_equal(at(&r, 135), "prepend");
}

static void
test_at_once_skips_the_gentle_steps(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	r.in.at_once = true;
	assert_string_equal(at(&r, 1), "withdraw");
}

/* A late look does not take steps without their time. */
static void
test_a_stalled_clock_skips_nothing(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true } };

	(void)state;
	(void)at(&r, 0);
	assert_string_equal(at(&r, 5000), "prepend");
	assert_string_equal(at(&r, 5059), "prepend");
	assert_string_equal(at(&r, 5060), "withdraw");
}

static void
test_adopts_what_it_finds(void **state)
{
	static const struct {
		bool announced, wanted;
		struct route_attrs attrs;
		const char *name;
	} rows[] = {
		{ true, false, { false, 0 }, "normal" },
		{ true, true, { false, 0 }, "normal" },
		{ true, true, { true, 0 }, "graceful_shutdown" },
		{ true, true, { true, 3 }, "prepend" },
		{ true, false, { true, 3 }, "prepend" },
		{ true, true, { false, 1 }, "prepend" },
		{ false, true, { false, 0 }, "withdraw" },
		/* Sick, not drained. */
		{ false, false, { false, 0 }, "normal" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct drain_stage s = drain_adopt(&gentle, rows[i].announced,
		    rows[i].attrs, rows[i].wanted);

		assert_string_equal(drain_stage_name(&gentle, &s),
		    rows[i].name);
	}
}

/* The time of a step is the neighbours': while BIRD does not have the step,
 * frozen or stopped by a disabled protocol, nothing goes on. */
static void
test_a_step_waits_for_bird(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true } };

	(void)state;
	assert_string_equal(at(&r, -10), "graceful_shutdown");
	assert_string_equal(at(&r, 19), "graceful_shutdown");
	/* It fell silent after it had taken the step... */
	r.is_stuck = true;
	r.in.real.is_known = false;
	assert_string_equal(at(&r, 25), "graceful_shutdown");
	assert_int_equal(r.last.wait, DRAIN_WAIT_BIRD);
	assert_int_equal(r.last.next_ms, -1);
	assert_string_equal(at(&r, 100000), "graceful_shutdown");
	/* ... and speaks again: the whole time anew. */
	r.is_stuck = false;
	assert_string_equal(at(&r, 100100), "graceful_shutdown");
	assert_int_equal(r.last.wait, DRAIN_WAIT_HOLD);
	assert_int_equal(r.last.next_ms, 30 * SEC);
	/* Stopped by a hand before it takes the next one. */
	r.is_stuck = true;
	assert_string_equal(at(&r, 100130), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_BIRD);
	assert_string_equal(at(&r, 200000), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_BIRD);
	r.is_stuck = false;
	assert_string_equal(at(&r, 200010), "prepend");
	assert_string_equal(at(&r, 200069), "prepend");
	r.is_stuck = true;
	assert_string_equal(at(&r, 200070), "withdraw");
	/* Not drained while it is there. */
	assert_string_equal(at(&r, 300000), "withdraw");
	assert_int_equal(r.last.wait, DRAIN_WAIT_BIRD);
	r.is_stuck = false;
	assert_string_equal(at(&r, 300001), "withdraw");
	assert_string_equal(at(&r, 300006), "drained");
}

static void
test_the_way_back_waits_for_bird(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .at_once = true } };

	(void)state;
	assert_string_equal(at(&r, 0), "withdraw");
	r.in.wanted = r.in.at_once = false;
	r.is_stuck = true;
	assert_string_equal(at(&r, 10), "prepend");
	assert_string_equal(at(&r, 1000), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_BIRD);
	r.is_stuck = false;
	assert_string_equal(at(&r, 1010), "prepend");
	assert_string_equal(at(&r, 1029), "prepend");
	assert_string_equal(at(&r, 1030), "graceful_shutdown");
	assert_string_equal(at(&r, 1040), "normal");
}

/* A drain at once does not wait for a BIRD that takes nothing. */
static void
test_at_once_does_not_wait_for_bird(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	(void)at(&r, 0);
	r.is_stuck = true;
	r.in.real.is_known = false;
	assert_string_equal(at(&r, 100), "graceful_shutdown");
	r.in.at_once = true;
	assert_string_equal(at(&r, 101), "withdraw");
}

/* Where nobody hears the route, or the steps have no effect, time is all there
 * is to go by. */
static void
test_steps_without_effect_go_by_time(void **state)
{
	static const struct {
		const char *what;
		bool is_sick;
		struct drain_real real;
	} rows[] = {
		{ "sick", true,
		    { .is_known = true,
			.is_running = true,
			.has_attrs = true } },
		{ "no export.conf", false,
		    { .is_known = true,
			.is_running = true,
			.announced = true } },
		{ "no BIRD", false, { .is_known = false } },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct run r = { .conf = &gentle,
			.in = { .wanted = true,
			    .traffic_known = true,
			    .real = rows[i].real },
			.is_sick = rows[i].is_sick,
			.is_stuck = true };

		assert_string_equal(at(&r, 0), "graceful_shutdown");
		assert_int_equal(r.last.wait, DRAIN_WAIT_HOLD);
		assert_string_equal(at(&r, 30), "prepend");
		assert_string_equal(at(&r, 90), "withdraw");
	}
}

/* Sick when the drain began, and well again within the first step: only then
 * does it begin for the neighbours. */
static void
test_well_again_begins_the_step_anew(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true },
		.is_sick = true };

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	r.is_sick = false;
	assert_string_equal(at(&r, 29), "graceful_shutdown");
	assert_string_equal(at(&r, 58), "graceful_shutdown");
	assert_string_equal(at(&r, 59), "prepend");
}

/*
 * BIRD freezes, takes steps late or not, forgets and remembers; the daemon
 * restarts; the service falls sick; drains begin and end.  Never does a step end
 * before the neighbours had it, without a break, for its time.
 */
struct model {
	struct run run;
	int64_t now_s, same_since_s; /* BIRD's state has been as it is */
};

static void
model_bird(struct model *m)
{
	struct drain_real before = m->run.in.real;

	switch (random() % 6) {
	case 0:
		m->run.in.real.is_known = false;
		break;
	case 1:
	case 2:
		(void)bird_follows(&m->run);
		break;
	default:
		break;
	}
	if (before.is_known != m->run.in.real.is_known ||
	    before.announced != m->run.in.real.announced ||
	    !route_attrs_equal(before.attrs, m->run.in.real.attrs))
		m->same_since_s = m->now_s;
}

static void
model_look(struct model *m)
{
	struct run *r = &m->run;
	const struct drain_stage before = r->stage;
	const struct drain_real *real = &r->in.real;
	struct route_attrs asked = drain_attrs(r->conf, &before);
	const struct conf_drain_step *step;
	int64_t hold_ms;

	r->in.now = (struct mono){ 1000000000 + m->now_s * 1000000 };
	advance(r);
	if (r->stage.at == before.at || before.at == 0 ||
	    before.at == r->conf->n_steps || r->is_sick || r->in.at_once)
		return;
	step = &r->conf->steps[before.at - 1];
	hold_ms = r->in.wanted ? step->hold_ms : step->back_ms;
	assert_true(real->is_known && real->announced);
	assert_true(route_attrs_equal(real->attrs, asked));
	assert_true((m->now_s - m->same_since_s) * SEC >= hold_ms);
}

/* A while later; what people, services and the daemon did meanwhile. */
static void
model_step(struct model *m)
{
	struct run *r = &m->run;

	m->now_s += random() % 30;
	if (random() % 25 == 0)
		r->in.wanted = !r->in.wanted;
	if (random() % 25 == 0)
		r->is_sick = !r->is_sick;
	if (random() % 40 == 0) {
		r->stage =
		    drain_adopt(&gentle, !drain_withdraws(&gentle, &r->stage),
			drain_attrs(&gentle, &r->stage), r->in.wanted);
	}
	model_bird(m);
	model_look(m);
}

static void
test_no_step_is_shorter_for_the_neighbours(void **state)
{
	size_t moves = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 500; seed++) {
		struct model m = {
			.run = { .conf = &gentle,
			    .in = { .wanted = true, .traffic_known = true } }
		};

		srandom(seed);
		m.run.in.real.is_running = true;
		for (int i = 0; i < 200; i++) {
			size_t before = m.run.stage.at;

			model_step(&m);
			moves += m.run.stage.at != before;
		}
		/* And with a BIRD that works it ends. */
		m.run.is_sick = false;
		for (int i = 0; i < 6; i++)
			(void)at(&m.run, m.now_s += 700);
		assert_string_equal(at(&m.run, m.now_s),
		    m.run.in.wanted ? "drained" : "normal");
	}
	assert_true(moves > 1000);
}

/* Any sequence of wishes, traffic and times: a stage is never out of range, at
 * most one step further per call but for haste, and it always ends where it
 * should. */
static void
test_random_walks_end_well(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct run r = { .conf = &gentle };
		int64_t now = 0;

		srandom(seed);
		for (int i = 0; i < 60; i++) {
			size_t before = r.stage.at;

			now += random() % 50;
			r.in.wanted = random() % 2 == 0;
			r.in.at_once = random() % 8 == 0;
			r.in.traffic_known = random() % 3 != 0;
			r.in.traffic_per_s = (double)(random() % 200);
			(void)at(&r, now);
			assert_true(r.stage.at <= gentle.n_steps);
			if (r.in.wanted && !r.in.at_once)
				assert_true(r.stage.at <= before + 1);
		}
		r.in.wanted = seed % 2 == 0;
		r.in.at_once = false;
		r.in.traffic_known = true;
		r.in.traffic_per_s = 0;
		for (int i = 0; i < 6; i++)
			(void)at(&r, now += 700);
		assert_string_equal(at(&r, now),
		    seed % 2 == 0 ? "drained" : "normal");
	}
}

/* Where drain_asks_route says no, the answer makes no difference. */
static void
test_what_is_not_asked_makes_no_difference(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct run a = { .conf = (i & 1) != 0 ? &gentle : &plain,
			.stage.at = i >> 1 & 1,
			.in.wanted = (i & 4) != 0,
			.in.at_once = (i & 8) != 0 },
			   b;

		(void)bird_follows(&a);
		b = a;
		b.is_sick = true;
		advance(&a);
		advance(&b);
		if (drain_asks_route(a.conf, &a.in))
			continue;
		assert_int_equal(a.stage.at, b.stage.at);
		assert_int_equal(a.stage.place, b.stage.place);
		assert_int_equal(a.stage.since.us, b.stage.since.us);
		assert_true(a.stage.going_back == b.stage.going_back &&
		    a.stage.is_drained == b.stage.is_drained);
	}
}

/* ---- beside flap damping ---- */

/* A drain whose way back shall wait. */
static const struct run held_back = { .conf = &gentle,
	.in = {
	    .wanted = true, .traffic_known = true, .back_wait_ms = 7 * SEC } };

/* Steps back wait, of a route that is heard; no step down does. */
static void
test_only_the_way_back_waits_for_damping(void **state)
{
	struct run r = held_back;

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	assert_string_equal(at(&r, 30), "prepend");
	r.in.wanted = false;
	assert_string_equal(at(&r, 31), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_HOLD);
	assert_string_equal(at(&r, 51), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_DAMPING);
	assert_int_equal(r.last.next_ms, 7 * SEC);
	/* Drained again meanwhile: on from where it is, after its time. */
	r.in.wanted = true;
	assert_string_equal(at(&r, 52), "prepend");
	assert_string_equal(at(&r, 112), "withdraw");
	/* From there it is a new announcement that may have to wait. */
	r.in.wanted = false;
	assert_string_equal(at(&r, 113), "prepend");
	assert_string_equal(at(&r, 1000), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_DAMPING);
	r.in.back_wait_ms = 0;
	assert_string_equal(at(&r, 1001), "graceful_shutdown");
	/* What nobody hears is no update. */
	r.in.back_wait_ms = 7 * SEC;
	r.is_sick = true;
	(void)at(&r, 1002);
	assert_string_equal(at(&r, 1020), "normal");
}

/* What is held at a gentle step that is no more is normal, not withdrawn. */
static void
test_fewer_steps_end_a_wait_for_damping(void **state)
{
	struct run r = held_back;

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	r.in.wanted = false;
	assert_string_equal(at(&r, 20), "graceful_shutdown");
	assert_string_equal(at(&r, 30), "graceful_shutdown");
	assert_int_equal(r.last.wait, DRAIN_WAIT_DAMPING);
	r.stage = drain_carry(r.conf, &plain, &r.stage, r.in.now);
	r.conf = &plain;
	r.is_stuck = true; /* before BIRD could take it */
	assert_string_equal(at(&r, 31), "normal");
	assert_false(drain_withdraws(&plain, &r.stage));
}

/* Nor is it without export.conf. */
static void
test_steps_without_effect_do_not_wait_for_damping(void **state)
{
	struct run r = { .conf = &gentle,
		.is_stuck = true,
		.stage = { .at = 2, .going_back = true },
		.in = { .real = { .is_known = true,
			    .is_running = true,
			    .announced = true },
		    .back_wait_ms = 7 * SEC } };

	(void)state;
	(void)at(&r, 0);
	(void)at(&r, 20);
	assert_string_equal(at(&r, 30), "normal");
}

/* A prefix that others announce, too; its drain, its updates and its damping. */
struct damped {
	struct run run;
	struct damping_conf conf;
	struct damping d;
	int64_t sec;
	unsigned updates, waits; /* so many updates; so many seconds */
};

static bool
may(const struct damped *m, const struct damping_wish *wish)
{
	return damping_judge(&m->d, &m->conf, wish) == DAMPING_OK;
}

static void
hear(struct damped *m, const struct drain_real *before)
{
	const struct drain_real *real = &m->run.in.real;
	enum damping_update update =
	    real->announced ? DAMPING_ANNOUNCED : DAMPING_WITHDRAWN;

	if (before->announced == real->announced)
		update = DAMPING_CHANGED;
	damping_note(&m->d, &m->conf, update, m->run.in.now);
	m->updates++;
}

static void
second(struct damped *m)
{
	static const struct damping_wish up = { .announce = true };
	static const struct damping_wish back = {
		.is_announced = true, .announce = true, .is_back = true
	};
	struct run *r = &m->run;
	const struct drain_real before = r->in.real;

	r->in.now = (struct mono){ 1000000000 + ++m->sec * 1000000 };
	damping_decay(&m->d, &m->conf, r->in.now);
	r->is_sick = !before.announced && !may(m, &up);
	r->in.back_wait_ms =
	    may(m, &back) ? 0 : damping_wait_ms(&m->d, &m->conf, false);
	advance(r);
	m->waits +=
	    r->last.wait == DRAIN_WAIT_DAMPING || (r->is_sick && !r->in.wanted);
	if (bird_follows(r) && before.is_known)
		hear(m, &before);
}

static bool
is_there(const struct damped *m, bool wanted)
{
	const struct run *r = &m->run;

	if (wanted)
		return r->stage.is_drained;
	return r->stage.at == 0 && r->in.real.announced &&
	    route_attrs_equal(r->in.real.attrs, (struct route_attrs){ 0 });
}

/* Returns how many seconds it took. */
static int64_t
walk(struct damped *m, bool wanted)
{
	int64_t began = m->sec;

	m->run.in.wanted = wanted;
	second(m);
	while (!is_there(m, wanted)) {
		assert_true(m->sec - began < 24 * INT64_C(3600));
		second(m);
	}
	return m->sec - began;
}

/*
 * With what the configuration has where it says nothing: a drain in all its
 * steps and the way back are six updates and a penalty of 3000, and do not wait;
 * nor do those right after.  Whoever goes on and on is held, on the way back
 * only, and not for ever.
 */
static void
test_a_drain_and_its_way_back_are_within_the_defaults(void **state)
{
	static const char text[] =
	    "site: akl\ndrain: {steps: [{step: graceful_shutdown},"
	    " {step: prepend}, {step: withdraw}]}\n"
	    "services:\n- name: web\n  prefixes: [192.0.2.0/24]\n"
	    "  probes: [{name: up, file: /x, when: present}]\n";
	struct err err = { 0 };
	struct conf *c =
	    conf_parse("a.yml", (const uint8_t *)text, sizeof(text) - 1, &err);
	struct damped m = { .run.in.real.announced = true };
	int64_t down_sec;

	(void)state;
	assert_string_equal(err.msg, "");
	assert_non_null(c);
	m.run.conf = &c->agent->services[0].drain;
	m.conf = (struct damping_conf){ .suppress =
					    c->agent->guards.damping.suppress,
		.reuse = c->agent->guards.damping.reuse,
		.half_life_ms = c->agent->guards.damping.half_life_ms,
		.max_hold_ms = c->agent->guards.damping.max_hold_ms,
		.updates = c->agent->guards.damping.updates };
	second(&m); /* BIRD is read */
	down_sec = walk(&m, true);
	assert_int_equal(m.updates, 3);
	(void)walk(&m, false);
	assert_int_equal(m.updates, 6);
	assert_true(m.d.penalty > 2000 && m.d.penalty <= 3000);
	(void)walk(&m, true);
	(void)walk(&m, false);
	assert_int_equal(m.updates, 12);
	assert_int_equal(m.waits, 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(walk(&m, true), down_sec);
		assert_in_range(walk(&m, false), 60, 3 * 3600);
	}
	assert_true(m.waits > 0);
	conf_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_drain_is_immediate),
		cmocka_unit_test(test_steps_take_their_time_and_conditions),
		cmocka_unit_test(test_goes_on_with_traffic_left_after_wait_max),
		cmocka_unit_test(test_restore_walks_back),
		cmocka_unit_test(test_turning_round),
		cmocka_unit_test(test_at_once_skips_the_gentle_steps),
		cmocka_unit_test(test_a_stalled_clock_skips_nothing),
		cmocka_unit_test(test_adopts_what_it_finds),
		cmocka_unit_test(test_a_step_waits_for_bird),
		cmocka_unit_test(test_the_way_back_waits_for_bird),
		cmocka_unit_test(test_at_once_does_not_wait_for_bird),
		cmocka_unit_test(test_steps_without_effect_go_by_time),
		cmocka_unit_test(test_well_again_begins_the_step_anew),
		cmocka_unit_test(test_no_step_is_shorter_for_the_neighbours),
		cmocka_unit_test(test_random_walks_end_well),
		cmocka_unit_test(test_what_is_not_asked_makes_no_difference),
		cmocka_unit_test(test_only_the_way_back_waits_for_damping),
		cmocka_unit_test(test_fewer_steps_end_a_wait_for_damping),
		cmocka_unit_test(
		    test_steps_without_effect_do_not_wait_for_damping),
		cmocka_unit_test(
		    test_a_drain_and_its_way_back_are_within_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
