/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One cycle at a time:
 *
 *	start -> [write file] -> configure check -> configure soft
 *	      -> (poll until done) -> read back -> compare -> idle or pause
 *
 * A cycle without a change of the file begins at "read back".  Every command's
 * callback either goes to the next step or ends the cycle by cycle_failed; the
 * client calls back all pending commands when the session ends.
 */
#include "site/reconcile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "bird/client.h"
#include "bird/include.h"
#include "bird/show.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 3000
/* How often BIRD is asked whether a queued reconfiguration is through. */
#define PROGRESS_POLL_MS 50
#define PROGRESS_MAX_MS 60000
/* Of a cycle, one after the other; see reconcile_turns. */
#define CYCLE_REPLIES_MAX 30

#define CODE_RECONFIGURED 3
#define CODE_IN_PROGRESS 4
#define CODE_QUEUED 5
#define CODE_CONFIG_OK 20
#define CODE_PARSE_ERRORS 9000

#define REASON_BYTES 256

struct entry {
	struct prefix prefix;
	bool wanted;
	enum route_real real;
	size_t exported_to;
	struct mono diverged_since; /* .us 0: equal */
	bool seen;                  /* in the read-back under way */
	size_t seen_exports;
};

struct reconcile {
	struct loop *lp;
	const struct conf_bird *conf;
	struct reconcile_ops ops;
	struct bird_client *client;
	struct loop_timer *timer; /* next cycle, or next progress poll */
	struct entry *entries;
	size_t n;
	bool busy;          /* a cycle is under way */
	struct mono turned; /* the last cycle's end, or BIRD's coming */
	bool again;         /* what is wanted changed meanwhile */
	bool read_failed;
	bool was_checked; /* this cycle reconfigured */
	bool polling_progress;
	struct mono progress_since;
	size_t strays;     /* our routes in BIRD that nobody wants */
	size_t reads_left; /* replies of the read-back still to come */
	bool statics_missing;
	int64_t pause_ms;
	struct reconcile_bird bird;
	bool said_converged;
	bool file_failed; /* and it was said */
};

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
static void read_back(struct reconcile *r);

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

static void
set_error(struct reconcile *r, const char *what, const char *reason)
{
	bool is_new = strcmp(r->bird.last_error, reason) != 0;

	(void)text_copy(r->bird.last_error, sizeof(r->bird.last_error), reason);
	if (is_new)
		r->ops.on_notice(what, reason, r->ops.arg);
}

static bool
is_equal(const struct entry *e)
{
	return e->real == (e->wanted ? REAL_ANNOUNCED : REAL_WITHDRAWN);
}

static void
note_divergence(struct entry *e)
{
	if (is_equal(e)) {
		e->diverged_since = (struct mono){ 0 };
	} else if (e->diverged_since.us == 0) {
		e->diverged_since = mono_now();
	}
}

static void
set_real(struct reconcile *r, size_t i, enum route_real real)
{
	struct entry *e = &r->entries[i];
	enum route_real before = e->real;

	e->real = real;
	note_divergence(e);
	if (before != real)
		r->ops.on_real(i, before, real, r->ops.arg);
}

static bool
all_equal(const struct reconcile *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!is_equal(&r->entries[i]))
			return false;
	}
	return r->strays == 0;
}

/* For bsearch: a prefix against an entry. */
static int
entry_compare(const void *key, const void *member)
{
	return prefix_compare(key, &((const struct entry *)member)->prefix);
}

/* ---- the end of a cycle ---- */

static void
cycle_end(struct reconcile *r, int64_t pause_ms)
{
	r->busy = false;
	r->turned = mono_now();
	r->polling_progress = false;
	if (r->again)
		pause_ms = 0;
	if (r->client != NULL && bird_client_is_up(r->client))
		loop_timer_set(r->timer, pause_ms);
	/* else: on_up starts the next one */
}

static void
cycle_failed(struct reconcile *r, const char *reason)
{
	r->bird.failures++;
	set_error(r, "bird: change not carried out", reason);
	cycle_end(r, r->pause_ms);
	r->pause_ms =
	    r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

static const char *
missing_text(const struct reconcile *r, char text[REASON_BYTES])
{
	(void)snprintf(text, REASON_BYTES, "bird.conf does not include %s",
	    r->conf->include);
	return text;
}

static void
compare(struct reconcile *r)
{
	char text[REASON_BYTES];

	for (size_t i = 0; i < r->n; i++) {
		r->entries[i].exported_to = r->entries[i].seen_exports;
		set_real(r, i,
		    r->entries[i].seen ? REAL_ANNOUNCED : REAL_WITHDRAWN);
	}
	if (r->again || !all_equal(r)) {
		if (r->was_checked && r->statics_missing) {
			cycle_failed(r, missing_text(r, text));
		} else if (r->was_checked && !r->again) {
			cycle_failed(r, "bird has other routes than wanted");
		} else {
			cycle_end(r, 0);
		}
		return;
	}
	/* Nothing is to be announced yet, but then it could not be. */
	if (r->statics_missing) {
		set_error(r, "bird: include missing", missing_text(r, text));
	} else {
		r->bird.last_error[0] = '\0';
	}
	r->pause_ms = PAUSE_MIN_MS;
	if (!r->said_converged)
		r->ops.on_converged(r->ops.arg);
	r->said_converged = true;
	cycle_end(r, r->conf->poll_ms);
}

/* ---- read back ---- */

static void
read_done(struct reconcile *r)
{
	if (--r->reads_left > 0)
		return;
	if (r->read_failed) {
		cycle_end(r, r->pause_ms);
	} else {
		compare(r);
	}
}

static void
on_table_route(const struct prefix *prefix, const char *protocol, void *arg)
{
	struct reconcile *r = arg;
	struct entry *e = bsearch(prefix, r->entries, r->n,
	    sizeof(r->entries[0]), entry_compare);

	(void)protocol;
	if (e != NULL) {
		e->seen = true;
	} else {
		r->strays++;
	}
}

static void
on_export_route(const struct prefix *prefix, const char *protocol, void *arg)
{
	struct reconcile *r = arg;
	struct entry *e = bsearch(prefix, r->entries, r->n,
	    sizeof(r->entries[0]), entry_compare);

	(void)protocol;
	if (e != NULL)
		e->seen_exports++;
}

static void
on_table(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	(void)err;
	if (reply != NULL && bird_code_is_ok(reply->code)) {
		bird_show_routes(reply, on_table_route, r);
	} else if (reply != NULL && reply->code >= CODE_PARSE_ERRORS) {
		/* BIRD does not know the name: the include is not there. */
		r->statics_missing = true;
	} else {
		/* Such as 8004, cut off by a reconfiguration. */
		r->read_failed = true;
	}
	read_done(r);
}

static void
on_exports(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	(void)err;
	if (reply != NULL && bird_code_is_ok(reply->code)) {
		bird_show_routes(reply, on_export_route, r);
	} else if (reply == NULL || reply->code < CODE_PARSE_ERRORS) {
		r->read_failed = true;
	}
	/* else: it went down or away meanwhile, and exports nothing */
	read_done(r);
}

/* Sends one command of the read-back; counts it first. */
static void
read_send(struct reconcile *r, const char *command, bird_reply_cb *cb)
{
	r->reads_left++;
	if (bird_client_send(r->client, command, cb, r) == -1) {
		r->reads_left--;
		r->read_failed = true;
	}
}

static void
on_protocols(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	static struct bird_session sessions[BIRD_SESSIONS_MAX];
	size_t n;

	(void)err;
	if (reply == NULL) {
		r->read_failed = true;
		read_done(r);
		return;
	}
	n = bird_show_sessions(reply, sessions, BIRD_SESSIONS_MAX);
	r->bird.sessions_all = n;
	r->bird.sessions_up = 0;
	for (size_t i = 0; i < n && i < BIRD_SESSIONS_MAX; i++) {
		char command[BIRD_NAME_MAX + 96];
		const char *name = sessions[i].name;

		if (!sessions[i].is_up)
			continue;
		r->bird.sessions_up++;
		/* Quoted: a name such as up-link.1 is none without. */
		(void)snprintf(command, sizeof(command),
		    "show route export '%.*s' where proto = \"" BIRD_STATIC4
		    "\" || proto = \"" BIRD_STATIC6 "\"",
		    BIRD_NAME_MAX, name);
		read_send(r, command, on_exports);
	}
	read_done(r);
}

static void
read_back(struct reconcile *r)
{
	r->read_failed = false;
	r->statics_missing = false;
	r->strays = 0;
	for (size_t i = 0; i < r->n; i++) {
		r->entries[i].seen = false;
		r->entries[i].seen_exports = 0;
	}
	/* One is held back so that the last callback ends it, whatever fails. */
	r->reads_left = 1;
	read_send(r, "show route protocol " BIRD_STATIC4, on_table);
	read_send(r, "show route protocol " BIRD_STATIC6, on_table);
	read_send(r, "show protocols", on_protocols);
	read_done(r);
}

/* ---- reconfigure ---- */

static void on_status(const struct bird_reply *reply, const struct err *err,
    void *arg);

static void
poll_progress(struct reconcile *r)
{
	r->polling_progress = false;
	if (bird_client_send(r->client, "show status", on_status, r) == -1)
		cycle_end(r, r->pause_ms);
}

static void
on_status(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		cycle_failed(r, err->msg);
		return;
	}
	if (!bird_show_is_reconfiguring(reply)) {
		read_back(r);
		return;
	}
	if (mono_diff_ms(mono_now(), r->progress_since) > PROGRESS_MAX_MS) {
		cycle_failed(r, "bird: reconfiguration does not end");
		return;
	}
	r->polling_progress = true;
	loop_timer_set(r->timer, PROGRESS_POLL_MS);
}

static void
on_configured(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		cycle_failed(r, err->msg);
		return;
	}
	switch (reply->code) {
	case CODE_RECONFIGURED:
		r->bird.reconfigurations++;
		read_back(r);
		break;
	case CODE_IN_PROGRESS:
	case CODE_QUEUED:
		r->bird.reconfigurations++;
		r->progress_since = mono_now();
		poll_progress(r);
		break;
	default:
		cycle_failed(r, bird_reply_text(reply));
	}
}

static void
on_checked(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct reconcile *r = arg;

	if (reply == NULL) {
		cycle_failed(r, err->msg);
		return;
	}
	/*
	 * Our file stays as it is: it is what we want, and whoever mends the
	 * rest of the configuration gets it with his own reconfiguration.
	 */
	if (reply->code != CODE_CONFIG_OK) {
		cycle_failed(r, bird_reply_text(reply));
		return;
	}
	r->was_checked = true;
	if (bird_client_send(r->client, "configure soft", on_configured, r) ==
	    -1)
		cycle_end(r, r->pause_ms);
}

/* ---- the start of a cycle ---- */

static char *
wanted_text(const struct reconcile *r)
{
	struct prefix *announced = xcalloc(r->n, sizeof(*announced));
	size_t n = 0;
	char *text;

	for (size_t i = 0; i < r->n; i++) {
		if (r->entries[i].wanted)
			announced[n++] = r->entries[i].prefix;
	}
	text = bird_include_format(announced, n);
	free(announced);
	return text;
}

/* 1 written, 0 it was as wanted already, -1 err. */
static int
write_file(struct reconcile *r, struct err *err)
{
	char *have = bird_include_read(r->conf->include, err);
	char *want;
	int rc = 0;

	if (have == NULL)
		return -1;
	want = wanted_text(r);
	if (strcmp(have, want) != 0) {
		rc = bird_include_write(r->conf->include, want, err) == -1 ? -1
									   : 1;
	}
	free(have);
	free(want);
	return rc;
}

static void
cycle_start(struct reconcile *r)
{
	bool was_done = r->said_converged && !r->again;
	struct err err;
	int written;

	if (r->busy || !bird_client_is_up(r->client))
		return;
	r->busy = true;
	r->again = false;
	r->was_checked = false;
	written = write_file(r, &err);
	if (written == -1) {
		cycle_failed(r, err.msg);
		return;
	}
	if (written == 1 && was_done) {
		r->ops.on_notice("bird: include file put right",
		    "somebody else changed it", r->ops.arg);
	}
	if (written == 0 && all_equal(r)) {
		read_back(r);
		return;
	}
	r->said_converged = false;
	if (bird_client_send(r->client, "configure check", on_checked, r) == -1)
		cycle_end(r, r->pause_ms);
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct reconcile *r = arg;

	(void)lp;
	if (r->polling_progress) {
		poll_progress(r);
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
	r->busy = true;
	r->turned = mono_now();
	r->again = false;
	r->was_checked = false;
	read_back(r);
}

/*
 * While BIRD is away: the next one begins with what is wanted, not with what
 * was, and it would not even start without its include.
 */
static void
keep_file(struct reconcile *r)
{
	struct err err;
	bool failed = write_file(r, &err) == -1;

	if (failed && !r->file_failed) {
		r->ops.on_notice("bird: change not carried out", err.msg,
		    r->ops.arg);
	}
	r->file_failed = failed;
}

static void
on_bird_down(const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	enum bird_state state =
	    err->code == ERR_TIMEOUT ? BIRD_SILENT : BIRD_DOWN;

	loop_timer_cancel(r->timer);
	r->busy = false;
	r->polling_progress = false;
	r->bird.sessions_up = 0;
	/* Also when it was never found: the first word about it. */
	if (r->bird.state != state || r->bird.last_error[0] == '\0')
		r->ops.on_notice("bird: lost", err->msg, r->ops.arg);
	r->bird.state = state;
	(void)text_copy(r->bird.last_error, sizeof(r->bird.last_error),
	    err->msg);
	for (size_t i = 0; i < r->n; i++) {
		r->entries[i].exported_to = 0;
		set_real(r, i, REAL_UNKNOWN);
	}
	keep_file(r);
}

/* ---- the door ---- */

/* What our file announced when the last daemon ended is still wanted. */
static void
adopt(struct reconcile *r)
{
	struct err err;
	char *text = bird_include_read(r->conf->include, &err);
	struct prefix *had;
	size_t n;

	if (text == NULL) {
		log_warnx("reconcile: %s", err.msg);
		return;
	}
	n = bird_include_parse(text, NULL, 0);
	had = xcalloc(n, sizeof(*had));
	(void)bird_include_parse(text, had, n);
	for (size_t i = 0; i < n; i++) {
		struct entry *e = bsearch(&had[i], r->entries, r->n,
		    sizeof(r->entries[0]), entry_compare);

		if (e != NULL)
			e->wanted = true;
	}
	free(had);
	free(text);
}

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
		.pause_ms = PAUSE_MIN_MS };
	r->entries = xcalloc(n, sizeof(*r->entries));
	for (size_t i = 0; i < n; i++)
		r->entries[i].prefix = prefixes[i];
	adopt(r);
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
	loop_timer_free(r->timer);
	free(r->entries);
	free(r);
}

void
reconcile_want(struct reconcile *r, size_t i, bool announced)
{
	assert(i < r->n);
	if (r->entries[i].wanted == announced)
		return;
	r->entries[i].wanted = announced;
	r->again = true;
	note_divergence(&r->entries[i]);
}

void
reconcile_apply(struct reconcile *r)
{
	if (!r->again || r->busy)
		return;
	if (bird_client_is_up(r->client)) {
		r->pause_ms = PAUSE_MIN_MS;
		cycle_start(r);
	} else {
		keep_file(r);
	}
}

/* Every reply of BIRD has its time, and so has a cycle. */
bool
reconcile_turns(const struct reconcile *r)
{
	int64_t most_ms = r->conf->poll_ms + PROGRESS_MAX_MS +
	    CYCLE_REPLIES_MAX * r->conf->timeout_ms;

	return !bird_client_is_up(r->client) ||
	    mono_diff_ms(mono_now(), r->turned) <= most_ms;
}

bool
reconcile_wanted(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].wanted;
}

enum route_real
reconcile_real(const struct reconcile *r, size_t i)
{
	assert(i < r->n);
	return r->entries[i].real;
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
}
