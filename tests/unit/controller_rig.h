/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROLLER_RIG_H
#define CONTROLLER_RIG_H
/*
 * What the tests of the controller's API take out of its answers, in the house
 * of fleet_house.h.
 */
#include "fleet_house.h"

/* A number of the last answer. */
static inline json_int_t
number(const struct house *h, const char *key)
{
	json_t *doc = answer_json(h);
	json_int_t value = -1;

	if (json_unpack(doc, "{s:I}", key, &value) == -1)
		fail_msg("no number %s in %s", key, h->body);
	json_decref(doc);
	return value;
}

static inline uint64_t
revision_of(struct house *h, const char *site)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/v1/sites/%s/orders?after=0", site);
	assert_int_equal(get(h, path), 200);
	return (uint64_t)number(h, "revision");
}

#endif /* CONTROLLER_RIG_H */
