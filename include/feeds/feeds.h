/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEEDS_H
#define FEEDS_FEEDS_H
/*
 * feeds -- main's side of recent clients: keeps the collector process running
 * if there are feeds, the newest list of each site in a book, and the book in
 * the store.
 */
#include <jansson.h>

#include "base/conf.h"
#include "base/loop.h"
#include "base/worker.h"
#include "feeds/client_book.h"
#include "store/query.h"
#include "store/store.h"

struct feeds;

struct feeds_env {
	struct loop *lp;
	struct keeper *keeper;
	size_t kind_collector;
	struct store *store;
	struct query *query;
	const struct conf *conf;
};

/* Loads the book. NULL with err. */
struct feeds *feeds_new(const struct feeds_env *env, struct err *err);
/* After a reload; conf: borrowed from now on. Lists stay, the collector begins
 * anew if anything about it is another. */
void feeds_reconf(struct feeds *fs, const struct conf *conf);
/* At a clean end, before the store's: what the book has goes into the store. */
void feeds_save(struct feeds *fs);
void feeds_free(struct feeds *fs);

struct client_book *feeds_book(struct feeds *fs);
/* Our own collector has told a whole new list of site. */
void feeds_listen(struct feeds *fs,
    void (*on_list)(const char *site, void *arg), void *arg);

/*
 * {"sites": [...], "feeds": [...], "starts"} as the collector told last
 * (docs/api.md); NULL if there are no feeds or it told nothing yet; borrowed.
 */
json_t *feeds_stats(const struct feeds *fs);

#endif /* FEEDS_FEEDS_H */
