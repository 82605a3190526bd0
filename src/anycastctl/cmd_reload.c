/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include "report/text.h"

enum ctl_exit
cmd_reload(struct ctl *c)
{
	enum ctl_exit rc;
	const json_t *one;
	json_t *doc;
	size_t i;

	rc = ctl_post(c, "/v1/reload", NULL, &doc);
	if (rc == CTL_DONE && ctl_options_has(&c->opt, CTL_OPT_JSON)) {
		rc = ctl_show(c, report_json, doc);
	} else if (rc == CTL_DONE) {
		const json_t *changes = json_object_get(doc, "changes");

		fputs(json_array_size(changes) == 0
			? "reloaded, nothing changed\n"
			: "reloaded\n",
		    c->out);
		json_array_foreach (changes, i, one) {
			const char *text = json_string_value(one);

			fputs("  ", c->out);
			text_put(c->out, text != NULL ? text : "?");
			fputc('\n', c->out);
		}
	}
	json_decref(doc);
	return rc;
}
