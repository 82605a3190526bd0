/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_CLIENT_H
#define BIRD_CLIENT_H
/*
 * client -- one session with BIRD's control socket, in the loop.
 *
 * Connects by itself, with a growing pause, and says so.  Commands are sent one
 * after the other; each gets exactly one callback.  BIRD that is stopped
 * accepts connections and says nothing, so the greeting and every reply have a
 * time limit; past it the session is closed and opened again.
 */
#include <stdbool.h>

#include "base/loop.h"
#include "bird/reply.h"

struct bird_client;

/* reply is NULL when none came: err says why (borrowed for the call). */
typedef void bird_reply_cb(const struct bird_reply *reply,
    const struct err *err, void *arg);

struct bird_client_ops {
	/* Greeted: commands may be sent. version such as "2.0.12". */
	void (*on_up)(const char *version, void *arg);
	/* The session ended; pending commands were called back before. */
	void (*on_down)(const struct err *err, void *arg);
};

/* BIRD is silent when it does not go on with a reply for timeout_ms, in which
 * the loop turned: what was paused as a whole is none the wiser. */
struct bird_client *bird_client_new(struct loop *lp, const char *path,
    int64_t timeout_ms, const struct bird_client_ops *ops, void *arg);
/* Pending commands are not called back. */
void bird_client_free(struct bird_client *bc);
bool bird_client_is_up(const struct bird_client *bc);

/*
 * Sends one command, without newline, at most 1000 bytes.  -1 if the session
 * is down: cb will not be called.
 */
int bird_client_send(struct bird_client *bc, const char *command,
    bird_reply_cb *cb, void *arg);

/*
 * What is sent from here on waits for bird_client_hurry, or for the session's
 * end.  Each write wakes BIRD, on the writer's core: whoever writes twice waits
 * for what BIRD does in between.
 */
void bird_client_hold(struct bird_client *bc);
/*
 * Sends what is queued up to here, in one write and without waiting for the
 * replies before it, as far as that is not more than a few short commands: BIRD
 * goes through them one after the other, and answers in their order.
 */
void bird_client_hurry(struct bird_client *bc);

#endif /* BIRD_CLIENT_H */
