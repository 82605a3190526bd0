/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks the kernel: which route, then which neighbour. */
#include "probes/sweep_hops.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "base/xalloc.h"
#include "probes/sweep_netlink.h"

#define BELIEVED_MS 1000
#define UNRESOLVED_MS 10 /* the kernel is asking for its address */
#define GATEWAYS_MAX 64u
#define NO_GATEWAY UINT8_MAX
#define NUD_USABLE                                                             \
	(NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct gateway {
	struct addr addr;
	struct sweep_hop hop;
	struct mono until; /* the neighbour's address is believed */
	bool is_known;
};

/* What is believed of a block. */
struct block_hop {
	struct mono until;
	uint8_t gateway; /* number, or NO_GATEWAY */
};

struct sweep_hops {
	struct sweep_netlink nl;
	struct addr sources[2]; /* IPv4, IPv6 */
	struct block_hop *blocks;
	struct gateway gateways[GATEWAYS_MAX];
	uint8_t n_gateways;
};

struct sweep_hops *
sweep_hops_new(uint32_t n_blocks, const struct addr *source4,
    const struct addr *source6, struct err *err)
{
	struct sweep_hops *h = xcalloc(1, sizeof(*h));

	if (sweep_netlink_open(&h->nl, err) == -1) {
		sweep_hops_free(h);
		return NULL;
	}
	h->blocks = xcalloc(n_blocks, sizeof(*h->blocks));
	if (source4 != NULL)
		h->sources[0] = *source4;
	if (source6 != NULL)
		h->sources[1] = *source6;
	return h;
}

void
sweep_hops_free(struct sweep_hops *h)
{
	if (h == NULL)
		return;
	sweep_netlink_close(&h->nl);
	free(h->blocks);
	free(h);
}

/* ---- route ---- */

struct route {
	bool is_ipv4;
	bool is_plain; /* unicast, nothing to be put around the packet */
	bool has_gateway;
	int ifindex;
	struct addr gateway;
};

static void
read_gateway(struct route *r, const uint8_t *p, size_t len)
{
	struct in_addr in;

	if (len == sizeof(in)) {
		memcpy(&in, p, sizeof(in));
		r->gateway = addr_from_in(in);
		r->has_gateway = true;
	} else if (len == sizeof(r->gateway.b)) {
		memcpy(r->gateway.b, p, sizeof(r->gateway.b));
		r->has_gateway = true;
	}
}

static int
on_route_attr(const struct nlattr *attr, void *arg)
{
	struct route *r = arg;
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case RTA_OIF:
		if (len == sizeof(uint32_t))
			r->ifindex = (int)mnl_attr_get_u32(attr);
		break;
	case RTA_GATEWAY:
		read_gateway(r, p, len);
		break;
	case RTA_VIA: /* u16 family, then the address */
		if (len > sizeof(uint16_t)) {
			read_gateway(r, p + sizeof(uint16_t),
			    len - sizeof(uint16_t));
		}
		break;
	case RTA_ENCAP:
	case RTA_ENCAP_TYPE:
	case RTA_MULTIPATH:
		r->is_plain = false;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int
on_route(const struct nlmsghdr *nlh, void *arg)
{
	struct route *r = arg;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return MNL_CB_ERROR;
	r->is_plain = rtm->rtm_type == RTN_UNICAST;
	return mnl_attr_parse(nlh, sizeof(*rtm), on_route_attr, r);
}

static int
ask_route(struct sweep_hops *h, const struct addr *target, struct route *r)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(h->nl.buf);
	struct rtmsg *rtm;
	uint8_t bits = addr_is_ipv4(target) ? 32 : 128;

	*r = (struct route){ .is_ipv4 = addr_is_ipv4(target) };
	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = r->is_ipv4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = rtm->rtm_src_len = bits;
	sweep_netlink_put_addr(nlh, RTA_DST, target);
	sweep_netlink_put_addr(nlh, RTA_SRC, &h->sources[r->is_ipv4 ? 0 : 1]);
	return sweep_netlink_ask(&h->nl, nlh, on_route, r);
}

/* ---- neighbour ---- */

static int
on_neighbour_attr(const struct nlattr *attr, void *arg)
{
	struct gateway *g = arg;

	if (mnl_attr_get_type(attr) == NDA_LLADDR &&
	    mnl_attr_get_payload_len(attr) == sizeof(g->hop.mac)) {
		memcpy(g->hop.mac, mnl_attr_get_payload(attr),
		    sizeof(g->hop.mac));
		g->is_known = true;
	}
	return MNL_CB_OK;
}

static int
on_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
	    (ndm->ndm_state & NUD_USABLE) == 0)
		return MNL_CB_ERROR;
	return mnl_attr_parse(nlh, sizeof(*ndm), on_neighbour_attr, arg);
}

/* False: the hop's interface is none of Ethernet. */
static bool
read_own_mac(const struct sweep_hops *h, struct sweep_hop *hop)
{
	struct ifreq ifr = { .ifr_ifindex = hop->ifindex };
	int fd = mnl_socket_get_fd(h->nl.nl);

	if (ioctl(fd, SIOCGIFNAME, &ifr) == -1 ||
	    ioctl(fd, SIOCGIFHWADDR, &ifr) == -1 ||
	    ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	memcpy(hop->own_mac, ifr.ifr_hwaddr.sa_data, sizeof(hop->own_mac));
	return true;
}

static void
ask_neighbour(struct sweep_hops *h, struct gateway *g)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(h->nl.buf);
	struct ndmsg *ndm;

	g->is_known = false;
	if (!read_own_mac(h, &g->hop))
		return;
	nlh->nlmsg_type = RTM_GETNEIGH;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = addr_is_ipv4(&g->addr) ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = g->hop.ifindex;
	sweep_netlink_put_addr(nlh, NDA_DST, &g->addr);
	if (sweep_netlink_ask(&h->nl, nlh, on_neighbour, g) != 0)
		g->is_known = false;
}

/* ---- what is believed ---- */

static uint8_t
gateway_number(struct sweep_hops *h, const struct route *r)
{
	for (uint8_t i = 0; i < h->n_gateways; i++) {
		if (h->gateways[i].hop.ifindex == r->ifindex &&
		    addr_equal(&h->gateways[i].addr, &r->gateway))
			return i;
	}
	if (h->n_gateways == GATEWAYS_MAX)
		return NO_GATEWAY;
	h->gateways[h->n_gateways] = (struct gateway){ .addr = r->gateway,
		.hop = { .ifindex = r->ifindex } };
	return h->n_gateways++;
}

static uint8_t
find_gateway(struct sweep_hops *h, const struct addr *target)
{
	struct route r;

	if (ask_route(h, target, &r) != 0 || !r.is_plain || !r.has_gateway)
		return NO_GATEWAY;
	return gateway_number(h, &r);
}

const struct sweep_hop *
sweep_hops_find(struct sweep_hops *h, uint32_t block, const struct addr *target,
    struct mono now)
{
	struct block_hop *b = &h->blocks[block];
	struct gateway *g;

	if (!mono_before(now, b->until)) {
		b->gateway = find_gateway(h, target);
		b->until = mono_add_ms(now, BELIEVED_MS);
	}
	if (b->gateway == NO_GATEWAY)
		return NULL;
	g = &h->gateways[b->gateway];
	if (!mono_before(now, g->until)) {
		/* This one goes through the kernel, which so sees that the
		 * neighbour is in use. */
		ask_neighbour(h, g);
		g->until =
		    mono_add_ms(now, g->is_known ? BELIEVED_MS : UNRESOLVED_MS);
		return NULL;
	}
	return g->is_known ? &g->hop : NULL;
}
