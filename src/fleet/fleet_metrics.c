/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/fleet_metrics.h"

#include <string.h>

#include "core/experiment.h"
#include "fleet/controller_state.h"
#include "fleet/reply_book.h"
#include "fleet/test_prefix.h"

static const char *const site_states[] = { "announcing", "degraded", "diverged",
	"drained", "draining", "isolated", "lost", "sick", "unknown",
	"withdrawn", NULL };

/* What an agent of another version says counts as unknown. */
static const char *
known_state(const char *state)
{
	for (size_t i = 0; state != NULL && site_states[i] != NULL; i++) {
		if (strcmp(site_states[i], state) == 0)
			return site_states[i];
	}
	return "unknown";
}

static void
add_site(struct metrics *m, const json_t *site)
{
	const char *name = json_string_value(json_object_get(site, "site"));
	const char *const *labels = METRIC_LABELS(name != NULL ? name : "");
	const json_t *intents = json_object_get(site, "intents");
	const char *by = json_string_value(json_object_get(site, "load_by"));
	struct metric_states state = { .names = site_states };

	state.current =
	    known_state(json_string_value(json_object_get(site, "state")));
	metrics_add_field(m, METRIC_FLEET_SITE_CAPACITY, site, "capacity",
	    labels);
	metrics_add_real(m, METRIC_FLEET_SITE_LOAD, site, "load",
	    METRIC_LABELS(name != NULL ? name : "", by != NULL ? by : ""));
	metrics_add_states(m, METRIC_FLEET_SITE_STATE, &state, labels);
	metrics_add_field(m, METRIC_FLEET_AGENT_AGE, site, "agent_age_ms",
	    labels);
	metrics_add_field(m, METRIC_FLEET_APPLIED_REVISION, site,
	    "applied_revision", labels);
	metrics_add_field(m, METRIC_FLEET_WANTED_REVISION, site,
	    "wanted_revision", labels);
	metrics_add(m, METRIC_FLEET_INTENTS_ACTIVE,
	    (int64_t)json_array_size(intents), labels);
}

static void
add_replies(struct metrics *m, const char *test, const json_t *site)
{
	const char *name = json_string_value(json_object_get(site, "site"));

	for (enum reply_class cl = 0; cl < REPLY_CLASS_COUNT; cl++) {
		const char *class_name = reply_class_name(cl);

		metrics_add_field(m, METRIC_FLEET_EXPERIMENT_REPLIES, site,
		    class_name,
		    METRIC_LABELS(test, name != NULL ? name : "", class_name));
	}
}

static void
add_experiment(struct metrics *m, const json_t *experiment)
{
	const char *names[EXPERIMENT_STATE_COUNT] = { NULL };
	const char *site =
	    json_string_value(json_object_get(experiment, "site"));
	const char *test =
	    json_string_value(json_object_get(experiment, "test"));
	struct metric_states state = { .names = names };
	const json_t *replies;
	size_t n = 0, i;

	if (site == NULL)
		return;
	if (test == NULL)
		test = "";
	for (enum experiment_state s = EXPERIMENT_STAY + 1;
	     s < EXPERIMENT_STATE_COUNT; s++)
		names[n++] = experiment_state_name(s);
	state.current = json_string_value(json_object_get(experiment, "state"));
	metrics_add_states(m, METRIC_FLEET_EXPERIMENT_STATE, &state,
	    METRIC_LABELS(test, site));
	metrics_add_field(m, METRIC_FLEET_EXPERIMENT_PROGRESS, experiment,
	    "progress_permille", METRIC_LABELS(test, site));
	json_array_foreach (json_object_get(experiment, "replies"), i, replies)
		add_replies(m, test, replies);
}

static void
add_test(struct metrics *m, const json_t *test)
{
	const char *names[TEST_TRUST_COUNT + 1] = { NULL };
	const char *name = json_string_value(json_object_get(test, "test"));
	const json_t *run = json_object_get(test, "null_run");
	struct metric_states state = { .names = names };

	if (name == NULL)
		return;
	for (int t = 0; t < TEST_TRUST_COUNT; t++)
		names[t] = test_trust_name((enum test_trust)t);
	state.current = json_string_value(json_object_get(test, "state"));
	metrics_add_states(m, METRIC_FLEET_TEST_STATE, &state,
	    METRIC_LABELS(name));
	metrics_add_field(m, METRIC_FLEET_TEST_REST, test, "rest_ms",
	    METRIC_LABELS(name));
	metrics_add_real(m, METRIC_FLEET_TEST_DISTANCE, run, "distance",
	    METRIC_LABELS(name));
	metrics_add_real(m, METRIC_FLEET_TEST_NOISE, run, "noise",
	    METRIC_LABELS(name));
	metrics_add_real(m, METRIC_FLEET_TEST_BEYOND, run, "beyond",
	    METRIC_LABELS(name));
}

void
fleet_metrics_add(struct metrics *m, const json_t *status)
{
	const json_t *site;
	size_t i;

	json_array_foreach (json_object_get(status, "sites"), i, site)
		add_site(m, site);
	json_array_foreach (json_object_get(status, "guards"), i, site) {
		metrics_add(m, METRIC_FLEET_GUARD_ACTIVE, 1,
		    METRIC_LABELS(json_string_value(json_object_get(site,
				      "guard")),
			json_string_value(json_object_get(site, "state"))));
	}
	metrics_add_field(m, METRIC_FLEET_CLIENTS,
	    json_object_get(status, "clients"), "count", METRIC_NO_LABELS);
	metrics_add_field(m, METRIC_FLEET_OPTOUTS,
	    json_object_get(status, "clients"), "optouts", METRIC_NO_LABELS);
	json_array_foreach (json_object_get(status, "experiments"), i, site)
		add_experiment(m, site);
	/* Of those that run it is one: of samples that are alike the first
	 * counts. */
	add_experiment(m, json_object_get(status, "experiment"));
	json_array_foreach (json_object_get(status, "tests"), i, site)
		add_test(m, site);
}

void
fleet_metrics(struct metrics *m, void *arg)
{
	json_t *status = fleet_status(arg);

	fleet_metrics_add(m, status);
	json_decref(status);
}
