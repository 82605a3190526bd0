/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/client_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "test.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

static struct client_list *
fed(const char *text, size_t len, bool allow_special)
{
	struct client_list *cl = client_list_new(allow_special);
	char *exact;

	if (len == 0)
		return cl;
	/* In a block of its exact size: the sanitizer sees one byte more. */
	exact = malloc(len);
	assert_non_null(exact);
	memcpy(exact, text, len);
	client_list_feed(cl, exact, len);
	free(exact);
	return cl;
}

static void
assert_client(const struct client_list *cl, size_t i, const char *addr,
    double weight, int64_t last_seen)
{
	char buf[ADDR_TEXT_BYTES];
	size_t n;
	const struct client *c = client_list_get(cl, &n);

	assert_true(i < n);
	assert_string_equal(addr_format(&c[i].addr, buf), addr);
	assert_true(c[i].weight == weight);
	assert_true(c[i].last_seen == last_seen);
}

static const char sample[] = "# address,weight,epoch\n"
			     "\n"
			     "8.8.8.8,2.5,1700000000\r\n"
			     " \t2a00:1450::1 , 3 \t, 7\n"
			     "1.1.1.1\n"
			     "   \t \r\n"
			     "8.8.8.8,0.25,1600000000\n"
			     "10.0.0.1,5\n"
			     "224.0.0.1\n"
			     "9.9.9.9,0";

static void
assert_sample(struct client_list *cl)
{
	const struct client_list_counts *counts = client_list_counts(cl);
	struct err err = { .code = ERR_NONE };
	size_t n;

	assert_int_equal(client_list_end(cl, &err), 0);
	(void)client_list_get(cl, &n);
	assert_int_equal(n, 4);
	assert_client(cl, 0, "1.1.1.1", 1, 0);
	assert_client(cl, 1, "8.8.8.8", 2.75, 1700000000);
	assert_client(cl, 2, "9.9.9.9", 0, 0);
	assert_client(cl, 3, "2a00:1450::1", 3, 7);
	assert_int_equal(counts->lines, 10);
	assert_int_equal(counts->malformed, 0);
	assert_int_equal(counts->dropped_special, 2);
	assert_int_equal(counts->duplicates, 1);
}

static void
test_sorted_merged_and_counted(void **state)
{
	struct client_list *cl = fed(sample, strlen(sample), false);

	(void)state;
	assert_sample(cl);
	client_list_free(cl);
}

/* The network cuts where it likes. */
static void
test_any_cut_gives_the_same(void **state)
{
	size_t len = strlen(sample);

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct client_list *cl = fed(sample, cut, false);

		client_list_feed(cl, sample + cut, len - cut);
		assert_sample(cl);
		client_list_free(cl);
	}
}

static void
test_byte_by_byte_gives_the_same(void **state)
{
	struct client_list *cl = client_list_new(false);

	(void)state;
	for (size_t i = 0; i < strlen(sample); i++)
		client_list_feed(cl, sample + i, 1);
	assert_sample(cl);
	client_list_free(cl);
}

/* A list that was cut off must never read out of bounds, whatever is left. */
static void
test_any_short_length_is_safe(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(sample); len++) {
		struct client_list *cl = fed(sample, len, false);

		(void)client_list_end(cl, NULL);
		client_list_free(cl);
	}
}

static void
test_lab_keeps_private_but_not_multicast(void **state)
{
	static const char text[] = "10.0.0.1\n192.0.2.1\n2001:db8::1\nfd00::1\n"
				   "224.0.0.1\n127.0.0.1\n::1\n::\nff02::1\n"
				   "0.0.0.0\n255.255.255.255\n";
	struct client_list *cl = fed(text, strlen(text), true);
	size_t n;

	(void)state;
	assert_int_equal(client_list_end(cl, NULL), 0);
	(void)client_list_get(cl, &n);
	assert_int_equal(n, 4);
	assert_int_equal(client_list_counts(cl)->dropped_special, 7);
	client_list_free(cl);
}

static void
test_malformed_lines(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} samples[] = {
		{ "localhost\n", "line 1: localhost: expected an IPv4" },
		{ "\n\n1.2.3\n", "line 3: 1.2.3: expected an IPv4" },
		{ ",1\n", "line 1: \"\": expected an IPv4" },
		{ "1.1.1.1,\n", "line 1: weight: expected a decimal" },
		{ "1.1.1.1,,5\n", "line 1: weight" },
		{ "1.1.1.1,-1\n", "line 1: weight" },
		{ "1.1.1.1,+1\n", "line 1: weight" },
		{ "1.1.1.1,nan\n", "line 1: weight" },
		{ "1.1.1.1,inf\n", "line 1: weight" },
		{ "1.1.1.1,0x10\n", "line 1: weight" },
		{ "1.1.1.1,1e3\n", "line 1: weight" },
		{ "1.1.1.1,.5\n", "line 1: weight" },
		{ "1.1.1.1,5.\n", "line 1: weight" },
		{ "1.1.1.1,1.2.3\n", "line 1: weight" },
		{ "1.1.1.1,1 2\n", "line 1: weight" },
		{ "1.1.1.1,1000000000000001\n", "line 1: weight" },
		{ "1.1.1.1,1,\n", "line 1: epoch: expected seconds" },
		{ "1.1.1.1,1,-1\n", "line 1: epoch" },
		{ "1.1.1.1,1,1.5\n", "line 1: epoch" },
		{ "1.1.1.1,1,9223372036854775808\n", "line 1: epoch" },
		{ "1.1.1.1,1,1,1\n", "line 1: too many fields" },
		{ "1.1.1.1,1,1,\n", "line 1: too many fields" },
		{ "1.1.1.0/24\n", "line 1: 1.1.1.0/24: expected an IPv4" },
		{ "1.1.1.1\r\r\n", "line 1: 1.1.1.1?: expected an IPv4" },
		{ "\xff\xfe\n", "line 1: ??: expected an IPv4" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(samples); i++) {
		struct client_list *cl =
		    fed(samples[i].text, strlen(samples[i].text), false);
		struct err err = { .code = ERR_NONE };

		assert_int_equal(client_list_end(cl, &err), -1);
		assert_int_equal(err.code, ERR_CONF);
		assert_memory_equal(err.msg, samples[i].want,
		    strlen(samples[i].want));
		assert_int_equal(client_list_counts(cl)->malformed, 1);
		client_list_free(cl);
	}
}

static void
test_largest_values_are_taken(void **state)
{
	static const char text[] =
	    "1.1.1.1,1000000000000000,9223372036854775807\n"
	    "2.2.2.2,0.000,0\n";
	struct client_list *cl = fed(text, strlen(text), false);

	(void)state;
	assert_int_equal(client_list_end(cl, NULL), 0);
	assert_client(cl, 0, "1.1.1.1", 1e15, INT64_MAX);
	assert_client(cl, 1, "2.2.2.2", 0, 0);
	client_list_free(cl);
}

static void
test_nul_byte_is_malformed(void **state)
{
	static const char text[] = "1.1.1.1\0,5\n2.2.2.2\n";
	struct client_list *cl = fed(text, sizeof(text) - 1, false);
	struct err err = { .code = ERR_NONE };

	(void)state;
	assert_int_equal(client_list_end(cl, &err), -1);
	assert_string_equal(err.msg, "line 1: NUL byte");
	client_list_free(cl);
}

static void
test_first_errors_are_kept(void **state)
{
	struct client_list *cl = client_list_new(false);
	struct err err = { .code = ERR_NONE };

	(void)state;
	for (int i = 0; i < 25; i++)
		client_list_feed(cl, "x\n", 2);
	assert_int_equal(client_list_end(cl, &err), -1);
	assert_int_equal(client_list_counts(cl)->malformed, 25);
	assert_non_null(strstr(err.msg, "line 1: x: "));
	assert_non_null(strstr(err.msg, "; line 10: x: "));
	assert_null(strstr(err.msg, "line 11"));
	client_list_free(cl);
}

static void
test_nothing_left_is_an_error(void **state)
{
	static const char *const texts[] = { "", "\n", "# only\n", "10.0.0.1\n",
		"127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		struct client_list *cl = fed(texts[i], strlen(texts[i]), false);
		struct err err = { .code = ERR_NONE };
		size_t n = 1;

		assert_int_equal(client_list_end(cl, &err), -1);
		assert_memory_equal(err.msg, "no client", 9);
		(void)client_list_get(cl, &n);
		assert_int_equal(n, 0);
		client_list_free(cl);
	}
}

/* At the limit a line is read, one byte more and it is not. */
static void
test_line_limit(void **state)
{
	static const char addr[] = { '1', '.', '1', '.', '1', '.', '1' };
	char line[CLIENT_LINE_MAX + 1];

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, addr, sizeof(addr));
	for (size_t n = CLIENT_LINE_MAX - 1; n <= CLIENT_LINE_MAX + 1; n++) {
		struct client_list *cl = fed(line, n, false);
		struct err err = { .code = ERR_NONE };
		bool fits = n <= CLIENT_LINE_MAX;

		client_list_feed(cl, "\n2.2.2.2\n", 9);
		assert_int_equal(client_list_end(cl, &err), fits ? 0 : -1);
		if (!fits) {
			assert_string_equal(err.msg,
			    "line 1: longer than 256 bytes");
		}
		client_list_free(cl);
	}
}

static int64_t
cpu_ms(void)
{
	return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

/* A sanitizer keeps freed memory for a while: nothing to be seen there. */
static long
peak_kb(void)
{
#if defined(IS_SANITIZED)
	return 0;
#else
	struct rusage ru;

	assert_int_equal(getrusage(RUSAGE_SELF, &ru), 0);
	return ru.ru_maxrss;
#endif
}

/* Somebody uploads a file without line ends. */
static void
test_endless_line_takes_no_memory(void **state)
{
	static char piece[65536];
	struct client_list *cl = client_list_new(false);
	struct err err = { .code = ERR_NONE };
	int64_t start_ms = cpu_ms();
	long before_kb;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	client_list_feed(cl, piece, sizeof(piece));
	before_kb = peak_kb();
	for (int i = 0; i < 1024; i++)
		client_list_feed(cl, piece, sizeof(piece));
	assert_true(peak_kb() - before_kb < 1024);
	assert_int_equal(client_list_end(cl, &err), -1);
	assert_string_equal(err.msg, "line 1: longer than 256 bytes");
	assert_int_equal(client_list_counts(cl)->lines, 1);
	assert_true(cpu_ms() - start_ms < 5000);
	client_list_free(cl);
}

static void
feed_numbered(struct client_list *cl, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		/* An odd factor: each address once, in no order. */
		uint32_t ip = (i * 2654435761u) & 0xffffffu;
		char line[64];
		int len = snprintf(line, sizeof(line), "20.%u.%u.%u,1.5,%u\n",
		    ip >> 16, ip >> 8 & 255u, ip & 255u, i);

		client_list_feed(cl, line, (size_t)len);
	}
}

static void
test_million_lines(void **state)
{
	struct client_list *cl = client_list_new(false);
	int64_t start_ms = cpu_ms();
	const struct client *c;
	size_t n;

	(void)state;
	feed_numbered(cl, 0, 1000000);
	assert_int_equal(client_list_end(cl, NULL), 0);
	/* Under a sanitizer as well; a release build takes half a second. */
	assert_true(cpu_ms() - start_ms < 10000);
	c = client_list_get(cl, &n);
	assert_int_equal(n, 1000000);
	for (size_t i = 1; i < n; i++)
		assert_true(memcmp(c[i - 1].addr.b, c[i].addr.b, 16) < 0);
	client_list_free(cl);
}

/* A log that names the same clients again and again. */
static void
test_repeated_clients_take_no_memory(void **state)
{
	struct client_list *cl = client_list_new(false);
	long before_kb;
	size_t n;

	(void)state;
	feed_numbered(cl, 0, 1000);
	before_kb = peak_kb();
	for (int i = 0; i < 300; i++)
		feed_numbered(cl, 0, 1000);
	assert_true(peak_kb() - before_kb < 1024);
	assert_int_equal(client_list_end(cl, NULL), 0);
	(void)client_list_get(cl, &n);
	assert_int_equal(n, 1000);
	assert_int_equal(client_list_counts(cl)->duplicates, 300000);
	assert_true(client_list_get(cl, &n)[0].weight == 301 * 1.5);
	client_list_free(cl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted_merged_and_counted),
		cmocka_unit_test(test_any_cut_gives_the_same),
		cmocka_unit_test(test_byte_by_byte_gives_the_same),
		cmocka_unit_test(test_any_short_length_is_safe),
		cmocka_unit_test(test_lab_keeps_private_but_not_multicast),
		cmocka_unit_test(test_malformed_lines),
		cmocka_unit_test(test_largest_values_are_taken),
		cmocka_unit_test(test_nul_byte_is_malformed),
		cmocka_unit_test(test_first_errors_are_kept),
		cmocka_unit_test(test_nothing_left_is_an_error),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_endless_line_takes_no_memory),
		cmocka_unit_test(test_repeated_clients_take_no_memory),
		cmocka_unit_test(test_million_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
