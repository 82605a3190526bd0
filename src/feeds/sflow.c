/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every count in a datagram is bounded by what is left of it: a sample and a
 * record take at least eight bytes each.
 */
#include "feeds/sflow.h"

#include <string.h>

#define VERSION 5u
#define FORMAT_FLOW 1u /* enterprise 0 in the upper 20 bits, as all here */
#define FORMAT_FLOW_EXPANDED 3u
#define RECORD_RAW_HEADER 1u
#define RECORD_IPV4 3u
#define RECORD_IPV6 4u
#define HEADER_ETHERNET 1u
#define HEADER_IPV4 11u
#define HEADER_IPV6 12u

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu
#define TAGS_MAX 4

/* The next n bytes as a cursor of their own, with XDR's padding passed over. */
static struct cursor
cut(struct cursor *c, uint32_t n)
{
	struct cursor part = { .p = c->p, .left = n };
	size_t padding = -(size_t)n & 3;

	cursor_skip(c, n);
	if (c->bad)
		return (struct cursor){ .bad = true };
	cursor_skip(c, padding < c->left ? padding : c->left);
	return part;
}

static struct addr
get_ipv4(struct cursor *c)
{
	struct in_addr in;

	memset(&in, 0, sizeof(in));
	cursor_bytes(c, &in, sizeof(in));
	return addr_from_in(in);
}

static struct addr
get_ipv6(struct cursor *c)
{
	struct addr a = { { 0 } };

	cursor_bytes(c, a.b, sizeof(a.b));
	return a;
}

/* A packet's own header; also what carries IPv4 in IPv6's clothes is none. */
static enum feed_reason
read_ip(struct cursor *c, uint8_t version, struct feed_record *rec)
{
	/* RFC 791 s.3.1, RFC 8200 s.3: up to the source address. */
	uint8_t first = cursor_u8(c);

	if (c->bad)
		return FEED_BAD_SHORT;
	if (first >> 4 != version)
		return FEED_BAD_SYNTAX;
	if (version == 4) {
		cursor_skip(c, 11);
		rec->src = get_ipv4(c);
		rec->dst = get_ipv4(c);
	} else {
		cursor_skip(c, 7);
		rec->src = get_ipv6(c);
		rec->dst = get_ipv6(c);
	}
	return c->bad ? FEED_BAD_SHORT : FEED_OK;
}

static bool
is_tag(uint16_t type)
{
	/* 802.1Q, 802.1ad, and what was used for QinQ before it */
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static enum feed_reason
read_ethernet(struct cursor *c, struct feed_record *rec)
{
	uint16_t type;

	cursor_skip(c, 6 + 6);
	type = cursor_be16(c);
	for (int i = 0; i < TAGS_MAX && is_tag(type); i++) {
		cursor_skip(c, 2);
		type = cursor_be16(c);
	}
	if (c->bad)
		return FEED_BAD_SHORT;
	if (type == ETHERTYPE_IPV4)
		return read_ip(c, 4, rec);
	if (type == ETHERTYPE_IPV6)
		return read_ip(c, 6, rec);
	return FEED_OTHER;
}

static enum feed_reason
read_raw_header(struct cursor *c, struct feed_record *rec)
{
	uint32_t protocol = cursor_be32(c);
	uint32_t frame_bytes = cursor_be32(c);
	struct cursor header;

	cursor_skip(c, 4); /* bytes that were stripped */
	header = cut(c, cursor_be32(c));
	if (c->bad)
		return FEED_BAD_SHORT;
	rec->bytes = frame_bytes;
	switch (protocol) {
	case HEADER_ETHERNET:
		return read_ethernet(&header, rec);
	case HEADER_IPV4:
		return read_ip(&header, 4, rec);
	case HEADER_IPV6:
		return read_ip(&header, 6, rec);
	default:
		return FEED_OTHER;
	}
}

static enum feed_reason
read_sampled_ip(struct cursor *c, uint32_t format, struct feed_record *rec)
{
	rec->bytes = cursor_be32(c);
	cursor_skip(c, 4); /* protocol */
	if (format == RECORD_IPV4) {
		rec->src = get_ipv4(c);
		rec->dst = get_ipv4(c);
	} else {
		rec->src = get_ipv6(c);
		rec->dst = get_ipv6(c);
	}
	return c->bad ? FEED_BAD_SHORT : FEED_OK;
}

/* Several records may tell of the same packet: the first that has addresses
 * counts; else the worst that was said. */
static enum feed_reason
read_records(struct cursor *c, uint32_t n, struct feed_record *rec)
{
	enum feed_reason worst = FEED_OTHER;

	for (; n > 0; n--) {
		uint32_t format = cursor_be32(c);
		struct cursor body = cut(c, cursor_be32(c));
		enum feed_reason why = FEED_OTHER;

		if (c->bad)
			return FEED_BAD_SHORT;
		if (format == RECORD_RAW_HEADER) {
			why = read_raw_header(&body, rec);
		} else if (format == RECORD_IPV4 || format == RECORD_IPV6) {
			why = read_sampled_ip(&body, format, rec);
		}
		if (why == FEED_OK)
			return FEED_OK;
		if (feed_reason_is_bad(why))
			worst = why;
	}
	return worst;
}

static enum feed_reason
read_flow_sample(struct cursor *c, bool is_expanded, struct feed_record *out)
{
	struct feed_record rec = { .has_dst = true, .requests = 1 };
	enum feed_reason why;
	uint32_t rate, n;

	/* sequence; source: one word, or type and index */
	cursor_skip(c, is_expanded ? 12 : 8);
	rate = cursor_be32(c);
	/* pool, drops; input and output: a word each, or format and value */
	cursor_skip(c, 4 + 4 + (is_expanded ? 16 : 8));
	n = cursor_be32(c);
	if (c->bad)
		return FEED_BAD_SHORT;
	why = read_records(c, n, &rec);
	if (why != FEED_OK)
		return why;
	rec.packets = rate > 0 ? rate : 1;
	rec.bytes *= rec.packets;
	rec.requests = rec.packets;
	*out = rec;
	return FEED_OK;
}

static enum feed_reason
read_samples(struct cursor *c, uint32_t n, feed_take_fn *take, void *arg)
{
	for (; n > 0; n--) {
		uint32_t format = cursor_be32(c);
		struct cursor body = cut(c, cursor_be32(c));
		struct feed_record rec;
		enum feed_reason why;

		if (c->bad)
			return FEED_BAD_SHORT;
		if (format != FORMAT_FLOW && format != FORMAT_FLOW_EXPANDED)
			continue;
		why = read_flow_sample(&body, format == FORMAT_FLOW_EXPANDED,
		    &rec);
		take(why, why == FEED_OK ? &rec : NULL, arg);
	}
	return FEED_OK;
}

static enum feed_reason
read_datagram(struct cursor *c, feed_take_fn *take, void *arg)
{
	uint32_t version = cursor_be32(c);
	uint32_t agent = cursor_be32(c);

	if (!c->bad && version != VERSION)
		return FEED_BAD_VERSION;
	if (!c->bad && agent != 1 && agent != 2)
		return FEED_BAD_SYNTAX;
	/* address of the agent; its part, sequence, uptime */
	cursor_skip(c, (agent == 1 ? 4 : 16) + 12);
	return read_samples(c, cursor_be32(c), take, arg);
}

void
sflow_decode(struct cursor *c, feed_take_fn *take, void *arg)
{
	enum feed_reason why = read_datagram(c, take, arg);

	if (c->bad)
		why = FEED_BAD_SHORT;
	if (why == FEED_OK)
		return;
	c->bad = true;
	take(why, NULL, arg);
}
