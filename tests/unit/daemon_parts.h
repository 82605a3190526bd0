/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DAEMON_PARTS_H
#define DAEMON_PARTS_H
/*
 * daemon_parts -- what the main process of a daemon has under any role: a loop,
 * a keeper with workers, the store and its file to read.
 */
#include <signal.h>

#include "base/loop.h"
#include "base/worker.h"
#include "store/query.h"
#include "store/store.h"
#include "store_file.h"
#include "test.h"

struct daemon_parts {
	struct keeper *k;
	struct loop *lp;
	struct store *store;
	struct query *query;
};

/* The first of the kinds is the store. */
static inline void
parts_start(struct daemon_parts *p, const struct store_file *f,
    const struct worker_kind *kinds, size_t n)
{
	struct err err = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	p->k = keeper_start(kinds, n, NULL, &err);
	assert_non_null(p->k);
	assert_int_equal(store_prepare(f->path, &err), 0);
	p->query = query_open(f->path, &err);
	assert_non_null(p->query);
	p->lp = loop_new();
	keeper_attach(p->k, p->lp, NULL, NULL);
	p->store = store_new(p->k, 0, f->path, NULL, NULL);
}

/* After everything that uses them. */
static inline void
parts_stop(struct daemon_parts *p)
{
	store_free(p->store);
	query_close(p->query);
	keeper_dismiss(p->k);
	loop_free(p->lp);
}

#endif /* DAEMON_PARTS_H */
