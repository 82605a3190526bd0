/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_RECENT_API_H
#define FEEDS_RECENT_API_H
/*
 * recent_api -- what agent and controller tell alike about recent clients.
 */
#include "api/server.h"
#include "feeds/feeds.h"

/*
 * The "recent" object of GET /v1/clients.  stats: array of what collectors told
 * (feeds_stats), borrowed; entries that are no such object are passed over.
 */
json_t *recent_to_json(const struct client_book *book, const json_t *stats);

/* Answers GET /v1/clients/recent?site=S&top=N. */
void recent_reply_list(struct api_request *req, const struct client_book *book);

/* The parameters site (NULL: all) and top (0: all), checked; -1 with err. */
struct recent_choice {
	const char *site;
	size_t top;
};
int recent_choice_parse(const struct api_request *req,
    const struct client_book *book, struct recent_choice *out, struct err *err);

#endif /* FEEDS_RECENT_API_H */
