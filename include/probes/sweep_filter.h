/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_FILTER_H
#define PROBES_SWEEP_FILTER_H
/*
 * sweep_filter -- the classic BPF program that keeps from the capture what is
 * no echo reply to the test prefixes, before it costs us anything.
 *
 * It looks at the packet from the IP header on.  It needs no capability.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "probes/sweep.h"

/* Enough of a packet to hold IP options and all of our payload that is read. */
#define SWEEP_SNAP_BYTES 128u
#define SWEEP_FILTER_MAX 160u

/* Of the given family; returns the number of instructions in out. */
size_t sweep_filter_build(const struct sweep_capture *capture, bool is_ipv4,
    struct sock_filter out[SWEEP_FILTER_MAX]);

/* The same for a raw ICMPv6 socket, whose packets begin behind the header. */
size_t sweep_filter_build_raw_ipv6(const struct sweep_capture *capture,
    struct sock_filter out[SWEEP_FILTER_MAX]);

#endif /* PROBES_SWEEP_FILTER_H */
