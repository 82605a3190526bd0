/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each client of an experiment did, page by page, from the store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "core/experiment.h"
#include "core/failover.h"
#include "fleet/campaign.h"
#include "fleet/controller_state.h"
#include "fleet/site_set.h"

/* One page takes a few milliseconds of the loop. */
#define PAGE_MAX 20000

struct page {
	uint32_t experiment;
	uint32_t first, n;
	char sites[FAILOVER_SITES_MAX * (CONF_NAME_MAX + 1)];
	const char *names[FAILOVER_SITES_MAX]; /* into sites */
	size_t n_sites;
};

/* Without them every client would look silent.  After they were read: they may
 * go at any time. */
static int
check_outcomes(struct controller *c, uint32_t experiment, struct err *err)
{
	int has = query_has_outcomes(c->env.query, experiment, err);

	if (has == 0) {
		return err_set(err, ERR_GONE,
		    "experiment %" PRIu32 ": no outcomes are kept", experiment);
	}
	return has == 1 ? 0 : -1;
}

/* Which sites the outcomes' numbers mean: as it was when they were written. */
static int
page_prepare(struct controller *c, struct page *pg, struct err *err)
{
	json_t *row = query_experiment(c->env.query, pg->experiment, err);
	json_int_t list = 0, clients = 0;
	const char *sites = "";
	char *name, *save = NULL;

	if (row == NULL)
		return -1;
	(void)json_unpack(row, "{s:I, s:I, s:s}", "list", &list, "clients",
	    &clients, "sites", &sites);
	(void)text_copy(pg->sites, sizeof(pg->sites), sites);
	json_decref(row);
	if (list != c->list) {
		return err_set(err, ERR_GONE,
		    "experiment %" PRIu32 ": its client list was replaced",
		    pg->experiment);
	}
	for (name = strtok_r(pg->sites, " ", &save);
	     name != NULL && pg->n_sites < FAILOVER_SITES_MAX;
	     name = strtok_r(NULL, " ", &save))
		pg->names[pg->n_sites++] = name;
	if (pg->first >= c->n_clients) {
		pg->n = 0;
	} else if (pg->n > c->n_clients - pg->first) {
		pg->n = c->n_clients - pg->first;
	}
	return 0;
}

static const char *
outcome_name(const struct page *pg, uint16_t outcome)
{
	return outcome == OUTCOME_NONE || outcome > pg->n_sites
	    ? ""
	    : pg->names[outcome - 1];
}

/* Its line stays: who reads page by page counts them. */
static const char *
address_text(const struct controller *c, const struct store_client *client,
    char buf[ADDR_TEXT_BYTES])
{
	struct addr a;

	memcpy(a.b, client->addr, sizeof(a.b));
	return optouts_contain(&c->optouts, &a) ? "" : addr_format(&a, buf);
}

static char *
page_format(const struct controller *c, const struct page *pg,
    const uint16_t *before, const uint16_t *after, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (out == NULL)
		abort();
	fputs("address,before,after\n", out);
	for (uint32_t i = 0; i < pg->n; i++) {
		char buf[ADDR_TEXT_BYTES];

		fprintf(out, "%s,%s,%s\n",
		    address_text(c, &c->clients[pg->first + i], buf),
		    outcome_name(pg, before[i]), outcome_name(pg, after[i]));
	}
	if (fclose(out) != 0)
		abort();
	return text;
}

static int
page_read(struct controller *c, const struct page *pg, uint8_t phase,
    /* NOLINTNEXTLINE(readability-non-const-parameter): the query fills it */
    uint16_t *sites, struct err *err)
{
	struct query_outcomes want = { .experiment = pg->experiment,
		.phase = phase,
		.first = pg->first,
		.n = pg->n,
		.sites = sites };

	return query_outcomes(c->env.query, &want, err);
}

/* ---- what each client would do ---- */

static char *
predictions_format(const struct controller *c, const struct campaign_view *view,
    const struct pack_set *down, const int64_t range[2], size_t *len)
{
	uint16_t *after = xcalloc(view->n, sizeof(*after));
	uint8_t *label = xcalloc(view->n, sizeof(*label));
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (out == NULL)
		abort();
	pack_predict(view->pack, down, after, label);
	fputs("address,before,after,label\n", out);
	for (int64_t i = range[0]; i < view->n && i < range[0] + range[1];
	     i++) {
		char buf[ADDR_TEXT_BYTES];
		uint16_t home = view->home[i];

		fprintf(out, "%s,%s,%s,%s\n",
		    address_text(c, &view->clients[i], buf),
		    outcome_is_site(home, c->n_sites) ? c->sites[home - 1].name
						      : "",
		    after[i] < c->n_sites ? c->sites[after[i]].name : "",
		    pack_label_name((enum pack_label)label[i]));
	}
	if (fclose(out) != 0)
		abort();
	free(after);
	free(label);
	return text;
}

static void
reply_predictions(struct api_request *req, struct controller *c,
    const char *sites, const int64_t range[2])
{
	bool *down = xcalloc(c->n_sites, sizeof(*down));
	struct pack_set set = { { 0 } };
	struct campaign_view view;
	struct err err;
	size_t len;
	char *text;

	if (site_set_parse(c, sites, down, &err) == -1) {
		api_reply_err(req, &err);
	} else if (!campaign_view(c, &view)) {
		(void)campaign_view_err(c, &err);
		api_reply_err(req, &err);
	} else {
		for (size_t i = 0; i < c->n_sites; i++) {
			if (down[i])
				pack_set_add(&set, i);
		}
		text = predictions_format(c, &view, &set, range, &len);
		api_reply_bytes(req, 200, "text/csv", text, len);
		free(text);
	}
	free(down);
}

static void
handle_outcomes(struct api_request *req, void *arg)
{
	static const int64_t ids[] = { 1, UINT32_MAX };
	static const int64_t firsts[] = { 0, UINT32_MAX };
	static const int64_t limits[] = { 1, PAGE_MAX };
	struct controller *c = arg;
	int64_t id = 0, first = 0, limit = PAGE_MAX;
	struct page pg = { 0 };
	uint16_t *before, *after;
	struct err err;
	char *text;
	size_t len;

	if (api_param_i64(req, "experiment", ids, &id, &err) == -1 ||
	    api_param_i64(req, "first", firsts, &first, &err) == -1 ||
	    api_param_i64(req, "limit", limits, &limit, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	if (api_param(req, "down") != NULL) {
		reply_predictions(req, c, api_param(req, "down"),
		    (const int64_t[]){ first, limit });
		return;
	}
	pg.experiment = (uint32_t)id;
	pg.first = (uint32_t)first;
	pg.n = (uint32_t)limit;
	if (page_prepare(c, &pg, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	before = xcalloc(pg.n, sizeof(uint16_t));
	after = xcalloc(pg.n, sizeof(uint16_t));
	if (page_read(c, &pg, EXPERIMENT_BASELINE, before, &err) == -1 ||
	    page_read(c, &pg, EXPERIMENT_SWEEP, after, &err) == -1 ||
	    check_outcomes(c, pg.experiment, &err) == -1) {
		api_reply_err(req, &err);
	} else {
		text = page_format(c, &pg, before, after, &len);
		api_reply_bytes(req, 200, "text/csv", text, len);
		free(text);
	}
	free(before);
	free(after);
}

void
fleet_serve_outcomes(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/outcomes", API_READ, handle_outcomes },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
