/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a feed reads from.  Each way has a function that opens and one that
 * reads a bounded piece; what is not there, or ends, is tried again.
 */
#include "feeds/feed_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/util.h>

#include "base/text.h"
#include "base/xalloc.h"

#define RETRY_MS 1000
#define FILE_LOOK_MS 250
#define PIECE_BYTES 65536u
#define DATAGRAMS 32u
#define CONTROL_BYTES 64
#define RECEIVE_BYTES (4 << 20)
#define BACKLOG 16
#define SOCKET_MODE 0660

/* One connection of a tcp or unix feed. */
struct feed_conn {
	struct feed *feed;
	size_t slot;
	int fd;
	struct loop_fd *io;
	struct feed_lines lines;
};

static void try_open(struct feed *f);

static void
set_trouble(struct feed *f, const char *text)
{
	if (strcmp(f->trouble, text) == 0)
		return;
	if (text[0] != '\0') {
		log_warnx("feed %s: %s", f->conf->name, text);
	} else if (f->trouble[0] != '\0') {
		log_info("feed %s: open", f->conf->name);
	}
	(void)text_copy(f->trouble, sizeof(f->trouble), text);
}

static void
shut(struct feed *f)
{
	loop_fd_free(f->io);
	f->io = NULL;
	if (f->fd != -1)
		(void)close(f->fd);
	f->fd = -1;
}

/* Something went wrong with what was open. */
static void
start_again(struct feed *f, const char *what)
{
	struct err err;

	err_sys(&err, "%s", what);
	shut(f);
	set_trouble(f, err.msg);
	loop_timer_set(f->timer, RETRY_MS);
}

/* ---- datagrams ---- */

static void
receive_buffer(int fd)
{
	int size = RECEIVE_BYTES, on = 1;

	/* What the kernel gives is enough for the rest; drops are counted. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
}

/* The kernel says with each datagram how many it dropped so far. */
static void
count_drops(struct feed *f, struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);
	uint32_t drops;

	for (; cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&drops, CMSG_DATA(cm), sizeof(drops));
		f->counters.drops += drops - f->kernel_drops;
		f->kernel_drops = drops;
	}
}

static bool
may_send(const struct feed *f, const struct sockaddr_storage *from)
{
	struct addr a = { { 0 } };

	if (from->ss_family == AF_INET) {
		a = addr_from_in(((const struct sockaddr_in *)from)->sin_addr);
	} else if (from->ss_family == AF_INET6) {
		memcpy(a.b, &((const struct sockaddr_in6 *)from)->sin6_addr,
		    sizeof(a.b));
	}
	return feed_policy_may_send(&f->policy, &a);
}

static void
on_datagrams(struct loop *lp, int fd, unsigned events, void *arg)
{
	static uint8_t bytes[DATAGRAMS][FEED_DATAGRAM_MAX + 1];
	static struct sockaddr_storage from[DATAGRAMS];
	static char control[DATAGRAMS][CONTROL_BYTES]
	    __attribute__((aligned(sizeof(struct cmsghdr))));
	struct mmsghdr msgs[DATAGRAMS] = { 0 };
	struct iovec iov[DATAGRAMS];
	struct feed *f = arg;
	int n;

	(void)lp;
	(void)events;
	for (size_t i = 0; i < DATAGRAMS; i++) {
		iov[i] = (struct iovec){ .iov_base = bytes[i],
			.iov_len = FEED_DATAGRAM_MAX };
		from[i].ss_family = AF_UNSPEC;
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
			.msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = control[i],
			.msg_controllen = CONTROL_BYTES };
	}
	n = recvmmsg(fd, msgs, DATAGRAMS, MSG_DONTWAIT, NULL);
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		start_again(f, f->conf->where);
	for (int i = 0; i < n; i++) {
		count_drops(f, &msgs[i].msg_hdr);
		if (!may_send(f, &from[i])) {
			feed_count(f, FEED_BAD_SENDER);
		} else if ((msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			feed_count(f, FEED_BAD_LONG);
		} else {
			feed_take_datagram(f, bytes[i], msgs[i].msg_len);
		}
	}
}

/* ---- streams ---- */

static void
conn_free(struct feed_conn *conn)
{
	conn->feed->conns[conn->slot] = NULL;
	loop_fd_free(conn->io);
	(void)close(conn->fd);
	free(conn);
}

static void
on_stream(struct loop *lp, int fd, unsigned events, void *arg)
{
	static char piece[PIECE_BYTES];
	struct feed_conn *conn = arg;
	ssize_t n = read(fd, piece, sizeof(piece));

	(void)lp;
	(void)events;
	if (n > 0) {
		feed_take_stream(conn->feed, &conn->lines, piece, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		feed_end_stream(conn->feed, &conn->lines);
		conn_free(conn);
	}
}

static void
on_listen(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct feed *f = arg;
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(from);
	int peer = accept4(fd, (struct sockaddr *)&from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct feed_conn *conn;
	size_t slot = 0;

	(void)events;
	if (peer == -1)
		return;
	while (slot < FEED_CONNS_MAX && f->conns[slot] != NULL)
		slot++;
	if (!may_send(f, &from) || slot == FEED_CONNS_MAX) {
		if (slot == FEED_CONNS_MAX) {
			f->counters.refused++;
			log_limited(&f->limit,
			    "feed %s: more than %u connections", f->conf->name,
			    FEED_CONNS_MAX);
		} else {
			feed_count(f, FEED_BAD_SENDER);
		}
		(void)close(peer);
		return;
	}
	conn = xcalloc(1, sizeof(*conn));
	conn->feed = f;
	conn->slot = slot;
	conn->fd = peer;
	f->conns[slot] = conn;
	conn->io = loop_fd_new(lp, peer, LOOP_READ, on_stream, conn);
}

/* ---- opening sockets ---- */

static int
make_address(const struct feed *f, struct sockaddr_storage *ss, int *len)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ss;

	memset(ss, 0, sizeof(*ss));
	*len = sizeof(*ss);
	if (f->conf->way == FEED_UDP || f->conf->way == FEED_TCP) {
		return evutil_parse_sockaddr_port(f->conf->where,
		    (struct sockaddr *)ss, len);
	}
	un->sun_family = AF_UNIX;
	*len = sizeof(*un);
	return text_copy(un->sun_path, sizeof(un->sun_path), f->conf->where)
	    ? 0
	    : -1;
}

/* A socket left behind by the last collector; nothing else is removed. */
static void
remove_old_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
}

static int
open_socket(struct feed *f, struct err *err)
{
	bool is_stream = f->conf->way == FEED_TCP || f->conf->way == FEED_UNIX;
	struct sockaddr_storage ss;
	int len, on = 1;

	if (make_address(f, &ss, &len) == -1)
		return err_set(err, ERR_CONF, "%s: no address", f->conf->where);
	f->fd = socket(ss.ss_family,
	    (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK |
		SOCK_CLOEXEC,
	    0);
	if (f->fd == -1)
		return err_sys(err, "socket");
	if (ss.ss_family == AF_UNIX) {
		remove_old_socket(f->conf->where);
	} else if (is_stream) {
		(void)setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on,
		    sizeof(on));
	}
	if (bind(f->fd, (struct sockaddr *)&ss, (socklen_t)len) == -1 ||
	    (is_stream && listen(f->fd, BACKLOG) == -1))
		return err_sys(err, "%s", f->conf->where);
	/* Whoever may read our control socket may tell us of clients. */
	if (ss.ss_family == AF_UNIX && chmod(f->conf->where, SOCKET_MODE) == -1)
		return err_sys(err, "%s", f->conf->where);
	if (!is_stream)
		receive_buffer(f->fd);
	f->kernel_drops = 0;
	f->io = loop_fd_new(f->lp, f->fd, LOOP_READ,
	    is_stream ? on_listen : on_datagrams, f);
	return 0;
}

/* ---- FIFOs ---- */

static void
on_pipe(struct loop *lp, int fd, unsigned events, void *arg)
{
	static char piece[PIECE_BYTES];
	struct feed *f = arg;
	ssize_t n = read(fd, piece, sizeof(piece));
	int old = f->fd;

	(void)lp;
	(void)events;
	if (n > 0) {
		feed_take_stream(f, &f->lines, piece, (size_t)n);
		return;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* All writers are gone.  Opened anew before it is closed, so that the
	 * next one never finds it without a reader. */
	feed_end_stream(f, &f->lines);
	loop_fd_free(f->io);
	f->io = NULL;
	f->fd = -1;
	try_open(f);
	(void)close(old);
}

static int
open_pipe(struct feed *f, struct err *err)
{
	struct stat st;

	f->fd = open(f->conf->where, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (f->fd == -1)
		return err_sys(err, "%s", f->conf->where);
	if (fstat(f->fd, &st) == -1 || !S_ISFIFO(st.st_mode)) {
		return err_set(err, ERR_CONF,
		    "%s: is no FIFO, make one with mkfifo", f->conf->where);
	}
	f->io = loop_fd_new(f->lp, f->fd, LOOP_READ, on_pipe, f);
	return 0;
}

/* ---- files ---- */

/* Has another file taken the name of ours? */
static bool
is_replaced(const struct feed *f)
{
	struct stat st;

	return stat(f->conf->where, &st) == 0 &&
	    (st.st_dev != f->dev || st.st_ino != f->ino);
}

static bool
is_cut(const struct feed *f)
{
	struct stat st;

	return fstat(f->fd, &st) == 0 && st.st_size < f->offset;
}

static void
read_file(struct feed *f)
{
	static char piece[PIECE_BYTES];
	ssize_t n = read(f->fd, piece, sizeof(piece));

	if (n > 0) {
		f->offset += n;
		feed_take_stream(f, &f->lines, piece, (size_t)n);
		/* More at once, but others come first. */
		loop_timer_set(f->timer, 0);
		return;
	}
	if (n == -1 && errno != EINTR) {
		start_again(f, f->conf->where);
		return;
	}
	loop_timer_set(f->timer, FILE_LOOK_MS);
	if (is_replaced(f)) {
		feed_end_stream(f, &f->lines);
		shut(f);
		f->was_missing = true; /* the new one is new to us, all of it */
		loop_timer_set(f->timer, 0);
	} else if (is_cut(f)) {
		feed_end_stream(f, &f->lines);
		f->offset = lseek(f->fd, 0, SEEK_SET);
	}
}

static int
open_file(struct feed *f, struct err *err)
{
	struct stat st;

	f->fd = open(f->conf->where, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (f->fd == -1) {
		f->was_missing |= errno == ENOENT;
		return err_sys(err, "%s", f->conf->where);
	}
	if (fstat(f->fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		return err_set(err, ERR_CONF, "%s: is no regular file",
		    f->conf->where);
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	/* What is there at the start was counted by who was there before. */
	f->offset = f->was_missing ? 0 : lseek(f->fd, 0, SEEK_END);
	f->was_missing = false;
	loop_timer_set(f->timer, 0);
	return 0;
}

/* ---- the door ---- */

static void
try_open(struct feed *f)
{
	struct err err = { 0 };
	int rc = -1;

	switch (f->conf->way) {
	case FEED_UDP:
	case FEED_TCP:
	case FEED_UNIX:
	case FEED_UNIXGRAM:
		rc = open_socket(f, &err);
		break;
	case FEED_PIPE:
		rc = open_pipe(f, &err);
		break;
	case FEED_FILE:
		rc = open_file(f, &err);
		break;
	case FEED_WAY_COUNT:
		break;
	}
	if (rc == -1) {
		shut(f);
		loop_timer_set(f->timer, RETRY_MS);
	}
	set_trouble(f, rc == -1 ? err.msg : "");
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct feed *f = arg;

	(void)lp;
	if (f->fd == -1) {
		try_open(f);
	} else if (f->conf->way == FEED_FILE) {
		read_file(f);
	}
}

void
feed_open(struct feed *f, struct loop *lp)
{
	f->lp = lp;
	f->timer = loop_timer_new(lp, on_timer, f);
	try_open(f);
}

void
feed_close(struct feed *f)
{
	for (size_t i = 0; i < FEED_CONNS_MAX; i++) {
		if (f->conns[i] != NULL)
			conn_free(f->conns[i]);
	}
	shut(f);
	loop_timer_free(f->timer);
	f->timer = NULL;
}
