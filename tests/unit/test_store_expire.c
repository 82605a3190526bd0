/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the store lets go as it grows old, and what it does not. */
#include "store_rig.h"

#define OLD_MS 1000 /* when the old ones ended */
#define NEW_MS 5000
#define BEFORE_MS 2000
#define OUTCOMES_N 20

static void
put_experiment(struct rig *r, uint32_t id, const char *site, uint32_t campaign,
    int64_t ended_ms)
{
	struct store_experiment ex = { .id = id,
		.site = site,
		.state = ended_ms > 0 ? "done" : "sweep",
		.reason = "",
		.ended_ms = ended_ms,
		.list = id,
		.campaign = campaign,
		.purpose = "",
		.test = "",
		.sites = "akl chc" };
	struct store_heir heir = {
		.experiment = id, .site = site, .family = 4, .heir = "chc"
	};
	struct store_replies replies = { .experiment = id,
		.site = site,
		.class_name = "forged",
		.n = 1,
		.samples = "[]" };

	put_outcomes(r, id, OUTCOMES_N);
	store_put_replies(r->s, &replies);
	store_put_heirs(r->s, &ex, &heir, 1, NULL, NULL);
}

/* A list for each experiment up to n, then the current one. */
static void
put_lists(struct rig *r, uint32_t n)
{
	struct store_client clients[2] = { 0 };

	for (uint32_t list = 1; list <= n + 1; list++)
		store_put_clients(r->s, list, clients, 2, true, NULL, NULL);
}

static void
put_campaign(struct rig *r, uint32_t id, int64_t ended_ms)
{
	struct store_campaign ca = { .id = id,
		.state = "done",
		.reason = "",
		.ended_ms = ended_ms,
		.sites = "akl chc",
		.list = id };

	store_put_campaign(r->s, &ca);
}

static void
expire(struct rig *r, int times, int64_t events_ms, int64_t outcomes_ms)
{
	for (int i = 0; i < times; i++)
		store_expire(r->s, events_ms, outcomes_ms);
	WAIT_FOR(r, is_idle);
	assert_int_equal(r->alarms, 0);
}

static int64_t
number(const struct rig *r, const char *sql)
{
	return file_number(&r->f, sql);
}

static bool
has_outcomes(const struct rig *r, unsigned experiment)
{
	char *sql = xasprintf(
	    "SELECT count(*) FROM outcome_chunk WHERE experiment = %u",
	    experiment);
	int64_t n = number(r, sql);

	free(sql);
	return n > 0;
}

/* One at a time, the oldest first; what is young or runs stays. */
static void
test_old_outcomes_go(void **state)
{
	struct rig *r = *state;

	put_experiment(r, 1, "akl", 0, OLD_MS);
	put_experiment(r, 2, "akl", 0, OLD_MS);
	put_experiment(r, 3, "akl", 0, OLD_MS);
	put_experiment(r, 4, "chc", 0, NEW_MS);
	put_experiment(r, 5, "chc", 0, 0);
	put_lists(r, 5);
	expire(r, 1, 0, BEFORE_MS);
	assert_false(has_outcomes(r, 1));
	assert_true(has_outcomes(r, 2));
	expire(r, 6, 0, BEFORE_MS);
	assert_false(has_outcomes(r, 2));
	assert_false(has_outcomes(r, 3));
	assert_true(has_outcomes(r, 4));
	assert_true(has_outcomes(r, 5));
	/* Their lists go with them; maps, and that there were experiments, do
	 * not. */
	assert_int_equal(number(r, "SELECT min(id) FROM client_list"), 4);
	assert_int_equal(number(r, "SELECT count(*) FROM client_list"), 3);
	assert_int_equal(number(r, "SELECT min(list) FROM client"), 4);
	assert_int_equal(number(r, "SELECT sum(n) FROM reply_class"), 5);
	assert_int_equal(number(r, "SELECT count(*) FROM heir"), 5);
	assert_int_equal(number(r, "SELECT count(*) FROM experiment"), 5);
}

/* A controller that starts works the newest campaign out of its outcomes. */
static void
test_the_newest_campaign_keeps_all(void **state)
{
	struct rig *r = *state;

	put_campaign(r, 1, OLD_MS);
	put_campaign(r, 2, OLD_MS);
	put_experiment(r, 1, "akl", 1, OLD_MS);
	put_experiment(r, 2, "akl,chc", 1, OLD_MS);
	put_experiment(r, 3, "akl", 2, OLD_MS);
	put_experiment(r, 4, "akl", 2, OLD_MS);
	put_lists(r, 4);
	expire(r, 4, 0, BEFORE_MS);
	assert_false(has_outcomes(r, 1));
	assert_false(has_outcomes(r, 2));
	assert_outcomes(r, 3, OUTCOMES_N);
	assert_true(has_outcomes(r, 4));
	assert_int_equal(number(r, "SELECT count(*) FROM client_list"), 4);
}

/* Landings are compared with the newest of a set, while its list is current:
 * the newest that its campaign believes. */
static void
test_the_newest_of_a_set_stays(void **state)
{
	struct rig *r = *state;

	put_campaign(r, 1, OLD_MS);
	put_campaign(r, 2, OLD_MS);
	for (uint32_t id = 1; id <= 4; id++)
		put_experiment(r, id, id == 2 ? "akl,chc" : "akl", 1, OLD_MS);
	store_put_aside(r->s, 4, true);
	put_lists(r, 0); /* the list 1 is current */
	WAIT_FOR(r, is_idle);
	file_exec(&r->f, "UPDATE experiment SET list = 1");
	expire(r, 6, 0, BEFORE_MS);
	assert_false(has_outcomes(r, 1));
	assert_true(has_outcomes(r, 2));
	assert_true(has_outcomes(r, 3));
	assert_true(has_outcomes(r, 4));
}

/* Of a long one a part at a time; of one that failed just now none. */
static void
test_lists_go_in_parts(void **state)
{
	const uint32_t n = STORE_EXPIRE_CLIENTS + 500;
	struct store_client *clients = xcalloc(n, sizeof(*clients));
	struct rig *r = *state;

	put_experiment(r, 1, "akl", 0, OLD_MS);
	put_experiment(r, 2, "akl", 0, NEW_MS);
	store_put_clients(r->s, 1, clients, n, true, NULL, NULL);
	store_put_clients(r->s, 2, clients, 2, true, NULL, NULL);
	store_put_clients(r->s, 3, clients, 2, true, NULL, NULL);
	free(clients);
	WAIT_FOR(r, is_idle);
	file_exec(&r->f, "DELETE FROM outcome_chunk");
	expire(r, 1, 0, BEFORE_MS);
	assert_int_equal(number(r,
			     "SELECT count(*) FROM client WHERE list = 1"),
	    500);
	assert_int_equal(number(r, "SELECT n FROM client_list WHERE id = 1"),
	    0);
	expire(r, 3, 0, BEFORE_MS);
	assert_int_equal(number(r, "SELECT min(list) FROM client"), 2);
	assert_int_equal(number(r, "SELECT count(*) FROM client_list"), 2);
}

static void
test_nothing_goes_unless_asked(void **state)
{
	struct rig *r = *state;

	put_experiment(r, 1, "akl", 0, OLD_MS);
	put_experiment(r, 2, "akl", 0, OLD_MS);
	put_events(r, 0, STORE_EVENTS_KEPT + 5);
	expire(r, 3, 0, 0);
	assert_true(has_outcomes(r, 1));
	assert_events(r, STORE_EVENTS_KEPT + 5);
}

/* The oldest of many, whatever the clock says. */
static void
test_old_events_go(void **state)
{
	const int more = STORE_EXPIRE_EVENTS + 100;
	struct rig *r = *state;

	put_events(r, 0, STORE_EVENTS_KEPT + more);
	expire(r, 1, 1, 0);
	assert_int_equal(number(r, "SELECT count(*) FROM event"),
	    STORE_EVENTS_KEPT + more); /* none is so old */
	expire(r, 1, INT64_MAX, 0);
	assert_int_equal(number(r, "SELECT count(*) FROM event"),
	    STORE_EVENTS_KEPT + 100);
	expire(r, 4, INT64_MAX, 0);
	assert_int_equal(number(r, "SELECT count(*) FROM event"),
	    STORE_EVENTS_KEPT);
	assert_int_equal(number(r, "SELECT min(CAST(what AS INT)) FROM event"),
	    more);
	/* Numbers are not given twice: who follows events goes by them. */
	put_events(r, STORE_EVENTS_KEPT + more, 1);
	WAIT_FOR(r, is_idle);
	assert_int_equal(number(r, "SELECT max(id) FROM event"),
	    STORE_EVENTS_KEPT + more + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_outcomes_go, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_newest_campaign_keeps_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_newest_of_a_set_stays,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_go_in_parts, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_nothing_goes_unless_asked,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_events_go, setup,
		    teardown),
	};

	if (!rig_share())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
