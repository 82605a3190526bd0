/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_HEARING_H
#define PROBES_SWEEP_HEARING_H
/*
 * sweep_hearing -- would this machine hear the replies to its test prefixes?
 *
 * Packet sockets hear whatever arrives; raw sockets only what the kernel
 * delivers here.  To find out needs no more than the sweeper has.
 */
#include "probes/sweep.h"

/* How a family would be captured now; what is tried is undone. */
enum sweep_capture_mode sweep_hearing_try(bool is_ipv4);

/* modes: how IPv4 and IPv6 are captured, or would be.  out: for each of the
 * prefixes. */
void sweep_hearing_look(const struct sweep_capture *what,
    const enum sweep_capture_mode modes[2],
    enum sweep_hearing out[SWEEP_PREFIX_MAX]);

#endif /* PROBES_SWEEP_HEARING_H */
