/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_KEEPER_WIRE_H
#define BASE_KEEPER_WIRE_H
/*
 * keeper_wire -- what main and its keeper say over their SOCK_SEQPACKET pair:
 * records of one fixed size, requests with at most one descriptor.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/worker.h"

enum keeper_op {
	/* main -> keeper */
	KEEPER_START = 1, /* a = kind, b = cookie; fd = the worker's channel */
	KEEPER_KILL,      /* a = pid of a worker */
	KEEPER_WILL,      /* fd = a memfd with the will; no fd: no will */
	KEEPER_DISMISS,
	KEEPER_BEAT,
	/* keeper -> main */
	KEEPER_STARTED, /* a = pid (0: fork failed), b = cookie */
	KEEPER_EXITED,  /* a = pid, b = wait status */
	KEEPER_ACTED,   /* something of the will was carried out */
};

struct keeper_record {
	uint32_t op;
	uint32_t a;
	uint32_t b;
};

/* Never blocks, as neither side may hang on the other's account. fd -1: none.
 * 0, or -1 with errno. */
int keeper_record_send(int sock, const struct keeper_record *rec, int fd);
/* 1 received (*fd -1 if none came; else the caller's), 0 end, -1 errno. */
int keeper_record_recv(int sock, struct keeper_record *rec, int *fd);

/* The keeper's own life, in keeper_main.c: returns when main is gone and its
 * will done. */
struct keeper_job {
	int sock;
	const struct worker_kind *kinds;
	size_t n_kinds;
	keeper_will_fn *will;
};
void keeper_main(const struct keeper_job *job);

#endif /* BASE_KEEPER_WIRE_H */
