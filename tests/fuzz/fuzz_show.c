/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text as BIRD's listings: lines are cut at line feeds, and the first byte
 * chooses the code that they all have.
 */
#include "bird/show.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 64u
#define SESSIONS_MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned codes[] = { 1002, 1007, 13, 0, 8001, 1012 };

static void
on_route(const struct bird_show_route *route, void *arg)
{
	char text[PREFIX_TEXT_BYTES];
	size_t *n = arg;

	if (strlen(route->protocol) == 0 ||
	    strlen(route->protocol) >= BIRD_NAME_MAX ||
	    route->attrs.prepend > ROUTE_PREPEND_MAX ||
	    strlen(prefix_format(&route->prefix, text)) >= sizeof(text))
		abort();
	(*n)++;
}

static void
show(const struct bird_reply *reply)
{
	struct bird_protocol sessions[SESSIONS_MAX];
	struct bird_times times;
	size_t routes = 0;
	size_t n = bird_show_protocols(reply, sessions, SESSIONS_MAX);

	if (n > reply->n)
		abort();
	for (size_t i = 0; i < n && i < SESSIONS_MAX; i++) {
		size_t len = strlen(sessions[i].name);

		if (len == 0 || len >= BIRD_NAME_MAX)
			abort();
	}
	bird_show_routes(reply, on_route, &routes);
	if (routes > reply->n)
		abort();
	(void)bird_show_is_reconfiguring(reply);
	bird_show_times(reply, &times);
	if (strlen(times.started) >= sizeof(times.started) ||
	    strlen(times.configured) >= sizeof(times.configured) ||
	    !bird_times_agree(&times, &times, false))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bird_line lines[LINES_MAX];
	char *blocks[LINES_MAX] = { NULL };
	struct bird_reply reply = { .lines = lines };

	if (size == 0)
		return 0;
	reply.code = codes[*data++ % (sizeof(codes) / sizeof(codes[0]))];
	size--;
	while (size > 0 && reply.n < LINES_MAX) {
		const uint8_t *eol = memchr(data, '\n', size);
		size_t len = eol != NULL ? (size_t)(eol - data) : size;

		/* A block of its own size, so that one byte too many shows. */
		blocks[reply.n] = strndup((const char *)data, len);
		/* Attributes are indented, and follow their route. */
		lines[reply.n] = (struct bird_line){
			.code = reply.code == 1007 && len > 0 && data[0] == '\t'
			    ? 1012
			    : reply.code,
			.text = blocks[reply.n]
		};
		reply.n++;
		data += len + (eol != NULL);
		size -= len + (eol != NULL);
	}
	show(&reply);
	for (size_t i = 0; i < reply.n; i++)
		free(blocks[i]);
	return 0;
}
