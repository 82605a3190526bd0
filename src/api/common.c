/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/common.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/version.h"
#include "base/xalloc.h"

#define EVENTS_DEFAULT 50
#define EVENTS_MAX 1000
#define EVENTS_WAIT_MAX_MS 30000
/* How often the store is asked while somebody waits: rows are written by
 * another process, so there is nothing to be told by. */
#define EVENTS_POLL_MS 100
/* Each of them asks the store: with more, the others are answered at once. */
#define WAITERS_MAX 64
#define EXPLAIN_EVENTS 10

struct waiter {
	LIST_ENTRY(waiter) entry;
	struct api_events *ev;
	struct api_request *req;
	int64_t after;
	unsigned limit;
	char *subject; /* NULL: any */
	struct mono deadline;
};

struct api_events {
	struct query *query;
	struct loop_timer *poll;
	LIST_HEAD(, waiter) waiters;
};

/* ---- events ---- */

static void
waiter_free(struct waiter *w)
{
	LIST_REMOVE(w, entry);
	free(w->subject);
	free(w);
}

static void
on_waiter_gone(struct api_request *req, void *arg)
{
	(void)req;
	waiter_free(arg);
}

static void
send_events(struct api_request *req, json_t *events, int64_t after)
{
	size_t n = json_array_size(events);
	json_int_t last = after;

	if (n > 0) {
		last = json_integer_value(json_object_get(json_array_get(events,
							      n - 1),
		    "id"));
	}
	api_reply_json(req, 200,
	    json_pack("{s:o, s:I}", "events", events, "last", last));
}

/* True when the request was answered. */
static bool
try_events(struct waiter *w, bool is_over)
{
	struct err err;
	json_t *events =
	    query_events(w->ev->query, w->after, w->limit, w->subject, &err);

	if (events == NULL) {
		api_reply_err(w->req, &err);
		return true;
	}
	if (json_array_size(events) == 0 && !is_over) {
		json_decref(events);
		return false;
	}
	send_events(w->req, events, w->after);
	return true;
}

static void
on_events_poll(struct loop *lp, void *arg)
{
	struct api_events *ev = arg;
	struct waiter *w, *next;
	struct mono now = mono_now();

	(void)lp;
	for (w = LIST_FIRST(&ev->waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		if (try_events(w, !mono_before(now, w->deadline)))
			waiter_free(w);
	}
	if (!LIST_EMPTY(&ev->waiters))
		loop_timer_set(ev->poll, EVENTS_POLL_MS);
}

static size_t
count_waiters(const struct api_events *ev)
{
	const struct waiter *w;
	size_t n = 0;

	LIST_FOREACH (w, &ev->waiters, entry)
		n++;
	return n;
}

static void
handle_events(struct api_request *req, void *arg)
{
	static const int64_t ids[] = { -1, INT64_MAX };
	static const int64_t limits[] = { 1, EVENTS_MAX };
	static const int64_t waits[] = { 0, EVENTS_WAIT_MAX_MS };
	struct api_events *ev = arg;
	int64_t after = -1, limit = EVENTS_DEFAULT, wait_ms = 0;
	const char *subject = api_param(req, "subject");
	struct waiter *w;
	struct err err;

	if (api_param_i64(req, "after", ids, &after, &err) == -1 ||
	    api_param_i64(req, "limit", limits, &limit, &err) == -1 ||
	    api_param_i64(req, "wait_ms", waits, &wait_ms, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct waiter){ .ev = ev,
		.req = req,
		.after = after,
		.limit = (unsigned)limit,
		.subject = subject != NULL ? xstrdup(subject) : NULL,
		.deadline = mono_add_ms(mono_now(), wait_ms) };
	LIST_INSERT_HEAD(&ev->waiters, w, entry);
	if (try_events(w, wait_ms == 0 || count_waiters(ev) > WAITERS_MAX)) {
		waiter_free(w);
		return;
	}
	api_request_defer(req, on_waiter_gone, w);
	loop_timer_set(ev->poll, EVENTS_POLL_MS);
}

struct api_events *
api_events_new(struct loop *lp, struct query *query)
{
	struct api_events *ev = xcalloc(1, sizeof(*ev));

	ev->query = query;
	ev->poll = loop_timer_new(lp, on_events_poll, ev);
	LIST_INIT(&ev->waiters);
	return ev;
}

void
api_events_free(struct api_events *ev)
{
	struct waiter *w, *next;

	if (ev == NULL)
		return;
	for (w = LIST_FIRST(&ev->waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		assert(next != w);
		waiter_free(w);
	}
	loop_timer_free(ev->poll);
	free(ev);
}

void
api_events_serve(struct api_events *ev, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/events", API_READ, handle_events },
		{ 0 },
	};

	api_server_add(server, routes, ev);
}

json_t *
api_recent_events(struct query *query, const char *subject)
{
	struct err err;
	json_t *events = query_events(query, -1, EXPLAIN_EVENTS, subject, &err);

	if (events == NULL) {
		log_warnx("api: events: %s", err.msg);
		return json_array();
	}
	return events;
}

/* ---- answers that wait ---- */

struct api_later {
	struct api_request *req; /* NULL: the client went away */
	char *text;
};

static void
on_later_gone(struct api_request *req, void *arg)
{
	struct api_later *later = arg;

	(void)req;
	later->req = NULL;
}

struct api_later *
api_later_new(struct api_request *req, json_t *answer)
{
	struct api_later *later = xcalloc(1, sizeof(*later));

	*later = (struct api_later){ .req = req,
		.text = json_dumps(answer, JSON_COMPACT) };
	json_decref(answer);
	api_request_defer(req, on_later_gone, later);
	return later;
}

void
api_later_send(void *arg)
{
	struct api_later *later = arg;

	if (later->req != NULL)
		api_reply_text(later->req, 200, later->text);
	free(later->text);
	free(later);
}

void
api_later_refuse(struct api_later *later, const struct err *err)
{
	if (later->req != NULL)
		api_reply_err(later->req, err);
	free(later->text);
	free(later);
}

/* ---- status ---- */

json_t *
api_status_frame(const struct conf *conf, int64_t started_ms, json_t *sites)
{
	json_t *roles = json_array();

	if (conf->agent != NULL)
		json_array_append_new(roles, json_string("agent"));
	if (conf->controller != NULL)
		json_array_append_new(roles, json_string("controller"));
	return json_pack("{s:s, s:o, s:I, s:I, s:o}", "version",
	    anycastd_version(), "roles", roles, "now_ms",
	    (json_int_t)wall_now_ms(), "started_ms", (json_int_t)started_ms,
	    "sites", sites);
}
