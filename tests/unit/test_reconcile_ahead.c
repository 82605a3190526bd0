/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether BIRD would take its configuration is known before a change needs it.
 */
#include <time.h>

#include "reconcile_model.h"
#include "site/reconcile_state.h"

#define BROKEN "8002 /etc/bird/bird.conf:12:3 syntax error\n"
#define WOULD_REFUSE "bird: configuration would be refused"
#define WOULD_TAKE "bird: configuration would be taken again"
#define CHECK_MS 20

/* As model_with, asked ahead every now and then. */
static struct model *
model_asked(void **state, unsigned wanted)
{
	struct model *m = model_with(state, wanted);

	m->rec.conf.check_ms = CHECK_MS;
	return m;
}

static void
test_told_before_a_change_needs_it(void **state)
{
	struct model *m = model_asked(state, 3);
	unsigned told;

	WAIT_UNTIL(m->rec.lp, m->checks > 1);
	assert_int_equal(m->rec.n_notices, 0);
	m->check_reply = BROKEN;
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_REFUSE) != NULL);
	assert_non_null(recon_notice(&m->rec, "bird.conf:12:3"));
	assert_non_null(strstr(recon_bird(&m->rec).config_error,
	    "bird.conf:12:3"));
	/* Nothing else is wrong, and nothing is done. */
	assert_string_equal(recon_bird(&m->rec).last_error, "");
	told = m->rec.n_notices;
	m->checks = 0;
	WAIT_UNTIL(m->rec.lp, m->checks > 2);
	assert_int_equal(m->rec.n_notices, told);
	assert_int_equal(m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 3);
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_TAKE) != NULL);
	assert_string_equal(recon_bird(&m->rec).config_error, "");
}

/* What a change is told of is not told twice; mended, it is forgotten. */
static void
test_a_refused_change_tells_it_too(void **state)
{
	struct model *m = model_asked(state, 3);

	m->rec.conf.check_ms = 0;
	m->check_reply = BROKEN;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change not carried out") != NULL);
	assert_non_null(strstr(recon_bird(&m->rec).config_error,
	    "bird.conf:12:3"));
	m->rec.conf.check_ms = CHECK_MS;
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_string_equal(recon_bird(&m->rec).config_error, "");
	m->checks = 0;
	WAIT_UNTIL(m->rec.lp, m->checks > 1);
	assert_null(recon_notice(&m->rec, WOULD_REFUSE));
	assert_null(recon_notice(&m->rec, WOULD_TAKE));
}

/* Told by the look ahead, found well by a change. */
static void
test_a_change_finds_it_mended(void **state)
{
	struct model *m = model_asked(state, 3);

	m->check_reply = BROKEN;
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_REFUSE) != NULL);
	m->rec.conf.check_ms = 0;
	WAIT_UNTIL(m->rec.lp, reconcile_is_idle(m->rec.r));
	m->check_reply = NULL;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_TAKE) != NULL);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
}

/* BIRD's answer is longer than what is kept of it: the same one is no news. */
static void
test_a_long_answer_is_told_once(void **state)
{
	struct model *m = model_asked(state, 3);
	char reply[1200];

	(void)snprintf(reply, sizeof(reply), "8002 %01000d\n", 1);
	m->check_reply = reply;
	WAIT_UNTIL(m->rec.lp, m->rec.n_notices > 0);
	m->checks = 0;
	WAIT_UNTIL(m->rec.lp, m->checks > 2);
	assert_int_equal(m->rec.n_notices, 1);
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_TAKE) != NULL);
}

/* Each refusal costs BIRD memory; somebody else's success is a reason to ask. */
static void
test_asked_rarely_while_it_refuses(void **state)
{
	struct model *m = model_asked(state, 3);
	struct mono before;

	WAIT_UNTIL(m->rec.lp, m->checks > 1 && reconcile_is_idle(m->rec.r));
	m->rec.conf.check_ms = 3600000;
	m->check_reply = BROKEN;
	before = mono_now();
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_REFUSE) != NULL);
	assert_true(mono_diff_ms(m->rec.r->ahead_next, before) >= 36000000);
	m->check_reply = NULL;
	model_load(m);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, WOULD_TAKE) != NULL);
}

static const char *
answer_slowly(struct fake_bird *fake, const char *command)
{
	const struct timespec reading = { .tv_nsec = 50000000 };

	if (strcmp(command, "configure check") == 0)
		(void)nanosleep(&reading, NULL);
	return model_answer(fake, command);
}

/* It does nothing else while it reads. */
static void
test_who_reads_long_is_asked_rarely(void **state)
{
	struct model *m = model_asked(state, 3);
	struct mono before = mono_now();

	m->fake.answer = answer_slowly;
	WAIT_UNTIL(m->rec.lp, m->checks > 1 && reconcile_is_idle(m->rec.r));
	assert_true(mono_diff_ms(m->rec.r->ahead_next, before) >= 5000);
}

static void
test_not_asked_if_not_configured(void **state)
{
	struct model *m = model_with(state, 3);

	model_wait_surveys(m, 5);
	assert_int_equal(m->checks, 0);
}

/* It may be too much for BIRD: the session must not be lost all the time. */
static void
test_not_asked_again_soon_after_no_answer(void **state)
{
	struct model *m = model_asked(state, 3);

	m->silent_on = "configure check";
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	m->silent_on = NULL;
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_CONNECTED);
	m->checks = 0;
	model_wait_surveys(m, 5);
	assert_int_equal(m->checks, 0);
	assert_int_equal(recon_real(&m->rec), 3);
	/* A change asks all the same, and finds that it is well. */
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, m->checks > 1);
}

static const char *
die_of_checks(struct fake_bird *fake, const char *command)
{
	struct model *m = fake->arg;

	if (strcmp(command, "configure check") != 0)
		return model_answer(fake, command);
	m->checks++;
	fake_hang_up(fake);
	return NULL;
}

/* Or BIRD would come back only to be asked to death again. */
static void
test_not_asked_again_soon_after_it_died_of_it(void **state)
{
	struct model *m = model_asked(state, 3);

	m->fake.answer = die_of_checks;
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "bird: lost") != NULL);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_CONNECTED);
	m->checks = 0;
	model_wait_surveys(m, 5);
	assert_int_equal(m->checks, 0);
	assert_int_equal(recon_real(&m->rec), 3);
}

/* A change was refused and is no longer wanted; if BIRD is not asked ahead,
 * nobody would learn that it was mended. */
static void
test_not_asked_is_not_refused(void **state)
{
	struct model *m = model_with(state, 3);

	m->check_reply = BROKEN;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).config_error[0] != '\0');
	m->rec.converged = 0;
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp,
	    m->rec.converged > 0 && reconcile_is_idle(m->rec.r));
	assert_string_equal(recon_bird(&m->rec).last_error, "");
	assert_string_equal(recon_bird(&m->rec).config_error, "");
}

static void
hand_over(struct model *m, const struct conf_bird *conf)
{
	const struct reconcile_ops ops = m->rec.r->ops;

	WAIT_UNTIL(m->rec.lp, reconcile_is_idle(m->rec.r));
	reconcile_hand_over(m->rec.r, conf, &ops);
}

/* From once a day to now. */
static void
test_asked_as_a_new_configuration_has_it(void **state)
{
	struct model *m = model_asked(state, 3);
	struct conf_bird conf = m->rec.conf;

	m->rec.conf.check_ms = INT64_C(86400000);
	m->checks = 0;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec) && m->checks > 0);
	conf.check_ms = CHECK_MS;
	hand_over(m, &conf);
	m->checks = 0;
	WAIT_UNTIL(m->rec.lp, m->checks > 1);
	reconcile_free(m->rec.r);
	m->rec.r = NULL;
}

/* Changes that kept coming do not go on waiting by the old max_delay. */
static void
test_a_new_max_delay_holds_at_once(void **state)
{
	struct model *m = model_with(state, 3);
	struct conf_bird conf = m->rec.conf;

	m->rec.r->gap_ms = INT64_C(3600000);
	conf.max_delay_ms = 50;
	hand_over(m, &conf);
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
	reconcile_free(m->rec.r);
	m->rec.r = NULL;
}

/* Changes that come while BIRD is asked are not lost. */
static void
test_changes_while_it_is_asked(void **state)
{
	struct model *m = model_asked(state, 0);

	m->rec.conf.check_ms = 1;
	for (unsigned i = 0; i < 40; i++) {
		unsigned wanted = i % 16;
		unsigned checks = m->checks;

		WAIT_UNTIL(m->rec.lp, m->checks > checks);
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp,
		    recon_is_equal(&m->rec) && recon_real(&m->rec) == wanted);
	}
	assert_int_equal(m->undos, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(test_told_before_a_change_needs_it),
		MODEL_TEST(test_a_refused_change_tells_it_too),
		MODEL_TEST(test_a_change_finds_it_mended),
		MODEL_TEST(test_a_long_answer_is_told_once),
		MODEL_TEST(test_asked_rarely_while_it_refuses),
		MODEL_TEST(test_who_reads_long_is_asked_rarely),
		MODEL_TEST(test_not_asked_if_not_configured),
		MODEL_TEST(test_not_asked_again_soon_after_no_answer),
		MODEL_TEST(test_not_asked_again_soon_after_it_died_of_it),
		MODEL_TEST(test_not_asked_is_not_refused),
		MODEL_TEST(test_asked_as_a_new_configuration_has_it),
		MODEL_TEST(test_a_new_max_delay_holds_at_once),
		MODEL_TEST(test_changes_while_it_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
