/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole experiments over a made-up world, and each way to spoil one. */
#include "fleet/experiment.h"

#include "core/experiment.h"
#include "experiment_rig.h"
#include "fleet/experiment_state.h"
#include "fleet/test_prefix.h"
#include "probes/sweep_list.h"

/* Failed for that reason, and the test prefix is ordered back. */
static void
check_failed(struct house *h, unsigned id, const char *why)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (mono_before(mono_now(), end)) {
		if (strcmp(state_of(h, id), "failed") == 0)
			break;
		fakes_turn(h);
	}
	assert_string_equal(state_of(h, id), "failed");
	assert_answer_has(h, why);
	for (size_t i = 0; i < SITES; i++) {
		char path[96];

		(void)snprintf(path, sizeof(path),
		    "/v1/sites/%s/orders?after=0&boot=%s", h->names[i],
		    h->agents[i].boot);
		assert_int_equal(get(h, path), 200);
		assert_answer_has(h, "\"tests\":[]");
		assert_answer_has(h, "\"sweep\":null");
	}
}

/* The counter of the experiment. */
static json_int_t
counter(struct house *h, unsigned id, const char *name)
{
	json_int_t value = -1;
	json_t *doc;

	(void)state_of(h, id);
	doc = answer_json(h);
	assert_int_equal(json_unpack(doc, "{s:{s:{s:I}}}", "experiment",
			     "counters", name, &value),
	    0);
	json_decref(doc);
	return value;
}

/* ---- runs that end well ---- */

/* Whatever the twist, the map is the known one. */
static void
check_run_with(struct house *h,
    void (*twist)(struct house *h, size_t at, const struct sweep_job *job,
	uint32_t client))
{
	h->twist = twist;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	check_known_map(h, 1);
}

static void
test_whole_run_gives_the_known_map(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "withdraw");
	run_until(h, 1, "done");
	check_known_map(h, 1);
	assert_false(h->agents[0].is_withdrawn);
	/* And once more, right after it. */
	start(h);
	run_until(h, 2, "done");
	check_known_map(h, 2);
}

/* Asked again in round 2, those that were silent in round 1 answer. */
static void
silent_at_first(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	bool is_full = job->phase == 1 || job->phase == 4;

	if (is_full && job->round == 1 && client < 6)
		return;
	/* The rest need not be asked twice. */
	if (is_full && job->round == 2)
		assert_true(client < 6 || at == NOWHERE);
	if (at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_silent_clients_are_asked_again(void **state)
{
	check_run_with(*state, silent_at_first);
}

/* Else an agent would sweep a list of that number that it has from before the
 * store was replaced. */
static void
list_told(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	struct addr list[CLIENTS];

	for (unsigned i = 0; i < CLIENTS; i++) {
		char text[ADDR_TEXT_BYTES];

		(void)snprintf(text, sizeof(text),
		    i < CLIENTS / 2 ? "203.0.113.%u" : "2001:db8:1::%x", i + 1);
		assert_int_equal(addr_parse(text, &list[i], NULL), 0);
	}
	assert_true(job->list_digest == sweep_list_digest(list, CLIENTS));
	list[0].b[15] ^= 1;
	assert_true(job->list_digest != sweep_list_digest(list, CLIENTS));
	if (at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_orders_tell_which_list_is_meant(void **state)
{
	check_run_with(*state, list_told);
}

/* What networks do: twice, forged sources, of rounds long gone. */
static void
noisy(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	struct sweep_job old = *job;

	if (at == NOWHERE)
		return;
	fake_reply(h, (at + 1) % SITES, job, client, SWEEP_REPLY_OTHER_SOURCE);
	fake_reply(h, (at + 1) % SITES, job, client, SWEEP_REPLY_FORGED);
	fake_reply(h, (at + 1) % SITES, job, client, SWEEP_REPLY_LATE);
	fake_reply(h, at, job, client, 0);
	fake_reply(h, at, job, client, 0);
	old.phase = (uint8_t)(job->phase + 1);
	fake_reply(h, (at + 1) % SITES, &old, client, 0);
	old = *job;
	old.round = (uint8_t)(job->round + 1);
	fake_reply(h, (at + 1) % SITES, &old, client, 0);
	if (client == 0)
		fake_reply(h, at, job, CLIENTS, 0); /* no such client */
}

/* The sample list of a class at akl. */
static json_t *
kept(const json_t *doc, const char *class_name)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(doc, "replies"), i, row) {
		if (strcmp(json_string_value(json_object_get(row, "site")),
			"akl") == 0 &&
		    strcmp(json_string_value(json_object_get(row, "class")),
			class_name) == 0)
			return json_object_get(row, "samples");
	}
	fail_msg("no class %s", class_name);
	return NULL;
}

static void
check_kept_replies(struct house *h)
{
	static const char *const odd[] = { "duplicate", "other_source", "late",
		"forged" };
	json_t *doc;

	assert_int_equal(get(h, "/v1/experiments/1/replies"), 200);
	doc = answer_json(h);
	assert_int_equal(json_array_size(json_object_get(doc, "replies")),
	    SITES * 7); /* six classes, and what the ring dropped */
	for (size_t i = 0; i < TEST_COUNT(odd); i++) {
		const json_t *samples = kept(doc, odd[i]);

		assert_in_range(json_array_size(samples), 1, 16);
		assert_true(json_is_integer(
		    json_object_get(json_array_get(samples, 0), "client")));
	}
	assert_int_equal(json_array_size(kept(doc, "accepted")), 0);
	assert_int_equal(json_array_size(kept(doc, "second_site")), 0);
	json_decref(doc);
}

static void
test_noise_changes_nothing_but_counters(void **state)
{
	struct house *h = *state;

	check_run_with(h, noisy);
	assert_true(counter(h, 1, "duplicate") >= 23);
	assert_true(counter(h, 1, "late") >= 46);
	assert_true(counter(h, 1, "other_source") >= 23);
	assert_int_equal(counter(h, 1, "second_site"), 0);
	/* What was odd is kept, also for a controller that was not there. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	check_kept_replies(h);
	house_restart_controller(h);
	check_kept_replies(h);
	assert_int_equal(get(h, "/v1/experiments/99/replies"), 404);
	/* And so is the experiment itself, with its map. */
	assert_true(counter(h, 1, "duplicate") >= 23);
	assert_int_equal(counter(h, 1, "kernel_drops"), 0);
	assert_answer_has(h, "\"withdrawn\":[\"akl\"],\"state\":\"done\"");
	assert_answer_has(h, "\"null\":{\"both\":12,\"moved\":0,\"tv\":0.0}");
	assert_answer_has(h, "\"site\":\"akl\",\"accepted\":");
	assert_int_equal(get(h, "/v1/experiments/99"), 404);
}

/* Every experiment can be asked for, not only the newest of its test prefix. */
static void
test_replaced_experiment_is_told(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	start(h);
	run_until(h, 2, "settle");
	/* It is told from the store, which has it when it has written it. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/experiments/1"), 200);
	assert_answer_has(h, "\"state\":\"done\",\"reason\":\"\"");
	assert_int_equal(get(h, "/v1/failover?experiment=2"), 200);
	assert_string_equal(h->body, "{\"maps\":[]}"); /* not yet */
	run_until(h, 2, "done");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/failover?experiment=1"), 200);
	assert_answer_has(h, "\"experiment\":1,");
	assert_answer_has(h, "\"heir\":\"chc\",\"clients\":2,\"weight\":11.0");
	assert_int_equal(get(h, "/v1/failover?experiment=3"), 404);
}

/* Caught at two sites in one sweep: says nothing about where it goes. */
static void
flipping(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (at == NOWHERE)
		return;
	fake_reply(h, at, job, client, 0);
	if (job->phase == 4 && client == 0) {
		fake_reply(h, (at + 1) % SITES, job, client, 0);
		fake_reply(h, at, job, client, 0);
	}
}

static void
test_flipping_client_is_unknown(void **state)
{
	struct house *h = *state;

	h->twist = flipping;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	check_heir(h, "chc", 1, 10.0);
	check_heir(h, "", 2, 11.0);
	assert_int_equal(counter(h, 1, "second_site"), 2);
}

/* A client of chc that moves when akl is withdrawn. */
static void
bystander(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (client == 1 && h->agents[0].is_withdrawn)
		at = 2;
	if (at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_bystanders_are_counted(void **state)
{
	struct house *h = *state;

	h->twist = bystander;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	check_heir(h, "chc", 2, 11.0);
	assert_answer_has(h, "\"bystanders\":1");
}

/* Sent again since our answer was lost: a batch counts once. */
static void
test_batch_sent_again_counts_once(void **state)
{
	struct house *h = *state;
	struct fake *a = &h->agents[2];
	struct sweep_reply r = {
		.index = 2, .phase = 1, .round = 1, .experiment = 1
	};

	house_get_ready(h);
	start(h);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fake_post_batch(a, 7, &r, 1), 204);
	assert_int_equal(counter(h, 1, "accepted"), 1);
	assert_int_equal(counter(h, 1, "duplicate"), 0);
	/* Another process counts from the beginning. */
	memcpy(a->boot, "other", 6);
	assert_int_equal(fake_post_batch(a, 1, &r, 1), 204);
	assert_int_equal(counter(h, 1, "duplicate"), 1);
}

/* What comes late must not count as lost: it would spoil the next one. */
static void
test_replies_after_the_end_are_taken_silently(void **state)
{
	struct house *h = *state;
	struct sweep_reply r = {
		.index = 2, .phase = 1, .round = 1, .experiment = 1
	};

	house_get_ready(h);
	assert_int_equal(fake_post_batch(&h->agents[2], 1, &r, 1), 204);
	start(h);
	assert_int_equal(post(h, "/v1/experiments/1/abort", ""), 200);
	assert_int_equal(fake_post_batch(&h->agents[2], 2, &r, 1), 204);
	assert_int_equal(counter(h, 1, "accepted"), 0);
}

/* A batch of an experiment that was aborted comes late, into the next one's
 * baseline: the phases look alike. */
static void
test_replies_of_another_experiment_are_late(void **state)
{
	struct house *h = *state;
	struct sweep_reply r = {
		.index = 2, .phase = 1, .round = 1, .experiment = 1
	};

	house_get_ready(h);
	start(h);
	assert_int_equal(post(h, "/v1/experiments/1/abort", ""), 200);
	start(h);
	assert_int_equal(fake_post_batch(&h->agents[2], 1, &r, 1), 204);
	assert_int_equal(counter(h, 2, "accepted"), 0);
	assert_int_equal(counter(h, 2, "late"), 1);
	r.experiment = 2;
	assert_int_equal(fake_post_batch(&h->agents[2], 2, &r, 1), 204);
	assert_int_equal(counter(h, 2, "accepted"), 1);
}

static void
test_malformed_batches_are_refused(void **state)
{
	static const char *const paths[] = {
		"/v1/sites/akl/replies",
		"/v1/sites/akl/replies?boot=b",
		"/v1/sites/akl/replies?seq=1",
		"/v1/sites/akl/replies?boot=b&seq=0",
		"/v1/sites/akl/replies?boot=b&seq=x",
		"/v1/sites/akl/replies?boot=b&seq=9223372036854775808",
		/* Longer than what is compared: every batch would be new. */
		("/v1/sites/akl/replies?seq=1&boot="
		 "0123456789012345678901234567890123456789"),
	};
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	for (size_t i = 0; i < TEST_COUNT(paths); i++)
		assert_int_equal(ask_bytes(h, paths[i], "\0\0", 2), 400);
	assert_int_equal(post(h, "/v1/sites/xyz/replies?boot=b&seq=1", ""),
	    404);
	for (size_t len = 0; len < 2 + SWEEP_REPLY_WIRE_BYTES; len++) {
		static const char bytes[32] = { 0, 1 };
		char path[64];

		(void)snprintf(path, sizeof(path),
		    "/v1/sites/akl/replies?boot=b&seq=%zu", len + 1);
		assert_int_equal(ask_bytes(h, path, bytes, len), 400);
	}
	assert_int_equal(counter(h, 1, "accepted"), 0);
}

/* ---- runs that fail ---- */

static void
nobody(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)h;
	(void)at;
	(void)job;
	(void)client;
}

static void
test_no_answers_at_all(void **state)
{
	struct house *h = *state;

	h->twist = nobody;
	house_get_ready(h);
	start(h);
	check_failed(h, 1, "no client answered");
}

static void
test_sweeper_restarted(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	h->agents[2].starts++;
	check_failed(h, 1, "the prober of wlg was restarted");
	assert_false(h->agents[0].is_withdrawn && h->agents[0].is_silent);
}

static void
test_batches_lost(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "withdraw");
	h->agents[1].lost_batches++;
	check_failed(h, 1, "replies captured at chc were lost");
}

static void
test_agent_rebooted(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "sweep");
	memcpy(h->agents[0].boot, "again", 6);
	check_failed(h, 1, "the agent of akl was restarted");
}

static void
test_agent_silent(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	h->agents[2].is_silent = true;
	check_failed(h, 1, "the agent of wlg is silent");
}

/* What the agents said in the meantime waits in its sockets. */
static void
test_a_controller_that_stood_still_misses_nobody(void **state)
{
	const struct timespec longer_than_an_agent_may = { .tv_sec = 5 };
	struct house *h = *state;

	/* After a minute what they said last is of another time. */
	h->fleet.predict.settle_max_ms = 20000;
	house_get_ready(h);
	h->c->ticked = mono_add_ms(mono_now(), -60000);
	loop_idle(h->p.lp, 200);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"lost\"");
	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	(void)nanosleep(&longer_than_an_agent_may, NULL);
	run_until(h, 1, "done");
}

/* However often it is read, which takes less than its unit. */
static void
test_the_awake_clock_runs(void **state)
{
	struct house *h = *state;
	struct mono start = mono_now();
	int64_t before_ms = h->c->awake_ms;

	while (mono_diff_ms(mono_now(), start) < 50)
		controller_count_awake(h->c);
	controller_count_awake(h->c);
	assert_true(h->c->awake_ms - before_ms >= 49);
}

/* It was heard somewhere between two ticks. */
static void
test_lost_is_who_was_silent_for_four_seconds(void **state)
{
	struct house *h = *state;
	const struct fleet_site *wlg = &h->c->sites[2];

	house_get_ready(h);
	h->agents[2].is_silent = true;
	WAIT_FOR(h->p.lp, !fleet_site_is_live(wlg));
	assert_true(mono_diff_ms(mono_now(), wlg->contact) >= 4000);
}

/* No client looks silent because nobody knows any more. */
static void
test_expired_outcomes_are_told(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	run_until(h, 2, "done");
	assert_int_equal(get(h, "/v1/outcomes?experiment=1"), 200);
	store_expire(h->p.store, 0, INT64_MAX);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/outcomes?experiment=1"), 404);
	assert_answer_has(h, "experiment 1: no outcomes are kept");
	assert_int_equal(get(h, "/v1/outcomes?experiment=2"), 200);
}

static void
test_job_failed_at_the_sender(void **state)
{
	struct house *h = *state;
	struct fake *sender = &h->agents[1];

	house_get_ready(h);
	start(h);
	sender->job = (1u << 12) + 1;
	sender->is_done = true;
	memcpy(sender->failed, "the list cannot be had", 23);
	assert_int_equal(fake_post_status(sender), 200);
	check_failed(h, 1, "the sweep by chc: the list cannot be had");
}

/* Waits until it waits for that, and makes as if it had for ten minutes. */
static void
wait_too_long(struct house *h, enum experiment_state state,
    enum round_step step)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	struct experiment *ex = h->c->tests[0]->experiment;

	while (ex->state != state || ex->step != step) {
		assert_true(mono_before(mono_now(), end));
		fakes_turn(h);
	}
	/* Who is not slow has done its part. */
	for (int i = 0; i < 3; i++)
		fakes_turn(h);
	ex->step_since = mono_add_ms(ex->step_since, -600000);
	ex->state_since = mono_add_ms(ex->state_since, -600000);
}

/* Who is woken by it must know where to look. */
static void
test_who_is_slow_is_told(void **state)
{
	struct house *h = *state;
	struct experiment *ex3;

	house_get_ready(h);
	h->is_slow = true;
	start(h);
	wait_too_long(h, EXPERIMENT_BASELINE, ROUND_SENDING);
	check_failed(h, 1, "a step took too long: chc has sent 12 of 12");
	h->is_slow = false;
	h->agents[2].is_deaf = true;
	start(h);
	wait_too_long(h, EXPERIMENT_BASELINE, ROUND_COLLECTING);
	check_failed(h, 2, "too long: wlg has not delivered all that it");
	/* It holds the third up, until akl is deaf before it can hear of the
	 * withdrawal. */
	start(h);
	ex3 = h->c->tests[0]->experiment;
	for (struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	     ex3->step != ROUND_COLLECTING ||
	     !experiment_has_applied(ex3, 0);) {
		assert_true(mono_before(mono_now(), end));
		fakes_turn(h);
	}
	h->agents[0].is_deaf = true;
	h->agents[2].is_deaf = false;
	wait_too_long(h, EXPERIMENT_WITHDRAW, ROUND_NONE);
	check_failed(h, 3, "too long: akl has not applied its orders");
}

/* A word of the agent's is cut where it must be, and stays JSON. */
static void
test_long_reason_of_an_agent(void **state)
{
	struct house *h = *state;
	struct fake *sender = &h->agents[1];

	house_get_ready(h);
	start(h);
	sender->job = (1u << 12) + 1;
	sender->is_done = true;
	sender->failed[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(sender->failed); i += 2)
		memcpy(sender->failed + i, "\xc3\xbc", 2);
	assert_int_equal(fake_post_status(sender), 200);
	check_failed(h, 1, "x\xc3\xbc");
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"failed\"");
}

static void
test_aborted(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	assert_true(h->agents[0].is_withdrawn);
	assert_int_equal(post(h, "/v1/experiments/1/abort", ""), 200);
	check_failed(h, 1, "aborted by uid");
	fakes_turn(h);
	assert_false(h->agents[0].is_withdrawn);
	assert_int_equal(post(h, "/v1/experiments/1/abort", ""), 409);
	assert_int_equal(post(h, "/v1/experiments/2/abort", ""), 404);
	assert_int_equal(get(h, "/v1/experiments/x"), 404);
	assert_int_equal(get(h, "/v1/failover?site=akl"), 200);
	assert_string_equal(h->body, "{\"maps\":[]}");
}

/* It goes on over the list with which it began. */
static void
test_another_list_does_not_disturb(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	assert_int_equal(post(h, "/v1/clients?upload=u&part=0&last=1",
			     "203.0.113.9\n"),
	    200);
	/* An agent that comes to it now can still have its list. */
	assert_int_equal(get(h, "/v1/client-lists/1"), 200);
	assert_int_equal(get(h, "/v1/client-lists/2"), 200);
	run_until(h, 1, "done");
	check_heir(h, "chc", 2, 11.0);
	assert_int_equal(get(h, "/v1/client-lists/1"), 404);
}

static void
post_status(struct house *h, const json_t *status)
{
	char *text = json_dumps(status, JSON_COMPACT);

	assert_int_equal(post(h, "/v1/sites/akl/status", text), 200);
	free(text);
}

/* An experiment looks at all sites' test prefixes twenty times a second, and with
 * each status: not at thousands of others beside them, whether a status has
 * them or leaves them out. */
static void
test_only_test_prefixes_are_looked_at(void **state)
{
	struct house *h = *state;
	json_t *status, *list = json_array();
	const struct fleet_site *akl = &h->c->sites[0];

	house_get_ready(h);
	for (int i = 0; i < 1000; i++) {
		json_array_append_new(list,
		    json_pack("{s:o, s:s, s:s}", "prefix",
			json_sprintf("10.%d.%d.0/24", i / 250, i % 250),
			"service", "web", "real", "announced"));
	}
	h->agents[0].more =
	    json_pack("{s:i, s:o}", "prefixes_version", 7, "prefixes", list);
	json_array_append_new(list,
	    json_pack("{s:s, s:n, s:s}", "prefix", house_tests[0], "service",
		"real", "announced"));
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	assert_int_equal(json_array_size(akl->test_prefixes), 1);
	status = fake_status(&h->agents[0]);
	json_object_set_new(status, "prefixes_version", json_integer(7));
	(void)json_object_del(status, "prefixes");
	post_status(h, status);
	assert_int_equal(json_array_size(akl->test_prefixes), 1);
	start(h);
	/* Another list, in which it is gone. */
	json_object_set_new(status, "prefixes", json_array());
	post_status(h, status);
	assert_int_equal(json_array_size(akl->test_prefixes), 0);
	json_decref(status);
	check_failed(h, 1, "the test prefix of akl is not announced");
}

/* The new controller knows nothing of where it was: over, and put back. */
static void
test_controller_restarted_in_an_experiment(void **state)
{
	struct house *h = *state;
	uint64_t before;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	assert_true(h->agents[0].is_withdrawn);
	before = h->agents[0].wanted;
	house_restart_controller(h);
	fakes_turn(h);
	assert_false(h->agents[0].is_withdrawn);
	assert_true(h->agents[0].wanted > before);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE id = 1 "
			     "AND state = 'failed' AND ended_ms > 0 "
			     "AND reason LIKE '%restarted%'"),
	    1);
	/* Its number is not given again. */
	start(h);
	run_until(h, 2, "done");
	check_known_map(h, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_whole_run_gives_the_known_map),
		WITH_HOUSE(test_silent_clients_are_asked_again),
		WITH_HOUSE(test_orders_tell_which_list_is_meant),
		WITH_HOUSE(test_noise_changes_nothing_but_counters),
		WITH_HOUSE(test_replaced_experiment_is_told),
		WITH_HOUSE(test_flipping_client_is_unknown),
		WITH_HOUSE(test_bystanders_are_counted),
		WITH_HOUSE(test_batch_sent_again_counts_once),
		WITH_HOUSE(test_replies_after_the_end_are_taken_silently),
		WITH_HOUSE(test_replies_of_another_experiment_are_late),
		WITH_HOUSE(test_malformed_batches_are_refused),
		WITH_HOUSE(test_no_answers_at_all),
		WITH_HOUSE(test_sweeper_restarted),
		WITH_HOUSE(test_batches_lost),
		WITH_HOUSE(test_agent_rebooted),
		WITH_HOUSE(test_the_awake_clock_runs),
		WITH_HOUSE(test_lost_is_who_was_silent_for_four_seconds),
		WITH_HOUSE(test_expired_outcomes_are_told),
		WITH_HOUSE(test_agent_silent),
		WITH_HOUSE(test_a_controller_that_stood_still_misses_nobody),
		WITH_HOUSE(test_job_failed_at_the_sender),
		WITH_HOUSE(test_who_is_slow_is_told),
		WITH_HOUSE(test_long_reason_of_an_agent),
		WITH_HOUSE(test_aborted),
		WITH_HOUSE(test_another_list_does_not_disturb),
		WITH_HOUSE(test_only_test_prefixes_are_looked_at),
		WITH_HOUSE(test_controller_restarted_in_an_experiment),
	};

	return house_main(tests, TEST_COUNT(tests));
}
