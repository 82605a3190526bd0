/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H
/*
 * explain -- every input and rule behind the state of a prefix, and what a
 * drain or a restore would change: both from a site's status object
 * (docs/api.md) and the rules of core/route.h.  So agent and controller give
 * the same answer, and agents need not report it.
 *
 * site: an object of a status, from this process or from the network: what is
 * missing or of the wrong type counts as unknown.
 */
#include <jansson.h>

#include "base/addr.h"
#include "core/intent.h"

/* The site's prefixes with "inputs" and "rules"; only NULL: all. */
json_t *explain_prefixes(const json_t *site, const struct prefix *only);

/*
 * The prefixes that would change with another set of intents; *diff: the lines
 * of BIRD's file that would go and come, freed by the caller.
 */
json_t *explain_changes(const json_t *site, const struct intent_set *wanted,
    char **diff);

/*
 * The steps of that, in order: [{"service", "step", "hold_ms", "below",
 * "wait_max_ms", "include_diff"}].
 */
json_t *explain_steps(const json_t *site, const struct intent_set *wanted);

/* The same as "changes" and "include_diff" of an answer. */
void explain_add_changes(const json_t *site, const struct intent_set *wanted,
    json_t *answer);

/*
 * Why what is ordered of the site now will not happen at once, or not gently, as
 * a sentence for people; NULL when nothing stands in the way.  wanted is the set
 * of intents as it will be then.
 */
const char *explain_hindrance(const json_t *site,
    const struct intent_set *wanted);

#endif /* API_EXPLAIN_H */
