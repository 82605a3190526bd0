/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bird/session.h"
#include "fake_bird.h"
#include "test.h"

#define TIMEOUT_MS 150
#define SLOTS 8u

/* In which callback the client is freed. */
enum free_in {
	FREE_NEVER,
	FREE_IN_UP,
	FREE_IN_DOWN,
	FREE_IN_REPLY,
};

struct rig;

/* One command, and what came of it. */
struct slot {
	struct rig *rig;
	unsigned answered, failed;
	unsigned code;
	size_t lines;
	struct err err;
};

struct rig {
	struct loop *lp;
	struct fake_bird fake;
	struct bird_client *bc;
	unsigned ups, downs;
	char version[32];
	struct err err; /* of the last on_down */
	enum free_in free_in;
	bool send_from_callback;
	struct slot slots[SLOTS];
	size_t n_slots;
	const char *reply;    /* to every command */
	unsigned silent_from; /* no reply from that command on; 0: all */
};

static void
rig_free_client(struct rig *rig)
{
	bird_client_free(rig->bc);
	rig->bc = NULL;
}

static void
on_up(const char *version, void *arg)
{
	struct rig *rig = arg;

	rig->ups++;
	(void)snprintf(rig->version, sizeof(rig->version), "%s", version);
	if (rig->free_in == FREE_IN_UP)
		rig_free_client(rig);
}

static void
on_down(const struct err *err, void *arg)
{
	struct rig *rig = arg;

	rig->downs++;
	rig->err = *err;
	assert_false(bird_client_is_up(rig->bc));
	for (size_t i = 0; i < rig->n_slots; i++) {
		assert_int_equal(rig->slots[i].answered + rig->slots[i].failed,
		    1);
	}
	if (rig->free_in == FREE_IN_DOWN)
		rig_free_client(rig);
}

static void on_reply(const struct bird_reply *reply, const struct err *err,
    void *arg);

/* -1 as bird_client_send. */
static int
rig_send(struct rig *rig, const char *command)
{
	struct slot *slot = &rig->slots[rig->n_slots];
	int rc;

	assert_true(rig->n_slots < SLOTS);
	*slot = (struct slot){ .rig = rig };
	rc = bird_client_send(rig->bc, command, on_reply, slot);
	if (rc == 0)
		rig->n_slots++;
	return rc;
}

static void
on_reply(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct slot *slot = arg;
	struct rig *rig = slot->rig;

	assert_true((reply != NULL) != (err != NULL));
	if (reply != NULL) {
		slot->answered++;
		slot->code = reply->code;
		slot->lines = reply->n;
	} else if (err != NULL) {
		slot->failed++;
		slot->err = *err;
		/* The session is gone: nothing can be sent from here. */
		assert_int_equal(rig_send(rig, "show status"), -1);
	}
	if (rig->send_from_callback && reply != NULL && rig->n_slots < SLOTS)
		assert_int_equal(rig_send(rig, "show status"), 0);
	if (rig->free_in == FREE_IN_REPLY)
		rig_free_client(rig);
}

static const char *
answer(struct fake_bird *fake, const char *command)
{
	const struct rig *rig = fake->arg;

	(void)command;
	if (rig->silent_from > 0 && fake->commands >= rig->silent_from)
		return NULL;
	return rig->reply;
}

static int
rig_make(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)signal(SIGPIPE, SIG_IGN);
	rig->lp = loop_new();
	fake_init(&rig->fake, rig->lp);
	rig->fake.answer = answer;
	rig->fake.arg = rig;
	rig->reply = "0003 done\n";
	*state = rig;
	return 0;
}

static int
rig_remove(void **state)
{
	struct rig *rig = *state;

	bird_client_free(rig->bc);
	fake_fini(&rig->fake);
	loop_free(rig->lp);
	free(rig);
	return 0;
}

static void
rig_connect(struct rig *rig)
{
	static const struct bird_client_ops ops = { .on_up = on_up,
		.on_down = on_down };

	rig->bc =
	    bird_client_new(rig->lp, rig->fake.path, TIMEOUT_MS, &ops, rig);
}

/* A session that is up. */
static struct rig *
rig_up(void **state)
{
	struct rig *rig = *state;

	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	assert_false(bird_client_is_up(rig->bc));
	assert_int_equal(rig_send(rig, "show status"), -1);
	WAIT_UNTIL(rig->lp, rig->ups == 1);
	assert_true(bird_client_is_up(rig->bc));
	assert_string_equal(rig->version, "2.0.12");
	assert_int_equal(rig->downs, 0);
	return rig;
}

static void
assert_failed(const struct slot *slot, enum err_code code)
{
	assert_int_equal(slot->answered, 0);
	assert_int_equal(slot->failed, 1);
	assert_int_equal(slot->err.code, code);
}

/* The fake is well again: so is the client, by itself. */
static void
assert_recovers(struct rig *rig)
{
	unsigned ups = rig->ups;

	rig->silent_from = 0;
	rig->reply = "0003 done\n";
	rig->fake.greeting = FAKE_GREETING;
	rig->fake.endless = NULL;
	rig->fake.piece = 0;
	rig->n_slots = 0;
	WAIT_UNTIL(rig->lp, rig->ups > ups);
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
}

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

/* BIRD's own order holds: a command that is hurried is answered after those
 * before it, and what comes later waits for its turn. */
static void
test_hurried_commands_go_together(void **state)
{
	struct rig *rig = rig_up(state);

	rig->silent_from = 1;
	assert_int_equal(rig_send(rig, "show protocols"), 0);
	assert_int_equal(rig_send(rig, "show status"), 0);
	assert_int_equal(rig_send(rig, "configure check"), 0);
	bird_client_hurry(rig->bc);
	bird_client_hurry(rig->bc);
	assert_int_equal(rig_send(rig, "show status"), 0);
	/* No answer yet, and all three are there. */
	WAIT_UNTIL(rig->lp, rig->fake.commands == 3);
	fake_say(&rig->fake, "0001 one\n0002 two\n0003 three\n");
	WAIT_UNTIL(rig->lp, rig->fake.commands == 4);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig->slots[i].answered, 1);
		assert_int_equal(rig->slots[i].code, i + 1);
	}
	assert_int_equal(rig->slots[3].answered, 0);
	fake_say(&rig->fake, "0004 four\n");
	WAIT_UNTIL(rig->lp, rig->slots[3].answered == 1);
	assert_int_equal(rig->slots[3].code, 4);
	assert_int_equal(rig->downs, 0);
}

/* Each of them has its time limit, and all are called back. */
static void
test_hurried_commands_without_answer(void **state)
{
	struct rig *rig = rig_up(state);

	rig->silent_from = 1;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_send(rig, "show status"), 0);
	bird_client_hurry(rig->bc);
	WAIT_UNTIL(rig->lp, rig->fake.commands == 3);
	fake_say(&rig->fake, "0003 done\n");
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_int_equal(rig->slots[0].answered, 1);
	assert_failed(&rig->slots[1], ERR_TIMEOUT);
	assert_failed(&rig->slots[2], ERR_TIMEOUT);
	assert_recovers(rig);
}

/* More than BIRD takes at a time stays queued, and nothing is lost. */
static void
test_hurry_has_a_bound(void **state)
{
	struct rig *rig = rig_up(state);
	char command[201];

	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	rig->silent_from = 1;
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(rig_send(rig, command), 0);
	bird_client_hurry(rig->bc);
	/* The first, and two behind it. */
	WAIT_UNTIL(rig->lp, rig->fake.commands == 3);
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->fake.commands, 3);
	rig->silent_from = 0;
	fake_say(&rig->fake, "0003 done\n0003 done\n0003 done\n");
	WAIT_UNTIL(rig->lp, rig->slots[SLOTS - 1].answered == 1);
	assert_int_equal(rig->fake.commands, SLOTS);
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
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_make, rig_remove)
	static const struct CMUnitTest tests[] = {
		RIG_TEST(test_each_command_gets_its_own_reply),
		RIG_TEST(test_hurried_commands_go_together),
		RIG_TEST(test_hurried_commands_without_answer),
		RIG_TEST(test_hurry_has_a_bound),
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
