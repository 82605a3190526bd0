/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_STATE_H
#define SITE_AGENT_STATE_H
/*
 * agent_state -- the agent's inside, shared by its own files (agent*.c, uplink,
 * sweep_link) and by nobody else.
 */
#include "base/tls.h"
#include "core/drain.h"
#include "core/route.h"
#include "site/agent.h"
#include "site/checker.h"
#include "site/orders.h"
#include "site/reconcile.h"
#include "site/will.h"
#include "store/intent_book.h"

struct agent_counters;
struct agent_guards;
struct agent_prefixes;
struct agent_drain;
struct probe_api;
struct uplink;
struct sweep_link;
struct clients_link;

#define NO_SERVICE ((size_t)-1)

struct agent_prefix {
	struct prefix prefix;
	size_t service; /* index, or NO_SERVICE: a test prefix */
	size_t test;    /* of a test prefix: which of the agent's tests */
	struct route_decision decision;
	struct route_decision noted; /* the last one on record */
	int64_t decided_ms;          /* wall: since when */
	bool withdraw_forbidden;     /* the controller gave no permit */
	struct drain_stage drain;
	enum drain_wait drain_wait;
	/* In spite of a freeze: intent_set_gives_back, as of the last step. */
	bool is_given_back;
};

/* A test prefix: one of each family, see struct conf_test. */
struct agent_test {
	uint32_t experiment; /* that holds it withdrawn; 0: none */
	/* How often we restored it since nobody confirmed. */
	uint64_t given_up;
};

struct agent {
	struct agent_env env;
	const struct conf_agent *conf;
	struct tls_files tls; /* of the configuration; all NULL: none */
	char boot[20];        /* changes with every start */
	struct agent_prefix *prefixes; /* in prefix_compare order */
	size_t n_prefixes;
	struct worker *pinger, *runner;
	struct probe_env *probes;
	struct checker *checker;
	struct probe_api *probe_api;
	struct reconcile *reconcile;
	struct intent_book intents;
	struct agent_guards *guards;
	struct agent_prefixes *said; /* of the prefixes, in the status */
	size_t n_unnoted;            /* decisions that are not on record yet */
	struct loop_timer *note_timer;
	struct agent_counters *counters;
	struct agent_drain *drain;
	struct agent_test tests[CONF_TESTS_MAX];
	struct loop_timer *test_confirm;
	struct will_seat seat;
	bool is_replaced;             /* by one with a newer configuration */
	bool has_permits;             /* the controller has given out some */
	enum guard withheld_by;       /* for which it gave no others */
	bool will_is_old;             /* to be deposited anew */
	bool will_is_frozen;          /* it was made during a freeze */
	bool will_has_attrs;          /* it was made with routes' attributes */
	struct sweep_link *sweep;     /* NULL: no test prefix */
	struct uplink *uplink;        /* NULL: no controller */
	struct clients_link *clients; /* NULL: no controller, or no feeds */
	int64_t started_ms;           /* wall */
	struct mono started;
	bool *overdue; /* of each service: unknown for too long, and told */
};

/* NULL: not ours. */
struct agent_prefix *agent_find_prefix(const struct agent *a,
    const struct prefix *p);
/* What is known for the decision on p. */
struct route_inputs agent_route_inputs(const struct agent *a,
    const struct agent_prefix *p);
/* Decides all prefixes anew and lets BIRD follow. */
void agent_decide(struct agent *a);
void agent_note(struct agent *a, const struct store_event *ev);

/* Withdraws the test prefixes of those that say so, and restores all others;
 * renewing holds them for another confirm time. */
void agent_hold_tests(struct agent *a, const struct order_test *tests,
    size_t n);
void agent_renew_tests(struct agent *a);
/* Is a test prefix withdrawn for an experiment? */
bool agent_holds_test(const struct agent *a);

/* Which prefixes may be withdrawn when sick; has_permits false: all. */
void agent_take_permits(struct agent *a, bool has_permits,
    const struct prefix *permits, size_t n);
/* While the agent is made: nothing is decided by it yet. */
void agent_set_permits(struct agent *a, bool has_permits,
    const struct prefix *permits, size_t n);

/* agent_inherit.c: NULL: another one is needed. */
struct reconcile *agent_inherit_reconcile(struct agent *a, struct agent *from);
void agent_inherit(struct agent *a, const struct agent *from);

/* agent_will.c: deposits the will anew, if it is old. */
void agent_update_will(struct agent *a);
/* Tells what the keeper did meanwhile. */
void agent_tell_acts(struct agent *a);
/* All that is announced when no experiment is; the caller frees it. */
struct bird_route *agent_list_without_experiment(const struct agent *a,
    size_t *n);

/* agent_json.c */
json_t *agent_explain(const struct agent *a, const char *what, struct err *err);

/* For requests to the controller; NULL: without. */
static inline const struct tls_files *
agent_tls(const struct agent *a)
{
	return a->tls.certificate != NULL ? &a->tls : NULL;
}

#endif /* SITE_AGENT_STATE_H */
