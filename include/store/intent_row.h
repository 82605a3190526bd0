/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_INTENT_ROW_H
#define STORE_INTENT_ROW_H
/*
 * intent_row -- intents as the JSON of docs/api.md, both ways, and as rows of
 * the store.
 */
#include <jansson.h>

#include "base/err.h"
#include "core/intent.h"
#include "store/store.h"

/* New reference. */
json_t *intent_to_json(const struct intent *in);
/* Checks every field: it may come from the network or from the file. */
int intent_from_json(const json_t *json, struct intent *out, struct err *err);
/* The active rows of a set, or all of one site (site NULL: of all sites). */
json_t *intents_to_json(const struct intent_set *set, const char *site,
    bool active_only);
/* Pointers into *in. */
struct store_intent intent_to_row(const struct intent *in);
/* A fresh one of this kind, with an id unique in the fleet and no end. */
struct intent intent_new(const char *kind, const char *site, const char *reason,
    const char *actor);
/* A fresh drain. for_ms 0: until restored. */
struct intent intent_new_drain(const char *site, const char *reason,
    const char *actor, int64_t now_ms, int64_t for_ms);
/* Loads a set from the JSON array that query_intents gives. */
int intents_load(const json_t *rows, struct intent_set *set, struct err *err);

#endif /* STORE_INTENT_ROW_H */
