/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_WIRE_H
#define PROBES_SWEEP_WIRE_H
/*
 * sweep_wire -- the sweeper's half of the messages in sweep.h: it decodes what
 * main encodes and the other way round.  Nobody but the sweeper needs this.
 */
#include "probes/sweep.h"

/* out->addrs points into body. */
int sweep_decode_targets(const uint8_t *body, size_t len,
    struct sweep_targets *out);
/* Where what a job borrows is decoded to. */
struct sweep_job_room {
	uint32_t subset[SWEEP_SUBSET_MAX];
	struct prefix optouts[SWEEP_OPTOUTS_MAX];
};
int sweep_decode_job(const uint8_t *body, size_t len, struct sweep_job *out,
    struct sweep_job_room *room);
int sweep_decode_flush(const uint8_t *body, size_t len, uint64_t *cookie);
size_t sweep_encode_progress(const struct sweep_progress *in, uint8_t *buf,
    size_t size);
size_t sweep_encode_capturing(enum sweep_capture_mode mode, uint8_t *buf,
    size_t size);
size_t sweep_encode_hearing(const enum sweep_hearing *in, uint8_t n,
    uint8_t *buf, size_t size);
size_t sweep_encode_flushed(uint64_t cookie, const struct sweep_counters *in,
    uint8_t *buf, size_t size);

#endif /* PROBES_SWEEP_WIRE_H */
