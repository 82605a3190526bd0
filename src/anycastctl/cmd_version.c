/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include "base/version.h"

enum ctl_exit
cmd_version(struct ctl *c)
{
	if (ctl_options_has(&c->opt, CTL_OPT_JSON)) {
		fprintf(c->out, "{\"version\": \"%s\"}\n", anycastd_version());
	} else {
		fprintf(c->out, "anycastctl %s\n", anycastd_version());
	}
	return CTL_DONE;
}
