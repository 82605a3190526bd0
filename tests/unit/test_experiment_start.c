/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What must be so before an experiment may begin. */
#include "fleet/experiment.h"

#include "experiment_rig.h"
#include "probes/sweep_list.h"

static void
test_second_experiment_is_refused(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "experiment 1 at akl is running");
}

static void
test_what_an_experiment_needs(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "no clients");
	house_load_clients(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "agent is silent");
	fakes_turn(h);
	h->agents[0].withdrawn[0] = true;
	(void)fake_post_status(&h->agents[0]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "announced");
	h->agents[0].withdrawn[0] = false;
	(void)fake_post_status(&h->agents[0]);
	assert_int_equal(post(h, "/v1/experiments",
			     "{\"site\":\"akl,wlg,chc\"}"),
	    409);
	assert_answer_has(h, "no site would be left");
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"xyz\"}"), 404);
	assert_int_equal(post(h, "/v1/experiments", "{}"), 400);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":1}"), 400);
}

/* What a map says of akl is said of the others as they are: one that does not
 * announce would be nobody's heir, and its own clients would be the others'. */
static void
test_no_site_is_missing(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	h->agents[2].withdrawn[0] = true;
	assert_int_equal(fake_post_status(&h->agents[2]), 200);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "site wlg: does not announce the test prefix");
	h->agents[2].withdrawn[0] = false;
	h->agents[2].more = json_pack("{s:[{s:s, s:n, s:s, s:i}]}", "prefixes",
	    "prefix", house_tests[0], "service", "real", "announced",
	    "exported_to", 0);
	assert_int_equal(fake_post_status(&h->agents[2]), 200);
	json_decref(h->agents[2].more);
	h->agents[2].more = NULL;
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "BIRD has it and exports it to no session");
	assert_int_equal(fake_post_status(&h->agents[2]), 200);
	start(h);
	run_until(h, 1, "done");
}

/* Its sender would be given them and could keep none. */
static void
test_no_more_clients_than_a_sweep_asks(void **state)
{
	struct house *h = *state;
	const bool withdrawn[SITES] = { true };
	struct experiment_plan plan = { .withdrawn = withdrawn,
		.n_clients = SWEEP_LIST_TARGETS_MAX + 1 };
	struct store_client *clients = calloc(plan.n_clients, sizeof(*clients));
	struct err err = { 0 };

	assert_non_null(clients);
	plan.clients = clients;
	house_get_ready(h);
	assert_null(experiment_start(h->c, &plan, &err));
	assert_string_equal(err.msg,
	    "4194305 clients: a sweep asks at most 4194304");
	free(clients);
}

/* One site's test prefix in another one's service: to withdraw it at akl would
 * move users. */
static void
test_no_site_serves_users_with_it(void **state)
{
	static const char *const overlapping[] = { "198.51.100.0/24",
		"198.51.100.128/25", "198.51.0.0/16" };
	struct house *h = *state;
	struct fake *wlg = &h->agents[2];

	house_get_ready(h);
	for (size_t i = 0; i < TEST_COUNT(overlapping); i++) {
		wlg->more = json_pack("{s:[{s:s, s:n, s:s}, {s:s, s:s, s:s}]}",
		    "prefixes", "prefix", house_tests[0], "service", "real",
		    "announced", "prefix", overlapping[i], "service", "web",
		    "real", "announced");
		assert_int_equal(fake_post_status(wlg), 200);
		json_decref(wlg->more);
		wlg->more = NULL;
		assert_int_equal(post(h, "/v1/experiments",
				     "{\"site\":\"akl\"}"),
		    409);
		assert_answer_has(h, "site wlg");
		assert_answer_has(h, overlapping[i]);
	}
	assert_int_equal(fake_post_status(wlg), 200);
	start(h);
	run_until(h, 1, "done");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_second_experiment_is_refused),
		WITH_HOUSE(test_what_an_experiment_needs),
		WITH_HOUSE(test_no_site_is_missing),
		WITH_HOUSE(test_no_more_clients_than_a_sweep_asks),
		WITH_HOUSE(test_no_site_serves_users_with_it),
	};

	return house_main(tests, TEST_COUNT(tests));
}
