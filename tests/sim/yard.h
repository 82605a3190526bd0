/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_YARD_H
#define SIM_YARD_H
/* What the stages of the generator share: build.c and sites.c. */
#include "internet_state.h"

#define NEAR 0.12 /* of the earth's radius: the next city */

/* What only the generator needs. */
struct yard {
	struct internet *net;
	struct sim_rng rng;
	struct link *links[RELATIONS]; /* [FROM_CUSTOMER]: to the provider */
	size_t n_links[RELATIONS], room[RELATIONS];
	/* Tickets per (tier, country): an AS has one, and one more for each
	 * customer, so that who has many gets more. */
	uint32_t **tickets;
	size_t *n_tickets, *ticket_room;
	uint32_t **members; /* per metro: ASes at its exchange */
	size_t *n_members, *member_room;
	size_t *degree; /* customers */
};

/* A metro by weight: of a country, of within `reach` of another, or of all. */
size_t metro_draw(struct yard *y, uint32_t country, size_t around,
    double reach);

/* The PoP of `as` that is nearest to a metro. */
uint32_t pop_nearest(const struct internet *net, const struct as *as,
    size_t metro);

/* Index of the tickets of a tier in a country; n_countries: in all of them. */
size_t ticket_group(const struct yard *y, size_t tier, size_t country);

/* Places the sites and attaches them to the ASes around. */
void sites_make(struct yard *y);

#endif /* SIM_YARD_H */
