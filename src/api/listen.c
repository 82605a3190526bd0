/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/util.h>

#include "base/text.h"

#define BACKLOG 64

/* Another daemon's socket must not be taken away from it. */
static int
remove_dead_socket(const struct sockaddr_un *sa, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd == -1)
		return err_sys(err, "socket");
	rc = connect(fd, (const struct sockaddr *)sa, sizeof(*sa));
	(void)close(fd);
	if (rc == 0 || errno == EAGAIN) {
		return err_set(err, ERR_REFUSED,
		    "%s: another daemon answers there", sa->sun_path);
	}
	if (unlink(sa->sun_path) == -1 && errno != ENOENT)
		return err_sys(err, "%s", sa->sun_path);
	return 0;
}

int
listen_unix(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	mode_t before;
	int fd, rc;

	if (!text_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(err, ERR_CONF, "%s: path too long", path);
	if (remove_dead_socket(&sa, err) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket");
	before = umask(~mode & 0777);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	(void)umask(before);
	if (rc == -1 || listen(fd, BACKLOG) == -1) {
		err_sys(err, "%s", path);
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
listen_tcp(const char *where, struct err *err)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss), fd, one = 1;

	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&ss, &len) ==
	    -1) {
		return err_set(err, ERR_CONF,
		    "%s: expected address:port or [address]:port", where);
	}
	fd =
	    socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Those accepted inherit it.  With TLS an answer is two writes, and the
	 * second would wait for the acknowledgement of the first. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		err_sys(err, "listen %s", where);
		(void)close(fd);
		return -1;
	}
	return fd;
}
