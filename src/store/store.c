/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Main's side.  Every row becomes an encoded message with a rising sequence
 * and stays in the queue until the store process has it on disk:
 *
 *	head ... sent, not acknowledged ... | unsent ... tail
 *
 * A new store process gets everything from the head on; what the one before
 * had committed already is recognized there by its key.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "store/store_wire.h"

/* More than this does not go to the channel: it would be held twice. */
#define BACKLOG_MAX_BYTES (4u << 20)
/* Never dropped, but somebody must look; and look no more when it is less. */
#define QUEUE_ALARM_BYTES (256u << 20)
#define QUEUE_CALM_BYTES (192u << 20)

struct pending {
	STAILQ_ENTRY(pending) entry;
	uint64_t seq;
	enum store_msg type;
	store_done_cb *on_durable; /* may be NULL */
	void *arg;
	bool more; /* STORE_ROW_MORE */
	size_t len;
	uint8_t body[];
};

struct store {
	struct worker *w;
	char *path;
	char boot[STORE_BOOT_BYTES + 1];
	STAILQ_HEAD(, pending) queue;
	struct pending *unsent; /* first one not handed to the channel */
	bool group_open;        /* the row before `unsent` had STORE_ROW_MORE */
	unsigned holds;         /* not released yet */
	uint64_t seq;           /* of the newest row */
	size_t n;
	size_t queued_bytes;
	/* The client list being put: where its next part begins. */
	uint32_t list, list_next;
	void (*on_alarm)(const char *text, void *arg);
	void *arg;
	bool in_trouble;     /* the store process says so */
	bool trouble_is_old; /* the one before said so */
	bool is_long;        /* the queue is */
	struct mono heard;   /* or nothing was to be said */
	unsigned kicks;      /* since then */
	uint8_t *scratch;    /* CHAN_BODY_MAX bytes */
};

static void
alarm_raise(const struct store *s, const char *text)
{
	if (s->on_alarm != NULL)
		s->on_alarm(text, s->arg);
}

static void
alarm_raise_queue(const struct store *s)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	    "%zu rows (%zu MiB) wait to be written: main's memory fills up",
	    s->n, s->queued_bytes >> 20);
	alarm_raise(s, text);
}

static void
check_queue_length(struct store *s)
{
	if (!s->is_long && s->queued_bytes > QUEUE_ALARM_BYTES) {
		s->is_long = true;
		alarm_raise_queue(s);
	} else if (s->is_long && s->queued_bytes < QUEUE_CALM_BYTES) {
		s->is_long = false;
		if (!s->in_trouble)
			alarm_raise(s, NULL);
	}
}

static void
trouble_over(struct store *s)
{
	s->trouble_is_old = false;
	if (!s->in_trouble)
		return;
	s->in_trouble = false;
	if (s->is_long) {
		alarm_raise_queue(s);
	} else {
		alarm_raise(s, NULL);
	}
}

/* The body is the text; empty when the trouble is over. */
static void
on_trouble(struct store *s, const struct chan_msg *msg)
{
	char text[STORE_ALARM_BYTES_MAX + 1];
	size_t len =
	    msg->len < STORE_ALARM_BYTES_MAX ? msg->len : STORE_ALARM_BYTES_MAX;

	if (len == 0) {
		trouble_over(s);
		return;
	}
	memcpy(text, msg->body, len);
	text[len] = '\0';
	s->in_trouble = true;
	s->trouble_is_old = false;
	alarm_raise(s, text);
}

static size_t
pending_bytes(const struct pending *p)
{
	return sizeof(*p) + p->len;
}

/* With the last one goes all that was sent before it. */
static int
send_row(struct store *s, const struct pending *p)
{
	return STAILQ_NEXT(p, entry) != NULL
	    ? worker_send_soon(s->w, (uint16_t)p->type, p->body, p->len)
	    : worker_send(s->w, (uint16_t)p->type, p->body, p->len);
}

/*
 * Hands on what the channel takes without growing long; the acknowledgements
 * call for more.  A transaction goes as a whole: nothing of it is acknowledged
 * before its last row is there.
 */
static void
pump(struct store *s)
{
	while (s->holds == 0 && s->unsent != NULL && worker_is_up(s->w)) {
		struct pending *p = s->unsent;

		if (!s->group_open &&
		    worker_backlog_bytes(s->w) >= BACKLOG_MAX_BYTES)
			return;
		if (send_row(s, p) == -1)
			return;
		s->group_open = p->more;
		s->unsent = STAILQ_NEXT(p, entry);
	}
}

static void
on_start(struct worker *w, void *arg)
{
	struct store *s = arg;
	struct wcursor out = { .p = s->scratch, .left = CHAN_BODY_MAX };

	store_wire_put_init(&out, s->path, s->boot);
	assert(!out.bad);
	(void)worker_send(w, STORE_MSG_INIT, s->scratch,
	    CHAN_BODY_MAX - out.left);
	s->unsent = STAILQ_FIRST(&s->queue);
	s->group_open = false;
	s->trouble_is_old = s->in_trouble;
	pump(s);
}

/* Everything up to seq is durable.  A callback may put new rows. */
static void
on_ack(struct store *s, uint64_t seq)
{
	struct pending *p;

	while ((p = STAILQ_FIRST(&s->queue)) != NULL && p != s->unsent &&
	    p->seq <= seq) {
		STAILQ_REMOVE_HEAD(&s->queue, entry);
		s->n--;
		s->queued_bytes -= pending_bytes(p);
		if (p->on_durable != NULL)
			p->on_durable(p->arg);
		free(p);
	}
	/* The store process that had trouble died before it saw the end. */
	if (s->trouble_is_old)
		trouble_over(s);
	check_queue_length(s);
	pump(s);
}

static void
on_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct store *s = arg;
	uint64_t seq;

	s->heard = mono_now();
	s->kicks = 0;
	if (msg->type == STORE_MSG_ALARM) {
		on_trouble(s, msg);
	} else if (msg->type == STORE_MSG_ACK &&
	    store_wire_decode_ack(msg, &seq) == 0) {
		on_ack(s, seq);
	} else {
		log_warnx("%s: message of type %u: not understood",
		    worker_name(w), msg->type);
	}
}

static void
boot_make(char out[STORE_BOOT_BYTES + 1])
{
	uint64_t bits;

	/* Never short, never interrupted for so few bytes (getrandom(2)). */
	if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits)) {
		log_warn("store: getrandom");
		abort();
	}
	(void)snprintf(out, STORE_BOOT_BYTES + 1, "%016llx",
	    (unsigned long long)bits);
}

struct store *
store_new(struct keeper *k, size_t kind, const char *path,
    void (*on_alarm)(const char *text, void *arg), void *arg)
{
	static const struct worker_ops ops = {
		.on_start = on_start,
		.on_msg = on_msg,
	};
	struct store *s = xcalloc(1, sizeof(*s));

	*s = (struct store){ .path = xstrdup(path),
		.on_alarm = on_alarm,
		.arg = arg,
		.scratch = xcalloc(1, CHAN_BODY_MAX) };
	STAILQ_INIT(&s->queue);
	boot_make(s->boot);
	s->w = worker_new(k, kind, &ops, s);
	return s;
}

void
store_free(struct store *s)
{
	struct pending *p;

	if (s == NULL)
		return;
	worker_free(s->w);
	while ((p = STAILQ_FIRST(&s->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->queue, entry);
		free(p);
	}
	free(s->path);
	free(s->scratch);
	free(s);
}

bool
store_watch(struct store *s)
{
	struct mono now = mono_now();

	if (s->n == 0 || s->in_trouble) {
		s->heard = now;
		s->kicks = 0;
	} else if (mono_diff_ms(now, s->heard) >= STORE_SILENT_MS) {
		s->heard = now;
		s->kicks++;
		worker_kick(s->w);
	}
	return s->kicks <= 2;
}

void
store_hold(struct store *s)
{
	s->holds++;
}

void
store_release(struct store *s)
{
	assert(s->holds > 0);
	s->holds--;
	pump(s);
}

size_t
store_backlog(const struct store *s)
{
	return s->n;
}

uint64_t
store_newest(const struct store *s)
{
	return s->seq;
}

bool
store_is_durable(const struct store *s, uint64_t number)
{
	const struct pending *p = STAILQ_FIRST(&s->queue);

	return p == NULL || p->seq > number;
}

/* A cursor on the scratch space, behind the head of the next row. */
static struct wcursor
row_begin(struct store *s)
{
	struct wcursor w = { .p = s->scratch, .left = CHAN_BODY_MAX };

	s->seq++;
	store_wire_put_head(&w, s->seq, 0);
	return w;
}

/* The row as it waits; whoever put it may still add to it, then sends it. */
static struct pending *
row_end(struct store *s, enum store_msg type, const struct wcursor *w)
{
	size_t len = CHAN_BODY_MAX - w->left;
	struct pending *p = xcalloc(1, sizeof(*p) + len);

	/* Every text is bounded, every count cut to what a message holds. */
	assert(!w->bad);
	p->seq = s->seq;
	p->type = type;
	p->len = len;
	memcpy(p->body, s->scratch, len);
	return p;
}

static void
row_queue(struct store *s, struct pending *p, store_done_cb *on_durable,
    void *arg)
{
	p->on_durable = on_durable;
	p->arg = arg;
	STAILQ_INSERT_TAIL(&s->queue, p, entry);
	if (s->unsent == NULL)
		s->unsent = p;
	s->n++;
	s->queued_bytes += pending_bytes(p);
	check_queue_length(s);
	pump(s);
}

void
store_put_event(struct store *s, const struct store_event *ev)
{
	struct wcursor w = row_begin(s);

	/* A delayed write keeps the time when it happened. */
	store_wire_put_event(&w, wall_now_ms(), ev);
	row_queue(s, row_end(s, STORE_MSG_EVENT, &w), NULL, NULL);
}

void
store_put_intent(struct store *s, const struct store_intent *in,
    store_done_cb *on_durable, void *arg)
{
	struct wcursor w = row_begin(s);

	store_wire_put_intent(&w, in);
	row_queue(s, row_end(s, STORE_MSG_INTENT, &w), on_durable, arg);
}

/* The row's parts and whom to tell: some take more than five parameters.
 * NOLINTBEGIN(readability-function-size) */
int
store_put_order(struct store *s, const char *site, uint64_t revision,
    const char *json, store_done_cb *on_durable, void *arg)
{
	struct wcursor w;

	if (strlen(json) > STORE_ORDER_MAX)
		return -1;
	w = row_begin(s);
	store_wire_put_order(&w, site, revision, json);
	row_queue(s, row_end(s, STORE_MSG_ORDER, &w), on_durable, arg);
	return 0;
}

int
store_put_state(struct store *s, const char *name, uint64_t revision,
    const char *json)
{
	struct wcursor w;

	if (strlen(json) > STORE_ORDER_MAX)
		return -1;
	w = row_begin(s);
	store_wire_put_order(&w, name, revision, json);
	row_queue(s, row_end(s, STORE_MSG_STATE, &w), NULL, NULL);
	return 0;
}

void
store_put_experiment(struct store *s, const struct store_experiment *ex,
    store_done_cb *on_durable, void *arg)
{
	struct wcursor w = row_begin(s);

	store_wire_put_experiment(&w, ex);
	row_queue(s, row_end(s, STORE_MSG_EXPERIMENT, &w), on_durable, arg);
}

void
store_put_campaign(struct store *s, const struct store_campaign *ca)
{
	struct wcursor w = row_begin(s);

	store_wire_put_campaign(&w, ca);
	row_queue(s, row_end(s, STORE_MSG_CAMPAIGN, &w), NULL, NULL);
}

void
store_put_null_run(struct store *s, const struct store_null_run *run)
{
	struct wcursor w = row_begin(s);

	store_wire_put_null_run(&w, run);
	row_queue(s, row_end(s, STORE_MSG_NULL_RUN, &w), NULL, NULL);
}

void
store_put_aside(struct store *s, uint32_t experiment, bool is_aside)
{
	struct wcursor w = row_begin(s);

	store_wire_put_aside(&w, experiment, is_aside);
	row_queue(s, row_end(s, STORE_MSG_ASIDE, &w), NULL, NULL);
}

void
store_expire(struct store *s, int64_t events_ms, int64_t outcomes_ms)
{
	struct wcursor w = row_begin(s);

	store_wire_put_expire(&w, events_ms, outcomes_ms);
	row_queue(s, row_end(s, STORE_MSG_EXPIRE, &w), NULL, NULL);
}

void
store_put_landing(struct store *s, const struct store_landing *l)
{
	struct wcursor w = row_begin(s);

	store_wire_put_landing(&w, l);
	row_queue(s, row_end(s, STORE_MSG_LANDING, &w), NULL, NULL);
}

void
store_put_clients(struct store *s, uint32_t list,
    const struct store_client *clients, uint32_t n, bool last,
    store_done_cb *on_durable, void *arg)
{
	uint32_t done = 0;

	if (s->list != list) {
		s->list = list;
		s->list_next = 0;
	}
	do {
		uint32_t part = n - done < STORE_CLIENTS_PER_MSG
		    ? n - done
		    : STORE_CLIENTS_PER_MSG;
		bool is_end = last && done + part == n;
		struct store_clients_head head = { .list = list,
			.first = s->list_next,
			.last = is_end,
			.created_ms = wall_now_ms() };
		struct wcursor w = row_begin(s);

		store_wire_put_clients(&w, &head, clients + done, part);
		row_queue(s, row_end(s, STORE_MSG_CLIENTS, &w),
		    is_end ? on_durable : NULL, arg);
		s->list_next += part;
		done += part;
	} while (done < n);
}

void
store_put_outcomes(struct store *s, const struct store_outcomes *out)
{
	struct store_outcomes part = *out;
	uint32_t left = out->n;

	while (left > 0) {
		struct wcursor w = row_begin(s);

		part.n = left < STORE_OUTCOMES_PER_CHUNK
		    ? left
		    : STORE_OUTCOMES_PER_CHUNK;
		store_wire_put_outcomes(&w, &part);
		row_queue(s, row_end(s, STORE_MSG_OUTCOMES, &w), NULL, NULL);
		part.first += part.n;
		part.sites += part.n;
		if (part.rtt_us != NULL)
			part.rtt_us += part.n;
		left -= part.n;
	}
}

void
store_put_heirs(struct store *s, const struct store_experiment *ex,
    const struct store_heir *heirs, size_t n, store_done_cb *on_durable,
    void *arg)
{
	size_t done = 0;
	bool is_end;

	do {
		struct wcursor w = row_begin(s), head;
		struct pending *p;

		store_wire_put_heirs_head(&w, ex, done == 0);
		while (done < n && store_wire_put_heir(&w, &heirs[done]))
			done++;
		is_end = done == n;
		p = row_end(s, STORE_MSG_HEIRS, &w);
		p->more = !is_end;
		head = (struct wcursor){ .p = p->body, .left = p->len };
		store_wire_put_head(&head, p->seq,
		    p->more ? STORE_ROW_MORE : 0);
		row_queue(s, p, is_end ? on_durable : NULL, arg);
	} while (!is_end);
}

void
store_put_recent(struct store *s, const struct store_recent *r)
{
	struct wcursor w, head;
	struct pending *p;

	assert(r->len <= STORE_RECENT_BYTES_MAX);
	w = row_begin(s);
	store_wire_put_recent(&w, r);
	p = row_end(s, STORE_MSG_RECENT, &w);
	p->more = !r->last;
	head = (struct wcursor){ .p = p->body, .left = p->len };
	store_wire_put_head(&head, p->seq, p->more ? STORE_ROW_MORE : 0);
	row_queue(s, p, NULL, NULL);
}

void
store_put_optout(struct store *s, const struct store_optout *o,
    store_done_cb *on_durable, void *arg)
{
	struct wcursor w = row_begin(s);

	store_wire_put_optout(&w, o);
	row_queue(s, row_end(s, STORE_MSG_OPTOUT, &w), on_durable, arg);
}

void
store_put_replies(struct store *s, const struct store_replies *r)
{
	struct wcursor w = row_begin(s);

	store_wire_put_replies(&w, r);
	row_queue(s, row_end(s, STORE_MSG_REPLIES, &w), NULL, NULL);
}
/* NOLINTEND(readability-function-size) */
