/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_CSV_H
#define REPORT_CSV_H
/*
 * csv -- comma-separated values with the quoting of RFC 4180.  Lines end in a
 * bare line feed, as every tool on Unix expects, and no reader minds.
 *
 * A spreadsheet takes a field that begins with = + - @ or a tab for a formula
 * and may run it: such a field gets an apostrophe in front, unless it is a
 * number.
 */
#include <stdio.h>

/* Fields of one line; NULL ends them. */
void csv_put_line(FILE *out, const char *const fields[]);

#endif /* REPORT_CSV_H */
