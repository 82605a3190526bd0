/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_SILENCE_H
#define CORE_SILENCE_H
/*
 * silence -- a site that heard clients in one sweep and hears nobody in a later
 * one: its replies are lost on the way or here, whatever its clients do, so
 * the later sweep says nothing of them.
 *
 * Who moved is heard elsewhere and no silence.  A site has fallen silent, with
 * both families or with one, if nobody is heard there and none of its clients
 * anywhere, and if loss makes that most unlikely: as much of it as among the
 * clients of the sites that do hear.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of all sites together, so seldom is loss alone taken for silence. */
#define SILENCE_CHANCE 0.01

struct silence_input {
	size_t n;                     /* clients */
	const uint16_t *before, *now; /* outcomes, see core/failover.h */
	const bool *is_ipv4;
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
};

/* The site with the most clients that has fallen silent, into out; false: none
 * has. */
bool silence_find(const struct silence_input *in, struct silence *out);

#endif /* CORE_SILENCE_H */
