/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When probes are run: now, since somebody asked; sooner while something
 * changes; apart from each other at the start.  Files are the services here.
 */
#include "probe_rig.h"
#include "site/checker.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define PROBES_MAX 200

struct house {
	struct rig *rig;
	char dir[40];
	char path[64];
	char name[8];
	struct conf_probe probes[PROBES_MAX];
	struct conf_service services[2];
	struct checker *ck;
	unsigned n_done;
	unsigned n_changes;
	/* What was so when the round was done. */
	enum health health_then;
	uint64_t results_then;
	struct checker_round *next;
};

static struct conf_probe
file_probe(struct house *h)
{
	return (struct conf_probe){ .name = h->name,
		.kind = PROBE_FILE,
		.target = h->path,
		.when_present = true,
		.interval_ms = HOUR_MS,
		.timeout_ms = 1000,
		.down_after = 1,
		.up_after = 1 };
}

static void
set_file(const struct house *h, bool present)
{
	if (present) {
		FILE *f = fopen(h->path, "we");

		assert_non_null(f);
		assert_int_equal(fclose(f), 0);
	} else {
		assert_int_equal(unlink(h->path), 0);
	}
}

/* Services 0 and 1 with two probes and one. */
static int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof(*h));
	void *rig = NULL;

	(void)rig_setup(&rig);
	h->rig = rig;
	(void)snprintf(h->name, sizeof(h->name), "x");
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_checker.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/ready", h->dir);
	set_file(h, true);
	for (size_t i = 0; i < PROBES_MAX; i++)
		h->probes[i] = file_probe(h);
	for (size_t s = 0; s < 2; s++) {
		h->services[s] = (struct conf_service){ .name = h->name,
			.probes = &h->probes[2 * s],
			.n_probes = 2 - s,
			.need = 1 };
	}
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;
	void *rig = h->rig;

	checker_free(h->ck);
	(void)rig_teardown(&rig);
	(void)unlink(h->path);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

static void
on_service(size_t s, enum health before, enum health now, const char *reason,
    void *arg)
{
	struct house *h = arg;

	(void)s;
	(void)before;
	(void)now;
	(void)reason;
	h->n_changes++;
}

static void
on_probe(const struct checker_change *ch, void *arg)
{
	(void)ch;
	(void)arg;
}

static void
begin(struct house *h, size_t n_services)
{
	static const struct checker_ops ops = { .on_service = on_service,
		.on_probe = on_probe };

	h->ck = checker_new(h->rig->lp, h->rig->env, h->services, n_services,
	    &ops, h);
}

static uint64_t
n_results(const struct house *h, size_t s, size_t p)
{
	const struct checker_probe *known = checker_probe(h->ck, s, p);
	uint64_t n = 0;

	for (size_t v = 0; v < PROBE_VERDICT_COUNT; v++)
		n += known->results[v];
	return n;
}

static void
on_done(void *arg)
{
	struct house *h = arg;

	h->n_done++;
	h->health_then = checker_service(h->ck, 0);
	h->results_then = n_results(h, 0, 0);
}

static void
wait_first_results(struct house *h)
{
	begin(h, 2);
	WAIT_FOR(h->rig->lp,
	    n_results(h, 0, 0) == 1 && n_results(h, 0, 1) == 1 &&
		n_results(h, 1, 0) == 1);
}

static void
test_all_now(void **state)
{
	struct house *h = *state;

	wait_first_results(h);
	for (uint64_t n = 2; n <= 4; n++) {
		h->n_done = 0;
		assert_non_null(checker_check_now(h->ck, CHECKER_ALL, on_done,
		    h));
		assert_int_equal(h->n_done, 0);
		WAIT_FOR(h->rig->lp, h->n_done > 0);
		assert_int_equal(n_results(h, 0, 0), n);
		assert_int_equal(n_results(h, 0, 1), n);
		assert_int_equal(n_results(h, 1, 0), n);
	}
	loop_idle(h->rig->lp, 50);
	assert_int_equal(h->n_done, 1);
	assert_int_equal(n_results(h, 0, 0), 4);
}

static void
test_one_service_now(void **state)
{
	struct house *h = *state;

	wait_first_results(h);
	assert_non_null(checker_check_now(h->ck, 1, on_done, h));
	WAIT_FOR(h->rig->lp, h->n_done == 1);
	assert_int_equal(n_results(h, 1, 0), 2);
	loop_idle(h->rig->lp, 50);
	assert_int_equal(n_results(h, 0, 0), 1);
	assert_int_equal(n_results(h, 0, 1), 1);
}

/* They count, and what follows from them is known when on_done is called. */
static void
test_results_count(void **state)
{
	struct house *h = *state;

	wait_first_results(h);
	assert_int_equal(checker_service(h->ck, 0), HEALTH_HEALTHY);
	set_file(h, false);
	assert_non_null(checker_check_now(h->ck, CHECKER_ALL, on_done, h));
	WAIT_FOR(h->rig->lp, h->n_done == 1);
	assert_int_equal(h->health_then, HEALTH_SICK);
	assert_int_equal(h->n_changes, 4);
	assert_int_equal(checker_probe(h->ck, 0, 0)->last, PROBE_FAIL);
}

/* A check that runs already may have seen what was so before. */
static void
test_running_check_is_not_enough(void **state)
{
	struct house *h = *state;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_STREAM, &port);
	char *target = xasprintf("127.0.0.1:%u", port);
	uint8_t never[] = { 'x' };

	assert_int_equal(listen(fd, 8), 0);
	h->probes[0].kind = PROBE_TCP;
	h->probes[0].target = target;
	h->probes[0].tcp.expect =
	    (struct conf_bytes){ .bytes = never, .len = 1 };
	h->probes[0].timeout_ms = 200;
	h->services[0].n_probes = 1;
	begin(h, 1);
	loop_idle(h->rig->lp, 50);
	assert_int_equal(n_results(h, 0, 0), 0);
	assert_non_null(checker_check_now(h->ck, 0, on_done, h));
	assert_non_null(checker_check_now(h->ck, 0, on_done, h));
	WAIT_FOR(h->rig->lp, h->n_done == 2);
	assert_int_equal(h->results_then, 2);
	(void)close(fd);
	free(target);
}

static void
test_cancelled_round(void **state)
{
	struct house *h = *state;
	struct checker_round *round;

	wait_first_results(h);
	round = checker_check_now(h->ck, CHECKER_ALL, on_done, h);
	assert_non_null(checker_check_now(h->ck, 1, on_done, h));
	checker_round_cancel(round);
	WAIT_FOR(h->rig->lp, n_results(h, 0, 1) == 2);
	loop_idle(h->rig->lp, 50);
	assert_int_equal(h->n_done, 1);
	/* One that waits when all ends. */
	assert_non_null(checker_check_now(h->ck, 1, on_done, h));
}

static void
test_so_many_rounds(void **state)
{
	struct house *h = *state;

	wait_first_results(h);
	for (unsigned i = 0; i < CHECKER_ROUNDS_MAX; i++)
		assert_non_null(checker_check_now(h->ck, 1, on_done, h));
	assert_null(checker_check_now(h->ck, 1, on_done, h));
	WAIT_FOR(h->rig->lp, h->n_done == CHECKER_ROUNDS_MAX);
	assert_int_equal(n_results(h, 1, 0), 2);
	assert_non_null(checker_check_now(h->ck, 1, on_done, h));
}

static void
on_done_again(void *arg)
{
	struct house *h = arg;

	on_done(h);
	if (h->next != NULL)
		checker_round_cancel(h->next);
	h->next = NULL;
	if (h->n_done < 3) {
		assert_non_null(checker_check_now(h->ck, CHECKER_ALL,
		    on_done_again, h));
	}
}

/* on_done may begin rounds and cancel others. */
static void
test_on_done_may_do_anything(void **state)
{
	struct house *h = *state;

	wait_first_results(h);
	assert_non_null(checker_check_now(h->ck, CHECKER_ALL, on_done_again,
	    h));
	/* Would be told next, were it not cancelled by the first. */
	h->next = checker_check_now(h->ck, CHECKER_ALL, on_done, h);
	WAIT_FOR(h->rig->lp, h->n_done == 3);
	loop_idle(h->rig->lp, 50);
	assert_int_equal(h->n_done, 3);
}

/* The interval is an hour: all that happens is due to the quick one. */
static void
test_quick_while_changing(void **state)
{
	struct house *h = *state;

	h->services[0].n_probes = 1;
	h->probes[0].quick_interval_ms = 20;
	h->probes[0].up_after = 3;
	h->probes[0].down_after = 4;
	begin(h, 1);
	WAIT_FOR(h->rig->lp, checker_service(h->ck, 0) == HEALTH_HEALTHY);
	assert_int_equal(n_results(h, 0, 0), 3);
	loop_idle(h->rig->lp, 100);
	assert_int_equal(n_results(h, 0, 0), 3);
	set_file(h, false);
	assert_non_null(checker_check_now(h->ck, 0, on_done, h));
	WAIT_FOR(h->rig->lp, checker_service(h->ck, 0) == HEALTH_SICK);
	assert_int_equal(n_results(h, 0, 0), 7);
	loop_idle(h->rig->lp, 100);
	assert_int_equal(n_results(h, 0, 0), 7);
}

/* A single failure: quick until the next success, which ends the doubt. */
static void
test_quick_ends_with_the_doubt(void **state)
{
	struct house *h = *state;
	uint64_t n;

	h->services[0].n_probes = 1;
	h->probes[0].quick_interval_ms = 20;
	h->probes[0].down_after = 100;
	begin(h, 1);
	WAIT_FOR(h->rig->lp, checker_service(h->ck, 0) == HEALTH_HEALTHY);
	set_file(h, false);
	assert_non_null(checker_check_now(h->ck, 0, on_done, h));
	WAIT_FOR(h->rig->lp, n_results(h, 0, 0) >= 4);
	set_file(h, true);
	WAIT_FOR(h->rig->lp, checker_probe(h->ck, 0, 0)->last == PROBE_PASS);
	n = n_results(h, 0, 0);
	loop_idle(h->rig->lp, 100);
	assert_int_equal(n_results(h, 0, 0), n);
}

static void
test_spread(void **state)
{
	struct house *h = *state;
	struct mono start = mono_now();

	h->probes[1].has_spread = h->probes[2].has_spread = true;
	h->probes[1].spread_ms = 900;
	begin(h, 2);
	/* The last of three, with a spread of nothing, goes at once. */
	WAIT_FOR(h->rig->lp, n_results(h, 1, 0) == 1);
	assert_int_equal(n_results(h, 0, 1), 0);
	/* The second of three: after a third of the spread. */
	WAIT_FOR(h->rig->lp, n_results(h, 0, 1) == 1);
	assert_true(mono_diff_ms(mono_now(), start) >= 299);
}

/* Many probes, short intervals: nobody waits longer than an interval. */
static void
test_automatic_spread_is_within_the_interval(void **state)
{
	struct house *h = *state;
	struct mono start = mono_now();

	h->services[0].n_probes = PROBES_MAX;
	for (size_t i = 0; i < PROBES_MAX; i++)
		h->probes[i].interval_ms = 100;
	begin(h, 1);
	for (size_t i = 0; i < PROBES_MAX; i++)
		WAIT_FOR(h->rig->lp, n_results(h, 0, i) > 0);
	assert_true(mono_diff_ms(mono_now(), start) >= 90);
	/* 5 ms for each would be a second: the first ones ran ten times. */
	for (size_t i = 0; i < PROBES_MAX; i++)
		assert_in_range(n_results(h, 0, i), 1, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_all_now),
		T(test_one_service_now),
		T(test_results_count),
		T(test_running_check_is_not_enough),
		T(test_cancelled_round),
		T(test_so_many_rounds),
		T(test_on_done_may_do_anything),
		T(test_quick_while_changing),
		T(test_quick_ends_with_the_doubt),
		T(test_spread),
		T(test_automatic_spread_is_within_the_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
