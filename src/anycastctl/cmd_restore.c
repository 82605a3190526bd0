/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

enum ctl_exit
cmd_restore(struct ctl *c)
{
	char *site = ctl_escape(c->args[0]);
	char *path = xasprintf("/v1/sites/%s/restore", site);
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_post(c, path, NULL, &doc);
	if (rc == CTL_DONE)
		rc = ctl_show(c, report_restore, doc);
	json_decref(doc);
	free(path);
	free(site);
	return rc;
}
