/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct bird_reader {
	/* All finished lines of the reply, each NUL-terminated. */
	char *text;
	size_t text_len, text_room;
	size_t *starts; /* offsets of lines in text: text may move */
	struct bird_line *lines;
	size_t n, room;
	unsigned code;
	bool has_code;
	bool complete; /* the next feed starts a new reply */
	char line[BIRD_LINE_MAX];
	size_t line_len;
	struct bird_reply reply;
};

struct bird_reader *
bird_reader_new(void)
{
	return xcalloc(1, sizeof(struct bird_reader));
}

void
bird_reader_free(struct bird_reader *r)
{
	if (r == NULL)
		return;
	free(r->text);
	free(r->starts);
	free(r->lines);
	free(r);
}

void
bird_reader_reset(struct bird_reader *r)
{
	r->text_len = 0;
	r->n = 0;
	r->has_code = false;
	r->complete = false;
	r->line_len = 0;
}

static int
add_line(struct bird_reader *r, const char *text, size_t len, struct err *err)
{
	if (r->n == BIRD_REPLY_LINES_MAX ||
	    r->text_len + len + 1 > BIRD_REPLY_BYTES_MAX)
		return err_set(err, ERR_PROTO, "bird: reply without end");
	if (r->n == r->room) {
		r->room = r->room > 0 ? r->room * 2 : 64;
		r->lines = xreallocarray(r->lines, r->room, sizeof(*r->lines));
		r->starts =
		    xreallocarray(r->starts, r->room, sizeof(*r->starts));
	}
	if (r->text_len + len + 1 > r->text_room) {
		r->text_room = (r->text_len + len + 1) * 2;
		r->text = xreallocarray(r->text, r->text_room, 1);
	}
	memcpy(r->text + r->text_len, text, len);
	r->text[r->text_len + len] = '\0';
	r->starts[r->n] = r->text_len;
	r->lines[r->n].code = r->code;
	r->n++;
	r->text_len += len + 1;
	return 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
starts_with_code(const char *line, size_t len)
{
	return len >= 5 && is_digit(line[0]) && is_digit(line[1]) &&
	    is_digit(line[2]) && is_digit(line[3]) &&
	    (line[4] == ' ' || line[4] == '-');
}

/*
 * BIRD quotes its configuration, whose comments and file names may be in any
 * encoding; its texts end up in logs and in JSON, which must be UTF-8.
 */
static void
make_printable(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((line[i] < ' ' && line[i] != '\t') || line[i] > '~')
			line[i] = '?';
	}
}

/* 1: it was the last line of the reply. */
static int
take_line(struct bird_reader *r, char *line, size_t len, struct err *err)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (memchr(line, '\0', len) != NULL)
		return err_set(err, ERR_PROTO, "bird: NUL in a reply");
	make_printable(line, len);
	if (len > 0 && line[0] == '+')
		return 0;
	if (len > 0 && line[0] == ' ') {
		if (!r->has_code) {
			return err_set(err, ERR_PROTO,
			    "bird: reply without a code");
		}
		return add_line(r, line + 1, len - 1, err);
	}
	if (!starts_with_code(line, len)) {
		return err_set(err, ERR_PROTO, "bird: not a reply: \"%.*s\"",
		    (int)(len > 40 ? 40 : len), line);
	}
	r->code = (unsigned)((line[0] - '0') * 1000 + (line[1] - '0') * 100 +
	    (line[2] - '0') * 10 + (line[3] - '0'));
	r->has_code = true;
	if (add_line(r, line + 5, len - 5, err) == -1)
		return -1;
	return line[4] == ' ';
}

static void
finish(struct bird_reader *r, const struct bird_reply **reply)
{
	for (size_t i = 0; i < r->n; i++)
		r->lines[i].text = r->text + r->starts[i];
	r->reply = (struct bird_reply){
		.lines = r->lines, .n = r->n, .code = r->code
	};
	r->complete = true;
	*reply = &r->reply;
}

/* A stream reader takes bytes, says how many it used, and has two results. */
/* NOLINTBEGIN(readability-function-size) */
int
bird_reader_feed(struct bird_reader *r, const char *bytes, size_t len,
    size_t *used, const struct bird_reply **reply, struct err *err)
{
	*used = 0;
	if (r->complete)
		bird_reader_reset(r);
	while (*used < len) {
		const char *p = bytes + *used;
		const char *eol = memchr(p, '\n', len - *used);
		size_t n = eol != NULL ? (size_t)(eol - p) : len - *used;
		int rc;

		if (n > sizeof(r->line) - r->line_len) {
			return err_set(err, ERR_PROTO,
			    "bird: line longer than %d bytes", BIRD_LINE_MAX);
		}
		memcpy(r->line + r->line_len, p, n);
		r->line_len += n;
		*used += n;
		if (eol == NULL)
			return 0;
		(*used)++;
		n = r->line_len;
		r->line_len = 0;
		rc = take_line(r, r->line, n, err);
		if (rc == -1)
			return -1;
		if (rc == 1) {
			finish(r, reply);
			return 1;
		}
	}
	return 0;
}
/* NOLINTEND(readability-function-size) */

const char *
bird_reply_text(const struct bird_reply *reply)
{
	for (size_t i = 0; i < reply->n; i++) {
		if (!bird_code_is_ok(reply->lines[i].code))
			return reply->lines[i].text;
	}
	return reply->n > 0 ? reply->lines[reply->n - 1].text : "";
}
