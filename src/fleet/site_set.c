/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/site_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

int
site_set_parse(const struct controller *c, const char *text, bool *flags,
    struct err *err)
{
	char *copy = xstrdup(text), *save = NULL, *name;
	bool *found = xcalloc(c->n_sites, sizeof(*found));
	int rc = 0;

	for (name = strtok_r(copy, ", ", &save); name != NULL && rc == 0;
	     name = strtok_r(NULL, ", ", &save)) {
		size_t i = controller_find_site(c, name);

		if (i == NO_SITE) {
			rc = err_set(err, ERR_GONE,
			    "site %s: not in this fleet, known: %s", name,
			    c->site_names);
		} else {
			found[i] = true;
		}
	}
	if (rc == 0)
		memcpy(flags, found, c->n_sites * sizeof(*flags));
	free(found);
	free(copy);
	return rc;
}

char *
site_set_name(const struct controller *c, const bool *flags)
{
	char *name = xstrdup("");

	for (size_t i = 0; i < c->n_sites; i++) {
		char *longer;

		if (!flags[i])
			continue;
		longer = xasprintf("%s%s%s", name, name[0] != '\0' ? "," : "",
		    c->sites[i].name);
		free(name);
		name = longer;
	}
	return name;
}

size_t
site_set_size(const struct controller *c, const bool *flags)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_sites; i++)
		n += flags[i];
	return n;
}

bool
site_set_equal(const struct controller *c, const bool *a, const bool *b)
{
	return memcmp(a, b, c->n_sites * sizeof(*a)) == 0;
}
