/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feeds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"

/* A list is written so often at most. */
#define SAVE_MS INT64_C(600000)
#define TURN_MS 1000
/* Parts of lists that may wait for the store: 7 MB, at the end 120 MB. */
#define SAVE_BACKLOG_MAX 16u
#define END_BACKLOG_MAX 256u

static_assert(FEED_PART_BYTES_MAX <= STORE_RECENT_BYTES_MAX,
    "a part is a row of the store");

/* Which list of a site is in the store, and since when. */
struct saved {
	char site[CONF_NAME_MAX + 1];
	uint32_t serial;
	struct mono at;
};

struct feeds {
	struct feeds_env env;
	struct client_book *book;
	struct worker *collector; /* NULL: no feeds */
	uint64_t starts;
	json_t *stats;
	struct loop_timer *save;
	struct saved *saved;
	size_t n_saved;
	void (*on_list)(const char *site, void *arg);
	void *arg;
};

/* ---- the store ---- */

static struct saved *
find_saved(struct feeds *fs, const char *site)
{
	for (size_t i = 0; i < fs->n_saved; i++) {
		if (strcmp(fs->saved[i].site, site) == 0)
			return &fs->saved[i];
	}
	fs->saved =
	    xreallocarray(fs->saved, fs->n_saved + 1, sizeof(fs->saved[0]));
	fs->saved[fs->n_saved] = (struct saved){ .at = mono_now() };
	(void)text_copy(fs->saved[fs->n_saved].site, sizeof(fs->saved[0].site),
	    site);
	return &fs->saved[fs->n_saved++];
}

static void
save_list(struct feeds *fs, const struct client_book_list *l)
{
	struct feed_part part = { .serial = l->serial,
		.total = l->n,
		.age_ms = l->age_ms,
		.half_life_ms = l->half_life_ms };
	struct store_recent row = { .site = l->site,
		.saved_ms = wall_now_ms() };
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);

	row.data = buf;
	do {
		row.len = feed_part_encode(&part, l->clients, buf);
		part.first += part.n;
		row.last = part.first == part.total;
		store_put_recent(fs->env.store, &row);
		row.part++;
	} while (!row.last);
	free(buf);
}

/* Those that have changed and are due, as long as the store keeps up. */
static void
save_due(struct feeds *fs, int64_t due_ms, size_t backlog_max)
{
	for (size_t i = 0; i < client_book_count(fs->book) &&
	     store_backlog(fs->env.store) < backlog_max;
	     i++) {
		struct client_book_list l;
		struct saved *saved;

		client_book_get(fs->book, i, &l);
		saved = find_saved(fs, l.site);
		if (l.serial == 0 || l.serial == saved->serial ||
		    mono_diff_ms(mono_now(), saved->at) < due_ms)
			continue;
		save_list(fs, &l);
		saved->serial = l.serial;
		saved->at = mono_now();
	}
}

void
feeds_save(struct feeds *fs)
{
	if (fs != NULL)
		save_due(fs, 0, END_BACKLOG_MAX);
}

static void
on_save(struct loop *lp, void *arg)
{
	struct feeds *fs = arg;

	(void)lp;
	save_due(fs, SAVE_MS, SAVE_BACKLOG_MAX);
	loop_timer_set(fs->save, TURN_MS);
}

static bool
is_own_feed(const struct conf *c, const char *site)
{
	size_t i = 0;

	while (i < c->n_feeds && strcmp(c->feeds[i].site, site) != 0)
		i++;
	return i < c->n_feeds;
}

/* A site that is no more in the configuration would never be told again. */
static bool
is_known_site(const struct conf *c, const char *site)
{
	return is_own_feed(c, site) || conf_controls_site(c, site);
}

static int
load_part(const struct query_recent *row, void *arg, struct err *err)
{
	struct feeds *fs = arg;
	int64_t since_ms = wall_now_ms() - row->saved_ms;
	struct feed_part part;
	struct err why;

	(void)err;
	if (!is_known_site(fs->env.conf, row->site))
		return 0;
	/* A list that cannot be read is lost; the feeds tell a new one. */
	if (feed_part_decode(row->data, row->len, &part, &why) == -1) {
		log_warnx("site %s: recent clients in the store: %s", row->site,
		    why.msg);
		return 0;
	}
	part.age_ms += since_ms > 0 ? since_ms : 0;
	if (client_book_take(fs->book, row->site, &part, &why) == -1) {
		log_warnx("site %s: recent clients in the store: %s", row->site,
		    why.msg);
	} else {
		find_saved(fs, row->site)->serial = part.serial;
	}
	return 0;
}

/* ---- the collector ---- */

static void
seed(struct feeds *fs, const struct client_book_list *l)
{
	struct feed_part part = { .serial = l->serial,
		.total = l->n,
		.age_ms = l->age_ms,
		.half_life_ms = l->half_life_ms };
	size_t name_len = strlen(l->site) + 1;
	uint8_t *buf = xcalloc(1, name_len + FEED_PART_BYTES_MAX);

	memcpy(buf, l->site, name_len);
	while (part.first < part.total) {
		size_t len =
		    feed_part_encode(&part, l->clients, buf + name_len);

		(void)worker_send(fs->collector, FEED_MSG_SEED, buf,
		    name_len + len);
		part.first += part.n;
	}
	free(buf);
}

static void
on_start(struct worker *w, void *arg)
{
	struct feeds *fs = arg;
	char *text = feed_conf_encode(fs->env.conf);

	fs->starts++;
	(void)worker_send(w, FEED_MSG_CONF, text, strlen(text));
	free(text);
	for (size_t i = 0; i < client_book_count(fs->book); i++) {
		struct client_book_list l;

		client_book_get(fs->book, i, &l);
		if (l.serial != 0 && is_own_feed(fs->env.conf, l.site))
			seed(fs, &l);
	}
}

static void
take_stats(struct feeds *fs, const struct chan_msg *msg)
{
	json_t *doc = json_loadb((const char *)msg->body, msg->len, 0, NULL);

	if (!json_is_array(json_object_get(doc, "sites")) ||
	    !json_is_array(json_object_get(doc, "feeds"))) {
		log_warnx("collector: statistics that are none");
		json_decref(doc);
		return;
	}
	json_object_set_new(doc, "starts",
	    json_integer((json_int_t)fs->starts));
	json_decref(fs->stats);
	fs->stats = doc;
}

static void
take_clients(struct feeds *fs, const struct chan_msg *msg)
{
	const uint8_t *nul = memchr(msg->body, '\0', msg->len);
	const char *site = (const char *)msg->body;
	struct feed_part part;
	struct err err;
	int rc = -1;

	if (nul == NULL || !is_own_feed(fs->env.conf, site)) {
		log_warnx("collector: clients of no site of ours");
		return;
	}
	if (feed_part_decode(nul + 1, msg->len - (size_t)(nul - msg->body) - 1,
		&part, &err) == 0)
		rc = client_book_take(fs->book, site, &part, &err);
	if (rc == -1)
		log_warnx("collector: site %s: %s", site, err.msg);
	if (rc == 1 && fs->on_list != NULL)
		fs->on_list(site, fs->arg);
}

static void
on_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct feeds *fs = arg;

	(void)w;
	if (msg->type == FEED_MSG_STATS) {
		take_stats(fs, msg);
	} else if (msg->type == FEED_MSG_CLIENTS) {
		take_clients(fs, msg);
	} else {
		log_warnx("collector: message of type %u: unknown", msg->type);
	}
}

/* ---- the door ---- */

static void
start_collector(struct feeds *fs)
{
	static const struct worker_ops ops = { .on_start = on_start,
		.on_msg = on_msg };

	if (fs->env.conf->n_feeds > 0) {
		fs->collector = worker_new(fs->env.keeper,
		    fs->env.kind_collector, &ops, fs);
	}
}

void
feeds_reconf(struct feeds *fs, const struct conf *conf)
{
	char *before = feed_conf_encode(fs->env.conf);
	char *now = feed_conf_encode(conf);
	bool is_same = strcmp(before, now) == 0 &&
	    (fs->collector != NULL) == (conf->n_feeds > 0);

	free(before);
	free(now);
	fs->env.conf = conf;
	if (is_same)
		return;
	worker_free(fs->collector);
	fs->collector = NULL;
	json_decref(fs->stats);
	fs->stats = NULL;
	start_collector(fs);
}

struct feeds *
feeds_new(const struct feeds_env *env, struct err *err)
{
	struct feeds *fs = xcalloc(1, sizeof(*fs));

	fs->env = *env;
	fs->book = client_book_new(CLIENT_BOOK_MAX);
	if (query_recent_clients(env->query, load_part, fs, err) == -1) {
		feeds_free(fs);
		return NULL;
	}
	fs->save = loop_timer_new(env->lp, on_save, fs);
	loop_timer_set(fs->save, TURN_MS);
	start_collector(fs);
	return fs;
}

void
feeds_free(struct feeds *fs)
{
	if (fs == NULL)
		return;
	worker_free(fs->collector);
	loop_timer_free(fs->save);
	client_book_free(fs->book);
	json_decref(fs->stats);
	free(fs->saved);
	free(fs);
}

struct client_book *
feeds_book(struct feeds *fs)
{
	return fs->book;
}

void
feeds_listen(struct feeds *fs, void (*on_list)(const char *site, void *arg),
    void *arg)
{
	fs->on_list = on_list;
	fs->arg = arg;
}

json_t *
feeds_stats(const struct feeds *fs)
{
	return fs->stats;
}
