/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was before the change under way: the include file, and which sessions were
 * up.  A next daemon reads that BIRD may undo, and could not tell otherwise which
 * sessions the change took away.
 */
#include "site/reconcile_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
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

static char *
sessions_path(const struct reconcile *r)
{
	return xasprintf("%s.sessions", r->conf->include);
}

/* A name to a line.  A power cut ends BIRD, too: nothing needs to be on disk. */
void
reconcile_old_note_sessions(struct reconcile *r)
{
	char *path = sessions_path(r);
	char *text = xcalloc(r->n_up_before + 1, BIRD_NAME_MAX + 1);
	char *end = text;
	struct err err;

	for (size_t i = 0; i < r->n_up_before; i++) {
		end = stpcpy(end, r->up_before[i].name);
		*end++ = '\n';
	}
	*end = '\0';
	if (bird_include_put(path, text, &err) == -1) {
		log_warnx("bird: list of sessions: %s", err.msg);
		(void)unlink(path); /* an older one would mislead */
	}
	free(text);
	free(path);
}

static void
forget_sessions(const struct reconcile *r)
{
	char *path = sessions_path(r);

	(void)unlink(path);
	free(path);
}

static void
read_sessions(struct reconcile *r)
{
	char *path = sessions_path(r);
	char *text = bird_include_read(path, NULL), *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL &&
	    r->n_up_before < BIRD_PROTOCOLS_MAX) {
		if (line[0] != '\0') {
			(void)text_copy(r->up_before[r->n_up_before++].name,
			    BIRD_NAME_MAX, line);
		}
	}
	free(text);
	free(path);
}

bool
reconcile_old_find(struct reconcile *r)
{
	char *path = reconcile_old_path(r);
	struct stat st;
	bool is_there;

	bird_include_unstage(path);       /* of a change that had not begun */
	is_there = lstat(path, &st) == 0; /* also if it is a link to nowhere */
	if (is_there) {
		read_sessions(r);
	} else {
		forget_sessions(r);
	}
	free(path);
	return is_there;
}

void
reconcile_old_forget_text(struct reconcile *r)
{
	free(r->old_text);
	r->old_text = NULL;
}

void
reconcile_old_forget(struct reconcile *r)
{
	char *path = reconcile_old_path(r);

	reconcile_old_unstage(r);
	(void)unlink(path);
	free(path);
	forget_sessions(r);
	reconcile_old_forget_text(r);
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
