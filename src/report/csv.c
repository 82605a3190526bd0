/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/csv.h"

#include <string.h>

static void
put_field(FILE *out, const char *s)
{
	if (strpbrk(s, ",\"\r\n") == NULL) {
		fputs(s, out);
		return;
	}
	fputc('"', out);
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
