/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H
/*
 * store_wire -- the messages between main and the store process.
 *
 * Every row that main sends begins with
 *
 *	sequence u64 | flags u8
 *
 * and its fields follow, big-endian, to the end of the body.  A text is its
 * length (u16, 0xffff: NULL) and so many bytes of UTF-8 without NUL; an order's
 * document has a u32 length.  Left-over bytes make a message malformed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chan.h"
#include "base/cursor.h"
#include "base/err.h"
#include "store/store.h"

enum store_msg {
	/* main -> store: INIT first and once, then rows */
	STORE_MSG_INIT = 1,
	STORE_MSG_EVENT,
	STORE_MSG_INTENT,
	STORE_MSG_ORDER,
	STORE_MSG_EXPERIMENT,
	STORE_MSG_CLIENTS,
	STORE_MSG_OUTCOMES,
	STORE_MSG_HEIRS,
	STORE_MSG_RECENT,
	STORE_MSG_OPTOUT,
	STORE_MSG_REPLIES,
	STORE_MSG_CAMPAIGN,
	STORE_MSG_LANDING,
	STORE_MSG_NULL_RUN,
	STORE_MSG_STATE, /* as an order: its name in place of the site */
	STORE_MSG_ASIDE,
	STORE_MSG_EXPIRE,
	/* store -> main */
	STORE_MSG_ACK,  /* all rows up to this sequence are on disk */
	STORE_MSG_ALARM /* text of the trouble; empty: it is over */
};

/* The row that follows belongs to the same transaction. */
#define STORE_ROW_MORE 1u

#define STORE_TEXT_NULL 0xffffu /* in place of a text's length */
#define STORE_BOOT_BYTES 16u    /* hex digits that tell runs of main apart */
#define STORE_CLIENT_BYTES (16u + 8u + 8u)
#define STORE_CLIENTS_PER_MSG 16384u
#define STORE_CLIENTS_MAX (1u << 24)
#define STORE_ALARM_BYTES_MAX 600u

/* Borrowed from the message; p is NULL for a NULL text, and then len is 0. */
struct store_text {
	const char *p;
	size_t len;
};

struct store_init_row {
	struct store_text path;
	struct store_text boot;
};

struct store_event_row {
	int64_t at_ms;
	struct store_text kind, subject, what, reason, actor;
};

struct store_intent_row {
	struct store_text id, kind, site, reason, actor, ended_by;
	int64_t created_ms, until_ms, ended_ms;
	struct store_text scope, owner;
	int64_t at_once; /* 0 or 1 */
};

struct store_order_row {
	struct store_text site, json;
	int64_t revision;
};

struct store_experiment_row {
	uint32_t id, clients, list, asked, answered, others, bystanders;
	uint32_t null_both, null_moved, campaign;
	double null_tv;
	double null_moved_weight; /* of core/failover.h */
	struct store_text site, state, reason, purpose, test, sites;
	int64_t created_ms, ended_ms, changed_ms;
};

struct store_clients_row {
	uint32_t list, first, n;
	bool last;
	int64_t created_ms;
	struct cursor clients; /* store_wire_next_client, n times */
};

struct store_outcomes_row {
	uint32_t experiment, first, n;
	uint8_t phase;
	const uint8_t *data; /* of store/chunk.h */
	size_t len;
};

struct store_heir_row {
	struct store_text site, heir;
	uint8_t family;
	uint32_t clients, unstable;
	double weight, square;
};

struct store_heirs_row {
	struct store_experiment_row ex;
	bool first;
	struct cursor heirs; /* store_wire_next_heir until left is 0 */
};

struct store_recent_row {
	struct store_text site;
	uint32_t part;
	int64_t saved_ms;
	const uint8_t *data;
	uint32_t len;
};

struct store_optout_row {
	struct store_text prefix, reason, actor;
	int64_t created_ms;
	bool gone;
};

struct store_replies_row {
	uint32_t experiment;
	struct store_text site, class_name, samples;
	int64_t n;
};

struct store_campaign_row {
	uint32_t id, depth, list;
	uint64_t seed;
	struct store_text state, reason, sites;
	int64_t created_ms, ended_ms;
};

struct store_landing_row {
	uint32_t id, experiment, campaign;
	uint32_t displaced, seen, agreed, remained, several;
	struct store_text down, label, heirs;
	int64_t at_ms, since_ms;
	double weight_seen, weight_agreed, distance;
	bool is_short;
};

struct store_null_run_row {
	uint32_t experiment, first_experiment, compared;
	struct store_text test, first, verdict, reason, shares;
	int64_t at_ms;
	double distance, noise, beyond, max_beyond;
};

struct store_aside_row {
	uint32_t experiment;
	bool is_aside;
};

struct store_expire_row {
	int64_t events_ms, outcomes_ms; /* what is older goes; 0: nothing */
};

struct store_row {
	enum store_msg type;
	uint64_t seq; /* 0 for INIT */
	bool more;
	union {
		struct store_init_row init;
		struct store_event_row event;
		struct store_intent_row intent;
		struct store_order_row order;
		struct store_experiment_row experiment;
		struct store_clients_row clients;
		struct store_outcomes_row outcomes;
		struct store_heirs_row heirs;
		struct store_recent_row recent;
		struct store_optout_row optout;
		struct store_replies_row replies;
		struct store_campaign_row campaign;
		struct store_landing_row landing;
		struct store_null_run_row null_run;
		struct store_aside_row aside;
		struct store_expire_row expire;
	} u;
};

/*
 * Writing.  Texts are made valid UTF-8 ('?' for each bad byte) and cut to
 * STORE_TEXT_MAX bytes at the end of a character; NULL becomes "" where a
 * column must not be NULL.  w->bad when it does not fit.
 */
void store_wire_put_init(struct wcursor *w, const char *path, const char *boot);
/* Begin every row with it. */
void store_wire_put_head(struct wcursor *w, uint64_t seq, uint8_t flags);
void store_wire_put_event(struct wcursor *w, int64_t at_ms,
    const struct store_event *ev);
void store_wire_put_intent(struct wcursor *w, const struct store_intent *in);
void store_wire_put_order(struct wcursor *w, const char *site,
    uint64_t revision, const char *json);
void store_wire_put_experiment(struct wcursor *w,
    const struct store_experiment *ex);

void store_wire_put_campaign(struct wcursor *w,
    const struct store_campaign *ca);

void store_wire_put_landing(struct wcursor *w, const struct store_landing *l);

void store_wire_put_null_run(struct wcursor *w,
    const struct store_null_run *run);

void store_wire_put_aside(struct wcursor *w, uint32_t experiment,
    bool is_aside);
void store_wire_put_expire(struct wcursor *w, int64_t events_ms,
    int64_t outcomes_ms);

struct store_clients_head {
	uint32_t list, first;
	bool last;
	int64_t created_ms;
};
void store_wire_put_clients(struct wcursor *w,
    const struct store_clients_head *head, const struct store_client *clients,
    uint32_t n);
void store_wire_put_outcomes(struct wcursor *w,
    const struct store_outcomes *out);
/* Then the heirs, one by one; false: this one did not fit, w is as before. */
void store_wire_put_heirs_head(struct wcursor *w,
    const struct store_experiment *ex, bool first);
bool store_wire_put_heir(struct wcursor *w, const struct store_heir *h);

void store_wire_put_recent(struct wcursor *w, const struct store_recent *r);
void store_wire_put_optout(struct wcursor *w, const struct store_optout *o);
void store_wire_put_replies(struct wcursor *w, const struct store_replies *r);

void store_wire_put_ack(struct wcursor *w, uint64_t seq);

/* msg from main: any bytes.  0 with *out, or -1 with err and *out untouched.
 * *out borrows from msg->body. */
int store_wire_decode(const struct chan_msg *msg, struct store_row *out,
    struct err *err);
/* The row's sequence and flag even if the rest is malformed; 0, false if the
 * message is too short for them. */
uint64_t store_wire_seq(const struct chan_msg *msg);
bool store_wire_has_more(const struct chan_msg *msg);

void store_wire_next_client(struct cursor *c, struct store_client *out);
/* False and c->bad set if what is left begins with no heir. */
bool store_wire_next_heir(struct cursor *c, struct store_heir_row *out);

/* msg from the store process. */
int store_wire_decode_ack(const struct chan_msg *msg, uint64_t *seq);

#endif /* STORE_WIRE_H */
