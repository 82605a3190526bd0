/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The completions of contrib/completion, asked as the shells ask them.  The
 * program on PATH is the real one, but for the status, which is a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "run_program.h"
#include "test.h"

#define WORDS_BYTES 4096

struct shell {
	const char *name;
	const char *option;
	const char *script; /* prints the offered words for $LINE */
};

static const struct shell bash = { "bash", "-c",
	"source contrib/completion/anycastctl.bash\n"
	"COMP_LINE=$LINE COMP_POINT=${#LINE}\n"
	"_anycastctl\n"
	"printf '%s\\n' \"${COMPREPLY[@]}\"\n" };

/* Without its line editor: stand-ins for what completion widgets have. */
static const struct shell zsh = { "zsh", "-fc",
	"words=(${(s: :)LINE}) CURRENT=0\n"
	"[[ $LINE == *' ' ]] && words+=('')\n"
	"CURRENT=$#words cur=$words[-1]\n"
	"[[ $LINE == *=* ]] && cur=${cur#*=}\n"
	"compset() { }\n"
	"_files() { print -l -- ${cur}*(N) }\n"
	"compadd() {\n"
	"	local w; local -a all; all=(\"$@\")\n"
	"	[[ $1 == -a ]] && all=(${(P)2})\n"
	"	for w in $all; do [[ $w == $cur* ]] && print -r -- $w; done\n"
	"}\n"
	"source contrib/completion/_anycastctl\n" };

static char dir[] = "/tmp/test_completion.XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0755), 0);
	free(path);
}

static void
put_env(const char *name, const char *a, const char *between, const char *b)
{
	char *value = xasprintf("%s%s%s", a, between, b);

	assert_int_equal(setenv(name, value, 1), 0);
	free(value);
}

static int
setup(void **state)
{
	char self[256];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(len > 0);
	self[len] = '\0';
	*strrchr(self, '/') = '\0'; /* .../unit */
	*strrchr(self, '/') = '\0';
	assert_non_null(mkdtemp(dir));
	put_env("REAL", self, "/", "anycastctl");
	put_env("STATUS", dir, "/", "status.json");
	put_env("PATH", dir, ":", getenv("PATH"));
	write_file("anycastctl",
	    "#!/bin/sh\n"
	    "case \"$*\" in\n"
	    "*'--socket /none status --json') exit 3 ;;\n"
	    "*'--socket /slow status --json') sleep 20 ;;\n"
	    "*'--certificate /c --key /k --ca /a status --json' |"
	    " *'--certificate=/c --key=/k --ca=/a status --json')\n"
	    "	echo '\"site\": \"abroad\"' ;;\n"
	    "*'status --json') cat \"$STATUS\" ;;\n"
	    "*) exec \"$REAL\" \"$@\" ;;\n"
	    "esac\n");
	write_file("status.json",
	    "{\n  \"sites\": [\n    {\n      \"site\": \"chc\",\n"
	    "      \"services\": [{\"service\": \"web\","
	    " \"probes\": [{\"probe\": \"page\"}]}],\n"
	    "      \"prefixes\": [{\"prefix\": \"2001:db8:53::/48\","
	    " \"service\": null}]\n    },\n"
	    "    {\"site\": \"chc-2\"}, {\"site\": \"akl\"},\n"
	    "    {\"site\": \"$(touch pwned)\"}, {\"site\": \"a b\"},"
	    " {\"site\": \"x;y\"}\n  ]\n}\n");
	return 0;
}

static int
teardown(void **state)
{
	char *program = xasprintf("%s/anycastctl", dir);
	char *status = xasprintf("%s/status.json", dir);

	(void)state;
	assert_int_equal(unlink(program), 0);
	assert_int_equal(unlink(status), 0);
	assert_int_equal(rmdir(dir), 0);
	free(program);
	free(status);
	return 0;
}

/* What the shell offers for line: sorted, with blanks between. */
static void
complete(const struct shell *sh, const char *line, char words[WORDS_BYTES])
{
	char *script = xasprintf("{\n%s\n} | LC_ALL=C sort", sh->script);
	const char *const argv[] = { sh->name, sh->option, script, NULL };

	put_env("LINE", line, "", "");
	assert_int_equal(run_program(argv, "", words, WORDS_BYTES), 0);
	free(script);
	for (char *p = words; *p != '\0'; p++) {
		if (*p == '\n')
			*p = p[1] == '\0' ? '\0' : ' ';
	}
}

static const struct {
	const char *line, *words;
} cases[] = {
	{ "anycastctl sta", "status" },
	{ "anycastctl --json sta", "status" },
	{ "anycastctl predict ",
	    "abort diff landings null-run pause plan resume run show status "
	    "tests" },
	{ "anycastctl predict ru", "run" },
	{ "anycastctl predict run --si", "--site" },
	{ "anycastctl predict run --site ", "akl chc chc-2" },
	{ "anycastctl predict run --site=c", "chc chc-2" },
	{ "anycastctl watch c", "chc chc-2" },
	{ "anycastctl drain a", "akl" },
	{ "anycastctl drain chc ", "" },
	{ "anycastctl drain --for 1h --dry-run a", "akl" },
	{ "anycastctl drain --for ", "" },
	{ "anycastctl drain chc --dr", "--dry-run" },
	{ "anycastctl drain chc --prefix ", "2001:db8:53::/48" },
	{ "anycastctl drain chc --force bu", "budget" },
	{ "anycastctl override ro", "room" },
	{ "anycastctl check now ", "web" },
	{ "anycastctl probe run pa", "page" },
	{ "anycastctl events --subject w", "web" },
	{ "anycastctl explain ak", "akl" },
	{ "anycastctl report failover --format ",
	    "csv dot html json svg table" },
	{ "anycastctl clients import Makef", "Makefile" },
	{ "anycastctl help re", "reload report restore" },
	{ "anycastctl help report ", "experiment failover site" },
	{ "anycastctl report site a", "akl" },
	{ "anycastctl help drain ", "" },
	{ "anycastctl nothing ", "" },
	{ "anycastctl --socket /some drain a", "akl" },
	{ "anycastctl --socket /none drain a", "" },
	{ "anycastctl --certificate /c --key /k --ca /a drain a", "abroad" },
	{ "anycastctl --certificate=/c --key=/k --ca=/a drain a", "abroad" },
	{ "anycastctl --url https://x --ca Makef", "Makefile" },
};

static void
check_case(const struct shell *sh, const char *line, const char *want)
{
	char words[WORDS_BYTES];

	complete(sh, line, words);
	if (strcmp(words, want) != 0)
		print_error("%s: %s\n", sh->name, line);
	assert_string_equal(words, want);
}

static void
check_cases(const struct shell *sh)
{
	for (size_t i = 0; i < TEST_COUNT(cases); i++)
		check_case(sh, cases[i].line, cases[i].words);
	/* A name of the daemon's is never run. */
	assert_int_equal(access("pwned", F_OK), -1);
}

/* Nobody waits at the prompt for a daemon that hangs. */
static void
check_slow(const struct shell *sh)
{
	struct mono start = mono_now();

	check_case(sh, "anycastctl --socket /slow drain a", "");
	assert_true(mono_diff_ms(mono_now(), start) < 10000);
}

static void
test_bash(void **state)
{
	(void)state;
	check_cases(&bash);
	check_slow(&bash);
	/* bash replaces only what is behind the last colon. */
	check_case(&bash, "anycastctl explain 2001:db", "db8:53::/48");
	check_case(&bash, "anycastctl explain 2", "2001:db8:53::/48");
}

static void
test_zsh(void **state)
{
	static const char *const argv[] = { "zsh", "-fc", "true", NULL };
	char out[8];

	(void)state;
	if (run_program(argv, "", out, sizeof(out)) == RUN_NOT_FOUND) {
		print_message("skip: zsh is not installed\n");
		skip();
	}
	check_cases(&zsh);
	check_slow(&zsh);
	check_case(&zsh, "anycastctl explain 2001:db", "2001:db8:53::/48");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bash),
		cmocka_unit_test(test_zsh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
