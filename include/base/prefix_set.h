/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_PREFIX_SET_H
#define BASE_PREFIX_SET_H
/*
 * prefix_set -- is an address in any of many prefixes?  Prefixes may overlap
 * and come in any order; a question takes logarithmic time.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct prefix_set;

struct prefix_set *prefix_set_new(const struct prefix *prefixes, size_t n);
void prefix_set_free(struct prefix_set *set); /* NULL is fine */
bool prefix_set_contains(const struct prefix_set *set, const struct addr *a);

#endif /* BASE_PREFIX_SET_H */
