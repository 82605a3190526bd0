/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/will.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "bird/ask.h"
#include "bird/include.h"

/* A supervisor that restarts the daemon is faster than this. */
#define GRACE_MS 5000
#define ATTEMPT_PAUSE_MS 500
#define ATTEMPTS 240
#define LOCK_POLL_MS 50

static void
pause_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

char *
will_lock_path(const struct conf *conf)
{
	return xasprintf("%s.lock", conf->socket);
}

void
will_deposit(struct keeper *k, const struct conf *conf,
    const struct prefix *announced, size_t n)
{
	char *lock = will_lock_path(conf);
	char *text = bird_include_format(announced, n);
	json_t *will = json_pack("{s:s, s:s, s:I, s:s, s:s}", "include",
	    conf->agent->bird.include, "socket", conf->agent->bird.socket,
	    "timeout_ms", (json_int_t)conf->agent->bird.timeout_ms, "lock",
	    lock, "text", text);
	char *body = will != NULL ? json_dumps(will, JSON_COMPACT) : NULL;

	if (body != NULL) {
		keeper_set_will(k, body, strlen(body));
	} else {
		log_warnx("will: cannot be written");
	}
	free(body);
	json_decref(will);
	free(text);
	free(lock);
}

void
will_clear(struct keeper *k)
{
	keeper_set_will(k, NULL, 0);
}

int
will_do_now(const struct conf *conf, const struct prefix *announced, size_t n,
    struct err *err)
{
	const struct conf_bird *bird = &conf->agent->bird;
	char *text = bird_include_format(announced, n);
	int rc = bird_include_write(bird->include, text, err);

	free(text);
	if (rc == 0)
		rc = bird_ask_configure(bird->socket, bird->timeout_ms, err);
	return rc;
}

int
will_lock(const char *path, int64_t wait_ms, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct mono start = mono_now();

	if (fd == -1)
		return err_sys(err, "%s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			err_sys(err, "lock %s", path);
			(void)close(fd);
			return -1;
		}
		if (mono_diff_ms(mono_now(), start) >= wait_ms) {
			(void)close(fd);
			return err_set(err, ERR_REFUSED,
			    "%s: another anycastd is running", path);
		}
		pause_ms(LOCK_POLL_MS);
	}
	return fd;
}

/* Has another daemon taken over? */
static bool
has_successor(const char *lock)
{
	int fd = open(lock, O_RDWR | O_CLOEXEC);
	bool taken;

	if (fd == -1)
		return false;
	taken = flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	(void)close(fd);
	return taken;
}

void
will_carry_out(const uint8_t *body, size_t len)
{
	json_t *will = json_loadb((const char *)body, len, 0, NULL);
	const char *include, *socket, *lock, *text;
	json_int_t timeout_ms;
	struct err err = { 0 };

	if (json_unpack(will, "{s:s, s:s, s:I, s:s, s:s}", "include", &include,
		"socket", &socket, "timeout_ms", &timeout_ms, "lock", &lock,
		"text", &text) == -1) {
		log_warnx("will: unreadable");
		json_decref(will);
		return;
	}
	log_warnx(
	    "will: the daemon died in an experiment: restoring the test prefix in %d s unless it comes back",
	    GRACE_MS / 1000);
	pause_ms(GRACE_MS);
	for (int i = 0; i < ATTEMPTS && !has_successor(lock); i++) {
		if (bird_include_write(include, text, &err) == 0 &&
		    bird_ask_configure(socket, timeout_ms, &err) == 0) {
			log_info("will: test prefix restored");
			break;
		}
		log_warnx("will: %s", err.msg);
		pause_ms(ATTEMPT_PAUSE_MS);
	}
	json_decref(will);
}
