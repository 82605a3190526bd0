/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datagrams, one behind the other: what is taken stays within its bounds. */
#include <stdlib.h>

#include "feeds/sflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take(enum feed_reason why, const struct feed_record *rec, void *arg)
{
	size_t *n = arg;

	++*n;
	if ((why == FEED_OK) != (rec != NULL) || why >= FEED_REASON_COUNT)
		abort();
	if (rec == NULL)
		return;
	if (!(rec->packets >= 1 && rec->packets <= UINT32_MAX) ||
	    !(rec->bytes >= 0 && rec->bytes <= 2e19) || !rec->has_dst)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = { .p = data, .left = size };
	size_t n = 0;

	while (!c.bad && c.left > 0)
		sflow_decode(&c, take, &n);
	/* A sample has eight bytes at least, and each datagram may end badly. */
	if (n > size / 8 + 1)
		abort();
	return 0;
}
