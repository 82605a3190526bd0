/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/session.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

int
bird_session_connect(const char *path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (!text_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(err, ERR_CONF, "%s: path too long", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1) {
		/* Its queue is full: it is there, but it accepts nobody. */
		if (errno == EAGAIN) {
			err_set(err, ERR_TIMEOUT, "bird: %s: nobody accepts",
			    path);
		} else {
			err_sys(err, "bird: connect %s", path);
		}
		(void)close(fd);
		return -1;
	}
	return fd;
}
