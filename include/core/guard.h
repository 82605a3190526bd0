/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_GUARD_H
#define CORE_GUARD_H
/*
 * guard -- stands between wish and act.
 *
 * Permits: a sick site withdraws a prefix by itself, at once, and without
 * asking, if it holds a permit to.  The controller hands permits out so that
 * at least min_sites sites that announce the prefix never hold one: whatever
 * the others do, alone or all at once, and whoever loses contact, so many go
 * on announcing.  A site without a permit that becomes sick gets one as soon as
 * another, well, has given its own back.
 *
 * Why permits and not questions: a question needs the controller at the worst
 * moment; a permit was given before it.
 */
#include <stdbool.h>
#include <stddef.h>

/* What the controller knows of one site, for one prefix. */
struct guard_site {
	bool is_live;   /* its reports are fresh */
	bool announces; /* as it read back from BIRD */
	bool is_well;   /* neither sick nor drained: it means to announce */
	/* A permit was given and not yet surely given back. */
	bool holds_permit;
};

enum guard_alarm {
	GUARD_QUIET,
	/* Sick sites are kept announcing: no well one is left for them. */
	GUARD_LAST_SITES,
	GUARD_ALARM_COUNT
};

/*
 * Decides who may hold a permit now; permit[n] is written.  Taking one away
 * counts as given back only when the site has said so, see holds_permit.
 */
enum guard_alarm guard_permits(const struct guard_site *sites, size_t n,
    unsigned min_sites, bool *permit);

/*
 * May an operator take these sites out?  leaves: how many well announcing sites
 * would be left.
 */
bool guard_allows_drain(const struct guard_site *sites, size_t n, size_t site,
    unsigned min_sites, unsigned *leaves);

#endif /* CORE_GUARD_H */
