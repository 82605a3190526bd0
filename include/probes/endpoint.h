/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_ENDPOINT_H
#define PROBES_ENDPOINT_H
/*
 * endpoint -- where a probe connects to, and from where.
 */
#include <sys/socket.h>

#include "base/err.h"

struct endpoint {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "addr:port" or "[v6]:port". */
int endpoint_parse(const char *s, struct endpoint *ep, struct err *err);

/*
 * A socket that does not block, for connecting to `to`, bound to the address
 * source unless that is NULL.  type: SOCK_STREAM or SOCK_DGRAM.  The caller
 * closes it.  -1 with err.
 */
int endpoint_socket(const struct endpoint *to, int type, const char *source,
    struct err *err);

#endif /* PROBES_ENDPOINT_H */
