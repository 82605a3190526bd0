/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_STATUS_H
#define ANYCASTCTL_STATUS_H
/*
 * status -- what the commands status and watch share.
 */
#include <jansson.h>

#include "report/report.h"

/*
 * How to show the status doc: all sites, or every detail of the one of that
 * name, which is then the only one left in doc.  If there is none: NULL, and
 * *why says so; the caller frees it.
 */
report_fn *status_pick(json_t *doc, const char *site, char **why);

#endif /* ANYCASTCTL_STATUS_H */
