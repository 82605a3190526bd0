/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H
/*
 * chunk -- outcomes of clients with neighbouring indices, packed: the column
 * outcome_chunk.data.
 *
 *	format u8
 *	1   n times: site u8 (255 flipping), time u32     (read, not written)
 *	2   flags u8, then:
 *	    CHUNK_SPARSE   a bit per client, the lowest of the first byte
 *	                   first: was it asked?  What follows is of those only
 *	    then the sites, u8 each (255 flipping), or u16 with CHUNK_WIDE,
 *	    then the times, u32 each, with CHUNK_TIMED
 *
 * All big-endian.  Sites are outcomes of core/failover.h; times are round-trip
 * times in microseconds, UINT32_MAX unknown.
 */
#include <stddef.h>
#include <stdint.h>

#define CHUNK_CLIENTS_MAX 8192u
#define CHUNK_BYTES_MAX (2u + CHUNK_CLIENTS_MAX / 8u + CHUNK_CLIENTS_MAX * 6u)

enum chunk_flag { CHUNK_SPARSE = 1, CHUNK_WIDE = 2, CHUNK_TIMED = 4 };

/* Writes n <= CHUNK_CLIENTS_MAX outcomes to out, which has CHUNK_BYTES_MAX;
 * returns how many bytes it took.  rtt_us may be NULL. */
size_t chunk_encode(const uint16_t *sites, const uint32_t *rtt_us, uint32_t n,
    uint8_t *out);
/* data: any bytes.  0, or -1 if they are not n outcomes; then the arrays are
 * in part written.  rtt_us may be NULL. */
int chunk_decode(const uint8_t *data, size_t len, uint32_t n, uint16_t *sites,
    uint32_t *rtt_us);

#endif /* STORE_CHUNK_H */
