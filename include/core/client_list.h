/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_CLIENT_LIST_H
#define CORE_CLIENT_LIST_H
/*
 * client_list -- reads the text form of a client list: one line of
 * core/client_line.h a client, CR before LF is ignored.
 *
 * Fed in pieces of any size.  A malformed line makes the whole list bad (errors
 * are kept with line numbers, the first CLIENT_LIST_ERRORS_MAX of them); an
 * address that is not to be pinged is dropped and counted; a repeated address
 * is merged: weights add up, the later epoch counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/client_line.h"

#define CLIENT_LIST_ERRORS_MAX 10
#define CLIENT_LIST_MAX 16000000u

struct client_list_counts {
	uint64_t lines;
	uint64_t malformed;
	uint64_t dropped_special; /* private, multicast, documentation, ... */
	uint64_t duplicates;
};

struct client_list;

/* allow_special: keep private and documentation addresses (labs); multicast,
 * loopback and unspecified ones are dropped all the same. */
struct client_list *client_list_new(bool allow_special);
void client_list_free(struct client_list *cl);

void client_list_feed(struct client_list *cl, const char *text, size_t len);
/*
 * Ends the input.  0 if no line was malformed and at least one client is left;
 * else -1 with err holding the first errors, each "line N: what".
 */
int client_list_end(struct client_list *cl, struct err *err);

/* After client_list_end: the clients, sorted by address, unique; borrowed. */
const struct client *client_list_get(const struct client_list *cl, size_t *n);
const struct client_list_counts *client_list_counts(const struct client_list
	*cl);

#endif /* CORE_CLIENT_LIST_H */
