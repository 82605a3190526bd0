/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper's side: forks workers on request, reaps them, holds the will.
 * Single-threaded, no event loop and no heap state of main's: it is forked
 * before main opens anything.
 */
#include "base/keeper_wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/rights.h"

#define WILL_MAX_BYTES (64u << 20)
/* How often the keeper looks whether main still speaks, and what a look that
 * took longer counts at most. */
#define LOOK_MS 500
#define LOOK_COUNTS_MS 1000
/* Main beats every second. */
#define SILENCE_MIN_MS 3000

int
keeper_record_send(int sock, const struct keeper_record *rec, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct keeper_record copy = *rec;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd != -1) {
		struct cmsghdr *cm;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
keeper_record_recv(int sock, struct keeper_record *rec, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = rec, .iov_len = sizeof(*rec) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cm;
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	cm = CMSG_FIRSTHDR(&msg);
	if (cm != NULL && cm->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cm), sizeof(int));
	if ((size_t)n != sizeof(*rec)) {
		errno = EPROTO;
		return -1;
	}
	return 1;
}

static void
signals_reset(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* An operator's Ctrl-C goes to the whole group: main ends workers by
	 * closing their channels, in order. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
}

static void __attribute__((noreturn))
worker_child(const struct worker_kind *kind, int fd)
{
	struct err err = { 0 };

	/* Nothing of the parent's may stay open, the channel becomes 3. */
	if (fd != 3) {
		if (dup2(fd, 3) == -1)
			_exit(126);
	}
	(void)close_range(4, ~0U, 0);
	signals_reset();
	log_init(kind->name, getenv("ANYCASTD_DEBUG") != NULL);
	(void)prctl(PR_SET_NAME, kind->name, 0, 0, 0);
	if (rights_drop(kind->rights, &err) == -1) {
		log_warnx("rights: %s", err.msg);
		_exit(126);
	}
	if (wall_raise(kind->wall, &err) == -1) {
		log_warnx("wall: %s", err.msg);
		_exit(126);
	}
	/* exit, not _exit: sanitizers and coverage report at exit. */
	exit(kind->run(3));
}

static void
keeper_on_start(const struct keeper_job *job, const struct keeper_record *req,
    int fd)
{
	struct keeper_record reply = { .op = KEEPER_STARTED, .b = req->b };
	pid_t pid = -1;

	if (fd != -1 && req->a < job->n_kinds)
		pid = fork();
	if (pid == 0)
		worker_child(&job->kinds[req->a], fd);
	if (pid == -1)
		log_warn("keeper: cannot start a worker");
	reply.a = pid > 0 ? (uint32_t)pid : 0;
	(void)keeper_record_send(job->sock, &reply, -1);
}

static void
keeper_reap(const struct keeper_job *job)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct keeper_record rec = { .op = KEEPER_EXITED,
			.a = (uint32_t)pid,
			.b = (uint32_t)status };

		(void)keeper_record_send(job->sock, &rec, -1);
	}
}

/*
 * Main asks before it has heard of a death: by then the number may be that of
 * somebody else's process.
 */
static void
keeper_on_kill(pid_t pid)
{
	siginfo_t info;

	if (pid > 0 &&
	    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		(void)kill(pid, SIGKILL);
}

/* ---- the will ---- */

struct keeper_life {
	const struct keeper_job *job;
	int will_fd;
	struct keeper_silence silence;
	unsigned done; /* the will's own */
};

static void
keeper_on_life_sign(struct keeper_life *l)
{
	struct keeper_record acted = { .op = KEEPER_ACTED };

	if (l->done > 0)
		(void)keeper_record_send(l->job->sock, &acted, -1);
	l->done = 0;
	l->silence.ms = 0;
}

/* false: nothing is left to do, whatever main does. */
static bool
keeper_do_will(struct keeper_life *l)
{
	bool more;
	struct stat st;
	void *text;

	if (l->will_fd == -1 || l->job->will == NULL)
		return false;
	if (fstat(l->will_fd, &st) == -1 || st.st_size <= 0 ||
	    st.st_size > (off_t)WILL_MAX_BYTES)
		return false;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
	    l->will_fd, 0);
	if (text == MAP_FAILED) {
		log_warn("keeper: will");
		return false;
	}
	more = l->job->will(text, (size_t)st.st_size, &l->silence, &l->done);
	(void)munmap(text, (size_t)st.st_size);
	return more;
}

/* ---- its life ---- */

enum keeper_news { NEWS_NONE, NEWS_MAIN_GONE, NEWS_DISMISSED };

static enum keeper_news
keeper_on_request(struct keeper_life *l)
{
	struct keeper_record rec;
	int fd, rc = keeper_record_recv(l->job->sock, &rec, &fd);

	if (rc <= 0)
		return NEWS_MAIN_GONE;
	switch (rec.op) {
	case KEEPER_START:
		keeper_on_start(l->job, &rec, fd);
		break;
	case KEEPER_KILL:
		keeper_on_kill((pid_t)rec.a);
		break;
	case KEEPER_WILL:
		keeper_on_life_sign(l);
		if (l->will_fd != -1)
			(void)close(l->will_fd);
		l->will_fd = fd;
		return NEWS_NONE;
	case KEEPER_BEAT:
		keeper_on_life_sign(l);
		break;
	case KEEPER_DISMISS:
		return NEWS_DISMISSED;
	default:
		log_warnx("keeper: request %u: unknown", rec.op);
	}
	if (fd != -1)
		(void)close(fd);
	return NEWS_NONE;
}

/* All that main has said so far: its words go before its silence. */
static enum keeper_news
keeper_listen(struct keeper_life *l)
{
	struct pollfd pfd = { .fd = l->job->sock, .events = POLLIN };
	enum keeper_news news = NEWS_NONE;

	while (news == NEWS_NONE && poll(&pfd, 1, 0) == 1)
		news = keeper_on_request(l);
	return news;
}

/* Waits for a word, a death or the next look; returns the time it counts. */
static int64_t
keeper_wait(struct pollfd *fds, nfds_t n)
{
	struct mono start = mono_now();
	int64_t waited;

	if (poll(fds, n, LOOK_MS) == -1 && errno != EINTR)
		log_warn("keeper: poll");
	waited = mono_diff_ms(mono_now(), start);
	return waited < LOOK_COUNTS_MS ? waited : LOOK_COUNTS_MS;
}

/* Main hangs, or is gone and may have a successor. */
static bool
keeper_look(struct keeper_life *l)
{
	struct mono start = mono_now();
	bool more = true;

	if (l->silence.is_gone || l->silence.ms >= SILENCE_MIN_MS)
		more = keeper_do_will(l);
	l->silence.ms += mono_diff_ms(mono_now(), start);
	return more || !l->silence.is_gone;
}

/* Workers have no more than their keeper: it is open if one of them is. */
static int
keeper_raise_wall(const struct keeper_job *job, struct err *err)
{
	unsigned groups = WALL_NONE;

	for (size_t i = 0; i < job->n_kinds; i++)
		groups |= job->kinds[i].wall;
	if (groups == WALL_NONE)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_sys(err, "prctl no_new_privs");
	return wall_raise(groups | WALL_OPEN, err);
}

void
keeper_main(const struct keeper_job *job)
{
	struct keeper_life l = { .job = job, .will_fd = -1 };
	enum keeper_news news = NEWS_NONE;
	struct pollfd fds[2];
	struct err err;
	sigset_t chld;

	signals_reset();
	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &chld, NULL);
	fds[0] = (struct pollfd){ .fd = signalfd(-1, &chld,
				      SFD_NONBLOCK | SFD_CLOEXEC),
		.events = POLLIN };
	fds[1] = (struct pollfd){ .fd = job->sock, .events = POLLIN };

	if (keeper_raise_wall(job, &err) == -1)
		log_warnx("wall: %s", err.msg);
	do {
		struct signalfd_siginfo info;

		/* The socket of a main that is gone would always be ready. */
		l.silence.ms += keeper_wait(fds, l.silence.is_gone ? 1 : 2);
		while (read(fds[0].fd, &info, sizeof(info)) > 0)
			;
		keeper_reap(job);
		if (!l.silence.is_gone)
			news = keeper_listen(&l);
		l.silence.is_gone |= news == NEWS_MAIN_GONE;
	} while (news != NEWS_DISMISSED && keeper_look(&l));
	(void)close(job->sock);
	/* Workers end by themselves: their channels' other end is closed. */
	while (waitpid(-1, NULL, 0) > 0)
		;
}
