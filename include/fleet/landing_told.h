/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_LANDING_TOLD_H
#define FLEET_LANDING_TOLD_H
/*
 * landing_told -- what was predicted of each client, to be held against a real
 * withdrawal.
 *
 * Where an experiment withdrew just these sites, and is no part of the campaign,
 * it is what that experiment saw: as the map of the set tells.  Else it is what
 * the campaign says.
 */
#include "fleet/map_book.h"

struct landing_told {
	const struct store_client *clients; /* borrowed until the next change */
	uint32_t n;
	uint16_t *home, *after; /* outcomes of core/failover.h, n */
	const char *label;
	uint32_t experiment; /* that withdrew just these; 0: none did */
	uint32_t campaign;   /* 0: none tells */
};

/* False if nothing was predicted; else landing_told_fini. */
bool landing_told_find(struct controller *c, const bool *down,
    struct landing_told *out);
void landing_told_fini(struct landing_told *told);

#endif /* FLEET_LANDING_TOLD_H */
