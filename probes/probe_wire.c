/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/probe_wire.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"

static_assert(PROBE_WIRE_PINGS_BYTES <= CHAN_BODY_MAX, "fits in a message");
static_assert(PROBE_WIRE_EXEC_BYTES <= CHAN_BODY_MAX, "fits in a message");

static struct wcursor
writer(uint8_t *buf, size_t size)
{
	struct wcursor w = { 0 };

	w.p = buf;
	w.left = size;
	return w;
}

static size_t
written(const struct wcursor *w, size_t size)
{
	return w->bad ? 0 : size - w->left;
}

static bool
timeout_fits(uint32_t timeout_ms)
{
	return timeout_ms >= 1 && timeout_ms <= PROBE_WIRE_TIMEOUT_MAX_MS;
}

size_t
probe_wire_encode_pings(const struct probe_ping_msg *in, size_t n, uint8_t *buf,
    size_t size)
{
	struct wcursor w = writer(buf, size);

	if (n == 0 || n > PROBE_WIRE_PINGS_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!timeout_fits(in[i].timeout_ms))
			return 0;
		wcursor_be64(&w, in[i].id);
		wcursor_be32(&w, in[i].timeout_ms);
		wcursor_bytes(&w, in[i].addr.b, sizeof(in[i].addr.b));
	}
	return written(&w, size);
}

int
probe_wire_decode_pings(const uint8_t *body, size_t len,
    struct probe_ping_msg out[PROBE_WIRE_PINGS_MAX])
{
	struct cursor c = { .p = body, .left = len };
	size_t n = len / PROBE_WIRE_PING_BYTES;

	if (len % PROBE_WIRE_PING_BYTES != 0 || n == 0 ||
	    n > PROBE_WIRE_PINGS_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		cursor_skip(&c, 8);
		if (!timeout_fits(cursor_be32(&c)))
			return -1;
		cursor_skip(&c, sizeof(out[i].addr.b));
	}
	c = (struct cursor){ .p = body, .left = len };
	for (size_t i = 0; i < n; i++) {
		out[i].id = cursor_be64(&c);
		out[i].timeout_ms = cursor_be32(&c);
		cursor_bytes(&c, out[i].addr.b, sizeof(out[i].addr.b));
	}
	return (int)n;
}

size_t
probe_wire_encode_exec(uint64_t id, uint32_t timeout_ms, char *const argv[],
    uint8_t *buf, size_t size)
{
	struct wcursor w = writer(buf, size);
	size_t argc = 0, bytes = 0;

	for (argc = 0; argv[argc] != NULL; argc++) {
		bytes += strlen(argv[argc]) + 1;
		if (argc == PROBE_WIRE_ARGS_MAX ||
		    bytes > PROBE_WIRE_ARGS_BYTES)
			return 0;
	}
	if (argc == 0 || !timeout_fits(timeout_ms))
		return 0;
	wcursor_be64(&w, id);
	wcursor_be32(&w, timeout_ms);
	wcursor_be16(&w, (uint16_t)argc);
	for (size_t i = 0; i < argc; i++)
		wcursor_bytes(&w, argv[i], strlen(argv[i]) + 1);
	return written(&w, size);
}

int
probe_wire_decode_exec(const uint8_t *body, size_t len,
    struct probe_exec_msg *out)
{
	struct cursor c = { .p = body, .left = len };
	size_t argc, bytes;
	char *arg = out->args;

	out->id = cursor_be64(&c);
	out->timeout_ms = cursor_be32(&c);
	argc = cursor_be16(&c);
	bytes = c.left;
	if (c.bad || !timeout_fits(out->timeout_ms) || argc == 0 ||
	    argc > PROBE_WIRE_ARGS_MAX || bytes > sizeof(out->args))
		return -1;
	cursor_bytes(&c, out->args, bytes);
	for (size_t i = 0; i < argc; i++) {
		char *end = memchr(arg, '\0', bytes);

		if (end == NULL)
			return -1;
		out->argv[i] = arg;
		bytes -= (size_t)(end - arg) + 1;
		arg = end + 1;
	}
	out->argv[argc] = NULL;
	return bytes == 0 ? 0 : -1;
}

size_t
probe_wire_encode_stop(uint64_t id, uint8_t *buf, size_t size)
{
	struct wcursor w = writer(buf, size);

	wcursor_be64(&w, id);
	return written(&w, size);
}

int
probe_wire_decode_stop(const uint8_t *body, size_t len, uint64_t *id)
{
	struct cursor c = { .p = body, .left = len };
	uint64_t got = cursor_be64(&c);

	if (c.bad || c.left != 0)
		return -1;
	*id = got;
	return 0;
}

size_t
probe_wire_encode_result(uint64_t id, const struct probe_result *in,
    uint8_t *buf, size_t size)
{
	struct wcursor w = writer(buf, size);

	wcursor_be64(&w, id);
	wcursor_u8(&w, (uint8_t)in->verdict);
	wcursor_be64(&w, (uint64_t)in->rtt_us);
	wcursor_bytes(&w, in->detail,
	    strnlen(in->detail, sizeof(in->detail) - 1));
	return written(&w, size);
}

int
probe_wire_decode_result(const uint8_t *body, size_t len,
    struct probe_result_msg *out)
{
	struct cursor c = { .p = body, .left = len };
	struct probe_result_msg msg = { .id = cursor_be64(&c) };
	unsigned verdict = cursor_u8(&c);
	uint64_t rtt_us = cursor_be64(&c);
	size_t n = c.left;

	if (c.bad || verdict >= PROBE_VERDICT_COUNT ||
	    n >= sizeof(msg.result.detail))
		return -1;
	if (rtt_us > INT64_MAX && rtt_us != UINT64_MAX)
		return -1;
	msg.result.verdict = (enum probe_verdict)verdict;
	msg.result.rtt_us = rtt_us == UINT64_MAX ? -1 : (int64_t)rtt_us;
	cursor_bytes(&c, msg.result.detail, n);
	for (size_t i = 0; i < n; i++) {
		if (msg.result.detail[i] < ' ' || msg.result.detail[i] > '~')
			msg.result.detail[i] = '?';
	}
	*out = msg;
	return 0;
}
