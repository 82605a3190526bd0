/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/xalloc.h"

/* Messages handled in one wake-up, so that timers stay on time. */
#define MSGS_PER_WAKEUP 64
#define READ_BYTES (256 * 1024)

struct chan {
	struct loop_fd *io;
	struct loop_timer *more; /* complete messages wait in `in` */
	struct loop_timer *soon; /* messages wait in `out` for the others */
	struct evbuffer *in;
	struct evbuffer *out;
	int fd;
	bool in_callback;
	bool closed; /* on_close was called */
	bool dead;
	chan_msg_cb *on_msg;
	chan_close_cb *on_close;
	void *arg;
};

static void
/* NOLINTNEXTLINE(readability-non-const-parameter): the cursor writes to it */
header_build(uint8_t out[CHAN_HEADER_BYTES], uint16_t type, size_t len)
{
	struct wcursor w = { .p = out, .left = CHAN_HEADER_BYTES };

	wcursor_be32(&w, (uint32_t)len);
	wcursor_be16(&w, type);
	wcursor_be16(&w, 0);
}

/* -1 when it is no header of ours. */
static int
header_parse(const uint8_t in[CHAN_HEADER_BYTES], uint16_t *type, size_t *len)
{
	struct cursor c = { .p = in, .left = CHAN_HEADER_BYTES };
	uint32_t body = cursor_be32(&c);

	*type = cursor_be16(&c);
	if (cursor_be16(&c) != 0 || body > CHAN_BODY_MAX)
		return -1;
	*len = body;
	return 0;
}

static void
chan_destroy(struct chan *ch)
{
	loop_fd_free(ch->io);
	loop_timer_free(ch->more);
	loop_timer_free(ch->soon);
	evbuffer_free(ch->in);
	evbuffer_free(ch->out);
	(void)close(ch->fd);
	free(ch);
}

void
chan_free(struct chan *ch)
{
	if (ch == NULL)
		return;
	ch->dead = true;
	if (!ch->in_callback)
		chan_destroy(ch);
}

/* 1: one message was handed up; 0: none is complete; -1: malformed. */
static int
chan_take_msg(struct chan *ch)
{
	uint8_t header[CHAN_HEADER_BYTES];
	struct chan_msg msg;

	if (evbuffer_copyout(ch->in, header, sizeof(header)) <
	    (ev_ssize_t)sizeof(header))
		return 0;
	if (header_parse(header, &msg.type, &msg.len) == -1)
		return -1;
	if (evbuffer_get_length(ch->in) < sizeof(header) + msg.len)
		return 0;
	(void)evbuffer_drain(ch->in, sizeof(header));
	msg.body = evbuffer_pullup(ch->in, (ev_ssize_t)msg.len);
	ch->on_msg(ch, &msg, ch->arg);
	if (!ch->dead)
		(void)evbuffer_drain(ch->in, msg.len);
	return 1;
}

/* Hands up what is complete; true if the channel is malformed. */
static bool
chan_take_msgs(struct chan *ch)
{
	int rc = 1;

	for (int i = 0; i < MSGS_PER_WAKEUP && rc == 1 && !ch->dead; i++)
		rc = chan_take_msg(ch);
	if (rc == 1 && !ch->dead)
		loop_timer_set(ch->more, 0);
	return rc == -1;
}

static void
chan_leave(struct chan *ch, bool closed)
{
	if (closed && !ch->dead) {
		loop_fd_set(ch->io, 0);
		loop_timer_cancel(ch->more);
		loop_timer_cancel(ch->soon);
		ch->closed = true;
		ch->on_close(ch, ch->arg);
	}
	ch->in_callback = false;
	if (ch->dead)
		chan_destroy(ch);
}

/* True when the channel is broken. */
static bool
chan_write_out(struct chan *ch)
{
	while (evbuffer_get_length(ch->out) > 0) {
		int n = evbuffer_write(ch->out, ch->fd);

		if (n == -1)
			return errno != EAGAIN && errno != EINTR;
		if (n == 0)
			break;
	}
	return false;
}

/*
 * What the peer sent before it died is still handed up: end of file counts
 * only when no complete message is left.
 */
static bool
chan_read_in(struct chan *ch)
{
	int n;

	/* What is here comes first: a fast peer must not fill our memory. */
	if (loop_timer_pending(ch->more))
		return false;
	n = evbuffer_read(ch->in, ch->fd, READ_BYTES);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (chan_take_msgs(ch))
		return true;
	return n <= 0 && !ch->dead && !loop_timer_pending(ch->more);
}

static void
chan_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct chan *ch = arg;
	bool closed = false;

	(void)lp;
	(void)fd;
	ch->in_callback = true;
	/* A broken pipe on writing shows as end of file on reading, after
	 * the peer's last messages. */
	if ((events & LOOP_WRITE) != 0 && chan_write_out(ch))
		(void)evbuffer_drain(ch->out, evbuffer_get_length(ch->out));
	if ((events & LOOP_READ) != 0)
		closed = chan_read_in(ch);
	if (!ch->dead && !closed) {
		bool is_full = evbuffer_get_length(ch->out) > 0 &&
		    !loop_timer_pending(ch->soon);

		loop_fd_set(ch->io, LOOP_READ | (is_full ? LOOP_WRITE : 0));
	}
	chan_leave(ch, closed);
}

static void
chan_on_more(struct loop *lp, void *arg)
{
	struct chan *ch = arg;
	bool closed;

	(void)lp;
	ch->in_callback = true;
	closed = chan_take_msgs(ch);
	chan_leave(ch, closed);
}

static void
chan_flush(struct chan *ch)
{
	if (chan_write_out(ch))
		(void)evbuffer_drain(ch->out, evbuffer_get_length(ch->out));
	if (evbuffer_get_length(ch->out) > 0)
		loop_fd_set(ch->io, LOOP_READ | LOOP_WRITE);
}

static void
chan_on_soon(struct loop *lp, void *arg)
{
	(void)lp;
	chan_flush(arg);
}

struct chan *
chan_new(struct loop *lp, int fd, chan_msg_cb *on_msg, chan_close_cb *on_close,
    void *arg)
{
	struct chan *ch = xcalloc(1, sizeof(*ch));
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	*ch = (struct chan){ .fd = fd,
		.in = evbuffer_new(),
		.out = evbuffer_new(),
		.on_msg = on_msg,
		.on_close = on_close,
		.arg = arg };
	if (ch->in == NULL || ch->out == NULL) {
		log_warnx("chan: no buffer");
		abort();
	}
	ch->more = loop_timer_new(lp, chan_on_more, ch);
	ch->soon = loop_timer_new(lp, chan_on_soon, ch);
	ch->io = loop_fd_new(lp, fd, LOOP_READ, chan_on_io, ch);
	return ch;
}

static void
chan_queue(struct chan *ch, uint16_t type, const void *body, size_t len)
{
	uint8_t header[CHAN_HEADER_BYTES];

	if (len > CHAN_BODY_MAX) {
		log_warnx("chan: message of %zu bytes: too long", len);
		abort();
	}
	header_build(header, type, len);
	(void)evbuffer_add(ch->out, header, sizeof(header));
	if (len > 0)
		(void)evbuffer_add(ch->out, body, len);
}

void
chan_send(struct chan *ch, uint16_t type, const void *body, size_t len)
{
	if (ch->closed)
		return;
	chan_queue(ch, type, body, len);
	chan_flush(ch);
}

void
chan_send_soon(struct chan *ch, uint16_t type, const void *body, size_t len)
{
	if (ch->closed)
		return;
	chan_queue(ch, type, body, len);
	if (!loop_timer_pending(ch->soon))
		loop_timer_set(ch->soon, 0);
}

size_t
chan_backlog_bytes(const struct chan *ch)
{
	return evbuffer_get_length(ch->out);
}

/* 1 all read, 0 end of file before the first byte, -1 error. */
static int
read_all(int fd, uint8_t *buf, size_t len, struct err *err)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, buf + got, len - got);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(err, "read");
		if (n == 0 && got == 0)
			return 0;
		if (n == 0) {
			return err_set(err, ERR_GONE,
			    "peer closed in a message");
		}
		got += (size_t)n;
	}
	return 1;
}

int
frame_read(int fd, uint8_t *buf, size_t size, struct chan_msg *msg,
    struct err *err)
{
	uint8_t header[CHAN_HEADER_BYTES];
	int rc = read_all(fd, header, sizeof(header), err);

	if (rc != 1)
		return rc;
	if (header_parse(header, &msg->type, &msg->len) == -1 ||
	    msg->len > size)
		return err_set(err, ERR_PROTO, "malformed message");
	msg->body = buf;
	if (msg->len == 0)
		return 1;
	rc = read_all(fd, buf, msg->len, err);
	if (rc == 0)
		return err_set(err, ERR_GONE, "peer closed in a message");
	return rc;
}

static int
write_all(int fd, const uint8_t *p, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(err, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
frame_write(int fd, uint16_t type, const void *body, size_t len,
    struct err *err)
{
	uint8_t header[CHAN_HEADER_BYTES];

	if (len > CHAN_BODY_MAX)
		return err_set(err, ERR_PROTO, "message of %zu bytes", len);
	header_build(header, type, len);
	if (write_all(fd, header, sizeof(header), err) == -1)
		return -1;
	return write_all(fd, body, len, err);
}

bool
frames_add(struct frames *fs, uint16_t type, const void *body, size_t len)
{
	if (len > CHAN_BODY_MAX || fs->size - fs->len < CHAN_HEADER_BYTES ||
	    fs->size - fs->len - CHAN_HEADER_BYTES < len)
		return false;
	header_build(fs->buf + fs->len, type, len);
	memcpy(fs->buf + fs->len + CHAN_HEADER_BYTES, body, len);
	fs->len += CHAN_HEADER_BYTES + len;
	return true;
}

int
frames_write(int fd, const struct frames *fs, struct err *err)
{
	return write_all(fd, fs->buf, fs->len, err);
}
