/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CHAN_H
#define BASE_CHAN_H
/*
 * chan -- messages between the daemon's processes over a socketpair.
 *
 *	0       4       6       8
 *	| body length   | type  | zero  | body ...
 *
 * All big-endian; a body has at most CHAN_BODY_MAX bytes.  A malformed header
 * closes the channel: the peer is a process of ours gone mad.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define CHAN_BODY_MAX (1u << 20)
#define CHAN_HEADER_BYTES 8u

struct chan_msg {
	uint16_t type;
	const uint8_t *body; /* borrowed for the call */
	size_t len;
};

struct chan;

typedef void chan_msg_cb(struct chan *ch, const struct chan_msg *msg,
    void *arg);
/* The peer is gone or mad. Called once; chan_free may be called in it. */
typedef void chan_close_cb(struct chan *ch, void *arg);

/* Takes over fd (made non-blocking). */
struct chan *chan_new(struct loop *lp, int fd, chan_msg_cb *on_msg,
    chan_close_cb *on_close, void *arg);
void chan_free(struct chan *ch);
/* Queued, never blocks. */
void chan_send(struct chan *ch, uint16_t type, const void *body, size_t len);
/* The same, but handed to the kernel when the loop turns, together with what
 * else is sent until then: the peer is woken up once. */
void chan_send_soon(struct chan *ch, uint16_t type, const void *body,
    size_t len);
/* Bytes queued and not yet taken by the kernel. */
size_t chan_backlog_bytes(const struct chan *ch);

/*
 * For workers that block by nature.  frame_read: 1 a message was read into
 * buf (msg->body points into it), 0 end of file, -1 error.
 */
int frame_read(int fd, uint8_t *buf, size_t size, struct chan_msg *msg,
    struct err *err);
int frame_write(int fd, uint16_t type, const void *body, size_t len,
    struct err *err);
/* Appends a message to what is in buf, to be written at once by frames_write;
 * false if there is no room for it. */
struct frames {
	uint8_t *buf;
	size_t size, len;
};
bool frames_add(struct frames *fs, uint16_t type, const void *body, size_t len);
int frames_write(int fd, const struct frames *fs, struct err *err);

#endif /* BASE_CHAN_H */
