/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/show.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "bird/include.h"

#define CODE_PROTOCOL 1002
#define CODE_ROUTE 1007
#define CODE_ATTRIBUTE 1012
#define CODE_STATUS_LAST 13

/* Copies the next blank-separated word; false when there is none. */
static bool
next_word(const char **p, char *out, size_t size)
{
	size_t n;

	*p += strspn(*p, " \t");
	n = strcspn(*p, " \t");
	if (n == 0)
		return false;
	(void)snprintf(out, size, "%.*s", (int)n, *p);
	*p += n;
	return true;
}

/* name proto table state since info */
static bool
protocol_parse(const char *line, struct bird_protocol *out)
{
	char proto[16], table[BIRD_NAME_MAX], state[16], word[32];

	*out = (struct bird_protocol){ 0 };
	if (!next_word(&line, out->name, sizeof(out->name)) ||
	    !next_word(&line, proto, sizeof(proto)) ||
	    !next_word(&line, table, sizeof(table)) ||
	    !next_word(&line, state, sizeof(state)))
		return false;
	out->is_bgp = strcmp(proto, "BGP") == 0;
	out->is_down = strcmp(state, "down") == 0;
	if (!out->is_bgp || strcmp(state, "up") != 0)
		return true;
	/* "Since" has one or two words, by the time format. */
	while (next_word(&line, word, sizeof(word))) {
		if (strcmp(word, "Established") == 0)
			out->is_established = true;
	}
	return true;
}

size_t
bird_show_protocols(const struct bird_reply *reply, struct bird_protocol *out,
    size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < reply->n; i++) {
		struct bird_protocol protocol;

		if (reply->lines[i].code != CODE_PROTOCOL ||
		    !protocol_parse(reply->lines[i].text, &protocol))
			continue;
		if (n < max)
			out[n] = protocol;
		n++;
	}
	return n;
}

/* " 192.0.2.0/24   blackhole [anycastd4 12:00:00.000] * (200)" */
static bool
route_parse(const char *line, struct bird_show_route *out)
{
	char net[PREFIX_TEXT_BYTES];
	const char *bracket = strchr(line, '[');
	struct err err;

	*out = (struct bird_show_route){ 0 };
	if (bracket == NULL || !next_word(&line, net, sizeof(net)) ||
	    prefix_parse(net, &out->prefix, &err) == -1)
		return false;
	bracket++;
	return next_word(&bracket, out->protocol, sizeof(out->protocol));
}

/* "\tanycastd_prepend: 2"; a value that is none of ours counts as none. */
static void
attr_parse(const char *line, struct route_attrs *out)
{
	static const struct {
		const char *name;
		uint32_t max;
	} known[] = { { BIRD_ATTR_PREPEND ":", ROUTE_PREPEND_MAX },
		{ BIRD_ATTR_GSHUT ":", 1 } };
	char name[BIRD_NAME_MAX], value[16];

	if (!next_word(&line, name, sizeof(name)) ||
	    !next_word(&line, value, sizeof(value)))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint32_t n = 0;

		if (strcmp(name, known[i].name) != 0 ||
		    num_parse_u32(value, 0, known[i].max, &n, NULL) == -1)
			continue;
		if (i == 0) {
			out->prepend = (uint8_t)n;
		} else {
			out->graceful_shutdown = n != 0;
		}
	}
}

void
bird_show_routes(const struct bird_reply *reply, bird_route_cb *cb, void *arg)
{
	struct bird_show_route route;
	bool is_open = false; /* a route whose attributes may follow */

	for (size_t i = 0; i < reply->n; i++) {
		const struct bird_line *line = &reply->lines[i];

		if (line->code == CODE_ATTRIBUTE && is_open) {
			attr_parse(line->text, &route.attrs);
			continue;
		}
		if (line->code != CODE_ROUTE)
			continue;
		if (is_open)
			cb(&route, arg);
		is_open = route_parse(line->text, &route);
	}
	if (is_open)
		cb(&route, arg);
}

bool
bird_show_is_reconfiguring(const struct bird_reply *reply)
{
	const char *text;

	if (reply->n == 0 || reply->code != CODE_STATUS_LAST)
		return true;
	text = reply->lines[reply->n - 1].text;
	/* The one place where BIRD gives no code for it. */
	return strstr(text, "econfiguration in progress") != NULL;
}

void
bird_show_reconfigured(const struct bird_reply *reply, char out[BIRD_TIME_MAX])
{
	static const char head[] = "Last reconfiguration on ";

	out[0] = '\0';
	for (size_t i = 0; i < reply->n; i++) {
		const char *at = strstr(reply->lines[i].text, head);

		if (at != NULL) {
			(void)text_copy(out, BIRD_TIME_MAX,
			    at + sizeof(head) - 1);
		}
	}
}
