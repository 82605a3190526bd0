/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent_metrics.h"

#include <string.h>

#include "base/json_text.h"
#include "site/agent.h"

/* "lost" is not among them: only a controller can say so. */
static const char *const site_states[] = { "announcing", "degraded", "diverged",
	"drained", "draining", "isolated", "sick", "unknown", "withdrawn",
	NULL };
static const char *const healths[] = { "healthy", "sick", "unknown", NULL };
static const char *const reals[] = { "announced", "unknown", "withdrawn",
	NULL };

/* "" if there is no such text: null is the service of a test prefix. */
static struct metric_states
states_of(const char *const *names, const json_t *obj, const char *key)
{
	return (struct metric_states){ .names = names,
		.current = json_text(obj, key) };
}

static void
add_probe(struct metrics *m, const char *site, const char *service,
    const json_t *probe)
{
	static const char *const verdicts[] = { "pass", "fail", "untried" };
	const char *name = json_text(probe, "probe");
	const char *const *labels = METRIC_LABELS(site, service, name);
	struct metric_states health = states_of(healths, probe, "health");
	const json_t *results = json_object_get(probe, "results");

	metrics_add_states(m, METRIC_PROBE_HEALTH, &health, labels);
	/* -1: the last attempt got no answer. */
	if (json_integer_value(json_object_get(probe, "rtt_us")) >= 0)
		metrics_add_field(m, METRIC_PROBE_RTT, probe, "rtt_us", labels);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		metrics_add_field(m, METRIC_PROBE_RESULTS, results, verdicts[i],
		    METRIC_LABELS(site, service, name, verdicts[i]));
	}
}

static void
add_services(struct metrics *m, const char *site, const json_t *services)
{
	const json_t *service, *probe;
	size_t i, p;

	json_array_foreach (services, i, service) {
		const char *name = json_text(service, "service");
		struct metric_states health =
		    states_of(healths, service, "health");

		metrics_add_states(m, METRIC_SERVICE_HEALTH, &health,
		    METRIC_LABELS(site, name));
		json_array_foreach (json_object_get(service, "probes"), p,
		    probe)
			add_probe(m, site, name, probe);
	}
}

static void
add_prefixes(struct metrics *m, const char *site, const json_t *prefixes)
{
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p) {
		struct metric_states real = states_of(reals, p, "real");
		const char *const *labels = METRIC_LABELS(site,
		    json_text(p, "prefix"), json_text(p, "service"));

		metrics_add(m, METRIC_PREFIX_DESIRED,
		    strcmp(json_text(p, "desired"), "announced") == 0, labels);
		metrics_add_states(m, METRIC_PREFIX_REAL, &real, labels);
		metrics_add_field(m, METRIC_PREFIX_EXPORTED_TO, p,
		    "exported_to", labels);
		metrics_add_field(m, METRIC_PREFIX_DIVERGED, p,
		    "diverged_for_ms", labels);
	}
}

static void
add_bird(struct metrics *m, const char *const *site, const json_t *bird)
{
	metrics_add(m, METRIC_BIRD_CONNECTED,
	    strcmp(json_text(bird, "state"), "connected") == 0, site);
	metrics_add_field(m, METRIC_BIRD_SESSIONS, bird, "sessions_all", site);
	metrics_add_field(m, METRIC_BIRD_SESSIONS_UP, bird, "sessions_up",
	    site);
	metrics_add_field(m, METRIC_BIRD_RECONFIGURATIONS, bird,
	    "reconfigurations", site);
	metrics_add_field(m, METRIC_BIRD_FAILURES, bird, "failures", site);
	metrics_add_field(m, METRIC_BIRD_CONFIRMED, bird, "confirmed", site);
	metrics_add_field(m, METRIC_BIRD_UNDONE, bird, "undone", site);
	metrics_add_field(m, METRIC_BIRD_FOREIGN, bird, "foreign", site);
	metrics_add(m, METRIC_BIRD_CONFIG_BROKEN,
	    json_text(bird, "config_error")[0] != '\0', site);
	metrics_add(m, METRIC_BIRD_BY_HAND,
	    json_text(bird, "by_hand")[0] != '\0', site);
}

static void
add_guards(struct metrics *m, const char *site, const json_t *obj)
{
	const json_t *guard;
	const char *name;
	json_t *count;
	size_t i;

	json_array_foreach (json_object_get(obj, "guards"), i, guard) {
		metrics_add(m, METRIC_GUARD_ACTIVE, 1,
		    METRIC_LABELS(site, json_text(guard, "guard"),
			json_text(guard, "state")));
	}
	json_object_foreach (json_object_get(obj, "guard_holds"), name, count) {
		metrics_add(m, METRIC_GUARD_HOLDS, json_integer_value(count),
		    METRIC_LABELS(site, name));
	}
}

static void
add_uplink(struct metrics *m, const char *const *site, const json_t *uplink)
{
	metrics_add_field(m, METRIC_UPLINK_SILENT, uplink, "silent_for_ms",
	    site);
	metrics_add_field(m, METRIC_UPLINK_LOST_BATCHES, uplink, "lost_batches",
	    site);
	metrics_add_field(m, METRIC_APPLIED_REVISION, uplink,
	    "applied_revision", site);
	metrics_add_field(m, METRIC_WANTED_REVISION, uplink, "wanted_revision",
	    site);
}

static void
add_sweep(struct metrics *m, const char *site, const json_t *sweep)
{
	static const char *const verdicts[] = { "accepted", "forged", "late",
		"short", "type" };
	static const char *const modes[] = { "off", "raw", "ring", NULL };
	const json_t *counters = json_object_get(sweep, "counters");
	struct metric_states capture = states_of(modes, sweep, "capture");
	const char *const *labels = METRIC_LABELS(site);

	metrics_add_field(m, METRIC_SWEEP_STARTS, sweep, "starts", labels);
	metrics_add_field(m, METRIC_SWEEP_SENT, sweep, "sent", labels);
	metrics_add_field(m, METRIC_SWEEP_TARGETS, sweep, "total", labels);
	metrics_add_field(m, METRIC_SWEEP_SEND_ERRORS, sweep, "send_errors",
	    labels);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		metrics_add_field(m, METRIC_SWEEP_REPLIES, counters,
		    verdicts[i], METRIC_LABELS(site, verdicts[i]));
	}
	metrics_add_field(m, METRIC_SWEEP_KERNEL_DROPS, counters,
	    "kernel_drops", labels);
	metrics_add_field(m, METRIC_SWEEP_SKIPPED, sweep, "skipped_optout",
	    METRIC_LABELS(site, "optout"));
	metrics_add_field(m, METRIC_SWEEP_SKIPPED, sweep, "skipped_special",
	    METRIC_LABELS(site, "special"));
	if (!json_is_object(sweep))
		return;
	metrics_add_states(m, METRIC_SWEEP_CAPTURE, &capture, labels);
	metrics_add(m, METRIC_SWEEP_UNHEARD,
	    (int64_t)json_array_size(json_object_get(sweep, "unheard")),
	    labels);
}

void
agent_metrics_add(struct metrics *m, const json_t *site)
{
	const char *name = json_text(site, "site");
	const char *const *labels = METRIC_LABELS(name);
	struct metric_states state = states_of(site_states, site, "state");

	metrics_add_states(m, METRIC_SITE_STATE, &state, labels);
	metrics_add_real(m, METRIC_SITE_LOAD, site, "load", labels);
	add_services(m, name, json_object_get(site, "services"));
	add_prefixes(m, name, json_object_get(site, "prefixes"));
	metrics_add(m, METRIC_INTENTS_ACTIVE,
	    (int64_t)json_array_size(json_object_get(site, "intents")), labels);
	add_guards(m, name, site);
	add_bird(m, labels, json_object_get(site, "bird"));
	add_uplink(m, labels, json_object_get(site, "uplink"));
	add_sweep(m, name, json_object_get(site, "sweep"));
}

void
agent_metrics(struct metrics *m, void *arg)
{
	json_t *site = agent_status(arg);

	agent_metrics_add(m, site);
	json_decref(site);
}
