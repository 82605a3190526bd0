/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_PROBES_H
#define ANYCASTCTL_PROBES_H
/*
 * probes -- what the commands that run probes share.
 */
#include <stdbool.h>

#include <jansson.h>

#include "anycastctl/ctl.h"

/* As ctl_post, but waits as long as a probe may take. */
enum ctl_exit probes_post(struct ctl *c, const char *path, json_t *body,
    json_t **doc);
/* The result of one probe. */
bool probes_is_pass(const json_t *probe);

#endif /* ANYCASTCTL_PROBES_H */
