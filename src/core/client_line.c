/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/client_line.h"

#include <string.h>

#include "base/num.h"

#define WEIGHT_MAX 1e15
#define FIELDS_MAX 3

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts blanks off both ends, in place. */
static char *
trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

bool
client_line_is_empty(const char *line)
{
	while (is_blank(*line))
		line++;
	return *line == '\0' || *line == '#';
}

size_t
client_line_split(char *line, char **fields, size_t max)
{
	size_t n = 0;

	for (;;) {
		char *comma = strchr(line, ',');

		if (n == max)
			return max + 1;
		if (comma != NULL)
			*comma = '\0';
		fields[n++] = trim(line);
		if (comma == NULL)
			return n;
		line = comma + 1;
	}
}

static int
parse_epoch(const char *s, int64_t *out, struct err *err)
{
	uint64_t v = 0;

	if (num_parse_u64(s, 0, INT64_MAX, &v, NULL) == -1) {
		return err_set(err, ERR_CONF,
		    "epoch: expected seconds since 1970");
	}
	*out = (int64_t)v;
	return 0;
}

enum client_line
client_line_parse(char *line, struct client *out, struct err *err)
{
	struct client c = { .weight = 1 };
	char *fields[FIELDS_MAX];
	size_t n;

	if (client_line_is_empty(line))
		return CLIENT_LINE_EMPTY;
	n = client_line_split(line, fields, FIELDS_MAX);
	if (n > FIELDS_MAX) {
		(void)err_set(err, ERR_CONF,
		    "too many fields, expected address,weight,epoch");
		return CLIENT_LINE_FIELDS;
	}
	if (addr_parse(fields[0], &c.addr, err) == -1)
		return CLIENT_LINE_ADDRESS;
	if (n > 1 &&
	    num_parse_decimal(fields[1], WEIGHT_MAX, &c.weight, err) == -1) {
		(void)err_wrap(err, "weight");
		return CLIENT_LINE_NUMBER;
	}
	if (n > 2 && parse_epoch(fields[2], &c.last_seen, err) == -1)
		return CLIENT_LINE_NUMBER;
	*out = c;
	return CLIENT_LINE_OK;
}
