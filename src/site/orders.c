/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/orders.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/intent_row.h"
#include "base/json_text.h"
#include "base/xalloc.h"

static int
get_u64(const json_t *obj, const char *key, uint64_t max, uint64_t *out,
    struct err *err)
{
	const json_t *value = json_object_get(obj, key);
	json_int_t n;

	if (!json_is_integer(value)) {
		return err_set(err, ERR_PROTO, "orders: %s: expected a number",
		    key);
	}
	n = json_integer_value(value);
	if (n < 0 || (uint64_t)n > max)
		return err_set(err, ERR_PROTO, "orders: %s: out of range", key);
	*out = (uint64_t)n;
	return 0;
}

static int
get_u32(const json_t *obj, const char *key, uint32_t *out, struct err *err)
{
	uint64_t value = 0;

	if (get_u64(obj, key, UINT32_MAX, &value, err) == -1)
		return -1;
	*out = (uint32_t)value;
	return 0;
}

static int
parse_intents(const json_t *doc, struct orders *out, struct err *err)
{
	const json_t *list = json_object_get(doc, "intents"), *item;
	const json_t *ended = json_object_get(doc, "ended");
	size_t i;

	if (!json_is_array(list) || !json_is_array(ended) ||
	    json_array_size(list) > INTENTS_MAX ||
	    json_array_size(ended) > INTENTS_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: intents, ended: expected arrays");
	}
	out->intents = xcalloc(json_array_size(list), sizeof(*out->intents));
	json_array_foreach (list, i, item) {
		if (intent_from_json(item, &out->intents[i], err) == -1)
			return -1;
		out->n_intents++;
	}
	out->ended = xcalloc(json_array_size(ended), sizeof(*out->ended));
	json_array_foreach (ended, i, item) {
		if (!json_is_string(item)) {
			return err_set(err, ERR_PROTO,
			    "orders: ended: expected ids");
		}
		out->ended[out->n_ended++] = json_string_value(item);
	}
	return 0;
}

/* new memory */
struct prefix_list {
	bool is_there;
	struct prefix *prefixes;
	size_t n;
};

static int
parse_prefixes(const json_t *doc, const char *key, struct prefix_list *out,
    struct err *err)
{
	const json_t *list = json_object_get(doc, key), *item;
	size_t i;

	*out = (struct prefix_list){ 0 };
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > ORDER_PERMITS_MAX) {
		return err_set(err, ERR_PROTO, "orders: %s: expected prefixes",
		    key);
	}
	out->is_there = true;
	out->prefixes = xcalloc(json_array_size(list), sizeof(*out->prefixes));
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text == NULL ||
		    prefix_parse(text, &out->prefixes[i], err) == -1) {
			free(out->prefixes);
			out->prefixes = NULL;
			return err_set(err, ERR_PROTO,
			    "orders: %s: expected prefixes", key);
		}
		out->n++;
	}
	return 0;
}

static int
parse_permits(const json_t *doc, struct orders *out, struct err *err)
{
	struct prefix_list permits, last;

	if (parse_prefixes(doc, "permits", &permits, err) == -1)
		return -1;
	out->has_permits = permits.is_there;
	out->permits = permits.prefixes;
	out->n_permits = permits.n;
	/* Of an older controller, or one that has guards that are not known
	 * here: they are missing all the same. */
	if (!guard_find(json_text(doc, "withheld_by"), &out->withheld_by))
		out->withheld_by = GUARD_MIN_SITES;
	if (parse_prefixes(doc, "last", &last, err) == -1)
		return -1;
	out->has_last = last.is_there;
	out->awaits_last = json_is_null(json_object_get(doc, "last"));
	out->last = last.prefixes;
	out->n_last = last.n;
	return 0;
}

static int
parse_key(const json_t *value, uint8_t key[SWEEP_KEY_BYTES], struct err *err)
{
	const char *hex = json_string_value(value);
	size_t len;

	if (hex == NULL ||
	    sodium_hex2bin(key, SWEEP_KEY_BYTES, hex, strlen(hex), NULL, &len,
		NULL) != 0 ||
	    len != SWEEP_KEY_BYTES) {
		return err_set(err, ERR_PROTO,
		    "orders: tests.key: expected %d hex digits",
		    2 * SWEEP_KEY_BYTES);
	}
	return 0;
}

static int
parse_test_prefixes(const json_t *list, struct order_test *out, struct err *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ORDER_TEST_PREFIXES_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: tests.prefixes: expected 1 to %u prefixes",
		    ORDER_TEST_PREFIXES_MAX);
	}
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text == NULL ||
		    prefix_parse(text, &out->prefixes[i], err) == -1) {
			return err_set(err, ERR_PROTO,
			    "orders: tests.prefixes: expected prefixes");
		}
		out->n_prefixes++;
	}
	return 0;
}

static int
parse_test(const json_t *test, struct order_test *out, struct err *err)
{
	const json_t *withdrawn = json_object_get(test, "withdrawn");

	if (!json_is_boolean(withdrawn)) {
		return err_set(err, ERR_PROTO,
		    "orders: tests.withdrawn: expected true or false");
	}
	out->withdrawn = json_is_true(withdrawn);
	if (get_u32(test, "experiment", &out->experiment, err) == -1 ||
	    parse_key(json_object_get(test, "key"), out->key, err) == -1)
		return -1;
	if (out->experiment == 0) {
		return err_set(err, ERR_PROTO,
		    "orders: tests.experiment: expected one");
	}
	return parse_test_prefixes(json_object_get(test, "prefixes"), out, err);
}

bool
order_test_has(const struct order_test *t, const struct prefix *p)
{
	for (size_t i = 0; i < t->n_prefixes; i++) {
		if (prefix_equal(&t->prefixes[i], p))
			return true;
	}
	return false;
}

/* No two experiments may have the same number, or the same prefix. */
static bool
is_unique(const struct orders *o, const struct order_test *t)
{
	for (size_t i = 0; i < o->n_tests; i++) {
		if (o->tests[i].experiment == t->experiment)
			return false;
		for (size_t k = 0; k < t->n_prefixes; k++) {
			if (order_test_has(&o->tests[i], &t->prefixes[k]))
				return false;
		}
	}
	return true;
}

static int
parse_tests(const json_t *doc, struct orders *out, struct err *err)
{
	const json_t *list = json_object_get(doc, "tests"), *item;
	size_t i;

	/* Of a controller, or kept from one, before there could be several. */
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > SWEEP_RUNS_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: tests: expected at most %d", SWEEP_RUNS_MAX);
	}
	json_array_foreach (list, i, item) {
		if (parse_test(item, &out->tests[i], err) == -1)
			return -1;
		if (!is_unique(out, &out->tests[i])) {
			return err_set(err, ERR_PROTO,
			    "orders: tests: one experiment or prefix twice");
		}
		out->n_tests++;
	}
	return 0;
}

static bool
has_experiment(const struct orders *o, uint32_t experiment)
{
	for (size_t i = 0; i < o->n_tests; i++) {
		if (o->tests[i].experiment == experiment)
			return true;
	}
	return false;
}

static int
parse_subset(const json_t *list, struct orders *out, struct err *err)
{
	const json_t *item;
	size_t i;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ORDER_SUBSET_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: sweep.subset: expected 1 to %u indices",
		    ORDER_SUBSET_MAX);
	}
	out->subset = xcalloc(json_array_size(list), sizeof(*out->subset));
	json_array_foreach (list, i, item) {
		json_int_t n = json_integer_value(item);

		if (!json_is_integer(item) || n < 0 || n > UINT32_MAX) {
			return err_set(err, ERR_PROTO,
			    "orders: sweep.subset: expected indices");
		}
		out->subset[i] = (uint32_t)n;
	}
	out->job.subset = out->subset;
	out->job.n_subset = (uint32_t)json_array_size(list);
	return 0;
}

/* Without one: none. */
static int
parse_text(const json_t *value, struct sweep_text *out, struct err *err)
{
	size_t len = json_string_length(value);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value) || len > SWEEP_TEXT_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: sweep.text: expected at most %d bytes",
		    SWEEP_TEXT_MAX);
	}
	memcpy(out->bytes, json_string_value(value), len);
	out->len = (uint8_t)len;
	return 0;
}

static int
parse_optouts(const json_t *list, struct orders *out, struct err *err)
{
	const json_t *item;
	size_t i;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > SWEEP_OPTOUTS_MAX) {
		return err_set(err, ERR_PROTO,
		    "orders: sweep.optouts: expected at most %d prefixes",
		    SWEEP_OPTOUTS_MAX);
	}
	out->optouts = xcalloc(json_array_size(list), sizeof(*out->optouts));
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text == NULL ||
		    prefix_parse(text, &out->optouts[i], err) == -1) {
			return err_set(err, ERR_PROTO,
			    "orders: sweep.optouts: expected prefixes");
		}
	}
	out->job.optouts = out->optouts;
	out->job.n_optouts = (uint32_t)json_array_size(list);
	return 0;
}

/* How to treat those who are pinged. */
static int
parse_manners(const json_t *sweep, struct orders *out, struct err *err)
{
	const json_t *special = json_object_get(sweep, "allow_special");

	if (json_object_get(sweep, "gap_ms") != NULL &&
	    get_u32(sweep, "gap_ms", &out->job.gap_ms, err) == -1)
		return -1;
	if (special != NULL && !json_is_boolean(special)) {
		return err_set(err, ERR_PROTO,
		    "orders: sweep.allow_special: expected true or false");
	}
	out->job.allow_special = json_is_true(special);
	if (parse_text(json_object_get(sweep, "text"), &out->job.text, err) ==
	    -1)
		return -1;
	return parse_optouts(json_object_get(sweep, "optouts"), out, err);
}

static int
parse_sweep(const json_t *doc, struct orders *out, struct err *err)
{
	const json_t *sweep = json_object_get(doc, "sweep");
	struct sweep_job *job = &out->job;
	uint64_t phase = 0, round = 0;

	if (sweep == NULL || json_is_null(sweep))
		return 0;
	if (get_u32(sweep, "job", &job->job, err) == -1 ||
	    get_u32(sweep, "experiment", &job->experiment, err) == -1 ||
	    get_u32(sweep, "list", &job->list, err) == -1 ||
	    get_u32(sweep, "rate_pps", &job->rate_pps, err) == -1 ||
	    get_u64(sweep, "phase", UINT8_MAX, &phase, err) == -1 ||
	    get_u64(sweep, "round", UINT8_MAX, &round, err) == -1 ||
	    get_u64(sweep, "seed", INT64_MAX, &job->order_seed, err) == -1)
		return -1;
	if (json_object_get(sweep, "list_digest") != NULL &&
	    get_u64(sweep, "list_digest", INT64_MAX, &job->list_digest, err) ==
		-1)
		return -1;
	job->phase = (uint8_t)phase;
	job->round = (uint8_t)round;
	if (job->job == 0 || job->list == 0 || job->rate_pps == 0 ||
	    !has_experiment(out, job->experiment)) {
		return err_set(err, ERR_PROTO,
		    "orders: sweep: does not fit the tests");
	}
	if (parse_manners(sweep, out, err) == -1)
		return -1;
	return parse_subset(json_object_get(sweep, "subset"), out, err);
}

int
orders_parse(const json_t *doc, struct orders *out, struct err *err)
{
	*out = (struct orders){ 0 };
	if (!json_is_object(doc))
		return err_set(err, ERR_PROTO, "orders: expected an object");
	if (get_u64(doc, "revision", INT64_MAX, &out->revision, err) == -1 ||
	    parse_intents(doc, out, err) == -1 ||
	    parse_permits(doc, out, err) == -1 ||
	    parse_tests(doc, out, err) == -1 ||
	    parse_sweep(doc, out, err) == -1) {
		orders_fini(out);
		return -1;
	}
	return 0;
}

void
orders_fini(struct orders *o)
{
	free(o->intents);
	free(o->ended);
	free(o->permits);
	free(o->last);
	free(o->subset);
	free(o->optouts);
	*o = (struct orders){ 0 };
}
