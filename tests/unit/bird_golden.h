/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_GOLDEN_H
#define BIRD_GOLDEN_H
/*
 * bird_golden -- replies of real BIRDs of each of golden_versions, in
 * tests/golden/bird, where `capture` has put them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bird/reply.h"
#include "test.h"

#define GOLDEN_BIRD "tests/golden/bird/"

static const char *const golden_versions[] = { "2.0.12", "2.17.6", "3.1.8" };

struct golden {
	char *bytes; /* exactly len, so that one too many is seen */
	size_t len;
};

static inline struct golden
golden_read(const char *version, const char *name)
{
	struct golden g = { 0 };
	char path[128];
	FILE *in;
	long size;

	(void)snprintf(path, sizeof(path), GOLDEN_BIRD "%s/%s.txt", version,
	    name);
	in = fopen(path, "rb");
	if (in == NULL || fseek(in, 0, SEEK_END) == -1)
		fail_msg("%s: not there", path);
	size = ftell(in);
	assert_true(size > 0);
	rewind(in);
	g.len = (size_t)size;
	g.bytes = malloc(g.len);
	assert_non_null(g.bytes);
	assert_int_equal(fread(g.bytes, 1, g.len, in), g.len);
	(void)fclose(in);
	return g;
}

/* The one reply in bytes, which must be all of it. Borrowed from r. */
static inline const struct bird_reply *
reply_of(struct bird_reader *r, const char *bytes, size_t len)
{
	const struct bird_reply *reply = NULL;
	struct err err = { 0 };
	size_t used;

	if (bird_reader_feed(r, bytes, len, &used, &reply, &err) != 1)
		fail_msg("no reply: %s", err.msg);
	assert_int_equal(used, len);
	return reply;
}

static inline const struct bird_reply *
reply_of_golden(struct bird_reader *r, const char *version, const char *name)
{
	struct golden g = golden_read(version, name);
	const struct bird_reply *reply = reply_of(r, g.bytes, g.len);

	free(g.bytes);
	return reply;
}

#endif /* BIRD_GOLDEN_H */
