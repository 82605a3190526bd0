/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/reply_book.h"

#include <stdlib.h>

#include "base/xalloc.h"

/* As text they fit into STORE_TEXT_MAX. */
#define SAMPLES_MAX 16u

struct reply_shelf {
	int64_t count;
	struct sweep_reply *samples; /* NULL until there is one */
	unsigned n;
};

struct reply_book {
	size_t n_sites;
	struct reply_shelf (*sites)[REPLY_CLASS_COUNT];
};

const char *
reply_class_name(enum reply_class cl)
{
	static const char *const names[REPLY_CLASS_COUNT] = {
		[REPLY_GOOD] = "accepted",
		[REPLY_DUPLICATE] = "duplicate",
		[REPLY_SECOND_SITE] = "second_site",
		[REPLY_OTHER_SOURCE] = "other_source",
		[REPLY_LATE] = "late",
		[REPLY_FORGED] = "forged",
	};

	return names[cl];
}

struct reply_book *
reply_book_new(size_t n_sites)
{
	struct reply_book *b = xcalloc(1, sizeof(*b));

	b->n_sites = n_sites;
	b->sites = xcalloc(n_sites, sizeof(*b->sites));
	return b;
}

void
reply_book_free(struct reply_book *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n_sites; i++) {
		for (size_t cl = 0; cl < REPLY_CLASS_COUNT; cl++)
			free(b->sites[i][cl].samples);
	}
	free(b->sites);
	free(b);
}

void
reply_book_keep(struct reply_book *b, size_t site, enum reply_class cl,
    const struct sweep_reply *r)
{
	struct reply_shelf *shelf = &b->sites[site][cl];

	if (cl == REPLY_GOOD || shelf->n == SAMPLES_MAX)
		return;
	if (shelf->samples == NULL)
		shelf->samples = xcalloc(SAMPLES_MAX, sizeof(*shelf->samples));
	shelf->samples[shelf->n++] = *r;
}

void
reply_book_take(struct reply_book *b, size_t site, enum reply_class cl,
    const struct sweep_reply *r)
{
	b->sites[site][cl].count++;
	reply_book_keep(b, site, cl, r);
}

int64_t
reply_book_count(const struct reply_book *b, size_t site, enum reply_class cl)
{
	return b->sites[site][cl].count;
}

static json_t *
sample_json(const struct sweep_reply *r)
{
	char text[ADDR_TEXT_BYTES] = "";

	/* It travels only with a flag. */
	if (r->flags != 0)
		(void)addr_format(&r->source, text);
	return json_pack("{s:I, s:s, s:i, s:i, s:I, s:I}", "client",
	    (json_int_t)r->index, "source", text, "phase", (int)r->phase,
	    "round", (int)r->round, "sent_us",
	    (json_int_t)(r->sent_us & INT64_MAX), "received_us",
	    (json_int_t)(r->recv_us & INT64_MAX));
}

json_t *
reply_book_samples(const struct reply_book *b, size_t site, enum reply_class cl)
{
	const struct reply_shelf *shelf = &b->sites[site][cl];
	json_t *list = json_array();

	for (unsigned i = 0; i < shelf->n; i++)
		json_array_append_new(list, sample_json(&shelf->samples[i]));
	return list;
}
