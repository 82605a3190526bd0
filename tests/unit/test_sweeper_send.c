/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whom the sweeper process pings, when, and how. */
#include <time.h>

#include "sweeper_rig.h"

/* The sender decides for itself, whatever it is ordered. */
static void
test_opted_out_and_special_targets_are_skipped(void **state)
{
	const struct prefix optouts[] = {
		{ .addr = fixture_addr("10.77.1.0"),
		    .len = 25,
		    .is_ipv4 = true },
		{ .addr = fixture_addr("2001:db8:77::1:0"), .len = 112 },
	};
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	job.optouts = optouts;
	job.n_optouts = TEST_COUNT(optouts);
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.skipped_optout, 127);
	assert_int_equal(rig->progress.sent, TARGETS - 127);
	flush(rig);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], i % 2 == 0 && i < 254 ? 0 : 1);

	job.job++;
	job.allow_special = false; /* all are private or documentation */
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 0);
	assert_int_equal(rig->progress.skipped_special, TARGETS);
}

/* Ten hosts of one /24, 50 ms apart; the rate alone would need half of a
 * millisecond. */
static void
test_gap_between_probes_to_a_block_is_kept(void **state)
{
	static const uint32_t subset[] = { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 };
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct mono start;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	job.gap_ms = 50;
	job.subset = subset;
	job.n_subset = TEST_COUNT(subset);
	start = mono_now();
	send_job(rig, &job);
	wait_until_done(rig);
	assert_in_range(mono_diff_ms(mono_now(), start), 9 * 50, 30000);
	assert_int_equal(rig->progress.sent, TEST_COUNT(subset));
	flush(rig);
	assert_int_equal(rig->n_replies, TEST_COUNT(subset));
}

/* Who is in a batch that the gap cuts short goes at once: its block's time has
 * begun, and its next one would come right behind it. */
static void
test_a_short_batch_does_not_wait(void **state)
{
	static const uint32_t subset[] = { 0, 2 };
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct mono end = mono_add_ms(mono_now(), INT64_C(1000) * WAIT_S);

	skip_if_impossible();
	prepare(rig);
	job.rate_pps = 100000;
	job.gap_ms = 3600000;
	job.subset = subset;
	job.n_subset = TEST_COUNT(subset);
	send_job(rig, &job);
	while (rig->progress.sent == 0) {
		assert_true(mono_before(mono_now(), end));
		wait_for(rig, SWEEP_MSG_PROGRESS);
	}
	assert_int_equal(rig->progress.sent, 1);
	assert_false(rig->progress.done);
}

static void
skip_without_peer(void)
{
	if (peer_skip_reason == NULL)
		return;
	print_message("no peer: %s\n", peer_skip_reason);
	skip();
}

/* Of 10.77.0.0/16 or 2001:db8:77::/48 it becomes one of these blocks. */
static void
move_target(struct addr *a, uint8_t ipv4_block, uint8_t ipv6_block)
{
	if (addr_is_ipv4(a)) {
		a->b[13] = ipv4_block;
	} else {
		a->b[5] = ipv6_block;
	}
}

/* Through the driver of the interface with a gateway behind it, of which there
 * are two; the first packets to each, and those to hosts without a gateway,
 * through the kernel. */
static void
test_packet_engine_sends_to_the_next_hop(void **state)
{
	struct rig *rig = *state;
	struct sweep_capture capture = fixture_capture();
	struct sweep_job job = full_job();
	struct addr addrs[TARGETS];

	skip_if_impossible();
	skip_without_peer();
	fill_targets(addrs);
	for (uint32_t i = 0; i < TARGETS; i++) { /* a quarter behind each */
		if (i % 8 < 2) {
			move_target(&addrs[i], 78, 0x78);
		} else if (i % 8 < 4) {
			move_target(&addrs[i], 81, 0x81);
		}
	}
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TARGETS);
	job.engine = SWEEP_ENGINE_PACKET;
	job.text = (struct sweep_text){ .len = 3, .bytes = "odd" };
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.sent, TARGETS);
	assert_int_equal(rig->progress.send_errors, 0);
	flush(rig);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 1);
	/* Now the next hop is known from the beginning. */
	job.job++;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.sent, TARGETS);
	/* Of both families, but for the first few. */
	assert_in_range(rig->progress.sent_packet, TARGETS * 3 / 8,
	    TARGETS / 2 - 4);
	flush(rig);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 2);
}

static void
peer_link(const char *state)
{
	char line[128];

	(void)snprintf(line, sizeof(line),
	    "nsenter -t \"$PEER\" -n ip link set v1 %s", state);
	assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
}

/* An interface without a carrier takes nothing, for ever: then the kernel does,
 * and the sweep comes to its end. */
static void
test_interface_that_takes_nothing_is_left(void **state)
{
	struct rig *rig = *state;
	struct sweep_capture capture = fixture_capture();
	struct sweep_job job = full_job();
	struct addr addrs[TARGETS];

	skip_if_impossible();
	skip_without_peer();
	fill_targets(addrs);
	for (uint32_t i = 0; i < TARGETS; i++)
		move_target(&addrs[i], 78, 0x78);
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TARGETS);
	job.engine = SWEEP_ENGINE_PACKET;
	job.rate_pps = 1000;
	send_job(rig, &job);
	while (rig->progress.sent_packet == 0)
		wait_for(rig, SWEEP_MSG_PROGRESS);
	peer_link("down");
	wait_until_done(rig);
	peer_link("up");
	assert_in_range(rig->progress.sent_packet, 1, TARGETS - 1);
	assert_int_equal(rig->progress.sent + rig->progress.send_errors,
	    TARGETS);
}

/* A family without a source is left out, and is not in the total. */
static void
test_subset_of_one_family(void **state)
{
	static const uint32_t subset[] = { 0, 1, 2, 1998, 1999 };
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	job.subset = subset;
	job.n_subset = TEST_COUNT(subset);
	job.has_source6 = false;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 3);
	assert_int_equal(rig->progress.sent, 3);
	flush(rig);
	assert_int_equal(rig->n_replies, 3);
	assert_int_equal(rig->seen[0] + rig->seen[2] + rig->seen[1998], 3);

	job.has_source4 = false;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 0);
}

/* At the rate that was asked for, and no faster. */
static void
test_rate_is_kept(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct mono start;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	job.rate_pps = 4000;
	start = mono_now();
	send_job(rig, &job);
	wait_until_done(rig);
	assert_in_range(mono_diff_ms(mono_now(), start), 470, 30000);
	assert_int_equal(rig->progress.sent, TARGETS);
}

/* Who stood still must not make up for it: a stall of 300 ms would be a burst
 * of 1200 packets. */
static void
test_stall_is_not_made_good_by_a_burst(void **state)
{
	const struct timespec stall = { .tv_nsec = 300000000 };
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct mono start;
	int status;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	job.rate_pps = 4000;
	start = mono_now();
	send_job(rig, &job);
	wait_for(rig, SWEEP_MSG_PROGRESS); /* comes while it runs */
	assert_int_equal(kill(rig->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(rig->pid, &status, WUNTRACED), rig->pid);
	(void)nanosleep(&stall, NULL);
	assert_int_equal(kill(rig->pid, SIGCONT), 0);
	wait_until_done(rig);
	/* 500 ms of packets, 300 of stall, of which 20 are made good. */
	assert_true(mono_diff_ms(mono_now(), start) >= 500 + 300 - 20 - 10);
	assert_int_equal(rig->progress.sent, TARGETS);
}

/* Its replies would be of no use: the key is another one now. */
static void
test_new_capture_ends_a_job(void **state)
{
	struct rig *rig = *state;
	struct sweep_capture capture = fixture_capture();
	struct sweep_job job = full_job();
	uint64_t before;

	skip_if_impossible();
	prepare(rig);
	job.rate_pps = 100;
	send_job(rig, &job);
	wait_for(rig, SWEEP_MSG_PROGRESS);
	assert_false(rig->progress.done);
	capture.runs[0].key[0] ^= 1;
	send_capture(rig, &capture);
	wait_until_done(rig);
	assert_in_range(rig->progress.sent, 1, 200);
	flush(rig);
	before = rig->counters.accepted;
	assert_in_range(before, 0, 200);
	/* And the next job is under the new key. */
	job.job++;
	job.rate_pps = 20000;
	send_job(rig, &job);
	wait_until_done(rig);
	flush(rig);
	assert_true(rig->counters.accepted == before + TARGETS);
	/* Those that were on their way: one, or a batch on a busy machine. */
	assert_true(rig->counters.bad_mac <= 16);
}

static void
test_stop_ends_a_job(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	job.rate_pps = 100;
	send_job(rig, &job);
	wait_for(rig, SWEEP_MSG_PROGRESS); /* comes while it runs */
	assert_false(rig->progress.done);
	assert_in_range(rig->progress.sent, 1, 200);
	rig_send(rig, SWEEP_MSG_STOP, 0);
	wait_until_done(rig);
	assert_in_range(rig->progress.sent, 1, 200);
	flush(rig);
	assert_true(rig->counters.accepted == rig->progress.sent);
	/* A new job takes the place of a running one. */
	send_job(rig, &job);
	job.job = 12;
	job.rate_pps = 20000;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, 11);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, 12);
	assert_int_equal(rig->progress.sent, TARGETS);
}

/* One target that the kernel refuses must not end the sweep. */
static void
test_refused_targets_are_counted(void **state)
{
	struct rig *rig = *state;
	struct sweep_capture capture = fixture_capture();
	struct addr addrs[] = { fixture_addr("192.0.2.1"), /* no route */
		fixture_addr("10.77.0.1"), fixture_addr("224.0.0.1"),
		fixture_addr("2001:db8:99::1"), /* no route */
		fixture_addr("2001:db8:77::1"), fixture_addr("127.0.0.1"),
		fixture_addr("ff02::1"), fixture_addr("::1") };
	struct sweep_job job = full_job();

	skip_if_impossible();
	send_capture(rig, &capture);
	send_targets(rig, LIST, addrs, TEST_COUNT(addrs));
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.total, 4);
	assert_int_equal(rig->progress.sent, 2);
	assert_int_equal(rig->progress.send_errors, 2);
	assert_int_equal(rig->progress.skipped_special, 4);
	flush(rig);
	assert_int_equal(rig->seen[1], 1);
	assert_int_equal(rig->seen[4], 1);
	assert_int_equal(rig->n_replies, 2);
}

/* Breaks a job; returns a word of what must be said about it, or NULL. */
static const char *
break_job(struct sweep_job *job, unsigned how)
{
	static const uint32_t beyond[] = { TARGETS };

	switch (how) {
	case 0:
		job->list++;
		return "unknown";
	case 1:
		job->experiment++;
		return "experiment 78";
	case 2:
		job->rate_pps = 0;
		return "rate";
	case 3:
		job->subset = beyond;
		job->n_subset = 1;
		return "target 2000";
	case 4:
		job->source4 = job->source6;
		return "source of IPv4";
	case 5:
		job->source6 = job->source4;
		return "source of IPv6";
	default:
		return NULL;
	}
}

static void
test_impossible_jobs_are_refused(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	const char *why;

	skip_if_impossible();
	prepare(rig);
	for (unsigned i = 0; (why = break_job(&job, i)) != NULL; i++) {
		job.job = 100 + i;
		send_job(rig, &job);
		wait_until_done(rig);
		assert_non_null(strstr(rig->trouble, why));
		assert_int_equal(rig->progress.job, job.job);
		assert_int_equal(rig->progress.sent, 0);
		job = full_job();
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_start, rig_stop)
		RIG_TEST(test_opted_out_and_special_targets_are_skipped),
		RIG_TEST(test_gap_between_probes_to_a_block_is_kept),
		RIG_TEST(test_a_short_batch_does_not_wait),
		RIG_TEST(test_packet_engine_sends_to_the_next_hop),
		RIG_TEST(test_interface_that_takes_nothing_is_left),
		RIG_TEST(test_subset_of_one_family),
		RIG_TEST(test_rate_is_kept),
		RIG_TEST(test_stall_is_not_made_good_by_a_burst),
		RIG_TEST(test_new_capture_ends_a_job),
		RIG_TEST(test_stop_ends_a_job),
		RIG_TEST(test_refused_targets_are_counted),
		RIG_TEST(test_impossible_jobs_are_refused),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
