/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

/* Standard error as a pipe, its other end here. */
struct capture {
	int saved, reader;
	char text[65536];
};

static void
capture_begin(struct capture *c)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	c->saved = dup(STDERR_FILENO);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(fds[1]);
	c->reader = fds[0];
}

static void
capture_end(struct capture *c)
{
	ssize_t n = read(c->reader, c->text, sizeof(c->text) - 1);

	c->text[n > 0 ? n : 0] = '\0';
	(void)dup2(c->saved, STDERR_FILENO);
	(void)close(c->saved);
	(void)close(c->reader);
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
test_lines_for_the_journal(void **state)
{
	struct capture c;

	(void)state;
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("me", true);
	capture_begin(&c);
	log_debug("d");
	log_info("i %d", 1);
	log_warnx("w");
	errno = ENOENT;
	log_warn("open");
	assert_int_equal(errno, ENOENT);
	capture_end(&c);
	assert_string_equal(c.text,
	    "<7>me: d\n<6>me: i 1\n<4>me: w\n"
	    "<4>me: open: No such file or directory\n");
	(void)unsetenv("JOURNAL_STREAM");
}

static void
test_debug_lines_only_when_wanted(void **state)
{
	struct capture c;

	(void)state;
	log_init("me", false);
	capture_begin(&c);
	log_debug("nothing");
	capture_end(&c);
	assert_string_equal(c.text, "");
}

/* A peer's text must not forge lines of its own. */
static void
test_one_line_stays_one_line(void **state)
{
	struct capture c;
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[3] = '\n';
	text[4] = '\x1b';
	log_init("me", false);
	capture_begin(&c);
	log_info("%s", text);
	log_info("short");
	capture_end(&c);
	assert_int_equal(count_lines(c.text), 2);
	assert_null(strchr(c.text, '\x1b'));
	assert_non_null(strstr(c.text, "\n2"));
	assert_non_null(strstr(c.text, " me: short\n"));
}

static void
test_limited_lines_are_counted(void **state)
{
	struct log_limit limit = { 0 };
	struct capture c;

	(void)state;
	log_init("me", false);
	capture_begin(&c);
	for (int i = 0; i < 100; i++)
		log_limited(&limit, "again");
	capture_end(&c);
	assert_int_equal(count_lines(c.text), LOG_LIMIT_PER_WINDOW);
	assert_int_equal(limit.suppressed, 100 - LOG_LIMIT_PER_WINDOW);
	limit.window_start = mono_add_ms(mono_now(), -LOG_LIMIT_WINDOW_MS);
	capture_begin(&c);
	log_limited(&limit, "again");
	capture_end(&c);
	assert_non_null(strstr(c.text, "95 lines like the next one"));
	assert_int_equal(count_lines(c.text), 2);
	assert_int_equal(limit.suppressed, 0);
}

/* A closed standard error must not stop the daemon. */
static void
test_nowhere_to_write(void **state)
{
	int saved = dup(STDERR_FILENO);

	(void)state;
	(void)close(STDERR_FILENO);
	log_warnx("nobody hears it");
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
}

static void
test_wall_time_as_text(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1767225599999, "2025-12-31T23:59:59.999Z" },
		{ -1, "unknown" },
		{ INT64_MAX, "292278994-08-17T07:12:55.807Z" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char buf[WALL_TEXT_BYTES];

		assert_string_equal(wall_format(cases[i].ms, buf),
		    cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_for_the_journal),
		cmocka_unit_test(test_debug_lines_only_when_wanted),
		cmocka_unit_test(test_one_line_stays_one_line),
		cmocka_unit_test(test_limited_lines_are_counted),
		cmocka_unit_test(test_nowhere_to_write),
		cmocka_unit_test(test_wall_time_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
