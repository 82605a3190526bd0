/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_MAPS_H
#define ANYCASTCTL_MAPS_H
/*
 * maps -- failover maps and reports of them as several commands need them.
 */
#include <jansson.h>

#include "anycastctl/ctl.h"

/*
 * The newest map of site, or of all sites if it is NULL.  CTL_FAILED with a
 * message if there is none.  *doc as in ctl_get.
 */
enum ctl_exit maps_get(struct ctl *c, const char *site, json_t **doc);

/*
 * Print the report doc: as the options say, where they say.  A file is written
 * only when all of the report is there.
 */
enum ctl_exit maps_show(struct ctl *c, enum report_kind kind,
    const json_t *doc);

#endif /* ANYCASTCTL_MAPS_H */
