/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_UPLINK_H
#define SITE_UPLINK_H
/*
 * uplink -- the agent's link to its controller: long-polls the order document,
 * posts the status, delivers captured replies.  The controller never connects
 * to a site.  When it is silent, all stays as it is but an unconfirmed
 * withdrawal of the test prefix (see agent_renew_tests).
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct agent;
struct uplink;

struct uplink *uplink_new(struct agent *a);
void uplink_free(struct uplink *up);
/* From the agent before, in the same process: how long the controller has been
 * silent, and why.  What is known from it is no newer by a reload. */
void uplink_inherit(struct uplink *up, const struct uplink *from);

/* Something changed: the status is posted soon. */
void uplink_touch(struct uplink *up);
/* As encoded by sweep_encode_replies; copied. */
void uplink_queue_replies(struct uplink *up, const uint8_t *body, size_t len);
void uplink_on_flushed(struct uplink *up, uint64_t cookie);

/* Since the controller last answered. */
int64_t uplink_silent_ms(const struct uplink *up);

/* {"url", "state", "last_error", "silent_for_ms", "applied_revision",
 * "wanted_revision", "lost_batches"}; new reference. */
json_t *uplink_status(const struct uplink *up);

#endif /* SITE_UPLINK_H */
