/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/options.h"

#include <getopt.h>
#include <string.h>

#include "anycastctl/until.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/printable.h"
#include "core/client_list.h"

#define FOR_MIN_MS 1000
#define FOR_MAX_MS (INT64_C(365) * 24 * 60 * 60 * 1000)
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS (INT64_C(60) * 60 * 1000)
/* Values that getopt_long gives for long options: apart from characters. */
#define LONG_BASE 256

const struct ctl_option ctl_option_table[CTL_OPT_COUNT] = {
	[CTL_OPT_SOCKET] = { "socket", "PATH", "the daemon's UNIX socket" },
	[CTL_OPT_URL] = { "url", "URL",
	    "http(s)://HOST:PORT of a daemon, instead of its socket" },
	[CTL_OPT_CERTIFICATE] = { "certificate", "FILE",
	    "own one of the fleet's, for https; needs --key and --ca" },
	[CTL_OPT_KEY] = { "key", "FILE", "of --certificate" },
	[CTL_OPT_CA] = { "ca", "FILE", "the fleet's authority" },
	[CTL_OPT_JSON] = { "json", NULL, "print the answer of the API" },
	[CTL_OPT_NO_COLOR] = { "no-color", NULL, "no colours" },
	[CTL_OPT_HELP] = { "help", NULL, "explain the command" },
	[CTL_OPT_VERSION] = { "version", NULL, "the same as version" },
	[CTL_OPT_REASON] = { "reason", "TEXT", "why, for the others" },
	[CTL_OPT_FOR] = { "for", "DURATION",
	    "end by itself after so long, e.g. 45m, 1h" },
	[CTL_OPT_DRY_RUN] = { "dry-run", NULL,
	    "show what would change, change nothing" },
	[CTL_OPT_FORCE] = { "force", "GUARD",
	    "override this guard; needs --reason, and --for or --until" },
	[CTL_OPT_FOLLOW] = { "follow", NULL, "go on until interrupted" },
	[CTL_OPT_LIMIT] = { "limit", "N", "the newest N, default 20" },
	[CTL_OPT_SUBJECT] = { "subject", "NAME",
	    "only those about a site, a service or a prefix" },
	[CTL_OPT_SITE] = { "site", "SITE", "the site" },
	[CTL_OPT_DETACH] = { "detach", NULL, "start it and do not wait" },
	[CTL_OPT_FORMAT] = { "format", "FORMAT",
	    "table (default), json, csv, dot, svg or html" },
	[CTL_OPT_OUTPUT] = { "output", "FILE", "write to a file" },
	[CTL_OPT_NAMES] = { "names", NULL,
	    "only names, one on a line, for completion" },
	[CTL_OPT_INTERVAL] = { "interval", "DURATION",
	    "between two looks, default 1s" },
	[CTL_OPT_UNTIL] = { "until", "TIME",
	    "end by itself then: 18:30, '2026-12-24 18:30'; Z behind: UTC" },
	[CTL_OPT_OWNER] = { "owner", "NAME", "who answers for it, if not you" },
	[CTL_OPT_SERVICE] = { "service", "NAME", "only this service" },
	[CTL_OPT_PREFIX] = { "prefix", "PREFIX", "only this prefix" },
	[CTL_OPT_AT_ONCE] = { "at-once", NULL,
	    "withdraw now, without the gentle steps" },
	[CTL_OPT_TOP] = { "top", "N", "only the N heaviest" },
	[CTL_OPT_TYPE] = { "type", "TYPE",
	    "of the input: text (default), sflow, pmacct, nfdump, goflow2" },
	[CTL_OPT_ALL] = { "all", NULL, "every drain of the site" },
	[CTL_OPT_DRAIN] = { "drain", NULL, "drain the site first" },
	[CTL_OPT_DEPTH] = { "depth", "N",
	    "for up to N sites down at once, 1 (default) to 3" },
	[CTL_OPT_DOWN] = { "down", "SITE[,SITE...]",
	    "if these sites are down, all at once" },
};

bool
ctl_options_has(const struct ctl_options *o, enum ctl_opt opt)
{
	return (o->given & CTL_BIT(opt)) != 0;
}

static void
fill_long_options(struct option *longs)
{
	for (int i = 0; i < CTL_OPT_COUNT; i++) {
		longs[i].name = ctl_option_table[i].name;
		longs[i].has_arg = ctl_option_table[i].arg != NULL;
		longs[i].val = LONG_BASE + i;
	}
}

static int
set_site(struct ctl_options *o, const char *arg, struct err *err)
{
	if (arg[0] == '\0')
		return err_set(err, ERR_CONF, "is empty");
	o->site = arg;
	return 0;
}

static int
set_text(struct ctl_options *o, enum ctl_opt opt, const char *arg)
{
	if (opt == CTL_OPT_SOCKET) {
		o->socket = arg;
	} else if (opt == CTL_OPT_URL) {
		o->url = arg;
	} else if (opt == CTL_OPT_CERTIFICATE) {
		o->certificate = arg;
	} else if (opt == CTL_OPT_KEY) {
		o->key = arg;
	} else if (opt == CTL_OPT_CA) {
		o->ca = arg;
	} else if (opt == CTL_OPT_REASON) {
		o->reason = arg;
	} else if (opt == CTL_OPT_FORCE) {
		o->force = arg;
	} else if (opt == CTL_OPT_SUBJECT) {
		o->subject = arg;
	} else if (opt == CTL_OPT_OUTPUT) {
		o->output = arg;
	} else if (opt == CTL_OPT_OWNER) {
		o->owner = arg;
	} else if (opt == CTL_OPT_SERVICE) {
		o->service = arg;
	} else if (opt == CTL_OPT_PREFIX) {
		o->prefix = arg;
	} else if (opt == CTL_OPT_DOWN) {
		o->down = arg;
	}
	return 0;
}

static int
set_option(struct ctl_options *o, enum ctl_opt opt, const char *arg,
    struct err *err)
{
	o->given |= CTL_BIT(opt);
	if (opt == CTL_OPT_FOR) {
		return num_parse_duration_ms(arg, FOR_MIN_MS, FOR_MAX_MS,
		    &o->for_ms, err);
	}
	if (opt == CTL_OPT_UNTIL)
		return ctl_parse_until(arg, wall_now_ms(), &o->until_ms, err);
	if (opt == CTL_OPT_INTERVAL) {
		return num_parse_duration_ms(arg, INTERVAL_MIN_MS,
		    INTERVAL_MAX_MS, &o->interval_ms, err);
	}
	if (opt == CTL_OPT_LIMIT) {
		return num_parse_u32(arg, 1, CTL_EVENTS_LIMIT_MAX, &o->limit,
		    err);
	}
	if (opt == CTL_OPT_TOP) {
		return num_parse_u32(arg, 1, CLIENT_LIST_MAX, &o->top, err);
	}
	if (opt == CTL_OPT_TYPE) {
		return conf_feed_type_parse(arg, &o->type)
		    ? 0
		    : err_set(err, ERR_CONF,
			  "expected text, sflow, pmacct, nfdump or goflow2");
	}
	if (opt == CTL_OPT_DEPTH)
		return num_parse_u32(arg, 1, CTL_DEPTH_MAX, &o->depth, err);
	if (opt == CTL_OPT_FORMAT)
		return report_parse_format(arg, &o->format, err);
	if (opt == CTL_OPT_SITE)
		return set_site(o, arg, err);
	return set_text(o, opt, arg);
}

/* What getopt_long says by '?': it leaves the reason to be guessed. */
static int
refuse_option(char **argv, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];

	if (optopt >= LONG_BASE) {
		return err_set(err, ERR_CONF, "option --%s takes no argument",
		    ctl_option_table[optopt - LONG_BASE].name);
	}
	if (optopt > 0)
		return err_set(err, ERR_CONF, "option -%c: not known", optopt);
	return err_set(err, ERR_CONF,
	    "option %s: not known, or short for "
	    "more than one",
	    printable(argv[optind - 1], shown));
}

static int
take_option(int got, char **argv, struct ctl_options *o, struct err *err)
{
	if (got == 'h') {
		o->given |= CTL_BIT(CTL_OPT_HELP);
		return 0;
	}
	if (got == ':') {
		return err_set(err, ERR_CONF, "option --%s needs %s",
		    ctl_option_table[optopt - LONG_BASE].name,
		    ctl_option_table[optopt - LONG_BASE].arg);
	}
	if (got < LONG_BASE)
		return refuse_option(argv, err);
	got -= LONG_BASE;
	if (set_option(o, (enum ctl_opt)got, optarg, err) == -1)
		return err_wrap(err, "option --%s", ctl_option_table[got].name);
	return 0;
}

static int
check_options(const struct ctl_options *o, struct err *err)
{
	if (ctl_options_has(o, CTL_OPT_SOCKET) &&
	    ctl_options_has(o, CTL_OPT_URL)) {
		return err_set(err, ERR_CONF,
		    "options --socket and --url: only one of them");
	}
	if (ctl_options_has(o, CTL_OPT_FOR) &&
	    ctl_options_has(o, CTL_OPT_UNTIL)) {
		return err_set(err, ERR_CONF,
		    "options --for and --until: only one of them");
	}
	if (ctl_options_has(o, CTL_OPT_JSON) &&
	    ctl_options_has(o, CTL_OPT_FORMAT) && o->format != REPORT_JSON) {
		return err_set(err, ERR_CONF,
		    "options --json and --format: they differ");
	}
	return 0;
}

int
ctl_options_parse(int argc, char **argv, struct ctl_options *out,
    struct err *err)
{
	struct option longs[CTL_OPT_COUNT + 1] = { 0 };
	int rc = 0;
	int got;

	*out = (struct ctl_options){ .limit = CTL_EVENTS_LIMIT_DEFAULT,
		.interval_ms = CTL_INTERVAL_DEFAULT_MS,
		.depth = CTL_DEPTH_DEFAULT,
		.type = FEED_TEXT };
	fill_long_options(longs);
	optind = 0; /* glibc: start afresh */
	opterr = 0;
	while (rc == 0 &&
	    (got = getopt_long(argc, argv, ":h", longs, NULL)) != -1)
		rc = take_option(got, argv, out, err);
	out->args = argv + optind;
	out->n_args = (size_t)(argc - optind);
	return rc == 0 ? check_options(out, err) : rc;
}
