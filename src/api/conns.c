/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/conns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/tls.h"
#include "base/xalloc.h"

#define ACCEPT_PAUSE_MS 1000
/* Accepted at one go: who knocks without end does not keep the loop. */
#define BURST_MAX 64u
#define PEER_TEXT_BYTES (ADDR_TEXT_BYTES + sizeof("/64"))

enum conn_state {
	CONN_NEW,      /* shakes hands, or did not say anything yet */
	CONN_ARRIVING, /* some of a request is here */
	CONN_BUSY,     /* all of it; until its answer is gone */
	CONN_IDLE,     /* answered, and waits for the next one */
};

struct conn {
	TAILQ_ENTRY(conn) entry; /* of fresh, then of open */
	struct conns *cs;
	struct bufferevent *bev;      /* while fresh with a reference to it */
	struct evhttp_connection *ev; /* NULL while fresh */
	struct evbuffer_cb_entry *watch;
	struct addr peer; /* of a user: the number, in its first bytes */
	bool is_user;
	bool in_handshake;
	bool has_asked; /* a whole request, once */
	enum conn_state state;
	size_t arrived; /* bytes, since the timer was set */
	struct loop_timer *timer;
	void (*on_close)(void *arg);
	void *arg;
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	LIST_ENTRY(conns) entry;
	struct conns_env env;
	struct conns_limits limits;
	struct evconnlistener *accepts;
	struct loop_timer *pause; /* no descriptor was left */
	struct event *admit;      /* those in fresh */
	struct conn_list fresh;   /* accepted since the loop turned */
	unsigned n_fresh;
	struct conn_list open; /* by when they did something, last at the end */
	unsigned n_open;
	struct log_limit limit;
};

/* libevent tells of a listener's trouble by its own handle alone. */
static LIST_HEAD(, conns) all_conns = LIST_HEAD_INITIALIZER(all_conns);

const char *
conn_end_name(enum conn_end end)
{
	static const char *const names[CONN_END_COUNT] = {
		[CONN_REFUSED] = "refused",
		[CONN_DISPLACED] = "displaced",
		[CONN_HANDSHAKE] = "handshake",
		[CONN_SLOW] = "slow",
	};

	return names[end];
}

/* ---- peers ---- */

static void
note_peer(struct conn *c)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage ss;
	} u = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(u), cred_len = sizeof(struct ucred);
	struct ucred cred;
	int fd = bufferevent_getfd(c->bev);

	/* Gone already: libevent will see that. */
	if (getpeername(fd, &u.sa, &len) == -1)
		return;
	if (u.sa.sa_family == AF_INET) {
		c->peer = addr_from_in(u.in.sin_addr);
	} else if (u.sa.sa_family == AF_INET6) {
		memcpy(c->peer.b, &u.in6.sin6_addr, sizeof(c->peer.b));
		/* A host has all of its /64 to choose from. */
		if (!addr_is_ipv4(&c->peer))
			memset(c->peer.b + 8, 0, sizeof(c->peer.b) - 8);
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) ==
	    0) {
		c->is_user = true;
		memcpy(c->peer.b, &cred.uid, sizeof(cred.uid));
	}
}

static const char *
format_peer(const struct conn *c, char out[PEER_TEXT_BYTES])
{
	char text[ADDR_TEXT_BYTES];
	uid_t uid;

	memcpy(&uid, c->peer.b, sizeof(uid));
	if (c->is_user) {
		(void)snprintf(out, PEER_TEXT_BYTES, "uid %u", (unsigned)uid);
	} else {
		(void)snprintf(out, PEER_TEXT_BYTES, "%s%s",
		    addr_format(&c->peer, text),
		    addr_is_ipv4(&c->peer) ? "" : "/64");
	}
	return out;
}

static unsigned
count_of_peer(const struct conns *cs, const struct addr *peer)
{
	const struct conn *c;
	unsigned n = 0;

	TAILQ_FOREACH (c, &cs->open, entry)
		n += addr_equal(&c->peer, peer);
	return n;
}

/* ---- the end of one ---- */

static void
conn_free(struct conn *c)
{
	loop_timer_free(c->timer);
	free(c);
}

static void
on_closed(struct evhttp_connection *ev, void *arg)
{
	struct conn *c = arg;

	evhttp_connection_set_closecb(ev, NULL, NULL);
	if (c->on_close != NULL)
		c->on_close(c->arg);
	(void)evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->watch);
	TAILQ_REMOVE(&c->cs->open, c, entry);
	c->cs->n_open--;
	conn_free(c);
}

/* c is gone after that: see on_closed. */
static void
conn_end(struct conn *c, enum conn_end end, const char *why)
{
	struct conns *cs = c->cs;
	char peer[PEER_TEXT_BYTES];

	cs->env.ended[end]++;
	log_limited(&cs->limit, "api: %s: %s: closed: %s", cs->env.where,
	    format_peer(c, peer), why);
	evhttp_connection_free(c->ev);
}

/* ---- what may take so long ---- */

static void
set_state(struct conn *c, enum conn_state state)
{
	c->state = state;
	c->arrived = 0;
	TAILQ_REMOVE(&c->cs->open, c, entry);
	TAILQ_INSERT_TAIL(&c->cs->open, c, entry);
	if (state == CONN_ARRIVING) {
		loop_timer_set(c->timer, c->cs->limits.request_ms);
	} else {
		loop_timer_cancel(c->timer);
	}
}

static void
on_time(struct loop *lp, void *arg)
{
	struct conn *c = arg;
	const struct conns_limits *limits = &c->cs->limits;

	(void)lp;
	if (c->in_handshake && !tls_is_established(c->bev)) {
		conn_end(c, CONN_HANDSHAKE, "the TLS handshake takes too long");
	} else if (c->in_handshake || c->arrived >= limits->least_bytes) {
		c->in_handshake = false;
		c->arrived = 0;
		loop_timer_set(c->timer, limits->request_ms);
	} else {
		conn_end(c, CONN_SLOW, "its request takes too long to arrive");
	}
}

/* Called by libevent for what we take as well. */
static void
on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)buf;
	if (info->n_added == 0)
		return;
	c->in_handshake = false;
	if (c->state == CONN_NEW || c->state == CONN_IDLE)
		set_state(c, CONN_ARRIVING);
	c->arrived += info->n_added;
}

static void
on_answered(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	/* Of the next request, which came meanwhile. */
	bool has_more = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;

	(void)req;
	set_state(c, has_more ? CONN_ARRIVING : CONN_IDLE);
}

struct conn *
conns_request(struct conns *cs, struct evhttp_request *req)
{
	const struct evhttp_connection *ev = evhttp_request_get_connection(req);
	struct conn *c;

	/* It did something just now. */
	TAILQ_FOREACH_REVERSE(c, &cs->open, conn_list, entry)
	{
		if (c->ev == ev)
			break;
	}
	if (c == NULL)
		abort();
	c->has_asked = true;
	set_state(c, CONN_BUSY);
	evhttp_request_set_on_complete_cb(req, on_answered, c);
	return c;
}

void
conn_on_close(struct conn *c, void (*on_close)(void *arg), void *arg)
{
	c->on_close = on_close;
	c->arg = arg;
}

/* ---- room ---- */

/* Of this peer, or NULL: of any. */
static struct conn *
find_victim(const struct conns *cs, const struct addr *peer)
{
	struct conn *c, *idle = NULL;

	TAILQ_FOREACH (c, &cs->open, entry) {
		if (peer != NULL && !addr_equal(&c->peer, peer))
			continue;
		if (!c->has_asked)
			return c;
		if (c->state == CONN_IDLE && idle == NULL)
			idle = c;
	}
	return idle;
}

/* For one more; false: there is none. */
static bool
make_room(struct conns *cs, const struct addr *peer, const char *why)
{
	struct conn *victim = find_victim(cs, peer);

	if (victim == NULL)
		return false;
	conn_end(victim, CONN_DISPLACED, why);
	return true;
}

static bool
has_room(struct conns *cs, const struct addr *peer)
{
	if (count_of_peer(cs, peer) >= cs->limits.per_peer &&
	    !make_room(cs, peer, "its peer has too many connections"))
		return false;
	return cs->n_open < cs->limits.most ||
	    make_room(cs, NULL, "there are too many connections");
}

static void
admit(struct conns *cs, struct conn *c)
{
	void *owner = NULL;

	/* libevent 2.1 tells of a connection only with its first request, but
	 * it is what evhttp has itself called with; NULL: it is gone. */
	bufferevent_getcb(c->bev, NULL, NULL, NULL, &owner);
	c->ev = owner;
	if (c->ev != NULL)
		note_peer(c);
	if (c->ev == NULL || !has_room(cs, &c->peer)) {
		if (c->ev != NULL)
			conn_end(c, CONN_REFUSED, "too many are at work");
		(void)bufferevent_decref(c->bev);
		conn_free(c);
		return;
	}
	(void)bufferevent_decref(c->bev);
	TAILQ_INSERT_TAIL(&cs->open, c, entry);
	cs->n_open++;
	evhttp_connection_set_closecb(c->ev, on_closed, c);
	c->watch = evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	c->timer = loop_timer_new(cs->env.lp, on_time, c);
	if (c->watch == NULL)
		abort();
	loop_timer_set(c->timer,
	    c->in_handshake ? cs->limits.handshake_ms : cs->limits.request_ms);
}

/* Before anything of theirs is read: that takes another turn of the loop. */
static void
on_admit(evutil_socket_t fd, short what, void *arg)
{
	struct conns *cs = arg;
	struct conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&cs->fresh)) != NULL) {
		TAILQ_REMOVE(&cs->fresh, c, entry);
		admit(cs, c);
	}
	if (cs->n_fresh >= BURST_MAX)
		(void)evconnlistener_enable(cs->accepts);
	cs->n_fresh = 0;
}

void
conns_accept(struct conns *cs, struct bufferevent *bev, bool has_tls)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	*c = (struct conn){ .cs = cs, .bev = bev, .in_handshake = has_tls };
	bufferevent_incref(bev);
	TAILQ_INSERT_TAIL(&cs->fresh, c, entry);
	if (++cs->n_fresh == BURST_MAX)
		(void)evconnlistener_disable(cs->accepts);
	event_active(cs->admit, 0, 0);
}

/* ---- the listener ---- */

static void
on_pause_over(struct loop *lp, void *arg)
{
	const struct conns *cs = arg;

	(void)lp;
	(void)evconnlistener_enable(cs->accepts);
}

/* Who waits to be accepted would wake us at once, again and again. */
static void
on_accept_error(struct evconnlistener *ec, void *arg)
{
	const char *why = strerror(errno);
	struct conns *cs;

	(void)arg;
	LIST_FOREACH (cs, &all_conns, entry) {
		if (cs->accepts != ec)
			continue;
		log_limited(&cs->limit, "api: %s: accept: %s", cs->env.where,
		    why);
		(void)evconnlistener_disable(ec);
		loop_timer_set(cs->pause, ACCEPT_PAUSE_MS);
	}
}

struct conns *
conns_new(const struct conns_env *env)
{
	struct conns *cs = xcalloc(1, sizeof(*cs));

	cs->env = *env;
	TAILQ_INIT(&cs->fresh);
	TAILQ_INIT(&cs->open);
	cs->pause = loop_timer_new(env->lp, on_pause_over, cs);
	cs->admit = event_new(loop_event_base(env->lp), -1, 0, on_admit, cs);
	if (cs->admit == NULL)
		abort();
	LIST_INSERT_HEAD(&all_conns, cs, entry);
	return cs;
}

void
conns_free(struct conns *cs)
{
	struct conn *c;

	LIST_REMOVE(cs, entry);
	loop_timer_free(cs->pause);
	event_free(cs->admit);
	while ((c = TAILQ_FIRST(&cs->fresh)) != NULL) {
		TAILQ_REMOVE(&cs->fresh, c, entry);
		(void)bufferevent_decref(c->bev);
		conn_free(c);
	}
	free(cs);
}

void
conns_limit(struct conns *cs, const struct conns_limits *limits)
{
	cs->limits = *limits;
}

void
conns_listen(struct conns *cs, struct evconnlistener *accepts)
{
	cs->accepts = accepts;
	evconnlistener_set_error_cb(accepts, on_accept_error);
}

unsigned
conns_open(const struct conns *cs)
{
	return cs->n_open;
}
