/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_CLIENT_BOOK_H
#define FEEDS_CLIENT_BOOK_H
/*
 * client_book -- in main: the newest whole list of recent clients of each site,
 * be it from our own collector, from an agent or from the store.  A list comes
 * in parts and takes the place of the one before when its last part is there.
 * Weights go on decaying by the list's age; nothing here blocks or grows beyond
 * CONF_CLIENTS_MAX a site and `max` in all.
 */
#include <jansson.h>

#include "base/mono.h"
#include "feeds/feed_wire.h"

/* A controller's: 1 GB. */
#define CLIENT_BOOK_MAX 32000000u

struct client_book;

/* max: clients of all lists, those on their way too; 32 bytes each. */
struct client_book *client_book_new(size_t max);
void client_book_free(struct client_book *book);

/*
 * Takes a part: 1 the list is whole and now the site's, 0 more parts follow, -1
 * with err: malformed, out of order, too long; then the list begins again with
 * its first part.  A part that was taken already changes nothing.
 */
int client_book_take(struct client_book *book, const char *site,
    struct feed_part *part, struct err *err);

struct client_book_list {
	const char *site;
	const struct client *clients; /* sorted by address */
	uint32_t n;
	uint32_t serial;
	int64_t age_ms; /* of the weights, now */
	int64_t half_life_ms;
};
size_t client_book_count(const struct client_book *book);
/* The i-th site's; borrowed until the next take.  A site whose first list is
 * not whole yet has n 0 and serial 0. */
void client_book_get(const struct client_book *book, size_t i,
    struct client_book_list *out);
/* False if nothing is known of site. */
bool client_book_find(const struct client_book *book, const char *site,
    struct client_book_list *out);

/*
 * Clients of one site, or of all (site NULL) with their weights added up,
 * decayed to now, the heaviest `top` of them (0: all), sorted by address; new
 * memory, NULL if there are none.
 */
struct client *client_book_merge(const struct client_book *book,
    const char *site, size_t top, size_t *n);

/* [{"site", "clients", "ipv4", "ipv6", "weight", "age_ms"}] */
json_t *client_book_to_json(const struct client_book *book);

#endif /* FEEDS_CLIENT_BOOK_H */
