/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The real pinger in a process of its own, in a network namespace where only
 * lo is up: 127.0.0.0/8 answers, 10.0.0.0/8 is routed to lo and silent.
 */
#include "probes/ping_round.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/rights.h"
#include "base/xalloc.h"
#include "probes/ping_filter.h"
#include "probes/probe_wire.h"
#include "test.h"

#define RESULTS_MAX 512
#define SILENT "10.9.9.9"

struct fixture {
	struct loop *lp;
	struct chan *ch;
	pid_t pid;
	struct probe_result_msg results[RESULTS_MAX];
	size_t n_results;
	bool closed;
};

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct fixture *fx = arg;

	(void)ch;
	assert_int_equal(msg->type, PROBE_MSG_RESULT);
	assert_true(fx->n_results < RESULTS_MAX);
	assert_int_equal(probe_wire_decode_result(msg->body, msg->len,
			     &fx->results[fx->n_results++]),
	    0);
}

static void
on_close(struct chan *ch, void *arg)
{
	struct fixture *fx = arg;

	(void)ch;
	fx->closed = true;
}

static struct fixture *
fixture_new(bool net_raw)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
	    0);
	fx->pid = fork();
	assert_int_not_equal(fx->pid, -1);
	if (fx->pid == 0) {
		(void)close(sv[0]);
		log_init("pinger", false);
		(void)signal(SIGPIPE, SIG_IGN);
		if (rights_drop(net_raw ? RIGHT_NET_RAW : 0, NULL) == -1)
			_exit(126);
		_exit(pinger_main(sv[1]));
	}
	(void)close(sv[1]);
	fx->lp = loop_new();
	fx->ch = chan_new(fx->lp, sv[0], on_msg, on_close, fx);
	return fx;
}

static int
setup(void **state)
{
	*state = fixture_new(true);
	return 0;
}

static int
wait_exit(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	chan_free(fx->ch);
	loop_free(fx->lp);
	if (fx->pid != 0)
		assert_int_equal(wait_exit(fx->pid), 0);
	free(fx);
	return 0;
}

static struct probe_ping_msg
ping_to(uint64_t id, uint32_t timeout_ms, const char *addr)
{
	struct probe_ping_msg ping = { .id = id, .timeout_ms = timeout_ms };

	assert_int_equal(addr_parse(addr, &ping.addr, NULL), 0);
	return ping;
}

static void
send_ping(struct fixture *fx, uint64_t id, uint32_t timeout_ms,
    const char *addr)
{
	struct probe_ping_msg ping = ping_to(id, timeout_ms, addr);
	uint8_t body[PROBE_WIRE_PING_BYTES];

	assert_int_equal(probe_wire_encode_pings(&ping, 1, body, sizeof(body)),
	    sizeof(body));
	chan_send(fx->ch, PROBE_MSG_PING, body, sizeof(body));
}

static void
wait_results(struct fixture *fx, size_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (fx->n_results < n && !fx->closed && mono_before(mono_now(), end))
		loop_step(fx->lp, 100);
	assert_int_equal(fx->n_results, n);
}

static void
step_for(struct fixture *fx, int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);

	while (mono_before(mono_now(), end))
		loop_step(fx->lp, 20);
}

static void
expect(const struct fixture *fx, size_t i, enum probe_verdict verdict,
    const char *detail)
{
	assert_string_equal(fx->results[i].result.detail, detail);
	assert_int_equal(fx->results[i].result.verdict, verdict);
}

static void
test_answering_hosts_pass(void **state)
{
	static const char *const addrs[] = { "127.0.0.1", "127.0.0.2",
		"127.0.0.1", "::1", "127.255.255.254" };
	struct fixture *fx = *state;
	uint64_t seen = 0;

	for (size_t i = 0; i < TEST_COUNT(addrs); i++)
		send_ping(fx, i, 2000, addrs[i]);
	wait_results(fx, TEST_COUNT(addrs));
	for (size_t i = 0; i < TEST_COUNT(addrs); i++) {
		expect(fx, i, PROBE_PASS, "answered");
		assert_true(fx->results[i].result.rtt_us >= 0);
		assert_true(fx->results[i].result.rtt_us < 2000000);
		seen |= 1u << fx->results[i].id;
	}
	assert_int_equal(seen, (1u << TEST_COUNT(addrs)) - 1);
}

static void
test_silent_host_fails_in_time(void **state)
{
	struct fixture *fx = *state;
	struct mono start = mono_now();
	int64_t took_ms;

	send_ping(fx, 1, 300, SILENT);
	wait_results(fx, 1);
	took_ms = mono_diff_ms(mono_now(), start);
	expect(fx, 0, PROBE_FAIL, "no answer in 300 ms");
	assert_true(took_ms >= 298);
}

/* In one round, and while another round waits for a silent one. */
static void
test_silent_host_delays_nobody(void **state)
{
	struct fixture *fx = *state;

	send_ping(fx, 1, 4000, SILENT);
	step_for(fx, 100);
	for (uint64_t id = 2; id < 7; id++) {
		send_ping(fx, id, 1500, "127.0.0.1");
		wait_results(fx, id - 1);
		expect(fx, id - 2, PROBE_PASS, "answered");
	}
	wait_results(fx, 6);
	assert_int_equal(fx->results[5].id, 1);
	expect(fx, 5, PROBE_FAIL, "no answer in 4000 ms");
}

static void
test_mixed_round(void **state)
{
	struct fixture *fx = *state;

	send_ping(fx, 1, 400, SILENT);
	send_ping(fx, 2, 400, "127.0.0.1");
	send_ping(fx, 3, 400, "10.9.9.10");
	send_ping(fx, 4, 400, "::1");
	wait_results(fx, 4);
	for (size_t i = 0; i < 4; i++) {
		if (fx->results[i].id % 2 == 1) {
			expect(fx, i, PROBE_FAIL, "no answer in 400 ms");
		} else {
			expect(fx, i, PROBE_PASS, "answered");
		}
	}
}

static void
test_many_hosts(void **state)
{
	struct fixture *fx = *state;

	for (unsigned i = 0; i < 250; i++) {
		char addr[32];

		(void)snprintf(addr, sizeof(addr), "127.0.%u.1", i);
		send_ping(fx, i, 5000, addr);
	}
	wait_results(fx, 250);
	for (size_t i = 0; i < 250; i++)
		expect(fx, i, PROBE_PASS, "answered");
}

/* Echo replies that nobody asked for, more than a socket holds. */
#define FLOOD_PACKETS 5000
#define OWN_IDENT 0x1234

static int
raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC,
	    family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	assert_int_not_equal(fd, -1);
	return fd;
}

static void
send_icmp(int family, uint8_t type, uint16_t ident)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const void *to = family == AF_INET ? (void *)&to4 : (void *)&to6;
	uint8_t packet[8] = { type, 0, 0, 0, (uint8_t)(ident >> 8),
		(uint8_t)ident };
	uint16_t sum = (uint16_t) ~((type << 8) + ident);
	int fd = raw_socket(family);

	/* Of ICMPv6 the kernel makes it. */
	packet[2] = (uint8_t)(sum >> 8);
	packet[3] = (uint8_t)sum;
	assert_int_equal(sendto(fd, packet, sizeof(packet), 0, to,
			     family == AF_INET ? sizeof(to4) : sizeof(to6)),
	    sizeof(packet));
	(void)close(fd);
}

/* Replies in the queue of fd, and those of them that are ours. */
static unsigned
count_replies(int fd, int family, unsigned *own)
{
	const size_t at = family == AF_INET ? 20 : 0;
	const uint8_t reply = family == AF_INET ? 0 : 129;
	uint8_t packet[128];
	unsigned n = 0;

	*own = 0;
	while (recv(fd, packet, sizeof(packet), MSG_DONTWAIT) >=
	    (ssize_t)at + 8) {
		n++;
		*own += packet[at] == reply && packet[at + 4] == 0x12 &&
		    packet[at + 5] == 0x34;
	}
	return n;
}

static void
reply_in_a_flood(int family)
{
	static const uint16_t idents[] = { 7, OWN_IDENT };
	const bool is_ipv4 = family == AF_INET;
	int filtered = raw_socket(family), open_to_all;
	unsigned own;

	send_icmp(family, is_ipv4 ? 0 : 129, OWN_IDENT);
	ping_filter_attach(ping_filter_sockets(), idents, TEST_COUNT(idents));
	open_to_all = raw_socket(family);
	for (int i = 0; i < FLOOD_PACKETS; i++)
		send_icmp(family, is_ipv4 ? 0 : 129, 0xfffe);
	send_icmp(family, is_ipv4 ? 8 : 128, OWN_IDENT);
	/* What is the filter for: the one that counts was lost. */
	assert_true(count_replies(open_to_all, family, &own) > 50);
	assert_int_equal(own, 0);
	/* That of before the filter is gone, too. */
	assert_int_equal(count_replies(filtered, family, &own), 1);
	assert_int_equal(own, 1);
	(void)close(filtered);
	(void)close(open_to_all);
}

/* The replies to a sweep, or anybody's, do not push out the one waited for. */
static void
test_flood_of_replies(void **state)
{
	(void)state;
	reply_in_a_flood(AF_INET);
	reply_in_a_flood(AF_INET6);
}

/* The kernel does not know the way: the host cannot be reached from here. */
static void
test_no_route(void **state)
{
	struct fixture *fx = *state;

	send_ping(fx, 1, 300, "198.51.100.1");
	wait_results(fx, 1);
	assert_int_equal(fx->results[0].result.verdict, PROBE_FAIL);
}

/* Without the capability nothing is said about the host. */
static void
test_without_net_raw(void **state)
{
	struct fixture *fx = fixture_new(false);
	void *own = fx;

	(void)state;
	send_ping(fx, 1, 1000, "127.0.0.1");
	send_ping(fx, 2, 1000, "::1");
	wait_results(fx, 2);
	expect(fx, 0, PROBE_NO_ANSWER_FROM_US,
	    "cannot ping: Operation not permitted");
	expect(fx, 1, PROBE_NO_ANSWER_FROM_US,
	    "cannot ping: Operation not permitted");
	(void)teardown(&own);
}

/* More time-outs than lanes: those that wait too long are not failures. */
static void
test_overload_is_no_failure(void **state)
{
	struct fixture *fx = *state;
	size_t fail = 0, untried = 0;

	for (uint32_t i = 0; i < 40; i++)
		send_ping(fx, i, 2000 + i, SILENT);
	wait_results(fx, 40);
	for (size_t i = 0; i < 40; i++) {
		const struct probe_result *r = &fx->results[i].result;

		if (r->verdict == PROBE_FAIL) {
			fail++;
		} else if (strcmp(r->detail, "the pinger is overloaded") == 0) {
			untried++;
		}
	}
	assert_int_equal(fail, 32);
	assert_int_equal(untried, 8);
	send_ping(fx, 41, 1000, "127.0.0.1");
	wait_results(fx, 41);
	expect(fx, 40, PROBE_PASS, "answered");
}

/* How many children process pid has, and one of them. */
static unsigned
count_children(pid_t pid, pid_t *child)
{
	DIR *dir = opendir("/proc");
	struct dirent *de;
	unsigned n = 0;

	*child = 0;
	assert_non_null(dir);
	while ((de = readdir(dir)) != NULL) {
		char path[300], line[512], want[32];
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%s/status",
		    de->d_name);
		(void)snprintf(want, sizeof(want), "PPid:\t%d\n", (int)pid);
		f = de->d_name[0] >= '1' && de->d_name[0] <= '9'
		    ? fopen(path, "re")
		    : NULL;
		while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
			if (strcmp(line, want) != 0)
				continue;
			*child = (pid_t)strtol(de->d_name, NULL, 10);
			n++;
		}
		if (f != NULL)
			(void)fclose(f);
	}
	(void)closedir(dir);
	return n;
}

/* 0: it has none. */
static pid_t
child_of(pid_t pid)
{
	pid_t child;

	(void)count_children(pid, &child);
	return child;
}

/* All at once, in more messages than a channel hands up in one go: two rounds
 * would have needed two lanes. */
static void
test_what_comes_together_goes_together(void **state)
{
	struct fixture *fx = *state;
	pid_t lane;

	assert_int_equal(kill(fx->pid, SIGSTOP), 0);
	for (uint32_t i = 0; i < PROBE_WIRE_PINGS_MAX; i++) {
		char addr[16];

		(void)snprintf(addr, sizeof(addr), "10.9.9.%u", i + 1);
		send_ping(fx, i, 500, addr);
	}
	assert_int_equal(kill(fx->pid, SIGCONT), 0);
	wait_results(fx, PROBE_WIRE_PINGS_MAX);
	for (size_t i = 0; i < PROBE_WIRE_PINGS_MAX; i++)
		expect(fx, i, PROBE_FAIL, "no answer in 500 ms");
	assert_int_equal(count_children(fx->pid, &lane), 1);
}

static void
test_dead_lane_is_answered_for(void **state)
{
	struct fixture *fx = *state;
	pid_t lane;

	send_ping(fx, 1, 10000, SILENT);
	step_for(fx, 200);
	lane = child_of(fx->pid);
	assert_int_not_equal(lane, 0);
	assert_int_equal(kill(lane, SIGKILL), 0);
	wait_results(fx, 1);
	expect(fx, 0, PROBE_NO_ANSWER_FROM_US, "cannot ping: liboping crashed");
	send_ping(fx, 2, 1000, "127.0.0.1");
	wait_results(fx, 2);
	expect(fx, 1, PROBE_PASS, "answered");
}

static void
test_stuck_lane_is_answered_for(void **state)
{
	struct fixture *fx = *state;
	pid_t lane;

	send_ping(fx, 1, 500, SILENT);
	step_for(fx, 200);
	lane = child_of(fx->pid);
	assert_int_not_equal(lane, 0);
	assert_int_equal(kill(lane, SIGSTOP), 0);
	wait_results(fx, 1);
	expect(fx, 0, PROBE_NO_ANSWER_FROM_US,
	    "cannot ping: liboping got stuck");
	assert_int_equal(child_of(fx->pid), 0);
}

static void
test_end_of_main_ends_all(void **state)
{
	struct fixture *fx = *state;
	struct mono start;
	pid_t lane;

	send_ping(fx, 1, 60000, SILENT);
	step_for(fx, 200);
	lane = child_of(fx->pid);
	assert_int_not_equal(lane, 0);
	start = mono_now();
	chan_free(fx->ch);
	fx->ch = NULL;
	assert_int_equal(wait_exit(fx->pid), 0);
	fx->pid = 0;
	/* Long before the silent one would be given up. */
	assert_true(mono_diff_ms(mono_now(), start) < 30000);
	assert_true(kill(lane, 0) == -1 && errno == ESRCH);
}

static void
test_malformed_message_ends_the_pinger(void **state)
{
	static const struct {
		uint16_t type;
		const char *body;
	} cases[] = {
		{ PROBE_MSG_PING, "" },
		{ PROBE_MSG_PING, "short" },
		{ PROBE_MSG_EXEC, "" },
	};

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct fixture *fx;

		if (i > 0)
			assert_int_equal(setup(state), 0);
		fx = *state;
		chan_send(fx->ch, cases[i].type, cases[i].body,
		    strlen(cases[i].body));
		assert_int_equal(wait_exit(fx->pid), 1);
		fx->pid = 0;
		if (i + 1 < TEST_COUNT(cases))
			assert_int_equal(teardown(state), 0);
	}
}

static size_t
idents_of(const struct ping_idents *idents, uint8_t owner)
{
	size_t n = 0;

	for (size_t i = 0; i < TEST_COUNT(idents->owner); i++) {
		if (idents->owner[i] == owner)
			n++;
	}
	return n;
}

/* A reply is credited by its ident: none may be used by two at a time. */
static void
test_idents_in_use_are_left_alone(void **state)
{
	struct ping_idents *idents = ping_idents_new(NULL);
	struct probe_ping_msg ping = ping_to(1, 1000, "127.0.0.1");
	struct probe_result result;
	struct ping_book *book;

	(void)state;
	assert_non_null(idents);
	book = ping_book_new(idents, 1);
	for (size_t i = 0; i < TEST_COUNT(idents->owner); i++)
		idents->owner[i] = 2;
	ping_round_run(book, &ping, 1, &result);
	assert_string_equal(result.detail, "cannot ping: no free ident");
	assert_int_equal(result.verdict, PROBE_NO_ANSWER_FROM_US);

	/* A quarter in use: drawn again until another is met. */
	ping_idents_release(idents, 2);
	assert_int_equal(idents_of(idents, 0), 65536);
	for (size_t i = 0; i < TEST_COUNT(idents->owner); i += 4)
		idents->owner[i] = 2;
	for (unsigned i = 0; i < 50; i++) {
		char text[ADDR_TEXT_BYTES];

		(void)snprintf(text, sizeof(text), "127.0.1.%u", i);
		ping = ping_to(1, 1000, text);
		ping_round_run(book, &ping, 1, &result);
		assert_int_equal(result.verdict, PROBE_PASS);
	}
	ping_book_free(book);
	assert_int_equal(idents_of(idents, 1), 0);
	assert_int_equal(idents_of(idents, 2), 65536 / 4);
	ping_idents_free(idents);
}

static size_t
count_sockets(void)
{
	return (size_t)__builtin_popcount(ping_filter_sockets());
}

static uint16_t
ident_of(const struct ping_idents *idents, uint8_t owner)
{
	uint16_t ident = 0;

	while (idents->owner[ident] != owner)
		ident++;
	return ident;
}

/* What is kept serves the next round with the same addresses, in any order; a
 * book has its bounds. */
static void
test_rounds_keep_their_sockets(void **state)
{
	struct ping_idents *idents = ping_idents_new(NULL);
	struct ping_book *book = ping_book_new(idents, 1);
	struct probe_ping_msg pings[] = { ping_to(1, 1000, "127.0.0.1"),
		ping_to(2, 1000, "::1"), ping_to(3, 1000, "127.0.0.1") };
	struct probe_result results[TEST_COUNT(pings)];
	uint16_t ident;

	(void)state;
	ping_round_run(book, pings, 2, results);
	assert_int_equal(idents_of(idents, 1), 2);
	assert_int_equal(count_sockets(), 2);
	ident = ident_of(idents, 1);
	for (size_t i = 0; i < 3; i++) {
		struct probe_ping_msg first = pings[0];

		pings[0] = pings[1];
		pings[1] = first;
		ping_round_run(book, pings, TEST_COUNT(pings), results);
		for (size_t k = 0; k < TEST_COUNT(pings); k++)
			assert_int_equal(results[k].verdict, PROBE_PASS);
		assert_int_equal(ident_of(idents, 1), ident);
		assert_int_equal(idents_of(idents, 1), 2);
		assert_int_equal(count_sockets(), 2);
	}
	for (unsigned i = 0; i < 40; i++) {
		char text[ADDR_TEXT_BYTES];

		(void)snprintf(text, sizeof(text), "127.0.2.%u", i);
		pings[0] = ping_to(1, 1000, text);
		ping_round_run(book, pings, 1, results);
		assert_int_equal(results[0].verdict, PROBE_PASS);
		assert_true(count_sockets() <= 16);
	}
	assert_int_equal(idents_of(idents, 1), count_sockets());
	ping_book_free(book);
	assert_int_equal(idents_of(idents, 1), 0);
	assert_int_equal(count_sockets(), 0);
	ping_idents_free(idents);
}

/* Whether 10.1.2.3 is an address of this host. */
static void
have_address(bool is_wanted)
{
	struct ifreq ifr = { .ifr_name = "lo:1" };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(is_wanted ? 0x0a010203 : 0) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &ifr), 0);
	(void)close(fd);
}

/* liboping takes the reply to an echo that it had given up for the next one's. */
static void
test_late_replies_count_for_nothing(void **state)
{
	struct ping_idents *idents = ping_idents_new(NULL);
	struct ping_book *book = ping_book_new(idents, 1);
	struct probe_ping_msg ping = ping_to(1, 100, "10.1.2.3");
	struct probe_result result;
	uint16_t ident;

	(void)state;
	have_address(true);
	ping_round_run(book, &ping, 1, &result);
	assert_int_equal(result.verdict, PROBE_PASS);
	ident = ident_of(idents, 1);
	have_address(false);
	/* It came twice, and has its ident still. */
	send_icmp(AF_INET, 0, ident);
	ping_round_run(book, &ping, 1, &result);
	assert_int_equal(result.verdict, PROBE_FAIL);
	assert_string_equal(result.detail, "no answer in 100 ms");
	/* For one that may come any time nobody waits. */
	assert_int_equal(idents_of(idents, 1), 0);
	assert_int_equal(count_sockets(), 0);
	ping_round_run(book, &ping, 1, &result);
	assert_int_equal(result.verdict, PROBE_FAIL);
	ping_book_free(book);
	ping_idents_free(idents);
}

/* NULL, or why no namespace could be made. */
static const char *
namespace_enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo",
		.ifr_flags = IFF_UP | IFF_RUNNING };
	struct sockaddr_in dst = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x0a000000) };
	struct sockaddr_in mask = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0xff000000) };
	char dev[] = "lo";
	struct rtentry rt = { .rt_flags = RTF_UP, .rt_dev = dev };
	int fd, rc;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
		return "user and network namespaces are not permitted";
	memcpy(&rt.rt_dst, &dst, sizeof(dst));
	memcpy(&rt.rt_genmask, &mask, sizeof(mask));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return "no socket in the namespace";
	rc = ioctl(fd, SIOCSIFFLAGS, &ifr);
	if (rc == 0)
		rc = ioctl(fd, SIOCADDRT, &rt);
	(void)close(fd);
	return rc == 0 ? NULL : "lo cannot be set up in the namespace";
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_answering_hosts_pass),
		CASE(test_silent_host_fails_in_time),
		CASE(test_silent_host_delays_nobody),
		CASE(test_mixed_round),
		CASE(test_many_hosts),
		cmocka_unit_test(test_flood_of_replies),
		CASE(test_no_route),
		cmocka_unit_test(test_without_net_raw),
		CASE(test_overload_is_no_failure),
		CASE(test_what_comes_together_goes_together),
		CASE(test_dead_lane_is_answered_for),
		CASE(test_stuck_lane_is_answered_for),
		CASE(test_end_of_main_ends_all),
		CASE(test_malformed_message_ends_the_pinger),
		cmocka_unit_test(test_idents_in_use_are_left_alone),
		cmocka_unit_test(test_rounds_keep_their_sockets),
		cmocka_unit_test(test_late_replies_count_for_nothing),
	};
	const char *why = namespace_enter();

	if (why != NULL) {
		(void)printf("skipped: %s\n", why);
		return 77;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
