/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The will as the keeper carries it out, look by look. */
#include "site/will.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mono.h"
#include "store_file.h"
#include "test.h"

/* One case: a directory with include file, lock and a BIRD. */
struct stage {
	struct store_file f;
	char include[PATH_MAX + 16], socket[PATH_MAX + 16];
	char lock[PATH_MAX + 16], store[PATH_MAX + 16];
	char record[PATH_MAX + 16];
	char control[PATH_MAX + 16];
	struct conf_agent agent;
	struct conf conf;
	pid_t bird;
	int lock_fd;
	unsigned done;
	bool overrule_hands;
};

static void
stage_open(struct stage *s)
{
	file_make(&s->f);
	(void)snprintf(s->include, sizeof(s->include), "%s/include", s->f.dir);
	(void)snprintf(s->socket, sizeof(s->socket), "%s/bird", s->f.dir);
	(void)snprintf(s->lock, sizeof(s->lock), "%s/ctl.lock", s->f.dir);
	(void)snprintf(s->control, sizeof(s->control), "%s/ctl", s->f.dir);
	(void)snprintf(s->store, sizeof(s->store), "%s/store", s->f.dir);
	(void)snprintf(s->record, sizeof(s->record), "%s/store.will", s->f.dir);
	file_write(s->include, "old\n", 4);
	s->agent = (struct conf_agent){ .bird = { .socket = s->socket,
					    .include = s->include,
					    .timeout_ms = 1000 } };
	s->conf = (struct conf){
		.store = s->store, .socket = s->control, .agent = &s->agent
	};
	s->bird = -1;
	s->lock_fd = -1;
	s->done = 0;
	s->overrule_hands = false;
}

/* What somebody does to BIRD meanwhile, and what it did: by files there. */
static bool
is_there(const struct stage *s, const char *name)
{
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/%s", s->f.dir, name);
	return access(path, F_OK) == 0;
}

static void
put_there(const struct stage *s, const char *name, bool there)
{
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/%s", s->f.dir, name);
	if (there) {
		file_write(path, "x", 1);
	} else {
		assert_int_equal(unlink(path), 0);
	}
}

#define STARTED "2026-11-27 01:00:00.000"

/* The answer; refusals: so many checks of bird.conf to come. */
static void
bird_answer(const struct stage *s, const char *command, int *refusals,
    FILE *out)
{
	static int times;

	if (strcmp(command, "show protocols\n") == 0) {
		fprintf(out,
		    "2002-Name Proto Table State Since Info\n"
		    "1002-t2 BGP --- %s 01:00:00.000\n0000 \n",
		    is_there(s, "hand") ? "down" : "up");
	} else if (strcmp(command, "show status\n") == 0) {
		fprintf(out,
		    "1000-BIRD 2.0.12\n1011-Router ID is 10.0.0.1\n"
		    " Last reboot on " STARTED "\n"
		    " Last reconfiguration on 2026-11-27 01:00:%02d.000\n"
		    "0013 Daemon is up and running\n",
		    times);
	} else if (strcmp(command, "configure check\n") == 0) {
		if (is_there(s, "bad")) {
			fprintf(out, "8002 %s:2:1 syntax error\n", s->include);
		} else if ((*refusals)-- > 0) {
			fputs("8002 bird.conf:1: syntax error\n", out);
		} else {
			fputs("0002-Reading\n0020 Configuration OK\n", out);
		}
	} else if (strcmp(command, "configure soft\n") == 0) {
		times++;
		put_there(s, "configured", true);
		fputs("0002-Reading\n0003 Reconfigured\n", out);
	} else {
		_exit(1);
	}
}

static void __attribute__((noreturn))
bird_main(const struct stage *s, int fd, int refusals)
{
	for (;;) {
		FILE *conn = fdopen(accept(fd, NULL, NULL), "r+");
		char buf[64] = "";

		if (conn == NULL)
			_exit(1);
		fputs("0001 BIRD 2.0.12 ready.\n", conn);
		(void)fflush(conn);
		if (fgets(buf, sizeof(buf), conn) == NULL)
			_exit(1);
		(void)fseek(conn, 0, SEEK_CUR);
		bird_answer(s, buf, &refusals, conn);
		(void)fclose(conn);
	}
}

static void
stage_start_bird(struct stage *s, int refusals)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/bird", s->f.dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	s->bird = fork();
	assert_true(s->bird != -1);
	if (s->bird == 0)
		bird_main(s, fd, refusals);
	(void)close(fd);
}

/* A will with the test prefix after 5 s and two services later. */
static size_t
stage_will(const struct stage *s, char *body, size_t size)
{
	int n = snprintf(body, size,
	    "{\"include\":\"%s\",\"socket\":\"%s\",\"timeout_ms\":1000,"
	    "\"overrule_hands\":%s,"
	    "\"lock\":\"%s\",\"record\":\"%s\",\"boot\":\"me\","
	    "\"before\":\"old\",\"text\":\""
	    "protocol static x {\\n"
	    "\\troute 198.51.100.0/24 blackhole;\\n"
	    "\\troute 192.0.2.0/24 blackhole { bgp_med = 1; };\\n"
	    "\\troute 2001:db8:53::/48 blackhole;\\n}\\n"
	    "\",\"steps\":["
	    "{\"gone_ms\":300,\"hung_ms\":600,\"subject\":\"test prefix\","
	    "\"what\":\"restored\",\"withdraw\":[]},"
	    "{\"gone_ms\":900,\"hung_ms\":900,\"subject\":\"service/web\","
	    "\"what\":\"withdrawn\",\"withdraw\":[\"192.0.2.0/24\"]},"
	    "{\"gone_ms\":1200,\"hung_ms\":1200,\"subject\":\"service/dns\","
	    "\"what\":\"withdrawn\",\"withdraw\":[\"2001:db8:53::/48\"]}]}",
	    s->include, s->socket, s->overrule_hands ? "true" : "false",
	    s->lock, s->record);

	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

/* One look of the keeper. */
static bool
stage_look(struct stage *s, int64_t silent_ms, bool is_gone)
{
	struct keeper_silence silence = { .ms = silent_ms, .is_gone = is_gone };
	char body[4 * PATH_MAX];
	size_t len = stage_will(s, body, sizeof(body));

	return will_carry_out((const uint8_t *)body, len, &silence, &s->done);
}

static void
stage_close(struct stage *s)
{
	if (s->bird != -1) {
		(void)kill(s->bird, SIGKILL);
		(void)waitpid(s->bird, NULL, 0);
	}
	if (s->lock_fd != -1)
		(void)close(s->lock_fd);
	file_remove(&s->f);
}

static bool
has(const struct stage *s, const char *what)
{
	size_t len;
	char *text = file_read(s->include, &len);
	bool found = strstr(text, what) != NULL;

	free(text);
	return found;
}

static bool
has_all(const struct stage *s, bool test, bool web, bool dns)
{
	return has(s, "198.51.100.0/24") == test &&
	    has(s, "192.0.2.0/24") == web && has(s, "2001:db8:53::/48") == dns;
}

struct told {
	char text[1024];
};

static void
on_act(const struct will_act *act, void *arg)
{
	struct told *t = arg;

	(void)snprintf(t->text + strlen(t->text),
	    sizeof(t->text) - strlen(t->text), "%s %s: %s\n", act->subject,
	    act->what, act->reason);
}

static void
test_steps_are_taken_in_time_and_told(void **state)
{
	struct told told = { "" };
	struct stage s;

	(void)state;
	stage_open(&s);
	stage_start_bird(&s, 0);
	assert_true(stage_look(&s, 100, true));
	assert_true(has(&s, "old"));
	assert_true(stage_look(&s, 300, true));
	assert_true(has_all(&s, true, true, true));
	assert_true(stage_look(&s, 899, true));
	assert_true(has_all(&s, true, true, true));
	assert_true(stage_look(&s, 900, true));
	assert_true(has_all(&s, true, false, true));
	/* All that is left, and nothing more to do. */
	assert_false(stage_look(&s, 5000, true));
	assert_true(has_all(&s, true, false, false));
	assert_int_equal(s.done, 3);
	will_tell(&s.conf, on_act, &told);
	assert_non_null(strstr(told.text,
	    "test prefix restored: by the keeper at "));
	assert_non_null(strstr(told.text,
	    "service/web withdrawn: by the keeper"));
	assert_non_null(strstr(told.text,
	    ": anycastd died, no sign of life for 5 s\n"));
	told.text[0] = '\0';
	will_tell(&s.conf, on_act, &told);
	assert_string_equal(told.text, "");
	stage_close(&s);
}

/* Of one that hangs the lock is no successor's, and its times are longer. */
static void
test_hung_daemon_has_longer_times(void **state)
{
	struct stage s;
	struct err err;

	(void)state;
	stage_open(&s);
	stage_start_bird(&s, 0);
	s.lock_fd = will_lock(s.lock, 0, &err);
	assert_int_not_equal(s.lock_fd, -1);
	assert_true(stage_look(&s, 599, false));
	assert_true(has(&s, "old"));
	assert_true(stage_look(&s, 600, false));
	assert_true(has_all(&s, true, true, true));
	assert_false(stage_look(&s, 1200, false));
	assert_true(has_all(&s, true, false, false));
	stage_close(&s);
}

/* Each look tries again, and what is done is done. */
static void
test_refused_step_is_tried_again(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s);
	assert_true(stage_look(&s, 950, true));
	assert_int_equal(s.done, 0);
	/* A BIRD that starts now reads what is right already. */
	assert_true(has_all(&s, true, false, true));
	stage_start_bird(&s, 2);
	while (s.done == 0)
		assert_true(stage_look(&s, 1000, true));
	assert_int_equal(s.done, 2);
	assert_true(has_all(&s, true, false, true));
	stage_close(&s);
}

/* As the daemon left it: BIRD is as its file says, all is up. */
static void
write_list(const struct stage *s)
{
	static const char list[] = STARTED "\n" STARTED "\n";
	char path[PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s.protocols", s->include);
	file_write(path, list, strlen(list));
}

/* A reconfiguration would enable it again: the keeper waits for the hand. */
static void
test_a_hand_stops_the_keeper(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s);
	write_list(&s);
	stage_start_bird(&s, 0);
	put_there(&s, "hand", true);
	for (int i = 0; i < 3; i++)
		assert_true(stage_look(&s, 950, true));
	assert_int_equal(s.done, 0);
	assert_false(is_there(&s, "configured"));
	/* Whoever reconfigures BIRD now gets what is right. */
	assert_true(has_all(&s, true, false, true));
	put_there(&s, "hand", false);
	assert_true(stage_look(&s, 1000, true));
	assert_int_equal(s.done, 2);
	assert_true(is_there(&s, "configured"));
	stage_close(&s);
}

static void
test_a_hand_is_overruled(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s);
	write_list(&s);
	stage_start_bird(&s, 0);
	put_there(&s, "hand", true);
	s.overrule_hands = true;
	assert_true(stage_look(&s, 950, true));
	assert_int_equal(s.done, 2);
	stage_close(&s);
}

/* Or BIRD could not start with it; also when it was away at first. */
static void
test_a_file_that_bird_refuses_is_put_back(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s);
	put_there(&s, "bad", true);
	assert_true(stage_look(&s, 950, true));
	assert_false(has(&s, "old"));
	stage_start_bird(&s, 0);
	for (int i = 0; i < 2; i++) {
		assert_true(stage_look(&s, 950, true));
		assert_true(has(&s, "old"));
	}
	assert_false(is_there(&s, "configured"));
	assert_int_equal(s.done, 0);
	put_there(&s, "bad", false);
	assert_true(stage_look(&s, 950, true));
	assert_int_equal(s.done, 2);
	assert_true(has_all(&s, true, false, true));
	stage_close(&s);
}

static void
test_successor_relieves_the_keeper(void **state)
{
	/* Itself, or the one before it: died before it took the seat. */
	static const char *const nobody[] = { "me", "old", "" };
	struct stage s;

	(void)state;
	stage_open(&s);
	stage_start_bird(&s, 0);
	for (size_t i = 0; i < TEST_COUNT(nobody); i++) {
		file_write(s.lock, nobody[i], strlen(nobody[i]));
		assert_true(stage_look(&s, 100, true));
	}
	file_write(s.lock, "new", 3);
	/* Not for a daemon that lives: then it is not there. */
	assert_true(stage_look(&s, 100, false));
	assert_false(stage_look(&s, 2000, true));
	assert_true(has(&s, "old"));
	stage_close(&s);
}

/* Deposited by main as it is, with a real keeper behind it. */
static void
test_deposit_takes_the_seat_once(void **state)
{
	static const struct worker_kind none[1];
	static const struct will_step step = {
		.gone_ms = 1, .hung_ms = 1, .subject = "s", .what = "w"
	};
	const struct will will = { .text = "x", .steps = &step, .n_steps = 1 };
	struct will_seat seat;
	struct keeper *k;
	struct loop *lp;
	struct stage s;
	struct err err;
	size_t len;
	char *text;

	(void)state;
	stage_open(&s);
	file_write(s.lock, "before", 7);
	will_seat_init(&seat, &s.conf, "mine");
	assert_string_equal(seat.before, "before");
	k = keeper_start(none, 1, will_carry_out, &err);
	assert_non_null(k);
	assert_int_equal(will_deposit(k, &s.conf, &seat, &will), 0);
	assert_true(seat.is_taken);
	text = file_read(s.lock, &len);
	assert_string_equal(text, "mine");
	free(text);
	file_write(s.lock, "other", 6);
	assert_int_equal(will_deposit(k, &s.conf, &seat, &will), 0);
	text = file_read(s.lock, &len);
	assert_string_equal(text, "other");
	free(text);
	lp = loop_new();
	keeper_attach(k, lp, NULL, NULL);
	keeper_dismiss(k);
	loop_free(lp);
	stage_close(&s);
}

static void
test_unreadable_will_is_left_alone(void **state)
{
	static const char *const bad[] = { "x", "{}", "[]", "null",
		("{\"include\":1,\"socket\":\"s\",\"timeout_ms\":1,"
		 "\"lock\":\"l\",\"text\":\"t\"}"),
		"{\"include\":\"/nonexistent/x\",\"socket\":\"s\"}" };
	const struct keeper_silence silence = { .ms = 99999, .is_gone = true };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		unsigned done = 0;

		assert_false(will_carry_out((const uint8_t *)bad[i],
		    strlen(bad[i]), &silence, &done));
		assert_int_equal(done, 0);
	}
}

static void
test_lock_is_for_one(void **state)
{
	struct stage s;
	struct err err = { 0 };
	struct mono start;
	int first, second;
	pid_t pid;

	(void)state;
	stage_open(&s);
	first = will_lock(s.lock, 0, &err);
	assert_int_not_equal(first, -1);
	start = mono_now();
	assert_int_equal(will_lock(s.lock, 200, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_true(mono_diff_ms(mono_now(), start) >= 199);
	(void)close(first);
	second = will_lock(s.lock, 0, &err);
	assert_int_not_equal(second, -1);
	(void)close(second);
	/* The last daemon is still ending. */
	pid = fork();
	if (pid == 0) {
		struct timespec ts = { .tv_nsec = 200000000 };

		(void)will_lock(s.lock, 0, NULL);
		file_write(s.include, "locked", 6);
		(void)nanosleep(&ts, NULL);
		_exit(0);
	}
	while (file_bytes(s.include) != 6)
		(void)poll(NULL, 0, 5);
	second = will_lock(s.lock, 5000, &err);
	assert_int_not_equal(second, -1);
	(void)close(second);
	(void)waitpid(pid, NULL, 0);
	stage_close(&s);
	assert_int_equal(will_lock("/nonexistent/dir/lock", 0, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
}

static void
test_lock_is_beside_the_control_socket(void **state)
{
	static char path[] = "/run/anycastd/anycastd.sock";
	struct conf conf = { .socket = path };
	char *lock = will_lock_path(&conf);

	(void)state;
	assert_string_equal(lock, "/run/anycastd/anycastd.sock.lock");
	free(lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_taken_in_time_and_told),
		cmocka_unit_test(test_hung_daemon_has_longer_times),
		cmocka_unit_test(test_refused_step_is_tried_again),
		cmocka_unit_test(test_a_hand_stops_the_keeper),
		cmocka_unit_test(test_a_hand_is_overruled),
		cmocka_unit_test(test_a_file_that_bird_refuses_is_put_back),
		cmocka_unit_test(test_successor_relieves_the_keeper),
		cmocka_unit_test(test_deposit_takes_the_seat_once),
		cmocka_unit_test(test_unreadable_will_is_left_alone),
		cmocka_unit_test(test_lock_is_for_one),
		cmocka_unit_test(test_lock_is_beside_the_control_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
