/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_SURVEY_H
#define BIRD_SURVEY_H
/*
 * survey -- asks BIRD what it really has: its protocols, when it was configured,
 * the routes of our two static protocols with what stands at them, and to how
 * many sessions each of our prefixes was really exported.
 *
 * "Really": `show route exported` tells what was sent, `show route export` what
 * the present filter would send, which differs after `configure soft` with
 * another filter (measured with BIRD 2.0.12).
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "bird/client.h"
#include "bird/show.h"
#include "core/route.h"

struct bird_survey_route {
	bool seen; /* in our static protocol */
	struct route_attrs attrs;
	size_t exports; /* sessions */
};

struct bird_survey {
	/* A listing was cut off, or the session ended: nothing below counts. */
	bool failed;
	bool statics_missing; /* bird.conf does not include our file */
	bool attrs_missing;   /* ... nor export.conf */
	bool is_reconfiguring;
	size_t strays; /* routes of ours that are not ours to manage */
	struct bird_survey_route *routes; /* one per managed prefix */
	struct bird_protocol *protocols;
	size_t n_protocols;
	size_t sessions_all, sessions_up;
	struct bird_times times; /* tells one configuration from the next */
};

enum bird_survey_scope {
	BIRD_SURVEY_STATE,  /* protocols and status only */
	BIRD_SURVEY_ROUTES, /* all */
};

/* A protocol that was disabled by hand takes a moment until it is down, and looks
 * meanwhile as one whose session fell.  Which of both it is shows soon. */
bool bird_survey_is_one_stopping(const struct bird_survey *survey);

typedef void bird_survey_cb(const struct bird_survey *survey, void *arg);

struct bird_surveyor;
/* prefixes: borrowed, n, in prefix_compare order. */
struct bird_surveyor *bird_surveyor_new(const struct prefix *prefixes,
    size_t n);
void bird_surveyor_free(struct bird_surveyor *sv);
/*
 * One at a time.  cb comes once, from the loop or at once when the session is
 * down; the survey is borrowed and lasts until the next start.
 */
void bird_surveyor_start(struct bird_surveyor *sv, struct bird_client *bc,
    enum bird_survey_scope scope, bird_survey_cb *cb, void *arg);

#endif /* BIRD_SURVEY_H */
