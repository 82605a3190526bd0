/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The readiness protocol of sd_notify(3): one datagram. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "anycastd/daemon.h"
#include "base/log.h"
#include "base/text.h"

void
notify_supervisor(const char *state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    !text_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return;
	len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	/* An abstract address begins with a zero byte. */
	if (sa.sun_path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		(struct sockaddr *)&sa, len) == -1)
		log_warn("notify: %s", path);
	if (fd != -1)
		(void)close(fd);
}
