/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static void
test_reads_big_endian_in_order(void **state)
{
	const uint8_t in[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xff,
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 'a', 'b' };
	struct cursor c = { .p = in, .left = sizeof(in) };
	char text[2];

	(void)state;
	assert_int_equal(cursor_u8(&c), 0x01);
	assert_int_equal(cursor_be16(&c), 0x0203);
	assert_int_equal(cursor_be32(&c), 0x04050607);
	cursor_skip(&c, 1);
	assert_true(cursor_be64(&c) == UINT64_C(0x1112131415161718));
	assert_int_equal(c.left, 2);
	cursor_bytes(&c, text, sizeof(text));
	assert_memory_equal(text, "ab", 2);
	assert_false(c.bad);
	assert_int_equal(c.left, 0);
}

/* Of its exact size, so that the sanitizer sees one byte more. */
static uint8_t *
new_block(size_t n)
{
	uint8_t *block;

	if (n == 0)
		return NULL;
	block = malloc(n);
	assert_non_null(block);
	memset(block, 0x5a, n);
	return block;
}

/* Reads one message of 17 bytes from an exact block of n bytes. */
static struct cursor
read_from(size_t n)
{
	uint8_t *block = new_block(n);
	struct cursor c = { .p = block, .left = n };
	uint8_t two[2] = { 9, 9 };

	(void)cursor_u8(&c);
	(void)cursor_be16(&c);
	(void)cursor_be32(&c);
	(void)cursor_be64(&c);
	cursor_bytes(&c, two, sizeof(two));
	if (n < 17)
		assert_true(two[0] == 0 && two[1] == 0);
	free(block);
	return c;
}

/* Every short length is bad and reads nothing outside: the sanitizer sees. */
static void
test_any_short_length_is_bad(void **state)
{
	(void)state;
	for (size_t n = 0; n < 17; n++)
		assert_true(read_from(n).bad);
	assert_false(read_from(17).bad);
	assert_int_equal(read_from(18).left, 1);
}

/* After an overrun nothing moves, even what would fit. */
static void
test_error_is_sticky(void **state)
{
	const uint8_t in[3] = { 1, 2, 3 };
	struct cursor c = { .p = in, .left = sizeof(in) };

	(void)state;
	assert_int_equal(cursor_be32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(c.left, 3);
	assert_ptr_equal(c.p, in);
}

/* A length from the wire may be as large as it likes. */
static void
test_huge_skip_does_not_wrap(void **state)
{
	const uint8_t in[4] = { 0 };
	struct cursor c = { .p = in, .left = sizeof(in) };

	(void)state;
	cursor_skip(&c, SIZE_MAX);
	assert_true(c.bad);
	assert_ptr_equal(c.p, in);
}

static void
test_nothing_from_nothing(void **state)
{
	struct cursor c = { .p = NULL, .left = 0 };
	struct wcursor w = { .p = NULL, .left = 0 };

	(void)state;
	cursor_skip(&c, 0);
	cursor_bytes(&c, NULL, 0);
	assert_false(c.bad);
	wcursor_bytes(&w, NULL, 0);
	assert_false(w.bad);
	wcursor_u8(&w, 1);
	assert_true(w.bad);
}

static void
write_all(struct wcursor *w)
{
	wcursor_u8(w, 0x01);
	wcursor_be16(w, 0x0203);
	wcursor_be32(w, 0x04050607);
	wcursor_be64(w, UINT64_C(0x08090a0b0c0d0e0f));
	wcursor_bytes(w, "\x10\x11", 2);
}

static void
test_writes_fit_or_are_bad(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 18; n++) {
		uint8_t *block = new_block(n);
		struct wcursor w = { .p = block, .left = n };

		write_all(&w);
		assert_true(w.bad == (n < 17));
		for (size_t i = 0; i < 17 && !w.bad; i++)
			assert_int_equal(block[i], i + 1);
		free(block);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_big_endian_in_order),
		cmocka_unit_test(test_any_short_length_is_bad),
		cmocka_unit_test(test_error_is_sticky),
		cmocka_unit_test(test_huge_skip_does_not_wrap),
		cmocka_unit_test(test_nothing_from_nothing),
		cmocka_unit_test(test_writes_fit_or_are_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
