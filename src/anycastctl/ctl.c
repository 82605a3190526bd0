/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "anycastctl/commands.h"
#include "anycastctl/target.h"
#include "base/mono.h"
#include "base/xalloc.h"
#include "report/text.h"

#define DEFAULT_COLUMNS 80

void
ctl_error(struct ctl *c, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	fputs("anycastctl: ", c->err);
	text_put_lines(c->err, n == -1 ? "out of memory" : text, "  ");
	fputc('\n', c->err);
	if (n != -1)
		free(text);
}

bool
ctl_wait_signal(const sigset_t *signals, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	return sigtimedwait(signals, NULL, &ts) > 0;
}

bool
ctl_is_terminal(FILE *f)
{
	int fd = fileno(f);

	return fd != -1 && isatty(fd) == 1;
}

struct report_style
ctl_style(const struct ctl *c)
{
	const char *no_color = getenv("NO_COLOR"); /* see no-color.org */
	const char *term = getenv("TERM");
	struct report_style style = { .now_ms = wall_now_ms() };

	style.color = ctl_is_terminal(c->out) &&
	    !ctl_options_has(&c->opt, CTL_OPT_NO_COLOR) &&
	    (no_color == NULL || no_color[0] == '\0') && term != NULL &&
	    strcmp(term, "dumb") != 0;
	return style;
}

enum ctl_exit
ctl_show(struct ctl *c, report_fn *render, const json_t *doc)
{
	struct report_style style = ctl_style(c);
	struct err err;

	if (ctl_options_has(&c->opt, CTL_OPT_JSON))
		render = report_json;
	if (render(doc, &style, c->out, &err) == 0)
		return CTL_DONE;
	ctl_error(c, "%s", err.msg);
	return CTL_FAILED;
}

enum ctl_exit
ctl_show_answer(struct ctl *c, enum ctl_exit rc, report_fn *render, json_t *doc)
{
	if (rc == CTL_DONE)
		rc = ctl_show(c, render, doc);
	json_decref(doc);
	return rc;
}

static size_t
terminal_columns(FILE *f)
{
	struct winsize size;

	if (ioctl(fileno(f), TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return DEFAULT_COLUMNS;
	return size.ws_col;
}

void
ctl_progress(struct ctl *c, const char *text)
{
	if (!ctl_is_terminal(c->err))
		return;
	fputs("\r", c->err);
	text_put_cut(c->err, text, terminal_columns(c->err) - 1);
	fputs("\033[K", c->err); /* the rest of what was there before */
	fflush(c->err);
}

enum ctl_exit
ctl_call(struct ctl *c, const struct ctl_request *req, json_t **doc)
{
	enum ctl_exit rc = CTL_DONE;
	struct ctl_answer answer;

	*doc = NULL;
	if (ctl_client_call(c->client, req, &answer) == 0) {
		*doc = answer.doc == NULL ? json_object()
					  : json_incref(answer.doc);
	} else {
		ctl_error(c, "%s", answer.message);
		rc = answer.status == 0 ? CTL_UNREACHABLE : CTL_FAILED;
	}
	ctl_answer_clear(&answer);
	return rc;
}

enum ctl_exit
ctl_get(struct ctl *c, const char *path, json_t **doc)
{
	struct ctl_request req = {
		.method = "GET",
		.path = path,
		.timeout_ms = CTL_TIMEOUT_MS,
	};

	return ctl_call(c, &req, doc);
}

enum ctl_exit
ctl_post(struct ctl *c, const char *path, json_t *body, json_t **doc)
{
	char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	struct ctl_request req = {
		.method = "POST",
		.path = path,
		.type = "application/json",
		.body = text,
		.body_len = text == NULL ? 0 : strlen(text),
		.timeout_ms = CTL_TIMEOUT_MS,
	};
	enum ctl_exit rc;

	*doc = NULL;
	if (body != NULL && text == NULL) {
		ctl_error(c, "an argument is not UTF-8");
		rc = CTL_USAGE;
	} else {
		rc = ctl_call(c, &req, doc);
	}
	json_decref(body);
	free(text);
	return rc;
}

static int
open_client(struct ctl *c, struct err *err)
{
	struct ctl_target target;

	if (ctl_target_find(&c->opt, &target, err) == -1)
		return -1;
	c->client = ctl_client_new(&target, err);
	return c->client == NULL ? -1 : 0;
}

/* Disk full, pipe closed: what was asked for did not arrive. */
static enum ctl_exit
check_output(struct ctl *c, enum ctl_exit rc)
{
	bool failed = ferror(c->out) != 0;

	if (fflush(c->out) == 0 && !failed)
		return rc;
	ctl_error(c, "standard output: %s", strerror(errno));
	return rc == CTL_DONE ? CTL_FAILED : rc;
}

static enum ctl_exit
run_command(struct ctl *c, const struct ctl_command *cmd)
{
	struct err err;
	enum ctl_exit rc;

	if (ctl_options_has(&c->opt, CTL_OPT_HELP)) {
		ctl_command_help(c->out, cmd);
		return CTL_DONE;
	}
	if (ctl_command_check(cmd, &c->opt, c->opt.n_args - c->n_args, &err) ==
	    -1) {
		ctl_error(c, "%s", err.msg);
		fputs("usage: ", c->err);
		ctl_command_usage(c->err, cmd);
		return CTL_USAGE;
	}
	if (!cmd->is_local && open_client(c, &err) == -1) {
		ctl_error(c, "%s", err.msg);
		return CTL_USAGE;
	}
	rc = cmd->run(c);
	ctl_client_free(c->client);
	return rc;
}

static enum ctl_exit
dispatch(struct ctl *c)
{
	const struct ctl_options *opt = &c->opt;
	const struct ctl_command *cmd;
	struct err err;
	size_t n_words;

	if (opt->n_args == 0 && ctl_options_has(opt, CTL_OPT_VERSION))
		return cmd_version(c);
	if (opt->n_args == 0 && ctl_options_has(opt, CTL_OPT_HELP)) {
		ctl_command_help_all(c->out);
		return CTL_DONE;
	}
	if (opt->n_args == 1 && ctl_options_has(opt, CTL_OPT_HELP) &&
	    ctl_command_help_group(c->out, opt->args[0]))
		return CTL_DONE;
	cmd = ctl_command_find(opt->args, opt->n_args, &n_words, &err);
	if (cmd == NULL) {
		ctl_error(c, "%s", err.msg);
		return CTL_USAGE;
	}
	c->args = opt->args + n_words;
	c->n_args = opt->n_args - n_words;
	return run_command(c, cmd);
}

enum ctl_exit
ctl_run(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl c = { .out = out, .err = err };
	struct err why;

	if (ctl_options_parse(argc, argv, &c.opt, &why) == -1) {
		ctl_error(&c, "%s", why.msg);
		return CTL_USAGE;
	}
	return check_output(&c, dispatch(&c));
}
