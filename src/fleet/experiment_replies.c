/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an experiment's replies were: told while it runs, kept when it ends. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "fleet/experiment_state.h"

/* A row of what is told and stored: a class, or, behind the classes, the
 * replies that the ring had no room for. */
#define ROW_DROPS REPLY_CLASS_COUNT
#define ROW_COUNT (REPLY_CLASS_COUNT + 1)

static const char *
row_name(unsigned row)
{
	return row == ROW_DROPS ? "kernel_drops"
				: reply_class_name((enum reply_class)row);
}

/* Late and forged ones never came here: their site has counted them. */
static int64_t
count_at(const struct experiment *ex, size_t site, unsigned row)
{
	int64_t n = 0;

	if (row != ROW_DROPS)
		n = reply_book_count(ex->book, site, (enum reply_class)row);
	if (row == REPLY_LATE || row == REPLY_FORGED || row == ROW_DROPS)
		n += experiment_counted_at(ex, site, row_name(row));
	return n;
}

json_t *
experiment_count_sites(const struct experiment *ex)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ex->c->n_sites; i++) {
		json_t *site = json_pack("{s:s}", "site", ex->c->sites[i].name);

		for (unsigned row = 0; row < ROW_COUNT; row++) {
			json_object_set_new(site, row_name(row),
			    json_integer(count_at(ex, i, row)));
		}
		json_array_append_new(list, site);
	}
	return list;
}

/* Each row of each site: what is told, and what is stored. */
static json_t *
row_json(const struct experiment *ex, size_t site, unsigned row)
{
	const json_t *counted = json_array_get(ex->counted_sites, site);
	json_int_t n = counted != NULL
	    ? json_integer_value(json_object_get(counted, row_name(row)))
	    : count_at(ex, site, row);

	return json_pack("{s:s, s:s, s:I, s:o}", "site",
	    ex->c->sites[site].name, "class", row_name(row), "n", n, "samples",
	    row == ROW_DROPS
		? json_array()
		: reply_book_samples(ex->book, site, (enum reply_class)row));
}

void
experiment_store_replies(const struct experiment *ex)
{
	for (size_t i = 0; i < ex->c->n_sites; i++) {
		for (unsigned k = 0; k < ROW_COUNT; k++) {
			json_t *row = row_json(ex, i, k);
			char *text = json_dumps(json_object_get(row, "samples"),
			    JSON_COMPACT);
			struct store_replies r = { .experiment = ex->id,
				.site = ex->c->sites[i].name,
				.class_name = row_name(k),
				.n = json_integer_value(json_object_get(row,
				    "n")),
				.samples = text };

			store_put_replies(ex->c->env.store, &r);
			free(text);
			json_decref(row);
		}
	}
}

static json_t *
replies_of(const struct experiment *ex)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ex->c->n_sites; i++) {
		for (unsigned row = 0; row < ROW_COUNT; row++)
			json_array_append_new(list, row_json(ex, i, row));
	}
	return list;
}

static json_t *
stored_replies(struct controller *c, uint32_t id, struct err *err)
{
	json_t *list = query_replies(c->env.query, id, err);

	if (list != NULL && json_array_size(list) == 0) {
		(void)err_set(err, ERR_GONE,
		    "experiment %" PRIu32 ": nothing is known of its replies",
		    id);
		json_decref(list);
		list = NULL;
	}
	return list;
}

static void
handle_replies(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	uint32_t id = 0;
	json_t *list = NULL;
	struct err err;

	if (num_parse_u32(api_segment(req, 2), 1, UINT32_MAX, &id, &err) == 0) {
		const struct experiment *ex = experiment_find(c, id);

		list =
		    ex != NULL ? replies_of(ex) : stored_replies(c, id, &err);
	}
	if (list == NULL) {
		api_reply_err(req, &err);
		return;
	}
	api_reply_json(req, 200,
	    json_pack("{s:I, s:o}", "experiment", (json_int_t)id, "replies",
		list));
}

void
fleet_serve_replies(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		/* With addresses of clients: not for everybody. */
		{ "GET", "/v1/experiments/+/replies", API_LOCAL,
		    handle_replies },
		{ 0 },
	};

	api_server_add(server, routes, c);
}
