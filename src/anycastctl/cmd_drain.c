/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

enum ctl_exit
cmd_drain(struct ctl *c)
{
	char *site = ctl_escape(c->args[0]);
	char *path = xasprintf("/v1/sites/%s/drain", site);
	const char *reason = c->opt.reason;
	const char *force = c->opt.force;
	json_t *body = json_pack("{s:s, s:I, s:b, s:s}", "reason",
	    reason == NULL ? "" : reason, "for_ms", (json_int_t)c->opt.for_ms,
	    "dry_run", ctl_options_has(&c->opt, CTL_OPT_DRY_RUN), "force",
	    force == NULL ? "" : force);
	enum ctl_exit rc = CTL_USAGE;
	json_t *doc = NULL;

	if (body == NULL) {
		ctl_error(c, "drain: option --reason: not UTF-8");
	} else {
		rc = ctl_post(c, path, body, &doc);
	}
	if (rc == CTL_DONE)
		rc = ctl_show(c, report_drain, doc);
	json_decref(doc);
	free(path);
	free(site);
	return rc;
}
