/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The clients are gathered in an array that is sorted and merged when it is
 * full and at the end, so that memory follows the number of different
 * addresses and not the length of the input.
 */
#include "core/client_list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/client_line.h"

#define CLIENTS_FIRST 1024u
#define CLIENTS_ROOM_MAX (CLIENT_LIST_MAX + CLIENT_LIST_MAX / 4)
#define ERROR_BYTES 128

struct client_list {
	bool allow_special;
	bool is_full; /* more different clients than CLIENT_LIST_MAX */
	struct client *clients;
	size_t n;
	size_t room;
	struct client_list_counts counts;
	char line[CLIENT_LINE_MAX + 1];
	size_t line_len; /* CLIENT_LINE_MAX + 1: longer, the rest is dropped */
	char errors[CLIENT_LIST_ERRORS_MAX][ERROR_BYTES];
};

struct client_list *
client_list_new(bool allow_special)
{
	struct client_list *cl = xcalloc(1, sizeof(*cl));

	cl->allow_special = allow_special;
	return cl;
}

void
client_list_free(struct client_list *cl)
{
	if (cl == NULL)
		return;
	free(cl->clients);
	free(cl);
}

static void
add_error(struct client_list *cl, const char *what)
{
	if (cl->counts.malformed++ < CLIENT_LIST_ERRORS_MAX) {
		(void)snprintf(cl->errors[cl->counts.malformed - 1],
		    ERROR_BYTES, "line %llu: %.90s",
		    (unsigned long long)cl->counts.lines, what);
	}
}

static int
compare_clients(const void *va, const void *vb)
{
	const struct client *a = va;
	const struct client *b = vb;

	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

/* Sorts by address and makes one of each run of equal addresses. */
static void
merge(struct client_list *cl)
{
	size_t out = 0;

	if (cl->n == 0)
		return;
	qsort(cl->clients, cl->n, sizeof(*cl->clients), compare_clients);
	for (size_t i = 1; i < cl->n; i++) {
		const struct client *c = &cl->clients[i];
		struct client *last = &cl->clients[out];

		if (!addr_equal(&last->addr, &c->addr)) {
			cl->clients[++out] = *c;
			continue;
		}
		last->weight += c->weight;
		if (last->last_seen < c->last_seen)
			last->last_seen = c->last_seen;
		cl->counts.duplicates++;
	}
	cl->n = out + 1;
}

/*
 * Grows only if merging has not freed half of the array, so that a merge is
 * paid for by the new clients that fit in afterwards.  At its largest the array
 * leaves room for duplicates beyond CLIENT_LIST_MAX for the same reason.
 */
static void
make_room(struct client_list *cl)
{
	merge(cl);
	if (cl->n > CLIENT_LIST_MAX)
		cl->is_full = true;
	if (cl->room == CLIENTS_ROOM_MAX ||
	    (cl->room > 0 && cl->n <= cl->room / 2))
		return;
	cl->room = cl->room == 0 ? CLIENTS_FIRST : cl->room * 2;
	if (cl->room > CLIENTS_ROOM_MAX)
		cl->room = CLIENTS_ROOM_MAX;
	cl->clients =
	    xreallocarray(cl->clients, cl->room, sizeof(*cl->clients));
}

static void
add_client(struct client_list *cl, const struct client *c)
{
	if (addr_is_never_host(&c->addr) ||
	    (!cl->allow_special && addr_special(&c->addr) != NULL)) {
		cl->counts.dropped_special++;
		return;
	}
	if (cl->n == cl->room)
		make_room(cl);
	if (!cl->is_full)
		cl->clients[cl->n++] = *c;
}

static_assert(CLIENT_LINE_MAX == 256, "a message below names it");

/* The line is complete in cl->line. */
static void
end_line(struct client_list *cl)
{
	size_t len = cl->line_len;
	struct err err = { .code = ERR_NONE };
	enum client_line rc;
	struct client c;

	cl->line_len = 0;
	cl->counts.lines++;
	if (len > CLIENT_LINE_MAX) {
		add_error(cl, "longer than 256 bytes");
		return;
	}
	if (memchr(cl->line, '\0', len) != NULL) {
		add_error(cl, "NUL byte");
		return;
	}
	if (len > 0 && cl->line[len - 1] == '\r')
		len--;
	cl->line[len] = '\0';
	rc = client_line_parse(cl->line, &c, &err);
	if (rc == CLIENT_LINE_OK) {
		add_client(cl, &c);
	} else if (rc != CLIENT_LINE_EMPTY) {
		add_error(cl, err.msg);
	}
}

void
client_list_feed(struct client_list *cl, const char *text, size_t len)
{
	while (len > 0) {
		const char *lf = memchr(text, '\n', len);
		size_t piece = lf != NULL ? (size_t)(lf - text) : len;
		size_t room = sizeof(cl->line) - cl->line_len;
		size_t kept = piece < room ? piece : room;

		memcpy(cl->line + cl->line_len, text, kept);
		cl->line_len += kept;
		if (lf != NULL) {
			end_line(cl);
			piece++;
		}
		text += piece;
		len -= piece;
	}
}

static int
refuse_malformed(const struct client_list *cl, struct err *err)
{
	unsigned long long n = cl->counts.malformed;
	char text[sizeof(err->msg)];
	size_t used = 0;

	for (size_t i = 0; i < n && i < CLIENT_LIST_ERRORS_MAX; i++) {
		size_t left = sizeof(text) - used;
		int len = snprintf(text + used, left, "%s%s", i > 0 ? "; " : "",
		    cl->errors[i]);

		if ((size_t)len >= left)
			break;
		used += (size_t)len;
	}
	return err_set(err, ERR_CONF, "%s", text);
}

int
client_list_end(struct client_list *cl, struct err *err)
{
	if (cl->line_len > 0)
		end_line(cl);
	merge(cl);
	if (cl->n > CLIENT_LIST_MAX)
		cl->is_full = true;
	if (cl->counts.malformed > 0)
		return refuse_malformed(cl, err);
	if (cl->is_full) {
		return err_set(err, ERR_CONF,
		    "too many clients, expected at most %u", CLIENT_LIST_MAX);
	}
	if (cl->n == 0) {
		return err_set(err, ERR_CONF,
		    "no client in %llu lines, %llu addresses dropped as "
		    "private or otherwise special",
		    (unsigned long long)cl->counts.lines,
		    (unsigned long long)cl->counts.dropped_special);
	}
	return 0;
}

const struct client *
client_list_get(const struct client_list *cl, size_t *n)
{
	*n = cl->n;
	return cl->clients;
}

const struct client_list_counts *
client_list_counts(const struct client_list *cl)
{
	return &cl->counts;
}
