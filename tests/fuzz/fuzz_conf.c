/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any file; what is taken must print as a file that means the same. */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
format_again(const char *text)
{
	struct conf *c =
	    conf_parse("again", (const uint8_t *)text, strlen(text), NULL);
	char *again;

	if (c == NULL)
		abort();
	again = conf_format(c);
	conf_free(c);
	return again;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { .code = ERR_NONE };
	struct conf *c = conf_parse("fuzz", data, size, &err);
	char *again;
	char *text;

	if (c == NULL) {
		if (err.code != ERR_CONF || strncmp(err.msg, "fuzz:", 5) != 0)
			abort();
		return 0;
	}
	text = conf_format(c);
	conf_free(c);
	again = format_again(text);
	if (strcmp(text, again) != 0)
		abort();
	free(again);
	free(text);
	return 0;
}
