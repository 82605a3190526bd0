/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bird_golden.h"
#include "test.h"

/* What a listing says, as text: one word per session or route.  In the order
 * of the listing, or sorted, since each BIRD has one of its own. */
struct told {
	char text[512];
	size_t len;
};

static void
on_route(const struct bird_show_route *route, void *arg)
{
	char text[PREFIX_TEXT_BYTES];
	struct told *told = arg;

	told->len += (size_t)snprintf(told->text + told->len,
	    sizeof(told->text) - told->len, "%s@%s",
	    prefix_format(&route->prefix, text), route->protocol);
	if (route->attrs.graceful_shutdown || route->attrs.prepend > 0) {
		told->len += (size_t)snprintf(told->text + told->len,
		    sizeof(told->text) - told->len, "+%d+%u",
		    route->attrs.graceful_shutdown, route->attrs.prepend);
	}
	told->len += (size_t)snprintf(told->text + told->len,
	    sizeof(told->text) - told->len, " ");
	assert_true(told->len < sizeof(told->text));
}

static void
tell_sessions(const struct bird_reply *reply, struct told *told)
{
	struct bird_protocol sessions[16];
	size_t n = bird_show_protocols(reply, sessions, TEST_COUNT(sessions));

	assert_true(n <= TEST_COUNT(sessions));
	for (size_t i = 0; i < n; i++) {
		if (!sessions[i].is_bgp)
			continue;
		told->len += (size_t)snprintf(told->text + told->len,
		    sizeof(told->text) - told->len, "%s:%d%s ",
		    sessions[i].name, sessions[i].is_established,
		    sessions[i].is_down           ? "-"
			: sessions[i].is_stopping ? "~"
						  : "");
	}
}

static int
word_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
told_sort(struct told *told)
{
	char *words[16], *copy = strdup(told->text), *rest = copy, *word;
	size_t n = 0;

	assert_non_null(copy);
	while ((word = strsep(&rest, " ")) != NULL && rest != NULL) {
		assert_true(n < TEST_COUNT(words));
		words[n++] = word;
	}
	qsort(words, n, sizeof(words[0]), word_compare);
	told->len = 0;
	for (size_t i = 0; i < n; i++) {
		told->len += (size_t)snprintf(told->text + told->len,
		    sizeof(told->text) - told->len, "%s ", words[i]);
	}
	free(copy);
}

#define BOTH4 "192.0.2.0/24@anycastd4 198.51.100.0/24@anycastd4 "
#define ONE6 "2001:db8:100::/48@anycastd6 "

static const struct {
	const char *name, *sessions, *routes;
} goldens[] = {
	{ "protocols", "lost1:0 shut1:0- up-link.1:1 ", "" },
	{ "protocols-disabled", "lost1:0 shut1:0- up-link.1:0- ", "" },
	{ "routes4", "", BOTH4 },
	{ "routes4-undone", "", BOTH4 },
	{ "routes6", "", ONE6 },
	{ "attrs4", "",
	    "192.0.2.0/24@anycastd4+1+0 198.51.100.0/24@anycastd4+1+2 " },
	{ "attrs6", "", "" },
	{ "attrs4-none", "", "" },
	{ "attrs6-none", "", "" },
	{ "attrs-unknown", "", "" },
	{ "export", "", BOTH4 ONE6 },
	{ "exported", "", BOTH4 ONE6 },
	{ "exported-drained", "", BOTH4 ONE6 },
	{ "exported4-one", "", "192.0.2.0/24@anycastd4 " },
	{ "exported6-one", "", ONE6 },
	{ "exported4-not-ours", "", "" },
	{ "exported4-nowhere", "", "" },
	{ "exported-down", "", "" },
	{ "exported-disabled", "", "" },
	{ "exported-by-hand", "", "" },
	{ "exported-unknown", "", "" },
	{ "export-some", "", ONE6 },
	{ "routes-none", "", "" },
	{ "routes-unknown", "", "" },
	{ "routes-no-channel", "", "" },
	{ "export-down", "", "" },
	{ "not-found", "", "" },
	{ "status", "", "" },
	{ "check-bad-prefix", "", "" },
	{ "greeting", "", "" },
};

static void
check_listing(size_t i, const char *version)
{
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply *reply =
	    reply_of_golden(r, version, goldens[i].name);
	struct told sessions = { 0 }, routes = { 0 };

	tell_sessions(reply, &sessions);
	bird_show_routes(reply, on_route, &routes);
	told_sort(&sessions);
	told_sort(&routes);
	if (strcmp(sessions.text, goldens[i].sessions) != 0 ||
	    strcmp(routes.text, goldens[i].routes) != 0) {
		fail_msg("%s/%s: \"%s\", \"%s\"", version, goldens[i].name,
		    sessions.text, routes.text);
	}
	bird_reader_free(r);
}

/* Any listing through both readers: each finds its own lines only, and every
 * version says the same. */
static void
test_real_listings(void **state)
{
	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++) {
		for (size_t i = 0; i < TEST_COUNT(goldens); i++)
			check_listing(i, golden_versions[v]);
	}
}

/* One line of `show protocols` -> "name:up " or nothing. */
static const struct {
	const char *line, *want;
} protocol_lines[] = {
	{ "b BGP --- up 12:00:00.000 Established", "b:1 " },
	{ "b          BGP        ---        up     2026-03-01    Established   ",
	    "b:1 " },
	{ "b BGP --- up 2026-03-01 12:00:00 Established", "b:1 " },
	{ "b BGP master4 up 12:00 Established extra", "b:1 " },
	{ "b BGP --- up 12:00 ", "b:0 " },
	{ "b BGP --- start 12:00 OpenConfirm", "b:0 " },
	{ "b BGP --- start 12:00 Established", "b:0 " },
	{ "b BGP --- stop 12:00 Established", "b:0~ " },
	{ "b BGP --- flush 12:00 Idle", "b:0~ " },
	{ "b BGP --- down 12:00", "b:0- " },
	{ "b BGP --- up 12:00 NotEstablished", "b:0 " },
	{ "b BGP --- up 12:00 Established!", "b:0 " },
	{ "\tb\tBGP\t---\tup\t12:00\tEstablished", "b:1 " },
	{ "bgp1 Static master4 up 12:00 Established", "" },
	{ "b BGPX --- up 12:00 Established", "" },
	{ "b bgp --- up 12:00 Established", "" },
	{ "b BGP --- ", "" },
	{ "b BGP", "" },
	{ "b", "" },
	{ "   ", "" },
	{ "", "" },
};

static struct bird_reply
one_line(unsigned code, const char *text, struct bird_line *line)
{
	*line = (struct bird_line){ .code = code, .text = text };
	return (struct bird_reply){ .lines = line, .n = 1, .code = code };
}

static void
test_protocol_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(protocol_lines); i++) {
		struct bird_line line;
		struct bird_reply reply =
		    one_line(1002, protocol_lines[i].line, &line);
		struct told told = { 0 };

		tell_sessions(&reply, &told);
		if (strcmp(told.text, protocol_lines[i].want) != 0)
			fail_msg("%s: %s", protocol_lines[i].line, told.text);
		/* Judged by its code: a heading is no protocol. */
		reply = one_line(2002, protocol_lines[i].line, &line);
		assert_int_equal(bird_show_protocols(&reply, NULL, 0), 0);
	}
}

/* The longest name that BIRD knows of comes whole; a longer one is cut. */
static void
test_longest_names(void **state)
{
	(void)state;
	for (size_t len = 1; len < BIRD_NAME_MAX + 3; len++) {
		char text[BIRD_NAME_MAX + 64], name[BIRD_NAME_MAX + 4];
		struct bird_protocol session;
		struct bird_line line;
		struct bird_reply reply;

		memset(name, 'n', len);
		name[len] = '\0';
		(void)snprintf(text, sizeof(text),
		    "%s BGP --- up 12:00 Established", name);
		reply = one_line(1002, text, &line);
		assert_int_equal(bird_show_protocols(&reply, &session, 1), 1);
		assert_true(session.is_established);
		assert_int_equal(strlen(session.name),
		    len < BIRD_NAME_MAX ? len : BIRD_NAME_MAX - 1);
	}
}

/* All are counted, only max are written. */
static void
test_more_sessions_than_room(void **state)
{
	struct bird_protocol sessions[3] = { 0 };
	struct bird_line lines[5];
	const struct bird_reply reply = { .lines = lines, .n = 5 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		lines[i] = (struct bird_line){ .code = 1002,
			.text = "b BGP --- up 12:00 Established" };
	}
	for (size_t max = 0; max < 3; max++) {
		memset(sessions, 0, sizeof(sessions));
		assert_int_equal(bird_show_protocols(&reply, sessions, max), 5);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(sessions[i].is_established, i < max);
	}
}

static const struct {
	const char *line, *want;
} route_lines[] = {
	{ "192.0.2.0/24 blackhole [anycastd4 12:00] * (200)",
	    "192.0.2.0/24@anycastd4 " },
	{ "192.0.2.0/24 [anycastd4", "192.0.2.0/24@anycastd4 " },
	{ "0.0.0.0/0 unicast [b 12:00] * (100) [AS65001i]", "0.0.0.0/0@b " },
	{ "::/0 unicast [b 12:00 from fe80::1] * (100)", "::/0@b " },
	{ "2001:db8::1/128 unreachable [s 12:00] * (200)",
	    "2001:db8::1/128@s " },
	/* The second route of a net has no net. */
	{ "                     unicast [b 12:00] (100) [AS65001i]", "" },
	{ "\tvia 10.0.0.2 on eth0", "" },
	{ "Table master4:", "" },
	{ "192.0.2.0/24 blackhole", "" },
	{ "192.0.2.0/24 [", "" },
	{ "192.0.2.0/24 [ ", "" },
	{ "192.0.2.1/24 blackhole [s 12:00]", "" },
	{ "192.0.2.0/33 blackhole [s 12:00]", "" },
	{ "192.0.2.0 blackhole [s 12:00]", "" },
	{ "[anycastd4 12:00]", "" },
	{ "", "" },
	{ "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/48 x [s 1]",
	    "" },
};

static void
test_route_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(route_lines); i++) {
		struct bird_line line;
		struct bird_reply reply =
		    one_line(1007, route_lines[i].line, &line);
		struct told told = { 0 };

		bird_show_routes(&reply, on_route, &told);
		if (strcmp(told.text, route_lines[i].want) != 0)
			fail_msg("%s: %s", route_lines[i].line, told.text);
		reply = one_line(1008, route_lines[i].line, &line);
		bird_show_routes(&reply, on_route, &told);
		assert_string_equal(told.text, route_lines[i].want);
	}
}

/* A line cut anywhere, in a block of its own size. */
static void
test_lines_cut_anywhere(void **state)
{
	static const char *const lines[] = {
		"b BGP --- up 12:00:00.000 Established",
		"2001:db8:100::/48 blackhole [anycastd6 12:00] * (200)",
	};

	(void)state;
	for (size_t i = 0; i < 2 * TEST_COUNT(lines); i++) {
		const char *whole = lines[i / 2];

		for (size_t n = 0; n <= strlen(whole); n++) {
			char *cut = strndup(whole, n);
			struct bird_line line;
			struct bird_reply reply =
			    one_line(i % 2 == 0 ? 1002 : 1007, cut, &line);
			struct told told = { 0 };

			tell_sessions(&reply, &told);
			bird_show_routes(&reply, on_route, &told);
			free(cut);
		}
	}
}

static void
test_reconfiguring(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} statuses[] = {
		{ "status", false },
		{ "status-in-progress", true },
		/* No status at all proves nothing: not done. */
		{ "not-found", true },
		{ "routes-none", true },
	};
	struct bird_reader *r = bird_reader_new();
	const struct bird_reply none = { 0 };

	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++) {
		for (size_t i = 0; i < TEST_COUNT(statuses); i++) {
			assert_int_equal(
			    bird_show_is_reconfiguring(reply_of_golden(r,
				golden_versions[v], statuses[i].name)),
			    statuses[i].want);
		}
	}
	assert_true(bird_show_is_reconfiguring(&none));
	bird_reader_free(r);
}

static struct bird_times
times_of(const char *version, const char *name)
{
	struct bird_reader *r = bird_reader_new();
	struct bird_times times;

	bird_show_times(reply_of_golden(r, version, name), &times);
	bird_reader_free(r);
	return times;
}

/* Each change has a time of its own, and so has what an undo goes back to. */
static void
test_times_of_real_birds(void **state)
{
	(void)state;
	for (size_t v = 0; v < TEST_COUNT(golden_versions); v++) {
		const char *version = golden_versions[v];
		struct bird_times start = times_of(version, "status");
		struct bird_times change = times_of(version, "status-pending");
		struct bird_times undo = times_of(version, "status-undone");
		struct bird_times none = times_of(version, "not-found");

		assert_int_equal(strlen(start.started),
		    strlen("2026-11-26 15:59:00.090"));
		assert_string_equal(start.started, change.started);
		assert_true(bird_times_agree(&start, &start, false));
		assert_false(bird_times_agree(&start, &change, true));
		/* One capture has them 1 ms apart: too near for agree. */
		assert_string_not_equal(undo.configured, change.configured);
		assert_string_equal(none.started, "");
		assert_string_equal(none.configured, "");
	}
}

static void
test_times_that_agree(void **state)
{
	static const struct {
		struct bird_times a, b;
		bool same_run, other_run;
	} rows[] = {
		/* Rounded otherwise; both moved; a step of the clock. */
		{ { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.104" },
		    { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.105" },
		    true, true },
		{ { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.104" },
		    { "2026-11-26 16:01:31.801", "2026-11-26 16:01:35.134" },
		    true, true },
		{ { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.104" },
		    { "2026-11-26 17:01:31.770", "2026-11-26 17:01:35.104" },
		    true, false },
		/* Across the end of a day, and of a year. */
		{ { "2026-12-31 23:59:59.999", "2027-01-01 00:00:00.001" },
		    { "2027-01-01 00:00:00.000", "2027-01-01 00:00:00.003" },
		    true, true },
		/* Reconfigured. */
		{ { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.104" },
		    { "2026-11-26 16:01:31.770", "2026-11-26 16:01:35.106" },
		    false, false },
		/* Without fractions, and in microseconds. */
		{ { "2026-11-26 16:01:31", "2026-11-26 16:01:35" },
		    { "2026-11-26 16:01:31", "2026-11-26 16:01:36" }, true,
		    true },
		{ { "2026-11-26 16:01:31", "2026-11-26 16:01:35" },
		    { "2026-11-26 16:01:31", "2026-11-26 16:01:37" }, false,
		    false },
		{ { "2026-11-26 16:01:31.770001",
		      "2026-11-26 16:01:35.104002" },
		    { "2026-11-26 16:01:31.770002",
			"2026-11-26 16:01:35.104005" },
		    false, false },
		/* Another format: as text. */
		{ { "16:01", "16:05" }, { "16:02", "16:05" }, true, true },
		{ { "16:01", "16:05" }, { "16:01", "16:06" }, false, false },
		{ { "", "" }, { "", "16:06" }, false, false },
		{ { "2026-11-26 16:01:31.7700001", "x" },
		    { "2026-11-26 16:01:31.77", "x" }, true, true },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		assert_int_equal(bird_times_agree(&rows[i].a, &rows[i].b, true),
		    rows[i].same_run);
		assert_int_equal(bird_times_agree(&rows[i].b, &rows[i].a,
				     false),
		    rows[i].other_run);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_listings),
		cmocka_unit_test(test_protocol_lines),
		cmocka_unit_test(test_longest_names),
		cmocka_unit_test(test_more_sessions_than_room),
		cmocka_unit_test(test_route_lines),
		cmocka_unit_test(test_lines_cut_anywhere),
		cmocka_unit_test(test_reconfiguring),
		cmocka_unit_test(test_times_of_real_birds),
		cmocka_unit_test(test_times_that_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
