/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H
/*
 * addr -- IPv4 and IPv6 addresses and prefixes in one type: 16 bytes, IPv4 as
 * v4-mapped (RFC 4291 s.2.5.5.2), so that they sort, hash and store alike.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct addr {
	uint8_t b[16];
};

struct prefix {
	struct addr addr;
	uint8_t len; /* 0..32 for IPv4, 0..128 for IPv6 */
	bool is_ipv4;
};

#define ADDR_TEXT_BYTES INET6_ADDRSTRLEN
#define PREFIX_TEXT_BYTES (INET6_ADDRSTRLEN + 4)

/* Inline: the sweep asks several times for each packet. */
static inline bool
addr_is_ipv4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b);
/* Text -> address; nothing but the address, no zone. -1 with err otherwise. */
int addr_parse(const char *s, struct addr *out, struct err *err);
/* Returns buf. */
char *addr_format(const struct addr *a, char buf[ADDR_TEXT_BYTES]);
struct addr addr_from_in(struct in_addr in);
struct in_addr addr_to_in(const struct addr *a);

/*
 * Why a is no address of a host on the public Internet (private, loopback,
 * multicast, documentation, ... after RFC 6890 and the IANA special-purpose
 * registries), as a short text, or NULL if it may be one.
 */
const char *addr_special(const struct addr *a);
/* Multicast, unspecified, loopback, broadcast: never a client, lab or not. */
bool addr_is_never_host(const struct addr *a);

/* "192.0.2.0/24"; host bits must be zero; the length is required. */
int prefix_parse(const char *s, struct prefix *out, struct err *err);
char *prefix_format(const struct prefix *p, char buf[PREFIX_TEXT_BYTES]);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Order for sorting: by address, then length; for qsort and bsearch. */
int prefix_compare(const void *a, const void *b);
bool prefix_contains(const struct prefix *p, const struct addr *a);
/* Is one of them in the other? */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

#endif /* BASE_ADDR_H */
