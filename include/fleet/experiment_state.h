/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_EXPERIMENT_STATE_H
#define FLEET_EXPERIMENT_STATE_H
/*
 * experiment_state -- the inside of a running experiment, shared by
 * experiment.c (its course) and experiment_orders.c (what it orders and tells).
 */
#include "core/experiment.h"
#include "core/failover.h"
#include "fleet/experiment.h"
#include "fleet/experiment_map.h"
#include "fleet/reply_book.h"

enum round_step {
	ROUND_NONE,
	ROUND_QUEUED, /* others are sending: the rate is for all together */
	ROUND_SENDING,
	ROUND_LINGERING,
	ROUND_COLLECTING,
	ROUND_PAUSE, /* until the next round of sentinels */
};

struct experiment_counters {
	uint64_t accepted, duplicate, second_site, late, other_source;
};

struct experiment {
	struct controller *c;
	struct test_prefix *test;
	uint32_t id;
	bool is_comparison;
	bool *withdrawn; /* c->n_sites: W */
	size_t n_withdrawn;
	char *name; /* of W: "akl,chc" */
	/* Sites without a test prefix that anybody hears: so they must stay. */
	bool *absent;
	uint32_t campaign;
	char purpose[16];
	size_t sender;
	enum experiment_state state;
	char reason[304];
	int64_t created_ms, ended_ms;
	int64_t changed_ms; /* wall: last change of the test prefix; 0 none */
	uint8_t key[SWEEP_KEY_BYTES];
	struct experiment_clients clients;
	/* Outcomes of the full sweeps, one per client. */
	uint16_t *before, *after, *again;
	uint32_t *before_rtt, *after_rtt;
	/* Sentinels: indices, and outcomes of rounds. */
	uint32_t *class; /* of the clients; NULL: by site */
	size_t n_classes;
	uint32_t *sentinels;
	uint32_t n_sentinels;
	uint16_t *baseline, *previous, *current;
	bool has_previous;
	struct settle settle;
	/* Whom a second attempt asks: those silent as it began, whoever answers
	 * meanwhile, since an order that was given must stay the same. */
	uint32_t *silent;
	uint32_t n_silent;
	uint32_t n_silent_before; /* at the first baseline; 0 until then */
	/* The round under way. */
	enum round_step step;
	uint8_t round;
	uint32_t job;
	uint64_t order_step;      /* changes the document: asks for a flush */
	uint64_t queued, granted; /* c->turn's counts */
	uint64_t *barrier;        /* per site: what it must have applied */
	struct mono step_since, state_since, wait_until;
	struct experiment_watch *watch; /* per site, as it was at the start */
	struct experiment_counters counters;
	json_t *counted_before; /* by the sites, when it began */
	struct reply_book *book;
	json_t *counted; /* what is told of the counters once it is over */
	json_t *counted_sites; /* the same for each site */
	/* What came of it, once the last sweep is counted; it is done when that
	 * is on disk: up to this row of the store. */
	struct store_experiment result;
	uint64_t result_row; /* 0: not counted yet */
};

/* An order document stays small; with more silent clients there is no retry. */
#define EXPERIMENT_RETRY_MAX 100000u

/* All of ex is set: its first sweep is ordered. */
void experiment_begin(struct experiment *ex);
/* Does the present state ask all clients, once or more? */
bool experiment_is_full_sweep(const struct experiment *ex);
/* Does the present state consist of rounds of pings? */
bool experiment_has_rounds(const struct experiment *ex);
/* After the first baseline: chooses them. */
void experiment_pick_sentinels(struct experiment *ex);
/* What a round of them says, that is collected. */
enum sentinels_verdict {
	SENTINELS_MOVE,
	SENTINELS_CALM, /* routing has settled, or they are back */
	SENTINELS_LATE  /* neither, and settle_max is over */
};
enum sentinels_verdict experiment_judge_round(struct experiment *ex);
/* Why it was SENTINELS_LATE. */
void experiment_say_late(const struct experiment *ex, char *why, size_t size);
/*
 * Does a site hear nobody, that heard clients in the first baseline, or does
 * nobody answer the second one at all?  why says which.  By the round of
 * sentinels, or by the full sweep behind the first, that is collected.
 */
bool experiment_is_silent(const struct experiment *ex, char *why, size_t size);
/* Has the site applied what the present step told it?  Other experiments change
 * the document, too: a later one is as good. */
bool experiment_has_applied(const struct experiment *ex, size_t site);
/* That the present step takes too long, and whom it waits for. */
void experiment_say_slow(const struct experiment *ex, char *why, size_t size);
/* How the silence of the displaced was judged, by the last round; JSON null
 * before there was one, and where nobody is displaced. */
json_t *experiment_settle_json(const struct experiment *ex);
/* How long it still takes, if so many of the round's probes are sent. */
struct experiment_left experiment_left_now(const struct experiment *ex,
    uint32_t sent);
/* Its sweeps, for counting; borrows from ex. */
struct failover_input experiment_input(const struct experiment *ex);
/* Its own counters and those of the sites, as they are now; new reference. */
json_t *experiment_count(const struct experiment *ex);
/* What the site's sweeper has counted under that name since the beginning. */
int64_t experiment_counted_at(const struct experiment *ex, size_t site,
    const char *counter);
/* [{"site", and a count for each reply_class_name}]; new reference. */
json_t *experiment_count_sites(const struct experiment *ex);
/* To be called once when it is over and counted. */
void experiment_store_replies(const struct experiment *ex);

#endif /* FLEET_EXPERIMENT_STATE_H */
