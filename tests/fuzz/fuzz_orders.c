/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Order documents and intents: any JSON that a peer may send. */
#include "site/orders.h"

#include <stdlib.h>

#include "store/intent_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/* What was taken can be told again, and is the same then. */
static void
try_intent(const json_t *json)
{
	struct intent in, back;
	json_t *again, *twice;

	if (intent_from_json(json, &in, NULL) == -1)
		return;
	again = intent_to_json(&in);
	require(again != NULL);
	require(intent_from_json(again, &back, NULL) == 0);
	twice = intent_to_json(&back);
	require(json_equal(again, twice));
	json_decref(again);
	json_decref(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *doc = json_loadb((const char *)data, size,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	struct orders o;

	if (doc == NULL)
		return 0;
	try_intent(doc);
	if (orders_parse(doc, &o, NULL) == 0) {
		require(o.n_intents <= INTENTS_MAX);
		require(o.n_tests <= SWEEP_RUNS_MAX);
		require(o.job.job == 0 || o.n_tests > 0);
		orders_fini(&o);
	}
	json_decref(doc);
	return 0;
}
