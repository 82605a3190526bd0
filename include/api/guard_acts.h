/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_GUARD_ACTS_H
#define API_GUARD_ACTS_H
/*
 * guard_acts -- what operators do to guards: override one for a limited time,
 * freeze, thaw.  Agent and controller serve the same requests.
 *
 * Each names its site, or "*" for all that the daemon answers for; a missing or
 * empty one is refused and never means all.
 */
#include <stdbool.h>

#include <jansson.h>

#include "api/server.h"
#include "core/guard.h"
#include "core/intent.h"
#include "store/intent_book.h"

/* -1 with err that lists the guards that there are. */
int guard_parse(const char *name, enum guard *out, struct err *err);

/* What differs between the daemons. */
struct guard_acts {
	struct intent_book *book;
	/*
	 * The name under which an intent for the site is kept: itself, or
	 * INTENT_FLEET; NULL with err if it is not known here.  Borrowed.
	 */
	const char *(*resolve)(const char *site, void *arg, struct err *err);
	void *arg;
};

/* POST /v1/override, /v1/override/end, /v1/freeze, /v1/thaw. ga: borrowed. */
void guard_acts_serve(struct guard_acts *ga, struct api_server *server);

/*
 * -1 with err while the site or the fleet is frozen: nothing may be drained or
 * restored.  An override of `freeze` lifts it.
 */
int guard_check_frozen(const struct intent_set *set, const char *site,
    struct err *err);

/* Append to the "guards" of docs/api.md: one that acts; the freeze of the site,
 * or of INTENT_FLEET, if there is one. */
void guard_add_json(json_t *list, enum guard guard, const char *state,
    const char *why);
void guard_add_freeze(json_t *list, const struct intent_set *set,
    const char *site);

#endif /* API_GUARD_ACTS_H */
