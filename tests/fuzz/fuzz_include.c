/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text as our include file.  What was read, written and read again is the
 * same, and the text of a set of prefixes is one.
 */
#include "bird/include.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXES_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct bird_route *p, size_t n)
{
	struct bird_route back[PREFIXES_MAX];
	char *text = bird_include_format(p, n), *again;

	if (bird_include_parse(text, back, PREFIXES_MAX) != n)
		abort();
	again = bird_include_format(back, n);
	if (strcmp(text, again) != 0)
		abort();
	free(again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct bird_route p[PREFIXES_MAX];
	size_t n = bird_include_parse(text, p, PREFIXES_MAX);

	if (n != bird_include_parse(text, NULL, 0))
		abort();
	free(text);
	check_round_trip(p, n < PREFIXES_MAX ? n : PREFIXES_MAX);
	return 0;
}
