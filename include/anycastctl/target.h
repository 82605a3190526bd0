/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_TARGET_H
#define ANYCASTCTL_TARGET_H
/*
 * target -- which daemon is meant, and who we are there: by options, else by
 * the environment, else the daemon of this machine.
 */
#include "anycastctl/client.h"
#include "anycastctl/options.h"

/* *out points into o, the environment and constants.  -1 with err when what
 * was said does not go together. */
int ctl_target_find(const struct ctl_options *o, struct ctl_target *out,
    struct err *err);

#endif /* ANYCASTCTL_TARGET_H */
