/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_OPTIONS_H
#define ANYCASTCTL_OPTIONS_H
/*
 * options -- every option of anycastctl, before or after the command's name.
 * Which command takes which one stands in the table of commands.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "report/report.h"

enum ctl_opt {
	CTL_OPT_SOCKET,
	CTL_OPT_URL,
	CTL_OPT_CERTIFICATE,
	CTL_OPT_KEY,
	CTL_OPT_CA,
	CTL_OPT_JSON,
	CTL_OPT_NO_COLOR,
	CTL_OPT_HELP,
	CTL_OPT_VERSION,
	CTL_OPT_REASON,
	CTL_OPT_FOR,
	CTL_OPT_DRY_RUN,
	CTL_OPT_FORCE,
	CTL_OPT_FOLLOW,
	CTL_OPT_LIMIT,
	CTL_OPT_SUBJECT,
	CTL_OPT_SITE,
	CTL_OPT_DETACH,
	CTL_OPT_FORMAT,
	CTL_OPT_OUTPUT,
	CTL_OPT_NAMES,
	CTL_OPT_INTERVAL,
	CTL_OPT_UNTIL,
	CTL_OPT_OWNER,
	CTL_OPT_SERVICE,
	CTL_OPT_PREFIX,
	CTL_OPT_AT_ONCE,
	CTL_OPT_ALL,
	CTL_OPT_DRAIN,
	CTL_OPT_TOP,
	CTL_OPT_TYPE,
	CTL_OPT_DEPTH,
	CTL_OPT_DOWN,
	CTL_OPT_COUNT
};

#define CTL_BIT(opt) (UINT64_C(1) << (opt))
/* Who asks, and who is believed. */
#define CTL_TLS_OPTIONS                                                        \
	(CTL_BIT(CTL_OPT_CERTIFICATE) | CTL_BIT(CTL_OPT_KEY) |                 \
	    CTL_BIT(CTL_OPT_CA))
/* Those that every command takes. */
#define CTL_GLOBAL_OPTIONS                                                     \
	(CTL_BIT(CTL_OPT_SOCKET) | CTL_BIT(CTL_OPT_URL) | CTL_TLS_OPTIONS |    \
	    CTL_BIT(CTL_OPT_JSON) | CTL_BIT(CTL_OPT_NO_COLOR) |                \
	    CTL_BIT(CTL_OPT_HELP) | CTL_BIT(CTL_OPT_VERSION))

struct ctl_option {
	const char *name; /* without "--" */
	const char *arg;  /* name of its argument; NULL: takes none */
	const char *help;
};
extern const struct ctl_option ctl_option_table[CTL_OPT_COUNT];

#define CTL_EVENTS_LIMIT_DEFAULT 20u
#define CTL_EVENTS_LIMIT_MAX 1000u
#define CTL_DEPTH_DEFAULT 1u
#define CTL_DEPTH_MAX 3u
#define CTL_INTERVAL_DEFAULT_MS 1000

struct ctl_options {
	uint64_t given; /* CTL_BIT of each option that was there */
	const char *socket;
	const char *url;
	const char *certificate;
	const char *key;
	const char *ca;
	const char *reason;
	const char *force;
	const char *subject;
	const char *site;
	const char *down; /* "chc,akl" */
	uint32_t depth;
	const char *output;
	const char *owner;
	const char *service;
	const char *prefix;
	int64_t for_ms;
	int64_t until_ms; /* wall; 0: not given */
	int64_t interval_ms;
	uint32_t limit;
	uint32_t top; /* 0: not given */
	enum feed_type type;
	enum report_format format;
	char **args; /* borrowed from argv: what is no option */
	size_t n_args;
};

bool ctl_options_has(const struct ctl_options *o, enum ctl_opt opt);

/*
 * argv is reordered: options first.  -1 with err naming the problem; all of
 * *out is set in either case, as far as the parser came.
 */
int ctl_options_parse(int argc, char **argv, struct ctl_options *out,
    struct err *err);

#endif /* ANYCASTCTL_OPTIONS_H */
