/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_NULL_RUN_H
#define FLEET_NULL_RUN_H
/*
 * null_run -- shows that the test prefixes are treated alike: all of them are
 * swept twice with nothing withdrawn, by turns, so that a sweep of one lies
 * between two of the other; then each is compared with the first
 * (core/agreement.h).  One that differs is not used until a later null run
 * finds it alike.
 */
#include "fleet/experiment.h"

/* Is there a test prefix that nothing recent is known of?  False also while it
 * would be no use to try. */
bool null_run_is_due(const struct controller *c);
bool null_run_is_running(const struct controller *c);

/*
 * Begins one; all test prefixes must be idle.  plan withdraws nowhere; its
 * purpose is that of the experiment on the first test prefix, which is
 * returned.  NULL with err when it cannot be now.
 */
struct experiment *null_run_start(struct controller *c,
    const struct experiment_plan *plan, struct err *err);
/* The purpose of those that serve for nothing else. */
#define NULL_RUN_PURPOSE "null run"

/* ex is over: compares when it was the last. */
void null_run_on_experiment(struct controller *c, const struct experiment *ex);

#endif /* FLEET_NULL_RUN_H */
