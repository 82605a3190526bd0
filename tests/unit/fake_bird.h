/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FAKE_BIRD_H
#define FAKE_BIRD_H
/*
 * fake_bird -- the other end of BIRD's control socket, in the test's own loop:
 * says what a test tells it to, also what no BIRD would say.  One session at a
 * time: a new one takes the place of the last.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/xalloc.h"
#include "test.h"

#define FAKE_GREETING "0001 BIRD 2.0.12 ready.\n"
#define FAKE_LINE_BYTES 1100u

/* Steps the loop until cond holds; fails the test if it does not in time. */
#define WAIT_UNTIL(lp, cond)                                                   \
	do {                                                                   \
		const struct mono wait_end =                                   \
		    mono_add_ms(mono_now(), WAIT_MAX_MS);                      \
		while (!(cond) && mono_before(mono_now(), wait_end))           \
			loop_step((lp), 5);                                    \
		assert_true(cond);                                             \
	} while (0)

/* Lets time pass in which nothing must happen. */
static inline void
loop_idle(struct loop *lp, int ms)
{
	const struct mono end = mono_add_ms(mono_now(), ms);

	while (mono_before(mono_now(), end))
		loop_step(lp, 5);
}

struct fake_bird;

/* The reply to one command, borrowed; NULL: none. */
typedef const char *fake_answer_fn(struct fake_bird *fake, const char *command);

struct fake_bird {
	struct loop *lp;
	char dir[64];
	char path[96];
	int listen_fd; /* -1: none */
	struct loop_fd *listen_io;
	int fd; /* -1: none */
	struct loop_fd *io;
	struct loop_timer *drip;
	char *out; /* not sent yet */
	size_t out_len;
	size_t piece;         /* bytes at a time; 0: all at once */
	int64_t pause_ms;     /* between pieces */
	const char *greeting; /* NULL: none */
	const char *endless;  /* said again and again */
	fake_answer_fn *answer;
	void *arg;
	unsigned accepted, commands;
	char line[FAKE_LINE_BYTES];
	size_t line_len;
};

static inline void
fake_hang_up(struct fake_bird *fake)
{
	loop_fd_free(fake->io);
	fake->io = NULL;
	if (fake->fd != -1)
		(void)close(fake->fd);
	fake->fd = -1;
	fake->line_len = 0;
	fake->out_len = 0;
	loop_timer_cancel(fake->drip);
}

static inline void
fake_say(struct fake_bird *fake, const char *text)
{
	size_t len = strlen(text);

	fake->out = xreallocarray(fake->out, fake->out_len + len + 1, 1);
	memcpy(fake->out + fake->out_len, text, len);
	fake->out_len += len;
	if (!loop_timer_pending(fake->drip))
		loop_timer_set(fake->drip, 0);
}

static inline void
fake_on_drip(struct loop *lp, void *arg)
{
	struct fake_bird *fake = arg;
	size_t n = fake->out_len;
	ssize_t sent;

	(void)lp;
	if (fake->piece > 0 && n > fake->piece)
		n = fake->piece;
	sent = send(fake->fd, fake->out, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent == -1 && errno != EAGAIN) {
		fake_hang_up(fake);
		return;
	}
	if (sent > 0) {
		fake->out_len -= (size_t)sent;
		memmove(fake->out, fake->out + sent, fake->out_len);
	}
	if (fake->out_len == 0 && fake->endless != NULL)
		fake_say(fake, fake->endless);
	if (fake->out_len > 0)
		loop_timer_set(fake->drip, sent == -1 ? 1 : fake->pause_ms);
}

static inline void
fake_take_byte(struct fake_bird *fake, char c)
{
	const char *reply;

	assert_true(fake->line_len < FAKE_LINE_BYTES - 1);
	if (c != '\n') {
		fake->line[fake->line_len++] = c;
		return;
	}
	fake->line[fake->line_len] = '\0';
	fake->line_len = 0;
	fake->commands++;
	reply = fake->answer != NULL ? fake->answer(fake, fake->line) : NULL;
	if (reply != NULL)
		fake_say(fake, reply);
}

static inline void
fake_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct fake_bird *fake = arg;
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)lp;
	(void)events;
	if (n == 0 || (n == -1 && errno != EAGAIN)) {
		fake_hang_up(fake);
		return;
	}
	for (ssize_t i = 0; i < n && fake->fd == fd; i++)
		fake_take_byte(fake, buf[i]);
}

static inline void
fake_on_accept(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct fake_bird *fake = arg;
	int fresh = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	assert_int_not_equal(fresh, -1);
	fake_hang_up(fake);
	fake->accepted++;
	fake->fd = fresh;
	fake->io = loop_fd_new(lp, fresh, LOOP_READ, fake_on_io, fake);
	if (fake->greeting != NULL)
		fake_say(fake, fake->greeting);
}

/* Takes over from a socket that a crash left, as BIRD does. */
static inline void
fake_listen(struct fake_bird *fake, int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", fake->path);
	(void)unlink(fake->path);
	fake->listen_fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fake->listen_fd, -1);
	assert_int_equal(bind(fake->listen_fd, (struct sockaddr *)&sa,
			     sizeof(sa)),
	    0);
	assert_int_equal(listen(fake->listen_fd, backlog), 0);
	fake->listen_io = loop_fd_new(fake->lp, fake->listen_fd, LOOP_READ,
	    fake_on_accept, fake);
}

/* As killed: the session ends, and the socket's name stays. */
static inline void
fake_die(struct fake_bird *fake)
{
	fake_hang_up(fake);
	loop_fd_free(fake->listen_io);
	fake->listen_io = NULL;
	if (fake->listen_fd != -1)
		(void)close(fake->listen_fd);
	fake->listen_fd = -1;
}

/* As stopped: who connects is not accepted. */
static inline void
fake_freeze(struct fake_bird *fake, bool frozen)
{
	loop_fd_set(fake->listen_io, frozen ? 0 : LOOP_READ);
	if (fake->io != NULL)
		loop_fd_set(fake->io, frozen ? 0 : LOOP_READ);
}

/* With a folder of its own; listens to nobody yet. */
static inline void
fake_init(struct fake_bird *fake, struct loop *lp)
{
	*fake = (struct fake_bird){
		.lp = lp, .listen_fd = -1, .fd = -1, .greeting = FAKE_GREETING
	};
	(void)snprintf(fake->dir, sizeof(fake->dir), "/tmp/test_bird.XXXXXX");
	assert_non_null(mkdtemp(fake->dir));
	(void)snprintf(fake->path, sizeof(fake->path), "%s/bird.ctl",
	    fake->dir);
	fake->drip = loop_timer_new(lp, fake_on_drip, fake);
}

static inline void
fake_fini(struct fake_bird *fake)
{
	fake_die(fake);
	loop_timer_free(fake->drip);
	free(fake->out);
	(void)unlink(fake->path);
	(void)rmdir(fake->dir);
}

#endif /* FAKE_BIRD_H */
