/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bodies of the sweeper's messages.  Numbers are big-endian, addresses 16
 * bytes, truth values one byte 0 or 1; a body with a byte too few or too many
 * is malformed.
 *
 *	capture   u8 n, n * (addr, u8 len, u8 is_ipv4, addr source), u8 n_runs,
 *	          n_runs * (u32 experiment, key[16], u16 prefixes)
 *	targets   u32 list, u32 total, u32 first, u32 n, n * addr
 *	job       u32 job, u32 list, u32 experiment, u8 phase, u8 round,
 *	          u32 rate_pps, u64 order_seed, u8 has_source4, addr source4,
 *	          u8 has_source6, addr source6, u8 engine, u8 allow_special,
 *	          u32 gap_ms, u8 text_len, text, u32 n_subset, n_subset * u32,
 *	          u32 n_optouts, n_optouts * (addr, u8 len, u8 is_ipv4)
 *	flush     u64 cookie
 *	replies   u16 n, n * (u32 index, u8 phase, u8 round, u8 flags, u8 ttl,
 *	          u64 sent_us, u64 recv_us, u32 experiment, and if flags is
 *	          not 0: addr source)
 *	progress  u32 job, u32 sent, u32 total, u32 send_errors,
 *	          u32 skipped_optout, u32 skipped_special, u32 sent_packet,
 *	          u8 done, u8 is_refused
 *	capturing u8 mode
 *	hearing   u8 n, n * u8 hearing
 *	flushed   u64 cookie, 6 * u64 in the order of struct sweep_counters
 *
 * The addresses of decoded targets point into the body; all else is copied.
 */
#include "probes/sweep.h"

#include <assert.h>

#include "base/cursor.h"
#include "probes/sweep_wire.h"

/* struct addr is read in place. */
static_assert(sizeof(struct addr) == 16 && _Alignof(struct addr) == 1,
    "an address in a message is an address in memory");

static struct wcursor
wire_start(uint8_t *buf, size_t size)
{
	struct wcursor w = { .left = size };

	w.p = buf;
	return w;
}

static size_t
wire_length(const struct wcursor *w, size_t size)
{
	return w->bad ? 0 : size - w->left;
}

static bool
is_read_exactly(const struct cursor *c)
{
	return !c->bad && c->left == 0;
}

static void
addr_encode(struct wcursor *w, const struct addr *a)
{
	wcursor_bytes(w, a->b, sizeof(a->b));
}

static void
addr_decode(struct cursor *c, struct addr *out)
{
	cursor_bytes(c, out->b, sizeof(out->b));
}

/* Anything but 0 and 1 spoils the cursor. */
static bool
bool_decode(struct cursor *c)
{
	uint8_t v = cursor_u8(c);

	if (v > 1)
		c->bad = true;
	return v == 1;
}

static void
prefix_decode(struct cursor *c, struct prefix *out)
{
	addr_decode(c, &out->addr);
	out->len = cursor_u8(c);
	out->is_ipv4 = bool_decode(c);
	if (out->is_ipv4 != addr_is_ipv4(&out->addr) ||
	    out->len > (out->is_ipv4 ? 32 : 128))
		c->bad = true;
}

static void
prefix_encode(struct wcursor *w, const struct prefix *p)
{
	addr_encode(w, &p->addr);
	wcursor_u8(w, p->len);
	wcursor_u8(w, p->is_ipv4);
}

const char *
sweep_capture_mode_name(enum sweep_capture_mode mode)
{
	static const char *const names[SWEEP_CAPTURE_MODE_COUNT] = {
		[SWEEP_CAPTURE_OFF] = "off",
		[SWEEP_CAPTURE_RING] = "ring",
		[SWEEP_CAPTURE_RAW] = "raw",
	};

	return names[mode];
}

size_t
sweep_encode_capture(const struct sweep_capture *in, uint8_t *buf, size_t size)
{
	struct wcursor w = wire_start(buf, size);

	if (in->n_prefixes > SWEEP_PREFIX_MAX || in->n_runs > SWEEP_RUNS_MAX)
		return 0;
	wcursor_u8(&w, in->n_prefixes);
	for (size_t i = 0; i < in->n_prefixes; i++) {
		prefix_encode(&w, &in->prefixes[i]);
		addr_encode(&w, &in->sources[i]);
	}
	wcursor_u8(&w, in->n_runs);
	for (size_t i = 0; i < in->n_runs; i++) {
		wcursor_be32(&w, in->runs[i].experiment);
		wcursor_bytes(&w, in->runs[i].key, sizeof(in->runs[i].key));
		wcursor_be16(&w, in->runs[i].prefixes);
	}
	return wire_length(&w, size);
}

static void
run_decode(struct cursor *c, struct sweep_capture *got, size_t i)
{
	struct sweep_run *run = &got->runs[i];

	run->experiment = cursor_be32(c);
	cursor_bytes(c, run->key, sizeof(run->key));
	run->prefixes = cursor_be16(c);
	if (run->experiment == 0 || run->prefixes >> got->n_prefixes != 0)
		c->bad = true;
	for (size_t k = 0; k < i; k++)
		c->bad |= got->runs[k].experiment == run->experiment;
}

const struct sweep_run *
sweep_capture_run(const struct sweep_capture *what, uint32_t experiment)
{
	for (size_t i = 0; i < what->n_runs; i++) {
		if (what->runs[i].experiment == experiment)
			return &what->runs[i];
	}
	return NULL;
}

int
sweep_decode_capture(const uint8_t *body, size_t len, struct sweep_capture *out)
{
	struct cursor c = { .p = body, .left = len };
	struct sweep_capture got = { .n_prefixes = cursor_u8(&c) };

	if (got.n_prefixes > SWEEP_PREFIX_MAX)
		return -1;
	for (size_t i = 0; i < got.n_prefixes; i++) {
		prefix_decode(&c, &got.prefixes[i]);
		addr_decode(&c, &got.sources[i]);
	}
	got.n_runs = cursor_u8(&c);
	if (c.bad || got.n_runs > SWEEP_RUNS_MAX)
		return -1;
	for (size_t i = 0; i < got.n_runs; i++)
		run_decode(&c, &got, i);
	if (!is_read_exactly(&c))
		return -1;
	*out = got;
	return 0;
}

size_t
sweep_encode_targets(const struct sweep_targets *in, uint8_t *buf, size_t size)
{
	struct wcursor w = wire_start(buf, size);

	if (in->n > SWEEP_TARGETS_PER_MSG)
		return 0;
	wcursor_be32(&w, in->list);
	wcursor_be32(&w, in->total);
	wcursor_be32(&w, in->first);
	wcursor_be32(&w, in->n);
	for (size_t i = 0; i < in->n; i++)
		addr_encode(&w, &in->addrs[i]);
	return wire_length(&w, size);
}

int
sweep_decode_targets(const uint8_t *body, size_t len, struct sweep_targets *out)
{
	struct cursor c = { .p = body, .left = len };
	struct sweep_targets got = { .list = cursor_be32(&c) };

	got.total = cursor_be32(&c);
	got.first = cursor_be32(&c);
	got.n = cursor_be32(&c);
	if (c.bad || got.n > SWEEP_TARGETS_PER_MSG)
		return -1;
	got.addrs = (const struct addr *)(const void *)c.p;
	cursor_skip(&c, got.n * sizeof(struct addr));
	if (!is_read_exactly(&c))
		return -1;
	*out = got;
	return 0;
}

size_t
sweep_encode_job(const struct sweep_job *in, uint8_t *buf, size_t size)
{
	struct wcursor w = wire_start(buf, size);

	if (in->n_subset > SWEEP_SUBSET_MAX ||
	    in->n_optouts > SWEEP_OPTOUTS_MAX || in->text.len > SWEEP_TEXT_MAX)
		return 0;
	wcursor_be32(&w, in->job);
	wcursor_be32(&w, in->list);
	wcursor_be32(&w, in->experiment);
	wcursor_u8(&w, in->phase);
	wcursor_u8(&w, in->round);
	wcursor_be32(&w, in->rate_pps);
	wcursor_be64(&w, in->order_seed);
	wcursor_u8(&w, in->has_source4);
	addr_encode(&w, &in->source4);
	wcursor_u8(&w, in->has_source6);
	addr_encode(&w, &in->source6);
	wcursor_u8(&w, in->engine);
	wcursor_u8(&w, in->allow_special);
	wcursor_be32(&w, in->gap_ms);
	wcursor_u8(&w, in->text.len);
	wcursor_bytes(&w, in->text.bytes, in->text.len);
	wcursor_be32(&w, in->n_subset);
	for (size_t i = 0; i < in->n_subset; i++)
		wcursor_be32(&w, in->subset[i]);
	wcursor_be32(&w, in->n_optouts);
	for (size_t i = 0; i < in->n_optouts; i++)
		prefix_encode(&w, &in->optouts[i]);
	return wire_length(&w, size);
}

static void
text_decode(struct cursor *c, struct sweep_text *out)
{
	out->len = cursor_u8(c);
	if (out->len > SWEEP_TEXT_MAX) {
		c->bad = true;
		return;
	}
	cursor_bytes(c, out->bytes, out->len);
}

int
sweep_decode_job(const uint8_t *body, size_t len, struct sweep_job *out,
    struct sweep_job_room *room)
{
	struct cursor c = { .p = body, .left = len };
	struct sweep_job got = { .job = cursor_be32(&c) };

	got.list = cursor_be32(&c);
	got.experiment = cursor_be32(&c);
	got.phase = cursor_u8(&c);
	got.round = cursor_u8(&c);
	got.rate_pps = cursor_be32(&c);
	got.order_seed = cursor_be64(&c);
	got.has_source4 = bool_decode(&c);
	addr_decode(&c, &got.source4);
	got.has_source6 = bool_decode(&c);
	addr_decode(&c, &got.source6);
	got.engine = cursor_u8(&c);
	got.allow_special = bool_decode(&c);
	got.gap_ms = cursor_be32(&c);
	text_decode(&c, &got.text);
	got.n_subset = cursor_be32(&c);
	if (c.bad || got.n_subset > SWEEP_SUBSET_MAX ||
	    got.engine >= SWEEP_ENGINE_COUNT)
		return -1;
	for (size_t i = 0; i < got.n_subset; i++)
		room->subset[i] = cursor_be32(&c);
	got.n_optouts = cursor_be32(&c);
	if (c.bad || got.n_optouts > SWEEP_OPTOUTS_MAX)
		return -1;
	for (size_t i = 0; i < got.n_optouts; i++)
		prefix_decode(&c, &room->optouts[i]);
	if (!is_read_exactly(&c))
		return -1;
	got.subset = room->subset;
	got.optouts = room->optouts;
	*out = got;
	return 0;
}

int
sweep_decode_flush(const uint8_t *body, size_t len, uint64_t *cookie)
{
	struct cursor c = { .p = body, .left = len };
	uint64_t got = cursor_be64(&c);

	if (!is_read_exactly(&c))
		return -1;
	*cookie = got;
	return 0;
}

size_t
sweep_encode_replies(const struct sweep_reply *in, size_t n, uint8_t *buf,
    size_t size)
{
	struct wcursor w = wire_start(buf, size);

	if (n > SWEEP_REPLY_BATCH_MAX)
		return 0;
	wcursor_be16(&w, (uint16_t)n);
	for (size_t i = 0; i < n && !w.bad; i++) {
		wcursor_be32(&w, in[i].index);
		wcursor_u8(&w, in[i].phase);
		wcursor_u8(&w, in[i].round);
		wcursor_u8(&w, in[i].flags);
		wcursor_u8(&w, in[i].ttl);
		wcursor_be64(&w, in[i].sent_us);
		wcursor_be64(&w, in[i].recv_us);
		wcursor_be32(&w, in[i].experiment);
		if (in[i].flags != 0)
			addr_encode(&w, &in[i].source);
	}
	return wire_length(&w, size);
}

size_t
sweep_join_replies(uint8_t *to, size_t to_len, size_t size, const uint8_t *body,
    size_t len)
{
	struct cursor have = { .p = to, .left = to_len };
	struct cursor more = { .p = body, .left = len };
	unsigned n = cursor_be16(&have) + (unsigned)cursor_be16(&more);
	struct wcursor head = wire_start(to, to_len), tail;

	assert(to != NULL);
	if (have.bad || more.bad || n > SWEEP_REPLY_BATCH_MAX ||
	    more.left > size - to_len)
		return 0;
	tail = wire_start(to + to_len, size - to_len);
	wcursor_bytes(&tail, more.p, more.left);
	wcursor_be16(&head, (uint16_t)n);
	return to_len + more.left;
}

int
sweep_decode_replies(const uint8_t *body, size_t len, struct sweep_reply *out,
    size_t max)
{
	struct cursor c = { .p = body, .left = len };
	uint16_t n = cursor_be16(&c);

	if (c.bad || n > max || c.left < n * (size_t)SWEEP_REPLY_WIRE_BYTES)
		return -1;
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct sweep_reply){ 0 };
		out[i].index = cursor_be32(&c);
		out[i].phase = cursor_u8(&c);
		out[i].round = cursor_u8(&c);
		out[i].flags = cursor_u8(&c);
		out[i].ttl = cursor_u8(&c);
		out[i].sent_us = cursor_be64(&c);
		out[i].recv_us = cursor_be64(&c);
		out[i].experiment = cursor_be32(&c);
		if (out[i].flags != 0)
			addr_decode(&c, &out[i].source);
	}
	return is_read_exactly(&c) ? n : -1;
}

size_t
sweep_encode_progress(const struct sweep_progress *in, uint8_t *buf,
    size_t size)
{
	struct wcursor w = wire_start(buf, size);

	wcursor_be32(&w, in->job);
	wcursor_be32(&w, in->sent);
	wcursor_be32(&w, in->total);
	wcursor_be32(&w, in->send_errors);
	wcursor_be32(&w, in->skipped_optout);
	wcursor_be32(&w, in->skipped_special);
	wcursor_be32(&w, in->sent_packet);
	wcursor_u8(&w, in->done);
	wcursor_u8(&w, in->is_refused);
	return wire_length(&w, size);
}

int
sweep_decode_progress(const uint8_t *body, size_t len,
    struct sweep_progress *out)
{
	struct cursor c = { .p = body, .left = len };
	struct sweep_progress got = { .job = cursor_be32(&c) };

	got.sent = cursor_be32(&c);
	got.total = cursor_be32(&c);
	got.send_errors = cursor_be32(&c);
	got.skipped_optout = cursor_be32(&c);
	got.skipped_special = cursor_be32(&c);
	got.sent_packet = cursor_be32(&c);
	got.done = bool_decode(&c);
	got.is_refused = bool_decode(&c);
	if (!is_read_exactly(&c))
		return -1;
	*out = got;
	return 0;
}

size_t
sweep_encode_capturing(enum sweep_capture_mode mode, uint8_t *buf, size_t size)
{
	struct wcursor w = wire_start(buf, size);

	wcursor_u8(&w, (uint8_t)mode);
	return wire_length(&w, size);
}

int
sweep_decode_capturing(const uint8_t *body, size_t len,
    enum sweep_capture_mode *out)
{
	struct cursor c = { .p = body, .left = len };
	uint8_t got = cursor_u8(&c);

	if (!is_read_exactly(&c) || got >= SWEEP_CAPTURE_MODE_COUNT)
		return -1;
	*out = (enum sweep_capture_mode)got;
	return 0;
}

size_t
sweep_encode_hearing(const enum sweep_hearing *in, uint8_t n, uint8_t *buf,
    size_t size)
{
	struct wcursor w = wire_start(buf, size);

	if (n > SWEEP_PREFIX_MAX)
		return 0;
	wcursor_u8(&w, n);
	for (uint8_t i = 0; i < n; i++)
		wcursor_u8(&w, (uint8_t)in[i]);
	return wire_length(&w, size);
}

int
sweep_decode_hearing(const uint8_t *body, size_t len,
    enum sweep_hearing out[SWEEP_PREFIX_MAX])
{
	struct cursor c = { .p = body, .left = len };
	uint8_t n = cursor_u8(&c), got[SWEEP_PREFIX_MAX];

	if (n > SWEEP_PREFIX_MAX)
		return -1;
	for (uint8_t i = 0; i < n; i++) {
		got[i] = cursor_u8(&c);
		c.bad |= got[i] >= SWEEP_HEARING_COUNT;
	}
	if (!is_read_exactly(&c))
		return -1;
	for (uint8_t i = 0; i < n; i++)
		out[i] = (enum sweep_hearing)got[i];
	return n;
}

size_t
sweep_encode_flushed(uint64_t cookie, const struct sweep_counters *in,
    uint8_t *buf, size_t size)
{
	struct wcursor w = wire_start(buf, size);

	wcursor_be64(&w, cookie);
	wcursor_be64(&w, in->accepted);
	wcursor_be64(&w, in->bad_short);
	wcursor_be64(&w, in->bad_type);
	wcursor_be64(&w, in->bad_experiment);
	wcursor_be64(&w, in->bad_mac);
	wcursor_be64(&w, in->kernel_drops);
	return wire_length(&w, size);
}

int
sweep_decode_flushed(const uint8_t *body, size_t len, uint64_t *cookie,
    struct sweep_counters *out)
{
	struct cursor c = { .p = body, .left = len };
	uint64_t got_cookie = cursor_be64(&c);
	struct sweep_counters got = { .accepted = cursor_be64(&c) };

	got.bad_short = cursor_be64(&c);
	got.bad_type = cursor_be64(&c);
	got.bad_experiment = cursor_be64(&c);
	got.bad_mac = cursor_be64(&c);
	got.kernel_drops = cursor_be64(&c);
	if (!is_read_exactly(&c))
		return -1;
	*cookie = got_cookie;
	*out = got;
	return 0;
}
