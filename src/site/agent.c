/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "site/agent_counters.h"
#include "site/agent_drain.h"
#include "site/agent_guards.h"
#include "site/agent_prefixes.h"
#include "site/agent_state.h"
#include "site/clients_link.h"
#include "site/probe_api.h"
#include "site/sweep_link.h"
#include "site/uplink.h"
#include "site/will.h"

/* With no more, and no more of them changed, a decision is written down at
 * once. */
#define FEW_PREFIXES 256u
#define FEW_CHANGES 16u
/* Else when BIRD is through, but so long after it was made at the latest. */
#define NOTE_MAX_MS 1000

void
agent_note(struct agent *a, const struct store_event *ev)
{
	log_info("%s %s: %s: %s", ev->kind, ev->subject, ev->what, ev->reason);
	store_put_event(a->env.store, ev);
}

/* ---- decisions ---- */

struct route_inputs
agent_route_inputs(const struct agent *a, const struct agent_prefix *p)
{
	size_t i = (size_t)(p - a->prefixes);
	bool is_test = p->service == NO_SERVICE;
	struct route_inputs in = {
		.kind = is_test ? ROUTE_TEST : ROUTE_SERVICE,
		.health = is_test ? HEALTH_UNKNOWN
				  : checker_service(a->checker, p->service),
		.test_withdrawn = is_test && a->tests[p->test].experiment != 0,
		.withdraw_forbidden = p->withdraw_forbidden,
		.announced_before = reconcile_wanted(a->reconcile, i),
	};

	if (!is_test) {
		agent_drain_fill(a, p, &in);
		agent_guards_fill(a->guards, p, &in);
	}
	return in;
}

static void
note_decision(struct agent *a, const struct agent_prefix *p,
    const struct route_decision *before)
{
	char text[PREFIX_TEXT_BYTES], subject[PREFIX_TEXT_BYTES + 8];
	struct store_event ev = { .kind = "route",
		.subject = subject,
		.what = p->decision.announce ? "withdrawn -> announced"
					     : "announced -> withdrawn",
		.reason = route_rule_text(p->decision.rule, true) };

	/* Of a freeze and of the brake there is one event for all. */
	bool is_kept = p->decision.rule != before->rule &&
	    route_rule_is_guard(p->decision.rule) &&
	    p->decision.rule != ROUTE_RULE_FREEZE &&
	    p->decision.rule != ROUTE_RULE_BRAKE;

	if (is_kept) {
		ev.kind = "guard";
		ev.what = "kept as it is";
	} else if (before->announce == p->decision.announce) {
		return;
	}
	(void)snprintf(subject, sizeof(subject), "prefix/%s",
	    prefix_format(&p->prefix, text));
	agent_note(a, &ev);
}

static bool
decision_equal(const struct route_decision *a, const struct route_decision *b)
{
	return a->announce == b->announce && a->rule == b->rule &&
	    route_attrs_equal(a->attrs, b->attrs);
}

static void
note_one(struct agent *a, struct agent_prefix *p)
{
	note_decision(a, p, &p->noted);
	p->noted = p->decision;
}

/* What all prefixes of one decision share. */
struct deciding {
	int64_t now_ms; /* wall */
	struct route_last last;
};

/* Decides prefix i; true: otherwise than before.  There may be thousands, so
 * all that is asked here is cheap. */
static bool
decide_one(struct agent *a, size_t i, struct deciding *d)
{
	struct agent_prefix *p = &a->prefixes[i];
	struct route_inputs in = agent_route_inputs(a, p);
	const struct route_decision before = p->decision;
	struct route_decision now = route_decide_next(&d->last, &in);

	/* What it was in between is on record, too. */
	if (a->n_unnoted > 0 && !decision_equal(&now, &before))
		note_one(a, p);
	p->decision = now;
	if (p->service != NO_SERVICE)
		agent_guards_on_decision(a->guards, p, &before);
	reconcile_want(a->reconcile, i,
	    (struct route_want){ p->decision.announce, p->decision.attrs });
	if (decision_equal(&p->decision, &before) && p->decided_ms != 0)
		return false;
	p->decided_ms = d->now_ms;
	return true;
}

/* The record of all decisions since the last one. */
static void
note_decisions(struct agent *a)
{
	store_hold(a->env.store);
	for (size_t i = 0; a->n_unnoted > 0 && i < a->n_prefixes; i++)
		note_one(a, &a->prefixes[i]);
	a->n_unnoted = 0;
	loop_timer_cancel(a->note_timer);
	agent_update_will(a);
	agent_guards_keep(a->guards);
	store_release(a->env.store);
}

static void
on_note_timer(struct loop *lp, void *arg)
{
	(void)lp;
	note_decisions(arg);
}

/*
 * true: a decision is another one than before.  BIRD first, then the record of
 * it: to write down thousands of changes takes longer than to make them, and
 * BIRD's replies would wait meanwhile.  So many are written when BIRD is
 * through.
 */
static bool
decide_all(struct agent *a)
{
	struct deciding d = { .now_ms = wall_now_ms() };
	size_t n = 0;

	/* The store's work would be in BIRD's way.  What is decided about, such as
	 * a service's health, was handed on before. */
	store_hold(a->env.store);
	agent_guards_step(a->guards);
	agent_drain_step(a->drain);
	for (size_t i = 0; i < a->n_prefixes; i++)
		n += decide_one(a, i, &d);
	a->will_is_old |= n > 0;
	if (n > 0 && a->n_unnoted == 0)
		loop_timer_set(a->note_timer, NOTE_MAX_MS);
	a->n_unnoted += n;
	/* What is temporary must never be without its will; and to make one of
	 * a few takes no time. */
	if (agent_holds_test(a) || a->n_prefixes <= FEW_PREFIXES)
		agent_update_will(a);
	reconcile_apply(a->reconcile);
	agent_guards_settle(a->guards);
	if (a->n_prefixes <= FEW_PREFIXES && a->n_unnoted <= FEW_CHANGES)
		note_decisions(a);
	store_release(a->env.store);
	return n > 0;
}

void
agent_decide(struct agent *a)
{
	(void)decide_all(a);
	if (a->uplink != NULL)
		uplink_touch(a->uplink);
}

/* The prober may be broken, or the probe: routes stay as they are, and
 * nobody would notice. */
static void
note_unknown(struct agent *a, size_t s)
{
	char subject[CONF_NAME_MAX + 16], reason[96], text[DURATION_TEXT_BYTES];
	struct store_event ev = { .kind = "health",
		.subject = subject,
		.what = "still unknown",
		.reason = reason };
	bool is_overdue = checker_service(a->checker, s) == HEALTH_UNKNOWN &&
	    mono_diff_ms(mono_now(), a->started) > a->conf->unknown_max_ms;

	if (is_overdue && !a->overdue[s]) {
		(void)snprintf(subject, sizeof(subject), "service/%s",
		    a->conf->services[s].name);
		(void)snprintf(reason, sizeof(reason),
		    "no verdict since the start, %s ago: routes stay as they were",
		    num_format_duration_ms(a->conf->unknown_max_ms, text));
		log_warnx("service %s: health still unknown: %s",
		    a->conf->services[s].name, reason);
		store_put_event(a->env.store, &ev);
	}
	a->overdue[s] = is_overdue;
}

bool
agent_turn(struct agent *a)
{
	for (size_t s = 0; s < a->conf->n_services; s++)
		note_unknown(a, s);
	agent_guards_turn(a->guards);
	if (decide_all(a) && a->uplink != NULL)
		uplink_touch(a->uplink);
	if (a->n_unnoted == 0 || reconcile_is_idle(a->reconcile))
		note_decisions(a);
	return reconcile_turns(a->reconcile);
}

/* ---- health ---- */

static void
on_service(size_t s, enum health before, enum health now, const char *reason,
    void *arg)
{
	struct agent *a = arg;
	char subject[CONF_NAME_MAX + 16], what[48];
	struct store_event ev = { .kind = "health",
		.subject = subject,
		.what = what,
		.reason = reason };

	(void)snprintf(subject, sizeof(subject), "service/%s",
	    a->conf->services[s].name);
	(void)snprintf(what, sizeof(what), "%s -> %s", health_name(before),
	    health_name(now));
	agent_note(a, &ev);
	agent_decide(a);
}

static void
on_probe(const struct checker_change *ch, void *arg)
{
	struct agent *a = arg;
	const struct conf_service *service = &a->conf->services[ch->s];
	char subject[2 * CONF_NAME_MAX + 16], what[48];
	struct store_event ev = { .kind = "probe",
		.subject = subject,
		.what = what,
		.reason = ch->detail };

	(void)snprintf(subject, sizeof(subject), "probe/%s/%s", service->name,
	    service->probes[ch->p].name);
	(void)snprintf(what, sizeof(what), "%s -> %s", health_name(ch->before),
	    health_name(ch->now));
	agent_note(a, &ev);
	if (a->uplink != NULL)
		uplink_touch(a->uplink);
}

/* ---- BIRD ---- */

static void
on_real(size_t i, enum route_real before, enum route_real now, void *arg)
{
	struct agent *a = arg;
	char text[PREFIX_TEXT_BYTES], subject[PREFIX_TEXT_BYTES + 8], what[48];
	struct store_event ev = { .kind = "bird",
		.subject = subject,
		.what = what,
		.reason = "as bird reports" };

	/* First the decision that it follows from. */
	if (a->n_unnoted > 0)
		note_one(a, &a->prefixes[i]);
	(void)snprintf(subject, sizeof(subject), "prefix/%s",
	    prefix_format(&a->prefixes[i].prefix, text));
	(void)snprintf(what, sizeof(what), "%s -> %s", route_real_name(before),
	    route_real_name(now));
	agent_note(a, &ev);
	if (a->uplink != NULL)
		uplink_touch(a->uplink);
}

static void
on_read(void *arg)
{
	const struct agent *a = arg;

	if (a->drain != NULL)
		agent_drain_on_read(a->drain);
}

static void
on_notice(const char *what, const char *reason, void *arg)
{
	struct agent *a = arg;
	struct store_event ev = { .kind = "bird",
		.subject = "bird",
		.what = what,
		.reason = reason };

	agent_note(a, &ev);
	if (a->uplink != NULL)
		uplink_touch(a->uplink);
}

static void
on_converged(void *arg)
{
	struct agent *a = arg;

	note_decisions(a);
	if (a->uplink != NULL)
		uplink_touch(a->uplink);
}

/* ---- intents ---- */

static void
on_intent(const struct intent *row, void *arg)
{
	(void)row;
	agent_decide(arg);
}

/* ---- permits ---- */

void
agent_set_permits(struct agent *a, bool has_permits,
    const struct prefix *permits, size_t n)
{
	struct prefix *sorted = xcalloc(n, sizeof(*sorted));

	if (n > 0)
		memcpy(sorted, permits, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), prefix_compare);
	a->has_permits = has_permits;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		struct agent_prefix *p = &a->prefixes[i];

		bool was_forbidden = p->withdraw_forbidden;

		p->withdraw_forbidden = has_permits &&
		    bsearch(&p->prefix, sorted, n, sizeof(*sorted),
			prefix_compare) == NULL;
		a->will_is_old |= p->withdraw_forbidden != was_forbidden;
	}
	free(sorted);
}

void
agent_take_permits(struct agent *a, bool has_permits,
    const struct prefix *permits, size_t n)
{
	agent_set_permits(a, has_permits, permits, n);
	agent_decide(a);
}

/* ---- the test prefixes ---- */

bool
agent_holds_test(const struct agent *a)
{
	for (size_t i = 0; i < a->conf->test.n_tests; i++) {
		if (a->tests[i].experiment != 0)
			return true;
	}
	return false;
}

/* actor NULL: we ourselves. */
static void
note_test(struct agent *a, size_t i, const char *reason, const char *actor)
{
	const struct conf_test *conf = &a->conf->test;
	char subject[2 * PREFIX_TEXT_BYTES + 16] = "test prefix",
					     text[PREFIX_TEXT_BYTES];
	struct store_event ev = { .kind = "order",
		.subject = subject,
		.what = a->tests[i].experiment != 0 ? "withdraw" : "restore",
		.reason = reason,
		.actor = actor };

	/* With one only, its routes say the rest. */
	for (size_t p = 0; p < conf->n_prefixes && conf->n_tests > 1; p++) {
		size_t len = strlen(subject);

		if (conf->number[p] != i)
			continue;
		(void)snprintf(subject + len, sizeof(subject) - len, " %s",
		    prefix_format(&conf->prefixes[p], text));
	}
	agent_note(a, &ev);
}

/* Who wants the site's i-th one withdrawn; 0: nobody. */
static uint32_t
wanted_by(const struct agent *a, size_t i, const struct order_test *tests,
    size_t n)
{
	const struct conf_test *conf = &a->conf->test;

	for (size_t t = 0; t < n; t++) {
		for (size_t p = 0; p < conf->n_prefixes; p++) {
			if (conf->number[p] == i && tests[t].withdrawn &&
			    order_test_has(&tests[t], &conf->prefixes[p]))
				return tests[t].experiment;
		}
	}
	return 0;
}

/* True if it is another than before. */
static bool
hold_test(struct agent *a, size_t i, uint32_t experiment)
{
	struct agent_test *test = &a->tests[i];
	char reason[64];

	if (experiment == test->experiment)
		return false;
	(void)snprintf(reason, sizeof(reason), "experiment %" PRIu32,
	    experiment != 0 ? experiment : test->experiment);
	test->experiment = experiment;
	note_test(a, i, reason, "controller");
	return true;
}

void
agent_hold_tests(struct agent *a, const struct order_test *tests, size_t n)
{
	bool is_changed = false;

	for (size_t i = 0; i < a->conf->test.n_tests; i++)
		is_changed |= hold_test(a, i, wanted_by(a, i, tests, n));
	agent_renew_tests(a);
	if (!is_changed)
		return;
	a->will_is_old = true;
	agent_decide(a);
}

void
agent_renew_tests(struct agent *a)
{
	if (agent_holds_test(a)) {
		loop_timer_set(a->test_confirm, a->conf->test.confirm_ms);
	} else {
		loop_timer_cancel(a->test_confirm);
	}
}

/* Restores all that are held. */
static void
let_go(struct agent *a, const char *why)
{
	for (size_t i = 0; i < a->conf->test.n_tests; i++) {
		if (a->tests[i].experiment == 0)
			continue;
		a->tests[i].experiment = 0;
		a->tests[i].given_up++;
		note_test(a, i, why, NULL);
	}
}

static void
on_unconfirmed(struct loop *lp, void *arg)
{
	struct agent *a = arg;

	(void)lp;
	let_go(a, "the controller is silent");
	a->will_is_old = true;
	agent_decide(a);
}

/* ---- workers ---- */

static void
on_probe_worker_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct agent *a = arg;

	probe_env_on_worker_msg(a->probes, w, msg);
}

static void
on_probe_worker_lost(struct worker *w, void *arg)
{
	struct agent *a = arg;

	probe_env_on_worker_lost(a->probes, w);
}

static bool
has_probe(const struct conf_agent *conf, enum probe_kind kind)
{
	for (size_t s = 0; s < conf->n_services; s++) {
		for (size_t p = 0; p < conf->services[s].n_probes; p++) {
			if (conf->services[s].probes[p].kind == kind)
				return true;
		}
	}
	return false;
}

static void
start_probes(struct agent *a)
{
	static const struct worker_ops worker_ops = {
		.on_msg = on_probe_worker_msg, .on_lost = on_probe_worker_lost
	};
	static const struct checker_ops checker_ops = {
		.on_service = on_service, .on_probe = on_probe
	};

	a->probes = probe_env_new(a->env.lp);
	if (has_probe(a->conf, PROBE_ICMP)) {
		a->pinger = worker_new(a->env.keeper, a->env.kind_pinger,
		    &worker_ops, a);
	}
	if (has_probe(a->conf, PROBE_EXEC) ||
	    agent_counters_need(a->conf, COUNTER_COMMAND)) {
		a->runner = worker_new(a->env.keeper, a->env.kind_runner,
		    &worker_ops, a);
	}
	probe_env_set_workers(a->probes, a->pinger, a->runner);
	a->checker = checker_new(a->env.lp, a->probes, a->conf->services,
	    a->conf->n_services, &checker_ops, a);
	a->probe_api = probe_api_new(a);
}

/* ---- life ---- */

static int
agent_prefix_compare(const void *a, const void *b)
{
	const struct agent_prefix *pa = a, *pb = b;

	return prefix_compare(&pa->prefix, &pb->prefix);
}

struct agent_prefix *
agent_find_prefix(const struct agent *a, const struct prefix *p)
{
	struct agent_prefix key = { .prefix = *p };

	return a->n_prefixes == 0 ? NULL
				  : bsearch(&key, a->prefixes, a->n_prefixes,
					sizeof(key), agent_prefix_compare);
}

static void
collect_prefixes(struct agent *a)
{
	const struct conf_agent *conf = a->conf;
	size_t n = conf->test.n_prefixes;

	for (size_t s = 0; s < conf->n_services; s++)
		n += conf->services[s].n_prefixes;
	a->prefixes = xcalloc(n, sizeof(*a->prefixes));
	for (size_t s = 0; s < conf->n_services; s++) {
		for (size_t i = 0; i < conf->services[s].n_prefixes; i++) {
			a->prefixes[a->n_prefixes++] = (struct agent_prefix){
				.prefix = conf->services[s].prefixes[i],
				.service = s
			};
		}
	}
	for (size_t i = 0; i < conf->test.n_prefixes; i++) {
		a->prefixes[a->n_prefixes++] =
		    (struct agent_prefix){ .prefix = conf->test.prefixes[i],
			    .service = NO_SERVICE,
			    .test = conf->test.number[i] };
	}
	qsort(a->prefixes, n, sizeof(*a->prefixes), agent_prefix_compare);
}

static bool
may_overrule(void *arg)
{
	const struct agent *a = arg;

	return a->guards != NULL && agent_guards_may_overrule_hands(a->guards);
}

static void
start_reconcile(struct agent *a)
{
	const struct reconcile_ops ops = { .may_overrule = may_overrule,
		.on_real = on_real,
		.on_read = on_read,
		.on_notice = on_notice,
		.on_converged = on_converged,
		.arg = a,
		.allow = &a->conf->allow };
	struct prefix *list;

	if (a->env.from != NULL)
		a->reconcile = agent_inherit_reconcile(a, a->env.from);
	if (a->reconcile != NULL) {
		reconcile_hand_over(a->reconcile, &a->conf->bird, &ops);
		return;
	}
	list = xcalloc(a->n_prefixes, sizeof(*list));
	for (size_t i = 0; i < a->n_prefixes; i++)
		list[i] = a->prefixes[i].prefix;
	a->reconcile =
	    reconcile_new(a->env.lp, &a->conf->bird, list, a->n_prefixes, &ops);
	free(list);
	/* What is there before the first decision, so that events say what
	 * really changes. */
	for (size_t i = 0; i < a->n_prefixes; i++) {
		struct route_want found = reconcile_get_want(a->reconcile, i);

		a->prefixes[i].decision.announce = found.announced;
		a->prefixes[i].decision.attrs = found.attrs;
		a->prefixes[i].noted = a->prefixes[i].decision;
		agent_drain_adopt(a, &a->prefixes[i], found);
	}
}

static void
on_acted(void *arg)
{
	agent_tell_acts(arg);
}

bool
agent_is_idle(const struct agent *a)
{
	return reconcile_is_idle(a->reconcile);
}

struct agent *
agent_new(const struct agent_env *env, struct err *err)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	uint64_t boot = 0;

	a->env = *env;
	a->conf = env->conf->agent;
	a->tls = conf_tls_files(&env->conf->tls);
	a->started_ms = wall_now_ms();
	a->started = mono_now();
	a->withheld_by = GUARD_MIN_SITES;
	a->overdue = xcalloc(a->conf->n_services + 1, sizeof(*a->overdue));
	(void)!getrandom(&boot, sizeof(boot), 0);
	(void)snprintf(a->boot, sizeof(a->boot), "%016" PRIx64, boot);
	if (intent_book_init(&a->intents, env->lp, env->store, env->query,
		err) == -1) {
		free(a->overdue);
		free(a);
		return NULL;
	}
	a->test_confirm = loop_timer_new(env->lp, on_unconfirmed, a);
	a->note_timer = loop_timer_new(env->lp, on_note_timer, a);
	will_seat_init(&a->seat, env->conf, a->boot);
	a->will_is_old = true;
	keeper_set_on_acted(env->keeper, on_acted, a);
	agent_tell_acts(a);
	collect_prefixes(a);
	start_reconcile(a);
	/* Routes were found as drains had left them: what ended while nobody
	 * was there goes its way back, and does nothing before that. */
	intent_book_end_due(&a->intents);
	a->intents.on_change = on_intent;
	a->intents.arg = a;
	a->guards = agent_guards_new(a);
	a->said = agent_prefixes_new(a->n_prefixes);
	start_probes(a);
	a->counters = agent_counters_new(a);
	a->drain = agent_drain_new(a);
	if (env->from != NULL) {
		agent_inherit(a, env->from);
		env->from->is_replaced = true;
		a->env.from = NULL;
	}
	if (a->conf->test.n_prefixes > 0 && a->conf->controller != NULL)
		a->sweep = sweep_link_new(a);
	if (a->sweep != NULL && env->from != NULL && env->from->sweep != NULL)
		sweep_link_inherit(a->sweep, env->from->sweep);
	if (a->conf->controller != NULL)
		a->uplink = uplink_new(a);
	if (a->uplink != NULL && env->from != NULL && env->from->uplink != NULL)
		uplink_inherit(a->uplink, env->from->uplink);
	a->clients = clients_link_new(a);
	agent_drain_note_idle(a);
	agent_decide(a);
	return a;
}

void
agent_stop(struct agent *a)
{
	struct bird_route *announced;
	struct err err;
	size_t n;

	if (a == NULL)
		return;
	note_decisions(a);
	if (!agent_holds_test(a))
		return;
	let_go(a, "the daemon ends");
	announced = agent_list_without_experiment(a, &n);
	if (will_do_now(a->env.conf, announced, n, &err) == -1)
		log_warnx("test prefix: not restored: %s", err.msg);
	free(announced);
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	if (!a->is_replaced)
		keeper_set_on_acted(a->env.keeper, NULL, NULL);
	uplink_free(a->uplink);
	clients_link_free(a->clients);
	sweep_link_free(a->sweep);
	probe_api_free(a->probe_api);
	checker_free(a->checker);
	agent_drain_free(a->drain);
	agent_counters_free(a->counters);
	probe_env_free(a->probes);
	worker_free(a->pinger);
	worker_free(a->runner);
	agent_guards_free(a->guards);
	agent_prefixes_free(a->said);
	reconcile_free(a->reconcile);
	loop_timer_free(a->test_confirm);
	loop_timer_free(a->note_timer);
	intent_book_fini(&a->intents);
	free(a->prefixes);
	free(a->overdue);
	free(a);
}
