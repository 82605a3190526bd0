/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The schema of the file for libcyaml, and the explanation of what libcyaml
 * refuses: its own log names neither the file nor what it expected, so the same
 * tables are held against the shape of the file until the misfit is found.
 */
#include "base/conf_raw.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define TEXT(structure, member)                                                \
	CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_OPTIONAL, structure,        \
	    member, 0, CYAML_UNLIMITED)
#define NEEDED_TEXT(structure, member)                                         \
	CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_DEFAULT, structure, member, \
	    0, CYAML_UNLIMITED)
/* Its texts may look like numbers or truth values to other readers of YAML. */
#define QUOTED_TEXT(structure, member)                                         \
	CYAML_FIELD_STRING_PTR(#member,                                        \
	    CYAML_FLAG_OPTIONAL | CYAML_FLAG_SCALAR_QUOTE_DOUBLE, structure,   \
	    member, 0, CYAML_UNLIMITED)
#define LIST(structure, member, flags, entry, min, max)                        \
	CYAML_FIELD_SEQUENCE(#member, (flags) | CYAML_FLAG_POINTER, structure, \
	    member, entry, min, max)
#define MAPPING(structure, member, fields)                                     \
	CYAML_FIELD_MAPPING_PTR(#member, CYAML_FLAG_OPTIONAL, structure,       \
	    member, fields)

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_value_t quoted_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_SCALAR_QUOTE_DOUBLE,
	    char *, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t probe_fields[] = {
	NEEDED_TEXT(struct raw_probe, name),
	TEXT(struct raw_probe, http),
	TEXT(struct raw_probe, tcp),
	TEXT(struct raw_probe, icmp),
	LIST(struct raw_probe, exec, CYAML_FLAG_OPTIONAL | CYAML_FLAG_FLOW,
	    &quoted_entry, 1, CONF_ARGS_MAX),
	TEXT(struct raw_probe, dns),
	TEXT(struct raw_probe, address),
	TEXT(struct raw_probe, file),
	TEXT(struct raw_probe, interval),
	TEXT(struct raw_probe, quick_interval),
	TEXT(struct raw_probe, timeout),
	TEXT(struct raw_probe, spread),
	TEXT(struct raw_probe, down_after),
	TEXT(struct raw_probe, up_after),
	TEXT(struct raw_probe, source),
	TEXT(struct raw_probe, method),
	LIST(struct raw_probe, headers, CYAML_FLAG_OPTIONAL, &quoted_entry, 0,
	    CONF_HEADERS_MAX),
	TEXT(struct raw_probe, status),
	QUOTED_TEXT(struct raw_probe, match),
	TEXT(struct raw_probe, insecure),
	TEXT(struct raw_probe, resolve),
	TEXT(struct raw_probe, tls_expiry),
	QUOTED_TEXT(struct raw_probe, send),
	QUOTED_TEXT(struct raw_probe, expect),
	QUOTED_TEXT(struct raw_probe, query),
	TEXT(struct raw_probe, type),
	TEXT(struct raw_probe, rcode),
	QUOTED_TEXT(struct raw_probe, answer),
	TEXT(struct raw_probe, count),
	TEXT(struct raw_probe, max_loss),
	TEXT(struct raw_probe, max_rtt),
	QUOTED_TEXT(struct raw_probe, interface),
	TEXT(struct raw_probe, when),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t probe_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_probe, probe_fields),
};

static const cyaml_schema_field_t drain_step_fields[] = {
	NEEDED_TEXT(struct raw_drain_step, step),
	TEXT(struct raw_drain_step, times),
	TEXT(struct raw_drain_step, hold),
	TEXT(struct raw_drain_step, back),
	TEXT(struct raw_drain_step, below),
	TEXT(struct raw_drain_step, wait_max),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t drain_step_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_drain_step,
	    drain_step_fields),
};

static const cyaml_schema_field_t counter_fields[] = {
	QUOTED_TEXT(struct raw_counter, interface),
	TEXT(struct raw_counter, nft),
	LIST(struct raw_counter, command, CYAML_FLAG_OPTIONAL | CYAML_FLAG_FLOW,
	    &quoted_entry, 1, CONF_ARGS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t drain_fields[] = {
	LIST(struct raw_drain, steps, CYAML_FLAG_DEFAULT, &drain_step_entry, 1,
	    DRAIN_KIND_COUNT),
	MAPPING(struct raw_drain, counter, counter_fields),
	TEXT(struct raw_drain, interval),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t load_fields[] = {
	CYAML_FIELD_MAPPING_PTR("counter", CYAML_FLAG_DEFAULT, struct raw_load,
	    counter, counter_fields),
	TEXT(struct raw_load, counts),
	TEXT(struct raw_load, unit),
	TEXT(struct raw_load, interval),
	TEXT(struct raw_load, half_life),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t service_fields[] = {
	NEEDED_TEXT(struct raw_service, name),
	LIST(struct raw_service, prefixes, CYAML_FLAG_DEFAULT, &text_entry, 1,
	    CONF_PREFIXES_MAX),
	TEXT(struct raw_service, need),
	TEXT(struct raw_service, when_lost),
	LIST(struct raw_service, probes, CYAML_FLAG_DEFAULT, &probe_entry, 1,
	    CONF_PROBES_MAX),
	MAPPING(struct raw_service, drain, drain_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t service_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_service,
	    service_fields),
};

static const cyaml_schema_field_t bird_fields[] = {
	TEXT(struct raw_bird, socket),
	TEXT(struct raw_bird, include),
	TEXT(struct raw_bird, poll),
	TEXT(struct raw_bird, timeout),
	TEXT(struct raw_bird, min_gap),
	TEXT(struct raw_bird, max_delay),
	TEXT(struct raw_bird, confirm),
	TEXT(struct raw_bird, by_hand),
	TEXT(struct raw_bird, check),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t test_fields[] = {
	LIST(struct raw_test, prefixes, CYAML_FLAG_DEFAULT, &text_entry, 1,
	    2 * CONF_TESTS_MAX),
	LIST(struct raw_test, sources, CYAML_FLAG_DEFAULT, &text_entry, 1,
	    2 * CONF_TESTS_MAX),
	TEXT(struct raw_test, confirm),
	TEXT(struct raw_test, engine),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t null_run_fields[] = {
	TEXT(struct raw_null_run, limit),
	TEXT(struct raw_null_run, min_clients),
	TEXT(struct raw_null_run, every),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t predict_fields[] = {
	TEXT(struct raw_predict, rate),
	TEXT(struct raw_predict, linger),
	TEXT(struct raw_predict, sentinels),
	TEXT(struct raw_predict, sentinel_interval),
	TEXT(struct raw_predict, settle_max),
	TEXT(struct raw_predict, allow_special),
	TEXT(struct raw_predict, block_gap),
	QUOTED_TEXT(struct raw_predict, text),
	TEXT(struct raw_predict, pace),
	TEXT(struct raw_predict, profile),
	TEXT(struct raw_predict, landing_after),
	TEXT(struct raw_predict, take_clients),
	MAPPING(struct raw_predict, null_run, null_run_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t budget_fields[] = {
	TEXT(struct raw_budget, window),
	TEXT(struct raw_budget, sites),
	TEXT(struct raw_budget, prefixes),
	TEXT(struct raw_budget, capacity),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t fleet_brake_fields[] = {
	TEXT(struct raw_brake, sites),
	TEXT(struct raw_brake, window),
	TEXT(struct raw_brake, release),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t room_fields[] = {
	TEXT(struct raw_room, limit),
	TEXT(struct raw_room, margin),
	TEXT(struct raw_room, levels),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t guards_fields[] = {
	TEXT(struct raw_guards, min_sites),
	TEXT(struct raw_guards, min_capacity),
	MAPPING(struct raw_guards, budget, budget_fields),
	MAPPING(struct raw_guards, brake, fleet_brake_fields),
	MAPPING(struct raw_guards, room, room_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t capacity_fields[] = {
	NEEDED_TEXT(struct raw_capacity, site),
	NEEDED_TEXT(struct raw_capacity, capacity),
	TEXT(struct raw_capacity, load),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t capacity_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_capacity,
	    capacity_fields),
};

static const cyaml_schema_field_t site_brake_fields[] = {
	TEXT(struct raw_brake, share),
	TEXT(struct raw_brake, window),
	TEXT(struct raw_brake, release),
	TEXT(struct raw_brake, action),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t damping_fields[] = {
	TEXT(struct raw_damping, suppress),
	TEXT(struct raw_damping, reuse),
	TEXT(struct raw_damping, half_life),
	TEXT(struct raw_damping, max_hold),
	TEXT(struct raw_damping, updates),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t site_guards_fields[] = {
	TEXT(struct raw_agent_guards, stale_after),
	MAPPING(struct raw_agent_guards, brake, site_brake_fields),
	MAPPING(struct raw_agent_guards, damping, damping_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t fleet_fields[] = {
	NEEDED_TEXT(struct raw_fleet, listen),
	LIST(struct raw_fleet, sites, CYAML_FLAG_DEFAULT, &text_entry, 1,
	    CONF_SITES_MAX),
	LIST(struct raw_fleet, capacity, CYAML_FLAG_OPTIONAL, &capacity_entry,
	    0, CONF_SITES_MAX),
	MAPPING(struct raw_fleet, predict, predict_fields),
	MAPPING(struct raw_fleet, guards, guards_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t tls_fields[] = {
	NEEDED_TEXT(struct raw_tls, certificate),
	NEEDED_TEXT(struct raw_tls, key),
	NEEDED_TEXT(struct raw_tls, ca),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t feed_fields[] = {
	NEEDED_TEXT(struct raw_feed, name),
	NEEDED_TEXT(struct raw_feed, type),
	NEEDED_TEXT(struct raw_feed, from),
	TEXT(struct raw_feed, weight),
	TEXT(struct raw_feed, site),
	LIST(struct raw_feed, senders, CYAML_FLAG_OPTIONAL, &text_entry, 0,
	    CONF_FEED_PREFIXES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t feed_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_feed, feed_fields),
};

static const cyaml_schema_field_t clients_fields[] = {
	TEXT(struct raw_clients, half_life),
	TEXT(struct raw_clients, report),
	TEXT(struct raw_clients, max_clients),
	TEXT(struct raw_clients, max_blocks),
	TEXT(struct raw_clients, per_block),
	TEXT(struct raw_clients, allow_special),
	LIST(struct raw_clients, destinations, CYAML_FLAG_OPTIONAL, &text_entry,
	    0, CONF_PREFIXES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t retention_fields[] = {
	TEXT(struct raw_retention, events),
	TEXT(struct raw_retention, outcomes),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t conf_fields[] = {
	TEXT(struct conf_raw, site),
	TEXT(struct conf_raw, store),
	MAPPING(struct conf_raw, retention, retention_fields),
	TEXT(struct conf_raw, socket),
	TEXT(struct conf_raw, read_socket),
	TEXT(struct conf_raw, read_socket_mode),
	TEXT(struct conf_raw, metrics),
	MAPPING(struct conf_raw, bird, bird_fields),
	MAPPING(struct conf_raw, drain, drain_fields),
	MAPPING(struct conf_raw, load, load_fields),
	LIST(struct conf_raw, services, CYAML_FLAG_OPTIONAL, &service_entry, 0,
	    CONF_SERVICES_MAX),
	MAPPING(struct conf_raw, test, test_fields),
	LIST(struct conf_raw, allow, CYAML_FLAG_OPTIONAL, &quoted_entry, 1,
	    CONF_ALLOW_MAX),
	MAPPING(struct conf_raw, guards, site_guards_fields),
	TEXT(struct conf_raw, controller),
	TEXT(struct conf_raw, unknown_max),
	MAPPING(struct conf_raw, fleet, fleet_fields),
	MAPPING(struct conf_raw, tls, tls_fields),
	MAPPING(struct conf_raw, clients, clients_fields),
	LIST(struct conf_raw, feeds, CYAML_FLAG_OPTIONAL, &feed_entry, 0,
	    CONF_FEEDS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t conf_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct conf_raw, conf_fields),
};

struct explain {
	const char *file;
	const struct conf_lines *lines;
	struct err *err;
};

static int explain_value(const struct explain *ex, size_t node,
    const cyaml_schema_value_t *schema);

/* "file:line: path: what"; a key that is no part of the path may follow it. */
static int
refuse(const struct explain *ex, size_t node, const char *key, const char *what)
{
	char path[CONF_PATH_BYTES];
	const char *dot;

	(void)conf_lines_path(ex->lines, node, path);
	dot = path[0] != '\0' && key[0] != '\0' ? "." : "";
	return err_set(ex->err, ERR_CONF, "%s:%u: %s%s%s%s%s", ex->file,
	    ex->lines->nodes[node].line, path, dot, key,
	    path[0] != '\0' || key[0] != '\0' ? ": " : "", what);
}

static const char *
kind_name(enum conf_node_kind kind)
{
	switch (kind) {
	case CONF_SCALAR:
		return "a text";
	case CONF_MAPPING:
		return "a mapping";
	case CONF_SEQUENCE:
		return "a list";
	}
	return "?";
}

static enum conf_node_kind
schema_kind(const cyaml_schema_value_t *schema)
{
	if (schema->type == CYAML_MAPPING)
		return CONF_MAPPING;
	if (schema->type == CYAML_SEQUENCE)
		return CONF_SEQUENCE;
	return CONF_SCALAR;
}

static const cyaml_schema_field_t *
find_field(const cyaml_schema_field_t *fields, const char *key)
{
	for (; fields->key != NULL; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields;
	}
	return NULL;
}

static int
refuse_key(const struct explain *ex, size_t node,
    const cyaml_schema_field_t *fields)
{
	char what[448];
	size_t used;

	used = (size_t)snprintf(what, sizeof(what),
	    "unknown key, expected one of:");
	for (; fields->key != NULL && used < sizeof(what); fields++) {
		used += (size_t)snprintf(what + used, sizeof(what) - used,
		    " %s", fields->key);
	}
	return refuse(ex, node, "", what);
}

static bool
has_child(const struct conf_lines *cl, size_t node, const char *key)
{
	size_t i = cl->nodes[node].first_child;

	while (i != 0 && strcmp(cl->nodes[i].key, key) != 0)
		i = cl->nodes[i].next;
	return i != 0;
}

static int
explain_mapping(const struct explain *ex, size_t node,
    const cyaml_schema_field_t *fields)
{
	const struct conf_node *nodes = ex->lines->nodes;
	size_t i = nodes[node].first_child;

	for (; i != 0; i = nodes[i].next) {
		const cyaml_schema_field_t *f =
		    find_field(fields, nodes[i].key);

		if (f == NULL)
			return refuse_key(ex, i, fields);
		if (explain_value(ex, i, &f->value) == -1)
			return -1;
	}
	for (; fields->key != NULL; fields++) {
		if ((fields->value.flags & CYAML_FLAG_OPTIONAL) == 0 &&
		    !has_child(ex->lines, node, fields->key))
			return refuse(ex, node, fields->key, "missing");
	}
	return 0;
}

static int
explain_list(const struct explain *ex, size_t node,
    const cyaml_schema_value_t *schema)
{
	const struct conf_node *nodes = ex->lines->nodes;
	size_t n = nodes[node].n_children;
	size_t i = nodes[node].first_child;
	char what[80];

	if (n < schema->sequence.min || n > schema->sequence.max) {
		(void)snprintf(what, sizeof(what),
		    "%zu entries, expected %u to %u", n, schema->sequence.min,
		    schema->sequence.max);
		return refuse(ex, node, "", what);
	}
	for (; i != 0; i = nodes[i].next) {
		if (explain_value(ex, i, schema->sequence.entry) == -1)
			return -1;
	}
	return 0;
}

/* 0 if the value fits. */
static int
explain_value(const struct explain *ex, size_t node,
    const cyaml_schema_value_t *schema)
{
	enum conf_node_kind have = ex->lines->nodes[node].kind;
	enum conf_node_kind want = schema_kind(schema);
	char what[80];

	if (have != want) {
		(void)snprintf(what, sizeof(what), "%s, expected %s",
		    kind_name(have), kind_name(want));
		return refuse(ex, node, "", what);
	}
	if (want == CONF_MAPPING)
		return explain_mapping(ex, node, schema->mapping.fields);
	if (want == CONF_SEQUENCE)
		return explain_list(ex, node, schema);
	return 0;
}

/* Keeps the first line of libcyaml's log; a backtrace follows it. */
static void __attribute__((format(printf, 3, 0)))
keep_first(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	char *first = ctx;

	(void)level;
	if (first[0] != '\0')
		return;
	(void)vsnprintf(first, PRINTABLE_TEXT_BYTES, fmt, args);
	first[strcspn(first, "\n")] = '\0';
}

struct conf_raw *
conf_raw_load(const char *file, const uint8_t *text, size_t len,
    const struct conf_lines *lines, struct err *err)
{
	const struct explain ex = { .file = file, .lines = lines, .err = err };
	char first[PRINTABLE_TEXT_BYTES] = "";
	char shown[PRINTABLE_TEXT_BYTES];
	const cyaml_config_t config = {
		.log_fn = keep_first,
		.log_ctx = first,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	cyaml_data_t *raw = NULL;
	cyaml_err_t rc;

	rc = cyaml_load_data(text, len, &config, &conf_schema, &raw, NULL);
	/* A mapping without any key comes as success without data. */
	if (rc == CYAML_OK)
		return raw != NULL ? raw : xcalloc(1, sizeof(struct conf_raw));
	if (explain_value(&ex, 0, &conf_schema) == -1)
		return NULL;
	(void)err_set(err, ERR_CONF, "%s: %s: %s", file, cyaml_strerror(rc),
	    printable(first, shown));
	return NULL;
}

static const cyaml_config_t quiet = {
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_STYLE_BLOCK,
};

void
conf_raw_free(struct conf_raw *raw)
{
	if (raw != NULL)
		(void)cyaml_free(&quiet, &conf_schema, raw, 0);
}

char *
conf_raw_save(const struct conf_raw *raw)
{
	char *yaml = NULL;
	size_t len = 0;
	cyaml_err_t rc;
	char *text;

	rc = cyaml_save_data(&yaml, &len, &quiet, &conf_schema, raw, 0);
	assert(rc == CYAML_OK);
	(void)rc;
	text = xcalloc(len + 1, 1);
	memcpy(text, yaml, len);
	free(yaml);
	return text;
}
