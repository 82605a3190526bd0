/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_CAMPAIGN_H
#define FLEET_CAMPAIGN_H
/*
 * campaign -- runs a campaign over the fleet: the experiments that core/pack.h
 * proposes, on all test prefixes that are trusted, each at its own pace.
 *
 * What was measured is in the store, and what comes next follows from it: so a
 * campaign goes on where it was when the controller was restarted, and an
 * experiment that was cut off is done again.  It keeps to the client list and
 * the sites with which it began; if the fleet's sites change, it ends.
 */
#include <jansson.h>

#include "core/campaign.h"
#include "core/pack.h"
#include "fleet/controller_state.h"

struct campaign;

/* At start: the newest one of the store, if there is any. */
int campaign_load(struct controller *c, struct err *err);
void campaign_free(struct campaign *ca);

/* -1 with err when none can be begun now. */
int campaign_start(struct controller *c, unsigned depth, const char *actor,
    struct err *err);
/* What one would be, PLAN of docs/api.md; NULL with err. */
json_t *campaign_plan(struct controller *c, unsigned depth, struct err *err);
/* PAUSE, RESUME or ABORT by a person; -1 with err if there is none to. */
int campaign_command(struct controller *c, enum campaign_event ev,
    const char *actor, struct err *err);

void campaign_on_tick(struct controller *c);
/* ex is over. */
void campaign_on_experiment(struct controller *c, const struct experiment *ex);

/* CAMPAIGN of docs/api.md; JSON null if there never was one. */
json_t *campaign_to_json(const struct controller *c);

/* {"id", "state", "made", "waiting"} for the status: costs nothing. */
json_t *campaign_brief_json(const struct controller *c);

/*
 * What its experiments say, for predictions; NULL while nothing is known.
 * Clients are those of campaign_clients: their homes, weights and families are
 * at the same index.
 */
struct campaign_view {
	struct pack *pack;
	uint32_t id;
	uint32_t list;
	const struct store_client *clients;
	uint32_t n;
	const uint16_t *home; /* outcome at baseline */
	int64_t measured_ms;  /* wall: the newest experiment's end */
	const char *tests;    /* its experiments', see test_names.h; or NULL */
};
bool campaign_view(const struct controller *c, struct campaign_view *out);
/* There is no view yet, but there will be: after a start, what was measured is
 * read and worked out; the first experiment is being worked out. */
bool campaign_is_reading(const struct controller *c);
/* Why there is no view, in words; -1. */
int campaign_view_err(const struct controller *c, struct err *err);

#endif /* FLEET_CAMPAIGN_H */
