/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The include file as it was before the change under way.
 */
#include "site/reconcile_state.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

char *
reconcile_old_path(const struct reconcile *r)
{
	return xasprintf("%s.old", r->conf->include);
}

/* What the file says once BIRD has undone it: NULL, it cannot be read.  If the
 * file said already what is wanted, nothing else is known. */
static char *
text_before(const struct reconcile *r)
{
	struct err err;

	return r->old_text != NULL ? xstrdup(r->old_text)
				   : bird_include_read(r->conf->include, &err);
}

void
reconcile_old_stage(struct reconcile *r)
{
	char *path, *text;
	struct err err;

	if (r->old_is_staged)
		return;
	path = reconcile_old_path(r);
	text = text_before(r);
	r->old_is_staged =
	    text != NULL && bird_include_stage(path, text, &err) == 0;
	free(text);
	free(path);
}

void
reconcile_old_unstage(struct reconcile *r)
{
	char *path = reconcile_old_path(r);

	if (r->old_is_staged)
		bird_include_unstage(path);
	r->old_is_staged = false;
	free(path);
}

void
reconcile_old_keep(struct reconcile *r)
{
	char *path = reconcile_old_path(r), *text = NULL;
	struct err err = { 0 };
	int rc;

	if (r->old_is_staged) {
		rc = bird_include_place(path, &err);
	} else {
		text = text_before(r);
		rc = bird_include_put(path, text != NULL ? text : "", &err);
	}
	r->old_is_staged = false;
	if (rc == -1)
		log_warnx("bird: %s", err.msg);
	free(text);
	free(path);
}

void
reconcile_old_forget(struct reconcile *r)
{
	char *path = reconcile_old_path(r);

	reconcile_old_unstage(r);
	(void)unlink(path);
	free(path);
	free(r->old_text);
	r->old_text = NULL;
	r->pending = false;
}

void
reconcile_old_put_back(struct reconcile *r)
{
	struct err err;

	if (r->old_text != NULL &&
	    bird_include_write(r->conf->include, r->old_text, &err) == -1)
		log_warnx("bird: the old file cannot be put back: %s", err.msg);
	reconcile_old_forget(r);
}
