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
 *
 * Checks come round with the same addresses again and again, and to add one to
 * liboping has the kernel list its addresses: what a round needs is kept for the
 * next with the same ones.  Not so if an address was silent: its reply may come
 * late, and must find nobody who takes it for the next one.
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

/* What one owner keeps from round to round. */
struct ping_book;

/* owner: its number in the table, not 0. */
struct ping_book *ping_book_new(struct ping_idents *idents, uint8_t owner);
void ping_book_free(struct ping_book *book);

/* 1 .. PROBE_WIRE_PINGS_MAX pings of equal timeout_ms; results: one for each, in
 * order. */
void ping_round_run(struct ping_book *book, const struct probe_ping_msg *pings,
    size_t n, struct probe_result *results);

#endif /* PROBES_PING_ROUND_H */
