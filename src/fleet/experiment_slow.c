/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whom an experiment waits for that takes too long. */
#include <stdio.h>

#include "base/text.h"
#include "fleet/experiment_state.h"

/* The first site that has not applied it, of W alone or of all; NO_SITE. */
static size_t
find_slow(const struct experiment *ex, bool of_withdrawn)
{
	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if ((ex->withdrawn[i] || !of_withdrawn) &&
		    !experiment_has_applied(ex, i))
			return i;
	}
	return NO_SITE;
}

static void
say_sending(const struct experiment *ex, char *out, size_t size)
{
	const struct fleet_site *s = &ex->c->sites[ex->sender];
	const json_t *sweep = json_object_get(s->status, "sweep");
	json_int_t job = json_integer_value(json_object_get(sweep, "job"));

	if (job != ex->job) {
		(void)snprintf(out, size, "%s has not begun to sweep", s->name);
		return;
	}
	(void)snprintf(out, size, "%s has sent %lld of %lld probes", s->name,
	    (long long)json_integer_value(json_object_get(sweep, "sent")),
	    (long long)json_integer_value(json_object_get(sweep, "total")));
}

static void
say_collecting(const struct experiment *ex, char *out, size_t size)
{
	size_t site = find_slow(ex, false);

	(void)snprintf(out, size, "%s has not delivered all that it captured",
	    site != NO_SITE ? ex->c->sites[site].name : "nobody");
}

static void
say_changing(const struct experiment *ex, char *out, size_t size)
{
	bool is_out = experiment_holds_withdrawn(ex->state);
	const char *real = is_out ? "withdrawn" : "announced";
	size_t site = find_slow(ex, true);

	if (site != NO_SITE) {
		(void)snprintf(out, size, "%s has not applied its orders",
		    ex->c->sites[site].name);
		return;
	}
	for (size_t i = 0; i < ex->c->n_sites; i++) {
		if (!ex->withdrawn[i] ||
		    experiment_test_is(ex->test, &ex->c->sites[i], real))
			continue;
		(void)snprintf(out, size, "the test prefix of %s is not %s yet",
		    ex->c->sites[i].name, real);
		return;
	}
}

void
experiment_say_slow(const struct experiment *ex, char *why, size_t size)
{
	char what[160] = "";

	if (ex->result_row != 0) {
		(void)text_copy(what, sizeof(what),
		    "the store has not written the result");
	} else if (!experiment_has_rounds(ex)) {
		say_changing(ex, what, sizeof(what));
	} else if (ex->step == ROUND_SENDING) {
		say_sending(ex, what, sizeof(what));
	} else if (ex->step == ROUND_COLLECTING) {
		say_collecting(ex, what, sizeof(what));
	}
	(void)snprintf(why, size, "a step took too long%s%s",
	    what[0] != '\0' ? ": " : "", what);
}
