/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REAL_BIRD_H
#define REAL_BIRD_H
/*
 * real_bird -- a BIRD of the test's own: `bird` of PATH, or the program that
 * $ANYCAST_BIRD names.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static inline bool
bird_is_installed(void)
{
	/* NOLINTNEXTLINE(cert-env33-c): constant text */
	return system(
		   "PATH=$PATH:/usr/sbin command -v ${ANYCAST_BIRD:-bird} >/dev/null") ==
	    0;
}

/* With NAME.conf of the directory; in the foreground, as a child of ours that
 * ends with us.  NAME.ctl is its socket, NAME.log what it says. */
static inline pid_t
bird_spawn(const char *dir, const char *name)
{
	char conf[32], ctl[32], log[32];
	pid_t pid;

	(void)snprintf(conf, sizeof(conf), "%s.conf", name);
	(void)snprintf(ctl, sizeof(ctl), "%s.ctl", name);
	(void)snprintf(log, sizeof(log), "%s.log", name);
	(void)fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		int fd;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) == -1)
			_exit(1);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
		(void)dup2(fd, STDERR_FILENO);
		(void)execl("/bin/sh", "sh", "-c",
		    "PATH=$PATH:/usr/sbin exec ${ANYCAST_BIRD:-bird} -f "
		    "-c \"$0\" -s \"$1\" -P none.pid",
		    conf, ctl, (char *)NULL);
		_exit(1);
	}
	return pid;
}

static inline void
bird_kill(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL);
	assert_int_equal(waitpid(*pid, NULL, 0), *pid);
	*pid = 0;
}

#endif /* REAL_BIRD_H */
