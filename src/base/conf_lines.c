/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/conf_lines.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/printable.h"
#include "base/xalloc.h"

struct reader {
	yaml_parser_t yaml;
	const char *file;
	const uint8_t *text;
	size_t len;
	struct conf_lines *lines;
	size_t room; /* nodes allocated */
	size_t open[CONF_DEPTH_MAX];
	size_t depth;
	char *key; /* waits for its value; owned */
	unsigned key_line;
	unsigned n_documents;
	struct err *err;
};

static unsigned
mark_line(const yaml_mark_t *mark)
{
	return (unsigned)mark->line + 1;
}

static int
refuse(struct reader *rd, unsigned line, const char *what)
{
	return err_set(rd->err, ERR_CONF, "%s:%u: %s", rd->file, line, what);
}

/* libyaml gives a byte's offset, but no line, for what is not UTF-8. */
static unsigned
line_at(const struct reader *rd, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset && i < rd->len; i++)
		line += rd->text[i] == '\n';
	return line;
}

static int
refuse_syntax(struct reader *rd)
{
	const yaml_parser_t *yp = &rd->yaml;
	const char *problem = yp->problem ? yp->problem : "unreadable";

	if (yp->error == YAML_READER_ERROR) {
		return err_set(rd->err, ERR_CONF,
		    "%s:%u: %s, expected UTF-8 text", rd->file,
		    line_at(rd, yp->problem_offset), problem);
	}
	return err_set(rd->err, ERR_CONF, "%s:%u: not YAML: %s%s%s", rd->file,
	    mark_line(&yp->problem_mark), problem, yp->context ? ", " : "",
	    yp->context ? yp->context : "");
}

static struct conf_node *
top(const struct reader *rd)
{
	if (rd->depth == 0)
		return NULL;
	return &rd->lines->nodes[rd->open[rd->depth - 1]];
}

static bool
is_key_next(const struct reader *rd)
{
	const struct conf_node *n = top(rd);

	return n != NULL && n->kind == CONF_MAPPING && rd->key == NULL;
}

static size_t
find_child(const struct conf_lines *cl, size_t parent, const char *key,
    size_t key_len)
{
	size_t i = cl->nodes[parent].first_child;

	for (; i != 0; i = cl->nodes[i].next) {
		const char *have = cl->nodes[i].key;

		if (have != NULL && strlen(have) == key_len &&
		    memcmp(have, key, key_len) == 0)
			return i;
	}
	return 0;
}

static struct conf_node *
append_node(struct reader *rd)
{
	struct conf_lines *cl = rd->lines;

	if (cl->n_nodes == rd->room) {
		rd->room = rd->room == 0 ? 64 : rd->room * 2;
		cl->nodes =
		    xreallocarray(cl->nodes, rd->room, sizeof(cl->nodes[0]));
	}
	return &cl->nodes[cl->n_nodes++];
}

/* Hangs a new value below the open one; takes over the waiting key. */
static int
add_node(struct reader *rd, enum conf_node_kind kind, unsigned line)
{
	struct conf_lines *cl = rd->lines;
	size_t me = cl->n_nodes;
	struct conf_node *node;
	struct conf_node *up;

	if (me == CONF_NODES_MAX)
		return refuse(rd, line, "too many values");
	node = append_node(rd);
	*node = (struct conf_node){
		.kind = kind,
		.line = rd->key != NULL ? rd->key_line : line,
		.key = rd->key,
	};
	rd->key = NULL;
	up = top(rd);
	if (up == NULL)
		return 0;
	node->parent = rd->open[rd->depth - 1];
	node->index = up->n_children++;
	if (up->first_child == 0) {
		up->first_child = me;
	} else {
		cl->nodes[up->last_child].next = me;
	}
	up->last_child = me;
	return 0;
}

/* s is what libyaml made of it: UTF-8, but escapes may give any character. */
static bool
has_control(const uint8_t *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return true;
		/* U+0080 to U+009F */
		if (s[i] == 0xc2 && i + 1 < len && s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static int
take_key(struct reader *rd, const char *key, unsigned line)
{
	size_t map = rd->open[rd->depth - 1];
	char path[CONF_PATH_BYTES];
	char shown[PRINTABLE_TEXT_BYTES];

	if (find_child(rd->lines, map, key, strlen(key)) != 0) {
		(void)conf_lines_path(rd->lines, map, path);
		return err_set(rd->err, ERR_CONF,
		    "%s:%u: %s%s%s: duplicate key, expected it once", rd->file,
		    line, path, path[0] != '\0' ? "." : "",
		    printable(key, shown));
	}
	if (rd->lines->nodes[map].n_children == CONF_KEYS_MAX)
		return refuse(rd, line, "too many keys");
	rd->key = xstrdup(key);
	rd->key_line = line;
	return 0;
}

static int
on_scalar(struct reader *rd, const yaml_event_t *ev)
{
	unsigned line = mark_line(&ev->start_mark);
	const uint8_t *value = ev->data.scalar.value;
	/* The value ends in a NUL that is not part of its length. */
	const char *text = (const char *)value;

	if (ev->data.scalar.anchor != NULL)
		return refuse(rd, line, "anchors are not supported");
	if (ev->data.scalar.tag != NULL)
		return refuse(rd, line, "tags are not supported");
	if (has_control(value, ev->data.scalar.length))
		return refuse(rd, line, "control character in a text");
	if (is_key_next(rd))
		return take_key(rd, text, line);
	return add_node(rd, CONF_SCALAR, line);
}

static int
on_open(struct reader *rd, enum conf_node_kind kind, const yaml_event_t *ev)
{
	unsigned line = mark_line(&ev->start_mark);
	const yaml_char_t *anchor = ev->data.sequence_start.anchor;
	const yaml_char_t *tag = ev->data.sequence_start.tag;

	if (kind == CONF_MAPPING) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (anchor != NULL)
		return refuse(rd, line, "anchors are not supported");
	if (tag != NULL)
		return refuse(rd, line, "tags are not supported");
	if (is_key_next(rd))
		return refuse(rd, line, "a key must be a plain text");
	if (rd->depth == CONF_DEPTH_MAX)
		return refuse(rd, line, "nested too deeply");
	if (add_node(rd, kind, line) == -1)
		return -1;
	rd->open[rd->depth++] = rd->lines->n_nodes - 1;
	return 0;
}

static int
on_event(struct reader *rd, const yaml_event_t *ev)
{
	unsigned line = mark_line(&ev->start_mark);

	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++rd->n_documents > 1)
			return refuse(rd, line, "a second document begins");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(rd, line, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		return on_scalar(rd, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(rd, CONF_SEQUENCE, ev);
	case YAML_MAPPING_START_EVENT:
		return on_open(rd, CONF_MAPPING, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		rd->depth--;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int
read_events(struct reader *rd)
{
	yaml_event_type_t type;
	yaml_event_t ev;
	int rc;

	do {
		if (!yaml_parser_parse(&rd->yaml, &ev))
			return refuse_syntax(rd);
		type = ev.type;
		rc = on_event(rd, &ev);
		yaml_event_delete(&ev);
	} while (rc == 0 && type != YAML_STREAM_END_EVENT);
	if (rc == 0 && rd->lines->n_nodes == 0)
		return refuse(rd, 1, "the file is empty");
	return rc;
}

struct conf_lines *
conf_lines_new(const char *file, const uint8_t *text, size_t len,
    struct err *err)
{
	struct reader rd = {
		.file = file, .text = text, .len = len, .err = err
	};
	int rc;

	if (!yaml_parser_initialize(&rd.yaml)) {
		(void)err_set(err, ERR_CONF, "%s: out of memory", file);
		return NULL;
	}
	/* Not left to a byte order mark: UTF-16 would hide bytes from us. */
	yaml_parser_set_encoding(&rd.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&rd.yaml, text, len);
	rd.lines = xcalloc(1, sizeof(*rd.lines));
	rc = read_events(&rd);
	yaml_parser_delete(&rd.yaml);
	free(rd.key);
	if (rc == -1) {
		conf_lines_free(rd.lines);
		return NULL;
	}
	return rd.lines;
}

void
conf_lines_free(struct conf_lines *cl)
{
	if (cl == NULL)
		return;
	for (size_t i = 0; i < cl->n_nodes; i++)
		free(cl->nodes[i].key);
	free(cl->nodes);
	free(cl);
}

char *
conf_lines_path(const struct conf_lines *cl, size_t node,
    char buf[CONF_PATH_BYTES])
{
	size_t up[CONF_DEPTH_MAX + 1];
	char shown[PRINTABLE_TEXT_BYTES];
	size_t depth = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (; node != 0 && depth <= CONF_DEPTH_MAX;
	     node = cl->nodes[node].parent)
		up[depth++] = node;
	while (depth > 0 && used < CONF_PATH_BYTES) {
		const struct conf_node *n = &cl->nodes[up[--depth]];
		size_t left = CONF_PATH_BYTES - used;

		if (n->key == NULL) {
			used += (size_t)snprintf(buf + used, left, "[%zu]",
			    n->index);
		} else {
			used += (size_t)snprintf(buf + used, left, "%s%s",
			    used > 0 ? "." : "", printable(n->key, shown));
		}
	}
	return buf;
}

/* The child that the first part of *path names, moved behind it; 0: none. */
static size_t
step(const struct conf_lines *cl, size_t node, const char **path)
{
	const char *s = *path;
	size_t child;
	size_t len;

	if (*s == '[') {
		unsigned long n = strtoul(s + 1, NULL, 10);

		child = cl->nodes[node].first_child;
		while (child != 0 && n-- > 0)
			child = cl->nodes[child].next;
		*path = s + strcspn(s, "]");
		*path += **path == ']';
		return child;
	}
	s += *s == '.';
	len = strcspn(s, ".[");
	*path = s + len;
	return find_child(cl, node, s, len);
}

unsigned
conf_lines_find(const struct conf_lines *cl, const char *path)
{
	size_t node = 0;

	while (*path != '\0') {
		size_t child = step(cl, node, &path);

		if (child == 0)
			break;
		node = child;
	}
	return cl->nodes[node].line;
}
