/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_EXPERIMENT_RIG_H
#define UNIT_EXPERIMENT_RIG_H
/*
 * experiment_rig -- an experiment at akl over the made-up world of fleet_house,
 * and the map that it must give.
 */
#include "fleet_house.h"
#include "test.h"

static inline void
start(struct house *h)
{
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
}

/* Turns until the experiment is in that state. */
static inline void
run_until(struct house *h, unsigned id, const char *wanted)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (mono_before(mono_now(), end)) {
		if (strcmp(state_of(h, id), wanted) == 0)
			return;
		if (strcmp(state_of(h, id), "failed") == 0)
			break;
		fakes_turn(h);
	}
	fail_msg("never %s: %s", wanted, h->body);
}

static inline void
check_heir(struct house *h, const char *heir, json_int_t clients, double weight)
{
	const json_t *entry;
	json_t *heirs;

	assert_int_equal(get(h, "/v1/failover?site=akl"), 200);
	heirs = answer_heirs(h);
	entry = find_heir(heirs, heir);
	if (entry == NULL)
		fail_msg("no heir %s: %s", heir, h->body);
	assert_int_equal(json_integer_value(json_object_get(entry, "clients")),
	    clients);
	assert_true(json_real_value(json_object_get(entry, "weight")) ==
	    weight);
	json_decref(heirs);
}

/* The clients of akl are 0, 3, 6 and 9; 9 goes nowhere. */
static inline void
check_known_map(struct house *h, unsigned id)
{
	char path[64];

	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	check_heir(h, "chc", 2, 11.0);
	check_heir(h, "wlg", 1, 1.0);
	check_heir(h, "", 1, 10.0);
	assert_answer_has(h, "\"clients\":4");
	assert_answer_has(h, "\"answered\":12");
	assert_answer_has(h, "\"bystanders\":0");
	(void)snprintf(path, sizeof(path), "/v1/outcomes?experiment=%u", id);
	assert_int_equal(get(h, path), 200);
	assert_string_equal(h->body,
	    "address,before,after\n"
	    "203.0.113.1,akl,chc\n203.0.113.2,chc,chc\n203.0.113.3,wlg,wlg\n"
	    "203.0.113.4,akl,wlg\n203.0.113.5,chc,chc\n203.0.113.6,wlg,wlg\n"
	    "2001:db8:1::7,akl,chc\n2001:db8:1::8,chc,chc\n"
	    "2001:db8:1::9,wlg,wlg\n2001:db8:1::a,akl,\n"
	    "2001:db8:1::b,chc,chc\n2001:db8:1::c,wlg,wlg\n");
}

#endif /* UNIT_EXPERIMENT_RIG_H */
