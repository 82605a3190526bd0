/* SPDX-License-Identifier: GPL-3.0-or-later */
/* In which order, and with which lines of BIRD's file, a drain or a restore
 * will go: by the drain's steps in the site's status. */
#include "api/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/explain_site.h"
#include "base/xalloc.h"
#include "bird/include.h"
#include "core/drain.h"

/* Those of a site's prefixes that go one way. */
struct movers {
	const json_t **prefixes;
	size_t n;
};

struct walk {
	const json_t *site;
	const struct intent_set *wanted;
	const char *service;
	struct conf_drain conf;
	const struct movers *movers; /* of all services */
};

/* The steps that the status tells of; none: only withdraw. */
static void
read_steps(const json_t *service, struct conf_drain *out)
{
	const json_t *step,
	    *steps =
		json_object_get(json_object_get(service, "drain"), "steps");
	size_t i;

	*out = (struct conf_drain){ 0 };
	json_array_foreach (steps, i, step) {
		struct conf_drain_step *s = &out->steps[out->n_steps];
		enum drain_kind k = 0;

		while (k < DRAIN_KIND_COUNT &&
		    strcmp(explain_text(step, "step"),
			conf_drain_kind_name(k)) != 0)
			k++;
		if (k == DRAIN_KIND_COUNT || out->n_steps == DRAIN_KIND_COUNT)
			continue;
		*s = (struct conf_drain_step){ .kind = k,
			.times = (unsigned)explain_number(step, "times"),
			.hold_ms = explain_number(step, "hold_ms"),
			.back_ms = explain_number(step, "back_ms"),
			.below_per_s = (uint64_t)explain_number(step, "below"),
			.wait_max_ms = explain_number(step, "wait_max_ms") };
		if (s->times > ROUTE_PREPEND_MAX)
			s->times = ROUTE_PREPEND_MAX;
		out->n_steps++;
	}
	if (out->n_steps == 0)
		out->steps[out->n_steps++].kind = DRAIN_WITHDRAW;
}

/* Where a prefix is now: an index as in struct drain_stage. */
static size_t
stage_of(const struct conf_drain *conf, const json_t *prefix)
{
	const char *name =
	    explain_text(json_object_get(prefix, "drain"), "step");
	struct drain_stage stage = { 0 };

	if (strcmp(name, "drained") == 0)
		return conf->n_steps;
	for (stage.at = conf->n_steps; stage.at > 0; stage.at--) {
		if (strcmp(name, drain_stage_name(conf, &stage)) == 0)
			break;
	}
	return stage.at;
}

/* "- old line", "+ new line", when a prefix goes from one stage to another. */
static void
put_lines(FILE *out, const struct walk *w, const json_t *prefix, size_t from,
    size_t to)
{
	size_t own = stage_of(&w->conf, prefix);
	size_t ends[2] = { from, to };
	struct route_inputs in =
	    explain_route_inputs(w->site, prefix, w->wanted);
	struct route_decision d[2];
	struct bird_route route = { 0 };
	char line[BIRD_ROUTE_LINE_BYTES];

	if (prefix_parse(explain_text(prefix, "prefix"), &route.prefix, NULL) ==
	    -1)
		return;
	/* Others of its service may have some of the way behind them. */
	if (to > from ? own >= to : own <= to)
		return;
	if (to > from ? own > from : own < from)
		ends[0] = own;
	for (size_t i = 0; i < 2; i++) {
		const struct drain_stage stage = { .at = ends[i] };

		in.drained = drain_withdraws(&w->conf, &stage);
		in.attrs = drain_attrs(&w->conf, &stage);
		d[i] = route_decide(&in);
		if (explain_lacks_export_conf(w->site))
			d[i].attrs = (struct route_attrs){ 0 };
	}
	if (d[0].announce == d[1].announce &&
	    route_attrs_equal(d[0].attrs, d[1].attrs))
		return;
	for (size_t i = 0; i < 2; i++) {
		route.attrs = d[i].attrs;
		if (d[i].announce) {
			fprintf(out, "%s %s\n", i == 0 ? "-" : "+",
			    bird_include_line(&route, line));
		}
	}
}

/* One step of all prefixes of the service that are at `from`. */
static void
add_step(json_t *list, const struct walk *w, size_t from, size_t to,
    bool at_once)
{
	const struct drain_stage stage = { .at = to };
	const struct conf_drain_step *step =
	    to > 0 ? &w->conf.steps[to - 1] : NULL;
	bool is_down = to > from;
	char *diff = NULL;
	size_t len;
	FILE *out = open_memstream(&diff, &len);

	if (out == NULL)
		abort();
	for (size_t i = 0; i < w->movers->n; i++) {
		const json_t *prefix = w->movers->prefixes[i];

		if (strcmp(explain_text(prefix, "service"), w->service) == 0)
			put_lines(out, w, prefix, from, to);
	}
	if (fclose(out) != 0)
		abort();
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "service", w->service,
		"step", drain_stage_name(&w->conf, &stage), "hold_ms",
		(json_int_t)(step == NULL || at_once ? 0
			: is_down                    ? step->hold_ms
						     : step->back_ms),
		"below",
		(json_int_t)(step != NULL && is_down ? step->below_per_s : 0),
		"wait_max_ms",
		(json_int_t)(step != NULL && is_down ? step->wait_max_ms : 0),
		"include_diff", diff));
	free(diff);
}

/* The prefix of the service that has the longest way to go, or NULL. */
static const json_t *
last_of(const struct walk *w, bool is_down)
{
	const json_t *last = NULL;
	size_t at = 0;

	for (size_t i = 0; i < w->movers->n; i++) {
		const json_t *prefix = w->movers->prefixes[i];
		size_t own = stage_of(&w->conf, prefix);

		if (strcmp(explain_text(prefix, "service"), w->service) != 0)
			continue;
		if (last == NULL || (is_down ? own < at : own > at)) {
			last = prefix;
			at = own;
		}
	}
	return last;
}

static void
add_down(json_t *list, const struct walk *w)
{
	const json_t *last = last_of(w, true);
	const struct intent *over;

	if (last == NULL)
		return;
	over = explain_drain_over(w->site, last, w->wanted);
	if (over != NULL && over->at_once) {
		add_step(list, w, stage_of(&w->conf, last), w->conf.n_steps,
		    true);
		return;
	}
	for (size_t at = stage_of(&w->conf, last); at < w->conf.n_steps; at++)
		add_step(list, w, at, at + 1, false);
}

static void
add_up(json_t *list, const struct walk *w)
{
	const json_t *last = last_of(w, false);

	if (last == NULL)
		return;
	for (size_t at = stage_of(&w->conf, last); at > 0; at--)
		add_step(list, w, at, at - 1, false);
}

/* The caller frees the list. */
static struct movers
movers_of(const json_t *site, const struct intent_set *wanted, bool is_down)
{
	const json_t *prefix, *all = json_object_get(site, "prefixes");
	struct movers m = {
		xcalloc(json_array_size(all), sizeof(const json_t *)), 0
	};
	size_t i;

	json_array_foreach (all, i, prefix) {
		if (explain_is_affected(site, prefix, wanted, is_down))
			m.prefixes[m.n++] = prefix;
	}
	return m;
}

json_t *
explain_steps(const json_t *site, const struct intent_set *wanted)
{
	const struct movers down = movers_of(site, wanted, true);
	const struct movers up = movers_of(site, wanted, false);
	json_t *list = json_array();
	const json_t *service;
	size_t i;

	json_array_foreach (json_object_get(site, "services"), i, service) {
		struct walk w = { .site = site,
			.wanted = wanted,
			.service = explain_text(service, "service") };

		if (down.n + up.n == 0)
			break;
		read_steps(service, &w.conf);
		w.movers = &down;
		add_down(list, &w);
		w.movers = &up;
		add_up(list, &w);
	}
	free(down.prefixes);
	free(up.prefixes);
	return list;
}
