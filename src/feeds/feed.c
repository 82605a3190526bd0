/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed.h"

#include <assert.h>

static const char *const reason_names[] = {
	[FEED_OK] = "ok",
	[FEED_NOTHING] = "nothing",
	[FEED_OTHER] = "other",
	[FEED_SPECIAL] = "special",
	[FEED_OWN] = "own",
	[FEED_ELSEWHERE] = "elsewhere",
	[FEED_OLD] = "old",
	[FEED_BAD_SHORT] = "short",
	[FEED_BAD_LONG] = "long",
	[FEED_BAD_VERSION] = "version",
	[FEED_BAD_SYNTAX] = "syntax",
	[FEED_BAD_ADDRESS] = "address",
	[FEED_BAD_NUMBER] = "number",
	[FEED_BAD_WEIGHT] = "weight",
	[FEED_BAD_SENDER] = "sender",
};

static_assert(sizeof(reason_names) / sizeof(reason_names[0]) ==
	FEED_REASON_COUNT,
    "each reason has a name");

const char *
feed_reason_name(enum feed_reason why)
{
	return reason_names[why];
}
