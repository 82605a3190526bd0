/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failover maps as a graph for graphviz.  Of one map, a tree with all its
 * levels; of several, one node per site and an edge to each heir, without the
 * faint ones: their number is told.
 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>

#include "report/job.h"
#include "report/markup.h"
#include "report/text.h"

#define FAINT_SHARE 0.01
#define PEN_MAX 9
#define COLOR_FLOW "#0072b2"
#define COLOR_OVER "#d55e00"
#define COLOR_UNKNOWN "#7a7a7a"

static const char head[] =
    "digraph failover {\n"
    "\trankdir=LR; labelloc=t; fontname=\"sans-serif\"; ranksep=1.6;\n"
    "\tnode [shape=box, style=\"rounded,filled\", fillcolor=\"#f2f5f7\", "
    "color=\"#5b6770\", fontname=\"sans-serif\", fontsize=12];\n"
    "\tedge [color=\"" COLOR_FLOW
    "\", fontname=\"sans-serif\", fontsize=10, arrowsize=0.6];\n";

struct edge {
	size_t from, to;
	double of_site; /* what the shares are of, of the site's weight */
};

static void
put_edge(FILE *out, const struct edge *e, const struct model_heir *h)
{
	double overload = model_overload(h);
	double pen = fmin(h->weight_share * e->of_site, 1) * PEN_MAX;
	char share[TEXT_NUMBER_BYTES];

	fprintf(out, "\tn%zu -> n%zu [penwidth=%.1f, label=\"%s", e->from,
	    e->to, 1 + pen, text_share(h->weight_share, share));
	if (!isnan(overload))
		fprintf(out, "\\nload %s", text_ratio(overload, share));
	if (model_has_bound(h)) {
		fprintf(out, " to %s",
		    text_ratio(model_overload_max(h), share));
	}
	fputc('"', out);
	if (h->name == NULL) {
		fputs(", style=dashed, color=\"" COLOR_UNKNOWN "\"", out);
	} else if (overload > 1) {
		fputs(", color=\"" COLOR_OVER "\", fontcolor=\"" COLOR_OVER
		      "\"",
		    out);
	}
	fputs("];\n", out);
}

static void
put_node(FILE *out, size_t id, const char *name)
{
	fprintf(out, "\tn%zu [label=\"", id);
	markup_put_dot(out, name == NULL ? "unknown" : name);
	fprintf(out, "\"%s];\n",
	    name == NULL ? ", style=\"rounded,dashed\", color=\"" COLOR_UNKNOWN
			   "\""
			 : "");
}

/* The heirs of node `to` of e, and theirs; *n nodes are there already. */
static void
put_tree(FILE *out, const struct model_heirs *heirs, const struct edge *e,
    size_t *n)
{
	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];
		struct edge below = { e->to, (*n)++, e->of_site };

		put_node(out, below.to, h->name);
		put_edge(out, &below, h);
		below.of_site *= h->weight_share;
		put_tree(out, &h->next, &below, n); /* to DEPTH_MAX */
	}
}

static void
put_one(FILE *out, const struct model_map *m)
{
	const char *label = model_label_name(m->label);
	const struct edge root = { .of_site = 1 };
	char buf[TEXT_NUMBER_BYTES];
	size_t n = 1;

	fputs("\tlabel=\"if ", out);
	markup_put_dot(out, m->site);
	fprintf(out, " %s: shares of the weight, %s old", model_fails(m),
	    text_age(m->age_ms, buf));
	if (!isnan(m->noise_floor)) {
		fprintf(out, ", noise floor %s",
		    text_share(m->noise_floor, buf));
	}
	fprintf(out, "%s%s", label[0] == '\0' ? "" : ", ", label);
	if (model_has_tests(m)) {
		fputs(", over ", out);
		model_put_tests(out, m, markup_put_dot);
	}
	fputs("\";\n", out);
	put_node(out, 0, m->site);
	put_tree(out, &m->heirs, &root, &n);
}

/* Returns how many edges are too faint to be drawn. */
static size_t
put_edges(FILE *out, const struct model_map *m, const char *const names[],
    size_t n)
{
	struct edge e = { .of_site = 1 };
	size_t faint = 0;

	e.from = model_name_index(names, n, m->site);
	for (size_t i = 0; i < m->heirs.n; i++) {
		const struct model_heir *h = &m->heirs.at[i];

		if (h->weight_share < FAINT_SHARE) {
			faint++;
			continue;
		}
		e.to =
		    h->name == NULL ? n : model_name_index(names, n, h->name);
		put_edge(out, &e, h);
	}
	return faint;
}

static void
put_fleet(FILE *out, const struct model *m)
{
	size_t n, faint = 0;
	const char **names = model_names(m, &n);

	for (size_t i = 0; i < n; i++)
		put_node(out, i, names[i]);
	put_node(out, n, NULL);
	for (size_t i = 0; i < m->n_maps; i++)
		faint += put_edges(out, &m->maps[i], names, n);
	fputs("\tlabel=\"where the weight of each site goes if it fails", out);
	if (faint > 0) {
		fprintf(out, "\\nleft out, below %.0f %%: %zu",
		    FAINT_SHARE * 100, faint);
	}
	fputs("\";\n", out);
	free(names);
}

static void
dot_body(struct report_job *job, const json_t *doc)
{
	struct model model;

	model_read(&job->f, doc, &model);
	model_sort(&model);
	fputs(head, job->out);
	if (model.n_maps == 0) {
		fputs("\tlabel=\"no failover map yet\";\n", job->out);
	} else if (model.n_maps == 1) {
		put_one(job->out, &model.maps[0]);
	} else {
		put_fleet(job->out, &model);
	}
	fputs("}\n", job->out);
	model_clear(&model);
}

int
report_dot(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(dot_body, doc, style, out, err);
}
