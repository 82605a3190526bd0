/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_packet.h"

#include <stdlib.h>

#include <sodium.h>

#include "sweep_fixture.h"
#include "test.h"

#define RECEIVED_US 5000000u

static const struct fixture_reply reply4 = { .source = "10.77.1.2",
	.destination = "198.51.100.1",
	.index = 4711,
	.sent_us = 0x0102030405060708,
	.phase = 3,
	.round = 9,
	.ttl = 44 };
static const struct fixture_reply reply6 = { .source = "2001:db8:77::5",
	.destination = "2001:db8:100::1",
	.index = 0xffffffff,
	.sent_us = 1,
	.phase = 255,
	.round = 255,
	.ttl = 255 };

/* In an exact-size heap block, so that a sanitizer sees one byte too many. */
static enum sweep_drop
parse(const uint8_t *packet, size_t len, struct sweep_reply *out)
{
	struct sweep_capture capture = fixture_capture();
	uint8_t *exact = malloc(len > 0 ? len : 1);
	enum sweep_drop why;

	assert_non_null(exact);
	memcpy(exact, packet, len);
	why = sweep_reply_parse(exact, len, &capture, RECEIVED_US, out);
	free(exact);
	return why;
}

static void
assert_reply(const struct sweep_reply *got, const struct fixture_reply *want)
{
	assert_int_equal(got->index, want->index);
	assert_int_equal(got->phase, want->phase);
	assert_int_equal(got->round, want->round);
	assert_int_equal(got->ttl, want->ttl);
	assert_true(got->sent_us == want->sent_us);
	assert_true(got->recv_us == RECEIVED_US);
}

static void
test_reply_comes_back_whole(void **state)
{
	const struct fixture_reply *replies[] = { &reply4, &reply6 };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(replies); i++) {
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t len = fixture_build(replies[i], packet);
		struct sweep_reply got;

		assert_int_equal(parse(packet, len, &got), SWEEP_OK);
		assert_reply(&got, replies[i]);
		assert_int_equal(got.flags, 0);
	}
}

/* The layout is a contract between sites of different versions. */
static void
test_payload_layout_is_as_documented(void **state)
{
	static const uint8_t want[40] = { 'A', 'C', 'S', '2', 3, 9, 0, 0, 0, 0,
		0, 77, 0, 0, 0x12, 0x67, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 1, 2 };
	uint8_t packet[FIXTURE_PACKET_MAX];

	(void)state;
	(void)fixture_build(&reply4, packet);
	assert_memory_equal(packet + 28, want, sizeof(want));
	/* Sites are told apart by the name that they tell. */
	assert_int_equal(strlen(SWEEP_LAYOUT), 4);
	assert_memory_equal(packet + 28, SWEEP_LAYOUT, 4);
}

/* Computed by an implementation that gives the vectors of the SipHash paper. */
static void
test_mac_is_siphash_2_4(void **state)
{
	static const uint8_t want[8] = { 0xf6, 0xd7, 0x63, 0xe2, 0x37, 0xa3,
		0x75, 0x51 };
	uint8_t packet[FIXTURE_PACKET_MAX];

	(void)state;
	(void)fixture_build(&reply4, packet);
	assert_memory_equal(packet + 28 + 40, want, sizeof(want));
}

/* No damage to the payload passes, wherever it is. */
static void
test_every_flipped_payload_bit_is_refused(void **state)
{
	const struct fixture_reply *replies[] = { &reply4, &reply6 };
	const size_t bits = 8 * (size_t)SWEEP_PAYLOAD_BYTES;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(replies) * bits; i++) {
		const struct fixture_reply *r = replies[i / bits];
		size_t bit = i % bits;
		size_t byte = bit / 8;
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t len = fixture_build(r, packet);
		struct sweep_reply got = { .flags = 0x80 };
		enum sweep_drop want = byte < 4 || byte == 7 ? SWEEP_DROP_TYPE
		    : byte >= 8 && byte < 12 ? SWEEP_DROP_EXPERIMENT
					     : SWEEP_DROP_MAC;
		uint8_t flags = want == SWEEP_DROP_EXPERIMENT ? SWEEP_REPLY_LATE
		    : want == SWEEP_DROP_MAC ? SWEEP_REPLY_FORGED
					     : 0x80; /* left alone */

		packet[len - SWEEP_PAYLOAD_BYTES + byte] ^=
		    (uint8_t)(1u << bit % 8);
		assert_int_equal(parse(packet, len, &got), want);
		assert_int_equal(got.flags, flags);
	}
}

static void
test_every_truncation_is_short(void **state)
{
	struct fixture_reply with_options = reply4;
	const struct fixture_reply *replies[] = { &reply4, &reply6,
		&with_options };

	(void)state;
	with_options.option_bytes = 40;
	for (size_t i = 0; i < TEST_COUNT(replies); i++) {
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t len = fixture_build(replies[i], packet);
		struct sweep_reply got;

		for (size_t n = 0; n < len; n++) {
			assert_int_equal(parse(packet, n, &got),
			    SWEEP_DROP_SHORT);
		}
		assert_int_equal(parse(packet, len, &got), SWEEP_OK);
		assert_int_equal(parse(packet, len + 1, &got), SWEEP_OK);
	}
}

/* What the IP length does not cover is padding of the link layer. */
static void
test_ip_length_counts_not_the_frame(void **state)
{
	uint8_t packet[FIXTURE_PACKET_MAX];
	struct sweep_reply got;
	size_t len;

	(void)state;
	len = fixture_build(&reply4, packet);
	packet[3]--;
	assert_int_equal(parse(packet, len, &got), SWEEP_DROP_SHORT);
	packet[3] = 19; /* less than its own header */
	assert_int_equal(parse(packet, len, &got), SWEEP_DROP_SHORT);
	len = fixture_build(&reply6, packet);
	packet[5]--;
	assert_int_equal(parse(packet, len, &got), SWEEP_DROP_SHORT);
}

static void
test_ipv4_options_are_skipped(void **state)
{
	(void)state;
	for (uint8_t n = 0; n <= 40; n = (uint8_t)(n + 4)) {
		struct fixture_reply r = reply4;
		uint8_t packet[FIXTURE_PACKET_MAX];
		struct sweep_reply got;
		size_t len;

		r.option_bytes = n;
		len = fixture_build(&r, packet);
		assert_int_equal(parse(packet, len, &got), SWEEP_OK);
		assert_reply(&got, &r);
	}
}

/* One byte of a good packet is changed, and it is no reply of ours. */
static void
test_foreign_packets_are_told_by_type(void **state)
{
	static const struct {
		const struct fixture_reply *reply;
		size_t offset;
		uint8_t value;
		enum sweep_drop want;
	} cases[] = {
		{ &reply4, 0, 0x55, SWEEP_DROP_TYPE },  /* IP version 5 */
		{ &reply4, 0, 0x44, SWEEP_DROP_SHORT }, /* header of 16 bytes */
		{ &reply4, 6, 0x20, SWEEP_DROP_TYPE },  /* more fragments */
		{ &reply4, 7, 0x01, SWEEP_DROP_TYPE },  /* a later fragment */
		{ &reply4, 6, 0x40, SWEEP_OK },         /* don't fragment */
		{ &reply4, 9, IPPROTO_UDP, SWEEP_DROP_TYPE },
		{ &reply4, 9, IPPROTO_ICMPV6, SWEEP_DROP_TYPE },
		{ &reply4, 20, 8, SWEEP_DROP_TYPE }, /* the request */
		{ &reply4, 20, 3, SWEEP_DROP_TYPE }, /* unreachable */
		{ &reply4, 21, 1, SWEEP_DROP_TYPE }, /* code */
		{ &reply4, 24, 1, SWEEP_OK },        /* id, by a NAT */
		{ &reply6, 6, IPPROTO_ICMP, SWEEP_DROP_TYPE },
		{ &reply6, 6, IPPROTO_HOPOPTS, SWEEP_DROP_TYPE },
		{ &reply6, 40, 128, SWEEP_DROP_TYPE },
		{ &reply6, 41, 1, SWEEP_DROP_TYPE },
		{ &reply6, 44, 1, SWEEP_OK },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t len = fixture_build(cases[i].reply, packet);
		struct sweep_reply got;

		packet[cases[i].offset] = cases[i].value;
		assert_int_equal(parse(packet, len, &got), cases[i].want);
	}
}

static void
test_answer_from_another_address_is_flagged(void **state)
{
	struct fixture_reply r = reply4;
	uint8_t packet[FIXTURE_PACKET_MAX];
	struct sweep_reply got;
	size_t len;

	(void)state;
	r.target = "10.77.9.9";
	len = fixture_build(&r, packet);
	assert_int_equal(parse(packet, len, &got), SWEEP_OK);
	assert_int_equal(got.flags, SWEEP_REPLY_OTHER_SOURCE);
	assert_int_equal(got.index, r.index);
}

/* A reply to an earlier experiment must not count in this one. */
static void
test_other_experiment_and_none_are_refused(void **state)
{
	struct sweep_capture capture = fixture_capture();
	struct fixture_reply r = reply4;
	uint8_t packet[FIXTURE_PACKET_MAX];
	struct sweep_reply got;
	size_t len;

	(void)state;
	r.experiment = FIXTURE_EXPERIMENT + 1;
	len = fixture_build(&r, packet);
	assert_int_equal(parse(packet, len, &got), SWEEP_DROP_EXPERIMENT);

	memset(packet + len - SWEEP_PAYLOAD_BYTES + 8, 0, 4);
	capture.n_runs = 0;
	assert_int_equal(sweep_reply_parse(packet, len, &capture, 0, &got),
	    SWEEP_DROP_EXPERIMENT);
}

static void
test_other_key_is_forgery(void **state)
{
	struct sweep_capture capture = fixture_capture();
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(&reply4, packet);
	struct sweep_reply got;

	(void)state;
	for (size_t i = 0; i < SWEEP_KEY_BYTES; i++) {
		capture.runs[0].key[i] ^= 1;
		assert_int_equal(sweep_reply_parse(packet, len, &capture, 0,
				     &got),
		    SWEEP_DROP_MAC);
		capture.runs[0].key[i] ^= 1;
	}
	assert_int_equal(sweep_reply_parse(packet, len, &capture, 0, &got),
	    SWEEP_OK);
}

/* A client that has seen a probe of one test prefix can send its payload to the
 * other one, and no reply to one experiment may count for another. */
static void
test_reply_to_another_prefix_than_its_own_is_forgery(void **state)
{
	static const char *const places[] = { "198.51.100.1", "203.0.113.1" };
	struct sweep_capture capture = fixture_capture();
	struct fixture_reply r = reply4;
	uint8_t packet[FIXTURE_PACKET_MAX];
	struct sweep_reply got;

	(void)state;
	capture.prefixes[2] = (struct prefix){
		.addr = fixture_addr("203.0.113.0"), .len = 24, .is_ipv4 = true
	};
	capture.n_prefixes = 3;
	capture.runs[1] = capture.runs[0];
	capture.runs[1].experiment++;
	capture.runs[1].prefixes = 4;
	capture.n_runs = 2;
	for (size_t run = 0; run < 2; run++) {
		for (size_t at = 0; at < 2; at++) {
			size_t len;

			r.experiment = FIXTURE_EXPERIMENT + (uint32_t)run;
			r.destination = places[at];
			len = fixture_build(&r, packet);
			assert_int_equal(sweep_reply_parse(packet, len,
					     &capture, 0, &got),
			    run == at ? SWEEP_OK : SWEEP_DROP_MAC);
			assert_int_equal(got.experiment, r.experiment);
			assert_int_equal(got.flags,
			    run == at ? 0 : SWEEP_REPLY_FORGED);
		}
	}
}

/* It comes behind the MAC, and whatever becomes of it on the way, the reply is
 * what it was. */
static void
test_text_is_for_people_alone(void **state)
{
	struct fixture_reply r = reply4;
	uint8_t packet[FIXTURE_PACKET_MAX];
	struct sweep_reply got;
	const size_t text_at = 28 + SWEEP_PAYLOAD_BYTES;
	size_t len;

	(void)state;
	r.text = "who and why: https://example.net";
	len = fixture_build(&r, packet);
	assert_int_equal(len, text_at + strlen(r.text));
	assert_memory_equal(packet + text_at, r.text, strlen(r.text));
	for (size_t n = 0; n <= len; n++) {
		assert_int_equal(parse(packet, n, &got),
		    n < text_at ? SWEEP_DROP_SHORT : SWEEP_OK);
		if (n >= text_at)
			assert_reply(&got, &r);
	}
	memset(packet + text_at, 'x', strlen(r.text));
	assert_int_equal(parse(packet, len, &got), SWEEP_OK);
	assert_reply(&got, &r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_comes_back_whole),
		cmocka_unit_test(test_payload_layout_is_as_documented),
		cmocka_unit_test(test_mac_is_siphash_2_4),
		cmocka_unit_test(test_text_is_for_people_alone),
		cmocka_unit_test(test_every_flipped_payload_bit_is_refused),
		cmocka_unit_test(test_every_truncation_is_short),
		cmocka_unit_test(test_ip_length_counts_not_the_frame),
		cmocka_unit_test(test_ipv4_options_are_skipped),
		cmocka_unit_test(test_foreign_packets_are_told_by_type),
		cmocka_unit_test(test_answer_from_another_address_is_flagged),
		cmocka_unit_test(test_other_experiment_and_none_are_refused),
		cmocka_unit_test(test_other_key_is_forgery),
		cmocka_unit_test(
		    test_reply_to_another_prefix_than_its_own_is_forgery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
