/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/recent_api.h"

#include <stdlib.h>
#include <string.h>

#define TOP_DEFAULT 20
/* Of one answer; more is what `take` is for. */
#define TOP_LIST_MAX 100000

/* What a collector tells of its pool, beside what the book knows. */
static void
add_pool(json_t *site, const json_t *pool)
{
	static const char *const keys[] = { "blocks", "evicted_blocks",
		"evicted_clients", "replaced", "bytes" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *v = json_object_get(pool, keys[i]);

		if (json_is_integer(v))
			(void)json_object_set(site, keys[i], v);
	}
}

/* The object of the site among sites; new if it has no list yet. */
static json_t *
find_site(json_t *sites, const char *name)
{
	json_t *site;
	size_t i;

	json_array_foreach (sites, i, site) {
		const char *other =
		    json_string_value(json_object_get(site, "site"));

		if (other != NULL && strcmp(other, name) == 0)
			return site;
	}
	site = json_pack("{s:s, s:i, s:i, s:i, s:f, s:n}", "site", name,
	    "clients", 0, "ipv4", 0, "ipv6", 0, "weight", 0.0, "age_ms");
	(void)json_array_append_new(sites, site);
	return site;
}

/* A daemon of both roles may tell of the same feed twice. */
static void
add_feeds(json_t *feeds, json_t *more)
{
	json_t *f, *other;
	size_t i, k;

	json_array_foreach (more, i, f) {
		bool is_new = true;

		json_array_foreach (feeds, k, other) {
			if (json_equal(json_object_get(f, "site"),
				json_object_get(other, "site")) &&
			    json_equal(json_object_get(f, "feed"),
				json_object_get(other, "feed")))
				is_new = false;
		}
		if (is_new)
			(void)json_array_append(feeds, f);
	}
}

json_t *
recent_to_json(const struct client_book *book, const json_t *stats)
{
	json_t *sites = client_book_to_json(book), *feeds = json_array();
	const json_t *told, *pool;
	size_t i, k;

	json_array_foreach (stats, i, told) {
		json_array_foreach (json_object_get(told, "sites"), k, pool) {
			const char *name =
			    json_string_value(json_object_get(pool, "site"));

			if (name != NULL)
				add_pool(find_site(sites, name), pool);
		}
		add_feeds(feeds, json_object_get(told, "feeds"));
	}
	return json_pack("{s:o, s:o}", "sites", sites, "feeds", feeds);
}

int
recent_choice_parse(const struct api_request *req,
    const struct client_book *book, struct recent_choice *out, struct err *err)
{
	static const int64_t tops[] = { 0, CLIENT_LIST_MAX };
	struct client_book_list l;
	int64_t top = 0;

	out->site = api_param(req, "site");
	if (api_param_i64(req, "top", tops, &top, err) == -1)
		return -1;
	out->top = (size_t)top;
	if (out->site != NULL &&
	    (!client_book_find(book, out->site, &l) || l.serial == 0)) {
		return err_set(err, ERR_GONE, "site %s: no recent clients",
		    out->site);
	}
	return 0;
}

static int
compare_weight(const void *va, const void *vb)
{
	const struct client *a = va;
	const struct client *b = vb;

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

void
recent_reply_list(struct api_request *req, const struct client_book *book)
{
	json_t *list = json_array();
	struct recent_choice choice;
	char buf[ADDR_TEXT_BYTES];
	struct client *clients;
	struct err err;
	size_t n;

	if (recent_choice_parse(req, book, &choice, &err) == -1) {
		json_decref(list);
		api_reply_err(req, &err);
		return;
	}
	if (choice.top == 0)
		choice.top = TOP_DEFAULT;
	if (choice.top > TOP_LIST_MAX)
		choice.top = TOP_LIST_MAX;
	clients = client_book_merge(book, choice.site, choice.top, &n);
	if (n > 0)
		qsort(clients, n, sizeof(*clients), compare_weight);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list,
		    json_pack("{s:s, s:f, s:I}", "client",
			addr_format(&clients[i].addr, buf), "weight",
			clients[i].weight, "last_seen",
			(json_int_t)clients[i].last_seen));
	}
	free(clients);
	api_reply_json(req, 200,
	    json_pack("{s:s?, s:o}", "site", choice.site, "clients", list));
}
