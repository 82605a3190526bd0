/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "store/store_wire.h"
#include "store/utf8.h"
#include "test.h"

#define SEQ 0x0102030405060708u
#define BOOT "0123456789abcdef"

static uint8_t scratch[CHAN_BODY_MAX];
static uint8_t *made; /* the body of the one message that there is */

static struct wcursor
begin(uint8_t flags)
{
	struct wcursor w = { .p = scratch, .left = sizeof(scratch) };

	store_wire_put_head(&w, SEQ, flags);
	return w;
}

/* A message whose body is a heap block of just its size. */
static struct chan_msg
message(enum store_msg type, const struct wcursor *w)
{
	size_t len = sizeof(scratch) - w->left;

	assert_false(w->bad);
	assert_null(made);
	made = xcalloc(1, len);
	memcpy(made, scratch, len);
	return (struct chan_msg){
		.type = (uint16_t)type, .body = made, .len = len
	};
}

static void
message_free(void)
{
	free(made);
	made = NULL;
}

static void
assert_text(const struct store_text *t, const char *want)
{
	assert_non_null(t->p);
	assert_int_equal(t->len, strlen(want));
	assert_memory_equal(t->p, want, t->len);
}

static const struct store_experiment experiment = { .id = 7,
	.site = "chc",
	.state = "sweep",
	.reason = "",
	.created_ms = 1000,
	.ended_ms = 0,
	.clients = 3,
	.list = 2,
	.answered = 8,
	.bystanders = 9,
	.asked = 10,
	.others = 11,
	.null_both = 12,
	.null_moved = 13,
	.null_tv = 0.25,
	.null_moved_weight = 0.75,
	.campaign = 14,
	.purpose = "pair",
	.test = "198.51.100.0/24",
	.changed_ms = 16,
	.sites = "akl chc" };

static struct chan_msg
make_init(void)
{
	struct wcursor w = { .p = scratch, .left = sizeof(scratch) };

	store_wire_put_init(&w, "/var/lib/a.db", BOOT);
	return message(STORE_MSG_INIT, &w);
}

static struct chan_msg
make_event(void)
{
	static const struct store_event ev = { .kind = "route",
		.subject = "prefix/192.0.2.0/24",
		.what = "announced -> withdrawn",
		.reason = "service web is sick",
		.actor = NULL };
	struct wcursor w = begin(0);

	store_wire_put_event(&w, 5, &ev);
	return message(STORE_MSG_EVENT, &w);
}

static struct chan_msg
make_intent(void)
{
	static const struct store_intent in = { .id = "i-1",
		.kind = "drain",
		.site = "chc",
		.reason = "why",
		.actor = "jo",
		.created_ms = 1,
		.until_ms = 2,
		.ended_ms = 3,
		.ended_by = "kim",
		.scope = "service/web",
		.owner = "ops",
		.at_once = true };
	struct wcursor w = begin(0);

	store_wire_put_intent(&w, &in);
	return message(STORE_MSG_INTENT, &w);
}

static struct chan_msg
make_order(void)
{
	struct wcursor w = begin(0);

	store_wire_put_order(&w, "chc", 12, "{\"revision\": 12}");
	return message(STORE_MSG_ORDER, &w);
}

static struct chan_msg
make_state(void)
{
	struct wcursor w = begin(0);

	store_wire_put_order(&w, "budget", 12, "{\"sites\": []}");
	return message(STORE_MSG_STATE, &w);
}

static struct chan_msg
make_experiment(void)
{
	struct wcursor w = begin(0);

	store_wire_put_experiment(&w, &experiment);
	return message(STORE_MSG_EXPERIMENT, &w);
}

static struct chan_msg
make_clients(void)
{
	static const struct store_client clients[2] = {
		{ .addr = { [15] = 1 }, .weight = 1.5, .last_seen = 9 },
		{ .addr = { [15] = 2 }, .weight = 2.5, .last_seen = 0 },
	};
	static const struct store_clients_head head = {
		.list = 3, .first = 10, .last = true, .created_ms = 77
	};
	struct wcursor w = begin(0);

	store_wire_put_clients(&w, &head, clients, 2);
	return message(STORE_MSG_CLIENTS, &w);
}

static struct chan_msg
make_outcomes(void)
{
	static const uint16_t sites[3] = { 1, 0, 2 };
	static const uint32_t rtt_us[3] = { 1000, UINT32_MAX, 60000 };
	static const struct store_outcomes out = { .experiment = 7,
		.phase = 2,
		.first = 8192,
		.n = 3,
		.sites = sites,
		.rtt_us = rtt_us };
	struct wcursor w = begin(0);

	store_wire_put_outcomes(&w, &out);
	return message(STORE_MSG_OUTCOMES, &w);
}

static struct chan_msg
make_heirs(void)
{
	static const struct store_heir heirs[2] = {
		{ .site = "chc",
		    .family = 4,
		    .heir = "akl",
		    .clients = 5,
		    .weight = 5.5 },
		{ .site = "chc",
		    .family = 6,
		    .heir = "",
		    .clients = 1,
		    .weight = 1 },
	};
	struct wcursor w = begin(STORE_ROW_MORE);

	store_wire_put_heirs_head(&w, &experiment, true);
	assert_true(store_wire_put_heir(&w, &heirs[0]));
	assert_true(store_wire_put_heir(&w, &heirs[1]));
	return message(STORE_MSG_HEIRS, &w);
}

static struct chan_msg
make_recent(void)
{
	static const struct store_recent recent = { .site = "chc",
		.part = 7,
		.saved_ms = 1234,
		.data = (const uint8_t *)"any\0bytes",
		.len = 9 };
	struct wcursor w = begin(STORE_ROW_MORE);

	store_wire_put_recent(&w, &recent);
	return message(STORE_MSG_RECENT, &w);
}

static struct chan_msg
make_optout(void)
{
	static const struct store_optout optout = { .prefix = "192.0.2.0/24",
		.reason = "a mail",
		.actor = "uid 0",
		.created_ms = 1234 };
	struct wcursor w = begin(0);

	store_wire_put_optout(&w, &optout);
	return message(STORE_MSG_OPTOUT, &w);
}

static struct chan_msg
make_replies(void)
{
	static const struct store_replies replies = { .experiment = 7,
		.site = "chc",
		.class_name = "late",
		.n = 3,
		.samples = "[]" };
	struct wcursor w = begin(0);

	store_wire_put_replies(&w, &replies);
	return message(STORE_MSG_REPLIES, &w);
}

static struct chan_msg
make_null_run(void)
{
	static const struct store_null_run run = { .experiment = 7,
		.first_experiment = 6,
		.test = "203.0.113.0/24",
		.first = "198.51.100.0/24",
		.at_ms = 1234,
		.verdict = "differs",
		.reason = "5.0 % of the IPv4 clients moved",
		.compared = 1000,
		.distance = 0.06,
		.noise = 0.01,
		.beyond = 0.04,
		.max_beyond = 0.01,
		.shares = "[]" };
	struct wcursor w = begin(0);

	store_wire_put_null_run(&w, &run);
	return message(STORE_MSG_NULL_RUN, &w);
}

static struct chan_msg
make_aside(void)
{
	struct wcursor w = begin(0);

	store_wire_put_aside(&w, 7, true);
	return message(STORE_MSG_ASIDE, &w);
}

static struct chan_msg
make_expire(void)
{
	struct wcursor w = begin(0);

	store_wire_put_expire(&w, 1, INT64_MAX);
	return message(STORE_MSG_EXPIRE, &w);
}

static struct chan_msg (*const makers[])(void) = {
	make_init,
	make_event,
	make_intent,
	make_order,
	make_state,
	make_experiment,
	make_clients,
	make_outcomes,
	make_heirs,
	make_recent,
	make_optout,
	make_replies,
	make_null_run,
	make_aside,
	make_expire,
};

/* Cut at a row's end these are whole again, with fewer rows. */
static bool
is_whole_when_cut(enum store_msg type, size_t cut)
{
	return type == STORE_MSG_CLIENTS && cut % STORE_CLIENT_BYTES == 0;
}

/* The first len bytes of msg are malformed, or fewer rows than `whole`. */
static void
assert_cut(const struct chan_msg *msg, size_t len,
    const struct store_row *whole)
{
	uint8_t *body = xcalloc(1, len);
	struct chan_msg cut = { .type = msg->type, .body = body, .len = len };
	struct store_row row;
	int rc;

	memcpy(body, msg->body, len);
	rc = store_wire_decode(&cut, &row, NULL);
	if (rc == 0 && row.type == STORE_MSG_HEIRS) {
		assert_true(row.u.heirs.heirs.left < whole->u.heirs.heirs.left);
	} else if (rc == 0) {
		assert_true(is_whole_when_cut(row.type, msg->len - len));
	}
	free(body);
}

static void
test_cut_short_is_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(makers); i++) {
		struct chan_msg msg = makers[i]();
		struct store_row whole;

		assert_int_equal(store_wire_decode(&msg, &whole, NULL), 0);
		assert_int_equal(whole.type, msg.type);
		for (size_t len = 0; len < msg.len; len++)
			assert_cut(&msg, len, &whole);
		message_free();
	}
}

static void
test_left_over_bytes_are_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(makers); i++) {
		struct chan_msg msg = makers[i](), longer;
		uint8_t *body = calloc(1, msg.len + 1);
		struct store_row row = { .seq = 99 };

		assert_non_null(body);
		memcpy(body, msg.body, msg.len);
		longer = (struct chan_msg){
			.type = msg.type, .body = body, .len = msg.len + 1
		};
		assert_int_equal(store_wire_decode(&longer, &row, NULL), -1);
		assert_int_equal(row.seq, 99);
		free(body);
		message_free();
	}
}

static void
test_fields_survive(void **state)
{
	struct chan_msg msg = make_event();
	struct store_row row;

	(void)state;
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_true(row.seq == SEQ && store_wire_seq(&msg) == SEQ);
	assert_false(row.more || store_wire_has_more(&msg));
	assert_int_equal(row.u.event.at_ms, 5);
	assert_text(&row.u.event.kind, "route");
	assert_text(&row.u.event.subject, "prefix/192.0.2.0/24");
	assert_text(&row.u.event.what, "announced -> withdrawn");
	assert_text(&row.u.event.reason, "service web is sick");
	assert_text(&row.u.event.actor, "anycastd");
	message_free();

	msg = make_intent();
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_text(&row.u.intent.id, "i-1");
	assert_text(&row.u.intent.ended_by, "kim");
	assert_text(&row.u.intent.scope, "service/web");
	assert_text(&row.u.intent.owner, "ops");
	assert_int_equal(row.u.intent.at_once, 1);
	assert_int_equal(row.u.intent.created_ms, 1);
	assert_int_equal(row.u.intent.until_ms, 2);
	assert_int_equal(row.u.intent.ended_ms, 3);
	message_free();

	msg = make_order();
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_text(&row.u.order.site, "chc");
	assert_int_equal(row.u.order.revision, 12);
	assert_text(&row.u.order.json, "{\"revision\": 12}");
	message_free();

	msg = make_experiment();
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_int_equal(row.u.experiment.id, 7);
	assert_text(&row.u.experiment.state, "sweep");
	assert_int_equal(row.u.experiment.created_ms, 1000);
	assert_int_equal(row.u.experiment.clients, 3);
	assert_int_equal(row.u.experiment.list, 2);
	assert_int_equal(row.u.experiment.answered, 8);
	assert_int_equal(row.u.experiment.bystanders, 9);
	assert_int_equal(row.u.experiment.asked, 10);
	assert_int_equal(row.u.experiment.others, 11);
	assert_int_equal(row.u.experiment.null_both, 12);
	assert_int_equal(row.u.experiment.null_moved, 13);
	assert_true(row.u.experiment.null_tv == 0.25);
	assert_true(row.u.experiment.null_moved_weight == 0.75);
	assert_int_equal(row.u.experiment.campaign, 14);
	assert_text(&row.u.experiment.purpose, "pair");
	assert_text(&row.u.experiment.test, "198.51.100.0/24");
	assert_int_equal(row.u.experiment.changed_ms, 16);
	assert_text(&row.u.experiment.sites, "akl chc");
	message_free();
}

static void
test_lists_survive(void **state)
{
	struct chan_msg msg = make_clients();
	struct store_client client;
	struct store_heir_row heir;
	struct store_row row;

	(void)state;
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_int_equal(row.u.clients.list, 3);
	assert_int_equal(row.u.clients.first, 10);
	assert_int_equal(row.u.clients.n, 2);
	assert_true(row.u.clients.last);
	store_wire_next_client(&row.u.clients.clients, &client);
	store_wire_next_client(&row.u.clients.clients, &client);
	assert_int_equal(client.addr[15], 2);
	assert_true(client.weight == 2.5);
	message_free();

	msg = make_outcomes();
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_int_equal(row.u.outcomes.n, 3);
	assert_int_equal(row.u.outcomes.first, 8192);
	assert_int_equal(row.u.outcomes.phase, 2);
	/* Format, flags, the sites; store/chunk.h has the rest. */
	assert_int_equal(row.u.outcomes.len, 2 + 3 * 5);
	assert_int_equal(row.u.outcomes.data[4], 2);
	message_free();

	msg = make_heirs();
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_true(row.more && store_wire_has_more(&msg));
	assert_true(row.u.heirs.first);
	assert_true(store_wire_next_heir(&row.u.heirs.heirs, &heir));
	assert_text(&heir.heir, "akl");
	assert_true(store_wire_next_heir(&row.u.heirs.heirs, &heir));
	assert_text(&heir.heir, "");
	assert_int_equal(heir.family, 6);
	assert_false(store_wire_next_heir(&row.u.heirs.heirs, &heir));
	message_free();
}

/* What goes in as `what` comes out of the decoder as stored. */
static void
assert_stored(const char *in, const char *want, size_t want_len)
{
	struct store_event ev = { .what = in };
	struct wcursor w = begin(0);
	struct chan_msg msg;
	struct store_row row;

	store_wire_put_event(&w, 0, &ev);
	msg = message(STORE_MSG_EVENT, &w);
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_int_equal(row.u.event.what.len, want_len);
	assert_memory_equal(row.u.event.what.p, want, want_len);
	message_free();
}

static void
test_texts_are_made_utf8(void **state)
{
	(void)state;
	assert_stored(NULL, "", 0);
	assert_stored("m\xc4\x81ori \xf0\x9f\x8c\x8f",
	    "m\xc4\x81ori \xf0\x9f\x8c\x8f", 11);
	assert_stored("a\xff\x80z", "a??z", 4);
	assert_stored("cut \xe2\x82", "cut ??", 6);
	assert_stored("\xc0\xaf", "??", 2);
	assert_stored("\xed\xa0\x80", "???", 3);
	assert_stored("\xf4\x90\x80\x80", "????", 4);
	assert_stored("\xe0\x80\x80", "???", 3);
	assert_stored("\xf0\x80\x80\x80", "????", 4);
}

static void
test_long_texts_are_cut_between_characters(void **state)
{
	char *text = calloc(1, STORE_TEXT_MAX + 8);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', STORE_TEXT_MAX);
	assert_stored(text, text, STORE_TEXT_MAX);
	text[STORE_TEXT_MAX] = 'x';
	assert_stored(text, text, STORE_TEXT_MAX);
	/* A character of two bytes across the limit goes as a whole. */
	text[STORE_TEXT_MAX - 1] = (char)0xc4;
	text[STORE_TEXT_MAX] = (char)0x81;
	assert_stored(text, text, STORE_TEXT_MAX - 1);
	free(text);
}

static void
test_text_limits_when_decoded(void **state)
{
	struct store_event ev = { .kind = "" };
	struct wcursor w = begin(0);
	struct store_row row;
	struct chan_msg msg;

	(void)state;
	/* Head, time, then the five texts: kind has one byte too many. */
	wcursor_be64(&w, 0);
	wcursor_be16(&w, STORE_TEXT_MAX + 1);
	for (size_t i = 0; i < STORE_TEXT_MAX + 1; i++)
		wcursor_u8(&w, 'x');
	for (size_t i = 0; i < 4; i++)
		wcursor_be16(&w, 0);
	msg = message(STORE_MSG_EVENT, &w);
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	message_free();

	w = begin(0);
	store_wire_put_event(&w, 0, &ev);
	/* NULL is no text for a column that must not be NULL. */
	scratch[9 + 8] = 0xff;
	scratch[9 + 8 + 1] = 0xff;
	msg = message(STORE_MSG_EVENT, &w);
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	message_free();
}

static void
test_counts_are_checked(void **state)
{
	static uint16_t sites[STORE_OUTCOMES_PER_CHUNK + 1];
	static uint32_t rtt_us[STORE_OUTCOMES_PER_CHUNK + 1];
	struct store_outcomes out = {
		.n = STORE_OUTCOMES_PER_CHUNK, .sites = sites, .rtt_us = rtt_us
	};
	static const struct {
		uint32_t first;
		uint32_t n;
		int want;
	} cases[] = {
		{ 0, STORE_OUTCOMES_PER_CHUNK, 0 },
		{ 0, STORE_OUTCOMES_PER_CHUNK + 1, -1 },
		{ STORE_CLIENTS_MAX - 1, 1, 0 },
		{ STORE_CLIENTS_MAX, 1, -1 },
		{ UINT32_MAX, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct wcursor w = begin(0);
		struct store_row row;
		struct chan_msg msg;

		out.first = cases[i].first;
		out.n = cases[i].n;
		store_wire_put_outcomes(&w, &out);
		msg = message(STORE_MSG_OUTCOMES, &w);
		assert_int_equal(store_wire_decode(&msg, &row, NULL),
		    cases[i].want);
		message_free();
	}
}

static void
test_client_counts_are_checked(void **state)
{
	struct store_client *clients =
	    calloc(STORE_CLIENTS_PER_MSG + 1, sizeof(*clients));
	struct store_clients_head head = { .list = 1 };

	(void)state;
	assert_non_null(clients);
	for (uint32_t extra = 0; extra < 2; extra++) {
		struct wcursor w = begin(0);
		struct store_row row;
		struct chan_msg msg;

		store_wire_put_clients(&w, &head, clients,
		    STORE_CLIENTS_PER_MSG + extra);
		msg = message(STORE_MSG_CLIENTS, &w);
		assert_int_equal(store_wire_decode(&msg, &row, NULL),
		    extra == 0 ? 0 : -1);
		message_free();
	}
	free(clients);
}

static void
test_heads_are_checked(void **state)
{
	struct chan_msg msg = make_event();
	struct store_row row;

	(void)state;
	made[8] = 2; /* a flag that is none */
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	made[8] = 0;
	memset(made, 0, 8); /* sequence 0 */
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	made[7] = 1;
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	msg.type = 0;
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	msg.type = STORE_MSG_ACK;
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	message_free();
}

static void
test_order_limits(void **state)
{
	char *json = calloc(1, STORE_ORDER_MAX + 2);
	struct wcursor w = begin(0);
	struct store_row row;
	struct chan_msg msg;

	(void)state;
	assert_non_null(json);
	memset(json, ' ', STORE_ORDER_MAX);
	store_wire_put_order(&w, "chc", INT64_MAX, json);
	msg = message(STORE_MSG_ORDER, &w);
	assert_int_equal(store_wire_decode(&msg, &row, NULL), 0);
	assert_int_equal(row.u.order.json.len, STORE_ORDER_MAX);
	message_free();

	json[STORE_ORDER_MAX] = ' ';
	w = begin(0);
	store_wire_put_order(&w, "chc", 1, json);
	assert_true(w.bad);

	w = begin(0);
	store_wire_put_order(&w, "chc", (uint64_t)INT64_MAX + 1, "");
	msg = message(STORE_MSG_ORDER, &w);
	assert_int_equal(store_wire_decode(&msg, &row, NULL), -1);
	message_free();
	free(json);
}

static void
test_acks(void **state)
{
	struct wcursor w = { .p = scratch, .left = sizeof(scratch) };
	struct chan_msg msg = { .type = STORE_MSG_ACK, .body = scratch };
	uint64_t seq = 0;

	(void)state;
	store_wire_put_ack(&w, SEQ);
	for (msg.len = 0; msg.len < 10; msg.len++) {
		assert_int_equal(store_wire_decode_ack(&msg, &seq),
		    msg.len == 8 ? 0 : -1);
	}
	assert_true(seq == SEQ);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_short_is_malformed),
		cmocka_unit_test(test_left_over_bytes_are_malformed),
		cmocka_unit_test(test_fields_survive),
		cmocka_unit_test(test_lists_survive),
		cmocka_unit_test(test_texts_are_made_utf8),
		cmocka_unit_test(test_long_texts_are_cut_between_characters),
		cmocka_unit_test(test_text_limits_when_decoded),
		cmocka_unit_test(test_counts_are_checked),
		cmocka_unit_test(test_client_counts_are_checked),
		cmocka_unit_test(test_heads_are_checked),
		cmocka_unit_test(test_order_limits),
		cmocka_unit_test(test_acks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
