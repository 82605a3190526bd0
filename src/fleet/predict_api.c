/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people call of the predictor: experiments, campaigns, maps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "fleet/campaign.h"
#include "fleet/experiment.h"
#include "fleet/map_book.h"
#include "fleet/null_run.h"
#include "fleet/site_set.h"
#include "fleet/test_prefix.h"

/* ---- experiments ---- */

static int
start_by_hand(struct controller *c, const char *sites, struct experiment **out,
    struct err *err)
{
	bool *withdrawn = xcalloc(c->n_sites, sizeof(*withdrawn));
	struct experiment_plan plan = { .withdrawn = withdrawn };
	int rc = site_set_parse(c, sites, withdrawn, err);

	*out = NULL;
	if (rc == 0 && site_set_size(c, withdrawn) == 0)
		rc = err_set(err, ERR_CONF, "site: which one?");
	if (rc == 0)
		*out = experiment_start(c, &plan, err);
	free(withdrawn);
	return *out != NULL ? 0 : -1;
}

static void
handle_experiment_new(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	struct experiment *ex;
	const char *sites;
	struct err err;
	json_t *body = api_body_json(req, &err);

	if (body == NULL) {
		api_reply_err(req, &err);
		return;
	}
	if (json_unpack(body, "{s:s}", "site", &sites) == -1) {
		err_set(&err, ERR_CONF, "site: which one?");
		api_reply_err(req, &err);
	} else if (start_by_hand(c, sites, &ex, &err) == -1) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200,
		    json_pack("{s:o}", "experiment", experiment_to_json(ex)));
	}
	json_decref(body);
}

/* The experiment of the path, the newest on its test prefix; NULL: answered. */
static struct experiment *
find_experiment(struct controller *c, struct api_request *req)
{
	struct experiment *ex = NULL;
	uint32_t id = 0;
	struct err err;

	if (num_parse_u32(api_segment(req, 2), 1, UINT32_MAX, &id, &err) == 0)
		ex = experiment_find(c, id);
	if (ex != NULL)
		return ex;
	err_set(&err, ERR_GONE,
	    "experiment %s: not known to this process, \"predict status\" has the newest",
	    api_segment(req, 2));
	api_reply_err(req, &err);
	return NULL;
}

/* Of any experiment that there ever was. */
static void
handle_experiment(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	json_t *doc = NULL;
	uint32_t id = 0;
	struct err err;

	if (num_parse_u32(api_segment(req, 2), 1, UINT32_MAX, &id, &err) == 0) {
		const struct experiment *ex = experiment_find(c, id);

		doc = ex != NULL ? experiment_to_json(ex)
				 : experiment_stored_json(c, id, &err);
	} else {
		err_set(&err, ERR_GONE, "experiment %s: expected its number",
		    api_segment(req, 2));
	}
	if (doc == NULL) {
		api_reply_err(req, &err);
		return;
	}
	api_reply_json(req, 200, json_pack("{s:o}", "experiment", doc));
}

static void
handle_experiment_abort(struct api_request *req, void *arg)
{
	struct experiment *ex = find_experiment(arg, req);
	char why[128];
	struct err err;

	if (ex == NULL)
		return;
	if (!experiment_is_running(ex)) {
		err_set(&err, ERR_REFUSED, "experiment %s: it is over",
		    api_segment(req, 2));
		api_reply_err(req, &err);
		return;
	}
	(void)snprintf(why, sizeof(why), "aborted by %s", api_actor(req));
	experiment_abort(ex, why);
	api_reply_json(req, 200,
	    json_pack("{s:o}", "experiment", experiment_to_json(ex)));
}

/* ---- null runs over the test prefixes ---- */

static void
reply_tests(struct api_request *req, const struct controller *c)
{
	api_reply_json(req, 200,
	    json_pack("{s:o}", "tests", test_prefixes_json(c)));
}

static void
handle_tests(struct api_request *req, void *arg)
{
	reply_tests(req, arg);
}

static void
handle_null_run(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	bool *nowhere = xcalloc(c->n_sites, sizeof(*nowhere));
	struct experiment_plan plan = { .withdrawn = nowhere,
		.purpose = NULL_RUN_PURPOSE };
	struct err err;
	bool is_begun = null_run_start(c, &plan, &err) != NULL;

	free(nowhere);
	if (is_begun) {
		reply_tests(req, c);
	} else {
		api_reply_err(req, &err);
	}
}

/* ---- campaigns ---- */

static void
reply_campaign(struct api_request *req, const struct controller *c)
{
	api_reply_json(req, 200,
	    json_pack("{s:o}", "campaign", campaign_to_json(c)));
}

static void
handle_campaign(struct api_request *req, void *arg)
{
	reply_campaign(req, arg);
}

static void
handle_campaign_new(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	json_int_t depth = 1;
	int dry_run = 0;
	json_t *body, *plan;
	struct err err;

	body = api_body_json(req, &err);
	if (body == NULL) {
		api_reply_err(req, &err);
		return;
	}
	if (json_unpack(body, "{s?I, s?b}", "depth", &depth, "dry_run",
		&dry_run) == -1 ||
	    depth < 1 || depth > PACK_DEPTH_MAX) {
		err_set(&err, ERR_CONF, "depth: expected 1 to %u",
		    PACK_DEPTH_MAX);
		api_reply_err(req, &err);
	} else if (dry_run) {
		plan = campaign_plan(c, (unsigned)depth, &err);
		if (plan == NULL) {
			api_reply_err(req, &err);
		} else {
			api_reply_json(req, 200,
			    json_pack("{s:o}", "plan", plan));
		}
	} else if (campaign_start(c, (unsigned)depth, api_actor(req), &err) ==
	    -1) {
		api_reply_err(req, &err);
	} else {
		reply_campaign(req, c);
	}
	json_decref(body);
}

static void
handle_campaign_command(struct api_request *req, void *arg)
{
	static const struct {
		const char *verb;
		enum campaign_event ev;
	} verbs[] = {
		{ "pause", CAMPAIGN_EV_PAUSE },
		{ "resume", CAMPAIGN_EV_RESUME },
		{ "abort", CAMPAIGN_EV_ABORT },
	};
	const char *verb = api_segment(req, 2);
	struct controller *c = arg;
	struct err err;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].verb) != 0)
			continue;
		if (campaign_command(c, verbs[i].ev, api_actor(req), &err) ==
		    -1) {
			api_reply_err(req, &err);
		} else {
			reply_campaign(req, c);
		}
		return;
	}
	err_set(&err, ERR_GONE, "campaign: %s: expected pause, resume or abort",
	    verb);
	api_reply_err(req, &err);
}

/* ---- maps ---- */

static void
reply_maps(struct api_request *req, json_t *maps)
{
	api_reply_json(req, 200, json_pack("{s:o}", "maps", maps));
}

/* The map of a set, asked for as "akl,chc". */
static void
reply_set(struct api_request *req, struct controller *c, const char *sites,
    bool is_required)
{
	bool *down = xcalloc(c->n_sites, sizeof(*down));
	json_t *map = NULL;
	struct err err = { 0 };

	if (site_set_parse(c, sites, down, &err) == 0) {
		size_t n = site_set_size(c, down);

		if (n == 0) {
			err_set(&err, ERR_CONF, "which sites?");
		} else if (n == c->n_sites) {
			err_set(&err, ERR_CONF, "no site would be left");
		} else {
			map = fleet_map_of(c, down, 2, &err);
			/* Nothing known: no error where one looks around. */
			if (map == NULL && !is_required)
				err.code = ERR_NONE;
		}
	}
	free(down);
	if (map != NULL) {
		reply_maps(req, json_pack("[o]", map));
	} else if (err.code == ERR_NONE) {
		reply_maps(req, json_array());
	} else {
		api_reply_err(req, &err);
	}
}

/* The map that an experiment measured, also when a later one has replaced it;
 * none if it gave none. */
static void
reply_map_of(struct api_request *req, struct controller *c, int64_t id)
{
	struct err err = { 0 };
	struct fleet_map *map = map_book_read(c, (uint32_t)id, &err);

	if (map != NULL) {
		reply_maps(req, json_pack("[o]", fleet_map_json(c, map, 1)));
	} else if (err.code == ERR_REFUSED) {
		reply_maps(req, json_array());
	} else {
		api_reply_err(req, &err);
	}
	fleet_map_free(map);
}

static void
handle_failover(struct api_request *req, void *arg)
{
	static const int64_t depths[] = { 0, FAILOVER_SITES_MAX };
	static const int64_t ids[] = { 1, UINT32_MAX };
	struct controller *c = arg;
	const char *site = api_param(req, "site");
	const char *down = api_param(req, "down");
	int64_t depth = 1, id = 0;
	struct err err;

	if (api_param_i64(req, "depth", depths, &depth, &err) == -1 ||
	    api_param_i64(req, "experiment", ids, &id, &err) == -1) {
		api_reply_err(req, &err);
	} else if (id != 0) {
		reply_map_of(req, c, id);
	} else if (down != NULL || site != NULL) {
		reply_set(req, c, down != NULL ? down : site, down != NULL);
	} else if (depth == 1) {
		reply_maps(req, fleet_maps(c, NO_SITE));
	} else {
		reply_maps(req, fleet_maps_of_depth(c, (size_t)depth));
	}
}

static json_t *
diff_of(struct controller *c, int64_t before, int64_t now, struct err *err)
{
	struct fleet_map *a = map_book_read(c, (uint32_t)before, err);
	struct fleet_map *b =
	    a != NULL ? map_book_read(c, (uint32_t)now, err) : NULL;
	json_t *diff = NULL;

	/* By name they differ after another order of fleet.sites. */
	if (b != NULL && !site_set_equal(c, a->down, b->down)) {
		err_set(err, ERR_CONF,
		    "experiment %lld withdrew %s, experiment %lld %s: maps of different sites say nothing about each other",
		    (long long)before, a->name, (long long)now, b->name);
	} else if (b != NULL) {
		diff = fleet_maps_diff(c, a, b);
	}
	fleet_map_free(a);
	fleet_map_free(b);
	return diff;
}

static void
handle_diff(struct api_request *req, void *arg)
{
	static const int64_t ids[] = { 1, UINT32_MAX };
	struct controller *c = arg;
	int64_t before = 0, now = 0;
	struct err err;
	json_t *diff;

	if (api_param_i64(req, "before", ids, &before, &err) == -1 ||
	    api_param_i64(req, "now", ids, &now, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	if (before == 0 || now == 0) {
		api_reply_json(req, 200,
		    json_pack("{s:o}", "diffs", fleet_all_diffs(c)));
		return;
	}
	diff = diff_of(c, before, now, &err);
	if (diff == NULL) {
		api_reply_err(req, &err);
	} else {
		api_reply_json(req, 200, json_pack("{s:[o]}", "diffs", diff));
	}
}

void
fleet_serve_predict(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "POST", "/v1/experiments", API_LOCAL, handle_experiment_new },
		{ "GET", "/v1/experiments/+", API_READ, handle_experiment },
		{ "POST", "/v1/experiments/+/abort", API_LOCAL,
		    handle_experiment_abort },
		{ "GET", "/v1/tests", API_READ, handle_tests },
		{ "POST", "/v1/tests/null-run", API_LOCAL, handle_null_run },
		{ "GET", "/v1/campaign", API_READ, handle_campaign },
		{ "POST", "/v1/campaign", API_LOCAL, handle_campaign_new },
		{ "POST", "/v1/campaign/+", API_LOCAL,
		    handle_campaign_command },
		{ "GET", "/v1/failover", API_READ, handle_failover },
		{ "GET", "/v1/failover/diff", API_READ, handle_diff },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
