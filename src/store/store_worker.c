/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store process.  It takes what main has sent so far as one batch, writes
 * it in one transaction and acknowledges the last of it: many rows, one fsync.
 * A batch that cannot be written is tried again until it can, and meanwhile
 * nothing more is read: the rows wait in main.
 *
 * When main is gone, what it had sent is still written; with a bound in time,
 * since a full disk may never get room again and another store process may
 * serve another main by then.
 */
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "store/schema.h"
#include "store/store_wire.h"
#include "store/writer.h"

#define BATCH_ROWS 4096u
#define BATCH_BYTES (8u << 20)
#define BATCH_FIRST_BYTES (2u << 20)
#define RETRY_MS 1000
#define GIVE_UP_MS 60000

struct frame {
	uint16_t type;
	size_t at; /* in batch.buf, which moves when it grows */
	size_t len;
};

struct batch {
	struct frame *frames;
	size_t n, room;
	uint8_t *buf;
	size_t used, size;
};

struct process {
	int fd;
	char *path;
	char boot[STORE_BOOT_BYTES + 1];
	struct writer *writer; /* NULL: to be opened */
	struct batch batch;
	bool is_eof;  /* nothing more to read */
	bool is_gone; /* main is; since when: */
	struct mono gone_at;
	/* What main was told last, "" if all is well. */
	char alarm[STORE_ALARM_BYTES_MAX];
	bool skips_expiry; /* this batch: it is what there was no room for */
	/* Rows of this batch that can never be written, and why the last. */
	size_t n_refused;
	struct err refused;
};

static struct chan_msg
batch_msg(const struct batch *b, size_t i)
{
	return (struct chan_msg){ .type = b->frames[i].type,
		.body = b->buf + b->frames[i].at,
		.len = b->frames[i].len };
}

static void
batch_add(struct batch *b, const struct chan_msg *msg)
{
	if (b->n == b->room) {
		b->room = b->room > 0 ? b->room * 2 : BATCH_ROWS;
		b->frames =
		    xreallocarray(b->frames, b->room, sizeof(b->frames[0]));
	}
	b->frames[b->n++] =
	    (struct frame){ .type = msg->type, .at = b->used, .len = msg->len };
	b->used += msg->len;
}

static void
batch_make_room(struct batch *b)
{
	while (b->size - b->used < CHAN_BODY_MAX) {
		b->size = b->size > 0 ? b->size * 2 : BATCH_FIRST_BYTES;
		b->buf = xreallocarray(b->buf, b->size, 1);
	}
}

/* Does the next row belong to the same transaction as the last one? */
static bool
batch_is_open(const struct batch *b)
{
	struct chan_msg msg;

	if (b->n == 0)
		return false;
	msg = batch_msg(b, b->n - 1);
	return store_wire_has_more(&msg);
}

static bool
is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
main_is_gone(struct process *p)
{
	if (p->is_gone)
		return;
	p->is_gone = true;
	p->gone_at = mono_now();
}

/* False at the end of what main has sent. */
static bool
read_frame(struct process *p, struct chan_msg *msg)
{
	struct batch *b = &p->batch;
	struct err err = { 0 };
	int rc;

	batch_make_room(b);
	rc = frame_read(p->fd, b->buf + b->used, b->size - b->used, msg, &err);
	if (rc == 1)
		return true;
	/* A row cut off by main's death was never complete.  The reset: main
	 * had not read all that we told it; what it sent comes before. */
	if (rc == -1 && err.sys != ECONNRESET)
		log_warnx("main: %s", err.msg);
	p->is_eof = true;
	main_is_gone(p);
	return false;
}

/* Waits for a row, then takes what is there, at least whole transactions. */
static void
batch_fill(struct process *p)
{
	struct batch *b = &p->batch;
	struct chan_msg msg;

	b->n = 0;
	b->used = 0;
	p->skips_expiry = false;
	do {
		if (!read_frame(p, &msg))
			break;
		batch_add(b, &msg);
	} while (batch_is_open(b) ||
	    (b->n < BATCH_ROWS && b->used < BATCH_BYTES && is_readable(p->fd)));
	/* The rest of a transaction died with main. */
	while (batch_is_open(b))
		b->n--;
}

static void
refuse_row(struct process *p, const struct err *why)
{
	p->n_refused++;
	p->refused = *why;
}

/* 0, or -1 with err: nothing of the batch is written. */
static int
batch_write(struct process *p, struct err *err)
{
	p->n_refused = 0;
	if (writer_begin(p->writer, err) == -1)
		return -1;
	for (size_t i = 0; i < p->batch.n; i++) {
		struct chan_msg msg = batch_msg(&p->batch, i);
		enum writer_result rc = WRITER_BAD_ROW;
		struct store_row row;

		if (msg.type == STORE_MSG_EXPIRE && p->skips_expiry)
			continue;
		if (store_wire_decode(&msg, &row, err) == 0)
			rc = writer_put(p->writer, &row, p->boot, err);
		if (rc == WRITER_TROUBLE)
			return -1;
		if (rc == WRITER_BAD_ROW)
			refuse_row(p, err);
	}
	return writer_commit(p->writer, err);
}

static int
batch_try(struct process *p, struct err *err)
{
	if (p->writer == NULL)
		p->writer = writer_open(p->path, err);
	if (p->writer == NULL)
		return -1;
	if (batch_write(p, err) == 0)
		return 0;
	writer_rollback(p->writer);
	if (writer_must_reopen(p->writer)) {
		writer_close(p->writer);
		p->writer = NULL;
	}
	return -1;
}

static void
tell_main(struct process *p, enum store_msg type, const void *body, size_t len)
{
	struct err err = { 0 };

	if (p->is_gone)
		return;
	if (frame_write(p->fd, (uint16_t)type, body, len, &err) == -1)
		main_is_gone(p);
}

/* text: "" when all is well again.  Each news is told once. */
static void
set_alarm(struct process *p, const char *text)
{
	size_t len = strnlen(text, sizeof(p->alarm) - 1);

	if (strncmp(p->alarm, text, sizeof(p->alarm) - 1) == 0)
		return;
	if (len > 0) {
		log_warnx("%s", text);
	} else {
		log_info("trouble is over");
	}
	memcpy(p->alarm, text, len);
	p->alarm[len] = '\0';
	tell_main(p, STORE_MSG_ALARM, p->alarm, len);
}

/* Sleeps until the next try; false if there is no point in one. */
static bool
wait_retry(struct process *p)
{
	struct pollfd pfd = { .fd = p->is_gone ? -1 : p->fd,
		.events = POLLRDHUP };

	if (poll(&pfd, 1, RETRY_MS) == 1)
		main_is_gone(p);
	return !p->is_gone || mono_diff_ms(mono_now(), p->gone_at) < GIVE_UP_MS;
}

static void
report_refused(struct process *p)
{
	char text[STORE_ALARM_BYTES_MAX];

	if (p->n_refused == 0) {
		set_alarm(p, "");
		return;
	}
	(void)snprintf(text, sizeof(text), "%zu rows lost, the last: %s",
	    p->n_refused, p->refused.msg);
	set_alarm(p, text);
}

static void
acknowledge(struct process *p)
{
	uint8_t body[sizeof(uint64_t)];
	struct wcursor w = { .p = body, .left = sizeof(body) };
	uint64_t seq = 0;

	/* One too short to have a sequence is covered by its neighbours. */
	for (size_t i = p->batch.n; i > 0 && seq == 0; i--) {
		struct chan_msg msg = batch_msg(&p->batch, i - 1);

		seq = store_wire_seq(&msg);
	}
	store_wire_put_ack(&w, seq);
	tell_main(p, STORE_MSG_ACK, body, sizeof(body));
}

/* Writes the batch whatever it takes; false if it had to give up. */
static bool
batch_commit(struct process *p)
{
	struct err err = { 0 };

	while (batch_try(p, &err) == -1) {
		p->skips_expiry = true;
		set_alarm(p, err.msg);
		if (!wait_retry(p)) {
			log_warnx("main is gone: gave up, %zu rows lost",
			    p->batch.n);
			return false;
		}
	}
	report_refused(p);
	acknowledge(p);
	return true;
}

static char *
text_dup(const struct store_text *t)
{
	char *dup = xcalloc(1, t->len + 1);

	memcpy(dup, t->p, t->len);
	return dup;
}

/* The first message says where to write. */
static bool
read_init(struct process *p)
{
	struct store_row row;
	struct chan_msg msg;
	struct err err = { 0 };

	if (!read_frame(p, &msg))
		return false;
	if (msg.type != STORE_MSG_INIT) {
		log_warnx("main: message of type %u before init", msg.type);
		return false;
	}
	if (store_wire_decode(&msg, &row, &err) == -1) {
		log_warnx("main: %s", err.msg);
		return false;
	}
	p->path = text_dup(&row.u.init.path);
	memcpy(p->boot, row.u.init.boot.p, STORE_BOOT_BYTES);
	return true;
}

/* 0: all that main has sent is written. */
static int
serve(struct process *p)
{
	while (!p->is_eof) {
		batch_fill(p);
		if (p->batch.n > 0 && !batch_commit(p))
			return 1;
	}
	if (p->writer != NULL)
		writer_checkpoint(p->writer);
	return 0;
}

int
store_main(int chan_fd)
{
	struct process p = { .fd = chan_fd };
	int rc = 0;

	/* A limit on the file's size is an error of write(2), like a full disk;
	 * main's death one of the next write to it. */
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (read_init(&p))
		rc = serve(&p);
	writer_close(p.writer);
	free(p.batch.frames);
	free(p.batch.buf);
	free(p.path);
	return rc;
}

int
store_prepare(const char *path, struct err *err)
{
	sqlite3 *db = schema_open(path, err);

	if (db == NULL)
		return -1;
	(void)sqlite3_close(db);
	return 0;
}
