/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_EXPLAIN_SITE_H
#define API_EXPLAIN_SITE_H
/*
 * explain_site -- inside of explain: readers of a site's status object that its
 * files share.  What is missing or of the wrong type reads as "" or 0.
 */
#include <jansson.h>

#include "core/intent.h"
#include "core/route.h"

const char *explain_text(const json_t *obj, const char *key);
int64_t explain_number(const json_t *obj, const char *key);
/* The drain of the set that decides over a prefix of the status, or NULL. */
const struct intent *explain_drain_over(const json_t *site,
    const json_t *prefix, const struct intent_set *set);
/* Does BIRD's configuration lack export.conf, so that no community and no
 * prepend comes to a neighbour? */
bool explain_lacks_export_conf(const json_t *site);
/* As the agent has them, with the drain where it is now. */
struct route_inputs explain_route_inputs(const json_t *site,
    const json_t *prefix, const struct intent_set *intents);
/* Would the set drain the prefix further (is_down), or bring it back? */
bool explain_is_affected(const json_t *site, const json_t *prefix,
    const struct intent_set *wanted, bool is_down);

#endif /* API_EXPLAIN_SITE_H */
