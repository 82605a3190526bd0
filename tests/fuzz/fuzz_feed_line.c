/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first byte is the format, the second the length of pieces: they must not
 * change what the lines say.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "feeds/feed_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	enum feed_type type;
	size_t n[FEED_REASON_COUNT];
	double weight;
};

static bool
is_quantity(double v)
{
	/* goflow2's are a number times a sampling rate */
	return v < 0 || v <= FEED_NUMBER_MAX * UINT32_MAX;
}

static void
on_line(char *line, size_t len, void *arg)
{
	struct sum *s = arg;
	struct feed_record rec;
	enum feed_reason why = FEED_BAD_LONG;

	if (line != NULL)
		why = feed_line_decode(s->type, line, len, &rec);
	s->n[why]++;
	if (why != FEED_OK)
		return;
	if (!is_quantity(rec.packets) || !is_quantity(rec.bytes) ||
	    !is_quantity(rec.requests) || rec.at_ms < 0)
		abort();
	s->weight += rec.packets + rec.bytes + rec.requests;
}

static struct sum
read_all(enum feed_type type, const uint8_t *data, size_t size, size_t piece)
{
	struct feed_lines *fl = xcalloc(1, sizeof(*fl));
	struct sum s = { .type = type };

	while (size > 0) {
		size_t n = size < piece ? size : piece;
		char *exact = malloc(n);

		if (exact == NULL)
			abort();
		memcpy(exact, data, n);
		feed_lines_push(fl, exact, n, on_line, &s);
		free(exact);
		data += n;
		size -= n;
	}
	feed_lines_end(fl, on_line, &s);
	free(fl);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, pieces;
	enum feed_type type;

	if (size < 2)
		return 0;
	type = (enum feed_type)(data[0] % FEED_TYPE_COUNT);
	whole = read_all(type, data + 2, size - 2, size);
	pieces = read_all(type, data + 2, size - 2, data[1] + 1u);
	if (memcmp(whole.n, pieces.n, sizeof(whole.n)) != 0 ||
	    whole.weight != pieces.weight)
		abort();
	return 0;
}
