/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_netlink.h"

#include <sys/socket.h>

#include <linux/netlink.h>

int
sweep_netlink_open(struct sweep_netlink *n, struct err *err)
{
	n->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (n->nl == NULL)
		return err_sys(err, "netlink socket");
	if (mnl_socket_bind(n->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		(void)err_sys(err, "netlink socket");
		sweep_netlink_close(n);
		return -1;
	}
	n->port = mnl_socket_get_portid(n->nl);
	return 0;
}

void
sweep_netlink_close(struct sweep_netlink *n)
{
	if (n->nl != NULL)
		(void)mnl_socket_close(n->nl);
	n->nl = NULL;
}

void
sweep_netlink_put_addr(struct nlmsghdr *nlh, uint16_t type,
    const struct addr *a)
{
	if (addr_is_ipv4(a)) {
		mnl_attr_put(nlh, type, 4, a->b + 12);
	} else {
		mnl_attr_put(nlh, type, 16, a->b);
	}
}

int
sweep_netlink_ask(struct sweep_netlink *n, struct nlmsghdr *nlh, mnl_cb_t cb,
    void *arg)
{
	ssize_t len;

	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	len = mnl_socket_recvfrom(n->nl, n->buf, sizeof(n->buf));
	if (len <= 0)
		return -1;
	return mnl_cb_run(n->buf, (size_t)len, n->seq, n->port, cb, arg) < 0
	    ? 1
	    : 0;
}
