/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H
/*
 * endpoint -- an address and a port to connect to, and from where.
 */
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/err.h"

struct endpoint {
	struct sockaddr_storage sa;
	socklen_t len;
};

void endpoint_set(struct endpoint *ep, const struct addr *addr, uint16_t port);
/* "addr:port" or "[v6]:port".  -1 with err. */
int endpoint_parse(const char *s, struct endpoint *ep, struct err *err);

/*
 * A socket that does not block, for connecting to `to`, bound to the address
 * source unless that is NULL.  type: SOCK_STREAM or SOCK_DGRAM.  The caller
 * closes it.  -1 with err.
 */
int endpoint_socket(const struct endpoint *to, int type, const char *source,
    struct err *err);

/*
 * Connects the socket fd.  1: it is connected, as on this machine it is at once;
 * 0: it will be when it is writable and has no error; -1 with errno.
 */
int endpoint_connect(int fd, const struct endpoint *to);

#endif /* BASE_ENDPOINT_H */
