/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/include.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define MANY 300u

struct place {
	char dir[64];
	char file[96];
	char fresh[128]; /* what is written before the rename */
};

static int
place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/test_include.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->file, sizeof(p->file), "%s/bird.conf", p->dir);
	(void)snprintf(p->fresh, sizeof(p->fresh), "%s.new", p->file);
	*state = p;
	return 0;
}

static int
place_remove(void **state)
{
	struct place *p = *state;

	(void)unlink(p->file);
	(void)unlink(p->fresh);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

static struct bird_route
route_of(const char *text)
{
	struct bird_route r = { 0 };

	assert_int_equal(prefix_parse(text, &r.prefix, NULL), 0);
	return r;
}

/* The text for prefixes given as one text each, until NULL. */
static char *
format_of(const char *const *texts)
{
	struct bird_route p[8];
	size_t n = 0;

	while (texts[n] != NULL) {
		p[n] = route_of(texts[n]);
		n++;
	}
	return bird_include_format(p, n);
}

/* What BIRD is given, to the byte: it must accept it, and so must we. */
static void
test_text_of_both_families(void **state)
{
	static const char *const announced[] = { "2001:db8::/48",
		"198.51.100.0/24", "192.0.2.0/24", NULL };
	static const char *const none[] = { NULL };
	char *text = format_of(announced);

	(void)state;
	assert_string_equal(text,
	    "# written by anycastd: do not edit, changes are overwritten\n"
	    "protocol static anycastd4 {\n\tipv4;\n"
	    "\troute 192.0.2.0/24 blackhole;\n"
	    "\troute 198.51.100.0/24 blackhole;\n}\n"
	    "protocol static anycastd6 {\n\tipv6;\n"
	    "\troute 2001:db8::/48 blackhole;\n}\n");
	free(text);
	text = format_of(none);
	assert_string_equal(text,
	    "# written by anycastd: do not edit, changes are overwritten\n"
	    "protocol static anycastd4 {\n\tipv4;\n}\n"
	    "protocol static anycastd6 {\n\tipv6;\n}\n");
	free(text);
}

/* What a drain asks of the neighbours stands at the route. */
static void
test_text_of_attributes(void **state)
{
	static const struct {
		struct route_attrs attrs;
		const char *line;
	} rows[] = {
		{ { false, 0 }, "route 192.0.2.0/24 blackhole;" },
		{ { true, 0 },
		    "route 192.0.2.0/24 blackhole { anycastd_graceful_shutdown = 1; };" },
		{ { false, 3 },
		    "route 192.0.2.0/24 blackhole { anycastd_prepend = 3; };" },
		{ { true, 8 },
		    "route 192.0.2.0/24 blackhole { anycastd_graceful_shutdown = 1; anycastd_prepend = 8; };" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct bird_route r = route_of("192.0.2.0/24"), back;
		char line[BIRD_ROUTE_LINE_BYTES];

		r.attrs = rows[i].attrs;
		assert_string_equal(bird_include_line(&r, line), rows[i].line);
		assert_int_equal(bird_include_parse(line, &back, 1), 1);
		assert_true(route_attrs_equal(back.attrs, rows[i].attrs));
	}
}

static struct bird_route
random_route(void)
{
	struct bird_route p = { 0 };
	char text[64];

	if (random() % 2 == 0) {
		(void)snprintf(text, sizeof(text), "10.%ld.%ld.0/24",
		    random() % 256, random() % 256);
	} else {
		(void)snprintf(text, sizeof(text), "2001:db8:%lx:%lx::/64",
		    1 + random() % 0xfffe, 1 + random() % 0xfffe);
	}
	assert_int_equal(prefix_parse(text, &p.prefix, NULL), 0);
	/* By the prefix: should it come twice, then with the same ones. */
	p.attrs.graceful_shutdown = p.prefix.addr.b[14] % 2 == 0;
	p.attrs.prepend =
	    (uint8_t)(p.prefix.addr.b[7] % (ROUTE_PREPEND_MAX + 1));
	return p;
}

/* The same set in any order is the same text, and reads back as the set. */
static void
test_text_is_unique_and_reads_back(void **state)
{
	static struct bird_route p[MANY], back[MANY];

	(void)state;
	srandom(1);
	for (size_t n = 0; n < MANY; n += 6) {
		char *one, *other;

		for (size_t i = 0; i < n; i++)
			p[i] = random_route();
		one = bird_include_format(p, n);
		for (size_t i = n; i > 1; i--) {
			size_t k = (size_t)random() % i;
			struct bird_route t = p[i - 1];

			p[i - 1] = p[k];
			p[k] = t;
		}
		other = bird_include_format(p, n);
		assert_string_equal(one, other);
		assert_int_equal(bird_include_parse(one, back, MANY), n);
		free(other);
		other = bird_include_format(back, n);
		assert_string_equal(one, other);
		free(one);
		free(other);
	}
}

/* Longest and shortest prefix, each family. */
static void
test_any_length_reads_back(void **state)
{
	static const char *const texts[] = { "0.0.0.0/0", "255.255.255.255/32",
		"::/0", "2001:db8:1111:2222:3333:4444:5555:6666/128", NULL };
	struct bird_route back[4];
	char *text = format_of(texts), line[BIRD_ROUTE_LINE_BYTES];

	(void)state;
	assert_int_equal(bird_include_parse(text, back, 4), 4);
	for (size_t i = 0; texts[i] != NULL; i++) {
		struct bird_route p = route_of(texts[i]);

		assert_non_null(strstr(text, bird_include_line(&p, line)));
	}
	free(text);
}

#define ATTRS(text) "\troute 192.0.2.0/24 blackhole { " text "};\n"

/* A file by somebody else's hand -> how many prefixes are ours in it. */
static const struct {
	const char *text;
	size_t n;
} hands[] = {
	{ "", 0 },
	{ "\n\n\n", 0 },
	{ "route 192.0.2.0/24 blackhole;", 1 },
	{ "\troute 192.0.2.0/24 blackhole;\n", 1 },
	{ "\troute 192.0.2.0/24 blackhole;\n\troute 192.0.2.0/24 blackhole;",
	    2 },
	/* What is not announced by us must not be taken for it. */
	{ "\t#route 192.0.2.0/24 blackhole;\n", 0 },
	{ "# \troute 192.0.2.0/24 blackhole;\n", 0 },
	{ "\troute 192.0.2.0/24 prohibited;\n", 0 },
	{ "\troute 192.0.2.0/24 blackholX;\n", 0 },
	{ "\troute 192.0.2.0/24 via 10.0.0.1;\n", 0 },
	{ "\troute 192.0.2.0/24 blackhole; # x\n", 0 },
	{ "\troute 192.0.2.1/24 blackhole;\n", 0 },
	{ "\troute 192.0.2.0/33 blackhole;\n", 0 },
	{ "\troute  blackhole;\n", 0 },
	{ "\troute x blackhole;\n", 0 },
	{ "\troute 192.0.2.0/24 blackhole;\r\n", 0 },
	{ "\troute 192.0.2.0/24\n blackhole;\n", 0 },
	{ ATTRS("anycastd_prepend = 8; "), 1 },
	{ ATTRS("anycastd_graceful_shutdown = 1; anycastd_prepend = 1; "), 1 },
	{ ATTRS("anycastd_prepend = 1; anycastd_graceful_shutdown = 1; "), 0 },
	{ ATTRS("anycastd_prepend = 0; "), 0 },
	{ ATTRS("anycastd_prepend = 9; "), 0 },
	{ ATTRS("anycastd_prepend = 12; "), 0 },
	{ ATTRS("anycastd_graceful_shutdown = 2; "), 0 },
	{ ATTRS("bgp_med = 5; "), 0 },
	{ "\troute 192.0.2.0/24 blackhole { anycastd_prepend = ", 0 },
	{ "\troute "
	  "1111111111111111111111111111111111111111111111111111111111111111/24 blackhole;\n",
	    0 },
};

static void
test_foreign_lines_are_passed_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(hands); i++) {
		struct bird_route p[4];

		if (bird_include_parse(hands[i].text, p, 4) != hands[i].n)
			fail_msg("%s", hands[i].text);
	}
}

/* Cut at every byte, in a block of its own size; never more than max. */
static void
test_cut_text_and_little_room(void **state)
{
	static const char *const texts[] = { "192.0.2.0/24", "198.51.100.0/24",
		"2001:db8::/48", NULL };
	char *text = format_of(texts);

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		char *cut = strndup(text, n);

		for (size_t max = 0; max < 3; max++) {
			struct bird_route *p = malloc(max * sizeof(*p) + 1);

			assert_true(bird_include_parse(cut, p, max) <= 3);
			free(p);
		}
		free(cut);
	}
	free(text);
}

static void
assert_file_is(const struct place *p, const char *want)
{
	struct err err = { 0 };
	char *text = bird_include_read(p->file, &err);

	if (text == NULL)
		fail_msg("%s", err.msg);
	assert_string_equal(text, want);
	free(text);
	assert_int_equal(access(p->fresh, F_OK), -1);
}

static void
test_write_and_read(void **state)
{
	const struct place *p = *state;
	const mode_t before = umask(0077);
	struct stat st;

	assert_file_is(p, "");
	assert_int_equal(bird_include_write(p->file, "one\n", NULL), 0);
	assert_file_is(p, "one\n");
	assert_int_equal(bird_include_write(p->file, "", NULL), 0);
	assert_file_is(p, "");
	/* BIRD is another user: it reads the file whatever our umask is. */
	assert_int_equal(stat(p->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	(void)umask(before);
}

/* What a crash left behind is in nobody's way. */
static void
test_left_over_of_a_crash(void **state)
{
	const struct place *p = *state;

	assert_int_equal(bird_include_write(p->file, "old\n", NULL), 0);
	assert_int_equal(rename(p->file, p->fresh), 0);
	assert_int_equal(bird_include_write(p->file, "new\n", NULL), 0);
	assert_file_is(p, "new\n");
}

/* An exchange of names leaves there what was the file: perhaps a link to somebody
 * else's. */
static void
test_left_over_is_not_written_through(void **state)
{
	const struct place *p = *state;
	char other[sizeof(p->file) + 8], *text;
	struct err err;

	(void)snprintf(other, sizeof(other), "%s.other", p->file);
	assert_int_equal(bird_include_write(other, "theirs\n", NULL), 0);
	assert_int_equal(symlink(other, p->fresh), 0);
	assert_int_equal(bird_include_write(p->file, "ours\n", NULL), 0);
	assert_file_is(p, "ours\n");
	text = bird_include_read(other, &err);
	assert_string_equal(text, "theirs\n");
	free(text);
	(void)unlink(other);
}

/* Runs in a child, so that limits and identity are its own. */
static int
in_child(const struct place *p, void (*prepare)(const struct place *p),
    const char *text)
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct err err = { 0 };
		int rc;

		prepare(p);
		rc = bird_include_write(p->file, text, &err);
		_exit(rc == -1 && err.code == ERR_SYS && err.msg[0] != '\0'
			? 0
			: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The disk is full after 100 bytes. */
static void
limit_file_size(const struct place *p)
{
	const struct rlimit limit = { .rlim_cur = 100, .rlim_max = 100 };

	(void)p;
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void
test_full_disk_leaves_the_old_file(void **state)
{
	const struct place *p = *state;
	char text[5000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(bird_include_write(p->file, "old\n", NULL), 0);
	assert_int_equal(in_child(p, limit_file_size, text), 0);
	assert_file_is(p, "old\n");
	assert_int_equal(bird_include_write(p->file, "new\n", NULL), 0);
	assert_file_is(p, "new\n");
}

/* root is refused nothing by a mode: it becomes somebody else first. */
static void
leave_directory_read_only(const struct place *p)
{
	(void)p;
	if (geteuid() == 0 && seteuid(65534) == -1)
		_exit(77);
}

static void
test_read_only_directory_leaves_the_old_file(void **state)
{
	const struct place *p = *state;
	int status;

	assert_int_equal(bird_include_write(p->file, "old\n", NULL), 0);
	assert_int_equal(chmod(p->dir, 0555), 0);
	status = in_child(p, leave_directory_read_only, "new\n");
	assert_int_equal(chmod(p->dir, 0755), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("root that cannot become somebody else\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_file_is(p, "old\n");
}

static void
test_missing_directory(void **state)
{
	struct place gone = *(struct place *)*state;
	struct err err = { 0 };

	(void)snprintf(gone.file, sizeof(gone.file), "%s/no/bird.conf",
	    gone.dir);
	assert_int_equal(bird_include_write(gone.file, "x", &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_non_null(strstr(err.msg, gone.file));
}

/* Whatever attributes a route has; and what is no route stays. */
static void
test_without_some_routes(void **state)
{
	static const char text[] = "# head\nprotocol static a {\n\tipv4;\n"
				   "\troute 192.0.2.0/24 blackhole;\n"
				   "\troute 198.51.100.0/24 blackhole "
				   "{ bgp_community.add((65535,0)); };\n"
				   "\troute 203.0.113.0/24 blackhole;\n}\n";
	static const char less[] = "# head\nprotocol static a {\n\tipv4;\n"
				   "\troute 203.0.113.0/24 blackhole;\n}\n";
	struct prefix gone[3];
	char *out;

	(void)state;
	assert_int_equal(prefix_parse("198.51.100.0/24", &gone[0], NULL), 0);
	assert_int_equal(prefix_parse("192.0.2.0/24", &gone[1], NULL), 0);
	assert_int_equal(prefix_parse("192.0.2.0/25", &gone[2], NULL), 0);
	out = bird_include_without(text, gone, 3);
	assert_string_equal(out, less);
	free(out);
	out = bird_include_without(text, NULL, 0);
	assert_string_equal(out, text);
	free(out);
	/* No newline at the end, and nonsense. */
	out = bird_include_without("route 192.0.2.0/24", gone, 3);
	assert_string_equal(out, "");
	free(out);
	out = bird_include_without("route \nroute x/24 blackhole;", gone, 3);
	assert_string_equal(out, "route \nroute x/24 blackhole;");
	free(out);
}

/* A directory lies where the file should be: nothing is left behind. */
static void
test_directory_in_place_of_the_file(void **state)
{
	const struct place *p = *state;
	struct err err = { 0 };

	assert_int_equal(mkdir(p->file, 0755), 0);
	assert_int_equal(bird_include_write(p->file, "x", &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(access(p->fresh, F_OK), -1);
	assert_null(bird_include_read(p->file, &err));
	assert_int_equal(err.code, ERR_CONF);
	assert_int_equal(rmdir(p->file), 0);
}

/* Not regular, or of a size that none of ours has: not read, and no hang. */
static void
test_strange_files_are_not_read(void **state)
{
	const struct place *p = *state;
	struct err err = { 0 };
	int fd;

	assert_int_equal(mkfifo(p->file, 0644), 0);
	assert_null(bird_include_read(p->file, &err));
	assert_int_equal(err.code, ERR_CONF);
	assert_int_equal(unlink(p->file), 0);

	fd = open(p->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, (8 << 20) + 1), 0);
	(void)close(fd);
	assert_null(bird_include_read(p->file, &err));
	assert_int_equal(err.code, ERR_CONF);
}

/* The text of who has it makes the same file. */
static void
test_a_text_made_before_is_used(void **state)
{
	struct bird_route r[2] = { route_of("192.0.2.0/24"),
		route_of("2001:db8:1::/48") };
	char *made, *given;

	(void)state;
	r[1].attrs.prepend = 2;
	made = bird_include_format(r, 2);
	r[0].net = "192.0.2.0/24";
	r[1].net = "2001:db8:1::/48";
	given = bird_include_format(r, 2);
	assert_string_equal(given, made);
	r[0].net = "here it is";
	free(given);
	given = bird_include_format(r, 2);
	assert_non_null(strstr(given, "\troute here it is blackhole;\n"));
	free(given);
	free(made);
}

/* Staged is not yet there for any reader; one that is given up leaves nothing. */
static void
test_stage_then_place(void **state)
{
	const struct place *p = *state;
	char fresh[sizeof(p->file) + 8], *text;
	struct err err;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", p->file);
	assert_int_equal(bird_include_put(p->file, "one\n", &err), 0);
	assert_int_equal(bird_include_stage(p->file, "two\n", &err), 0);
	text = bird_include_read(p->file, &err);
	assert_string_equal(text, "one\n");
	free(text);
	assert_int_equal(bird_include_place(p->file, &err), 0);
	text = bird_include_read(p->file, &err);
	assert_string_equal(text, "two\n");
	free(text);
	assert_int_equal(access(fresh, F_OK), -1);
	assert_int_equal(bird_include_stage(p->file, "three\n", &err), 0);
	bird_include_unstage(p->file);
	assert_int_equal(access(fresh, F_OK), -1);
	/* Nothing is staged any more. */
	assert_int_equal(bird_include_place(p->file, &err), -1);
	assert_int_equal(err.sys, ENOENT);
}

/* The old file is kept as it was, not a copy of it; without one nothing is. */
static void
test_swap_keeps_the_old_file(void **state)
{
	const struct place *p = *state;
	char aside[sizeof(p->file) + 8], staged[sizeof(p->file) + 16], *text;
	struct stat before, kept;
	bool is_staged;
	struct err err;

	(void)snprintf(aside, sizeof(aside), "%s.old", p->file);
	(void)snprintf(staged, sizeof(staged), "%s.new", aside);
	(void)unlink(p->file);
	assert_int_equal(bird_include_swap(p->file, "one\n", aside, &is_staged,
			     &err),
	    0);
	assert_false(is_staged);
	assert_int_equal(access(staged, F_OK), -1);
	assert_int_equal(stat(p->file, &before), 0);

	assert_int_equal(bird_include_swap(p->file, "two\n", aside, &is_staged,
			     &err),
	    0);
	text = bird_include_read(p->file, &err);
	assert_string_equal(text, "two\n");
	free(text);
	if (is_staged) {
		assert_int_equal(stat(staged, &kept), 0);
		assert_int_equal(kept.st_ino, before.st_ino);
		assert_int_equal(bird_include_place(aside, &err), 0);
		text = bird_include_read(aside, &err);
		assert_string_equal(text, "one\n");
		free(text);
	}
	(void)snprintf(staged, sizeof(staged), "%s.new", p->file);
	assert_int_equal(access(staged, F_OK), -1);
	(void)unlink(aside);
}

/* Whatever was decided: what is not allowed is not written. */
static void
test_what_is_not_allowed_is_refused(void **state)
{
	struct bird_route r[2] = { route_of("192.0.2.0/24"),
		route_of("203.0.113.0/24") };
	struct allow_entry e;
	struct allow_list list = { &e, 1 };
	struct err err;
	char *text;

	(void)state;
	assert_int_equal(allow_entry_parse("192.0.2.0/24", &e, NULL), 0);
	text = bird_include_make(&list, r, 1, &err);
	assert_non_null(strstr(text, "192.0.2.0/24"));
	free(text);
	assert_null(bird_include_make(&list, r, 2, &err));
	assert_non_null(strstr(err.msg, "guard allow_list: 203.0.113.0/24"));
	text = bird_include_make(NULL, r, 2, &err);
	assert_non_null(text);
	free(text);
	r[0].prefix = (struct prefix){ .is_ipv4 = true };
	assert_null(bird_include_make(NULL, r, 2, &err));
	assert_non_null(strstr(err.msg, "default route"));
}

int
main(void)
{
#define PLACE_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, place_make, place_remove)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_allowed_is_refused),
		cmocka_unit_test(test_text_of_both_families),
		cmocka_unit_test(test_text_is_unique_and_reads_back),
		cmocka_unit_test(test_text_of_attributes),
		cmocka_unit_test(test_any_length_reads_back),
		cmocka_unit_test(test_foreign_lines_are_passed_over),
		cmocka_unit_test(test_cut_text_and_little_room),
		cmocka_unit_test(test_without_some_routes),
		PLACE_TEST(test_write_and_read),
		cmocka_unit_test(test_a_text_made_before_is_used),
		PLACE_TEST(test_stage_then_place),
		PLACE_TEST(test_swap_keeps_the_old_file),
		PLACE_TEST(test_left_over_of_a_crash),
		PLACE_TEST(test_left_over_is_not_written_through),
		PLACE_TEST(test_full_disk_leaves_the_old_file),
		PLACE_TEST(test_read_only_directory_leaves_the_old_file),
		PLACE_TEST(test_missing_directory),
		PLACE_TEST(test_directory_in_place_of_the_file),
		PLACE_TEST(test_strange_files_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
