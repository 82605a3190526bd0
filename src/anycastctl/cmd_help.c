/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

static void
help_on(struct ctl *c, const struct ctl_command *cmd)
{
	if (ctl_options_has(&c->opt, CTL_OPT_NAMES)) {
		ctl_command_option_names(c->out, cmd);
	} else {
		ctl_command_help(c->out, cmd);
	}
}

enum ctl_exit
cmd_help(struct ctl *c)
{
	const struct ctl_command *cmd;
	struct err err;
	size_t n_words;

	if (c->n_args == 0) {
		if (ctl_options_has(&c->opt, CTL_OPT_NAMES)) {
			ctl_command_names(c->out);
		} else {
			ctl_command_help_all(c->out);
		}
		return CTL_DONE;
	}
	if (c->n_args == 1 && !ctl_options_has(&c->opt, CTL_OPT_NAMES) &&
	    ctl_command_help_group(c->out, c->args[0]))
		return CTL_DONE;
	cmd = ctl_command_find(c->args, c->n_args, &n_words, &err);
	if (cmd == NULL) {
		ctl_error(c, "%s", err.msg);
		return CTL_USAGE;
	}
	if (n_words < c->n_args) {
		ctl_error(c, "help: %s: too many arguments", cmd->name);
		return CTL_USAGE;
	}
	help_on(c, cmd);
	return CTL_DONE;
}
