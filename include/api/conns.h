/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_CONNS_H
#define API_CONNS_H
/*
 * conns -- the open connections of one of the server's listeners: how many there
 * may be, in all and of one peer, and how long a handshake and a request may
 * take to arrive.  libevent has a timeout per read only.
 *
 * A peer is an IPv4 address, an IPv6 /64, or a user of this machine.  When
 * there is no room, a connection that asked nothing yet gives way, then one that
 * is idle, the one that did nothing for longest first; if all others are at
 * work, the new one is closed at once.
 *
 * With TLS the handshake must be over in handshake_ms, and the first byte must
 * come in request_ms from then on.  A request must be here request_ms after its
 * first byte, or bring least_bytes in each request_ms from then on.  While we
 * make an answer, and for the next request on an idle connection, there is no
 * limit here; nor for taking the answer: both have libevent's timeout.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct bufferevent;
struct evconnlistener;
struct evhttp_connection;
struct evhttp_request;

#define CONNS_HANDSHAKE_MS 10000
#define CONNS_REQUEST_MS 30000
/* In CONNS_REQUEST_MS: TLS hands over up to 16 KiB at once, so that a link of
 * 1.1 KiB/s is always fast enough. */
#define CONNS_LEAST_BYTES 16384u

struct conns_limits {
	unsigned most, per_peer; /* connections */
	int64_t handshake_ms, request_ms;
	size_t least_bytes;
};

/* Why we ended one. */
enum conn_end {
	CONN_REFUSED,   /* too many: closed at once */
	CONN_DISPLACED, /* gave way to a newer one */
	CONN_HANDSHAKE, /* not over in time */
	CONN_SLOW,      /* no whole request in time */
	CONN_END_COUNT
};

const char *conn_end_name(enum conn_end end);

struct conns; /* of one listener */
struct conn;

struct conns_env {
	struct loop *lp;
	const char *where; /* for the log, borrowed */
	uint64_t *ended;   /* CONN_END_COUNT counters, borrowed */
};

struct conns *conns_new(const struct conns_env *env);
/* After evhttp_free, which ends the connections. */
void conns_free(struct conns *cs);
/* For connections to come, and new requests. */
void conns_limit(struct conns *cs, const struct conns_limits *limits);
/* Borrowed: who listens, once; without descriptors it pauses. */
void conns_listen(struct conns *cs, struct evconnlistener *accepts);
/* Just accepted, and yet without its socket: from evhttp's bevcb. */
void conns_accept(struct conns *cs, struct bufferevent *bev, bool has_tls);
unsigned conns_open(const struct conns *cs);

/* A whole request is here: whose it is. */
struct conn *conns_request(struct conns *cs, struct evhttp_request *req);
/* on_close is called when the connection ends; NULL: nobody any more. */
void conn_on_close(struct conn *c, void (*on_close)(void *arg), void *arg);

#endif /* API_CONNS_H */
