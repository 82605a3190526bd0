/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/client_book.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "test.h"

#define DAY_MS INT64_C(86400000)
#define BOOK_MAX 200000

/* n clients 1.0.0.0 + first, each with its number as weight. */
static struct client *
clients(uint32_t first, uint32_t n)
{
	struct client *c = xcalloc(n, sizeof(*c));

	for (uint32_t i = 0; i < n; i++) {
		c[i].addr = addr_from_in((struct in_addr){
		    .s_addr = htonl(0x01000000 + first + i) });
		c[i].weight = first + i;
		c[i].last_seen = 1000 + first + i;
	}
	return c;
}

struct bytes {
	uint8_t *p;
	size_t len;
};

/* A part in a block of its exact size. */
static struct bytes
encode(struct feed_part *part, const struct client *c)
{
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);
	struct bytes b = { .len = feed_part_encode(part, c, buf) };

	b.p = xcalloc(1, b.len);
	memcpy(b.p, buf, b.len);
	free(buf);
	return b;
}

static int
take_bytes(struct client_book *book, const char *site, const struct bytes *b,
    struct err *err)
{
	struct feed_part part;

	if (feed_part_decode(b->p, b->len, &part, err) == -1)
		return -1;
	return client_book_take(book, site, &part, err);
}

/* The result of the last part. */
static int
take_all(struct client_book *book, const char *site, struct feed_part head,
    const struct client *c)
{
	int rc = -1;

	do {
		struct bytes b = encode(&head, c);

		rc = take_bytes(book, site, &b, NULL);
		free(b.p);
		head.first += head.n;
	} while (rc == 0 && head.first < head.total);
	return rc;
}

static struct feed_part
head(uint32_t serial, uint32_t total)
{
	return (struct feed_part){
		.serial = serial, .total = total, .half_life_ms = DAY_MS
	};
}

static uint32_t
count_of(const struct client_book *book, const char *site)
{
	struct client_book_list l;

	return client_book_find(book, site, &l) ? l.n : UINT32_MAX;
}

static void
test_list_counts_when_it_is_whole(void **state)
{
	enum { N = FEED_PART_ROWS_MAX * 2 + 5 };
	struct client_book *book = client_book_new(BOOK_MAX);
	struct client *c = clients(0, N), *all;
	struct feed_part part = head(7, N);
	size_t n;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct bytes b = encode(&part, c);

		assert_int_equal(take_bytes(book, "chc", &b, NULL), i == 2);
		/* Our answer was lost, so it comes again. */
		assert_int_equal(take_bytes(book, "chc", &b, NULL), 0);
		assert_int_equal(count_of(book, "chc"), i == 2 ? N : 0);
		part.first += part.n;
		free(b.p);
	}
	all = client_book_merge(book, "chc", 0, &n);
	assert_int_equal(n, N);
	assert_true(addr_equal(&all[N - 1].addr, &c[N - 1].addr));
	assert_true(fabs(all[N - 1].weight - (N - 1)) < 1);
	assert_true(all[N - 1].last_seen == 1000 + N - 1);
	free(all);
	/* An empty list is one, too. */
	assert_int_equal(take_all(book, "chc", head(8, 0), NULL), 1);
	assert_int_equal(count_of(book, "chc"), 0);
	assert_null(client_book_merge(book, NULL, 0, &n));
	free(c);
	client_book_free(book);
}

static void
test_parts_out_of_order_begin_again(void **state)
{
	enum { N = FEED_PART_ROWS_MAX * 3 };
	struct client_book *book = client_book_new(BOOK_MAX);
	struct client *c = clients(0, N);
	struct feed_part first = head(7, N), third = head(7, N);
	struct bytes a = encode(&first, c), b;
	struct err err;

	(void)state;
	third.first = FEED_PART_ROWS_MAX * 2;
	b = encode(&third, c);
	assert_int_equal(take_bytes(book, "chc", &b, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(take_bytes(book, "chc", &a, NULL), 0);
	assert_int_equal(take_bytes(book, "chc", &b, &err), -1);
	/* What was there of it is gone; it can come whole. */
	assert_int_equal(take_all(book, "chc", head(7, N), c), 1);
	assert_int_equal(count_of(book, "chc"), N);
	/* Another one on its way does not touch the one that is there. */
	assert_int_equal(take_bytes(book, "chc", &a, NULL), 0);
	assert_int_equal(count_of(book, "chc"), N);
	free(a.p);
	free(b.p);
	free(c);
	client_book_free(book);
}

static void
test_every_truncation_is_malformed(void **state)
{
	struct client *c = clients(5, 3);
	struct feed_part part = head(1, 3), got;
	struct bytes b = encode(&part, c);

	(void)state;
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *cut = malloc(len + (len == 0));
		struct client one;
		uint32_t n = 0;

		assert_non_null(cut);
		memcpy(cut, b.p, len);
		if (feed_part_decode(cut, len, &got, NULL) == 0) {
			/* Cut between rows: fewer rows, all of them whole. */
			assert_int_equal((b.len - len) % FEED_PART_ROW_BYTES,
			    0);
			for (; n < got.n; n++)
				assert_int_equal(feed_part_next(&got, &one), 0);
			assert_true(n < 3);
		}
		free(cut);
	}
	free(b.p);
	free(c);
}

/* "Last seen" of the one client by our clock. */
static int64_t
seen_by(uint32_t clock_s, int64_t now_s, int64_t last_seen)
{
	struct client *c = clients(5, 1), got;
	struct feed_part part = head(1, 1);
	struct bytes b;

	c->last_seen = last_seen;
	part.clock_s = clock_s;
	b = encode(&part, c);
	assert_int_equal(feed_part_decode(b.p, b.len, &part, NULL), 0);
	feed_part_set_clock(&part, now_s);
	assert_int_equal(feed_part_next(&part, &got), 0);
	free(b.p);
	free(c);
	return got.last_seen;
}

static void
test_a_wrong_clock_is_set_right(void **state)
{
	(void)state;
	assert_int_equal(seen_by(5000, 5000, 4000), 4000);
	/* The way here takes its time. */
	assert_int_equal(seen_by(5000, 5022, 4000), 4000);
	assert_int_equal(seen_by(5000, 5023, 4000), 4023);
	assert_int_equal(seen_by(5002, 5000, 4000), 4000);
	assert_int_equal(seen_by(5003, 5000, 4000), 3997);
	assert_int_equal(seen_by(8600, 5000, 7600), 4000);
	assert_int_equal(seen_by(8600, 5000, 3000), 0);
	assert_int_equal(seen_by(1, UINT32_MAX, 2), UINT32_MAX);
	/* Not known; not told. */
	assert_int_equal(seen_by(5000, 9000, 0), 0);
	assert_int_equal(seen_by(0, 9000, 4000), 4000);
}

static void
poke(const struct bytes *b, size_t at, uint8_t v)
{
	assert_true(at < b->len);
	b->p[at] = v;
}

static void
test_lies_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t v;
	} lies[] = {
		{ 3, 0 },     /* serial 0 */
		{ 4, 0xff },  /* more than anybody has */
		{ 7, 1 },     /* fewer than come */
		{ 8, 0x7f },  /* begins behind its end */
		{ 11, 1 },    /* begins with the second */
		{ 24, 0x7f }, /* half-life of aeons */
		/* the first row's weight: negative, NaN */
		{ 32 + 16, 0x80 | 0x40 },
		{ 32 + 16, 0x7f },
		/* its address: behind the second one, no host's */
		{ 32 + 15, 9 },
		{ 32 + 12, 0 },
	};
	struct client *c = clients(5, 3);

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(lies); i++) {
		struct client_book *book = client_book_new(BOOK_MAX);
		struct feed_part part = head(1, 3);
		struct bytes b = encode(&part, c);

		if (lies[i].v == 0x7f && lies[i].at == 32 + 16)
			poke(&b, 32 + 17, 0xff);
		poke(&b, lies[i].at, lies[i].v);
		assert_int_equal(take_bytes(book, "chc", &b, NULL), -1);
		free(b.p);
		/* And leave nothing behind. */
		assert_int_equal(take_all(book, "chc", head(1, 3), c), 1);
		client_book_free(book);
	}
	free(c);
}

/* The sum over all lists is bounded by what came; promises take nothing away
 * from others. */
static void
test_sum_of_all_is_bounded(void **state)
{
	struct client_book *book = client_book_new(BOOK_MAX);
	struct client *c = clients(0, FEED_PART_ROWS_MAX);
	struct err err = { 0 };
	size_t n = 0;
	int rc = 0;

	(void)state;
	/* Begun, promising the most, and never ended. */
	for (; rc == 0 && n < BOOK_MAX / FEED_PART_ROWS_MAX + 9; n++) {
		struct feed_part part = head(1, CONF_CLIENTS_MAX);
		struct bytes b = encode(&part, c);
		char site[16];

		(void)snprintf(site, sizeof(site), "s%zu", n);
		rc = take_bytes(book, site, &b, &err);
		free(b.p);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(n, BOOK_MAX / FEED_PART_ROWS_MAX + 1);
	free(c);
	client_book_free(book);
}

static void
test_merge_adds_up_and_picks_the_heaviest(void **state)
{
	struct client_book *book = client_book_new(BOOK_MAX);
	struct client *low = clients(1, 100), *high = clients(51, 100), *all;
	struct feed_part old = head(3, 100);
	size_t n;

	(void)state;
	assert_null(client_book_merge(book, NULL, 5, &n));
	assert_int_equal(n, 0);
	assert_int_equal(take_all(book, "akl", head(1, 100), low), 1);
	assert_int_equal(take_all(book, "chc", head(2, 100), high), 1);
	all = client_book_merge(book, NULL, 0, &n);
	assert_int_equal(n, 150);
	assert_true(fabs(all[0].weight - 1) < 0.01);
	assert_true(fabs(all[60].weight - 122) < 0.1);
	assert_true(fabs(all[149].weight - 150) < 0.1);
	for (size_t i = 1; i < n; i++) {
		assert_true(memcmp(all[i - 1].addr.b, all[i].addr.b, 16) < 0);
	}
	free(all);
	/* Both have 51..100, which weigh 102..200; 3 of them do 196 and more. */
	all = client_book_merge(book, NULL, 3, &n);
	assert_int_equal(n, 3);
	assert_true(fabs(all[0].weight - 196) < 0.1);
	assert_true(fabs(all[2].weight - 200) < 0.1);
	free(all);
	/* A day old, of one half-life: half as heavy. */
	old.age_ms = DAY_MS;
	assert_int_equal(take_all(book, "wlg", old, low), 1);
	all = client_book_merge(book, "wlg", 0, &n);
	assert_int_equal(n, 100);
	assert_true(fabs(all[99].weight - 50) < 0.1);
	free(all);
	free(low);
	free(high);
	client_book_free(book);
}

/* Ties do not make the list longer. */
static void
test_top_of_equals(void **state)
{
	struct client_book *book = client_book_new(BOOK_MAX);
	struct client *c = clients(0, 50), *all;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 50; i++)
		c[i].weight = i < 10 ? 2 : 1;
	assert_int_equal(take_all(book, "akl", head(1, 50), c), 1);
	for (size_t top = 1; top <= 50; top++) {
		all = client_book_merge(book, NULL, top, &n);
		assert_int_equal(n, top);
		free(all);
	}
	free(c);
	client_book_free(book);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_counts_when_it_is_whole),
		cmocka_unit_test(test_parts_out_of_order_begin_again),
		cmocka_unit_test(test_every_truncation_is_malformed),
		cmocka_unit_test(test_a_wrong_clock_is_set_right),
		cmocka_unit_test(test_lies_are_refused),
		cmocka_unit_test(test_sum_of_all_is_bounded),
		cmocka_unit_test(test_merge_adds_up_and_picks_the_heaviest),
		cmocka_unit_test(test_top_of_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
