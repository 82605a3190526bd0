/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_INTENT_H
#define CORE_INTENT_H
/*
 * intent -- the operators' durable wishes: a set of rows that agent and
 * controller each hold and exchange.
 *
 * Two rules make every exchange safe, in any order and repeated: a row is
 * known by its id, and a row that was ended once stays ended.  So a site can
 * be restored at its own console while the controller is gone, and what one
 * side forgot the other still knows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"

#define INTENT_ID_BYTES 64
#define INTENT_REASON_BYTES 256
#define INTENT_ACTOR_BYTES 96
#define INTENTS_MAX 4096

struct intent {
	char id[INTENT_ID_BYTES];
	char kind[16]; /* "drain" */
	char site[CONF_NAME_MAX + 1];
	char reason[INTENT_REASON_BYTES];
	char actor[INTENT_ACTOR_BYTES];
	int64_t created_ms; /* wall */
	int64_t until_ms;   /* wall; 0: until restored */
	int64_t ended_ms;   /* wall; 0: active */
	char ended_by[INTENT_ACTOR_BYTES];
};

struct intent_set {
	struct intent *rows;
	size_t n, room;
};

/* All zero is the empty set. */
void intent_set_fini(struct intent_set *set);
/* No row with a new id can be taken in. */
bool intent_set_is_full(const struct intent_set *set);
/* NULL if there is none. Borrowed until the next change. */
struct intent *intent_set_find(const struct intent_set *set, const char *id);
/*
 * Takes a row in by the two rules.  Returns the stored row if anything
 * changed, else NULL (also when the set is full).
 */
const struct intent *intent_set_merge(struct intent_set *set,
    const struct intent *row);
/* Ends an active row; false if it is not there or ended already. */
bool intent_end(struct intent *row, int64_t now_ms, const char *by);
bool intent_is_active(const struct intent *row);
/* Active and past its time. */
bool intent_is_due(const struct intent *row, int64_t now_ms);
/* The oldest active drain of site, or NULL. */
const struct intent *intent_set_drain(const struct intent_set *set,
    const char *site);
/* The next time at which an active row falls due; 0: none. */
int64_t intent_set_next_due(const struct intent_set *set);
/* Forgets rows that ended before `before_ms`. */
void intent_set_forget(struct intent_set *set, int64_t before_ms);

#endif /* CORE_INTENT_H */
