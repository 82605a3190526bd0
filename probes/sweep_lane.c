/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw sockets are of IPPROTO_RAW: we write the IP header, and the socket cannot
 * receive.  In IPv6 that saves the kernel a checksum and the putting together of
 * a packet.
 *
 * Both are bound to the source, so that rules which route by source apply, and
 * both may be bound although no interface has the address.
 *
 * The packet engine hands whole frames to the interface's driver.  It does not
 * go by the qdisc, so what the driver does not take is an ENOBUFS.  Its socket
 * is bound to the first interface that is needed, since a packet without a
 * destination costs the kernel a fifth less; those for others name theirs.
 *
 * The send buffer keeps its small default on purpose.  A qdisc that is full
 * drops without an error, but what waits in it is charged to the socket: so the
 * buffer is full first, and that is an EAGAIN which we see.
 */
#include "probes/sweep_lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cursor.h"

#define IPV4_HEADER_BYTES 20u
#define IPV4_CHECKSUM_AT 10u
#define IPV4_ADDR_BYTES 4u /* the destination comes last in both headers */
#define IPV6_ADDR_BYTES 16u
#define IPV6_ADDRS_AT 8u
#define IPV6_ADDRS_BYTES 32u
#define ICMP_HEADER_BYTES 8u
#define ICMP_CHECKSUM_AT 2u
#define REQUEST_TTL 64
#define ICMP_SEQUENCE 1

static uint64_t
wall_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int
bind_ipv4(int fd, const struct addr *source, struct err *err)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr = addr_to_in(source) };
	int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == -1)
		return err_sys(err, "setsockopt IP_FREEBIND");
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == -1)
		return err_sys(err, "bind");
	return 0;
}

static int
bind_ipv6(int fd, const struct addr *source, struct err *err)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	int on = 1;

	memcpy(&sa.sin6_addr, source->b, sizeof(sa.sin6_addr));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == -1)
		return err_sys(err, "setsockopt IPV6_FREEBIND");
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == -1)
		return err_sys(err, "bind");
	return 0;
}

static int
open_packet(struct err *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd == -1)
		return err_sys(err, "packet socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) ==
	    -1) {
		err_sys(err, "setsockopt PACKET_QDISC_BYPASS");
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
open_raw(const struct addr *source, struct err *err)
{
	bool is_ipv4 = addr_is_ipv4(source);
	char text[ADDR_TEXT_BYTES];
	int fd = socket(is_ipv4 ? AF_INET : AF_INET6,
	    SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd == -1) {
		return err_sys(err, "raw socket of %s",
		    is_ipv4 ? "IPv4" : "IPv6");
	}
	if ((is_ipv4 ? bind_ipv4(fd, source, err)
		     : bind_ipv6(fd, source, err)) == -1) {
		(void)close(fd);
		return err_wrap(err, "raw socket of %s",
		    addr_format(source, text));
	}
	return fd;
}

/* ---- a request ---- */

/* RFC 1071, in the machine's byte order, which comes out the same (s.2 B). */
static uint64_t
sum_bytes(uint64_t sum, const uint8_t *p, size_t n)
{
	uint32_t word = 0;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, p, n);
	return sum + word;
}

static void
put_checksum(uint8_t *at, uint64_t sum)
{
	uint16_t folded;

	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	folded = (uint16_t)~sum;
	memcpy(at, &folded, sizeof(folded));
}

/* Whose they are comes with the next hop. */
static void
write_ethernet_header(struct wcursor *w, uint16_t protocol)
{
	static const uint8_t macs[2 * ETH_ALEN];

	wcursor_bytes(w, macs, sizeof(macs));
	wcursor_be16(w, protocol);
}

/* The kernel fills in identification and checksum, unless it never sees it: in
 * IPv6 there are none. */
static void
write_ipv4_header(struct wcursor *w, const struct addr *source,
    size_t payload_bytes)
{
	struct in_addr from = addr_to_in(source);

	wcursor_u8(w, 0x45); /* version 4, 5 words */
	wcursor_u8(w, 0);
	wcursor_be16(w, (uint16_t)(IPV4_HEADER_BYTES + payload_bytes));
	wcursor_be16(w, 0);
	wcursor_be16(w, IP_DF);
	wcursor_u8(w, REQUEST_TTL);
	wcursor_u8(w, IPPROTO_ICMP);
	wcursor_be16(w, 0);
	wcursor_bytes(w, &from, sizeof(from));
	wcursor_be32(w, 0);
}

static void
write_ipv6_header(struct wcursor *w, const struct addr *source,
    size_t payload_bytes)
{
	static const struct addr none = { { 0 } };

	wcursor_be32(w, 0x60000000);
	wcursor_be16(w, (uint16_t)payload_bytes);
	wcursor_u8(w, IPPROTO_ICMPV6);
	wcursor_u8(w, REQUEST_TTL);
	wcursor_bytes(w, source->b, sizeof(source->b));
	wcursor_bytes(w, none.b, sizeof(none.b));
}

/*
 * Identifier and sequence stay the same over the whole experiment: routers that
 * spread load by these bytes then send a target's probe and reply the same way
 * in each sweep, and a change of catchment is BGP's doing.
 */
static void
write_icmp(struct wcursor *w, const struct sweep_lane *lane)
{
	const struct sweep_request *rq = &lane->request;
	struct sweep_probe probe = { .phase = rq->phase,
		.round = rq->round,
		.experiment = rq->experiment,
		.text = rq->text };
	uint8_t payload[SWEEP_PAYLOAD_MAX_BYTES];
	size_t len = sweep_payload_build(&probe, rq->key, payload);

	wcursor_u8(w, lane->is_ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
	wcursor_u8(w, 0);
	wcursor_be16(w, 0);
	wcursor_be16(w, (uint16_t)(rq->experiment ^ rq->experiment >> 16));
	wcursor_be16(w, ICMP_SEQUENCE);
	wcursor_bytes(w, payload, len);
}

/* What all packets have in common; returns the length. */
static size_t
write_common(struct sweep_lane *lane, uint8_t packet[SWEEP_REQUEST_MAX_BYTES])
{
	struct wcursor w = { .left = SWEEP_REQUEST_MAX_BYTES };
	const struct sweep_request *rq = &lane->request;
	size_t payload_bytes =
	    ICMP_HEADER_BYTES + SWEEP_PAYLOAD_BYTES + rq->text.len;

	w.p = packet;
	if (lane->engine == SWEEP_ENGINE_PACKET) {
		write_ethernet_header(&w,
		    lane->is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	}
	lane->ip_at = SWEEP_REQUEST_MAX_BYTES - w.left;
	if (lane->is_ipv4) {
		write_ipv4_header(&w, &rq->source, payload_bytes);
	} else {
		write_ipv6_header(&w, &rq->source, payload_bytes);
	}
	lane->icmp_at = SWEEP_REQUEST_MAX_BYTES - w.left;
	write_icmp(&w, lane);
	return SWEEP_REQUEST_MAX_BYTES - w.left;
}

/*
 * What checksums have in common: all but the destination and the first part of
 * the payload, which differ.  Nothing of these is at an odd place.
 */
static void
sum_common(struct sweep_lane *lane)
{
	const uint8_t *ip = lane->packets[0] + lane->ip_at;
	const uint8_t *icmp = lane->packets[0] + lane->icmp_at;
	size_t icmp_bytes = lane->len - lane->icmp_at;

	lane->ip_sum = sum_bytes(0, ip, IPV4_HEADER_BYTES);
	lane->icmp_sum = sum_bytes(0, icmp, ICMP_HEADER_BYTES);
	lane->icmp_sum = sum_bytes(lane->icmp_sum,
	    icmp + ICMP_HEADER_BYTES + SWEEP_PAYLOAD_BYTES,
	    lane->request.text.len);
	if (lane->is_ipv4)
		return;
	/* The pseudo header: RFC 8200 s.8.1. */
	lane->icmp_sum =
	    sum_bytes(lane->icmp_sum, ip + IPV6_ADDRS_AT, IPV6_ADDRS_BYTES);
	lane->icmp_sum += htons((uint16_t)icmp_bytes);
	lane->icmp_sum += htons(IPPROTO_ICMPV6);
}

/* Where a message goes is all that changes in it from batch to batch. */
static void
prepare_message(struct sweep_lane *lane, unsigned i)
{
	struct msghdr *h = &lane->msgs[i].msg_hdr;
	uint16_t protocol = lane->is_ipv4 ? ETH_P_IP : ETH_P_IPV6;

	if (i > 0)
		memcpy(lane->packets[i], lane->packets[0], lane->len);
	lane->iov[i] = (struct iovec){ .iov_base = lane->packets[i],
		.iov_len = lane->len };
	*h = (struct msghdr){ .msg_iov = &lane->iov[i],
		.msg_iovlen = 1,
		.msg_name = &lane->to[i] };
	if (lane->engine == SWEEP_ENGINE_PACKET) {
		lane->to[i].link =
		    (struct sockaddr_ll){ .sll_family = AF_PACKET,
			    .sll_protocol = htons(protocol) };
		h->msg_namelen = sizeof(lane->to[i].link);
	} else if (lane->is_ipv4) {
		lane->to[i].v4 = (struct sockaddr_in){ .sin_family = AF_INET };
		h->msg_namelen = sizeof(lane->to[i].v4);
	} else {
		lane->to[i].v6 =
		    (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		h->msg_namelen = sizeof(lane->to[i].v6);
	}
}

int
sweep_lane_open(struct sweep_lane *lane, enum sweep_engine engine,
    const struct sweep_request *request, struct err *err)
{
	lane->engine = engine;
	lane->is_ipv4 = addr_is_ipv4(&request->source);
	lane->request = *request;
	lane->head = lane->n = 0;
	lane->bound_to = 0;
	lane->fd = engine == SWEEP_ENGINE_PACKET
	    ? open_packet(err)
	    : open_raw(&request->source, err);
	if (lane->fd == -1)
		return -1;
	lane->len = write_common(lane, lane->packets[0]);
	sum_common(lane);
	for (unsigned i = 0; i < SWEEP_BATCH_MAX; i++)
		prepare_message(lane, i);
	return 0;
}

void
sweep_lane_close(struct sweep_lane *lane)
{
	if (lane->fd != -1)
		(void)close(lane->fd);
	lane->fd = -1;
	lane->head = lane->n = 0;
}

/* Of no protocol, so that nothing is received. */
static void
bind_interface(struct sweep_lane *lane, int ifindex)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
		.sll_ifindex = ifindex };

	lane->bound_to =
	    bind(lane->fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0
	    ? ifindex
	    : -1;
}

void
sweep_lane_add(struct sweep_lane *lane, uint32_t index,
    const struct addr *target, const struct sweep_hop *hop)
{
	struct sweep_target *t = &lane->targets[lane->n++];

	t->index = index;
	t->addr = *target;
	if (hop == NULL)
		return;
	t->hop = *hop;
	if (lane->bound_to == 0)
		bind_interface(lane, hop->ifindex);
}

static void
set_next_hop(struct sweep_lane *lane, unsigned i)
{
	const struct sweep_hop *hop = &lane->targets[i].hop;
	struct sockaddr_ll *to = &lane->to[i].link;

	memcpy(lane->packets[i], hop->mac, ETH_ALEN);
	memcpy(lane->packets[i] + ETH_ALEN, hop->own_mac, ETH_ALEN);
	to->sll_ifindex = hop->ifindex;
	lane->msgs[i].msg_hdr.msg_name =
	    hop->ifindex != lane->bound_to ? to : NULL;
}

static void
set_destination(struct sweep_lane *lane, unsigned i)
{
	const struct sweep_target *t = &lane->targets[i];

	if (lane->engine == SWEEP_ENGINE_PACKET) {
		set_next_hop(lane, i);
	} else if (lane->is_ipv4) {
		lane->to[i].v4.sin_addr = addr_to_in(&t->addr);
	} else {
		memcpy(&lane->to[i].v6.sin6_addr, t->addr.b, sizeof(t->addr.b));
	}
}

/* Of a raw socket the IPv4 header's checksum is the kernel's. */
static void
fill_checksums(const struct sweep_lane *lane, uint8_t *packet)
{
	uint8_t *icmp = packet + lane->icmp_at;
	size_t to_bytes = lane->is_ipv4 ? IPV4_ADDR_BYTES : IPV6_ADDR_BYTES;
	const uint8_t *to = icmp - to_bytes;
	uint64_t sum = sum_bytes(lane->icmp_sum, icmp + ICMP_HEADER_BYTES,
	    SWEEP_PAYLOAD_BYTES);

	if (!lane->is_ipv4) {
		sum = sum_bytes(sum, to, to_bytes);
	} else if (lane->engine == SWEEP_ENGINE_PACKET) {
		put_checksum(packet + lane->ip_at + IPV4_CHECKSUM_AT,
		    sum_bytes(lane->ip_sum, to, to_bytes));
	}
	put_checksum(icmp + ICMP_CHECKSUM_AT, sum);
}

static void
stamp(struct sweep_lane *lane, unsigned i, uint64_t now_us)
{
	const struct sweep_target *t = &lane->targets[i];
	uint8_t *packet = lane->packets[i];
	uint8_t *icmp = packet + lane->icmp_at;

	if (lane->is_ipv4) {
		memcpy(icmp - IPV4_ADDR_BYTES, t->addr.b + 12, IPV4_ADDR_BYTES);
	} else {
		memcpy(icmp - IPV6_ADDR_BYTES, t->addr.b, IPV6_ADDR_BYTES);
	}
	sweep_payload_restamp(icmp + ICMP_HEADER_BYTES, t->index, now_us,
	    &t->addr, lane->request.key);
	fill_checksums(lane, packet);
	set_destination(lane, i);
}

/* Only now, so that the send time is true also after a wait; and one look at the
 * clock, since the batch leaves in one system call. */
static void
stamp_batch(struct sweep_lane *lane)
{
	uint64_t now_us = wall_now_us();

	for (unsigned i = lane->head; i < lane->n; i++)
		stamp(lane, i, now_us);
}

/* The interface that the socket was bound to is gone, and perhaps back under the
 * same number: the socket does not know it any more. */
static bool
unbind_interface(struct sweep_lane *lane)
{
	if (lane->bound_to <= 0)
		return false;
	lane->bound_to = -1;
	for (unsigned i = lane->head; i < lane->n; i++)
		set_next_hop(lane, i);
	return true;
}

/*
 * sendmmsg reports an error only for its first message, so whatever it says is
 * about the target at the head: unreachable, forbidden...  That one is counted
 * and left; the sweep goes on.
 */
enum sweep_lane_end
sweep_lane_flush(struct sweep_lane *lane, uint32_t *sent, uint32_t *refused)
{
	if (lane->head < lane->n)
		stamp_batch(lane);
	while (lane->head < lane->n) {
		int n = sendmmsg(lane->fd, &lane->msgs[lane->head],
		    lane->n - lane->head, 0);

		if (n > 0) {
			lane->head += (unsigned)n;
			*sent += (uint32_t)n;
		} else if (n == -1 && (errno == EAGAIN || errno == ENOBUFS)) {
			return SWEEP_LANE_FULL;
		} else if (n == -1 && errno == ENXIO &&
		    unbind_interface(lane)) {
			continue;
		} else if (n == -1 && errno != EINTR) {
			lane->head++;
			(*refused)++;
		}
	}
	lane->head = lane->n = 0;
	return SWEEP_LANE_EMPTY;
}

void
sweep_lane_move(struct sweep_lane *from, struct sweep_lane *to)
{
	for (unsigned i = from->head; i < from->n; i++) {
		sweep_lane_add(to, from->targets[i].index,
		    &from->targets[i].addr, NULL);
	}
	from->head = from->n = 0;
}
