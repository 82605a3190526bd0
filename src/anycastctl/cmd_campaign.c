/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Campaigns, and what follows from them: maps of any set, maps over time. */
#include "anycastctl/commands.h"

#include <stdlib.h>
#include <string.h>

#include "anycastctl/maps.h"
#include "base/num.h"
#include "base/xalloc.h"

enum ctl_exit
cmd_predict_plan(struct ctl *c)
{
	json_t *doc;
	enum ctl_exit rc = ctl_post(c, "/v1/campaign",
	    json_pack("{s:I, s:b}", "depth", (json_int_t)c->opt.depth,
		"dry_run", true),
	    &doc);

	return ctl_show_answer(c, rc, report_campaign_plan, doc);
}

enum ctl_exit
cmd_predict_campaign(struct ctl *c)
{
	json_t *doc;
	enum ctl_exit rc = ctl_post(c, "/v1/campaign",
	    json_pack("{s:I}", "depth", (json_int_t)c->opt.depth), &doc);

	return ctl_show_answer(c, rc, report_campaign, doc);
}

static enum ctl_exit
command(struct ctl *c, const char *path)
{
	json_t *doc;
	enum ctl_exit rc = ctl_post(c, path, NULL, &doc);

	return ctl_show_answer(c, rc, report_campaign, doc);
}

enum ctl_exit
cmd_predict_pause(struct ctl *c)
{
	return command(c, "/v1/campaign/pause");
}

enum ctl_exit
cmd_predict_resume(struct ctl *c)
{
	return command(c, "/v1/campaign/resume");
}

enum ctl_exit
cmd_predict_down(struct ctl *c)
{
	char *escaped = ctl_escape(c->opt.down);
	char *path = xasprintf("/v1/failover?down=%s", escaped);
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, path, &doc);
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_FAILOVER, doc);
	json_decref(doc);
	free(path);
	free(escaped);
	return rc;
}

enum ctl_exit
cmd_predict_diff(struct ctl *c)
{
	char *path = xstrdup("/v1/failover/diff");
	uint32_t before = 0, now = 0;
	enum ctl_exit rc;
	struct err err;
	json_t *doc;

	if (c->n_args == 1) {
		ctl_error(c, "predict diff: needs two experiments, or none");
		free(path);
		return CTL_USAGE;
	}
	if (c->n_args == 2) {
		if (num_parse_u32(c->args[0], 1, UINT32_MAX, &before, &err) ==
			-1 ||
		    num_parse_u32(c->args[1], 1, UINT32_MAX, &now, &err) ==
			-1) {
			ctl_error(c, "predict diff: experiment: %s", err.msg);
			free(path);
			return CTL_USAGE;
		}
		free(path);
		path = xasprintf("/v1/failover/diff?before=%u&now=%u", before,
		    now);
	}
	rc = ctl_get(c, path, &doc);
	free(path);
	return ctl_show_answer(c, rc, report_diff, doc);
}

enum ctl_exit
cmd_predict_tests(struct ctl *c)
{
	json_t *doc;
	enum ctl_exit rc = ctl_get(c, "/v1/tests", &doc);

	return ctl_show_answer(c, rc, report_tests, doc);
}

enum ctl_exit
cmd_predict_null_run(struct ctl *c)
{
	json_t *doc;
	enum ctl_exit rc = ctl_post(c, "/v1/tests/null-run", NULL, &doc);

	return ctl_show_answer(c, rc, report_tests, doc);
}

enum ctl_exit
cmd_predict_landings(struct ctl *c)
{
	char *path = xasprintf("/v1/landings?limit=%u", c->opt.limit);
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, path, &doc);
	free(path);
	return ctl_show_answer(c, rc, report_landings, doc);
}
