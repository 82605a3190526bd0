/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_SFLOW_H
#define FEEDS_SFLOW_H
/*
 * sflow -- sFlow version 5 (sflow.org, sflow_version_5.txt): flow samples (0,1)
 * and expanded ones (0,3); of their records raw headers (0,1) of Ethernet with
 * up to four VLAN tags, IPv4 and IPv6, and sampled IPv4 (0,3) and IPv6 (0,4).
 * All else is passed over by its length.
 */
#include "base/cursor.h"
#include "feeds/feed.h"

/*
 * Reads one datagram, any bytes: one call of take for each flow sample, and one
 * with the reason if the datagram is malformed, after which *c is bad.  Else
 * what follows the datagram is left in *c.
 */
void sflow_decode(struct cursor *c, feed_take_fn *take, void *arg);

#endif /* FEEDS_SFLOW_H */
