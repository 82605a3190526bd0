/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H
/*
 * http_wire -- HTTP as bytes over a socket, beside the server under test in
 * the same loop: for what no decent client would send.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop_wait.h"
#include "test.h"

#define WIRE_BYTES (1u << 20)

struct wire {
	struct loop *lp;
	int fd;
	bool is_closed; /* by the server */
	size_t len;
	char text[WIRE_BYTES]; /* what the server said, NUL-terminated */
};

static inline void
wire_adopt(struct wire *w, struct loop *lp, int fd)
{
	w->lp = lp;
	w->fd = fd;
	w->is_closed = false;
	w->len = 0;
	w->text[0] = '\0';
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void
wire_unix(struct wire *w, struct loop *lp, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(strlen(path) < sizeof(sa.sun_path));
	memcpy(sa.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	wire_adopt(w, lp, fd);
}

/* By the address 127.0.0.HOST. */
static inline void
wire_tcp_from(struct wire *w, struct loop *lp, uint16_t port, uint8_t host)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr = { htonl((INADDR_LOOPBACK & ~0xffu) | host) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	wire_adopt(w, lp, fd);
}

static inline void
wire_tcp(struct wire *w, struct loop *lp, uint16_t port)
{
	wire_tcp_from(w, lp, port, 1);
}

/* A port of the loopback that nobody uses now. */
static inline uint16_t
wire_free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

static inline void
wire_close(struct wire *w)
{
	(void)close(w->fd);
	w->fd = -1;
}

static inline void
wire_pump(struct wire *w)
{
	ssize_t n = read(w->fd, w->text + w->len, WIRE_BYTES - 1 - w->len);

	if (n > 0) {
		w->len += (size_t)n;
		w->text[w->len] = '\0';
	} else if (n == 0 || errno == ECONNRESET) {
		w->is_closed = true;
	}
}

/* Writes all that the server takes; it may hang up in the middle. */
static inline void
wire_send_bytes(struct wire *w, const char *bytes, size_t len)
{
	size_t done = 0;

	for (int i = 0; i < 2000 && done < len && !w->is_closed; i++) {
		ssize_t n = send(w->fd, bytes + done, len - done, MSG_NOSIGNAL);

		if (n > 0) {
			done += (size_t)n;
		} else if (errno != EAGAIN) {
			return;
		}
		loop_step(w->lp, 1);
		wire_pump(w);
	}
}

static inline void
wire_send(struct wire *w, const char *text)
{
	wire_send_bytes(w, text, strlen(text));
}

/* How many answers have begun to arrive. */
static inline size_t
wire_answers(const struct wire *w)
{
	size_t n = 0;

	for (const char *p = w->text; (p = strstr(p, "HTTP/1.")) != NULL; p++)
		n++;
	return n;
}

static inline bool
wire_has(struct wire *w, const char *text)
{
	wire_pump(w);
	return strstr(w->text, text) != NULL;
}

static inline bool
wire_is_closed(struct wire *w)
{
	wire_pump(w);
	return w->is_closed;
}

/* One more byte; true if nobody wants it any more. */
static inline bool
wire_drip(struct wire *w, char byte)
{
	(void)send(w->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	loop_idle(w->lp, WAIT_STEP_MS);
	return wire_is_closed(w);
}

#endif /* HTTP_WIRE_H */
