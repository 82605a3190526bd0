/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>

#include "base/xalloc.h"

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

enum ctl_exit
cmd_drain(struct ctl *c)
{
	const struct ctl_options *opt = &c->opt;
	char *site = ctl_escape(c->args[0]);
	char *path = xasprintf("/v1/sites/%s/drain", site);
	json_t *body =
	    json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:s, s:s*, s:s*}",
		"reason", or_empty(opt->reason), "owner", or_empty(opt->owner),
		"for_ms", (json_int_t)opt->for_ms, "until_ms",
		(json_int_t)opt->until_ms, "dry_run",
		ctl_options_has(opt, CTL_OPT_DRY_RUN), "at_once",
		ctl_options_has(opt, CTL_OPT_AT_ONCE), "force",
		or_empty(opt->force), "service", opt->service, "prefix",
		opt->prefix);
	enum ctl_exit rc = CTL_USAGE;
	json_t *doc = NULL;

	if (body == NULL) {
		ctl_error(c,
		    "drain: options --reason, --owner, --service, --prefix: not UTF-8");
	} else {
		rc = ctl_post(c, path, body, &doc);
	}
	free(path);
	free(site);
	return ctl_show_answer(c, rc, report_drain, doc);
}
