/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_MARKUP_H
#define REPORT_MARKUP_H
/*
 * markup -- names and reasons of others within HTML, SVG, JSON and DOT.  What
 * is not fit to show comes out as '?', as text_put does; the rest is written so
 * that it cannot end the place where it stands.
 */
#include <stdio.h>

/* As text, or as an attribute's value within double quotes, of HTML or XML. */
void markup_put(FILE *out, const char *s);
/* The same; what does not fit into so many columns becomes an ellipsis. */
void markup_put_cut(FILE *out, const char *s, size_t max_columns);
/* A JSON string with its quotes, ASCII only; no '<' that could end a script. */
void markup_put_json(FILE *out, const char *s);
/* Behind the # of a URL, percent-encoded. */
void markup_put_fragment(FILE *out, const char *s);
/* Within a double-quoted DOT string: no escape or entity of a label in it. */
void markup_put_dot(FILE *out, const char *s);
/* Groups of three digits between narrow spaces (U+202F): "48 000", "0.25". */
void markup_put_number(FILE *out, double v);

#endif /* REPORT_MARKUP_H */
