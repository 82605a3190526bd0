/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The include file: what it said before the start, and what it shall say now.
 */
#include "site/reconcile_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

static void
make_nets(struct reconcile *r)
{
	size_t used = 0;
	char *text = xreallocarray(NULL, r->n + 1, PREFIX_TEXT_BYTES);

	for (size_t i = 0; i < r->n; i++)
		used += strlen(prefix_format(&r->prefixes[i], text + used)) + 1;
	r->nets_text = xreallocarray(text, used + 1, 1);
	r->nets = xcalloc(r->n, sizeof(*r->nets));
	text = r->nets_text;
	for (size_t i = 0; i < r->n; i++) {
		r->nets[i] = text;
		text += strlen(text) + 1;
	}
}

static struct entry *
find_entry(struct reconcile *r, const struct prefix *prefix)
{
	const struct prefix *at = bsearch(prefix, r->prefixes, r->n,
	    sizeof(r->prefixes[0]), prefix_compare);

	return at != NULL ? &r->entries[at - r->prefixes] : NULL;
}

/* What our file announced when the last daemon ended is still wanted. */
static void
adopt(struct reconcile *r)
{
	struct err err;
	char *text = bird_include_read(r->conf->include, &err);
	const struct route_attrs none = { 0 };
	struct bird_route *had;
	size_t n;

	if (text == NULL) {
		log_warnx("reconcile: %s", err.msg);
		return;
	}
	r->file_is_empty = text[0] == '\0';
	n = bird_include_parse(text, NULL, 0);
	had = xcalloc(n, sizeof(*had));
	(void)bird_include_parse(text, had, n);
	for (size_t i = 0; i < n; i++) {
		struct entry *e = find_entry(r, &had[i].prefix);

		/* Then bird.conf includes what they need. */
		if (!route_attrs_equal(had[i].attrs, none))
			r->attrs_missing = false;
		if (e != NULL) {
			e->want = (struct route_want){ true, had[i].attrs };
			e->written = e->want;
		}
	}
	free(had);
	free(text);
}

void
reconcile_file_open(struct reconcile *r)
{
	make_nets(r);
	adopt(r);
}

void
reconcile_file_close(struct reconcile *r)
{
	free(r->nets);
	free(r->nets_text);
}

static char *
wanted_text(const struct reconcile *r, struct err *err)
{
	struct bird_route *routes = xcalloc(r->n, sizeof(*routes));
	size_t n = 0;
	char *text;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->entries[i].want.announced)
			continue;
		routes[n].prefix = r->prefixes[i];
		routes[n].net = r->nets[i];
		/* BIRD would not take the file. */
		if (!r->attrs_missing)
			routes[n].attrs = r->entries[i].want.attrs;
		n++;
	}
	text = bird_include_make(r->ops.allow, routes, n, err);
	free(routes);
	return text;
}

/* The old file, as it is, becomes the one that is kept beside the new one. */
static int
swap_file(struct reconcile *r, const char *want, struct err *err)
{
	char *old = reconcile_old_path(r);
	int rc = bird_include_swap(r->conf->include, want, old,
	    &r->old_is_staged, err);

	free(old);
	return rc;
}

static int
write_file(struct reconcile *r, const char *want, bool sync, struct err *err)
{
	if (sync)
		return bird_include_write(r->conf->include, want, err);
	/* Else the one to be put back is an older one. */
	if (r->old_text == NULL)
		return swap_file(r, want, err);
	return bird_include_put(r->conf->include, want, err);
}

/* Keeps what stood there, to be put back should the change go wrong. */
static int
replace_file(struct reconcile *r, char *have, const char *want, bool sync,
    struct err *err)
{
	int rc = write_file(r, want, sync, err);

	if (rc == 0 && r->old_text == NULL) {
		r->old_text = have;
	} else {
		free(have);
	}
	return rc;
}

int
reconcile_file_write(struct reconcile *r, bool sync, struct err *err)
{
	char *have = bird_include_read(r->conf->include, err);
	char *want;
	int rc = 0;

	if (have == NULL)
		return -1;
	r->file_is_empty = false;
	want = wanted_text(r, err);
	if (want == NULL) {
		free(have);
		return -1;
	}
	for (size_t i = 0; i < r->n; i++)
		r->entries[i].written = r->entries[i].want;
	if (strcmp(have, want) != 0) {
		rc = replace_file(r, have, want, sync, err) == -1 ? -1 : 1;
	} else {
		free(have);
	}
	free(want);
	if (stat(r->conf->include, &r->file) == -1)
		r->file = (struct stat){ 0 };
	return rc;
}

bool
reconcile_file_is_ours(const struct reconcile *r)
{
	struct stat now;

	return stat(r->conf->include, &now) == 0 &&
	    now.st_dev == r->file.st_dev && now.st_ino == r->file.st_ino &&
	    now.st_size == r->file.st_size &&
	    now.st_mtim.tv_sec == r->file.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == r->file.st_mtim.tv_nsec;
}
