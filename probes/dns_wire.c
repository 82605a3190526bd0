/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/dns_wire.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

/* RFC 1035 s.4.1.1 */
#define FLAG_ANSWER 0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSE 0x0100u
#define OPCODE_MASK 0x7800u
#define RCODE_MASK 0x000fu

/* s.4.1.4: the two high bits of a length. */
#define POINTER_BITS 0xc0u

#define NAME_TEXT_BYTES (4u * DNS_NAME_BYTES_MAX + 1u)

struct reader {
	const uint8_t *msg; /* all of it: names point back into it */
	size_t len;
	struct cursor c;
};

struct text {
	char buf[DNS_DATA_BYTES];
	size_t len;
	bool is_cut; /* it did not fit: is equal to nothing */
};

/*
 * Questions.
 */

static int
put_name(struct wcursor *w, const char *name)
{
	size_t bytes = 1;

	if (strcmp(name, ".") == 0)
		name = "";
	while (*name != '\0') {
		size_t len = strcspn(name, ".");

		bytes += len + 1;
		if (len == 0 || len > DNS_LABEL_BYTES_MAX ||
		    bytes > DNS_NAME_BYTES_MAX)
			return -1;
		wcursor_u8(w, (uint8_t)len);
		wcursor_bytes(w, name, len);
		name += len;
		name += *name == '.';
	}
	wcursor_u8(w, 0);
	return 0;
}

size_t
/* NOLINTNEXTLINE(readability-non-const-parameter): the cursor writes */
dns_wire_encode_query(const struct dns_question *q, uint8_t *buf, size_t size)
{
	struct wcursor w = { .p = buf, .left = size };

	wcursor_be16(&w, q->id);
	wcursor_be16(&w, FLAG_RECURSE);
	wcursor_be16(&w, 1); /* questions */
	wcursor_be16(&w, 0);
	wcursor_be16(&w, 0);
	wcursor_be16(&w, 0);
	if (put_name(&w, q->name) == -1)
		return 0;
	wcursor_be16(&w, q->type->number);
	wcursor_be16(&w, q->type->class);
	return w.bad ? 0 : size - w.left;
}

/*
 * Answers.
 */

/* One byte of a label as text; returns its length. */
static size_t
put_label_byte(char *out, uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		byte = (uint8_t)(byte - 'A' + 'a');
	if (byte > ' ' && byte <= '~' && byte != '.' && byte != '\\') {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = (char)('0' + byte / 100);
	out[2] = (char)('0' + byte / 10 % 10);
	out[3] = (char)('0' + byte % 10);
	return 4;
}

/* The labels behind c up to the end or a pointer, whose target is returned;
 * SIZE_MAX: the end.  *bytes: of the name so far, on the wire. */
static size_t
read_labels(struct cursor *c, char *out, size_t *used, size_t *bytes)
{
	uint8_t label[DNS_LABEL_BYTES_MAX];

	for (;;) {
		uint8_t n = cursor_u8(c);

		if ((n & POINTER_BITS) == POINTER_BITS) {
			return (size_t)(n & ~POINTER_BITS) << 8 | cursor_u8(c);
		}
		*bytes += (size_t)n + 1;
		if (n > sizeof(label) || *bytes > DNS_NAME_BYTES_MAX)
			c->bad = true;
		if (n == 0 || c->bad)
			return SIZE_MAX;
		cursor_bytes(c, label, n);
		if (c->bad)
			return SIZE_MAX;
		if (*used > 0)
			out[(*used)++] = '.';
		for (size_t i = 0; i < n; i++)
			*used += put_label_byte(out + *used, label[i]);
	}
}

/*
 * The name behind r->c, as text; what is wrong makes r->c bad.  Every pointer
 * must point before where the part with it began, so there is no loop.
 */
static void
read_name(struct reader *r, char out[NAME_TEXT_BYTES])
{
	struct cursor part = r->c;
	size_t start = (size_t)(part.p - r->msg);
	size_t used = 0, bytes = 0;
	bool jumped = false;

	for (;;) {
		size_t target = read_labels(&part, out, &used, &bytes);

		if (!jumped)
			r->c = part;
		if (part.bad || (target != SIZE_MAX && target >= start)) {
			r->c.bad = true;
			used = 0;
			break;
		}
		if (target == SIZE_MAX)
			break;
		jumped = true;
		start = target;
		part = (struct cursor){ .p = r->msg + target,
			.left = r->len - target };
	}
	if (used == 0)
		out[used++] = '.';
	out[used] = '\0';
}

static void __attribute__((format(printf, 2, 3)))
text_add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->buf) - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		t->buf[t->len] = '\0';
		t->is_cut = true;
	} else {
		t->len += (size_t)n;
	}
}

static void
read_strings(struct cursor *c, struct text *t)
{
	uint8_t bytes[UINT8_MAX];

	while (c->left > 0) {
		uint8_t n = cursor_u8(c);

		cursor_bytes(c, bytes, n);
		if (c->bad)
			return;
		if (n >= sizeof(t->buf) - t->len) {
			t->is_cut = true;
		} else {
			memcpy(t->buf + t->len, bytes, n);
			t->len += n;
			t->buf[t->len] = '\0';
		}
	}
}

static void
read_address(struct cursor *c, int family, struct text *t)
{
	uint8_t bytes[sizeof(struct in6_addr)] = { 0 };
	char shown[INET6_ADDRSTRLEN] = "";

	cursor_bytes(c, bytes,
	    family == AF_INET ? sizeof(struct in_addr) : sizeof(bytes));
	(void)inet_ntop(family, bytes, shown, sizeof(shown));
	text_add(t, "%s", shown);
}

static void
read_part(struct reader *r, char part, struct text *t)
{
	char name[NAME_TEXT_BYTES];

	if (part == '4') {
		read_address(&r->c, AF_INET, t);
	} else if (part == '6') {
		read_address(&r->c, AF_INET6, t);
	} else if (part == 'n') {
		read_name(r, name);
		text_add(t, "%s", name);
	} else if (part == 'h') {
		text_add(t, "%u", cursor_be16(&r->c));
	} else if (part == 'w') {
		text_add(t, "%" PRIu32, cursor_be32(&r->c));
	} else {
		read_strings(&r->c, t);
	}
}

/* data: a reader over the data alone.  False: malformed. */
static bool
read_data(struct reader *data, const char *shape, struct text *t)
{
	*t = (struct text){ 0 };
	for (const char *part = shape; *part != '\0'; part++) {
		if (part != shape)
			text_add(t, " ");
		read_part(data, *part, t);
	}
	return !data->c.bad && data->c.left == 0;
}

static void
note_record(const struct text *t, const char *wanted, struct dns_reply *out)
{
	if (out->n_records++ == 0)
		memcpy(out->first, t->buf, t->len + 1);
	if (wanted != NULL && !t->is_cut && strlen(wanted) == t->len &&
	    memcmp(wanted, t->buf, t->len) == 0)
		out->has_wanted = true;
}

/* One record of the answer section; false: malformed. */
static bool
read_record(struct reader *r, const struct dns_question *q, const char *wanted,
    struct dns_reply *out)
{
	char owner[NAME_TEXT_BYTES];
	struct reader data = *r;
	struct text t;
	uint16_t type, class, len;

	read_name(r, owner);
	type = cursor_be16(&r->c);
	class = cursor_be16(&r->c);
	cursor_skip(&r->c, 4); /* time to live */
	len = cursor_be16(&r->c);
	data.c = r->c;
	cursor_skip(&r->c, len);
	if (r->c.bad)
		return false;
	data.c.left = len;
	if (type != q->type->number || class != q->type->class)
		return true;
	if (!read_data(&data, q->type->shape, &t))
		return false;
	note_record(&t, wanted, out);
	return true;
}

static bool
is_same_question(struct reader *r, const struct dns_question *q)
{
	char name[NAME_TEXT_BYTES];
	uint16_t type, class;

	read_name(r, name);
	type = cursor_be16(&r->c);
	class = cursor_be16(&r->c);
	return !r->c.bad && strcmp(name, q->name) == 0 &&
	    type == q->type->number && class == q->type->class;
}

enum dns_verdict
dns_wire_decode_reply(const uint8_t *msg, size_t len,
    const struct dns_question *q, const char *wanted, struct dns_reply *out)
{
	struct reader r = {
		.msg = msg, .len = len, .c = { .p = msg, .left = len }
	};
	struct dns_reply reply = { 0 };
	uint16_t id = cursor_be16(&r.c);
	uint16_t flags = cursor_be16(&r.c);
	uint16_t n_questions = cursor_be16(&r.c);
	uint16_t n_answers = cursor_be16(&r.c);

	cursor_skip(&r.c, 2 + 2); /* counts of the other sections */
	if (r.c.bad || id != q->id || (flags & FLAG_ANSWER) == 0 ||
	    (flags & OPCODE_MASK) != 0)
		return DNS_FOREIGN;
	reply.rcode = flags & RCODE_MASK;
	/* Some refuse without repeating the question. */
	if (n_questions == 0 && reply.rcode != 0) {
		*out = reply;
		return DNS_OK;
	}
	if (n_questions != 1 || !is_same_question(&r, q))
		return DNS_FOREIGN;
	if ((flags & FLAG_TRUNCATED) != 0)
		return DNS_TRUNCATED;
	for (uint16_t i = 0; i < n_answers; i++) {
		if (!read_record(&r, q, wanted, &reply))
			return DNS_MALFORMED;
	}
	*out = reply;
	return DNS_OK;
}
