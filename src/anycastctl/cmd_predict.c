/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>
#include <string.h>

#include "anycastctl/maps.h"
#include "base/xalloc.h"
#include "report/fields.h"

enum ctl_exit
cmd_predict_show(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = maps_get(c, c->opt.site, &doc);
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_FAILOVER, doc);
	json_decref(doc);
	return rc;
}

/* {"experiment": EXPERIMENT or null, "experiments": those that run, "tests",
 * "campaign": in brief, if there ever was one}; *doc as in ctl_get. */
static enum ctl_exit
get_experiment(struct ctl *c, json_t **doc)
{
	json_t *status, *experiment, *campaign;
	enum ctl_exit rc;

	*doc = NULL;
	rc = ctl_get(c, "/v1/status", &status);
	if (rc != CTL_DONE)
		return rc;
	experiment = json_object_get(status, "experiment");
	if (experiment == NULL)
		experiment = json_null();
	*doc = json_pack("{s:O, s:O*, s:O*}", "experiment", experiment,
	    "experiments", json_object_get(status, "experiments"), "tests",
	    json_object_get(status, "tests"));
	campaign = json_object_get(status, "campaign");
	if (json_is_object(campaign))
		json_object_set(*doc, "campaign", campaign);
	json_decref(status);
	return CTL_DONE;
}

/* In full, in the place of the brief one. */
static enum ctl_exit
add_campaign(struct ctl *c, json_t *doc)
{
	enum ctl_exit rc;
	json_t *answer;

	if (json_object_get(doc, "campaign") == NULL)
		return CTL_DONE;
	rc = ctl_get(c, "/v1/campaign", &answer);
	if (rc == CTL_DONE) {
		json_object_set(doc, "campaign",
		    json_object_get(answer, "campaign"));
	}
	json_decref(answer);
	return rc;
}

enum ctl_exit
cmd_predict_status(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = get_experiment(c, &doc);
	if (rc == CTL_DONE)
		rc = add_campaign(c, doc);
	if (rc == CTL_DONE && !ctl_options_has(&c->opt, CTL_OPT_JSON) &&
	    json_object_get(doc, "campaign") != NULL)
		rc = ctl_show(c, report_campaign, doc);
	/* Of a single one there is nothing to say. */
	if (rc == CTL_DONE && !ctl_options_has(&c->opt, CTL_OPT_JSON) &&
	    json_array_size(json_object_get(doc, "tests")) > 1)
		rc = ctl_show(c, report_tests, doc);
	return ctl_show_answer(c, rc, report_experiment, doc);
}

static enum ctl_exit
abort_experiment(struct ctl *c, const json_t *experiment)
{
	struct err err;
	struct fields f = { .err = &err };
	long long id = (long long)fields_count(&f, experiment, "id");
	char *path = xasprintf("/v1/experiments/%lld/abort", id);
	json_t *doc = NULL;
	enum ctl_exit rc = CTL_FAILED;

	if (f.bad) {
		ctl_error(c, "the daemon's answer: %s", err.msg);
	} else {
		rc = ctl_post(c, path, NULL, &doc);
	}
	if (rc == CTL_DONE && ctl_options_has(&c->opt, CTL_OPT_JSON)) {
		rc = ctl_show(c, report_json, doc);
	} else if (rc == CTL_DONE) {
		fprintf(c->out,
		    "experiment %lld: aborted, the test prefix "
		    "is put back\n",
		    id);
	}
	json_decref(doc);
	free(path);
	return rc;
}

/* All that run; of a daemon that names none of them, the newest. */
static enum ctl_exit
abort_experiments(struct ctl *c, const json_t *doc)
{
	const json_t *list = json_object_get(doc, "experiments"), *experiment;
	enum ctl_exit rc = CTL_DONE;
	size_t i;

	if (json_array_size(list) == 0)
		return abort_experiment(c, json_object_get(doc, "experiment"));
	json_array_foreach (list, i, experiment) {
		enum ctl_exit one = abort_experiment(c, experiment);

		if (one != CTL_DONE)
			rc = one;
	}
	return rc;
}

static bool
is_going_on(const json_t *campaign)
{
	const char *state =
	    json_string_value(json_object_get(campaign, "state"));

	return state != NULL &&
	    (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0);
}

enum ctl_exit
cmd_predict_abort(struct ctl *c)
{
	const json_t *experiment;
	const char *state;
	enum ctl_exit rc;
	json_t *doc;

	rc = get_experiment(c, &doc);
	if (rc != CTL_DONE)
		return rc;
	if (is_going_on(json_object_get(doc, "campaign"))) {
		json_decref(doc);
		rc = ctl_post(c, "/v1/campaign/abort", NULL, &doc);
		return ctl_show_answer(c, rc, report_campaign, doc);
	}
	experiment = json_object_get(doc, "experiment");
	state = json_string_value(json_object_get(experiment, "state"));
	if (json_is_null(experiment) ||
	    (state != NULL &&
		(strcmp(state, "done") == 0 || strcmp(state, "failed") == 0))) {
		ctl_error(c, "predict: no experiment is running");
		rc = CTL_FAILED;
	} else {
		rc = abort_experiments(c, doc);
	}
	json_decref(doc);
	return rc;
}
