/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/ping_filter.h"

#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/xalloc.h"

/* A lane has its channel, and for each set of addresses two of liboping. */
#define FDS_MAX 32
#define QUEUED_MAX 4096
#define ACCEPT UINT32_MAX
#define IDENT_AT 4u
/* Instructions: for each ident; for all. */
#define INSNS_EACH 2u
#define INSNS_REST 6u

/*
 * An IPv4 socket sees the IP header, an IPv6 one does not: x is where ICMP
 * begins.
 */
static size_t
program_make(struct sock_filter *out, int domain, const uint16_t *idents,
    size_t n)
{
	bool is_ipv4 = domain == AF_INET;
	uint32_t reply = is_ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	size_t len = 0;

	if (is_ipv4) {
		out[len++] =
		    (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
	} else {
		out[len++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0);
	}
	out[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0);
	/* Another type: to the end. */
	out[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
	    reply, 1, 0);
	out[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	out[len++] =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, IDENT_AT);
	for (size_t i = 0; i < n; i++) {
		out[len++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			idents[i], 0, 1);
		out[len++] =
		    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, ACCEPT);
	}
	out[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return len;
}

/* Those of before the filter. */
static void
drop_queued(int fd)
{
	char byte;

	for (int i = 0; i < QUEUED_MAX; i++) {
		if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) == -1)
			return;
	}
}

static int
socket_option(int fd, int what)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, what, &value, &len) == 0 ? value : -1;
}

uint32_t
ping_filter_sockets(void)
{
	uint32_t found = 0;

	for (int fd = 0; fd < FDS_MAX; fd++) {
		if (socket_option(fd, SO_TYPE) == SOCK_RAW)
			found |= UINT32_C(1) << fd;
	}
	return found;
}

void
ping_filter_attach(uint32_t sockets, const uint16_t *idents, size_t n)
{
	struct sock_filter *insns =
	    xcalloc(INSNS_EACH * n + INSNS_REST, sizeof(*insns));

	for (int fd = 0; fd < FDS_MAX; fd++) {
		struct sock_fprog program = { .filter = insns };

		if ((sockets & UINT32_C(1) << fd) == 0)
			continue;
		program.len = (unsigned short)program_make(insns,
		    socket_option(fd, SO_DOMAIN), idents, n);
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			sizeof(program)) == 0)
			drop_queued(fd);
	}
	free(insns);
}
