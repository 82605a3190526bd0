/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands that go to BIRD together, and whose answers are heard first. */
#include "bird_client_rig.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* With shorter lines there would soon be more than a reply may have. */
#define LINE_BYTES ((size_t)128)
#define FLOOD_BYTES ((size_t)1024 * 1024)

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

/* One write: BIRD is woken once, and finds all of them. */
static void
test_held_commands_wait_for_the_hurry(void **state)
{
	struct rig *rig = rig_up(state);

	bird_client_hold(rig->bc);
	assert_int_equal(rig_send(rig, "show protocols"), 0);
	assert_int_equal(rig_send(rig, "show status"), 0);
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->fake.commands, 0);
	rig->silent_from = 1;
	bird_client_hurry(rig->bc);
	WAIT_UNTIL(rig->lp, rig->fake.commands == 2);
	fake_say(&rig->fake, "0001 one\n0002 two\n");
	WAIT_UNTIL(rig->lp, rig->slots[1].answered == 1);
	assert_int_equal(rig->slots[0].code, 1);
	assert_int_equal(rig->slots[1].code, 2);
	assert_int_equal(rig->downs, 0);
}

/* Longer than what goes together: it goes all the same. */
static void
test_held_command_that_is_long(void **state)
{
	struct rig *rig = rig_up(state);
	char command[801];

	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	bird_client_hold(rig->bc);
	assert_int_equal(rig_send(rig, command), 0);
	bird_client_hurry(rig->bc);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
	assert_int_equal(rig->downs, 0);
}

/* What was held is called back, and the next session holds nothing. */
static void
test_session_ends_while_held(void **state)
{
	struct rig *rig = rig_up(state);

	rig->silent_from = 1;
	assert_int_equal(rig_send(rig, "show status"), 0);
	bird_client_hold(rig->bc);
	assert_int_equal(rig_send(rig, "show protocols"), 0);
	WAIT_UNTIL(rig->lp, rig->downs == 1);
	assert_failed(&rig->slots[0], ERR_TIMEOUT);
	assert_failed(&rig->slots[1], ERR_TIMEOUT);
	assert_recovers(rig);
}

struct bystander {
	struct rig *rig;
	unsigned answered, failed; /* when its turn came */
	bool is_done;
};

static void
on_bystander(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct bystander *b = arg;
	char byte;

	(void)lp;
	(void)events;
	assert_int_equal(read(fd, &byte, 1), 1);
	b->answered = b->rig->slots[0].answered;
	b->failed = b->rig->slots[0].failed;
	b->is_done = true;
}

/* Although it came after what others wait for. */
static void
test_reply_is_handled_first(void **state)
{
	struct rig *rig = rig_up(state);
	struct bystander b = { .rig = rig };
	static const char done[] = "0003 done\n";
	struct loop_fd *io;
	int ends[2];

	rig->silent_from = 1;
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->fake.commands == 1);
	assert_int_equal(pipe(ends), 0);
	io = loop_fd_new(rig->lp, ends[0], LOOP_READ, on_bystander, &b);
	assert_int_equal(write(ends[1], "x", 1), 1);
	/* Both are there before the loop looks. */
	assert_int_equal(send(rig->fake.fd, done, strlen(done), MSG_NOSIGNAL),
	    strlen(done));
	WAIT_UNTIL(rig->lp, b.is_done);
	assert_int_equal(b.answered, 1);
	loop_fd_free(io);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Lines without end; after the first MiB the bystander has something to read. */
static void
flood(int fd, int bystander_fd)
{
	static const char start[5] = { '1', '0', '0', '7', '-' };
	static char lines[FLOOD_BYTES];
	size_t done = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	memset(lines, 'x', sizeof(lines));
	for (size_t i = 0; i < sizeof(lines); i += LINE_BYTES) {
		memcpy(lines + i, start, sizeof(start));
		lines[i + LINE_BYTES - 1] = '\n';
	}
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		size_t from = done % sizeof(lines);
		ssize_t n = send(fd, lines + from, sizeof(lines) - from,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno != EAGAIN)
			_exit(0);
		if (n == -1) {
			(void)poll(&pfd, 1, -1);
			continue;
		}
		if (done < FLOOD_BYTES && done + (size_t)n >= FLOOD_BYTES)
			(void)!write(bystander_fd, "x", 1);
		done += (size_t)n;
	}
}

/* A listing that comes faster than it is read goes on beside the others. */
static void
test_flood_is_not_first(void **state)
{
	struct rig *rig = rig_up(state);
	struct bystander b = { .rig = rig };
	struct loop_fd *io;
	int ends[2];
	pid_t pid;

	rig->silent_from = 1;
	assert_int_equal(rig_send(rig, "show route"), 0);
	WAIT_UNTIL(rig->lp, rig->fake.commands == 1);
	assert_int_equal(pipe(ends), 0);
	io = loop_fd_new(rig->lp, ends[0], LOOP_READ, on_bystander, &b);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		flood(rig->fake.fd, ends[1]);
	WAIT_UNTIL(rig->lp, b.is_done);
	assert_int_equal(b.failed, 0);
	/* Until it is too long. */
	WAIT_UNTIL(rig->lp, rig->slots[0].failed == 1);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	loop_fd_free(io);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST(test_hurried_commands_go_together),
		RIG_TEST(test_hurried_commands_without_answer),
		RIG_TEST(test_hurry_has_a_bound),
		RIG_TEST(test_held_commands_wait_for_the_hurry),
		RIG_TEST(test_held_command_that_is_long),
		RIG_TEST(test_session_ends_while_held),
		RIG_TEST(test_reply_is_handled_first),
		RIG_TEST(test_flood_is_not_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
