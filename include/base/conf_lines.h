/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CONF_LINES_H
#define BASE_CONF_LINES_H
/*
 * conf_lines -- for conf only: the shape of a YAML file and the line of each of
 * its values.  Reading it is also the first guard: syntax, UTF-8, depth, number
 * of values, control characters, anchors, tags and duplicate keys are judged
 * here, before anything is built from the file.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CONF_DEPTH_MAX 8u
#define CONF_NODES_MAX 200000u
#define CONF_KEYS_MAX 64u /* of one mapping */
#define CONF_PATH_BYTES 160

enum conf_node_kind { CONF_SCALAR, CONF_MAPPING, CONF_SEQUENCE };

/* Nodes refer to each other by index; the root is 0, so 0 is also "none". */
struct conf_node {
	enum conf_node_kind kind;
	unsigned line; /* of the key if there is one */
	char *key;     /* NULL for an entry of a list and for the root */
	size_t parent;
	size_t index; /* among the parent's children */
	size_t n_children;
	size_t first_child;
	size_t last_child;
	size_t next; /* sibling */
};

struct conf_lines {
	struct conf_node *nodes; /* at least the root */
	size_t n_nodes;
};

/* NULL with err: "file:line: what". text is not kept. */
struct conf_lines *conf_lines_new(const char *file, const uint8_t *text,
    size_t len, struct err *err);
void conf_lines_free(struct conf_lines *cl);

/* "services[0].prefixes[1]", printable; the root's is empty. Returns buf. */
char *conf_lines_path(const struct conf_lines *cl, size_t node,
    char buf[CONF_PATH_BYTES]);
/* The line of path, or of the nearest value above it that the file has. */
unsigned conf_lines_find(const struct conf_lines *cl, const char *path);

#endif /* BASE_CONF_LINES_H */
