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
#include "core/intent.h"
#include "probes/sweep.h"

#define ORDER_SUBSET_MAX 100000u
#define ORDER_PERMITS_MAX 65536u

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
	/* Prefixes that no other site announces; has_last false: not told. */
	bool has_last;
	struct prefix *last;
	size_t n_last;
	uint32_t test_experiment; /* that holds the test prefix; 0: announced */
	uint32_t capture_experiment; /* 0: none */
	uint8_t key[SWEEP_KEY_BYTES];
	struct sweep_job job; /* job 0: none; sources are the site's */
	uint32_t *subset;
	struct prefix *optouts;
};

/* doc must outlive *out. */
int orders_parse(const json_t *doc, struct orders *out, struct err *err);
void orders_fini(struct orders *o);

#endif /* SITE_ORDERS_H */
