/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Start an experiment and watch it.  The daemon runs it: if this program ends,
 * the experiment goes on.  SIGINT and SIGTERM are blocked meanwhile and taken
 * where the program waits between two looks, so no state is shared with a
 * signal handler.
 */
#include "anycastctl/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "anycastctl/maps.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "report/fields.h"
#include "report/text.h"

#define LOOK_MS 300
/* Signals wait while a call waits for its answer. */
#define LOOK_TIMEOUT_MS 5000
/* A restart of the daemon takes less. */
#define SILENCE_MAX_MS 30000

struct watch {
	struct ctl *c;
	long long id;
	char *path;
	sigset_t signals;
	struct mono start;
	struct mono answered; /* the last time that the daemon did */
};

enum verdict {
	RUNNING,
	SUCCEEDED,
	OVER /* and not well */
};

static void
show_progress(struct watch *w, const json_t *doc)
{
	int64_t elapsed_ms = mono_diff_ms(mono_now(), w->start);
	struct report_style style = { 0 };
	char age[TEXT_NUMBER_BYTES];
	char *text = NULL, *line;
	size_t len;
	FILE *out;

	if (!ctl_is_terminal(w->c->err))
		return;
	out = open_memstream(&text, &len);
	if (out == NULL)
		return;
	(void)report_progress(doc, &style, out, NULL);
	(void)fclose(out);
	line = xasprintf("%s %s", text_age(elapsed_ms, age), text);
	ctl_progress(w->c, line);
	free(line);
	free(text);
}

static enum verdict
judge(struct watch *w, const json_t *doc)
{
	const json_t *experiment = json_object_get(doc, "experiment");
	struct err err;
	struct fields f = { .err = &err };
	const char *state = fields_text(&f, experiment, "state");
	const char *reason = fields_text_or(&f, experiment, "reason", "");

	if (!f.bad && strcmp(state, "done") == 0)
		return SUCCEEDED;
	if (!f.bad && strcmp(state, "failed") != 0) {
		show_progress(w, doc);
		return RUNNING;
	}
	ctl_progress(w->c, "");
	if (f.bad) {
		ctl_error(w->c, "the daemon's answer: %s", err.msg);
	} else {
		ctl_error(w->c, "experiment %lld: failed: %s", w->id, reason);
	}
	return OVER;
}

/* Where it ends without a result: the experiment itself goes on. */
static enum ctl_exit
leave(struct watch *w, enum ctl_exit rc)
{
	ctl_error(w->c,
	    "experiment %lld goes on: see it with anycastctl predict status, "
	    "end it with anycastctl predict abort",
	    w->id);
	return rc;
}

static enum ctl_exit
on_failure(struct watch *w, const struct ctl_answer *answer, bool *again)
{
	*again = answer->status == 0 &&
	    mono_diff_ms(mono_now(), w->answered) < SILENCE_MAX_MS;
	if (*again)
		return CTL_DONE;
	ctl_progress(w->c, "");
	ctl_error(w->c, "%s", answer->message);
	return answer->status == 0 ? leave(w, CTL_UNREACHABLE) : CTL_FAILED;
}

static enum ctl_exit
look(struct watch *w, bool *again)
{
	struct ctl_request req = {
		.method = "GET",
		.path = w->path,
		.timeout_ms = LOOK_TIMEOUT_MS,
	};
	enum verdict verdict;
	struct ctl_answer answer;
	enum ctl_exit rc;

	if (ctl_client_call(w->c->client, &req, &answer) == -1) {
		rc = on_failure(w, &answer, again);
	} else {
		w->answered = mono_now();
		verdict = judge(w, answer.doc);
		*again = verdict == RUNNING;
		rc = verdict == OVER ? CTL_FAILED : CTL_DONE;
	}
	ctl_answer_clear(&answer);
	return rc;
}

static enum ctl_exit
watch(struct watch *w)
{
	enum ctl_exit rc;
	bool again;

	for (;;) {
		rc = look(w, &again);
		if (!again)
			break;
		if (ctl_wait_signal(&w->signals, LOOK_MS)) {
			ctl_progress(w->c, "");
			return leave(w, CTL_FAILED);
		}
	}
	ctl_progress(w->c, "");
	return rc;
}

static enum ctl_exit
watch_and_show(struct ctl *c, long long id)
{
	struct watch w = { .c = c, .id = id };
	enum ctl_exit rc;
	sigset_t before;
	json_t *doc;

	w.path = xasprintf("/v1/experiments/%lld", id);
	w.start = w.answered = mono_now();
	sigemptyset(&w.signals);
	sigaddset(&w.signals, SIGINT);
	sigaddset(&w.signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &w.signals, &before);
	rc = watch(&w);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	free(w.path);
	if (rc != CTL_DONE)
		return rc;
	rc = maps_get(c, c->opt.site, &doc);
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_FAILOVER, doc);
	json_decref(doc);
	return rc;
}

static enum ctl_exit
detach(struct ctl *c, long long id, const json_t *doc)
{
	if (ctl_options_has(&c->opt, CTL_OPT_JSON))
		return ctl_show(c, report_json, doc);
	fprintf(c->out, "experiment %lld of site ", id);
	text_put(c->out, c->opt.site);
	fputs(" started\n", c->out);
	return CTL_DONE;
}

enum ctl_exit
cmd_predict_run(struct ctl *c)
{
	struct err err;
	struct fields f = { .err = &err };
	enum ctl_exit rc = CTL_USAGE;
	json_t *doc = NULL;
	json_t *body;
	long long id;

	if (ctl_options_has(&c->opt, CTL_OPT_SITE) &&
	    ctl_options_has(&c->opt, CTL_OPT_DEPTH)) {
		ctl_error(c,
		    "predict run: options --site and --depth: an experiment or a campaign, not both");
		return CTL_USAGE;
	}
	if (!ctl_options_has(&c->opt, CTL_OPT_SITE))
		return cmd_predict_campaign(c);
	body = json_pack("{s:s}", "site", c->opt.site);
	if (body == NULL) {
		ctl_error(c, "predict run: option --site: not UTF-8");
	} else {
		rc = ctl_post(c, "/v1/experiments", body, &doc);
	}
	if (rc != CTL_DONE)
		return rc;
	id = (long long)fields_count(&f, json_object_get(doc, "experiment"),
	    "id");
	if (f.bad) {
		ctl_error(c, "the daemon's answer: %s", err.msg);
		rc = CTL_FAILED;
	} else if (ctl_options_has(&c->opt, CTL_OPT_DETACH)) {
		rc = detach(c, id, doc);
	} else {
		fprintf(c->err, "experiment %lld of site %s started\n", id,
		    c->opt.site);
		rc = watch_and_show(c, id);
	}
	json_decref(doc);
	return rc;
}
