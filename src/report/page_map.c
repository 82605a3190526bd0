/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The overview of all maps, and one map in full: plain HTML tables. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>

#include "report/job.h"
#include "report/markup.h"
#include "report/text.h"

#define BAR_WIDTH 80
#define BAR_HEIGHT 10
#define BAR_PARTS 8 /* heirs drawn apart; the others are one part */
#define NEXT_SHOWN 3
#define BOUND_TITLE                                                            \
	"with all of the load that could not be placed, which may land there"

/* ---- cells: HTML leaves out the ends of cells and rows, and so do we ---- */

/* The script sorts by what a cell shows. */
static void
put_number(FILE *out, double v)
{
	fputs("<td>", out);
	markup_put_number(out, v);
}

static void
put_share_cell(FILE *out, double share)
{
	fputs("<td>", out);
	if (isnan(share)) {
		fputs("\xe2\x80\x93", out); /* a dash */
	} else {
		page_put_share(out, share);
	}
}

static void
put_load_cell(FILE *out, const struct model_heir *h)
{
	char text[TEXT_NUMBER_BYTES];
	double overload;

	if (h == NULL || isnan(model_overload(h))) {
		fputs("<td>", out);
		return;
	}
	overload = model_overload(h);
	fprintf(out, "<td%s title=\"", overload > 1 ? " class=over" : "");
	if (!isnan(h->load)) {
		markup_put_number(out, h->load);
		fputs(" \xe2\x86\x92 ", out); /* an arrow */
	}
	markup_put_number(out, h->load_after);
	fputs(" of ", out);
	markup_put_number(out, h->capacity);
	fprintf(out, "\">%s", text_ratio(overload, text));
}

/* With all that could not be placed. */
static void
put_bound_cell(FILE *out, const struct model_heir *h)
{
	double bound = h == NULL ? NAN : model_overload_max(h);
	char text[TEXT_NUMBER_BYTES];

	if (isnan(bound)) {
		fputs("<td>", out);
	} else {
		fprintf(out, "<td%s>%s", bound > 1 ? " class=over" : "",
		    text_ratio(bound, text));
	}
}

/* The share, and in its title the load. */
static void
put_unknown_cell(FILE *out, const struct model_heirs *heirs)
{
	double unplaced = model_unplaced(heirs);

	if (!(unplaced > 0)) {
		put_share_cell(out, model_unknown(heirs));
		return;
	}
	fputs("<td title=\"load that could not be placed: ", out);
	markup_put_number(out, unplaced);
	fputs("\">", out);
	page_put_share(out, model_unknown(heirs));
}

static void
put_label_cell(FILE *out, enum model_label label)
{
	const char *name = model_label_name(label);

	fprintf(out, "<td class=\"label %s\">%s", name, name);
}

static void
put_name(FILE *out, const char *name)
{
	if (name == NULL) {
		fputs("<em>unknown</em>", out);
	} else {
		markup_put(out, name);
	}
}

static void
put_site_link(FILE *out, const char *site)
{
	fputs("<a href=\"#site=", out);
	markup_put_fragment(out, site);
	fputs("\">", out);
	markup_put(out, site);
	fputs("</a>", out);
}

/* A part of a stacked bar; returns where the next one begins. */
static double
put_part(FILE *out, double x, double share, const char *class_name)
{
	double end = x + share * BAR_WIDTH;

	if (end > BAR_WIDTH)
		end = BAR_WIDTH;
	if (end - x >= 0.05) {
		fprintf(out,
		    "<rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" "
		    "height=\"%d\"/>",
		    class_name, x, end - x, BAR_HEIGHT);
	}
	return end;
}

static const char *
part_class(const struct model_heir *h, size_t i)
{
	static const char *const classes[] = { "a", "b" };

	if (h->name == NULL)
		return "u";
	return model_overload(h) > 1 ? "o" : classes[i % 2];
}

/* All heirs side by side, as wide as their shares. */
static void
put_bar(FILE *out, const struct model_heirs *heirs)
{
	double unknown = model_unknown(heirs);
	double x = 0, rest = 0;

	fprintf(out,
	    "<td class=t><svg class=\"bar\" width=\"%d\" height=\"%d\" "
	    "aria-hidden=\"true\">",
	    BAR_WIDTH, BAR_HEIGHT);
	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];

		if (h->name == NULL)
			continue;
		if (i < BAR_PARTS) {
			x = put_part(out, x, h->weight_share, part_class(h, i));
		} else {
			rest += h->weight_share;
		}
	}
	x = put_part(out, x, rest, "c");
	(void)put_part(out, x, unknown, "u");
	fputs("</svg>", out);
}

/* ---- overview ---- */

/* class_name as that of the cells below; "n": numbers, to the right. */
static void
put_heading(FILE *out, const char *class_name, const char *name,
    const char *title)
{
	fprintf(out, "<th scope=col class=%s title=\"%s\">%s", class_name,
	    title, name);
}

static void
put_overview_row(FILE *out, const struct model_map *m,
    const struct model_extent *extent)
{
	const struct model_heir *worst = model_worst(&m->heirs);

	fputs("<tr><th scope=row>", out);
	put_site_link(out, m->site);
	if (!extent->loads)
		put_number(out, m->weight);
	fputs("<td class=t>", out);
	if (worst != NULL)
		put_name(out, worst->name);
	fputs("<td>", out);
	if (worst != NULL) {
		page_put_share(out, worst->weight_share);
		if (!isnan(worst->low + worst->high)) {
			fputs(" <small>", out);
			page_put_interval(out, worst);
			fputs("</small>", out);
		}
	}
	if (extent->loads)
		put_load_cell(out, worst);
	if (extent->bounds)
		put_bound_cell(out, worst);
	put_bar(out, &m->heirs);
	put_unknown_cell(out, &m->heirs);
	put_share_cell(out, m->noise_floor);
	if (extent->labels)
		put_label_cell(out, m->label);
	fprintf(out, "<td data-v=%lld>", (long long)m->age_ms);
	page_put_age(out, m);
	fputc('\n', out);
}

/* The heir with the highest predicted load; NULL: none is known. */
static const struct model_heir *
most_loaded(const struct model_heirs *heirs)
{
	const struct model_heir *most = NULL;

	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];

		if (!isnan(model_overload(h)) &&
		    (most == NULL || model_overload(h) > model_overload(most)))
			most = h;
	}
	return most;
}

/* Sites that bring an heir above its capacity. */
struct overloads {
	size_t n;                      /* by what is predicted */
	size_t n_max;                  /* with all that could not be placed */
	const struct model_map *worst; /* by what is predicted */
	const struct model_heir *heir;
};

static struct overloads
find_overloads(const struct model *m)
{
	struct overloads o = { 0 };

	for (size_t i = 0; i < m->n_maps; i++) {
		const struct model_heirs *heirs = &m->maps[i].heirs;
		const struct model_heir *most = most_loaded(heirs);
		const struct model_heir *worst = model_worst(heirs);

		o.n_max += model_is_all_unplaced(heirs) ||
		    (worst != NULL && model_overload_max(worst) > 1);
		if (most == NULL || model_overload(most) <= 1)
			continue;
		o.n++;
		if (o.heir == NULL ||
		    model_overload(most) > model_overload(o.heir)) {
			o.worst = &m->maps[i];
			o.heir = most;
		}
	}
	return o;
}

static void
put_overloads(FILE *out, const struct model *m, const struct overloads *o)
{
	char text[TEXT_NUMBER_BYTES];

	/* Who has no map is not here, and nothing is known of him. */
	if (o->n == 0 && o->n_max == 0) {
		fprintf(out,
		    "<strong>No heir gets above its capacity</strong> by the "
		    "maps here (%zu), as far as loads are known; of sites "
		    "without a map nothing is known.",
		    m->n_maps);
		return;
	}
	if (o->n > 0) {
		fprintf(out,
		    "<strong class=\"over\">%zu of %zu sites</strong> would "
		    "bring an heir above its capacity. Worst: if ",
		    o->n, m->n_maps);
		put_site_link(out, o->worst->site);
		fprintf(out, " %s, ", model_fails(o->worst));
		put_name(out, o->heir->name);
		fprintf(out, " gets to <strong>%s</strong>.%s",
		    text_ratio(model_overload(o->heir), text),
		    o->n_max > o->n ? " " : "");
	}
	if (o->n == 0) {
		fputs("No heir gets above its capacity by what is known. ",
		    out);
	}
	if (o->n_max > o->n) {
		fprintf(out,
		    "With the load that could not be placed, "
		    "<strong class=\"over\">%zu of %zu sites</strong> may "
		    "bring one above it.",
		    o->n_max, m->n_maps);
	}
}

static void
put_summary(FILE *out, const struct model *m, const struct model_extent *extent)
{
	const struct overloads o = find_overloads(m);

	fputs("<p class=\"summary\">", out);
	if (m->n_maps == 0) {
		fputs("No site has a failover map yet.", out);
	} else if (!extent->loads) {
		fputs("Loads and capacities are not known: the worst heirs "
		      "are those that receive the most weight (share "
		      "\xc3\x97 weight of the site).",
		    out);
	} else {
		put_overloads(out, m, &o);
	}
	fputs("</p>\n", out);
}

void
page_put_overview(FILE *out, const struct model *m)
{
	struct model_extent extent = model_extent(m);

	put_summary(out, m, &extent);
	if (m->n_maps == 0)
		return;
	fputs("<div class=\"scroll\"><table id=\"sites\" class=\"sort\">"
	      "<caption>",
	    out);
	fputs(extent.loads
		? "Sites by the load of their worst heir after they fail"
		: "Sites by the weight that their worst heir receives",
	    out);
	fputs("</caption>\n<thead><tr>", out);
	put_heading(out, "t", "Site", "the site that fails");
	if (!extent.loads) {
		put_heading(out, "n", "Weight",
		    "of the clients that it has now");
	}
	put_heading(out, "t", "Worst heir",
	    extent.loads ? "the heir with the highest load afterwards"
			 : "the heir that receives the most weight");
	put_heading(out, "n", "gets", "share of the failed site's weight");
	if (extent.loads) {
		put_heading(out, "n", "Load after",
		    "predicted load of that heir, of its capacity");
	}
	if (extent.bounds)
		put_heading(out, "n", "Up to", BOUND_TITLE);
	put_heading(out, "t", "Where it goes",
	    "all heirs by share; grey: unknown");
	put_heading(out, "n", "Unknown",
	    "gave no answer after the withdrawal, or nothing tells where they go");
	put_heading(out, "n", "Noise",
	    "share that moves when nothing is changed");
	if (extent.labels)
		put_heading(out, "t", "Label", "how the map was come by");
	put_heading(out, "n", "Age", "since the measurement");
	fputs("\n<tbody>\n", out);
	for (size_t i = 0; i < m->n_maps; i++)
		put_overview_row(out, &m->maps[i], &extent);
	fputs("</table></div>\n", out);
}

/* ---- one map ---- */

static void
put_heir_row(FILE *out, const struct model_map *m, const struct model_heir *h,
    const struct model_extent *extent)
{
	bool faint = h->name == NULL || h->weight_share < m->noise_floor;
	char *next;

	fputs(faint ? "<tr class=faint><th scope=row>" : "<tr><th scope=row>",
	    out);
	put_name(out, h->name);
	if (extent->loads)
		put_load_cell(out, h);
	if (extent->bounds)
		put_bound_cell(out, h);
	put_share_cell(out, h->weight_share);
	if (extent->intervals) {
		fputs("<td>", out);
		page_put_interval(out, h);
	}
	put_number(out, h->weight[MODEL_FAMILY_ALL]);
	fprintf(out, "<td title=\"IPv4 %lld, IPv6 %lld\">",
	    (long long)h->clients[MODEL_FAMILY_4],
	    (long long)h->clients[MODEL_FAMILY_6]);
	markup_put_number(out, (double)h->clients[MODEL_FAMILY_ALL]);
	if (extent->labels)
		put_label_cell(out, h->label);
	if (extent->next) {
		next = report_next_text(&h->next, NEXT_SHOWN);
		fputs("<td class=next>", out);
		markup_put(out, next);
		free(next);
	}
	fputc('\n', out);
}

static void
put_heirs_table(FILE *out, const struct model_map *m)
{
	struct model_extent extent = model_heirs_extent(&m->heirs);

	fputs("<div class=\"scroll\"><table class=\"heirs sort\"><caption>",
	    out);
	fputs(extent.loads ? "Heirs by their load afterwards"
			   : "Heirs by the weight that they receive; loads "
			     "and capacities are not known",
	    out);
	fputs("</caption>\n<thead><tr>", out);
	put_heading(out, "t", "Heir", "who receives clients of the site");
	if (extent.loads) {
		put_heading(out, "n", "Load after",
		    "predicted load of the heir, of its capacity");
	}
	if (extent.bounds)
		put_heading(out, "n", "Up to", BOUND_TITLE);
	put_heading(out, "n", "Share", "of the site's weight");
	if (extent.intervals)
		put_heading(out, "n", "95\xc2\xa0%", "confidence interval");
	put_heading(out, "n", "Weight", "that arrives");
	put_heading(out, "n", "Clients", "that arrive");
	if (extent.labels)
		put_heading(out, "t", "Label", "how the number was come by");
	if (extent.next) {
		put_heading(out, "next", "If it fails too",
		    "where that part goes then, in shares of it");
	}
	fputs("\n<tbody>\n", out);
	for (size_t i = 0; i < m->heirs.n; i++)
		put_heir_row(out, m, &m->heirs.at[i], &extent);
	fputs("</table></div>\n", out);
}

static void
put_fact(FILE *out, const char *name)
{
	fprintf(out, "<div><dt>%s<dd>", name);
}

static void
end_fact(FILE *out)
{
	fputs("</div>", out);
}

/* What part of the map may claim what; nothing to say if it is all one. */
static void
put_labels(FILE *out, const struct model_map *m)
{
	for (int i = MODEL_MEASURED; i < MODEL_LABEL_COUNT; i++) {
		if (!(m->labels[i] > 0 && m->labels[i] < 1))
			continue;
		put_fact(out, "of it");
		page_put_share(out, m->labels[i]);
		fputc(' ', out);
		page_put_label(out, (enum model_label)i);
		end_fact(out);
	}
}

static void
put_facts(FILE *out, const struct model_map *m)
{
	fputs("<dl class=\"facts\">", out);
	put_fact(out, "Weight");
	markup_put_number(out, m->weight);
	end_fact(out);
	put_fact(out, "Clients");
	markup_put_number(out, (double)m->clients);
	end_fact(out);
	put_fact(out, "Unknown");
	page_put_share(out, model_unknown(&m->heirs));
	end_fact(out);
	if (model_unplaced(&m->heirs) > 0) {
		put_fact(out, "Load that could not be placed");
		markup_put_number(out, model_unplaced(&m->heirs));
		end_fact(out);
	}
	put_fact(out, "Noise floor");
	if (isnan(m->noise_floor)) {
		fputs("not known", out);
	} else {
		page_put_share(out, m->noise_floor);
	}
	end_fact(out);
	put_fact(out, "Age");
	page_put_age(out, m);
	end_fact(out);
	put_fact(out, "Experiment");
	if (m->experiment != 0) {
		fprintf(out, "%lld", (long long)m->experiment);
	} else {
		fputs("several", out);
	}
	end_fact(out);
	if (model_has_tests(m)) {
		put_fact(out, "Test prefix");
		model_put_tests(out, m, markup_put);
		end_fact(out);
	}
	put_fact(out, "Answered");
	page_put_share(out,
	    m->asked > 0 ? (double)m->answered / (double)m->asked : 0);
	end_fact(out);
	put_fact(out,
	    "<abbr title=\"clients of other sites that moved\">Bystanders"
	    "</abbr>");
	markup_put_number(out, (double)m->bystanders);
	end_fact(out);
	put_labels(out, m);
	fputs("</dl>\n", out);
}

void
page_put_map(FILE *out, const struct model_map *m)
{
	fputs("<section class=\"site\" id=\"site=", out);
	markup_put(out, m->site);
	fputs("\" tabindex=\"-1\">\n<h2>If <strong>", out);
	markup_put(out, m->site);
	fprintf(out, "</strong> %s ", model_fails(m));
	page_put_label(out, m->label);
	fputs("</h2>\n", out);
	put_facts(out, m);
	put_heirs_table(out, m);
	fputs("</section>\n", out);
}

void
page_put_legend(FILE *out, const struct model_extent *extent)
{
	fputs("<details class=\"legend\"><summary>What the numbers mean"
	      "</summary>\n<dl>\n<dt>Share</dt><dd>of the weight of the "
	      "failed site's clients; those that gave no answer are among "
	      "them (unknown), so the shares of a site add up to 100&nbsp;%. "
	      "Of a second level: of what the first heir had received.</dd>\n"
	      "<dt>Noise floor</dt><dd>the share that moves between two "
	      "sweeps when nothing is changed: what is smaller (dimmed) may "
	      "be nothing.</dd>\n",
	    out);
	if (extent->intervals) {
		fputs("<dt>95&nbsp;%</dt><dd>the interval that holds the true "
		      "share with 95&nbsp;% confidence, in per cent.</dd>\n",
		    out);
	}
	if (extent->loads) {
		fputs("<dt>Load after</dt><dd>what the heir has now and what "
		      "arrives, of its capacity. Above 100&nbsp;% it is too "
		      "much.</dd>\n",
		    out);
	}
	if (extent->bounds) {
		fputs("<dt>Up to</dt><dd>the same with all of the load that "
		      "could not be placed: that of the unknown clients, who "
		      "may all go there. The worst come first by it.</dd>\n",
		    out);
	}
	if (extent->labels) {
		fputs("<dt>Label</dt><dd>What a map may claim. "
		      "<b>measured</b>: this very set of sites was withdrawn "
		      "from the test prefix. <b>certified</b>: proven by "
		      "experiments on other sets. <b>composed</b>: put "
		      "together from the clients' rankings. Do not build on "
		      "the others: <b>unstable</b>, too much moves with "
		      "nothing withdrawn; <b>contradicted</b>, readings "
		      "disagree; <b>guessed</b>, the best candidate, not "
		      "proven.</dd>\n",
		    out);
	}
	fputs("</dl></details>\n", out);
}
