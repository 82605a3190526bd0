/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mono.h"
#include "bird/reply.h"
#include "bird/session.h"

#define CODE_GREETING 1
#define CODE_RECONFIGURED 3
#define CODE_QUEUED 5
#define CODE_CONFIG_OK 20
#define CODE_RUNTIME_ERRORS 8000

typedef void take_cb(const struct bird_reply *reply, struct bird_survey *s);

/* One reply within timeout_ms, whose code must be one of first to last. */
struct expected {
	unsigned first, last;
	int64_t timeout_ms;
	take_cb *take; /* NULL: its code says all */
	struct bird_survey *survey;
};

static int
judge(const struct bird_reply *reply, const struct expected *want,
    struct err *err)
{
	if (reply->code < want->first || reply->code > want->last) {
		return err_set(err, ERR_BIRD, "bird: %04u %s", reply->code,
		    bird_reply_text(reply));
	}
	if (want->take != NULL)
		want->take(reply, want->survey);
	return 0;
}

static int
read_reply(int fd, struct bird_reader *reader, const struct expected *want,
    struct err *err)
{
	struct mono end = mono_add_ms(mono_now(), want->timeout_ms);

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int64_t left = mono_diff_ms(end, mono_now());
		const struct bird_reply *reply;
		char buf[4096];
		size_t used;
		ssize_t n;
		int rc;

		if (left <= 0 || poll(&pfd, 1, (int)left) == 0) {
			return err_set(err, ERR_TIMEOUT,
			    "bird: no answer in %lld ms",
			    (long long)want->timeout_ms);
		}
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return err_set(err, ERR_GONE, "bird: session closed");
		/* One command, one reply: what follows it is not ours. */
		rc = bird_reader_feed(reader, buf, (size_t)n, &used, &reply,
		    err);
		if (rc == -1)
			return -1;
		if (rc == 1)
			return judge(reply, want, err);
	}
}

/* command: with its newline. */
static int
ask(const char *path, const char *command, const struct expected *want,
    struct err *err)
{
	const struct expected greeting = { CODE_GREETING, CODE_GREETING,
		want->timeout_ms, NULL, NULL };
	struct bird_reader *reader = bird_reader_new();
	int fd = bird_session_connect(path, err), rc = -1;

	if (fd == -1)
		goto out;
	if (read_reply(fd, reader, &greeting, err) == -1)
		goto out;
	if (send(fd, command, strlen(command), MSG_NOSIGNAL) == -1) {
		err_set(err, ERR_GONE, "bird: session closed");
		goto out;
	}
	rc = read_reply(fd, reader, want, err);
out:
	if (fd != -1)
		(void)close(fd);
	bird_reader_free(reader);
	return rc;
}

int
bird_ask_configure(const char *path, int64_t timeout_ms, struct err *err)
{
	const struct expected accepted = { CODE_RECONFIGURED, CODE_QUEUED,
		timeout_ms, NULL, NULL };

	return ask(path, "configure soft\n", &accepted, err);
}

int
bird_ask_check(const char *path, int64_t timeout_ms, struct err *err)
{
	const struct expected well = { CODE_CONFIG_OK, CODE_CONFIG_OK,
		timeout_ms, NULL, NULL };

	return ask(path, "configure check\n", &well, err);
}

static void
take_protocols(const struct bird_reply *reply, struct bird_survey *s)
{
	s->n_protocols =
	    bird_show_protocols(reply, s->protocols, BIRD_PROTOCOLS_MAX);
	if (s->n_protocols > BIRD_PROTOCOLS_MAX)
		s->n_protocols = BIRD_PROTOCOLS_MAX;
}

static void
take_status(const struct bird_reply *reply, struct bird_survey *s)
{
	s->is_reconfiguring = bird_show_is_reconfiguring(reply);
	bird_show_times(reply, &s->times);
}

int
bird_ask_state(const char *path, int64_t timeout_ms, struct bird_survey *s,
    struct err *err)
{
	struct expected listing = { 0, CODE_RUNTIME_ERRORS - 1, timeout_ms,
		take_protocols, s };

	if (ask(path, "show protocols\n", &listing, err) == -1)
		return -1;
	listing.take = take_status;
	return ask(path, "show status\n", &listing, err);
}
