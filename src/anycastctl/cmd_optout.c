/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who does not want to be pinged. */
#include "anycastctl/commands.h"

#include "base/xalloc.h"

static enum ctl_exit
change(struct ctl *c, const char *path, report_fn *show)
{
	json_t *body = json_pack("{s:s, s:s*}", "prefix", c->args[0], "reason",
	    c->opt.reason);
	enum ctl_exit rc = CTL_USAGE;
	json_t *doc = NULL;

	if (body == NULL) {
		ctl_error(c, "optout: prefix, --reason: not UTF-8");
	} else {
		rc = ctl_post(c, path, body, &doc);
	}
	return ctl_show_answer(c, rc, show, doc);
}

enum ctl_exit
cmd_optout_add(struct ctl *c)
{
	return change(c, "/v1/optouts", report_optout_added);
}

enum ctl_exit
cmd_optout_del(struct ctl *c)
{
	return change(c, "/v1/optouts/remove", report_optout_removed);
}

enum ctl_exit
cmd_optout_list(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, "/v1/optouts", &doc);
	return ctl_show_answer(c, rc, report_optouts, doc);
}
