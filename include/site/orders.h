/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_ORDERS_H
#define SITE_ORDERS_H
/*
 * orders -- reads the order document of docs/api.md.  The whole document is
 * checked before anything of it is acted upon.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "core/guard.h"
#include "core/intent.h"
#include "probes/sweep.h"

#define ORDER_SUBSET_MAX 100000u
#define ORDER_PERMITS_MAX 65536u
#define ORDER_TEST_PREFIXES_MAX 2u /* one of each family */

struct orders {
	uint64_t revision;
	struct intent *intents; /* n_intents */
	size_t n_intents;
	const char **ended; /* ids; point into the JSON document */
	size_t n_ended;
	/* Prefixes that may be withdrawn when sick; has_permits false: all. */
	bool has_permits;
	struct prefix *permits;
	size_t n_permits;
	/* For which guard others are missing; GUARD_MIN_SITES: not told. */
	enum guard withheld_by;
	/* Prefixes that no other site announces; has_last false: not told.
	 * awaits_last: the controller has just begun and will tell. */
	bool has_last, awaits_last;
	struct prefix *last;
	size_t n_last;
	/* The experiments under way, one on each test prefix at most. */
	struct order_test {
		uint32_t experiment; /* never 0 */
		bool withdrawn;      /* else announced, and captured for */
		uint8_t key[SWEEP_KEY_BYTES];
		struct prefix prefixes[ORDER_TEST_PREFIXES_MAX];
		size_t n_prefixes;
	} tests[SWEEP_RUNS_MAX];
	size_t n_tests;
	struct sweep_job job; /* job 0: none; sources are the site's */
	uint32_t *subset;
	struct prefix *optouts;
};

/* doc must outlive *out. */
int orders_parse(const json_t *doc, struct orders *out, struct err *err);
void orders_fini(struct orders *o);
/* Is the prefix one of the test's? */
bool order_test_has(const struct order_test *t, const struct prefix *p);

#endif /* SITE_ORDERS_H */
