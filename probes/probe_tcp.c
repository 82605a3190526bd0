/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tcp: the service accepts a connection; nothing is said over it. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/num.h"
#include "probes/probe_run.h"

struct endpoint {
	struct sockaddr_storage sa;
	socklen_t len;
};

static void
endpoint_set(struct endpoint *ep, const struct addr *addr, uint16_t port)
{
	memset(ep, 0, sizeof(*ep));
	if (addr_is_ipv4(addr)) {
		struct sockaddr_in sin = { .sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr = addr_to_in(addr) };

		ep->len = sizeof(sin);
		memcpy(&ep->sa, &sin, sizeof(sin));
	} else {
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
			.sin6_port = htons(port) };

		memcpy(&sin6.sin6_addr, addr->b, sizeof(addr->b));
		ep->len = sizeof(sin6);
		memcpy(&ep->sa, &sin6, sizeof(sin6));
	}
}

/* "addr:port" or "[v6]:port". */
static int
endpoint_parse(const char *s, struct endpoint *ep, struct err *err)
{
	const char *start = s, *end, *colon = strrchr(s, ':');
	char text[ADDR_TEXT_BYTES];
	struct addr addr;
	uint32_t port;

	if (colon == NULL)
		return err_set(err, ERR_CONF, "\"%s\": no port", s);
	end = colon;
	if (*s == '[') {
		start++;
		if (end[-1] != ']' || --end < start)
			return err_set(err, ERR_CONF, "\"%s\": no \"]:\"", s);
	}
	if ((size_t)(end - start) >= sizeof(text))
		return err_set(err, ERR_CONF, "\"%s\": too long", s);
	memcpy(text, start, (size_t)(end - start));
	text[end - start] = '\0';
	if (addr_parse(text, &addr, err) == -1 ||
	    num_parse_u32(colon + 1, 1, UINT16_MAX, &port, err) == -1)
		return -1;
	if (addr_is_ipv4(&addr) == (*s == '[')) {
		return err_set(err, ERR_CONF,
		    "\"%s\": brackets belong around IPv6, nothing else", s);
	}
	endpoint_set(ep, &addr, (uint16_t)port);
	return 0;
}

static void
tcp_on_connected(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct probe *p = arg;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)lp;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == -1)
		errnum = errno;
	if (errnum != 0) {
		probe_decide_errno(p, errnum);
	} else {
		probe_decide(p, PROBE_PASS, "connected");
	}
}

static void
tcp_start(struct probe *p)
{
	struct err err = { 0 };
	struct endpoint ep = { 0 };

	if (endpoint_parse(p->cp->target, &ep, &err) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s", err.msg);
		return;
	}
	p->fd = socket(ep.sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd == -1) {
		probe_decide_errno(p, errno);
		return;
	}
	if (connect(p->fd, (const struct sockaddr *)&ep.sa, ep.len) == -1 &&
	    errno != EINPROGRESS) {
		probe_decide_errno(p, errno);
		return;
	}
	p->io = loop_fd_new(p->env->lp, p->fd, LOOP_WRITE, tcp_on_connected, p);
}

static void
tcp_stop(struct probe *p)
{
	loop_fd_free(p->io);
	p->io = NULL;
	if (p->fd != -1)
		(void)close(p->fd);
	p->fd = -1;
}

const struct probe_kind_ops probe_tcp_ops = {
	.start = tcp_start,
	.stop = tcp_stop,
	.on_timer = probe_decide_timeout,
};
