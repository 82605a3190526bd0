/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failover maps as one picture, a panel per map: bands from the site to its
 * heirs, as wide as their share of its weight.  Colours are attributes and the
 * ground is white, so that it looks alike wherever a wiki puts it.
 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>

#include "report/job.h"
#include "report/markup.h"
#include "report/text.h"

/* Blue, vermillion and grey keep apart for every kind of colour blindness. */
#define COLOR_FLOW "#0072b2"
#define COLOR_OVER "#d55e00"
#define COLOR_UNKNOWN "#8a8f94"
#define COLOR_TEXT "#1b1f23"
#define COLOR_FAINT_TEXT "#57606a"

#define WIDTH 820
#define MARGIN 20
#define HEAD_HEIGHT 62 /* title and two lines */
#define FLOW_HEIGHT 240
#define ROW_MIN 20      /* a line of text */
#define ROW_MIN_NEXT 34 /* two */
#define FROM_X 130
#define TO_X 400
#define NODE_WIDTH 10
#define NAME_COLUMNS 14
#define HEIR_COLUMNS 28
#define TITLE_COLUMNS 60
#define NEXT_SHOWN 3

struct panel {
	FILE *out;
	const struct model_map *m;
	double top;
};

static const char *
color_of(const struct model_heir *h)
{
	if (h->name == NULL)
		return COLOR_UNKNOWN;
	return model_overload(h) > 1 ? COLOR_OVER : COLOR_FLOW;
}

/* Shares of a daemon that cannot count do not leave the picture. */
static double
band_height(const struct model_heir *h)
{
	double share = h->weight_share > 1 ? 1 : h->weight_share;

	return share * FLOW_HEIGHT;
}

static double
row_height(const struct model_heir *h)
{
	double least = h->next.n > 0 ? ROW_MIN_NEXT : ROW_MIN;

	return fmax(band_height(h), least);
}

static double
rows_height(const struct model_heirs *heirs)
{
	double sum = 0;

	for (size_t i = 0; i < heirs->n; i++)
		sum += row_height(&heirs->at[i]);
	return fmax(sum, FLOW_HEIGHT);
}

static double
panel_height(const struct model_map *m)
{
	return HEAD_HEIGHT + rows_height(&m->heirs) + 2 * MARGIN;
}

static void
put_head(const struct panel *p)
{
	const struct model_map *m = p->m;
	const char *label = model_label_name(m->label);
	char buf[TEXT_NUMBER_BYTES];
	FILE *out = p->out;

	fprintf(out,
	    "<text x=\"%d\" y=\"%.0f\" font-size=\"18\" "
	    "font-weight=\"600\">If ",
	    MARGIN, p->top + 20);
	markup_put_cut(out, m->site, TITLE_COLUMNS);
	fprintf(out,
	    " %s</text>\n<text x=\"%d\" y=\"%.0f\" fill=\"" COLOR_FAINT_TEXT
	    "\">",
	    model_fails(m), MARGIN, p->top + 40);
	markup_put_number(out, (double)m->clients);
	fputs(" clients, weight ", out);
	markup_put_number(out, m->weight);
	fprintf(out, "; measured %s, ", text_clock(m->measured_ms, 0, buf));
	fprintf(out, "%s ago", text_age(m->age_ms, buf));
	if (!isnan(m->noise_floor)) {
		fprintf(out, "; noise floor %s",
		    text_share(m->noise_floor, buf));
	}
	fprintf(out, "%s%s</text>\n", label[0] == '\0' ? "" : "; ", label);
	if (!model_has_tests(m))
		return;
	fprintf(out,
	    "<text x=\"%d\" y=\"%.0f\" font-size=\"11\" fill=\"" COLOR_FAINT_TEXT
	    "\">over test prefix ",
	    MARGIN, p->top + 57);
	model_put_tests(out, m, markup_put);
	fputs("</text>\n", out);
}

static void
put_band(const struct panel *p, const struct model_heir *h, double y_from,
    double y_to)
{
	double height = fmax(band_height(h), 0.6);
	double mid = (FROM_X + NODE_WIDTH + TO_X) / 2.0;

	fprintf(p->out,
	    "<path fill=\"%s\" fill-opacity=\"0.4\" d=\"M%d %.1fC%.0f %.1f "
	    "%.0f %.1f %d %.1fv%.1fC%.0f %.1f %.0f %.1f %d %.1fz\"/>\n",
	    color_of(h), FROM_X + NODE_WIDTH, y_from, mid, y_from, mid, y_to,
	    TO_X, y_to, height, mid, y_to + height, mid, y_from + height,
	    FROM_X + NODE_WIDTH, y_from + height);
	fprintf(p->out,
	    "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" "
	    "fill=\"%s\"/>\n",
	    TO_X, y_to, NODE_WIDTH, height, color_of(h));
}

static void
put_next(const struct panel *p, const struct model_heir *h, double y)
{
	char *next = report_next_text(&h->next, NEXT_SHOWN);

	fprintf(p->out,
	    "<text x=\"%d\" y=\"%.1f\" font-size=\"11\" "
	    "fill=\"" COLOR_FAINT_TEXT "\">if it fails too: ",
	    TO_X + NODE_WIDTH + 8, y);
	markup_put_cut(p->out, next, TITLE_COLUMNS);
	fputs("</text>\n", p->out);
	free(next);
}

static void
put_label(const struct panel *p, const struct model_heir *h, double middle)
{
	double y = middle + (h->next.n > 0 ? -2 : 4.5);
	double overload = model_overload(h);
	FILE *out = p->out;
	char share[TEXT_NUMBER_BYTES];

	fprintf(out, "<text x=\"%d\" y=\"%.1f\"><tspan font-weight=\"600\">",
	    TO_X + NODE_WIDTH + 8, y);
	markup_put_cut(out, h->name == NULL ? "unknown" : h->name,
	    HEIR_COLUMNS);
	fprintf(out, "</tspan> %s", text_share(h->weight_share, share));
	if (!isnan(h->low + h->high)) {
		fprintf(out, " (%s)",
		    text_range(h->low, h->high, " to ", share));
	}
	if (!isnan(overload)) {
		fprintf(out, "<tspan fill=\"%s\"> load %s",
		    overload > 1 ? COLOR_OVER : COLOR_TEXT,
		    text_ratio(overload, share));
		if (model_has_bound(h)) {
			fprintf(out, " to %s",
			    text_ratio(model_overload_max(h), share));
		}
		fprintf(out, "%s</tspan>", overload > 1 ? ", too much" : "");
	}
	fputs("</text>\n", out);
	if (h->next.n > 0)
		put_next(p, h, y + 14);
}

static void
put_source(const struct panel *p, double y)
{
	fprintf(p->out,
	    "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" "
	    "fill=\"" COLOR_TEXT "\"/>\n"
	    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" "
	    "font-weight=\"600\">",
	    FROM_X, y, NODE_WIDTH, FLOW_HEIGHT, FROM_X - 8,
	    y + FLOW_HEIGHT / 2.0 + 4.5);
	markup_put_cut(p->out, p->m->site, NAME_COLUMNS);
	fputs("</text>\n", p->out);
}

static void
put_panel(FILE *out, const struct model_map *m, double top)
{
	const struct panel p = { out, m, top };
	double y_to = top + HEAD_HEIGHT;
	double height = rows_height(&m->heirs);
	double y_from = y_to + (height - FLOW_HEIGHT) / 2;

	put_head(&p);
	put_source(&p, y_from);
	for (size_t i = 0; i < m->heirs.n; i++) {
		const struct model_heir *h = &m->heirs.at[i];
		double row = row_height(h);
		double y = y_to + (row - fmax(band_height(h), 0.6)) / 2;

		put_band(&p, h, y_from, y);
		put_label(&p, h, y_to + row / 2);
		y_from += band_height(h);
		y_to += row;
	}
}

static void
svg_body(struct report_job *job, const json_t *doc)
{
	double height = MARGIN, top = MARGIN;
	struct model model;
	FILE *out = job->out;

	model_read(&job->f, doc, &model);
	model_sort(&model);
	for (size_t i = 0; i < model.n_maps; i++)
		height += panel_height(&model.maps[i]);
	if (model.n_maps == 0)
		height += HEAD_HEIGHT;
	fprintf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	    "height=\"%.0f\" viewBox=\"0 0 %d %.0f\" role=\"img\" "
	    "font-family=\"system-ui, sans-serif\" font-size=\"13\" "
	    "fill=\"" COLOR_TEXT "\">\n<title>Failover maps: where the "
	    "weight of each site goes if it fails</title>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
	    WIDTH, height, WIDTH, height);
	if (model.n_maps == 0) {
		fprintf(out,
		    "<text x=\"%d\" y=\"%d\">no failover map yet</text>\n",
		    MARGIN, MARGIN + 20);
	}
	for (size_t i = 0; i < model.n_maps; i++) {
		put_panel(out, &model.maps[i], top);
		top += panel_height(&model.maps[i]);
	}
	fputs("</svg>\n", out);
	model_clear(&model);
}

int
report_svg(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(svg_body, doc, style, out, err);
}
