/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/test_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static bool
has(const char *names, const char *prefix, size_t len)
{
	while (names != NULL && names[0] != '\0') {
		size_t n = strcspn(names, ",");

		if (n == len && memcmp(names, prefix, len) == 0)
			return true;
		names += n + (names[n] == ',');
	}
	return false;
}

void
test_names_add(char **names, const char *more)
{
	while (more != NULL && more[0] != '\0') {
		size_t len = strcspn(more, ",");

		if (len > 0 && !has(*names, more, len)) {
			char *longer =
			    xasprintf("%s%s%.*s", *names != NULL ? *names : "",
				*names != NULL ? "," : "", (int)len, more);

			free(*names);
			*names = longer;
		}
		more += len + (more[len] == ',');
	}
}

static bool
has_all(const char *names, const char *of)
{
	while (of[0] != '\0') {
		size_t len = strcspn(of, ",");

		if (len > 0 && !has(names, of, len))
			return false;
		of += len + (of[len] == ',');
	}
	return true;
}

bool
test_names_differ(const char *a, const char *b)
{
	if (a == NULL || a[0] == '\0' || b == NULL || b[0] == '\0')
		return false;
	return !has_all(a, b) || !has_all(b, a);
}

json_t *
test_names_json(const char *names)
{
	json_t *v4 = json_array(), *v6 = json_array();

	while (names != NULL && names[0] != '\0') {
		size_t len = strcspn(names, ",");
		bool is_ipv6 = memchr(names, ':', len) != NULL;

		json_array_append_new(is_ipv6 ? v6 : v4,
		    json_stringn(names, len));
		names += len + (names[len] == ',');
	}
	return json_pack("{s:o, s:o}", "4", v4, "6", v6);
}
