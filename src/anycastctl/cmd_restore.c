/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

enum ctl_exit
cmd_restore(struct ctl *c)
{
	char *site = ctl_escape(c->args[0]);
	char *path = xasprintf("/v1/sites/%s/restore", site);
	json_t *body = json_pack("{s:b, s:s*, s:s*}", "all",
	    ctl_options_has(&c->opt, CTL_OPT_ALL), "service", c->opt.service,
	    "prefix", c->opt.prefix);
	enum ctl_exit rc = CTL_USAGE;
	json_t *doc = NULL;

	if (body == NULL) {
		ctl_error(c, "restore: options --service, --prefix: not UTF-8");
	} else {
		rc = ctl_post(c, path, body, &doc);
	}
	free(path);
	free(site);
	return ctl_show_answer(c, rc, report_restore, doc);
}
