/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_PREFIXES_RIG_H
#define TEST_PREFIXES_RIG_H
/*
 * test_prefixes_rig -- two test prefixes in the house of fleet_house.h: what is
 * told of them, and how the world treats them.
 */
#include "fleet_house.h"

#define ONE 0
#define TWO 1

static inline void
use_two(struct house *h)
{
	h->n_tests = 2;
	house_get_ready(h);
}

/* A text of the test prefix's object in /v1/tests; borrowed until the next. */
static inline const char *
of_test(struct house *h, size_t test, const char *key)
{
	static char text[400];
	json_t *doc, *at;
	const char *value;

	assert_int_equal(get(h, "/v1/tests"), 200);
	doc = answer_json(h);
	at = json_array_get(json_object_get(doc, "tests"), test);
	if (strchr(key, '.') != NULL) {
		at = json_object_get(at, "null_run");
		key = strchr(key, '.') + 1;
	}
	value = json_string_value(json_object_get(at, key));
	(void)snprintf(text, sizeof(text), "%s", value != NULL ? value : "");
	json_decref(doc);
	return text;
}

static inline double
number_of_test(struct house *h, size_t test, const char *key)
{
	json_t *doc, *at;
	double value;

	assert_int_equal(get(h, "/v1/tests"), 200);
	doc = answer_json(h);
	at = json_array_get(json_object_get(doc, "tests"), test);
	if (json_object_get(at, key) == NULL)
		at = json_object_get(at, "null_run");
	value = json_number_value(json_object_get(at, key));
	json_decref(doc);
	return value;
}

/* How many run; with their states in the last answer. */
static inline size_t
running(struct house *h)
{
	json_t *doc;
	size_t n;

	assert_int_equal(get(h, "/v1/status"), 200);
	doc = answer_json(h);
	n = json_array_size(json_object_get(doc, "experiments"));
	json_decref(doc);
	return n;
}

#define TURN_UNTIL(h, cond)                                                    \
	do {                                                                   \
		struct mono end_ = mono_add_ms(mono_now(), WAIT_MAX_MS);       \
                                                                               \
		while (!(cond) && mono_before(mono_now(), end_))               \
			fakes_turn(h);                                         \
		if (!(cond))                                                   \
			fail_msg("never: %s: %s", #cond, (h)->body);           \
	} while (0)

static inline void
null_run(struct house *h)
{
	assert_int_equal(post(h, "/v1/tests/null-run", "{}"), 200);
	TURN_UNTIL(h, running(h) == 0);
}

static inline void
start(struct house *h, const char *site, const char *test)
{
	char *body = xasprintf("{\"site\":\"%s\"}", site);
	char *want = xasprintf("\"test\":\"%s\"", test);

	assert_int_equal(post(h, "/v1/experiments", body), 200);
	assert_answer_has(h, want);
	free(body);
	free(want);
}

/* Who loses his site goes to the next one that has that test prefix. */
static inline size_t
ring_at(const struct house *h, const struct sweep_job *job, uint32_t client)
{
	size_t at = client % SITES, test = test_of(h, job);

	while (h->agents[at].withdrawn[test])
		at = (at + 1) % SITES;
	return at;
}

static inline void
ring(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)at;
	fake_reply(h, ring_at(h, job, client), job, client, 0);
}

static inline void
use_ring(struct house *h)
{
	h->twist = ring;
	use_two(h);
}

static inline json_int_t
heir_clients(struct house *h, const char *site, const char *heir)
{
	char *path = xasprintf("/v1/failover?site=%s", site);
	json_int_t n;
	json_t *heirs;

	assert_int_equal(get(h, path), 200);
	free(path);
	heirs = answer_heirs(h);
	n = json_integer_value(json_object_get(find_heir(heirs, heir),
	    "clients"));
	json_decref(heirs);
	return n;
}

/* An upstream treats the second prefix otherwise: all of akl's go to wlg. */
static inline void
otherwise(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	at = ring_at(h, job, client);
	if (test_of(h, job) == TWO && at == 0)
		at = 2;
	fake_reply(h, at, job, client, 0);
}

#endif /* TEST_PREFIXES_RIG_H */
