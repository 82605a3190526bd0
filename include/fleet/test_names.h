/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_TEST_NAMES_H
#define FLEET_TEST_NAMES_H
/*
 * test_names -- over which test prefixes something was measured: their prefixes
 * as text, comma between, as in struct store_experiment.test.
 */
#include <stdbool.h>

#include <jansson.h>

/* Puts those of more that *names does not have behind it; *names is the
 * caller's, NULL at first. */
void test_names_add(char **names, const char *more);
/* True if both are known (neither NULL nor empty) and not the same ones, in
 * whatever order. */
bool test_names_differ(const char *a, const char *b);
/* {"4": ["198.51.100.0/24"], "6": []}; names may be NULL.  New reference. */
json_t *test_names_json(const char *names);

#endif /* FLEET_TEST_NAMES_H */
