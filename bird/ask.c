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

/* One reply within timeout_ms, whose code must be one of first to last. */
struct expected {
	unsigned first, last;
	int64_t timeout_ms;
};

static int
judge(const struct bird_reply *reply, const struct expected *want,
    struct err *err)
{
	if (reply->code < want->first || reply->code > want->last) {
		return err_set(err, ERR_BIRD, "bird: %04u %s", reply->code,
		    bird_reply_text(reply));
	}
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

int
bird_ask_configure(const char *path, int64_t timeout_ms, struct err *err)
{
	static const char command[] = "configure soft\n";
	const struct expected greeting = { CODE_GREETING, CODE_GREETING,
		timeout_ms };
	const struct expected accepted = { CODE_RECONFIGURED, CODE_QUEUED,
		timeout_ms };
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
	rc = read_reply(fd, reader, &accepted, err);
out:
	if (fd != -1)
		(void)close(fd);
	bird_reader_free(reader);
	return rc;
}
