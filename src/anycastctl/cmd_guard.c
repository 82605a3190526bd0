/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guards by hand: override, freeze, thaw. */
#include "anycastctl/commands.h"

#include "core/intent.h"

/* body is taken over; NULL if it could not be made. */
static enum ctl_exit
act(struct ctl *c, const char *path, json_t *body)
{
	json_t *doc = NULL;
	enum ctl_exit rc;

	if (body == NULL) {
		ctl_error(c, "arguments and options: not UTF-8");
		return CTL_USAGE;
	}
	rc = ctl_post(c, path, body, &doc);
	return ctl_show_answer(c, rc, report_guard_act, doc);
}

enum ctl_exit
cmd_override(struct ctl *c)
{
	return act(c, "/v1/override",
	    json_pack("{s:s, s:s, s:s, s:I}", "guard", c->args[0], "site",
		c->opt.site, "reason", c->opt.reason, "for_ms",
		(json_int_t)c->opt.for_ms));
}

enum ctl_exit
cmd_override_end(struct ctl *c)
{
	return act(c, "/v1/override/end",
	    json_pack("{s:s, s:s}", "guard", c->args[0], "site", c->opt.site));
}

/* All that the daemon answers for, if no site is named: nothing that an empty
 * variable of a shell could do, since an empty argument is refused. */
static const char *
site_or_all(const struct ctl *c)
{
	return c->n_args > 0 ? c->args[0] : INTENT_FLEET;
}

enum ctl_exit
cmd_freeze(struct ctl *c)
{
	return act(c, "/v1/freeze",
	    json_pack("{s:s, s:s, s:I}", "site", site_or_all(c), "reason",
		c->opt.reason, "for_ms", (json_int_t)c->opt.for_ms));
}

enum ctl_exit
cmd_thaw(struct ctl *c)
{
	return act(c, "/v1/thaw", json_pack("{s:s}", "site", site_or_all(c)));
}
