/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

enum ctl_exit
cmd_explain(struct ctl *c)
{
	char *what = ctl_escape(c->args[0]);
	char *path = xasprintf("/v1/explain?what=%s", what);
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, path, &doc);
	free(path);
	free(what);
	return ctl_show_answer(c, rc, report_explain, doc);
}
