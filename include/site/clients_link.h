/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_CLIENTS_LINK_H
#define SITE_CLIENTS_LINK_H
/*
 * clients_link -- hands the site's recent clients to the controller: the newest
 * whole list, in parts, one request at a time.  What cannot be delivered is given
 * up for a newer list.
 */
#include <jansson.h>

struct agent;
struct clients_link;

/* NULL without a controller or without feeds: then there is nothing to do. */
struct clients_link *clients_link_new(struct agent *a);
void clients_link_free(struct clients_link *cl);

/* {"delivered", "failed", "last_error"}; new reference, NULL
 * for NULL. */
json_t *clients_link_status(const struct clients_link *cl);

#endif /* SITE_CLIENTS_LINK_H */
