/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/printable.h"

#include <string.h>

char *
printable(const char *s, char buf[PRINTABLE_TEXT_BYTES])
{
	static const char more[] = "...";
	size_t n;

	if (s[0] == '\0') {
		memcpy(buf, "\"\"", 3);
		return buf;
	}
	for (n = 0; s[n] != '\0' && n < PRINTABLE_TEXT_BYTES - 1; n++) {
		buf[n] = s[n];
		if (s[n] < ' ' || s[n] > '~')
			buf[n] = '?';
	}
	buf[n] = '\0';
	if (s[n] != '\0')
		memcpy(buf + n - (sizeof(more) - 1), more, sizeof(more));
	return buf;
}
