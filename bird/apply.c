/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/apply.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "bird/ask.h"
#include "bird/byhand.h"
#include "bird/include.h"

/* As in site/reconcile_change.c: what a protocol on its way down is shows
 * soon. */
#define STOPPING_MAX_MS 1000
#define STOPPING_POLL_MS 20

static int
ask_settled_state(const struct bird_apply *how, struct bird_survey *s,
    struct err *err)
{
	const struct timespec poll = { .tv_nsec = STOPPING_POLL_MS * 1000000L };
	struct mono start = mono_now();

	while (bird_ask_state(how->socket, how->timeout_ms, s, err) == 0) {
		if (!bird_survey_is_one_stopping(s) ||
		    mono_diff_ms(mono_now(), start) >= STOPPING_MAX_MS)
			return 0;
		(void)nanosleep(&poll, NULL);
	}
	return -1;
}

/* -1 with err if a reconfiguration would enable something again. */
static int
judge_hands(const struct bird_apply *how, const struct bird_survey *s,
    struct err *err)
{
	struct bird_byhand *bh;
	char names[160];
	size_t n;

	if (s->is_reconfiguring) {
		return err_set(err, ERR_REFUSED,
		    "bird: a reconfiguration is under way");
	}
	bh = bird_byhand_open(how->include, how->writer);
	(void)bird_byhand_take(bh, s);
	n = bird_byhand_find(bh, s, names, sizeof(names));
	bird_byhand_free(bh);
	if (n == 0)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "disabled by hand: %s: a reconfiguration would enable it again",
	    names);
}

static int
look_for_hands(const struct bird_apply *how, struct err *err)
{
	struct bird_survey s = { 0 };
	int rc;

	if (how->overrule_hands)
		return 0;
	s.protocols = xcalloc(BIRD_PROTOCOLS_MAX, sizeof(*s.protocols));
	rc = ask_settled_state(how, &s, err);
	if (rc == 0)
		rc = judge_hands(how, &s, err);
	free(s.protocols);
	return rc;
}

/* Is it our file that BIRD does not take?  Then it would not start with it. */
static void
put_back(const struct bird_apply *how, const char *before,
    const struct err *refusal)
{
	struct err err;

	if (before == NULL || refusal->code != ERR_BIRD ||
	    strstr(refusal->msg, how->include) == NULL)
		return;
	if (bird_include_write_by(how->writer, how->include, before, &err) ==
	    -1)
		log_warnx("bird: the old file cannot be put back: %s", err.msg);
}

int
bird_apply(const struct bird_apply *how, const char *text, char **before,
    struct err *err)
{
	char *have = bird_include_read(how->include, err);

	if (have == NULL)
		return -1;
	if (strcmp(have, text) != 0) {
		free(*before);
		*before = have;
	} else {
		free(have);
	}
	if (bird_include_write_by(how->writer, how->include, text, err) == -1 ||
	    look_for_hands(how, err) == -1)
		return -1;
	if (bird_ask_check(how->socket, how->timeout_ms, err) == -1 ||
	    bird_ask_configure(how->socket, how->timeout_ms, err) == -1) {
		put_back(how, *before, err);
		return -1;
	}
	return 0;
}
