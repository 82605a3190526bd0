/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_PACKET_H
#define PROBES_SWEEP_PACKET_H
/*
 * sweep_packet -- the echo payload of a sweep, and its validation.
 *
 *	offset size
 *	0      4   magic "ACS2"
 *	4      1   phase
 *	5      1   round
 *	6      1   length of the text
 *	7      1   zero
 *	8      4   experiment
 *	12     4   index of the target in the list
 *	16     8   send time, microseconds of the sender's wall clock
 *	24     16  target address (IPv4 as v4-mapped)
 *	40     8   SipHash-2-4 over all before it, under the experiment's key
 *	48     n   text for whoever looks at the packet: who pings, and why
 *
 * Validation needs nothing but the key: every site can check a reply to a
 * probe that another site sent.  ICMP id and sequence are never looked at,
 * NATs rewrite them.  Only the destination must be the test prefix that the
 * experiment sends from: a reply to one cannot count for another.  The MAC makes
 * off-path forgery infeasible; the target in the payload tells a host that
 * answers from another address.
 *
 * The text is no part of what is believed, so no reader looks at it, and what
 * comes back may lack it.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "probes/sweep.h"

#define SWEEP_PAYLOAD_BYTES 48u /* without a text */
#define SWEEP_PAYLOAD_MAX_BYTES (SWEEP_PAYLOAD_BYTES + SWEEP_TEXT_MAX)
#define SWEEP_MAGIC 0x41435332u
/* The same as text: what agents tell, since a site of another layout hears nothing
 * of this one. */
#define SWEEP_LAYOUT "ACS2"

struct sweep_probe {
	uint8_t phase;
	uint8_t round;
	uint32_t experiment;
	uint32_t index;
	uint64_t sent_us;
	struct addr target;
	struct sweep_text text;
};

/* Puts other values in place of those of a payload that was built. */
void sweep_payload_restamp(uint8_t *payload, uint32_t index, uint64_t sent_us,
    const struct addr *target, const uint8_t key[SWEEP_KEY_BYTES]);
/* Returns the length: SWEEP_PAYLOAD_BYTES and that of the text. */
size_t sweep_payload_build(const struct sweep_probe *probe,
    const uint8_t key[SWEEP_KEY_BYTES], uint8_t out[SWEEP_PAYLOAD_MAX_BYTES]);

enum sweep_drop {
	SWEEP_OK,
	SWEEP_DROP_SHORT,
	SWEEP_DROP_TYPE,
	SWEEP_DROP_EXPERIMENT,
	SWEEP_DROP_MAC,
	SWEEP_DROP_COUNT
};

/*
 * packet: from the IP header on, any length, any content.  now_us: receive
 * time.  *out is a reply on SWEEP_OK; on SWEEP_DROP_EXPERIMENT and
 * SWEEP_DROP_MAC it is what the packet claims, flagged as late or forged; else
 * it is left alone.
 */
enum sweep_drop sweep_reply_parse(const uint8_t *packet, size_t len,
    const struct sweep_capture *capture, uint64_t now_us,
    struct sweep_reply *out);

#endif /* PROBES_SWEEP_PACKET_H */
