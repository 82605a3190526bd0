/* SPDX-License-Identifier: GPL-3.0-or-later */
/* First byte: type of the message; the rest: its body.  What decodes must
 * encode to the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include "probes/probe_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_same(const uint8_t *body, size_t len, const uint8_t *again, size_t n)
{
	if (n != len || memcmp(body, again, len) != 0)
		abort();
}

static void
try_pings(const uint8_t *body, size_t len)
{
	struct probe_ping_msg pings[PROBE_WIRE_PINGS_MAX];
	uint8_t again[PROBE_WIRE_PINGS_BYTES];
	int n = probe_wire_decode_pings(body, len, pings);

	if (n == -1)
		return;
	expect_same(body, len, again,
	    probe_wire_encode_pings(pings, (size_t)n, again, sizeof(again)));
}

static void
try_exec(const uint8_t *body, size_t len)
{
	static struct probe_exec_msg msg;
	static uint8_t again[PROBE_WIRE_EXEC_BYTES];

	if (probe_wire_decode_exec(body, len, &msg) == -1)
		return;
	expect_same(body, len, again,
	    probe_wire_encode_exec(msg.id, msg.timeout_ms, msg.argv, again,
		sizeof(again)));
}

static void
try_stop(const uint8_t *body, size_t len)
{
	uint8_t again[PROBE_WIRE_STOP_BYTES];
	uint64_t id;

	if (probe_wire_decode_stop(body, len, &id) == -1)
		return;
	expect_same(body, len, again,
	    probe_wire_encode_stop(id, again, sizeof(again)));
}

/* The detail is cleaned on the way in: only a second pass is the identity. */
static void
try_result(const uint8_t *body, size_t len)
{
	struct probe_result_msg msg, second;
	uint8_t again[PROBE_WIRE_RESULT_BYTES];
	size_t n;

	if (probe_wire_decode_result(body, len, &msg) == -1)
		return;
	n = probe_wire_encode_result(msg.id, &msg.result, again, sizeof(again));
	if (n != len || probe_wire_decode_result(again, n, &second) == -1)
		abort();
	if (second.id != msg.id || second.result.rtt_us != msg.result.rtt_us ||
	    strcmp(second.result.detail, msg.result.detail) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case PROBE_MSG_PING:
		try_pings(data + 1, size - 1);
		break;
	case PROBE_MSG_EXEC:
		try_exec(data + 1, size - 1);
		break;
	case PROBE_MSG_STOP:
		try_stop(data + 1, size - 1);
		break;
	case PROBE_MSG_RESULT:
		try_result(data + 1, size - 1);
		break;
	default:
		break;
	}
	return 0;
}
