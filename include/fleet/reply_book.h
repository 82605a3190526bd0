/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_REPLY_BOOK_H
#define FLEET_REPLY_BOOK_H
/*
 * reply_book -- how many replies of each class every site had in an experiment,
 * and the first few of each class but the good ones, for people to look into.
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/addr.h"
#include "probes/sweep.h"

enum reply_class {
	REPLY_GOOD,
	REPLY_DUPLICATE,    /* again at the same site */
	REPLY_SECOND_SITE,  /* the client flips between sites */
	REPLY_OTHER_SOURCE, /* answered from another address */
	REPLY_LATE,         /* of another experiment, phase or round */
	REPLY_FORGED,       /* the MAC is wrong */
	REPLY_CLASS_COUNT
};

/* "accepted", "duplicate", "second_site", "other_source", "late", "forged" */
const char *reply_class_name(enum reply_class cl);

struct reply_book;

struct reply_book *reply_book_new(size_t n_sites);
void reply_book_free(struct reply_book *b); /* NULL is fine */

/* Counts one, and keeps it if it is among the first of its class. */
void reply_book_take(struct reply_book *b, size_t site, enum reply_class cl,
    const struct sweep_reply *r);
/* The same for one that the site itself has counted. */
void reply_book_keep(struct reply_book *b, size_t site, enum reply_class cl,
    const struct sweep_reply *r);
int64_t reply_book_count(const struct reply_book *b, size_t site,
    enum reply_class cl);

/*
 * What was kept, oldest first: [{"client": index, "source": address or "",
 * "phase", "round", "sent_us", "received_us"}]; new reference.
 */
json_t *reply_book_samples(const struct reply_book *b, size_t site,
    enum reply_class cl);

#endif /* FLEET_REPLY_BOOK_H */
