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

/* Starts it; NULL with err when it cannot be run now. */
struct experiment *experiment_start(struct controller *c,
    const struct experiment_plan *plan, struct err *err);
void experiment_free(struct experiment *ex);

/* ex may be NULL. */
bool experiment_is_running(const struct experiment *ex);
uint32_t experiment_id(const struct experiment *ex);
/* Ends it as failed; the test prefix is ordered back. */
void experiment_abort(struct experiment *ex, const char *why);

/* Adds "test", "capture", "sweep" and "step" to a site's order document; ex
 * may be NULL. */
void experiment_add_orders(const struct experiment *ex, size_t site,
    json_t *doc);

/* A site reported: look whether a step is complete. */
void experiment_on_status(struct experiment *ex, size_t site);
void experiment_on_tick(struct experiment *ex);
/* The agent of a site is another process than before. */
void experiment_on_reboot(struct experiment *ex, size_t site);
void experiment_on_replies(struct experiment *ex, size_t site,
    const struct sweep_reply *replies, size_t n);

/* The bytes of its own client list, if `list` is that (free them); NULL. */
uint8_t *experiment_list_bytes(const struct experiment *ex, uint32_t list,
    size_t *len);

/* How long until the test prefix may be changed again; 0: now. */
int64_t experiment_pace_left_ms(const struct controller *c);

/* EXPERIMENT of docs/api.md; JSON null for NULL. */
json_t *experiment_to_json(const struct experiment *ex);
#endif /* FLEET_EXPERIMENT_H */
