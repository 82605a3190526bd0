/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastd/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

/* The supervisor's end; name[0] == '@': an abstract address. */
static int
supervisor_open(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un,
					     sun_path) +
				 len)),
	    0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void
check_heard(int fd)
{
	char buf[64] = "";

	notify_supervisor("READY=1");
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), 7);
	assert_string_equal(buf, "READY=1");
	assert_int_equal(read(fd, buf, sizeof(buf)), -1);
	(void)close(fd);
}

static void
test_supervisor_hears_it(void **state)
{
	char dir[] = "/tmp/test_notify.XXXXXX", name[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(name, sizeof(name), "%s/sock", dir);
	check_heard(supervisor_open(name));
	assert_int_equal(unlink(name), 0);
	/* The supervisor is gone: a line in the log and no more. */
	notify_supervisor("READY=1");
	assert_int_equal(rmdir(dir), 0);
}

static void
test_abstract_address(void **state)
{
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "@test_notify.%d", (int)getpid());
	check_heard(supervisor_open(name));
}

static void
test_no_supervisor_or_a_wrong_name(void **state)
{
	char name[300];

	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	notify_supervisor("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	notify_supervisor("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	notify_supervisor("READY=1");
	memset(name, '/', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_supervisor("READY=1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_supervisor_hears_it),
		cmocka_unit_test(test_abstract_address),
		cmocka_unit_test(test_no_supervisor_or_a_wrong_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
