/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/probe_wire.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

/* A copy in a block of exactly len bytes: a sanitizer sees one too many. */
static uint8_t *
exact(const uint8_t *bytes, size_t len)
{
	uint8_t *p = malloc(len > 0 ? len : 1);

	assert_non_null(p);
	memcpy(p, bytes, len);
	return p;
}

static void
test_pings_come_back(void **state)
{
	struct probe_ping_msg in[PROBE_WIRE_PINGS_MAX + 1] = { 0 };
	struct probe_ping_msg out[PROBE_WIRE_PINGS_MAX];
	uint8_t buf[PROBE_WIRE_PINGS_BYTES + PROBE_WIRE_PING_BYTES];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(in); i++) {
		in[i].id = UINT64_MAX - i;
		in[i].timeout_ms = (uint32_t)i + 1;
		in[i].addr.b[15] = (uint8_t)i;
	}
	for (size_t n = 1; n <= PROBE_WIRE_PINGS_MAX; n++) {
		size_t len = probe_wire_encode_pings(in, n, buf, sizeof(buf));

		assert_int_equal(len, n * PROBE_WIRE_PING_BYTES);
		assert_int_equal(probe_wire_decode_pings(buf, len, out), n);
		assert_int_equal(out[n - 1].id, in[n - 1].id);
		assert_int_equal(out[n - 1].timeout_ms, n);
		assert_true(addr_equal(&out[n - 1].addr, &in[n - 1].addr));
	}
	assert_int_equal(probe_wire_encode_pings(in, 0, buf, sizeof(buf)), 0);
	assert_int_equal(probe_wire_encode_pings(in, TEST_COUNT(in), buf,
			     sizeof(buf)),
	    0);
	assert_int_equal(probe_wire_encode_pings(in, 1, buf,
			     PROBE_WIRE_PING_BYTES - 1),
	    0);
}

static void
test_ping_timeout_limits(void **state)
{
	static const struct {
		uint32_t timeout_ms;
		bool ok;
	} cases[] = {
		{ 0, false },
		{ 1, true },
		{ PROBE_WIRE_TIMEOUT_MAX_MS, true },
		{ PROBE_WIRE_TIMEOUT_MAX_MS + 1, false },
		{ UINT32_MAX, false },
	};
	uint8_t buf[PROBE_WIRE_PING_BYTES] = { 0 };
	struct probe_ping_msg out[PROBE_WIRE_PINGS_MAX];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct probe_ping_msg in = { .timeout_ms =
						 cases[i].timeout_ms };

		assert_int_equal(probe_wire_encode_pings(&in, 1, buf,
				     sizeof(buf)) != 0,
		    cases[i].ok);
		buf[8] = (uint8_t)(cases[i].timeout_ms >> 24);
		buf[9] = (uint8_t)(cases[i].timeout_ms >> 16);
		buf[10] = (uint8_t)(cases[i].timeout_ms >> 8);
		buf[11] = (uint8_t)cases[i].timeout_ms;
		assert_int_equal(probe_wire_decode_pings(buf, sizeof(buf), out),
		    cases[i].ok ? 1 : -1);
	}
}

static void
test_short_pings_are_refused(void **state)
{
	struct probe_ping_msg in[2] = { { .timeout_ms = 1 },
		{ .timeout_ms = 1 } };
	struct probe_ping_msg out[PROBE_WIRE_PINGS_MAX];
	uint8_t buf[2 * PROBE_WIRE_PING_BYTES];

	(void)state;
	assert_int_equal(probe_wire_encode_pings(in, 2, buf, sizeof(buf)),
	    sizeof(buf));
	for (size_t len = 0; len < sizeof(buf); len++) {
		uint8_t *p = exact(buf, len);

		assert_int_equal(probe_wire_decode_pings(p, len, out),
		    len == PROBE_WIRE_PING_BYTES ? 1 : -1);
		free(p);
	}
}

static void
test_exec_comes_back(void **state)
{
	char a[] = "/bin/echo", b[] = "", c[] = "two words";
	char *argv[] = { a, b, c, NULL };
	struct probe_exec_msg *out = calloc(1, sizeof(*out));
	uint8_t buf[PROBE_WIRE_EXEC_BYTES];
	size_t len;

	(void)state;
	assert_non_null(out);
	len = probe_wire_encode_exec(7, 1500, argv, buf, sizeof(buf));
	assert_int_not_equal(len, 0);
	assert_int_equal(probe_wire_decode_exec(buf, len, out), 0);
	assert_int_equal(out->id, 7);
	assert_int_equal(out->timeout_ms, 1500);
	assert_string_equal(out->argv[0], a);
	assert_string_equal(out->argv[1], "");
	assert_string_equal(out->argv[2], c);
	assert_null(out->argv[3]);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *p = exact(buf, cut);

		assert_int_equal(probe_wire_decode_exec(p, cut, out), -1);
		free(p);
		assert_int_equal(probe_wire_encode_exec(7, 1500, argv, buf,
				     cut),
		    0);
	}
	free(out);
}

/* Left-over bytes would be an argument that argc does not count. */
static void
test_exec_leftover_is_refused(void **state)
{
	char a[] = "/bin/true";
	char *argv[] = { a, NULL };
	struct probe_exec_msg *out = calloc(1, sizeof(*out));
	uint8_t buf[64] = { 0 };
	size_t len;

	(void)state;
	assert_non_null(out);
	len = probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf));
	assert_int_equal(probe_wire_decode_exec(buf, len, out), 0);
	assert_int_equal(probe_wire_decode_exec(buf, len + 1, out), -1);
	free(out);
}

static void
test_exec_argument_count_limits(void **state)
{
	char arg[] = "x";
	char *argv[PROBE_WIRE_ARGS_MAX + 2];
	struct probe_exec_msg *out = calloc(1, sizeof(*out));
	uint8_t buf[PROBE_WIRE_EXEC_BYTES];
	size_t len;

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i <= PROBE_WIRE_ARGS_MAX; i++)
		argv[i] = arg;
	argv[PROBE_WIRE_ARGS_MAX + 1] = NULL;
	assert_int_equal(probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf)),
	    0);
	argv[PROBE_WIRE_ARGS_MAX] = NULL;
	len = probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf));
	assert_int_not_equal(len, 0);
	assert_int_equal(probe_wire_decode_exec(buf, len, out), 0);
	assert_null(out->argv[PROBE_WIRE_ARGS_MAX]);

	/* One more string, and a count to match. */
	buf[12] = (uint8_t)((PROBE_WIRE_ARGS_MAX + 1) >> 8);
	buf[13] = (uint8_t)(PROBE_WIRE_ARGS_MAX + 1);
	memcpy(buf + len, "x", 2);
	assert_int_equal(probe_wire_decode_exec(buf, len + 2, out), -1);
	argv[0] = NULL;
	assert_int_equal(probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf)),
	    0);
	free(out);
}

static void
test_exec_length_limits(void **state)
{
	char *arg = calloc(1, PROBE_WIRE_ARGS_BYTES + 1);
	char *argv[] = { arg, NULL };
	struct probe_exec_msg *out = calloc(1, sizeof(*out));
	static uint8_t buf[PROBE_WIRE_EXEC_BYTES + 2];
	size_t len;

	(void)state;
	assert_non_null(arg);
	assert_non_null(out);
	memset(arg, 'x', PROBE_WIRE_ARGS_BYTES);
	assert_int_equal(probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf)),
	    0);
	arg[PROBE_WIRE_ARGS_BYTES - 1] = '\0';
	len = probe_wire_encode_exec(1, 1, argv, buf, sizeof(buf));
	assert_int_equal(len, PROBE_WIRE_EXEC_BYTES);
	assert_int_equal(probe_wire_decode_exec(buf, len, out), 0);
	/* One byte longer than the space for it. */
	buf[len - 1] = 'x';
	buf[len] = '\0';
	assert_int_equal(probe_wire_decode_exec(buf, len + 1, out), -1);
	free(arg);
	free(out);
}

static void
test_stop_comes_back(void **state)
{
	uint8_t buf[PROBE_WIRE_STOP_BYTES + 1] = { 0 };
	uint64_t id = 0;

	(void)state;
	assert_int_equal(probe_wire_encode_stop(0x0102030405060708, buf,
			     sizeof(buf)),
	    PROBE_WIRE_STOP_BYTES);
	assert_int_equal(probe_wire_decode_stop(buf, PROBE_WIRE_STOP_BYTES,
			     &id),
	    0);
	assert_true(id == 0x0102030405060708);
	for (size_t len = 0; len < PROBE_WIRE_STOP_BYTES; len++) {
		uint8_t *p = exact(buf, len);

		assert_int_equal(probe_wire_decode_stop(p, len, &id), -1);
		free(p);
	}
	assert_int_equal(probe_wire_decode_stop(buf, sizeof(buf), &id), -1);
}

static void
test_result_comes_back(void **state)
{
	struct probe_result in = { .verdict = PROBE_FAIL, .rtt_us = 1234 };
	struct probe_result_msg out = { 0 };
	uint8_t buf[PROBE_WIRE_RESULT_BYTES + 1];
	size_t len;

	(void)state;
	memset(in.detail, 'd', sizeof(in.detail) - 1);
	len = probe_wire_encode_result(9, &in, buf, sizeof(buf));
	assert_int_equal(len, PROBE_WIRE_RESULT_BYTES);
	assert_int_equal(probe_wire_decode_result(buf, len, &out), 0);
	assert_int_equal(out.id, 9);
	assert_int_equal(out.result.verdict, PROBE_FAIL);
	assert_int_equal(out.result.rtt_us, 1234);
	assert_string_equal(out.result.detail, in.detail);

	buf[len] = 'd';
	assert_int_equal(probe_wire_decode_result(buf, len + 1, &out), -1);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *p = exact(buf, cut);

		assert_int_equal(probe_wire_decode_result(p, cut, &out),
		    cut < 17 ? -1 : 0);
		free(p);
	}
}

static void
test_result_limits(void **state)
{
	struct probe_result in = { .verdict = PROBE_PASS, .rtt_us = -1 };
	struct probe_result_msg out = { 0 };
	uint8_t buf[PROBE_WIRE_RESULT_BYTES];
	size_t len = probe_wire_encode_result(1, &in, buf, sizeof(buf));

	(void)state;
	assert_int_equal(probe_wire_decode_result(buf, len, &out), 0);
	assert_int_equal(out.result.rtt_us, -1);
	buf[16] = 0xfe;
	assert_int_equal(probe_wire_decode_result(buf, len, &out), -1);
	buf[9] = 0x7f;
	assert_int_equal(probe_wire_decode_result(buf, len, &out), 0);
	buf[8] = PROBE_VERDICT_COUNT;
	assert_int_equal(probe_wire_decode_result(buf, len, &out), -1);
}

/* What a command printed goes to terminals and into JSON. */
static void
test_detail_is_made_printable(void **state)
{
	struct probe_result in = { .verdict = PROBE_FAIL, .rtt_us = 0 };
	struct probe_result_msg out = { 0 };
	uint8_t buf[PROBE_WIRE_RESULT_BYTES];
	size_t len;

	(void)state;
	memcpy(in.detail, "a\x1b[31m\xff", 8);
	len = probe_wire_encode_result(1, &in, buf, sizeof(buf));
	assert_int_equal(probe_wire_decode_result(buf, len, &out), 0);
	assert_string_equal(out.result.detail, "a?[31m?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pings_come_back),
		cmocka_unit_test(test_ping_timeout_limits),
		cmocka_unit_test(test_short_pings_are_refused),
		cmocka_unit_test(test_exec_comes_back),
		cmocka_unit_test(test_exec_leftover_is_refused),
		cmocka_unit_test(test_exec_argument_count_limits),
		cmocka_unit_test(test_exec_length_limits),
		cmocka_unit_test(test_stop_comes_back),
		cmocka_unit_test(test_result_comes_back),
		cmocka_unit_test(test_result_limits),
		cmocka_unit_test(test_detail_is_made_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
