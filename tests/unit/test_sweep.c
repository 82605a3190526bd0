/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep.h"

#include <stdlib.h>

#include "probes/sweep_wire.h"
#include "sweep_fixture.h"
#include "test.h"

#define BODY_MAX (1u << 20)

typedef int decode_fn(const uint8_t *body, size_t len);

/* Room for whatever is decoded; only the result counts here. */
static struct sweep_capture got_capture;
static struct sweep_targets got_targets;
static struct sweep_job got_job;
static struct sweep_job_room got_room;
static struct sweep_reply got_replies[SWEEP_REPLY_BATCH_MAX];
static struct sweep_progress got_progress;
static struct sweep_counters got_counters;
static uint64_t got_cookie;
static enum sweep_capture_mode got_mode;
static enum sweep_hearing got_hearing[SWEEP_PREFIX_MAX];

static int
decode_capture(const uint8_t *body, size_t len)
{
	return sweep_decode_capture(body, len, &got_capture);
}

static int
decode_targets(const uint8_t *body, size_t len)
{
	return sweep_decode_targets(body, len, &got_targets);
}

static int
decode_job(const uint8_t *body, size_t len)
{
	return sweep_decode_job(body, len, &got_job, &got_room);
}

static int
decode_replies(const uint8_t *body, size_t len)
{
	return sweep_decode_replies(body, len, got_replies,
	    SWEEP_REPLY_BATCH_MAX);
}

static int
decode_capturing(const uint8_t *body, size_t len)
{
	return sweep_decode_capturing(body, len, &got_mode);
}

static int
decode_progress(const uint8_t *body, size_t len)
{
	return sweep_decode_progress(body, len, &got_progress);
}

static int
decode_flushed(const uint8_t *body, size_t len)
{
	return sweep_decode_flushed(body, len, &got_cookie, &got_counters);
}

static int
decode_flush(const uint8_t *body, size_t len)
{
	return sweep_decode_flush(body, len, &got_cookie);
}

/* A byte too few, at any length, or too many is malformed. */
static void
assert_only_whole(decode_fn *decode, const uint8_t *body, size_t len)
{
	for (size_t n = 0; n <= len + 1; n++) {
		uint8_t *exact = calloc(1, n > 0 ? n : 1);

		assert_non_null(exact);
		memcpy(exact, body, n < len ? n : len);
		if (n == len) {
			assert_true(decode(exact, n) >= 0);
		} else {
			assert_int_equal(decode(exact, n), -1);
		}
		free(exact);
	}
}

static void
test_capture_round_trip(void **state)
{
	struct sweep_capture in = fixture_capture();
	struct sweep_capture out;
	uint8_t body[512];
	size_t len;

	(void)state;
	while (in.n_prefixes < SWEEP_PREFIX_MAX) {
		in.prefixes[in.n_prefixes] = in.prefixes[0];
		in.sources[in.n_prefixes] = in.sources[0];
		in.sources[in.n_prefixes].b[15] = in.n_prefixes;
		in.n_prefixes++;
	}
	while (in.n_runs < SWEEP_RUNS_MAX) {
		struct sweep_run *run = &in.runs[in.n_runs];

		*run = in.runs[0];
		run->prefixes = (uint16_t)(3u << 2 * in.n_runs);
		run->experiment += in.n_runs++;
	}
	len = sweep_encode_capture(&in, body, sizeof(body));
	assert_int_equal(len, 1 + SWEEP_PREFIX_MAX * 34 + 1 + 4 * 22);
	assert_int_equal(sweep_decode_capture(body, len, &out), 0);
	assert_int_equal(out.n_runs, in.n_runs);
	for (size_t i = 0; i < SWEEP_RUNS_MAX; i++) {
		assert_int_equal(out.runs[i].experiment, in.runs[i].experiment);
		assert_int_equal(out.runs[i].prefixes, in.runs[i].prefixes);
		assert_memory_equal(out.runs[i].key, in.runs[i].key,
		    sizeof(in.runs[i].key));
	}
	assert_int_equal(out.n_prefixes, in.n_prefixes);
	for (size_t i = 0; i < SWEEP_PREFIX_MAX; i++) {
		assert_true(prefix_equal(&out.prefixes[i], &in.prefixes[i]));
		assert_true(addr_equal(&out.sources[i], &in.sources[i]));
	}
	assert_only_whole(decode_capture, body, len);
	for (size_t room = 0; room < len; room++)
		assert_int_equal(sweep_encode_capture(&in, body, room), 0);
}

static void
test_capture_refuses_what_is_no_prefix(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} bad[] = {
		{ 0, SWEEP_PREFIX_MAX + 1 }, { 1 + 16, 33 }, /* IPv4 length */
		{ 1 + 17, 2 },                               /* truth value */
		{ 1 + 17, 0 }, /* mapped address called IPv6 */
		{ 1 + 34 + 16, 129 },
		{ 1 + 34 + 17, 1 },         /* IPv6 address called IPv4 */
		{ 69, SWEEP_RUNS_MAX + 1 }, /* runs */
		{ 70 + 3, 0 },              /* an experiment of no number */
		{ 70 + 21, 4 },             /* a prefix that is not there */
		{ 70 + 22 + 3, FIXTURE_EXPERIMENT }, /* one twice */
	};
	struct sweep_capture in = fixture_capture();
	uint8_t body[512];

	(void)state;
	in.runs[1] = in.runs[0];
	in.runs[in.n_runs++].experiment++;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		size_t len = sweep_encode_capture(&in, body, sizeof(body));

		body[bad[i].offset] = bad[i].value;
		assert_int_equal(decode_capture(body, len), -1);
	}
	in.n_prefixes = SWEEP_PREFIX_MAX + 1;
	assert_int_equal(sweep_encode_capture(&in, body, sizeof(body)), 0);
}

static void
test_targets_round_trip(void **state)
{
	struct addr addrs[3] = { fixture_addr("10.77.0.1"),
		fixture_addr("2001:db8::1"), fixture_addr("10.77.0.2") };
	struct sweep_targets in = { .list = 7,
		.total = 0xfffffffe,
		.first = 0x01020304,
		.n = 3,
		.addrs = addrs };
	struct sweep_targets out;
	uint8_t body[128];
	size_t len = sweep_encode_targets(&in, body, sizeof(body));

	(void)state;
	assert_int_equal(len, 16 + 3 * 16);
	assert_int_equal(sweep_decode_targets(body, len, &out), 0);
	assert_int_equal(out.list, in.list);
	assert_int_equal(out.total, in.total);
	assert_int_equal(out.first, in.first);
	assert_int_equal(out.n, in.n);
	assert_memory_equal(out.addrs, addrs, sizeof(addrs));
	assert_only_whole(decode_targets, body, len);
	for (size_t room = 0; room < len; room++)
		assert_int_equal(sweep_encode_targets(&in, body, room), 0);
}

static void
test_targets_are_bounded(void **state)
{
	struct addr *addrs = calloc(SWEEP_TARGETS_PER_MSG + 1, sizeof(*addrs));
	struct sweep_targets in = { .n = SWEEP_TARGETS_PER_MSG,
		.addrs = addrs };
	uint8_t *body = malloc(BODY_MAX);
	size_t len;

	(void)state;
	assert_non_null(addrs);
	assert_non_null(body);
	len = sweep_encode_targets(&in, body, BODY_MAX);
	assert_int_equal(len, 16 + 16 * SWEEP_TARGETS_PER_MSG);
	assert_int_equal(decode_targets(body, len), 0);
	in.n++;
	assert_int_equal(sweep_encode_targets(&in, body, BODY_MAX), 0);
	body[15]++; /* n */
	assert_int_equal(decode_targets(body, len + 16), -1);
	free(body);
	free(addrs);
}

static void
test_job_round_trip(void **state)
{
	static const uint32_t subset[] = { 0, 0xffffffff, 5 };
	const struct prefix optouts[] = {
		{ .addr = fixture_addr("192.0.2.0"),
		    .len = 24,
		    .is_ipv4 = true },
		{ .addr = fixture_addr("2001:db8::"), .len = 32 },
	};
	struct sweep_job in = { .job = 1,
		.list = 2,
		.experiment = 3,
		.phase = 4,
		.round = 5,
		.rate_pps = 6,
		.order_seed = 0x0708090a0b0c0d0e,
		.source4 = fixture_addr("198.51.100.1"),
		.source6 = fixture_addr("2001:db8:100::1"),
		.has_source4 = true,
		.has_source6 = true,
		.engine = SWEEP_ENGINE_PACKET,
		.allow_special = true,
		.gap_ms = 70000,
		.text = { .len = 3, .bytes = "why" },
		.subset = subset,
		.n_subset = 3,
		.optouts = optouts,
		.n_optouts = 2 };
	uint8_t body[192];
	size_t len = sweep_encode_job(&in, body, sizeof(body));

	(void)state;
	assert_true(len > 0);
	assert_int_equal(decode_job(body, len), 0);
	assert_memory_equal(got_job.subset, subset, sizeof(subset));
	assert_int_equal(got_job.job, 1);
	assert_int_equal(got_job.list, 2);
	assert_int_equal(got_job.experiment, 3);
	assert_int_equal(got_job.phase, 4);
	assert_int_equal(got_job.round, 5);
	assert_int_equal(got_job.rate_pps, 6);
	assert_true(got_job.order_seed == in.order_seed);
	assert_true(got_job.has_source4 && got_job.has_source6);
	assert_true(addr_equal(&got_job.source4, &in.source4));
	assert_true(addr_equal(&got_job.source6, &in.source6));
	assert_int_equal(got_job.n_subset, 3);
	assert_int_equal(got_job.engine, SWEEP_ENGINE_PACKET);
	assert_true(got_job.allow_special);
	assert_int_equal(got_job.gap_ms, 70000);
	assert_int_equal(got_job.text.len, 3);
	assert_memory_equal(got_job.text.bytes, "why", 3);
	assert_int_equal(got_job.n_optouts, 2);
	assert_true(prefix_equal(&got_job.optouts[0], &optouts[0]));
	assert_true(prefix_equal(&got_job.optouts[1], &optouts[1]));
	assert_only_whole(decode_job, body, len);
	for (size_t room = 0; room < len; room++)
		assert_int_equal(sweep_encode_job(&in, body, room), 0);
	in.n_subset = 0;
	len = sweep_encode_job(&in, body, sizeof(body));
	assert_int_equal(decode_job(body, len), 0);
	assert_int_equal(got_job.n_subset, 0);
}

/* The largest job fits a message; one more of anything is refused. */
static void
test_job_is_bounded(void **state)
{
	struct sweep_job in = { .subset = got_room.subset,
		.n_subset = SWEEP_SUBSET_MAX,
		.optouts = got_room.optouts,
		.n_optouts = SWEEP_OPTOUTS_MAX,
		.text = { .len = SWEEP_TEXT_MAX } };
	uint8_t *body = calloc(1, BODY_MAX);
	size_t len, optouts_at;

	(void)state;
	assert_non_null(body);
	memset(&got_room, 0, sizeof(got_room));
	len = sweep_encode_job(&in, body, BODY_MAX);
	optouts_at = len - 4 - (size_t)SWEEP_OPTOUTS_MAX * 18;
	assert_true(len > 0 && len <= CHAN_BODY_MAX);
	assert_int_equal(decode_job(body, len), 0);
	body[optouts_at + 3]++;
	assert_int_equal(decode_job(body, len + 18), -1);
	body[optouts_at + 3]--;
	body[optouts_at - sizeof(got_room.subset) - 1]++; /* n_subset */
	assert_int_equal(decode_job(body, len + 4), -1);
	in.n_subset++;
	assert_int_equal(sweep_encode_job(&in, body, BODY_MAX), 0);
	in.n_subset--;
	in.n_optouts++;
	assert_int_equal(sweep_encode_job(&in, body, BODY_MAX), 0);
	in.n_optouts = 0;
	in.text.len++;
	assert_int_equal(sweep_encode_job(&in, body, BODY_MAX), 0);
	free(body);
}

/* What the sweeper does not know it must not guess. */
static void
test_job_of_unknown_engine_is_malformed(void **state)
{
	struct sweep_job in = { .engine = SWEEP_ENGINE_COUNT };
	uint8_t body[192];
	size_t len = sweep_encode_job(&in, body, sizeof(body));

	(void)state;
	assert_int_equal(decode_job(body, len), -1);
}

/* The source travels only where it says something: with a flag. */
static void
test_replies_round_trip(void **state)
{
	static const struct sweep_reply in[2] = {
		{ 1, 2, 3, SWEEP_REPLY_OTHER_SOURCE, 5, 6, 7, 8,
		    { { 9, 10, 11 } } },
		{ 0xffffffff, 255, 254, 0, 253, UINT64_MAX, UINT64_MAX - 1,
		    UINT32_MAX, { { 0 } } },
	};
	struct sweep_reply out[2];
	uint8_t body[128];
	size_t len = sweep_encode_replies(in, 2, body, sizeof(body));

	(void)state;
	memset(out, 0, sizeof(out)); /* also the padding, which is compared */
	assert_int_equal(len,
	    2 + SWEEP_REPLY_WIRE_MAX_BYTES + SWEEP_REPLY_WIRE_BYTES);
	assert_int_equal(sweep_decode_replies(body, len, out, 2), 2);
	assert_memory_equal(out, in, sizeof(in));
	assert_int_equal(sweep_decode_replies(body, len, out, 1), -1);
	assert_only_whole(decode_replies, body, len);
	for (size_t room = 0; room < len; room++)
		assert_int_equal(sweep_encode_replies(in, 2, body, room), 0);
	len = sweep_encode_replies(in, 0, body, sizeof(body));
	assert_int_equal(len, 2);
	assert_int_equal(sweep_decode_replies(body, len, out, 0), 0);
	assert_int_equal(sweep_encode_replies(in, SWEEP_REPLY_BATCH_MAX + 1,
			     body, 2),
	    0);
}

static void
test_replies_are_joined(void **state)
{
	static struct sweep_reply in[SWEEP_REPLY_BATCH_MAX];
	static uint8_t to[2 + sizeof(in)], body[sizeof(to)], before[sizeof(to)];
	size_t len, more, first = SWEEP_REPLY_BATCH_MAX - 2;

	(void)state;
	for (uint32_t i = 0; i < SWEEP_REPLY_BATCH_MAX; i++) {
		in[i].index = i;
		in[i].flags = i % 2 == 0 ? SWEEP_REPLY_OTHER_SOURCE : 0;
	}
	len = sweep_encode_replies(in, first, to, sizeof(to));
	memcpy(before, to, len);
	more = sweep_encode_replies(in, 3, body, sizeof(body));
	assert_int_equal(sweep_join_replies(to, len, sizeof(to), body, more),
	    0); /* too many */
	more = sweep_encode_replies(in + first, 2, body, sizeof(body));
	assert_int_equal(sweep_join_replies(to, len, len + more - 3, body,
			     more),
	    0); /* no room */
	assert_int_equal(sweep_join_replies(to, len, sizeof(to), body, 1), 0);
	assert_memory_equal(to, before, len);
	len = sweep_join_replies(to, len, len + more - 2, body, more);
	assert_int_equal(sweep_decode_replies(to, len, got_replies,
			     SWEEP_REPLY_BATCH_MAX),
	    SWEEP_REPLY_BATCH_MAX);
	for (uint32_t i = 0; i < SWEEP_REPLY_BATCH_MAX; i++)
		assert_int_equal(got_replies[i].index, i);
}

static void
test_progress_round_trip(void **state)
{
	struct sweep_progress in = { .job = 1,
		.sent = 2,
		.total = 3,
		.send_errors = 4,
		.skipped_optout = 5,
		.skipped_special = 6,
		.sent_packet = 7,
		.done = true,
		.is_refused = true };
	uint8_t body[32];
	size_t len = sweep_encode_progress(&in, body, sizeof(body));

	(void)state;
	assert_int_equal(len, 30);
	assert_int_equal(decode_progress(body, len), 0);
	assert_int_equal(got_progress.job, 1);
	assert_int_equal(got_progress.sent, 2);
	assert_int_equal(got_progress.total, 3);
	assert_int_equal(got_progress.send_errors, 4);
	assert_int_equal(got_progress.skipped_optout, 5);
	assert_int_equal(got_progress.skipped_special, 6);
	assert_int_equal(got_progress.sent_packet, 7);
	assert_true(got_progress.done);
	assert_true(got_progress.is_refused);
	assert_only_whole(decode_progress, body, len);
	body[29] = 2;
	assert_int_equal(decode_progress(body, len), -1);
	body[29] = 1;
	body[28] = 2;
	assert_int_equal(decode_progress(body, len), -1);
}

static void
test_capturing_round_trip(void **state)
{
	uint8_t body[2];
	size_t len =
	    sweep_encode_capturing(SWEEP_CAPTURE_RAW, body, sizeof(body));

	(void)state;
	assert_int_equal(len, 1);
	assert_int_equal(decode_capturing(body, len), 0);
	assert_int_equal(got_mode, SWEEP_CAPTURE_RAW);
	assert_string_equal(sweep_capture_mode_name(got_mode), "raw");
	assert_only_whole(decode_capturing, body, len);
	body[0] = SWEEP_CAPTURE_MODE_COUNT;
	assert_int_equal(decode_capturing(body, len), -1);
}

static int
decode_hearing(const uint8_t *body, size_t len)
{
	return sweep_decode_hearing(body, len, got_hearing) == -1 ? -1 : 0;
}

static void
test_hearing_round_trip(void **state)
{
	static const enum sweep_hearing in[] = { SWEEP_HEARS,
		SWEEP_DEAF_NOT_LOCAL, SWEEP_DEAF_NO_SOCKET };
	uint8_t body[16];
	size_t len = sweep_encode_hearing(in, 3, body, sizeof(body));

	(void)state;
	assert_int_equal(len, 4);
	assert_int_equal(sweep_decode_hearing(body, len, got_hearing), 3);
	assert_memory_equal(got_hearing, in, sizeof(in));
	assert_only_whole(decode_hearing, body, len);
	body[3] = SWEEP_HEARING_COUNT;
	assert_int_equal(decode_hearing(body, len), -1);
	body[0] = SWEEP_PREFIX_MAX + 1;
	assert_int_equal(decode_hearing(body, sizeof(body)), -1);
	assert_int_equal(sweep_encode_hearing(in, SWEEP_PREFIX_MAX + 1, body,
			     sizeof(body)),
	    0);
}

static void
test_flush_round_trip(void **state)
{
	struct sweep_counters in = { 1, 2, 3, 4, 5, UINT64_MAX };
	uint8_t body[64];
	size_t len =
	    sweep_encode_flushed(0xfedcba9876543210, &in, body, sizeof(body));

	(void)state;
	assert_int_equal(len, 8 + 6 * 8);
	assert_int_equal(decode_flushed(body, len), 0);
	assert_true(got_cookie == 0xfedcba9876543210);
	assert_memory_equal(&got_counters, &in, sizeof(in));
	assert_only_whole(decode_flushed, body, len);
	assert_only_whole(decode_flush, body, 8);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture_round_trip),
		cmocka_unit_test(test_capture_refuses_what_is_no_prefix),
		cmocka_unit_test(test_targets_round_trip),
		cmocka_unit_test(test_targets_are_bounded),
		cmocka_unit_test(test_job_round_trip),
		cmocka_unit_test(test_job_is_bounded),
		cmocka_unit_test(test_job_of_unknown_engine_is_malformed),
		cmocka_unit_test(test_capturing_round_trip),
		cmocka_unit_test(test_replies_round_trip),
		cmocka_unit_test(test_replies_are_joined),
		cmocka_unit_test(test_progress_round_trip),
		cmocka_unit_test(test_hearing_round_trip),
		cmocka_unit_test(test_flush_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
