/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent_prefixes.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "site/agent_drain.h"
#include "site/agent_guards.h"
#include "site/agent_state.h"

/* All that an object says and that can change. */
struct words {
	bool announce;
	enum route_rule rule;
	struct route_attrs attrs;
	enum route_real real;
	size_t exported_to;
	int64_t decided_ms, diverged_ms;
	bool withdraw_forbidden;
	struct agent_guards_view guards;
	size_t drain_at;
	bool drain_going_back, is_drained, is_given_back;
	enum drain_wait drain_wait;
	uint32_t experiment;
};

struct agent_prefixes {
	size_t n;
	struct words *said; /* by the objects of list */
	json_t *list;       /* NULL: none was made yet */
	uint64_t version;
};

static const char *
service_name(const struct agent *a, const struct agent_prefix *p)
{
	return p->service == NO_SERVICE ? NULL
					: a->conf->services[p->service].name;
}

static const char *
announced_name(bool announced)
{
	return announced ? "announced" : "withdrawn";
}

static struct words
words_of(const struct agent *a, size_t i)
{
	const struct agent_prefix *p = &a->prefixes[i];
	struct words w = { .announce = p->decision.announce,
		.rule = p->decision.rule,
		.attrs = reconcile_real_attrs(a->reconcile, i),
		.real = reconcile_real(a->reconcile, i),
		.exported_to = reconcile_exported_to(a->reconcile, i),
		.decided_ms = p->decided_ms,
		.diverged_ms = reconcile_diverged_ms(a->reconcile, i),
		.withdraw_forbidden = p->withdraw_forbidden,
		.drain_at = p->drain.at,
		.drain_going_back = p->drain.going_back,
		.is_drained = p->drain.is_drained,
		.is_given_back = p->is_given_back,
		.drain_wait = p->drain_wait };

	if (p->service == NO_SERVICE) {
		w.experiment = a->tests[p->test].experiment;
	} else {
		agent_guards_see(a->guards, p, &w.guards);
	}
	return w;
}

static bool
guards_equal(const struct agent_guards_view *a,
    const struct agent_guards_view *b)
{
	return a->is_braked == b->is_braked &&
	    a->has_flapped == b->has_flapped &&
	    a->is_suppressed == b->is_suppressed && a->is_last == b->is_last &&
	    a->up_waits == b->up_waits && a->down_waits == b->down_waits &&
	    a->back_waits == b->back_waits && a->penalty == b->penalty &&
	    a->updates == b->updates && a->wait_ms == b->wait_ms;
}

static bool
words_equal(const struct words *a, const struct words *b)
{
	return a->announce == b->announce && a->rule == b->rule &&
	    route_attrs_equal(a->attrs, b->attrs) && a->real == b->real &&
	    a->exported_to == b->exported_to &&
	    a->decided_ms == b->decided_ms &&
	    a->diverged_ms == b->diverged_ms &&
	    a->withdraw_forbidden == b->withdraw_forbidden &&
	    guards_equal(&a->guards, &b->guards) &&
	    a->drain_at == b->drain_at &&
	    a->drain_going_back == b->drain_going_back &&
	    a->is_drained == b->is_drained && a->drain_wait == b->drain_wait &&
	    a->is_given_back == b->is_given_back &&
	    a->experiment == b->experiment;
}

static void
add_guards(json_t *obj, const struct agent_guards_view *v)
{
	json_object_set_new(obj, "braked", json_boolean(v->is_braked));
	json_object_set_new(obj, "damping",
	    v->has_flapped
		? json_pack("{s:I, s:b, s:I, s:I, s:b, s:b, s:b, s:b}",
		      "penalty", (json_int_t)v->penalty, "suppressed",
		      v->is_suppressed, "updates", (json_int_t)v->updates,
		      "wait_ms", (json_int_t)v->wait_ms, "last", v->is_last,
		      "up", v->up_waits, "down", v->down_waits, "back",
		      v->back_waits)
		: json_null());
}

static json_t *
prefix_json(const struct agent *a, size_t i, const struct words *w)
{
	const struct agent_prefix *p = &a->prefixes[i];
	char text[PREFIX_TEXT_BYTES];
	json_t *obj;

	obj = json_pack("{s:s, s:s?, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:b, "
			"s:b, s:I, s:o, s:o*}",
	    "prefix", prefix_format(&p->prefix, text), "service",
	    service_name(a, p), "desired", announced_name(w->announce), "real",
	    route_real_name(w->real), "exported_to", (json_int_t)w->exported_to,
	    "rule", route_rule_name(w->rule), "why",
	    route_rule_text(w->rule, true), "since_ms",
	    (json_int_t)w->decided_ms, "diverged_for_ms",
	    (json_int_t)w->diverged_ms, "permit", !w->withdraw_forbidden,
	    "graceful_shutdown", w->attrs.graceful_shutdown, "prepend",
	    (json_int_t)w->attrs.prepend, "drain",
	    agent_drain_prefix_json(a, p), "experiment",
	    p->service == NO_SERVICE ? json_integer((json_int_t)w->experiment)
				     : NULL);
	if (p->service != NO_SERVICE)
		add_guards(obj, &w->guards);
	return obj;
}

json_t *
agent_prefixes_json(const struct agent *a, uint64_t *version)
{
	struct agent_prefixes *ap = a->said;
	json_t *list = ap->list != NULL ? NULL : json_array();

	for (size_t i = 0; i < ap->n; i++) {
		const struct words now = words_of(a, i);

		/* Who waits in a drain tells for how long. */
		if (ap->list != NULL && now.drain_wait == DRAIN_WAIT_NONE &&
		    words_equal(&now, &ap->said[i]))
			continue;
		/* Others may still hold the old one. */
		if (list == NULL)
			list = json_copy(ap->list);
		ap->said[i] = now;
		if (ap->list != NULL) {
			json_array_set_new(list, i, prefix_json(a, i, &now));
		} else {
			json_array_append_new(list, prefix_json(a, i, &now));
		}
	}
	if (list != NULL) {
		json_decref(ap->list);
		ap->list = list;
		ap->version++;
	}
	*version = ap->version;
	return json_incref(ap->list);
}

struct agent_prefixes *
agent_prefixes_new(size_t n_prefixes)
{
	struct agent_prefixes *ap = xcalloc(1, sizeof(*ap));

	ap->n = n_prefixes;
	ap->said = xcalloc(n_prefixes + 1, sizeof(*ap->said));
	return ap;
}

void
agent_prefixes_free(struct agent_prefixes *ap)
{
	if (ap == NULL)
		return;
	json_decref(ap->list);
	free(ap->said);
	free(ap);
}
