/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "base/xalloc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* A name further away than this was not a slip of the finger. */
#define SLIPS_MAX 2
#define OPTION_COLUMNS 20

const struct ctl_command ctl_command_table[] = {
	{
	    .name = "status",
	    .run = cmd_status,
	    .max_args = 1,
	    .args = "[SITE]",
	    .help = "show all sites, or every detail of one",
	    .example = "anycastctl status chc",
	},
	{
	    .name = "watch",
	    .run = cmd_watch,
	    .max_args = 1,
	    .args = "[SITE]",
	    .options = CTL_BIT(CTL_OPT_INTERVAL),
	    .help = "show the status again and again, in place",
	    .example = "anycastctl watch chc --interval 5s",
	},
	{
	    .name = "drain",
	    .run = cmd_drain,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "SITE",
	    .options = CTL_BIT(CTL_OPT_REASON) | CTL_BIT(CTL_OPT_FOR) |
		CTL_BIT(CTL_OPT_UNTIL) | CTL_BIT(CTL_OPT_OWNER) |
		CTL_BIT(CTL_OPT_SERVICE) | CTL_BIT(CTL_OPT_PREFIX) |
		CTL_BIT(CTL_OPT_AT_ONCE) | CTL_BIT(CTL_OPT_DRY_RUN) |
		CTL_BIT(CTL_OPT_FORCE),
	    .help = "withdraw a site, a service or a prefix, step by step",
	    .example = "anycastctl drain chc --reason 'router swap' --for 1h",
	},
	{
	    .name = "restore",
	    .run = cmd_restore,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "SITE",
	    .options = CTL_BIT(CTL_OPT_SERVICE) | CTL_BIT(CTL_OPT_PREFIX) |
		CTL_BIT(CTL_OPT_ALL),
	    .help = "end the drain of a site, a service or a prefix",
	    .example = "anycastctl restore chc",
	},
	{
	    .name = "freeze",
	    .run = cmd_freeze,
	    .max_args = 1,
	    .args = "[SITE]",
	    .required = CTL_BIT(CTL_OPT_REASON),
	    .options = CTL_BIT(CTL_OPT_FOR),
	    .help = "stop all changes, never routes: everywhere, or at a site",
	    .example =
		"anycastctl freeze --reason 'who knows what is going on'",
	},
	{
	    .name = "thaw",
	    .run = cmd_thaw,
	    .max_args = 1,
	    .args = "[SITE]",
	    .help = "end a freeze: the one of everything, or that of a site",
	    .example = "anycastctl thaw",
	},
	{
	    .name = "override end",
	    .run = cmd_override_end,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "GUARD",
	    .required = CTL_BIT(CTL_OPT_SITE),
	    .help = "let a guard do its work again",
	    .example = "anycastctl override end brake --site chc",
	},
	{
	    .name = "override",
	    .run = cmd_override,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "GUARD",
	    .required = CTL_BIT(CTL_OPT_SITE) | CTL_BIT(CTL_OPT_REASON) |
		CTL_BIT(CTL_OPT_FOR),
	    .help = "hold off a guard at a site, or everywhere: --site '*'",
	    .example =
		"anycastctl override brake --site chc --reason fire --for 1h",
	},
	{
	    .name = "events",
	    .run = cmd_events,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_FOLLOW) | CTL_BIT(CTL_OPT_LIMIT) |
		CTL_BIT(CTL_OPT_SUBJECT),
	    .help = "show what happened, and why",
	    .example = "anycastctl events --follow --subject chc",
	},
	{
	    .name = "explain",
	    .run = cmd_explain,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "PREFIX|SITE",
	    .help = "show why something is as it is",
	    .example = "anycastctl explain 192.0.2.0/24",
	},
	{
	    .name = "probe run",
	    .run = cmd_probe_run,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "[SERVICE/]PROBE",
	    .help = "run one probe out of turn; its result does not count",
	    .example = "anycastctl probe run web/page",
	},
	{
	    .name = "check now",
	    .run = cmd_check_now,
	    .max_args = 1,
	    .args = "[SERVICE]",
	    .help = "run all probes now; their results count",
	    .example = "anycastctl check now web",
	},
	{
	    .name = "predict run",
	    .run = cmd_predict_run,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_SITE) | CTL_BIT(CTL_OPT_DETACH) |
		CTL_BIT(CTL_OPT_DEPTH),
	    .help = "measure where clients would go: of SITE (or "
		    "SITE,SITE), or a campaign over all sites",
	    .example = "anycastctl predict run --depth 2",
	},
	{
	    .name = "predict plan",
	    .run = cmd_predict_plan,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_DEPTH),
	    .help = "show how long a campaign would take",
	    .example = "anycastctl predict plan --depth 2",
	},
	{
	    .name = "predict pause",
	    .run = cmd_predict_pause,
	    .args = "",
	    .help = "begin no more experiments of the campaign for now",
	    .example = "anycastctl predict pause",
	},
	{
	    .name = "predict resume",
	    .run = cmd_predict_resume,
	    .args = "",
	    .help = "go on with the campaign",
	    .example = "anycastctl predict resume",
	},
	{
	    .name = "predict diff",
	    .run = cmd_predict_diff,
	    .max_args = 2,
	    .args = "[EXPERIMENT EXPERIMENT]",
	    .help = "compare the newest maps with those before, or two "
		    "experiments'",
	    .example = "anycastctl predict diff",
	},
	{
	    .name = "predict tests",
	    .run = cmd_predict_tests,
	    .args = "",
	    .help = "show the test prefixes, and how alike they are",
	    .example = "anycastctl predict tests",
	},
	{
	    .name = "predict null-run",
	    .run = cmd_predict_null_run,
	    .args = "",
	    .help = "compare the test prefixes now, with nothing withdrawn",
	    .example = "anycastctl predict null-run",
	},
	{
	    .name = "predict landings",
	    .run = cmd_predict_landings,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_LIMIT),
	    .help = "show real withdrawals beside their predictions",
	    .example = "anycastctl predict landings --limit 3",
	},
	{
	    .name = "predict show",
	    .run = cmd_predict_show,
	    .args = "",
	    .required = CTL_BIT(CTL_OPT_SITE),
	    .help = "show where a site's clients would go",
	    .example = "anycastctl predict show --site chc",
	},
	{
	    .name = "predict status",
	    .run = cmd_predict_status,
	    .args = "",
	    .help = "show how far the campaign and its experiments are",
	    .example = "anycastctl predict status",
	},
	{
	    .name = "predict abort",
	    .run = cmd_predict_abort,
	    .args = "",
	    .help = "end the campaign, or what runs without one; test "
		    "prefixes are put back",
	    .example = "anycastctl predict abort",
	},
	{
	    .name = "predict",
	    .run = cmd_predict_down,
	    .args = "",
	    .required = CTL_BIT(CTL_OPT_DOWN),
	    .options = CTL_BIT(CTL_OPT_FORMAT) | CTL_BIT(CTL_OPT_OUTPUT),
	    .help = "show where clients go if these sites are down",
	    .example = "anycastctl predict --down chc,akl",
	},
	{
	    .name = "report failover",
	    .run = cmd_report_failover,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_SITE) | CTL_BIT(CTL_OPT_FORMAT) |
		CTL_BIT(CTL_OPT_OUTPUT),
	    .help = "write the failover maps of all sites, or of one",
	    .example =
		"anycastctl report failover --format html --output maps.html",
	},
	{
	    .name = "report site",
	    .run = cmd_report_site,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "SITE",
	    .options = CTL_BIT(CTL_OPT_FORMAT) | CTL_BIT(CTL_OPT_OUTPUT),
	    .help = "write all about a site: state, heirs of heirs, events",
	    .example =
		"anycastctl report site chc --format svg --output chc.svg",
	},
	{
	    .name = "report experiment",
	    .run = cmd_report_experiment,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "ID",
	    .options = CTL_BIT(CTL_OPT_FORMAT) | CTL_BIT(CTL_OPT_OUTPUT),
	    .help = "write what an experiment did and found",
	    .example = "anycastctl report experiment 7",
	},
	{
	    .name = "clients import",
	    .run = cmd_clients_import,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "FILE|-",
	    .options = CTL_BIT(CTL_OPT_TYPE),
	    .help = "replace the list of clients",
	    .example = "zcat clients.gz | anycastctl clients import -",
	},
	{
	    .name = "clients list",
	    .run = cmd_clients_list,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_SITE) | CTL_BIT(CTL_OPT_TOP),
	    .help = "show recent clients, the heaviest first",
	    .example = "anycastctl clients list --site chc --top 50",
	},
	{
	    .name = "clients take",
	    .run = cmd_clients_take,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_SITE) | CTL_BIT(CTL_OPT_TOP),
	    .help = "replace the list of clients by recent ones",
	    .example = "anycastctl clients take --top 500000",
	},
	{
	    .name = "clients stats",
	    .run = cmd_clients_stats,
	    .args = "",
	    .help = "show how many clients there are, and their feeds",
	    .example = "anycastctl clients stats",
	},
	{
	    .name = "optout add",
	    .run = cmd_optout_add,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "PREFIX",
	    .options = CTL_BIT(CTL_OPT_REASON),
	    .help = "ping an address or a prefix no more",
	    .example = "anycastctl optout add 192.0.2.0/24 --reason 'mail 77'",
	},
	{
	    .name = "optout del",
	    .run = cmd_optout_del,
	    .min_args = 1,
	    .max_args = 1,
	    .args = "PREFIX",
	    .help = "let it be pinged again",
	    .example = "anycastctl optout del 192.0.2.0/24",
	},
	{
	    .name = "optout list",
	    .run = cmd_optout_list,
	    .args = "",
	    .help = "show who does not want to be pinged",
	    .example = "anycastctl optout list",
	},
	{
	    .name = "reload",
	    .run = cmd_reload,
	    .args = "",
	    .help = "read the configuration anew, all of it or nothing",
	    .example = "anycastctl reload",
	},
	{
	    .name = "stop",
	    .run = cmd_stop,
	    .args = "",
	    .options = CTL_BIT(CTL_OPT_DRAIN) | CTL_BIT(CTL_OPT_AT_ONCE) |
		CTL_BIT(CTL_OPT_REASON),
	    .help = "end the daemon; its routes stay, unless it drains first",
	    .example = "anycastctl stop --drain --reason 'new disks'",
	},
	{
	    .name = "help",
	    .run = cmd_help,
	    .max_args = 2,
	    .args = "[COMMAND]",
	    .options = CTL_BIT(CTL_OPT_NAMES),
	    .is_local = true,
	    .help = "explain a command, or list all",
	    .example = "anycastctl help drain",
	},
	{
	    .name = "version",
	    .run = cmd_version,
	    .args = "",
	    .is_local = true,
	    .help = "show the version of anycastctl",
	    .example = "anycastctl version",
	},
};
const size_t ctl_n_commands = COUNT(ctl_command_table);

/* How many of args are the words of name; 0: it is another command. */
static size_t
match_words(const char *name, char *const *args, size_t n_args)
{
	size_t n_words = 0;

	while (n_words < n_args) {
		size_t len = strcspn(name, " ");

		if (strlen(args[n_words]) != len ||
		    strncmp(args[n_words], name, len) != 0)
			return 0;
		n_words++;
		name += len;
		if (*name == '\0')
			return n_words;
		name++;
	}
	return 0;
}

static bool
is_in_group(const struct ctl_command *cmd, const char *group)
{
	size_t len = strcspn(cmd->name, " ");

	return cmd->name[len] != '\0' && strlen(group) == len &&
	    strncmp(cmd->name, group, len) == 0;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance; long texts are far from everything. */
static size_t
distance(const char *a, const char *b)
{
	enum { LEN_MAX = 40 };
	size_t row[LEN_MAX + 1];
	size_t n = strlen(b);

	if (n > LEN_MAX || strlen(a) > LEN_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t change = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] =
			    least(change, least(row[j], row[j + 1]) + 1);
		}
	}
	return row[n];
}

/* The command whose name is closest to what was typed, or NULL. */
static const char *
guess(const char *typed)
{
	size_t best = SLIPS_MAX + 1;
	const char *name = NULL;

	for (size_t i = 0; i < ctl_n_commands; i++) {
		size_t d = distance(typed, ctl_command_table[i].name);

		if (d < best && d < strlen(typed)) {
			best = d;
			name = ctl_command_table[i].name;
		}
	}
	return name;
}

/* The same by the first word alone: "predcit run x", "predct". */
static const char *
guess_group(const char *word)
{
	for (size_t i = 0; i < ctl_n_commands; i++) {
		const char *name = ctl_command_table[i].name;
		size_t len = strcspn(name, " ");
		char *first = xasprintf("%.*s", (int)len, name);
		size_t d = distance(word, first);

		free(first);
		if (d <= SLIPS_MAX && d < strlen(word))
			return name;
	}
	return NULL;
}

static int
refuse_group(const char *group, const char *second, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];

	if (second == NULL) {
		err_set(err, ERR_CONF, "needs one of");
	} else {
		err_set(err, ERR_CONF, "%s: not known, expected one of",
		    printable(second, shown));
	}
	for (size_t i = 0; err != NULL && i < ctl_n_commands; i++) {
		const struct ctl_command *cmd = &ctl_command_table[i];
		size_t used = strlen(err->msg);

		if (is_in_group(cmd, group)) {
			(void)snprintf(err->msg + used, sizeof(err->msg) - used,
			    " %s", cmd->name + strlen(group) + 1);
		}
	}
	return err_wrap(err, "%s", group);
}

static int
refuse_command(char *const *args, size_t n_args, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];
	const char *meant = NULL;
	char *both;

	for (size_t i = 0; i < ctl_n_commands; i++) {
		if (is_in_group(&ctl_command_table[i], args[0])) {
			return refuse_group(args[0],
			    n_args > 1 ? args[1] : NULL, err);
		}
	}
	both = xasprintf("%s %s", args[0], n_args > 1 ? args[1] : "");
	meant = guess(both);
	if (meant == NULL)
		meant = guess(args[0]);
	if (meant == NULL)
		meant = guess_group(args[0]);
	free(both);
	printable(args[0], shown);
	if (meant == NULL) {
		return err_set(err, ERR_CONF,
		    "%s: not a command, see anycastctl help", shown);
	}
	return err_set(err, ERR_CONF, "%s: not a command, did you mean %s?",
	    shown, meant);
}

static bool
is_group(const char *name)
{
	for (size_t i = 0; i < ctl_n_commands; i++) {
		if (is_in_group(&ctl_command_table[i], name))
			return true;
	}
	return false;
}

const struct ctl_command *
ctl_command_find(char *const *args, size_t n_args, size_t *n_words,
    struct err *err)
{
	for (size_t i = 0; i < ctl_n_commands; i++) {
		*n_words = match_words(ctl_command_table[i].name, args, n_args);
		/* Behind a group's name only a command of it can come. */
		if (*n_words == 1 && n_args > 1 &&
		    ctl_command_table[i].max_args == 0 && is_group(args[0]))
			break;
		if (*n_words > 0)
			return &ctl_command_table[i];
	}
	if (n_args == 0) {
		err_set(err, ERR_CONF, "no command, see anycastctl help");
	} else {
		refuse_command(args, n_args, err);
	}
	return NULL;
}

/* The first option of a set, which is not empty. */
static const char *
first_option(uint64_t set)
{
	return ctl_option_table[__builtin_ctzll(set)].name;
}

int
ctl_command_check(const struct ctl_command *cmd, const struct ctl_options *opt,
    size_t n_words, struct err *err)
{
	uint64_t may = CTL_GLOBAL_OPTIONS | cmd->required | cmd->options;
	uint64_t foreign = opt->given & ~may;
	uint64_t missing = cmd->required & ~opt->given;
	size_t n_args = opt->n_args - n_words;

	if (foreign != 0) {
		return err_set(err, ERR_CONF,
		    "%s: option --%s: not for this command", cmd->name,
		    first_option(foreign));
	}
	if (n_args < cmd->min_args) {
		return err_set(err, ERR_CONF, "%s: needs %s", cmd->name,
		    cmd->args);
	}
	if (n_args > cmd->max_args) {
		return err_set(err, ERR_CONF, "%s: too many arguments",
		    cmd->name);
	}
	for (size_t i = n_words; i < opt->n_args; i++) {
		if (opt->args[i][0] == '\0') {
			return err_set(err, ERR_CONF, "%s: %s is empty",
			    cmd->name, cmd->args);
		}
	}
	if (missing != 0) {
		return err_set(err, ERR_CONF, "%s: needs --%s", cmd->name,
		    first_option(missing));
	}
	return 0;
}

static void
put_usage_option(FILE *out, int opt, bool required)
{
	const struct ctl_option *o = &ctl_option_table[opt];

	fprintf(out, required ? " --%s" : " [--%s", o->name);
	if (o->arg != NULL)
		fprintf(out, " %s", o->arg);
	fputs(required ? "" : "]", out);
}

void
ctl_command_usage(FILE *out, const struct ctl_command *cmd)
{
	fprintf(out, "anycastctl %s%s%s", cmd->name,
	    cmd->args[0] == '\0' ? "" : " ", cmd->args);
	for (int i = 0; i < CTL_OPT_COUNT; i++) {
		if (cmd->required & CTL_BIT(i)) {
			put_usage_option(out, i, true);
		} else if (cmd->options & CTL_BIT(i)) {
			put_usage_option(out, i, false);
		}
	}
	fputc('\n', out);
}

static void
put_options(FILE *out, uint64_t set)
{
	for (int i = 0; i < CTL_OPT_COUNT; i++) {
		const struct ctl_option *o = &ctl_option_table[i];
		int used;

		if (!(set & CTL_BIT(i)))
			continue;
		used = fprintf(out, "  --%s%s%s", o->name,
		    o->arg == NULL ? "" : " ", o->arg == NULL ? "" : o->arg);
		fprintf(out, "%*s%s\n",
		    used < OPTION_COLUMNS ? OPTION_COLUMNS - used : 1, "",
		    o->help);
	}
}

void
ctl_command_help(FILE *out, const struct ctl_command *cmd)
{
	fputs("usage: ", out);
	ctl_command_usage(out, cmd);
	fprintf(out, "%s\n\n", cmd->help);
	put_options(out, cmd->required | cmd->options);
	put_options(out, CTL_GLOBAL_OPTIONS);
	fprintf(out, "\nexample:\n  %s\n", cmd->example);
}

static void
put_summary(FILE *out, const struct ctl_command *cmd)
{
	char *call = xasprintf("%s %s", cmd->name, cmd->args);

	fprintf(out, "  %-24s %s\n", call, cmd->help);
	free(call);
}

bool
ctl_command_help_group(FILE *out, const char *group)
{
	bool any = false;

	for (size_t i = 0; i < ctl_n_commands; i++) {
		if (!is_in_group(&ctl_command_table[i], group))
			continue;
		put_summary(out, &ctl_command_table[i]);
		any = true;
	}
	for (size_t i = 0; any && i < ctl_n_commands; i++) {
		/* The group's name alone is a command, too. */
		if (strcmp(ctl_command_table[i].name, group) == 0) {
			fputc('\n', out);
			ctl_command_help(out, &ctl_command_table[i]);
		}
	}
	return any;
}

void
ctl_command_help_all(FILE *out)
{
	fputs("usage: anycastctl [OPTIONS] COMMAND [ARGUMENTS]\n\n", out);
	for (size_t i = 0; i < ctl_n_commands; i++)
		put_summary(out, &ctl_command_table[i]);
	fputs("\noptions for every command:\n", out);
	put_options(out, CTL_GLOBAL_OPTIONS);
	fputs("\nexit status: 0 done, 1 refused or failed, 2 usage, "
	      "3 daemon unreachable\n"
	      "anycastctl help COMMAND says more\n",
	    out);
}

void
ctl_command_names(FILE *out)
{
	for (size_t i = 0; i < ctl_n_commands; i++)
		fprintf(out, "%s\n", ctl_command_table[i].name);
}

void
ctl_command_option_names(FILE *out, const struct ctl_command *cmd)
{
	uint64_t set = CTL_GLOBAL_OPTIONS | cmd->required | cmd->options;

	for (int i = 0; i < CTL_OPT_COUNT; i++) {
		if (set & CTL_BIT(i))
			fprintf(out, "--%s\n", ctl_option_table[i].name);
	}
}
