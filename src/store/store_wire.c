/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reading half of store_wire. */
#include "store/store_wire.h"

#include <string.h>

#include "store/chunk.h"
#include "store/utf8.h"

static int64_t
get_i64(struct cursor *c)
{
	return (int64_t)cursor_be64(c);
}

static double
get_double(struct cursor *c)
{
	uint64_t bits = cursor_be64(c);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static bool
get_bool(struct cursor *c)
{
	uint8_t v = cursor_u8(c);

	if (v > 1)
		c->bad = true;
	return v == 1;
}

static struct store_text
get_bytes(struct cursor *c, size_t len)
{
	struct store_text t = { .p = (const char *)c->p, .len = len };

	cursor_skip(c, len);
	if (c->bad || memchr(t.p, '\0', len) != NULL) {
		c->bad = true;
		return (struct store_text){ .p = "" };
	}
	return t;
}

static struct store_text
get_text_or_null(struct cursor *c)
{
	uint16_t len = cursor_be16(c);
	struct store_text t;

	if (len == STORE_TEXT_NULL)
		return (struct store_text){ .p = NULL };
	t = get_bytes(c, len);
	if (t.len > STORE_TEXT_MAX || !utf8_is_text(t.p, t.len))
		c->bad = true;
	return t;
}

static struct store_text
get_text(struct cursor *c)
{
	struct store_text t = get_text_or_null(c);

	if (t.p == NULL)
		c->bad = true;
	return t;
}

static void
get_init(struct cursor *c, struct store_init_row *r)
{
	r->path = get_bytes(c, cursor_be16(c));
	r->boot = get_text(c);
	if (r->path.len == 0 || r->path.len > STORE_TEXT_MAX ||
	    r->boot.len != STORE_BOOT_BYTES)
		c->bad = true;
}

static void
get_event(struct cursor *c, struct store_event_row *r)
{
	r->at_ms = get_i64(c);
	r->kind = get_text(c);
	r->subject = get_text(c);
	r->what = get_text(c);
	r->reason = get_text(c);
	r->actor = get_text(c);
}

static void
get_intent(struct cursor *c, struct store_intent_row *r)
{
	r->id = get_text(c);
	r->kind = get_text(c);
	r->site = get_text(c);
	r->reason = get_text(c);
	r->actor = get_text(c);
	r->created_ms = get_i64(c);
	r->until_ms = get_i64(c);
	r->ended_ms = get_i64(c);
	r->ended_by = get_text_or_null(c);
	r->scope = get_text(c);
	r->owner = get_text(c);
	r->at_once = get_i64(c);
	if (r->at_once < 0 || r->at_once > 1)
		c->bad = true;
}

static void
get_order(struct cursor *c, struct store_order_row *r)
{
	uint64_t revision;

	r->site = get_text(c);
	revision = cursor_be64(c);
	if (revision > INT64_MAX)
		c->bad = true;
	r->revision = (int64_t)(revision & INT64_MAX);
	r->json = get_bytes(c, cursor_be32(c));
	if (r->json.len > STORE_ORDER_MAX ||
	    !utf8_is_text(r->json.p, r->json.len))
		c->bad = true;
}

static void
get_experiment(struct cursor *c, struct store_experiment_row *r)
{
	r->id = cursor_be32(c);
	r->site = get_text(c);
	r->state = get_text(c);
	r->reason = get_text(c);
	r->created_ms = get_i64(c);
	r->ended_ms = get_i64(c);
	r->clients = cursor_be32(c);
	r->list = cursor_be32(c);
	r->asked = cursor_be32(c);
	r->answered = cursor_be32(c);
	r->others = cursor_be32(c);
	r->bystanders = cursor_be32(c);
	r->null_both = cursor_be32(c);
	r->null_moved = cursor_be32(c);
	r->null_tv = get_double(c);
	r->null_moved_weight = get_double(c);
	r->campaign = cursor_be32(c);
	r->purpose = get_text(c);
	r->test = get_text(c);
	r->changed_ms = get_i64(c);
	r->sites = get_text(c);
}

static void
get_landing(struct cursor *c, struct store_landing_row *r)
{
	r->id = cursor_be32(c);
	r->at_ms = get_i64(c);
	r->since_ms = get_i64(c);
	r->down = get_text(c);
	r->label = get_text(c);
	r->experiment = cursor_be32(c);
	r->campaign = cursor_be32(c);
	r->displaced = cursor_be32(c);
	r->seen = cursor_be32(c);
	r->agreed = cursor_be32(c);
	r->remained = cursor_be32(c);
	r->several = cursor_be32(c);
	r->weight_seen = get_double(c);
	r->weight_agreed = get_double(c);
	r->distance = get_double(c);
	r->heirs = get_text(c);
	r->is_short = cursor_u8(c) != 0;
}

static void
get_null_run(struct cursor *c, struct store_null_run_row *r)
{
	r->experiment = cursor_be32(c);
	r->first_experiment = cursor_be32(c);
	r->test = get_text(c);
	r->first = get_text(c);
	r->at_ms = get_i64(c);
	r->verdict = get_text(c);
	r->reason = get_text(c);
	r->compared = cursor_be32(c);
	r->distance = get_double(c);
	r->noise = get_double(c);
	r->beyond = get_double(c);
	r->max_beyond = get_double(c);
	r->shares = get_text(c);
}

static void
get_aside(struct cursor *c, struct store_aside_row *r)
{
	uint8_t is_aside;

	r->experiment = cursor_be32(c);
	is_aside = cursor_u8(c);
	r->is_aside = is_aside == 1;
	c->bad |= is_aside > 1;
}

static void
get_expire(struct cursor *c, struct store_expire_row *r)
{
	r->events_ms = get_i64(c);
	r->outcomes_ms = get_i64(c);
}

static void
get_campaign(struct cursor *c, struct store_campaign_row *r)
{
	r->id = cursor_be32(c);
	r->state = get_text(c);
	r->reason = get_text(c);
	r->depth = cursor_be32(c);
	r->seed = cursor_be64(c);
	r->created_ms = get_i64(c);
	r->ended_ms = get_i64(c);
	r->list = cursor_be32(c);
	r->sites = get_text(c);
}

static void
get_clients(struct cursor *c, struct store_clients_row *r)
{
	size_t n;

	r->list = cursor_be32(c);
	r->first = cursor_be32(c);
	r->last = get_bool(c);
	r->created_ms = get_i64(c);
	n = c->left / STORE_CLIENT_BYTES;
	if (n > STORE_CLIENTS_PER_MSG || r->first > STORE_CLIENTS_MAX - n)
		c->bad = true;
	r->n = (uint32_t)n;
	r->clients = *c;
	cursor_skip(c, n * STORE_CLIENT_BYTES);
}

static void
get_outcomes(struct cursor *c, struct store_outcomes_row *r)
{
	static uint16_t sites[STORE_OUTCOMES_PER_CHUNK];

	r->experiment = cursor_be32(c);
	r->phase = cursor_u8(c);
	r->first = cursor_be32(c);
	r->n = cursor_be32(c);
	if (r->n > STORE_OUTCOMES_PER_CHUNK ||
	    r->first > STORE_CLIENTS_MAX - r->n)
		c->bad = true;
	r->data = c->p;
	r->len = c->left;
	if (c->bad || chunk_decode(r->data, r->len, r->n, sites, NULL) == -1) {
		c->bad = true;
		return;
	}
	cursor_skip(c, r->len);
}

static void
get_heirs(struct cursor *c, struct store_heirs_row *r)
{
	struct store_heir_row heir;

	get_experiment(c, &r->ex);
	r->first = get_bool(c);
	r->heirs = *c;
	while (!c->bad && c->left > 0)
		(void)store_wire_next_heir(c, &heir);
}

static void
get_recent(struct cursor *c, struct store_recent_row *r)
{
	r->site = get_text(c);
	r->part = cursor_be32(c);
	r->saved_ms = get_i64(c);
	r->len = cursor_be32(c);
	r->data = c->p;
	cursor_skip(c, r->len);
	if (r->len > STORE_RECENT_BYTES_MAX)
		c->bad = true;
}

static void
get_optout(struct cursor *c, struct store_optout_row *r)
{
	r->prefix = get_text(c);
	r->reason = get_text(c);
	r->actor = get_text(c);
	r->created_ms = get_i64(c);
	r->gone = get_bool(c);
}

static void
get_replies(struct cursor *c, struct store_replies_row *r)
{
	r->experiment = cursor_be32(c);
	r->site = get_text(c);
	r->class_name = get_text(c);
	r->n = get_i64(c);
	r->samples = get_text(c);
}

/* The body of a message of type row->type. */
static void
get_row(struct cursor *c, struct store_row *row)
{
	switch (row->type) {
	case STORE_MSG_INIT:
		get_init(c, &row->u.init);
		return;
	case STORE_MSG_EVENT:
		get_event(c, &row->u.event);
		return;
	case STORE_MSG_INTENT:
		get_intent(c, &row->u.intent);
		return;
	case STORE_MSG_ORDER:
	case STORE_MSG_STATE:
		get_order(c, &row->u.order);
		return;
	case STORE_MSG_EXPERIMENT:
		get_experiment(c, &row->u.experiment);
		return;
	case STORE_MSG_CLIENTS:
		get_clients(c, &row->u.clients);
		return;
	case STORE_MSG_OUTCOMES:
		get_outcomes(c, &row->u.outcomes);
		return;
	case STORE_MSG_HEIRS:
		get_heirs(c, &row->u.heirs);
		return;
	case STORE_MSG_LANDING:
		get_landing(c, &row->u.landing);
		return;
	case STORE_MSG_NULL_RUN:
		get_null_run(c, &row->u.null_run);
		return;
	case STORE_MSG_ASIDE:
		get_aside(c, &row->u.aside);
		return;
	case STORE_MSG_EXPIRE:
		get_expire(c, &row->u.expire);
		return;
	case STORE_MSG_CAMPAIGN:
		get_campaign(c, &row->u.campaign);
		return;
	case STORE_MSG_RECENT:
		get_recent(c, &row->u.recent);
		return;
	case STORE_MSG_OPTOUT:
		get_optout(c, &row->u.optout);
		return;
	case STORE_MSG_REPLIES:
		get_replies(c, &row->u.replies);
		return;
	case STORE_MSG_ACK:
	case STORE_MSG_ALARM:
		break;
	}
	c->bad = true;
}

int
store_wire_decode(const struct chan_msg *msg, struct store_row *out,
    struct err *err)
{
	struct cursor c = { .p = msg->body, .left = msg->len };
	struct store_row row = { .seq = 0 };
	uint8_t flags;

	if (msg->type < STORE_MSG_INIT || msg->type >= STORE_MSG_ACK) {
		return err_set(err, ERR_PROTO, "message of type %u: unknown",
		    msg->type);
	}
	row.type = (enum store_msg)msg->type;
	if (row.type != STORE_MSG_INIT) {
		row.seq = cursor_be64(&c);
		flags = cursor_u8(&c);
		row.more = (flags & STORE_ROW_MORE) != 0;
		if ((flags & ~STORE_ROW_MORE) != 0 || row.seq == 0)
			c.bad = true;
	}
	get_row(&c, &row);
	if (c.bad || c.left > 0) {
		return err_set(err, ERR_PROTO,
		    "message of type %u, %zu bytes: malformed", msg->type,
		    msg->len);
	}
	*out = row;
	return 0;
}

uint64_t
store_wire_seq(const struct chan_msg *msg)
{
	struct cursor c = { .p = msg->body, .left = msg->len };

	return cursor_be64(&c);
}

bool
store_wire_has_more(const struct chan_msg *msg)
{
	struct cursor c = { .p = msg->body, .left = msg->len };

	(void)cursor_be64(&c);
	return (cursor_u8(&c) & STORE_ROW_MORE) != 0;
}

void
store_wire_next_client(struct cursor *c, struct store_client *out)
{
	cursor_bytes(c, out->addr, sizeof(out->addr));
	out->weight = get_double(c);
	out->last_seen = get_i64(c);
}

bool
store_wire_next_heir(struct cursor *c, struct store_heir_row *out)
{
	out->site = get_text(c);
	out->family = cursor_u8(c);
	out->heir = get_text(c);
	out->clients = cursor_be32(c);
	out->unstable = cursor_be32(c);
	out->weight = get_double(c);
	out->square = get_double(c);
	return !c->bad;
}

int
store_wire_decode_ack(const struct chan_msg *msg, uint64_t *seq)
{
	struct cursor c = { .p = msg->body, .left = msg->len };
	uint64_t v = cursor_be64(&c);

	if (c.bad || c.left > 0)
		return -1;
	*seq = v;
	return 0;
}
