/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/status.h"

#include <stdlib.h>
#include <string.h>

#include "anycastctl/commands.h"
#include "base/xalloc.h"

/* "akl chc syd": what may have been meant.  The caller frees. */
static char *
list_sites(const json_t *sites)
{
	char *list = xstrdup("");
	const json_t *site;
	size_t i;

	json_array_foreach (sites, i, site) {
		const char *name =
		    json_string_value(json_object_get(site, "site"));
		char *longer =
		    xasprintf("%s %s", list, name == NULL ? "?" : name);

		free(list);
		list = longer;
	}
	return list;
}

/* Leave only the site of that name in doc; whether there is one. */
static bool
keep_site(json_t *doc, const char *name)
{
	json_t *sites = json_object_get(doc, "sites");
	size_t i = 0;

	while (i < json_array_size(sites)) {
		const json_t *site = json_array_get(sites, i);
		const char *is =
		    json_string_value(json_object_get(site, "site"));

		if (is != NULL && strcmp(is, name) == 0) {
			i++;
		} else {
			json_array_remove(sites, i);
		}
	}
	return i > 0;
}

report_fn *
status_pick(json_t *doc, const char *site, char **why)
{
	char *known;

	if (site == NULL)
		return report_status;
	known = list_sites(json_object_get(doc, "sites"));
	if (!keep_site(doc, site)) {
		*why = xasprintf("site %s: not in this fleet, known:%s", site,
		    known);
		free(known);
		return NULL;
	}
	free(known);
	return report_sites;
}

enum ctl_exit
cmd_status(struct ctl *c)
{
	report_fn *render;
	enum ctl_exit rc;
	json_t *doc;
	char *why;

	rc = ctl_get(c, "/v1/status", &doc);
	if (rc != CTL_DONE)
		return rc;
	render = status_pick(doc, c->n_args == 0 ? NULL : c->args[0], &why);
	if (render != NULL) {
		rc = ctl_show(c, render, doc);
	} else {
		ctl_error(c, "%s", why);
		free(why);
		rc = CTL_FAILED;
	}
	json_decref(doc);
	return rc;
}
