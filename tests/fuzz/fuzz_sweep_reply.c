/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replies come from anybody.  The first byte of the input chooses: the rest is
 * the packet; or it is a list of changes to a reply with a valid MAC, which
 * pure chance would never find.
 */
#include <stdlib.h>

#include "probes/sweep_packet.h"
#include "sweep_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fixture_reply replies[] = {
	{ .source = "10.77.1.2",
	    .destination = "198.51.100.1",
	    .index = 4711,
	    .sent_us = 99 },
	{ .source = "10.77.1.2",
	    .destination = "198.51.100.1",
	    .option_bytes = 40 },
	{ .source = "2001:db8:77::5",
	    .target = "2001:db8:77::6",
	    .destination = "2001:db8:100::1",
	    .phase = 1,
	    .round = 2 },
	{ .source = "2001:db8:77::5",
	    .destination = "2001:db8:100::1",
	    .index = 3,
	    .text = "who and why: https://example.net" },
};

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/* In an exact-size heap block, so that a sanitizer sees one byte too many. */
static enum sweep_drop
parse(const uint8_t *packet, size_t len, struct sweep_reply *out)
{
	struct sweep_capture capture = fixture_capture();
	uint8_t *exact = malloc(len > 0 ? len : 1);
	enum sweep_drop why;

	require(exact != NULL);
	if (len > 0)
		memcpy(exact, packet, len);
	why = sweep_reply_parse(exact, len, &capture, 1, out);
	free(exact);
	require(why < SWEEP_DROP_COUNT);
	return why;
}

/* An accepted reply says what was signed, however the headers look. */
static void
check_changed(const struct fixture_reply *r, const uint8_t *packet, size_t len,
    bool is_whole)
{
	struct sweep_reply got;
	enum sweep_drop why = parse(packet, len, &got);

	if (is_whole)
		require(why == SWEEP_OK);
	if (why == SWEEP_DROP_MAC)
		require(got.flags == SWEEP_REPLY_FORGED);
	if (why == SWEEP_DROP_EXPERIMENT)
		require(got.flags == SWEEP_REPLY_LATE);
	if (why != SWEEP_OK)
		return;
	require(got.index == r->index && got.sent_us == r->sent_us &&
	    got.phase == r->phase && got.round == r->round);
	require(got.recv_us == 1 &&
	    (got.flags & ~SWEEP_REPLY_OTHER_SOURCE) == 0);
}

/* Pairs of offset and value; a value at the packet's end cuts it there. */
static void
change_valid(const struct fixture_reply *r, const uint8_t *data, size_t size)
{
	uint8_t packet[FIXTURE_PACKET_MAX], original[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(r, packet);
	size_t whole = len;

	memcpy(original, packet, len);
	for (size_t i = 0; i + 1 < size; i += 2) {
		if (data[i] < len) {
			packet[data[i]] = data[i + 1];
		} else {
			len = data[i + 1] % (whole + 1);
		}
	}
	check_changed(r, packet, len,
	    len == whole && memcmp(packet, original, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t n = sizeof(replies) / sizeof(replies[0]);
	struct sweep_reply got;

	if (size == 0)
		return 0;
	if (data[0] % (n + 1) < n) {
		change_valid(&replies[data[0] % (n + 1)], data + 1, size - 1);
	} else {
		(void)parse(data + 1, size - 1, &got);
	}
	return 0;
}
