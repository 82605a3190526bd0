/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/show.h"

#include <stdio.h>
#include <string.h>

#define CODE_PROTOCOL 1002
#define CODE_ROUTE 1007
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
session_parse(const char *line, struct bird_session *out)
{
	char proto[16], table[BIRD_NAME_MAX], state[16], word[32];
	bool established = false;

	if (!next_word(&line, out->name, sizeof(out->name)) ||
	    !next_word(&line, proto, sizeof(proto)) ||
	    strcmp(proto, "BGP") != 0 ||
	    !next_word(&line, table, sizeof(table)) ||
	    !next_word(&line, state, sizeof(state)))
		return false;
	/* "Since" has one or two words, by the time format. */
	while (next_word(&line, word, sizeof(word)))
		established = established || strcmp(word, "Established") == 0;
	out->is_up = strcmp(state, "up") == 0 && established;
	return true;
}

size_t
bird_show_sessions(const struct bird_reply *reply, struct bird_session *out,
    size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < reply->n; i++) {
		struct bird_session session;

		if (reply->lines[i].code != CODE_PROTOCOL ||
		    !session_parse(reply->lines[i].text, &session))
			continue;
		if (n < max)
			out[n] = session;
		n++;
	}
	return n;
}

/* " 192.0.2.0/24   blackhole [anycastd4 12:00:00.000] * (200)" */
static bool
route_parse(const char *line, struct prefix *prefix, char *protocol,
    size_t size)
{
	char net[PREFIX_TEXT_BYTES];
	const char *bracket = strchr(line, '[');
	struct err err;

	if (bracket == NULL || !next_word(&line, net, sizeof(net)) ||
	    prefix_parse(net, prefix, &err) == -1)
		return false;
	bracket++;
	return next_word(&bracket, protocol, size);
}

void
bird_show_routes(const struct bird_reply *reply, bird_route_cb *cb, void *arg)
{
	for (size_t i = 0; i < reply->n; i++) {
		char protocol[BIRD_NAME_MAX];
		struct prefix prefix;

		if (reply->lines[i].code == CODE_ROUTE &&
		    route_parse(reply->lines[i].text, &prefix, protocol,
			sizeof(protocol)))
			cb(&prefix, protocol, arg);
	}
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
