/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_H
#define SITE_AGENT_H
/*
 * agent -- runs one site: health of its services, routes in BIRD, operators'
 * intents, and what the controller orders.  Alone or in a fleet, the same.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "api/server.h"
#include "base/conf.h"
#include "base/fetch.h"
#include "base/loop.h"
#include "base/worker.h"
#include "feeds/feeds.h"
#include "store/query.h"
#include "store/store.h"

struct agent;

struct agent_env {
	struct loop *lp;
	struct keeper *keeper;
	struct store *store;
	struct query *query;
	struct fetch_engine *fetch;
	struct feeds *feeds;     /* NULL: none, in tests */
	const struct conf *conf; /* conf->agent is not NULL */
	size_t kind_pinger;      /* in the keeper's table */
	size_t kind_runner;
	size_t kind_meter; /* a runner that may ask nft */
	size_t kind_sweeper;
	/* The agent with the configuration before, to be freed afterwards: what
	 * did not change goes on. NULL: the process starts. */
	struct agent *from;
};

/* Loads the intents and goes to work. NULL with err. */
struct agent *agent_new(const struct agent_env *env, struct err *err);
/*
 * May the site go on by that configuration?  -1 with err if a prefix would no
 * longer be drained by it, since it is another service's that is drained.
 */
int agent_check_reload(const struct agent *a, const struct conf *fresh,
    struct err *err);
/*
 * To be called about once a second: decides anew, and says whether the part
 * that steers BIRD turns as well.  A false for long means that this process is
 * of no use any more.
 */
bool agent_turn(struct agent *a);
/*
 * Drains the whole site, as its console would; one that is drained already is
 * left as it is, but for one that goes by steps and is to go at once now: that
 * is a drain more.  on_durable comes when that is on disk.  -1 with err: no room.
 */
struct drain_request;
int agent_drain(struct agent *a, const struct drain_request *want,
    const char *actor, store_done_cb *on_durable, void *arg, struct err *err);
/* The whole site is, by whatever intent. */
bool agent_is_drained(const struct agent *a);
/* Nothing with BIRD is half done. */
bool agent_is_idle(const struct agent *a);
/* Service prefixes that are announced, or may be. */
size_t agent_count_left(const struct agent *a);
/* Before agent_free: ends what is temporary, all else stays as it is. */
void agent_stop(struct agent *a);
void agent_free(struct agent *a);

/* The people's part of the API, for a daemon without controller role. */
void agent_serve(struct agent *a, struct api_server *server);

/* Its probes on demand, for any daemon with an agent. */
void agent_serve_probes(struct agent *a, struct api_server *server);

/* The site's object of docs/api.md; new reference. */
json_t *agent_status(const struct agent *a);

#endif /* SITE_AGENT_H */
