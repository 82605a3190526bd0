/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_COMMANDS_H
#define ANYCASTCTL_COMMANDS_H
/*
 * commands -- the one table of commands: usage, help, checks of arguments and
 * names for completion come from it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "anycastctl/ctl.h"
#include "base/err.h"

typedef enum ctl_exit ctl_command_fn(struct ctl *c);

struct ctl_command {
	const char *name; /* one word, or two: "predict run" */
	ctl_command_fn *run;
	size_t min_args, max_args;
	const char *args;  /* for usage; "" if none */
	uint64_t required; /* CTL_BIT of options that must be there */
	uint64_t options;  /* of those that may be, beside the global ones */
	bool is_local;     /* needs no daemon */
	const char *help;  /* one line */
	const char *example;
};

extern const struct ctl_command ctl_command_table[];
extern const size_t ctl_n_commands;

ctl_command_fn cmd_status, cmd_drain, cmd_restore, cmd_events, cmd_explain;
ctl_command_fn cmd_predict_run, cmd_predict_show, cmd_predict_status;
ctl_command_fn cmd_predict_plan, cmd_predict_pause, cmd_predict_resume;
ctl_command_fn cmd_predict_diff, cmd_predict_down, cmd_predict_campaign;
ctl_command_fn cmd_predict_landings, cmd_predict_tests, cmd_predict_null_run;
ctl_command_fn cmd_predict_abort, cmd_clients_import;
ctl_command_fn cmd_report_failover, cmd_report_site, cmd_report_experiment;
ctl_command_fn cmd_clients_list, cmd_clients_take;
ctl_command_fn cmd_optout_add, cmd_optout_del, cmd_optout_list;
ctl_command_fn cmd_clients_stats, cmd_help, cmd_version, cmd_watch;
ctl_command_fn cmd_probe_run, cmd_check_now, cmd_stop, cmd_reload;
ctl_command_fn cmd_override, cmd_override_end, cmd_freeze, cmd_thaw;

/*
 * The command that args begin with; *n_words is how many of them name it.
 * NULL with err if there is none, with the one that may have been meant.
 */
const struct ctl_command *ctl_command_find(char *const *args, size_t n_args,
    size_t *n_words, struct err *err);
/* Are the options and the arguments behind the n_words of the name in order? */
int ctl_command_check(const struct ctl_command *cmd,
    const struct ctl_options *opt, size_t n_words, struct err *err);

/* "anycastctl drain SITE [--reason TEXT] ..." with a line feed. */
void ctl_command_usage(FILE *out, const struct ctl_command *cmd);
/* All about one command; all commands whose first word is group; all. */
void ctl_command_help(FILE *out, const struct ctl_command *cmd);
/* Returns whether there were any. */
bool ctl_command_help_group(FILE *out, const char *group);
void ctl_command_help_all(FILE *out);
/* For completion: names of commands; of one command's options. */
void ctl_command_names(FILE *out);
void ctl_command_option_names(FILE *out, const struct ctl_command *cmd);

#endif /* ANYCASTCTL_COMMANDS_H */
