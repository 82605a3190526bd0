/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether all sites announce a test prefix, and whether it is ready. */
#include <string.h>

#include "fleet/controller_state.h"
#include "fleet/experiment_map.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"

/* Which of its prefixes it is, and what it lacks. */
static int
refuse_missing(const struct test_prefix *tp, const struct fleet_site *s,
    struct err *err)
{
	const char *name = tp->name, *real = NULL;
	const json_t *p;
	size_t i;

	json_array_foreach (s->test_prefixes, i, p) {
		const char *prefix =
		    json_string_value(json_object_get(p, "prefix"));

		if (prefix == NULL || !test_prefix_has(tp, prefix) ||
		    experiment_prefix_is(p, "announced"))
			continue;
		name = prefix;
		real = json_string_value(json_object_get(p, "real"));
		break;
	}
	return err_set(err, ERR_REFUSED,
	    "site %s: does not announce the test prefix %.120s, as the others do%s",
	    s->name, name,
	    real != NULL && strcmp(real, "announced") == 0
		? ": BIRD has it and exports it to no session"
		: "");
}

int
test_prefix_check_everywhere(const struct controller *c,
    const struct test_prefix *tp, struct err *err)
{
	const struct test_prefix *first = test_prefix_first(c);

	for (size_t i = 0; i < c->n_sites && first != NULL; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (test_prefix_at(first, s) == NULL)
			continue;
		if (test_prefix_at(tp, s) == NULL ||
		    !experiment_test_is(tp, s, "announced"))
			return refuse_missing(tp, s, err);
	}
	return 0;
}

bool
test_prefix_is_ready(const struct controller *c, const struct test_prefix *tp)
{
	return !test_prefix_is_busy(tp) &&
	    test_prefix_check_everywhere(c, tp, NULL) == 0 &&
	    test_hearing_check(c, tp, NULL) == 0;
}
