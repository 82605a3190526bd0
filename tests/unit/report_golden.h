/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_REPORT_GOLDEN_H
#define UNIT_REPORT_GOLDEN_H
/*
 * report_golden -- renderings against files, and documents with one value
 * after the other turned into a wrong one.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "report/report.h"

#define GOLDEN_DIR "tests/golden/report/"
#define NOW_MS INT64_C(1772337600123) /* 2026-03-01 04:00 UTC */

static const struct report_style plain = { .now_ms = NOW_MS };

/* Each golden NAME.ok is what render makes of its document. */
struct golden {
	const char *doc;
	const char *ok;
	report_fn *render;
	bool color;
	/* What of a rendering is kept in the file; frees text.  NULL: all. */
	char *(*keep)(char *text);
};

/* What render writes; the caller frees.  *rc is its result. */
static inline char *
render(report_fn *fn, const json_t *doc, const struct report_style *style,
    int *rc)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	*rc = fn(doc, style, out, &err);
	assert_int_equal(fclose(out), 0);
	/* A failure says why, and leaves nothing half written. */
	if (*rc == -1) {
		assert_true(strlen(err.msg) > 0);
		assert_int_equal(len, 0);
	}
	return text;
}

static inline json_t *
load_doc(const char *name)
{
	char *path = xasprintf(GOLDEN_DIR "%s.json", name);
	json_error_t why;
	json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &why);

	if (doc == NULL)
		print_error("%s: %s\n", path, why.text);
	assert_non_null(doc);
	free(path);
	return doc;
}

static inline char *
read_file(const char *path)
{
	char *text = NULL;
	size_t cap = 0;
	FILE *in = fopen(path, "re");

	assert_non_null(in);
	if (getdelim(&text, &cap, '\0', in) == -1) {
		free(text);
		text = xstrdup("");
	}
	(void)fclose(in);
	return text;
}

/* GOLDEN_UPDATE=1 writes the files anew: read the difference then. */
static inline void
check_golden(const struct golden *g)
{
	struct report_style style = { .color = g->color, .now_ms = NOW_MS };
	char *path = xasprintf(GOLDEN_DIR "%s.ok", g->ok);
	json_t *doc = load_doc(g->doc);
	char *want;
	int rc;
	char *got = render(g->render, doc, &style, &rc);

	assert_int_equal(rc, 0);
	if (g->keep != NULL)
		got = g->keep(got);
	if (getenv("GOLDEN_UPDATE") != NULL) {
		FILE *out = fopen(path, "we");

		assert_non_null(out);
		fputs(got, out);
		assert_int_equal(fclose(out), 0);
	}
	want = read_file(path);
	assert_string_equal(got, want);
	free(want);
	free(got);
	free(path);
	json_decref(doc);
}

struct walk {
	const struct golden *g;
	json_t *doc;
	size_t refused, accepted;
};

static inline void
try_render(struct walk *w)
{
	int rc;

	free(render(w->g->render, w->doc, &plain, &rc));
	if (rc == -1) {
		w->refused++;
	} else {
		w->accepted++;
	}
}

static inline json_t *
wrong_value(size_t kind)
{
	switch (kind) {
	case 0:
		return json_null();
	case 1:
		return json_integer(-1);
	case 2:
		return json_integer(INT64_MAX);
	case 3:
		return json_real(1e308);
	case 4:
		return json_string("");
	case 5:
		return json_array();
	case 6:
		return json_object();
	default:
		return json_true();
	}
}
#define WRONG_VALUES 8

static inline void walk_values(struct walk *w, json_t *node);

static inline void
spoil_member(struct walk *w, json_t *object, const char *key)
{
	json_t *before = json_incref(json_object_get(object, key));

	for (size_t kind = 0; kind < WRONG_VALUES; kind++) {
		json_object_set_new(object, key, wrong_value(kind));
		try_render(w);
	}
	json_object_del(object, key);
	try_render(w);
	json_object_set_new(object, key, before);
	walk_values(w, before);
}

static inline void
spoil_element(struct walk *w, json_t *array, size_t i)
{
	json_t *before = json_incref(json_array_get(array, i));

	for (size_t kind = 0; kind < WRONG_VALUES; kind++) {
		json_array_set_new(array, i, wrong_value(kind));
		try_render(w);
	}
	json_array_set_new(array, i, before);
	walk_values(w, before);
}

static inline void
walk_values(struct walk *w, json_t *node)
{
	json_t *copy = json_copy(node); /* keys stay while we change node */
	const char *key;
	json_t *v;

	json_object_foreach (copy, key, v)
		spoil_member(w, node, key);
	for (size_t i = 0; i < json_array_size(node); i++)
		spoil_element(w, node, i);
	json_decref(copy);
}

/* Whatever one value is turned into: a rendering or an error, no crash. */
static inline void
check_wrong_values(const struct golden *g)
{
	struct walk w = { .g = g };

	w.doc = load_doc(g->doc);
	walk_values(&w, w.doc);
	assert_true(w.refused + w.accepted > 0);
	json_decref(w.doc);
}

#endif /* UNIT_REPORT_GOLDEN_H */
