/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the keeper is to do should this process die or hang: see site/will.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/guard_acts.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "bird/include.h"
#include "site/agent_state.h"

struct bird_route *
agent_list_without_experiment(const struct agent *a, size_t *n)
{
	struct bird_route *list = xcalloc(a->n_prefixes, sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		struct route_want want = reconcile_get_want(a->reconcile, i);

		if (a->prefixes[i].service == NO_SERVICE || want.announced) {
			/* BIRD would not take the file. */
			if (!reconcile_has_attrs(a->reconcile))
				want.attrs = (struct route_attrs){ 0 };
			list[(*n)++] = (struct bird_route){
				.prefix = a->prefixes[i].prefix, want.attrs
			};
		}
	}
	return list;
}

/* Then nobody changes a route, and what the keeper did a new daemon could not
 * put right. */
static bool
is_frozen(const struct agent *a)
{
	return guard_check_frozen(&a->intents.set, a->conf->site, NULL) == -1;
}

/*
 * What service s announces and may withdraw by itself: one of the last sites
 * keeps its prefix, whatever becomes of its daemon.
 */
static size_t
list_leaving(const struct agent *a, size_t s, struct prefix *out)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *p = &a->prefixes[i];

		if (p->service == s && !p->withdraw_forbidden &&
		    reconcile_wanted(a->reconcile, i))
			out[n++] = p->prefix;
	}
	return n;
}

struct plan {
	struct will_step steps[CONF_SERVICES_MAX + 1];
	char subjects[CONF_SERVICES_MAX + 1][CONF_NAME_MAX + 16];
	size_t n;
	struct prefix *prefixes; /* of all steps */
	size_t n_prefixes;
};

static void
plan_service(const struct agent *a, size_t s, struct plan *plan)
{
	const struct conf_service *conf = &a->conf->services[s];
	struct prefix *mine = plan->prefixes + plan->n_prefixes;
	size_t n = 0;

	if (conf->when_lost_ms != 0 && !is_frozen(a))
		n = list_leaving(a, s, mine);
	if (n == 0)
		return;
	(void)snprintf(plan->subjects[plan->n], sizeof(plan->subjects[0]),
	    "service/%s", conf->name);
	plan->steps[plan->n] =
	    (struct will_step){ .gone_ms = conf->when_lost_ms,
		    .hung_ms = conf->when_lost_ms,
		    .subject = plan->subjects[plan->n],
		    .what = "announced -> withdrawn",
		    .withdraw = mine,
		    .n_withdraw = n };
	plan->n++;
	plan->n_prefixes += n;
}

static int
step_compare(const void *va, const void *vb)
{
	const struct will_step *a = va, *b = vb;

	return (a->hung_ms > b->hung_ms) - (a->hung_ms < b->hung_ms);
}

static void
plan_make(const struct agent *a, struct plan *plan)
{
	if (agent_holds_test(a)) {
		plan->steps[plan->n++] =
		    (struct will_step){ .gone_ms = WILL_TEST_GONE_MS,
			    .hung_ms = WILL_TEST_HUNG_MS,
			    .subject = "test prefix",
			    .what = "restored" };
	}
	for (size_t s = 0; s < a->conf->n_services; s++)
		plan_service(a, s, plan);
	/* The test prefix, whose times are the shortest, stays the first. */
	if (plan->n > 1) {
		size_t first = agent_holds_test(a);

		qsort(plan->steps + first, plan->n - first,
		    sizeof(plan->steps[0]), step_compare);
	}
}

void
agent_update_will(struct agent *a)
{
	struct plan *plan;
	struct bird_route *announced;
	struct err err;
	size_t n;
	char *text;

	a->will_is_old |= is_frozen(a) != a->will_is_frozen ||
	    reconcile_has_attrs(a->reconcile) != a->will_has_attrs;
	if (!a->will_is_old)
		return;
	a->will_is_frozen = is_frozen(a);
	a->will_has_attrs = reconcile_has_attrs(a->reconcile);
	plan = xcalloc(1, sizeof(*plan));
	plan->prefixes = xcalloc(a->n_prefixes, sizeof(*plan->prefixes));
	plan_make(a, plan);
	announced = agent_list_without_experiment(a, &n);
	text = bird_include_make(&a->conf->allow, announced, n, &err);
	if (text == NULL) {
		log_warnx("will: %s", err.msg);
	} else {
		a->will_is_old =
		    will_deposit(a->env.keeper, a->env.conf, &a->seat,
			&(struct will){ .text = text,
			    .steps = plan->steps,
			    .n_steps = plan->n }) == -1;
	}
	free(text);
	free(announced);
	free(plan->prefixes);
	free(plan);
}

static void
on_act(const struct will_act *act, void *arg)
{
	struct agent *a = arg;
	struct store_event ev = { .kind = "keeper",
		.subject = act->subject,
		.what = act->what,
		.reason = act->reason };

	agent_note(a, &ev);
}

void
agent_tell_acts(struct agent *a)
{
	will_tell(a->env.conf, on_act, a);
}
