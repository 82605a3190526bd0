/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Against real BIRDs in a network namespace of their own: the site's, which is
 * steered, and a neighbour, so that there is a session to export to.  Either is
 * the `bird` of PATH, or the program that $ANYCAST_BIRD names.
 */
#include "site/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bird/ask.h"
#include "bird/include.h"
#include "real_bird.h"
#include "reconcile_rig.h"
#include "test.h"

#define CONFIGURE_MS 5000

static const char *const links[] = {
	"ip link set lo up",
	"ip addr add 10.0.0.1/32 dev lo",
	"ip addr add 10.0.0.2/32 dev lo",
};

/* The session's name has letters that BIRD takes only in quotes. */
static const char site_conf[] =
    "router id 10.0.0.1;\n"
    "include \"export.conf\";\n"
    "include \"ours.conf\";\n"
    "include \"theirs.conf\";\n"
    "protocol device {}\n"
    "protocol bgp 'up-link.1' {\n"
    "	local 10.0.0.1 port 1179 as 65001;\n"
    "	neighbor 10.0.0.2 port 1180 as 65002;\n"
    "	multihop; strict bind yes; connect delay time 0;\n"
    "	connect retry time 1; error wait time 1,1;\n"
    "	ipv4 { import none; export where anycastd_export_gshut(65001); };\n"
    "	ipv6 { import none; export where anycastd_export(65001);\n"
    "		next hop self; };\n"
    "}\n";

static const char peer_conf[] =
    "router id 10.0.0.2;\n"
    "protocol device {}\n"
    "protocol bgp site {\n"
    "	local 10.0.0.2 port 1180 as 65002;\n"
    "	neighbor 10.0.0.1 port 1179 as 65001;\n"
    "	multihop; strict bind yes; connect delay time 0;\n"
    "	connect retry time 1; error wait time 1,1;\n"
    "	ipv4 { import all; export none; };\n"
    "	ipv6 { import all; export none; };\n"
    "}\n";

static const char *skip_reason;

struct rig {
	struct recon rec;
	char dir[64];
	char socket[96], ours[96];
	pid_t site, peer;
};

static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		skip_reason = path;
	if (fd != -1)
		(void)close(fd);
}

/* Sets skip_reason when this machine does not let us. */
static int
enter_namespace(void **state)
{
	char uid_map[32], gid_map[32];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
	if (!bird_is_installed()) {
		skip_reason = "bird is not installed";
		return 0;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1) {
		skip_reason = strerror(errno);
		return 0;
	}
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", uid_map);
	write_text("/proc/self/gid_map", gid_map);
	for (size_t i = 0; i < TEST_COUNT(links) && skip_reason == NULL; i++) {
		/* NOLINTNEXTLINE(cert-env33-c): constant text */
		if (system(links[i]) != 0)
			skip_reason = links[i];
	}
	return 0;
}

static void
put(const struct rig *rig, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
	assert_int_equal(bird_include_write(path, text, NULL), 0);
}

static int
rig_make(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char *text;

	assert_non_null(rig);
	*state = rig;
	if (skip_reason != NULL)
		return 0;
	(void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/test_recon.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	(void)snprintf(rig->socket, sizeof(rig->socket), "%s/site.ctl",
	    rig->dir);
	(void)snprintf(rig->ours, sizeof(rig->ours), "%s/ours.conf", rig->dir);
	rig->rec.lp = loop_new();
	rig->rec.conf = (struct conf_bird){ .socket = rig->socket,
		.include = rig->ours,
		.poll_ms = 100,
		.timeout_ms = WAIT_MAX_MS };
	put(rig, "site.conf", site_conf);
	put(rig, "peer.conf", peer_conf);
	put(rig, "theirs.conf", "");
	text = bird_include_read("bird/export.conf", NULL);
	assert_non_null(text);
	put(rig, "export.conf", text);
	free(text);
	return 0;
}

static int
rig_remove(void **state)
{
	static const char *const names[] = { "site.conf", "peer.conf",
		"theirs.conf", "ours.conf", "ours.conf.protocols",
		"ours.conf.sessions", "ours.conf.old", "export.conf",
		"site.ctl", "peer.ctl", "none.pid", "site.log", "peer.log" };
	struct rig *rig = *state;

	reconcile_free(rig->rec.r);
	bird_kill(&rig->site);
	bird_kill(&rig->peer);
	for (size_t i = 0; i < TEST_COUNT(names) && rig->dir[0] != '\0'; i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/%s", rig->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(rig->dir);
	loop_free(rig->rec.lp);
	free(rig);
	return 0;
}

/* As somebody with birdc; waits until BIRD has it. */
static int
foreign_configure(const struct rig *rig)
{
	return bird_ask_configure(rig->socket, CONFIGURE_MS, NULL);
}

/* A site whose BIRD announces `wanted`. */
static struct rig *
rig_with(void **state, unsigned wanted)
{
	struct rig *rig = *state;

	if (skip_reason != NULL) {
		print_message("no BIRD in a namespace, skipped: %s\n",
		    skip_reason);
		skip();
	}
	recon_start(&rig->rec);
	recon_want(&rig->rec, wanted);
	/* The file is there before BIRD is: it could not start without. */
	WAIT_UNTIL(rig->rec.lp, access(rig->ours, F_OK) == 0);
	rig->site = bird_spawn(rig->dir, "site");
	WAIT_UNTIL(rig->rec.lp,
	    rig->rec.converged > 0 && recon_is_equal(&rig->rec));
	assert_int_equal(recon_real(&rig->rec), wanted);
	rig->rec.n_notices = 0;
	return rig;
}

static void
wait_for_real(struct rig *rig, unsigned wanted)
{
	WAIT_UNTIL(rig->rec.lp,
	    recon_is_equal(&rig->rec) && recon_real(&rig->rec) == wanted);
}

/* The prefixes that go to the neighbour, as bits. */
static unsigned
exported(const struct rig *rig)
{
	unsigned bits = 0;

	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		if (reconcile_exported_to(rig->rec.r, i) == 1)
			bits |= 1u << i;
	}
	return bits;
}

/* As the program says it: "BIRD version 2.0.12". */
static const char *
program_version(void)
{
	static char text[64];
	FILE *bird =
	    /* NOLINTNEXTLINE(cert-env33-c): constant text */
	    popen("PATH=$PATH:/usr/sbin ${ANYCAST_BIRD:-bird} --version 2>&1",
		"re");
	const char *line;

	assert_non_null(bird);
	line = fgets(text, sizeof(text), bird);
	(void)pclose(bird);
	assert_non_null(line);
	text[strcspn(text, "\n")] = '\0';
	assert_non_null(strrchr(text, ' '));
	return strrchr(text, ' ') + 1;
}

static void
test_announce_and_withdraw_read_back(void **state)
{
	struct rig *rig = rig_with(state, 0);

	rig->peer = bird_spawn(rig->dir, "peer");
	for (unsigned wanted = 15; wanted != 0; wanted /= 2) {
		recon_want(&rig->rec, wanted);
		wait_for_real(rig, wanted);
		WAIT_UNTIL(rig->rec.lp, exported(rig) == wanted);
	}
	assert_int_equal(recon_bird(&rig->rec).sessions_all, 1);
	assert_string_equal(recon_bird(&rig->rec).version, program_version());
	bird_kill(&rig->peer);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).sessions_up == 0);
	assert_int_equal(exported(rig), 0);
	assert_int_equal(rig->rec.n_notices, 0);
}

/* What the neighbour has of a prefix: the lines of `show route all`. */
static const char *
neighbour_has(const struct rig *rig, const char *net, char *out, size_t size)
{
	char command[400];
	FILE *birdc;
	size_t n;

	(void)snprintf(command, sizeof(command),
	    "PATH=$PATH:/usr/sbin birdc -s %s/peer.ctl show route %s all",
	    rig->dir, net);
	/* NOLINTNEXTLINE(cert-env33-c): our own folder's name */
	birdc = popen(command, "re");
	assert_non_null(birdc);
	n = fread(out, 1, size - 1, birdc);
	out[n] = '\0';
	(void)pclose(birdc);
	return out;
}

static bool
neighbour_sees(const struct rig *rig, const char *net, const char *path,
    bool has_community)
{
	char text[4096];

	(void)neighbour_has(rig, net, text, sizeof(text));
	return strstr(text, path) != NULL &&
	    (strstr(text, "(65535,0)") != NULL) == has_community;
}

/* The steps of a drain, as the neighbour sees them: to the IPv4 session, which
 * is marked for it, with the community; nothing of ours leaks. */
static void
test_attributes_at_the_neighbour(void **state)
{
	static const struct {
		struct route_attrs attrs;
		const char *path; /* BGP.as_path, of BIRD 3 bgp_path */
	} rows[] = {
		{ { true, 0 }, "path: 65001\n" },
		{ { true, 2 }, "path: 65001 65001 65001\n" },
		{ { false, 1 }, "path: 65001 65001\n" },
		{ { false, 0 }, "path: 65001\n" },
	};
	struct rig *rig = rig_with(state, 15);
	char text[4096];

	rig->peer = bird_spawn(rig->dir, "peer");
	WAIT_UNTIL(rig->rec.lp, exported(rig) == 15);
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		for (size_t p = 0; p < RIG_PREFIXES; p++) {
			reconcile_want(rig->rec.r, p,
			    (struct route_want){ true, rows[i].attrs });
		}
		reconcile_apply(rig->rec.r);
		WAIT_UNTIL(rig->rec.lp,
		    neighbour_sees(rig, "192.0.2.0/24", rows[i].path,
			rows[i].attrs.graceful_shutdown));
		WAIT_UNTIL(rig->rec.lp,
		    neighbour_sees(rig, "2001:db8:1::/48", rows[i].path,
			false));
		WAIT_UNTIL(rig->rec.lp,
		    route_attrs_equal(reconcile_real_attrs(rig->rec.r, 0),
			rows[i].attrs));
		(void)neighbour_has(rig, "192.0.2.0/24", text, sizeof(text));
		assert_null(strstr(text, "anycastd"));
	}
	assert_int_equal(recon_bird(&rig->rec).undone, 0);
}

/* `disable` in birdc: no change undoes it, until it is enabled again. */
static void
test_disabled_by_hand(void **state)
{
	struct rig *rig = rig_with(state, 3);
	char command[200];

	rig->peer = bird_spawn(rig->dir, "peer");
	WAIT_UNTIL(rig->rec.lp, exported(rig) == 3);
	(void)snprintf(command, sizeof(command),
	    "PATH=$PATH:/usr/sbin birdc -s %s/site.ctl disable \\'up-link.1\\' >/dev/null",
	    rig->dir);
	/* NOLINTNEXTLINE(cert-env33-c): our own folder's name */
	assert_int_equal(system(command), 0);
	recon_want(&rig->rec, 1);
	WAIT_UNTIL(rig->rec.lp,
	    recon_notice(&rig->rec, "disabled by hand: up-link.1") != NULL);
	loop_idle(rig->rec.lp, 500);
	assert_int_equal(recon_bird(&rig->rec).sessions_up, 0);
	assert_int_equal(recon_real(&rig->rec), 3);
	/* His own reconfiguration takes it back, and ours goes with it. */
	assert_int_equal(foreign_configure(rig), 0);
	wait_for_real(rig, 1);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).sessions_up == 1);
}

/* An edit of bird.conf that nobody loaded: not loaded by us either. */
static void
test_edit_never_loaded_is_undone(void **state)
{
	struct rig *rig = rig_with(state, 3);
	char *edited = xstrdup(site_conf);
	char *at = strstr(edited, "neighbor 10.0.0.2");

	rig->peer = bird_spawn(rig->dir, "peer");
	WAIT_UNTIL(rig->rec.lp, exported(rig) == 3);
	at[strlen("neighbor 10.0.0.")] = '9';
	put(rig, "site.conf", edited);
	free(edited);
	recon_want(&rig->rec, 1);
	WAIT_UNTIL(rig->rec.lp,
	    recon_notice(&rig->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&rig->rec, "session up-link.1"));
	WAIT_UNTIL(rig->rec.lp, exported(rig) == 3);
	assert_int_equal(recon_real(&rig->rec), 3);
	/* Taken back by hand, and loaded: the change goes through. */
	put(rig, "site.conf", site_conf);
	assert_int_equal(foreign_configure(rig), 0);
	wait_for_real(rig, 1);
}

/* Somebody's `birdc configure` neither loses nor brings back a route. */
static void
test_foreign_configure(void **state)
{
	struct rig *rig = rig_with(state, 5);

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(foreign_configure(rig), 0);
		loop_idle(rig->rec.lp, 150);
		assert_int_equal(recon_real(&rig->rec), 5);
	}
	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		assert_true(rig->rec.changes[i][REAL_ANNOUNCED] +
			rig->rec.changes[i][REAL_WITHDRAWN] <=
		    1);
	}
}

/* As packages and people leave it: BIRD runs, and the file is empty yet. */
static void
test_first_start_beside_a_running_bird(void **state)
{
	struct rig *rig = *state;

	if (skip_reason != NULL)
		skip();
	put(rig, "ours.conf", "");
	rig->site = bird_spawn(rig->dir, "site");
	/* Its socket is there before it listens: the first to find it deaf
	 * would write the file for it to start with. */
	WAIT_UNTIL(rig->rec.lp,
	    bird_ask_check(rig->socket, CONFIGURE_MS, NULL) == 0);
	recon_start(&rig->rec);
	WAIT_UNTIL(rig->rec.lp,
	    recon_bird(&rig->rec).confirmed == 1 && recon_is_equal(&rig->rec));
	assert_null(recon_notice(&rig->rec, "include missing"));
	assert_string_equal(recon_bird(&rig->rec).last_error, "");
}

static void
test_include_missing_from_bird_conf(void **state)
{
	struct rig *rig = rig_with(state, 1);
	char *without = xstrdup(site_conf);
	char *line = strstr(without, "include \"ours.conf\"");

	assert_non_null(line);
	line[0] = '#';
	put(rig, "site.conf", without);
	free(without);
	assert_int_equal(foreign_configure(rig), 0);
	WAIT_UNTIL(rig->rec.lp, recon_notice(&rig->rec, rig->ours) != NULL);
	WAIT_UNTIL(rig->rec.lp,
	    strstr(recon_bird(&rig->rec).last_error,
		"bird.conf does not include") != NULL);
	assert_int_equal(reconcile_real(rig->rec.r, 0), REAL_WITHDRAWN);
	put(rig, "site.conf", site_conf);
	wait_for_real(rig, 1);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).last_error[0] == '\0');
}

static void
test_bird_killed_and_restarted(void **state)
{
	struct rig *rig = rig_with(state, 10);

	bird_kill(&rig->site);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).state == BIRD_DOWN);
	assert_int_equal(reconcile_real(rig->rec.r, 1), REAL_UNKNOWN);
	/* Changed while it was dead: it comes back with the change. */
	recon_want(&rig->rec, 9);
	rig->site = bird_spawn(rig->dir, "site");
	wait_for_real(rig, 9);
	assert_int_equal(recon_bird(&rig->rec).state, BIRD_CONNECTED);
	assert_int_equal(rig->rec.changes[1][REAL_WITHDRAWN], 1);
}

static void
test_bird_stopped_during_a_change(void **state)
{
	struct rig *rig = *state;

	rig->rec.conf.timeout_ms = 1000;
	(void)rig_with(state, 3);
	assert_int_equal(kill(rig->site, SIGSTOP), 0);
	recon_want(&rig->rec, 12);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).state == BIRD_SILENT);
	assert_true(reconcile_diverged_ms(rig->rec.r, 0) > 0);
	loop_idle(rig->rec.lp, 300);
	assert_int_equal(kill(rig->site, SIGCONT), 0);
	wait_for_real(rig, 12);
}

static void
test_broken_include_elsewhere(void **state)
{
	struct rig *rig = rig_with(state, 3);

	put(rig, "theirs.conf", "protocol statik oops {}\n");
	recon_want(&rig->rec, 6);
	WAIT_UNTIL(rig->rec.lp,
	    recon_notice(&rig->rec, "theirs.conf:1") != NULL);
	assert_int_equal(recon_real(&rig->rec), 3);
	loop_idle(rig->rec.lp, 500);
	assert_int_equal(rig->rec.n_notices, 1);
	put(rig, "theirs.conf", "# mended\n");
	wait_for_real(rig, 6);
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).last_error[0] == '\0');
}

static void
test_our_include_edited(void **state)
{
	struct rig *rig = rig_with(state, 15);

	/* All routes but one are gone, and BIRD has it so. */
	put(rig, "ours.conf",
	    "protocol static anycastd4 { ipv4; route 192.0.2.0/24 blackhole; }\n"
	    "protocol static anycastd6 { ipv6; }\n");
	(void)foreign_configure(rig);
	wait_for_real(rig, 15);
	/* Nonsense that was not loaded yet. */
	put(rig, "ours.conf", "}{\n");
	loop_idle(rig->rec.lp, 300);
	assert_int_equal(foreign_configure(rig), 0);
	wait_for_real(rig, 15);
	assert_non_null(recon_notice(&rig->rec, "put right"));
}

static void
test_our_include_deleted(void **state)
{
	struct rig *rig = rig_with(state, 15);

	assert_int_equal(unlink(rig->ours), 0);
	WAIT_UNTIL(rig->rec.lp, access(rig->ours, F_OK) == 0);
	wait_for_real(rig, 15);
	/* While BIRD is dead, too: without it, it could not come back. */
	bird_kill(&rig->site);
	assert_int_equal(unlink(rig->ours), 0);
	WAIT_UNTIL(rig->rec.lp, access(rig->ours, F_OK) == 0);
	rig->site = bird_spawn(rig->dir, "site");
	WAIT_UNTIL(rig->rec.lp, recon_bird(&rig->rec).state == BIRD_CONNECTED);
	wait_for_real(rig, 15);
}

static void
test_restart_of_the_daemon(void **state)
{
	struct rig *rig = rig_with(state, 6);

	recon_restart(&rig->rec);
	wait_for_real(rig, 6);
	loop_idle(rig->rec.lp, 300);
	for (size_t i = 0; i < RIG_PREFIXES; i++) {
		assert_int_equal(rig->rec.changes[i][REAL_ANNOUNCED] +
			rig->rec.changes[i][REAL_WITHDRAWN],
		    1);
	}
}

int
main(void)
{
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_make, rig_remove)
	static const struct CMUnitTest tests[] = {
		RIG_TEST(test_announce_and_withdraw_read_back),
		RIG_TEST(test_attributes_at_the_neighbour),
		RIG_TEST(test_disabled_by_hand),
		RIG_TEST(test_edit_never_loaded_is_undone),
		RIG_TEST(test_foreign_configure),
		RIG_TEST(test_first_start_beside_a_running_bird),
		RIG_TEST(test_include_missing_from_bird_conf),
		RIG_TEST(test_bird_killed_and_restarted),
		RIG_TEST(test_bird_stopped_during_a_change),
		RIG_TEST(test_broken_include_elsewhere),
		RIG_TEST(test_our_include_edited),
		RIG_TEST(test_our_include_deleted),
		RIG_TEST(test_restart_of_the_daemon),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
