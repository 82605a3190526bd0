/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failover maps as tables.  All shares are of all the site's clients, those
 * that gave no answer after the withdrawal ("unknown") and both families
 * included: so the rows of a map add up to 1, and a row says how much arrives
 * where.
 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "report/job.h"
#include "report/text.h"

#define NEXT_SHOWN 2
#define COLUMNS_MAX 12

/* The columns of one table: some are there only if something is known. */
struct layout {
	struct table_column columns[COLUMNS_MAX];
	size_t n;
	struct model_extent extent;
};

static void
add_column(struct layout *l, bool wanted, const char *name, bool right)
{
	if (wanted)
		l->columns[l->n++] = (struct table_column){ name, right };
}

static struct layout
make_layout(const struct model_heirs *heirs)
{
	struct layout l = { .extent = model_heirs_extent(heirs) };

	add_column(&l, true, "HEIR", false);
	add_column(&l, l.extent.loads, "LOAD", true);
	add_column(&l, l.extent.bounds, "UP TO", true);
	add_column(&l, true, "CLIENTS", true);
	add_column(&l, true, "SHARE", true);
	add_column(&l, true, "WEIGHT", true);
	add_column(&l, true, "SHARE", true);
	add_column(&l, l.extent.intervals, "95 %", true);
	add_column(&l, l.extent.families, "IPv4", true);
	add_column(&l, l.extent.families, "IPv6", true);
	add_column(&l, l.extent.labels, "LABEL", false);
	add_column(&l, l.extent.next, "IF IT FAILS TOO", false);
	return l;
}

/* The largest share below that of after; NULL: of all.  Ties by place. */
static const struct model_heir *
next_largest(const struct model_heirs *heirs, const struct model_heir *after)
{
	const struct model_heir *best = NULL;

	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];
		bool behind = after == NULL ||
		    h->weight_share < after->weight_share ||
		    (h > after && h->weight_share <= after->weight_share);

		if (behind &&
		    (best == NULL || h->weight_share > best->weight_share))
			best = h;
	}
	return best;
}

char *
report_next_text(const struct model_heirs *next, size_t max)
{
	const struct model_heir *h = NULL;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return xstrdup("");
	for (size_t i = 0; i < next->n && i < max; i++) {
		char share[TEXT_NUMBER_BYTES];

		h = next_largest(next, h);
		if (h == NULL)
			break; /* not for real numbers */
		fprintf(out, "%s%s %s", i > 0 ? ", " : "",
		    h->name == NULL ? "unknown" : h->name,
		    text_share(h->weight_share, share));
	}
	if (next->n > max)
		fprintf(out, ", %zu more", next->n - max);
	(void)fclose(out);
	return text;
}

static void
add_load(struct table *t, double overload)
{
	char buf[TEXT_NUMBER_BYTES];

	if (isnan(overload)) {
		table_skip(t);
	} else {
		table_add(t, overload > 1 ? TABLE_RED : TABLE_PLAIN, "%s",
		    text_ratio(overload, buf));
	}
}

static void
add_interval(struct table *t, const struct model_heir *h)
{
	char buf[TEXT_NUMBER_BYTES];

	if (isnan(h->low + h->high)) {
		table_skip(t);
	} else {
		table_add(t, TABLE_PLAIN, "%s",
		    text_range(h->low, h->high, "-", buf));
	}
}

static void
add_heir(struct table *t, const struct layout *l, const struct model_heir *h)
{
	char buf[TEXT_NUMBER_BYTES];
	char *next;

	table_add(t, h->name == NULL ? TABLE_BOLD : TABLE_PLAIN, "%s",
	    h->name == NULL ? "unknown" : h->name);
	if (l->extent.loads)
		add_load(t, model_overload(h));
	if (l->extent.bounds)
		add_load(t, model_overload_max(h));
	table_add(t, TABLE_PLAIN, "%lld",
	    (long long)h->clients[MODEL_FAMILY_ALL]);
	table_add(t, TABLE_PLAIN, "%s", text_share(h->clients_share, buf));
	table_add(t, TABLE_PLAIN, "%s",
	    text_weight(h->weight[MODEL_FAMILY_ALL], buf));
	table_add(t, TABLE_PLAIN, "%s", text_share(h->weight_share, buf));
	if (l->extent.intervals)
		add_interval(t, h);
	for (int i = 0; l->extent.families && i < MODEL_FAMILY_ALL; i++)
		table_add(t, TABLE_PLAIN, "%lld", (long long)h->clients[i]);
	if (l->extent.labels)
		table_add(t, TABLE_PLAIN, "%s", model_label_name(h->label));
	if (!l->extent.next)
		return;
	next = report_next_text(&h->next, NEXT_SHOWN);
	table_add(t, TABLE_PLAIN, "%s", next);
	free(next);
}

/* Nobody knows where it goes: said wherever loads are. */
static void
put_unplaced(struct report_job *job, const struct model_heirs *heirs,
    const char *indent)
{
	double unplaced = model_unplaced(heirs);
	char load[TEXT_NUMBER_BYTES];

	if (!(unplaced > 0))
		return;
	fprintf(job->out, "%sload that could not be placed: %s", indent,
	    text_weight(unplaced, load));
	if (model_is_all_unplaced(heirs)) {
		fputs(", that is all", job->out);
	} else if (model_heirs_extent(heirs).bounds) {
		fputs("; up to: with all of it", job->out);
	}
	fputc('\n', job->out);
}

void
report_put_model_heirs(struct report_job *job, const struct model_heirs *heirs,
    const char *indent)
{
	static const struct model_heir nobody = {
		.low = NAN, .high = NAN, .capacity = NAN, .unplaced = NAN
	};
	struct layout l = make_layout(heirs);
	struct table *t = table_new(l.columns, l.n);

	for (size_t i = 0; i < heirs->n; i++)
		add_heir(t, &l, &heirs->at[i]);
	if (heirs->n == 0 || heirs->at[heirs->n - 1].name != NULL)
		add_heir(t, &l, &nobody);
	table_print(t, indent, job->style->color, job->out);
	table_free(t);
	put_unplaced(job, heirs, indent);
}

void
report_put_heirs(struct report_job *job, const json_t *heirs,
    const char *indent)
{
	struct model_heirs list;

	model_read_heirs(&job->f, heirs, &list);
	report_put_model_heirs(job, &list, indent);
	model_clear_heirs(&list);
}

/* "certified (90.0 % certified, 10.0 % composed)"; one label alone is not
 * repeated. */
static void
put_labels(struct report_job *job, const struct model_map *m)
{
	const char *before = " (";
	char share[TEXT_NUMBER_BYTES];

	fputs(model_label_name(m->label), job->out);
	for (int i = MODEL_MEASURED; i < MODEL_LABEL_COUNT; i++) {
		if (!(m->labels[i] > 0 && m->labels[i] < 1))
			continue;
		fprintf(job->out, "%s%s %s", before,
		    text_share(m->labels[i], share),
		    model_label_name((enum model_label)i));
		before = ", ";
	}
	if (strcmp(before, ", ") == 0)
		fputc(')', job->out);
}

/* What is known of how far to trust it; nothing, no line. */
static void
put_trust(struct report_job *job, const struct model_map *m)
{
	const char *label = model_label_name(m->label);
	char noise[TEXT_NUMBER_BYTES];

	if (label[0] == '\0' && isnan(m->noise_floor))
		return;
	put_labels(job, m);
	if (!isnan(m->noise_floor)) {
		fprintf(job->out, "%snoise floor %s",
		    label[0] == '\0' ? "" : "; ",
		    text_share(m->noise_floor, noise));
	}
	fputc('\n', job->out);
}

void
report_put_map_head(struct report_job *job, const struct model_map *m)
{
	char age[TEXT_NUMBER_BYTES], weight[TEXT_NUMBER_BYTES];
	char wall[WALL_TEXT_BYTES];

	fputs(m->is_set ? "sites " : "site ", job->out);
	text_put(job->out, m->site);
	if (m->experiment != 0) {
		fprintf(job->out,
		    ": measured %s ago at %s by experiment %lld\n",
		    text_age(m->age_ms, age), wall_format(m->measured_ms, wall),
		    (long long)m->experiment);
	} else {
		fprintf(job->out,
		    ": put together from experiments until %s ago at %s\n",
		    text_age(m->age_ms, age),
		    wall_format(m->measured_ms, wall));
	}
	if (model_has_tests(m)) {
		fputs("over test prefix ", job->out);
		model_put_tests(job->out, m, text_put);
		fputc('\n', job->out);
	}
	fprintf(job->out, "%lld clients, weight %s", (long long)m->clients,
	    text_weight(m->weight, weight));
	fprintf(job->out,
	    "; bystanders (clients of other sites that moved): %lld\n",
	    (long long)m->bystanders);
	fprintf(job->out, "%lld of %lld clients of the list answered\n",
	    (long long)m->answered, (long long)m->list_clients);
	put_trust(job, m);
}

static void
put_map(struct report_job *job, struct model_map *m)
{
	struct model_extent extent = model_heirs_extent(&m->heirs);

	model_sort_heirs(&m->heirs);
	report_put_map_head(job, m);
	report_put_model_heirs(job, &m->heirs, "  ");
	fprintf(job->out,
	    "shares are of all clients of the site; unknown: %s\n",
	    m->experiment != 0 ? "no answer after the withdrawal"
			       : "nothing tells where they go");
	if (extent.loads) {
		fputs("load: of the heir's capacity, with what arrives; the "
		      "worst first\n",
		    job->out);
	}
}

static void
table_body(struct report_job *job, const json_t *doc)
{
	struct model model;

	model_read(&job->f, doc, &model);
	for (size_t i = 0; i < model.n_maps; i++) {
		if (i > 0)
			fputc('\n', job->out);
		put_map(job, &model.maps[i]);
	}
	model_clear(&model);
}

int
report_failover_table(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(table_body, doc, style, out, err);
}
