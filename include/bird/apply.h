/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_APPLY_H
#define BIRD_APPLY_H
/*
 * apply -- one change of BIRD's routes without a loop, for the keeper and for a
 * daemon that ends:
 *
 *	write -> look for what is disabled by hand -> configure check
 *	      -> configure soft
 *
 * Not with a timeout, as the daemon does it (site/reconcile_change.c): nobody
 * would be there to confirm it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct bird_apply {
	const char *include, *socket;
	const char *writer; /* see bird_include_write_by */
	int64_t timeout_ms; /* for each answer of BIRD */
	bool overrule_hands;
};

/*
 * text: the whole include file.  It stays there when -1 with err is returned,
 * so that a BIRD that starts, or whoever mends the rest, gets it; unless BIRD
 * refuses this very file: then what was there is put back.
 * *before: NULL at first, then what was there, for the next try; the caller
 * frees it.
 * ERR_REFUSED: a protocol is disabled by hand, or BIRD is reconfiguring.
 */
int bird_apply(const struct bird_apply *how, const char *text, char **before,
    struct err *err);

#endif /* BIRD_APPLY_H */
