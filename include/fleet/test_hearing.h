/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_TEST_HEARING_H
#define FLEET_TEST_HEARING_H
/*
 * test_hearing -- which sites announce a test prefix, and yet would hear no
 * reply to it: an experiment would take the clients that they inherit for lost.
 *
 * Only what their agents say counts, and only families whose clients are asked
 * (c->asks).  A site whose packets have another layout than those of the
 * controller's build is deaf to all; so is one whose agent tells of none.
 */
#include "fleet/controller_state.h"

/* As a sentence without its site: "hears no replies to ..." */
struct hearing_text {
	char text[240];
};

/* Are its build's packets laid out as the controller's?  Else why says it. */
bool test_hearing_layout(const struct fleet_site *s, struct hearing_text *why);
/* Does the site hear, or say nothing of it?  Else why says why not. */
bool test_hearing_at(const struct controller *c, const struct test_prefix *tp,
    const struct fleet_site *s, struct hearing_text *why);
/* Do all that announce it?  Else -1, with err: those of another layout, or the
 * first that does not, why, and what would mend it. */
int test_hearing_check(const struct controller *c, const struct test_prefix *tp,
    struct err *err);
/* The same of a campaign over the current clients, which begins on the first
 * test prefix. */
int test_hearing_check_first(struct controller *c, struct err *err);
/* All that do not, if the current clients are asked: [{"site", "test",
 * "prefix", "reason", "remedy"}]; new reference. */
json_t *test_hearing_json(struct controller *c);

#endif /* FLEET_TEST_HEARING_H */
