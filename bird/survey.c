/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every command's callback counts down `left`; the last one ends the survey.
 * The client calls back all pending commands when the session ends.
 */
#include "bird/survey.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "bird/include.h"

#define CODE_RUNTIME_ERRORS 8000
#define CODE_NOT_FOUND 8001
#define CODE_PARSE_ERRORS 9000
/*
 * A lookup of one prefix takes 0.05 ms however large the table; a listing walks
 * the whole table, 100 ms for 200,000 routes (measured), and BIRD does nothing
 * else meanwhile.  So few prefixes are looked up one by one.
 */
#define LOOKUPS_MAX 256u

#define OURS "proto = \"" BIRD_STATIC4 "\" || proto = \"" BIRD_STATIC6 "\""
#define WITH_ATTRS                                                             \
	"defined(" BIRD_ATTR_PREPEND ") || defined(" BIRD_ATTR_GSHUT ")"

struct bird_surveyor {
	const struct prefix *prefixes;
	size_t n;
	struct bird_survey survey;
	struct bird_client *client;
	enum bird_survey_scope scope;
	bird_survey_cb *cb;
	void *arg;
	size_t left; /* replies still to come */
};

bool
bird_survey_is_one_stopping(const struct bird_survey *survey)
{
	for (size_t i = 0; i < survey->n_protocols; i++) {
		if (survey->protocols[i].is_stopping)
			return true;
	}
	return false;
}

struct bird_surveyor *
bird_surveyor_new(const struct prefix *prefixes, size_t n)
{
	struct bird_surveyor *sv = xcalloc(1, sizeof(*sv));

	sv->prefixes = prefixes;
	sv->n = n;
	sv->survey.failed = true;
	sv->survey.routes = xcalloc(n, sizeof(*sv->survey.routes));
	sv->survey.protocols =
	    xcalloc(BIRD_PROTOCOLS_MAX, sizeof(*sv->survey.protocols));
	return sv;
}

void
bird_surveyor_free(struct bird_surveyor *sv)
{
	if (sv == NULL)
		return;
	free(sv->survey.routes);
	free(sv->survey.protocols);
	free(sv);
}

static void
reply_done(struct bird_surveyor *sv)
{
	assert(sv->left > 0);
	if (--sv->left == 0)
		sv->cb(&sv->survey, sv->arg);
}

static void
ask(struct bird_surveyor *sv, const char *command, bird_reply_cb *cb)
{
	sv->left++;
	if (bird_client_send(sv->client, command, cb, sv) == -1) {
		sv->left--;
		sv->survey.failed = true;
	}
}

static struct bird_survey_route *
find(struct bird_surveyor *sv, const struct prefix *prefix)
{
	const struct prefix *at = bsearch(prefix, sv->prefixes, sv->n,
	    sizeof(sv->prefixes[0]), prefix_compare);

	return at != NULL ? &sv->survey.routes[at - sv->prefixes] : NULL;
}

/* ---- our static protocols ---- */

static void
on_table_route(const struct bird_show_route *shown, void *arg)
{
	struct bird_surveyor *sv = arg;
	struct bird_survey_route *r = find(sv, &shown->prefix);

	if (r != NULL) {
		r->seen = true;
	} else {
		sv->survey.strays++;
	}
}

static void
on_table(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct bird_surveyor *sv = arg;

	(void)err;
	if (reply != NULL && bird_code_is_ok(reply->code)) {
		bird_show_routes(reply, on_table_route, sv);
	} else if (reply != NULL && reply->code >= CODE_PARSE_ERRORS) {
		/* BIRD does not know the name: the include is not there. */
		sv->survey.statics_missing = true;
	} else {
		/* Such as 8004, cut off by a reconfiguration. */
		sv->survey.failed = true;
	}
	reply_done(sv);
}

static void
on_attrs_route(const struct bird_show_route *shown, void *arg)
{
	struct bird_survey_route *r = find(arg, &shown->prefix);

	if (r != NULL)
		r->attrs = shown->attrs;
}

static void
on_attrs(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct bird_surveyor *sv = arg;

	(void)err;
	if (reply != NULL && bird_code_is_ok(reply->code)) {
		bird_show_routes(reply, on_attrs_route, sv);
	} else if (reply != NULL && reply->code >= CODE_PARSE_ERRORS) {
		sv->survey.attrs_missing = true;
	} else {
		sv->survey.failed = true;
	}
	reply_done(sv);
}

/* ---- what was exported ---- */

static bool
is_ours(const char *protocol)
{
	return strcmp(protocol, BIRD_STATIC4) == 0 ||
	    strcmp(protocol, BIRD_STATIC6) == 0;
}

static void
on_export_route(const struct bird_show_route *shown, void *arg)
{
	struct bird_survey_route *r = find(arg, &shown->prefix);

	if (r != NULL && is_ours(shown->protocol))
		r->exports++;
}

static void
on_exports(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct bird_surveyor *sv = arg;

	(void)err;
	/* Not found is an answer; and a session that went away meanwhile, which
	 * reads as a parse error, exports nothing. */
	if (reply != NULL && bird_code_is_ok(reply->code)) {
		bird_show_routes(reply, on_export_route, sv);
	} else if (reply == NULL ||
	    (reply->code != CODE_NOT_FOUND &&
		reply->code < CODE_PARSE_ERRORS)) {
		sv->survey.failed = true;
	}
	reply_done(sv);
}

/* Quoted: a name such as up-link.1 is none without. */
static void
ask_exports(struct bird_surveyor *sv, const char *session, bool one_by_one)
{
	char command[BIRD_NAME_MAX + PREFIX_TEXT_BYTES + 128];
	char net[PREFIX_TEXT_BYTES];

	if (!one_by_one) {
		(void)snprintf(command, sizeof(command),
		    "show route exported '%.*s' where " OURS, BIRD_NAME_MAX,
		    session);
		ask(sv, command, on_exports);
		return;
	}
	for (size_t i = 0; i < sv->n; i++) {
		(void)snprintf(command, sizeof(command),
		    "show route %s exported '%.*s'",
		    prefix_format(&sv->prefixes[i], net), BIRD_NAME_MAX,
		    session);
		ask(sv, command, on_exports);
	}
}

/* ---- protocols and status ---- */

static void
take_protocols(struct bird_surveyor *sv, const struct bird_reply *reply)
{
	struct bird_survey *s = &sv->survey;

	s->n_protocols =
	    bird_show_protocols(reply, s->protocols, BIRD_PROTOCOLS_MAX);
	if (s->n_protocols > BIRD_PROTOCOLS_MAX)
		s->n_protocols = BIRD_PROTOCOLS_MAX;
	for (size_t i = 0; i < s->n_protocols; i++) {
		s->sessions_all += s->protocols[i].is_bgp;
		s->sessions_up += s->protocols[i].is_established;
	}
}

static void
on_protocols(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct bird_surveyor *sv = arg;
	struct bird_survey *s = &sv->survey;

	(void)err;
	if (reply == NULL || reply->code >= CODE_RUNTIME_ERRORS) {
		s->failed = true;
		reply_done(sv);
		return;
	}
	take_protocols(sv, reply);
	for (size_t i = 0;
	     sv->scope == BIRD_SURVEY_ROUTES && i < s->n_protocols; i++) {
		if (s->protocols[i].is_established) {
			ask_exports(sv, s->protocols[i].name,
			    sv->n * s->sessions_up <= LOOKUPS_MAX);
		}
	}
	reply_done(sv);
}

static void
on_status(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct bird_surveyor *sv = arg;

	(void)err;
	if (reply == NULL || reply->code >= CODE_RUNTIME_ERRORS) {
		sv->survey.failed = true;
	} else {
		sv->survey.is_reconfiguring = bird_show_is_reconfiguring(reply);
		bird_show_times(reply, &sv->survey.times);
	}
	reply_done(sv);
}

void
bird_surveyor_start(struct bird_surveyor *sv, struct bird_client *bc,
    enum bird_survey_scope scope, bird_survey_cb *cb, void *arg)
{
	struct bird_survey *s = &sv->survey;

	*s = (struct bird_survey){ .routes = s->routes,
		.protocols = s->protocols };
	for (size_t i = 0; i < sv->n; i++)
		s->routes[i] = (struct bird_survey_route){ 0 };
	sv->client = bc;
	sv->scope = scope;
	sv->cb = cb;
	sv->arg = arg;
	/* One is held back so that the last callback ends it, whatever fails. */
	sv->left = 1;
	if (scope == BIRD_SURVEY_ROUTES) {
		ask(sv, "show route protocol " BIRD_STATIC4, on_table);
		ask(sv, "show route protocol " BIRD_STATIC6, on_table);
		ask(sv,
		    "show route all protocol " BIRD_STATIC4
		    " where " WITH_ATTRS,
		    on_attrs);
		ask(sv,
		    "show route all protocol " BIRD_STATIC6
		    " where " WITH_ATTRS,
		    on_attrs);
	}
	ask(sv, "show protocols", on_protocols);
	ask(sv, "show status", on_status);
	reply_done(sv);
}
