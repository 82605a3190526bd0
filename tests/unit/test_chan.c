/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/chan.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop_wait.h"
#include "test.h"

#define MSGS_MAX 4096

/* A channel and what came out of it; the test is the peer. */
struct line {
	struct loop *lp;
	struct chan *ch;
	int peer;
	int chan_fd;
	size_t n;
	uint16_t types[MSGS_MAX];
	size_t lens[MSGS_MAX];
	uint8_t last[64];
	unsigned closed;
	size_t free_at; /* frees the channel in the callback of that message */
	bool free_on_close;
};

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct line *l = arg;

	assert_int_equal(l->closed, 0);
	if (l->n < MSGS_MAX) {
		l->types[l->n] = msg->type;
		l->lens[l->n] = msg->len;
	}
	if (msg->len > 0 && msg->len <= sizeof(l->last))
		memcpy(l->last, msg->body, msg->len);
	l->n++;
	if (l->free_at == l->n) {
		chan_free(ch);
		l->ch = NULL;
		/* The body is there for the whole call. */
		if (msg->len > 0)
			assert_int_equal(msg->body[0], l->last[0]);
	}
}

static void
on_close(struct chan *ch, void *arg)
{
	struct line *l = arg;

	l->closed++;
	if (l->free_on_close) {
		chan_free(ch);
		l->ch = NULL;
	}
}

static int
setup(void **state)
{
	struct line *l = calloc(1, sizeof(*l));
	int sv[2];

	assert_non_null(l);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	l->lp = loop_new();
	l->peer = sv[0];
	l->chan_fd = sv[1];
	l->ch = chan_new(l->lp, sv[1], on_msg, on_close, l);
	*state = l;
	return 0;
}

static int
teardown(void **state)
{
	struct line *l = *state;

	chan_free(l->ch);
	if (l->peer != -1)
		(void)close(l->peer);
	loop_free(l->lp);
	free(l);
	return 0;
}

static void
peer_hang_up(struct line *l)
{
	(void)close(l->peer);
	l->peer = -1;
}

static void
peer_write(struct line *l, const uint8_t *bytes, size_t len)
{
	assert_int_equal(write(l->peer, bytes, len), len);
}

/* In one piece: the kernel counts small writes as large ones. */
static void
peer_repeat(struct line *l, const uint8_t *bytes, size_t len, size_t times)
{
	uint8_t *all = malloc(len * times);

	assert_non_null(all);
	for (size_t i = 0; i < times; i++)
		memcpy(all + i * len, bytes, len);
	peer_write(l, all, len * times);
	free(all);
}

static const uint8_t three_messages[] = {
	0, 0, 0, 3, 0, 7, 0, 0, 'a', 'b', 'c', /* type 7 */
	0, 0, 0, 0, 0, 8, 0, 0,                /* type 8, no body */
	0, 0, 0, 2, 255, 255, 0, 0, 'x', 'y',  /* the highest type */
};

static void
check_three(const struct line *l)
{
	assert_int_equal(l->n, 3);
	assert_int_equal(l->types[0], 7);
	assert_int_equal(l->lens[0], 3);
	assert_int_equal(l->types[1], 8);
	assert_int_equal(l->lens[1], 0);
	assert_int_equal(l->types[2], 65535);
	assert_memory_equal(l->last, "xy", 2);
	assert_int_equal(l->closed, 0);
}

static void
test_messages_cut_at_every_byte_arrive_whole(void **state)
{
	struct line *l = *state;

	for (size_t cut = 0; cut <= sizeof(three_messages); cut++) {
		l->n = 0;
		if (cut > 0)
			peer_write(l, three_messages, cut);
		loop_step(l->lp, 1);
		if (cut < sizeof(three_messages)) {
			peer_write(l, three_messages + cut,
			    sizeof(three_messages) - cut);
		}
		WAIT_FOR(l->lp, l->n == 3);
		check_three(l);
	}
}

static void
test_messages_byte_by_byte_arrive_whole(void **state)
{
	struct line *l = *state;

	for (size_t i = 0; i < sizeof(three_messages); i++) {
		peer_write(l, three_messages + i, 1);
		loop_step(l->lp, 1);
	}
	WAIT_FOR(l->lp, l->n == 3);
	check_three(l);
}

static void
test_longest_message_passes(void **state)
{
	struct line *l = *state;
	uint8_t *body = calloc(CHAN_BODY_MAX, 1);
	uint8_t header[] = { 0, 0x10, 0, 0, 0, 1, 0, 0 };
	size_t done = 0;

	assert_non_null(body);
	assert_int_equal(CHAN_BODY_MAX, 0x100000);
	peer_write(l, header, sizeof(header));
	(void)fcntl(l->peer, F_SETFL, O_NONBLOCK);
	while (done < CHAN_BODY_MAX) {
		ssize_t n = write(l->peer, body + done, CHAN_BODY_MAX - done);

		if (n > 0)
			done += (size_t)n;
		loop_step(l->lp, 1);
	}
	WAIT_FOR(l->lp, l->n == 1);
	assert_int_equal(l->lens[0], CHAN_BODY_MAX);
	free(body);
}

/* The peer is a process of ours gone mad: nothing it says counts any more. */
static void
test_malformed_header_closes_once(void **state)
{
	static const uint8_t bad[][CHAN_HEADER_BYTES] = {
		{ 0, 0x10, 0, 1, 0, 1, 0, 0 },          /* one byte too long */
		{ 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0 }, /* longest of all */
		{ 0, 0, 0, 1, 0, 1, 0, 1 },             /* zero is not zero */
		{ 0, 0, 0, 1, 0, 1, 1, 0 },
	};

	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct line *l;

		assert_int_equal(setup(state), 0);
		l = *state;
		peer_write(l, three_messages, sizeof(three_messages));
		peer_write(l, bad[i], sizeof(bad[i]));
		peer_write(l, three_messages, sizeof(three_messages));
		WAIT_FOR(l->lp, l->closed == 1);
		assert_int_equal(l->n, 3);
		/* Sending does not bring it back to life. */
		for (int k = 0; k < 40; k++)
			chan_send(l->ch, 1, l, sizeof(*l));
		peer_write(l, bad[i], sizeof(bad[i]));
		loop_idle(l->lp, 30);
		assert_int_equal(l->closed, 1);
		assert_int_equal(chan_backlog_bytes(l->ch), 0);
		(void)teardown(state);
	}
}

static void
test_last_words_come_before_the_close(void **state)
{
	struct line *l = *state;

	peer_repeat(l, three_messages, sizeof(three_messages), 1000);
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->closed == 1);
	assert_int_equal(l->n, 3000);
	loop_idle(l->lp, 20);
	assert_int_equal(l->closed, 1);
}

/* Half a message at the end is nothing, and no reason to wait for more. */
static void
test_peer_dies_in_a_message(void **state)
{
	struct line *l = *state;

	peer_write(l, three_messages, sizeof(three_messages) - 1);
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->closed == 1);
	assert_int_equal(l->n, 2);
}

/* The peer died while we had things to tell it: what it said still counts. */
static void
test_last_words_while_we_send(void **state)
{
	struct line *l = *state;

	peer_repeat(l, three_messages, sizeof(three_messages), 100);
	for (int i = 0; i < 100; i++)
		chan_send(l->ch, 1, l, sizeof(*l));
	assert_true(chan_backlog_bytes(l->ch) > 0);
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->closed == 1);
	assert_int_equal(l->n, 300);
}

static void
test_free_in_message_callback(void **state)
{
	struct line *l = *state;

	l->free_at = 2;
	peer_write(l, three_messages, sizeof(three_messages));
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->ch == NULL);
	loop_idle(l->lp, 20);
	assert_int_equal(l->n, 2);
	assert_int_equal(l->closed, 0);
}

static void
test_free_in_callback_of_a_message_handed_up_later(void **state)
{
	struct line *l = *state;

	l->free_at = 100; /* beyond those of one wake-up */
	peer_repeat(l, three_messages, sizeof(three_messages), 100);
	WAIT_FOR(l->lp, l->ch == NULL);
	loop_idle(l->lp, 20);
	assert_int_equal(l->n, 100);
}

static void
test_free_in_close_callback(void **state)
{
	struct line *l = *state;

	l->free_on_close = true;
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->closed == 1);
	assert_null(l->ch);
	loop_idle(l->lp, 20);
	assert_int_equal(l->closed, 1);
}

/* Timers must stay on time, however much a peer has to say. */
static void
test_one_wakeup_takes_a_bounded_number(void **state)
{
	struct line *l = *state;
	static const uint8_t empty[CHAN_HEADER_BYTES] = { 0, 0, 0, 0, 0, 1 };
	size_t before = 0;

	peer_repeat(l, empty, sizeof(empty), 2000);
	while (l->n < 2000) {
		loop_step(l->lp, 100);
		assert_true(l->n - before <= 128);
		before = l->n;
	}
}

/* A peer that is faster than we are must wait in the kernel, not in memory. */
static void
test_fast_peer_does_not_fill_memory(void **state)
{
	struct line *l = *state;
	static const uint8_t empty[CHAN_HEADER_BYTES] = { 0, 0, 0, 0, 0, 1 };
	size_t sent = 0, most = 0;

	(void)fcntl(l->peer, F_SETFL, O_NONBLOCK);
	for (int round = 0; round < 200; round++) {
		int left = 0;
		size_t held;

		while (write(l->peer, empty, sizeof(empty)) > 0)
			sent += sizeof(empty);
		loop_step(l->lp, 10);
		assert_int_equal(ioctl(l->chan_fd, FIONREAD, &left), 0);
		held = sent - (size_t)left - l->n * sizeof(empty);
		most = held > most ? held : most;
	}
	assert_true(l->n > 1000);
	assert_in_range(most, 0, 8192);
}

static void
test_backlog_counts_what_the_kernel_did_not_take(void **state)
{
	struct line *l = *state;
	size_t size = 65536, total = 64 * (size + CHAN_HEADER_BYTES);
	uint8_t *body = calloc(size, 1);
	size_t got = 0;

	assert_non_null(body);
	assert_int_equal(chan_backlog_bytes(l->ch), 0);
	for (int i = 0; i < 64; i++)
		chan_send(l->ch, 3, body, size);
	assert_true(chan_backlog_bytes(l->ch) > 0);
	assert_true(chan_backlog_bytes(l->ch) < total);
	(void)fcntl(l->peer, F_SETFL, O_NONBLOCK);
	while (got < total) {
		ssize_t n = read(l->peer, body, size);

		if (n > 0)
			got += (size_t)n;
		loop_step(l->lp, 1);
	}
	assert_int_equal(chan_backlog_bytes(l->ch), 0);
	assert_int_equal(read(l->peer, body, size), -1);
	free(body);
}

static void
test_sending_to_a_dead_peer_closes(void **state)
{
	struct line *l = *state;

	peer_hang_up(l);
	chan_send(l->ch, 1, "x", 1);
	assert_int_equal(chan_backlog_bytes(l->ch), 0);
	WAIT_FOR(l->lp, l->closed == 1);
}

/* ---- sent soon ---- */

static int
bytes_at_peer(const struct line *l)
{
	int n = -1;

	assert_int_equal(ioctl(l->peer, FIONREAD, &n), 0);
	return n;
}

static void
peer_expect(const struct line *l, uint16_t type)
{
	uint8_t buf[32];
	struct chan_msg msg;

	assert_int_equal(frame_read(l->peer, buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, type);
}

static void
test_sent_soon_goes_together(void **state)
{
	struct line *l = *state;

	chan_send_soon(l->ch, 1, "one", 3);
	chan_send_soon(l->ch, 2, NULL, 0);
	assert_int_equal(bytes_at_peer(l), 0);
	assert_int_equal(chan_backlog_bytes(l->ch), 19);
	WAIT_FOR(l->lp, chan_backlog_bytes(l->ch) == 0);
	assert_int_equal(bytes_at_peer(l), 19);
	peer_expect(l, 1);
	peer_expect(l, 2);
}

/* The order stays, whatever is sent at once. */
static void
test_sent_at_once_takes_what_waits_along(void **state)
{
	struct line *l = *state;

	chan_send_soon(l->ch, 1, "one", 3);
	chan_send(l->ch, 2, "two", 3);
	assert_int_equal(bytes_at_peer(l), 22);
	chan_send_soon(l->ch, 3, "three", 5);
	WAIT_FOR(l->lp, chan_backlog_bytes(l->ch) == 0);
	for (uint16_t type = 1; type <= 3; type++)
		peer_expect(l, type);
}

/* More than the kernel takes: the rest follows as the peer reads. */
static void
test_sent_soon_survives_a_full_socket(void **state)
{
	static uint8_t body[CHAN_BODY_MAX], buf[4096];
	struct line *l = *state;
	size_t want = 3 * (CHAN_HEADER_BYTES + sizeof(body)), got = 0;

	for (uint16_t i = 0; i < 3; i++)
		chan_send_soon(l->ch, i, body, sizeof(body));
	while (got < want) {
		ssize_t n = recv(l->peer, buf, sizeof(buf), MSG_DONTWAIT);

		got += n > 0 ? (size_t)n : 0;
		loop_step(l->lp, 0);
	}
	assert_int_equal(chan_backlog_bytes(l->ch), 0);
}

static void
test_sent_soon_to_a_dead_peer(void **state)
{
	struct line *l = *state;

	chan_send_soon(l->ch, 1, "one", 3);
	peer_hang_up(l);
	WAIT_FOR(l->lp, l->closed == 1);
	chan_send_soon(l->ch, 2, "two", 3);
	chan_free(l->ch);
	l->ch = NULL;
	loop_idle(l->lp, 2LL * WAIT_STEP_MS);
}

/* ---- the blocking pair ---- */

static void
test_frames_in_one_write(void **state)
{
	uint8_t out[2 * CHAN_HEADER_BYTES + 5], buf[32];
	struct frames fs = { .buf = out, .size = sizeof(out) };
	struct chan_msg msg;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_false(frames_add(&fs, 5, "much too long", 14));
	assert_true(frames_add(&fs, 5, "hello", 5));
	assert_false(frames_add(&fs, 6, "x", 1));
	assert_true(frames_add(&fs, 6, "", 0));
	assert_false(frames_add(&fs, 7, "", 0));
	assert_int_equal(frames_write(sv[0], &fs, NULL), 0);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, 5);
	assert_memory_equal(msg.body, "hello", 5);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, 6);
	(void)close(sv[0]);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 0);
	(void)close(sv[1]);
}

static void
test_frames_both_ways(void **state)
{
	uint8_t buf[32];
	struct chan_msg msg;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(frame_write(sv[0], 5, "hello", 5, NULL), 0);
	assert_int_equal(frame_write(sv[0], 6, NULL, 0, NULL), 0);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, 5);
	assert_int_equal(msg.len, 5);
	assert_memory_equal(msg.body, "hello", 5);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, 6);
	assert_int_equal(msg.len, 0);
	(void)close(sv[0]);
	assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg, NULL), 0);
	(void)close(sv[1]);
}

static void
test_frame_cut_short_is_an_error(void **state)
{
	(void)state;
	for (size_t n = 1; n < 11; n++) {
		uint8_t buf[32];
		struct chan_msg msg;
		struct err err = { 0 };
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		assert_int_equal(write(sv[0], three_messages, n), n);
		(void)close(sv[0]);
		assert_int_equal(frame_read(sv[1], buf, sizeof(buf), &msg,
				     &err),
		    -1);
		assert_int_equal(err.code, ERR_GONE);
		(void)close(sv[1]);
	}
}

static void
test_frame_longer_than_the_buffer_is_refused(void **state)
{
	uint8_t *buf = malloc(4);
	struct chan_msg msg;
	struct err err = { 0 };
	int sv[2];

	(void)state;
	assert_non_null(buf);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(frame_write(sv[0], 5, "four", 4, NULL), 0);
	assert_int_equal(frame_write(sv[0], 5, "fiver", 5, NULL), 0);
	assert_int_equal(frame_read(sv[1], buf, 4, &msg, &err), 1);
	assert_int_equal(frame_read(sv[1], buf, 4, &msg, &err), -1);
	assert_int_equal(err.code, ERR_PROTO);
	err = (struct err){ 0 };
	assert_int_equal(frame_write(sv[0], 5, buf, CHAN_BODY_MAX + 1, &err),
	    -1);
	assert_int_equal(err.code, ERR_PROTO);
	(void)close(sv[0]);
	(void)close(sv[1]);
	free(buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_messages_cut_at_every_byte_arrive_whole, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_messages_byte_by_byte_arrive_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_message_passes,
		    setup, teardown),
		cmocka_unit_test(test_malformed_header_closes_once),
		cmocka_unit_test_setup_teardown(
		    test_last_words_come_before_the_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_dies_in_a_message,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words_while_we_send,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_in_message_callback,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_free_in_callback_of_a_message_handed_up_later, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_free_in_close_callback,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_one_wakeup_takes_a_bounded_number, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_fast_peer_does_not_fill_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_backlog_counts_what_the_kernel_did_not_take, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_sending_to_a_dead_peer_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sent_soon_goes_together,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_sent_at_once_takes_what_waits_along, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_sent_soon_survives_a_full_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sent_soon_to_a_dead_peer,
		    setup, teardown),
		cmocka_unit_test(test_frames_in_one_write),
		cmocka_unit_test(test_frames_both_ways),
		cmocka_unit_test(test_frame_cut_short_is_an_error),
		cmocka_unit_test(test_frame_longer_than_the_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
