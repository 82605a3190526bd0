/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SipHash-2-4 (Aumasson, Bernstein 2012) is libsodium's crypto_shorthash.  A
 * MAC of 64 bits is enough: a forger sees no oracle, learns nothing from a
 * wrong guess, and the key lives only as long as the experiment.
 */
#include "probes/sweep_packet.h"

#include <assert.h>
#include <endian.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include <sodium.h>

#include "base/cursor.h"

#define MAC_BYTES crypto_shorthash_BYTES
#define MACED_BYTES (SWEEP_PAYLOAD_BYTES - MAC_BYTES)

static_assert(crypto_shorthash_KEYBYTES == SWEEP_KEY_BYTES, "key of SipHash");
static_assert(MAC_BYTES == sizeof(uint64_t), "a MAC is compared as a number");

#define IPV4_HEADER_MIN_BYTES 20u
#define IPV6_HEADER_BYTES 40u
#define ICMP_HEADER_BYTES 8u
#define IPV4_FRAGMENT_MASK 0x3fffu /* more fragments, or an offset */

/* What the IP header tells about a reply. */
struct reply_ip {
	struct addr source, destination;
	uint8_t ttl;
	uint8_t want_type; /* of the echo reply in this family */
};

/* The places that differ from probe to probe. */
#define INDEX_AT 12u
#define SENT_AT 16u
#define TARGET_AT 24u

void
sweep_payload_restamp(uint8_t *payload, uint32_t index, uint64_t sent_us,
    const struct addr *target, const uint8_t key[SWEEP_KEY_BYTES])
{
	uint32_t index_be = htobe32(index);
	uint64_t sent_be = htobe64(sent_us);

	memcpy(payload + INDEX_AT, &index_be, sizeof(index_be));
	memcpy(payload + SENT_AT, &sent_be, sizeof(sent_be));
	memcpy(payload + TARGET_AT, target->b, sizeof(target->b));
	(void)crypto_shorthash(payload + MACED_BYTES, payload, MACED_BYTES,
	    key);
}

size_t
sweep_payload_build(const struct sweep_probe *probe,
    const uint8_t key[SWEEP_KEY_BYTES], uint8_t out[SWEEP_PAYLOAD_MAX_BYTES])
{
	struct wcursor w = { .p = out, .left = SWEEP_PAYLOAD_MAX_BYTES };
	const struct sweep_text *text = &probe->text;

	memset(out, 0, SWEEP_PAYLOAD_BYTES + text->len);
	wcursor_be32(&w, SWEEP_MAGIC);
	wcursor_u8(&w, probe->phase);
	wcursor_u8(&w, probe->round);
	wcursor_u8(&w, text->len);
	wcursor_u8(&w, 0);
	wcursor_be32(&w, probe->experiment);
	memcpy(out + SWEEP_PAYLOAD_BYTES, text->bytes, text->len);
	sweep_payload_restamp(out, probe->index, probe->sent_us, &probe->target,
	    key);
	return SWEEP_PAYLOAD_BYTES + text->len;
}

/* Bytes beyond the IP length are link-layer padding, not packet. */
static void
trim_to_length(struct cursor *c, size_t length)
{
	if (length < c->left)
		c->left = length;
}

/* Leaves c at the ICMP header. */
static enum sweep_drop
parse_ipv4(struct cursor *c, struct reply_ip *ip)
{
	size_t header_bytes = (size_t)(cursor_u8(c) & 0x0f) * 4;
	uint16_t total_bytes, fragment;
	uint8_t protocol;
	struct in_addr source, destination;

	cursor_skip(c, 1);
	total_bytes = cursor_be16(c);
	cursor_skip(c, 2);
	fragment = cursor_be16(c);
	ip->ttl = cursor_u8(c);
	protocol = cursor_u8(c);
	cursor_skip(c, 2);
	cursor_bytes(c, &source, sizeof(source));
	cursor_bytes(c, &destination, sizeof(destination));
	if (c->bad)
		return SWEEP_DROP_SHORT;
	if (protocol != IPPROTO_ICMP || (fragment & IPV4_FRAGMENT_MASK) != 0)
		return SWEEP_DROP_TYPE;
	if (header_bytes < IPV4_HEADER_MIN_BYTES || total_bytes < header_bytes)
		return SWEEP_DROP_SHORT;
	trim_to_length(c, total_bytes - IPV4_HEADER_MIN_BYTES);
	cursor_skip(c, header_bytes - IPV4_HEADER_MIN_BYTES);
	ip->source = addr_from_in(source);
	ip->destination = addr_from_in(destination);
	ip->want_type = ICMP_ECHOREPLY;
	return SWEEP_OK;
}

/*
 * A reply with extension headers is taken for foreign: an echo reply has
 * none, and the kernel filter could not follow them.
 */
static enum sweep_drop
parse_ipv6(struct cursor *c, struct reply_ip *ip)
{
	uint16_t payload_bytes;
	uint8_t next_header;

	cursor_skip(c, 4);
	payload_bytes = cursor_be16(c);
	next_header = cursor_u8(c);
	ip->ttl = cursor_u8(c);
	cursor_bytes(c, ip->source.b, sizeof(ip->source.b));
	cursor_bytes(c, ip->destination.b, sizeof(ip->destination.b));
	if (c->bad)
		return SWEEP_DROP_SHORT;
	if (next_header != IPPROTO_ICMPV6)
		return SWEEP_DROP_TYPE;
	trim_to_length(c, payload_bytes);
	ip->want_type = ICMP6_ECHO_REPLY;
	return SWEEP_OK;
}

static enum sweep_drop
parse_ip(struct cursor *c, struct reply_ip *ip)
{
	if (c->left == 0)
		return SWEEP_DROP_SHORT;
	if (c->p[0] >> 4 == 4)
		return parse_ipv4(c, ip);
	if (c->p[0] >> 4 == 6)
		return parse_ipv6(c, ip);
	return SWEEP_DROP_TYPE;
}

/* Did it come to the test prefix that the run sends from? */
static bool
is_to_run(const struct sweep_capture *capture, const struct sweep_run *run,
    const struct addr *destination)
{
	for (size_t i = 0; i < capture->n_prefixes; i++) {
		if ((run->prefixes >> i & 1) != 0 &&
		    prefix_contains(&capture->prefixes[i], destination))
			return true;
	}
	return false;
}

/* The payload is what is left in c. */
static enum sweep_drop
parse_payload(struct cursor *c, const struct sweep_capture *capture,
    const struct addr *destination, struct sweep_probe *probe)
{
	const struct sweep_run *run;
	const uint8_t *payload = c->p;
	uint64_t mac, want;
	uint32_t magic = cursor_be32(c);
	uint8_t zero;

	probe->phase = cursor_u8(c);
	probe->round = cursor_u8(c);
	cursor_skip(c, 1);
	zero = cursor_u8(c);
	probe->experiment = cursor_be32(c);
	probe->index = cursor_be32(c);
	probe->sent_us = cursor_be64(c);
	cursor_bytes(c, probe->target.b, sizeof(probe->target.b));
	cursor_bytes(c, &mac, sizeof(mac));
	if (c->bad)
		return SWEEP_DROP_SHORT;
	if (magic != SWEEP_MAGIC || zero != 0)
		return SWEEP_DROP_TYPE;
	run = sweep_capture_run(capture, probe->experiment);
	if (run == NULL)
		return SWEEP_DROP_EXPERIMENT;
	(void)crypto_shorthash((unsigned char *)&want, payload, MACED_BYTES,
	    run->key);
	/* As two numbers, so that no time tells how much of it was right. */
	return mac == want && is_to_run(capture, run, destination)
	    ? SWEEP_OK
	    : SWEEP_DROP_MAC;
}

enum sweep_drop
sweep_reply_parse(const uint8_t *packet, size_t len,
    const struct sweep_capture *capture, uint64_t now_us,
    struct sweep_reply *out)
{
	struct cursor c = { .p = packet, .left = len };
	struct reply_ip ip = { .ttl = 0 };
	struct sweep_probe probe = { .index = 0 };
	enum sweep_drop why = parse_ip(&c, &ip);
	uint8_t type, code;

	if (why != SWEEP_OK)
		return why;
	type = cursor_u8(&c);
	code = cursor_u8(&c);
	cursor_skip(&c, ICMP_HEADER_BYTES - 2); /* id, seq: NATs change them */
	if (c.bad)
		return SWEEP_DROP_SHORT;
	if (type != ip.want_type || code != 0)
		return SWEEP_DROP_TYPE;
	why = parse_payload(&c, capture, &ip.destination, &probe);
	if (why == SWEEP_DROP_SHORT || why == SWEEP_DROP_TYPE)
		return why;
	*out = (struct sweep_reply){ .index = probe.index,
		.experiment = probe.experiment,
		.phase = probe.phase,
		.round = probe.round,
		.ttl = ip.ttl,
		.sent_us = probe.sent_us,
		.recv_us = now_us,
		.source = ip.source };
	if (why == SWEEP_DROP_EXPERIMENT) {
		out->flags = SWEEP_REPLY_LATE;
	} else if (why == SWEEP_DROP_MAC) {
		out->flags = SWEEP_REPLY_FORGED;
	} else if (!addr_equal(&probe.target, &ip.source)) {
		out->flags = SWEEP_REPLY_OTHER_SOURCE;
	}
	return why;
}
