/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H
/*
 * report -- answers of the HTTP API (docs/api.md) as text for people, CSV,
 * JSON, DOT, SVG and HTML.  Pure rendering: no clock, no locale, no terminal.
 *
 * The documents are not trusted: a field that is missing or of the wrong type
 * ends in -1 with err naming it, and nothing has been written to out then.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/err.h"

enum report_format {
	REPORT_TABLE,
	REPORT_JSON,
	REPORT_CSV,
	REPORT_DOT,
	REPORT_SVG,
	REPORT_HTML,
	REPORT_FORMAT_COUNT
};

/* Reports that there are in every format, each of a document of its own. */
enum report_kind {
	REPORT_FAILOVER,   /* {"maps"}: GET /v1/failover */
	REPORT_SITE,       /* {"maps", "site", "events"}: of one site */
	REPORT_EXPERIMENT, /* {"maps", "experiment"}: what came of it */
	REPORT_KIND_COUNT
};

struct report_style {
	bool color;
	int64_t now_ms; /* wall time, for "since 03:12Z" without a date */
};

/* -1 with err naming the formats that there are. */
int report_parse_format(const char *name, enum report_format *out,
    struct err *err);

typedef int report_fn(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err);

/* The document itself, indented, ASCII only. */
report_fn report_json;
/* The same in one line. */
report_fn report_json_line;

/* GET /v1/status: a line per site; and every detail of each site. */
report_fn report_status;
report_fn report_sites;
/* GET /v1/explain. */
report_fn report_explain;
/* GET /v1/events: a line per event. */
report_fn report_events;
/* POST .../drain and .../restore. */
report_fn report_drain;
report_fn report_restore;
/* POST /v1/override, /v1/freeze, ...: {"intent"} or {"ended"}. */
report_fn report_guard_act;
/* {"experiment": EXPERIMENT or null, and "experiments" if there are several}:
 * several lines; and one short line of "experiment",
 * without its line feed, to be shown again and again. */
report_fn report_experiment;
report_fn report_progress;
/* {"campaign": CAMPAIGN or null}; {"plan"} of POST /v1/campaign; GET
 * /v1/failover/diff. */
report_fn report_campaign;
report_fn report_campaign_plan;
report_fn report_diff;
/* GET /v1/tests: the test prefixes. */
report_fn report_tests;
/* GET /v1/landings. */
report_fn report_landings;
/* GET /v1/clients; and the answer to the last part of an upload. */
report_fn report_clients;
report_fn report_import;
/* GET /v1/clients/recent; POST /v1/clients/take. */
report_fn report_recent;
report_fn report_taken;
report_fn report_optout_added, report_optout_removed, report_optouts;

/* POST /v1/probes/run and /v1/check: a line per probe. */
report_fn report_probe;
report_fn report_check;

/*
 * "maps" is as in GET /v1/failover and may be empty; "site" is the site's
 * object of GET /v1/status, "events" the list of GET /v1/events, "experiment"
 * as in GET /v1/experiments/ID.
 */
report_fn report_failover_table, report_site_table, report_experiment_table;
report_fn report_failover_csv, report_experiment_csv;
/* A graph for graphviz, a picture, a page, each in one piece: they load
 * nothing, and neither DOT nor SVG runs anything. */
report_fn report_dot, report_svg;
report_fn report_failover_html, report_site_html, report_experiment_html;
/* The one of that kind and format. */
report_fn *report_renderer(enum report_kind kind, enum report_format format);

#endif /* REPORT_REPORT_H */
