/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One command after the other, and all that may go wrong with a session.  Those
 * that go together are in test_bird_together.c. */
#include "bird_client_rig.h"

#include <time.h>

#include "bird/session.h"

static void
test_each_command_gets_its_own_reply(void **state)
{
	struct rig *rig = rig_up(state);

	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[SLOTS - 1].answered == 1);
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	assert_int_equal(rig->fake.commands, SLOTS);
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_int_equal(rig->slots[i].answered, 1);
		assert_int_equal(rig->slots[i].failed, 0);
		assert_int_equal(rig->slots[i].code, 3);
	}
	/* No time limit runs while nothing is asked. */
	assert_int_equal(rig->downs, 0);
}

static void
test_command_from_a_callback(void **state)
{
	struct rig *rig = rig_up(state);

	rig->send_from_callback = true;
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[SLOTS - 1].answered == 1);
	assert_int_equal(rig->fake.commands, SLOTS);
}

/* As a slow or far BIRD would: no reply depends on how it is cut. */
static void
test_reply_one_byte_at_a_time(void **state)
{
	struct rig *rig = *state;

	rig->fake.piece = 1;
	rig->reply = "1007-a\n+async\n b\n0000 \n";
	(void)rig_up(state);
	assert_int_equal(rig_send(rig, "show route"), 0);
	assert_int_equal(rig_send(rig, "show route"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[1].answered == 1);
	assert_int_equal(rig->slots[0].lines, 3);
	assert_int_equal(rig->slots[1].lines, 3);
	assert_int_equal(rig->downs, 0);
}

/* A listing that takes longer than the limit, but flows. */
static void
test_long_listing_is_alive(void **state)
{
	struct rig *rig = *state;

	rig->reply = "1007-a\n b\n c\n d\n e\n0000 \n";
	(void)rig_up(state);
	rig->fake.piece = 4;
	rig->fake.pause_ms = TIMEOUT_MS / 3;
	assert_int_equal(rig_send(rig, "show route"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
	assert_int_equal(rig->slots[0].lines, 6);
	assert_int_equal(rig->downs, 0);
}

static void
test_silent_after_accept(void **state)
{
	struct rig *rig = *state;

	rig->fake.greeting = NULL;
	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->downs == 2);
	assert_int_equal(rig->err.code, ERR_TIMEOUT);
	assert_int_equal(rig->ups, 0);
	assert_int_equal(rig->fake.accepted, 2);
	assert_recovers(rig);
}

/* Half a greeting is none, however it drips. */
static void
test_greeting_without_end(void **state)
{
	struct rig *rig = *state;

	rig->fake.greeting = "0001 BIRD ";
	rig->fake.endless = "x";
	rig->fake.piece = 1;
	rig->fake.pause_ms = 10;
	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_int_equal(rig->err.code, ERR_TIMEOUT);
	assert_recovers(rig);
}

static void
test_wrong_greetings(void **state)
{
	static const char *const greetings[] = {
		"0001 NSD 4 ready.\n",
		"0013 BIRD 2.0.12 ready.\n",
		"9001 BIRD 2.0.12 ready.\n",
		"0001-BIRD 2.0.12 ready.\n0000 \n",
		"0001 BIRD\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\n",
		" BIRD 2.0.12 ready.\n",
	};
	struct rig *rig = *state;

	fake_listen(&rig->fake, 8);
	rig->fake.greeting = greetings[0];
	rig_connect(rig);
	for (unsigned i = 0; i < TEST_COUNT(greetings); i++) {
		rig->fake.greeting = greetings[i];
		WAIT_UNTIL(rig->lp, rig->downs > i);
		assert_int_equal(rig->err.code, ERR_PROTO);
		assert_int_equal(rig->ups, 0);
	}
	assert_recovers(rig);
}

/* The version is a word of any length; ours has an end. */
static void
test_long_version(void **state)
{
	struct rig *rig = *state;

	rig->fake.greeting =
	    "0001 BIRD 3.1.2.1234567890.1234567890.1234567890 ready.\n";
	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->ups == 1);
	assert_string_equal(rig->version, "3.1.2.1234567890.1234567890.123");
}

static void
test_reply_to_no_command(void **state)
{
	struct rig *rig = rig_up(state);

	fake_say(&rig->fake, "0003 surprise\n");
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_int_equal(rig->err.code, ERR_PROTO);
	assert_recovers(rig);
}

/* A second reply to the one command is one to no command. */
static void
test_two_replies_to_one_command(void **state)
{
	struct rig *rig = rig_up(state);

	rig->reply = "0003 one\n0003 two\n";
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_int_equal(rig->slots[0].answered, 1);
	assert_int_equal(rig->slots[0].failed, 0);
	assert_recovers(rig);
}

/* Asynchronous lines while nothing is asked start no time limit. */
static void
test_asynchronous_lines_in_between(void **state)
{
	struct rig *rig = rig_up(state);

	fake_say(&rig->fake, "+Reconfigured\n+half");
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	fake_say(&rig->fake, " a line\n");
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	assert_int_equal(rig->downs, 0);
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
}

/* The first gets its reply; the silent one and those behind it fail once. */
static void
test_silent_on_a_command(void **state)
{
	struct rig *rig = rig_up(state);

	rig->silent_from = 2;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_int_equal(rig->slots[0].answered, 1);
	for (unsigned i = 1; i < 4; i++)
		assert_failed(&rig->slots[i], ERR_TIMEOUT);
	assert_non_null(strstr(rig->err.msg, "show status"));
	assert_recovers(rig);
}

/* BIRD has not even had a chance to reply. */
static void
test_own_standstill_is_no_silence(void **state)
{
	const struct timespec longer_than_bird_may = { .tv_nsec = 900000000 };
	struct rig *rig = rig_up(state);

	assert_true(TIMEOUT_MS < 800);
	assert_int_equal(rig_send(rig, "show status"), 0);
	(void)nanosleep(&longer_than_bird_may, NULL);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
	assert_int_equal(rig->downs, 0);
	/* But silence is, also after that. */
	rig->silent_from = 1;
	assert_int_equal(rig_send(rig, "show status"), 0);
	(void)nanosleep(&longer_than_bird_may, NULL);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_failed(&rig->slots[1], ERR_TIMEOUT);
	assert_recovers(rig);
}

static const char *
hang_up_in_mid_reply(struct fake_bird *fake, const char *command)
{
	(void)command;
	assert_true(send(fake->fd, "1007-a\n b", 9, MSG_NOSIGNAL) == 9);
	fake_hang_up(fake);
	return NULL;
}

static void
test_closes_in_mid_reply(void **state)
{
	struct rig *rig = rig_up(state);

	rig->fake.answer = hang_up_in_mid_reply;
	assert_int_equal(rig_send(rig, "show route"), 0);
	assert_int_equal(rig_send(rig, "show route"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_failed(&rig->slots[0], ERR_GONE);
	assert_failed(&rig->slots[1], ERR_GONE);
	rig->fake.answer = answer;
	assert_recovers(rig);
}

static void
test_reply_without_end(void **state)
{
	static const char line[8] = { '1', '0', '0', '7', '-', 'a', 'b', '\n' };
	static char lines[64 * 1024 + 1];
	struct rig *rig = rig_up(state);

	for (size_t i = 0; i < sizeof(lines) - 1; i += 8)
		memcpy(lines + i, line, sizeof(line));
	rig->reply = lines;
	rig->fake.endless = lines;
	assert_int_equal(rig_send(rig, "show route"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_failed(&rig->slots[0], ERR_PROTO);
	assert_recovers(rig);
}

static void
test_nonsense_reply(void **state)
{
	struct rig *rig = rig_up(state);

	rig->reply = "nonsense\n";
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_failed(&rig->slots[0], ERR_PROTO);
	assert_recovers(rig);
}

static void
test_not_there_and_then_there(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->downs == 2);
	assert_int_equal(rig->err.code, ERR_SYS);
	assert_int_equal(rig->err.sys, ENOENT);
	fake_listen(&rig->fake, 8);
	assert_recovers(rig);
}

/* Killed: its socket is there and refuses; the next one takes it over. */
static void
test_stale_socket(void **state)
{
	struct rig *rig = rig_up(state);

	assert_int_equal(rig_send(rig, "show status"), 0);
	fake_die(&rig->fake);
	WAIT_UNTIL(rig->lp, rig->downs == 2);
	/* Its end, or a reset if it had not read the command. */
	assert_int_equal(rig->slots[0].failed, 1);
	assert_int_equal(rig->err.code, ERR_SYS);
	assert_int_equal(rig->err.sys, ECONNREFUSED);
	fake_listen(&rig->fake, 8);
	assert_recovers(rig);
}

/* Stopped for long: there, but it has no room for who wants to connect. */
static void
test_full_backlog_is_silence(void **state)
{
	struct rig *rig = *state;

	fake_listen(&rig->fake, 0);
	fake_freeze(&rig->fake, true);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->downs == 3);
	assert_int_equal(rig->err.code, ERR_TIMEOUT);
	assert_non_null(strstr(rig->err.msg, "nobody accepts"));
	fake_freeze(&rig->fake, false);
	assert_recovers(rig);
}

static void
test_stopped_in_mid_session(void **state)
{
	struct rig *rig = rig_up(state);

	fake_freeze(&rig->fake, true);
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 2);
	assert_failed(&rig->slots[0], ERR_TIMEOUT);
	assert_int_equal(rig->err.code, ERR_TIMEOUT);
	fake_freeze(&rig->fake, false);
	assert_recovers(rig);
}

static void
test_command_too_long(void **state)
{
	struct rig *rig = rig_up(state);
	char command[1002];

	memset(command, 'x', sizeof(command) - 1);
	command[1001] = '\0';
	assert_int_equal(rig_send(rig, command), -1);
	command[1000] = '\0';
	assert_int_equal(rig_send(rig, command), 0);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
}

static void
test_path_too_long(void **state)
{
	struct err err = { 0 };
	char path[109];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[108] = '\0';
	assert_int_equal(bird_session_connect(path, &err), -1);
	assert_int_equal(err.code, ERR_CONF);
	path[107] = '\0';
	assert_int_equal(bird_session_connect(path, &err), -1);
	assert_int_equal(err.sys, ENOENT);
}

/* Freed at rest: nobody is called back any more. */
static void
test_freed_with_commands_pending(void **state)
{
	struct rig *rig = rig_up(state);

	assert_int_equal(rig_send(rig, "show status"), 0);
	assert_int_equal(rig_send(rig, "show status"), 0);
	rig_free_client(rig);
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	assert_int_equal(rig->downs, 0);
	assert_int_equal(rig->slots[0].answered + rig->slots[0].failed, 0);
	bird_client_free(NULL);
}

static void
test_freed_in_on_up(void **state)
{
	struct rig *rig = *state;

	rig->free_in = FREE_IN_UP;
	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	loop_idle(rig->lp, TIMEOUT_MS);
	assert_int_equal(rig->downs, 0);
}

/* After a refused connect, a time limit and an end: each its own way out. */
static void
test_freed_in_on_down(void **state)
{
	struct rig *rig = *state;

	rig->free_in = FREE_IN_DOWN;
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	rig->fake.greeting = NULL;
	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	rig->fake.greeting = "nonsense\n";
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	rig->fake.greeting = FAKE_GREETING;
	rig_connect(rig);
	WAIT_UNTIL(rig->lp, rig->ups == 1);
	fake_die(&rig->fake);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	assert_int_equal(rig->downs, 4);
}

/* In a callback, with others behind it: those are not called back. */
static void
test_freed_in_a_reply(void **state)
{
	struct rig *rig = rig_up(state);

	rig->free_in = FREE_IN_REPLY;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	assert_int_equal(rig->slots[0].answered, 1);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(rig->slots[i].answered + rig->slots[i].failed,
		    0);
	}
	assert_int_equal(rig->fake.commands, 1);
	assert_int_equal(rig->downs, 0);
}

static void
test_freed_in_a_failure(void **state)
{
	struct rig *rig = rig_up(state);

	rig->silent_from = 1;
	rig->free_in = FREE_IN_REPLY;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->bc == NULL);
	loop_idle(rig->lp, 2 * TIMEOUT_MS);
	assert_int_equal(rig->slots[0].failed, 1);
	assert_int_equal(rig->slots[1].failed + rig->slots[2].failed, 0);
	assert_int_equal(rig->downs, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST(test_each_command_gets_its_own_reply),
		RIG_TEST(test_command_from_a_callback),
		RIG_TEST(test_reply_one_byte_at_a_time),
		RIG_TEST(test_long_listing_is_alive),
		RIG_TEST(test_silent_after_accept),
		RIG_TEST(test_greeting_without_end),
		RIG_TEST(test_wrong_greetings),
		RIG_TEST(test_long_version),
		RIG_TEST(test_reply_to_no_command),
		RIG_TEST(test_two_replies_to_one_command),
		RIG_TEST(test_asynchronous_lines_in_between),
		RIG_TEST(test_silent_on_a_command),
		RIG_TEST(test_own_standstill_is_no_silence),
		RIG_TEST(test_closes_in_mid_reply),
		RIG_TEST(test_reply_without_end),
		RIG_TEST(test_nonsense_reply),
		RIG_TEST(test_not_there_and_then_there),
		RIG_TEST(test_stale_socket),
		RIG_TEST(test_full_backlog_is_silence),
		RIG_TEST(test_stopped_in_mid_session),
		RIG_TEST(test_command_too_long),
		cmocka_unit_test(test_path_too_long),
		RIG_TEST(test_freed_with_commands_pending),
		RIG_TEST(test_freed_in_on_up),
		RIG_TEST(test_freed_in_on_down),
		RIG_TEST(test_freed_in_a_reply),
		RIG_TEST(test_freed_in_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
