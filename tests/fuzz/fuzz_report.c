/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any JSON through any renderer: the first byte chooses, the rest is the
 * document.  Nothing but line feeds may come out as a control character, and
 * what comes out as HTML or SVG has no more scripts than it should. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

static report_fn *const renderers[] = {
	report_status,
	report_sites,
	report_explain,
	report_events,
	report_drain,
	report_restore,
	report_experiment,
	report_progress,
	report_clients,
	report_import,
	report_recent,
	report_taken,
	report_failover_table,
	report_json,
	report_json_line,
	report_failover_csv,
	report_dot,
	report_svg,
	report_failover_html,
	report_site_html,
	report_experiment_html,
	report_site_table,
	report_experiment_table,
	report_experiment_csv,
};
#define RENDERER_COUNT (sizeof(renderers) / sizeof(renderers[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_one_of(report_fn *fn, report_fn *const set[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (set[i] == fn)
			return true;
	}
	return false;
}
#define IS_ONE_OF(fn, ...)                                                     \
	is_one_of(fn, (report_fn *const[]){ __VA_ARGS__ },                     \
	    sizeof((report_fn *const[]){ __VA_ARGS__ }) / sizeof(report_fn *))

/* CSV has whatever the fields have, quoted. */
static void
check_controls(report_fn *fn, const char *text, size_t len)
{
	bool json = IS_ONE_OF(fn, report_json, report_json_line);

	if (IS_ONE_OF(fn, report_failover_csv, report_experiment_csv))
		return;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\n' && c != '\t') || (c == 0x7f && !json))
			abort();
	}
}

/* The page's own script, and its data. */
#define PAGE_SCRIPTS 2

static void
check_scripts(report_fn *fn, const char *text)
{
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, "<script")) != NULL; s++)
		n++;
	if (IS_ONE_OF(fn, report_failover_html, report_site_html,
		report_experiment_html)) {
		if (n != PAGE_SCRIPTS)
			abort();
	} else if (fn == report_svg && n != 0) {
		abort();
	}
}

static void
render(report_fn *fn, const json_t *doc)
{
	static const struct report_style style = {
		.now_ms = INT64_C(1772337600123),
	};
	struct err err = { 0 };
	char *text = NULL;
	size_t len = 0;
	bool failed;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	failed = fn(doc, &style, out, &err) == -1;
	if (failed && err.msg[0] == '\0')
		abort();
	(void)fclose(out);
	check_controls(fn, text, len);
	if (!failed)
		check_scripts(fn, text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *doc;

	if (size == 0)
		return 0;
	doc = json_loadb((const char *)data + 1, size - 1, 0, NULL);
	if (doc == NULL)
		return 0;
	render(renderers[data[0] % RENDERER_COUNT], doc);
	json_decref(doc);
	return 0;
}
