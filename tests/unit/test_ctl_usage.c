/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What anycastctl says when there is no daemon to ask, or nothing to ask. */
#include "anycastctl/commands.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "ctl_run.h"

/* Arguments that each command accepts, without options. */
static const char *const accepted[][6] = {
	{ "status" },
	{ "watch", "chc" },
	{ "drain", "chc" },
	{ "restore", "chc" },
	{ "freeze", "chc", "--reason=r" },
	{ "thaw", "chc" },
	{ "override", "end", "brake", "--site=chc" },
	{ "override", "brake", "--site=*", "--reason=r", "--for=1h" },
	{ "events" },
	{ "explain", "chc" },
	{ "probe", "run", "web/page" },
	{ "check", "now", "web" },
	{ "predict", "run", "--site=chc" },
	{ "predict", "plan" },
	{ "predict", "pause" },
	{ "predict", "resume" },
	{ "predict", "diff" },
	{ "predict", "tests" },
	{ "predict", "null-run" },
	{ "predict", "landings" },
	{ "predict", "show", "--site=chc" },
	{ "predict", "status" },
	{ "predict", "abort" },
	{ "predict", "--down=chc" },
	{ "report", "failover" },
	{ "report", "site", "chc" },
	{ "report", "experiment", "7" },
	{ "clients", "import", "Makefile" },
	{ "clients", "list" },
	{ "clients", "take" },
	{ "clients", "stats" },
	{ "optout", "add", "192.0.2.0/24", "--reason=r" },
	{ "optout", "del", "192.0.2.0/24" },
	{ "optout", "list" },
	{ "reload" },
	{ "stop" },
	{ "help" },
	{ "version" },
};

/* What a command without a daemon ends in; watch looks for a terminal first. */
static enum ctl_exit
end_without_daemon(const struct ctl_command *cmd)
{
	if (cmd->is_local)
		return CTL_DONE;
	return strcmp(cmd->name, "watch") == 0 ? CTL_USAGE : CTL_UNREACHABLE;
}

static void
test_unreachable(void **state)
{
	(void)state;
	assert_int_equal(TEST_COUNT(accepted), ctl_n_commands);
	for (size_t i = 0; i < ctl_n_commands; i++) {
		const char *const *a = accepted[i];
		struct result r = run_args((const char *const[]){ "--socket",
		    "/nonexistent/sock", a[0], a[1], a[2], a[3], a[4], NULL });

		assert_int_equal(r.rc,
		    end_without_daemon(&ctl_command_table[i]));
		if (r.rc == CTL_UNREACHABLE) {
			assert_non_null(strstr(r.err,
			    "socket /nonexistent/sock: No such file or "
			    "directory: is anycastd running?"));
		}
		result_clear(&r);
	}
	check(RUN("--socket", "/nonexistent", "events", "--follow"),
	    CTL_UNREACHABLE, "", "is anycastd running?");
}

static void
test_usage_of_every_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < ctl_n_commands; i++) {
		const char *const *a = accepted[i];
		const char *name = ctl_command_table[i].name;

		check(run_args((const char *const[]){
			  "--bogus", a[0], a[1], a[2], a[3], a[4], NULL }),
		    CTL_USAGE, "", "option --bogus: not known");
		check(run_args((const char *const[]){ "--output", "x",
			  "--names", "--limit=3", a[0], a[1], a[2], a[3], a[4],
			  NULL }),
		    CTL_USAGE, "", name);
		check(run_args((const char *const[]){
			  "--help", a[0], a[1], a[2], a[3], a[4], NULL }),
		    CTL_DONE, ctl_command_table[i].example, "");
	}
}

static void
test_usage(void **state)
{
	(void)state;
	check(run_args((const char *const[]){ NULL }), CTL_USAGE, "",
	    "no command");
	check(RUN("drian", "chc"), CTL_USAGE, "", "did you mean drain?");
	check(RUN("stats"), CTL_USAGE, "", "did you mean status?");
	check(RUN("predict", "runn"), CTL_USAGE, "",
	    "predict: runn: not known, expected one of run plan pause resume diff tests null-run landings show status abort");
	check(RUN("predct", "run"), CTL_USAGE, "", "did you mean predict run?");
	check(RUN("report"), CTL_USAGE, "", "report: needs one of failover");
	check(RUN("zzzzzzzz"), CTL_USAGE, "", "see anycastctl help");
	check(RUN("\033[2J"), CTL_USAGE, "", "?[2J: not a command");
	check(RUN("drain"), CTL_USAGE, "", "drain: needs SITE");
	check(RUN("drain", ""), CTL_USAGE, "", "SITE is empty");
	check(RUN("drain", "a", "b"), CTL_USAGE, "", "too many arguments");
	check(RUN("predict", "show"), CTL_USAGE, "", "needs --site");
	check(RUN("predict"), CTL_USAGE, "", "needs --down");
	check(RUN("predict", "diff", "7"), CTL_USAGE, "", "two experiments");
	check(RUN("predict", "run", "--depth=4"), CTL_USAGE, "", "--depth");
	check(RUN("predict", "run", "--site="), CTL_USAGE, "", "is empty");
	check(RUN("drain", "chc", "--for", "10"), CTL_USAGE, "",
	    "option --for: 10: expected a duration");
	check(RUN("events", "--limit", "0"), CTL_USAGE, "",
	    "option --limit: 0: expected a number from 1 to 1000");
	check(RUN("report", "failover", "--format", "xml"), CTL_USAGE, "",
	    "expected table, json, csv, dot, svg or html");
	check(RUN("predict", "run", "--site", "chc", "--depth", "2"), CTL_USAGE,
	    "", "--site and --depth");
	check(RUN("report", "experiment", "x"), CTL_USAGE, "",
	    "report experiment: ID: x: expected a number");
	check(RUN("report", "experiment", "0"), CTL_USAGE, "",
	    "expected a number from 1");
	check(RUN("report", "site"), CTL_USAGE, "", "report site: needs SITE");
	check(RUN("report", "failover", "--format", "csv", "--json"), CTL_USAGE,
	    "", "they differ");
	check(RUN("status", "--socket", "a", "--url", "http://b"), CTL_USAGE,
	    "", "only one of them");
	check(RUN("status", "--url", "ftp://b"), CTL_USAGE, "",
	    "expected http://HOST:PORT");
	check(RUN("status", "--json=x"), CTL_USAGE, "", "takes no argument");
	check(RUN("drain", "chc", "--reason"), CTL_USAGE, "", "needs TEXT");
	/* An empty selector is never all. */
	check(RUN("restore", ""), CTL_USAGE, "", "SITE is empty");
	check(RUN("freeze", "", "--reason", "r"), CTL_USAGE, "",
	    "[SITE] is empty");
	check(RUN("thaw", ""), CTL_USAGE, "", "[SITE] is empty");
	check(RUN("freeze"), CTL_USAGE, "", "freeze: needs --reason");
	check(RUN("override", "brake", "--reason", "r", "--for", "1h"),
	    CTL_USAGE, "", "override: needs --site");
	check(RUN("override", "brake", "--site", ""), CTL_USAGE, "",
	    "is empty");
	check(RUN("override", "end", "brake"), CTL_USAGE, "",
	    "override end: needs --site");
	check(RUN("status", "-x"), CTL_USAGE, "", "option -x: not known");
	check(RUN("help", "drain", "chc"), CTL_USAGE, "", "too many");
	check(RUN("watch"), CTL_USAGE, "", "is no terminal, see status");
	check(RUN("watch", "--json"), CTL_USAGE, "", "see status --json");
	check(RUN("watch", "--interval", "99ms"), CTL_USAGE, "",
	    "option --interval: 99ms: expected a duration");
	check(RUN("status", "--interval", "1s"), CTL_USAGE, "",
	    "option --interval: not for this command");
	check(RUN("help", "nothing"), CTL_USAGE, "", "not a command");
}

static void
test_help(void **state)
{
	(void)state;
	check(RUN("--help"), CTL_DONE, "exit status: 0 done", "");
	check(RUN("-h"), CTL_DONE, "exit status: 0 done", "");
	check(RUN("predict", "--help"), CTL_DONE, "predict abort", "");
	check(RUN("help", "predict"), CTL_DONE, "predict abort", "");
	check(RUN("help", "predict", "run"), CTL_DONE, "--detach", "");
	check(RUN("help", "--names"), CTL_DONE, "\npredict run\n", "");
	check(RUN("help", "--names", "drain"), CTL_DONE, "\n--for\n", "");
	check(RUN("--version"), CTL_DONE, "anycastctl ", "");
}

static void
test_options_permute(void **state)
{
	char a0[] = "anycastctl", a1[] = "--json", a2[] = "drain",
	     a3[] = "--for=2m", a4[] = "chc", a5[] = "--reason", a6[] = "-x",
	     a7[] = "--", a8[] = "--dry-run";
	char *argv[] = { a0, a1, a2, a3, a4, a5, a6, a7, a8, NULL };
	struct ctl_options o;
	struct err err;

	(void)state;
	assert_int_equal(ctl_options_parse(9, argv, &o, &err), 0);
	assert_int_equal(o.given,
	    CTL_BIT(CTL_OPT_JSON) | CTL_BIT(CTL_OPT_FOR) |
		CTL_BIT(CTL_OPT_REASON));
	assert_int_equal(o.for_ms, 120000);
	assert_string_equal(o.reason, "-x");
	assert_int_equal(o.n_args, 3);
	assert_string_equal(o.args[0], "drain");
	assert_string_equal(o.args[1], "chc");
	assert_string_equal(o.args[2], "--dry-run");
	assert_int_equal(o.limit, CTL_EVENTS_LIMIT_DEFAULT);
}

static void
test_escape(void **state)
{
	char *s = ctl_escape("Az0-._~/?#&=% \xc3\xa9");

	(void)state;
	assert_string_equal(s, "Az0-._~%2F%3F%23%26%3D%25%20%C3%A9");
	free(s);
}

/* The manual must not lag behind the table. */
static void
test_manual_has_every_command_and_option(void **state)
{
	char *text = NULL;
	size_t cap = 0;
	FILE *in = fopen("man/anycastctl.1", "re");

	(void)state;
	assert_non_null(in);
	assert_true(getdelim(&text, &cap, '\0', in) > 0);
	(void)fclose(in);
	for (size_t i = 0; i < ctl_n_commands; i++) {
		char *line =
		    xasprintf("\n.It Cm %s", ctl_command_table[i].name);

		if (strstr(text, line) == NULL)
			print_error("manual lacks: %s\n", line);
		assert_non_null(strstr(text, line));
		free(line);
	}
	for (size_t i = 0; i < CTL_OPT_COUNT; i++) {
		char *option = xasprintf("Fl -%s", ctl_option_table[i].name);

		if (strstr(text, option) == NULL)
			print_error("manual lacks: %s\n", option);
		assert_non_null(strstr(text, option));
		free(option);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_usage_of_every_command),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_options_permute),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_manual_has_every_command_and_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
