/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed_wire.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define AGE_MAX_MS (3650 * DAY_MS)
/* A part may be 20 s on its way (clients_link): a clock that seems behind by that
 * may well be right. */
#define CLOCK_AHEAD_S 2
#define CLOCK_BEHIND_S 22

static_assert(sizeof(double) == sizeof(uint64_t), "weights travel as bits");

/* ---- clients ---- */

/* NOLINTBEGIN(readability-non-const-parameter): the cursor writes to it */
size_t
feed_part_encode(struct feed_part *part, const struct client *clients,
    uint8_t *buf)
{
	struct wcursor w = { .p = buf, .left = FEED_PART_BYTES_MAX };
	uint32_t left = part->total - part->first;

	part->n = left < FEED_PART_ROWS_MAX ? left : FEED_PART_ROWS_MAX;
	wcursor_be32(&w, part->serial);
	wcursor_be32(&w, part->total);
	wcursor_be32(&w, part->first);
	wcursor_be32(&w, part->clock_s);
	wcursor_be64(&w, (uint64_t)part->age_ms);
	wcursor_be64(&w, (uint64_t)part->half_life_ms);
	for (uint32_t i = 0; i < part->n; i++) {
		const struct client *c = &clients[part->first + i];
		uint64_t bits;

		memcpy(&bits, &c->weight, sizeof(bits));
		wcursor_bytes(&w, c->addr.b, sizeof(c->addr.b));
		wcursor_be64(&w, bits);
		wcursor_be32(&w, (uint32_t)c->last_seen);
	}
	assert(!w.bad);
	return FEED_PART_BYTES_MAX - w.left;
}
/* NOLINTEND(readability-non-const-parameter) */

int
feed_part_decode(const uint8_t *body, size_t len, struct feed_part *out,
    struct err *err)
{
	struct cursor c = { .p = body, .left = len };
	struct feed_part part = { 0 };
	uint64_t age, half_life;

	part.serial = cursor_be32(&c);
	part.total = cursor_be32(&c);
	part.first = cursor_be32(&c);
	part.clock_s = cursor_be32(&c);
	age = cursor_be64(&c);
	half_life = cursor_be64(&c);
	if (c.bad || c.left % FEED_PART_ROW_BYTES != 0 ||
	    c.left / FEED_PART_ROW_BYTES > FEED_PART_ROWS_MAX)
		return err_set(err, ERR_PROTO, "clients: malformed");
	part.n = (uint32_t)(c.left / FEED_PART_ROW_BYTES);
	if (part.total > CONF_CLIENTS_MAX || part.first > part.total ||
	    part.n > part.total - part.first ||
	    (part.n == 0 && part.total > 0) || half_life == 0 ||
	    half_life > (uint64_t)AGE_MAX_MS)
		return err_set(err, ERR_PROTO, "clients: absurd");
	/* Older than anything is as old. */
	part.age_ms = age < (uint64_t)AGE_MAX_MS ? (int64_t)age : AGE_MAX_MS;
	part.half_life_ms = (int64_t)half_life;
	part.rows = c;
	*out = part;
	return 0;
}

void
feed_part_set_clock(struct feed_part *part, int64_t now_s)
{
	int64_t shift_s = now_s - part->clock_s;

	if (part->clock_s != 0 &&
	    (shift_s < -CLOCK_AHEAD_S || shift_s > CLOCK_BEHIND_S))
		part->shift_s = shift_s;
}

int
feed_part_next(struct feed_part *part, struct client *out)
{
	struct client c;
	int64_t seen_s;
	uint64_t bits;

	cursor_bytes(&part->rows, c.addr.b, sizeof(c.addr.b));
	bits = cursor_be64(&part->rows);
	memcpy(&c.weight, &bits, sizeof(bits));
	seen_s = cursor_be32(&part->rows);
	seen_s += seen_s != 0 ? part->shift_s : 0; /* 0 is unknown */
	c.last_seen = seen_s < 0  ? 0
	    : seen_s > UINT32_MAX ? UINT32_MAX
				  : seen_s;
	if (part->rows.bad || !(c.weight >= 0 && c.weight <= FEED_WEIGHT_MAX) ||
	    addr_is_never_host(&c.addr))
		return -1;
	*out = c;
	return 0;
}

/* ---- configuration ---- */

static json_t *
prefixes_to_json(const struct prefix *list, size_t n)
{
	json_t *out = json_array();
	char buf[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(out,
		    json_string(prefix_format(&list[i], buf)));
	}
	return out;
}

static struct prefix *
prefixes_from_json(const json_t *list, size_t *n)
{
	size_t i, max = json_array_size(list);
	struct prefix *out;
	const json_t *v;

	*n = 0;
	if (max == 0)
		return NULL;
	out = xcalloc(max, sizeof(*out));
	json_array_foreach (list, i, v) {
		const char *text = json_string_value(v);

		if (text != NULL && prefix_parse(text, &out[*n], NULL) == 0)
			++*n;
	}
	return out;
}

char *
feed_conf_encode(const struct conf *conf)
{
	const struct conf_clients *cl = &conf->clients;
	json_t *feeds = json_array();
	json_t *doc;
	char *text;

	for (size_t i = 0; i < conf->n_feeds; i++) {
		const struct conf_feed *f = &conf->feeds[i];

		json_array_append_new(feeds,
		    json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:o}", "name",
			f->name, "where", f->where, "site", f->site, "type",
			(int)f->type, "way", (int)f->way, "weight",
			(int)f->weight, "senders",
			prefixes_to_json(f->senders, f->n_senders)));
	}
	doc = json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "half_life",
	    (json_int_t)cl->half_life_ms, "report", (json_int_t)cl->report_ms,
	    "clients", (json_int_t)cl->max_clients, "blocks",
	    (json_int_t)cl->max_blocks, "per_block", (json_int_t)cl->per_block,
	    "allow_special", (int)cl->allow_special, "destinations",
	    prefixes_to_json(cl->destinations, cl->n_destinations), "feeds",
	    feeds);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

static int
decode_feed(json_t *in, struct conf_feed *out)
{
	const char *name, *where, *site;
	int type, way, weight;
	const json_t *senders;

	if (json_unpack(in, "{s:s, s:s, s:s, s:i, s:i, s:i, s:o}", "name",
		&name, "where", &where, "site", &site, "type", &type, "way",
		&way, "weight", &weight, "senders", &senders) == -1 ||
	    type < 0 || type >= FEED_TYPE_COUNT || way < 0 ||
	    way >= FEED_WAY_COUNT || weight < 0 || weight >= FEED_WEIGHT_COUNT)
		return -1;
	out->name = xstrdup(name);
	out->where = xstrdup(where);
	out->site = xstrdup(site);
	out->type = (enum feed_type)type;
	out->way = (enum feed_way)way;
	out->weight = (enum feed_weight)weight;
	out->senders = prefixes_from_json(senders, &out->n_senders);
	return 0;
}

static int
decode_clients(json_t *doc, struct conf_clients *out)
{
	json_int_t half_life, report, clients, blocks, per_block;
	const json_t *destinations;
	int allow_special;

	if (json_unpack(doc, "{s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "half_life",
		&half_life, "report", &report, "clients", &clients, "blocks",
		&blocks, "per_block", &per_block, "allow_special",
		&allow_special, "destinations", &destinations) == -1 ||
	    half_life < 1 || report < 1 || clients < 1 ||
	    clients > CONF_CLIENTS_MAX || blocks < 1 || blocks > clients ||
	    per_block < 1 || per_block > CONF_PER_BLOCK_MAX)
		return -1;
	*out = (struct conf_clients){ .half_life_ms = half_life,
		.report_ms = report,
		.max_clients = (uint32_t)clients,
		.max_blocks = (uint32_t)blocks,
		.per_block = (uint32_t)per_block,
		.allow_special = allow_special != 0 };
	out->destinations =
	    prefixes_from_json(destinations, &out->n_destinations);
	return 0;
}

struct conf *
feed_conf_decode(const uint8_t *body, size_t len)
{
	json_t *doc = json_loadb((const char *)body, len, 0, NULL);
	json_t *feeds = json_object_get(doc, "feeds");
	struct conf *conf = xcalloc(1, sizeof(*conf));
	size_t n = json_array_size(feeds);

	if (n == 0 || n > CONF_FEEDS_MAX ||
	    decode_clients(doc, &conf->clients) == -1)
		goto fail;
	conf->feeds = xcalloc(n, sizeof(conf->feeds[0]));
	for (; conf->n_feeds < n; conf->n_feeds++) {
		if (decode_feed(json_array_get(feeds, conf->n_feeds),
			&conf->feeds[conf->n_feeds]) == -1)
			goto fail;
	}
	json_decref(doc);
	return conf;

fail:
	json_decref(doc);
	conf_free(conf);
	return NULL;
}
