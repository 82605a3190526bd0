/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "core/failover.h"
#include "test.h"

#define N CHUNK_CLIENTS_MAX

struct chunk {
	uint16_t sites[N], got[N];
	uint32_t rtt_us[N], got_rtt[N];
	uint8_t bytes[CHUNK_BYTES_MAX];
	size_t len;
};

static int
setup(void **state)
{
	*state = calloc(1, sizeof(struct chunk));
	return *state == NULL;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

/* What was packed comes out again, and no shorter text is taken for it. */
static void
check(struct chunk *c, uint32_t n, uint8_t flags)
{
	uint8_t *cut;

	c->len = chunk_encode(c->sites, c->rtt_us, n, c->bytes);
	assert_int_equal(c->bytes[0], 2);
	assert_int_equal(c->bytes[1], flags);
	assert_int_equal(chunk_decode(c->bytes, c->len, n, c->got, c->got_rtt),
	    0);
	for (uint32_t i = 0; i < n; i++) {
		bool is_asked = c->sites[i] != OUTCOME_NOT_ASKED;

		assert_int_equal(c->got[i], c->sites[i]);
		assert_true(c->got_rtt[i] ==
		    (is_asked ? c->rtt_us[i] : UINT32_MAX));
	}
	assert_int_equal(chunk_decode(c->bytes, c->len, n, c->got, NULL), 0);
	for (size_t len = 0; len < c->len && n < 100; len++) {
		cut = malloc(len > 0 ? len : 1);
		assert_non_null(cut);
		memcpy(cut, c->bytes, len);
		assert_int_equal(chunk_decode(cut, len, n, c->got, NULL), -1);
		free(cut);
	}
	if (c->len < sizeof(c->bytes)) {
		assert_int_equal(chunk_decode(c->bytes, c->len + 1, n, c->got,
				     NULL),
		    -1);
	}
}

static void
fill(struct chunk *c, unsigned top, bool is_timed)
{
	for (uint32_t i = 0; i < N; i++) {
		c->sites[i] = (uint16_t)(i % top);
		c->rtt_us[i] = is_timed ? i * 7919u : UINT32_MAX;
	}
	c->sites[1] = OUTCOME_FLIPPING;
}

static void
test_every_shape_comes_out_again(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 8, 9, 99, N - 1, N };
	struct chunk *c = *state;

	for (size_t k = 0; k < TEST_COUNT(sizes); k++) {
		uint32_t n = sizes[k];
		uint8_t timed = n > 0 ? CHUNK_TIMED : 0;

		fill(c, 255, true);
		check(c, n, timed);
		fill(c, 255, false);
		check(c, n, 0);
		fill(c, 300, false);
		check(c, n, n > 255 ? CHUNK_WIDE : 0);
		fill(c, 300, true);
		c->sites[0] = 255;
		for (uint32_t i = 3; i < N; i += 2)
			c->sites[i] = OUTCOME_NOT_ASKED;
		check(c, n,
		    (uint8_t)((n > 3 ? CHUNK_SPARSE : 0) |
			(n > 0 ? CHUNK_WIDE : 0) | timed));
	}
}

static void
test_sizes(void **state)
{
	struct chunk *c = *state;

	fill(c, 300, true);
	assert_int_equal(chunk_encode(c->sites, c->rtt_us, N, c->bytes),
	    2 + 6 * N);
	fill(c, 200, false);
	assert_int_equal(chunk_encode(c->sites, NULL, N, c->bytes), 2 + N);
	for (uint32_t i = 0; i < N; i++) {
		if (i % 8 != 0)
			c->sites[i] = OUTCOME_NOT_ASKED;
	}
	assert_int_equal(chunk_encode(c->sites, NULL, N, c->bytes),
	    2 + N / 8 + N / 8);
}

/* Written by the first version. */
static void
test_format_1_is_read(void **state)
{
	static const uint8_t old[] = { 1, 1, 0, 0, 3, 0xe8, 0, 0xff, 0xff, 0xff,
		0xff, 255, 0, 0, 0, 9 };
	struct chunk *c = *state;

	assert_int_equal(chunk_decode(old, sizeof(old), 3, c->got, c->got_rtt),
	    0);
	assert_int_equal(c->got[0], 1);
	assert_int_equal(c->got_rtt[0], 1000);
	assert_int_equal(c->got[1], OUTCOME_NONE);
	assert_int_equal(c->got[2], OUTCOME_FLIPPING);
	assert_int_equal(c->got_rtt[2], 9);
	assert_int_equal(chunk_decode(old, sizeof(old), 2, c->got, NULL), -1);
	assert_int_equal(chunk_decode(old, sizeof(old), 4, c->got, NULL), -1);
}

static void
test_nonsense_is_refused(void **state)
{
	static const uint8_t formats[][4] = {
		{ 0, 0, 1, 1 }, { 3, 0, 1, 1 }, { 2, 8, 1, 1 },
		{ 2, CHUNK_WIDE, 0xff, 0xfe }, /* not asked, and yet there */
	};
	struct chunk *c = *state;

	for (size_t i = 0; i < TEST_COUNT(formats); i++) {
		uint32_t n = i == 3 ? 1 : 2;

		assert_int_equal(chunk_decode(formats[i], 4, n, c->got, NULL),
		    -1);
	}
	assert_int_equal(chunk_decode(formats[0], 0, 0, c->got, NULL), -1);
	assert_int_equal(chunk_decode(c->bytes, 1, N + 1, c->got, NULL), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_shape_comes_out_again),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_format_1_is_read),
		cmocka_unit_test(test_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
