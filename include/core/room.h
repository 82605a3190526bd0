/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_ROOM_H
#define CORE_ROOM_H
/*
 * room -- before a site is drained: do its heirs have room for what will land
 * on them, by the failover map and the loads of now?  And if one of those heirs
 * were lost next, would the others have?
 *
 * What is not known does not stand in the way, and is said: loads, capacities,
 * maps; and that of some clients a map does not tell where they go, if all of
 * these could fill one site.
 */
#include <stdbool.h>
#include <stddef.h>

#define ROOM_NONE ((size_t)-1)

/* Load and capacity in one unit, which is the operator's. */
struct room_site {
	bool has_load, has_capacity;
	bool announces; /* well: it can inherit */
	double load, capacity;
	/* What sites that are withdrawn already brought, by a map, and its load
	 * does not tell yet. */
	double landed;
};

struct room_conf {
	unsigned limit_percent;  /* of its capacity may be in use */
	unsigned margin_percent; /* added to what lands: maps have noise */
};

/* An heir of less than such a share of what lands is not lost next: it makes no
 * difference to the others that a map could tell from its noise. */
#define ROOM_NEXT_PERMILLE 10u

/*
 * What would land where, in the unit of load.  level1[k]: at site k when only
 * the site is out.  level2: NULL, or for each heir h that room_is_next a row of
 * n, at level2[h * n + k]: at site k when both are out, of both; a row begins
 * below zero where no map of the two is known.  Of what is missing from `goes`,
 * and the load of the heir, nobody knows where it goes.  An heir that announces
 * nothing is not lost next: its clients may be in the loads of the others
 * already, and the first level says that it is not known.
 */
struct room_landing {
	double goes; /* the load of all that is out at the first level */
	const double *level1;
	const double *level2;
};

enum room_verdict {
	ROOM_OK,
	ROOM_FULL,
	ROOM_UNKNOWN, /* of an heir load or capacity, or no longer an heir */
};

struct room_answer {
	enum room_verdict verdict;
	/* That is full, or of which too little is known; ROOM_NONE: nobody is
	 * left for what is lost, or, with lost 0, no map of the site and `after`
	 * is known. */
	size_t heir;
	size_t after; /* level 2: this heir lost, too; else ROOM_NONE */
	double load;  /* of heir now, with what has landed, and landing (margin
		       * included) */
	double lands;
	double lost; /* > 0: why it is unknown: so much may land there, too */
	double capacity; /* times limit_percent */
};

/* Is `heir` one of those that are lost next, at the second level? */
bool room_is_next(const double *level1, size_t n, size_t site, size_t heir);

/* The first heir that is full at either level; else the first unknown. */
struct room_answer room_check(const struct room_site *sites, size_t n,
    size_t site, const struct room_landing *landing,
    const struct room_conf *conf);

#endif /* CORE_ROOM_H */
