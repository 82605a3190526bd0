/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_CONTROLLER_H
#define FLEET_CONTROLLER_H
/*
 * controller -- steers a fleet: knows its sites, holds one order document per
 * site, takes their reports, runs experiments.  It never connects to a site;
 * agents dial in.
 */
#include "api/server.h"
#include "base/conf.h"
#include "base/loop.h"
#include "feeds/feeds.h"
#include "store/query.h"
#include "store/store.h"

struct controller;

struct controller_env {
	struct loop *lp;
	struct store *store;
	struct query *query;
	struct feeds *feeds;
	const struct conf *conf; /* conf->controller is not NULL */
};

struct controller *controller_new(const struct controller_env *env,
    struct err *err);
void controller_free(struct controller *c);
void controller_serve(struct controller *c, struct api_server *server);

#endif /* FLEET_CONTROLLER_H */
