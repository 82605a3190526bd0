/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>
#include <string.h>

#include "anycastctl/probes.h"

/* One that is running and the next, a minute each, and the start of many. */
#define PROBES_TIMEOUT_MS 180000

enum ctl_exit
probes_post(struct ctl *c, const char *path, json_t *body, json_t **doc)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct ctl_request req = {
		.method = "POST",
		.path = path,
		.type = "application/json",
		.body = text,
		.body_len = text == NULL ? 0 : strlen(text),
		.timeout_ms = PROBES_TIMEOUT_MS,
	};
	enum ctl_exit rc = ctl_call(c, &req, doc);

	json_decref(body);
	free(text);
	return rc;
}

bool
probes_is_pass(const json_t *probe)
{
	const char *verdict =
	    json_string_value(json_object_get(probe, "verdict"));

	return verdict != NULL && strcmp(verdict, "pass") == 0;
}

enum ctl_exit
cmd_probe_run(struct ctl *c)
{
	const char *slash = strchr(c->args[0], '/');
	const char *name = slash != NULL ? slash + 1 : c->args[0];
	json_t *body = json_pack("{s:s}", "probe", name);
	json_t *service = NULL, *doc;
	enum ctl_exit rc;

	if (slash != NULL) {
		service =
		    json_stringn(c->args[0], (size_t)(slash - c->args[0]));
	}
	if (body == NULL || (slash != NULL && service == NULL)) {
		ctl_error(c, "probe run: not UTF-8");
		json_decref(body);
		return CTL_USAGE;
	}
	if (service != NULL)
		json_object_set_new(body, "service", service);
	rc = probes_post(c, "/v1/probes/run", body, &doc);
	if (rc == CTL_DONE)
		rc = ctl_show(c, report_probe, doc);
	if (rc == CTL_DONE && !probes_is_pass(doc))
		rc = CTL_FAILED;
	json_decref(doc);
	return rc;
}
