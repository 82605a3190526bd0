/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an agent with a new configuration takes over from the one before it, in
 * the same process: so that nothing moves that was not changed.
 */
#include <stdlib.h>
#include <string.h>

#include "site/agent_counters.h"
#include "site/agent_guards.h"
#include "site/agent_state.h"

static bool
has_same_prefixes(const struct agent *a, const struct agent *from)
{
	if (a->n_prefixes != from->n_prefixes)
		return false;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (!prefix_equal(&a->prefixes[i].prefix,
			&from->prefixes[i].prefix))
			return false;
	}
	return true;
}

static bool
has_same_bird(const struct conf_bird *a, const struct conf_bird *b)
{
	return strcmp(a->socket, b->socket) == 0 &&
	    strcmp(a->include, b->include) == 0 &&
	    a->timeout_ms == b->timeout_ms;
}

/* Drains of a service go by its name, which is all that can change here. */
static int
check_drained(const struct agent *a, const struct conf_service *now,
    const struct prefix *prefix, struct err *err)
{
	const struct agent_prefix *p = agent_find_prefix(a, prefix);
	struct intent_target target = { .site = a->conf->site,
		.prefix = prefix };
	const struct intent *row;
	char text[PREFIX_TEXT_BYTES];

	if (p == NULL || p->service == NO_SERVICE)
		return 0;
	target.service = a->conf->services[p->service].name;
	if (strcmp(target.service, now->name) == 0)
		return 0;
	row = intent_set_drain_over(&a->intents.set, &target);
	target.service = now->name;
	if (row == NULL ||
	    intent_set_drain_over(&a->intents.set, &target) != NULL)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "service %s: %s is drained with %s (%s) and would not be any more: drain it by --prefix, or restore %s, first",
	    now->name, prefix_format(prefix, text),
	    intent_scope_name(row->scope), row->id,
	    intent_scope_name(row->scope));
}

int
agent_check_reload(const struct agent *a, const struct conf *fresh,
    struct err *err)
{
	const struct conf_agent *now = fresh->agent;

	for (size_t s = 0; s < now->n_services; s++) {
		const struct conf_service *service = &now->services[s];

		for (size_t i = 0; i < service->n_prefixes; i++) {
			if (check_drained(a, service, &service->prefixes[i],
				err) == -1)
				return -1;
		}
	}
	return 0;
}

struct reconcile *
agent_inherit_reconcile(struct agent *a, struct agent *from)
{
	struct reconcile *r = from->reconcile;

	if (!has_same_prefixes(a, from) ||
	    !has_same_bird(&a->conf->bird, &from->conf->bird))
		return NULL;
	from->reconcile = NULL;
	return r;
}

static void
inherit_drain(const struct agent *a, struct agent_prefix *p,
    const struct agent *from, const struct agent_prefix *old)
{
	if (p->service == NO_SERVICE || old->service == NO_SERVICE)
		return;
	p->drain = drain_carry(&from->conf->services[old->service].drain,
	    &a->conf->services[p->service].drain, &old->drain, mono_now());
	p->drain_wait = old->drain_wait;
}

static void
inherit_tests(struct agent *a, const struct agent *from)
{
	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *p = &a->prefixes[i];
		const struct agent_prefix *old =
		    agent_find_prefix(from, &p->prefix);

		if (p->service == NO_SERVICE && old != NULL &&
		    old->service == NO_SERVICE)
			a->tests[p->test] = from->tests[old->test];
	}
}

void
agent_inherit(struct agent *a, const struct agent *from)
{
	a->started_ms = from->started_ms;
	a->started = from->started;
	inherit_tests(a, from);
	agent_renew_tests(a);
	a->has_permits = a->conf->controller != NULL && from->has_permits;
	a->withheld_by = from->withheld_by;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		struct agent_prefix *p = &a->prefixes[i];
		const struct agent_prefix *old =
		    agent_find_prefix(from, &p->prefix);

		/* For a new one nobody has given a permit yet. */
		p->withdraw_forbidden =
		    a->has_permits && (old == NULL || old->withdraw_forbidden);
		if (old != NULL) {
			p->decision = old->decision;
			p->decided_ms = old->decided_ms;
			/* Events go on from what they said last. */
			p->noted = old->noted;
			inherit_drain(a, p, from, old);
		}
	}
	a->n_unnoted = from->n_unnoted;
	if (a->n_unnoted > 0)
		loop_timer_set(a->note_timer, 0);
	agent_guards_inherit(a->guards, from->guards);
	agent_load_inherit(a->counters, from->counters);
	checker_inherit(a->checker, from->checker);
}
