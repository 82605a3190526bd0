/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_INTERNET_STATE_H
#define SIM_INTERNET_STATE_H
/* What generator and routing share. */
#include "internet.h"

#define SIM_POPS_MAX 256u /* of one AS */

struct metro {
	double xyz[3];
	double weight;
	uint32_t country;
	bool has_exchange;
};

struct as {
	uint8_t tier;
	uint32_t country;
	uint32_t pop; /* first of its PoPs */
	uint32_t n_pops;
	float *cost;      /* [from * n_pops + to]; NULL with one PoP */
	uint64_t salt;    /* changes with drift */
	bool has_primary; /* ranks its providers */
	bool ranks_peers;
};

/* A session as the receiver sees it: a neighbour's PoP, and where it lands. */
struct session {
	uint32_t from;
	uint32_t from_pop;
	uint16_t at; /* index among the receiver's PoPs */
};

enum relation { FROM_CUSTOMER, FROM_PEER, FROM_PROVIDER, RELATIONS };

/* Sessions by receiver. */
struct sessions {
	size_t *begin; /* n_ases + 1 */
	struct session *list;
};

/* A site's session, as its neighbour sees it. */
struct attachment {
	uint32_t as;
	uint16_t site;
	uint16_t at;
	enum relation relation; /* FROM_CUSTOMER or FROM_PEER */
};

struct link {
	uint32_t to, to_pop, from, from_pop;
};

struct internet {
	struct internet_conf conf;
	size_t n_metros, n_ases, n_pops, first_stub;
	struct metro *metros;
	float *distance; /* [metro * n_metros + metro] */
	struct as *ases; /* providers before their customers */
	uint32_t *pop_metro;
	struct sessions in[RELATIONS];
	struct attachment *attachments; /* by AS */
	size_t n_attachments;
	size_t *attached; /* n_ases + 1: begin in attachments */
	double *weight;
	struct internet_size size;

	/* Of the last internet_route. */
	uint8_t *route_class; /* enum relation + 1; 0: no route */
	uint8_t *length;
	uint16_t *pop_site;
};

#endif /* SIM_INTERNET_STATE_H */
