/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop_wait.h"
#include "test.h"

struct seen {
	struct loop *lp;
	struct loop_fd *fd;
	struct loop_timer *timer;
	struct loop_signal *signal;
	unsigned reads, writes, timers, signals, turns;
	struct mono set;
	bool free_in_callback;
};

static void
on_fd(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct seen *s = arg;

	assert_ptr_equal(lp, s->lp);
	s->reads += (events & LOOP_READ) != 0;
	s->writes += (events & LOOP_WRITE) != 0;
	(void)fd;
	if (s->free_in_callback) {
		loop_fd_free(s->fd);
		s->fd = NULL;
	}
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct seen *s = arg;

	assert_ptr_equal(lp, s->lp);
	s->timers++;
	if (s->free_in_callback) {
		loop_timer_free(s->timer);
		s->timer = NULL;
	}
}

static void
on_signal(struct loop *lp, int signo, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(signo, SIGUSR1);
	s->signals++;
	loop_stop(lp);
}

static int
setup(void **state)
{
	struct seen *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->lp = loop_new();
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct seen *s = *state;

	loop_fd_free(s->fd);
	loop_timer_free(s->timer);
	loop_signal_free(s->signal);
	loop_free(s->lp);
	free(s);
	return 0;
}

static void
test_events_of_a_descriptor(void **state)
{
	struct seen *s = *state;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	s->fd = loop_fd_new(s->lp, sv[0], 0, on_fd, s);
	assert_int_equal(write(sv[1], "x", 1), 1);
	loop_step(s->lp, 10);
	assert_int_equal(s->reads + s->writes, 0);
	loop_fd_set(s->fd, LOOP_READ);
	loop_step(s->lp, 10);
	assert_int_equal(s->reads, 1);
	loop_fd_set(s->fd, LOOP_READ | LOOP_WRITE);
	loop_step(s->lp, 10);
	assert_int_equal(s->reads, 2);
	assert_int_equal(s->writes, 1);
	loop_fd_set(s->fd, 0);
	loop_step(s->lp, 10);
	assert_int_equal(s->reads, 2);
	/* The end of the other side is something to read. */
	loop_fd_set(s->fd, LOOP_READ);
	(void)close(sv[1]);
	s->free_in_callback = true;
	WAIT_FOR(s->lp, s->fd == NULL);
	loop_step(s->lp, 10);
	assert_int_equal(s->reads, 3);
	/* The descriptor stays ours. */
	assert_int_equal(close(sv[0]), 0);
}

struct turn {
	struct seen *seen;
	unsigned at; /* 1: the first; 0: not yet */
};

static void
on_turn(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct turn *t = arg;
	char byte;

	(void)lp;
	(void)events;
	assert_int_equal(read(fd, &byte, 1), 1);
	t->at = ++t->seen->turns;
}

/* Whatever was ready before it. */
static void
test_first_is_first(void **state)
{
	struct seen *s = *state;
	struct turn turns[3];
	struct loop_fd *fds[3];
	int pipes[3][2];

	for (int i = 0; i < 3; i++) {
		turns[i] = (struct turn){ .seen = s };
		assert_int_equal(pipe(pipes[i]), 0);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
		fds[i] = loop_fd_new(s->lp, pipes[i][0],
		    LOOP_READ | (i == 2 ? LOOP_FIRST : 0), on_turn, &turns[i]);
	}
	WAIT_FOR(s->lp, s->turns == 3);
	assert_int_equal(turns[2].at, 1);
	for (int i = 0; i < 3; i++) {
		loop_fd_free(fds[i]);
		(void)close(pipes[i][0]);
		(void)close(pipes[i][1]);
	}
}

static void
test_timer_is_one_shot_and_in_time(void **state)
{
	struct seen *s = *state;
	struct mono start = mono_now();

	s->timer = loop_timer_new(s->lp, on_timer, s);
	assert_false(loop_timer_pending(s->timer));
	loop_step(s->lp, 10);
	assert_int_equal(s->timers, 0);
	loop_timer_set(s->timer, 10000);
	loop_timer_set(s->timer, 50);
	assert_true(loop_timer_pending(s->timer));
	WAIT_FOR(s->lp, s->timers == 1);
	assert_true(mono_diff_ms(mono_now(), start) >= 49);
	assert_true(mono_diff_ms(mono_now(), start) < 10000);
	assert_false(loop_timer_pending(s->timer));
	loop_idle(s->lp, 60);
	assert_int_equal(s->timers, 1);
	loop_timer_set(s->timer, 20);
	loop_timer_cancel(s->timer);
	loop_idle(s->lp, 40);
	assert_int_equal(s->timers, 1);
	loop_timer_set(s->timer, -5);
	s->free_in_callback = true;
	WAIT_FOR(s->lp, s->timer == NULL);
}

static void
on_timer_busy(struct loop *lp, void *arg)
{
	struct seen *s = arg;
	struct mono end = mono_add_ms(mono_now(), 100);

	(void)lp;
	while (mono_before(mono_now(), end))
		;
	s->set = mono_now();
	loop_timer_set(s->timer, 50);
}

/* The delay begins when it is set, however long ago the loop woke up. */
static void
test_timer_is_not_early(void **state)
{
	struct seen *s = *state;
	struct loop_timer *busy = loop_timer_new(s->lp, on_timer_busy, s);

	s->timer = loop_timer_new(s->lp, on_timer, s);
	loop_timer_set(busy, 0);
	WAIT_FOR(s->lp, s->timers == 1);
	assert_true(mono_diff_ms(mono_now(), s->set) >= 49);
	loop_timer_free(busy);
}

static void
test_signal_stops_the_loop(void **state)
{
	struct seen *s = *state;

	s->signal = loop_signal_new(s->lp, SIGUSR1, on_signal, s);
	assert_int_equal(raise(SIGUSR1), 0);
	loop_run(s->lp);
	assert_int_equal(s->signals, 1);
}

static void
test_step_does_not_wait_when_told_so(void **state)
{
	struct seen *s = *state;
	struct mono start = mono_now();

	s->timer = loop_timer_new(s->lp, on_timer, s);
	loop_timer_set(s->timer, 60000);
	for (int i = 0; i < 1000; i++)
		loop_step(s->lp, 0);
	assert_true(mono_diff_ms(mono_now(), start) < 60000);
	loop_fd_free(NULL);
	loop_timer_free(NULL);
	loop_signal_free(NULL);
	loop_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_events_of_a_descriptor,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_is_first, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_timer_is_one_shot_and_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_is_not_early, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_signal_stops_the_loop,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_step_does_not_wait_when_told_so, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
