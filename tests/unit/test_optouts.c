/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who does not want to be pinged, by the controller's API and its orders. */
#include "campaign_rig.h"

static const char *
orders_of_sender(struct house *h)
{
	/* The first site is withdrawn, the second one sends. */
	assert_int_equal(get(h, "/v1/sites/chc/orders?after=0"), 200);
	return h->body;
}

static void
add(struct house *h, const char *prefix, int status)
{
	char *body =
	    xasprintf("{\"prefix\":\"%s\",\"reason\":\"a mail\"}", prefix);

	assert_int_equal(post(h, "/v1/optouts", body), status);
	free(body);
}

static void
test_optouts_are_listed_and_outlive_the_controller(void **state)
{
	struct house *h = *state;

	add(h, "203.0.113.0/24", 200);
	add(h, "2001:db8:1::7", 200);
	add(h, "203.0.113.0/24", 200); /* again: no second one */
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/optouts"), 200);
	assert_answer_has(h, "203.0.113.0/24");
	assert_answer_has(h, "2001:db8:1::7/128");
	assert_answer_has(h, "a mail");
	assert_int_equal(post(h, "/v1/optouts/remove",
			     "{\"prefix\":\"203.0.113.0/24\"}"),
	    200);
	assert_int_equal(post(h, "/v1/optouts/remove",
			     "{\"prefix\":\"203.0.113.0/24\"}"),
	    404);
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/optouts"), 200);
	assert_null(strstr(h->body, "203.0.113.0/24"));
	assert_answer_has(h, "2001:db8:1::7/128");
}

static void
test_what_is_no_prefix_is_refused(void **state)
{
	static const char *const bad[] = { "", "{}", "{\"prefix\":7}",
		"{\"prefix\":\"\"}", "{\"prefix\":\"192.0.2.1/24\"}",
		"{\"prefix\":\"192.0.2.0/33\"}", "{\"prefix\":\"example.net\"}",
		"{\"prefix\":\"192.0.2.1\",\"reason\":7}", "[]", "{" };
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		assert_int_equal(post(h, "/v1/optouts", bad[i]), 400);
		assert_int_equal(post(h, "/v1/optouts/remove", bad[i]), 400);
	}
	assert_int_equal(get(h, "/v1/optouts"), 200);
	assert_answer_has(h, "[]");
}

/* Those that are there leave it; those that come later do not get in. */
static void
test_lists_are_without_them(void **state)
{
	struct house *h = *state;

	house_load_clients(h);
	add(h, "203.0.113.2/31", 200);
	assert_answer_has(h, "\"clients_dropped\":2");
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"count\":10");
	/* Also in the store. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"count\":10");
	assert_int_equal(post(h, "/v1/clients?upload=u&part=0&last=1",
			     "203.0.113.1\n203.0.113.2\n203.0.113.4\n"),
	    200);
	assert_answer_has(h, "\"count\":2");
	assert_answer_has(h, "\"dropped_optout\":1");
}

/* All of IPv6, and nobody of IPv4. */
static void
test_a_family_opts_out_alone(void **state)
{
	struct house *h = *state;

	house_load_clients(h);
	add(h, "::/0", 200);
	assert_answer_has(h, "\"clients_dropped\":6");
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"ipv4\":6,\"ipv6\":0");
}

/* The list of a running experiment stays, but its sender is told. */
static void
test_a_running_sweep_is_told(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	assert_non_null(strstr(orders_of_sender(h), "\"optouts\":[]"));
	add(h, "203.0.113.2/31", 200);
	assert_answer_has(h, "\"clients_dropped\":0");
	assert_non_null(strstr(orders_of_sender(h),
	    "\"optouts\":[\"203.0.113.2/31\"]"));
	assert_non_null(strstr(h->body, "\"text\":\"a test\""));
	assert_non_null(strstr(h->body, "\"allow_special\":true"));
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"count\":12");
	assert_int_equal(post(h, "/v1/experiments/1/abort", ""), 200);
	/* The next one begins without them. */
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	assert_answer_has(h, "\"clients\":10");
}

/* Lists that stay, of an experiment that runs and of a campaign, are told
 * without them; the lines are counted by who reads page by page. */
static void
test_outcomes_are_told_without_them(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	add(h, "203.0.113.2", 200);
	assert_answer_has(h, "\"clients_dropped\":0");
	assert_int_equal(get(h, "/v1/outcomes?experiment=1&first=1&limit=2"),
	    200);
	assert_answer_has(h, "address,before,after\n,chc,");
	assert_answer_has(h, "\n203.0.113.3,wlg,");
	assert_int_equal(get(h, "/v1/outcomes?down=akl&first=1&limit=2"), 200);
	assert_answer_has(h, "address,before,after,label\n,chc,chc,");
	assert_answer_has(h, "\n203.0.113.3,wlg,wlg,");
}

static void
test_nobody_left_is_no_experiment(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	add(h, "203.0.113.0/24", 200);
	add(h, "2001:db8::/32", 200);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"count\":0");
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_answer_has(h, "\"count\":0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_optouts_are_listed_and_outlive_the_controller),
		WITH_HOUSE(test_what_is_no_prefix_is_refused),
		WITH_HOUSE(test_lists_are_without_them),
		WITH_HOUSE(test_a_family_opts_out_alone),
		WITH_HOUSE(test_a_running_sweep_is_told),
		WITH_HOUSE(test_outcomes_are_told_without_them),
		WITH_HOUSE(test_nobody_left_is_no_experiment),
	};

	return house_main(tests, TEST_COUNT(tests));
}
