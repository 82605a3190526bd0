/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One cycle at a time: either a look at what BIRD has, or a change and then a
 * look.  A cycle ends by reconcile_cycle_end or reconcile_cycle_failed, which
 * arm the next one; the client calls back all pending commands when the session
 * ends.
 */
#include "site/reconcile_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 3000
/* Replies of a cycle, one after the other; see reconcile_turns. */
#define CYCLE_REPLIES_MAX 300
#define CYCLE_WAITS_MS 120000
/* A difference that lasts so long is told. */
#define DIFFERS_TELL_MS 3000
/* Somebody's script may do it all the time: one event in so long. */
#define FOREIGN_TELL_MS 10000

static const char *const real_names[REAL_COUNT] = {
	[REAL_UNKNOWN] = "unknown",
	[REAL_ANNOUNCED] = "announced",
	[REAL_WITHDRAWN] = "withdrawn",
};

static const char *const state_names[BIRD_STATE_COUNT] = {
	[BIRD_DOWN] = "down",
	[BIRD_SILENT] = "silent",
	[BIRD_CONNECTED] = "connected",
};

static void cycle_start(struct reconcile *r);

const char *
route_real_name(enum route_real real)
{
	assert(real < REAL_COUNT);
	return real_names[real];
}

const char *
bird_state_name(enum bird_state state)
{
	assert(state < BIRD_STATE_COUNT);
	return state_names[state];
}

/* ---- what is known ---- */

bool
reconcile_text_set(char text[REASON_BYTES], const char *now)
{
	char cut[REASON_BYTES];
	bool is_new;

	(void)text_copy(cut, sizeof(cut), now);
	is_new = strcmp(text, cut) != 0;
	memcpy(text, cut, sizeof(cut));
	return is_new;
}

static void
set_error(struct reconcile *r, const char *what, const char *reason)
{
	if (reconcile_text_set(r->bird.last_error, reason))
		r->ops.on_notice(what, reason, r->ops.arg);
}

static bool
entry_is_equal(const struct reconcile *r, const struct entry *e)
{
	if (e->real != (e->want.announced ? REAL_ANNOUNCED : REAL_WITHDRAWN))
		return false;
	return r->attrs_missing || !e->want.announced ||
	    route_attrs_equal(e->attrs, e->want.attrs);
}

static void
note_divergence(const struct reconcile *r, struct entry *e, struct mono now)
{
	if (entry_is_equal(r, e)) {
		e->diverged_since = (struct mono){ 0 };
	} else if (e->diverged_since.us == 0) {
		e->diverged_since = now;
	}
}

static void
set_real(struct reconcile *r, size_t i, enum route_real real)
{
	struct entry *e = &r->entries[i];
	enum route_real before = e->real;

	e->real = real;
	note_divergence(r, e, r->clock);
	if (before != real)
		r->ops.on_real(i, before, real, r->ops.arg);
}

static bool
all_equal(const struct reconcile *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!entry_is_equal(r, &r->entries[i]))
			return false;
	}
	return r->strays == 0;
}

/* How many prefixes differ, and since when the first of them. */
static size_t
count_differing(const struct reconcile *r, int64_t *longest_ms)
{
	size_t n = 0;

	*longest_ms = 0;
	for (size_t i = 0; i < r->n; i++) {
		int64_t ms = reconcile_diverged_ms(r, i);

		n += r->entries[i].diverged_since.us != 0;
		if (ms > *longest_ms)
			*longest_ms = ms;
	}
	return n;
}

/* An event when wanted and real differ for long, and one when it is over. */
static void
tell_difference(struct reconcile *r)
{
	char reason[REASON_BYTES];
	int64_t longest_ms;
	size_t n = count_differing(r, &longest_ms);

	if (n > 0 && longest_ms >= DIFFERS_TELL_MS && !r->said_differs) {
		(void)snprintf(reason, sizeof(reason),
		    "%zu prefixes, the first for %" PRId64 " s%s%.160s", n,
		    longest_ms / 1000,
		    r->bird.last_error[0] != '\0' ? ": " : "",
		    r->bird.last_error);
		r->ops.on_notice("bird: differs from what is wanted", reason,
		    r->ops.arg);
		r->said_differs = true;
	} else if (n == 0 && r->said_differs) {
		r->ops.on_notice("bird: as wanted again", "read back",
		    r->ops.arg);
		r->said_differs = false;
	}
}

/* ---- the end of a cycle ---- */

/* Changes that come soon after each other go together: see conf.h. */
static int64_t
batch_wait_ms(const struct reconcile *r)
{
	int64_t wait_ms;

	if (r->last_change.us == 0)
		return 0;
	wait_ms = r->gap_ms - mono_diff_ms(mono_now(), r->last_change);
	return wait_ms > 0 ? wait_ms : 0;
}

void
reconcile_cycle_end(struct reconcile *r, int64_t pause_ms)
{
	r->busy = false;
	r->turned = mono_now();
	r->step = CHANGE_NONE;
	if (r->again)
		pause_ms = batch_wait_ms(r);
	if (r->client != NULL && bird_client_is_up(r->client))
		loop_timer_set(r->timer, pause_ms);
	/* else: on_bird_up starts the next one */
}

void
reconcile_cycle_failed(struct reconcile *r, const char *reason)
{
	r->bird.failures++;
	set_error(r, "bird: change not carried out", reason);
	tell_difference(r);
	reconcile_cycle_end(r, r->pause_ms);
	r->pause_ms =
	    r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

const char *
reconcile_missing_text(const struct reconcile *r, char text[REASON_BYTES])
{
	(void)snprintf(text, REASON_BYTES, "bird.conf does not include %s",
	    r->conf->include);
	return text;
}

/* Not before BIRD's undo of the last one has had its effect. */
static int64_t
change_wait_ms(const struct reconcile *r)
{
	int64_t undone_ms = mono_diff_ms(r->undone_until, mono_now());
	int64_t undo_ms = reconcile_undo_wait_ms(r);

	return undone_ms > undo_ms ? undone_ms : undo_ms;
}

static void
converged(struct reconcile *r)
{
	char text[REASON_BYTES];

	/* Nothing is to be announced yet, but then it could not be.  A file in
	 * which nothing stands yet has nothing that BIRD could lack. */
	if (r->statics_missing && !r->file_is_empty) {
		set_error(r, "bird: include missing",
		    reconcile_missing_text(r, text));
	} else {
		r->bird.last_error[0] = '\0';
	}
	r->pause_ms = PAUSE_MIN_MS;
	/* Nobody would learn that it was mended. */
	if (r->conf->check_ms == 0)
		r->bird.config_error[0] = '\0';
	if (!r->said_converged)
		r->ops.on_converged(r->ops.arg);
	r->said_converged = true;
	if (reconcile_ahead_is_due(r)) {
		reconcile_ahead_start(r);
	} else {
		reconcile_cycle_end(r, r->conf->poll_ms);
	}
}

void
reconcile_settle(struct reconcile *r)
{
	int64_t wait_ms;

	tell_difference(r);
	if (!r->again && all_equal(r)) {
		converged(r);
		return;
	}
	r->said_converged = false;
	wait_ms = change_wait_ms(r);
	/* Looks go on while no change may be made. */
	if (wait_ms > r->conf->poll_ms)
		wait_ms = r->conf->poll_ms;
	reconcile_cycle_end(r, wait_ms);
}

/* ---- looks ---- */

/* True: somebody else's, or a new BIRD. */
static bool
note_foreign(struct reconcile *r)
{
	bool is_foreign = !r->own_reconfiguration && r->has_looked;

	if (is_foreign) {
		r->bird.foreign++;
		if (r->foreign_told.us == 0 ||
		    mono_diff_ms(mono_now(), r->foreign_told) >=
			FOREIGN_TELL_MS) {
			r->foreign_told = mono_now();
			r->ops.on_notice("bird: reconfigured by somebody else",
			    "or it undid a change", r->ops.arg);
		}
		/* What was refused before may be well now. */
		r->undone_until = (struct mono){ 0 };
		if (r->bird.config_error[0] != '\0')
			r->ahead_next = (struct mono){ 0 };
		/* Then it read our file, as that is now. */
		if (!r->pending && !r->file_is_fresh)
			reconcile_old_forget_text(r);
	}
	r->own_reconfiguration = false;
	return is_foreign;
}

static void
note_hands(struct reconcile *r, const struct bird_survey *s)
{
	char text[sizeof(r->bird.by_hand)];
	bool is_new;

	(void)bird_byhand_find(r->byhand, s, text, sizeof(text));
	is_new = strcmp(text, r->bird.by_hand) != 0;
	(void)text_copy(r->bird.by_hand, sizeof(r->bird.by_hand), text);
	if (is_new) {
		r->ops.on_notice(text[0] != '\0'
			? "bird: disabled by hand"
			: "bird: nothing is disabled by hand any more",
		    text, r->ops.arg);
	}
}

void
reconcile_take_state(struct reconcile *r, const struct bird_survey *s)
{
	r->bird.sessions_all = s->sessions_all;
	r->bird.sessions_up = s->sessions_up;
	r->was_reconfigured = bird_byhand_take(r->byhand, s) && note_foreign(r);
	if (!s->is_reconfiguring)
		r->file_is_fresh = false;
	r->has_looked = true;
	note_hands(r, s);
}

/* Another picture of entry e than before? */
static bool
take_entry(struct reconcile *r, size_t i, const struct bird_survey_route *seen)
{
	enum route_real real = seen->seen ? REAL_ANNOUNCED : REAL_WITHDRAWN;
	struct entry *e = &r->entries[i];
	bool is_news =
	    e->real != real || !route_attrs_equal(e->attrs, seen->attrs);

	e->exported_to = seen->exports;
	e->attrs = seen->attrs;
	set_real(r, i, real);
	return is_news;
}

bool
reconcile_take_survey(struct reconcile *r, const struct bird_survey *s)
{
	bool is_news = false;

	if (s->failed)
		return false;
	r->clock = mono_now();
	r->strays = s->strays;
	r->sessions_at_look = s->sessions_up;
	r->statics_missing = s->statics_missing;
	if (!s->statics_missing)
		r->attrs_missing = s->attrs_missing;
	reconcile_take_state(r, s);
	for (size_t i = 0; i < r->n; i++)
		is_news |= take_entry(r, i, &s->routes[i]);
	if (is_news && r->ops.on_read != NULL)
		r->ops.on_read(r->ops.arg);
	return true;
}

static void
on_look(const struct bird_survey *s, void *arg)
{
	struct reconcile *r = arg;

	if (!reconcile_take_survey(r, s)) {
		reconcile_cycle_end(r, r->pause_ms);
	} else if (r->pending) {
		reconcile_change_resume(r, s);
	} else {
		reconcile_settle(r);
	}
}

static void
look(struct reconcile *r)
{
	r->busy = true;
	bird_surveyor_start(r->surveyor, r->client, BIRD_SURVEY_ROUTES, on_look,
	    r);
}

/* ---- the start of a cycle ---- */

static void
cycle_start(struct reconcile *r)
{
	bool was_done = r->said_converged && !r->again;
	struct err err;
	int written;

	if (r->busy || !bird_client_is_up(r->client))
		return;
	/* From here on it belongs to the change. */
	loop_timer_cancel(r->timer);
	if (change_wait_ms(r) > 0) {
		look(r);
		return;
	}
	r->busy = true;
	r->again = false;
	written = reconcile_file_write(r, false, &err);
	if (written == -1) {
		reconcile_cycle_failed(r, err.msg);
		return;
	}
	if (written == 1 && was_done) {
		r->ops.on_notice("bird: include file put right",
		    "somebody else changed it", r->ops.arg);
	}
	r->file_is_fresh |= written == 1;
	if (written == 0 && all_equal(r)) {
		look(r);
		return;
	}
	r->said_converged = false;
	reconcile_change_start(r);
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct reconcile *r = arg;

	(void)lp;
	if (r->step != CHANGE_NONE) {
		reconcile_change_tick(r);
	} else {
		cycle_start(r);
	}
}

/* ---- BIRD's coming and going ---- */

static void
on_bird_up(const char *version, void *arg)
{
	struct reconcile *r = arg;

	if (r->bird.state != BIRD_CONNECTED)
		r->ops.on_notice("bird: connected", version, r->ops.arg);
	r->bird.state = BIRD_CONNECTED;
	r->bird.last_error[0] = '\0';
	(void)text_copy(r->bird.version, sizeof(r->bird.version), version);
	r->pause_ms = PAUSE_MIN_MS;
	/* First see what it has: it may be another BIRD than before. */
	r->turned = mono_now();
	r->again = false;
	look(r);
}

/*
 * While BIRD is away: the next one begins with what is wanted, not with what
 * was, and it would not even start without its include.
 */
static void
keep_file(struct reconcile *r)
{
	struct err err;
	bool failed = reconcile_file_write(r, true, &err) == -1;

	reconcile_old_forget_text(r);
	if (failed && !r->file_failed) {
		r->ops.on_notice("bird: change not carried out", err.msg,
		    r->ops.arg);
	}
	r->file_failed = failed;
}

/*
 * Nobody listens there any more.  Everything else, such as a socket that we may
 * not open, says nothing of what BIRD announces.
 */
static bool
is_not_there(const struct err *err)
{
	return err->code == ERR_GONE ||
	    (err->code == ERR_SYS &&
		(err->sys == ECONNREFUSED || err->sys == ENOENT ||
		    err->sys == ECONNRESET));
}

static void
on_bird_down(const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	enum bird_state state = is_not_there(err) ? BIRD_DOWN : BIRD_SILENT;

	loop_timer_cancel(r->timer);
	r->busy = false;
	bird_byhand_session_lost(r->byhand);
	reconcile_change_cut(r);
	r->bird.sessions_up = 0;
	/* Also when it was never found: the first word about it. */
	if (r->bird.state != state || r->bird.last_error[0] == '\0')
		r->ops.on_notice("bird: lost", err->msg, r->ops.arg);
	r->bird.state = state;
	(void)text_copy(r->bird.last_error, sizeof(r->bird.last_error),
	    err->msg);
	r->clock = mono_now();
	for (size_t i = 0; i < r->n; i++) {
		r->entries[i].exported_to = 0;
		set_real(r, i, REAL_UNKNOWN);
	}
	if (r->ops.on_read != NULL)
		r->ops.on_read(r->ops.arg);
	tell_difference(r);
	keep_file(r);
}

/* ---- the door ---- */

struct reconcile *
reconcile_new(struct loop *lp, const struct conf_bird *conf,
    const struct prefix *prefixes, size_t n, const struct reconcile_ops *ops)
{
	static const struct bird_client_ops client_ops = { .on_up = on_bird_up,
		.on_down = on_bird_down };
	struct reconcile *r = xcalloc(1, sizeof(*r));

	*r = (struct reconcile){ .lp = lp,
		.conf = conf,
		.ops = *ops,
		.n = n,
		.attrs_missing = true, /* until seen otherwise */
		.gap_ms = conf->min_gap_ms,
		.pause_ms = PAUSE_MIN_MS };
	r->entries = xcalloc(n, sizeof(*r->entries));
	r->prefixes = xcalloc(n, sizeof(*r->prefixes));
	if (n > 0)
		memcpy(r->prefixes, prefixes, n * sizeof(*prefixes));
	r->up_before = xcalloc(BIRD_PROTOCOLS_MAX, sizeof(*r->up_before));
	r->surveyor = bird_surveyor_new(r->prefixes, n);
	r->byhand = bird_byhand_open(conf->include, NULL);
	reconcile_change_init(r);
	reconcile_file_open(r);
	r->timer = loop_timer_new(lp, on_timer, r);
	r->client =
	    bird_client_new(lp, conf->socket, conf->timeout_ms, &client_ops, r);
	return r;
}

void
reconcile_free(struct reconcile *r)
{
	if (r == NULL)
		return;
	bird_client_free(r->client);
	reconcile_change_close(r);
	bird_surveyor_free(r->surveyor);
	bird_byhand_free(r->byhand);
	loop_timer_free(r->timer);
	free(r->up_before);
	free(r->old_text);
	reconcile_file_close(r);
	free(r->prefixes);
	free(r->entries);
	free(r);
}

void
reconcile_want(struct reconcile *r, size_t i, struct route_want want)
{
	struct entry *e;

	assert(i < r->n);
	assert(want.attrs.prepend <= ROUTE_PREPEND_MAX);
	e = &r->entries[i];
	if (e->want.announced == want.announced &&
	    route_attrs_equal(e->want.attrs, want.attrs))
		return;
	if (!r->is_wishing)
		r->clock = mono_now();
	r->is_wishing = true;
	e->want = want;
	r->again = true;
	note_divergence(r, e, r->clock);
}

void
reconcile_apply(struct reconcile *r)
{
	r->is_wishing = false;
	if (!r->again || r->busy)
		return;
	if (!bird_client_is_up(r->client)) {
		keep_file(r);
		return;
	}
	r->pause_ms = PAUSE_MIN_MS;
	/* Another wish is another change, unless bird.conf is what is wrong. */
	if (!r->lost_session)
		r->undone_until = (struct mono){ 0 };
	if (batch_wait_ms(r) > 0) {
		loop_timer_set(r->timer, batch_wait_ms(r));
	} else {
		cycle_start(r);
	}
}

void
reconcile_hand_over(struct reconcile *r, const struct conf_bird *conf,
    const struct reconcile_ops *ops)
{
	/* What was reckoned by the old one. */
	if (conf->check_ms != r->conf->check_ms)
		r->ahead_next = (struct mono){ 0 };
	if (r->gap_ms > conf->max_delay_ms)
		r->gap_ms = conf->max_delay_ms;
	r->conf = conf;
	r->ops = *ops;
}

bool
reconcile_is_idle(const struct reconcile *r)
{
	return !r->busy && !r->again && !r->pending;
}

/* Every reply of BIRD has its time, and so has a cycle. */
bool
reconcile_turns(const struct reconcile *r)
{
	int64_t most_ms = r->conf->poll_ms + CYCLE_WAITS_MS +
	    CYCLE_REPLIES_MAX * r->conf->timeout_ms;

	return !bird_client_is_up(r->client) ||
	    mono_diff_ms(mono_now(), r->turned) <= most_ms;
}

bool
reconcile_wanted(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].want.announced;
}

struct route_want
reconcile_get_want(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].want;
}

enum route_real
reconcile_real(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].real;
}

bool
reconcile_has_attrs(const struct reconcile *r)
{
	return !r->attrs_missing;
}

bool
reconcile_bird_is_gone(const struct reconcile *r)
{
	/* Before the first look it is down, too, but without an error. */
	return r->bird.state == BIRD_DOWN && r->bird.last_error[0] != '\0';
}

struct route_attrs
reconcile_real_attrs(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].attrs;
}

size_t
reconcile_exported_to(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].exported_to;
}

int64_t
reconcile_diverged_ms(const struct reconcile *r, size_t i)
{
	struct mono since;

	assert(i < r->n);
	since = r->entries[i].diverged_since;
	return since.us == 0 ? 0 : mono_diff_ms(mono_now(), since);
}

void
reconcile_get_bird(const struct reconcile *r, struct reconcile_bird *out)
{
	*out = r->bird;
	out->change = change_step_name(r->step);
	out->has_attrs = !r->attrs_missing;
}
