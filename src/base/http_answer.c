/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/http_answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"

#define VERSION "HTTP/1." /* and one digit */
#define BLANKS " \t"
#define DIGITS "0123456789"
/* More than anybody sends; times 16, and a digit, it still fits. */
#define LENGTH_MAX (UINT64_C(1) << 59)
#define CHUNK_LINE_MAX_BYTES ((size_t)16 * 1024)

void
http_answer_begin(struct http_answer *a, bool is_to_head, http_body_cb *on_body,
    void *arg)
{
	*a = (struct http_answer){
		.is_to_head = is_to_head, .on_body = on_body, .arg = arg
	};
}

static enum http_progress
broken(struct err *err, const char *how)
{
	(void)err_set(err, ERR_PROTO, "%s", how);
	return HTTP_BROKEN;
}

/*
 * Lines.
 */

/* What is kept of it now begins as a status line does. */
static bool
begins_as_http(const struct http_answer *a)
{
	size_t n = sizeof(VERSION) - 1;

	return memcmp(a->line, VERSION,
		   n < a->line_bytes ? n : a->line_bytes) == 0;
}

/* True: the line is complete.  Without what ended it. */
static bool
take_line(struct http_answer *a, struct cursor *c)
{
	const uint8_t *end = memchr(c->p, '\n', c->left);
	size_t n = end != NULL ? (size_t)(end - c->p) : c->left;
	size_t room = sizeof(a->line) - 1;
	size_t kept = a->line_bytes < room ? a->line_bytes : room;
	const uint8_t *bytes = cursor_take(c, n);

	if (memchr(bytes, '\0', n) != NULL)
		a->line_has_nul = true;
	a->line_bytes += n;
	room -= kept;
	if (room > n)
		room = n;
	memcpy(a->line + kept, bytes, room);
	kept += room;
	a->line[kept] = '\0';
	if (end == NULL)
		return false;
	cursor_skip(c, 1);
	if (a->line_bytes == kept && kept > 0 && a->line[kept - 1] == '\r')
		a->line[kept - 1] = '\0';
	return true;
}

static bool
line_is_cut(const struct http_answer *a)
{
	return a->line_bytes >= sizeof(a->line);
}

/* HTTP-version SP status-code [SP reason] */
static enum http_progress
end_status_line(struct http_answer *a, struct err *err)
{
	const char *s = a->line + sizeof(VERSION) - 1;

	if (strncmp(a->line, VERSION, sizeof(VERSION) - 1) != 0 ||
	    (*s != '0' && *s != '1') || s[1] != ' ')
		return broken(err, "the answer is not HTTP");
	s += 1 + strspn(s + 1, " ");
	if (strspn(s, DIGITS) != 3 || *s == '0')
		return broken(err, "status line without a status");
	a->status = (unsigned)(s[0] - '0') * 100 + (unsigned)(s[1] - '0') * 10 +
	    (unsigned)(s[2] - '0');
	a->length = HTTP_LENGTH_NONE;
	a->is_chunked = a->is_encoded = false;
	a->part = HTTP_FIELDS;
	return HTTP_MORE;
}

/* Its value from the first byte that is no blank, if the line is that field. */
static const char *
value_of(const struct http_answer *a, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(a->line, name, len) != 0 || a->line[len] != ':')
		return NULL;
	return a->line + len + 1 + strspn(a->line + len + 1, BLANKS);
}

static int
digit_value(char c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* s is in the line.  What stands behind the number is not looked at. */
static enum http_length
parse_length(const struct http_answer *a, const char *s, unsigned base,
    uint64_t *out)
{
	int digit;

	s += base == 10 && *s == '+';
	digit = digit_value(*s, base);
	if (digit == -1)
		return HTTP_LENGTH_BAD;
	*out = 0;
	for (; digit != -1; digit = digit_value(*++s, base)) {
		*out = *out * base + (unsigned)digit;
		if (*out > LENGTH_MAX)
			return HTTP_LENGTH_NONE;
	}
	/* There may be more of it. */
	if (*s == '\0' && line_is_cut(a))
		return HTTP_LENGTH_BAD;
	return HTTP_LENGTH_KNOWN;
}

static bool
is_token(const char *text, size_t len, const char *token)
{
	return strlen(token) == len && strncasecmp(text, token, len) == 0;
}

/* The codings, with commas between; RFC 9112 s.7 knows more, which we did not
 * say that we take. */
static void
take_encodings(struct http_answer *a, const char *list)
{
	if (line_is_cut(a))
		a->is_encoded = true;
	while (*list != '\0') {
		size_t len = strcspn(list, "," BLANKS);

		if (is_token(list, len, "chunked")) {
			a->is_chunked = true;
		} else if (len > 0 && !is_token(list, len, "identity") &&
		    !is_token(list, len, "none")) {
			a->is_encoded = true;
		}
		list += len;
		list += strspn(list, "," BLANKS);
	}
}

static enum http_progress
end_field(struct http_answer *a, struct err *err)
{
	const char *value;

	if (a->line_has_nul)
		return broken(err, "NUL in the header");
	/* The rest of the field before: not of one that is looked at. */
	if (a->line[0] == ' ' || a->line[0] == '\t')
		return HTTP_MORE;
	value = value_of(a, "Content-Length");
	if (value != NULL) {
		a->length = parse_length(a, value, 10, &a->left);
		return HTTP_MORE;
	}
	value = value_of(a, "Transfer-Encoding");
	if (value != NULL) {
		take_encodings(a, value);
	} else if (strchr(a->line, ':') == NULL && !line_is_cut(a)) {
		return broken(err, "header line without a colon");
	}
	return HTTP_MORE;
}

static bool
is_interim(const struct http_answer *a)
{
	/* 101 is the last one; we did not ask for another protocol. */
	return a->status < 200 && a->status != 101;
}

/* s.6.3 */
static enum http_progress
begin_body(struct http_answer *a, struct err *err)
{
	if (a->is_encoded)
		return broken(err, "Transfer-Encoding other than chunked");
	if (a->is_chunked) {
		a->part = HTTP_CHUNK_SIZE;
		return HTTP_MORE;
	}
	if (a->length == HTTP_LENGTH_BAD)
		return broken(err, "Content-Length is no number");
	if (a->length == HTTP_LENGTH_NONE) {
		a->part = HTTP_BODY_UNTIL_CLOSE;
		return HTTP_MORE;
	}
	a->part = a->left > 0 ? HTTP_BODY : HTTP_END;
	return a->left > 0 ? HTTP_MORE : HTTP_WHOLE;
}

static enum http_progress
end_head(struct http_answer *a, struct err *err)
{
	if (is_interim(a)) {
		a->part = HTTP_STATUS_LINE;
		return HTTP_MORE;
	}
	if (!a->is_to_head && a->status != 204 && a->status != 304)
		return begin_body(a, err);
	a->part = HTTP_END;
	return HTTP_WHOLE;
}

/* chunk-size [chunk-ext] */
static enum http_progress
end_chunk_size(struct http_answer *a, struct err *err)
{
	if (parse_length(a, a->line, 16, &a->left) != HTTP_LENGTH_KNOWN)
		return broken(err, "chunk without a size");
	a->part = a->left > 0 ? HTTP_CHUNK : HTTP_TRAILER;
	return HTTP_MORE;
}

/* libcurl takes all that begins with CR for one; some programs end lines with two. */
static bool
is_blank_line(const struct http_answer *a)
{
	return (a->line[0] == '\0' || a->line[0] == '\r') && !a->line_has_nul;
}

static enum http_progress
end_line(struct http_answer *a, struct err *err)
{
	switch (a->part) {
	case HTTP_STATUS_LINE:
		return end_status_line(a, err);
	case HTTP_FIELDS:
		return is_blank_line(a) ? end_head(a, err) : end_field(a, err);
	case HTTP_CHUNK_SIZE:
		return end_chunk_size(a, err);
	case HTTP_CHUNK_END:
		a->part = HTTP_CHUNK_SIZE;
		return a->line[strspn(a->line, "\r")] == '\0' &&
			!a->line_has_nul && !line_is_cut(a)
		    ? HTTP_MORE
		    : broken(err, "chunk without an end");
	case HTTP_TRAILER:
		if (!is_blank_line(a))
			return HTTP_MORE;
		a->part = HTTP_END;
		return HTTP_WHOLE;
	case HTTP_BODY:
	case HTTP_BODY_UNTIL_CLOSE:
	case HTTP_CHUNK:
	case HTTP_END:
		break;
	}
	abort(); /* no lines there */
}

/* n bytes more of a line.  A chunk's own may be as many as they like. */
static enum http_progress
bound_line(struct http_answer *a, size_t n, struct err *err)
{
	if (a->part == HTTP_CHUNK_SIZE || a->part == HTTP_CHUNK_END) {
		return a->line_bytes <= CHUNK_LINE_MAX_BYTES
		    ? HTTP_MORE
		    : broken(err, "chunk with too long a line");
	}
	a->head_bytes += n;
	if (a->head_bytes <= HTTP_HEAD_MAX_BYTES)
		return HTTP_MORE;
	(void)err_set(err, ERR_PROTO, "header of more than %zu bytes",
	    HTTP_HEAD_MAX_BYTES);
	return HTTP_BROKEN;
}

static enum http_progress
feed_line(struct http_answer *a, struct cursor *c, struct err *err)
{
	size_t before = c->left;
	bool is_over = take_line(a, c);
	enum http_progress progress;

	if (a->part == HTTP_STATUS_LINE && !begins_as_http(a))
		return broken(err, "the answer is not HTTP");
	progress = bound_line(a, before - c->left, err);
	if (progress == HTTP_BROKEN)
		return progress;
	if (!is_over)
		return HTTP_MORE;
	progress = end_line(a, err);
	a->line_bytes = 0;
	a->line_has_nul = false;
	return progress;
}

/*
 * The body.
 */

static enum http_progress
feed_body(struct http_answer *a, struct cursor *c)
{
	bool is_bounded = a->part != HTTP_BODY_UNTIL_CLOSE;
	size_t n = is_bounded && a->left < c->left ? (size_t)a->left : c->left;

	if (!a->on_body(cursor_take(c, n), n, a->arg)) {
		a->part = HTTP_END;
		return HTTP_WHOLE;
	}
	if (is_bounded)
		a->left -= n;
	if (!is_bounded || a->left > 0)
		return HTTP_MORE;
	if (a->part == HTTP_CHUNK) {
		a->part = HTTP_CHUNK_END;
		return HTTP_MORE;
	}
	a->part = HTTP_END;
	return HTTP_WHOLE;
}

enum http_progress
http_answer_feed(struct http_answer *a, const uint8_t *bytes, size_t len,
    struct err *err)
{
	struct cursor c = { .p = bytes, .left = len };
	enum http_progress progress = HTTP_MORE;

	assert(a->part != HTTP_END);
	while (progress == HTTP_MORE && c.left > 0) {
		if (a->part == HTTP_BODY || a->part == HTTP_CHUNK ||
		    a->part == HTTP_BODY_UNTIL_CLOSE) {
			progress = feed_body(a, &c);
		} else {
			progress = feed_line(a, &c, err);
		}
	}
	return progress;
}

enum http_progress
http_answer_close(struct http_answer *a, struct err *err)
{
	if (a->part == HTTP_BODY_UNTIL_CLOSE) {
		a->part = HTTP_END;
		return HTTP_WHOLE;
	}
	return broken(err,
	    a->head_bytes == 0 ? "closed without an answer"
			       : "the answer ends too early");
}
