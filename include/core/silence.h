/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_SILENCE_H
#define CORE_SILENCE_H
/*
 * silence -- a site that heard clients in one sweep and hears nobody in a later
 * one, or only a part: its replies are lost on the way or here, whatever its
 * clients do, so the later sweep says nothing of them.
 *
 * Who moved is heard elsewhere and no silence.  A site has fallen silent, with
 * both families or with one, if nobody is heard there and none of its clients
 * anywhere, and if loss makes that most unlikely: as much of it as among the
 * clients of the sites that do hear, and SILENCE_LOSS_MIN at least.  Clients of
 * one block are cut off together, by an outage or a firewall of theirs: they
 * count for SILENCE_PER_BLOCK of them at most, and one block alone is never
 * enough.
 *
 * It hears only a part if more than SILENCE_PART of its clients are heard nowhere,
 * and more than loss explains, as it is among the other sites' clients of the
 * family: the ring was full, a filter came, it was deaf for half of the sweep.
 * That takes SILENCE_PART_WITNESSES of them; fewer may be away by chance.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of all sites together, so seldom is loss alone taken for silence. */
#define SILENCE_CHANCE 0.01
/* Some sites lose more than others, so what is lost elsewhere says too little. */
#define SILENCE_LOSS_MIN 0.1
#define SILENCE_PER_BLOCK 2u
#define SILENCE_PART 0.25
#define SILENCE_PART_WITNESSES 30u
/* Standard deviations: with hundreds of sites chance gets that far in one of
 * thousands of sweeps. */
#define SILENCE_PART_SIGMAS 5.0
/* More than that is loss of no network: the sender's probes are lost. */
#define SILENCE_LOSS_MAX 0.3

struct silence_input {
	size_t n;                     /* clients */
	const uint16_t *before, *now; /* outcomes, see core/failover.h */
	const bool *is_ipv4;
	/* The /24 or /48 of each, not falling, above 0; NULL: each is one. */
	const uint32_t *block;
	size_t n_sites;
	/* n_sites: those that shall hear nobody now, and whose clients may have
	 * lost their routes; NULL: none. */
	const bool *excused;
};

enum silence_family {
	SILENCE_BOTH, /* or all that it has */
	SILENCE_IPV4,
	SILENCE_IPV6,
	SILENCE_FAMILY_COUNT
};

struct silence {
	size_t site;
	enum silence_family family;
	uint32_t clients; /* that it heard before */
	uint32_t lost;    /* of them, heard nowhere now */
	bool is_part;     /* some of them are heard, or others there */
};

/* The site with the most clients that has fallen silent, into out, or the one that
 * lost most of them if all hear somebody; false: all hear as they did. */
bool silence_find(const struct silence_input *in, struct silence *out);

#endif /* CORE_SILENCE_H */
