/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feed_line.h"

#include <jansson.h>
#include <string.h>

#include "base/num.h"
#include "core/client_list.h"

#define MS_PER_SEC 1000
#define NS_PER_MS 1000000
#define NFDUMP_FIELDS 4
#define SEC_MAX 100000000000.0 /* the year 5138 */

/* ---- text ---- */

static enum feed_reason
decode_text(char *line, struct feed_record *out)
{
	struct client c;

	switch (client_line_parse(line, &c, NULL)) {
	case CLIENT_LINE_EMPTY:
		return FEED_NOTHING;
	case CLIENT_LINE_FIELDS:
		return FEED_BAD_SYNTAX;
	case CLIENT_LINE_ADDRESS:
		return FEED_BAD_ADDRESS;
	case CLIENT_LINE_NUMBER:
		return FEED_BAD_NUMBER;
	case CLIENT_LINE_OK:
		break;
	}
	if (c.last_seen > (int64_t)SEC_MAX)
		return FEED_BAD_NUMBER;
	*out = (struct feed_record){ .src = c.addr,
		.packets = c.weight,
		.bytes = c.weight,
		.requests = c.weight,
		.at_ms = c.last_seen * MS_PER_SEC };
	return FEED_OK;
}

/* ---- nfdump ---- */

/* "12", "1.5 M": without -N nfdump shortens what is long. */
static bool
parse_scaled(char *s, double *out)
{
	static const struct {
		char suffix;
		double factor;
	} scales[] = { { 'K', 1e3 }, { 'M', 1e6 }, { 'G', 1e9 },
		{ 'T', 1e12 } };
	size_t len = strlen(s);
	double factor = 1;

	for (size_t i = 0; len > 2 && i < sizeof(scales) / sizeof(scales[0]);
	     i++) {
		if (s[len - 1] == scales[i].suffix && s[len - 2] == ' ') {
			factor = scales[i].factor;
			s[len - 2] = '\0';
			break;
		}
	}
	if (num_parse_decimal(s, FEED_NUMBER_MAX / factor, out, NULL) == -1)
		return false;
	*out *= factor;
	return true;
}

static enum feed_reason
decode_nfdump(char *line, struct feed_record *out)
{
	struct feed_record rec = { .requests = 1 };
	char *fields[NFDUMP_FIELDS];
	double sec;

	if (client_line_is_empty(line))
		return FEED_NOTHING;
	if (client_line_split(line, fields, NFDUMP_FIELDS) != NFDUMP_FIELDS)
		return FEED_BAD_SYNTAX;
	if (addr_parse(fields[1], &rec.src, NULL) == -1)
		return FEED_BAD_ADDRESS;
	if (num_parse_decimal(fields[0], SEC_MAX, &sec, NULL) == -1 ||
	    !parse_scaled(fields[2], &rec.packets) ||
	    !parse_scaled(fields[3], &rec.bytes))
		return FEED_BAD_NUMBER;
	rec.at_ms = (int64_t)(sec * MS_PER_SEC);
	*out = rec;
	return FEED_OK;
}

/* ---- JSON ---- */

#define KEYS_MAX 3

/* Under which keys a program writes what; of several the first that is there
 * counts. */
struct json_keys {
	const char *src[KEYS_MAX], *dst[KEYS_MAX];
	const char *packets[KEYS_MAX], *bytes[KEYS_MAX], *flows[KEYS_MAX];
	const char *rate[KEYS_MAX];
	const char *sec[KEYS_MAX], *ns[KEYS_MAX];
};

static const struct json_keys pmacct_keys = {
	.src = { "ip_src" },
	.dst = { "ip_dst" },
	.packets = { "packets" },
	.bytes = { "bytes" },
	.flows = { "flows" },
};

static const struct json_keys goflow2_keys = {
	.src = { "src_addr", "SrcAddr" },
	.dst = { "dst_addr", "DstAddr" },
	.packets = { "packets", "Packets" },
	.bytes = { "bytes", "Bytes" },
	.rate = { "sampling_rate", "SamplingRate" },
	.sec = { "time_received", "TimeReceived" },
	.ns = { "time_received_ns", "TimeReceivedNs" },
};

static const json_t *
find(const json_t *obj, const char *const keys[KEYS_MAX])
{
	const json_t *v = NULL;

	for (size_t i = 0; v == NULL && i < KEYS_MAX && keys[i] != NULL; i++)
		v = json_object_get(obj, keys[i]);
	return v;
}

/* False if it is there and no quantity.  Writers of protocol buffers put long
 * numbers in quotes. */
static bool
get_number(const json_t *obj, const char *const keys[KEYS_MAX], double max,
    double *out)
{
	const json_t *v = find(obj, keys);

	if (v == NULL)
		return true;
	if (json_is_string(v)) {
		return num_parse_decimal(json_string_value(v), max, out,
			   NULL) == 0;
	}
	if (!json_is_number(v))
		return false;
	*out = json_number_value(v);
	return *out >= 0 && *out <= max;
}

static enum feed_reason
read_addrs(const json_t *obj, const struct json_keys *keys,
    struct feed_record *rec)
{
	const char *src = json_string_value(find(obj, keys->src));
	const char *dst = json_string_value(find(obj, keys->dst));

	/* What is no IP has no address, or an empty one. */
	if (src == NULL || src[0] == '\0')
		return FEED_OTHER;
	if (addr_parse(src, &rec->src, NULL) == -1)
		return FEED_BAD_ADDRESS;
	rec->has_dst = dst != NULL && dst[0] != '\0';
	if (rec->has_dst && addr_parse(dst, &rec->dst, NULL) == -1)
		return FEED_BAD_ADDRESS;
	return FEED_OK;
}

static enum feed_reason
read_object(const json_t *obj, const struct json_keys *keys,
    struct feed_record *out)
{
	struct feed_record rec = { .packets = -1, .bytes = -1, .requests = 1 };
	double rate = 1, sec = 0, ns = 0;
	enum feed_reason why = read_addrs(obj, keys, &rec);

	if (why != FEED_OK)
		return why;
	if (!get_number(obj, keys->packets, FEED_NUMBER_MAX, &rec.packets) ||
	    !get_number(obj, keys->bytes, FEED_NUMBER_MAX, &rec.bytes) ||
	    !get_number(obj, keys->flows, FEED_NUMBER_MAX, &rec.requests) ||
	    !get_number(obj, keys->rate, UINT32_MAX, &rate) ||
	    !get_number(obj, keys->sec, SEC_MAX, &sec) ||
	    !get_number(obj, keys->ns, SEC_MAX * MS_PER_SEC * NS_PER_MS, &ns))
		return FEED_BAD_NUMBER;
	if (rate > 1) {
		rec.packets *= rate;
		rec.bytes *= rate;
		rec.requests *= rate;
	}
	rec.at_ms = (int64_t)(ns > 0 ? ns / NS_PER_MS : sec * MS_PER_SEC);
	*out = rec;
	return FEED_OK;
}

static enum feed_reason
decode_json(const char *line, size_t len, const struct json_keys *keys,
    struct feed_record *out)
{
	enum feed_reason why = FEED_BAD_SYNTAX;
	json_t *obj;

	if (client_line_is_empty(line))
		return FEED_NOTHING;
	obj = json_loadb(line, len, 0, NULL);
	if (json_is_object(obj))
		why = read_object(obj, keys, out);
	json_decref(obj);
	return why;
}

enum feed_reason
feed_line_decode(enum feed_type type, char *line, size_t len,
    struct feed_record *out)
{
	if (memchr(line, '\0', len) != NULL)
		return FEED_BAD_SYNTAX;
	if (len > 0 && line[len - 1] == '\r')
		line[--len] = '\0';
	switch (type) {
	case FEED_PMACCT:
		return decode_json(line, len, &pmacct_keys, out);
	case FEED_GOFLOW2:
		return decode_json(line, len, &goflow2_keys, out);
	case FEED_NFDUMP:
		return decode_nfdump(line, out);
	case FEED_TEXT:
		return decode_text(line, out);
	case FEED_SFLOW:
	case FEED_TYPE_COUNT:
		break;
	}
	return FEED_BAD_SYNTAX;
}
