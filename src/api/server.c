/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "api/conns.h"
#include "api/headers.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "base/addr.h"
#include "base/log.h"
#include "base/text.h"
#include "base/tls.h"
#include "base/user.h"
#include "base/xalloc.h"

#define HEADERS_MAX_BYTES 16384
#define READ_BODY_MAX_BYTES 16384u /* nobody has anything to say there */
#define IDLE_TIMEOUT_SEC 60
#define CONNS_MOST 256u
#define TCP_CONNS_MOST 1024u
#define CONNS_PER_SITE 16u
#define ASK_MS 200
#define TABLES_MAX 32
#define ACTOR_BYTES 96

enum door {
	DOOR_LOCAL,      /* control socket */
	DOOR_LOCAL_READ, /* the same for who only looks */
	DOOR_TCP,
	DOOR_READ, /* over TCP, for who only looks */
	DOOR_COUNT
};

struct listener {
	struct api_server *server;
	struct evhttp *http;
	enum door door;
	char *where;     /* path, or address and port */
	struct tls *tls; /* NULL: in the clear */
	struct conns *conns;
};

static bool
is_local(const struct listener *l)
{
	return l->door == DOOR_LOCAL || l->door == DOOR_LOCAL_READ;
}

/* Serves API_READ routes, no others. */
static bool
is_read_only(const struct listener *l)
{
	return l->door == DOOR_LOCAL_READ || l->door == DOOR_READ;
}

static size_t
body_max(const struct listener *l)
{
	return is_read_only(l) ? READ_BODY_MAX_BYTES : API_BODY_MAX_BYTES;
}

struct table {
	const struct api_route *routes;
	void *arg;
};

struct api_server {
	struct loop *lp;
	struct listener *doors[DOOR_COUNT]; /* NULL: not listening */
	LIST_HEAD(, api_request) waiting;   /* deferred */
	struct table tables[TABLES_MAX];
	size_t n_tables;
	struct conns_limits limits;
	uint64_t ended[DOOR_COUNT][CONN_END_COUNT];
	struct log_limit limit;
};

struct api_request {
	LIST_ENTRY(api_request) entry; /* while on_gone is set */
	struct api_server *server;
	struct evhttp_request *ev;
	struct conn *conn;
	char *segments[API_SEGMENTS_MAX];
	size_t n_segments;
	struct evkeyvalq params;
	char actor[ACTOR_BYTES];
	/* While the answer waits: of the client's going away; its socket has to
	 * be asked if there are bytes in it that nobody reads. */
	struct event *hangup;
	struct loop_timer *ask;
	void (*on_gone)(struct api_request *req, void *arg);
	void *arg;
};

/* ---- one request ---- */

static void
request_free(struct api_request *req)
{
	for (size_t i = 0; i < req->n_segments; i++)
		free(req->segments[i]);
	if (req->hangup != NULL) {
		event_free(req->hangup);
		loop_timer_free(req->ask);
		LIST_REMOVE(req, entry);
	}
	evhttp_clear_headers(&req->params);
	free(req);
}

static void
on_connection_closed(void *arg)
{
	struct api_request *req = arg;

	if (req->on_gone != NULL)
		req->on_gone(req, req->arg);
	request_free(req);
}

/* The connection takes the request with it: see on_connection_closed. */
static void
client_gone(const struct api_request *req)
{
	evhttp_connection_free(evhttp_request_get_connection(req->ev));
}

static void
on_ask(struct loop *lp, void *arg)
{
	const struct api_request *req = arg;
	struct pollfd p = { .fd = event_get_fd(req->hangup),
		.events = POLLRDHUP };

	(void)lp;
	if (poll(&p, 1, 0) == 1) {
		client_gone(req);
	} else {
		loop_timer_set(req->ask, ASK_MS);
	}
}

/*
 * A reset is no end to epoll, but it wakes everybody who waits for anything: so
 * reading is waited for, too.  Bytes that come now are the next request's, which
 * libevent takes later; they would wake us until then.
 */
static void
on_hangup(evutil_socket_t fd, short what, void *arg)
{
	const struct api_request *req = arg;
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if ((what & EV_CLOSED) != 0 || n == 0 ||
	    (n == -1 && errno != EAGAIN && errno != EINTR)) {
		client_gone(req);
	} else if (n > 0) {
		(void)event_del(req->hangup);
		loop_timer_set(req->ask, ASK_MS);
	}
}

/* Ends the request: answers it, lets go of the connection. */
static void
request_send(struct api_request *req, int status, struct evbuffer *body)
{
	conn_on_close(req->conn, NULL, NULL);
	evhttp_send_reply(req->ev, status, NULL, body);
	request_free(req);
}

void
api_reply_bytes(struct api_request *req, int status, const char *type,
    const void *bytes, size_t len)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req->ev);
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		abort();
	(void)evbuffer_add(body, bytes, len);
	if (type != NULL)
		(void)evhttp_add_header(headers, "Content-Type", type);
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	request_send(req, status, body);
	evbuffer_free(body);
}

void
api_reply_text(struct api_request *req, int status, const char *text)
{
	if (text == NULL) {
		log_limited(&req->server->limit,
		    "api: answer cannot be written as JSON");
		api_reply_empty(req, 500);
		return;
	}
	api_reply_bytes(req, status, "application/json", text, strlen(text));
}

const char *
api_segment(const struct api_request *req, size_t i)
{
	return i < req->n_segments ? req->segments[i] : "";
}

const char *
api_param(const struct api_request *req, const char *name)
{
	return evhttp_find_header(&req->params, name);
}

const uint8_t *
api_body(const struct api_request *req, size_t *len)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req->ev);

	*len = evbuffer_get_length(in);
	return evbuffer_pullup(in, -1);
}

const char *
api_actor(const struct api_request *req)
{
	return req->actor;
}

void
api_request_defer(struct api_request *req,
    void (*on_gone)(struct api_request *req, void *arg), void *arg)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req->ev);

	req->on_gone = on_gone;
	req->arg = arg;
	conn_on_close(req->conn, on_connection_closed, req);
	/* libevent does not read, and so sees no end, while a request waits. */
	req->hangup = event_new(evhttp_connection_get_base(conn),
	    bufferevent_getfd(evhttp_connection_get_bufferevent(conn)),
	    EV_READ | EV_CLOSED | EV_PERSIST, on_hangup, req);
	req->ask = loop_timer_new(req->server->lp, on_ask, req);
	if (req->hangup == NULL || event_add(req->hangup, NULL) == -1)
		abort();
	LIST_INSERT_HEAD(&req->server->waiting, req, entry);
}

void
api_server_hang_up(struct api_server *s, const struct api_request *but)
{
	struct api_request *req, *next;

	for (req = LIST_FIRST(&s->waiting); req != NULL; req = next) {
		next = LIST_NEXT(req, entry);
		/* It goes with its connection. */
		if (req != but) {
			evhttp_connection_free(
			    evhttp_request_get_connection(req->ev));
		}
	}
}

/* ---- who asks, and for what ---- */

/* "uid 1000 (jo)". */
static void
format_user(uid_t uid, char *out, size_t size)
{
	char name[USER_NAME_BYTES];

	if (user_name(uid, name)) {
		(void)snprintf(out, size, "uid %u (%s)", (unsigned)uid, name);
	} else {
		(void)snprintf(out, size, "uid %u", (unsigned)uid);
	}
}

static void
set_actor(struct api_request *req, bool is_unix)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req->ev);
	evutil_socket_t fd =
	    bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char *peer = NULL;
	ev_uint16_t port;

	if (is_unix &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		format_user(cred.uid, req->actor, sizeof(req->actor));
		return;
	}
	evhttp_connection_get_peer(conn, &peer, &port);
	(void)text_copy(req->actor, sizeof(req->actor),
	    peer != NULL ? peer : "unknown");
}

/* Splits and decodes the path; false when it is not one of ours. */
static bool
split_path(struct api_request *req, const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(++path, "/"), decoded = 0;
		char *raw, *segment;

		if (req->n_segments == API_SEGMENTS_MAX)
			return false;
		raw = xasprintf("%.*s", (int)len, path);
		segment = evhttp_uridecode(raw, 0, &decoded);
		free(raw);
		req->segments[req->n_segments++] = segment;
		/* A zero byte would hide what follows it. */
		if (segment == NULL || strlen(segment) != decoded)
			return false;
		path += len;
	}
	return *path == '\0';
}

static bool
path_matches(const struct api_request *req, const char *pattern)
{
	size_t i = 0;

	while (*pattern == '/') {
		size_t len = strcspn(++pattern, "/");

		if (i == req->n_segments)
			return false;
		if (!(len == 1 && *pattern == '+') &&
		    (strlen(req->segments[i]) != len ||
			memcmp(req->segments[i], pattern, len) != 0))
			return false;
		i++;
		pattern += len;
	}
	return i == req->n_segments;
}

static const char *
method_name(struct evhttp_request *ev)
{
	return evhttp_request_get_command(ev) == EVHTTP_REQ_POST ? "POST"
								 : "GET";
}

static bool
may_reach(const struct listener *l, enum api_reach reach)
{
	if (reach == API_READ || l->door == DOOR_LOCAL)
		return true;
	return reach != API_LOCAL && !is_read_only(l);
}

/* The route of the table for this request, or NULL; *path_known is set when
 * only the method is another. */
static const struct api_route *
find_route(const struct listener *l, const struct table *t,
    const struct api_request *req, bool *path_known)
{
	const char *method = method_name(req->ev);

	for (const struct api_route *r = t->routes; r->method != NULL; r++) {
		if (!may_reach(l, r->reach) || !path_matches(req, r->path))
			continue;
		*path_known = true;
		if (strcmp(r->method, method) == 0)
			return r;
	}
	return NULL;
}

static struct bufferevent *
stream_of(const struct api_request *req)
{
	return evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req->ev));
}

static void
refuse_certificate(struct listener *l, struct api_request *req)
{
	char name[ACTOR_BYTES];
	struct err err;

	tls_peer_name(stream_of(req), name, sizeof(name));
	err_set(&err, ERR_REFUSED, "the certificate is of %s, not of %.64s",
	    name, api_segment(req, 2));
	log_limited(&l->server->limit, "api: %s: %s", req->actor, err.msg);
	api_reply_err(req, &err);
}

/* Nobody speaks for a site but itself. */
static bool
may_speak(const struct listener *l, enum api_reach reach,
    const struct api_request *req)
{
	return reach != API_SITE || l->tls == NULL ||
	    tls_peer_is(stream_of(req), api_segment(req, 2));
}

static void
dispatch(struct listener *l, struct api_request *req)
{
	bool path_known = false;
	struct err err;

	for (size_t i = 0; i < l->server->n_tables; i++) {
		const struct table *t = &l->server->tables[i];
		const struct api_route *r = find_route(l, t, req, &path_known);

		if (r != NULL && !may_speak(l, r->reach, req)) {
			refuse_certificate(l, req);
			return;
		}
		if (r != NULL) {
			r->handler(req, t->arg);
			return;
		}
	}
	if (l->door == DOOR_LOCAL_READ &&
	    evhttp_request_get_command(req->ev) == EVHTTP_REQ_POST) {
		err_set(&err, ERR_REFUSED, "%s: this socket only tells: %s",
		    evhttp_request_get_uri(req->ev),
		    "what changes something goes to the control socket");
	} else {
		err_set(&err, ERR_GONE, "%s: %s",
		    evhttp_request_get_uri(req->ev),
		    path_known ? "not with this method" : "nothing here");
	}
	api_reply_err(req, &err);
}

static void
on_request(struct evhttp_request *ev, void *arg)
{
	struct listener *l = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(ev);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	struct api_request *req = xcalloc(1, sizeof(*req));

	req->server = l->server;
	req->ev = ev;
	req->conn = conns_request(l->conns, ev);
	TAILQ_INIT(&req->params);
	set_actor(req, is_local(l));
	/* Made by other files, or long ago: by whom may not be believed any
	 * more. */
	if (l->tls != NULL && !tls_is_good(l->tls, stream_of(req))) {
		(void)evhttp_add_header(evhttp_request_get_output_headers(ev),
		    "Connection", "close");
		api_reply_empty(req, TLS_MISDIRECTED);
		return;
	}
	if (!api_headers_are_sane(ev) || path == NULL ||
	    !split_path(req, path) ||
	    (query != NULL &&
		evhttp_parse_query_str(query, &req->params) == -1)) {
		(void)evhttp_add_header(evhttp_request_get_output_headers(ev),
		    "Connection", "close");
		api_reply_empty(req, 400);
		return;
	}
	dispatch(l, req);
}

/* ---- listening ---- */

static struct bufferevent *
on_connection(struct event_base *base, void *arg)
{
	const struct listener *l = arg;
	/* Without an option: evhttp closes the socket itself. */
	struct bufferevent *bev = l->tls != NULL
	    ? tls_accept(l->tls, base)
	    : bufferevent_socket_new(base, -1, 0);

	if (bev == NULL)
		abort();
	/* libevent reads on while it writes an answer: what comes then, by
	 * somebody who does not take the answer, would have no end. */
	bufferevent_setwatermark(bev, EV_READ, 0,
	    body_max(l) + (size_t)2 * HEADERS_MAX_BYTES);
	conns_accept(l->conns, bev, l->tls != NULL);
	return bev;
}

static struct listener *
listener_new(struct api_server *s, enum door door, const char *where)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->server = s;
	l->door = door;
	l->where = xstrdup(where);
	l->conns = conns_new(&(struct conns_env){
	    .lp = s->lp, .where = l->where, .ended = s->ended[door] });
	l->http = evhttp_new(loop_event_base(s->lp));
	if (l->http == NULL)
		abort();
	evhttp_set_allowed_methods(l->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(l->http, HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(l->http, (ev_ssize_t)body_max(l));
	evhttp_set_timeout(l->http, IDLE_TIMEOUT_SEC);
	evhttp_set_bevcb(l->http, on_connection, l);
	evhttp_set_gencb(l->http, on_request, l);
	return l;
}

static void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	if (is_local(l))
		(void)unlink(l->where);
	evhttp_free(l->http);
	conns_free(l->conns);
	tls_free(l->tls);
	free(l->where);
	free(l);
}

struct api_server *
api_server_new(struct loop *lp)
{
	struct api_server *s = xcalloc(1, sizeof(*s));

	s->lp = lp;
	LIST_INIT(&s->waiting);
	return s;
}

void
api_server_free(struct api_server *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < DOOR_COUNT; i++)
		listener_free(s->doors[i]);
	free(s);
}

void
api_server_add(struct api_server *s, const struct api_route *routes, void *arg)
{
	if (s->n_tables == TABLES_MAX)
		abort();
	s->tables[s->n_tables++] = (struct table){ routes, arg };
}

void
api_server_clear(struct api_server *s)
{
	s->n_tables = 0;
}

/* Takes the fd in any case. */
static int
listener_bind(struct listener *l, int fd, struct err *err)
{
	struct evconnlistener *ec =
	    evconnlistener_new(loop_event_base(l->server->lp), NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (ec == NULL) {
		(void)close(fd);
		return err_set(err, ERR_SYS, "cannot listen");
	}
	if (evhttp_bind_listener(l->http, ec) == NULL) {
		evconnlistener_free(ec);
		return err_set(err, ERR_SYS, "cannot serve");
	}
	conns_listen(l->conns, ec);
	return 0;
}

/* ---- doors ---- */

static struct listener *
open_door(struct api_server *s, enum door door, const char *where, mode_t mode,
    struct err *err)
{
	bool is_unix = door == DOOR_LOCAL || door == DOOR_LOCAL_READ;
	int fd =
	    is_unix ? listen_unix(where, mode, err) : listen_tcp(where, err);
	struct listener *l;

	if (fd == -1)
		return NULL;
	l = listener_new(s, door, where);
	if (listener_bind(l, fd, err) == 0)
		return l;
	listener_free(l);
	return NULL;
}

/* Takes tls. */
static void
listener_set_tls(struct listener *l, struct tls *tls)
{
	bool is_same =
	    l->tls != NULL && tls != NULL && tls_is_same(l->tls, tls);

	tls_free(is_same ? tls : l->tls);
	if (!is_same)
		l->tls = tls;
}

void
api_server_limit(struct api_server *s, const struct conns_limits *limits)
{
	s->limits = *limits;
}

/* What was not set: as many as the descriptors allow, and for a peer a share. */
static struct conns_limits
limits_of(const struct api_server *s, enum door door, unsigned sites)
{
	/* All sites may come by one address: then each has two. */
	static const unsigned shares[DOOR_COUNT] = { [DOOR_LOCAL] = 2,
		[DOOR_LOCAL_READ] = 2,
		[DOOR_TCP] = CONNS_PER_SITE / 2,
		[DOOR_READ] = 4 };
	struct conns_limits limits = s->limits;
	uint64_t most = CONNS_MOST, files_share = 8;
	struct rlimit files;

	if (door == DOOR_TCP) {
		most = (uint64_t)CONNS_PER_SITE * sites;
		most = most > TCP_CONNS_MOST ? most : TCP_CONNS_MOST;
		files_share = 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_cur / files_share < most)
		most = files.rlim_cur / files_share;
	if (limits.most == 0)
		limits.most = (unsigned)most;
	if (limits.per_peer == 0) {
		limits.per_peer =
		    (limits.most + shares[door] - 1) / shares[door];
	}
	if (limits.handshake_ms == 0)
		limits.handshake_ms = CONNS_HANDSHAKE_MS;
	if (limits.request_ms == 0)
		limits.request_ms = CONNS_REQUEST_MS;
	if (limits.least_bytes == 0)
		limits.least_bytes = CONNS_LEAST_BYTES;
	return limits;
}

static void
limit_doors(struct api_server *s, unsigned sites)
{
	for (size_t i = 0; i < DOOR_COUNT; i++) {
		struct conns_limits limits = limits_of(s, (enum door)i, sites);

		if (s->doors[i] != NULL)
			conns_limit(s->doors[i]->conns, &limits);
	}
}

int
api_server_listen(struct api_server *s, const struct api_places *places,
    struct err *err)
{
	const char *const wanted[DOOR_COUNT] = {
		[DOOR_LOCAL] = places->local,
		[DOOR_LOCAL_READ] = places->local_read,
		[DOOR_TCP] = places->tcp,
		[DOOR_READ] = places->read,
	};
	const mode_t modes[DOOR_COUNT] = {
		[DOOR_LOCAL] = 0660,
		[DOOR_LOCAL_READ] = places->local_read_mode,
	};
	struct listener *fresh[DOOR_COUNT] = { NULL };
	bool is_same[DOOR_COUNT];
	struct tls *tls = NULL;

	if (places->tls != NULL && places->tcp != NULL) {
		tls = tls_new(places->tls, err);
		if (tls == NULL)
			return -1;
	}
	for (size_t i = 0; i < DOOR_COUNT; i++) {
		const struct listener *l = s->doors[i];

		is_same[i] = l != NULL && wanted[i] != NULL &&
		    strcmp(l->where, wanted[i]) == 0;
		if (is_same[i] || wanted[i] == NULL)
			continue;
		fresh[i] = open_door(s, (enum door)i, wanted[i], modes[i], err);
		if (fresh[i] != NULL)
			continue;
		while (i-- > 0)
			listener_free(fresh[i]);
		tls_free(tls);
		return -1;
	}
	for (size_t i = 0; i < DOOR_COUNT; i++) {
		if (is_same[i])
			continue;
		listener_free(s->doors[i]);
		s->doors[i] = fresh[i];
	}
	if (s->doors[DOOR_TCP] != NULL) {
		listener_set_tls(s->doors[DOOR_TCP], tls);
	} else {
		tls_free(tls);
	}
	limit_doors(s, places->sites);
	return 0;
}

void
api_server_metrics(struct metrics *m, void *arg)
{
	static const char *const names[DOOR_COUNT] = {
		[DOOR_LOCAL] = "socket",
		[DOOR_LOCAL_READ] = "read_socket",
		[DOOR_TCP] = "listen",
		[DOOR_READ] = "metrics",
	};
	const struct api_server *s = arg;

	for (size_t i = 0; i < DOOR_COUNT; i++) {
		if (s->doors[i] == NULL)
			continue;
		metrics_add(m, METRIC_CONNECTIONS,
		    conns_open(s->doors[i]->conns), METRIC_LABELS(names[i]));
		for (size_t k = 0; k < CONN_END_COUNT; k++) {
			metrics_add(m, METRIC_CONNECTIONS_ENDED,
			    (int64_t)s->ended[i][k],
			    METRIC_LABELS(names[i],
				conn_end_name((enum conn_end)k)));
		}
	}
}
