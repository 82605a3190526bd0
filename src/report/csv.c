/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/csv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The full-width forms count too: some spreadsheets fold them. */
static bool
is_formula(const char *s)
{
	static const char *const starts[] = { "=", "+", "-", "@", "\t", "\r",
		"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
		"\xef\xbc\xa0" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(s, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

static bool
is_number(const char *s)
{
	char *end;

	(void)strtod(s, &end);
	return end != s && *end == '\0';
}

static void
put_field(FILE *out, const char *s)
{
	const char *mark = is_formula(s) && !is_number(s) ? "'" : "";

	if (strpbrk(s, ",\"\r\n") == NULL) {
		fprintf(out, "%s%s", mark, s);
		return;
	}
	fprintf(out, "\"%s", mark);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

void
csv_put_line(FILE *out, const char *const fields[])
{
	for (size_t i = 0; fields[i] != NULL; i++) {
		if (i > 0)
			fputc(',', out);
		put_field(out, fields[i]);
	}
	fputc('\n', out);
}
