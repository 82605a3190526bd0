/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const char *const family_keys[] = {
	[MODEL_FAMILY_4] = "4",
	[MODEL_FAMILY_6] = "6",
};

static const char *const label_names[] = {
	[MODEL_UNLABELLED] = "",
	[MODEL_MEASURED] = "measured",
	[MODEL_CERTIFIED] = "certified",
	[MODEL_COMPOSED] = "composed",
	[MODEL_UNSTABLE] = "unstable",
	[MODEL_CONTRADICTED] = "contradicted",
	[MODEL_GUESSED] = "guessed",
	[MODEL_UNKNOWN] = "unknown",
};
static_assert(sizeof(label_names) / sizeof(label_names[0]) == MODEL_LABEL_COUNT,
    "labels");

const char *
model_label_name(enum model_label label)
{
	return label_names[label];
}

/* A label that a newer daemon knows claims nothing here. */
static enum model_label
read_label(struct fields *f, const json_t *obj)
{
	const char *name = fields_text_or(f, obj, "label", "");

	for (int i = MODEL_MEASURED; i < MODEL_LABEL_COUNT; i++) {
		if (strcmp(name, label_names[i]) == 0)
			return (enum model_label)i;
	}
	return MODEL_UNLABELLED;
}

static void
read_families(struct fields *f, const json_t *obj, struct model_heir *out)
{
	const json_t *families = fields_object_opt(f, obj, "families");

	for (int i = 0; i < MODEL_FAMILY_ALL; i++) {
		const json_t *o =
		    fields_object_opt(f, families, family_keys[i]);

		if (o == NULL)
			continue;
		out->clients[i] = fields_count(f, o, "clients");
		out->weight[i] = fields_real(f, o, "weight");
	}
}

static void read_list(struct fields *f, const json_t *list, int depth,
    struct model_heirs *out);

static struct model_heir
read_heir(struct fields *f, const json_t *obj, int depth)
{
	struct model_heir h = { .label = read_label(f, obj) };

	h.name = fields_text_or(f, obj, "heir", NULL);
	h.clients[MODEL_FAMILY_ALL] = fields_count(f, obj, "clients");
	h.weight[MODEL_FAMILY_ALL] = fields_real(f, obj, "weight");
	h.clients_share = fields_real(f, obj, "clients_share");
	h.weight_share = fields_real(f, obj, "weight_share");
	h.low = fields_real_or(f, obj, "low", NAN);
	h.high = fields_real_or(f, obj, "high", NAN);
	h.load = fields_real_or(f, obj, "load", NAN);
	h.load_after = fields_real_or(f, obj, "load_after", NAN);
	h.load_after_max = fields_real_or(f, obj, "load_after_max", NAN);
	h.unplaced =
	    h.name == NULL ? fields_real_or(f, obj, "load_unplaced", NAN) : NAN;
	h.capacity = fields_real_or(f, obj, "capacity", NAN);
	read_families(f, obj, &h);
	read_list(f, fields_array_opt(f, obj, "heirs"), depth + 1, &h.next);
	return h;
}

static void
read_list(struct fields *f, const json_t *list, int depth,
    struct model_heirs *out)
{
	struct model_heir unknown = { 0 };
	bool any_unknown = false;
	const json_t *obj;
	size_t i;

	*out = (struct model_heirs){ 0 };
	if (list == NULL || depth > MODEL_DEPTH_MAX)
		return;
	out->at = xcalloc(json_array_size(list) + 1, sizeof(*out->at));
	json_array_foreach (list, i, obj) {
		struct model_heir h = read_heir(f, obj, depth);

		if (h.name != NULL) {
			out->at[out->n++] = h;
			continue;
		}
		model_clear_heirs(&unknown.next); /* said twice: the last */
		unknown = h;
		any_unknown = true;
	}
	if (any_unknown)
		out->at[out->n++] = unknown;
}

void
model_read_heirs(struct fields *f, const json_t *heirs, struct model_heirs *out)
{
	read_list(f, heirs, 1, out);
}

void
model_clear_heirs(struct model_heirs *heirs)
{
	for (size_t i = 0; i < heirs->n; i++)
		model_clear_heirs(&heirs->at[i].next); /* to DEPTH_MAX */
	free(heirs->at);
	*heirs = (struct model_heirs){ 0 };
}

static void
read_labels(struct fields *f, const json_t *labels, double *out)
{
	out[MODEL_UNLABELLED] = NAN;
	for (int i = MODEL_MEASURED; i < MODEL_LABEL_COUNT; i++)
		out[i] = fields_real_or(f, labels, label_names[i], NAN);
}

static void
read_map(struct fields *f, const json_t *obj, struct model_map *out)
{
	out->site = fields_text(f, obj, "site");
	out->is_set = json_array_size(fields_array_opt(f, obj, "down")) > 1;
	out->experiment = fields_count(f, obj, "experiment");
	out->measured_ms = fields_wall_ms(f, obj, "measured_ms");
	out->age_ms = fields_count(f, obj, "age_ms");
	out->clients = fields_count(f, obj, "clients");
	out->weight = fields_real(f, obj, "weight");
	out->bystanders = fields_count(f, obj, "bystanders");
	out->answered = fields_count(f, obj, "answered");
	out->list_clients = fields_count(f, obj, "list_clients");
	out->asked = fields_count_or(f, obj, "asked", out->list_clients);
	out->noise_floor = fields_real_or(f, obj, "noise_floor", NAN);
	out->label = read_label(f, obj);
	read_labels(f, fields_object_opt(f, obj, "labels"), out->labels);
	for (int i = 0; i < MODEL_FAMILY_ALL; i++) {
		out->tests[i] = fields_texts_or_none(f,
		    fields_object_opt(f, obj, "tests"), family_keys[i], ", ");
	}
	model_read_heirs(f, fields_array(f, obj, "heirs"), &out->heirs);
}

void
model_read(struct fields *f, const json_t *doc, struct model *out)
{
	const json_t *maps = fields_array(f, doc, "maps");
	const json_t *obj;
	size_t i;

	*out = (struct model){ .n_maps = json_array_size(maps) };
	out->maps = xcalloc(out->n_maps + 1, sizeof(*out->maps));
	json_array_foreach (maps, i, obj)
		read_map(f, obj, &out->maps[i]);
}

void
model_clear(struct model *m)
{
	for (size_t i = 0; i < m->n_maps; i++) {
		model_clear_heirs(&m->maps[i].heirs);
		for (int k = 0; k < MODEL_FAMILY_ALL; k++)
			free(m->maps[i].tests[k]);
	}
	free(m->maps);
	*m = (struct model){ 0 };
}

bool
model_has_tests(const struct model_map *m)
{
	for (int i = 0; i < MODEL_FAMILY_ALL; i++) {
		if (m->tests[i][0] != '\0')
			return true;
	}
	return false;
}

void
model_put_tests(FILE *out, const struct model_map *m,
    void (*put)(FILE *out, const char *s))
{
	const char *between = "";

	for (int i = 0; i < MODEL_FAMILY_ALL; i++) {
		if (m->tests[i][0] == '\0')
			continue;
		fprintf(out, "%sIPv%s ", between, family_keys[i]);
		put(out, m->tests[i]);
		between = "; ";
	}
}

const char *
model_fails(const struct model_map *m)
{
	return m->is_set ? "fail" : "fails";
}

double
model_overload(const struct model_heir *h)
{
	return h->capacity > 0 ? h->load_after / h->capacity : NAN;
}

/* What is beside the capacity counts as no load at all. */
#define BOUND_MIN 0.0005

bool
model_has_bound(const struct model_heir *h)
{
	return h->capacity > 0 &&
	    h->load_after_max - h->load_after > BOUND_MIN * h->capacity;
}

double
model_overload_max(const struct model_heir *h)
{
	return model_has_bound(h) ? h->load_after_max / h->capacity
				  : model_overload(h);
}

/* < 0: a is worse off.  What is known to be overloaded comes before what is
 * not known; NULL comes last. */
static int
compare(const struct model_heir *a, const struct model_heir *b)
{
	double of_a, of_b;

	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	if (a->name == NULL || b->name == NULL)
		return (a->name == NULL) - (b->name == NULL);
	of_a = model_overload_max(a);
	of_b = model_overload_max(b);
	if (isnan(of_a) != isnan(of_b))
		return isnan(of_a) ? 1 : -1;
	if (of_a > of_b || of_a < of_b)
		return of_a > of_b ? -1 : 1;
	of_a = a->weight[MODEL_FAMILY_ALL];
	of_b = b->weight[MODEL_FAMILY_ALL];
	if (of_a > of_b || of_a < of_b)
		return of_a > of_b ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int
compare_heirs(const void *a, const void *b)
{
	return compare(a, b);
}

const struct model_heir *
model_worst(const struct model_heirs *heirs)
{
	const struct model_heir *worst = NULL;

	for (size_t i = 0; i < heirs->n; i++) {
		if (heirs->at[i].name != NULL &&
		    compare(&heirs->at[i], worst) < 0)
			worst = &heirs->at[i];
	}
	return worst;
}

static int
compare_maps(const void *va, const void *vb)
{
	const struct model_map *a = va, *b = vb;
	bool none_a = model_is_all_unplaced(&a->heirs);
	bool none_b = model_is_all_unplaced(&b->heirs);
	int order = compare(model_worst(&a->heirs), model_worst(&b->heirs));

	if (none_a != none_b)
		return none_a ? -1 : 1;
	return order != 0 ? order : strcmp(a->site, b->site);
}

void
model_sort_heirs(struct model_heirs *heirs)
{
	if (heirs->n > 1) {
		qsort(heirs->at, heirs->n, sizeof(heirs->at[0]), compare_heirs);
	}
	for (size_t i = 0; i < heirs->n; i++)
		model_sort_heirs(&heirs->at[i].next);
}

void
model_sort(struct model *m)
{
	for (size_t i = 0; i < m->n_maps; i++)
		model_sort_heirs(&m->maps[i].heirs);
	if (m->n_maps > 1)
		qsort(m->maps, m->n_maps, sizeof(m->maps[0]), compare_maps);
}

double
model_unknown(const struct model_heirs *heirs)
{
	const struct model_heir *last;

	if (heirs->n == 0)
		return 0;
	last = &heirs->at[heirs->n - 1];
	return last->name == NULL ? last->weight_share : 0;
}

double
model_unplaced(const struct model_heirs *heirs)
{
	const struct model_heir *last;

	if (heirs->n == 0)
		return NAN;
	last = &heirs->at[heirs->n - 1];
	return last->name == NULL ? last->unplaced : NAN;
}

bool
model_is_all_unplaced(const struct model_heirs *heirs)
{
	return heirs->n == 1 && model_unplaced(heirs) > 0;
}

struct model_extent
model_heirs_extent(const struct model_heirs *heirs)
{
	struct model_extent e = { 0 };

	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];

		e.loads = e.loads || !isnan(model_overload(h));
		e.bounds = e.bounds || model_has_bound(h);
		e.intervals = e.intervals || !isnan(h->low + h->high);
		e.labels = e.labels || h->label != MODEL_UNLABELLED;
		e.families = e.families || h->clients[MODEL_FAMILY_4] > 0 ||
		    h->clients[MODEL_FAMILY_6] > 0;
		e.next = e.next || h->next.n > 0;
	}
	return e;
}

struct model_extent
model_extent(const struct model *m)
{
	struct model_extent all = { 0 };

	for (size_t i = 0; i < m->n_maps; i++) {
		struct model_extent e = model_heirs_extent(&m->maps[i].heirs);

		all.loads = all.loads || e.loads;
		all.bounds = all.bounds || e.bounds;
		all.intervals = all.intervals || e.intervals;
		all.labels = all.labels || e.labels ||
		    m->maps[i].label != MODEL_UNLABELLED;
		all.families = all.families || e.families;
		all.next = all.next || e.next;
	}
	return all;
}

static size_t
count_heirs(const struct model_heirs *heirs)
{
	size_t n = heirs->n;

	for (size_t i = 0; i < heirs->n; i++)
		n += count_heirs(&heirs->at[i].next);
	return n;
}

static void
collect(const struct model_heirs *heirs, const char **names, size_t *n)
{
	for (size_t i = 0; i < heirs->n; i++) {
		if (heirs->at[i].name != NULL)
			names[(*n)++] = heirs->at[i].name;
		collect(&heirs->at[i].next, names, n);
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **
model_names(const struct model *m, size_t *n)
{
	size_t cap = m->n_maps + 1, all = 0;
	const char **names;

	for (size_t i = 0; i < m->n_maps; i++)
		cap += count_heirs(&m->maps[i].heirs);
	names = xcalloc(cap, sizeof(*names));
	for (size_t i = 0; i < m->n_maps; i++) {
		names[all++] = m->maps[i].site;
		collect(&m->maps[i].heirs, names, &all);
	}
	if (all > 1)
		qsort(names, all, sizeof(names[0]), compare_names);
	*n = 0;
	for (size_t i = 0; i < all; i++) {
		if (*n == 0 || strcmp(names[*n - 1], names[i]) != 0)
			names[(*n)++] = names[i];
	}
	return names;
}

size_t
model_name_index(const char *const names[], size_t n, const char *name)
{
	const char *const *found =
	    bsearch(&name, names, n, sizeof(names[0]), compare_names);

	assert(found != NULL);
	return (size_t)(found - names);
}
