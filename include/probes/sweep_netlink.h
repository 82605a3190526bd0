/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_NETLINK_H
#define PROBES_SWEEP_NETLINK_H
/*
 * sweep_netlink -- one question at a time to the kernel, over rtnetlink(7).
 *
 * Answers come at once, from memory, so that waiting for them is no blocking.
 * To ask needs no privilege.
 */
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "base/addr.h"
#include "base/err.h"

/* All zero: not open. */
struct sweep_netlink {
	struct mnl_socket *nl;
	unsigned port;
	uint32_t seq;
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
};

int sweep_netlink_open(struct sweep_netlink *n, struct err *err);
void sweep_netlink_close(struct sweep_netlink *n);

/* Adds the address, 4 or 16 bytes by its family. */
void sweep_netlink_put_addr(struct nlmsghdr *nlh, uint16_t type,
    const struct addr *a);

/* Sends the request in n->buf, whose header is nlh; the answer goes to cb.  1:
 * the kernel refuses, or cb does; -1: there is no answer. */
int sweep_netlink_ask(struct sweep_netlink *n, struct nlmsghdr *nlh,
    mnl_cb_t cb, void *arg);

#endif /* PROBES_SWEEP_NETLINK_H */
