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
#include "core/route.h"

#define BIRD_NAME_MAX 64
#define BIRD_PROTOCOLS_MAX 4096u
#define BIRD_TIME_MAX 48

/* `show protocols` */
struct bird_protocol {
	char name[BIRD_NAME_MAX];
	bool is_bgp;
	bool is_established; /* BGP, and up */
	/* Not running at all: `disabled` in the file, or disabled by hand. A
	 * session that is not Established tries, and is not down. */
	bool is_down;
	/* On its way down: closing its session, or taking its routes back. */
	bool is_stopping;
};

/* Fills at most max of them; returns how many protocols there are. */
size_t bird_show_protocols(const struct bird_reply *reply,
    struct bird_protocol *out, size_t max);

/*
 * `show route …`: calls back for each route with its prefix, the protocol that
 * it comes from, and, when all was asked for, what stands at it.
 */
struct bird_show_route {
	struct prefix prefix;
	char protocol[BIRD_NAME_MAX];
	struct route_attrs attrs;
};
typedef void bird_route_cb(const struct bird_show_route *route, void *arg);
void bird_show_routes(const struct bird_reply *reply, bird_route_cb *cb,
    void *arg);

/* `show status`: is a reconfiguration still in progress? */
bool bird_show_is_reconfiguring(const struct bird_reply *reply);

/* ... since when does it run, and since when with this configuration?  BIRD's
 * own texts; "" if it does not say. */
struct bird_times {
	char started[BIRD_TIME_MAX], configured[BIRD_TIME_MAX];
};
void bird_show_times(const struct bird_reply *reply, struct bird_times *out);

/*
 * Is it the same configuration, at two looks?  is_same_run: the session with
 * BIRD held in between, so that it did not start anew.
 *
 * BIRD keeps both times by a steady clock and reckons them into the wall's each
 * time that it is asked, by two readings that its other work may lie between:
 * the texts move by a millisecond now and then, by many on a busy machine, and
 * by a step of the clock.  What lies between the two times does not move, but
 * for the rounding of either.  (lib/timer.c of BIRD 2.0.12, and measured.)  A
 * `timeformat base` other than ISO long is compared as text.
 */
bool bird_times_agree(const struct bird_times *a, const struct bird_times *b,
    bool is_same_run);

#endif /* BIRD_SHOW_H */
