/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sites that fall silent in an experiment: what it says of their clients would
 * be that nobody can be reached. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "core/silence.h"
#include "fleet/experiment_state.h"

static bool
find_in_sweep(const struct experiment *ex, struct silence *out)
{
	bool is_withdrawn = experiment_holds_withdrawn(ex->state);
	struct silence_input in = { .n = ex->clients.n,
		.before = ex->before,
		.now = is_withdrawn ? ex->after : ex->again,
		.is_ipv4 = ex->clients.is_ipv4,
		.block = ex->clients.block,
		.n_sites = ex->c->n_sites,
		/* They may have lost all routes for good. */
		.excused = is_withdrawn ? ex->withdrawn : NULL };

	return silence_find(&in, out);
}

static bool
find_in_round(const struct experiment *ex, struct silence *out)
{
	bool *is_ipv4 = xcalloc(ex->n_sentinels, sizeof(*is_ipv4));
	uint32_t *block = xcalloc(ex->n_sentinels, sizeof(*block));
	struct silence_input in = { .n = ex->n_sentinels,
		.before = ex->baseline,
		.now = ex->current,
		.is_ipv4 = is_ipv4,
		.block = block,
		.n_sites = ex->c->n_sites };
	bool is_found;

	for (uint32_t i = 0; i < ex->n_sentinels; i++) {
		is_ipv4[i] = ex->clients.is_ipv4[ex->sentinels[i]];
		block[i] = ex->clients.block[ex->sentinels[i]];
	}
	is_found = silence_find(&in, out);
	free(is_ipv4);
	free(block);
	/* They are asked once, a sweep's clients twice: what is lost of them in
	 * part is left to the sweep. */
	return is_found && !out->is_part;
}

/* Some did in the first baseline. */
static bool
has_no_answer(const struct experiment *ex)
{
	for (uint32_t i = 0; i < ex->clients.n; i++) {
		if (ex->again[i] != OUTCOME_NONE)
			return false;
	}
	return true;
}

bool
experiment_is_silent(const struct experiment *ex, char *why, size_t size)
{
	static const char *const families[SILENCE_FAMILY_COUNT] = {
		[SILENCE_BOTH] = "",
		[SILENCE_IPV4] = "IPv4 ",
		[SILENCE_IPV6] = "IPv6 ",
	};
	struct silence s;

	*why = '\0';
	if (ex->state == EXPERIMENT_REBASELINE && has_no_answer(ex)) {
		(void)snprintf(why, size,
		    "no client answered the second baseline");
		return true;
	}
	if (experiment_is_full_sweep(ex) ? !find_in_sweep(ex, &s)
					 : !find_in_round(ex, &s))
		return false;
	if (s.is_part) {
		(void)snprintf(why, size,
		    "%s: %" PRIu32 " of the %" PRIu32
		    " %sclients that it heard before are not heard any more",
		    ex->c->sites[s.site].name, s.lost, s.clients,
		    families[s.family]);
		return true;
	}
	(void)snprintf(why, size,
	    "%s hears nobody any more, of %" PRIu32 " %sclients before",
	    ex->c->sites[s.site].name, s.clients, families[s.family]);
	return true;
}
