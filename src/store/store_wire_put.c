/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The writing half of store_wire. */
#include "store/store_wire.h"

#include <assert.h>
#include <string.h>

#include "store/chunk.h"
#include "store/utf8.h"

static_assert(STORE_TEXT_MAX < STORE_TEXT_NULL, "a length is no NULL");
static_assert(sizeof(double) == sizeof(uint64_t), "weights travel as bits");

static void
put_i64(struct wcursor *w, int64_t v)
{
	wcursor_be64(w, (uint64_t)v);
}

static void
put_double(struct wcursor *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wcursor_be64(w, bits);
}

/* How much of s is stored. */
static size_t
text_bytes(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t len = strlen(s), at = 0;

	if (len <= STORE_TEXT_MAX)
		return len;
	while (at < STORE_TEXT_MAX) {
		size_t n = utf8_char_bytes(p + at, len - at);

		n = n > 0 ? n : 1;
		if (at + n > STORE_TEXT_MAX)
			break;
		at += n;
	}
	return at;
}

static void
put_text_or_null(struct wcursor *w, const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t len, at = 0;

	if (s == NULL) {
		wcursor_be16(w, STORE_TEXT_NULL);
		return;
	}
	len = text_bytes(s);
	wcursor_be16(w, (uint16_t)len);
	while (at < len) {
		size_t n = utf8_char_bytes(p + at, len - at);

		if (n == 0) {
			wcursor_u8(w, '?');
			at++;
			continue;
		}
		wcursor_bytes(w, p + at, n);
		at += n;
	}
}

static void
put_text(struct wcursor *w, const char *s)
{
	put_text_or_null(w, s != NULL ? s : "");
}

/* A path is what the file system takes: any bytes. */
void
store_wire_put_init(struct wcursor *w, const char *path, const char *boot)
{
	size_t len = strlen(path);

	if (len > STORE_TEXT_MAX) {
		w->bad = true;
		return;
	}
	wcursor_be16(w, (uint16_t)len);
	wcursor_bytes(w, path, len);
	put_text(w, boot);
}

void
store_wire_put_head(struct wcursor *w, uint64_t seq, uint8_t flags)
{
	wcursor_be64(w, seq);
	wcursor_u8(w, flags);
}

void
store_wire_put_event(struct wcursor *w, int64_t at_ms,
    const struct store_event *ev)
{
	put_i64(w, at_ms);
	put_text(w, ev->kind);
	put_text(w, ev->subject);
	put_text(w, ev->what);
	put_text(w, ev->reason);
	put_text(w, ev->actor != NULL ? ev->actor : "anycastd");
}

void
store_wire_put_intent(struct wcursor *w, const struct store_intent *in)
{
	put_text(w, in->id);
	put_text(w, in->kind);
	put_text(w, in->site);
	put_text(w, in->reason);
	put_text(w, in->actor);
	put_i64(w, in->created_ms);
	put_i64(w, in->until_ms);
	put_i64(w, in->ended_ms);
	put_text_or_null(w, in->ended_by);
	put_text(w, in->scope);
	put_text(w, in->owner);
	put_i64(w, in->at_once);
}

void
store_wire_put_order(struct wcursor *w, const char *site, uint64_t revision,
    const char *json)
{
	size_t len = strlen(json);

	if (len > STORE_ORDER_MAX) {
		w->bad = true;
		return;
	}
	put_text(w, site);
	wcursor_be64(w, revision);
	wcursor_be32(w, (uint32_t)len);
	wcursor_bytes(w, json, len);
}

void
store_wire_put_experiment(struct wcursor *w, const struct store_experiment *ex)
{
	wcursor_be32(w, ex->id);
	put_text(w, ex->site);
	put_text(w, ex->state);
	put_text(w, ex->reason);
	put_i64(w, ex->created_ms);
	put_i64(w, ex->ended_ms);
	wcursor_be32(w, ex->clients);
	wcursor_be32(w, ex->list);
	wcursor_be32(w, ex->asked);
	wcursor_be32(w, ex->answered);
	wcursor_be32(w, ex->others);
	wcursor_be32(w, ex->bystanders);
	wcursor_be32(w, ex->null_both);
	wcursor_be32(w, ex->null_moved);
	put_double(w, ex->null_tv);
	put_double(w, ex->null_moved_weight);
	wcursor_be32(w, ex->campaign);
	put_text(w, ex->purpose);
	put_text(w, ex->test);
	put_i64(w, ex->changed_ms);
	put_text(w, ex->sites);
}

void
store_wire_put_campaign(struct wcursor *w, const struct store_campaign *ca)
{
	wcursor_be32(w, ca->id);
	put_text(w, ca->state);
	put_text(w, ca->reason);
	wcursor_be32(w, ca->depth);
	wcursor_be64(w, ca->seed);
	put_i64(w, ca->created_ms);
	put_i64(w, ca->ended_ms);
	wcursor_be32(w, ca->list);
	put_text(w, ca->sites);
}

void
store_wire_put_landing(struct wcursor *w, const struct store_landing *l)
{
	wcursor_be32(w, l->id);
	put_i64(w, l->at_ms);
	put_i64(w, l->since_ms);
	put_text(w, l->down);
	put_text(w, l->label);
	wcursor_be32(w, l->experiment);
	wcursor_be32(w, l->campaign);
	wcursor_be32(w, l->displaced);
	wcursor_be32(w, l->seen);
	wcursor_be32(w, l->agreed);
	wcursor_be32(w, l->remained);
	wcursor_be32(w, l->several);
	put_double(w, l->weight_seen);
	put_double(w, l->weight_agreed);
	put_double(w, l->distance);
	put_text(w, l->heirs);
	wcursor_u8(w, l->is_short);
}

void
store_wire_put_null_run(struct wcursor *w, const struct store_null_run *run)
{
	wcursor_be32(w, run->experiment);
	wcursor_be32(w, run->first_experiment);
	put_text(w, run->test);
	put_text(w, run->first);
	put_i64(w, run->at_ms);
	put_text(w, run->verdict);
	put_text(w, run->reason);
	wcursor_be32(w, run->compared);
	put_double(w, run->distance);
	put_double(w, run->noise);
	put_double(w, run->beyond);
	put_double(w, run->max_beyond);
	put_text(w, run->shares);
}

void
store_wire_put_aside(struct wcursor *w, uint32_t experiment, bool is_aside)
{
	wcursor_be32(w, experiment);
	wcursor_u8(w, is_aside ? 1 : 0);
}

void
store_wire_put_expire(struct wcursor *w, int64_t events_ms, int64_t outcomes_ms)
{
	put_i64(w, events_ms);
	put_i64(w, outcomes_ms);
}

void
store_wire_put_clients(struct wcursor *w, const struct store_clients_head *head,
    const struct store_client *clients, uint32_t n)
{
	wcursor_be32(w, head->list);
	wcursor_be32(w, head->first);
	wcursor_u8(w, head->last ? 1 : 0);
	put_i64(w, head->created_ms);
	for (uint32_t i = 0; i < n; i++) {
		wcursor_bytes(w, clients[i].addr, sizeof(clients[i].addr));
		put_double(w, clients[i].weight);
		put_i64(w, clients[i].last_seen);
	}
}

void
store_wire_put_outcomes(struct wcursor *w, const struct store_outcomes *out)
{
	size_t len;

	wcursor_be32(w, out->experiment);
	wcursor_u8(w, out->phase);
	wcursor_be32(w, out->first);
	wcursor_be32(w, out->n);
	if (w->left < CHUNK_BYTES_MAX) {
		w->bad = true;
		return;
	}
	len = chunk_encode(out->sites, out->rtt_us, out->n, w->p);
	w->p += len;
	w->left -= len;
}

void
store_wire_put_heirs_head(struct wcursor *w, const struct store_experiment *ex,
    bool first)
{
	store_wire_put_experiment(w, ex);
	wcursor_u8(w, first ? 1 : 0);
}

bool
store_wire_put_heir(struct wcursor *w, const struct store_heir *h)
{
	struct wcursor before = *w;

	put_text(w, h->site);
	wcursor_u8(w, h->family);
	put_text(w, h->heir);
	wcursor_be32(w, h->clients);
	wcursor_be32(w, h->unstable);
	put_double(w, h->weight);
	put_double(w, h->square);
	if (!w->bad)
		return true;
	*w = before;
	return false;
}

void
store_wire_put_recent(struct wcursor *w, const struct store_recent *r)
{
	put_text(w, r->site);
	wcursor_be32(w, r->part);
	put_i64(w, r->saved_ms);
	wcursor_be32(w, (uint32_t)r->len);
	wcursor_bytes(w, r->data, r->len);
}

void
store_wire_put_optout(struct wcursor *w, const struct store_optout *o)
{
	put_text(w, o->prefix);
	put_text(w, o->reason);
	put_text(w, o->actor);
	put_i64(w, o->created_ms);
	wcursor_u8(w, o->gone);
}

void
store_wire_put_replies(struct wcursor *w, const struct store_replies *r)
{
	wcursor_be32(w, r->experiment);
	put_text(w, r->site);
	put_text(w, r->class_name);
	put_i64(w, r->n);
	put_text(w, r->samples);
}

void
store_wire_put_ack(struct wcursor *w, uint64_t seq)
{
	wcursor_be64(w, seq);
}
