/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One change of BIRD's routes, as a transaction:
 *
 *	write -> look -> configure check -> configure soft timeout N
 *	      -> (wait until it is through) -> verify -> configure confirm
 *
 * The look and the check go in one write, where nothing is known that stands in
 * the way: BIRD answers in their order, and what it says to the check counts
 * only if the look says yes.  `configure soft` never goes before both are known.
 *
 * And where anything is wrong after `configure`: configure undo, the old file
 * back, and a long pause.  Dying in the middle, BIRD or we, is a case of that:
 * BIRD undoes by itself, and what is on disk is what is wanted.  From before
 * `configure` until it was confirmed or undone, the old file lies beside the new
 * one, as NAME.old, and the names of the sessions that were up, in NAME.sessions:
 * so the next daemon knows that BIRD may still undo it.  It confirms what took no
 * session away, and else waits, since a second `configure ... timeout` would make
 * the first, unproven one the state to go back to (measured with BIRD 2.0.12).
 *
 * When the check fails because of some other file, ours stays as it is wanted:
 * nothing was loaded, and whoever mends the rest gets it with his own
 * reconfiguration.
 */
#include "site/reconcile_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"

/* How often BIRD is asked whether it is through, or well. */
#define POLL_MS 50
#define VERIFY_POLL_MS 20
#define STOPPING_POLL_MS 10
/* BIRD's answer wakes us on its own core, where what we do next would be in the
 * way of the updates for which everybody waits.  Woken a moment later we are on a
 * core that is idle, if there is one. */
#define ASIDE_MS 2
#define PROGRESS_MAX_MS 60000
/* Routes and sessions may take a moment to be as they should. */
#define VERIFY_MAX_MS 3000
/* Before BIRD's own undo, so that it does not come in between. */
#define VERIFY_MARGIN_MS 1000
#define CONFIRM_DEFAULT_MS 10000
/* How long a change waits for protocols that are on their way down. */
#define STOPPING_MAX_MS 1000
/* After an undo.  What took sessions down would do so again. */
#define UNDO_PAUSE_MIN_MS 1000
#define UNDO_PAUSE_SESSION_MS 30000
#define UNDO_PAUSE_MAX_MS 600000

#define CODE_RECONFIGURED 3
#define CODE_IN_PROGRESS 4
#define CODE_QUEUED 5
#define CODE_CONFIRMED 18
#define CODE_NOTHING_TO_DO 19

static const char *const step_names[CHANGE_STEP_COUNT] = {
	[CHANGE_NONE] = "none",
	[CHANGE_LOOK] = "looking",
	[CHANGE_CHECK] = "checking",
	[CHANGE_CONFIGURE] = "configuring",
	[CHANGE_PROGRESS] = "waiting for bird",
	[CHANGE_VERIFY] = "verifying",
	[CHANGE_CONFIRM] = "confirming",
	[CHANGE_UNDO] = "undoing",
};

static void verify(struct reconcile *r);
static void on_looked(const struct bird_survey *s, void *arg);

const char *
change_step_name(enum change_step step)
{
	assert(step < CHANGE_STEP_COUNT);
	return step_names[step];
}

static int64_t
confirm_ms(const struct reconcile *r)
{
	return r->conf->confirm_ms > 0 ? r->conf->confirm_ms
				       : CONFIRM_DEFAULT_MS;
}

void
reconcile_change_init(struct reconcile *r)
{
	r->undo_pause_ms = UNDO_PAUSE_MIN_MS;
	if (reconcile_old_find(r)) {
		r->pending = true;
		r->pending_until = mono_add_ms(mono_now(), confirm_ms(r));
		r->new_is_unsynced = true;
	}
}

int64_t
reconcile_undo_wait_ms(const struct reconcile *r)
{
	int64_t ms = mono_diff_ms(r->pending_until, mono_now());

	return r->pending && ms > 0 ? ms : 0;
}

/* ---- steps ---- */

static void
enter(struct reconcile *r, enum change_step step)
{
	r->step = step;
	r->step_since = mono_now();
}

static void
failed(struct reconcile *r, const char *reason)
{
	reconcile_cycle_failed(r, reason);
}

static void
say(struct reconcile *r, const char *command, bird_reply_cb *cb)
{
	/* If the session is down, on_bird_down has been or will be called. */
	if (bird_client_send(r->client, command, cb, r) == -1)
		reconcile_cycle_end(r, r->pause_ms);
}

/* Is it our file that BIRD does not take? Then BIRD would not start with it. */
static void
refused(struct reconcile *r, const char *text)
{
	if (strstr(text, r->conf->include) != NULL) {
		reconcile_old_put_back(r);
	} else {
		reconcile_old_forget(r);
	}
	failed(r, text);
}

/* ---- undo ---- */

static void
on_after_undo(const struct bird_survey *s, void *arg)
{
	struct reconcile *r = arg;

	(void)reconcile_take_survey(r, s);
	failed(r, r->problem);
}

/* No new change for a while, in which sessions come up again. */
static void
note_undone(struct reconcile *r)
{
	r->bird.undone++;
	if (r->lost_session && r->undo_pause_ms < UNDO_PAUSE_SESSION_MS)
		r->undo_pause_ms = UNDO_PAUSE_SESSION_MS;
	r->undone_until = mono_add_ms(mono_now(), r->undo_pause_ms);
	r->undo_pause_ms = r->undo_pause_ms * 2 > UNDO_PAUSE_MAX_MS
	    ? UNDO_PAUSE_MAX_MS
	    : r->undo_pause_ms * 2;
	r->ops.on_notice("bird: change undone", r->problem, r->ops.arg);
}

static void
on_undone(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		failed(r, err->msg);
		return;
	}
	crash_point("bird-undone");
	r->own_reconfiguration = true;
	reconcile_old_put_back(r);
	note_undone(r);
	bird_surveyor_start(r->surveyor, r->client, BIRD_SURVEY_ROUTES,
	    on_after_undo, r);
}

static void
undo(struct reconcile *r)
{
	enter(r, CHANGE_UNDO);
	say(r, "configure undo", on_undone);
}

/* ---- confirm ---- */

static void
on_confirmed(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		failed(r, err->msg);
		return;
	}
	crash_point("bird-confirmed");
	if (reply->code != CODE_CONFIRMED &&
	    reply->code != CODE_NOTHING_TO_DO) {
		failed(r, bird_reply_text(reply));
		return;
	}
	/* Nothing to do: somebody's `configure` kept it, or the time was over;
	 * the next look tells which. */
	r->bird.confirmed += reply->code == CODE_CONFIRMED;
	r->undo_pause_ms = UNDO_PAUSE_MIN_MS;
	reconcile_old_forget(r);
	reconcile_settle(r);
}

static void
confirm(struct reconcile *r)
{
	enter(r, CHANGE_CONFIRM);
	crash_point("bird-verified");
	say(r, "configure confirm", on_confirmed);
}

/* ---- verify ---- */

static bool
is_established(const struct bird_survey *s, const char *name)
{
	for (size_t i = 0; i < s->n_protocols; i++) {
		if (strcmp(s->protocols[i].name, name) == 0)
			return s->protocols[i].is_established;
	}
	return false;
}

static void
note_lost_session(struct reconcile *r, const char *name)
{
	(void)snprintf(r->problem, sizeof(r->problem),
	    "session %.64s was up before it and is not any more: is there an edit in bird.conf that was never loaded?",
	    name);
}

/* A session that the reconfiguration took down: somebody else's edit of
 * bird.conf that was never loaded until now. */
static bool
has_lost_session(struct reconcile *r, const struct bird_survey *s)
{
	for (size_t i = 0; i < r->n_up_before; i++) {
		if (!is_established(s, r->up_before[i].name)) {
			note_lost_session(r, r->up_before[i].name);
			return true;
		}
	}
	return false;
}

static bool
is_as_written(const struct reconcile *r, const struct entry *e,
    const struct bird_survey_route *seen)
{
	if (seen->seen != e->written.announced)
		return false;
	return !seen->seen || r->attrs_missing ||
	    route_attrs_equal(seen->attrs, e->written.attrs);
}

/* What was exported and stays must still be; what goes must be gone. */
static bool
has_wrong_route(struct reconcile *r, const struct bird_survey *s)
{
	char net[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < r->n; i++) {
		const struct bird_survey_route *seen = &s->routes[i];
		const struct entry *e = &r->entries[i];
		const char *what = NULL;

		if (!is_as_written(r, e, seen)) {
			(void)text_copy(r->problem, sizeof(r->problem),
			    "bird has other routes than wanted");
			return true;
		}
		if (!seen->seen && seen->exports > 0)
			what = "withdrawn, and still exported";
		if (seen->seen && e->exports_before > seen->exports)
			what = "exported to fewer sessions than before";
		if (what == NULL)
			continue;
		(void)snprintf(r->problem, sizeof(r->problem), "%s: %s",
		    prefix_format(&r->prefixes[i], net), what);
		return true;
	}
	if (s->strays == 0)
		return false;
	(void)text_copy(r->problem, sizeof(r->problem),
	    "bird has other routes than wanted");
	return true;
}

static bool
has_problem(struct reconcile *r, const struct bird_survey *s)
{
	r->lost_session = has_lost_session(r, s);
	if (s->statics_missing)
		(void)reconcile_missing_text(r, r->problem);
	return s->statics_missing || r->lost_session || has_wrong_route(r, s);
}

/* A session that was well after it fell for reasons of its own. */
static void
forget_well_sessions(struct reconcile *r, const struct bird_survey *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_up_before; i++) {
		if (!is_established(s, r->up_before[i].name))
			r->up_before[kept++] = r->up_before[i];
	}
	if (kept < r->n_up_before) {
		for (size_t i = 0; i < r->n; i++)
			r->entries[i].exports_before = 0;
	}
	r->n_up_before = kept;
}

static bool
is_verify_over(const struct reconcile *r)
{
	struct mono now = mono_now();

	return mono_diff_ms(now, r->step_since) >= VERIFY_MAX_MS ||
	    mono_diff_ms(r->pending_until, now) <= VERIFY_MARGIN_MS;
}

static void
on_verify(const struct bird_survey *s, void *arg)
{
	struct reconcile *r = arg;
	bool is_bad;

	if (!reconcile_take_survey(r, s)) {
		(void)text_copy(r->problem, sizeof(r->problem),
		    "bird cannot be read");
		is_bad = true;
	} else {
		is_bad = has_problem(r, s);
	}
	if (!is_bad) {
		confirm(r);
	} else if (s->statics_missing || is_verify_over(r)) {
		undo(r);
	} else {
		if (!s->failed)
			forget_well_sessions(r, s);
		loop_timer_set(r->timer, VERIFY_POLL_MS);
	}
}

static void
verify(struct reconcile *r)
{
	if (r->step != CHANGE_VERIFY)
		enter(r, CHANGE_VERIFY);
	bird_surveyor_start(r->surveyor, r->client, BIRD_SURVEY_ROUTES,
	    on_verify, r);
}

/* ---- configure ---- */

static void on_progress(const struct bird_reply *reply, const struct err *err,
    void *arg);

static void
ask_progress(struct reconcile *r)
{
	say(r, "show status", on_progress);
}

static void
on_progress(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		failed(r, err->msg);
	} else if (!bird_show_is_reconfiguring(reply)) {
		/* It counts from the end: sessions went down meanwhile. */
		verify(r);
	} else if (mono_diff_ms(mono_now(), r->step_since) > PROGRESS_MAX_MS) {
		failed(r, "bird: reconfiguration does not end");
	} else {
		loop_timer_set(r->timer, POLL_MS);
	}
}

static void
on_taken(struct reconcile *r, unsigned code)
{
	r->bird.reconfigurations++;
	r->pending = true;
	r->pending_until = mono_add_ms(mono_now(), confirm_ms(r));
	r->own_reconfiguration = true;
	crash_point("bird-configured");
	enter(r, code == CODE_RECONFIGURED ? CHANGE_VERIFY : CHANGE_PROGRESS);
	loop_timer_set(r->timer, ASIDE_MS);
}

/* BIRD has it, or may have; now it must also survive a power cut.  false: see
 * problem. */
static bool
sync_new(struct reconcile *r)
{
	struct err err;

	if (!r->new_is_unsynced)
		return true;
	r->new_is_unsynced = false;
	if (bird_include_sync(r->conf->include, &err) == 0) {
		crash_point("bird-synced");
		return true;
	}
	(void)text_copy(r->problem, sizeof(r->problem), err.msg);
	return false;
}

static void
on_configured(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	/* It may have taken it all the same, and will undo it then. */
	if (reply == NULL) {
		r->pending = true;
		r->pending_until = mono_add_ms(mono_now(), confirm_ms(r));
		failed(r, err->msg);
		return;
	}
	switch (reply->code) {
	case CODE_RECONFIGURED:
	case CODE_IN_PROGRESS:
	case CODE_QUEUED:
		on_taken(r, reply->code);
		break;
	default:
		refused(r, bird_reply_text(reply));
	}
}

static void
on_checked(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	char command[64];

	if (r->checks_in_vain > 0) {
		r->checks_in_vain--;
		if (reply != NULL)
			reconcile_ahead_note(r, reply, false);
		return;
	}
	r->check_is_out = false;
	if (reply == NULL) {
		failed(r, err->msg);
		return;
	}
	crash_point("bird-checked");
	reconcile_ahead_note(r, reply, true);
	if (reply->code != CODE_CONFIG_OK) {
		refused(r, bird_reply_text(reply));
		return;
	}
	/* Or BIRD would load what it was not asked about.  Not at once again,
	 * in case somebody writes it all the time. */
	if (!reconcile_file_is_ours(r)) {
		reconcile_old_unstage(r);
		reconcile_cycle_end(r, POLL_MS);
		return;
	}
	enter(r, CHANGE_CONFIGURE);
	reconcile_old_keep(r);
	r->new_is_unsynced = true;
	crash_point("bird-kept");
	(void)snprintf(command, sizeof(command), "configure soft timeout %u",
	    (unsigned)((confirm_ms(r) + 999) / 1000));
	say(r, command, on_configured);
}

/* ---- look ---- */

static void
remember(struct reconcile *r, const struct bird_survey *s)
{
	r->n_up_before = 0;
	for (size_t i = 0; i < s->n_protocols; i++) {
		if (s->protocols[i].is_established) {
			(void)text_copy(r->up_before[r->n_up_before++].name,
			    BIRD_NAME_MAX, s->protocols[i].name);
		}
	}
	for (size_t i = 0; i < r->n; i++) {
		struct entry *e = &r->entries[i];

		/* What it was exported to when all these sessions were up. */
		e->exports_before = e->written.announced &&
			e->real == REAL_ANNOUNCED &&
			r->sessions_at_look == s->sessions_up
		    ? e->exported_to
		    : 0;
	}
}

static void
ask_state(struct reconcile *r)
{
	bird_surveyor_start(r->surveyor, r->client, BIRD_SURVEY_STATE,
	    on_looked, r);
}

/*
 * The check right behind the questions, without waiting for the answers: it
 * loads nothing.  Not where the answer is likely to be no, since it takes BIRD
 * time, and memory when it refuses.
 */
static void
ask_state_and_check(struct reconcile *r)
{
	bool is_likely = !r->look_said_no && r->bird.by_hand[0] == '\0' &&
	    r->bird.config_error[0] == '\0';

	bird_client_hold(r->client);
	ask_state(r);
	/* If the session is down, on_looked was called. */
	r->check_is_out = is_likely &&
	    bird_client_send(r->client, "configure check", on_checked, r) == 0;
	bird_client_hurry(r->client);
	if (r->check_is_out)
		reconcile_old_stage(r);
}

/* The look says no: whatever BIRD answers to the check has no consequence. */
static void
forget_check(struct reconcile *r)
{
	r->checks_in_vain += r->check_is_out;
	r->check_is_out = false;
	r->look_said_no = true;
	reconcile_old_unstage(r);
}

static void
check(struct reconcile *r)
{
	enter(r, CHANGE_CHECK);
	if (r->check_is_out)
		return;
	say(r, "configure check", on_checked);
	reconcile_old_stage(r);
}

/* false: not now, and what comes next is arranged. */
static bool
may_go_on(struct reconcile *r, const struct bird_survey *s)
{
	char reason[REASON_BYTES];

	if (s->failed) {
		reconcile_cycle_end(r, r->pause_ms);
		return false;
	}
	/* Somebody's reconfiguration is under way: ours would only queue. */
	if (s->is_reconfiguring) {
		reconcile_cycle_end(r, POLL_MS);
		return false;
	}
	if (bird_survey_is_one_stopping(s) &&
	    mono_diff_ms(mono_now(), r->step_since) < STOPPING_MAX_MS) {
		loop_timer_set(r->timer, STOPPING_POLL_MS);
		return false;
	}
	reconcile_take_state(r, s);
	if (r->bird.by_hand[0] != '\0' && !r->conf->overrule_hands &&
	    (r->ops.may_overrule == NULL || !r->ops.may_overrule(r->ops.arg))) {
		(void)snprintf(reason, sizeof(reason),
		    "disabled by hand: %.160s: a reconfiguration would enable it again",
		    r->bird.by_hand);
		failed(r, reason);
		return false;
	}
	return true;
}

static void
on_looked(const struct bird_survey *s, void *arg)
{
	struct reconcile *r = arg;

	if (may_go_on(r, s)) {
		r->look_said_no = false;
		remember(r, s);
		reconcile_old_note_sessions(r);
		check(r);
	} else {
		forget_check(r);
	}
}

void
reconcile_change_start(struct reconcile *r)
{
	struct mono now = mono_now();

	/* Changes that keep coming wait for each other, up to max_delay.  One
	 * that waited comes later than the gap. */
	if (r->last_change.us != 0 &&
	    mono_diff_ms(now, r->last_change) <
		r->gap_ms + r->conf->max_delay_ms) {
		r->gap_ms = r->gap_ms * 2 > r->conf->max_delay_ms
		    ? r->conf->max_delay_ms
		    : r->gap_ms * 2;
	} else {
		r->gap_ms = r->conf->min_gap_ms;
	}
	r->last_change = now;
	crash_point("bird-written");
	enter(r, CHANGE_LOOK);
	ask_state_and_check(r);
}

void
reconcile_change_tick(struct reconcile *r)
{
	if (r->step == CHANGE_LOOK) {
		ask_state(r);
	} else if (!sync_new(r)) {
		undo(r);
	} else if (r->step == CHANGE_PROGRESS) {
		ask_progress(r);
	} else if (r->step == CHANGE_VERIFY) {
		verify(r);
	}
}

void
reconcile_change_close(struct reconcile *r)
{
	if (!sync_new(r))
		log_warnx("bird: %s", r->problem);
}

void
reconcile_change_cut(struct reconcile *r)
{
	r->step = CHANGE_NONE;
	r->has_vanished = false; /* it may be another BIRD */
	reconcile_old_unstage(r);
	reconcile_change_close(r);
	/* BIRD's time runs from when it took it: not before now. */
	if (r->pending)
		r->pending_until = mono_add_ms(mono_now(), confirm_ms(r));
}

static bool
is_there(const struct bird_survey *s, const char *name)
{
	for (size_t i = 0; i < s->n_protocols; i++) {
		if (!s->protocols[i].is_down &&
		    strcmp(s->protocols[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Gone from the configuration, or disabled by it. */
static bool
has_vanished_session(struct reconcile *r, const struct bird_survey *s)
{
	for (size_t i = 0; i < r->n_up_before; i++) {
		if (!is_there(s, r->up_before[i].name)) {
			note_lost_session(r, r->up_before[i].name);
			return true;
		}
	}
	return false;
}

/* What had vanished is there again by another reconfiguration: BIRD's own undo,
 * as far as we can tell. */
static void
resume_undone(struct reconcile *r)
{
	r->lost_session = true;
	reconcile_old_forget(r);
	note_undone(r);
	failed(r, r->problem);
}

/*
 * A BIRD that stood still has lost sessions for reasons of its own, so that
 * they are not up says nothing.  Confirming what was never taken does nothing;
 * and what is not as wanted is the next change's business.
 */
void
reconcile_change_resume(struct reconcile *r, const struct bird_survey *s)
{
	bool had_vanished = r->has_vanished;

	reconcile_change_close(r);
	/* Which sessions there are shows when it is through. */
	if (s->is_reconfiguring) {
		reconcile_cycle_end(r, POLL_MS);
		return;
	}
	r->has_vanished = has_vanished_session(r, s);
	if (had_vanished && !r->has_vanished && r->was_reconfigured) {
		resume_undone(r);
	} else if (!r->has_vanished) {
		confirm(r);
	} else if (reconcile_undo_wait_ms(r) > 0) {
		reconcile_cycle_end(r, POLL_MS);
	} else {
		/* It was none of BIRD's undoing. */
		r->has_vanished = false;
		reconcile_old_forget(r);
		reconcile_settle(r);
	}
}
