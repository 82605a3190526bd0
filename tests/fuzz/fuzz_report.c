/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any JSON through any renderer: the first byte chooses, the rest is the
 * document.  Nothing but line feeds may come out as a control character. */
#include "report/report.h"

#include <stdlib.h>

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
	report_failover_table,
	report_json,
	report_json_line,
	report_failover_csv,
};
#define RENDERER_COUNT (sizeof(renderers) / sizeof(renderers[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
render(report_fn *fn, const json_t *doc)
{
	static const struct report_style style = {
		.now_ms = INT64_C(1772337600123),
	};
	struct err err = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	if (fn(doc, &style, out, &err) == -1 && err.msg[0] == '\0')
		abort();
	(void)fclose(out);
	for (size_t i = 0; i < len && fn != report_failover_csv; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\n') ||
		    (c == 0x7f && fn != report_json && fn != report_json_line))
			abort();
	}
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
