/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel runs the filter also on UNIX datagrams, which need no rights: what
 * is sent is the packet from the IP header on, what arrives has passed.
 */
#include "probes/sweep_filter.h"

#include <sys/socket.h>
#include <unistd.h>

#include "sweep_fixture.h"
#include "test.h"

static const struct fixture_reply reply4 = { .source = "10.77.1.2",
	.destination = "198.51.100.1" };
static const struct fixture_reply reply6 = { .source = "2001:db8:77::5",
	.destination = "2001:db8:100::1" };

/* The length that the capture would get, or -1 if the filter refuses. */
static int
filtered(const struct sweep_capture *capture, bool is_ipv4,
    const uint8_t *packet, size_t len)
{
	struct sock_filter code[SWEEP_FILTER_MAX];
	struct sock_fprog prog = { .filter = code };
	uint8_t got[FIXTURE_PACKET_MAX];
	int fds[2];
	ssize_t n;

	prog.len = (unsigned short)sweep_filter_build(capture, is_ipv4, code);
	assert_in_range(prog.len, 1, SWEEP_FILTER_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			     sizeof(prog)),
	    0);
	assert_int_equal(send(fds[0], packet, len, 0), len);
	n = recv(fds[1], got, sizeof(got), MSG_DONTWAIT);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return (int)n;
}

static int
filtered_to(const struct sweep_capture *capture, const char *destination)
{
	bool is_ipv4 = strchr(destination, ':') == NULL;
	struct fixture_reply r = is_ipv4 ? reply4 : reply6;
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len;

	r.destination = destination;
	len = fixture_build(&r, packet);
	return filtered(capture, is_ipv4, packet, len);
}

static void
test_replies_pass_whole(void **state)
{
	struct sweep_capture capture = fixture_capture();

	(void)state;
	assert_int_equal(filtered_to(&capture, "198.51.100.0"), 76);
	assert_int_equal(filtered_to(&capture, "198.51.100.255"), 76);
	assert_int_equal(filtered_to(&capture, "2001:db8:100::"), 96);
	assert_int_equal(filtered_to(&capture, "2001:db8:100:ffff::1"), 96);
}

static void
test_other_destinations_are_refused(void **state)
{
	struct sweep_capture capture = fixture_capture();

	(void)state;
	assert_int_equal(filtered_to(&capture, "198.51.101.0"), -1);
	assert_int_equal(filtered_to(&capture, "198.51.99.255"), -1);
	assert_int_equal(filtered_to(&capture, "2001:db8:101::"), -1);
	assert_int_equal(filtered_to(&capture, "2001:db8:ff:ffff::"), -1);
	capture.n_prefixes = 0;
	assert_int_equal(filtered_to(&capture, "198.51.100.1"), -1);
	assert_int_equal(filtered_to(&capture, "2001:db8:100::1"), -1);
}

/* Every length of prefix, tried just inside and just outside. */
static void
test_all_prefix_lengths(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= 32 + 128 + 1; i++) {
		bool is_ipv4 = i <= 32;
		unsigned len = is_ipv4 ? i : i - 33;
		unsigned bit = (is_ipv4 ? 96 : 0) + len; /* first host bit */
		const struct fixture_reply *r = is_ipv4 ? &reply4 : &reply6;
		struct sweep_capture capture = { .n_prefixes = 1 };
		struct prefix *p = &capture.prefixes[0];
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t n = fixture_build(r, packet);

		*p = (struct prefix){ .addr = fixture_addr(r->destination),
			.len = (uint8_t)len,
			.is_ipv4 = is_ipv4 };
		if (bit < 128)
			p->addr.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_equal(filtered(&capture, is_ipv4, packet, n), n);
		if (len == 0)
			continue;
		bit--;
		p->addr.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_equal(filtered(&capture, is_ipv4, packet, n), -1);
	}
}

/* The longest program; the match is in the last place. */
static void
test_as_many_prefixes_as_there_can_be(void **state)
{
	static const char *const texts[SWEEP_PREFIX_MAX] = { "2001:db8:1::1",
		"2001:db8:1::2", "2001:db8:1::3", "2001:db8:2::1",
		"2001:db8:2::2", "2001:db8:3::1", "2001:db8:4::1",
		"2001:db8:5::1" };
	struct sweep_capture capture = { .n_prefixes = SWEEP_PREFIX_MAX };

	(void)state;
	for (size_t i = 0; i < SWEEP_PREFIX_MAX; i++) {
		capture.prefixes[i] =
		    (struct prefix){ .addr = fixture_addr(texts[i]),
			    .len = 128 };
	}
	for (size_t i = 0; i < SWEEP_PREFIX_MAX; i++)
		assert_int_equal(filtered_to(&capture, texts[i]), 96);
	assert_int_equal(filtered_to(&capture, "2001:db8:5::2"), -1);
	assert_int_equal(filtered_to(&capture, "2001:db8:1::4"), -1);
}

static void
test_foreign_packets_are_refused(void **state)
{
	static const struct {
		bool is_ipv4;
		uint8_t offset;
		uint8_t value;
	} cases[] = {
		{ true, 9, IPPROTO_UDP },
		{ true, 6, 0x20 }, /* more fragments */
		{ true, 7, 0x01 }, /* a later fragment */
		{ true, 20, 8 },   /* a request */
		{ true, 28, 0 },   /* magic */
		{ false, 6, IPPROTO_UDP },
		{ false, 40, 128 },
		{ false, 51, 0 },
	};
	struct sweep_capture capture = fixture_capture();

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		bool is_ipv4 = cases[i].is_ipv4;
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t len = fixture_build(is_ipv4 ? &reply4 : &reply6, packet);

		packet[cases[i].offset] = cases[i].value;
		assert_int_equal(filtered(&capture, is_ipv4, packet, len), -1);
	}
}

/* What is too short to show the magic cannot be known as ours. */
static void
test_short_packets_are_refused(void **state)
{
	struct sweep_capture capture = fixture_capture();
	uint8_t packet[FIXTURE_PACKET_MAX];

	(void)state;
	(void)fixture_build(&reply4, packet);
	for (size_t n = 1; n < 32; n++)
		assert_int_equal(filtered(&capture, true, packet, n), -1);
	assert_int_equal(filtered(&capture, true, packet, 32), 32);
	(void)fixture_build(&reply6, packet);
	for (size_t n = 1; n < 52; n++)
		assert_int_equal(filtered(&capture, false, packet, n), -1);
	assert_int_equal(filtered(&capture, false, packet, 52), 52);
}

/* All options, and the payload is still within what is kept. */
static void
test_ipv4_options_leave_the_payload_whole(void **state)
{
	struct sweep_capture capture = fixture_capture();
	struct fixture_reply r = reply4;
	uint8_t packet[FIXTURE_PACKET_MAX] = { 0 };
	size_t len;

	(void)state;
	r.option_bytes = 40;
	len = fixture_build(&r, packet);
	assert_int_equal(filtered(&capture, true, packet, len), len);
	assert_int_equal(filtered(&capture, true, packet, sizeof(packet)),
	    SWEEP_SNAP_BYTES);
}

/* There the kernel runs it on real packets only: it must load, that is all
 * that can be seen here.  test_sweeper sees it at work. */
static void
test_program_of_raw_ipv6_loads(void **state)
{
	struct sweep_capture capture = fixture_capture();
	struct sock_filter code[SWEEP_FILTER_MAX];
	struct sock_fprog prog = { .filter = code };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	while (capture.n_prefixes < SWEEP_PREFIX_MAX)
		capture.prefixes[capture.n_prefixes++] = capture.prefixes[1];
	prog.len = (unsigned short)sweep_filter_build_raw_ipv6(&capture, code);
	assert_in_range(prog.len, 1, SWEEP_FILTER_MAX);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			     sizeof(prog)),
	    0);
	(void)close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_pass_whole),
		cmocka_unit_test(test_other_destinations_are_refused),
		cmocka_unit_test(test_all_prefix_lengths),
		cmocka_unit_test(test_as_many_prefixes_as_there_can_be),
		cmocka_unit_test(test_foreign_packets_are_refused),
		cmocka_unit_test(test_short_packets_are_refused),
		cmocka_unit_test(test_ipv4_options_leave_the_payload_whole),
		cmocka_unit_test(test_program_of_raw_ipv6_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
