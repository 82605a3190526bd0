/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tcp: the service accepts a connection.  If there is something to send, it is
 * sent; if something is expected, it must stand in the first part of what the
 * service says before the time is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/escape.h"
#include "base/xalloc.h"
#include "probes/probe_run.h"

#define EXPECT_SHOWN_BYTES ((size_t)24)

struct talk {
	size_t sent;
	uint8_t in[CONF_EXPECT_WITHIN_BYTES];
	size_t in_len;
};

/* what, then what was expected and did not come. */
static void
fail_without(struct probe *p, const char *what)
{
	const struct conf_bytes *expect = &p->cp->tcp.expect;
	size_t shown = expect->len;
	char *text;

	if (shown > EXPECT_SHOWN_BYTES)
		shown = EXPECT_SHOWN_BYTES;
	text = escape_format(expect->bytes, shown);
	probe_decide(p, PROBE_FAIL, "%s without \"%s\"%s", what, text,
	    shown < expect->len ? "..." : "");
	free(text);
}

/* It did not come in time, and the time may have been our own. */
static void
fail_unless_late(struct probe *p, const char *what)
{
	if (probe_is_late(p)) {
		probe_decide_timeout(p);
	} else {
		fail_without(p, what);
	}
}

static void
tcp_read(struct probe *p)
{
	const struct conf_bytes *expect = &p->cp->tcp.expect;
	struct talk *talk = p->own;
	ssize_t n = recv(p->fd, talk->in + talk->in_len,
	    sizeof(talk->in) - talk->in_len, MSG_DONTWAIT);

	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			probe_decide_errno(p, errno);
		return;
	}
	talk->in_len += (size_t)n;
	if (memmem(talk->in, talk->in_len, expect->bytes, expect->len) !=
	    NULL) {
		probe_decide(p, PROBE_PASS, "answered as expected");
	} else if (n == 0) {
		fail_unless_late(p, "closed");
	} else if (talk->in_len == sizeof(talk->in)) {
		fail_without(p, "a long answer");
	}
}

static void
tcp_write(struct probe *p)
{
	const struct conf_bytes *out = &p->cp->tcp.send;
	struct talk *talk = p->own;

	if (talk->sent < out->len) {
		ssize_t n = send(p->fd, out->bytes + talk->sent,
		    out->len - talk->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			probe_decide_errno(p, errno);
			return;
		}
		if (n > 0)
			talk->sent += (size_t)n;
	}
	if (talk->sent < out->len)
		return;
	if (p->cp->tcp.expect.bytes == NULL) {
		probe_decide(p, PROBE_PASS, "connected");
	} else {
		loop_fd_set(p->io, LOOP_READ);
	}
}

static void
tcp_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct probe *p = arg;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)lp;
	if ((events & LOOP_WRITE) == 0) {
		tcp_read(p);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == -1)
		errnum = errno;
	if (errnum != 0) {
		probe_decide_errno(p, errnum);
	} else {
		tcp_write(p);
	}
}

static void
tcp_on_timer(struct probe *p)
{
	const struct talk *talk = p->own;

	if (talk->in_len > 0) {
		fail_unless_late(p, "an answer");
	} else {
		probe_decide_timeout(p);
	}
}

/* A connection is enough when there is nothing to send or expect. */
static bool
is_decided(struct probe *p, const struct endpoint *ep)
{
	int rc = endpoint_connect(p->fd, ep);

	if (rc == -1) {
		probe_decide_errno(p, errno);
		return true;
	}
	if (rc == 0 || p->cp->tcp.send.len > 0 ||
	    p->cp->tcp.expect.bytes != NULL)
		return false;
	probe_decide(p, PROBE_PASS, "connected");
	return true;
}

static void
tcp_start(struct probe *p)
{
	struct err err = { 0 };
	struct endpoint ep = { 0 };

	p->own = xcalloc(1, sizeof(struct talk));
	if (endpoint_parse(p->cp->target, &ep, &err) == -1) {
		probe_decide_err(p, &err);
		return;
	}
	p->fd = endpoint_socket(&ep, SOCK_STREAM, p->cp->source, &err);
	if (p->fd == -1) {
		probe_decide_err(p, &err);
		return;
	}
	if (!is_decided(p, &ep)) {
		p->io =
		    loop_fd_new(p->env->lp, p->fd, LOOP_WRITE, tcp_on_io, p);
	}
}

static void
tcp_stop(struct probe *p)
{
	loop_fd_free(p->io);
	p->io = NULL;
	if (p->fd != -1)
		(void)close(p->fd);
	p->fd = -1;
	free(p->own);
	p->own = NULL;
}

const struct probe_kind_ops probe_tcp_ops = {
	.start = tcp_start,
	.stop = tcp_stop,
	.on_timer = tcp_on_timer,
};
