/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wanted becomes so in BIRD and in our file, and stays so: whatever is
 * wanted and how often, whatever becomes of the file, and while BIRD comes and
 * goes.  Against a fake BIRD, as test_reconcile_change.c, which has what may
 * stop a single change; the same against a real one: test_reconcile_bird.c.
 */
#include "site/reconcile.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "bird/include.h"
#include "reconcile_model.h"
#include "test.h"

/* ---- the way it should go ---- */

static void
test_every_set_of_prefixes(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned wanted = 0; wanted < 1u << RIG_PREFIXES; wanted++) {
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_file_has(m, wanted);
		for (size_t i = 0; i < RIG_PREFIXES; i++) {
			assert_int_equal(reconcile_exported_to(m->rec.r, i),
			    wanted >> i & 1);
		}
	}
	/* One change, one configure. */
	assert_int_equal(m->configures, (1u << RIG_PREFIXES) - 1);
	assert_int_equal(recon_bird(&m->rec).sessions_up, 1);
	assert_int_equal(recon_bird(&m->rec).sessions_all, 2);
	assert_string_equal(recon_bird(&m->rec).version, "2.0.12");
	assert_string_equal(recon_bird(&m->rec).last_error, "");
}

static void
test_nothing_is_done_when_nothing_changes(void **state)
{
	struct model *m = model_with(state, 5);
	struct stat before, after;

	assert_int_equal(stat(m->include, &before), 0);
	for (unsigned i = 0; i < 20; i++) {
		recon_want(&m->rec, 5);
		loop_step(m->rec.lp, 5);
	}
	/* Thought better of it before it was carried out. */
	reconcile_want(m->rec.r, 1, (struct route_want){ .announced = true });
	reconcile_want(m->rec.r, 1, (struct route_want){ 0 });
	reconcile_apply(m->rec.r);
	loop_idle(m->rec.lp, 5 * RIG_POLL_MS);
	assert_int_equal(m->checks + m->configures, 0);
	assert_true(m->listings > 0);
	assert_int_equal(stat(m->include, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(m->rec.n_notices, 0);
}

static void
test_restart_changes_nothing(void **state)
{
	struct model *m = model_with(state, 9);

	recon_restart(&m->rec);
	assert_true(reconcile_wanted(m->rec.r, 0));
	assert_false(reconcile_wanted(m->rec.r, 1));
	assert_false(reconcile_wanted(m->rec.r, 2));
	assert_true(reconcile_wanted(m->rec.r, 3));
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 9);
}

static void
test_burst_of_wants_takes_few_configures(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < 100; i++) {
		recon_want(&m->rec, i % (1u << RIG_PREFIXES));
		if (i % 10 == 0)
			loop_step(m->rec.lp, 1);
	}
	recon_want(&m->rec, 6);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 6);
	assert_in_range(m->configures, 1, 8);
}

/* Wanted, and wanted no more, while the first is under way: the last wins. */
static void
test_change_during_a_change(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < 20; i++) {
		unsigned wanted = 1u << i % RIG_PREFIXES;

		recon_want(&m->rec, 15);
		for (unsigned k = 0; k < i; k++)
			loop_step(m->rec.lp, 1);
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_file_has(m, wanted);
	}
}

static void
test_changes_that_keep_coming_go_together(void **state)
{
	struct model *m = model_with(state, 0);
	struct mono start, last;
	int64_t bursts = 1;

	m->rec.conf.min_gap_ms = 50;
	m->rec.conf.max_delay_ms = 400;
	recon_restart(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	last = start = mono_now();
	for (unsigned i = 0; i < 300; i++) {
		/* A machine that stands still makes two bursts of one. */
		bursts += mono_diff_ms(mono_now(), last) > 150;
		last = mono_now();
		recon_want(&m->rec, 1 + i % 14);
		loop_idle(m->rec.lp, 10);
	}
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1 + 299 % 14);
	/* 300 wishes in three seconds, or however long it took: the first few
	 * soon after each other, then one change per max_delay. */
	assert_in_range(m->configures, 2,
	    6 * bursts + mono_diff_ms(mono_now(), start) / 400);
}

/* A listing that was cut off tells nothing: nobody is told "withdrawn". */
static void
test_cut_off_listing_is_read_again(void **state)
{
	static const char *const listings[] = { "show route protocol anycastd4",
		"show route protocol anycastd6",
		"show route 198.51.100.0/24 exported" };
	struct model *m = model_with(state, 15);

	for (size_t k = 0; k < TEST_COUNT(listings); k++) {
		m->cut_off_on = listings[k];
		m->cut_off = 3;
		for (unsigned polls = 0; polls < 40; polls++) {
			loop_step(m->rec.lp, 5);
			assert_int_equal(recon_real(&m->rec), 15);
			assert_int_equal(reconcile_exported_to(m->rec.r, 0), 1);
			assert_int_equal(reconcile_exported_to(m->rec.r, 3), 1);
		}
		WAIT_UNTIL(m->rec.lp, m->cut_off == 0);
	}
	assert_int_equal(m->configures, 0);
	assert_int_equal(m->rec.n_notices, 0);
}

/* ---- attributes ---- */

static void
want_attrs(struct model *m, struct route_attrs attrs)
{
	reconcile_want(m->rec.r, 0,
	    (struct route_want){ .announced = true, .attrs = attrs });
	reconcile_apply(m->rec.r);
}

static void
test_attributes_are_read_back(void **state)
{
	const struct route_attrs gentle = { true, 3 };
	struct model *m = model_with(state, 15);

	want_attrs(m, gentle);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	WAIT_UNTIL(m->rec.lp,
	    route_attrs_equal(reconcile_real_attrs(m->rec.r, 0), gentle));
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
	/* A restart adopts them. */
	recon_restart(&m->rec);
	assert_true(route_attrs_equal(reconcile_get_want(m->rec.r, 0).attrs,
	    gentle));
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->configures, 1);
	/* Lost in BIRD: put there again. */
	m->routes[0].attrs = (struct route_attrs){ 0 };
	WAIT_UNTIL(m->rec.lp, m->configures == 2);
	WAIT_UNTIL(m->rec.lp,
	    route_attrs_equal(reconcile_real_attrs(m->rec.r, 0), gentle));
	assert_true(recon_is_equal(&m->rec));
}

/* bird.conf lacks export.conf: no attribute may get into the file, for BIRD
 * would not start with it. */
static void
test_no_attributes_without_export_conf(void **state)
{
	const struct route_attrs gentle = { true, 3 };
	struct model *m = *state;
	char *text;

	m->has_export = false;
	m = model_with(state, 15);
	assert_false(recon_bird(&m->rec).has_attrs);
	want_attrs(m, gentle);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	text = bird_include_read(m->include, NULL);
	assert_null(strstr(text, "prepend"));
	free(text);
	assert_int_equal(m->configures, 0);
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
	/* Included at last. */
	m->has_export = true;
	m->loads++;
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	WAIT_UNTIL(m->rec.lp,
	    route_attrs_equal(reconcile_real_attrs(m->rec.r, 0), gentle));
}

/* ---- our file ---- */

/* Nothing to announce yet: told all the same, before it is too late. */
static void
test_include_missing_is_told_at_once(void **state)
{
	struct model *m = *state;

	m->has_include = false;
	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	m->has_include = true;
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).last_error[0] == '\0');
}

static void
test_file_edited_or_deleted_is_put_right(void **state)
{
	struct model *m = model_with(state, 3);

	assert_int_equal(bird_include_write(m->include, "# mine\n", NULL), 0);
	model_load(m); /* and somebody has loaded it */
	WAIT_UNTIL(m->rec.lp, m->configures == 1 && recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	assert_int_equal(unlink(m->include), 0);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	WAIT_UNTIL(m->rec.lp, m->configures == 2 && recon_is_equal(&m->rec));
	assert_file_has(m, 3);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->configures, 2);
}

/* Routes of ours that this site does not manage are withdrawn. */
static void
test_route_that_nobody_wants(void **state)
{
	struct model *m = model_with(state, 3);

	assert_int_equal(prefix_parse("203.0.113.0/24",
			     &m->routes[m->n_routes].prefix, NULL),
	    0);
	m->n_routes++;
	WAIT_UNTIL(m->rec.lp, m->configures == 1 && m->n_routes == 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
}

/* A file from another configuration: what is not managed goes. */
static void
test_adopts_only_what_it_manages(void **state)
{
	struct model *m = *state;
	struct bird_route had[2] = { 0 };
	char *text;

	assert_int_equal(prefix_parse("203.0.113.0/24", &had[0].prefix, NULL),
	    0);
	assert_int_equal(prefix_parse(rig_prefixes[0], &had[1].prefix, NULL),
	    0);
	text = bird_include_format(had, 2);
	assert_int_equal(bird_include_write(m->include, text, NULL), 0);
	free(text);
	model_load(m);
	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_int_equal(m->n_routes, 1);
	assert_true(prefix_equal(&m->routes[0].prefix, &had[1].prefix));
}

static void
test_folder_gone_and_back(void **state)
{
	struct model *m = model_with(state, 1);

	assert_int_equal(unlink(m->include), 0);
	remove_beside(m, ".protocols");
	assert_int_equal(rmdir(m->folder), 0);
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	loop_idle(m->rec.lp, 300);
	/* Nothing is loaded that is not what we want. */
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 1);
	assert_int_equal(mkdir(m->folder, 0755), 0);
	WAIT_UNTIL(m->rec.lp, recon_real(&m->rec) == 3);
}

/* An unreadable file is no empty one: nothing is withdrawn. */
static void
test_unreadable_file_withdraws_nothing(void **state)
{
	struct model *m = model_with(state, 3);

	reconcile_free(m->rec.r);
	m->rec.r = NULL;
	assert_int_equal(unlink(m->include), 0);
	assert_int_equal(mkdir(m->include, 0755), 0);
	m->rec.n_notices = 0;
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	loop_idle(m->rec.lp, 300);
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(m->n_routes, 2);
	assert_int_equal(rmdir(m->include), 0);
}

/* ---- BIRD comes and goes ---- */

static void
test_silent_on_each_command(void **state)
{
	static const char *const commands[] = { "configure check",
		"configure soft", "show route protocol", "show protocols",
		"show route 192", "configure confirm" };
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < TEST_COUNT(commands); i++) {
		unsigned wanted = i % 2 == 0 ? 3 : 12;

		m->silent_on = commands[i];
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
		for (size_t k = 0; k < RIG_PREFIXES; k++) {
			assert_int_equal(reconcile_real(m->rec.r, k),
			    REAL_UNKNOWN);
		}
		m->silent_on = NULL;
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_int_equal(recon_bird(&m->rec).state, BIRD_CONNECTED);
	}
}

/* Stopped for longer than its backlog lasts: silent, not gone. */
static void
test_stopped_for_long_is_silent(void **state)
{
	struct model *m = model_with(state, 1);

	fake_die(&m->fake);
	fake_listen(&m->fake, 0);
	fake_freeze(&m->fake, true);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	m->rec.n_notices = 0;
	loop_idle(m->rec.lp, 5 * RIG_TIMEOUT_MS);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_SILENT);
	assert_null(recon_notice(&m->rec, "bird: lost"));
	assert_null(recon_notice(&m->rec, "bird: connected"));
	recon_want(&m->rec, 2);
	fake_freeze(&m->fake, false);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 2);
}

/* BIRD reads the file when it starts: it must be right by then. */
static void
test_file_is_kept_while_bird_is_away(void **state)
{
	struct model *m = model_with(state, 3);

	fake_die(&m->fake);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_DOWN);
	recon_want(&m->rec, 4);
	assert_file_has(m, 4);
	/* Without it BIRD would not even start. */
	assert_int_equal(unlink(m->include), 0);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	assert_file_has(m, 4);
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 4);
	assert_int_equal(m->configures, 0);
}

/* Wanted in the last moment of a session: the file has it. */
static void
test_change_that_bird_died_of(void **state)
{
	struct model *m = model_with(state, 3);

	m->silent_on = "configure check";
	recon_want(&m->rec, 1);
	loop_step(m->rec.lp, 5);
	recon_want(&m->rec, 8);
	fake_die(&m->fake);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_DOWN);
	assert_file_has(m, 8);
	m->silent_on = NULL;
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 8);
}

/* "down" means that it announces nothing; not that we do not get at it. */
static void
test_bird_that_we_may_not_ask_is_not_down(void **state)
{
	struct model *m = *state;
	char *loop = xasprintf("%s.loop", m->include);

	assert_int_equal(symlink(loop, loop), 0);
	m->rec.conf.socket = loop;
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	assert_non_null(strstr(recon_bird(&m->rec).last_error, loop));
	reconcile_free(m->rec.r);
	m->rec.r = NULL;
	(void)unlink(loop);
	free(loop);
}

/* The very first start: no file yet, and so no BIRD either. */
static void
test_first_start_without_file_and_bird(void **state)
{
	struct model *m = *state;

	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	assert_file_has(m, 0);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_DOWN);
	recon_want(&m->rec, 5);
	assert_file_has(m, 5);
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 0);
}

static void
test_another_bird_with_nothing(void **state)
{
	struct model *m = model_with(state, 7);

	fake_die(&m->fake);
	m->n_routes = 0;
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, m->rec.changes[0][REAL_WITHDRAWN] == 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 7);
	assert_int_equal(m->configures, 1);
	assert_non_null(recon_notice(&m->rec, "bird: lost"));
	assert_non_null(recon_notice(&m->rec, "bird: connected"));
}

/* ---- names ---- */

static void
test_names_of_states(void **state)
{
	(void)state;
	for (unsigned a = 0; a < REAL_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(
			    route_real_name((enum route_real)a),
			    route_real_name((enum route_real)b));
		}
	}
	for (unsigned a = 0; a < BIRD_STATE_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(
			    bird_state_name((enum bird_state)a),
			    bird_state_name((enum bird_state)b));
		}
	}
	reconcile_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		MODEL_TEST(test_every_set_of_prefixes),
		MODEL_TEST(test_nothing_is_done_when_nothing_changes),
		MODEL_TEST(test_restart_changes_nothing),
		MODEL_TEST(test_burst_of_wants_takes_few_configures),
		MODEL_TEST(test_change_during_a_change),
		MODEL_TEST(test_changes_that_keep_coming_go_together),
		MODEL_TEST(test_cut_off_listing_is_read_again),
		MODEL_TEST(test_attributes_are_read_back),
		MODEL_TEST(test_no_attributes_without_export_conf),
		MODEL_TEST(test_include_missing_is_told_at_once),
		MODEL_TEST(test_bird_that_we_may_not_ask_is_not_down),
		MODEL_TEST(test_file_edited_or_deleted_is_put_right),
		MODEL_TEST(test_route_that_nobody_wants),
		MODEL_TEST(test_adopts_only_what_it_manages),
		MODEL_TEST(test_folder_gone_and_back),
		MODEL_TEST(test_unreadable_file_withdraws_nothing),
		MODEL_TEST(test_silent_on_each_command),
		MODEL_TEST(test_stopped_for_long_is_silent),
		MODEL_TEST(test_file_is_kept_while_bird_is_away),
		MODEL_TEST(test_change_that_bird_died_of),
		MODEL_TEST(test_first_start_without_file_and_bird),
		MODEL_TEST(test_another_bird_with_nothing),
		cmocka_unit_test(test_names_of_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
