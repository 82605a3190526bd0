/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_CLIENT_LINE_H
#define CORE_CLIENT_LINE_H
/*
 * client_line -- one client as a line of text,
 *
 *	address[,weight[,epoch]]
 *
 * Blank lines and lines that begin with '#' are empty; blanks and tabs around
 * fields are ignored.  weight: a decimal >= 0 with optional fraction, at most
 * 1e15, default 1.  epoch: seconds when it was last seen, default 0.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define CLIENT_LINE_MAX 256

struct client {
	struct addr addr;
	double weight;
	int64_t last_seen;
};

enum client_line {
	CLIENT_LINE_OK,
	CLIENT_LINE_EMPTY,
	CLIENT_LINE_FIELDS, /* too many */
	CLIENT_LINE_ADDRESS,
	CLIENT_LINE_NUMBER, /* weight or epoch */
};

/* line: overwritten.  *out only on CLIENT_LINE_OK; err unless it is empty. */
enum client_line client_line_parse(char *line, struct client *out,
    struct err *err);

bool client_line_is_empty(const char *line);
/* Cuts the line at its commas and the blanks off its fields; how many there
 * are, max + 1 if more than max. */
size_t client_line_split(char *line, char **fields, size_t max);

#endif /* CORE_CLIENT_LINE_H */
