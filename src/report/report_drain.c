/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far a drain or a restore has come, and what it waits for. */
#include <string.h>

#include "report/job.h"
#include "report/text.h"

static const char *
step_of(struct report_job *job, const json_t *prefix)
{
	return fields_text_or(&job->f,
	    fields_object_opt(&job->f, prefix, "drain"), "step", "normal");
}

static bool
is_moving(struct report_job *job, const json_t *prefix)
{
	const char *step = step_of(job, prefix);
	const char *waits = fields_text_or(&job->f,
	    fields_object_opt(&job->f, prefix, "drain"), "waits_for", "none");

	/* Drained, and kept so by a freeze although no drain wants it. */
	return strcmp(step, "normal") != 0 &&
	    (strcmp(step, "drained") != 0 || strcmp(waits, "none") != 0);
}

/* The limit of the step, or 0. */
static int64_t
limit_of(struct report_job *job, const json_t *drain, const char *name)
{
	const json_t *steps = fields_array_opt(&job->f, drain, "steps");
	const json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		if (strcmp(fields_text(&job->f, step, "step"), name) == 0)
			return fields_count_or(&job->f, step, "below", 0);
	}
	return 0;
}

/* ": 12.5/s by interface eth0, expected below 10/s" */
static void
put_traffic(struct report_job *job, const json_t *drain, const char *step)
{
	const char *trouble = fields_text_or(&job->f, drain, "trouble", "");
	double per_s = fields_real_or(&job->f, drain, "per_s", -1);
	char text[TEXT_NUMBER_BYTES];

	fputs(": ", job->out);
	if (trouble[0] == '\0' && per_s >= 0)
		fprintf(job->out, "%s/s by ", text_weight(per_s, text));
	text_put(job->out, fields_text_or(&job->f, drain, "counter", ""));
	if (trouble[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, trouble);
	}
	fprintf(job->out, ", expected below %lld/s",
	    (long long)limit_of(job, drain, step));
}

static void
put_step(struct report_job *job, const json_t *service, const json_t *prefix)
{
	const json_t *at = fields_object_opt(&job->f, prefix, "drain");
	const char *waits = fields_text_or(&job->f, at, "waits_for", "none");
	const char *step = step_of(job, prefix);
	char age[TEXT_NUMBER_BYTES];

	text_put(job->out, fields_text(&job->f, service, "service"));
	fputs(" at ", job->out);
	text_put(job->out, step);
	if (strcmp(waits, "none") == 0)
		return;
	fprintf(job->out, " for %s, waits for ",
	    text_age(fields_count_or(&job->f, at, "for_ms", 0), age));
	text_put(job->out, waits);
	if (strstr(waits, "traffic") != NULL) {
		put_traffic(job, fields_object_opt(&job->f, service, "drain"),
		    step);
	}
}

static const json_t *
find_service(struct report_job *job, const json_t *services, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach (services, i, service) {
		if (strcmp(fields_text(&job->f, service, "service"), name) == 0)
			return service;
	}
	return NULL;
}

void
report_put_drains(struct report_job *job, const json_t *site,
    report_begin_fn *begin, void *arg)
{
	const json_t *services = fields_array_opt(&job->f, site, "services");
	const json_t *prefixes = fields_array_opt(&job->f, site, "prefixes");
	json_t *told = json_object();
	FILE *out = job->out;
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p) {
		const char *name =
		    fields_text_or(&job->f, p, "service", "(test)");
		const json_t *service;

		if (!is_moving(job, p) || json_object_get(told, name) != NULL)
			continue;
		json_object_set_new(told, name, json_true());
		service = find_service(job, services, name);
		if (service == NULL)
			continue;
		if (begin != NULL) {
			job->out = begin(out, arg);
		} else {
			fputs("  drain  ", out);
		}
		put_step(job, service, p);
		job->out = out;
		fputs(begin != NULL ? "" : "\n", out);
	}
	json_decref(told);
}
