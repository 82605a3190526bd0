/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H
/*
 * page -- the parts of the HTML reports.  For use in src/report only.
 *
 * A page is one file that loads nothing: style, script and data are in it, and
 * its policy lets the browser run just that script, known by its hash.  All
 * text and the basic tables are plain HTML; the script adds pictures, sorting,
 * filters and the choice of one site among many.
 */
#include <stdint.h>
#include <stdio.h>

#include "report/model.h"

/* src/report/web; each ends in a NUL. */
extern const char page_style[], page_script[];

/* All up to and with <body> and its heading. */
void page_begin(FILE *out, const char *title, const char *about);
void page_end(FILE *out);

/* The model for the script: see page_data.c for the shape. */
void page_put_data(FILE *out, const struct model *m);

/* What stands in a report's first lines about all maps, and a row per map. */
void page_put_overview(FILE *out, const struct model *m);
/* All that is known of one map. */
void page_put_map(FILE *out, const struct model_map *m);
/* What the words and numbers mean. */
void page_put_legend(FILE *out, const struct model_extent *extent);

/* Cells and chips that several parts share. */
void page_put_share(FILE *out, double share);
void page_put_interval(FILE *out, const struct model_heir *h);
void page_put_label(FILE *out, enum model_label label);
/* "3m12s", in an element that tells the time of measurement. */
void page_put_age(FILE *out, const struct model_map *m);

#endif /* REPORT_PAGE_H */
