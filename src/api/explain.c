/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/guard_acts.h"
#include "api/explain_site.h"
#include "bird/include.h"
#include "core/route.h"
#include "store/intent_row.h"

const char *
explain_text(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text != NULL ? text : "";
}

int64_t
explain_number(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

/* The status object of a service, or NULL. */
static const json_t *
find_service(const json_t *site, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach (json_object_get(site, "services"), i, service) {
		if (strcmp(explain_text(service, "service"), name) == 0)
			return service;
	}
	return NULL;
}

static enum health
health_of(const json_t *obj)
{
	for (enum health h = 0; h < HEALTH_COUNT; h++) {
		if (strcmp(explain_text(obj, "health"), health_name(h)) == 0)
			return h;
	}
	return HEALTH_UNKNOWN;
}

/* The intents of a site's status; rows that are nonsense are left out. */
static void
intents_of(const json_t *site, struct intent_set *out)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (json_object_get(site, "intents"), i, obj) {
		struct intent row;

		if (intent_from_json(obj, &row, NULL) == 0)
			(void)intent_set_merge(out, &row);
	}
}

/* The drain that decides over a prefix of the site's status, or NULL. */
const struct intent *
explain_drain_over(const json_t *site, const json_t *prefix,
    const struct intent_set *set)
{
	struct prefix p;
	const struct intent_target target = { .site =
						  explain_text(site, "site"),
		.service = explain_text(prefix, "service"),
		.prefix = &p };

	if (prefix_parse(explain_text(prefix, "prefix"), &p, NULL) == -1)
		return NULL;
	return intent_set_drain_over(set, &target);
}

static const char *
drain_step(const json_t *prefix)
{
	return explain_text(json_object_get(prefix, "drain"), "step");
}

bool
explain_lacks_export_conf(const json_t *site)
{
	const json_t *bird = json_object_get(site, "bird");

	/* Nor is it known while BIRD does not read our file, or is away. */
	return json_is_false(json_object_get(bird, "export_conf")) &&
	    strcmp(explain_text(bird, "state"), "connected") == 0 &&
	    explain_text(bird, "last_error")[0] == '\0';
}

/* An agent that does not tell of steps has one. */
static bool
is_drained(const json_t *site, const json_t *prefix,
    const struct intent_set *intents)
{
	const char *step = drain_step(prefix);

	if (step[0] == '\0')
		return explain_drain_over(site, prefix, intents) != NULL;
	return strcmp(step, "withdraw") == 0 || strcmp(step, "drained") == 0;
}

bool
explain_is_affected(const json_t *site, const json_t *prefix,
    const struct intent_set *wanted, bool is_down)
{
	bool is_wanted = explain_drain_over(site, prefix, wanted) != NULL;
	const char *step = drain_step(prefix);

	if (!json_is_string(json_object_get(prefix, "service")))
		return false;
	if (is_down)
		return is_wanted && strcmp(step, "drained") != 0;
	return !is_wanted && step[0] != '\0' && strcmp(step, "normal") != 0;
}

/* What stands at the route, if a gentle step is what put it there. */
static struct route_attrs
drain_attrs_of(const json_t *prefix)
{
	int64_t prepend = explain_number(prefix, "prepend");

	return (struct route_attrs){
		.graceful_shutdown =
		    json_is_true(json_object_get(prefix, "graceful_shutdown")),
		.prepend = prepend > 0 && prepend <= ROUTE_PREPEND_MAX
		    ? (uint8_t)prepend
		    : 0,
	};
}

/* As the agent says, or as it will be with intents that are yet to come. */
static bool
is_given_back(const json_t *site, const json_t *prefix,
    const struct intent_set *intents)
{
	const json_t *said =
	    json_object_get(json_object_get(prefix, "drain"), "given_back");
	struct prefix p;
	const struct intent_target target = { .site =
						  explain_text(site, "site"),
		.service = explain_text(prefix, "service"),
		.prefix = &p };

	if (json_is_true(said))
		return true;
	return prefix_parse(explain_text(prefix, "prefix"), &p, NULL) == 0 &&
	    intent_set_gives_back(intents, &target);
}

/* But for what comes back from a drain that is over: core/intent.h. */
static bool
is_frozen(const json_t *site, const json_t *prefix,
    const struct intent_set *intents)
{
	return guard_check_frozen(intents, explain_text(site, "site"), NULL) ==
	    -1 &&
	    (!is_given_back(site, prefix, intents) ||
		strcmp(explain_text(prefix, "desired"), "announced") == 0);
}

struct route_inputs
explain_route_inputs(const json_t *site, const json_t *prefix,
    const struct intent_set *intents)
{
	const char *service =
	    json_string_value(json_object_get(prefix, "service"));

	const json_t *damping = json_object_get(prefix, "damping");

	return (struct route_inputs){
		.kind = service != NULL ? ROUTE_SERVICE : ROUTE_TEST,
		.health = service != NULL
		    ? health_of(find_service(site, service))
		    : HEALTH_UNKNOWN,
		.drained = is_drained(site, prefix, intents),
		.attrs = drain_attrs_of(prefix),
		.test_withdrawn = explain_number(prefix, "experiment") != 0,
		.frozen = is_frozen(site, prefix, intents),
		.withdraw_forbidden =
		    json_is_false(json_object_get(prefix, "permit")),
		.braked = json_is_true(json_object_get(prefix, "braked")),
		.damped_up = json_is_true(json_object_get(damping, "up")),
		.damped_down = json_is_true(json_object_get(damping, "down")),
		.announced_before =
		    strcmp(explain_text(prefix, "desired"), "announced") == 0,
	};
}

static json_t *
rules_json(const struct route_inputs *in)
{
	enum route_rule decides = route_decide(in).rule;
	json_t *list = json_array();

	for (enum route_rule r = 0; r < ROUTE_RULE_COUNT; r++) {
		bool applies;

		if (!route_rule_concerns(r, in->kind))
			continue;
		applies = route_rule_applies(r, in);
		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:b, s:s}", "rule",
			route_rule_name(r), "applies", applies, "decides",
			r == decides, "text", route_rule_text(r, applies)));
	}
	return list;
}

static void
add_input(json_t *list, const char *name, const char *value, int64_t since_ms,
    const char *detail)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:I, s:s}", "input", name, "value", value,
		"since_ms", (json_int_t)since_ms, "detail", detail));
}

static void
add_service_inputs(json_t *list, const json_t *service)
{
	const json_t *probe;
	char name[128], detail[512];
	unsigned healthy = 0;
	size_t i, n = json_array_size(json_object_get(service, "probes"));

	json_array_foreach (json_object_get(service, "probes"), i, probe) {
		healthy += health_of(probe) == HEALTH_HEALTHY;
	}
	(void)snprintf(name, sizeof(name), "health of service %.80s",
	    explain_text(service, "service"));
	(void)snprintf(detail, sizeof(detail),
	    "%u of %zu probes are healthy, needs %lld", healthy, n,
	    (long long)explain_number(service, "need"));
	add_input(list, name, health_name(health_of(service)),
	    explain_number(service, "since_ms"), detail);
	json_array_foreach (json_object_get(service, "probes"), i, probe) {
		(void)snprintf(name, sizeof(name), "probe %.80s",
		    explain_text(probe, "probe"));
		(void)snprintf(detail, sizeof(detail), "%.20s %.200s: %.200s",
		    explain_text(probe, "kind"), explain_text(probe, "target"),
		    explain_text(probe, "detail"));
		add_input(list, name, health_name(health_of(probe)),
		    explain_number(probe, "since_ms"), detail);
	}
}

/* No drain: none of it is left, or there is something to be undone. */
static void
add_way_back(json_t *list, const json_t *prefix)
{
	const json_t *drain = json_object_get(prefix, "drain");
	const char *step = drain_step(prefix);
	char detail[128];

	if (step[0] == '\0' || strcmp(step, "normal") == 0) {
		add_input(list, "drain", "none", 0, "");
		return;
	}
	(void)snprintf(detail, sizeof(detail), "at %.32s, waits for %.64s",
	    step, explain_text(drain, "waits_for"));
	add_input(list, "drain", "over", 0, detail);
}

static void
add_drain_input(json_t *list, const json_t *prefix, const struct intent *drain)
{
	const char *step = drain_step(prefix);
	char detail[512];

	if (drain == NULL) {
		add_way_back(list, prefix);
		return;
	}
	(void)snprintf(detail, sizeof(detail),
	    "of %.64s by %.100s%s%.32s%s%.255s",
	    intent_scope_name(drain->scope), drain->actor,
	    step[0] != '\0' ? ", at " : "", step,
	    drain->reason[0] != '\0' ? ": " : "", drain->reason);
	add_input(list, "drain", "active", drain->created_ms, detail);
}

/* Older agents do not tell. */
static void
add_when_lost_input(json_t *list, const json_t *service, const json_t *prefix)
{
	const char *what = explain_text(service, "when_lost");
	bool is_last = json_is_false(json_object_get(prefix, "permit"));

	if (what[0] == '\0')
		return;
	add_input(list, "when lost", what, 0,
	    is_last && strcmp(what, "hold") != 0
		? "but not without a permit of the controller"
		: "if anycastd dies or hangs and does not come back");
}

/* What is to be known of the guard for which there is no permit. */
static const char *
why_withheld(const char *by)
{
	if (strcmp(by, guard_name(GUARD_BUDGET)) == 0 ||
	    strcmp(by, guard_name(GUARD_BRAKE)) == 0)
		return "as many sites as it lets may withdraw already";
	return "the controller needs this site to go on announcing";
}

/* Only where there is a guard.  Older agents do not tell which. */
static void
add_permit_input(json_t *list, const json_t *site, const json_t *prefix)
{
	const char *by = explain_text(site, "withheld_by");
	char detail[128];

	if (!json_is_false(json_object_get(prefix, "permit")))
		return;
	(void)snprintf(detail, sizeof(detail), "%s%.20s%s%s",
	    by[0] != '\0' ? "guard " : "", by, by[0] != '\0' ? ": " : "",
	    why_withheld(by));
	add_input(list, "permit", "none", 0, detail);
}

/* Each guard that acts at the site, with its numbers. */
static void
add_guard_inputs(json_t *list, const json_t *site)
{
	const json_t *guard;
	char name[64];
	size_t i;

	json_array_foreach (json_object_get(site, "guards"), i, guard) {
		(void)snprintf(name, sizeof(name), "guard %.40s",
		    explain_text(guard, "guard"));
		add_input(list, name, explain_text(guard, "state"), 0,
		    explain_text(guard, "why"));
	}
}

static void
add_override_inputs(json_t *list, const struct intent_set *intents)
{
	char name[INTENT_SCOPE_BYTES + 16], detail[512];

	for (size_t i = 0; i < intents->n; i++) {
		const struct intent *row = &intents->rows[i];

		if (strcmp(row->kind, "override") != 0 ||
		    !intent_is_active(row))
			continue;
		(void)snprintf(name, sizeof(name), "override of %s",
		    intent_scope_name(row->scope));
		(void)snprintf(detail, sizeof(detail), "by %.100s: %.255s",
		    row->actor, row->reason);
		add_input(list, name, "active", row->created_ms, detail);
	}
}

/* Only where there were flaps. */
static void
add_damping_input(json_t *list, const json_t *prefix)
{
	const json_t *d = json_object_get(prefix, "damping");
	char detail[256];

	if (explain_number(d, "penalty") == 0 &&
	    explain_number(d, "updates") == 0)
		return;
	(void)snprintf(detail, sizeof(detail),
	    "penalty %lld, %lld updates of its budget used, %s announces it too; free in %lld s",
	    (long long)explain_number(d, "penalty"),
	    (long long)explain_number(d, "updates"),
	    json_is_true(json_object_get(d, "last")) ? "nobody that is known of"
						     : "another site",
	    (long long)(explain_number(d, "wait_ms") + 999) / 1000);
	add_input(list, "flaps",
	    json_is_true(json_object_get(d, "up")) ||
		    json_is_true(json_object_get(d, "down")) ||
		    json_is_true(json_object_get(d, "back"))
		? "has to wait"
		: "free",
	    0, detail);
}

static void
add_bird_input(json_t *list, const json_t *site, const json_t *prefix)
{
	const json_t *bird = json_object_get(site, "bird");
	const char *error = explain_text(bird, "last_error");
	const char *intro = error[0] != '\0' ? ": " : "";
	char detail[512];

	if (error[0] == '\0') {
		error = explain_text(bird, "config_error");
		if (error[0] != '\0')
			intro = ": would refuse any change: ";
	}
	(void)snprintf(detail, sizeof(detail),
	    "bird %.32s %.32s, %lld of %lld sessions up, exported to %lld%.32s%.260s",
	    explain_text(bird, "version"), explain_text(bird, "state"),
	    (long long)explain_number(bird, "sessions_up"),
	    (long long)explain_number(bird, "sessions_all"),
	    (long long)explain_number(prefix, "exported_to"), intro, error);
	add_input(list, "route in bird", explain_text(prefix, "real"), 0,
	    detail);
}

static json_t *
inputs_json(const json_t *site, const json_t *prefix,
    const struct intent_set *intents)
{
	const char *service =
	    json_string_value(json_object_get(prefix, "service"));
	int64_t experiment = explain_number(prefix, "experiment");
	json_t *list = json_array();

	if (service != NULL) {
		add_service_inputs(list, find_service(site, service));
		add_drain_input(list, prefix,
		    explain_drain_over(site, prefix, intents));
		add_permit_input(list, site, prefix);
		add_damping_input(list, prefix);
		add_guard_inputs(list, site);
		add_override_inputs(list, intents);
		add_when_lost_input(list, find_service(site, service), prefix);
	} else {
		add_input(list, "experiment",
		    experiment != 0 ? "withdrawn" : "none", 0,
		    experiment != 0 ? "ordered by the controller" : "");
	}
	add_bird_input(list, site, prefix);
	return list;
}

/* Is it the prefix that is asked for? Nonsense is never. */
static bool
prefix_matches(const json_t *obj, const struct prefix *only,
    struct prefix *found)
{
	return prefix_parse(explain_text(obj, "prefix"), found, NULL) == 0 &&
	    (only == NULL || prefix_equal(found, only));
}

json_t *
explain_prefixes(const json_t *site, const struct prefix *only)
{
	json_t *list = json_array(), *obj;
	struct intent_set intents = { 0 };
	size_t i;

	intents_of(site, &intents);
	json_array_foreach (json_object_get(site, "prefixes"), i, obj) {
		struct route_inputs in;
		struct prefix prefix;
		json_t *copy;

		if (!prefix_matches(obj, only, &prefix))
			continue;
		in = explain_route_inputs(site, obj, &intents);
		copy = json_copy(obj);
		json_object_set_new(copy, "inputs",
		    inputs_json(site, obj, &intents));
		json_object_set_new(copy, "rules", rules_json(&in));
		json_array_append_new(list, copy);
	}
	intent_set_fini(&intents);
	return list;
}

static const char *
announced_name(bool announced)
{
	return announced ? "announced" : "withdrawn";
}

json_t *
explain_changes(const json_t *site, const struct intent_set *wanted,
    char **diff)
{
	json_t *list = json_array();
	const json_t *obj;
	size_t i, len;
	FILE *out = open_memstream(diff, &len);

	if (out == NULL)
		abort();
	json_array_foreach (json_object_get(site, "prefixes"), i, obj) {
		struct route_inputs in =
		    explain_route_inputs(site, obj, wanted);
		bool before = in.announced_before, after;

		/* In the end, whatever the steps on the way. */
		in.drained = explain_drain_over(site, obj, wanted) != NULL;
		char line[BIRD_ROUTE_LINE_BYTES];
		struct bird_route route = { 0 };

		after = route_decide(&in).announce;
		if (after == before ||
		    !prefix_matches(obj, NULL, &route.prefix))
			continue;
		if (before && !explain_lacks_export_conf(site))
			route.attrs = in.attrs;
		fprintf(out, "%s%s\n", after ? "+ " : "- ",
		    bird_include_line(&route, line));
		json_array_append_new(list,
		    json_pack("{s:O, s:O?, s:s, s:s}", "prefix",
			json_object_get(obj, "prefix"), "service",
			json_object_get(obj, "service"), "from",
			announced_name(before), "to", announced_name(after)));
	}
	if (fclose(out) != 0)
		abort();
	return list;
}

void
explain_add_changes(const json_t *site, const struct intent_set *wanted,
    json_t *answer)
{
	char *diff;

	json_object_set_new(answer, "changes",
	    explain_changes(site, wanted, &diff));
	json_object_set_new(answer, "include_diff", json_string(diff));
	json_object_set_new(answer, "steps", explain_steps(site, wanted));
	free(diff);
}

static bool
is_held_by_hand(const json_t *site, const struct intent_set *wanted)
{
	const json_t *guard;
	size_t i;

	if (intent_set_override(wanted, explain_text(site, "site"),
		GUARD_BY_HAND) != NULL)
		return false;
	json_array_foreach (json_object_get(site, "guards"), i, guard) {
		if (strcmp(explain_text(guard, "guard"),
			guard_name(GUARD_BY_HAND)) == 0) {
			return strcmp(explain_text(guard, "state"), "holds") ==
			    0;
		}
	}
	return false;
}

/* Steps that do nothing, and then the withdrawal. */
static bool
is_abrupt(const json_t *site)
{
	const json_t *service;
	size_t i;

	if (!explain_lacks_export_conf(site))
		return false;
	json_array_foreach (json_object_get(site, "services"), i, service) {
		if (json_array_size(json_object_get(json_object_get(service,
							"drain"),
			"steps")) > 1)
			return true;
	}
	return false;
}

const char *
explain_hindrance(const json_t *site, const struct intent_set *wanted)
{
	if (strcmp(explain_text(site, "state"), "lost") == 0)
		return "the agent is silent: it will follow when it is back";
	if (strcmp(explain_text(json_object_get(site, "bird"), "state"),
		"connected") != 0)
		return "BIRD cannot be reached: ordered, not carried out yet";
	if (is_held_by_hand(site, wanted))
		return "protocols of BIRD were disabled by hand: ordered, but its routes are not changed until they are enabled, or guard by_hand is overridden";
	if (is_abrupt(site))
		return "bird.conf does not include export.conf of anycastd: graceful_shutdown and prepend have no effect";
	return NULL;
}
