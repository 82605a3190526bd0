/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_DRAIN_H
#define API_DRAIN_H
/*
 * drain -- the requests to drain and to restore, which agent and controller
 * serve alike.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "api/server.h"
#include "core/intent.h"
#include "store/intent_book.h"

/* The body of a drain, checked. */
struct drain_request {
	char scope[INTENT_SCOPE_BYTES]; /* see core/intent.h */
	char reason[INTENT_REASON_BYTES];
	char owner[INTENT_ACTOR_BYTES];
	int64_t until_ms; /* wall; 0: until restored */
	bool at_once;     /* skip the gentle steps */
	bool dry_run;
	bool force[GUARD_COUNT]; /* those that `force` names */
};
int drain_request_parse(const struct api_request *req,
    struct drain_request *out, struct err *err);

/* The body of a restore: exactly the scope, or every drain of the site. */
struct restore_request {
	char scope[INTENT_SCOPE_BYTES];
	bool all;
	const char *actor; /* who asks: the request's */
};
int restore_request_parse(const struct api_request *req,
    struct restore_request *out, struct err *err);

/* -1 with err when the site (its status object) has no such service or
 * service prefix: a drain of nothing is a slip. */
int drain_scope_check(const json_t *site, const char *scope, struct err *err);
/* -1 with err when the scope is drained already, and as quickly as is asked for,
 * or there is no room for it and for the overrides of the guards that it
 * forces. */
int drain_is_new(const struct intent_set *set, const char *site,
    const struct drain_request *want, struct err *err);
/* Takes the drain in, the intent of the request, and the overrides of the
 * guards that it forces, which end with it.  As intent_book_take, but -1 with
 * err where that is false. */
int drain_take(struct intent_book *book, const struct drain_request *want,
    const struct intent *drain, store_done_cb *on_durable, void *arg,
    struct err *err);
/* The set as it will be with row, the intent of the request, and with the
 * guards that it overrides; the caller frees it. */
struct intent_set drain_wished(const struct intent_set *set,
    const struct drain_request *want, const struct intent *row);
/* The intent of a request. */
struct intent drain_intent(const char *site, const struct drain_request *want,
    const char *actor);

/*
 * What a restore ends, as it will be then: n rows, at least one, and the set
 * with them.  The answer is made from it before anything changes, for to find
 * the words for thousands of prefixes takes longer than to restore them.
 */
struct drain_ending {
	struct intent *rows;
	size_t n;
	struct intent_set after;
};
/* -1 with err when there is nothing to restore; else drain_ending_fini. */
int drain_ending_make(const struct intent_set *set, const char *site,
    const struct restore_request *want, struct drain_ending *out,
    struct err *err);
void drain_ending_fini(struct drain_ending *e);
json_t *drain_ending_json(const struct drain_ending *e);
/* What keeps it from happening at once, or NULL. */
const char *drain_ending_hindrance(const struct drain_ending *e,
    const json_t *site);
/* on_durable comes when all of them are on disk. */
void drain_ending_take(const struct drain_ending *e, struct intent_book *book,
    store_done_cb *on_durable, void *arg);

#endif /* API_DRAIN_H */
