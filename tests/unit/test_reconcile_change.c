/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a change meets on its way into BIRD: it is waited for, refused, taken
 * and found wrong and so undone, held back by what was done by hand, confirmed
 * or cut off before.  Against a fake BIRD, as test_reconcile.c.
 */
#include "site/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bird/include.h"
#include "reconcile_model.h"
#include "test.h"

/* ---- BIRD takes its time ---- */

static void
check_waits(void **state, const char *reply)
{
	struct model *m = model_with(state, 0);

	m->progress_polls = 5;
	m->configure_reply = reply;
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	m->configure_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	/* Not announced before it was, and not asked for twice. */
	assert_int_equal(m->progress_polls, 0);
	assert_int_equal(m->statuses, 5);
	assert_int_equal(m->configures, 1);
	assert_int_equal(m->rec.changes[0][REAL_ANNOUNCED], 1);
	assert_int_equal(m->rec.n_notices, 0);
}

static void
test_reconfiguration_in_progress_is_waited_out(void **state)
{
	check_waits(state, "0002-Reading\n0004 Reconfiguration in progress\n");
}

static void
test_queued_reconfiguration_is_waited_out(void **state)
{
	check_waits(state,
	    "0002-Reading\n"
	    "0005 Reconfiguration already in progress, queueing new config\n");
}

/* ---- BIRD refuses ---- */

static void
check_refused(struct model *m, const char *text)
{
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, m->rec.n_notices > 0);
	assert_non_null(recon_notice(&m->rec, text));
	assert_non_null(strstr(recon_bird(&m->rec).last_error, text));
	assert_int_equal(recon_real(&m->rec), 0);
	assert_true(reconcile_diverged_ms(m->rec.r, 0) >= 0);
	/* Tried again, with less and less haste, and said only once. */
	loop_idle(m->rec.lp, 1200);
	assert_int_equal(m->rec.n_notices, 1);
	assert_in_range(m->checks, 2, 6);
	assert_true(reconcile_diverged_ms(m->rec.r, 0) >= 1000);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_CONNECTED);
}

static void
check_mended(struct model *m)
{
	m->check_reply = m->configure_reply = NULL;
	m->ignores_file = false;
	m->has_include = true;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).last_error[0] == '\0');
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
}

static void
test_refused_by_the_check(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "0002-Reading\n8002 other.conf:7:1 syntax error\n";
	check_refused(m, "other.conf:7:1 syntax error");
	/* Never loaded, but kept for whoever mends the rest. */
	assert_int_equal(m->configures, 0);
	assert_file_has(m, 3);
	check_mended(m);
}

static void
test_refused_by_configure(void **state)
{
	struct model *m = model_with(state, 0);

	m->configure_reply =
	    "0002-Reading\n0006 Reconfiguration ignored, shutting down\n";
	check_refused(m, "Reconfiguration ignored");
	check_mended(m);
}

static void
test_access_denied(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "8007 Access denied\n";
	check_refused(m, "Access denied");
	check_mended(m);
}

/* What BIRD says goes into JSON: it must be text. */
static void
test_error_in_another_encoding(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "8002 caf\xe9.conf:7:1 \x1b[31mred\n";
	check_refused(m, "caf?.conf:7:1 ?[31mred");
	check_mended(m);
}

/* Our own file is refused: the one that BIRD can start with is put back. */
static void
test_our_file_refused(void **state)
{
	struct model *m = model_with(state, 1);
	char reply[200];

	(void)snprintf(reply, sizeof(reply),
	    "0002-Reading\n8002 %s:3:1 syntax error\n", m->include);
	m->check_reply = reply;
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "syntax error") != NULL);
	assert_file_has(m, 1);
	assert_int_equal(m->configures, 0);
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
}

/* ---- taken back ---- */

/* Taken, found wrong, undone, and the old file is back. */
static void
check_undone(struct model *m, const char *text)
{
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(strstr(recon_notice(&m->rec, "bird: change undone"),
	    text));
	assert_int_equal(m->undos, 1);
	assert_false(m->is_pending);
	assert_file_has(m, 0);
	WAIT_UNTIL(m->rec.lp,
	    strstr(recon_bird(&m->rec).last_error, text) != NULL);
	assert_int_equal(recon_real(&m->rec), 0);
	assert_int_equal(recon_bird(&m->rec).undone, 1);
}

static void
test_bird_has_other_routes_than_wanted(void **state)
{
	struct model *m = model_with(state, 0);

	m->ignores_file = true;
	check_undone(m, "other routes than wanted");
	check_mended(m);
}

static void
test_include_missing_in_bird_conf(void **state)
{
	struct model *m = model_with(state, 0);

	m->has_include = false;
	check_undone(m, m->include);
	check_mended(m);
}

/* Withdrawn in our table, and a session still has it. */
static void
test_withdrawn_and_still_exported(void **state)
{
	struct model *m = model_with(state, 3);

	m->confirms = 0;
	m->keeps_exports = true;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&m->rec, "still exported"));
	assert_int_equal(m->confirms, 0);
	assert_file_has(m, 3);
	m->keeps_exports = false;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
	WAIT_UNTIL(m->rec.lp, m->confirms == 1);
}

/* An edit of bird.conf that nobody had loaded takes a session down with ours:
 * undone, not tried again at once, and told why. */
static void
test_session_lost_by_the_change(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols_after = PROTOCOLS_LOST;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&m->rec, "session " SESSION));
	assert_non_null(recon_notice(&m->rec, "never loaded"));
	assert_file_has(m, 3);
	assert_int_equal(m->configures, 1);
	/* Not even for another wish. */
	recon_want(&m->rec, 2);
	loop_idle(m->rec.lp, 1500);
	assert_int_equal(m->configures, 1);
	assert_int_equal(recon_real(&m->rec), 3);
	/* Somebody loads the edit: it is as he wants it. */
	m->protocols_after = NULL;
	m->loads++;
	m->protocols = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 2);
	assert_int_equal(recon_bird(&m->rec).foreign, 1);
}

/* What would not be there after a power cut is not confirmed. */
static void
test_file_that_does_not_get_to_the_disk(void **state)
{
	struct model *m = model_with(state, 3);

	m->loses_file = true;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	m->loses_file = false;
	assert_int_equal(m->undos, 1);
	assert_false(m->is_pending);
	assert_file_has(m, 3);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
}

/* A session that fell a moment after the change fell by itself. */
static void
test_session_lost_later_is_not_ours(void **state)
{
	struct model *m = model_with(state, 3);

	m->ignores_file = true; /* the verification takes a while */
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	loop_idle(m->rec.lp, 100);
	m->protocols = PROTOCOLS_LOST;
	m->ignores_file = false;
	model_load(m);
	m->protocols = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->undos, 0);
}

/* ---- what was done by hand ---- */

static void
test_disabled_by_hand_stops_the_change(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "not carried out") != NULL);
	assert_non_null(recon_notice(&m->rec, "disabled by hand: lost1"));
	loop_idle(m->rec.lp, 500);
	assert_int_equal(m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 3);
	assert_string_equal(recon_bird(&m->rec).by_hand, "lost1");
	/* Enabled again by hand: nothing to undo any more. */
	m->protocols = PROTOCOLS;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
	assert_string_equal(recon_bird(&m->rec).by_hand, "");
}

/* What was refused to us was loaded by hand: that is what to go back to. */
static void
test_loaded_by_hand_is_what_was_before(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "not carried out") != NULL);
	model_load(m);
	m->protocols = PROTOCOLS;
	m->protocols_after = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_file_has(m, 1);
}

static void
assert_no_old(const struct model *m)
{
	static const char *const tails[] = { ".old", ".old.new", ".new",
		".sessions" };

	for (size_t i = 0; i < TEST_COUNT(tails); i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s%s", m->include,
		    tails[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
}

/* The check went with the questions, and their answer is no: BIRD's word to the
 * check changes nothing, and it is not asked again and again. */
static void
test_check_in_vain(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, m->checks == 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "not carried out") != NULL);
	loop_idle(m->rec.lp, 800);
	assert_int_equal(m->checks, 1);
	assert_int_equal(m->configures, 0);
	assert_no_old(m);
	m->protocols = PROTOCOLS;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	loop_idle(m->rec.lp, 2 * RIG_POLL_MS);
	assert_int_equal(m->checks, 2);
	assert_int_equal(m->configures, 1);
	assert_no_old(m);
}

static void
empty_file(struct model *m)
{
	assert_int_equal(truncate(m->include, 0), 0);
}

static void
remove_file(struct model *m)
{
	assert_int_equal(unlink(m->include), 0);
}

/* Another hand in our file while BIRD checks it: BIRD does not get to load that. */
static void
test_file_changed_behind_the_check(void **state)
{
	struct model *m = model_with(state, 3);

	m->tamper = empty_file;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	assert_int_equal(m->configures, 1);
	m->tamper = remove_file;
	recon_want(&m->rec, 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	loop_idle(m->rec.lp, 2 * RIG_POLL_MS);
	assert_int_equal(m->configures, 2);
	assert_int_equal(m->undos, 0);
	assert_int_equal(recon_real(&m->rec), 2);
	assert_no_old(m);
}

/* While somebody's reconfiguration takes its time, it is not held up by checks. */
static void
test_one_check_while_bird_reconfigures(void **state)
{
	struct model *m = model_with(state, 3);

	m->progress_polls = 8;
	m->is_loading = true;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->progress_polls, 0);
	assert_true(m->statuses >= 8);
	assert_int_equal(m->configures, 1);
	assert_true(m->checks <= 2);
}

/* The file said already what is wanted, BIRD did not: should the daemon die now,
 * the next one must know as well that BIRD may undo. */
static void
test_change_without_a_new_file_is_kept_too(void **state)
{
	struct model *m = model_with(state, 3);
	char old[160];

	(void)snprintf(old, sizeof(old), "%s.old", m->include);
	m->check_reply = "0002-Reading\n8002 other.conf:7:1 syntax error\n";
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, m->rec.n_notices > 0);
	assert_no_old(m);
	m->silent_on = "configure confirm";
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, m->configures > 0 && m->is_pending);
	assert_int_equal(access(old, F_OK), 0);
	m->silent_on = NULL;
	recon_restart(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_false(m->is_pending);
	assert_no_old(m);
	assert_int_equal(recon_real(&m->rec), 1);
}

/* It says, too, that BIRD would refuse its configuration. */
static void
test_check_in_vain_is_told(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	m->check_reply = "0002-Reading\n8002 other.conf:7:1 syntax error\n";
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "would be refused") != NULL);
	assert_non_null(strstr(recon_bird(&m->rec).config_error, "other.conf"));
	m->check_reply = NULL;
	m->protocols = PROTOCOLS;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
}

/* The session ends between the answers and the check's. */
static void
test_check_in_vain_without_answer(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	m->silent_on = "configure check";
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "bird: lost") != NULL);
	m->silent_on = NULL;
	m->protocols = PROTOCOLS;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	loop_idle(m->rec.lp, 2 * RIG_POLL_MS);
	assert_int_equal(m->configures, 1);
	assert_int_equal(recon_real(&m->rec), 1);
	assert_no_old(m);
}

/* The file says so, or somebody reconfigured since: nothing by hand. */
static void
test_disabled_in_the_file_is_not_by_hand(void **state)
{
	struct model *m = model_with(state, 3);

	m->loads++;
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
	/* It was only starting, or somebody enabled it: no reason to wait, but
	 * should it go down again, that is by hand. */
	m->protocols = PROTOCOLS;
	recon_want(&m->rec, 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	assert_int_equal(m->configures, 2);
}

/* On its way down: it shows soon whether somebody wanted that. */
static void
test_by_hand_and_not_down_yet(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_STOPPING;
	recon_want(&m->rec, 1);
	loop_idle(m->rec.lp, 100);
	assert_int_equal(m->configures, 0);
	m->protocols = PROTOCOLS_BY_HAND;
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	assert_int_equal(m->configures, 0);
}

/* A session that fell and takes long to come to rest delays no change for
 * long. */
static void
test_never_down_is_not_by_hand(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_STOPPING;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
	assert_string_equal(recon_bird(&m->rec).by_hand, "");
}

/* BIRD's texts of its times move: see bird_times_agree. */
static void
test_by_hand_outlives_a_moving_clock(void **state)
{
	struct model *m = model_with(state, 3);

	m->clock_ms = 30;
	model_wait_surveys(m, 2);
	m->protocols = PROTOCOLS_BY_HAND;
	m->clock_ms = 1;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	m->clock_ms = 990;
	model_wait_surveys(m, 2);
	assert_string_equal(recon_bird(&m->rec).by_hand, "lost1");
	assert_int_equal(recon_bird(&m->rec).foreign, 0);
	assert_int_equal(m->configures, 0);
	/* A step; later another session, or another daemon. */
	m->clock_ms = 7200;
	model_wait_surveys(m, 2);
	recon_restart(&m->rec);
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	model_wait_surveys(m, 2);
	assert_int_equal(m->configures, 0);
}

/* A restarted daemon knows it from the list beside the include. */
static void
test_by_hand_outlives_a_restart(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_restart(&m->rec);
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	loop_idle(m->rec.lp, 300);
	assert_int_equal(m->configures, 0);
}

static void
test_by_hand_is_overruled_as_configured(void **state)
{
	struct model *m = model_with(state, 3);

	m->rec.conf.overrule_hands = true;
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
}

/* ---- confirming ---- */

static void
test_each_change_is_confirmed_once(void **state)
{
	struct model *m = model_with(state, 0);

	m->confirms = 0;
	for (unsigned i = 1; i < 4; i++) {
		recon_want(&m->rec, i);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		WAIT_UNTIL(m->rec.lp, !m->is_pending);
		assert_int_equal(m->confirms, i);
	}
	assert_int_equal(m->undos, 0);
	assert_int_equal(recon_bird(&m->rec).foreign, 0);
}

/* BIRD undid it, since we were too slow: begun again, and right in the end. */
static void
test_undone_by_bird_is_done_again(void **state)
{
	struct model *m = model_with(state, 0);

	m->silent_on = "configure confirm";
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	assert_true(m->is_pending);
	(void)model_undo(m);
	m->silent_on = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	assert_int_equal(m->configures, 2);
}

/* The daemon died between configure and confirm: the next one confirms. */
static void
test_change_cut_by_a_restart_is_confirmed(void **state)
{
	struct model *m = model_with(state, 0);
	unsigned configures;
	char old[160];

	m->silent_on = "configure confirm";
	recon_want(&m->rec, 3);
	/* Once, but on a machine so busy that replies come too late. */
	WAIT_UNTIL(m->rec.lp, m->configures > 0 && recon_is_equal(&m->rec));
	configures = m->configures;
	(void)snprintf(old, sizeof(old), "%s.old", m->include);
	assert_int_equal(access(old, F_OK), 0);
	m->silent_on = NULL;
	recon_restart(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_false(m->is_pending);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(m->configures, configures);
	assert_int_equal(recon_real(&m->rec), 3);
}

/* What took a session away is not confirmed by the next daemon either. */
static void
test_change_cut_by_a_restart_is_not_trusted(void **state)
{
	struct model *m = model_with(state, 3);

	m->rec.conf.confirm_ms = 2000;
	m->protocols_after = PROTOCOLS_DISABLED;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	recon_restart(&m->rec);
	recon_want(&m->rec, 1);
	model_wait_surveys(m, 3);
	assert_true(m->is_pending);
	/* BIRD's time is over.  Sessions take a while to come up again: a change
	 * that came before would not miss them. */
	(void)model_undo(m);
	m->protocols = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&m->rec, "session " SESSION));
	model_wait_surveys(m, 10);
	assert_int_equal(m->configures, 1);
	assert_int_equal(recon_real(&m->rec), 3);
	assert_no_old(m);
}

/* A change that did not get through had written the file already: what is kept is
 * what BIRD has, not what was written in between. */
static void
test_what_bird_has_is_kept(void **state)
{
	struct model *m = model_with(state, 3);
	char old[160], *before, *kept;
	struct err err;

	(void)snprintf(old, sizeof(old), "%s.old", m->include);
	before = bird_include_read(m->include, &err);
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "not carried out") != NULL);
	assert_no_old(m);
	m->protocols = PROTOCOLS;
	m->silent_on = "configure confirm";
	recon_want(&m->rec, 5);
	WAIT_UNTIL(m->rec.lp, m->configures > 0 && m->is_pending);
	kept = bird_include_read(old, &err);
	assert_string_equal(kept, before);
	free(kept);
	free(before);
	m->silent_on = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec) && !m->is_pending);
	assert_int_equal(recon_real(&m->rec), 5);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		MODEL_TEST(test_reconfiguration_in_progress_is_waited_out),
		MODEL_TEST(test_queued_reconfiguration_is_waited_out),
		MODEL_TEST(test_refused_by_the_check),
		MODEL_TEST(test_refused_by_configure),
		MODEL_TEST(test_access_denied),
		MODEL_TEST(test_error_in_another_encoding),
		MODEL_TEST(test_our_file_refused),
		MODEL_TEST(test_bird_has_other_routes_than_wanted),
		MODEL_TEST(test_include_missing_in_bird_conf),
		MODEL_TEST(test_withdrawn_and_still_exported),
		MODEL_TEST(test_session_lost_by_the_change),
		MODEL_TEST(test_file_that_does_not_get_to_the_disk),
		MODEL_TEST(test_session_lost_later_is_not_ours),
		MODEL_TEST(test_disabled_by_hand_stops_the_change),
		MODEL_TEST(test_loaded_by_hand_is_what_was_before),
		MODEL_TEST(test_check_in_vain),
		MODEL_TEST(test_file_changed_behind_the_check),
		MODEL_TEST(test_one_check_while_bird_reconfigures),
		MODEL_TEST(test_change_without_a_new_file_is_kept_too),
		MODEL_TEST(test_check_in_vain_is_told),
		MODEL_TEST(test_what_bird_has_is_kept),
		MODEL_TEST(test_check_in_vain_without_answer),
		MODEL_TEST(test_disabled_in_the_file_is_not_by_hand),
		MODEL_TEST(test_by_hand_and_not_down_yet),
		MODEL_TEST(test_never_down_is_not_by_hand),
		MODEL_TEST(test_by_hand_outlives_a_moving_clock),
		MODEL_TEST(test_by_hand_outlives_a_restart),
		MODEL_TEST(test_by_hand_is_overruled_as_configured),
		MODEL_TEST(test_each_change_is_confirmed_once),
		MODEL_TEST(test_undone_by_bird_is_done_again),
		MODEL_TEST(test_change_cut_by_a_restart_is_confirmed),
		MODEL_TEST(test_change_cut_by_a_restart_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
