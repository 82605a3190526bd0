/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The collector process with real sockets, FIFOs and files in a folder of its
 * own; over the network it is 127.0.0.1 and ::1 alone. */
#include "feeds/collector.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "feeds/client_book.h"
#include "feeds/feed_source.h"
#include "loop_wait.h"
#include "sflow_make.h"

#define FEEDS 4
#define REPORT_MS 100
#define BOOK_MAX 1000000

struct rig {
	char folder[32];
	struct conf conf;
	struct conf_feed feeds[FEEDS];
	char *where[FEEDS];
	char names[FEEDS][8];
	char site[8], other[8];
	struct loop *lp;
	struct chan *ch;
	pid_t pid;
	bool is_closed;
	struct client_book *book;
	json_t *stats;
	unsigned lists;
};

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	const char *site = (const char *)msg->body;
	struct rig *r = arg;
	struct feed_part part;
	struct err err = { 0 };

	(void)ch;
	if (msg->type == FEED_MSG_STATS) {
		json_decref(r->stats);
		r->stats = json_loadb(site, msg->len, 0, NULL);
		assert_non_null(r->stats);
		return;
	}
	assert_int_equal(msg->type, FEED_MSG_CLIENTS);
	if (feed_part_decode(msg->body + strlen(site) + 1,
		msg->len - strlen(site) - 1, &part, &err) == -1 ||
	    client_book_take(r->book, site, &part, &err) == -1)
		fail_msg("%s", err.msg);
	r->lists++;
}

static void
on_close(struct chan *ch, void *arg)
{
	struct rig *r = arg;

	(void)ch;
	r->is_closed = true;
}

static int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	memcpy(r->folder, "/tmp/collector.XXXXXX", 22);
	assert_non_null(mkdtemp(r->folder));
	memcpy(r->site, "chc", 4);
	memcpy(r->other, "akl", 4);
	r->conf.feeds = r->feeds;
	r->conf.clients = (struct conf_clients){ .half_life_ms = 3600000,
		.report_ms = REPORT_MS,
		.max_clients = 5000,
		.max_blocks = 5000,
		.per_block = 16,
		.allow_special = true };
	r->book = client_book_new(BOOK_MAX);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	struct dirent *e;
	int status = 0;
	DIR *d;

	chan_free(r->ch);
	if (r->pid > 0) {
		assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
		/* It ended by itself, and sanitizers had nothing to say. */
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	if (r->lp != NULL)
		loop_free(r->lp);
	d = opendir(r->folder);
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	assert_int_equal(rmdir(r->folder), 0);
	client_book_free(r->book);
	json_decref(r->stats);
	for (size_t i = 0; i < r->conf.n_feeds; i++)
		free(r->where[i]);
	free(r);
	return 0;
}

/* A path in the folder, or an endpoint; index is the feed's. */
static struct conf_feed *
add_feed(struct rig *r, enum feed_type type, enum feed_way way,
    const char *where)
{
	size_t i = r->conf.n_feeds++;
	struct conf_feed *f = &r->feeds[i];

	r->where[i] = way == FEED_UDP || way == FEED_TCP
	    ? xstrdup(where)
	    : xasprintf("%s/%s", r->folder, where);
	(void)snprintf(r->names[i], sizeof(r->names[i]), "f%zu", i);
	*f = (struct conf_feed){ .name = r->names[i],
		.type = type,
		.way = way,
		.where = r->where[i],
		.weight = type == FEED_TEXT ? FEED_REQUESTS : FEED_PACKETS,
		.site = r->site };
	return f;
}

static void
send_conf(struct rig *r)
{
	char *text = feed_conf_encode(&r->conf);

	chan_send(r->ch, FEED_MSG_CONF, text, strlen(text));
	free(text);
}

static void
start(struct rig *r)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	r->pid = fork();
	assert_true(r->pid != -1);
	if (r->pid == 0) {
		(void)close(sv[0]);
		log_init("collector", false);
		exit(collector_main(sv[1]));
	}
	(void)close(sv[1]);
	r->lp = loop_new();
	r->ch = chan_new(r->lp, sv[0], on_msg, on_close, r);
	send_conf(r);
}

static const json_t *
feed_json(const struct rig *r, size_t i)
{
	return json_array_get(json_object_get(r->stats, "feeds"), i);
}

static json_int_t
number(const struct rig *r, size_t feed, const char *key)
{
	return json_integer_value(json_object_get(feed_json(r, feed), key));
}

static json_int_t
bad(const struct rig *r, size_t feed, const char *reason)
{
	return json_integer_value(json_object_get(json_object_get(feed_json(r,
								      feed),
						      "bad"),
	    reason));
}

static bool
is_open(const struct rig *r, size_t feed)
{
	const char *state =
	    json_string_value(json_object_get(feed_json(r, feed), "state"));

	return state != NULL && strcmp(state, "open") == 0;
}

static double
weight(const struct rig *r, const char *site, const char *addr)
{
	struct client *all;
	double found = 0;
	struct addr a;
	size_t n;

	assert_int_equal(addr_parse(addr, &a, NULL), 0);
	all = client_book_merge(r->book, site, 0, &n);
	for (size_t i = 0; i < n; i++) {
		if (addr_equal(&all[i].addr, &a))
			found = all[i].weight;
	}
	free(all);
	return found;
}

/* Decay within a test is less than that. */
static bool
weighs(const struct rig *r, const char *addr, double want)
{
	double got = weight(r, "chc", addr);

	return got > want * 0.98 && got <= want * 1.0001;
}

/* ---- senders ---- */

/* A port of 127.0.0.1 that nobody has at the moment. */
static unsigned
free_port(int type)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, type, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

static int
connect_inet(int type, const char *addr, unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port) };
	bool is_ipv4 = inet_pton(AF_INET, addr, &sa.sin_addr) == 1;
	int fd = socket(is_ipv4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

	if (!is_ipv4)
		assert_int_equal(inet_pton(AF_INET6, addr, &sa6.sin6_addr), 1);
	assert_int_equal(connect(fd,
			     is_ipv4 ? (struct sockaddr *)&sa
				     : (struct sockaddr *)&sa6,
			     is_ipv4 ? sizeof(sa) : sizeof(sa6)),
	    0);
	return fd;
}

static int
connect_unix(const struct rig *r, int type, size_t feed)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s",
	    r->where[feed]);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void
append(const struct rig *r, size_t feed, const char *text)
{
	int fd = open(r->where[feed], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0600);

	assert_true(fd != -1);
	say(fd, text);
	(void)close(fd);
}

/* ---- tests ---- */

static size_t
make_sflow(struct sflow_make *m)
{
	static const uint16_t tags[] = { 0x8100, 0 };

	sflow_make_begin(m, 5, 2);
	sflow_make_sample(m, 1, 1000, 1);
	sflow_make_ethernet(m, tags, "203.0.113.7", "192.0.2.1");
	sflow_make_sample_end(m);
	sflow_make_sample(m, 3, 500, 1);
	sflow_make_raw_ip(m, 12, "2001:db8:7::9", "2001:db8::1");
	sflow_make_sample_end(m);
	return sflow_make_len(m);
}

static void
test_sflow_over_udp(void **state)
{
	struct rig *r = *state;
	struct sflow_make m;
	size_t len = make_sflow(&m);
	char where[64];
	unsigned port = free_port(SOCK_DGRAM);
	int fd;

	(void)snprintf(where, sizeof(where), "[::]:%u", port);
	(void)add_feed(r, FEED_SFLOW, FEED_UDP, where);
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0));
	/* one socket for both families */
	fd = connect_inet(SOCK_DGRAM, "127.0.0.1", port);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send(fd, m.buf, len, 0), len);
	say(fd, "no sFlow at all, but long enough");
	assert_int_equal(send(fd, m.buf, len - 1, 0), len - 1);
	(void)close(fd);
	fd = connect_inet(SOCK_DGRAM, "::1", port);
	assert_int_equal(send(fd, m.buf, len, 0), len);
	(void)close(fd);
	WAIT_FOR(r->lp, number(r, 0, "used") == 23);
	assert_int_equal(bad(r, 0, "version"), 1);
	assert_int_equal(bad(r, 0, "short"), 1);
	assert_int_equal(number(r, 0, "records"), 25);
	assert_true(number(r, 0, "last_ms") > 0);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.7", 12000));
	WAIT_FOR(r->lp, weighs(r, "2001:db8:7::9", 5500));
}

static void
test_only_senders_may_send(void **state)
{
	struct rig *r = *state;
	struct prefix only;
	struct conf_feed *f;
	char where[64];
	unsigned port = free_port(SOCK_DGRAM);
	int fd;

	(void)snprintf(where, sizeof(where), "[::]:%u", port);
	f = add_feed(r, FEED_TEXT, FEED_UDP, where);
	assert_int_equal(prefix_parse("::1/128", &only, NULL), 0);
	f->senders = &only;
	f->n_senders = 1;
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0));
	fd = connect_inet(SOCK_DGRAM, "127.0.0.1", port);
	say(fd, "203.0.113.1\n");
	(void)close(fd);
	fd = connect_inet(SOCK_DGRAM, "::1", port);
	say(fd, "203.0.113.2\n203.0.113.3");
	(void)close(fd);
	WAIT_FOR(r->lp, number(r, 0, "used") == 2);
	assert_int_equal(bad(r, 0, "sender"), 1);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.3", 1));
	assert_true(weight(r, "chc", "203.0.113.1") == 0);
}

static void
test_connections(void **state)
{
	struct rig *r = *state;
	char where[64];
	unsigned port = free_port(SOCK_STREAM);
	int fds[FEED_CONNS_MAX + 2], tcp;

	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", port);
	(void)add_feed(r, FEED_GOFLOW2, FEED_TCP, where);
	(void)add_feed(r, FEED_PMACCT, FEED_UNIX, "s");
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0) && is_open(r, 1));
	tcp = connect_inet(SOCK_STREAM, "127.0.0.1", port);
	say(tcp, "{\"src_addr\":\"203.0.113.1\",\"pack");
	/* Lines of several connections do not mix. */
	for (size_t i = 0; i < FEED_CONNS_MAX; i++) {
		fds[i] = connect_unix(r, SOCK_STREAM, 1);
		say(fds[i], "{\"ip_src\":\"203.0.113.2\",");
	}
	/* One too many is closed at once, maybe before it could say a word. */
	for (size_t i = FEED_CONNS_MAX; i < TEST_COUNT(fds); i++)
		fds[i] = connect_unix(r, SOCK_STREAM, 1);
	WAIT_FOR(r->lp, number(r, 1, "refused") == 2);
	for (size_t i = 0; i < FEED_CONNS_MAX; i++)
		say(fds[i], "\"packets\":2}\n");
	say(tcp, "ets\":5}\n{\"src_addr\":\"\"}\n{");
	(void)close(tcp);
	WAIT_FOR(r->lp, number(r, 1, "used") == FEED_CONNS_MAX);
	WAIT_FOR(r->lp, bad(r, 0, "syntax") == 1);
	assert_int_equal(number(r, 0, "used"), 1);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.1", 5));
	WAIT_FOR(r->lp, weighs(r, "203.0.113.2", 2 * FEED_CONNS_MAX));
	for (size_t i = 0; i < TEST_COUNT(fds); i++)
		(void)close(fds[i]);
	/* Their places are free again. */
	tcp = connect_unix(r, SOCK_STREAM, 1);
	say(tcp, "{\"ip_src\":\"203.0.113.3\",\"packets\":7}");
	(void)close(tcp);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.3", 7));
}

static void
test_unix_datagrams(void **state)
{
	struct rig *r = *state;
	char *big = xcalloc(1, FEED_DATAGRAM_MAX + 2);
	struct stat st;
	int fd;

	(void)add_feed(r, FEED_TEXT, FEED_UNIXGRAM, "g");
	/* What a collector before left behind is no obstacle. */
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	{
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s",
		    r->where[0]);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)),
		    0);
	}
	(void)close(fd);
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0));
	assert_int_equal(stat(r->where[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	fd = connect_unix(r, SOCK_DGRAM, 0);
	memset(big, '#', FEED_DATAGRAM_MAX + 1);
	say(fd, big);
	say(fd, "203.0.113.1,4");
	(void)close(fd);
	free(big);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.1", 4));
	WAIT_FOR(r->lp, bad(r, 0, "long") == 1);
}

/* Writers come and go; the last line of one may have no end. */
static void
test_pipe_of_many_writers(void **state)
{
	struct rig *r = *state;
	int fd;

	(void)add_feed(r, FEED_TEXT, FEED_PIPE, "p");
	start(r);
	WAIT_FOR(r->lp, feed_json(r, 0) != NULL);
	assert_false(is_open(r, 0));
	assert_int_equal(mkfifo(r->where[0], 0600), 0);
	WAIT_FOR(r->lp, is_open(r, 0));
	for (int i = 1; i <= 20; i++) {
		fd = open(r->where[0], O_WRONLY | O_CLOEXEC);
		assert_true(fd != -1);
		say(fd, i % 2 == 0 ? "203.0.113.1" : "203.0.113.1\n");
		(void)close(fd);
	}
	/* Writers that overlap are one to us: their lines may join. */
	WAIT_FOR(r->lp, number(r, 0, "records") >= 11);
	fd = open(r->where[0], O_WRONLY | O_CLOEXEC);
	say(fd, "\n203.0.113.2,9\n");
	(void)close(fd);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.2", 9));
}

static void
test_no_fifo_is_said(void **state)
{
	struct rig *r = *state;

	(void)add_feed(r, FEED_TEXT, FEED_PIPE, "p");
	append(r, 0, "203.0.113.1\n");
	start(r);
	WAIT_FOR(r->lp, feed_json(r, 0) != NULL);
	assert_false(is_open(r, 0));
	assert_non_null(strstr(json_string_value(json_object_get(feed_json(r,
								     0),
				   "trouble")),
	    "is no FIFO"));
}

static void
test_file_is_followed(void **state)
{
	struct rig *r = *state;
	char *old;

	(void)add_feed(r, FEED_TEXT, FEED_FILE, "log");
	append(r, 0, "203.0.113.1,100\n");
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0));
	/* What was there before is not ours; a line may come in two pieces. */
	append(r, 0, "203.0.113.2,2\n203.0.1");
	WAIT_FOR(r->lp, weighs(r, "203.0.113.2", 2));
	append(r, 0, "13.3,3\n");
	WAIT_FOR(r->lp, weighs(r, "203.0.113.3", 3));
	/* Moved away, and written to still until the new one is there. */
	old = xasprintf("%s.1", r->where[0]);
	assert_int_equal(rename(r->where[0], old), 0);
	{
		int fd = open(old, O_WRONLY | O_APPEND | O_CLOEXEC);

		say(fd, "203.0.113.4,4\n");
		(void)close(fd);
	}
	append(r, 0, "203.0.113.5,5\n");
	WAIT_FOR(r->lp, weighs(r, "203.0.113.5", 5));
	WAIT_FOR(r->lp, weighs(r, "203.0.113.4", 4));
	/* Cut in place: shorter than what was read of it. */
	append(r, 0, "# much more than what is in it when it was cut\n");
	WAIT_FOR(r->lp, number(r, 0, "bytes") > 90);
	assert_int_equal(truncate(r->where[0], 0), 0);
	append(r, 0, "203.0.113.6,6\n");
	WAIT_FOR(r->lp, weighs(r, "203.0.113.6", 6));
	assert_true(weight(r, "chc", "203.0.113.1") == 0);
	assert_int_equal(number(r, 0, "records") - number(r, 0, "used"), 0);
	free(old);
}

/* Junk at full speed: counted, all of it, and nobody else starves. */
static void
test_junk_is_counted_and_harmless(void **state)
{
	enum { LINES = 200000 };
	static const char junk[] = "\x01\xff{not,a;client]\n";
	struct rig *r = *state;
	int fd, gram;

	(void)add_feed(r, FEED_GOFLOW2, FEED_UNIX, "s");
	(void)add_feed(r, FEED_TEXT, FEED_UNIXGRAM, "g");
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0) && is_open(r, 1));
	gram = connect_unix(r, SOCK_DGRAM, 1);
	fd = connect_unix(r, SOCK_STREAM, 0);
	for (int i = 0; i < LINES; i++) {
		say(fd, junk);
		if (i % 20000 == 0)
			say(gram, "203.0.113.1");
	}
	WAIT_FOR(r->lp, bad(r, 0, "syntax") == LINES);
	WAIT_FOR(r->lp, number(r, 1, "used") == LINES / 20000);
	assert_false(r->is_closed);
	(void)close(fd);
	(void)close(gram);
}

/* What main kept goes on at its age; new sightings add to it. */
static void
test_seed(void **state)
{
	struct rig *r = *state;
	struct client c = { .weight = 8, .last_seen = 1234 };
	struct feed_part part = { .serial = 1,
		.total = 1,
		.age_ms = INT64_C(7200000),
		.half_life_ms = 3600000 };
	uint8_t *body = xcalloc(1, 4 + FEED_PART_BYTES_MAX);
	size_t len;
	int fd;

	(void)add_feed(r, FEED_TEXT, FEED_UNIXGRAM, "g");
	r->feeds[0].site = r->site;
	(void)add_feed(r, FEED_TEXT, FEED_UNIXGRAM, "h");
	r->feeds[1].site = r->other;
	start(r);
	assert_int_equal(addr_parse("203.0.113.1", &c.addr, NULL), 0);
	memcpy(body, "chc", 4);
	len = feed_part_encode(&part, &c, body + 4);
	chan_send(r->ch, FEED_MSG_SEED, body, 4 + len);
	/* Of nobody, cut short, of no site: not taken, and no harm. */
	chan_send(r->ch, FEED_MSG_SEED, body, 4 + len - 1);
	chan_send(r->ch, FEED_MSG_SEED, body, 3);
	chan_send(r->ch, FEED_MSG_SEED, "wlg", 4);
	chan_send(r->ch, 99, NULL, 0);
	free(body);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.1", 2));
	WAIT_FOR(r->lp, is_open(r, 0));
	fd = connect_unix(r, SOCK_DGRAM, 0);
	say(fd, "203.0.113.1,3\n");
	(void)close(fd);
	WAIT_FOR(r->lp, weighs(r, "203.0.113.1", 5));
	assert_true(weight(r, "akl", "203.0.113.1") == 0);
}

/* Many clients: several parts, all of them whole, and the bound holds. */
static void
test_many_clients_are_bounded(void **state)
{
	struct rig *r = *state;
	struct client_book_list l = { .n = 0 };
	char *text = xcalloc(60000, 32);
	size_t used = 0;
	int fd;

	r->conf.clients.max_clients = r->conf.clients.max_blocks = 40000;
	(void)add_feed(r, FEED_TEXT, FEED_UNIX, "s");
	start(r);
	WAIT_FOR(r->lp, is_open(r, 0));
	fd = connect_unix(r, SOCK_STREAM, 0);
	for (unsigned i = 0; i < 60000; i++) {
		used += (size_t)snprintf(text + used, 32, "%u.%u.%u.1\n",
		    20 + i / 65536, i / 256 % 256, i % 256);
	}
	say(fd, text);
	free(text);
	(void)close(fd);
	WAIT_FOR(r->lp, number(r, 0, "used") == 60000);
	r->lists = 0;
	WAIT_FOR(r->lp, r->lists >= 6);
	assert_true(client_book_find(r->book, "chc", &l));
	assert_true(l.n > 2 * FEED_PART_ROWS_MAX && l.n <= 40000);
}

static void
test_wrong_configuration_ends_it(void **state)
{
	struct rig *r = *state;

	start(r);
	WAIT_FOR(r->lp, r->is_closed);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_sflow_over_udp),
		TEST(test_only_senders_may_send),
		TEST(test_connections),
		TEST(test_unix_datagrams),
		TEST(test_pipe_of_many_writers),
		TEST(test_no_fifo_is_said),
		TEST(test_file_is_followed),
		TEST(test_junk_is_counted_and_harmless),
		TEST(test_seed),
		TEST(test_many_clients_are_bounded),
		TEST(test_wrong_configuration_ends_it),
	};

	log_init("test_collector", false);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
