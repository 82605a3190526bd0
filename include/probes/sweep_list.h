/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_LIST_H
#define PROBES_SWEEP_LIST_H
/*
 * sweep_list -- the target lists that the sweeper was given, part by part.
 *
 * Those used last are kept, as many as there can be experiments at a time; main
 * keeps the same account (site/sweep_link.c).  A list dies when it is neither
 * kept nor held, so a running job can outlive its list's place.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "probes/sweep.h"

#define SWEEP_LIST_TARGETS_MAX (1u << 22)
#define SWEEP_LISTS_KEPT SWEEP_RUNS_MAX

struct sweep_list {
	uint32_t list;
	uint32_t total;
	uint32_t have; /* the list is complete when have == total */
	unsigned refs;
	struct addr *addrs;
};

struct sweep_lists {
	struct sweep_list
	    *kept[SWEEP_LISTS_KEPT]; /* used last first, or NULL */
};

/*
 * Adds one part; part 0 begins a list, anew if there is one of that number.
 * -1 with err when the part does not fit: its list is dropped then.
 */
int sweep_lists_add(struct sweep_lists *ls, const struct sweep_targets *part,
    struct err *err);
/* A complete list, which is used now, or NULL with err.  Borrowed until the next
 * call of add. */
struct sweep_list *sweep_lists_use(struct sweep_lists *ls, uint32_t list,
    struct err *err);
void sweep_lists_fini(struct sweep_lists *ls);

/* Of the addresses in their order, to tell lists of the same number apart; never
 * 0, and no more than 63 bits.  libsodium must be ready. */
uint64_t sweep_list_digest(const struct addr *addrs, uint32_t n);

struct sweep_list *sweep_list_hold(struct sweep_list *l);
void sweep_list_release(struct sweep_list *l); /* NULL is fine */

#endif /* PROBES_SWEEP_LIST_H */
