/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment that this process does not hold any more, as it was told. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "fleet/experiment.h"

/* "chc,akl" as a list; "" is the empty one. */
static json_t *
names_json(const char *site)
{
	json_t *list = json_array();
	char *text = xstrdup(site), *save = NULL;

	for (char *name = strtok_r(text, ",", &save); name != NULL;
	     name = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_string(name));
	free(text);
	return list;
}

static void
add_to(json_t *counts, const char *name, json_int_t n)
{
	json_int_t before = json_integer_value(json_object_get(counts, name));

	json_object_set_new(counts, name, json_integer(before + n));
}

/* The object of the site in the list, at the end if it is new. */
static json_t *
find_site(json_t *list, const char *name)
{
	json_t *site;
	size_t i;

	json_array_foreach (list, i, site) {
		const char *is =
		    json_string_value(json_object_get(site, "site"));

		if (is != NULL && strcmp(is, name) == 0)
			return site;
	}
	json_array_append_new(list, json_pack("{s:s}", "site", name));
	return json_array_get(list, json_array_size(list) - 1);
}

/* One that a restart cut off has none: then it has no counters either. */
static void
add_counts(json_t *doc, const json_t *rows)
{
	json_t *sites = json_array(), *counters = json_object(), *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *site = "", *class = "";
		json_int_t n = 0;

		(void)json_unpack(row, "{s:s, s:s, s:I}", "site", &site,
		    "class", &class, "n", &n);
		add_to(find_site(sites, site), class, n);
		add_to(counters, class, n);
	}
	json_object_set_new(doc, "counters", counters);
	json_object_set_new(doc, "replies", sites);
}

json_t *
experiment_stored_json(struct controller *c, uint32_t id, struct err *err)
{
	json_t *row = query_experiment(c->env.query, id, err);
	json_t *rows =
	    row != NULL ? query_replies(c->env.query, id, err) : NULL;
	json_int_t both = 0, moved = 0;
	double tv = 0;
	json_t *doc;

	if (rows == NULL) {
		json_decref(row);
		return NULL;
	}
	(void)json_unpack(row, "{s:I, s:I, s:F}", "null_both", &both,
	    "null_moved", &moved, "null_tv", &tv);
	doc = json_pack("{s:O, s:O, s:o, s:O, s:O, s:O, s:O, s:O, s:O, s:O, "
			"s:O, s:i, s:s, s:i, s:i, s:{s:I, s:I, s:f}, s:O}",
	    "id", json_object_get(row, "id"), "site",
	    json_object_get(row, "site"), "withdrawn",
	    names_json(json_string_value(json_object_get(row, "site"))),
	    "state", json_object_get(row, "state"), "reason",
	    json_object_get(row, "reason"), "created_ms",
	    json_object_get(row, "created_ms"), "ended_ms",
	    json_object_get(row, "ended_ms"), "clients",
	    json_object_get(row, "clients"), "asked",
	    json_object_get(row, "asked"), "campaign",
	    json_object_get(row, "campaign"), "purpose",
	    json_object_get(row, "purpose"), "progress_permille", 1000, "step",
	    "", "left_ms", 0, "left_max_ms", 0, "null", "both", both, "moved",
	    moved, "tv", tv, "test", json_object_get(row, "test"));
	add_counts(doc, rows);
	json_decref(row);
	json_decref(rows);
	return doc;
}
