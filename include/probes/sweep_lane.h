/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_LANE_H
#define PROBES_SWEEP_LANE_H
/*
 * sweep_lane -- one socket and the batch of echo requests that waits in front
 * of it; a job has one lane for each address family and way of sending.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if_packet.h>

#include "base/err.h"
#include "probes/sweep_hops.h"
#include "probes/sweep_packet.h"

#define SWEEP_BATCH_MAX 64u
#define SWEEP_REQUEST_MAX_BYTES                                                \
	(14u + 40u + 8u + SWEEP_PAYLOAD_BYTES + SWEEP_TEXT_MAX)

/* What all requests of a job have in common. */
struct sweep_request {
	struct addr source;
	uint8_t key[SWEEP_KEY_BYTES];
	uint32_t experiment;
	uint8_t phase;
	uint8_t round;
	struct sweep_text text;
};

struct sweep_target {
	uint32_t index;
	struct addr addr;
	struct sweep_hop hop; /* SWEEP_ENGINE_PACKET only */
};

struct sweep_lane {
	int fd; /* -1: closed */
	enum sweep_engine engine;
	bool is_ipv4;
	int bound_to; /* interface of SWEEP_ENGINE_PACKET; 0: not yet, -1: none */
	struct sweep_request request;
	size_t ip_at;   /* in each packet; before it is an Ethernet header */
	size_t icmp_at; /* before it is the IP header */
	size_t len;     /* of each packet */
	/* Of checksums, the part that all have in common. */
	uint64_t ip_sum, icmp_sum;
	unsigned head, n; /* targets[head..n) wait */
	struct sweep_target targets[SWEEP_BATCH_MAX];
	/* Each is a whole request for nobody, to be stamped for a target. */
	uint8_t packets[SWEEP_BATCH_MAX][SWEEP_REQUEST_MAX_BYTES];
	struct iovec iov[SWEEP_BATCH_MAX];
	struct mmsghdr msgs[SWEEP_BATCH_MAX];
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_ll link;
	} to[SWEEP_BATCH_MAX];
};

enum sweep_lane_end {
	SWEEP_LANE_EMPTY, /* nothing waits any more */
	SWEEP_LANE_FULL,  /* the kernel has no room now: try later */
};

/* The family is that of request->source.  -1 with err, lane->fd is -1 then. */
int sweep_lane_open(struct sweep_lane *lane, enum sweep_engine engine,
    const struct sweep_request *request, struct err *err);
void sweep_lane_close(struct sweep_lane *lane);
/* There must be room: lane->n < SWEEP_BATCH_MAX, and none waits.  hop: NULL in
 * a lane of SWEEP_ENGINE_RAW. */
void sweep_lane_add(struct sweep_lane *lane, uint32_t index,
    const struct addr *target, const struct sweep_hop *hop);
/* Sends what waits; adds to the two counts what was sent and refused. */
enum sweep_lane_end sweep_lane_flush(struct sweep_lane *lane, uint32_t *sent,
    uint32_t *refused);
/* What waits in a lane of SWEEP_ENGINE_PACKET goes to one of SWEEP_ENGINE_RAW, in
 * which nothing does. */
void sweep_lane_move(struct sweep_lane *from, struct sweep_lane *to);

#endif /* PROBES_SWEEP_LANE_H */
