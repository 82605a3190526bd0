/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * End the daemon, at once or after a drain, and wait until it has ended.  The
 * drain and the stop are the daemon's: if this program ends, they go on.
 */
#include "anycastctl/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "report/text.h"

#define LOOK_MS 200
#define LOOK_TIMEOUT_MS 5000
#define END_MAX_MS 15000

struct stop {
	struct ctl *c;
	json_t *last; /* of its answers */
	struct mono start;
	bool is_drain;
};

static const json_t *
stopping(const struct stop *s)
{
	return json_object_get(s->last, "stopping");
}

static long long
count_left(const struct stop *s)
{
	return (long long)json_integer_value(json_object_get(stopping(s),
	    "left"));
}

static void
show_progress(struct stop *s)
{
	char age[TEXT_NUMBER_BYTES];
	char *line;

	if (!s->is_drain)
		return;
	line = xasprintf("%s draining: %lld prefixes are still announced",
	    text_age(mono_diff_ms(mono_now(), s->start), age), count_left(s));
	ctl_progress(s->c, line);
	free(line);
}

static enum ctl_exit
show_end(struct stop *s)
{
	if (ctl_options_has(&s->c->opt, CTL_OPT_JSON))
		return ctl_show(s->c, report_json, s->last);
	if (s->is_drain) {
		const char *site =
		    json_string_value(json_object_get(s->last, "site"));

		fputs("anycastd ended, site ", s->c->out);
		text_put(s->c->out, site != NULL ? site : "?");
		fputs(" is drained until it is restored\n", s->c->out);
	} else {
		fputs("anycastd ended, all routes stay as they are\n",
		    s->c->out);
	}
	return CTL_DONE;
}

/* No answer: it ended, if it had said that it would. */
static enum ctl_exit
on_silence(struct stop *s, const struct ctl_answer *answer)
{
	ctl_progress(s->c, "");
	if (answer->status == 0 && count_left(s) == 0)
		return show_end(s);
	ctl_error(s->c, "%s", answer->message);
	return answer->status == 0 ? CTL_UNREACHABLE : CTL_FAILED;
}

static enum ctl_exit
look(struct stop *s, bool *again)
{
	struct ctl_request req = { .method = "GET",
		.path = "/v1/stop",
		.timeout_ms = LOOK_TIMEOUT_MS };
	struct ctl_answer answer;
	enum ctl_exit rc = CTL_DONE;

	*again = false;
	if (ctl_client_call(s->c->client, &req, &answer) == -1) {
		rc = on_silence(s, &answer);
	} else if (!json_is_object(json_object_get(answer.doc, "stopping"))) {
		ctl_progress(s->c, "");
		ctl_error(s->c, "stop: called off: the site was restored");
		rc = CTL_FAILED;
	} else {
		json_decref(s->last);
		s->last = json_incref(answer.doc);
		show_progress(s);
		*again = true;
	}
	ctl_answer_clear(&answer);
	return rc;
}

static enum ctl_exit
watch(struct stop *s, const sigset_t *signals)
{
	enum ctl_exit rc;
	bool again;

	for (;;) {
		rc = look(s, &again);
		if (!again)
			return rc;
		if (!s->is_drain &&
		    mono_diff_ms(mono_now(), s->start) > END_MAX_MS) {
			ctl_error(s->c, "stop: anycastd does not end");
			return CTL_FAILED;
		}
		if (!ctl_wait_signal(signals, LOOK_MS))
			continue;
		ctl_progress(s->c, "");
		ctl_error(s->c,
		    "the stop goes on: anycastctl restore calls it off");
		return CTL_FAILED;
	}
}

enum ctl_exit
cmd_stop(struct ctl *c)
{
	struct stop s = { .c = c,
		.start = mono_now(),
		.is_drain = ctl_options_has(&c->opt, CTL_OPT_DRAIN) };
	json_t *body = json_pack("{s:b, s:b, s:s}", "drain", s.is_drain,
	    "at_once", ctl_options_has(&c->opt, CTL_OPT_AT_ONCE), "reason",
	    c->opt.reason != NULL ? c->opt.reason : "");
	sigset_t signals, before;
	enum ctl_exit rc;

	if (body == NULL) {
		ctl_error(c, "stop: option --reason: not UTF-8");
		return CTL_USAGE;
	}
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	rc = ctl_post(c, "/v1/stop", body, &s.last);
	if (rc == CTL_DONE)
		rc = watch(&s, &signals);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	json_decref(s.last);
	return rc;
}
