/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the sweeper process captures; sending is in test_sweeper_send.c. */
#include "sweeper_rig.h"

static void
test_sweep_captures_every_target_once(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	uint64_t before_us = (uint64_t)wall_now_ms() * 1000;

	skip_if_impossible();
	prepare(rig);
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, job.job);
	assert_int_equal(rig->progress.total, TARGETS);
	assert_int_equal(rig->progress.sent, TARGETS);
	assert_int_equal(rig->progress.send_errors, 0);
	flush(rig);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 1);
	assert_true(rig->counters.accepted == TARGETS);
	assert_true(rig->counters.bad_short + rig->counters.bad_type +
		rig->counters.bad_experiment + rig->counters.bad_mac +
		rig->counters.kernel_drops ==
	    0);
	assert_int_equal(rig->last.phase, job.phase);
	assert_int_equal(rig->last.round, job.round);
	assert_int_equal(rig->last.flags, 0);
	assert_int_equal(rig->last.ttl, 64);
	assert_true(rig->last.sent_us >= before_us);
	assert_true(rig->last.recv_us >= rig->last.sent_us);
	assert_true(rig->last.recv_us - before_us < WAIT_S * UINT64_C(1000000));
	assert_string_equal(rig->trouble, "");
}

/* Without capture a job would send probes that nobody can count. */
static void
test_job_without_capture_is_refused(void **state)
{
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	rig_send(rig, SWEEP_MSG_CAPTURE,
	    sweep_encode_capture(&(struct sweep_capture){ .n_runs = 0 },
		rig->body, CHAN_BODY_MAX));
	job.experiment = 0;
	send_job(rig, &job);
	wait_until_done(rig);
	assert_int_equal(rig->progress.sent, 0);
	assert_non_null(strstr(rig->trouble, "experiment 0"));
}

/* It is no news to main that it is wrong, but it must be told. */
static void
test_malformed_messages_are_trouble(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	for (unsigned type = 0; type <= SWEEP_MSG_REPLIES; type++) {
		if (type == SWEEP_MSG_STOP)
			continue;
		rig->body[0] = 1;
		rig->trouble[0] = '\0';
		rig_send(rig, (uint16_t)type, 1);
		wait_for(rig, SWEEP_MSG_TROUBLE);
		assert_string_not_equal(rig->trouble, "");
	}
	flush(rig);
}

/* Each packet ends in exactly one counter. */
static void
test_bad_replies_are_counted_by_reason(void **state)
{
	static const char *const sources[] = { "10.77.0.9", "2001:db8:77::9" };
	static const char *const sites[] = { "198.51.100.200",
		"2001:db8:100::200" };
	struct rig *rig = *state;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	for (size_t i = 0; i < 2; i++) {
		struct fixture_reply r = { .source = sources[i],
			.destination = sites[i],
			.index = 17 };
		uint8_t packet[FIXTURE_PACKET_MAX];
		size_t icmp = i == 0 ? 20 : 40;
		size_t len = fixture_build(&r, packet);

		inject_bytes(packet, len);
		inject_bytes(packet, len); /* again: the controller's to see */
		packet[len - 1] ^= 1;
		inject_bytes(packet, len); /* MAC */
		packet[icmp + 8 + 7] = 1;
		inject_bytes(packet, len); /* version */
		packet[icmp + 1] = 1;
		inject_bytes(packet, len); /* code */
		packet[icmp] ^= 8;
		inject_bytes(packet, len); /* no echo reply: not even seen */
		r.experiment = FIXTURE_EXPERIMENT - 1;
		inject(&r); /* late */
		r.experiment = 0;
		len = fixture_build(&r, packet) - 1;
		packet[5] = i == 0 ? packet[5] : (uint8_t)(packet[5] - 1);
		inject_bytes(packet, len); /* truncated */
		r.destination = r.source;  /* not to the test prefix */
		inject(&r);
	}
	flush(rig);
	assert_true(rig->counters.accepted == 4);
	assert_true(rig->counters.bad_mac == 2);
	assert_true(rig->counters.bad_type == 4);
	assert_true(rig->counters.bad_experiment == 2);
	assert_true(rig->counters.bad_short == 2);
	assert_int_equal(rig->seen[17], 4);
	assert_int_equal(rig->n_replies, 4);
	assert_int_equal(rig->n_late, 2);
	assert_int_equal(rig->n_forged, 2);
}

/*
 * The same classes, the same times and hop limits as from the rings; only what
 * comes to no socket is missing: a wrong checksum.
 */
static void
test_capture_falls_back_to_raw_sockets(void **state)
{
	static const char *const sources[] = { "10.77.0.9", "2001:db8:77::9" };
	static const char *const sites[] = { "198.51.100.200",
		"2001:db8:100::200" };
	struct rig *rig = *state;
	struct sweep_job job = full_job();

	skip_if_impossible();
	prepare(rig);
	wait_for(rig, SWEEP_MSG_CAPTURING);
	assert_int_equal(rig->mode, SWEEP_CAPTURE_RAW);
	send_job(rig, &job);
	wait_until_done(rig);
	flush(rig);
	assert_int_equal(rig->n_replies, TARGETS);
	for (uint32_t i = 0; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 1);
	assert_int_equal(rig->last.ttl, 64);
	assert_true(rig->last.recv_us >= rig->last.sent_us);
	assert_true(rig->last.recv_us - rig->last.sent_us < 1000000);
	for (size_t i = 0; i < 2; i++) {
		struct fixture_reply r = { .source = sources[i],
			.destination = sites[i],
			.index = 17 };

		inject(&r);
		r.experiment = FIXTURE_EXPERIMENT - 1;
		inject(&r);
		r.destination = r.source;
		inject(&r);
	}
	flush(rig);
	assert_int_equal(rig->n_late, 2);
	assert_true(rig->counters.accepted == TARGETS + 2);
	assert_int_equal(rig->last.ttl, 57);
	assert_true(rig->counters.kernel_drops == 0);
}

static void
in_namespace(const char *command)
{
	/* NOLINTNEXTLINE(cert-env33-c): constant text */
	assert_int_equal(system(command), 0);
}

/* Captures for nobody, which makes it look; its sources are local by the route
 * to the whole prefix alone. */
static void
send_idle_capture(struct rig *rig)
{
	struct sweep_capture capture = fixture_capture();

	capture.n_runs = 0;
	capture.sources[0] = fixture_addr("198.51.100.9");
	capture.sources[1] = fixture_addr("2001:db8:100::9");
	send_capture(rig, &capture);
}

/* Raw sockets hear what is local: told while nothing is captured, told anew when
 * that changes, and for each family by itself. */
static void
test_unheard_prefixes_are_told(void **state)
{
	struct sweep_capture capture = fixture_capture();
	struct rig *rig = *state;

	skip_if_impossible();
	send_idle_capture(rig);
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->hearing[0], SWEEP_HEARS);
	assert_int_equal(rig->hearing[1], SWEEP_HEARS);
	in_namespace("ip -6 route del local 2001:db8:100::/48 dev lo");
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->hearing[0], SWEEP_HEARS);
	assert_int_equal(rig->hearing[1], SWEEP_DEAF_NOT_LOCAL);
	in_namespace("ip -6 route add local 2001:db8:100::/48 dev lo");
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->hearing[1], SWEEP_HEARS);
	/* And while it captures; a route elsewhere is as bad as none. */
	capture.sources[0] = fixture_addr("198.51.100.9");
	send_capture(rig, &capture);
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->mode, SWEEP_CAPTURE_RAW);
	assert_int_equal(rig->hearing[0], SWEEP_HEARS);
	/* By the answer to a flush, so that no round is collected without it. */
	in_namespace("ip route del local 198.51.100.0/24 dev lo && "
		     "ip route add 198.51.100.0/24 dev lo");
	flush(rig);
	assert_int_equal(rig->hearing[0], SWEEP_DEAF_NOT_LOCAL);
	in_namespace("ip route del 198.51.100.0/24 dev lo && "
		     "ip route add local 198.51.100.0/24 dev lo");
	do {
		wait_for(rig, SWEEP_MSG_HEARING);
	} while (rig->hearing[0] != SWEEP_HEARS);
}

/* Rings need no local address: nobody is to be alarmed. */
static void
test_rings_hear_what_is_not_local(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	in_namespace("ip route del local 198.51.100.0/24 dev lo");
	send_idle_capture(rig);
	wait_for(rig, SWEEP_MSG_HEARING);
	in_namespace("ip route add local 198.51.100.0/24 dev lo");
	assert_int_equal(rig->hearing[0], SWEEP_HEARS);
	assert_int_equal(rig->hearing[1], SWEEP_HEARS);
}

static void
test_without_rights_nothing_is_heard(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	send_idle_capture(rig);
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->hearing[0], SWEEP_DEAF_NO_SOCKET);
	assert_int_equal(rig->hearing[1], SWEEP_DEAF_NO_SOCKET);
	prepare(rig);
	wait_for(rig, SWEEP_MSG_HEARING);
	assert_int_equal(rig->mode, SWEEP_CAPTURE_OFF);
	assert_int_equal(rig->hearing[0], SWEEP_DEAF_NO_SOCKET);
	assert_non_null(strstr(rig->trouble, "raw socket"));
}

/* Anybody can send them: all are counted, few are reported. */
static void
test_flood_of_forged_replies_is_sampled(void **state)
{
	struct fixture_reply r = { .source = "10.77.0.9",
		.destination = "198.51.100.200",
		.index = 17 };
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(&r, packet);
	struct rig *rig = *state;
	struct mono start;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	packet[len - 1] ^= 1;
	start = mono_now();
	for (unsigned i = 0; i < 500; i++)
		inject_bytes(packet, len);
	flush(rig);
	assert_true(rig->counters.bad_mac == 500);
	assert_in_range(rig->n_forged, 20,
	    20 * (1 + (mono_diff_ms(mono_now(), start) + 999) / 1000));
	assert_int_equal(rig->n_replies, 0);
	assert_true(addr_equal(&rig->sample.source,
	    &(struct addr){ .b = { [10] = 0xff, 0xff, 10, 77, 0, 9 } }));
}

/*
 * A sweeper that stands still while replies come: what the ring cannot hold is
 * counted, what it holds is reported, and together that is all.
 */
static void
test_overrun_of_the_ring_is_counted(void **state)
{
	enum { REPLIES = 100000 };
	const struct fixture_reply r = { .source = "10.77.0.9",
		.destination = "198.51.100.200",
		.index = 17 };
	uint8_t packet[FIXTURE_PACKET_MAX];
	size_t len = fixture_build(&r, packet);
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct rig *rig = *state;
	int fd, status;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	fd = raw_socket(AF_INET);
	memcpy(&to.sin_addr, packet + 16, 4);
	assert_int_equal(kill(rig->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(rig->pid, &status, WUNTRACED), rig->pid);
	for (unsigned i = 0; i < REPLIES; i++) {
		assert_int_equal(sendto(fd, packet, len, 0,
				     (struct sockaddr *)&to, sizeof(to)),
		    len);
	}
	(void)close(fd);
	assert_int_equal(kill(rig->pid, SIGCONT), 0);
	flush(rig);
	flush(rig); /* one drains a ring once */
	assert_int_equal(rig->seen[17], rig->counters.accepted);
	assert_true(rig->counters.kernel_drops > 0);
	assert_true(rig->counters.accepted > 0);
	assert_true(rig->counters.accepted + rig->counters.kernel_drops ==
	    REPLIES);
}

/* Replayed from an hour ago, from tomorrow; huge; all is in the MAC. */
static void
test_strange_but_valid_replies_say_what_was_signed(void **state)
{
	struct fixture_reply r = { .source = "2001:db8:77::9",
		.destination = "2001:db8:100::200",
		.index = 17,
		.sent_us = UINT64_MAX };
	uint8_t packet[1400] = { 0 };
	struct rig *rig = *state;
	size_t len;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_true(rig->last.sent_us == UINT64_MAX);
	r.sent_us = 0;
	inject(&r);
	flush(rig);
	assert_true(rig->last.sent_us == 0);
	/* Bytes behind the MAC: somebody pads. */
	len = fixture_build(&r, packet);
	assert_true(len < sizeof(packet));
	packet[4] = (uint8_t)((sizeof(packet) - 40) >> 8);
	packet[5] = (uint8_t)(sizeof(packet) - 40);
	inject_bytes(packet, sizeof(packet));
	flush(rig);
	assert_int_equal(rig->seen[17], 3);
	assert_true(rig->counters.accepted == 3);
}

static void
test_unusual_replies_are_accepted(void **state)
{
	struct fixture_reply r = { .source = "10.77.3.3",
		.target = "10.77.3.4",
		.destination = "198.51.100.7",
		.index = 1,
		.option_bytes = 40 };
	struct rig *rig = *state;

	skip_if_impossible();
	prepare(rig);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_int_equal(rig->n_replies, 1);
	assert_int_equal(rig->last.flags, SWEEP_REPLY_OTHER_SOURCE);
	assert_int_equal(rig->last.ttl, 57);
}

/* Counters only grow: who wants those of an experiment subtracts. */
static void
test_counters_outlive_experiments(void **state)
{
	struct fixture_reply r = { .source = "10.77.3.3",
		.destination = "198.51.100.7" };
	struct sweep_capture capture = fixture_capture();
	struct rig *rig = *state;

	skip_if_impossible();
	send_capture(rig, &capture);
	flush(rig);
	inject(&r);
	send_capture(rig, &capture); /* the same again changes nothing */
	flush(rig);
	assert_true(rig->counters.accepted == 1);

	capture.runs[0].experiment++;
	send_capture(rig, &capture);
	/* Or the reply may be there before the sweeper knows of it. */
	flush(rig);
	inject(&r);
	flush(rig);
	assert_true(rig->counters.accepted == 1);
	assert_true(rig->counters.bad_experiment == 1);

	capture.n_runs = 0;
	send_capture(rig, &capture);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_true(rig->counters.accepted == 1);
	assert_true(rig->counters.bad_experiment == 1);
	assert_int_equal(rig->n_replies, 1);
	capture.n_runs = 1;
	send_capture(rig, &capture);
	flush(rig);
	inject(&r);
	flush(rig);
	assert_true(rig->counters.bad_experiment == 2);
}

/* What the ring holds for the one must survive the coming and going of the
 * other, and so must its job. */
static void
test_a_second_experiment_does_not_disturb_the_first(void **state)
{
	struct sweep_capture capture = fixture_capture();
	struct rig *rig = *state;
	struct sweep_job job = full_job();
	struct fixture_reply r = { .source = "10.77.3.3",
		.destination = "198.51.100.7",
		.experiment = FIXTURE_EXPERIMENT + 1 };

	skip_if_impossible();
	prepare(rig);
	job.rate_pps = TARGETS / 4; /* longer than the flushes take */
	send_job(rig, &job);
	for (int i = 0; i < 40; i++) {
		capture.runs[1] = capture.runs[0];
		capture.runs[1].experiment++;
		capture.n_runs = (uint8_t)(1 + i % 2);
		send_capture(rig, &capture);
		if (capture.n_runs == 2) {
			flush(rig);
			inject(&r);
			flush(rig);
		}
	}
	wait_until_done(rig);
	flush(rig);
	assert_int_equal(rig->progress.sent, TARGETS);
	for (uint32_t i = 1; i < TARGETS; i++)
		assert_int_equal(rig->seen[i], 1);
	assert_int_equal(rig->n_replies, TARGETS + 20);
	assert_true(rig->counters.kernel_drops == 0);
	/* Its own end stops its job. */
	job.job++;
	job.rate_pps = 100;
	send_job(rig, &job);
	capture.runs[0] = capture.runs[1];
	capture.n_runs = 1;
	send_capture(rig, &capture);
	wait_until_done(rig);
	assert_int_equal(rig->progress.job, job.job);
	assert_true(rig->progress.sent < TARGETS);
}

/* Several may be under way; each is answered, in order. */
static void
test_flushes_are_answered_in_order(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	for (uint64_t i = 0; i < 16; i++)
		send_flush(rig, i << 32);
	for (uint64_t i = 0; i < 16; i++) {
		wait_for(rig, SWEEP_MSG_FLUSHED);
		assert_true(rig->cookie == i << 32);
	}
}

/* However many: what was asked last must not be forgotten. */
static void
test_the_newest_flush_is_answered(void **state)
{
	struct rig *rig = *state;

	skip_if_impossible();
	for (uint64_t i = 1; i <= 100; i++)
		send_flush(rig, i);
	do {
		wait_for(rig, SWEEP_MSG_FLUSHED);
	} while (rig->cookie < 100);
	assert_string_equal(rig->trouble, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_start, rig_stop)
		RIG_TEST(test_sweep_captures_every_target_once),
		RIG_TEST(test_job_without_capture_is_refused),
		RIG_TEST(test_malformed_messages_are_trouble),
		RIG_TEST(test_bad_replies_are_counted_by_reason),
		cmocka_unit_test_setup_teardown(
		    test_capture_falls_back_to_raw_sockets,
		    rig_start_without_packet_sockets, rig_stop),
		cmocka_unit_test_setup_teardown(test_unheard_prefixes_are_told,
		    rig_start_without_packet_sockets, rig_stop),
		RIG_TEST(test_rings_hear_what_is_not_local),
		cmocka_unit_test_setup_teardown(
		    test_without_rights_nothing_is_heard,
		    rig_start_without_sockets, rig_stop),
		RIG_TEST(test_flood_of_forged_replies_is_sampled),
		RIG_TEST(test_overrun_of_the_ring_is_counted),
		RIG_TEST(test_strange_but_valid_replies_say_what_was_signed),
		RIG_TEST(test_unusual_replies_are_accepted),
		RIG_TEST(test_counters_outlive_experiments),
		RIG_TEST(test_a_second_experiment_does_not_disturb_the_first),
		RIG_TEST(test_flushes_are_answered_in_order),
		RIG_TEST(test_the_newest_flush_is_answered),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
