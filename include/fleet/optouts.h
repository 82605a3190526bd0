/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_OPTOUTS_H
#define FLEET_OPTOUTS_H
/*
 * optouts -- who does not want to be pinged: prefixes, kept in the store.
 *
 * They are left out of every client list, and go with every order to sweep, so
 * that the sender skips them too.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/addr.h"
#include "base/prefix_set.h"
#include "store/query.h"

struct controller;
struct api_server;

struct optout {
	struct prefix prefix;
	char *reason;
	char *actor;
	int64_t created_ms;
};

struct optouts {
	struct optout *rows; /* in prefix_compare order */
	size_t n;
	struct prefix_set *set;
};

/* *o is zero before.  -1 with err. */
int optouts_load(struct optouts *o, struct query *q, struct err *err);
void optouts_fini(struct optouts *o);
bool optouts_contain(const struct optouts *o, const struct addr *a);
/* The prefixes as texts; new reference. */
json_t *optouts_prefixes(const struct optouts *o);

void fleet_serve_optouts(struct controller *c, struct api_server *server);

#endif /* FLEET_OPTOUTS_H */
