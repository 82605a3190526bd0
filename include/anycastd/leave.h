/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTD_LEAVE_H
#define ANYCASTD_LEAVE_H
/*
 * leave -- POST /v1/stop and GET /v1/stop: the daemon ends, leaving all routes
 * as they are, or after its site was drained.  The drain is an intent like any
 * other: it lasts until restored, also over the next start, and a restore
 * meanwhile calls the stop off.
 */
#include "api/server.h"
#include "base/loop.h"
#include "site/agent.h"
#include "store/store.h"

struct leave;

struct leave_env {
	struct loop *lp;
	struct store *store;
	struct agent *agent; /* NULL: no site here */
	const char *site;
};

struct leave *leave_new(const struct leave_env *env);
/* After a reload: another agent of the same site. */
void leave_set_agent(struct leave *lv, struct agent *agent);
void leave_free(struct leave *lv);
void leave_serve(struct leave *lv, struct api_server *server);

#endif /* ANYCASTD_LEAVE_H */
