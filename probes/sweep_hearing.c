/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether an address is local is asked of the routes, not found out by binding a
 * socket to it: IPv6 lets nobody bind to an address that is local by its route
 * alone, and net.ipv4.ip_nonlocal_bind lets everybody bind to any.
 */
#include "probes/sweep_hearing.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "probes/sweep_netlink.h"

static bool
can_open(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd == -1)
		return false;
	(void)close(fd);
	return true;
}

enum sweep_capture_mode
sweep_hearing_try(bool is_ipv4)
{
	/* Protocol 0: it gets no packet. */
	if (can_open(AF_PACKET, SOCK_DGRAM, 0))
		return SWEEP_CAPTURE_RING;
	return can_open(is_ipv4 ? AF_INET : AF_INET6, SOCK_RAW,
		   is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
	    ? SWEEP_CAPTURE_RAW
	    : SWEEP_CAPTURE_OFF;
}

/* mnl_cb_t */
static int
on_route(const struct nlmsghdr *nlh, void *arg)
{
	bool *is_local = arg;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return MNL_CB_ERROR;
	*is_local = rtm->rtm_type == RTN_LOCAL;
	return MNL_CB_OK;
}

/* Would the kernel deliver here what is sent to it? */
static enum sweep_hearing
ask_kernel(struct sweep_netlink *n, const struct addr *a)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(n->buf);
	struct rtmsg *rtm;
	bool is_local = false;

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = addr_is_ipv4(a) ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = addr_is_ipv4(a) ? 32 : 128;
	sweep_netlink_put_addr(nlh, RTA_DST, a);
	/* It refuses where there is no route at all. */
	if (sweep_netlink_ask(n, nlh, on_route, &is_local) == -1)
		return SWEEP_HEARING_UNKNOWN;
	return is_local ? SWEEP_HEARS : SWEEP_DEAF_NOT_LOCAL;
}

void
sweep_hearing_look(const struct sweep_capture *what,
    const enum sweep_capture_mode modes[2],
    enum sweep_hearing out[SWEEP_PREFIX_MAX])
{
	struct sweep_netlink n = { 0 };

	for (size_t i = 0; i < what->n_prefixes; i++) {
		switch (modes[what->prefixes[i].is_ipv4 ? 0 : 1]) {
		case SWEEP_CAPTURE_OFF:
			out[i] = SWEEP_DEAF_NO_SOCKET;
			break;
		case SWEEP_CAPTURE_RAW:
			if (n.nl == NULL)
				(void)sweep_netlink_open(&n, NULL);
			out[i] = n.nl != NULL
			    ? ask_kernel(&n, &what->sources[i])
			    : SWEEP_HEARING_UNKNOWN;
			break;
		case SWEEP_CAPTURE_RING:
		case SWEEP_CAPTURE_MODE_COUNT:
			out[i] = SWEEP_HEARS;
			break;
		}
	}
	sweep_netlink_close(&n);
}
