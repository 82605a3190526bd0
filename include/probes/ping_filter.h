/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_PING_FILTER_H
#define PROBES_PING_FILTER_H
/*
 * ping_filter -- what the raw sockets of a process may hear: echo replies with
 * its own idents, and nothing else.
 *
 * A raw socket gets every ICMP packet of the machine, and holds some two
 * hundred.  The replies to a sweep of ours, or anybody's flood, would fill it
 * and push out the one reply that was waited for: a healthy host would not have
 * answered.  liboping keeps its sockets to itself, so they are looked for.
 */
#include <stddef.h>
#include <stdint.h>

/* The raw sockets of the process: bit n for descriptor n, those below 32. */
uint32_t ping_filter_sockets(void);

/* idents: host order, of both families.  What is queued already is dropped.  A
 * socket that takes no filter stays as it is. */
void ping_filter_attach(uint32_t sockets, const uint16_t *idents, size_t n);

#endif /* PROBES_PING_FILTER_H */
