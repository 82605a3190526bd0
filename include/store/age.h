/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_AGE_H
#define STORE_AGE_H
/*
 * age -- how old is what a former process of this machine wrote down?  Told by
 * the monotonic clock and the boot that it belongs to: no step of the wall
 * clock makes it older or younger.  After a reboot nobody knows, and it counts
 * as new: what is held is held a little longer.
 */
#include <jansson.h>

#include "base/mono.h"

/* {"boot", "us"} of now into doc. */
void age_stamp(json_t *doc);
/* In milliseconds, never below 0. */
int64_t age_of(const json_t *doc);

#endif /* STORE_AGE_H */
