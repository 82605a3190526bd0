/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_EXPERIMENT_H
#define FLEET_EXPERIMENT_H
/*
 * experiment -- runs one withdrawal experiment over the fleet (the course is
 * core/experiment.h): orders sweeps, gathers the replies of every site, decides
 * what each client's outcome is, and writes the map.
 */
#include <jansson.h>

#include "fleet/controller_state.h"
#include "probes/sweep.h"

/* What to do.  All borrowed for the call. */
struct experiment_plan {
	/* On which test prefix; NULL: on any that is trusted and rested. */
	struct test_prefix *test;
	/* A null run beside another one: that nobody answers is a result, too. */
	bool is_comparison;
	const bool *withdrawn; /* c->n_sites: where; none: a null run */
	uint32_t campaign;     /* 0: by hand */
	const char *purpose;   /* of core/campaign.h; "" by hand */
	/* The client list, if it is not the current one; NULL: it is. */
	uint32_t list;
	const struct store_client *clients;
	uint32_t n_clients;
	/* Whom to ask: ascending indices of the client list; NULL: all. */
	const uint32_t *subset;
	uint32_t n_subset;
	/* Of all clients of the list, see sentinels_pick; NULL: by site. */
	const uint32_t *class;
	size_t n_classes;
};

/* May so many be asked? */
int experiment_check_clients(uint32_t n, struct err *err);
/* Starts it; NULL with err when it cannot be run now. */
struct experiment *experiment_start(struct controller *c,
    const struct experiment_plan *plan, struct err *err);
void experiment_free(struct experiment *ex);

/* ex may be NULL. */
bool experiment_is_running(const struct experiment *ex);
uint32_t experiment_id(const struct experiment *ex);
/* Ends it as failed; the test prefix is ordered back. */
void experiment_abort(struct experiment *ex, const char *why);

/* Adds "tests", "sweep" and "step" to a site's order document. */
void experiments_add_orders(const struct controller *c, size_t site,
    json_t *doc);

/* A site reported: look whether a step is complete. */
void experiment_on_status(struct experiment *ex, size_t site);
void experiment_on_tick(struct experiment *ex);
/* The agent of a site is another process than before. */
void experiment_on_reboot(struct experiment *ex, size_t site);
void experiment_on_replies(struct experiment *ex, size_t site,
    const struct sweep_reply *replies, size_t n);
/* It may send now; it waits for that. */
void experiment_send(struct experiment *ex);
/* How long a round of so many clients may take, of which so many are in one /24
 * or /48. */
int64_t experiment_round_max_ms(const struct conf_predict *conf, uint32_t n,
    uint32_t largest_block);
/* How long sending to all clients may take. */
int64_t experiment_sending_max_ms(const struct experiment *ex);
/* And to all of the list that they are taken from. */
int64_t experiment_sending_list_max_ms(const struct experiment *ex);

/* ---- all experiments, one on each test prefix at most ---- */

bool experiments_any_runs(const struct controller *c);
size_t experiments_running(const struct controller *c);
/* The one with the highest number, running or over; NULL: none yet. */
struct experiment *experiment_newest(const struct controller *c);
/* NULL: not known any more. */
struct experiment *experiment_find(const struct controller *c, uint32_t id);
/* At start, of each experiment of the store, a row of query_experiments: one
 * that a controller that is gone has begun may still be sent.  The current
 * client list is there. */
void experiments_note_old(struct controller *c, const json_t *row);
void experiments_on_tick(struct controller *c);
void experiments_on_status(struct controller *c, size_t site);
void experiments_on_reboot(struct controller *c, size_t site);
/* Each reply goes to the experiment that it names. */
void experiments_on_replies(struct controller *c, size_t site,
    const struct sweep_reply *replies, size_t n);
/* Gives the turn to send to who has waited longest, if nobody has it or had it
 * a moment ago. */
void experiments_grant(struct controller *c);
/* Who had the turn has sent all. */
void experiments_end_turn(struct controller *c);
/* ex, which was sending, has failed: who comes next waits until its sender has
 * heard of that, or cannot be sending any more. */
void experiment_give_up_turn(struct experiment *ex);
/* The bytes of some running experiment's own client list, if `list` is that
 * (free them); NULL. */
uint8_t *experiments_list_bytes(const struct controller *c, uint32_t list,
    size_t *len);
/* [EXPERIMENT] of those that run, by number; new reference. */
json_t *experiments_json(const struct controller *c);

/* EXPERIMENT of docs/api.md; JSON null for NULL. */
json_t *experiment_to_json(const struct experiment *ex);

/* The same of one that is over, from the store: without what only a running one
 * knows, and without the counters that are not kept.  NULL with err. */
json_t *experiment_stored_json(struct controller *c, uint32_t id,
    struct err *err);
#endif /* FLEET_EXPERIMENT_H */
