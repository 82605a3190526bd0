/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_RAWCAP_H
#define PROBES_SWEEP_RAWCAP_H
/*
 * sweep_rawcap -- captures replies of one address family through a raw socket:
 * what sweep_capture falls back to where packet sockets are not to be had.
 *
 * It sees what the kernel delivers: the test prefix must be local, and the
 * reverse-path filter must let replies pass.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "probes/sweep.h"

struct sweep_rawcap;

/* From the IP header on; IPv6's is made up of what the socket tells. */
typedef void sweep_packet_cb(const uint8_t *packet, size_t len,
    uint64_t recv_us, void *arg);

/* Needs CAP_NET_RAW.  NULL with err. */
struct sweep_rawcap *sweep_rawcap_open(const struct sweep_capture *what,
    bool is_ipv4, sweep_packet_cb *cb, void *arg, struct err *err);
void sweep_rawcap_close(struct sweep_rawcap *r); /* NULL is fine */
int sweep_rawcap_fd(const struct sweep_rawcap *r);
/* At most 64 packets; false when there were none. */
bool sweep_rawcap_read(struct sweep_rawcap *r);
/* Packets that the socket's buffer had no room for, as far as is known: the
 * kernel tells with the next packet. */
uint64_t sweep_rawcap_drops(const struct sweep_rawcap *r);

#endif /* PROBES_SWEEP_RAWCAP_H */
