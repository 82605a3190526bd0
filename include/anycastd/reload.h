/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTD_RELOAD_H
#define ANYCASTD_RELOAD_H
/*
 * reload -- takes the configuration anew, as a whole or not at all: by SIGHUP,
 * or POST /v1/reload, which answers when it is done.  All that can fail is done
 * first; the swap itself waits for a moment without unfinished business.
 */
#include <stdbool.h>

#include "api/server.h"
#include "base/conf.h"
#include "base/loop.h"
#include "store/store.h"

struct reload;

struct reload_ops {
	/* -1 with err: this one cannot be taken while the daemon runs. */
	int (*check)(const struct conf *fresh, void *arg, struct err *err);
	/* NULL, or what is to be waited for; *must: it may not be skipped. */
	const char *(*wait_for)(bool *must, void *arg);
	/* Takes fresh over; -1 with err: it is as before, fresh the caller's. */
	int (*apply)(struct conf *fresh, const struct api_request *asker,
	    void *arg, struct err *err);
	/* What is in force. */
	const struct conf *(*conf)(void *arg);
	void *arg;
};

struct reload_env {
	struct loop *lp;
	struct store *store;
	struct reload_ops ops;
};

struct reload *reload_new(const struct reload_env *env);
void reload_free(struct reload *r);
void reload_serve(struct reload *r, struct api_server *server);
void reload_on_signal(struct reload *r);

/* What differs, as lines for people: "service web: changed". New reference. */
json_t *reload_changes(const struct conf *before, const struct conf *now);

#endif /* ANYCASTD_RELOAD_H */
