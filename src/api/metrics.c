/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define GROW_MIN 64u
/* Up to here a double has whole numbers. */
#define REAL_MAX 9e15

struct sample {
	size_t family;
	char *labels; /* as they are printed, with braces; "" if none */
	int64_t value;
	size_t seq; /* in the order they were added */
};

struct metrics {
	const struct metric_family *table;
	size_t n_families;
	struct sample *samples;
	size_t n, cap;
};

static const char *
type_name(enum metric_type type)
{
	return type == METRIC_COUNTER ? "counter" : "gauge";
}

struct metrics *
metrics_new(const struct metric_family *table, size_t n)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	m->table = table;
	m->n_families = n;
	return m;
}

void
metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->samples[i].labels);
	free(m->samples);
	free(m);
}

/* ---- adding ---- */

/* Backslash and line feed always, the quote only where quotes are around. */
static void
put_escaped(FILE *out, const char *s, bool in_quotes)
{
	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*s == '\\' || (*s == '"' && in_quotes))
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* last: the value of the last label, if it is not in values. */
static char *
format_labels(const struct metric_family *f, const char *const *values,
    const char *last)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	for (size_t i = 0; f->labels[i] != NULL; i++) {
		const char *value = *values != NULL ? *values++ : last;

		assert(value != NULL);
		fprintf(out, "%c%s=\"", i == 0 ? '{' : ',', f->labels[i]);
		put_escaped(out, value, true);
		fputc('"', out);
	}
	assert(*values == NULL);
	fputs(f->labels[0] != NULL ? "}" : "", out);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* Takes over s.labels. */
static void
add_sample(struct metrics *m, struct sample s)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? GROW_MIN : m->cap * 2;
		m->samples =
		    xreallocarray(m->samples, m->cap, sizeof(*m->samples));
	}
	s.seq = m->n;
	m->samples[m->n++] = s;
}

void
metrics_add(struct metrics *m, size_t family, int64_t value,
    const char *const *labels)
{
	assert(family < m->n_families);
	add_sample(m,
	    (struct sample){ .family = family,
		.labels = format_labels(&m->table[family], labels, NULL),
		.value = value });
}

void
metrics_add_field(struct metrics *m, size_t family, const json_t *obj,
    const char *key, const char *const *labels)
{
	const json_t *value = json_object_get(obj, key);

	if (json_is_integer(value))
		metrics_add(m, family, json_integer_value(value), labels);
}

void
metrics_add_real(struct metrics *m, size_t family, const json_t *obj,
    const char *key, const char *const *labels)
{
	const json_t *value = json_object_get(obj, key);
	unsigned scale;
	double scaled;

	assert(family < m->n_families);
	scale = m->table[family].scale;
	scaled = json_number_value(value) * (scale > 0 ? scale : 1);
	if (json_is_number(value) && fabs(scaled) < REAL_MAX)
		metrics_add(m, family, llround(scaled), labels);
}

void
metrics_add_states(struct metrics *m, size_t family,
    const struct metric_states *states, const char *const *labels)
{
	assert(family < m->n_families);
	for (size_t i = 0; states->names[i] != NULL; i++) {
		const char *name = states->names[i];

		add_sample(m,
		    (struct sample){ .family = family,
			.labels =
			    format_labels(&m->table[family], labels, name),
			.value = states->current != NULL &&
			    strcmp(states->current, name) == 0 });
	}
}

/* ---- printing ---- */

static int
sample_compare(const void *a, const void *b)
{
	const struct sample *sa = a, *sb = b;
	int by_labels;

	if (sa->family != sb->family)
		return sa->family < sb->family ? -1 : 1;
	by_labels = strcmp(sa->labels, sb->labels);
	if (by_labels != 0)
		return by_labels;
	return sa->seq < sb->seq ? -1 : 1;
}

static void
put_head(FILE *out, const struct metric_family *f)
{
	fprintf(out, "# HELP %s ", f->name);
	put_escaped(out, f->help, false);
	fprintf(out, "\n# TYPE %s %s\n", f->name, type_name(f->type));
}

/* Exact, whatever the locale: no floating point takes part. */
static void
put_value(FILE *out, int64_t value, unsigned scale)
{
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
	int digits = 0;

	for (unsigned s = scale; s >= 10; s /= 10)
		digits++;
	fputs(value < 0 ? " -" : " ", out);
	if (digits == 0) {
		fprintf(out, "%" PRIu64 "\n", size);
	} else {
		fprintf(out, "%" PRIu64 ".%0*" PRIu64 "\n", size / scale,
		    digits, size % scale);
	}
}

static void
put_samples(FILE *out, const struct metrics *m, const struct sample *sorted)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct sample *s = &sorted[i];
		const struct metric_family *f = &m->table[s->family];
		bool is_first = i == 0 || s[-1].family != s->family;

		if (is_first)
			put_head(out, f);
		if (!is_first && strcmp(s[-1].labels, s->labels) == 0)
			continue;
		fprintf(out, "%s%s", f->name, s->labels);
		put_value(out, s->value, f->scale);
	}
}

char *
metrics_render(const struct metrics *m)
{
	struct sample *sorted = xcalloc(m->n, sizeof(*sorted));
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	if (m->n > 0) {
		memcpy(sorted, m->samples, m->n * sizeof(*sorted));
		qsort(sorted, m->n, sizeof(*sorted), sample_compare);
	}
	put_samples(out, m, sorted);
	if (fclose(out) != 0)
		abort();
	free(sorted);
	return text;
}

/* ---- GET /metrics ---- */

#define SOURCES_MAX 5u
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_page {
	struct {
		metrics_source_fn *source;
		void *arg;
	} sources[SOURCES_MAX];
	size_t n;
};

struct metrics_page *
metrics_page_new(void)
{
	return xcalloc(1, sizeof(struct metrics_page));
}

void
metrics_page_free(struct metrics_page *page)
{
	free(page);
}

void
metrics_page_add(struct metrics_page *page, metrics_source_fn *source,
    void *arg)
{
	assert(page->n < SOURCES_MAX);
	page->sources[page->n].source = source;
	page->sources[page->n].arg = arg;
	page->n++;
}

static void
handle_metrics(struct api_request *req, void *arg)
{
	const struct metrics_page *page = arg;
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	char *text;

	for (size_t i = 0; i < page->n; i++)
		page->sources[i].source(m, page->sources[i].arg);
	text = metrics_render(m);
	api_reply_bytes(req, 200, CONTENT_TYPE, text, strlen(text));
	free(text);
	metrics_free(m);
}

void
metrics_page_serve(struct metrics_page *page, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/metrics", API_READ, handle_metrics },
		{ 0 },
	};

	api_server_add(server, routes, page);
}
