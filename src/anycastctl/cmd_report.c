/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "anycastctl/maps.h"
#include "base/xalloc.h"

enum ctl_exit
maps_get(struct ctl *c, const char *site, json_t **doc)
{
	char *escaped = ctl_escape(site == NULL ? "" : site);
	char *path = xasprintf("/v1/failover%s%s",
	    site == NULL ? "" : "?site=", escaped);
	enum ctl_exit rc = ctl_get(c, path, doc);
	const json_t *maps = json_object_get(*doc, "maps");

	free(path);
	free(escaped);
	if (rc != CTL_DONE || !json_is_array(maps) || json_array_size(maps) > 0)
		return rc;
	if (site == NULL) {
		ctl_error(c,
		    "no site has a failover map yet: see anycastctl "
		    "help predict");
	} else {
		ctl_error(c,
		    "site %s: no failover map yet: measure it with "
		    "anycastctl predict run --site %s",
		    site, site);
	}
	json_decref(*doc);
	*doc = NULL;
	return CTL_FAILED;
}

static enum ctl_exit
render(struct ctl *c, const json_t *doc, FILE *out, bool color)
{
	struct report_style style = ctl_style(c);
	enum report_format format = c->opt.format;
	struct err err;

	style.color = style.color && color;
	if (ctl_options_has(&c->opt, CTL_OPT_JSON))
		format = REPORT_JSON;
	if (report_failover(format, doc, &style, out, &err) == 0)
		return CTL_DONE;
	ctl_error(c, "%s", err.msg);
	return CTL_FAILED;
}

static enum ctl_exit
write_file(struct ctl *c, const json_t *doc, const char *name)
{
	FILE *out = fopen(name, "we");
	enum ctl_exit rc;
	bool failed;

	if (out == NULL) {
		ctl_error(c, "%s: %s", name, strerror(errno));
		return CTL_FAILED;
	}
	rc = render(c, doc, out, false);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return rc;
	ctl_error(c, "%s: %s", name, strerror(errno));
	return CTL_FAILED;
}

enum ctl_exit
maps_show(struct ctl *c, const json_t *doc)
{
	if (c->opt.output != NULL)
		return write_file(c, doc, c->opt.output);
	return render(c, doc, c->out, true);
}

enum ctl_exit
cmd_report_failover(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = maps_get(c, c->opt.site, &doc);
	if (rc == CTL_DONE)
		rc = maps_show(c, doc);
	json_decref(doc);
	return rc;
}
