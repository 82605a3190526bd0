/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first byte is the length of pieces: they must not change the result. */
#include <stdlib.h>
#include <string.h>

#include "core/client_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct client_list *
read_list(const char *text, size_t len, size_t piece, struct err *err)
{
	struct client_list *cl = client_list_new(true);

	while (len > 0) {
		size_t n = len < piece ? len : piece;

		client_list_feed(cl, text, n);
		text += n;
		len -= n;
	}
	(void)client_list_end(cl, err);
	return cl;
}

static void
expect_same(const struct client_list *a, const struct client_list *b)
{
	size_t n;
	size_t m;
	const struct client *ca = client_list_get(a, &n);
	const struct client *cb = client_list_get(b, &m);

	if (n != m)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (!addr_equal(&ca[i].addr, &cb[i].addr) ||
		    ca[i].last_seen != cb[i].last_seen ||
		    !(ca[i].weight >= 0) || ca[i].weight != cb[i].weight)
			abort();
		if (i > 0 && memcmp(ca[i - 1].addr.b, ca[i].addr.b, 16) >= 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err whole_err = { .code = ERR_NONE };
	struct err pieces_err = { .code = ERR_NONE };
	struct client_list *whole;
	struct client_list *pieces;
	const char *text;

	if (size == 0)
		return 0;
	text = (const char *)data + 1;
	whole = read_list(text, size - 1, size, &whole_err);
	pieces = read_list(text, size - 1, data[0] + 1u, &pieces_err);
	expect_same(whole, pieces);
	if (strcmp(whole_err.msg, pieces_err.msg) != 0)
		abort();
	client_list_free(whole);
	client_list_free(pieces);
	return 0;
}
