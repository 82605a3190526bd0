/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the machine knows itself: in a network namespace of the test's own. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "probe_rig.h"

static bool has_namespace;

static void
test_address(void **state)
{
	static const struct {
		const char *address, *interface;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ "127.0.0.1", NULL, PROBE_PASS, "on lo" },
		{ "127.0.0.1", "lo", PROBE_PASS, "on lo" },
		{ "::1", "lo", PROBE_PASS, "on lo" },
		{ "127.0.0.1", "eth7", PROBE_FAIL, "not on eth7" },
		{ "127.0.0.1", "l", PROBE_FAIL, "not on l" },
		{ "127.0.0.2", NULL, PROBE_FAIL, "not on any interface" },
		{ "2001:db8::1", "lo", PROBE_FAIL, "not on lo" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *address = xstrdup(cases[i].address);
		char *interface = cases[i].interface != NULL
		    ? xstrdup(cases[i].interface)
		    : NULL;
		struct conf_probe cp = { .kind = PROBE_ADDRESS,
			.target = address,
			.interface = interface,
			.timeout_ms = 1000 };

		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		free(address);
		free(interface);
	}
}

static int
set_flags(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	rc = ioctl(fd, SIOCSIFFLAGS, &ifr);
	(void)close(fd);
	return rc;
}

/* An alias of IPv4 has a name of its own; it is still on lo. */
static void
test_address_with_label(void **state)
{
	struct rig *rig = *state;
	struct ifreq ifr = { .ifr_name = "lo:7" };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0xc0000201) };
	char address[] = "192.0.2.1", lo[] = "lo";
	struct conf_probe cp = { .kind = PROBE_ADDRESS,
		.target = address,
		.interface = lo,
		.timeout_ms = 1000 };
	int fd;

	if (!has_namespace) {
		print_message("no namespaces: skipped\n");
		skip();
	}
	rig_expect(rig, &cp, PROBE_FAIL, "not on lo");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &ifr), 0);
	(void)close(fd);
	rig_expect(rig, &cp, PROBE_PASS, "on lo:7");
	assert_int_equal(set_flags("lo", 0), 0);
	rig_expect(rig, &cp, PROBE_FAIL, "on lo:7, which is down");
	assert_int_equal(set_flags("lo", IFF_UP | IFF_RUNNING), 0);
	rig_expect(rig, &cp, PROBE_PASS, "on lo:7");
}

static void
expect_file(struct rig *rig, char *path, bool when_present,
    enum probe_verdict verdict, const char *what)
{
	struct conf_probe cp = { .kind = PROBE_FILE,
		.target = path,
		.when_present = when_present,
		.timeout_ms = 1000 };
	char *detail = xasprintf("%s%s", path, what);

	rig_expect(rig, &cp, verdict, detail);
	free(detail);
}

static void
test_file(void **state)
{
	struct rig *rig = *state;
	char dir[] = "/tmp/test_probe_local.XXXXXX";
	char *path, *below, *loop;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/maintenance", dir);
	below = xasprintf("%s/maintenance/x", dir);
	loop = xasprintf("%s/loop", dir);
	expect_file(rig, path, true, PROBE_FAIL, " is absent");
	expect_file(rig, path, false, PROBE_PASS, " is absent");
	/* Whatever it is: a file, a directory, a pipe nobody reads. */
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_file(rig, path, true, PROBE_PASS, " is present");
	expect_file(rig, path, false, PROBE_FAIL, " is present");
	expect_file(rig, dir, true, PROBE_PASS, " is present");
	expect_file(rig, below, false, PROBE_PASS, " is absent");
	/* Neither there nor not there. */
	assert_int_equal(symlink("loop", loop), 0);
	expect_file(rig, loop, true, PROBE_NO_ANSWER_FROM_US,
	    ": Too many levels of symbolic links");
	assert_int_equal(unlink(loop), 0);
	assert_int_equal(symlink("nowhere", loop), 0);
	expect_file(rig, loop, false, PROBE_PASS, " is absent");
	assert_int_equal(unlink(loop), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	free(path);
	free(below);
	free(loop);
}

static void
test_cancel(void **state)
{
	struct rig *rig = *state;
	char path[] = "/", address[] = "127.0.0.1";
	struct conf_probe file = {
		.kind = PROBE_FILE, .target = path, .timeout_ms = 1000
	};
	struct conf_probe addr = {
		.kind = PROBE_ADDRESS, .target = address, .timeout_ms = 1000
	};

	rig->calls = 0;
	probe_cancel(probe_start(rig->env, &file, rig_on_done, rig));
	probe_cancel(probe_start(rig->env, &addr, rig_on_done, rig));
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_address),
		T(test_address_with_label),
		T(test_file),
		T(test_cancel),
	};

	has_namespace = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
	    set_flags("lo", IFF_UP | IFF_RUNNING) == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
