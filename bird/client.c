/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "bird/session.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000
#define READ_BYTES 65536
/* Reads per wake-up, so that timers stay on time. */
#define BURST_MAX 16
#define COMMAND_MAX_BYTES 1000
/* BIRD 2.0.12 reads commands into a buffer of 1024 bytes. */
#define HURRIED_MAX_BYTES 512u
#define GREETING_CODE 1
/* A timer that is later than that: the loop stood still. */
#define STOOD_MS 100
#define LAST_WAIT_MS 20

enum state {
	DOWN,
	GREETING, /* connected, nothing heard yet */
	UP,
};

struct command {
	TAILQ_ENTRY(command) entry;
	char *text; /* with newline */
	bird_reply_cb *cb;
	void *arg;
	bool is_sent;
};
TAILQ_HEAD(command_queue, command);

struct bird_client {
	struct loop *lp;
	char *path;
	int64_t timeout_ms;
	struct bird_client_ops ops;
	void *arg;
	enum state state;
	int fd;
	struct loop_fd *io;
	struct loop_timer *retry;
	struct loop_timer *timeout;
	struct mono due;   /* of the timeout */
	bool is_last_wait; /* it was due before */
	bool is_held;      /* until bird_client_hurry */
	bool is_flooding;  /* there was more than is read in one wake-up */
	int64_t pause_ms;
	struct bird_reader *reader;
	/* The first was sent and waits for its reply; so do those behind it
	 * that were hurried. */
	struct command_queue queue;
	bool in_callback;
	bool is_freed;
	char version[32];
};

static void client_send_next(struct bird_client *bc);

static void
command_free(struct command *cmd)
{
	free(cmd->text);
	free(cmd);
}

/* The first command, taken out; NULL when there is none. */
static struct command *
queue_take(struct command_queue *queue)
{
	struct command *cmd = TAILQ_FIRST(queue);

	if (cmd != NULL) {
		TAILQ_REMOVE(queue, cmd, entry);
		assert(TAILQ_FIRST(queue) != cmd);
	}
	return cmd;
}

static void
client_destroy(struct bird_client *bc)
{
	struct command *cmd;

	while ((cmd = queue_take(&bc->queue)) != NULL)
		command_free(cmd);
	loop_fd_free(bc->io);
	loop_timer_free(bc->retry);
	loop_timer_free(bc->timeout);
	if (bc->fd != -1)
		(void)close(bc->fd);
	bird_reader_free(bc->reader);
	free(bc->path);
	free(bc);
}

void
bird_client_free(struct bird_client *bc)
{
	if (bc == NULL)
		return;
	bc->is_freed = true;
	if (!bc->in_callback)
		client_destroy(bc);
}

static void
wait_reply(struct bird_client *bc)
{
	bc->is_last_wait = false;
	bc->due = mono_add_ms(mono_now(), bc->timeout_ms);
	loop_timer_set_at(bc->timeout, bc->due);
}

/* The reply may lie there: once around the loop.  If it is we who stood still,
 * BIRD may have done so with us, and gets its time.  Only once: a loop that is
 * always late must not make a silent BIRD look alive. */
static void
wait_last(struct bird_client *bc)
{
	bool stood = mono_diff_ms(mono_now(), bc->due) > STOOD_MS;

	bc->is_last_wait = true;
	loop_timer_set(bc->timeout, stood ? bc->timeout_ms : LAST_WAIT_MS);
}

bool
bird_client_is_up(const struct bird_client *bc)
{
	return bc->state == UP;
}

/* Closes, calls back all pending commands, arms the next try. */
static void
client_down(struct bird_client *bc, const struct err *err)
{
	struct command *cmd;

	loop_fd_free(bc->io);
	bc->io = NULL;
	if (bc->fd != -1)
		(void)close(bc->fd);
	bc->fd = -1;
	bc->state = DOWN;
	bc->is_held = false;
	loop_timer_cancel(bc->timeout);
	bird_reader_reset(bc->reader);
	loop_timer_set(bc->retry, bc->pause_ms);
	bc->pause_ms =
	    bc->pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : bc->pause_ms * 2;

	/* It is down: what is called back cannot send another. */
	while ((cmd = queue_take(&bc->queue)) != NULL) {
		if (!bc->is_freed)
			cmd->cb(NULL, err, cmd->arg);
		command_free(cmd);
	}
	if (!bc->is_freed)
		bc->ops.on_down(err, bc->arg);
}

static void
client_on_greeting(struct bird_client *bc, const struct bird_reply *reply)
{
	static const char before[] = "BIRD ";
	const char *text = reply->lines[0].text;
	struct err err;
	size_t n;

	if (reply->code != GREETING_CODE ||
	    strncmp(text, before, sizeof(before) - 1) != 0) {
		err_set(&err, ERR_PROTO, "bird: greeting %04u %.60s",
		    reply->code, text);
		client_down(bc, &err);
		return;
	}
	text += sizeof(before) - 1;
	n = strcspn(text, " ");
	if (n >= sizeof(bc->version))
		n = sizeof(bc->version) - 1;
	memcpy(bc->version, text, n);
	bc->version[n] = '\0';
	bc->state = UP;
	bc->pause_ms = RETRY_MIN_MS;
	loop_timer_cancel(bc->timeout);
	bc->ops.on_up(bc->version, bc->arg);
}

static void
client_on_reply(struct bird_client *bc, const struct bird_reply *reply)
{
	struct command *cmd = TAILQ_FIRST(&bc->queue);
	struct err err;

	if (bc->state == GREETING) {
		client_on_greeting(bc, reply);
		return;
	}
	if (cmd == NULL || !cmd->is_sent) {
		err_set(&err, ERR_PROTO, "bird: reply %04u to no command",
		    reply->code);
		client_down(bc, &err);
		return;
	}
	(void)queue_take(&bc->queue);
	loop_timer_cancel(bc->timeout);
	cmd->cb(reply, NULL, cmd->arg);
	command_free(cmd);
	if (bc->state == UP && !bc->is_freed)
		client_send_next(bc);
}

static bool
is_waiting(const struct bird_client *bc)
{
	const struct command *cmd = TAILQ_FIRST(&bc->queue);

	return cmd != NULL && cmd->is_sent;
}

static void
client_take_bytes(struct bird_client *bc, const char *bytes, size_t len)
{
	while (len > 0 && bc->state != DOWN && !bc->is_freed) {
		const struct bird_reply *reply;
		struct err err;
		size_t used;
		int rc = bird_reader_feed(bc->reader, bytes, len, &used, &reply,
		    &err);

		bytes += used;
		len -= used;
		if (rc == -1) {
			client_down(bc, &err);
		} else if (rc == 1) {
			client_on_reply(bc, reply);
		} else if (is_waiting(bc)) {
			/* A long listing is alive as long as it flows. */
			wait_reply(bc);
		}
	}
}

/* Others wait for what we do with a reply, so it is handled before all else;
 * but not a listing that flows faster than it is read. */
static unsigned
client_events(const struct bird_client *bc)
{
	return LOOP_READ | (bc->is_flooding ? 0 : LOOP_FIRST);
}

static void
client_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	static char buf[READ_BYTES];
	struct bird_client *bc = arg;

	(void)lp;
	(void)events;
	bc->in_callback = true;
	bc->is_flooding = true;
	for (int i = 0; i < BURST_MAX && bc->state != DOWN; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		struct err err;

		if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
			bc->is_flooding = false;
			break;
		}
		if (n > 0) {
			client_take_bytes(bc, buf, (size_t)n);
			if (bc->is_freed)
				break;
			continue;
		}
		if (n == 0) {
			err_set(&err, ERR_GONE, "bird: session closed");
		} else {
			err_sys(&err, "bird: recv");
		}
		client_down(bc, &err);
	}
	bc->in_callback = false;
	if (bc->is_freed) {
		client_destroy(bc);
	} else if (bc->io != NULL) {
		loop_fd_set(bc->io, client_events(bc));
	}
}

static void
client_on_timeout(struct loop *lp, void *arg)
{
	struct bird_client *bc = arg;
	struct command *cmd = TAILQ_FIRST(&bc->queue);
	struct err err;

	(void)lp;
	if (!bc->is_last_wait) {
		wait_last(bc);
		return;
	}
	if (bc->state == GREETING) {
		err_set(&err, ERR_TIMEOUT, "bird: no greeting in %lld ms",
		    (long long)bc->timeout_ms);
	} else {
		err_set(&err, ERR_TIMEOUT,
		    "bird: no reply in %lld ms to \"%.*s\"",
		    (long long)bc->timeout_ms,
		    cmd != NULL ? (int)strcspn(cmd->text, "\n") : 0,
		    cmd != NULL ? cmd->text : "");
	}
	bc->in_callback = true;
	client_down(bc, &err);
	bc->in_callback = false;
	if (bc->is_freed)
		client_destroy(bc);
}

static void
client_on_retry(struct loop *lp, void *arg)
{
	struct bird_client *bc = arg;
	struct err err;

	bc->fd = bird_session_connect(bc->path, &err);
	if (bc->fd == -1) {
		bc->in_callback = true;
		client_down(bc, &err);
		bc->in_callback = false;
		if (bc->is_freed)
			client_destroy(bc);
		return;
	}
	bc->state = GREETING;
	bc->is_flooding = false;
	bc->io = loop_fd_new(lp, bc->fd, client_events(bc), client_on_io, bc);
	wait_reply(bc);
}

struct bird_client *
bird_client_new(struct loop *lp, const char *path, int64_t timeout_ms,
    const struct bird_client_ops *ops, void *arg)
{
	struct bird_client *bc = xcalloc(1, sizeof(*bc));

	*bc = (struct bird_client){ .lp = lp,
		.path = xstrdup(path),
		.timeout_ms = timeout_ms,
		.ops = *ops,
		.arg = arg,
		.fd = -1,
		.pause_ms = RETRY_MIN_MS,
		.reader = bird_reader_new() };
	TAILQ_INIT(&bc->queue);
	bc->retry = loop_timer_new(lp, client_on_retry, bc);
	bc->timeout = loop_timer_new(lp, client_on_timeout, bc);
	loop_timer_set(bc->retry, 0);
	return bc;
}

/* A failure shows as a closed session or as a missing reply. */
static void
client_write(const struct bird_client *bc, const char *text, size_t len)
{
	if (send(bc->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)len)
		log_debug("bird: command not taken");
}

/*
 * One command is on its way at a time, or a few small ones, far smaller than
 * the socket's buffer: a short or refused write means that BIRD does not read
 * at all.
 */
static void
client_send_next(struct bird_client *bc)
{
	struct command *cmd = TAILQ_FIRST(&bc->queue);

	if (cmd == NULL || (bc->is_held && !cmd->is_sent))
		return;
	if (!cmd->is_sent)
		client_write(bc, cmd->text, strlen(cmd->text));
	cmd->is_sent = true;
	wait_reply(bc);
}

int
bird_client_send(struct bird_client *bc, const char *command, bird_reply_cb *cb,
    void *arg)
{
	struct command *cmd;

	if (bc->state != UP || strlen(command) > COMMAND_MAX_BYTES)
		return -1;
	cmd = xcalloc(1, sizeof(*cmd));
	*cmd = (struct command){
		.text = xasprintf("%s\n", command), .cb = cb, .arg = arg
	};
	TAILQ_INSERT_TAIL(&bc->queue, cmd, entry);
	/* Else in its turn. */
	if (TAILQ_FIRST(&bc->queue) == cmd)
		client_send_next(bc);
	return 0;
}

void
bird_client_hold(struct bird_client *bc)
{
	bc->is_held = bc->state == UP;
}

void
bird_client_hurry(struct bird_client *bc)
{
	char text[HURRIED_MAX_BYTES + 1];
	bool was_waiting = is_waiting(bc);
	struct command *cmd;
	size_t len = 0;

	bc->is_held = false;
	TAILQ_FOREACH (cmd, &bc->queue, entry) {
		size_t n = strlen(cmd->text);

		if (cmd->is_sent)
			continue;
		if (len + n > HURRIED_MAX_BYTES)
			break;
		memcpy(text + len, cmd->text, n);
		len += n;
		cmd->is_sent = true;
	}
	if (len > 0)
		client_write(bc, text, len);
	/* The first may be too long for a place among others. */
	if (!was_waiting)
		client_send_next(bc);
}
