/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list: the first two lines are since when BIRD runs, and since when with
 * this configuration, as it says it; each other one is the name of a protocol
 * that was down then.
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
	const char *writer;
	struct bird_times since; /* "" nothing is known */
	bool is_same_run;        /* BIRD cannot have started anew since */
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

/* Takes one whole line away. */
static bool
take_time(char **rest, char out[BIRD_TIME_MAX])
{
	const char *line = strsep(rest, "\n");

	return *rest != NULL && text_copy(out, BIRD_TIME_MAX, line);
}

static void
load(struct bird_byhand *bh)
{
	char *text = bird_include_read(bh->path, NULL), *rest = text, *line;
	struct bird_times since;

	if (text == NULL)
		return;
	/* Cut off or not ours: then nothing is known. */
	if (take_time(&rest, since.started) &&
	    take_time(&rest, since.configured)) {
		bh->since = since;
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
	fprintf(out, "%s\n%s\n", bh->since.started, bh->since.configured);
	for (size_t i = 0; i < bh->n_down; i++)
		fprintf(out, "%s\n", bh->down[i]);
	if (fclose(out) != 0)
		abort();
	/* After a power cut BIRD starts anew, and with it the list. */
	if (bh->writer != NULL) {
		failed = bird_include_write_by(bh->writer, bh->path, text,
			     &err) == -1;
	} else {
		failed = bird_include_put(bh->path, text, &err) == -1;
	}
	if (failed && !bh->failed)
		log_warnx("bird: list of protocols: %s", err.msg);
	bh->failed = failed;
	free(text);
}

struct bird_byhand *
bird_byhand_open(const char *include, const char *writer)
{
	struct bird_byhand *bh = xcalloc(1, sizeof(*bh));

	bh->path = xasprintf("%s.protocols", include);
	bh->writer = writer;
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

void
bird_byhand_session_lost(struct bird_byhand *bh)
{
	bh->is_same_run = false;
}

bool
bird_byhand_take(struct bird_byhand *bh, const struct bird_survey *s)
{
	bool is_same;

	/* Half way, protocols are down that come up again. */
	if (s->is_reconfiguring || s->times.configured[0] == '\0')
		return false;
	is_same = bird_times_agree(&bh->since, &s->times, bh->is_same_run);
	bh->is_same_run = true;
	if (is_same) {
		/* A step of the clock: known by its new texts from now on, also
		 * in another session, where nothing else tells them. */
		if (!bird_times_agree(&bh->since, &s->times, false)) {
			bh->since = s->times;
			save(bh);
		}
		forget_started(bh, s);
		return false;
	}
	bh->since = s->times;
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
