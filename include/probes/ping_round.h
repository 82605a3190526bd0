/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_PING_ROUND_H
#define PROBES_PING_ROUND_H
/*
 * ping_round -- one echo to each of up to PROBE_WIRE_PINGS_MAX addresses, over
 * liboping.  Blocks until all have answered or the time-out is over: it runs
 * in a process that has nothing else to do.
 *
 * liboping credits a reply by its ident alone, whoever sent it.  Rounds that
 * run at the same time therefore share one table of the idents in use.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "probes/probe_wire.h"

/* Who uses which ident: 0 nobody, else the owner's number. */
struct ping_idents {
	_Atomic uint8_t owner[65536];
};

/* Shared with the processes forked later; lives until they all end. */
struct ping_idents *ping_idents_new(struct err *err);
void ping_idents_free(struct ping_idents *idents);
/* What a dead owner left behind becomes free again. */
void ping_idents_release(struct ping_idents *idents, uint8_t owner);

struct ping_round {
	const struct probe_ping_msg *pings; /* equal timeout_ms */
	size_t n;
	struct ping_idents *idents;
	uint8_t owner; /* of idents, not 0 */
};

/* results: one for each ping, in order. */
void ping_round_run(const struct ping_round *round,
    struct probe_result *results);

#endif /* PROBES_PING_ROUND_H */
