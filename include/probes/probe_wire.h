/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_PROBE_WIRE_H
#define PROBES_PROBE_WIRE_H
/*
 * probe_wire -- the messages between main and the workers that run probes.
 *
 *	PING    main -> pinger -> its lanes; one or more records of
 *	        u64 id, u32 timeout_ms, 16 bytes address
 *	EXEC    main -> runner
 *	        u64 id, u32 timeout_ms, u16 argc, then argc strings with NUL
 *	STOP    main -> runner: kill it, no result is wanted
 *	        u64 id
 *	RESULT  worker -> main
 *	        u64 id, u8 verdict, u64 rtt_us, then the detail, no NUL
 *
 * Encoders append to the caller's buffer and return the length, or 0 if it
 * does not fit or breaks a limit.  Decoders write *out only on success and
 * want the body to be exactly the message.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "probes/probe.h"

enum probe_msg {
	PROBE_MSG_PING = 1,
	PROBE_MSG_EXEC,
	PROBE_MSG_STOP,
	PROBE_MSG_RESULT,
};

#define PROBE_WIRE_TIMEOUT_MAX_MS 3600000u
#define PROBE_WIRE_PINGS_MAX 100u /* records in one message */
#define PROBE_WIRE_ARGS_MAX 255u
#define PROBE_WIRE_ARGS_BYTES 16384u /* all arguments with their NULs */

#define PROBE_WIRE_PING_BYTES (8u + 4u + 16u)
#define PROBE_WIRE_PINGS_BYTES (PROBE_WIRE_PINGS_MAX * PROBE_WIRE_PING_BYTES)
#define PROBE_WIRE_EXEC_BYTES (8u + 4u + 2u + PROBE_WIRE_ARGS_BYTES)
#define PROBE_WIRE_STOP_BYTES 8u
#define PROBE_WIRE_RESULT_BYTES                                                \
	(8u + 1u + 8u + sizeof(((struct probe_result *)0)->detail) - 1u)

struct probe_ping_msg {
	uint64_t id;
	uint32_t timeout_ms; /* 1 .. PROBE_WIRE_TIMEOUT_MAX_MS */
	struct addr addr;
};

/* argv points into args: copy the struct never. */
struct probe_exec_msg {
	uint64_t id;
	uint32_t timeout_ms;
	char *argv[PROBE_WIRE_ARGS_MAX + 1]; /* NULL-terminated, at least one */
	char args[PROBE_WIRE_ARGS_BYTES];
};

struct probe_result_msg {
	uint64_t id;
	struct probe_result result;
};

size_t probe_wire_encode_pings(const struct probe_ping_msg *in, size_t n,
    uint8_t *buf, size_t size);
/* Returns the count, 1 .. PROBE_WIRE_PINGS_MAX, or -1. */
int probe_wire_decode_pings(const uint8_t *body, size_t len,
    struct probe_ping_msg out[PROBE_WIRE_PINGS_MAX]);

/* argv: NULL-terminated. */
size_t probe_wire_encode_exec(uint64_t id, uint32_t timeout_ms,
    char *const argv[], uint8_t *buf, size_t size);
/* On failure *out is undefined. */
int probe_wire_decode_exec(const uint8_t *body, size_t len,
    struct probe_exec_msg *out);

size_t probe_wire_encode_stop(uint64_t id, uint8_t *buf, size_t size);
int probe_wire_decode_stop(const uint8_t *body, size_t len, uint64_t *id);

size_t probe_wire_encode_result(uint64_t id, const struct probe_result *in,
    uint8_t *buf, size_t size);
/* The detail comes back as printable ASCII. */
int probe_wire_decode_result(const uint8_t *body, size_t len,
    struct probe_result_msg *out);

#endif /* PROBES_PROBE_WIRE_H */
