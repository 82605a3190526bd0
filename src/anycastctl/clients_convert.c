/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/clients_convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "feeds/feed_line.h"
#include "feeds/sflow.h"

#define LINE_BYTES_MAX 128
#define FIRST_BYTES 4096u
#define MS_PER_SEC 1000

struct clients_convert {
	enum feed_type type;
	struct feed_lines lines;
	/* sFlow that is no whole datagram yet. */
	uint8_t *bytes;
	size_t n_bytes;
	char *text;
	size_t len, room;
	uint64_t n; /* lines, or datagrams */
	enum feed_reason bad;
	uint64_t bad_at;
};

struct clients_convert *
clients_convert_new(enum feed_type type)
{
	struct clients_convert *cc = xcalloc(1, sizeof(*cc));

	cc->type = type;
	return cc;
}

void
clients_convert_free(struct clients_convert *cc)
{
	if (cc == NULL)
		return;
	free(cc->bytes);
	free(cc->text);
	free(cc);
}

size_t
clients_convert_len(const struct clients_convert *cc)
{
	return cc->len;
}

char *
clients_convert_take(struct clients_convert *cc, size_t *len)
{
	char *text = cc->text != NULL ? cc->text : xstrdup("");

	*len = cc->len;
	cc->text = NULL;
	cc->len = cc->room = 0;
	return text;
}

static void
put(struct clients_convert *cc, const struct feed_record *rec)
{
	double weight = rec->packets < 0 ? rec->requests : rec->packets;
	char addr[ADDR_TEXT_BYTES];

	if (cc->room - cc->len < LINE_BYTES_MAX) {
		cc->room = cc->room > 0 ? cc->room * 2 : FIRST_BYTES;
		cc->text = xreallocarray(cc->text, cc->room, 1);
	}
	cc->len += (size_t)snprintf(cc->text + cc->len, LINE_BYTES_MAX,
	    "%s,%.3f,%" PRId64 "\n", addr_format(&rec->src, addr), weight,
	    rec->at_ms / MS_PER_SEC);
}

static void
take(enum feed_reason why, const struct feed_record *rec, void *arg)
{
	struct clients_convert *cc = arg;

	if (why == FEED_OK) {
		put(cc, rec);
	} else if (feed_reason_is_bad(why) && cc->bad == FEED_OK) {
		cc->bad = why;
		cc->bad_at = cc->n;
	}
}

static void
take_line(char *line, size_t len, void *arg)
{
	struct clients_convert *cc = arg;
	enum feed_reason why = FEED_BAD_LONG;
	struct feed_record rec;

	cc->n++;
	if (line != NULL)
		why = feed_line_decode(cc->type, line, len, &rec);
	take(why, why == FEED_OK ? &rec : NULL, cc);
}

/* All datagrams that are wholly there: the last may be cut off. */
static void
take_datagrams(struct clients_convert *cc, const char *data, size_t len,
    bool last)
{
	struct cursor c;

	cc->bytes = xreallocarray(cc->bytes, cc->n_bytes + len + 1, 1);
	memcpy(cc->bytes + cc->n_bytes, data, len);
	cc->n_bytes += len;
	c = (struct cursor){ .p = cc->bytes, .left = cc->n_bytes };
	while (!c.bad && c.left > 0 && (last || c.left >= FEED_DATAGRAM_MAX)) {
		cc->n++;
		sflow_decode(&c, take, cc);
	}
	if (c.left > 0)
		memmove(cc->bytes, c.p, c.left);
	cc->n_bytes = c.left;
}

int
clients_convert_push(struct clients_convert *cc, char *data, size_t len,
    bool last, struct err *err)
{
	if (cc->type == FEED_SFLOW) {
		take_datagrams(cc, data, len, last);
	} else {
		feed_lines_push(&cc->lines, data, len, take_line, cc);
		if (last)
			feed_lines_end(&cc->lines, take_line, cc);
	}
	if (cc->bad == FEED_OK)
		return 0;
	return err_set(err, ERR_CONF, "%s %" PRIu64 ": not %s: bad %s",
	    cc->type == FEED_SFLOW ? "datagram" : "line", cc->bad_at,
	    conf_feed_type_name(cc->type), feed_reason_name(cc->bad));
}
