/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_STORE_H
#define STORE_STORE_H
/*
 * store -- one SQLite file (WAL).  The store process alone writes; main hands
 * it rows as messages and is told when they are durable.  Readers open the
 * file read-only (store/query.h).
 *
 * Nothing is lost when a process dies: rows keep their own unique ids, main
 * keeps what was not acknowledged and sends it again to the next store
 * process, and the store process writes what main had sent before it died.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/worker.h"

struct store; /* main's side */

/* Opens or creates the file and brings its schema up to date, in the calling
 * process (at start, before the loop).  -1 with err, e.g. written by a newer
 * version. */
int store_prepare(const char *path, struct err *err);

/* Texts are stored as UTF-8 ('?' for bytes that are not) and cut to so many
 * bytes; NULL is stored as "".  Ids and site names must be shorter. */
#define STORE_TEXT_MAX 32000u

/*
 * Starts the store process: entry `kind` of the keeper's table. on_alarm (may
 * be NULL) is told of trouble (disk full, database busy) and its end; nothing
 * is dropped meanwhile, it is tried again.
 */
struct store *store_new(struct keeper *k, size_t kind, const char *path,
    void (*on_alarm)(const char *text, void *arg), void *arg);
/* Rows that were not yet handed to the store process are lost: at a clean end
 * wait for store_backlog 0 first, for a bounded time.  Not from a callback. */
void store_free(struct store *s);
/*
 * Rows that are put from here on are handed to the store process together, by
 * the store_release that belongs to it: it is woken once, and they become one
 * commit.  May be nested; within one callback only.
 */
void store_hold(struct store *s);
void store_release(struct store *s);
/* Rows put and not yet durable. */
size_t store_backlog(const struct store *s);

/*
 * To be called about once a second.  A store process that has rows and says
 * nothing for STORE_SILENT_MS is ended, and another one gets them.  false: that
 * did not help, twice.  One that tells of trouble is not silent.
 */
#define STORE_SILENT_MS 20000
bool store_watch(struct store *s);

/* Number of the newest row put; are all rows up to that one durable? */
uint64_t store_newest(const struct store *s);
bool store_is_durable(const struct store *s, uint64_t number);

/* durable: the row is on disk (fsync).  Called later, from the loop. */
typedef void store_done_cb(void *arg);

/* Where to note a change, for people: append-only. */
struct store_event {
	const char *kind;    /* "health", "route", "intent", "order", ... */
	const char *subject; /* "site/chc", "prefix/192.0.2.0/24", ... */
	const char *what;    /* "announced -> withdrawn" */
	const char *reason;
	const char *actor; /* "uid 1000 (jo)", "controller", NULL: anycastd */
};
void store_put_event(struct store *s, const struct store_event *ev);

/* An intent: an operator's durable wish.  Put again to change; a row that was
 * once ended stays ended. */
struct store_intent {
	const char *id;   /* unique in the fleet */
	const char *kind; /* "drain" */
	const char *site;
	const char *reason;
	const char *actor;
	int64_t created_ms;   /* wall */
	int64_t until_ms;     /* wall; 0: until restored */
	int64_t ended_ms;     /* wall; 0: active */
	const char *ended_by; /* NULL while active */
	const char *scope;    /* "": the whole site; see core/intent.h */
	const char *owner;
	bool at_once;
};
void store_put_intent(struct store *s, const struct store_intent *in,
    store_done_cb *on_durable, void *arg);

/* Orders: the last document that the controller made for a site; one with a
 * lower revision than the stored one changes nothing.  -1: json is longer than
 * STORE_ORDER_MAX bytes; nothing was taken, on_durable will not be called. */
#define STORE_ORDER_MAX 1000000u
int store_put_order(struct store *s, const char *site, uint64_t revision,
    const char *json, store_done_cb *on_durable, void *arg);

/*
 * What guards remember, as a document under a name; one whose revision is not
 * higher than the stored one changes nothing (compare and swap).  -1: too long,
 * nothing was taken.
 */
int store_put_state(struct store *s, const char *name, uint64_t revision,
    const char *json);

struct store_experiment {
	uint32_t id;
	/* Where the test prefix is withdrawn, comma between; "" a null run. */
	const char *site;
	const char *state;
	const char *reason;
	int64_t created_ms;
	int64_t ended_ms; /* 0: running */
	uint32_t clients;
	uint32_t list;       /* the client list that its indices refer to */
	uint32_t asked;      /* clients that its sweeps ask */
	uint32_t answered;   /* clients that answered at baseline */
	uint32_t others;     /* clients of other sites heard in both sweeps */
	uint32_t bystanders; /* of those: moved */
	/* The two baselines: clients heard in both, those that differ, and the
	 * total variation between the sites' shares. */
	uint32_t null_both, null_moved;
	double null_tv;
	double null_moved_weight; /* of core/failover.h */
	uint32_t campaign;        /* 0: run by hand */
	const char *purpose;      /* in the campaign: "single", "pair", ... */
	const char *test;   /* the test prefix: its prefixes, comma between */
	int64_t changed_ms; /* wall: last change of the test prefix; 0 none */
	const char
	    *sites; /* names, blank between them: outcome k is the k-th */
};
void store_put_experiment(struct store *s, const struct store_experiment *ex,
    store_done_cb *on_durable, void *arg);

/* Its campaign believes it or not (docs/pack.md, section 5); only of one that
 * was put before.  To put the experiment again does not change it. */
void store_put_aside(struct store *s, uint32_t experiment, bool is_aside);

/* A campaign; put again to change. */
struct store_campaign {
	uint32_t id;
	const char *state; /* of core/campaign.h */
	const char *reason;
	uint32_t depth;
	uint64_t seed;
	int64_t created_ms;
	int64_t ended_ms;  /* 0: not over */
	uint32_t list;     /* the client list that it is about */
	const char *sites; /* as of an experiment */
};
void store_put_campaign(struct store *s, const struct store_campaign *ca);

/* A real withdrawal beside its prediction, see core/landing.h. */
struct store_landing {
	uint32_t id; /* unique, rising */
	int64_t at_ms;
	int64_t since_ms; /* of the withdrawal; 0: not known */
	const char *down; /* "akl,chc" */
	const char *label;
	uint32_t experiment, campaign; /* whose prediction; 0: none */
	uint32_t displaced, seen, agreed, remained, several;
	double weight_seen, weight_agreed, distance;
	const char *heirs; /* JSON: HEIR of docs/api.md, section landings */
	bool is_short;     /* compared early, when it was over or changed */
};
void store_put_landing(struct store *s, const struct store_landing *l);

/* A test prefix beside the first one, see core/agreement.h.  Of two with the same
 * test and first experiment the newer counts. */
struct store_null_run {
	const char *test, *first; /* as struct store_experiment.test */
	uint32_t first_experiment, experiment; /* whose baselines were compared;
						* 0: on test it never began */
	int64_t at_ms;
	const char *verdict; /* of core/agreement.h */
	const char *reason;
	uint32_t compared;
	/* The share that is farthest beyond its noise, and how far it may be. */
	double distance, noise, beyond, max_beyond;
	const char *shares; /* JSON: SHARE of docs/api.md */
};
void store_put_null_run(struct store *s, const struct store_null_run *run);

/*
 * The client list of an experiment and its outcomes, in parts; and the
 * aggregates, which end the experiment in the same transaction.
 */
struct store_client {
	uint8_t addr[16];
	double weight;
	int64_t last_seen; /* epoch seconds; 0 unknown */
};
/*
 * A new client list, id `list` (unique, rising), sent in parts in index order;
 * the last part has `last`.  It becomes the current list, in one transaction,
 * when the last part is written; on_durable is called for the last part only.
 * Older lists stay while an experiment refers to them, see store_expire.
 */
void store_put_clients(struct store *s, uint32_t list,
    const struct store_client *clients, uint32_t n, bool last,
    store_done_cb *on_durable, void *arg);

/* Outcomes of clients in one phase, as of core/failover.h. */
#define STORE_OUTCOMES_PER_CHUNK 8192u
struct store_outcomes {
	uint32_t experiment;
	uint8_t phase;
	uint32_t first; /* client index of sites[0] */
	uint32_t n;
	const uint16_t *sites;  /* n values */
	const uint32_t *rtt_us; /* n values; UINT32_MAX unknown; may be NULL */
};
void store_put_outcomes(struct store *s, const struct store_outcomes *out);

/* One aggregate row of a failover map. */
struct store_heir {
	uint32_t experiment;
	const char *site;
	uint8_t family;   /* 4 or 6 */
	const char *heir; /* site; "" = unknown */
	uint32_t clients;
	uint32_t unstable; /* of them: their two baselines differ */
	double weight;
	double square; /* sum of the squares of the weights of its blocks */
};
void store_put_heirs(struct store *s, const struct store_experiment *ex,
    const struct store_heir *heirs, size_t n, store_done_cb *on_durable,
    void *arg);

/*
 * A site's recent clients, as bytes that mean nothing to the store, in parts:
 * all of them in one transaction, in place of those before.
 */
#define STORE_RECENT_BYTES_MAX 500000u
struct store_recent {
	const char *site;
	uint32_t part; /* from 0 */
	bool last;
	int64_t saved_ms; /* wall */
	const uint8_t *data;
	size_t len; /* <= STORE_RECENT_BYTES_MAX */
};
void store_put_recent(struct store *s, const struct store_recent *r);

/* Who does not want to be pinged; gone: takes the row away. */
struct store_optout {
	const char *prefix; /* as prefix_format gives it */
	const char *reason;
	const char *actor;
	int64_t created_ms; /* wall */
	bool gone;
};
void store_put_optout(struct store *s, const struct store_optout *o,
    store_done_cb *on_durable, void *arg);

/* How many replies of one class an experiment had at one site, and some. */
struct store_replies {
	uint32_t experiment;
	const char *site;
	const char *class_name; /* see fleet/reply_book.h */
	int64_t n;
	const char *samples; /* JSON array, shorter than STORE_TEXT_MAX */
};
void store_put_replies(struct store *s, const struct store_replies *r);

/*
 * Takes away what is older than these points of wall time (0: nothing), a
 * bounded part of it each time, so to be called now and then:
 *
 * events: STORE_EXPIRE_EVENTS of the oldest.  The newest STORE_EVENTS_KEPT
 * stay whatever their age: a clock that is years ahead must not empty the log.
 *
 * outcomes: those of one experiment that ended then, with the samples of its
 * replies.  Its row and its failover map stay.  The newest campaign keeps all
 * of its outcomes; so does, of those that the current client list is of, the
 * newest experiment of each set of sites.
 *
 * client lists: STORE_EXPIRE_CLIENTS of one that is neither current nor the
 * newest campaign's, and of which no experiment since then and no outcomes are.
 *
 * The file does not shrink: SQLite uses the room again.  In trouble (disk full)
 * it is left for another time.
 */
#define STORE_EXPIRE_CLIENTS 100000
#define STORE_EXPIRE_EVENTS 2000
#define STORE_EVENTS_KEPT 10000
void store_expire(struct store *s, int64_t events_ms, int64_t outcomes_ms);

/* Worker main, for the keeper's table. */
int store_main(int chan_fd);

#endif /* STORE_STORE_H */
