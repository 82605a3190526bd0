/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CANNED_H
#define CANNED_H
/*
 * canned -- a TCP server in the test's own loop that answers each connection
 * with prepared bytes, right or wrong ones.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"

#define CANNED_CONNS_MAX 128

enum canned_mode {
	CANNED_CLOSE, /* reply, then close */
	CANNED_KEEP,  /* reply, and wait for the next request */
	CANNED_RESET, /* reply, then RST */
	CANNED_REPEAT /* reply, then `more` again and again */
};

struct canned {
	struct loop *lp;
	int fd;
	uint16_t port;
	struct loop_fd *io;
	enum canned_mode mode;
	const char *reply;
	const char *more;
	const char *until; /* the request is complete when it holds this */
	unsigned n_accepted;
	char request[8192]; /* the last one */
	size_t request_len;
	struct canned_conn {
		struct canned *srv;
		int fd;
		struct loop_fd *io;
	} conns[CANNED_CONNS_MAX];
};

static inline void
canned_drop(struct canned_conn *conn)
{
	loop_fd_free(conn->io);
	(void)close(conn->fd);
	conn->io = NULL;
}

static inline void
canned_reply(struct canned_conn *conn)
{
	struct canned *srv = conn->srv;
	struct linger rst = { .l_onoff = 1, .l_linger = 0 };

	(void)send(conn->fd, srv->reply, strlen(srv->reply), MSG_NOSIGNAL);
	srv->request_len = 0;
	switch (srv->mode) {
	case CANNED_CLOSE:
		canned_drop(conn);
		break;
	case CANNED_KEEP:
		break;
	case CANNED_RESET:
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &rst,
		    sizeof(rst));
		canned_drop(conn);
		break;
	case CANNED_REPEAT:
		loop_fd_set(conn->io, LOOP_READ | LOOP_WRITE);
		break;
	}
}

static inline void
canned_on_conn(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct canned_conn *conn = arg;
	struct canned *srv = conn->srv;
	ssize_t n = 0;

	(void)lp;
	if ((events & LOOP_READ) != 0) {
		n = recv(fd, srv->request + srv->request_len,
		    sizeof(srv->request) - 1 - srv->request_len, MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN)) {
			canned_drop(conn);
			return;
		}
	}
	if (n > 0) {
		srv->request_len += (size_t)n;
		srv->request[srv->request_len] = '\0';
		if (strstr(srv->request, srv->until) != NULL)
			canned_reply(conn);
	} else if ((events & LOOP_WRITE) != 0 &&
	    send(fd, srv->more, strlen(srv->more),
		MSG_NOSIGNAL | MSG_DONTWAIT) == -1 &&
	    errno != EAGAIN) {
		canned_drop(conn);
	}
}

static inline void
canned_on_accept(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct canned *srv = arg;
	int conn_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (conn_fd == -1)
		return;
	srv->n_accepted++;
	for (size_t i = 0; i < CANNED_CONNS_MAX; i++) {
		struct canned_conn *conn = &srv->conns[i];

		if (conn->io != NULL)
			continue;
		conn->srv = srv;
		conn->fd = conn_fd;
		conn->io =
		    loop_fd_new(lp, conn_fd, LOOP_READ, canned_on_conn, conn);
		return;
	}
	(void)close(conn_fd);
}

static inline void
canned_listen(struct canned *srv, const struct sockaddr *sa, socklen_t len)
{
	srv->fd = socket(sa->sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (srv->fd == -1 || bind(srv->fd, sa, len) == -1 ||
	    listen(srv->fd, CANNED_CONNS_MAX) == -1)
		abort();
	srv->io =
	    loop_fd_new(srv->lp, srv->fd, LOOP_READ, canned_on_accept, srv);
}

/* A server on a free port of 127.0.0.1. */
static inline struct canned *
canned_new(struct loop *lp, enum canned_mode mode, const char *reply)
{
	struct canned *srv = calloc(1, sizeof(*srv));
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	assert(srv != NULL);
	srv->lp = lp;
	srv->mode = mode;
	srv->reply = reply;
	srv->until = "\r\n\r\n";
	canned_listen(srv, (struct sockaddr *)&sin, len);
	if (getsockname(srv->fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	srv->port = ntohs(sin.sin_port);
	return srv;
}

/* The same on a UNIX socket. */
static inline struct canned *
canned_new_unix(struct loop *lp, const char *path, const char *reply)
{
	struct canned *srv = calloc(1, sizeof(*srv));
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	assert(srv != NULL && strlen(path) < sizeof(sun.sun_path));
	memcpy(sun.sun_path, path, strlen(path) + 1);
	srv->lp = lp;
	srv->reply = reply;
	srv->until = "\r\n\r\n";
	canned_listen(srv, (struct sockaddr *)&sun, sizeof(sun));
	return srv;
}

static inline void
canned_free(struct canned *srv)
{
	for (size_t i = 0; i < CANNED_CONNS_MAX; i++) {
		if (srv->conns[i].io != NULL)
			canned_drop(&srv->conns[i]);
	}
	loop_fd_free(srv->io);
	(void)close(srv->fd);
	free(srv);
}

#endif /* CANNED_H */
