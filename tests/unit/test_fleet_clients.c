/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recent clients at a controller: taken from agents, shown, kept, made the list
 * that sweeps ask. */
#include "feeds/client_book.h"
#include "feeds/feeds.h"

#include "fleet_house.h"

#define DAY_MS INT64_C(86400000)

static int64_t seen_at = 1700000000;

/* Clients 203.0.113.1 ... n, each with `weight`; the status of the last part.
 * Those from 20000 on are in 198.18.0.0/15. */
static int
report_list(struct house *h, const char *site, uint32_t serial, uint32_t n,
    double weight)
{
	struct client *c = xcalloc(n, sizeof(*c));
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);
	struct feed_part part = {
		.serial = serial, .total = n, .half_life_ms = DAY_MS
	};
	char *path = xasprintf("/v1/sites/%s/clients", site);
	int status;

	for (uint32_t i = 0; i < n; i++) {
		c[i].addr = addr_from_in((struct in_addr){
		    .s_addr = htonl(0xc6120000 + i) });
		c[i].weight = weight + i;
		c[i].last_seen = seen_at;
	}
	do {
		size_t len = feed_part_encode(&part, c, buf);

		status = ask_bytes(h, path, buf, len);
		part.first += part.n;
	} while (status == 204 && part.first < n);
	free(path);
	free(buf);
	free(c);
	return status;
}

static json_int_t
count_of(struct house *h, const char *key)
{
	json_t *doc = json_loads(h->body, 0, NULL);
	json_int_t n = json_integer_value(json_object_get(doc, key));

	json_decref(doc);
	return n;
}

static size_t
recent_count(struct house *h, const char *path)
{
	size_t n;
	json_t *doc;

	assert_int_equal(get(h, path), 200);
	doc = json_loads(h->body, 0, NULL);
	n = json_array_size(json_object_get(doc, "clients"));
	json_decref(doc);
	return n;
}

static void
test_agents_lists_are_taken_and_shown(void **state)
{
	struct house *h = *state;

	assert_int_equal(recent_count(h, "/v1/clients/recent"), 0);
	assert_int_equal(report_list(h, "akl", 5, 20000, 1), 204);
	assert_int_equal(report_list(h, "chc", 6, 3, 1), 204);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_non_null(strstr(h->body, "\"site\":\"akl\""));
	assert_non_null(strstr(h->body, "\"clients\":20000"));
	assert_int_equal(recent_count(h, "/v1/clients/recent"), 20);
	assert_int_equal(recent_count(h, "/v1/clients/recent?top=7"), 7);
	/* the heaviest first */
	assert_non_null(strstr(h->body, "[{\"client\":\"198.18.78.31\""));
	assert_int_equal(recent_count(h, "/v1/clients/recent?site=chc"), 3);
	assert_int_equal(get(h, "/v1/clients/recent?site=wlg"), 404);
	assert_int_equal(get(h, "/v1/clients/recent?top=-1"), 400);
}

static void
test_wrong_parts_are_refused(void **state)
{
	struct house *h = *state;

	assert_int_equal(report_list(h, "syd", 1, 3, 1), 404);
	assert_int_equal(post(h, "/v1/sites/akl/clients", "nonsense"), 400);
	assert_int_equal(report_list(h, "akl", 0, 3, 1), 400);
	assert_int_equal(report_list(h, "akl", 1, 3, -9), 400);
	assert_int_equal(recent_count(h, "/v1/clients/recent"), 0);
}

/* Finite, but not their sum: the list of it could be neither told nor read back,
 * and the controller not start again. */
static void
test_absurd_weights_are_refused(void **state)
{
	struct house *h = *state;

	assert_int_equal(report_list(h, "akl", 1, 3, 1.7e308), 400);
	assert_int_equal(report_list(h, "chc", 1, 3, 1.7e308), 400);
	assert_int_equal(report_list(h, "akl", 2, 3, 1e40), 204);
	assert_int_equal(report_list(h, "chc", 2, 3, 1e40), 204);
	assert_int_equal(post(h, "/v1/clients/take", ""), 200);
	assert_int_equal(count_of(h, "count"), 3);
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_int_equal(count_of(h, "count"), 3);
}

static void
test_take_makes_them_the_list(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/clients/take", ""), 409);
	assert_non_null(strstr(h->body, "the list stays"));
	assert_int_equal(report_list(h, "akl", 5, 2000, 1), 204);
	assert_int_equal(report_list(h, "chc", 6, 3000, 1), 204);
	assert_int_equal(post(h, "/v1/clients/take", ""), 200);
	assert_int_equal(count_of(h, "count"), 3000);
	assert_int_equal(count_of(h, "ipv4"), 3000);
	assert_int_equal(count_of(h, "list"), 1);
	assert_int_equal(post(h, "/v1/clients/take?top=50&site=akl", ""), 200);
	assert_int_equal(count_of(h, "count"), 50);
	assert_int_equal(count_of(h, "list"), 2);
	assert_int_equal(post(h, "/v1/clients/take?site=wlg", ""), 404);
	/* It is the list as any other, after a restart too. */
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/client-lists/2"), 200);
	assert_int_equal(get(h, "/v1/clients"), 200);
	assert_int_equal(count_of(h, "count"), 50);
}

/* Documentation and private addresses are nobody to ask outside of a lab. */
static void
test_take_leaves_special_ones_out(void **state)
{
	struct house *h = *state;

	h->fleet.predict.allow_special = false;
	assert_int_equal(report_list(h, "akl", 5, 20, 1), 204);
	assert_int_equal(post(h, "/v1/clients/take", ""), 409);
	assert_non_null(strstr(h->body, "20 dropped"));
}

static void
test_take_does_not_disturb_an_experiment(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	assert_int_equal(report_list(h, "akl", 5, 20, 1), 204);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\": \"akl\"}"),
	    200);
	assert_int_equal(post(h, "/v1/clients/take", ""), 200);
	assert_int_equal(get(h, "/v1/experiments/1"), 200);
	assert_non_null(strstr(h->body, "\"clients\":12"));
}

static json_int_t
list_count(struct house *h)
{
	assert_int_equal(get(h, "/v1/clients"), 200);
	return count_of(h, "count");
}

static bool
has_event(struct house *h, const char *text)
{
	assert_int_equal(get(h, "/v1/events?after=-1&limit=1000"), 200);
	return strstr(h->body, text) != NULL;
}

/* Every so often; but not what a feed that fails leaves of them. */
static void
test_recent_become_the_list_by_themselves(void **state)
{
	struct house *h = *state;

	h->fleet.predict.take_clients_ms = 100;
	assert_int_equal(report_list(h, "akl", 5, 2000, 1), 204);
	WAIT_FOR(h->p.lp, list_count(h) == 2000);
	assert_int_equal(report_list(h, "akl", 6, 900, 1), 204);
	WAIT_FOR(h->p.lp, has_event(h, "recent clients not taken"));
	WAIT_FOR(h->p.lp,
	    has_event(h, "told of 900 recent clients, there were 2000"));
	assert_int_equal(list_count(h), 2000);
	assert_int_equal(report_list(h, "akl", 7, 1000, 1), 204);
	WAIT_FOR(h->p.lp, list_count(h) == 1000);
	WAIT_FOR(h->p.lp,
	    has_event(h, "1000 recent clients of all sites, before 2000"));
	/* One site's, though there are enough of all. */
	assert_int_equal(report_list(h, "chc", 1, 1500, 1), 204);
	WAIT_FOR(h->p.lp, list_count(h) == 1500);
	assert_int_equal(report_list(h, "akl", 8, 100, 1), 204);
	WAIT_FOR(h->p.lp,
	    has_event(h, "feeds of akl told of 100 recent clients, before of"));
	/* By hand that is as it was. */
	assert_int_equal(report_list(h, "chc", 2, 0, 1), 204);
	assert_int_equal(report_list(h, "akl", 9, 10, 1), 204);
	assert_int_equal(post(h, "/v1/clients/take", ""), 200);
	assert_int_equal(list_count(h), 10);
	/* After a start the agents have to tell first. */
	h->fleet.predict.take_clients_ms = DAY_MS;
	house_restart_controller(h);
	assert_int_equal(report_list(h, "akl", 1, 5000, 1), 204);
	loop_idle(h->p.lp, 200);
	assert_int_equal(list_count(h), 10);
}

/* A feed that tells nothing leaves its site's list as long as it was. */
static void
test_feeds_that_see_nobody(void **state)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	struct house *h = *state;
	uint32_t serial = 5;

	h->fleet.predict.take_clients_ms = 100;
	house_turn(h);
	assert_int_equal(report_list(h, "akl", 5, 200, 8), 204);
	assert_int_equal(report_list(h, "chc", 5, 300, 8), 204);
	WAIT_FOR(h->p.lp, list_count(h) == 300);
	/* Told again with the same clients, none of them seen since. */
	do {
		fakes_turn(h);
		assert_int_equal(report_list(h, "akl", ++serial, 200, 1), 204);
		loop_idle(h->p.lp, 50);
	} while (!has_event(h, "feeds of akl saw nobody since") &&
	    mono_before(mono_now(), end));
	assert_true(has_event(h, "feeds of akl saw nobody since"));
	/* It may stand by for ever: what the others tell is taken. */
	for (unsigned i = 1; i <= 3; i++) {
		seen_at += 60;
		assert_int_equal(report_list(h, "chc", 5 + i, 400 + i, 8), 204);
		seen_at -= 60;
		assert_int_equal(report_list(h, "akl", ++serial, 200, 1), 204);
		fakes_turn(h);
		WAIT_FOR(h->p.lp, list_count(h) == 400 + i);
	}
}

/* Also those of an agent that is not there any more. */
static void
test_recent_clients_survive_a_restart(void **state)
{
	struct client_book_list before, after;
	struct house *h = *state;

	assert_int_equal(report_list(h, "akl", 5, 40000, 1), 204);
	assert_int_equal(report_list(h, "chc", 6, 0, 1), 204);
	assert_true(client_book_find(feeds_book(h->feeds), "akl", &before));
	house_restart_controller(h);
	assert_true(client_book_find(feeds_book(h->feeds), "akl", &after));
	assert_int_equal(after.n, 40000);
	assert_int_equal(after.serial, 5);
	assert_true(after.age_ms >= before.age_ms &&
	    after.age_ms < before.age_ms + DAY_MS / 24);
	assert_true(client_book_find(feeds_book(h->feeds), "chc", &after));
	assert_int_equal(after.serial, 6);
	assert_int_equal(after.n, 0);
	/* A newer one takes its place in the store, whole. */
	assert_int_equal(report_list(h, "akl", 7, 3, 1), 204);
	house_restart_controller(h);
	assert_true(client_book_find(feeds_book(h->feeds), "akl", &after));
	assert_int_equal(after.n, 3);
}

/* Rows that are damaged, or of a site that is gone, keep nobody from starting. */
static void
test_damaged_rows_are_passed_over(void **state)
{
	struct house *h = *state;
	struct client_book_list l;

	assert_int_equal(report_list(h, "akl", 5, 10, 1), 204);
	assert_int_equal(report_list(h, "chc", 6, 10, 1), 204);
	house_stop_controller(h);
	file_exec(&h->f,
	    "UPDATE recent_client SET data = x'00' WHERE site = 'akl';"
	    "INSERT INTO recent_client SELECT 'gone', part, saved_ms, data"
	    " FROM recent_client WHERE site = 'chc'");
	house_start_controller(h);
	assert_false(client_book_find(feeds_book(h->feeds), "akl", &l));
	assert_false(client_book_find(feeds_book(h->feeds), "gone", &l));
	assert_true(client_book_find(feeds_book(h->feeds), "chc", &l));
	assert_int_equal(l.n, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_agents_lists_are_taken_and_shown),
		WITH_HOUSE(test_wrong_parts_are_refused),
		WITH_HOUSE(test_absurd_weights_are_refused),
		WITH_HOUSE(test_take_makes_them_the_list),
		WITH_HOUSE(test_take_leaves_special_ones_out),
		WITH_HOUSE(test_take_does_not_disturb_an_experiment),
		WITH_HOUSE(test_recent_become_the_list_by_themselves),
		WITH_HOUSE(test_feeds_that_see_nobody),
		WITH_HOUSE(test_recent_clients_survive_a_restart),
		WITH_HOUSE(test_damaged_rows_are_passed_over),
	};

	return house_main(tests, TEST_COUNT(tests));
}
