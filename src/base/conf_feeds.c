/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of the configuration that is about recent clients. */
#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "base/conf_check.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define DAY_MS (INT64_C(24) * 60 * MIN_MS)
#define SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static const char *const type_names[] = {
	[FEED_SFLOW] = "sflow",
	[FEED_PMACCT] = "pmacct",
	[FEED_NFDUMP] = "nfdump",
	[FEED_GOFLOW2] = "goflow2",
	[FEED_TEXT] = "text",
};
static_assert(sizeof(type_names) / sizeof(type_names[0]) == FEED_TYPE_COUNT,
    "each type has a name");

static const char *const way_names[] = {
	[FEED_UDP] = "udp",
	[FEED_TCP] = "tcp",
	[FEED_UNIX] = "unix",
	[FEED_UNIXGRAM] = "unixgram",
	[FEED_FILE] = "file",
	[FEED_PIPE] = "pipe",
};
static_assert(sizeof(way_names) / sizeof(way_names[0]) == FEED_WAY_COUNT,
    "each way has a name");

static const char *const weight_names[] = {
	[FEED_PACKETS] = "packets",
	[FEED_BYTES] = "bytes",
	[FEED_REQUESTS] = "requests",
};
static_assert(sizeof(weight_names) / sizeof(weight_names[0]) ==
	FEED_WEIGHT_COUNT,
    "each weight has a name");

const char *
conf_feed_type_name(enum feed_type type)
{
	return type_names[type];
}

const char *
conf_feed_way_name(enum feed_way way)
{
	return way_names[way];
}

const char *
conf_feed_weight_name(enum feed_weight weight)
{
	return weight_names[weight];
}

static size_t
find_name(const char *const *names, size_t n, const char *text, size_t len)
{
	size_t i = 0;

	while (i < n &&
	    (strlen(names[i]) != len || strncmp(names[i], text, len) != 0))
		i++;
	return i;
}

bool
conf_feed_type_parse(const char *text, enum feed_type *out)
{
	size_t i = find_name(type_names, FEED_TYPE_COUNT, text, strlen(text));

	if (i == FEED_TYPE_COUNT)
		return false;
	*out = (enum feed_type)i;
	return true;
}

static int
check_type(struct conf_ck *ck, const char *raw, struct conf_feed *out)
{
	size_t mark = conf_ck_enter(ck, "type");
	char shown[PRINTABLE_TEXT_BYTES];

	if (!conf_feed_type_parse(raw, &out->type)) {
		return conf_ck_refuse(ck,
		    "%s: expected sflow, pmacct, nfdump, goflow2 or text",
		    printable(raw, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_path(struct conf_ck *ck, const char *text, struct conf_feed *out)
{
	bool is_socket = out->way == FEED_UNIX || out->way == FEED_UNIXGRAM;
	size_t max = is_socket ? SOCKET_MAX : PATH_MAX - 1;
	char shown[PRINTABLE_TEXT_BYTES];

	if (text[0] != '/' || text[1] == '\0' || strlen(text) > max) {
		return conf_ck_refuse(ck,
		    "%s: expected an absolute path of at most %zu bytes",
		    printable(text, shown), max);
	}
	out->where = xstrdup(text);
	return 0;
}

static int
check_from(struct conf_ck *ck, const char *raw, struct conf_feed *out)
{
	size_t mark = conf_ck_enter(ck, "from");
	size_t len = strcspn(raw, ":");
	size_t way = find_name(way_names, FEED_WAY_COUNT, raw, len);
	char shown[PRINTABLE_TEXT_BYTES];
	int rc;

	if (way == FEED_WAY_COUNT || raw[len] != ':') {
		return conf_ck_refuse(ck,
		    "%s: expected udp:ADDR:PORT, tcp:ADDR:PORT, unix:PATH, "
		    "unixgram:PATH, file:PATH or pipe:PATH",
		    printable(raw, shown));
	}
	out->way = (enum feed_way)way;
	raw += len + 1;
	if (out->type == FEED_SFLOW && out->way != FEED_UDP &&
	    out->way != FEED_UNIXGRAM) {
		return conf_ck_refuse(ck,
		    "sFlow comes in datagrams, expected udp:ADDR:PORT or "
		    "unixgram:PATH");
	}
	if (out->way == FEED_UDP || out->way == FEED_TCP) {
		rc = conf_ck_endpoint(ck, raw, &out->where);
	} else {
		rc = check_path(ck, raw, out);
	}
	if (rc == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_weight(struct conf_ck *ck, const char *raw, struct conf_feed *out)
{
	size_t mark = conf_ck_enter(ck, "weight");
	char shown[PRINTABLE_TEXT_BYTES];
	size_t i;

	out->weight = out->type == FEED_TEXT ? FEED_REQUESTS : FEED_PACKETS;
	if (raw != NULL) {
		i = find_name(weight_names, FEED_WEIGHT_COUNT, raw,
		    strlen(raw));
		if (i == FEED_WEIGHT_COUNT) {
			return conf_ck_refuse(ck,
			    "%s: expected packets, bytes or requests",
			    printable(raw, shown));
		}
		out->weight = (enum feed_weight)i;
	}
	if (out->type == FEED_TEXT && out->weight != FEED_REQUESTS) {
		return conf_ck_refuse(ck,
		    "%s: a line of text has one weight of its own, expected "
		    "requests",
		    raw);
	}
	if (out->type == FEED_SFLOW && out->weight == FEED_REQUESTS) {
		return conf_ck_refuse(ck,
		    "%s: sFlow samples packets, expected packets or bytes",
		    raw);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

struct prefix_list {
	struct prefix *prefixes;
	size_t n;
};

/* Prefixes of others too, any length. */
static int
check_list(struct conf_ck *ck, const char *key, char *const *texts, size_t n,
    struct prefix_list *out)
{
	size_t mark = conf_ck_enter(ck, key);

	out->n = n;
	if (n > 0)
		out->prefixes = xcalloc(n, sizeof(out->prefixes[0]));
	for (size_t i = 0; i < n; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (prefix_parse(texts[i], &out->prefixes[i], ck->err) == -1)
			return conf_ck_wrap(ck);
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_senders(struct conf_ck *ck, const struct raw_feed *raw,
    struct conf_feed *out)
{
	struct prefix_list list = { 0 };
	size_t mark = conf_ck_enter(ck, "senders");
	int rc;

	if (raw->senders_count > 0 && out->way != FEED_UDP &&
	    out->way != FEED_TCP) {
		return conf_ck_refuse(ck,
		    "only what comes over the network has senders, expected "
		    "none with %s",
		    way_names[out->way]);
	}
	conf_ck_leave(ck, mark);
	rc = check_list(ck, "senders", raw->senders, raw->senders_count, &list);
	out->senders = list.prefixes;
	out->n_senders = rc == 0 ? list.n : 0;
	return rc;
}

static bool
has_site(const struct conf *c, const char *site)
{
	if (c->agent != NULL && strcmp(c->agent->site, site) == 0)
		return true;
	return conf_controls_site(c, site);
}

static int
check_site(struct conf_ck *ck, const char *raw, const struct conf *c,
    struct conf_feed *out)
{
	size_t mark = conf_ck_enter(ck, "site");

	if (raw == NULL && c->agent == NULL) {
		return conf_ck_refuse(ck,
		    "missing, expected the site whose clients these are");
	}
	if (conf_ck_name(ck, raw != NULL ? raw : c->agent->site, &out->site) ==
	    -1)
		return -1;
	if (!has_site(c, out->site)) {
		return conf_ck_refuse(ck, "%s: expected %s%s", out->site,
		    c->controller != NULL ? "one of fleet.sites" : "",
		    c->controller != NULL ? "" : c->agent->site);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

/* Two readers of one thing would each get a part of it. */
static int
check_unique(struct conf_ck *ck, const struct conf *c, size_t i)
{
	const struct conf_feed *f = &c->feeds[i];

	for (size_t k = 0; k < i; k++) {
		const struct conf_feed *other = &c->feeds[k];

		if (strcmp(other->name, f->name) == 0) {
			(void)conf_ck_enter(ck, "name");
			return conf_ck_refuse(ck,
			    "%s: given twice, expected a name of its own",
			    f->name);
		}
		if (other->way == f->way &&
		    strcmp(other->where, f->where) == 0) {
			(void)conf_ck_enter(ck, "from");
			return conf_ck_refuse(ck, "%s: read by feed %s already",
			    f->where, other->name);
		}
	}
	return 0;
}

static int
check_feed(struct conf_ck *ck, const struct raw_feed *raw, struct conf *c,
    size_t i)
{
	struct conf_feed *out = &c->feeds[i];
	size_t mark = conf_ck_enter(ck, "name");

	if (conf_ck_name(ck, raw->name, &out->name) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	if (check_type(ck, raw->type, out) == -1 ||
	    check_from(ck, raw->from, out) == -1 ||
	    check_weight(ck, raw->weight, out) == -1 ||
	    check_site(ck, raw->site, c, out) == -1 ||
	    check_senders(ck, raw, out) == -1)
		return -1;
	return check_unique(ck, c, i);
}

/* Whatever goes to no service of ours is no client: not what the site's
 * routers only pass on, and not the answers to our own sweeps. */
static void
default_destinations(const struct conf *c, struct conf_clients *out)
{
	size_t n = 0, at = 0;

	for (size_t s = 0; c->agent != NULL && s < c->agent->n_services; s++)
		n += c->agent->services[s].n_prefixes;
	if (n == 0)
		return;
	out->destinations = xcalloc(n, sizeof(out->destinations[0]));
	out->n_destinations = n;
	for (size_t s = 0; s < c->agent->n_services; s++) {
		const struct conf_service *sv = &c->agent->services[s];

		for (size_t i = 0; i < sv->n_prefixes; i++)
			out->destinations[at++] = sv->prefixes[i];
	}
}

static int
check_clients(struct conf_ck *ck, const struct raw_clients *raw, struct conf *c)
{
	static const struct raw_clients none = { 0 };
	static const struct conf_duration half_life = { "half_life", SEC_MS,
		365 * DAY_MS, DAY_MS };
	static const struct conf_duration report = { "report", 100, DAY_MS,
		MIN_MS };
	static const struct conf_count clients = { "max_clients", 1000,
		CONF_CLIENTS_MAX, 100000 };
	static const struct conf_count per_block = { "per_block", 1,
		CONF_PER_BLOCK_MAX, 4 };
	struct conf_count blocks = { .key = "max_blocks", .min = 1000 };
	struct conf_clients *out = &c->clients;
	struct prefix_list list = { 0 };
	size_t mark = conf_ck_enter(ck, "clients");
	int rc;

	if (raw == NULL)
		raw = &none;
	if (conf_ck_duration(ck, &half_life, raw->half_life,
		&out->half_life_ms) == -1 ||
	    conf_ck_duration(ck, &report, raw->report, &out->report_ms) == -1 ||
	    conf_ck_count(ck, &clients, raw->max_clients, &out->max_clients) ==
		-1 ||
	    conf_ck_count(ck, &per_block, raw->per_block, &out->per_block) ==
		-1 ||
	    conf_ck_bool(ck, "allow_special", raw->allow_special,
		&out->allow_special) == -1)
		return -1;
	blocks.max = blocks.initial = out->max_clients;
	if (conf_ck_count(ck, &blocks, raw->max_blocks, &out->max_blocks) == -1)
		return -1;
	rc = check_list(ck, "destinations", raw->destinations,
	    raw->destinations_count, &list);
	out->destinations = list.prefixes;
	out->n_destinations = rc == 0 ? list.n : 0;
	if (rc == 0 && list.n == 0)
		default_destinations(c, out);
	conf_ck_leave(ck, mark);
	return rc;
}

int
conf_check_feeds(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf *out)
{
	size_t mark;

	if (check_clients(ck, raw->clients, out) == -1)
		return -1;
	if (raw->feeds_count == 0) {
		if (raw->clients == NULL)
			return 0;
		(void)conf_ck_enter(ck, "clients");
		return conf_ck_refuse(ck,
		    "nothing tells of clients, expected `feeds`");
	}
	mark = conf_ck_enter(ck, "feeds");
	out->feeds = xcalloc(raw->feeds_count, sizeof(out->feeds[0]));
	out->n_feeds = raw->feeds_count;
	for (size_t i = 0; i < out->n_feeds; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_feed(ck, &raw->feeds[i], out, i) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}
