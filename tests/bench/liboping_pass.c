/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * liboping_pass -- one round of pings by liboping, for the benchmark:
 *
 *	liboping_pass SOURCE FIRST COUNT
 *
 * Prints one line of JSON.  Adding hosts and sending are told apart, since
 * adding takes time that grows with the square of their number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <oping.h>

#include "base/addr.h"
#include "base/num.h"

#define TIMEOUT_S 2.0

static int64_t
cpu_us(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	return (int64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
	    ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
}

static void
add_hosts(pingobj_t *ping, struct addr a, uint32_t n)
{
	uint32_t low = (uint32_t)a.b[12] << 24 | (uint32_t)a.b[13] << 16 |
	    (uint32_t)a.b[14] << 8 | a.b[15];

	for (uint32_t i = 0; i < n; i++) {
		char text[ADDR_TEXT_BYTES];

		for (unsigned byte = 0; byte < 4; byte++) {
			a.b[12 + byte] =
			    (uint8_t)((low + i) >> (24 - 8 * byte));
		}
		if (ping_host_add(ping, addr_format(&a, text)) != 0) {
			(void)fprintf(stderr, "liboping_pass: %s: %s\n", text,
			    ping_get_error(ping));
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	double timeout = TIMEOUT_S;
	pingobj_t *ping = ping_construct();
	int64_t began, added, sent;
	struct addr first;
	uint32_t n = 0;
	struct err err = { 0 };
	int family, answered;

	if (argc != 4 || ping == NULL ||
	    addr_parse(argv[2], &first, &err) != 0 ||
	    num_parse_u32(argv[3], 1, 1u << 22, &n, &err) != 0) {
		(void)fprintf(stderr, "liboping_pass: arguments: %s\n",
		    err.msg);
		return 2;
	}
	family = addr_is_ipv4(&first) ? AF_INET : AF_INET6;
	if (ping_setopt(ping, PING_OPT_SOURCE, argv[1]) != 0 ||
	    ping_setopt(ping, PING_OPT_AF, &family) != 0 ||
	    ping_setopt(ping, PING_OPT_TIMEOUT, &timeout) != 0) {
		(void)fprintf(stderr, "liboping_pass: %s\n",
		    ping_get_error(ping));
		return 1;
	}
	began = cpu_us();
	add_hosts(ping, first, n);
	added = cpu_us();
	answered = ping_send(ping);
	sent = cpu_us();
	(void)printf("{\"answered\": %d, \"add_cpu_us\": %lld, "
		     "\"send_cpu_us\": %lld}\n",
	    answered, (long long)(added - began), (long long)(sent - added));
	ping_destroy(ping);
	return 0;
}
