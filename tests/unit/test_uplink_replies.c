/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a site captured on its way to the controller, which is the test's own:
 * it may be far away, and answers of it may be lost.
 */
#include "site/uplink.h"

#include <curl/curl.h>
#include <sodium.h>

#include "base/num.h"
#include "loop_wait.h"
#include "probes/sweep_wire.h"
#include "site/agent_state.h"
#include "uplink_house.h"

#define BATCHES 300u
#define EACH 10u

/* Replies as they come to the controller. */
static struct far {
	bool is_held; /* it does not answer yet */
	struct api_request *held;
	unsigned posts;
	uint64_t seq;  /* the newest that was taken */
	unsigned lost; /* so many answers still */
	uint32_t next; /* the replies are numbered */
	bool is_wrong;
} far;

static void
take(const uint8_t *body, size_t len)
{
	static struct sweep_reply replies[SWEEP_REPLY_BATCH_MAX];
	int n = sweep_decode_replies(body, len, replies, SWEEP_REPLY_BATCH_MAX);

	far.is_wrong = far.is_wrong || n < 1;
	for (int i = 0; i < n; i++)
		far.is_wrong = far.is_wrong || replies[i].index != far.next++;
}

static void
on_held_gone(struct api_request *req, void *arg)
{
	(void)arg;
	if (far.held == req)
		far.held = NULL;
}

/* As fleet/agents_api.c does. */
static void
handle_replies(struct api_request *req, void *arg)
{
	uint64_t seq = 0;
	size_t len;
	const uint8_t *body = api_body(req, &len);

	(void)arg;
	assert_int_equal(num_parse_u64(api_param(req, "seq"), 1, UINT64_MAX,
			     &seq, NULL),
	    0);
	far.posts++;
	if (seq > far.seq)
		take(body, len);
	far.seq = seq > far.seq ? seq : far.seq;
	if (far.is_held) {
		far.held = req;
		api_request_defer(req, on_held_gone, NULL);
	} else if (far.lost > 0) {
		far.lost--;
		api_reply_empty(req, 503);
	} else {
		api_reply_empty(req, 204);
	}
}

static const struct api_route reply_routes[] = {
	{ "POST", "/v1/sites/akl/replies", API_AGENT, handle_replies },
	{ 0 },
};

static void
begin_replies(struct house *h)
{
	far = (struct far){ 0 };
	api_server_add(h->server, reply_routes, h);
	begin(h);
	WAIT_FOR(h->p.lp, h->waiting != NULL && h->posts > 0);
}

/* The sweeper's messages, so many. */
static void
capture(struct house *h, unsigned n, uint32_t *next)
{
	static struct sweep_reply replies[EACH];
	static uint8_t body[2 + EACH * SWEEP_REPLY_WIRE_MAX_BYTES];

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < EACH; k++) {
			replies[k] = (struct sweep_reply){ .index = (*next)++,
				.experiment = 7,
				.flags = *next % 3 == 0
				    ? SWEEP_REPLY_OTHER_SOURCE
				    : 0 };
		}
		uplink_queue_replies(h->agent->uplink, body,
		    sweep_encode_replies(replies, EACH, body, sizeof(body)));
	}
}

/* Each way to the controller takes its time: what was captured meanwhile goes
 * together, or it would be heard of minutes after the sweep. */
static void
test_replies_go_together_to_who_is_far_away(void **state)
{
	struct house *h = *state;
	uint32_t next = 0;

	begin_replies(h);
	far.is_held = true;
	capture(h, 1, &next);
	WAIT_FOR(h->p.lp, far.held != NULL);
	capture(h, BATCHES, &next);
	far.is_held = false;
	if (far.held != NULL)
		api_reply_empty(far.held, 204);
	WAIT_FOR(h->p.lp, far.next == next);
	assert_false(far.is_wrong);
	/* Three and the first one, and what was sent again by a slow machine. */
	assert_in_range(far.posts, 4, BATCHES / 10);
}

/* The controller has taken what it seems to have refused: nothing may be added
 * to that. */
static void
test_what_was_sent_is_sent_again_as_it_was(void **state)
{
	struct house *h = *state;
	uint32_t next = 0;

	begin_replies(h);
	far.lost = 2;
	capture(h, 1, &next);
	WAIT_FOR(h->p.lp, far.posts >= 1);
	capture(h, 3, &next);
	WAIT_FOR(h->p.lp, far.lost == 0 && far.next == next);
	assert_false(far.is_wrong);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(test_replies_go_together_to_who_is_far_away),
		WITH(test_what_was_sent_is_sent_again_as_it_was),
	};

	if (sodium_init() == -1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
