/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The runner process: executes the commands of exec probes, each as leader of
 * a process group of its own.
 *
 * Nothing of a command outlives it: the whole group is killed when the time is
 * over, when the leader has ended, when the probe is cancelled and when main is
 * gone.  The leader is reaped only after its group was killed: until then its
 * number cannot be given to another group.  Should the runner itself be killed,
 * the kernel kills the leaders.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "probes/probe.h"
#include "probes/probe_wire.h"

/* Two descriptors each, of the 1024 that a process has if nobody asks. */
#define JOBS_MAX 256
#define OUTPUT_SHOWN_BYTES 140
#define OUTPUT_READ_BYTES 4096
/* Read at once, so that a chatty command does not hold up the others. */
#define OUTPUT_READS_MAX 16

#define COMMAND_PATH                                                           \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct job {
	struct runner *rn;
	uint64_t id;
	char *command;
	pid_t pid; /* leader and number of the group */
	int64_t timeout_ms;
	struct mono started;
	struct loop_timer *timer;
	int output_fd; /* both of stdout and stderr; -1: at its end */
	struct loop_fd *output_io;
	int exec_fd; /* an errno comes through it if execve failed */
	char output[OUTPUT_SHOWN_BYTES + 1];
	size_t output_len;
	bool answered; /* only the reaping is left */
};

struct runner {
	struct loop *lp;
	struct chan *main_ch;
	struct loop_signal *on_child;
	struct job *jobs[JOBS_MAX]; /* NULL: free */
	struct probe_exec_msg request;
	int status; /* exit status */
};

/*
 * In the child, between fork and execve.
 */

static void
signals_default(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Refused for KILL, STOP and what libc keeps for itself. */
	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* From here on: 0 /dev/null, 1 and 2 the output; execve closes exec_fd. */
static int
child_fds(int output_fd, int exec_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null_fd == -1 || dup2(null_fd, STDIN_FILENO) == -1 ||
	    dup2(output_fd, STDOUT_FILENO) == -1 ||
	    dup2(output_fd, STDERR_FILENO) == -1)
		return -1;
	if (exec_fd > 3 && close_range(3, (unsigned)exec_fd - 1, 0) == -1)
		return -1;
	return close_range((unsigned)exec_fd + 1, ~0U, 0);
}

static void __attribute__((noreturn))
child_main(char *const argv[], pid_t parent, int output_fd, int exec_fd)
{
	char path[] = COMMAND_PATH;
	char *const env[] = { path, NULL };
	int errnum;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(127);
	signals_default();
	if (chdir("/") == 0 && child_fds(output_fd, exec_fd) == 0)
		(void)execve(argv[0], argv, env);
	errnum = errno;
	if (write(exec_fd, &errnum, sizeof(errnum)) == -1)
		_exit(126);
	_exit(127);
}

/*
 * Results.
 */

static void
answer(struct runner *rn, uint64_t id, const struct probe_result *result)
{
	uint8_t body[PROBE_WIRE_RESULT_BYTES];

	chan_send(rn->main_ch, PROBE_MSG_RESULT, body,
	    probe_wire_encode_result(id, result, body, sizeof(body)));
}

static void
answer_untried(struct runner *rn, uint64_t id, const char *what, int errnum)
{
	struct probe_result r = { .verdict = PROBE_NO_ANSWER_FROM_US,
		.rtt_us = -1 };

	(void)snprintf(r.detail, sizeof(r.detail), "%s%s%s", what,
	    errnum != 0 ? ": " : "", errnum != 0 ? strerror(errnum) : "");
	answer(rn, id, &r);
}

/* The first line that the command has printed. */
static const char *
first_line(struct job *jb)
{
	size_t n;

	jb->output[jb->output_len] = '\0';
	n = strcspn(jb->output, "\r\n");
	jb->output[n] = '\0';
	return jb->output;
}

static void
judge_exit(struct job *jb, const siginfo_t *si, struct probe_result *r)
{
	const char *line = first_line(jb);

	if (si->si_code != CLD_EXITED) {
		(void)snprintf(r->detail, sizeof(r->detail),
		    "killed by signal %d", si->si_status);
		return;
	}
	if (si->si_status == 0)
		r->verdict = PROBE_PASS;
	(void)snprintf(r->detail, sizeof(r->detail), "exit status %u%s%.*s",
	    (unsigned char)si->si_status, line[0] != '\0' ? ": " : "",
	    OUTPUT_SHOWN_BYTES, line);
}

/* The same errors as for a probe of main's own: not the service's fault. */
static bool
exec_errno_is_ours(int errnum)
{
	return errnum == ENOMEM || errnum == EAGAIN || errnum == EMFILE ||
	    errnum == ENFILE;
}

static void
job_answer(struct job *jb, const siginfo_t *si)
{
	struct probe_result r = { .verdict = PROBE_FAIL,
		.rtt_us = mono_now().us - jb->started.us };
	int errnum = 0;

	if (read(jb->exec_fd, &errnum, sizeof(errnum)) == sizeof(errnum)) {
		(void)snprintf(r.detail, sizeof(r.detail), "cannot run %s: %s",
		    jb->command, strerror(errnum));
		if (exec_errno_is_ours(errnum))
			r.verdict = PROBE_NO_ANSWER_FROM_US;
	} else {
		judge_exit(jb, si, &r);
	}
	answer(jb->rn, jb->id, &r);
}

/*
 * A running command.
 */

static void
job_close_output(struct job *jb)
{
	loop_fd_free(jb->output_io);
	jb->output_io = NULL;
	if (jb->output_fd != -1)
		(void)close(jb->output_fd);
	jb->output_fd = -1;
}

/* Keeps the beginning and throws the rest away: nobody may block on us. */
static void
job_read_output(struct job *jb)
{
	char buf[OUTPUT_READ_BYTES];

	for (int i = 0; i < OUTPUT_READS_MAX && jb->output_fd != -1; i++) {
		size_t room = OUTPUT_SHOWN_BYTES - jb->output_len;
		ssize_t n = read(jb->output_fd, buf, sizeof(buf));

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			job_close_output(jb);
			return;
		}
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(jb->output + jb->output_len, buf, room);
		jb->output_len += room;
	}
}

static void
job_on_output(struct loop *lp, int fd, unsigned events, void *arg)
{
	(void)lp;
	(void)fd;
	(void)events;
	job_read_output(arg);
}

/* No answer will follow; the job stays until its leader can be reaped. */
static void
job_kill(struct job *jb)
{
	loop_timer_cancel(jb->timer);
	jb->answered = true;
	(void)kill(-jb->pid, SIGKILL);
}

static void
job_on_timer(struct loop *lp, void *arg)
{
	struct job *jb = arg;
	struct probe_result r = { .verdict = PROBE_FAIL,
		.rtt_us = mono_now().us - jb->started.us };

	(void)lp;
	(void)snprintf(r.detail, sizeof(r.detail), "no answer in %lld ms",
	    (long long)jb->timeout_ms);
	answer(jb->rn, jb->id, &r);
	job_kill(jb);
}

static void
job_free(struct runner *rn, size_t slot)
{
	struct job *jb = rn->jobs[slot];

	rn->jobs[slot] = NULL;
	job_close_output(jb);
	(void)close(jb->exec_fd);
	loop_timer_free(jb->timer);
	free(jb->command);
	free(jb);
}

/* The leader has ended and is not yet reaped. */
static void
job_end(struct runner *rn, size_t slot, const siginfo_t *si)
{
	struct job *jb = rn->jobs[slot];

	(void)kill(-jb->pid, SIGKILL);
	job_read_output(jb);
	if (!jb->answered)
		job_answer(jb, si);
	job_free(rn, slot);
}

/* The slot of leader pid, or JOBS_MAX. */
static size_t
job_find_pid(const struct runner *rn, pid_t pid)
{
	size_t i = 0;

	while (i < JOBS_MAX && (rn->jobs[i] == NULL || rn->jobs[i]->pid != pid))
		i++;
	return i;
}

static struct job *
job_find_id(struct runner *rn, uint64_t id)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *jb = rn->jobs[i];

		if (jb != NULL && jb->id == id && !jb->answered)
			return jb;
	}
	return NULL;
}

/* Children are leaders, and orphans of their groups, which come to us. */
static void
runner_on_child(struct loop *lp, int signo, void *arg)
{
	struct runner *rn = arg;
	siginfo_t si = { 0 };

	(void)lp;
	(void)signo;
	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    si.si_pid != 0) {
		pid_t pid = si.si_pid;
		size_t slot = job_find_pid(rn, pid);

		if (slot < JOBS_MAX)
			job_end(rn, slot, &si);
		(void)waitpid(pid, NULL, WNOHANG);
		si.si_pid = 0;
	}
}

/* The reading ends are ours and must not block, the others are the child's. */
static int
pipe_open(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static void
pipe_close(const int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
job_add(struct runner *rn, size_t slot, pid_t pid, int output_fd, int exec_fd)
{
	struct job *jb = xcalloc(1, sizeof(*jb));

	*jb = (struct job){ .rn = rn,
		.id = rn->request.id,
		.command = xstrdup(rn->request.argv[0]),
		.pid = pid,
		.timeout_ms = rn->request.timeout_ms,
		.started = mono_now(),
		.output_fd = output_fd,
		.exec_fd = exec_fd };
	jb->timer = loop_timer_new(rn->lp, job_on_timer, jb);
	loop_timer_set(jb->timer, jb->timeout_ms);
	jb->output_io =
	    loop_fd_new(rn->lp, output_fd, LOOP_READ, job_on_output, jb);
	rn->jobs[slot] = jb;
}

/* -1 with errno when the command could not even be forked. */
static int
job_start(struct runner *rn, size_t slot)
{
	pid_t pid, parent = getpid();
	int output[2], exec[2], saved;

	if (pipe_open(output) == -1)
		return -1;
	if (pipe_open(exec) == -1)
		goto fail_output;
	pid = fork();
	if (pid == -1)
		goto fail_exec;
	if (pid == 0)
		child_main(rn->request.argv, parent, output[1], exec[1]);
	/* In the child too: whoever comes first. */
	(void)setpgid(pid, pid);
	(void)close(output[1]);
	(void)close(exec[1]);
	job_add(rn, slot, pid, output[0], exec[0]);
	return 0;

fail_exec:
	saved = errno;
	pipe_close(exec);
	errno = saved;
fail_output:
	saved = errno;
	pipe_close(output);
	errno = saved;
	return -1;
}

/*
 * Messages.
 */

static int
runner_on_exec(struct runner *rn, const struct chan_msg *msg)
{
	struct probe_exec_msg *req = &rn->request;
	size_t slot = 0;

	if (probe_wire_decode_exec(msg->body, msg->len, req) == -1)
		return -1;
	while (slot < JOBS_MAX && rn->jobs[slot] != NULL)
		slot++;
	if (slot == JOBS_MAX) {
		answer_untried(rn, req->id, "too many commands are running", 0);
	} else if (job_start(rn, slot) == -1) {
		answer_untried(rn, req->id, "cannot fork", errno);
	}
	return 0;
}

static int
runner_on_stop(struct runner *rn, const struct chan_msg *msg)
{
	struct job *jb;
	uint64_t id;

	if (probe_wire_decode_stop(msg->body, msg->len, &id) == -1)
		return -1;
	jb = job_find_id(rn, id);
	if (jb != NULL)
		job_kill(jb);
	return 0;
}

static void
runner_on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct runner *rn = arg;
	int rc = -1;

	(void)ch;
	if (msg->type == PROBE_MSG_EXEC) {
		rc = runner_on_exec(rn, msg);
	} else if (msg->type == PROBE_MSG_STOP) {
		rc = runner_on_stop(rn, msg);
	}
	if (rc == 0)
		return;
	log_warnx("main: message %u of %zu bytes: malformed", msg->type,
	    msg->len);
	rn->status = 1;
	loop_stop(rn->lp);
}

static void
runner_on_close(struct chan *ch, void *arg)
{
	struct runner *rn = arg;

	(void)ch;
	loop_stop(rn->lp);
}

/* So that no pipe ever gets the number of stdin, stdout or stderr. */
static void
std_fds_fill(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int
runner_main(int chan_fd)
{
	struct runner *rn = xcalloc(1, sizeof(*rn));
	int status;

	std_fds_fill();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	rn->lp = loop_new();
	rn->on_child = loop_signal_new(rn->lp, SIGCHLD, runner_on_child, rn);
	rn->main_ch =
	    chan_new(rn->lp, chan_fd, runner_on_msg, runner_on_close, rn);
	loop_run(rn->lp);

	for (size_t i = 0; i < JOBS_MAX; i++) {
		if (rn->jobs[i] != NULL) {
			job_kill(rn->jobs[i]);
			job_free(rn, i);
		}
	}
	status = rn->status;
	chan_free(rn->main_ch);
	loop_signal_free(rn->on_child);
	loop_free(rn->lp);
	free(rn);
	return status;
}
