/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_SITE_SET_H
#define FLEET_SITE_SET_H
/*
 * site_set -- a set of sites as a flag per site, and as people write it:
 * "akl,chc".  The name has the sites in the fleet's order, so that one set has
 * one name.
 */
#include "fleet/controller_state.h"

/* flags: c->n_sites, written whole on success.  Empty names are no sites; text
 * "" is the empty set.  -1 with err if a site is unknown. */
int site_set_parse(const struct controller *c, const char *text, bool *flags,
    struct err *err);
/* Free it. */
char *site_set_name(const struct controller *c, const bool *flags);
size_t site_set_size(const struct controller *c, const bool *flags);
bool site_set_equal(const struct controller *c, const bool *a, const bool *b);

#endif /* FLEET_SITE_SET_H */
