/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_LANDINGS_H
#define FLEET_LANDINGS_H
/*
 * landings -- watches for sites that stop announcing all their service
 * prefixes, and compares where their clients' traffic is seen then with what
 * was predicted, once per set of sites, fleet.predict.landing_after later; or
 * when the set ends or changes before, as "short".
 */
#include "fleet/controller_state.h"

struct landings;

/* NULL with err. */
struct landings *landings_new(struct controller *c, struct err *err);
void landings_free(struct landings *l);
/* The site has reported, and its intents are taken. */
void landings_take_status(struct controller *c, size_t site);
void landings_on_tick(struct controller *c);
/* Flags of the sites that announce no service prefix any more: n_sites. */
const bool *landings_down(const struct controller *c);
/* How long ago it went down, or came back; or was first heard of. */
int64_t landings_turned_ms(const struct controller *c, size_t site);
/* The load that its agent measured last while it announced and was not drained;
 * false: not known. */
bool landings_load_before(const struct controller *c, size_t site, double *out);
void fleet_serve_landings(struct controller *c, struct api_server *server);

#endif /* FLEET_LANDINGS_H */
