/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_COLLECTOR_H
#define FEEDS_COLLECTOR_H
/*
 * collector -- the process that reads the feeds: no rights, no file of ours, no
 * socket but those of the feeds and the channel to main, since it parses what
 * anybody may send.  It keeps one pool of clients per site and tells main of
 * them (feeds/feed_wire.h) every `report`.
 */

/* Worker main, for the keeper's table. */
int collector_main(int chan_fd);

#endif /* FEEDS_COLLECTOR_H */
