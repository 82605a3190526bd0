/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "report/fields.h"

#define WAIT_MS 10000
#define RETRY_SEC 1
/* An answer without events that comes back sooner did not wait for one. */
#define QUICK_MS 500
#define ANSWER_SLACK_MS 10000

struct follow {
	struct ctl *c;
	char *subject; /* escaped; NULL: all */
	int64_t after; /* id of the newest event shown; -1: none yet */
	bool lost;     /* the daemon is away, which has been said */
};

static char *
make_path(const struct follow *f, int64_t wait_ms)
{
	return xasprintf("/v1/events?after=%lld&limit=%u%s%s&wait_ms=%lld",
	    (long long)f->after, f->c->opt.limit,
	    f->subject == NULL ? "" : "&subject=",
	    f->subject == NULL ? "" : f->subject, (long long)wait_ms);
}

static enum ctl_exit
show_lines(struct ctl *c, const json_t *doc)
{
	struct report_style style = ctl_style(c);
	const json_t *event;
	struct err err;
	size_t i;

	if (!ctl_options_has(&c->opt, CTL_OPT_JSON))
		return ctl_show(c, report_events, doc);
	json_array_foreach (json_object_get(doc, "events"), i, event) {
		if (report_json_line(event, &style, c->out, &err) == -1) {
			ctl_error(c, "%s", err.msg);
			return CTL_FAILED;
		}
	}
	return CTL_DONE;
}

/* Show what came and remember how far we are. */
static enum ctl_exit
take_events(struct follow *f, const json_t *doc)
{
	struct ctl *c = f->c;
	struct err err;
	struct fields in = { .err = &err };
	const json_t *last = json_object_get(doc, "last");
	enum ctl_exit rc;

	fields_array(&in, doc, "events");
	if (!json_is_integer(last))
		fields_text(&in, doc, "last");
	if (in.bad) {
		ctl_error(c, "the daemon's answer: %s", err.msg);
		return CTL_FAILED;
	}
	rc = show_lines(c, doc);
	/* A smaller id: the daemon has begun anew, and so do we. */
	f->after = json_integer_value(last);
	if (fflush(c->out) != 0)
		return CTL_FAILED;
	return rc;
}

/* The daemon may be restarting: say it once, and come back. */
static enum ctl_exit
on_silence(struct follow *f, const char *message, bool first)
{
	if (first) {
		ctl_error(f->c, "%s", message);
		return CTL_UNREACHABLE;
	}
	if (!f->lost)
		ctl_error(f->c, "%s; trying again", message);
	f->lost = true;
	sleep(RETRY_SEC);
	return CTL_DONE;
}

static enum ctl_exit
on_answer(struct follow *f, const json_t *doc)
{
	if (f->lost)
		ctl_error(f->c, "the daemon is back");
	f->lost = false;
	return take_events(f, doc);
}

/* One call; CTL_DONE: go on. */
static enum ctl_exit
follow_step(struct follow *f, bool first)
{
	char *path = make_path(f, first ? 0 : WAIT_MS);
	struct ctl_request req = {
		.method = "GET",
		.path = path,
		.timeout_ms = WAIT_MS + ANSWER_SLACK_MS,
	};
	struct mono start = mono_now();
	struct ctl_answer answer;
	enum ctl_exit rc = CTL_FAILED;

	if (ctl_client_call(f->c->client, &req, &answer) == 0) {
		rc = on_answer(f, answer.doc);
	} else if (answer.status == 0) {
		rc = on_silence(f, answer.message, first);
	} else {
		ctl_error(f->c, "%s", answer.message);
	}
	if (!first && rc == CTL_DONE &&
	    json_array_size(json_object_get(answer.doc, "events")) == 0 &&
	    mono_diff_ms(mono_now(), start) < QUICK_MS)
		sleep(RETRY_SEC);
	ctl_answer_clear(&answer);
	free(path);
	return rc;
}

static enum ctl_exit
follow(struct follow *f)
{
	enum ctl_exit rc = follow_step(f, true);

	while (rc == CTL_DONE)
		rc = follow_step(f, false);
	return rc;
}

static enum ctl_exit
show_newest(struct follow *f)
{
	char *path = make_path(f, 0);
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(f->c, path, &doc);
	free(path);
	return ctl_show_answer(f->c, rc, report_events, doc);
}

enum ctl_exit
cmd_events(struct ctl *c)
{
	struct follow f = { .c = c, .after = -1 };
	enum ctl_exit rc;

	if (c->opt.subject != NULL)
		f.subject = ctl_escape(c->opt.subject);
	rc = ctl_options_has(&c->opt, CTL_OPT_FOLLOW) ? follow(&f)
						      : show_newest(&f);
	free(f.subject);
	return rc;
}
