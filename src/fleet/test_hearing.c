/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/test_hearing.h"

#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "fleet/experiment_map.h"
#include "fleet/test_prefix.h"
#include "store/utf8.h"

/* Its next unheard prefix of tp from *at on, of which clients are asked; NULL:
 * there is none.  Borrowed from the status. */
static const json_t *
next_unheard(const struct controller *c, const struct test_prefix *tp,
    const struct fleet_site *s, size_t *at)
{
	const json_t *list =
	    json_object_get(json_object_get(s->status, "sweep"), "unheard");

	while (*at < json_array_size(list)) {
		const json_t *u = json_array_get(list, (*at)++);
		const char *prefix = json_text(u, "prefix");

		if (c->asks[strchr(prefix, ':') == NULL ? 0 : 1] &&
		    test_prefix_has(tp, prefix))
			return u;
	}
	return NULL;
}

bool
test_hearing_at(const struct controller *c, const struct test_prefix *tp,
    const struct fleet_site *s, struct hearing_text *why)
{
	size_t at = 0;
	const json_t *u = next_unheard(c, tp, s, &at);

	if (u == NULL)
		return true;
	(void)snprintf(why->text, sizeof(why->text),
	    "hears no replies to %.45s: %.90s: %.80s", json_text(u, "prefix"),
	    json_text(u, "reason"), json_text(u, "remedy"));
	/* Characters of the agent's may be cut in two. */
	utf8_clean(why->text);
	return false;
}

int
test_hearing_check(const struct controller *c, const struct test_prefix *tp,
    struct err *err)
{
	struct hearing_text why;

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];

		/* The second question is dear, and seldom comes up. */
		if (!test_hearing_at(c, tp, s, &why) &&
		    experiment_test_is(tp, s, "announced")) {
			return err_set(err, ERR_REFUSED, "site %s: %s", s->name,
			    why.text);
		}
	}
	return 0;
}

int
test_hearing_check_first(struct controller *c, struct err *err)
{
	const struct test_prefix *first = test_prefix_first(c);
	bool asked[2];
	int rc = 0;

	memcpy(asked, c->asks, sizeof(asked));
	test_prefixes_ask(c, c->clients, c->n_clients);
	if (first != NULL)
		rc = test_hearing_check(c, first, err);
	memcpy(c->asks, asked, sizeof(c->asks));
	return rc;
}

static void
add_unheard(const struct controller *c, const struct test_prefix *tp,
    const struct fleet_site *s, json_t *list)
{
	const json_t *u;
	size_t at = 0;

	if (!experiment_test_is(tp, s, "announced"))
		return;
	while ((u = next_unheard(c, tp, s, &at)) != NULL) {
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "site", s->name,
			"test", tp->name, "prefix", json_text(u, "prefix"),
			"reason", json_text(u, "reason"), "remedy",
			json_text(u, "remedy")));
	}
}

json_t *
test_hearing_json(struct controller *c)
{
	json_t *list = json_array();
	bool asked[2];

	memcpy(asked, c->asks, sizeof(asked));
	test_prefixes_ask(c, c->clients, c->n_clients);
	for (size_t t = 0; t < c->n_tests; t++) {
		for (size_t i = 0; i < c->n_sites; i++)
			add_unheard(c, c->tests[t], &c->sites[i], list);
	}
	memcpy(c->asks, asked, sizeof(c->asks));
	return list;
}
