/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_SWEEP_LINK_H
#define SITE_SWEEP_LINK_H
/*
 * sweep_link -- main's side of the sweeper process at a site: keeps it in the
 * state that the controller ordered, also after it was killed, and says in the
 * status when that happened, since captured replies may be lost then.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "probes/sweep.h"
#include "site/orders.h"

struct agent;
struct sweep_link;

struct sweep_link *sweep_link_new(struct agent *a);
void sweep_link_free(struct sweep_link *sl);
/* Goes on from what the one before has told of its prefixes. */
void sweep_link_inherit(struct sweep_link *sl, const struct sweep_link *from);

/* Captures for these experiments, each by those of its test prefixes that are the
 * site's; none: capture nothing. */
void sweep_link_capture(struct sweep_link *sl, const struct order_test *tests,
    size_t n);
/*
 * Sends over the target list that job->list names; fetches it from the
 * controller first if it is not here, and once more over a new connection if
 * the controller read other certificates since the old one was made.  The subset
 * is copied.  A job that is running or done already is not started again.
 * Sources, those in the experiment's test prefix, and engine are the site's own.
 */
void sweep_link_run(struct sweep_link *sl, const struct sweep_job *job);
void sweep_link_stop(struct sweep_link *sl);
/* uplink_on_flushed comes when all that was captured so far was queued; cookies
 * rise.  Several may be under way. */
void sweep_link_flush(struct sweep_link *sl, uint64_t cookie);

/* {"job", "sent", "total", "send_errors", "done", "failed", "starts",
 * "trouble", "capture", "engine", "unheard", "sent_packet", "skipped_optout",
 * "skipped_special", "layout", "counters": {…}}; new reference. */
json_t *sweep_link_status(const struct sweep_link *sl);

#endif /* SITE_SWEEP_LINK_H */
