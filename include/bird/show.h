/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_SHOW_H
#define BIRD_SHOW_H
/*
 * show -- what BIRD's `show` listings say about us: pure readers of replies.
 * Lines that they do not understand are passed over; BIRD adds columns.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "bird/reply.h"

#define BIRD_NAME_MAX 64
#define BIRD_SESSIONS_MAX 1024

/* `show protocols`: the BGP sessions. */
struct bird_session {
	char name[BIRD_NAME_MAX];
	bool is_up; /* Established */
};

/* Fills at most max of them; returns how many BGP protocols there are. */
size_t bird_show_sessions(const struct bird_reply *reply,
    struct bird_session *out, size_t max);

/*
 * `show route …`: calls back for each route line with its prefix and the
 * protocol that it comes from.
 */
typedef void bird_route_cb(const struct prefix *prefix, const char *protocol,
    void *arg);
void bird_show_routes(const struct bird_reply *reply, bird_route_cb *cb,
    void *arg);

/* `show status`: is a reconfiguration still in progress? */
bool bird_show_is_reconfiguring(const struct bird_reply *reply);

#endif /* BIRD_SHOW_H */
