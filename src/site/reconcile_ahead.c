/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Would BIRD still take its configuration?  Asked now and then while there is
 * nothing to change: else a broken edit somewhere in bird.conf comes to light
 * when a withdrawal needs it, that is, at the worst time.
 *
 * BIRD does nothing else while it reads: 0.2 to 0.3 s for 200,000 routes
 * (measured with 2.0.12).  So it is asked so rarely that this takes one
 * hundredth of its time at most, and once an hour if it did not answer at all:
 * it may be too much for it, or its death.  Each configuration that it refuses
 * costs BIRD 2.0.12 some 8 kB that it never gives back (measured: 24 MB for
 * 3,000): while it refuses it is asked a tenth as often, but at once when
 * somebody made it take another one.
 * The shorter of two readings counts: one may be long since we stood still.
 */
#include "site/reconcile_state.h"

#define READING_SHARE 100
#define NO_ANSWER_PAUSE_MS 3600000
#define REFUSED_TIMES 10

bool
reconcile_ahead_is_due(const struct reconcile *r)
{
	return r->conf->check_ms > 0 && mono_before(r->ahead_next, mono_now());
}

void
reconcile_ahead_note(struct reconcile *r, const struct bird_reply *reply,
    bool is_told_elsewhere)
{
	const char *error =
	    reply->code == CODE_CONFIG_OK ? "" : bird_reply_text(reply);
	bool is_news = reconcile_text_set(r->bird.config_error, error);

	r->ahead_next = mono_add_ms(mono_now(), r->conf->check_ms);
	if (error[0] == '\0' && r->ahead_told) {
		r->ahead_told = false;
		r->ops.on_notice("bird: configuration would be taken again",
		    "checked", r->ops.arg);
	} else if (error[0] != '\0' && is_news && !is_told_elsewhere) {
		r->ahead_told = true;
		r->ops.on_notice("bird: configuration would be refused", error,
		    r->ops.arg);
	}
}

static void
on_checked(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	int64_t took_ms = mono_diff_ms(mono_now(), r->step_since);
	int64_t pause_ms;

	(void)err;
	if (reply == NULL) {
		r->ahead_next = mono_add_ms(mono_now(), NO_ANSWER_PAUSE_MS);
		reconcile_cycle_end(r, r->pause_ms);
		return;
	}
	reconcile_ahead_note(r, reply, false);
	pause_ms = READING_SHARE *
	    (took_ms < r->ahead_took_ms ? took_ms : r->ahead_took_ms);
	r->ahead_took_ms = took_ms;
	if (reply->code != CODE_CONFIG_OK &&
	    pause_ms < REFUSED_TIMES * r->conf->check_ms)
		pause_ms = REFUSED_TIMES * r->conf->check_ms;
	if (pause_ms > r->conf->check_ms)
		r->ahead_next = mono_add_ms(mono_now(), pause_ms);
	reconcile_cycle_end(r, r->conf->poll_ms);
}

void
reconcile_ahead_start(struct reconcile *r)
{
	r->step = CHANGE_NONE;
	r->step_since = mono_now();
	/* If the session is down, on_bird_down has been or will be called. */
	if (bird_client_send(r->client, "configure check", on_checked, r) == -1)
		reconcile_cycle_end(r, r->pause_ms);
}
