/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H
/*
 * query -- reading the store: a read-only connection, short bounded queries.
 * Rows read back are checked like any input from outside.
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "store/store.h"

struct query;

/* NULL with err. The schema must be ours (store_prepare came before). */
struct query *query_open(const char *path, struct err *err);
void query_close(struct query *q);

/*
 * Results as JSON arrays of objects, keys = column names, times in wall
 * milliseconds; new references, NULL with err.
 *
 * Events with id > after, oldest first, at most limit (<= 1000). after < 0:
 * the newest `limit`, oldest first.  subject: NULL or only that subject, or the
 * site, service or prefix of that bare name.
 * {"id","at_ms","kind","subject","what","reason","actor"}
 */
json_t *query_events(struct query *q, int64_t after, unsigned limit,
    const char *subject, struct err *err);
/* At most limit intents: those that are active, then those that ended last, but
 * later than ended_after_ms; the first made first.
 * {"id","kind","site","reason","actor","created_ms","until_ms","ended_ms",
 * "ended_by","scope","owner","at_once"} */
json_t *query_intents(struct query *q, int64_t ended_after_ms, unsigned limit,
    struct err *err);
/* The one with this id, in an array; which is empty when there is none. */
json_t *query_intent(struct query *q, const char *id, struct err *err);
/* The newest experiments first, at most limit; site NULL: of all.
 * {"id","site","state","reason","created_ms","ended_ms","clients","list",
 * "answered","bystanders","sites","asked","others","null_both","null_moved",
 * "null_tv","campaign","purpose","test","changed_ms",
 * "set_aside","null_moved_weight"} */
json_t *query_experiments(struct query *q, const char *site, unsigned limit,
    struct err *err);
/* One experiment, as above; NULL with err when there is none. */
json_t *query_experiment(struct query *q, uint32_t id, struct err *err);
/* Aggregates of one experiment.
 * {"site","family","heir","clients","weight","unstable","square"} */
json_t *query_heirs(struct query *q, uint32_t experiment, struct err *err);
/* The newest done experiment of every set of sites, newest first, as above. */
json_t *query_newest_maps(struct query *q, struct err *err);
/* The done experiments of a campaign, as above, in the order they ended. */
json_t *query_campaign_experiments(struct query *q, uint32_t campaign,
    struct err *err);
/* The newest campaigns first, at most limit.
 * {"id","state","reason","depth","seed","created_ms","ended_ms","list",
 * "sites"} */
json_t *query_campaigns(struct query *q, unsigned limit, struct err *err);
/* The newest landings first, at most limit; keys as in struct store_landing,
 * "heirs" a list, "short" 0 or 1. */
json_t *query_landings(struct query *q, unsigned limit, struct err *err);
/* The newest null run of each test prefix, the newest of all first; keys as in struct
 * store_null_run. */
json_t *query_null_runs(struct query *q, struct err *err);
/* Highest landing id, 0 if none; -1 with err. */
int64_t query_max_landing(struct query *q, struct err *err);
/* The newest experiment of site in state "done" before experiment `before`, 0 if
 * none; -1 with err. */
int64_t query_map_before(struct query *q, const char *site, uint32_t before,
    struct err *err);

/* The stored order document of site: text (free with free()) and revision;
 * 1 found, 0 none, -1 err. */
int query_order(struct query *q, const char *site, uint64_t *revision,
    char **json, struct err *err);
/* The same of what guards remember. */
int query_state(struct query *q, const char *name, uint64_t *revision,
    char **json, struct err *err);
/* Highest revision over all sites, 0 if none; -1 with err. */
int64_t query_max_revision(struct query *q, struct err *err);
/* Highest experiment id, 0 if none; -1 with err. */
int64_t query_max_experiment(struct query *q, struct err *err);

/* The current client list: *out is malloc'd (free), n entries in index order;
 * *list its id (0 and n = 0 if none was loaded). 0, or -1 with err. */
int query_clients(struct query *q, uint32_t *list, struct store_client **out,
    uint32_t *n, struct err *err);

/* Parts of recent clients of all sites, a site's in their order; fn returns -1
 * with err to end it.  0, or -1 with err. */
struct query_recent {
	const char *site;
	int64_t saved_ms;
	const uint8_t *data; /* borrowed for the call */
	size_t len;
};
typedef int query_recent_fn(const struct query_recent *part, void *arg,
    struct err *err);
int query_recent_clients(struct query *q, query_recent_fn *fn, void *arg,
    struct err *err);

/* {"prefix","reason","actor","created_ms"}, by prefix. */
json_t *query_optouts(struct query *q, struct err *err);
/* Of one experiment: {"site","class","n","samples": []}. */
json_t *query_replies(struct query *q, uint32_t experiment, struct err *err);
/* The clients of any list that is kept, as above; n = 0 if it is not. */
int query_list_clients(struct query *q, uint32_t list,
    struct store_client **out, uint32_t *n, struct err *err);

/*
 * Outcomes of the clients first .. first + n - 1 in one phase of an experiment,
 * into the caller's arrays: number of the site in the experiment's `sites`,
 * counted from 1, 0 no answer, OUTCOME_NOT_ASKED also where none is stored;
 * UINT32_MAX where the time is unknown.  0, or -1 with err.
 */
struct query_outcomes {
	uint32_t experiment;
	uint8_t phase;
	uint32_t first;
	uint32_t n;
	uint16_t *sites;  /* n values */
	uint32_t *rtt_us; /* n values; may be NULL */
};
int query_outcomes(struct query *q, const struct query_outcomes *want,
    struct err *err);
/* 1: there are some; 0: none, or they have expired (store_expire); -1 err. */
int query_has_outcomes(struct query *q, uint32_t experiment, struct err *err);

#endif /* STORE_QUERY_H */
