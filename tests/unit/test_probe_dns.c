/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dns probes against a real name server (dnsmasq), and against a socket of the
 * test's own that answers as no name server should.
 */
#include <errno.h>

#include "base/cursor.h"
#include "probe_rig.h"
#include "probes/dns_wire.h"

#define SERVER "/usr/sbin/dnsmasq"
/* Plain answers, and answers as the zone's own server. */
#define PLAIN "127.0.0.1"
#define OWN "127.0.0.2"

static struct {
	pid_t pid; /* 0: there is no server */
	uint16_t port;
} server;

/* target is freed by the caller. */
static struct conf_probe
dns_conf(char *target, const char *name, const char *type)
{
	static char query[64];

	(void)snprintf(query, sizeof(query), "%s", name);
	return (struct conf_probe){ .kind = PROBE_DNS,
		.target = target,
		.timeout_ms = 2000,
		.dns = { .query = query, .type = dns_type_find(type) } };
}

/*
 * The real one.
 */

static void
need_server(void)
{
	if (server.pid == 0) {
		print_message("no " SERVER ": skipped\n");
		skip();
	}
}

static int
start_server(void **state)
{
	char *port = xasprintf("--port=%u", server.port = rig_free_port());
	static char args[][64] = { SERVER, "--no-daemon",
		"--conf-file=/dev/null", "--pid-file=", "--no-hosts",
		"--no-resolv", "--bind-interfaces",
		"--listen-address=127.0.0.1", "--listen-address=127.0.0.2",
		"--local=/example.net/",
		"--host-record=www.example.net,192.0.2.7,2001:db8::7",
		"--host-record=www.example.net,192.0.2.8",
		"--cname=alias.example.net,www.example.net",
		"--mx-host=example.net,mail.example.net,10",
		"--ptr-record=7.2.0.192.in-addr.arpa,www.example.net",
		"--srv-host=_sip._udp.example.net,www.example.net,5060,1,2",
		"--txt-record=example.net,hello,world",
		"--auth-server=ns1.example.net,127.0.0.2",
		"--auth-zone=auth.example",
		"--auth-soa=77,root.auth.example,1200,120,604800" };
	static char big[12][96];
	char *argv[TEST_COUNT(args) + TEST_COUNT(big) + 2] = { NULL };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(args); i++)
		argv[n++] = args[i];
	/* More than 512 bytes: truncated over UDP without EDNS. */
	for (size_t i = 0; i < TEST_COUNT(big); i++) {
		(void)snprintf(big[i], sizeof(big[i]),
		    "--txt-record=big.example.net,"
		    "%02zu-a-text-of-many-characters-that-fill-it-up-soon",
		    i);
		argv[n++] = big[i];
	}
	argv[n] = port;
	if (access(SERVER, X_OK) == 0)
		server.pid = rig_spawn(argv);
	free(port);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	if (server.pid != 0)
		rig_reap(server.pid);
	return 0;
}

static void
test_server_comes_up(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf(PLAIN ":%u", server.port);
	struct conf_probe cp = dns_conf(target, "www.example.net", "A");
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	need_server();
	do {
		rig_run(rig, &cp);
		loop_idle(rig->lp, 20);
	} while (rig->result.verdict != PROBE_PASS &&
	    mono_before(mono_now(), end));
	assert_string_equal(rig->result.detail, "NOERROR, 2 records");
	assert_true(rig->result.rtt_us >= 0);
	free(target);
}

static void
test_answers_of_a_real_server(void **state)
{
	static const struct {
		const char *name, *type, *answer;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ "www.example.net", "A", "192.0.2.8", PROBE_PASS,
		    "NOERROR, 2 records" },
		{ "www.example.net", "AAAA", "2001:db8::7", PROBE_PASS,
		    "NOERROR, 1 record" },
		{ "www.example.net", "AAAA", "2001:db8::8", PROBE_FAIL,
		    "1 record, first \"2001:db8::7\", expected "
		    "\"2001:db8::8\"" },
		{ "www.example.net", "MX", NULL, PROBE_PASS,
		    "NOERROR, 0 records" },
		{ "www.example.net", "MX", "10 mail.example.net", PROBE_FAIL,
		    "NOERROR, no MX record" },
		{ "alias.example.net", "CNAME", "www.example.net", PROBE_PASS,
		    "NOERROR, 1 record" },
		/* The alias stands before the address. */
		{ "alias.example.net", "AAAA", "2001:db8::7", PROBE_PASS,
		    "NOERROR, 1 record" },
		{ "example.net", "MX", "10 mail.example.net", PROBE_PASS,
		    "NOERROR, 1 record" },
		{ "7.2.0.192.in-addr.arpa", "PTR", "www.example.net",
		    PROBE_PASS, "NOERROR, 1 record" },
		{ "_sip._udp.example.net", "SRV", "1 2 5060 www.example.net",
		    PROBE_PASS, "NOERROR, 1 record" },
		{ "example.net", "TXT", "helloworld", PROBE_PASS,
		    "NOERROR, 1 record" },
		{ "none.example.net", "A", NULL, PROBE_FAIL,
		    "NXDOMAIN, expected NOERROR" },
		{ "elsewhere.example", "A", NULL, PROBE_FAIL,
		    "REFUSED, expected NOERROR" },
	};
	struct rig *rig = *state;
	char *target = xasprintf(PLAIN ":%u", server.port);

	need_server();
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct conf_probe cp =
		    dns_conf(target, cases[i].name, cases[i].type);
		char *answer =
		    cases[i].answer != NULL ? xstrdup(cases[i].answer) : NULL;

		cp.dns.answer = answer;
		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		free(answer);
	}
	free(target);
}

static void
test_expected_rcode(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf(PLAIN ":%u", server.port);
	struct conf_probe cp = dns_conf(target, "none.example.net", "A");

	need_server();
	cp.dns.rcode = 3;
	rig_expect(rig, &cp, PROBE_PASS, "NXDOMAIN, 0 records");
	cp.dns.rcode = 5;
	rig_expect(rig, &cp, PROBE_FAIL, "NXDOMAIN, expected REFUSED");
	free(target);
}

static void
test_soa_and_ns(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf(OWN ":%u", server.port);
	struct conf_probe cp = dns_conf(target, "auth.example", "SOA");
	char soa[] = "ns1.example.net root.auth.example 77 1200 120 604800 600";
	char ns[] = "ns1.example.net";

	need_server();
	cp.dns.answer = soa;
	rig_expect(rig, &cp, PROBE_PASS, "NOERROR, 1 record");
	cp.dns.type = dns_type_find("NS");
	cp.dns.answer = ns;
	rig_expect(rig, &cp, PROBE_PASS, "NOERROR, 1 record");
	free(target);
}

static void
test_chaos_version(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf(PLAIN ":%u", server.port);
	struct conf_probe cp = dns_conf(target, "version.bind", "CHAOS TXT");
	char other[] = "another one";

	need_server();
	rig_expect(rig, &cp, PROBE_PASS, "NOERROR, 1 record");
	cp.dns.answer = other;
	rig_run(rig, &cp);
	assert_int_equal(rig->result.verdict, PROBE_FAIL);
	assert_non_null(strstr(rig->result.detail, "first \"dnsmasq-"));
	free(target);
}

static void
test_truncated_comes_again_over_tcp(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf(PLAIN ":%u", server.port);
	struct conf_probe cp = dns_conf(target, "big.example.net", "TXT");
	char answer[] = "07-a-text-of-many-characters-that-fill-it-up-soon";
	char source[] = "127.0.0.9";

	need_server();
	cp.dns.answer = answer;
	rig_expect(rig, &cp, PROBE_PASS, "NOERROR, 12 records");
	cp.source = source;
	rig_expect(rig, &cp, PROBE_PASS, "NOERROR, 12 records");
	free(target);
}

/*
 * The bad one.
 */

enum trick {
	TRICK_SILENCE,
	TRICK_GOOD,
	TRICK_FOREIGN_FIRST, /* wrong id, wrong question, rubbish; then good */
	TRICK_ONLY_FOREIGN,
	TRICK_FLOOD, /* 100 wrong ids, then good */
	TRICK_LOOP,  /* a name that points to itself */
	TRICK_CUT,
	TRICK_TRUNCATED,
	TRICK_REFUSED_BARE, /* the header alone */
};

enum tcp_trick {
	TCP_CLOSED, /* nobody listens */
	TCP_SILENCE,
	TCP_EARLY_END,
	TCP_TRUNCATED, /* once more */
	TCP_SLOW       /* good, byte for byte */
};

struct bad {
	struct loop *lp;
	enum trick trick;
	enum tcp_trick tcp_trick;
	uint16_t port;
	int udp, tcp, conn;
	struct loop_fd *udp_io, *tcp_io, *conn_io;
	struct loop_timer *drip;
	uint8_t out[128];
	size_t out_len, out_done;
	struct sockaddr_in from; /* who asked last */
};

/* The query turned into an answer with one record 192.0.2.1. */
static size_t
good_reply(uint8_t *reply, const uint8_t *query, size_t len)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0,
		4, 192, 0, 2, 1 };

	memcpy(reply, query, len);
	memcpy(reply + len, record, sizeof(record));
	reply[2] |= 0x80;
	reply[7] = 1;
	return len + sizeof(record);
}

static void
say(struct bad *bad, const uint8_t *msg, size_t len)
{
	(void)sendto(bad->udp, msg, len, MSG_DONTWAIT,
	    (const struct sockaddr *)&bad->from, sizeof(bad->from));
}

static void
say_foreign(struct bad *bad, const uint8_t *good, size_t len)
{
	uint8_t msg[256];

	memcpy(msg, good, len);
	msg[1] ^= 1;
	say(bad, msg, len);
	msg[1] ^= 1;
	msg[13] ^= 1;
	say(bad, msg, len);
	say(bad, msg, 5);
	say(bad, msg, 0);
}

static void
trick(struct bad *bad, uint8_t *msg, size_t len)
{
	switch (bad->trick) {
	case TRICK_SILENCE:
		return;
	case TRICK_GOOD:
		break;
	case TRICK_FOREIGN_FIRST:
		say_foreign(bad, msg, len);
		break;
	case TRICK_ONLY_FOREIGN:
		say_foreign(bad, msg, len);
		return;
	case TRICK_FLOOD:
		msg[0] ^= 1;
		for (int i = 0; i < 100; i++)
			say(bad, msg, len);
		msg[0] ^= 1;
		break;
	case TRICK_LOOP:
		msg[len - 16 + 1] = (uint8_t)(len - 16);
		break;
	case TRICK_CUT:
		len -= 3;
		break;
	case TRICK_TRUNCATED:
		msg[2] |= 2;
		len -= 16;
		break;
	case TRICK_REFUSED_BARE:
		msg[3] |= 5;
		memset(msg + 4, 0, 8);
		len = 12;
		break;
	}
	say(bad, msg, len);
}

static void
bad_on_udp(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct bad *bad = arg;
	uint8_t query[128], msg[256];
	socklen_t from_len = sizeof(bad->from);
	ssize_t n = recvfrom(fd, query, sizeof(query), MSG_DONTWAIT,
	    (struct sockaddr *)&bad->from, &from_len);

	(void)lp;
	(void)events;
	if (n > 0)
		trick(bad, msg, good_reply(msg, query, (size_t)n));
}

static void
bad_close(struct bad *bad)
{
	loop_fd_free(bad->conn_io);
	bad->conn_io = NULL;
	if (bad->conn != -1)
		(void)close(bad->conn);
	bad->conn = -1;
}

static void
bad_on_drip(struct loop *lp, void *arg)
{
	struct bad *bad = arg;

	(void)lp;
	(void)send(bad->conn, bad->out + bad->out_done, 1, MSG_NOSIGNAL);
	if (++bad->out_done < bad->out_len)
		loop_timer_set(bad->drip, 1);
}

static void
bad_on_conn(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct bad *bad = arg;
	uint8_t query[128];
	ssize_t n = recv(fd, query, sizeof(query), MSG_DONTWAIT);

	(void)lp;
	(void)events;
	if (n <= 2) {
		bad_close(bad);
		return;
	}
	bad->out_len = good_reply(bad->out + 2, query + 2, (size_t)n - 2);
	bad->out[0] = 0;
	bad->out[1] = (uint8_t)bad->out_len;
	bad->out_len += 2;
	bad->out_done = 0;
	if (bad->tcp_trick == TCP_EARLY_END) {
		(void)send(fd, bad->out, bad->out_len - 1, MSG_NOSIGNAL);
		bad_close(bad);
	} else if (bad->tcp_trick == TCP_TRUNCATED) {
		bad->out[4] |= 2;
		(void)send(fd, bad->out, bad->out_len, MSG_NOSIGNAL);
	} else if (bad->tcp_trick == TCP_SLOW) {
		loop_timer_set(bad->drip, 1);
	}
}

static void
bad_on_accept(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct bad *bad = arg;

	(void)events;
	bad_close(bad);
	bad->conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	bad->conn_io = loop_fd_new(lp, bad->conn, LOOP_READ, bad_on_conn, bad);
}

static struct bad *
bad_new(struct loop *lp, enum trick how, enum tcp_trick tcp_how)
{
	struct bad *bad = xcalloc(1, sizeof(*bad));

	*bad = (struct bad){ .lp = lp,
		.trick = how,
		.tcp_trick = tcp_how,
		.port = rig_free_port(),
		.tcp = -1,
		.conn = -1 };
	bad->udp = rig_socket(SOCK_DGRAM, &bad->port);
	bad->udp_io = loop_fd_new(lp, bad->udp, LOOP_READ, bad_on_udp, bad);
	bad->drip = loop_timer_new(lp, bad_on_drip, bad);
	if (tcp_how != TCP_CLOSED) {
		bad->tcp = rig_socket(SOCK_STREAM, &bad->port);
		assert_int_equal(listen(bad->tcp, 8), 0);
		bad->tcp_io =
		    loop_fd_new(lp, bad->tcp, LOOP_READ, bad_on_accept, bad);
	}
	return bad;
}

static void
bad_free(struct bad *bad)
{
	bad_close(bad);
	loop_timer_free(bad->drip);
	loop_fd_free(bad->udp_io);
	loop_fd_free(bad->tcp_io);
	(void)close(bad->udp);
	if (bad->tcp != -1)
		(void)close(bad->tcp);
	free(bad);
}

static void
test_hostile_replies(void **state)
{
	static const struct {
		enum trick trick;
		enum tcp_trick tcp_trick;
		enum probe_verdict verdict;
		const char *detail;
	} cases[] = {
		{ TRICK_SILENCE, TCP_CLOSED, PROBE_FAIL,
		    "no answer in 300 ms" },
		{ TRICK_GOOD, TCP_CLOSED, PROBE_PASS, "NOERROR, 1 record" },
		{ TRICK_FOREIGN_FIRST, TCP_CLOSED, PROBE_PASS,
		    "NOERROR, 1 record" },
		{ TRICK_ONLY_FOREIGN, TCP_CLOSED, PROBE_FAIL,
		    "no answer in 300 ms, but 4 to other questions" },
		{ TRICK_FLOOD, TCP_CLOSED, PROBE_PASS, "NOERROR, 1 record" },
		{ TRICK_LOOP, TCP_CLOSED, PROBE_FAIL,
		    "malformed answer of 49 bytes" },
		{ TRICK_CUT, TCP_CLOSED, PROBE_FAIL,
		    "malformed answer of 46 bytes" },
		{ TRICK_REFUSED_BARE, TCP_CLOSED, PROBE_FAIL,
		    "REFUSED, expected NOERROR" },
		{ TRICK_TRUNCATED, TCP_CLOSED, PROBE_FAIL,
		    "truncated over UDP, TCP: Connection refused" },
		{ TRICK_TRUNCATED, TCP_SILENCE, PROBE_FAIL,
		    "truncated over UDP, no answer over TCP in 300 ms" },
		{ TRICK_TRUNCATED, TCP_EARLY_END, PROBE_FAIL,
		    "truncated over UDP, closed early over TCP" },
		{ TRICK_TRUNCATED, TCP_TRUNCATED, PROBE_FAIL,
		    "truncated over UDP, malformed over TCP" },
		{ TRICK_TRUNCATED, TCP_SLOW, PROBE_PASS, "NOERROR, 1 record" },
	};
	struct rig *rig = *state;
	char answer[] = "192.0.2.1";

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct bad *bad =
		    bad_new(rig->lp, cases[i].trick, cases[i].tcp_trick);
		char *target = xasprintf("127.0.0.1:%u", bad->port);
		struct conf_probe cp = dns_conf(target, "www.example.net", "A");

		cp.timeout_ms = cases[i].verdict == PROBE_PASS ? 5000 : 300;
		cp.dns.answer = answer;
		rig_expect(rig, &cp, cases[i].verdict, cases[i].detail);
		bad_free(bad);
		free(target);
	}
}

/* The server ends the connection, or resets it, while we stand still.  False:
 * it was over before the server had the question. */
static bool
run_late(struct rig *rig, struct bad *bad, const struct conf_probe *cp,
    bool resets)
{
	struct linger rst = { .l_onoff = resets, .l_linger = 0 };
	bool is_asked;

	rig->calls = 0;
	bad->out_len = 0;
	assert_non_null(probe_start(rig->env, cp, rig_on_done, rig));
	WAIT_FOR(rig->lp, rig->calls > 0 || bad->out_len > 0);
	is_asked = rig->calls == 0;
	if (is_asked) {
		(void)setsockopt(bad->conn, SOL_SOCKET, SO_LINGER, &rst,
		    sizeof(rst));
		bad_close(bad);
		(void)usleep(1000 * (unsigned)(cp->timeout_ms + 600));
	}
	WAIT_FOR(rig->lp, rig->calls > 0);
	return is_asked;
}

static void
test_lost_patience_is_our_doing(void **state)
{
	static const char detail[] =
	    "no answer in 100 ms, but we were busy until ";
	struct rig *rig = *state;
	struct bad *bad = bad_new(rig->lp, TRICK_TRUNCATED, TCP_SILENCE);
	char *target = xasprintf("127.0.0.1:%u", bad->port);
	struct conf_probe cp = dns_conf(target, "www.example.net", "A");

	cp.timeout_ms = 100;
	for (int resets = 0; resets <= 1; resets++) {
		while (!run_late(rig, bad, &cp, resets == 1))
			bad_close(bad);
		assert_int_equal(rig->result.verdict, PROBE_NO_ANSWER_FROM_US);
		assert_memory_equal(rig->result.detail, detail,
		    sizeof(detail) - 1);
	}
	bad_free(bad);
	free(target);
}

static void
test_nobody_there(void **state)
{
	struct rig *rig = *state;
	char *target = xasprintf("127.0.0.1:%u", rig_free_port());
	struct conf_probe cp = dns_conf(target, "www.example.net", "A");
	char source[] = "192.0.2.1";

	rig_expect(rig, &cp, PROBE_FAIL, "connection refused");
	/* That we do not have this address says nothing about the service. */
	cp.source = source;
	rig_expect(rig, &cp, PROBE_NO_ANSWER_FROM_US,
	    "cannot assign requested address");
	free(target);
}

/* Ids and ports that could be guessed would let others answer for it. */
static void
test_id_and_port_differ(void **state)
{
	enum { N = 16 };
	struct rig *rig = *state;
	uint16_t ids[N], ports[N];
	unsigned same_id = 0, same_port = 0;
	uint16_t port = 0;
	int fd = rig_socket(SOCK_DGRAM, &port);
	char *target = xasprintf("127.0.0.1:%u", port);
	struct conf_probe cp = dns_conf(target, "www.example.net", "A");

	for (size_t i = 0; i < N; i++) {
		struct probe *p = probe_start(rig->env, &cp, rig_on_done, rig);
		struct sockaddr_in from = { 0 };
		socklen_t len = sizeof(from);
		uint8_t query[128] = { 0 };

		assert_true(recvfrom(fd, query, sizeof(query), 0,
				(struct sockaddr *)&from, &len) > 12);
		ids[i] = (uint16_t)(query[0] << 8 | query[1]);
		ports[i] = from.sin_port;
		for (size_t k = 0; k < i; k++) {
			same_id += ids[k] == ids[i];
			same_port += ports[k] == ports[i];
		}
		probe_cancel(p);
	}
	assert_true(same_id <= 1);
	assert_true(same_port <= 3);
	(void)close(fd);
	free(target);
}

/* Cancelled at any time, also during the second try: nothing is called. */
static void
test_cancel(void **state)
{
	struct rig *rig = *state;
	struct bad *bad = bad_new(rig->lp, TRICK_TRUNCATED, TCP_SILENCE);
	char *target = xasprintf("127.0.0.1:%u", bad->port);
	struct conf_probe cp = dns_conf(target, "www.example.net", "A");

	rig->calls = 0;
	for (int steps = 0; steps < 10; steps++) {
		struct probe *p = probe_start(rig->env, &cp, rig_on_done, rig);

		for (int i = 0; i < steps; i++)
			loop_step(rig->lp, 1);
		probe_cancel(p);
	}
	loop_idle(rig->lp, 20);
	assert_int_equal(rig->calls, 0);
	/* Left running: the environment ends it. */
	(void)probe_start(rig->env, &cp, rig_on_done, rig);
	loop_idle(rig->lp, 20);
	bad_free(bad);
	free(target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(test_server_comes_up),
		T(test_answers_of_a_real_server),
		T(test_expected_rcode),
		T(test_soa_and_ns),
		T(test_chaos_version),
		T(test_truncated_comes_again_over_tcp),
		T(test_hostile_replies),
		T(test_lost_patience_is_our_doing),
		T(test_nobody_there),
		T(test_id_and_port_differ),
		T(test_cancel),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
