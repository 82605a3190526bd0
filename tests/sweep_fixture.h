/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SWEEP_FIXTURE_H
#define SWEEP_FIXTURE_H
/* Echo replies as they come from clients, for the tests of the sweep. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "probes/sweep_packet.h"

#define FIXTURE_EXPERIMENT 77u
#define FIXTURE_PACKET_MAX 420u

struct fixture_reply {
	const char *source;
	const char *target; /* NULL: the source answers for itself */
	const char *destination;
	uint32_t experiment; /* 0: FIXTURE_EXPERIMENT */
	uint32_t index;
	uint64_t sent_us;
	uint8_t phase;
	uint8_t round;
	uint8_t ttl;          /* 0: 57 */
	uint8_t option_bytes; /* of IPv4, a multiple of 4 */
	const char *text;     /* NULL: none; at most SWEEP_TEXT_MAX bytes */
};

static inline struct addr
fixture_addr(const char *text)
{
	struct addr a = { { 0 } };
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) == 1)
		return addr_from_in(in);
	(void)inet_pton(AF_INET6, text, a.b);
	return a;
}

static inline struct sweep_capture
fixture_capture(void)
{
	return (struct sweep_capture){
		.runs = { { .experiment = FIXTURE_EXPERIMENT,
		    .key = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
			16 },
		    .prefixes = 3 } },
		.n_runs = 1,
		.prefixes = { { .addr = fixture_addr("198.51.100.0"),
				  .len = 24,
				  .is_ipv4 = true },
		    { .addr = fixture_addr("2001:db8:100::"), .len = 48 } },
		.sources = { fixture_addr("198.51.100.1"),
		    fixture_addr("2001:db8:100::1") },
		.n_prefixes = 2,
	};
}

static inline void
fixture_ipv4(struct wcursor *w, const struct fixture_reply *r, size_t length)
{
	struct addr from = fixture_addr(r->source);
	struct addr to = fixture_addr(r->destination);

	wcursor_u8(w, (uint8_t)(0x45 + r->option_bytes / 4));
	wcursor_u8(w, 0);
	wcursor_be16(w, (uint16_t)length);
	wcursor_be32(w, 0);
	wcursor_u8(w, r->ttl != 0 ? r->ttl : 57);
	wcursor_u8(w, IPPROTO_ICMP);
	wcursor_be16(w, 0);
	wcursor_bytes(w, from.b + 12, 4);
	wcursor_bytes(w, to.b + 12, 4);
	for (size_t i = 0; i < r->option_bytes; i++)
		wcursor_u8(w, 1); /* no operation */
}

static inline void
fixture_ipv6(struct wcursor *w, const struct fixture_reply *r, size_t length)
{
	struct addr from = fixture_addr(r->source);
	struct addr to = fixture_addr(r->destination);

	wcursor_be32(w, 0x60000000);
	wcursor_be16(w, (uint16_t)(length - 40));
	wcursor_u8(w, IPPROTO_ICMPV6);
	wcursor_u8(w, r->ttl != 0 ? r->ttl : 57);
	wcursor_bytes(w, from.b, 16);
	wcursor_bytes(w, to.b, 16);
}

/* RFC 1071, of ICMP with the pseudo header of IPv6 if it is that. */
static inline void
fixture_checksum(uint8_t *packet, size_t icmp_at, size_t length)
{
	bool is_ipv4 = packet[0] >> 4 == 4;
	uint32_t sum = is_ipv4 ? 0 : (uint32_t)(length - icmp_at) + 58;

	for (size_t i = is_ipv4 ? icmp_at : 8; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)packet[i] << 8 : packet[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	packet[icmp_at + 2] = (uint8_t)(~sum >> 8);
	packet[icmp_at + 3] = (uint8_t)~sum;
}

/* The valid reply, from the IP header on; returns its length. */
static inline size_t
fixture_build(const struct fixture_reply *r, uint8_t out[FIXTURE_PACKET_MAX])
{
	struct sweep_capture capture = fixture_capture();
	bool is_ipv4 = strchr(r->source, ':') == NULL;
	size_t text_len = r->text != NULL ? strlen(r->text) : 0;
	size_t length = (is_ipv4 ? 20u + r->option_bytes : 40u) + 8 +
	    SWEEP_PAYLOAD_BYTES + text_len;
	struct wcursor w = { .left = FIXTURE_PACKET_MAX };
	struct sweep_probe probe = { .phase = r->phase,
		.round = r->round,
		.experiment =
		    r->experiment != 0 ? r->experiment : FIXTURE_EXPERIMENT,
		.index = r->index,
		.sent_us = r->sent_us,
		.target =
		    fixture_addr(r->target != NULL ? r->target : r->source) };
	uint8_t payload[SWEEP_PAYLOAD_MAX_BYTES];

	w.p = out;
	probe.text.len = (uint8_t)text_len;
	if (text_len > 0)
		memcpy(probe.text.bytes, r->text, text_len);
	(void)sweep_payload_build(&probe, capture.runs[0].key, payload);
	if (is_ipv4) {
		fixture_ipv4(&w, r, length);
	} else {
		fixture_ipv6(&w, r, length);
	}
	wcursor_u8(&w, is_ipv4 ? 0 : 129);
	wcursor_u8(&w, 0);
	wcursor_be16(&w, 0);          /* the checksum follows */
	wcursor_be32(&w, 0x12345678); /* id, seq: changed by some NAT */
	wcursor_bytes(&w, payload, SWEEP_PAYLOAD_BYTES + text_len);
	fixture_checksum(out, length - 8 - SWEEP_PAYLOAD_BYTES - text_len,
	    length);
	return length;
}

#endif /* SWEEP_FIXTURE_H */
