/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include "anycastctl/probes.h"

/* Did every probe pass? */
static bool
all_pass(const json_t *doc)
{
	const json_t *service, *probe;
	size_t i, k;

	json_array_foreach (json_object_get(doc, "services"), i, service) {
		const json_t *probes = json_object_get(service, "probes");

		json_array_foreach (probes, k, probe) {
			if (!probes_is_pass(probe))
				return false;
		}
	}
	return true;
}

enum ctl_exit
cmd_check_now(struct ctl *c)
{
	json_t *body = c->n_args > 0 ? json_pack("{s:s}", "service", c->args[0])
				     : json_object();
	enum ctl_exit rc;
	json_t *doc;

	if (body == NULL) {
		ctl_error(c, "check now: not UTF-8");
		return CTL_USAGE;
	}
	rc = probes_post(c, "/v1/check", body, &doc);
	if (rc == CTL_DONE)
		rc = ctl_show(c, report_check, doc);
	if (rc == CTL_DONE && !all_pass(doc))
		rc = CTL_FAILED;
	json_decref(doc);
	return rc;
}
