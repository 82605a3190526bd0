/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_EXPERIMENT_MAP_H
#define FLEET_EXPERIMENT_MAP_H
/*
 * experiment_map -- the parts of an experiment that are not its course: its
 * clients, its sentinels, the watch over the sites, and the map at its end.
 */
#include "core/failover.h"
#include "fleet/controller_state.h"

/* The client list as it was when the experiment began. */
struct experiment_clients {
	uint32_t list;
	uint32_t n;
	uint32_t largest_block; /* clients in the fullest /24 or /48 */
	struct addr *addr;
	double *weight;
	bool *is_ipv4;
};

void experiment_clients_init(struct experiment_clients *ec,
    const struct controller *c);
void experiment_clients_fini(struct experiment_clients *ec);

/*
 * At most max clients that answered at baseline, spread over the list: half
 * of them from the site (outcome `site`), half from the others.  Ascending
 * indices into out; returns how many.
 */
uint32_t experiment_pick_sentinels(const struct experiment_clients *ec,
    const uint8_t *before, uint8_t site, uint32_t max, uint32_t *out);
/* Where a client stands among the sentinels; n if it is none. */
uint32_t experiment_sentinel_slot(const uint32_t *sentinels, uint32_t n,
    uint32_t client);

/* What must not change at a site while an experiment runs. */
struct experiment_watch {
	json_int_t starts;       /* of its sweeper */
	json_int_t lost_batches; /* replies that could not be delivered */
	json_int_t kernel_drops;
	json_int_t given_up; /* test prefix restored without an order */
};
void experiment_watch_init(struct experiment_watch *w,
    const struct fleet_site *s);
/* False with the reason when the site's replies may be incomplete. */
bool experiment_watch_ok(const struct experiment_watch *w,
    const struct fleet_site *s, char *why, size_t size);
/* Are all test prefixes of the site "announced", or "withdrawn", in BIRD? */
bool experiment_test_is(const struct fleet_site *s, const char *real);
/* May an experiment begin as far as this site goes? -1 with err if not. */
int experiment_site_is_ready(const struct fleet_site *s, struct err *err);

/* Counts and writes the map and the experiment's end, in one transaction. */
void experiment_store_map(struct controller *c,
    const struct store_experiment *row, const struct failover_input *in);

#endif /* FLEET_EXPERIMENT_MAP_H */
