/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store process with the test as main: what it does with each message, and
 * what it leaves when main is gone.
 */
#include "store/store_wire.h"

#include <math.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "store/schema.h"
#include "store/writer.h"
#include "store_file.h"
#include "test.h"

#define BOOT "0123456789abcdef"

struct peer {
	struct store_file f;
	int fd;
	pid_t pid;
	uint64_t seq;
	uint8_t body[CHAN_BODY_MAX];
};

static void
peer_start(struct peer *p)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	(void)fflush(NULL);
	p->pid = fork();
	assert_true(p->pid != -1);
	if (p->pid == 0) {
		/* No other process may hold up the end of this channel. */
		assert_int_not_equal(dup2(sv[1], 3), -1);
		(void)close_range(4, ~0U, 0);
		_exit(store_main(3));
	}
	(void)close(sv[1]);
	p->fd = sv[0];
}

static void
send_init(struct peer *p)
{
	struct wcursor w = { .p = p->body, .left = sizeof(p->body) };

	store_wire_put_init(&w, p->f.path, BOOT);
	assert_int_equal(frame_write(p->fd, STORE_MSG_INIT, p->body,
			     sizeof(p->body) - w.left, NULL),
	    0);
}

static int
setup(void **state)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct err err = { 0 };

	assert_non_null(p);
	file_make(&p->f);
	assert_int_equal(store_prepare(p->f.path, &err), 0);
	peer_start(p);
	send_init(p);
	*state = p;
	return 0;
}

/* Main dies; the exit status of the store process. */
static int
peer_end(struct peer *p)
{
	int status = -1;

	(void)close(p->fd);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
teardown(void **state)
{
	struct peer *p = *state;

	file_remove(&p->f);
	free(p);
	return 0;
}

static struct wcursor
row_begin(struct peer *p, uint8_t flags)
{
	struct wcursor w = { .p = p->body, .left = sizeof(p->body) };

	p->seq++;
	store_wire_put_head(&w, p->seq, flags);
	return w;
}

static void
row_send(struct peer *p, enum store_msg type, const struct wcursor *w)
{
	assert_false(w->bad);
	assert_int_equal(frame_write(p->fd, (uint16_t)type, p->body,
			     sizeof(p->body) - w->left, NULL),
	    0);
}

static void
send_event(struct peer *p, const char *what)
{
	struct store_event ev = { .kind = "k", .subject = "s", .what = what };
	struct wcursor w = row_begin(p, 0);

	store_wire_put_event(&w, 5, &ev);
	row_send(p, STORE_MSG_EVENT, &w);
}

static void
send_intent(struct peer *p, int64_t until_ms, int64_t ended_ms)
{
	struct store_intent in = { .id = "i",
		.kind = "drain",
		.site = "chc",
		.until_ms = until_ms,
		.ended_ms = ended_ms,
		.ended_by = ended_ms != 0 ? "jo" : NULL };
	struct wcursor w = row_begin(p, 0);

	store_wire_put_intent(&w, &in);
	row_send(p, STORE_MSG_INTENT, &w);
}

static void
send_order(struct peer *p, uint64_t revision)
{
	struct wcursor w = row_begin(p, 0);

	store_wire_put_order(&w, "chc", revision, "{}");
	row_send(p, STORE_MSG_ORDER, &w);
}

static void
send_experiment(struct peer *p, const char *state, uint32_t list)
{
	struct store_experiment ex = { .id = 7,
		.site = "chc",
		.state = state,
		.ended_ms = strcmp(state, "done") == 0 ? 9 : 0,
		.list = list };
	struct wcursor w = row_begin(p, 0);

	store_wire_put_experiment(&w, &ex);
	row_send(p, STORE_MSG_EXPERIMENT, &w);
}

/* Clients first .. first + n - 1 of a list. */
static void
send_clients(struct peer *p, uint32_t list, uint32_t first, uint32_t n,
    bool last)
{
	struct store_clients_head head = {
		.list = list, .first = first, .last = last
	};
	struct store_client *clients = calloc(n, sizeof(*clients));
	struct wcursor w = row_begin(p, 0);

	assert_non_null(clients);
	store_wire_put_clients(&w, &head, clients, n);
	row_send(p, STORE_MSG_CLIENTS, &w);
	free(clients);
}

static void
send_heirs(struct peer *p, const char *heir, bool first, bool more)
{
	struct store_experiment ex = { .id = 7,
		.site = "chc",
		.state = "done",
		.ended_ms = 9,
		.list = 1 };
	struct store_heir row = {
		.site = "chc", .family = 4, .heir = heir, .weight = 1
	};
	struct wcursor w = row_begin(p, more ? STORE_ROW_MORE : 0);

	store_wire_put_heirs_head(&w, &ex, first);
	assert_true(store_wire_put_heir(&w, &row));
	row_send(p, STORE_MSG_HEIRS, &w);
}

/* Waits for the acknowledgement of the newest row; counts alarms. */
static void
wait_ack(struct peer *p, unsigned *alarms, char *text)
{
	static uint8_t buf[CHAN_BODY_MAX];
	struct chan_msg msg;
	uint64_t seq = 0;

	while (seq < p->seq) {
		assert_int_equal(frame_read(p->fd, buf, sizeof(buf), &msg,
				     NULL),
		    1);
		if (msg.type == STORE_MSG_ACK) {
			assert_int_equal(store_wire_decode_ack(&msg, &seq), 0);
		} else if (msg.len > 0) {
			assert_int_equal(msg.type, STORE_MSG_ALARM);
			(*alarms)++;
			memcpy(text, msg.body, msg.len);
			text[msg.len] = '\0';
		}
	}
}

/* What main had sent before it died is written, the file is folded together. */
static void
test_rest_is_written_after_mains_death(void **state)
{
	struct peer *p = *state;
	char wal[PATH_MAX + 8];

	for (int i = 0; i < 500; i++)
		send_event(p, "x");
	assert_int_equal(peer_end(p), 0);
	(void)snprintf(wal, sizeof(wal), "%s-wal", p->f.path);
	assert_true(file_bytes(wal) <= 0);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"), 500);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM event"
			     " WHERE uid = '" BOOT "-500' AND at_ms = 5"),
	    1);
}

static void
test_row_cut_off_by_mains_death(void **state)
{
	struct peer *p = *state;
	uint8_t half[20] = { 0, 0, 0, 100, 0, STORE_MSG_EVENT };

	send_event(p, "whole");
	assert_int_equal(write(p->fd, half, sizeof(half)), sizeof(half));
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"), 1);
}

/* Half a failover map would be taken for a whole one. */
static void
test_transaction_cut_off_by_mains_death(void **state)
{
	struct peer *p = *state;

	send_experiment(p, "sweep", 1);
	send_heirs(p, "akl", true, true);
	send_heirs(p, "syd", false, true);
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM heir"), 0);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM experiment"
			     " WHERE state = 'sweep'"),
	    1);
}

static void
test_new_map_replaces_the_old(void **state)
{
	struct peer *p = *state;

	send_heirs(p, "akl", true, true);
	send_heirs(p, "syd", false, false);
	send_heirs(p, "wlg", true, true);
	send_heirs(p, "", false, false);
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM heir"
			     " WHERE heir IN ('wlg', '')"),
	    2);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM heir"), 2);
}

static void
test_no_init_no_work(void **state)
{
	struct peer *p = *state;

	assert_int_equal(peer_end(p), 0);
	peer_start(p);
	send_event(p, "to nowhere");
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"), 0);
}

/* One bad row must not hold up the others, nor vanish without a word. */
static void
test_bad_rows_are_skipped_alone(void **state)
{
	struct peer *p = *state;
	struct store_client nan = { .weight = (double)NAN };
	struct store_clients_head head = { .list = 5, .last = true };
	struct wcursor w;
	unsigned alarms = 0;
	char text[STORE_ALARM_BYTES_MAX + 1] = "";

	/* All is in the socket before the process can take a first batch. */
	assert_int_equal(kill(p->pid, SIGSTOP), 0);
	send_event(p, "before");
	w = row_begin(p, 0);
	wcursor_u8(&w, 0xee);
	row_send(p, STORE_MSG_EVENT, &w); /* malformed */
	w = row_begin(p, 0);
	row_send(p, (enum store_msg)77, &w); /* unknown */
	w = row_begin(p, 0);
	store_wire_put_clients(&w, &head, &nan, 1);
	row_send(p, STORE_MSG_CLIENTS, &w); /* a constraint fails */
	send_event(p, "after");
	assert_int_equal(kill(p->pid, SIGCONT), 0);
	wait_ack(p, &alarms, text);
	assert_int_equal(alarms, 1);
	assert_non_null(strstr(text, "3 rows lost"));
	assert_non_null(strstr(text, "NOT NULL"));
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"), 2);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM client_list"),
	    0);
	assert_int_equal(peer_end(p), 0);
}

static void
test_a_bad_row_at_the_end_is_acknowledged(void **state)
{
	struct peer *p = *state;
	struct wcursor w = row_begin(p, 0);
	unsigned alarms = 0;
	char text[STORE_ALARM_BYTES_MAX + 1];

	row_send(p, STORE_MSG_INTENT, &w);
	wait_ack(p, &alarms, text);
	assert_int_equal(alarms, 1);
	assert_int_equal(peer_end(p), 0);
}

static void
test_ended_intent_stays_ended(void **state)
{
	struct peer *p = *state;

	send_intent(p, 100, 0);
	send_intent(p, 200, 0); /* changed while active */
	send_intent(p, 200, 50);
	send_intent(p, 300, 0); /* late news */
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM intent WHERE ended_ms = 50"
			     " AND until_ms = 200 AND ended_by = 'jo'"),
	    1);
}

static void
test_lower_revision_changes_nothing(void **state)
{
	struct peer *p = *state;

	send_order(p, 5);
	send_order(p, 4);
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f, "SELECT revision FROM site_order"),
	    5);
}

static void
test_ended_experiment_stays_ended(void **state)
{
	struct peer *p = *state;

	send_experiment(p, "sweep", 1);
	send_experiment(p, "done", 1);
	send_experiment(p, "sweep", 1);
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM experiment"
			     " WHERE state = 'done'"),
	    1);
}

/* A list becomes current when it is whole; older ones go unless needed. */
static void
test_client_lists(void **state)
{
	struct peer *p = *state;
	unsigned alarms = 0;
	char text[STORE_ALARM_BYTES_MAX + 1];

	send_clients(p, 1, 0, 2, true);
	send_clients(p, 2, 0, 2, true);
	send_experiment(p, "sweep", 2);
	send_clients(p, 3, 0, 10, false);
	wait_ack(p, &alarms, text);
	assert_int_equal(file_number(&p->f,
			     "SELECT id FROM client_list"
			     " WHERE current = 1"),
	    2);
	assert_int_equal(file_number(&p->f,
			     "SELECT count(*) FROM client WHERE list = 1"),
	    0);
	/* The upload broke off; the next one has its id, and is shorter. */
	send_clients(p, 3, 0, 3, false);
	send_clients(p, 3, 3, 2, true);
	send_clients(p, 1, 0, 2, true); /* late: nobody needs it */
	wait_ack(p, &alarms, text);
	assert_int_equal(file_number(&p->f,
			     "SELECT id FROM client_list"
			     " WHERE current = 1 AND n = 5"),
	    3);
	assert_int_equal(file_number(&p->f, "SELECT sum(list) FROM client"),
	    2 * 2 + 5 * 3);
	assert_int_equal(alarms, 0);
	/* A part is missing: the list before stays. */
	send_clients(p, 4, 0, 2, false);
	send_clients(p, 4, 5, 2, true);
	wait_ack(p, &alarms, text);
	assert_int_equal(alarms, 1);
	assert_non_null(strstr(text, "incomplete"));
	assert_int_equal(file_number(&p->f,
			     "SELECT id FROM client_list"
			     " WHERE current = 1"),
	    3);
	assert_int_equal(peer_end(p), 0);
}

/* All that matters of the file in one number. */
static int64_t
fingerprint(const struct store_file *f)
{
	return file_number(f,
	    "SELECT (SELECT count(*) FROM event) * 1000000"
	    " + (SELECT sum(ended_ms) FROM intent) * 100000"
	    " + (SELECT revision FROM site_order) * 10000"
	    " + (SELECT count(*) FROM experiment WHERE ended_ms = 9) * 1000"
	    " + (SELECT sum(list) FROM client) * 100"
	    " + (SELECT id FROM client_list WHERE current = 1) * 10"
	    " + (SELECT count(*) FROM heir)");
}

static void
send_everything(struct peer *p)
{
	p->seq = 0;
	send_event(p, "a");
	send_event(p, "b");
	send_intent(p, 1, 0);
	send_intent(p, 1, 3);
	send_order(p, 5);
	send_order(p, 6);
	send_clients(p, 1, 0, 2, true);
	send_experiment(p, "sweep", 1);
	send_clients(p, 2, 0, 2, false);
	send_clients(p, 2, 2, 1, true);
	send_heirs(p, "akl", true, true);
	send_heirs(p, "syd", false, false);
}

/* The one before died after the commit and before main heard of it. */
static void
test_everything_twice_is_as_once(void **state)
{
	struct peer *p = *state;
	unsigned alarms = 0;
	char text[STORE_ALARM_BYTES_MAX + 1];
	int64_t once;

	send_everything(p);
	assert_int_equal(peer_end(p), 0);
	once = fingerprint(&p->f);
	assert_int_equal(once, 2361822);
	peer_start(p);
	send_init(p);
	send_everything(p);
	wait_ack(p, &alarms, text);
	assert_int_equal(alarms, 0);
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(fingerprint(&p->f), once);
}

/* An old store process still drains while its successor works. */
static void
test_two_processes_on_one_file(void **state)
{
	struct peer *p = *state, *other = calloc(1, sizeof(*other));

	assert_non_null(other);
	other->f = p->f;
	other->seq = 100000;
	peer_start(other);
	send_init(other);
	for (int i = 0; i < 2000; i++) {
		send_event(p, "old");
		send_event(other, "new");
	}
	assert_int_equal(peer_end(p), 0);
	assert_int_equal(peer_end(other), 0);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"),
	    4000);
	free(other);
}

/* A row that would be written to a file without a name is not written. */
static void
test_moved_file_is_noticed(void **state)
{
	struct peer *p = *state;
	char away[PATH_MAX + 8], text[STORE_ALARM_BYTES_MAX + 1] = "";
	static uint8_t buf[CHAN_BODY_MAX];
	struct chan_msg msg;
	unsigned alarms = 0;

	send_event(p, "a");
	wait_ack(p, &alarms, text);
	(void)snprintf(away, sizeof(away), "%s.away", p->f.path);
	assert_int_equal(rename(p->f.path, away), 0);
	send_event(p, "b");
	assert_int_equal(frame_read(p->fd, buf, sizeof(buf), &msg, NULL), 1);
	assert_int_equal(msg.type, STORE_MSG_ALARM);
	assert_non_null(memmem(msg.body, msg.len, "moved or removed", 16));
	assert_int_equal(rename(away, p->f.path), 0);
	wait_ack(p, &alarms, text);
	assert_int_equal(file_number(&p->f, "SELECT count(*) FROM event"), 2);
	assert_int_equal(peer_end(p), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rest_is_written_after_mains_death),
		TEST(test_row_cut_off_by_mains_death),
		TEST(test_transaction_cut_off_by_mains_death),
		TEST(test_new_map_replaces_the_old),
		TEST(test_no_init_no_work),
		TEST(test_bad_rows_are_skipped_alone),
		TEST(test_a_bad_row_at_the_end_is_acknowledged),
		TEST(test_ended_intent_stays_ended),
		TEST(test_lower_revision_changes_nothing),
		TEST(test_ended_experiment_stays_ended),
		TEST(test_client_lists),
		TEST(test_everything_twice_is_as_once),
		TEST(test_two_processes_on_one_file),
		TEST(test_moved_file_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
