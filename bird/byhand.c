/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list: the first line is the time of the reconfiguration as BIRD says it,
 * each other one the name of a protocol that was down after it.
 */
#include "bird/byhand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "bird/include.h"

struct bird_byhand {
	char *path;
	char since[BIRD_TIME_MAX]; /* "" nothing is known */
	char (*down)[BIRD_NAME_MAX];
	size_t n_down;
	bool failed; /* to write, and it was said */
};

static void
add_down(struct bird_byhand *bh, const char *name)
{
	bh->down = xreallocarray(bh->down, bh->n_down + 1, sizeof(bh->down[0]));
	(void)text_copy(bh->down[bh->n_down++], BIRD_NAME_MAX, name);
}

static void
load(struct bird_byhand *bh)
{
	char *text = bird_include_read(bh->path, NULL), *rest = text, *line;

	if (text == NULL)
		return;
	line = strsep(&rest, "\n");
	/* Cut off or not ours: then nothing is known. */
	if (rest != NULL && text_copy(bh->since, sizeof(bh->since), line)) {
		while ((line = strsep(&rest, "\n")) != NULL &&
		    bh->n_down < BIRD_PROTOCOLS_MAX) {
			if (line[0] != '\0')
				add_down(bh, line);
		}
	}
	free(text);
}

static void
save(struct bird_byhand *bh)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct err err;
	bool failed;

	if (out == NULL)
		abort();
	fprintf(out, "%s\n", bh->since);
	for (size_t i = 0; i < bh->n_down; i++)
		fprintf(out, "%s\n", bh->down[i]);
	if (fclose(out) != 0)
		abort();
	/* After a power cut BIRD starts anew, and with it the list. */
	failed = bird_include_put(bh->path, text, &err) == -1;
	if (failed && !bh->failed)
		log_warnx("bird: list of protocols: %s", err.msg);
	bh->failed = failed;
	free(text);
}

struct bird_byhand *
bird_byhand_new(const char *path)
{
	struct bird_byhand *bh = xcalloc(1, sizeof(*bh));

	bh->path = xstrdup(path);
	load(bh);
	return bh;
}

void
bird_byhand_free(struct bird_byhand *bh)
{
	if (bh == NULL)
		return;
	free(bh->path);
	free(bh->down);
	free(bh);
}

static bool
was_down(const struct bird_byhand *bh, const char *name)
{
	for (size_t i = 0; i < bh->n_down; i++) {
		if (strcmp(bh->down[i], name) == 0)
			return true;
	}
	return false;
}

static bool
is_down(const struct bird_survey *s, const char *name)
{
	for (size_t i = 0; i < s->n_protocols; i++) {
		if (strcmp(s->protocols[i].name, name) == 0)
			return s->protocols[i].is_down;
	}
	return false;
}

/*
 * A protocol that was down and is not any more was starting, when we looked
 * right after the reconfiguration, or was enabled by hand since: from now on,
 * should it go down, that is news.
 */
static void
forget_started(struct bird_byhand *bh, const struct bird_survey *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < bh->n_down; i++) {
		if (is_down(s, bh->down[i])) {
			memmove(bh->down[kept++], bh->down[i], BIRD_NAME_MAX);
		}
	}
	if (kept == bh->n_down)
		return;
	bh->n_down = kept;
	save(bh);
}

bool
bird_byhand_take(struct bird_byhand *bh, const struct bird_survey *s)
{
	/* Half way, protocols are down that come up again. */
	if (s->is_reconfiguring || s->reconfigured[0] == '\0')
		return false;
	if (strcmp(bh->since, s->reconfigured) == 0) {
		forget_started(bh, s);
		return false;
	}
	(void)text_copy(bh->since, sizeof(bh->since), s->reconfigured);
	bh->n_down = 0;
	for (size_t i = 0; i < s->n_protocols; i++) {
		if (s->protocols[i].is_down)
			add_down(bh, s->protocols[i].name);
	}
	save(bh);
	return true;
}

size_t
bird_byhand_find(const struct bird_byhand *bh, const struct bird_survey *s,
    char *text, size_t size)
{
	size_t n = 0, used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->n_protocols; i++) {
		const struct bird_protocol *p = &s->protocols[i];
		int len;

		if (!p->is_down || was_down(bh, p->name))
			continue;
		n++;
		if (used >= size)
			continue;
		len = snprintf(text + used, size - used, "%s%s",
		    n > 1 ? ", " : "", p->name);
		used += len > 0 ? (size_t)len : 0;
	}
	return n;
}
