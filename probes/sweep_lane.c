/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IPv4 goes through a raw socket of IPPROTO_RAW: we write the IP header, and
 * the socket cannot receive.  IPv6 goes through raw ICMPv6, whose checksum is
 * the kernel's work; it is told to receive nothing.
 *
 * Both are bound to the source, so that rules which route by source apply, and
 * both may be bound although no interface has the address.
 *
 * The send buffer keeps its small default on purpose.  A qdisc that is full
 * drops without an error, but what waits in it is charged to the socket: so the
 * buffer is full first, and that is an EAGAIN which we see.
 */
#include "probes/sweep_lane.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cursor.h"

#define IPV4_HEADER_BYTES 20u
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
	struct icmp6_filter block;
	int on = 1;

	memcpy(&sa.sin6_addr, source->b, sizeof(sa.sin6_addr));
	ICMP6_FILTER_SETBLOCKALL(&block);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &block,
		sizeof(block)) == -1)
		return err_sys(err, "setsockopt ICMP6_FILTER");
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == -1)
		return err_sys(err, "setsockopt IPV6_FREEBIND");
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == -1)
		return err_sys(err, "bind");
	return 0;
}

int
sweep_lane_open(struct sweep_lane *lane, const struct sweep_request *request,
    struct err *err)
{
	char text[ADDR_TEXT_BYTES];
	int rc;

	lane->is_ipv4 = addr_is_ipv4(&request->source);
	lane->request = *request;
	lane->head = lane->n = 0;
	lane->fd = socket(lane->is_ipv4 ? AF_INET : AF_INET6,
	    SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    lane->is_ipv4 ? IPPROTO_RAW : IPPROTO_ICMPV6);
	if (lane->fd == -1) {
		return err_sys(err, "raw socket of %s",
		    lane->is_ipv4 ? "IPv4" : "IPv6");
	}
	if (lane->is_ipv4) {
		rc = bind_ipv4(lane->fd, &request->source, err);
	} else {
		rc = bind_ipv6(lane->fd, &request->source, err);
	}
	if (rc == -1) {
		sweep_lane_close(lane);
		return err_wrap(err, "raw socket of %s",
		    addr_format(&request->source, text));
	}
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

void
sweep_lane_add(struct sweep_lane *lane, uint32_t index,
    const struct addr *target)
{
	lane->targets[lane->n++] =
	    (struct sweep_target){ .index = index, .addr = *target };
}

/* RFC 1071; n is even. */
static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The kernel fills in length, identification and checksum. */
static void
write_ipv4_header(struct wcursor *w, const struct addr *source,
    const struct addr *target)
{
	struct in_addr from = addr_to_in(source);
	struct in_addr to = addr_to_in(target);

	wcursor_u8(w, 0x45); /* version 4, 5 words */
	wcursor_u8(w, 0);
	wcursor_be16(w, SWEEP_REQUEST_MAX_BYTES);
	wcursor_be16(w, 0);
	wcursor_be16(w, IP_DF);
	wcursor_u8(w, REQUEST_TTL);
	wcursor_u8(w, IPPROTO_ICMP);
	wcursor_be16(w, 0);
	wcursor_bytes(w, &from, sizeof(from));
	wcursor_bytes(w, &to, sizeof(to));
}

/*
 * Identifier and sequence stay the same over the whole experiment: routers that
 * spread load by these bytes then send a target's probe and reply the same way
 * in each sweep, and a change of catchment is BGP's doing.
 */
static void
write_icmp(struct wcursor *w, const struct sweep_lane *lane,
    const struct sweep_target *target)
{
	const struct sweep_request *rq = &lane->request;
	uint8_t *icmp = w->p;
	struct sweep_probe probe = { .phase = rq->phase,
		.round = rq->round,
		.experiment = rq->experiment,
		.index = target->index,
		.sent_us = wall_now_us(),
		.target = target->addr };
	uint8_t payload[SWEEP_PAYLOAD_BYTES];

	sweep_payload_build(&probe, rq->key, payload);
	wcursor_u8(w, lane->is_ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
	wcursor_u8(w, 0);
	wcursor_be16(w, 0);
	wcursor_be16(w, (uint16_t)(rq->experiment ^ rq->experiment >> 16));
	wcursor_be16(w, ICMP_SEQUENCE);
	wcursor_bytes(w, payload, sizeof(payload));
	if (lane->is_ipv4) {
		uint16_t sum = checksum(icmp, (size_t)(w->p - icmp));

		icmp[2] = (uint8_t)(sum >> 8);
		icmp[3] = (uint8_t)sum;
	}
}

static void
set_destination(struct sweep_lane *lane, unsigned i)
{
	const struct addr *a = &lane->targets[i].addr;
	struct msghdr *h = &lane->msgs[i].msg_hdr;

	if (lane->is_ipv4) {
		lane->to[i].v4 = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_addr = addr_to_in(a) };
		h->msg_namelen = sizeof(lane->to[i].v4);
	} else {
		lane->to[i].v6 =
		    (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		memcpy(&lane->to[i].v6.sin6_addr, a->b, sizeof(a->b));
		h->msg_namelen = sizeof(lane->to[i].v6);
	}
	h->msg_name = &lane->to[i];
}

/* Only now, so that the send time in it is true also after a wait. */
static void
build(struct sweep_lane *lane, unsigned i)
{
	struct wcursor w = { .p = lane->packets[i],
		.left = sizeof(lane->packets[i]) };

	if (lane->is_ipv4) {
		write_ipv4_header(&w, &lane->request.source,
		    &lane->targets[i].addr);
	}
	write_icmp(&w, lane, &lane->targets[i]);
	lane->iov[i] = (struct iovec){ .iov_base = lane->packets[i],
		.iov_len = sizeof(lane->packets[i]) - w.left };
	lane->msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &lane->iov[i],
					      .msg_iovlen = 1 } };
	set_destination(lane, i);
}

/*
 * sendmmsg reports an error only for its first message, so whatever it says is
 * about the target at the head: unreachable, forbidden...  That one is counted
 * and left; the sweep goes on.
 */
enum sweep_lane_end
sweep_lane_flush(struct sweep_lane *lane, uint32_t *sent, uint32_t *refused)
{
	for (unsigned i = lane->head; i < lane->n; i++)
		build(lane, i);
	while (lane->head < lane->n) {
		int n = sendmmsg(lane->fd, &lane->msgs[lane->head],
		    lane->n - lane->head, 0);

		if (n > 0) {
			lane->head += (unsigned)n;
			*sent += (uint32_t)n;
		} else if (n == -1 && (errno == EAGAIN || errno == ENOBUFS)) {
			return SWEEP_LANE_FULL;
		} else if (n == -1 && errno != EINTR) {
			lane->head++;
			(*refused)++;
		}
	}
	lane->head = lane->n = 0;
	return SWEEP_LANE_EMPTY;
}
