/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_SERVER_H
#define API_SERVER_H
/*
 * server -- the daemon's HTTP server: libevent's, behind one door.  Listens on
 * the control socket (people, mode 0660) and, at a controller, on TCP
 * (machines).  Requests are checked here once (RFC 9112: one Host, no
 * ambiguous length), dispatched by a table, answered now or later.  Nobody can
 * hold more connections than some, nor drag out a handshake or a request.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "base/loop.h"

#define API_BODY_MAX_BYTES (4u << 20)
#define API_SEGMENTS_MAX 6

struct api_server;
struct api_request;

typedef void api_handler(struct api_request *req, void *arg);

/* Where a route may be reached from. */
enum api_reach {
	API_LOCAL, /* control socket only: what changes things */
	API_READ,  /* anywhere: tells, and changes nothing */
	API_AGENT, /* TCP and control socket: the fleet's own traffic */
	/* The same, of the site that segment 2 names: with TLS the client's
	 * certificate must be of that name. */
	API_SITE,
};

struct api_route {
	const char *method; /* NULL ends the table */
	const char *path;   /* "/v1/sites/+/drain"; '+' is any one segment */
	enum api_reach reach;
	api_handler *handler;
};

struct api_server *api_server_new(struct loop *lp);
void api_server_free(struct api_server *s);
/* The table must outlive the server. */
void api_server_add(struct api_server *s, const struct api_route *routes,
    void *arg);
/* Takes all tables out again. */
void api_server_clear(struct api_server *s);

struct conns_limits; /* api/conns.h */
struct metrics;      /* api/metrics.h */
struct tls_files;    /* base/tls.h */

/* Where to listen; NULL: not there. */
struct api_places {
	const char *local;      /* path of the control socket, mode 0660 */
	const char *local_read; /* the same for API_READ routes only */
	mode_t local_read_mode;
	const char *tcp;             /* "addr:port" or "[v6]:port", numeric */
	const struct tls_files *tls; /* for tcp; NULL: anybody, in the clear */
	const char *read;            /* the same for API_READ routes only */
	unsigned sites;              /* whose agents come to tcp */
};
/*
 * Listens there, and nowhere else any more.  The files of tls are read each
 * time; if they are others than before, connections of before end when they are
 * used again.  A dead socket file is replaced; if
 * a living daemon answers there: refused.  -1 with err: all is as it was.
 */
int api_server_listen(struct api_server *s, const struct api_places *places,
    struct err *err);
/*
 * Other bounds than the usual ones, from the next api_server_listen on; what is
 * 0 there: as usual.  Those are, of connections, 1,024 at tcp, or 16 for each of
 * the sites if these are more, and 256 at any other place (fewer if there are
 * few descriptors); of these a peer may have an eighth at tcp, a quarter at
 * read, and a user the half of a socket's.  See api/conns.h.
 */
void api_server_limit(struct api_server *s, const struct conns_limits *limits);
/* A metrics_source_fn (api/metrics.h); arg: the server. */
void api_server_metrics(struct metrics *m, void *arg);
/* Ends the connections of all requests that wait, but one (or NULL). */
void api_server_hang_up(struct api_server *s, const struct api_request *but);

/* Segment i of the path, decoded; "" if there is none. */
const char *api_segment(const struct api_request *req, size_t i);
/* A query parameter, or NULL. */
const char *api_param(const struct api_request *req, const char *name);
/* A number parameter in [min, max]; dflt when absent; -1 with err. */
int api_param_i64(const struct api_request *req, const char *name,
    const int64_t range[2], int64_t *out, struct err *err);
const uint8_t *api_body(const struct api_request *req, size_t *len);
/* The body as a JSON object (empty body: empty object); NULL with err. */
json_t *api_body_json(const struct api_request *req, struct err *err);
/* Who asks: "uid 1000 (jo)" over the socket, "192.0.2.1" over TCP. */
const char *api_actor(const struct api_request *req);

/* Each request is answered exactly once; it is gone after that. */
void api_reply_json(struct api_request *req, int status, json_t *body);
/* text: what json_dumps made of it, NULL when it could not. */
void api_reply_text(struct api_request *req, int status, const char *text);
void api_reply_bytes(struct api_request *req, int status, const char *type,
    const void *bytes, size_t len);
void api_reply_empty(struct api_request *req, int status);
/* Status by the code: 404 for ERR_GONE, 409 for ERR_REFUSED, 400 for
 * ERR_CONF, else 500. */
void api_reply_err(struct api_request *req, const struct err *err);

/*
 * For answers that wait: on_gone is called if the client goes away first (the
 * request must then not be answered).
 */
void api_request_defer(struct api_request *req,
    void (*on_gone)(struct api_request *req, void *arg), void *arg);

#endif /* API_SERVER_H */
