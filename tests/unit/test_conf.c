/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/conf.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "test.h"

static char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = xcalloc(CONF_FILE_BYTES_MAX + 2u, 1);

	if (f == NULL)
		fail_msg("%s: cannot be opened", path);
	*len = fread(text, 1, CONF_FILE_BYTES_MAX + 1u, f);
	(void)fclose(f);
	return text;
}

static struct conf *
parse(const char *text, struct err *err)
{
	return conf_parse("a.yml", (const uint8_t *)text, strlen(text), err);
}

static void
assert_refused(const char *text, const char *want)
{
	struct err err = { .code = ERR_NONE };
	struct conf *c = parse(text, &err);

	assert_null(c);
	assert_int_equal(err.code, ERR_CONF);
	assert_string_equal(err.msg, want);
}

static void
assert_taken(const char *text)
{
	struct err err = { .code = ERR_NONE };
	struct conf *c = parse(text, &err);

	assert_string_equal(err.msg, "");
	conf_free(c);
}

/* "dir/012-x.yml" and "ok" -> "dir/012-x.ok"; NULL if there is no such file. */
static char *
beside(const char *yml, const char *suffix)
{
	char *path = xasprintf("%.*s%s", (int)strlen(yml) - 3, yml, suffix);

	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* The printed configuration is the golden one, and parses to itself. */
static void
check_ok(const struct conf *c, const char *ok)
{
	size_t len;
	char *want = slurp(ok, &len);
	char *text = conf_format(c);
	struct err err = { .code = ERR_NONE };
	struct conf *again;
	char *text_again;

	assert_string_equal(text, want);
	again = conf_parse(ok, (const uint8_t *)text, strlen(text), &err);
	assert_string_equal(err.msg, "");
	text_again = conf_format(again);
	assert_string_equal(text_again, text);
	conf_free(again);
	free(text_again);
	free(text);
	free(want);
}

static void
check_golden(const char *yml)
{
	char *ok = beside(yml, "ok");
	char *refusal = beside(yml, "err");
	struct err err = { .code = ERR_NONE };
	size_t len;
	char *text = slurp(yml, &len);
	struct conf *c =
	    conf_parse(strrchr(yml, '/') + 1, (const uint8_t *)text, len, &err);

	if ((ok == NULL) == (refusal == NULL))
		fail_msg("%s: expected one of .ok and .err", yml);
	free(text);
	if (refusal != NULL) {
		text = slurp(refusal, &len);
		text[strcspn(text, "\n")] = '\0';
		assert_string_equal(err.msg, text);
		assert_null(c);
		free(text);
	} else {
		assert_string_equal(err.msg, "");
		check_ok(c, ok);
	}
	conf_free(c);
	free(ok);
	free(refusal);
}

/* Sends stderr to an empty file; the old one is returned. */
static int
hide_stderr(int *hidden)
{
	int saved = dup(STDERR_FILENO);

	*hidden = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(saved != -1 && *hidden != -1);
	(void)fflush(stderr);
	assert_true(dup2(*hidden, STDERR_FILENO) != -1);
	return saved;
}

static off_t
restore_stderr(int saved, int hidden)
{
	struct stat st;

	(void)fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) != -1);
	assert_int_equal(fstat(hidden, &st), 0);
	(void)close(saved);
	(void)close(hidden);
	return st.st_size;
}

/* Also: the daemon alone says what is wrong, no library on stderr. */
static void
test_golden_files(void **state)
{
	glob_t g;
	int hidden;
	int saved;

	(void)state;
	assert_int_equal(glob("tests/golden/conf/[0-9]*.yml", 0, NULL, &g), 0);
	assert_true(g.gl_pathc > 100);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_golden(g.gl_pathv[i]);
	saved = hide_stderr(&hidden);
	for (size_t i = 0; i < g.gl_pathc; i++)
		conf_free(conf_load(g.gl_pathv[i], NULL));
	assert_int_equal(restore_stderr(saved, hidden), 0);
	globfree(&g);
}

/* What we ship must work. */
static void
test_examples_load(void **state)
{
	static const char *const files[] = {
		"contrib/examples/single-site.yml",
		"contrib/examples/agent.yml",
		"contrib/examples/controller.yml",
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(files); i++) {
		struct err err = { .code = ERR_NONE };
		struct conf *c = conf_load(files[i], &err);

		assert_string_equal(err.msg, "");
		assert_string_equal(c->file, files[i]);
		conf_free(c);
	}
}

static const char full[] =
    "site: chc\n"
    "store: /tmp/a.db\n"
    "socket: /tmp/a.sock\n"
    "bird: {socket: /tmp/b, include: /tmp/i, poll: 3s, timeout: 4s}\n"
    "services:\n"
    "  - name: web\n"
    "    prefixes: [192.0.2.0/24, '2001:db8:53::/48']\n"
    "    need: 2\n"
    "    probes:\n"
    "      - {name: page, http: 'http://127.0.0.1:8081/health',\n"
    "         interval: 2s, timeout: 500ms, down_after: 4, up_after: 5,\n"
    "         status: 200, match: ok, insecure: true}\n"
    "      - {name: port, tcp: '[2001:0db8::1]:81', interval: 200ms}\n"
    "      - {name: gw, icmp: 192.0.2.1}\n"
    "      - {name: script, exec: [/bin/check, -x]}\n"
    "test:\n"
    "  prefixes: [198.51.100.0/24, '2001:db8:7e57::/48']\n"
    "  sources: ['2001:db8:7e57::9', 198.51.100.9]\n"
    "  confirm: 45s\n"
    "controller: http://10.255.0.1:8053/\n"
    "fleet: {listen: '[::]:8053', sites: [akl, chc], predict: {rate: 20000,\n"
    "  linger: 3s, sentinels: 128, sentinel_interval: 6s, settle_max: 7m,\n"
    "  allow_special: true}}\n";

static void
assert_full_probes(const struct conf_service *s)
{
	const struct conf_probe *p = s->probes;

	assert_int_equal(s->n_probes, 4);
	assert_int_equal(p[0].kind, PROBE_HTTP);
	assert_string_equal(p[0].target, "http://127.0.0.1:8081/health");
	assert_int_equal(p[0].interval_ms, 2000);
	assert_int_equal(p[0].timeout_ms, 500);
	assert_int_equal(p[0].down_after, 4);
	assert_int_equal(p[0].up_after, 5);
	assert_int_equal(p[0].http.codes[0].min, 200);
	assert_int_equal(p[0].http.codes[0].max, 200);
	assert_string_equal(p[0].http.match, "ok");
	assert_true(p[0].http.insecure);
	assert_null(p[0].argv);
	assert_int_equal(p[1].kind, PROBE_TCP);
	assert_string_equal(p[1].target, "[2001:db8::1]:81");
	assert_int_equal(p[1].timeout_ms, 200);
	assert_int_equal(p[2].kind, PROBE_ICMP);
	assert_string_equal(p[2].target, "192.0.2.1");
	assert_int_equal(p[3].kind, PROBE_EXEC);
	assert_string_equal(p[3].argv[0], "/bin/check");
	assert_string_equal(p[3].argv[1], "-x");
	assert_null(p[3].argv[2]);
	assert_null(p[3].target);
}

static void
assert_full_agent(const struct conf_agent *a)
{
	char buf[PREFIX_TEXT_BYTES];

	assert_string_equal(a->site, "chc");
	assert_string_equal(a->bird.socket, "/tmp/b");
	assert_string_equal(a->bird.include, "/tmp/i");
	assert_int_equal(a->bird.poll_ms, 3000);
	assert_int_equal(a->bird.timeout_ms, 4000);
	assert_string_equal(a->controller, "http://10.255.0.1:8053");
	assert_int_equal(a->n_services, 1);
	assert_string_equal(a->services[0].name, "web");
	assert_int_equal(a->services[0].need, 2);
	assert_int_equal(a->services[0].n_prefixes, 2);
	assert_string_equal(prefix_format(&a->services[0].prefixes[1], buf),
	    "2001:db8:53::/48");
	assert_full_probes(&a->services[0]);
	assert_int_equal(a->test.n_prefixes, 2);
	assert_int_equal(a->test.n_sources, 2);
	assert_string_equal(addr_format(&a->test.sources[0], buf),
	    "198.51.100.9");
	assert_string_equal(addr_format(&a->test.sources[1], buf),
	    "2001:db8:7e57::9");
	assert_int_equal(a->test.confirm_ms, 45000);
}

static void
test_every_value_arrives(void **state)
{
	struct conf *c = parse(full, NULL);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->file, "a.yml");
	assert_string_equal(c->store, "/tmp/a.db");
	assert_string_equal(c->socket, "/tmp/a.sock");
	assert_full_agent(c->agent);
	assert_string_equal(c->controller->listen, "[::]:8053");
	assert_int_equal(c->controller->n_sites, 2);
	assert_string_equal(c->controller->sites[0], "akl");
	assert_int_equal(c->controller->predict.rate_pps, 20000);
	assert_int_equal(c->controller->predict.linger_ms, 3000);
	assert_int_equal(c->controller->predict.sentinels, 128);
	assert_int_equal(c->controller->predict.sentinel_interval_ms, 6000);
	assert_int_equal(c->controller->predict.settle_max_ms, 420000);
	assert_true(c->controller->predict.allow_special);
	conf_free(c);
}

static const char minimal[] = "site: chc\n"
			      "services:\n"
			      "  - name: web\n"
			      "    prefixes: [192.0.2.0/24]\n"
			      "    probes:\n"
			      "      - {name: a, http: 'http://127.0.0.1/'}\n"
			      "      - {name: b, icmp: 127.0.0.1}\n"
			      "fleet: {listen: '127.0.0.1:80', sites: [chc]}\n";

static void
test_defaults(void **state)
{
	struct conf *c = parse(minimal, NULL);
	const struct conf_probe *p;

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->store, "/var/lib/anycastd/anycastd.db");
	assert_string_equal(c->socket, "/run/anycastd/anycastd.sock");
	assert_string_equal(c->agent->bird.socket, "/run/bird/bird.ctl");
	assert_string_equal(c->agent->bird.include,
	    "/var/lib/anycastd/bird.conf");
	assert_int_equal(c->agent->bird.poll_ms, 2000);
	assert_int_equal(c->agent->bird.timeout_ms, 2000);
	assert_int_equal(c->agent->test.n_prefixes, 0);
	assert_int_equal(c->agent->test.confirm_ms, 30000);
	assert_null(c->agent->controller);
	assert_int_equal(c->agent->services[0].need, 2);
	p = &c->agent->services[0].probes[0];
	assert_int_equal(p->interval_ms, 1000);
	assert_int_equal(p->timeout_ms, 1000);
	assert_int_equal(p->down_after, 3);
	assert_int_equal(p->up_after, 2);
	assert_int_equal(p->http.codes[0].min, 200);
	assert_int_equal(p->http.codes[0].max, 299);
	assert_null(p->http.match);
	assert_false(p->http.insecure);
	assert_int_equal(c->controller->predict.rate_pps, 1000);
	assert_int_equal(c->controller->predict.linger_ms, 2000);
	assert_int_equal(c->controller->predict.sentinels, 256);
	assert_int_equal(c->controller->predict.sentinel_interval_ms, 15000);
	assert_int_equal(c->controller->predict.settle_max_ms, 300000);
	assert_false(c->controller->predict.allow_special);
	conf_free(c);
}

/* Cut anywhere, in a block of its exact size: the sanitizer looks on. */
static void
test_any_short_length_is_safe(void **state)
{
	(void)state;
	for (size_t len = 1; len < strlen(full); len++) {
		uint8_t *block = malloc(len);
		struct err err = { .code = ERR_NONE };
		struct conf *c;

		assert_non_null(block);
		memcpy(block, full, len);
		c = conf_parse("a.yml", block, len, &err);
		assert_true(c != NULL || err.code == ERR_CONF);
		conf_free(c);
		free(block);
	}
	assert_null(conf_parse("a.yml", (const uint8_t *)"", 0, NULL));
}

/* Every byte in turn replaced by some that mean something to YAML. */
static void
test_any_broken_byte_is_safe(void **state)
{
	static const char bytes[] = { '\0', '\n', '{', '[', '"', '&', 'x',
		'\xff' };
	size_t len = strlen(full);
	char *text = xstrdup(full);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		for (size_t b = 0; b < sizeof(bytes); b++) {
			text[i] = bytes[b];
			conf_free(conf_parse("a.yml", (const uint8_t *)text,
			    len, NULL));
		}
		text[i] = full[i];
	}
	free(text);
}

/* The entry with its number in place of each '#'. */
static void
print_entry(FILE *f, const char *entry, unsigned number)
{
	for (; *entry != '\0'; entry++) {
		if (*entry == '#') {
			(void)fprintf(f, "%u.%u", number >> 8, number & 255u);
		} else {
			(void)fputc(*entry, f);
		}
	}
}

static char *
repeat(const char *head, const char *entry, unsigned n, const char *tail)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	(void)fputs(head, f);
	for (unsigned i = 0; i < n; i++)
		print_entry(f, entry, i);
	(void)fputs(tail, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static const struct {
	const char *head, *entry, *tail;
	unsigned max;
	const char *refusal;
} limits[] = {
	{ "site: a\nservices:\n",
	    "  - {name: s#, prefixes: [10.#.0/24], "
	    "probes: [{name: p, icmp: 127.0.0.1}]}\n",
	    "", CONF_SERVICES_MAX,
	    "a.yml:2: services: 257 entries, expected 0 to 256" },
	{ "site: a\nservices:\n"
	  "  - {name: s, prefixes: [10.0.0.0/8], probes: [\n",
	    "{name: p#, icmp: 127.0.0.1},\n", "]}\n", CONF_PROBES_MAX,
	    "a.yml:3: services[0].probes: 65 entries, expected 1 to 64" },
	{ "site: a\nservices:\n"
	  "  - {name: s, probes: [{name: p, icmp: 127.0.0.1}], prefixes: [",
	    "10.#.0/24,", "]}\n", CONF_PREFIXES_MAX,
	    "a.yml:3: services[0].prefixes: 8193 entries, expected 1 to 8192" },
	{ "site: a\nservices:\n"
	  "  - {name: r, probes: [{name: p, icmp: 127.0.0.1}],\n"
	  "     prefixes: [11.0.0.0/8]}\n"
	  "  - {name: s, probes: [{name: p, icmp: 127.0.0.1}], prefixes: [",
	    "10.#.0/24,", "]}\n", CONF_PREFIXES_MAX - 1,
	    "a.yml:5: services[1]: too many prefixes, expected at most 8192 "
	    "in all" },
	{ "fleet: {listen: '127.0.0.1:1', sites: [", "s#,", "]}\n",
	    CONF_SITES_MAX,
	    "a.yml:1: fleet.sites: 1025 entries, expected 1 to 1024" },
	{ "site: a\nservices:\n  - name: s\n    prefixes: [10.0.0.0/8]\n"
	  "    probes: [{name: p, exec: [/bin/true,",
	    "'#',", "]}]\n", CONF_ARGS_MAX - 1,
	    "a.yml:5: services[0].probes[0].exec: 65 entries, expected 1 to "
	    "64" },
};

static void
test_each_limit_and_one_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(limits); i++) {
		char *text = repeat(limits[i].head, limits[i].entry,
		    limits[i].max, limits[i].tail);

		assert_taken(text);
		free(text);
		text = repeat(limits[i].head, limits[i].entry,
		    limits[i].max + 1, limits[i].tail);
		assert_refused(text, limits[i].refusal);
		free(text);
	}
}

static void
test_file_size_limit(void **state)
{
	char *text = xcalloc(CONF_FILE_BYTES_MAX + 2u, 1);

	(void)state;
	memset(text, ' ', CONF_FILE_BYTES_MAX + 1u);
	memcpy(text, minimal, sizeof(minimal) - 1);
	text[sizeof(minimal) - 1] = '#';
	text[CONF_FILE_BYTES_MAX] = '\0';
	assert_taken(text);
	text[CONF_FILE_BYTES_MAX] = ' ';
	assert_refused(text, "a.yml: too long, expected at most 1048576 bytes");
	free(text);
}

/* Small files that would cost much: refused before they are built. */
static void
test_many_small_values_are_refused(void **state)
{
	char *text = repeat("a: [", "1,", 200001, "]\n");

	(void)state;
	assert_refused(text, "a.yml:1: too many values");
	free(text);
	text = repeat("", "k#: 1\n", 65, "");
	assert_refused(text, "a.yml:65: too many keys");
	free(text);
	text = repeat("", "[", 500000, "");
	assert_refused(text, "a.yml:1: nested too deeply");
	free(text);
	text = repeat("", "- ", 500000, "");
	assert_refused(text, "a.yml:1: nested too deeply");
	free(text);
}

static void
test_longest_names_and_paths(void **state)
{
	char *text = xasprintf("site: %032d\nsocket: /%0106d\n"
			       "test: {prefixes: [10.0.0.0/8], "
			       "sources: [10.0.0.1]}\n",
	    0, 0);
	struct conf *c = parse(text, NULL);

	(void)state;
	assert_non_null(c);
	assert_int_equal(strlen(c->agent->site), CONF_NAME_MAX);
	assert_int_equal(strlen(c->socket), 107);
	conf_free(c);
	free(text);
}

/* The words of an exec probe travel in one message of bounded size. */
static void
test_longest_exec(void **state)
{
	static const char head[] = "site: a\nservices:\n  - name: s\n"
				   "    prefixes: [10.0.0.0/8]\n"
				   "    probes: [{name: p, exec: [/bin/true, ";
	/* "/bin/true" and its NUL, and the NUL of the second word. */
	unsigned n = CONF_ARGS_BYTES_MAX - 10 - 1;
	char *text = repeat(head, "x", n, "]}]\n");

	(void)state;
	assert_taken(text);
	free(text);
	text = repeat(head, "x", n + 1, "]}]\n");
	assert_refused(text,
	    "a.yml:5: services[0].probes[0].exec: too long, expected at most "
	    "16384 bytes in all");
	free(text);
}

static void
test_file_errors_name_the_file(void **state)
{
	struct err err = { .code = ERR_NONE };

	(void)state;
	assert_null(conf_load("/nonexistent/a.yml", &err));
	assert_int_equal(err.code, ERR_SYS);
	assert_string_equal(err.msg,
	    "/nonexistent/a.yml: No such file or directory");
	assert_null(conf_load("/", &err));
	assert_string_equal(err.msg, "/: read: Is a directory");
	assert_null(conf_load("/dev/null", &err));
	assert_string_equal(err.msg, "/dev/null:1: the file is empty");
	assert_null(conf_load("/dev/zero", &err));
	assert_string_equal(err.msg,
	    "/dev/zero: too long, expected at most 1048576 bytes");
}

/* Nobody needs to want the reason. */
static void
test_err_may_be_null(void **state)
{
	(void)state;
	assert_null(parse("site: CHC\n", NULL));
	assert_null(parse("sites: x\n", NULL));
	assert_null(parse("[", NULL));
	conf_free(NULL);
}

static void
test_kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(conf_probe_kind_name(PROBE_HTTP), "http");
	assert_string_equal(conf_probe_kind_name(PROBE_TCP), "tcp");
	assert_string_equal(conf_probe_kind_name(PROBE_ICMP), "icmp");
	assert_string_equal(conf_probe_kind_name(PROBE_EXEC), "exec");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_files),
		cmocka_unit_test(test_examples_load),
		cmocka_unit_test(test_every_value_arrives),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_any_short_length_is_safe),
		cmocka_unit_test(test_any_broken_byte_is_safe),
		cmocka_unit_test(test_each_limit_and_one_more),
		cmocka_unit_test(test_file_size_limit),
		cmocka_unit_test(test_many_small_values_are_refused),
		cmocka_unit_test(test_longest_names_and_paths),
		cmocka_unit_test(test_longest_exec),
		cmocka_unit_test(test_file_errors_name_the_file),
		cmocka_unit_test(test_err_may_be_null),
		cmocka_unit_test(test_kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
