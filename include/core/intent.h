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

#include "base/addr.h"
#include "base/conf.h"
#include "core/guard.h"

#define INTENT_ID_BYTES 64
#define INTENT_REASON_BYTES 256
#define INTENT_ACTOR_BYTES 96
/* "" the whole site; "service/NAME"; "prefix/192.0.2.0/24"; of an override
 * "guard/NAME" */
#define INTENT_SCOPE_BYTES 64
#define INTENTS_MAX 4096
/* Beyond so many the rows that ended first are forgotten.  So many may be
 * active, too: what is left is for overrides, and by those for freezes. */
#define INTENTS_KEPT_MAX 3584
#define INTENTS_OVERRIDES_MAX 3840
/* No name of a site, so that no slip can mean it. */
#define INTENT_FLEET "*"

struct intent {
	char id[INTENT_ID_BYTES];
	char kind[16];                /* "drain", "freeze", "override" */
	char site[CONF_NAME_MAX + 1]; /* INTENT_FLEET: all; not of a drain */
	char scope[INTENT_SCOPE_BYTES];
	char reason[INTENT_REASON_BYTES];
	char actor[INTENT_ACTOR_BYTES]; /* who said it */
	char owner[INTENT_ACTOR_BYTES]; /* who answers for it; "": actor */
	bool at_once;                   /* a drain without its gentle steps */
	int64_t created_ms;             /* wall */
	int64_t until_ms;               /* wall; 0: until restored */
	int64_t ended_ms;               /* wall; 0: active */
	char ended_by[INTENT_ACTOR_BYTES];
};

struct intent_set {
	struct intent *rows;
	size_t n, room;
};

/* All zero is the empty set. */
void intent_set_fini(struct intent_set *set);
/* A copy with one row more or replaced, to see what it would change. */
struct intent_set intent_set_with(const struct intent_set *set,
    const struct intent *row);
/* So many are active that another one of this kind is too many; the same after
 * `others` that are active. */
bool intent_set_is_full(const struct intent_set *set, const char *kind);
bool intent_set_is_full_after(const struct intent_set *set, const char *kind,
    size_t others);
/* The row that ended first, or NULL. */
const struct intent *intent_set_first_ended(const struct intent_set *set);
/* Does an active freeze go by this ended row, see intent_set_gives_back? */
bool intent_set_needs(const struct intent_set *set, const struct intent *row);
/* Forgets a row of the set. */
void intent_set_drop(struct intent_set *set, const struct intent *row);
/* NULL if there is none. Borrowed until the next change. */
struct intent *intent_set_find(const struct intent_set *set, const char *id);
/*
 * Takes a row in by the two rules.  Returns the stored row if anything
 * changed, else NULL (also when there are INTENTS_MAX).
 */
const struct intent *intent_set_merge(struct intent_set *set,
    const struct intent *row);
/* Ends an active row; false if it is not there or ended already. */
bool intent_end(struct intent *row, int64_t now_ms, const char *by);
bool intent_is_active(const struct intent *row);
/* Active and past its time. */
bool intent_is_due(const struct intent *row, int64_t now_ms);
/* The oldest active drain of the whole site, or NULL. */
const struct intent *intent_set_drain(const struct intent_set *set,
    const char *site);
/* The same of exactly this scope. */
const struct intent *intent_set_drain_of(const struct intent_set *set,
    const char *site, const char *scope);

/* The same, not slower than asked for: one at once, if at_once. */
const struct intent *intent_set_drain_as_quick(const struct intent_set *set,
    const char *site, const char *scope, bool at_once);

/* A prefix of a site, as drains see it. */
struct intent_target {
	const char *site;
	const char *service;
	const struct prefix *prefix;
};
/* Does the row's scope cover the target? */
bool intent_covers(const struct intent *row, const struct intent_target *t);
/*
 * The active drain that decides over the target, or NULL: one that is to happen
 * at once before others, then the oldest.
 */
const struct intent *intent_set_drain_over(const struct intent_set *set,
    const struct intent_target *t);
/* Is there an active drain of one prefix?  If not, what is drained depends on
 * the service alone: a target without a prefix will do. */
bool intent_set_drains_prefix(const struct intent_set *set, const char *site);
/* Is the row about the site: its own, or the whole fleet's? */
bool intent_is_about(const struct intent *row, const char *site);
/*
 * The oldest active freeze of the site or of the fleet; the same for an
 * override of guard g; or NULL.
 */
const struct intent *intent_set_freeze(const struct intent_set *set,
    const char *site);
const struct intent *intent_set_override(const struct intent_set *set,
    const char *site, enum guard g);
/* When the last of its active freezes began; 0: there is none. */
int64_t intent_set_newest_freeze(const struct intent_set *set,
    const char *site);
/*
 * Is the target to be given back although it is frozen?  A freeze keeps what
 * there was when it began.  A drain that began later was let through by force,
 * for a time; when it is over, what it took is to come back.  Not what a drain
 * had taken before, nor when there is another freeze, begun after the drain.
 */
bool intent_set_gives_back(const struct intent_set *set,
    const struct intent_target *t);
/*
 * An override that the force of a drain made is told by its id, which older
 * daemons keep and hand on as it is: it ends with the drain (intent_book).
 */
void intent_forced_id(const struct intent *drain, enum guard g,
    char id[INTENT_ID_BYTES]);
bool intent_is_forced_for(const struct intent *row, const struct intent *drain);
/* An active one of those, or NULL. */
const struct intent *intent_set_forced_for(const struct intent_set *set,
    const struct intent *drain);
/* Kind, site and scope fit together. */
bool intent_is_valid(const struct intent *row);

/* Scopes as text.  -1 with err if it is none, or too long. */
int intent_scope_of_service(const char *service, char scope[INTENT_SCOPE_BYTES],
    struct err *err);
void intent_scope_of_prefix(const struct prefix *p,
    char scope[INTENT_SCOPE_BYTES]);
void intent_scope_of_guard(enum guard g, char scope[INTENT_SCOPE_BYTES]);
/* Of a drain. */
bool intent_scope_is_valid(const char *scope);
/* "the site", "service/web", "192.0.2.0/24", "min_sites": for people.  Points
 * into scope. */
const char *intent_scope_name(const char *scope);
/* The next time at which an active row falls due; 0: none. */
int64_t intent_set_next_due(const struct intent_set *set);
/* Forgets rows that ended before `before_ms`. */
void intent_set_forget(struct intent_set *set, int64_t before_ms);

#endif /* CORE_INTENT_H */
