/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/collector.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <jansson.h>

#include "base/chan.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "feeds/feed_source.h"
#include "feeds/feed_wire.h"

#define STATS_MS 1000
#define BACKLOG_MAX_BYTES ((size_t)2 * FEED_PART_BYTES_MAX)

struct collector_site {
	const char *name;
	struct client_pool *pool;
	uint32_t serial; /* of the list told last */
};

struct collector {
	struct loop *lp;
	struct chan *ch;
	struct loop_timer *stats, *report;
	struct conf *conf;
	struct collector_site *sites;
	size_t n_sites;
	struct feed *feeds; /* conf->n_feeds of them */
	uint64_t skipped;   /* lists that main was not ready for */
};

/* ---- telling main ---- */

static json_t *
site_to_json(const struct collector_site *s, int64_t now_ms)
{
	struct client_pool_stats st;

	client_pool_stats(s->pool, now_ms, &st);
	return json_pack("{s:s, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I}",
	    "site", s->name, "clients", (json_int_t)st.clients, "blocks",
	    (json_int_t)st.blocks, "ipv4", (json_int_t)st.clients_ipv4,
	    "weight", st.weight, "evicted_blocks",
	    (json_int_t)st.evicted_blocks, "evicted_clients",
	    (json_int_t)st.evicted_clients, "replaced", (json_int_t)st.replaced,
	    "bytes", (json_int_t)client_pool_bytes(s->pool));
}

static void
on_stats(struct loop *lp, void *arg)
{
	struct collector *co = arg;
	struct mono now = mono_now();
	json_t *sites = json_array(), *feeds = json_array(), *doc;
	char *text;

	(void)lp;
	loop_timer_set(co->stats, STATS_MS);
	for (size_t i = 0; i < co->n_sites; i++) {
		json_array_append_new(sites,
		    site_to_json(&co->sites[i], now.us / 1000));
	}
	for (size_t i = 0; i < co->conf->n_feeds; i++) {
		feed_update_rate(&co->feeds[i], now);
		json_array_append_new(feeds, feed_to_json(&co->feeds[i]));
	}
	doc = json_pack("{s:o, s:o, s:I}", "sites", sites, "feeds", feeds,
	    "skipped", (json_int_t)co->skipped);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	/* Behind a list that is on its way, or they might never be sent. */
	if (text != NULL && chan_backlog_bytes(co->ch) <= BACKLOG_MAX_BYTES)
		chan_send(co->ch, FEED_MSG_STATS, text, strlen(text));
	free(text);
}

static uint32_t
next_serial(struct collector_site *s)
{
	/* 0 is none. */
	if (++s->serial == 0)
		s->serial = 1;
	return s->serial;
}

static void
send_clients(struct collector *co, struct collector_site *s)
{
	struct feed_part part = { .serial = next_serial(s),
		.total = client_pool_count(s->pool),
		.half_life_ms = co->conf->clients.half_life_ms };
	struct client *clients = xcalloc(part.total, sizeof(*clients));
	size_t name_len = strlen(s->name) + 1;
	uint8_t *buf = xcalloc(1, name_len + FEED_PART_BYTES_MAX);

	client_pool_list(s->pool, mono_now().us / 1000, clients);
	memcpy(buf, s->name, name_len);
	do {
		size_t len = feed_part_encode(&part, clients, buf + name_len);

		chan_send(co->ch, FEED_MSG_CLIENTS, buf, name_len + len);
		part.first += part.n;
	} while (part.first < part.total);
	free(buf);
	free(clients);
}

static void
on_report(struct loop *lp, void *arg)
{
	struct collector *co = arg;

	(void)lp;
	loop_timer_set(co->report, co->conf->clients.report_ms);
	for (size_t i = 0; i < co->n_sites; i++) {
		/* Main is busy: what waits for it stays bounded. */
		if (chan_backlog_bytes(co->ch) > BACKLOG_MAX_BYTES) {
			co->skipped++;
		} else {
			send_clients(co, &co->sites[i]);
		}
	}
}

/* ---- orders from main ---- */

static struct collector_site *
find_site(struct collector *co, const char *name)
{
	for (size_t i = 0; i < co->n_sites; i++) {
		if (strcmp(co->sites[i].name, name) == 0)
			return &co->sites[i];
	}
	return NULL;
}

/* The site, new if it was not there. */
static struct collector_site *
add_site(struct collector *co, const char *name)
{
	struct collector_site *s = find_site(co, name);
	/* Lists of another process must not be taken for ours. */
	uint32_t serial;

	struct client_pool_limits limits = { .clients =
						 co->conf->clients.max_clients,
		.blocks = co->conf->clients.max_blocks,
		.per_block = co->conf->clients.per_block,
		.half_life_ms = co->conf->clients.half_life_ms };

	if (s != NULL)
		return s;
	/* Never short for so few bytes (getrandom(2)). */
	if (getrandom(&serial, sizeof(serial), 0) != (ssize_t)sizeof(serial) ||
	    getrandom(limits.seed, sizeof(limits.seed), 0) !=
		(ssize_t)sizeof(limits.seed))
		abort();
	s = &co->sites[co->n_sites++];
	*s = (struct collector_site){
		.name = name, .serial = serial, .pool = client_pool_new(&limits)
	};
	return s;
}

static void
take_conf(struct collector *co, const struct chan_msg *msg)
{
	if (co->conf != NULL)
		return;
	co->conf = feed_conf_decode(msg->body, msg->len);
	if (co->conf == NULL) {
		log_warnx("main: a configuration that is none");
		loop_stop(co->lp);
		return;
	}
	co->feeds = xcalloc(co->conf->n_feeds, sizeof(*co->feeds));
	co->sites = xcalloc(co->conf->n_feeds, sizeof(*co->sites));
	for (size_t i = 0; i < co->conf->n_feeds; i++) {
		const struct conf_feed *f = &co->conf->feeds[i];

		feed_init(&co->feeds[i], f, &co->conf->clients,
		    add_site(co, f->site)->pool);
		feed_open(&co->feeds[i], co->lp);
	}
	loop_timer_set(co->stats, 0);
	loop_timer_set(co->report, co->conf->clients.report_ms);
}

/* What the collector before us knew: as old as main says. */
static void
take_seed(struct collector *co, const struct chan_msg *msg)
{
	const uint8_t *nul = memchr(msg->body, '\0', msg->len);
	int64_t now_ms = mono_now().us / 1000;
	struct collector_site *s;
	struct feed_part part;
	struct client c;
	size_t name_len;

	if (nul == NULL || co->conf == NULL)
		return;
	name_len = (size_t)(nul - msg->body) + 1;
	s = find_site(co, (const char *)msg->body);
	if (s == NULL ||
	    feed_part_decode(nul + 1, msg->len - name_len, &part, NULL) == -1)
		return;
	for (uint32_t i = 0; i < part.n; i++) {
		struct client_sighting seen = { .at_ms = now_ms - part.age_ms };

		if (feed_part_next(&part, &c) == -1)
			return;
		seen.addr = c.addr;
		seen.weight = c.weight;
		seen.last_seen = c.last_seen;
		client_pool_add(s->pool, &seen);
	}
}

static void
on_msg(struct chan *ch, const struct chan_msg *msg, void *arg)
{
	struct collector *co = arg;

	(void)ch;
	if (msg->type == FEED_MSG_CONF) {
		take_conf(co, msg);
	} else if (msg->type == FEED_MSG_SEED) {
		take_seed(co, msg);
	} else {
		log_warnx("main: message of type %u: unknown", msg->type);
	}
}

static void
on_close(struct chan *ch, void *arg)
{
	struct collector *co = arg;

	(void)ch;
	loop_stop(co->lp);
}

/* ---- life ---- */

static void
clean_up(struct collector *co)
{
	for (size_t i = 0; co->conf != NULL && i < co->conf->n_feeds; i++) {
		feed_close(&co->feeds[i]);
		feed_fini(&co->feeds[i]);
	}
	for (size_t i = 0; i < co->n_sites; i++)
		client_pool_free(co->sites[i].pool);
	free(co->sites);
	free(co->feeds);
	conf_free(co->conf);
	loop_timer_free(co->stats);
	loop_timer_free(co->report);
	chan_free(co->ch);
	loop_free(co->lp);
}

int
collector_main(int chan_fd)
{
	struct collector co = { .lp = loop_new() };

	co.stats = loop_timer_new(co.lp, on_stats, &co);
	co.report = loop_timer_new(co.lp, on_report, &co);
	co.ch = chan_new(co.lp, chan_fd, on_msg, on_close, &co);
	loop_run(co.lp);
	clean_up(&co);
	return 0;
}
