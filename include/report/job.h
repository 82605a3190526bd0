/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_JOB_H
#define REPORT_JOB_H
/*
 * job -- what the renderers of this folder share.  For use in src/report only.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "report/fields.h"
#include "report/model.h"
#include "report/report.h"
#include "report/table.h"

struct report_job {
	struct fields f;
	const struct report_style *style;
	FILE *out; /* in memory; thrown away if f.bad at the end */
};

typedef void report_body_fn(struct report_job *job, const json_t *doc);

/* Run body, then write all of it to out, or nothing. */
int report_run(report_body_fn *body, const json_t *doc,
    const struct report_style *style, FILE *out, struct err *err);

/* Ink for any state, health or verdict of the API. */
enum table_ink report_state_ink(const char *state);

/* "drained by jo since 03:12Z until 04:12Z: reason", no line feed, cleaned. */
void report_put_intent(struct report_job *job, const json_t *intent);
bool report_intent_is_active(struct report_job *job, const json_t *intent);

/*
 * "web at prepend for 12 s, waits for ..." of each service that is on its way
 * in a drain or a restore.  begin comes before each, and says where it goes; NULL:
 * each is a line.
 */
typedef FILE *report_begin_fn(FILE *out, void *arg);
void report_put_drains(struct report_job *job, const json_t *site,
    report_begin_fn *begin, void *arg);

/* "hears no replies to 192.0.2.0/24: reason: remedy", no line feed, cleaned, of an
 * entry of "unheard". */
void report_put_unheard(struct report_job *job, FILE *out,
    const json_t *unheard);

/* A line per event. */
void report_put_events(struct report_job *job, const json_t *events,
    const char *indent);

/* One line about an EXPERIMENT. */
void report_put_experiment(struct report_job *job, const json_t *experiment);

/* What became of the replies of a sweep: name in the API and for people. */
struct report_counter {
	const char *key, *label;
};
#define REPORT_COUNTERS 8
#define REPORT_SITE_COUNTERS 6 /* the first ones are told of each site, too */
extern const struct report_counter report_counters[REPORT_COUNTERS];

/* A table of HEIRS; "unknown" is always the last row. */
void report_put_heirs(struct report_job *job, const json_t *heirs,
    const char *indent);
/* The same of what has been read. */
void report_put_model_heirs(struct report_job *job,
    const struct model_heirs *heirs, const char *indent);
/* Where and when a map is from, in lines. */
void report_put_map_head(struct report_job *job, const struct model_map *m);
/* "syd 61.0 %, mel 20.3 %, 3 more", the largest first; "" if it is not known.
 * The caller frees. */
char *report_next_text(const struct model_heirs *next, size_t max);

/* A table of services of a site with their probes. */
void report_put_services(struct report_job *job, const json_t *services,
    const char *indent);

/* The cell of how long a probe took; empty if that is not known. */
void report_add_took(struct table *t, const json_t *probe);

/* "03:12Z"; borrowed from buf. */
const char *report_clock(const struct report_job *job, int64_t wall_ms,
    char *buf);

#endif /* REPORT_JOB_H */
