/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/printable.h"

/* ::ffff:0:0/96, RFC 4291 s.2.5.5.2 */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

#define IPV4_BITS 32u
#define IPV6_BITS 128u

struct special_v4 {
	uint32_t net;
	unsigned len;
	const char *why;
};

struct special_v6 {
	uint64_t hi, lo;
	unsigned len;
	const char *why;
};

/*
 * IANA IPv4 Special-Purpose Address Registry, what is not globally reachable,
 * and multicast (RFC 5771).  The narrower range comes first.
 */
static const struct special_v4 special_v4[] = {
	{ 0x00000000, 8, "this network (RFC 791)" },
	{ 0x0a000000, 8, "private (RFC 1918)" },
	{ 0x64400000, 10, "shared address space (RFC 6598)" },
	{ 0x7f000000, 8, "loopback (RFC 1122)" },
	{ 0xa9fe0000, 16, "link-local (RFC 3927)" },
	{ 0xac100000, 12, "private (RFC 1918)" },
	{ 0xc0000000, 24, "IETF protocol assignments (RFC 6890)" },
	{ 0xc0000200, 24, "documentation (RFC 5737)" },
	{ 0xc0586300, 24, "6to4 relay anycast (RFC 7526)" },
	{ 0xc0a80000, 16, "private (RFC 1918)" },
	{ 0xc6120000, 15, "benchmarking (RFC 2544)" },
	{ 0xc6336400, 24, "documentation (RFC 5737)" },
	{ 0xcb007100, 24, "documentation (RFC 5737)" },
	{ 0xe0000000, 4, "multicast (RFC 5771)" },
	{ 0xffffffff, 32, "limited broadcast (RFC 919)" },
	{ 0xf0000000, 4, "reserved (RFC 1112)" },
};

/*
 * IANA IPv6 Special-Purpose Address Registry, what is not globally reachable,
 * and multicast; then all that is no global unicast: only 2000::/3 has been
 * given out.  The narrower range comes first.
 */
static const struct special_v6 special_v6[] = {
	{ 0, 0, 128, "unspecified (RFC 4291)" },
	{ 0, 1, 128, "loopback (RFC 4291)" },
	{ 0x0064ff9b00000000, 0, 96, "IPv4/IPv6 translation (RFC 6052)" },
	{ 0x0064ff9b00010000, 0, 48, "IPv4/IPv6 translation (RFC 8215)" },
	{ 0x0100000000000000, 0, 64, "discard-only (RFC 6666)" },
	{ 0x0100000000000001, 0, 64, "dummy prefix (RFC 9780)" },
	{ 0x2001000000000000, 0, 32, "Teredo (RFC 4380)" },
	{ 0x2001000200000000, 0, 48, "benchmarking (RFC 5180)" },
	{ 0x2001001000000000, 0, 28, "ORCHID (RFC 4843)" },
	{ 0x2001002000000000, 0, 28, "ORCHIDv2 (RFC 7343)" },
	{ 0x2001000000000000, 0, 23, "IETF protocol assignments (RFC 2928)" },
	{ 0x20010db800000000, 0, 32, "documentation (RFC 3849)" },
	{ 0x2002000000000000, 0, 16, "6to4 (RFC 3056)" },
	{ 0x3fff000000000000, 0, 20, "documentation (RFC 9637)" },
	{ 0x5f00000000000000, 0, 16, "segment routing SIDs (RFC 9602)" },
	{ 0xfc00000000000000, 0, 7, "unique local (RFC 4193)" },
	{ 0xfe80000000000000, 0, 10, "link-local (RFC 4291)" },
	{ 0xfec0000000000000, 0, 10, "site-local (RFC 3879)" },
	{ 0xff00000000000000, 0, 8, "multicast (RFC 4291)" },
	{ 0x0000000000000000, 0, 3, "not global unicast (RFC 4291)" },
	{ 0x4000000000000000, 0, 2, "not global unicast (RFC 4291)" },
	{ 0x8000000000000000, 0, 1, "not global unicast (RFC 4291)" },
};

static uint64_t
load_be(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

struct addr
addr_from_in(struct in_addr in)
{
	struct addr a;

	memcpy(a.b, mapped, sizeof(mapped));
	memcpy(a.b + sizeof(mapped), &in.s_addr, sizeof(in.s_addr));
	return a;
}

struct in_addr
addr_to_in(const struct addr *a)
{
	struct in_addr in;

	memcpy(&in.s_addr, a->b + sizeof(mapped), sizeof(in.s_addr));
	return in;
}

/*
 * "::ffff:192.0.2.1" would become the IPv4 address, though the writer asked for
 * an IPv6 one; what was meant cannot be known, so it is refused.
 */
int
addr_parse(const char *s, struct addr *out, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];
	char v4[INET_ADDRSTRLEN];
	struct in_addr in;
	struct addr a;

	if (inet_pton(AF_INET, s, &in) == 1) {
		*out = addr_from_in(in);
		return 0;
	}
	if (inet_pton(AF_INET6, s, a.b) != 1) {
		return err_set(err, ERR_CONF,
		    "%s: expected an IPv4 or IPv6 address",
		    printable(s, shown));
	}
	if (addr_is_ipv4(&a)) {
		in = addr_to_in(&a);
		(void)inet_ntop(AF_INET, &in, v4, sizeof(v4));
		return err_set(err, ERR_CONF,
		    "%s: IPv4-mapped IPv6 address is ambiguous, expected %s",
		    printable(s, shown), v4);
	}
	*out = a;
	return 0;
}

char *
addr_format(const struct addr *a, char buf[ADDR_TEXT_BYTES])
{
	struct in_addr in;

	if (addr_is_ipv4(a)) {
		in = addr_to_in(a);
		(void)inet_ntop(AF_INET, &in, buf, ADDR_TEXT_BYTES);
	} else {
		(void)inet_ntop(AF_INET6, a->b, buf, ADDR_TEXT_BYTES);
	}
	return buf;
}

static const char *
find_special_v4(uint32_t ip)
{
	for (size_t i = 0; i < sizeof(special_v4) / sizeof(special_v4[0]);
	     i++) {
		const struct special_v4 *sp = &special_v4[i];

		if ((ip ^ sp->net) >> (IPV4_BITS - sp->len) == 0)
			return sp->why;
	}
	return NULL;
}

static bool
is_in_v6(uint64_t hi, uint64_t lo, const struct special_v6 *sp)
{
	uint64_t hi_diff = hi ^ sp->hi;
	uint64_t lo_diff = lo ^ sp->lo;

	if (sp->len <= 64)
		return hi_diff >> (64 - sp->len) == 0;
	return hi_diff == 0 && lo_diff >> (IPV6_BITS - sp->len) == 0;
}

const char *
addr_special(const struct addr *a)
{
	uint64_t hi = load_be(a->b, 8);
	uint64_t lo = load_be(a->b + 8, 8);

	if (addr_is_ipv4(a))
		return find_special_v4((uint32_t)lo);
	for (size_t i = 0; i < sizeof(special_v6) / sizeof(special_v6[0]);
	     i++) {
		if (is_in_v6(hi, lo, &special_v6[i]))
			return special_v6[i].why;
	}
	return NULL;
}

bool
addr_is_never_host(const struct addr *a)
{
	uint64_t hi = load_be(a->b, 8);
	uint64_t lo = load_be(a->b + 8, 8);
	uint32_t ip = (uint32_t)lo;

	if (addr_is_ipv4(a)) {
		return ip >> 24 == 0 || ip >> 24 == 127 || ip >> 28 == 0xe ||
		    ip == UINT32_MAX;
	}
	return (hi == 0 && lo <= 1) || a->b[0] == 0xff;
}

/* Where the prefix's bits begin within the 16 bytes. */
static unsigned
first_bit(const struct prefix *p)
{
	return p->is_ipv4 ? IPV6_BITS - IPV4_BITS : 0;
}

/* Clears all bits from the n-th on. */
static void
clear_host_bits(struct addr *a, unsigned n)
{
	for (unsigned i = 0; i < sizeof(a->b); i++) {
		unsigned keep = n > i * 8 ? n - i * 8 : 0;

		if (keep < 8)
			a->b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

/* Splits "address/length"; the address fits into addr_text or it is none. */
static int
split_prefix(const char *s, char addr_text[ADDR_TEXT_BYTES],
    const char **len_text)
{
	const char *slash = strchr(s, '/');

	if (slash == NULL || slash - s >= ADDR_TEXT_BYTES)
		return -1;
	memcpy(addr_text, s, (size_t)(slash - s));
	addr_text[slash - s] = '\0';
	*len_text = slash + 1;
	return 0;
}

int
prefix_parse(const char *s, struct prefix *out, struct err *err)
{
	char addr_text[ADDR_TEXT_BYTES];
	char want[PREFIX_TEXT_BYTES];
	char shown[PRINTABLE_TEXT_BYTES];
	const char *len_text;
	struct prefix p;
	struct addr a;
	uint32_t len;

	if (split_prefix(s, addr_text, &len_text) == -1) {
		return err_set(err, ERR_CONF,
		    "%s: expected a prefix such as 192.0.2.0/24 or "
		    "2001:db8::/48",
		    printable(s, shown));
	}
	if (addr_parse(addr_text, &a, err) == -1)
		return err_wrap(err, "%s", printable(s, shown));
	p.is_ipv4 = addr_is_ipv4(&a);
	if (num_parse_u32(len_text, 0, p.is_ipv4 ? IPV4_BITS : IPV6_BITS, &len,
		NULL) == -1) {
		return err_set(err, ERR_CONF,
		    "%s: expected a prefix length from 0 to %u",
		    printable(s, shown), p.is_ipv4 ? IPV4_BITS : IPV6_BITS);
	}
	p.len = (uint8_t)len;
	p.addr = a;
	clear_host_bits(&p.addr, first_bit(&p) + p.len);
	if (!addr_equal(&p.addr, &a)) {
		return err_set(err, ERR_CONF,
		    "%s: host bits are set, expected %s", printable(s, shown),
		    prefix_format(&p, want));
	}
	*out = p;
	return 0;
}

char *
prefix_format(const struct prefix *p, char buf[PREFIX_TEXT_BYTES])
{
	char *end = buf + strlen(addr_format(&p->addr, buf));

	*end++ = '/';
	if (p->len >= 100)
		*end++ = '1';
	if (p->len >= 10)
		*end++ = (char)('0' + p->len / 10 % 10);
	*end++ = (char)('0' + p->len % 10);
	*end = '\0';
	return buf;
}

bool
prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && a->is_ipv4 == b->is_ipv4 &&
	    addr_equal(&a->addr, &b->addr);
}

bool
prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned bits = first_bit(p) + p->len;
	unsigned whole = bits / 8, rest = bits % 8;

	if (p->is_ipv4 != addr_is_ipv4(a) ||
	    memcmp(a->b, p->addr.b, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a->b[whole] ^ p->addr.b[whole]) >> (8 - rest)) == 0;
}

bool
prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, &b->addr) || prefix_contains(b, &a->addr);
}

int
prefix_compare(const void *a, const void *b)
{
	const struct prefix *pa = a, *pb = b;
	int order = memcmp(pa->addr.b, pb->addr.b, sizeof(pa->addr.b));

	return order != 0 ? order : (int)pa->len - (int)pb->len;
}
