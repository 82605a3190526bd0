/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

void
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

int
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

int
endpoint_socket(const struct endpoint *to, int type, const char *source,
    struct err *err)
{
	struct endpoint from = { 0 };
	struct addr addr;
	int fd;

	if (source != NULL && addr_parse(source, &addr, err) == -1)
		return -1;
	fd = socket(to->sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "socket");
	if (source == NULL)
		return fd;
	endpoint_set(&from, &addr, 0);
	if (bind(fd, (const struct sockaddr *)&from.sa, from.len) == -1) {
		err_sys(err, "source address");
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
endpoint_connect(int fd, const struct endpoint *to)
{
	const struct sockaddr *sa = (const struct sockaddr *)&to->sa;

	if (connect(fd, sa, to->len) == -1 && errno != EINPROGRESS)
		return -1;
	/* The second call tells how far the first has come. */
	if (connect(fd, sa, to->len) == 0 || errno == EISCONN)
		return 1;
	return errno == EALREADY || errno == EINTR ? 0 : -1;
}
