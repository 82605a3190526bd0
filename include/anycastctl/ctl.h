/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_CTL_H
#define ANYCASTCTL_CTL_H
/*
 * ctl -- one run of anycastctl: options, the link to the daemon, the outputs.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "anycastctl/client.h"
#include "anycastctl/options.h"
#include "report/report.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1, /* refused or failed */
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3, /* no answer of the daemon */
};

struct ctl {
	FILE *out;
	FILE *err;
	struct ctl_options opt;
	char **args; /* behind the command's name */
	size_t n_args;
	struct ctl_client *client; /* NULL if the command needs none */
};

/* For what the daemon answers at once. */
#define CTL_TIMEOUT_MS 30000

/* All of the program but its name; argv as of main, reordered. */
enum ctl_exit ctl_run(int argc, char **argv, FILE *out, FILE *err);

/* "anycastctl: ..." on err, cleaned, with a line feed. */
void ctl_error(struct ctl *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Call the daemon and say on err why it failed, if so.  On CTL_DONE *doc is a
 * new reference, never NULL; else it is NULL.
 */
enum ctl_exit ctl_get(struct ctl *c, const char *path, json_t **doc);
/* body: a reference that is taken over; NULL: none. */
enum ctl_exit ctl_post(struct ctl *c, const char *path, json_t *body,
    json_t **doc);
enum ctl_exit ctl_call(struct ctl *c, const struct ctl_request *req,
    json_t **doc);

/* How reports look on out: colours only on a terminal that wants them. */
struct report_style ctl_style(const struct ctl *c);
/* doc on out by render, or as JSON if that was asked for. */
enum ctl_exit ctl_show(struct ctl *c, report_fn *render, const json_t *doc);
/* What became of a call: shows doc, which is taken over, if rc is CTL_DONE. */
enum ctl_exit ctl_show_answer(struct ctl *c, enum ctl_exit rc,
    report_fn *render, json_t *doc);

/* Waits so long for one of the signals, which are blocked: did one come? */
bool ctl_wait_signal(const sigset_t *signals, int64_t ms);

bool ctl_is_terminal(FILE *f);
/* Replace the line of the terminal err by text, cut to fit; "" clears it.
 * Does nothing if err is no terminal. */
void ctl_progress(struct ctl *c, const char *text);

#endif /* ANYCASTCTL_CTL_H */
