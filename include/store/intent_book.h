/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_INTENT_BOOK_H
#define STORE_INTENT_BOOK_H
/*
 * intent_book -- the set of intents of a daemon, kept: each change goes to the
 * store and into the event log, and what falls due is ended in time.  Agent
 * and controller each have one.
 */
#include "base/log.h"
#include "base/loop.h"
#include "core/intent.h"
#include "store/query.h"
#include "store/store.h"

struct intent_book {
	struct intent_set set; /* read freely, change by the functions below */
	struct store *store;
	struct query *query;
	struct loop_timer *due;
	/* Wall: what ended until then is no news, some of it was forgotten for
	 * there were too many. */
	int64_t forgotten_ms;
	struct log_limit limit;
	/* After any change, with the row as it is now. */
	void (*on_change)(const struct intent *row, void *arg);
	void *arg;
};

/* Loads the rows; -1 with err. Then set on_change. */
int intent_book_init(struct intent_book *book, struct loop *lp,
    struct store *store, struct query *query, struct err *err);
void intent_book_fini(struct intent_book *book);

/*
 * Takes a row in by the rules of core/intent.h and those of what is kept in
 * memory (docs/design.md, section 5); on_durable (may be NULL) comes
 * when the row as it is now is on disk, changed or not.  One whose time is over
 * is taken in as ended.  False: it was left out, nothing of it is kept, and
 * on_durable does not come.
 */
bool intent_book_take(struct intent_book *book, const struct intent *row,
    store_done_cb *on_durable, void *arg);
/* Ends all whose time is over.  A turn of the loop does so, too: this is for
 * those who decide before the first one. */
void intent_book_end_due(struct intent_book *book);
/* Ends the row with this id, if it is active. */
void intent_book_end(struct intent_book *book, const char *id, const char *by);

#endif /* STORE_INTENT_BOOK_H */
