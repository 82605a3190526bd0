/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/test_hearing.h"

#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "fleet/experiment_map.h"
#include "fleet/test_prefix.h"
#include "probes/sweep_packet.h"
#include "store/utf8.h"

#define ONE_BUILD "all must run one build"

/* ---- the layout of packets ---- */

static const char *
layout_of(const struct fleet_site *s)
{
	const char *layout =
	    json_text(json_object_get(s->status, "sweep"), "layout");

	return layout[0] != '\0' ? layout : "not told";
}

static bool
is_layout_ours(const struct fleet_site *s)
{
	return strcmp(layout_of(s), SWEEP_LAYOUT) == 0;
}

static void
layout_reason(const struct fleet_site *s, struct hearing_text *out)
{
	(void)snprintf(out->text, sizeof(out->text),
	    "its packet layout is %.32s, the controller's is %s", layout_of(s),
	    SWEEP_LAYOUT);
	utf8_clean(out->text);
}

bool
test_hearing_layout(const struct fleet_site *s, struct hearing_text *why)
{
	struct hearing_text reason;

	if (is_layout_ours(s))
		return true;
	layout_reason(s, &reason);
	(void)snprintf(why->text, sizeof(why->text),
	    "hears no replies: %.160s: %s", reason.text, ONE_BUILD);
	return false;
}

/* All are named: it is most of a fleet at times. */
static int
check_layouts(const struct controller *c, const struct test_prefix *tp,
    struct err *err)
{
	char names[192] = "", more[32] = "";
	size_t len = 0, unnamed = 0;

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];
		int n;

		if (is_layout_ours(s) ||
		    !experiment_test_is(tp, s, "announced"))
			continue;
		n = snprintf(names + len, sizeof(names) - len, "%s%s (%.32s)",
		    len > 0 ? ", " : "", s->name, layout_of(s));
		if ((size_t)n < sizeof(names) - len) {
			len += (size_t)n;
		} else {
			unnamed++;
		}
		names[len] = '\0';
	}
	if (len == 0 && unnamed == 0)
		return 0;
	utf8_clean(names);
	if (unnamed > 0)
		(void)snprintf(more, sizeof(more), " and %zu more", unnamed);
	return err_set(err, ERR_REFUSED,
	    "packet layout: the controller's is %s, not so at %s%s: " ONE_BUILD
	    ", or replies would be lost",
	    SWEEP_LAYOUT, names, more);
}

/* ---- the kernel ---- */

static bool
is_asked(const struct controller *c, const char *prefix)
{
	return c->asks[strchr(prefix, ':') == NULL ? 0 : 1];
}

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

		if (is_asked(c, prefix) && test_prefix_has(tp, prefix))
			return u;
	}
	return NULL;
}

bool
test_hearing_at(const struct controller *c, const struct test_prefix *tp,
    const struct fleet_site *s, struct hearing_text *why)
{
	size_t at = 0;
	const json_t *u;

	if (!test_hearing_layout(s, why))
		return false;
	u = next_unheard(c, tp, s, &at);
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

	/* For who does not ask for names, one is enough. */
	if (err != NULL && check_layouts(c, tp, err) == -1)
		return -1;
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
add_unheard(const struct experiment_where *where, const json_t *u, json_t *list)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "site", where->site->name,
		"test", where->test->name, "prefix", json_text(u, "prefix"),
		"reason", json_text(u, "reason"), "remedy",
		json_text(u, "remedy")));
}

/* Of another layout, it hears none of them. */
static void
add_all_unheard(const struct controller *c,
    const struct experiment_where *where, json_t *list)
{
	struct hearing_text reason;
	const json_t *p;
	size_t i;

	layout_reason(where->site, &reason);
	json_array_foreach (where->test->prefixes, i, p) {
		json_t *u = json_pack("{s:O, s:s, s:s}", "prefix", p, "reason",
		    reason.text, "remedy", ONE_BUILD);

		if (is_asked(c, json_string_value(p)))
			add_unheard(where, u, list);
		json_decref(u);
	}
}

static void
add_site(const struct controller *c, const struct experiment_where *where,
    json_t *list)
{
	const json_t *u;
	size_t at = 0;

	if (!experiment_test_is(where->test, where->site, "announced"))
		return;
	if (!is_layout_ours(where->site)) {
		add_all_unheard(c, where, list);
		return;
	}
	while ((u = next_unheard(c, where->test, where->site, &at)) != NULL)
		add_unheard(where, u, list);
}

json_t *
test_hearing_json(struct controller *c)
{
	json_t *list = json_array();
	bool asked[2];

	memcpy(asked, c->asks, sizeof(asked));
	test_prefixes_ask(c, c->clients, c->n_clients);
	for (size_t t = 0; t < c->n_tests; t++) {
		for (size_t i = 0; i < c->n_sites; i++) {
			struct experiment_where where = { c->tests[t],
				&c->sites[i] };

			add_site(c, &where, list);
		}
	}
	memcpy(c->asks, asked, sizeof(c->asks));
	return list;
}
