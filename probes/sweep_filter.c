/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_filter.h"

#include <assert.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <linux/if_packet.h>

#include "base/cursor.h"
#include "probes/sweep_packet.h"

/* Longest: 8 prefixes of 4 words each, 3 instructions a word and a jump. */
static_assert(SWEEP_PREFIX_MAX * (4 * 3 + 1) + 32 <= SWEEP_FILTER_MAX,
    "the longest program fits");

#define LOAD_BYTE(k) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (k))
#define LOAD_HALF(k) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (k))
#define LOAD_WORD(k) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (k))

struct program {
	struct sock_filter *code;
	size_t n;
};

static void
emit(struct program *p, struct sock_filter insn)
{
	p->code[p->n++] = insn;
}

/* Refuses the packet unless the accumulator is k. */
static void
want(struct program *p, uint32_t k)
{
	emit(p,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
}

/* Bits of a word that belong to a prefix of len bits. */
static uint32_t
word_mask(unsigned len)
{
	return len >= 32 ? UINT32_MAX : len == 0 ? 0 : UINT32_MAX << (32 - len);
}

/*
 * Jumps ahead, to a place not known yet, if the destination at offset lies in
 * the prefix; goes on behind otherwise.  Returns the jump to be completed.
 */
static size_t
match_prefix(struct program *p, const struct prefix *pf, uint32_t offset)
{
	struct cursor c = { .p = pf->addr.b, .left = sizeof(pf->addr.b) };
	unsigned n_words = (pf->len + 31u) / 32u;

	if (pf->is_ipv4)
		cursor_skip(&c, 12);
	for (unsigned i = 0; i < n_words; i++) {
		uint32_t mask = word_mask(pf->len - 32 * i);
		uint32_t word = cursor_be32(&c) & mask;
		uint8_t behind = (uint8_t)((n_words - i - 1) * 3 + 1);

		emit(p, (struct sock_filter)LOAD_WORD(offset + 4 * i));
		emit(p,
		    (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
			mask));
		emit(p,
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			word, 0, behind));
	}
	emit(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	return p->n - 1;
}

/* Refuses the packet unless some prefix of the family contains it. */
static void
want_destination(struct program *p, const struct sweep_capture *capture,
    bool is_ipv4, uint32_t offset)
{
	size_t jumps[SWEEP_PREFIX_MAX];
	size_t n = 0;

	for (size_t i = 0; i < capture->n_prefixes; i++) {
		const struct prefix *pf = &capture->prefixes[i];

		if (pf->is_ipv4 == is_ipv4)
			jumps[n++] = match_prefix(p, pf, offset);
	}
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
	while (n-- > 0)
		p->code[jumps[n]].k = (uint32_t)(p->n - jumps[n] - 1);
}

static void
want_ipv4_reply(struct program *p)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0));
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0));
	want(p, ICMP_ECHOREPLY);
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND, 8));
	want(p, SWEEP_MAGIC);
}

static void
want_ipv6_reply(struct program *p, uint32_t icmp_at)
{
	emit(p, (struct sock_filter)LOAD_BYTE(icmp_at));
	want(p, ICMP6_ECHO_REPLY);
	emit(p, (struct sock_filter)LOAD_WORD(icmp_at + 8));
	want(p, SWEEP_MAGIC);
}

/* What goes by on a promiscuous interface is not ours. */
static void
want_for_us(struct program *p)
{
	emit(p,
	    (struct sock_filter)LOAD_BYTE((uint32_t)(SKF_AD_OFF +
		SKF_AD_PKTTYPE)));
	want(p, PACKET_HOST);
}

static size_t
accept_packet(struct program *p)
{
	emit(p,
	    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SWEEP_SNAP_BYTES));
	return p->n;
}

static void
want_unfragmented_ipv4(struct program *p)
{
	emit(p, (struct sock_filter)LOAD_HALF(6));
	emit(p,
	    (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3fff));
	want(p, 0);
}

size_t
sweep_filter_build(const struct sweep_capture *capture, bool is_ipv4,
    struct sock_filter out[SWEEP_FILTER_MAX])
{
	struct program p = { .code = out };

	want_for_us(&p);
	emit(&p, (struct sock_filter)LOAD_BYTE(is_ipv4 ? 9 : 6));
	want(&p, is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (is_ipv4)
		want_unfragmented_ipv4(&p);
	want_destination(&p, capture, is_ipv4, is_ipv4 ? 16 : 24);
	if (is_ipv4) {
		want_ipv4_reply(&p);
	} else {
		want_ipv6_reply(&p, 40);
	}
	return accept_packet(&p);
}

/* The socket is ICMPv6's; the kernel has put fragments together. */
size_t
sweep_filter_build_raw_ipv6(const struct sweep_capture *capture,
    struct sock_filter out[SWEEP_FILTER_MAX])
{
	struct program p = { .code = out };

	want_for_us(&p);
	want_destination(&p, capture, false, (uint32_t)SKF_NET_OFF + 24);
	want_ipv6_reply(&p, 0);
	return accept_packet(&p);
}
