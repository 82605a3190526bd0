/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The status again and again on a terminal's alternate screen.  Signals are
 * blocked and read from a descriptor, so that whatever ends us finds the
 * terminal put back; while the daemon is asked they wait, which is bounded.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "anycastctl/commands.h"
#include "anycastctl/status.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "report/table.h"
#include "report/text.h"

/* A status comes at once, or the daemon is stuck. */
#define ASK_TIMEOUT_MS 3000
#define DEFAULT_ROWS 24
#define DEFAULT_COLUMNS 80

/* Alternate screen, no cursor, no wrapping of long lines; and back. */
#define SCREEN_ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
/* Before the text: behind a line that is full it would take its end. */
#define LINE_CLEAR "\033[2K"

struct watch {
	struct ctl *c;
	int signals;   /* descriptor */
	sigset_t mask; /* as it was before */
	int keys;      /* descriptor; -1: standard input is no terminal */
	struct termios modes; /* of keys, as they were before */
	char *text;           /* the last state */
	struct mono got;      /* when it came */
	char *trouble;        /* why it is old; NULL: it is not */
};

enum woken {
	WOKEN_BY_TIME,
	WOKEN_BY_SIZE,
	WOKEN_TO_END,
};

/* ---- asking ---- */

static char *
render(struct watch *w, json_t *doc, char **why)
{
	struct report_style style = ctl_style(w->c);
	report_fn *fn =
	    status_pick(doc, w->c->n_args == 0 ? NULL : w->c->args[0], why);
	char *text = NULL;
	struct err err;
	size_t len;
	FILE *out;
	int rc;

	if (fn == NULL)
		return NULL;
	out = open_memstream(&text, &len);
	if (out == NULL)
		abort();
	rc = fn(doc, &style, out, &err);
	if (fclose(out) != 0)
		abort();
	if (rc == 0)
		return text;
	free(text);
	*why = xstrdup(err.msg);
	return NULL;
}

static enum ctl_exit
ask(struct watch *w)
{
	struct ctl_request req = {
		.method = "GET",
		.path = "/v1/status",
		.timeout_ms = ASK_TIMEOUT_MS,
	};
	enum ctl_exit rc = CTL_FAILED;
	struct ctl_answer answer;
	char *text = NULL;

	free(w->trouble);
	w->trouble = NULL;
	if (ctl_client_call(w->c->client, &req, &answer) == 0) {
		text = render(w, answer.doc, &w->trouble);
	} else {
		w->trouble = xstrdup(answer.message);
		rc = answer.status == 0 ? CTL_UNREACHABLE : CTL_FAILED;
	}
	ctl_answer_clear(&answer);
	if (text == NULL)
		return rc;
	free(w->text);
	w->text = text;
	w->got = mono_now();
	return CTL_DONE;
}

/* ---- drawing ---- */

static struct winsize
screen_size(const struct watch *w)
{
	struct winsize size = { 0 };

	if (ioctl(fileno(w->c->out), TIOCGWINSZ, &size) == -1)
		size.ws_row = 0;
	if (size.ws_row == 0 || size.ws_col == 0) {
		size.ws_row = DEFAULT_ROWS;
		size.ws_col = DEFAULT_COLUMNS;
	}
	return size;
}

/* Length of the colour that s begins with; 0 if it is none. */
static size_t
color_bytes(const char *s)
{
	size_t len;

	if (s[0] != '\033' || s[1] != '[')
		return 0;
	len = 2 + strspn(s + 2, "0123456789;");
	return s[len] == 'm' ? len + 1 : 0;
}

/* What of the line fits, and all colours of it: the last one ends them. */
static void
put_line(FILE *out, const char *line, size_t len, size_t columns)
{
	size_t used = 0;

	fputs(LINE_CLEAR, out);
	for (size_t i = 0; i < len;) {
		size_t color = color_bytes(line + i);
		bool is_inside = ((unsigned char)line[i] & 0xc0) == 0x80;

		if (color > 0) {
			(void)fwrite(line + i, 1, color, out);
			i += color;
			continue;
		}
		used += !is_inside;
		if (used <= columns)
			fputc(line[i], out);
		i++;
	}
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* The last state in exactly so many rows, each begun on a new line. */
static void
put_state(FILE *out, const char *text, size_t rows, size_t columns)
{
	size_t left = count_lines(text);

	for (; left > 0 && rows > 0; left--, rows--) {
		size_t len = strcspn(text, "\n");

		fputs("\n", out);
		if (rows == 1 && left > 1) {
			fprintf(out, LINE_CLEAR "... %zu more lines", left);
			return;
		}
		put_line(out, text, len, columns);
		text += len + 1;
	}
	for (; rows > 0; rows--)
		fputs("\n" LINE_CLEAR, out);
}

static void
put_head(struct watch *w, FILE *out, size_t columns)
{
	char wall[WALL_TEXT_BYTES], every[DURATION_TEXT_BYTES];
	char age[TEXT_NUMBER_BYTES];
	char *head, *cut = NULL;
	size_t len;
	FILE *line = open_memstream(&cut, &len);

	if (line == NULL)
		abort();
	if (w->trouble == NULL) {
		head = xasprintf("%.19sZ, every %s, q ends",
		    wall_format(wall_now_ms(), wall),
		    num_format_duration_ms(w->c->opt.interval_ms, every));
	} else {
		head = xasprintf("state of %s ago: %s",
		    text_age(mono_diff_ms(mono_now(), w->got), age),
		    w->trouble);
	}
	text_put_cut(line, head, columns);
	if (fclose(line) != 0)
		abort();
	fputs(LINE_CLEAR, out);
	table_put_ink(out, w->trouble == NULL ? TABLE_BOLD : TABLE_RED,
	    ctl_style(w->c).color, cut);
	free(cut);
	free(head);
}

/* All at once, so that no half of a picture is seen. */
static int
draw(struct watch *w)
{
	struct winsize size = screen_size(w);
	char *picture = NULL;
	size_t len;
	FILE *out = open_memstream(&picture, &len);

	if (out == NULL)
		abort();
	fputs(SCREEN_HOME, out);
	put_head(w, out, size.ws_col);
	put_state(out, w->text, size.ws_row - 1u, size.ws_col);
	if (fclose(out) != 0)
		abort();
	(void)fwrite(picture, 1, len, w->c->out);
	free(picture);
	return fflush(w->c->out);
}

/* ---- the terminal ---- */

static void
enter(struct watch *w)
{
	struct termios modes = w->modes;

	if (w->keys != -1) {
		modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		(void)tcsetattr(w->keys, TCSADRAIN, &modes);
	}
	fputs(SCREEN_ENTER, w->c->out);
}

static void
leave(struct watch *w)
{
	fputs(SCREEN_LEAVE, w->c->out);
	(void)fflush(w->c->out);
	if (w->keys != -1)
		(void)tcsetattr(w->keys, TCSADRAIN, &w->modes);
}

static int
watch_open(struct watch *w)
{
	sigset_t ours;

	w->keys = tcgetattr(STDIN_FILENO, &w->modes) == 0 ? STDIN_FILENO : -1;
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigaddset(&ours, SIGHUP);
	(void)sigaddset(&ours, SIGQUIT);
	(void)sigaddset(&ours, SIGTSTP);
	(void)sigaddset(&ours, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &ours, &w->mask);
	w->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals == -1) {
		ctl_error(w->c, "signalfd: %s", strerror(errno));
		(void)sigprocmask(SIG_SETMASK, &w->mask, NULL);
		return -1;
	}
	enter(w);
	return 0;
}

static void
watch_close(struct watch *w)
{
	leave(w);
	(void)close(w->signals);
	(void)sigprocmask(SIG_SETMASK, &w->mask, NULL);
}

/* Ctrl-Z: the shell must find its terminal as it was. */
static void
suspend(struct watch *w)
{
	leave(w);
	(void)raise(SIGSTOP);
	enter(w);
}

static enum woken
on_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return WOKEN_BY_SIZE;
	if (info.ssi_signo == SIGTSTP) {
		suspend(w);
		return WOKEN_BY_SIZE;
	}
	return info.ssi_signo == SIGWINCH ? WOKEN_BY_SIZE : WOKEN_TO_END;
}

static enum woken
on_key(struct watch *w)
{
	char key = '\0';

	if (read(w->keys, &key, 1) != 1)
		return WOKEN_TO_END; /* the terminal is gone */
	return key == 'q' || key == 'Q' ? WOKEN_TO_END : WOKEN_BY_SIZE;
}

static enum woken
sleep_until(struct watch *w, struct mono end)
{
	struct pollfd fds[] = { { .fd = w->signals, .events = POLLIN },
		{ .fd = w->keys, .events = POLLIN } };
	int64_t left_ms = mono_diff_ms(end, mono_now());
	int n = poll(fds, 2, left_ms > 0 ? (int)left_ms : 0);

	if (n <= 0)
		return WOKEN_BY_TIME;
	return fds[0].revents != 0 ? on_signal(w) : on_key(w);
}

static enum ctl_exit
watch(struct watch *w)
{
	enum woken woken = WOKEN_BY_SIZE; /* the first state is there */

	while (woken != WOKEN_TO_END) {
		struct mono end;

		if (woken == WOKEN_BY_TIME)
			(void)ask(w);
		end = mono_add_ms(mono_now(), w->c->opt.interval_ms);
		do {
			if (draw(w) != 0)
				return CTL_FAILED;
			woken = sleep_until(w, end);
		} while (woken == WOKEN_BY_SIZE);
	}
	return CTL_DONE;
}

/* ---- the command ---- */

static const char *
why_not_here(const struct ctl *c)
{
	const char *term = getenv("TERM");

	if (ctl_options_has(&c->opt, CTL_OPT_JSON))
		return "watch is for people, see status --json";
	if (!ctl_is_terminal(c->out))
		return "watch: standard output is no terminal, see status";
	if (term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0)
		return "watch: this terminal cannot be redrawn, see status";
	return NULL;
}

enum ctl_exit
cmd_watch(struct ctl *c)
{
	struct watch w = { .c = c };
	const char *refusal = why_not_here(c);
	enum ctl_exit rc;

	if (refusal != NULL) {
		ctl_error(c, "%s", refusal);
		return CTL_USAGE;
	}
	/* A daemon that was never there is a mistake, not a restart. */
	rc = ask(&w);
	if (rc != CTL_DONE) {
		ctl_error(c, "%s", w.trouble);
	} else if (watch_open(&w) == -1) {
		rc = CTL_FAILED;
	} else {
		rc = watch(&w);
		watch_close(&w);
	}
	free(w.text);
	free(w.trouble);
	return rc;
}
