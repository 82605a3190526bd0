/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_rawcap.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/icmp.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "probes/sweep_filter.h"

#define BATCH 64u
#define BUFFER_BYTES (8 << 20)
#define IPV6_HEADER_BYTES 40u
#define CONTROL_BYTES 256u

struct sweep_rawcap {
	int fd;
	bool is_ipv4;
	sweep_packet_cb *cb;
	void *arg;
	uint32_t drops_seen; /* the kernel's count, which wraps */
	uint64_t drops;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 from[BATCH];
	/* IPv6: the header is written in front. */
	uint8_t packets[BATCH][IPV6_HEADER_BYTES + SWEEP_SNAP_BYTES];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_BYTES];
};

static int
set_flag(int fd, int level, int option, const char *name, struct err *err)
{
	int on = 1;

	if (setsockopt(fd, level, option, &on, sizeof(on)) == -1)
		return err_sys(err, "setsockopt %s", name);
	return 0;
}

/* A large buffer if we may; otherwise what the machine allows everybody. */
static void
set_buffer(int fd)
{
	int size = BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ==
		-1 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == -1)
		log_warn("capture: setsockopt SO_RCVBUF");
}

static int
set_filter(const struct sweep_rawcap *r, const struct sweep_capture *what,
    struct err *err)
{
	struct sock_filter code[SWEEP_FILTER_MAX];
	struct sock_fprog prog = { .filter = code };

	prog.len = (unsigned short)(r->is_ipv4
		? sweep_filter_build(what, true, code)
		: sweep_filter_build_raw_ipv6(what, code));
	if (setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		sizeof(prog)) == -1)
		return err_sys(err, "setsockopt SO_ATTACH_FILTER");
	return 0;
}

/* Ahead of the filter, since it costs the kernel less. */
static int
set_icmp_type(const struct sweep_rawcap *r, struct err *err)
{
	struct icmp_filter only4 = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter only6;

	ICMP6_FILTER_SETBLOCKALL(&only6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only6);
	if ((r->is_ipv4 ? setsockopt(r->fd, SOL_RAW, ICMP_FILTER, &only4,
			      sizeof(only4))
			: setsockopt(r->fd, IPPROTO_ICMPV6, ICMP6_FILTER,
			      &only6, sizeof(only6))) == -1)
		return err_sys(err, "setsockopt ICMP_FILTER");
	return 0;
}

static int
set_options(const struct sweep_rawcap *r, const struct sweep_capture *what,
    struct err *err)
{
	if (set_icmp_type(r, err) == -1 || set_filter(r, what, err) == -1 ||
	    set_flag(r->fd, SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS",
		err) == -1 ||
	    set_flag(r->fd, SOL_SOCKET, SO_RXQ_OVFL, "SO_RXQ_OVFL", err) == -1)
		return -1;
	set_buffer(r->fd);
	if (r->is_ipv4)
		return 0;
	if (set_flag(r->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT,
		"IPV6_RECVHOPLIMIT", err) == -1)
		return -1;
	return set_flag(r->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO,
	    "IPV6_RECVPKTINFO", err);
}

struct sweep_rawcap *
sweep_rawcap_open(const struct sweep_capture *what, bool is_ipv4,
    sweep_packet_cb *cb, void *arg, struct err *err)
{
	struct sweep_rawcap *r = xcalloc(1, sizeof(*r));

	r->is_ipv4 = is_ipv4;
	r->cb = cb;
	r->arg = arg;
	r->fd = socket(is_ipv4 ? AF_INET : AF_INET6,
	    SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (r->fd == -1) {
		(void)err_sys(err, "raw socket");
		free(r);
		return NULL;
	}
	if (set_options(r, what, err) == -1) {
		sweep_rawcap_close(r);
		return NULL;
	}
	return r;
}

void
sweep_rawcap_close(struct sweep_rawcap *r)
{
	if (r == NULL)
		return;
	(void)close(r->fd);
	free(r);
}

int
sweep_rawcap_fd(const struct sweep_rawcap *r)
{
	return r->fd;
}

uint64_t
sweep_rawcap_drops(const struct sweep_rawcap *r)
{
	return r->drops;
}

/* What the kernel says beside a packet. */
struct beside {
	uint64_t recv_us;
	uint8_t hop_limit;
	struct in6_addr to;
};

static void
read_int(const struct cmsghdr *c, int *out)
{
	memcpy(out, CMSG_DATA(c), sizeof(*out));
}

static void
read_beside(struct sweep_rawcap *r, struct msghdr *h, struct beside *out)
{
	*out = (struct beside){ 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			out->recv_us = (uint64_t)ts.tv_sec * 1000000 +
			    (uint64_t)ts.tv_nsec / 1000;
		} else if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SO_RXQ_OVFL) {
			int count = 0;

			read_int(c, &count);
			r->drops += (uint32_t)count - r->drops_seen;
			r->drops_seen = (uint32_t)count;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_HOPLIMIT) {
			int hops = 0;

			read_int(c, &hops);
			out->hop_limit = (uint8_t)hops;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			out->to = info.ipi6_addr;
		}
	}
}

static void
write_ipv6_header(uint8_t *packet, size_t payload_bytes,
    const struct in6_addr *from, const struct beside *b)
{
	struct wcursor w = { .left = IPV6_HEADER_BYTES };

	w.p = packet;
	wcursor_be32(&w, 0x60000000);
	wcursor_be16(&w, (uint16_t)payload_bytes);
	wcursor_u8(&w, IPPROTO_ICMPV6);
	wcursor_u8(&w, b->hop_limit);
	wcursor_bytes(&w, from, sizeof(*from));
	wcursor_bytes(&w, &b->to, sizeof(b->to));
}

static void
take(struct sweep_rawcap *r, unsigned i)
{
	struct mmsghdr *m = &r->msgs[i];
	uint8_t *packet = r->packets[i];
	struct beside b;

	read_beside(r, &m->msg_hdr, &b);
	if (r->is_ipv4) {
		r->cb(packet + IPV6_HEADER_BYTES, m->msg_len, b.recv_us,
		    r->arg);
		return;
	}
	write_ipv6_header(packet, m->msg_len, &r->from[i].sin6_addr, &b);
	r->cb(packet, IPV6_HEADER_BYTES + m->msg_len, b.recv_us, r->arg);
}

bool
sweep_rawcap_read(struct sweep_rawcap *r)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		r->iov[i] = (struct iovec){ .iov_base = r->packets[i] +
			    IPV6_HEADER_BYTES,
			.iov_len = SWEEP_SNAP_BYTES };
		r->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &r->from[i],
			.msg_namelen = sizeof(r->from[i]),
			.msg_iov = &r->iov[i],
			.msg_iovlen = 1,
			.msg_control = r->control[i],
			.msg_controllen = CONTROL_BYTES };
	}
	n = recvmmsg(r->fd, r->msgs, BATCH, MSG_DONTWAIT, NULL);
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		log_warn("capture: recvmmsg");
	for (int i = 0; i < n; i++)
		take(r, (unsigned)i);
	return n > 0;
}
