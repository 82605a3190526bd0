/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's connections: how many it takes, whose give way, and how long it
 * waits for what is to come.
 */
#include "api/conns.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/wait.h>

#include "door_metric.h"
#include "server_rig.h"
#include "test.h"

#define WIRES 6
#define WINDOW_MS 500
#define LEAST_BYTES 64u
#define BIG_BYTES (16u << 20)

struct street {
	struct house *house;
	struct wire *wires[WIRES];
	struct api_request *waiting[WIRES];
	size_t n_waiting;
};

static struct street street;

/* NULL: there are addresses of two IPv6 networks here. */
static const char *skip_reason;

/* ---- handlers ---- */

static void
on_waiting_gone(struct api_request *req, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < street.n_waiting; i++) {
		if (street.waiting[i] == req)
			street.waiting[i] = NULL;
	}
}

static void
handle_wait(struct api_request *req, void *arg)
{
	(void)arg;
	assert_true(street.n_waiting < WIRES);
	street.waiting[street.n_waiting++] = req;
	api_request_defer(req, on_waiting_gone, NULL);
}

static void
handle_big(struct api_request *req, void *arg)
{
	char *bytes = calloc(BIG_BYTES, 1);

	(void)arg;
	assert_non_null(bytes);
	api_reply_bytes(req, 200, "text/plain", bytes, BIG_BYTES);
	free(bytes);
}

/* In the same turn of the loop others may just have been accepted there. */
static void
handle_shut(struct api_request *req, void *arg)
{
	(void)arg;
	assert_int_equal(api_server_listen(street.house->server,
			     &(struct api_places){
				 .local = street.house->path },
			     NULL),
	    0);
	api_reply_empty(req, 204);
}

static const struct api_route street_routes[] = {
	{ "GET", "/v1/wait", API_READ, handle_wait },
	{ "GET", "/v1/big", API_READ, handle_big },
	{ "POST", "/v1/shut", API_LOCAL, handle_shut },
	{ 0 },
};

#define HELLO "GET /v1/hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define WAIT "GET /v1/wait HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- the rig ---- */

static void
listen_at(struct house *h, const char *host, const struct conns_limits *limits)
{
	struct api_places places = { .local = h->path };
	struct err err = { 0 };
	char where[40];

	(void)snprintf(where, sizeof(where), "%s:%u", host, h->port);
	places.tcp = where;
	api_server_limit(h->server, limits);
	assert_int_equal(api_server_listen(h->server, &places, &err), 0);
}

static void
limit(struct house *h, unsigned most, unsigned per_peer)
{
	listen_at(h, "127.0.0.1",
	    &(struct conns_limits){ .most = most, .per_peer = per_peer });
}

static void
hurry(struct house *h)
{
	listen_at(h, "127.0.0.1",
	    &(struct conns_limits){
		.request_ms = WINDOW_MS, .least_bytes = LEAST_BYTES });
}

static int
street_setup(void **state)
{
	if (house_setup(state) != 0)
		return -1;
	street = (struct street){ .house = *state };
	api_server_add(street.house->server, street_routes, NULL);
	for (size_t i = 0; i < WIRES; i++) {
		street.wires[i] = calloc(1, sizeof(*street.wires[i]));
		assert_non_null(street.wires[i]);
		street.wires[i]->fd = -1;
	}
	return 0;
}

static int
street_teardown(void **state)
{
	for (size_t i = 0; i < WIRES; i++) {
		if (street.wires[i]->fd != -1)
			wire_close(street.wires[i]);
		free(street.wires[i]);
	}
	return house_teardown(state);
}

/* Over wire i, by 127.0.0.HOST; host 0: over the socket. */
static struct wire *
open_wire(size_t i, uint8_t host)
{
	const struct house *h = street.house;
	struct wire *w = street.wires[i];

	if (w->fd != -1)
		wire_close(w);
	if (host == 0) {
		wire_unix(w, h->lp, h->path);
	} else {
		wire_tcp_from(w, h->lp, h->port, host);
	}
	return w;
}

/* Asks, and has its answer: idle from now on. */
static struct wire *
open_idle(size_t i, uint8_t host)
{
	struct wire *w = open_wire(i, host);

	wire_send(w, HELLO);
	WAIT_FOR(w->lp, wire_has(w, "\"hello\""));
	return w;
}

/* Asks, and has to wait. */
static struct wire *
open_busy(size_t i, uint8_t host)
{
	struct wire *w = open_wire(i, host);
	size_t n = street.n_waiting;

	wire_send(w, WAIT);
	WAIT_FOR(w->lp, street.n_waiting == n + 1);
	return w;
}

/* Not asked anything yet, but known. */
static struct wire *
open_silent(size_t i, uint8_t host)
{
	struct wire *w = open_wire(i, host);
	long n = door_open(street.house->server);

	WAIT_FOR(w->lp, door_open(street.house->server) == n + 1);
	return w;
}

/* ---- what takes too long ---- */

static void
test_requests_by_the_byte_end(void **state)
{
	static const char *const heads[] = {
		"",
		"GET /v1/",
		"GET /v1/hello HTTP/1.1\r\nHost: a\r\nX: ",
		"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000"
		"\r\n\r\n",
		"POST /v1/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		"chunked\r\n\r\nfffff\r\n",
		/* After a good one. */
		HELLO "GET /v1/",
	};
	struct house *h = *state;

	/* Their bytes are never enough, at one a turn. */
	listen_at(h, "127.0.0.1",
	    &(struct conns_limits){
		.request_ms = WINDOW_MS, .least_bytes = 100000 });
	for (size_t i = 0; i < TEST_COUNT(heads); i++) {
		struct wire *w = open_wire(0, i % 2);

		wire_send(w, heads[i]);
		WAIT_FOR(h->lp, wire_drip(w, 'x'));
	}
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 3);
	assert_int_equal(door_ended(h->server, "socket", CONN_SLOW), 3);
	assert_int_equal(door_ended(h->server, "listen", CONN_HANDSHAKE), 0);
	assert_int_equal(door_open(h->server), 0);
	assert_int_equal(h->calls, 1);
	assert_int_equal(ask(h, "GET", "/v1/hello", false, NULL), 200);
}

static void
test_silence_ends(void **state)
{
	struct house *h = *state;
	struct wire *w;

	hurry(h);
	w = open_wire(0, 1);
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 1);
	/* The beginning of a second request, there with the first. */
	w = open_wire(0, 1);
	wire_send(w, HELLO "GET /v1/hel");
	WAIT_FOR(h->lp, wire_has(w, "\"hello\""));
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 2);
	/* And one that came while the first had to wait. */
	w = open_busy(0, 1);
	wire_send(w, "GET /v1/hel");
	loop_idle(h->lp, 2 * (int64_t)WINDOW_MS);
	assert_false(wire_is_closed(w));
	api_reply_empty(street.waiting[0], 204);
	WAIT_FOR(h->lp, wire_has(w, " 204 "));
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 3);
}

/* Who waits for us, and who just keeps a connection, is not cut. */
static void
test_waiting_is_no_fault(void **state)
{
	struct house *h = *state;
	struct wire *idle, *busy;

	hurry(h);
	idle = open_idle(0, 1);
	busy = open_busy(1, 1);
	loop_idle(h->lp, 3 * (int64_t)WINDOW_MS);
	assert_false(wire_is_closed(idle));
	assert_false(wire_is_closed(busy));
	api_reply_text(street.waiting[0], 200, "\"at last\"");
	WAIT_FOR(h->lp, wire_has(busy, "at last"));
	wire_send(idle, HELLO);
	WAIT_FOR(h->lp, (wire_pump(idle), wire_answers(idle) == 2));
	assert_int_equal(door_ended(h->server, "listen", CONN_SLOW), 0);
}

/* False: it was cut after this process was held up itself for so long that it
 * could be. */
static bool
upload_slowly(struct house *h)
{
	struct mono end, last = mono_now();
	struct wire *w = open_wire(0, 1);
	int64_t gap_ms = 0;

	wire_send(w,
	    "POST /v1/seen/x HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	end = mono_add_ms(mono_now(), 5 * (int64_t)WINDOW_MS);
	while (mono_before(mono_now(), end) && !wire_is_closed(w)) {
		int64_t ms = mono_diff_ms(mono_now(), last);

		gap_ms = ms > gap_ms ? ms : gap_ms;
		last = mono_now();
		(void)send(w->fd, "10\r\n0123456789abcdef\r\n", 22,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		loop_idle(h->lp, WAIT_STEP_MS);
	}
	wire_send(w, "0\r\n\r\n");
	WAIT_FOR(h->lp, wire_has(w, " 200 ") || wire_is_closed(w));
	if (!wire_has(w, " 200 ") && gap_ms < WINDOW_MS / 4)
		fail_msg("cut, with no gap over %lld ms", (long long)gap_ms);
	return wire_has(w, " 200 ");
}

static void
test_what_comes_slowly_but_comes(void **state)
{
	struct house *h = *state;
	bool is_done = false;

	hurry(h);
	for (int i = 0; i < 20 && !is_done; i++)
		is_done = upload_slowly(h);
	assert_true(is_done);
	assert_true(h->body_len > 16);
	assert_int_equal(h->body_len % 16, 0);
}

/* ---- room ---- */

static void
test_no_room_among_those_at_work(void **state)
{
	struct house *h = *state;
	struct wire *w;

	limit(h, 3, 100);
	for (size_t i = 0; i < 3; i++)
		(void)open_busy(i, 1);
	w = open_wire(3, 1);
	wire_send(w, HELLO);
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(w->len, 0);
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 1);
	assert_int_equal(door_open(h->server), 3);
	/* The other doors have room of their own. */
	(void)open_idle(4, 0);
	wire_close(street.wires[0]);
	WAIT_FOR(h->lp, door_open(h->server) == 2);
	(void)open_idle(3, 1);
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 1);
}

static void
test_idle_ones_give_way(void **state)
{
	struct house *h = *state;

	limit(h, 3, 100);
	(void)open_busy(0, 1);
	(void)open_idle(1, 1);
	(void)open_idle(2, 1);
	/* The other one has not done anything for longer now. */
	wire_send(street.wires[1], HELLO);
	WAIT_FOR(h->lp,
	    (wire_pump(street.wires[1]), wire_answers(street.wires[1]) == 2));
	(void)open_idle(3, 1);
	WAIT_FOR(h->lp, wire_is_closed(street.wires[2]));
	assert_false(wire_is_closed(street.wires[0]));
	assert_false(wire_is_closed(street.wires[1]));
	assert_int_equal(door_ended(h->server, "listen", CONN_DISPLACED), 1);
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 0);
	assert_int_equal(door_open(h->server), 3);
}

/* Strangers without end do not push out those who have been here. */
static void
test_silent_ones_give_way_first(void **state)
{
	struct house *h = *state;

	limit(h, 3, 3);
	(void)open_idle(0, 1);
	(void)open_silent(1, 1);
	(void)open_silent(2, 1);
	wire_send(street.wires[1], "GET /v1/");
	(void)open_wire(3, 1);
	WAIT_FOR(h->lp, wire_is_closed(street.wires[2]));
	(void)open_wire(4, 1);
	WAIT_FOR(h->lp, wire_is_closed(street.wires[1]));
	assert_false(wire_is_closed(street.wires[0]));
	assert_false(wire_is_closed(street.wires[3]));
	assert_int_equal(door_ended(h->server, "listen", CONN_DISPLACED), 2);
}

static void
test_a_peer_has_its_share(void **state)
{
	struct house *h = *state;
	struct wire *w;

	limit(h, 100, 2);
	(void)open_idle(0, 2);
	(void)open_busy(1, 1);
	(void)open_busy(2, 1);
	w = open_wire(3, 1);
	wire_send(w, HELLO);
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 1);
	/* One's own give way, not another's who does less. */
	(void)open_idle(3, 2);
	(void)open_idle(4, 2);
	WAIT_FOR(h->lp, wire_is_closed(street.wires[0]));
	assert_false(wire_is_closed(street.wires[3]));
	assert_int_equal(door_ended(h->server, "listen", CONN_DISPLACED), 1);
	/* A user of the machine is one, too. */
	(void)open_busy(0, 0);
	(void)open_busy(1, 0);
	w = open_wire(5, 0);
	wire_send(w, HELLO);
	WAIT_FOR(h->lp, wire_is_closed(w));
	assert_int_equal(door_ended(h->server, "socket", CONN_REFUSED), 1);
}

/* They are all of one /64. */
static void
test_mapped_addresses_are_many_peers(void **state)
{
	struct house *h = *state;

	h->port = wire_free_port();
	listen_at(h, "[::]", &(struct conns_limits){ .per_peer = 1 });
	(void)open_busy(0, 1);
	(void)open_busy(1, 2);
	(void)open_busy(2, 3);
	assert_int_equal(door_open(h->server), 3);
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 0);
}

static void
wire_tcp6(struct wire *w, struct house *h, const char *from)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
		.sin6_port = htons(h->port),
		.sin6_addr = in6addr_loopback };
	struct sockaddr_in6 own = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	assert_int_equal(inet_pton(AF_INET6, from, &own.sin6_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	wire_adopt(w, h->lp, fd);
	wire_send(w, WAIT);
}

/* Who has a network of IPv6 has as many addresses as he likes. */
static void
test_a_network_is_one_peer(void **state)
{
	struct house *h = *state;

	if (skip_reason != NULL) {
		print_message("skipped: %s\n", skip_reason);
		skip();
	}
	h->port = wire_free_port();
	listen_at(h, "[::]", &(struct conns_limits){ .per_peer = 1 });
	wire_tcp6(street.wires[0], h, "2001:db8:0:1::1");
	WAIT_FOR(h->lp, street.n_waiting == 1);
	wire_tcp6(street.wires[1], h, "2001:db8:0:1:8000::2");
	WAIT_FOR(h->lp, wire_is_closed(street.wires[1]));
	wire_tcp6(street.wires[2], h, "2001:db8:0:2::1");
	WAIT_FOR(h->lp, street.n_waiting == 2);
	assert_int_equal(door_ended(h->server, "listen", CONN_REFUSED), 1);
}

static void
test_crowd(void **state)
{
	struct house *h = *state;
	struct wire *idle;
	pid_t pid;

	limit(h, 8, 8);
	idle = open_idle(0, 1);
	pid = hold_connections(h->port, 300);
	WAIT_FOR(h->lp, door_ended(h->server, "listen", CONN_DISPLACED) == 293);
	assert_int_equal(door_open(h->server), 8);
	assert_false(wire_is_closed(idle));
	assert_int_equal(ask(h, "GET", "/v1/hello", false, NULL), 200);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* The one who asked, and the idle one. */
	WAIT_FOR(h->lp, door_open(h->server) == 2);
}

/* Of another place, of a fleet that has grown. */
static void
test_bounds_change_with_the_places(void **state)
{
	struct house *h = *state;

	limit(h, 3, 3);
	for (size_t i = 0; i < 3; i++)
		(void)open_busy(i, 1);
	limit(h, 4, 4);
	(void)open_busy(3, 1);
	limit(h, 2, 2);
	assert_int_equal(door_open(h->server), 4);
	wire_send(open_wire(4, 1), HELLO);
	WAIT_FOR(h->lp, wire_is_closed(street.wires[4]));
	for (size_t i = 0; i < 4; i++)
		assert_false(wire_is_closed(street.wires[i]));
	/* All go with their door. */
	h->port = wire_free_port();
	limit(h, 2, 2);
	assert_int_equal(door_open(h->server), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_null(street.waiting[i]);
		WAIT_FOR(h->lp, wire_is_closed(street.wires[i]));
	}
	(void)open_idle(0, 1);
}

/* Those who were accepted in this very turn of the loop go with the rest. */
static void
test_door_shuts_on_those_who_enter(void **state)
{
	static const char shut[] = "POST /v1/shut HTTP/1.1\r\nHost: a\r\n"
				   "Content-Length: 0\r\n\r\n";
	struct house *h = *state;

	for (int i = 0; i < 10; i++) {
		struct wire *local;

		limit(h, 5, 5);
		local = open_idle(0, 0);
		for (size_t k = 1; k < 4; k++)
			(void)open_wire(k, 1);
		/* The loop has not turned since they came. */
		assert_int_equal(send(local->fd, shut, sizeof(shut) - 1,
				     MSG_NOSIGNAL),
		    sizeof(shut) - 1);
		WAIT_FOR(h->lp, wire_has(local, " 204 "));
		for (size_t k = 1; k < 4; k++)
			WAIT_FOR(h->lp, wire_is_closed(street.wires[k]));
	}
}

/* Asks for much, takes nothing, and says more and more. */
static void
test_who_takes_no_answer_is_not_read(void **state)
{
	static char more[1u << 16];
	struct house *h = *state;
	struct wire *w = open_wire(0, 1);
	size_t taken = 0;
	int stuck = 0;

	wire_send(w, "GET /v1/big HTTP/1.1\r\nHost: a\r\n\r\n");
	while (stuck < 400 && taken < (256u << 20)) {
		ssize_t n = send(w->fd, more, sizeof(more), MSG_NOSIGNAL);

		taken += n > 0 ? (size_t)n : 0;
		stuck = n > 0 ? 0 : stuck + 1;
		loop_step(h->lp, WAIT_STEP_MS);
	}
	/* Some of it is in the kernel, for either end. */
	assert_in_range(taken, 1, 64u << 20);
}

/* A network of our own. */
static int
enter_namespace(void **state)
{
	static const char *const links[] = {
		"ip link set lo up",
		"ip -6 addr add 2001:db8:0:1::1/128 dev lo nodad",
		"ip -6 addr add 2001:db8:0:1:8000::2/128 dev lo nodad",
		"ip -6 addr add 2001:db8:0:2::1/128 dev lo nodad",
	};

	(void)state;
	if (unshare(CLONE_NEWNET) == -1)
		skip_reason = strerror(errno);
	for (size_t i = 0; i < TEST_COUNT(links) && skip_reason == NULL; i++) {
		/* NOLINTNEXTLINE(cert-env33-c): constant text */
		if (system(links[i]) != 0)
			skip_reason = links[i];
	}
	return 0;
}

#define IN_STREET(f)                                                           \
	cmocka_unit_test_setup_teardown(f, street_setup, street_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_STREET(test_requests_by_the_byte_end),
		IN_STREET(test_silence_ends),
		IN_STREET(test_waiting_is_no_fault),
		IN_STREET(test_what_comes_slowly_but_comes),
		IN_STREET(test_no_room_among_those_at_work),
		IN_STREET(test_idle_ones_give_way),
		IN_STREET(test_silent_ones_give_way_first),
		IN_STREET(test_a_peer_has_its_share),
		IN_STREET(test_mapped_addresses_are_many_peers),
		IN_STREET(test_a_network_is_one_peer),
		IN_STREET(test_crowd),
		IN_STREET(test_bounds_change_with_the_places),
		IN_STREET(test_door_shuts_on_those_who_enter),
		IN_STREET(test_who_takes_no_answer_is_not_read),
	};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
