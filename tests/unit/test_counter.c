/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The operator's counters, read for real: an interface, commands, nftables. */
#include <signal.h>

#include "base/text.h"
#include "probe_workers_rig.h"
#include "site/counter.h"

enum { KIND_METER = KIND_OWN };

static const struct worker_kind kinds[] = {
	RIG_KINDS,
	[KIND_METER] = { "meter", runner_main,
	    RIGHT_NET_ADMIN | RIGHT_HANDED_ON, WALL_NONE },
};

#define INTERVAL_MS 20

struct seen {
	unsigned counts, troubles;
	uint64_t first, last;
	char why[160];
};

static void
on_count(uint64_t count, struct mono now, void *arg)
{
	struct seen *s = arg;

	assert_true(now.us <= mono_now().us);
	if (s->counts++ == 0)
		s->first = count;
	s->last = count;
}

static void
on_trouble(const char *why, void *arg)
{
	struct seen *s = arg;

	s->troubles++;
	(void)text_copy(s->why, sizeof(s->why), why);
}

static int
setup(void **state)
{
	return rig_setup_workers(state, kinds,
	    sizeof(kinds) / sizeof(kinds[0]));
}

/* Reads until there are so many counts or troubles, or for ten seconds. */
static struct seen
look(struct fixture *fx, const struct counter_env *env,
    const struct conf_counter *conf, unsigned n)
{
	static const struct counter_ops counter_ops = { .on_count = on_count,
		.on_trouble = on_trouble };
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	struct seen s = { 0 };
	struct counter *c =
	    counter_new(env, conf, INTERVAL_MS, &counter_ops, &s);

	while (s.counts + s.troubles < n && mono_before(mono_now(), end))
		loop_step(fx->lp, 50);
	counter_free(c);
	assert_int_equal(s.counts + s.troubles, n);
	return s;
}

static struct seen
look_here(struct fixture *fx, const struct conf_counter *conf, unsigned n)
{
	const struct counter_env env = { .lp = fx->lp, .commands = fx->env };

	return look(fx, &env, conf, n);
}

static void
test_an_interface(void **state)
{
	char name[] = "lo", none[] = "nosuch0";
	struct conf_counter conf = { .kind = COUNTER_INTERFACE, .name = name };
	struct seen packets = look_here(*state, &conf, 2), bytes;

	assert_int_equal(packets.counts, 2);
	assert_true(packets.last >= packets.first);
	conf.bytes = true;
	bytes = look_here(*state, &conf, 2);
	assert_int_equal(bytes.counts, 2);
	/* No packet has less than a byte. */
	assert_true(bytes.last >= packets.last);
	conf.name = none;
	bytes = look_here(*state, &conf, 1);
	assert_int_equal(bytes.troubles, 1);
	assert_non_null(strstr(bytes.why, "nosuch0"));
}

static void
test_a_command(void **state)
{
	char sh[] = "/bin/sh", c[] = "-c", script[] = "echo 1234; echo 5";
	char words[] = "echo 12 packets", fails[] = "echo 12; exit 3";
	char *argv[] = { sh, c, script, NULL };
	struct conf_counter conf = { .kind = COUNTER_COMMAND, .argv = argv };
	struct seen s = look_here(*state, &conf, 3);

	assert_int_equal(s.counts, 3);
	assert_int_equal(s.last, 1234);
	argv[2] = words;
	s = look_here(*state, &conf, 1);
	assert_int_equal(s.troubles, 1);
	assert_non_null(strstr(s.why, "12 packets"));
	argv[2] = fails;
	s = look_here(*state, &conf, 1);
	assert_int_equal(s.troubles, 1);
	assert_non_null(strstr(s.why, "exit status 3"));
}

/* While one runs, the next look waits: no heap of processes. */
static void
test_a_slow_command_runs_once(void **state)
{
	struct fixture *fx = *state;
	char sh[] = "/bin/sh", c[] = "-c";
	char dir[] = "/tmp/test_counter.XXXXXX";
	char *script, *argv[] = { sh, c, NULL, NULL };
	struct conf_counter conf = { .kind = COUNTER_COMMAND, .argv = argv };
	struct seen s;

	assert_non_null(mkdtemp(dir));
	/* The folder is its lock: a second one beside it would fail. */
	script = xasprintf("mkdir %s/lock && sleep 0.2 && rmdir %s/lock && "
			   "echo 7",
	    dir, dir);
	argv[2] = script;
	s = look_here(fx, &conf, 3);
	assert_int_equal(s.counts, 3);
	assert_int_equal(s.last, 7);
	free(script);
	script = xasprintf("%s/lock", dir);
	(void)rmdir(script);
	free(script);
	(void)rmdir(dir);
}

static void
test_nftables(void **state)
{
	struct fixture *fx = *state;
	char nft[] = "/usr/sbin/nft", name[] = "inet lab seen";
	char add[] = "add table inet lab; "
		     "add counter inet lab seen { packets 5 bytes 420 }";
	char none[] = "inet lab unseen";
	char *argv[] = { nft, add, NULL };
	struct conf_probe make = probe_conf(PROBE_EXEC, NULL);
	struct worker *meter = worker_new(fx->keeper, KIND_METER, &ops, fx);
	struct conf_counter conf = { .kind = COUNTER_NFT, .name = name };
	struct counter_env env = { .lp = fx->lp, .nft = fx->env };
	struct seen s;

	wait_up(fx, meter);
	probe_env_set_workers(fx->env, NULL, meter);
	make.argv = argv;
	expect(fx, &make, PROBE_PASS, "exit status 0");
	s = look(fx, &env, &conf, 2);
	assert_int_equal(s.counts, 2);
	assert_int_equal(s.last, 5);
	conf.bytes = true;
	s = look(fx, &env, &conf, 1);
	assert_int_equal(s.last, 420);
	conf.name = none;
	s = look(fx, &env, &conf, 1);
	assert_int_equal(s.troubles, 1);
	probe_env_set_workers(fx->env, fx->pinger, fx->runner);
	worker_free(meter);
}

#define WORKERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORKERS(test_an_interface),
		WORKERS(test_a_command),
		WORKERS(test_a_slow_command_runs_once),
		WORKERS(test_nftables),
	};

	/* As the daemon does: a dead worker shows on reading. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!namespace_enter())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
