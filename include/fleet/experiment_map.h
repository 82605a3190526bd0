/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_EXPERIMENT_MAP_H
#define FLEET_EXPERIMENT_MAP_H
/*
 * experiment_map -- the parts of an experiment that are not its course: its
 * clients, its sentinels, the watch over the sites, and the map at its end.
 */
#include "core/failover.h"
#include "fleet/controller_state.h"

/*
 * Whom an experiment asks: the client list as it was when it began, or a part
 * of it.  A part is a list of its own to the agents, with a number that says
 * which experiment's it is; what the experiment stores refers to the whole.
 */
struct experiment_clients {
	uint32_t list;   /* what the agents fetch */
	uint64_t digest; /* of that (probes/sweep_list.h); 0: no agent asked */
	uint32_t base;   /* the list that it is taken from */
	uint32_t n_base; /* clients of that */
	uint32_t n;
	uint32_t largest_block; /* clients in the fullest /24 or /48 */
	uint32_t *index; /* in the base list, ascending; NULL: all of it */
	struct addr *addr;
	double *weight;
	bool *is_ipv4;
	uint32_t *block; /* the /24 or /48, as core/failover.h wants it */
};
#define EXPERIMENT_OWN_LIST UINT32_C(0x80000000)

struct experiment_plan;
/* As the plan says; its clients must be there. */
void experiment_clients_init(struct experiment_clients *ec,
    const struct experiment_plan *plan);
void experiment_clients_fini(struct experiment_clients *ec);
/* The number of a's block behind that of `before`; NULL: it is the first. */
uint32_t experiment_block_after(uint32_t block, const struct addr *before,
    const struct addr *a);
/* Index in the base list of the i-th one. */
uint32_t experiment_clients_base(const struct experiment_clients *ec,
    uint32_t i);

/* Writes one sweep's outcomes (and times, if not NULL) of all clients. */
struct experiment_sweep {
	uint32_t experiment;
	uint8_t phase;
	const uint16_t *outcomes;
	const uint32_t *rtt_us;
};
void experiment_store_sweep(struct store *store,
    const struct experiment_clients *ec, const struct experiment_sweep *sweep);

/* Where a client stands among the sentinels; n if it is none. */
uint32_t experiment_sentinel_slot(const uint32_t *sentinels, uint32_t n,
    uint32_t client);

/* What must not change at a site while an experiment runs. */
struct experiment_watch {
	json_int_t starts;       /* of its sweeper */
	json_int_t lost_batches; /* replies that could not be delivered */
	json_int_t given_up;     /* test prefix restored without an order */
};
struct experiment_where {
	const struct test_prefix *test;
	const struct fleet_site *site;
};
void experiment_watch_init(struct experiment_watch *w,
    const struct experiment_where *where);
/* False with the reason when the site's replies may be incomplete. */
bool experiment_watch_ok(const struct experiment_watch *w,
    const struct experiment_where *where, char *why, size_t size);
/* Is the test prefix, of each family that the site has, "announced" in BIRD, to
 * somebody, or "withdrawn" and exported to nobody? */
bool experiment_test_is(const struct test_prefix *test,
    const struct fleet_site *s, const char *real);
/* The same of one prefix of a site's status. */
bool experiment_prefix_is(const json_t *prefix, const char *real);
/* Counts into row and writes the map and the experiment's end, in one
 * transaction. */
void experiment_store_map(struct controller *c, struct store_experiment *row,
    const struct failover_input *in);

#endif /* FLEET_EXPERIMENT_MAP_H */
