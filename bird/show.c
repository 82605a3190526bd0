/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/show.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/text.h"
#include "bird/include.h"

#define CODE_PROTOCOL 1002
#define CODE_ROUTE 1007
#define CODE_ATTRIBUTE 1012
#define CODE_STATUS_LAST 13

#define US_PER_S INT64_C(1000000)
/* BIRD starts no two times within so long, and its texts move by less. */
#define START_MOVES_US (2 * US_PER_S)

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
	out->is_stopping =
	    strcmp(state, "stop") == 0 || strcmp(state, "flush") == 0;
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

/* The rest of a line that begins so. */
static void
take_rest(const char *line, const char *head, char out[BIRD_TIME_MAX])
{
	const char *at = strstr(line, head);

	if (at != NULL)
		(void)text_copy(out, BIRD_TIME_MAX, at + strlen(head));
}

void
bird_show_times(const struct bird_reply *reply, struct bird_times *out)
{
	*out = (struct bird_times){ 0 };
	for (size_t i = 0; i < reply->n; i++) {
		const char *line = reply->lines[i].text;

		take_rest(line, "Last reboot on ", out->started);
		take_rest(line, "Last reconfiguration on ", out->configured);
	}
}

/*
 * "2026-11-26 16:01:31.770", with up to six digits or none after the second:
 * microseconds, in BIRD's time zone; *unit is what its last digit counts.
 */
static bool
time_parse(const char *text, int64_t *us, int64_t *unit)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);

	if (rest == NULL)
		return false;
	*us = (int64_t)timegm(&tm) * US_PER_S;
	*unit = US_PER_S;
	if (*rest == '.')
		rest++;
	for (; *rest >= '0' && *rest <= '9' && *unit > 1; rest++) {
		*unit /= 10;
		*us += (*rest - '0') * *unit;
	}
	return *rest == '\0';
}

/* How long it had run when it took the configuration. */
static bool
age_of(const struct bird_times *t, int64_t *started, int64_t *age,
    int64_t *unit)
{
	int64_t configured;

	if (!time_parse(t->started, started, unit) ||
	    !time_parse(t->configured, &configured, unit))
		return false;
	*age = configured - *started;
	return true;
}

bool
bird_times_agree(const struct bird_times *a, const struct bird_times *b,
    bool is_same_run)
{
	int64_t start_a, start_b, age_a, age_b, unit_a, unit_b;

	if (!age_of(a, &start_a, &age_a, &unit_a) ||
	    !age_of(b, &start_b, &age_b, &unit_b) || unit_a != unit_b)
		return strcmp(a->configured, b->configured) == 0;
	return llabs(age_a - age_b) <= unit_a &&
	    (is_same_run || llabs(start_a - start_b) <= START_MOVES_US);
}
