/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/uplink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "store/intent_row.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "probes/sweep.h"
#include "site/agent_guards.h"
#include "site/agent_state.h"
#include "site/orders.h"
#include "site/sweep_link.h"
#include "store/utf8.h"

#define POLL_WAIT_MS 20000
#define POLL_SLACK_MS 5000
#define POST_TIMEOUT_MS 5000
#define STATUS_EVERY_MS 1000
/* Changes within so long go out together. */
#define STATUS_SOON_MS 20
/* Orders wait for the disk. */
#define STATUS_KEPT_MS 100
#define RETRY_MS 200
#define ORDERS_MAX_BYTES (4u << 20)
#define ANSWER_MAX_BYTES 65536
#define BATCHES_MAX_BYTES (64u << 20)

struct batch {
	STAILQ_ENTRY(batch) entry;
	uint64_t seq;
	bool is_sent; /* once at least: the controller may have taken it */
	size_t len;
	uint8_t *bytes;
};
STAILQ_HEAD(batch_queue, batch);

struct uplink {
	struct agent *agent;
	struct fetch *poll, *post, *delivery;
	struct loop_timer *poll_timer, *post_timer, *delivery_timer;
	/* Of the prefixes, agent_prefixes.h: what the controller has of us as
	 * it says (0: nothing), and what was left out of the status for that. */
	uint64_t held_version;
	bool left_out;
	bool touched;             /* again, while a status is on its way */
	uint64_t wanted_revision; /* of the newest document seen */
	uint64_t applied_revision;
	/* The newest one on disk: a permit that was given back must not be here
	 * again after a restart.  Of the newest seen: is it kept, in which row? */
	uint64_t kept_revision;
	bool is_kept;
	uint64_t kept_row;
	bool was_kept; /* when the status was made */
	/* FLUSHED came for the document: applied once `barrier` is in.  The
	 * oldest that waits for it, and the newest; revision 0: none. */
	struct flushed {
		uint64_t revision, barrier;
	} flushed, next_flushed;
	struct batch_queue batches;
	struct batch *newest; /* of them; NULL: none */
	size_t batches_bytes;
	uint64_t last_seq, delivered_seq, lost_batches;
	struct mono contact; /* last answer of the controller */
	char last_error[160];
	struct log_limit limit;
};

static void poll_orders(struct uplink *up);
static void deliver(struct uplink *up);

/* ---- contact ---- */

/* Any answer counts as contact; trouble is logged when it begins. */
static bool
check_answer(struct uplink *up, const struct fetch_answer *answer,
    const char *what)
{
	if (answer->status >= 200 && answer->status < 300) {
		if (up->last_error[0] != '\0')
			log_info("controller: in contact again");
		up->last_error[0] = '\0';
		up->contact = mono_now();
		return true;
	}
	if (up->last_error[0] == '\0') {
		if (answer->status != 0) {
			log_limited(&up->limit, "controller: %s: status %d: %s",
			    what, answer->status, (const char *)answer->body);
		} else {
			log_limited(&up->limit, "controller: %s: %s", what,
			    answer->err.msg);
		}
	}
	/* It may be another one when it is back, and one that knows nothing of
	 * prefixes that are left out. */
	up->held_version = 0;
	(void)text_copy(up->last_error, sizeof(up->last_error),
	    answer->status != 0 ? (const char *)answer->body : answer->err.msg);
	utf8_clean(up->last_error);
	if (up->last_error[0] == '\0')
		(void)text_copy(up->last_error, sizeof(up->last_error), what);
	return false;
}

static char *
site_url(const struct uplink *up, const char *rest)
{
	return xasprintf("%s/v1/sites/%s/%s", up->agent->conf->controller,
	    up->agent->conf->site, rest);
}

/* ---- orders ---- */

static void
become_applied(struct uplink *up)
{
	bool is_news = false;

	while (up->flushed.revision != 0 &&
	    up->delivered_seq >= up->flushed.barrier) {
		up->applied_revision = up->flushed.revision;
		up->flushed = up->next_flushed;
		up->next_flushed = (struct flushed){ 0 };
		is_news = true;
	}
	if (is_news)
		uplink_touch(up);
}

/*
 * All that was captured before that document is queued.  Documents may come
 * faster than replies get through: one that waits must not be put off by those
 * behind it.
 */
static void
take_flushed(struct uplink *up, uint64_t revision)
{
	struct flushed done = { revision, up->last_seq };

	if (up->flushed.revision == 0) {
		up->flushed = done;
	} else {
		up->next_flushed = done;
	}
	become_applied(up);
}

static void
apply_intents(struct agent *a, const struct orders *o)
{
	for (size_t i = 0; i < o->n_intents; i++)
		(void)intent_book_take(&a->intents, &o->intents[i], NULL, NULL);
	for (size_t i = 0; i < o->n_ended; i++)
		intent_book_end(&a->intents, o->ended[i], "controller");
}

static void
apply(struct uplink *up, const struct orders *o)
{
	struct agent *a = up->agent;

	/* Never, but from a controller that lost its store. */
	if (o->revision < up->wanted_revision) {
		up->flushed = up->next_flushed = (struct flushed){ 0 };
		up->applied_revision = 0;
		up->kept_revision = 0;
	}
	up->wanted_revision = o->revision;
	apply_intents(a, o);
	if (o->awaits_last) {
		agent_guards_keep_last(a->guards);
	} else {
		agent_guards_take_last(a->guards, o->has_last, o->last,
		    o->n_last);
	}
	a->withheld_by = o->withheld_by;
	agent_take_permits(a, o->has_permits, o->permits, o->n_permits);
	agent_hold_tests(a, o->tests, o->n_tests);
	if (a->sweep == NULL) {
		take_flushed(up, o->revision);
		return;
	}
	/* What was captured under the old document comes first. */
	sweep_link_flush(a->sweep, o->revision);
	sweep_link_capture(a->sweep, o->tests, o->n_tests);
	if (o->job.job != 0) {
		sweep_link_run(a->sweep, &o->job);
	} else {
		sweep_link_stop(a->sweep);
	}
}

/* False while the newest orders are on their way to the disk. */
static bool
note_kept(struct uplink *up)
{
	if (up->is_kept && store_is_durable(up->agent->env.store, up->kept_row))
		up->kept_revision = up->wanted_revision;
	return up->kept_revision == up->wanted_revision;
}

/* Thousands of drains are more than an order's row takes.  They are rows of
 * their own, and of the last orders only the permits are read.  The caller frees
 * it; NULL: no memory. */
static char *
orders_without_intents(const struct fetch_answer *answer)
{
	json_t *doc =
	    json_loadb((const char *)answer->body, answer->body_len, 0, NULL);
	char *text;

	json_object_set_new(doc, "intents", json_array());
	json_object_set_new(doc, "ended", json_array());
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

/* For the next start: permits hold until the controller says otherwise. */
static void
keep_orders(struct uplink *up, const struct orders *o,
    const struct fetch_answer *answer)
{
	const struct agent *a = up->agent;
	const char *text = (const char *)answer->body;
	char *shorter = NULL;

	(void)note_kept(up); /* of those before it */
	if (answer->body_len > STORE_ORDER_MAX)
		text = shorter = orders_without_intents(answer);
	up->is_kept = text != NULL &&
	    store_put_order(a->env.store, a->conf->site, o->revision, text,
		NULL, NULL) == 0;
	up->kept_row = store_newest(a->env.store);
	if (!up->is_kept)
		log_limited(&up->limit, "orders: too long to be kept");
	free(shorter);
}

/* What the last orders permitted; all if there never were any, and nothing if
 * they cannot be read: until the controller is heard, all is kept. */
static void
load_permits(struct agent *a)
{
	uint64_t revision;
	struct err err = { 0 };
	char *text = NULL;
	int rc =
	    query_order(a->env.query, a->conf->site, &revision, &text, &err);
	json_t *doc = rc == 1 ? json_loads(text, 0, NULL) : NULL;
	struct orders o;

	free(text);
	if (doc != NULL && orders_parse(doc, &o, &err) == 0) {
		a->withheld_by = o.withheld_by;
		agent_set_permits(a, o.has_permits, o.permits, o.n_permits);
		orders_fini(&o);
	} else if (rc != 0) {
		log_warnx("orders: the last ones cannot be read: %s", err.msg);
		/* They may have taken a permit away. */
		agent_set_permits(a, true, NULL, 0);
	}
	json_decref(doc);
}

/* False when it is not the news that was asked for. */
static bool
take_orders(struct uplink *up, const struct fetch_answer *answer)
{
	bool is_news = false;
	json_error_t why;
	json_t *doc = json_loadb((const char *)answer->body, answer->body_len,
	    JSON_REJECT_DUPLICATES, &why);
	struct orders o;
	struct err err;

	if (doc == NULL) {
		log_limited(&up->limit, "controller: orders: %s", why.text);
		return false;
	}
	if (orders_parse(doc, &o, &err) == -1) {
		log_limited(&up->limit, "controller: %s", err.msg);
	} else {
		is_news = o.revision != up->wanted_revision;
		if (is_news) {
			keep_orders(up, &o, answer);
			apply(up, &o);
		}
		orders_fini(&o);
	}
	json_decref(doc);
	return is_news;
}

static void
on_orders(const struct fetch_answer *answer, void *arg)
{
	struct uplink *up = arg;

	up->poll = NULL;
	/* Orders that we cannot read confirm nothing, and come at once. */
	if (!check_answer(up, answer, "orders") ||
	    (answer->status == 200 && !take_orders(up, answer))) {
		loop_timer_set(up->poll_timer, RETRY_MS);
		return;
	}
	agent_renew_tests(up->agent);
	poll_orders(up);
}

static void
poll_orders(struct uplink *up)
{
	char *rest = xasprintf("orders?after=%" PRIu64 "&wait_ms=%d&boot=%s",
	    up->wanted_revision, POLL_WAIT_MS, up->agent->boot);
	char *url = site_url(up, rest);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.tls = agent_tls(up->agent),
		.timeout_ms = POLL_WAIT_MS + POLL_SLACK_MS,
		.max_body_bytes = ORDERS_MAX_BYTES };

	up->poll = fetch_start(up->agent->env.fetch, &req, on_orders, up);
	free(url);
	free(rest);
}

static void
on_poll_timer(struct loop *lp, void *arg)
{
	(void)lp;
	poll_orders(arg);
}

/* ---- status ---- */

static int64_t
next_status_ms(const struct uplink *up)
{
	if (up->touched)
		return STATUS_SOON_MS;
	return up->is_kept && !up->was_kept ? STATUS_KEPT_MS : STATUS_EVERY_MS;
}

static void
on_posted(const struct fetch_answer *answer, void *arg)
{
	struct uplink *up = arg;
	json_t *body;
	json_int_t revision = 0, held = 0;

	up->post = NULL;
	loop_timer_set(up->post_timer, next_status_ms(up));
	if (!check_answer(up, answer, "status"))
		return;
	body =
	    json_loadb((const char *)answer->body, answer->body_len, 0, NULL);
	if (json_unpack(body, "{s:I}", "revision", &revision) == 0 &&
	    (uint64_t)revision == up->wanted_revision) {
		/* It still wants what we do. */
		agent_renew_tests(up->agent);
	}
	(void)json_unpack(body, "{s:I}", "prefixes_version", &held);
	json_decref(body);
	/* A controller that was started anew has nothing. */
	if (up->left_out && (uint64_t)held != up->held_version)
		loop_timer_set(up->post_timer, STATUS_SOON_MS);
	up->held_version = held > 0 ? (uint64_t)held : 0;
}

static json_t *
status_body(struct uplink *up)
{
	json_t *body = agent_status(up->agent);
	json_int_t version =
	    json_integer_value(json_object_get(body, "prefixes_version"));

	/* There may be thousands, and they say the same for weeks. */
	up->left_out = up->held_version == (uint64_t)version;
	if (up->left_out)
		json_object_del(body, "prefixes");
	/* Of a permit that it took away it makes something else then. */
	up->was_kept = note_kept(up);
	json_object_set_new(body, "wanted_revision",
	    json_integer((json_int_t)up->kept_revision));
	/* Ended ones too: the controller must hear of a restore here. */
	json_object_set_new(body, "intents",
	    intents_to_json(&up->agent->intents.set, up->agent->conf->site,
		false));
	return body;
}

static void
on_post_timer(struct loop *lp, void *arg)
{
	struct uplink *up = arg;
	json_t *body;
	char *text, *url;
	struct fetch_request req;

	(void)lp;
	if (up->post != NULL)
		return;
	up->touched = false;
	body = status_body(up);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (text == NULL) {
		log_limited(&up->limit, "status: cannot be written as JSON");
		loop_timer_set(up->post_timer, STATUS_EVERY_MS);
		return;
	}
	url = site_url(up, "status");
	req = (struct fetch_request){ .method = "POST",
		.url = url,
		.tls = agent_tls(up->agent),
		.content_type = "application/json",
		.body = text,
		.body_len = strlen(text),
		.timeout_ms = POST_TIMEOUT_MS,
		.max_body_bytes = ANSWER_MAX_BYTES };
	up->post = fetch_start(up->agent->env.fetch, &req, on_posted, up);
	free(url);
	free(text);
}

void
uplink_touch(struct uplink *up)
{
	if (up->touched)
		return;
	up->touched = true;
	if (up->post == NULL)
		loop_timer_set(up->post_timer, STATUS_SOON_MS);
}

/* ---- replies ---- */

static void
batch_drop_first(struct uplink *up)
{
	struct batch *b = STAILQ_FIRST(&up->batches);

	STAILQ_REMOVE_HEAD(&up->batches, entry);
	if (b == up->newest)
		up->newest = NULL;
	up->batches_bytes -= b->len;
	up->delivered_seq = b->seq;
	free(b->bytes);
	free(b);
}

static void
on_delivered(const struct fetch_answer *answer, void *arg)
{
	struct uplink *up = arg;

	up->delivery = NULL;
	/* A refusal is an answer: those replies are of no use to it. */
	if (answer->status == 409 || answer->status == 400) {
		up->lost_batches++;
		batch_drop_first(up);
	} else if (check_answer(up, answer, "replies")) {
		batch_drop_first(up);
	} else {
		loop_timer_set(up->delivery_timer, RETRY_MS);
		return;
	}
	become_applied(up);
	deliver(up);
}

static void
deliver(struct uplink *up)
{
	struct batch *b = STAILQ_FIRST(&up->batches);
	char *rest, *url;
	struct fetch_request req;

	if (b == NULL || up->delivery != NULL)
		return;
	b->is_sent = true;
	rest =
	    xasprintf("replies?boot=%s&seq=%" PRIu64, up->agent->boot, b->seq);
	url = site_url(up, rest);
	req = (struct fetch_request){ .method = "POST",
		.url = url,
		.tls = agent_tls(up->agent),
		.content_type = "application/octet-stream",
		.body = b->bytes,
		.body_len = b->len,
		.timeout_ms = POST_TIMEOUT_MS,
		.max_body_bytes = ANSWER_MAX_BYTES };
	up->delivery =
	    fetch_start(up->agent->env.fetch, &req, on_delivered, up);
	free(url);
	free(rest);
}

static void
on_delivery_timer(struct loop *lp, void *arg)
{
	(void)lp;
	deliver(arg);
}

/*
 * One batch at a time is on its way, for as long as the way there and back
 * takes, while the sweeper makes up to 20 in a second: what waits goes together,
 * or a controller far away would hear of it minutes later.
 */
static bool
join_waiting(struct uplink *up, const uint8_t *body, size_t len)
{
	struct batch *b = up->newest;
	size_t joined;

	if (b == NULL || b->is_sent)
		return false;
	b->bytes = xreallocarray(b->bytes, b->len + len, 1);
	joined = sweep_join_replies(b->bytes, b->len, b->len + len, body, len);
	if (joined == 0)
		return false;
	up->batches_bytes += joined - b->len;
	b->len = joined;
	return true;
}

void
uplink_queue_replies(struct uplink *up, const uint8_t *body, size_t len)
{
	struct batch *b;

	if (up->batches_bytes + len > BATCHES_MAX_BYTES) {
		/* Counted: the controller then discards the experiment. */
		up->lost_batches++;
		return;
	}
	if (join_waiting(up, body, len))
		return;
	b = xcalloc(1, sizeof(*b));
	b->bytes = xcalloc(len, 1);
	memcpy(b->bytes, body, len);
	b->len = len;
	b->seq = ++up->last_seq;
	STAILQ_INSERT_TAIL(&up->batches, b, entry);
	up->newest = b;
	up->batches_bytes += len;
	deliver(up);
}

void
uplink_on_flushed(struct uplink *up, uint64_t cookie)
{
	if (cookie > up->wanted_revision || cookie <= up->applied_revision)
		return;
	take_flushed(up, cookie);
}

/* ---- life ---- */

struct uplink *
uplink_new(struct agent *a)
{
	struct uplink *up = xcalloc(1, sizeof(*up));

	up->agent = a;
	up->contact = mono_now();
	STAILQ_INIT(&up->batches);
	up->poll_timer = loop_timer_new(a->env.lp, on_poll_timer, up);
	up->post_timer = loop_timer_new(a->env.lp, on_post_timer, up);
	up->delivery_timer = loop_timer_new(a->env.lp, on_delivery_timer, up);
	load_permits(a);
	loop_timer_set(up->poll_timer, 0);
	loop_timer_set(up->post_timer, 0);
	return up;
}

void
uplink_inherit(struct uplink *up, const struct uplink *from)
{
	up->contact = from->contact;
	if (strcmp(up->agent->conf->controller,
		from->agent->conf->controller) == 0) {
		memcpy(up->last_error, from->last_error,
		    sizeof(up->last_error));
	}
}

void
uplink_free(struct uplink *up)
{
	if (up == NULL)
		return;
	fetch_cancel(up->poll);
	fetch_cancel(up->post);
	fetch_cancel(up->delivery);
	loop_timer_free(up->poll_timer);
	loop_timer_free(up->post_timer);
	loop_timer_free(up->delivery_timer);
	while (!STAILQ_EMPTY(&up->batches))
		batch_drop_first(up);
	free(up);
}

int64_t
uplink_silent_ms(const struct uplink *up)
{
	return mono_diff_ms(mono_now(), up->contact);
}

json_t *
uplink_status(const struct uplink *up)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "url",
	    up->agent->conf->controller, "state",
	    up->last_error[0] == '\0' ? "connected" : "silent", "last_error",
	    up->last_error, "silent_for_ms", (json_int_t)uplink_silent_ms(up),
	    "applied_revision", (json_int_t)up->applied_revision,
	    "wanted_revision", (json_int_t)up->wanted_revision, "lost_batches",
	    (json_int_t)up->lost_batches);
}
