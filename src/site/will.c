/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/will.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "bird/apply.h"
#include "bird/include.h"

#define LOCK_POLL_MS 50
/* After so many failures in a row only every so many'th look tries again. */
#define EAGER_ATTEMPTS 60
#define LAZY_LOOKS 20
#define RECORD_MAX_BYTES (1u << 20)

char *
will_lock_path(const struct conf *conf)
{
	return xasprintf("%s.lock", conf->socket);
}

static char *
record_path(const struct conf *conf)
{
	return xasprintf("%s.will", conf->store);
}

/* ---- main's side ---- */

static json_t *
step_json(const struct will_step *step)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < step->n_withdraw; i++) {
		json_array_append_new(list,
		    json_string(prefix_format(&step->withdraw[i], text)));
	}
	return json_pack("{s:I, s:I, s:s, s:s, s:o}", "gone_ms",
	    (json_int_t)step->gone_ms, "hung_ms", (json_int_t)step->hung_ms,
	    "subject", step->subject, "what", step->what, "withdraw", list);
}

static char *
will_format(const struct conf *conf, const struct will_seat *seat,
    const struct will *will)
{
	char *lock = will_lock_path(conf), *record = record_path(conf), *body;
	json_t *steps = json_array(), *doc;

	for (size_t i = 0; i < will->n_steps; i++)
		json_array_append_new(steps, step_json(&will->steps[i]));
	doc = json_pack("{s:s, s:s, s:I, s:b, s:s, s:s, s:s, s:s, s:s, s:o}",
	    "include", conf->agent->bird.include, "socket",
	    conf->agent->bird.socket, "timeout_ms",
	    (json_int_t)conf->agent->bird.timeout_ms, "overrule_hands",
	    conf->agent->bird.overrule_hands, "lock", lock, "boot", seat->boot,
	    "before", seat->before, "record", record, "text", will->text,
	    "steps", steps);
	body = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	free(record);
	free(lock);
	return body;
}

static void
take_seat(struct will_seat *seat, const struct conf *conf)
{
	char *lock = will_lock_path(conf);
	int fd = open(lock, O_WRONLY | O_CLOEXEC);
	char text[WILL_BOOT_BYTES] = "";

	(void)text_copy(text, sizeof(text), seat->boot);
	if (fd == -1 || pwrite(fd, text, sizeof(text), 0) == -1)
		log_warn("will: %s", lock);
	if (fd != -1)
		(void)close(fd);
	free(lock);
	seat->is_taken = true;
}

int
will_deposit(struct keeper *k, const struct conf *conf, struct will_seat *seat,
    const struct will *will)
{
	char *body = NULL;
	int rc;

	if (will->n_steps > 0)
		body = will_format(conf, seat, will);
	rc = keeper_set_will(k, body, body != NULL ? strlen(body) : 0);
	free(body);
	/* Afterwards: never must both keepers be without a will. */
	if (rc == 0 && !seat->is_taken)
		take_seat(seat, conf);
	return rc;
}

int
will_do_now(const struct conf *conf, const struct bird_route *announced,
    size_t n, struct err *err)
{
	const struct conf_bird *bird = &conf->agent->bird;
	const struct bird_apply how = { .include = bird->include,
		.socket = bird->socket,
		.writer = "new",
		.timeout_ms = bird->timeout_ms,
		.overrule_hands = bird->overrule_hands };
	char *text = bird_include_make(&conf->agent->allow, announced, n, err);
	char *before = NULL;
	int rc = text == NULL ? -1 : bird_apply(&how, text, &before, err);

	free(before);
	free(text);
	return rc;
}

/* ---- lock and seat ---- */

/* "" if nobody has it. */
static void
read_seat(const char *lock, char boot[WILL_BOOT_BYTES])
{
	int fd = open(lock, O_RDONLY | O_CLOEXEC);

	memset(boot, 0, WILL_BOOT_BYTES);
	if (fd == -1)
		return;
	if (read(fd, boot, WILL_BOOT_BYTES - 1) == -1)
		boot[0] = '\0';
	(void)close(fd);
}

void
will_seat_init(struct will_seat *seat, const struct conf *conf,
    const char *boot)
{
	char *lock = will_lock_path(conf);

	*seat = (struct will_seat){ 0 };
	(void)text_copy(seat->boot, sizeof(seat->boot), boot);
	read_seat(lock, seat->before);
	free(lock);
}

static void
pause_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
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

/* ---- the keeper's side ---- */

struct deed {
	const char *include, *socket, *lock, *record, *text;
	const char *boot, *before;
	json_int_t timeout_ms;
	int overrule_hands;
	const json_t *steps;
	const struct keeper_silence *silence;
};

/* Has another daemon taken over? */
static bool
has_successor(const struct deed *d)
{
	char boot[WILL_BOOT_BYTES];

	read_seat(d->lock, boot);
	return boot[0] != '\0' && strcmp(boot, d->boot) != 0 &&
	    strcmp(boot, d->before) != 0;
}

/* So many steps, from the first, are due. */
static size_t
count_due(const struct deed *d)
{
	const char *key = d->silence->is_gone ? "gone_ms" : "hung_ms";
	const json_t *step;
	size_t i;

	json_array_foreach (d->steps, i, step) {
		const json_t *after = json_object_get(step, key);

		if (!json_is_integer(after) ||
		    json_integer_value(after) > d->silence->ms)
			return i;
	}
	return i;
}

/* The include file after n steps; the caller frees it. */
static char *
text_after(const struct deed *d, size_t n)
{
	struct prefix *gone;
	size_t n_gone = 0, room = 0, i;
	const json_t *step;
	char *text;

	json_array_foreach (d->steps, i, step)
		room += json_array_size(json_object_get(step, "withdraw"));
	gone = xcalloc(room, sizeof(*gone));
	json_array_foreach (d->steps, i, step) {
		const json_t *one;
		size_t k;

		if (i == n)
			break;
		json_array_foreach (json_object_get(step, "withdraw"), k, one) {
			const char *s = json_string_value(one);

			if (s != NULL &&
			    prefix_parse(s, &gone[n_gone], NULL) == 0)
				n_gone++;
		}
	}
	text = bird_include_without(d->text, gone, n_gone);
	free(gone);
	return text;
}

/* Only for people: what fails here changes nothing. */
static void
note_act(const struct deed *d, const json_t *step)
{
	int64_t now_ms = wall_now_ms();
	int fd =
	    open(d->record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	const char *how = d->silence->is_gone ? "died" : "hangs";
	json_t *act = json_pack("{s:O, s:O, s:I, s:I, s:s}", "subject",
	    json_object_get(step, "subject"), "what",
	    json_object_get(step, "what"), "at_ms", (json_int_t)now_ms,
	    "silent_ms", (json_int_t)d->silence->ms, "how", how);
	char *line = act != NULL ? json_dumps(act, JSON_COMPACT) : NULL;

	if (fd == -1 || line == NULL || dprintf(fd, "%s\n", line) < 0 ||
	    fsync(fd) == -1)
		log_warn("will: %s", d->record);
	log_warnx(
	    "will: %s: %s: no sign of life from anycastd for %lld s, it %s",
	    json_string_value(json_object_get(step, "subject")),
	    json_string_value(json_object_get(step, "what")),
	    (long long)(d->silence->ms / 1000), how);
	if (fd != -1)
		(void)close(fd);
	free(line);
	json_decref(act);
}

/* An operator's hand goes before the will as it goes before the daemon: the
 * keeper looks again later.  An override of the guard has an end, and nobody
 * who would know it: only the configuration counts here. */
static int
act(const struct deed *d, size_t n, struct err *err)
{
	static char *before; /* over several tries */
	const struct bird_apply how = { .include = d->include,
		.socket = d->socket,
		.writer = "will",
		.timeout_ms = d->timeout_ms,
		.overrule_hands = d->overrule_hands != 0 };
	char *text = text_after(d, n);
	int rc = bird_apply(&how, text, &before, err);

	free(text);
	if (rc == 0) {
		free(before);
		before = NULL;
	}
	return rc;
}

/* A BIRD that is away for long is not asked at every look, and each reason is
 * told once. */
static void
try_to_act(const struct deed *d, unsigned *done, size_t due)
{
	static struct {
		unsigned failures;
		char reason[256];
	} last;
	struct err err = { 0 };

	if (last.failures > EAGER_ATTEMPTS && ++last.failures % LAZY_LOOKS != 0)
		return;
	if (act(d, due, &err) == -1) {
		last.failures++;
		if (strcmp(last.reason, err.msg) != 0)
			log_warnx("will: %s", err.msg);
		(void)text_copy(last.reason, sizeof(last.reason), err.msg);
		return;
	}
	last.failures = 0;
	last.reason[0] = '\0';
	for (size_t i = *done; i < due; i++)
		note_act(d, json_array_get(d->steps, i));
	*done = (unsigned)due;
}

bool
will_carry_out(const uint8_t *body, size_t len,
    const struct keeper_silence *silence, unsigned *done)
{
	json_t *doc = json_loadb((const char *)body, len, 0, NULL);
	struct deed d = { .silence = silence };
	bool is_more = false;
	size_t due;

	if (json_unpack(doc,
		"{s:s, s:s, s:I, s:b, s:s, s:s, s:s, s:s, s:s, s:o}", "include",
		&d.include, "socket", &d.socket, "timeout_ms", &d.timeout_ms,
		"overrule_hands", &d.overrule_hands, "lock", &d.lock, "boot",
		&d.boot, "before", &d.before, "record", &d.record, "text",
		&d.text, "steps", &d.steps) == -1) {
		log_warnx("will: unreadable");
		goto out;
	}
	if (silence->is_gone && has_successor(&d))
		goto out;
	due = count_due(&d);
	if (due > *done)
		try_to_act(&d, done, due);
	is_more = *done < json_array_size(d.steps);
out:
	json_decref(doc);
	return is_more;
}

/* ---- what was done ---- */

static void
tell_line(const char *line, size_t len, will_act_cb *cb, void *arg)
{
	json_t *act = json_loadb(line, len, 0, NULL);
	const char *subject, *what, *how;
	json_int_t at_ms, silent_ms;
	char reason[128], when[WALL_TEXT_BYTES];

	if (json_unpack(act, "{s:s, s:s, s:I, s:I, s:s}", "subject", &subject,
		"what", &what, "at_ms", &at_ms, "silent_ms", &silent_ms, "how",
		&how) == 0) {
		struct will_act told = { subject, what, reason };

		(void)snprintf(reason, sizeof(reason),
		    "by the keeper at %s: anycastd %.8s, no sign of life for %lld s",
		    wall_format(at_ms, when), how,
		    (long long)(silent_ms / 1000));
		cb(&told, arg);
	}
	json_decref(act);
}

void
will_tell(const struct conf *conf, will_act_cb *cb, void *arg)
{
	char *path = record_path(conf);
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0, all = 0;
	ssize_t len;

	while (in != NULL && all < RECORD_MAX_BYTES &&
	    (len = getline(&line, &room, in)) > 0) {
		all += (size_t)len;
		tell_line(line, (size_t)len, cb, arg);
	}
	if (in != NULL) {
		(void)fclose(in);
		if (unlink(path) == -1)
			log_warn("will: %s", path);
	}
	free(line);
	free(path);
}
