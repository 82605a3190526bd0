/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "anycastctl/clients_convert.h"
#include "base/xalloc.h"

#define PIECE_BYTES ((size_t)64 * 1024)
#define PART_BYTES ((size_t)256 * 1024)
/* The last part: the daemon sorts the list and writes it to its store. */
#define PART_TIMEOUT_MS 300000

struct upload {
	struct ctl *c;
	const char *name; /* for messages */
	FILE *in;
	char *part;
	size_t part_len;
	struct clients_convert *convert; /* NULL: it is text already */
	uint64_t token;
	unsigned long long n_parts;
	uint64_t sent_bytes;
	uint64_t all_bytes; /* 0: not known */
};

static int
report_read_error(struct upload *up)
{
	ctl_error(up->c, "%s: %s", up->name, strerror(errno));
	return -1;
}

/* The same for what is no text yet: pieces are read until there is enough. */
static int
read_converted(struct upload *up, bool *last)
{
	struct err err;

	*last = false;
	while (!*last && clients_convert_len(up->convert) < PART_BYTES) {
		size_t n = fread(up->part, 1, PIECE_BYTES, up->in);

		if (ferror(up->in))
			return report_read_error(up);
		*last = n < PIECE_BYTES;
		if (clients_convert_push(up->convert, up->part, n, *last,
			&err) == -1) {
			ctl_error(up->c, "%s: %s", up->name, err.msg);
			return -1;
		}
	}
	return 0;
}

/* Fill part; *last tells whether that was the end of the file. */
static int
read_part(struct upload *up, bool *last)
{
	int next;

	if (up->convert != NULL)
		return read_converted(up, last);
	up->part_len = fread(up->part, 1, PART_BYTES, up->in);
	next = fgetc(up->in);
	if (ferror(up->in))
		return report_read_error(up);
	*last = next == EOF;
	if (next != EOF)
		(void)ungetc(next, up->in);
	return 0;
}

static void
show_progress(const struct upload *up)
{
	unsigned long long kib = up->sent_bytes / 1024;
	char *text;

	if (up->all_bytes > 0) {
		text = xasprintf("%s: %llu of %llu KiB sent", up->name, kib,
		    (unsigned long long)up->all_bytes / 1024);
	} else {
		text = xasprintf("%s: %llu KiB sent", up->name, kib);
	}
	ctl_progress(up->c, text);
	free(text);
}

static enum ctl_exit
send_part(struct upload *up, bool last, json_t **doc)
{
	char *path = xasprintf("/v1/clients?upload=%016llx&part=%llu&last=%d",
	    (unsigned long long)up->token, up->n_parts++, last);
	struct ctl_request req = {
		.method = "POST",
		.path = path,
		.type = "text/plain",
		.body = up->part,
		.body_len = up->part_len,
		.timeout_ms = PART_TIMEOUT_MS,
	};
	enum ctl_exit rc;
	char *text = NULL;

	if (up->convert != NULL) {
		text = clients_convert_take(up->convert, &up->part_len);
		req.body = text;
		req.body_len = up->part_len;
	}
	show_progress(up);
	rc = ctl_call(up->c, &req, doc);
	free(path);
	free(text);
	up->sent_bytes += up->part_len;
	return rc;
}

static enum ctl_exit
send_file(struct upload *up, json_t **doc)
{
	enum ctl_exit rc = CTL_DONE;
	bool last = false;

	*doc = NULL;
	while (rc == CTL_DONE && !last) {
		json_decref(*doc);
		*doc = NULL;
		if (read_part(up, &last) == -1)
			return CTL_FAILED;
		if (last && up->convert == NULL &&
		    up->sent_bytes + up->part_len == 0) {
			ctl_error(up->c, "%s: is empty", up->name);
			return CTL_FAILED;
		}
		rc = send_part(up, last, doc);
	}
	return rc;
}

static FILE *
open_list(struct ctl *c, const char *name)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

	if (in == NULL)
		ctl_error(c, "%s: %s", name, strerror(errno));
	return in;
}

enum ctl_exit
cmd_clients_import(struct ctl *c)
{
	struct upload up = { .c = c, .name = c->args[0] };
	enum ctl_exit rc = CTL_FAILED;
	json_t *doc = NULL;
	struct stat st;

	up.in = open_list(c, up.name);
	if (up.in == NULL)
		return CTL_FAILED;
	if (fstat(fileno(up.in), &st) == 0 && S_ISREG(st.st_mode))
		up.all_bytes = (uint64_t)st.st_size;
	up.part = xcalloc(1, PART_BYTES);
	if (c->opt.type != FEED_TEXT) {
		up.convert = clients_convert_new(c->opt.type);
		up.all_bytes = 0; /* of text: not known before */
	}
	if (getrandom(&up.token, sizeof(up.token), 0) ==
	    (ssize_t)sizeof(up.token)) {
		rc = send_file(&up, &doc);
	} else {
		ctl_error(c, "random numbers: %s", strerror(errno));
	}
	ctl_progress(c, "");
	if (rc == CTL_DONE)
		rc = ctl_show(c, report_import, doc);
	json_decref(doc);
	clients_convert_free(up.convert);
	free(up.part);
	if (up.in != stdin)
		(void)fclose(up.in);
	return rc;
}

/* "PATH?site=S&top=N" with what was given. */
static char *
choice_path(const struct ctl *c, const char *path)
{
	char *site = c->opt.site != NULL ? ctl_escape(c->opt.site) : NULL;
	char *text = xasprintf("%s?top=%u%s%s", path, c->opt.top,
	    site != NULL ? "&site=" : "", site != NULL ? site : "");

	free(site);
	return text;
}

enum ctl_exit
cmd_clients_list(struct ctl *c)
{
	char *path = choice_path(c, "/v1/clients/recent");
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, path, &doc);
	free(path);
	return ctl_show_answer(c, rc, report_recent, doc);
}

enum ctl_exit
cmd_clients_take(struct ctl *c)
{
	char *path = choice_path(c, "/v1/clients/take");
	struct ctl_request req = {
		.method = "POST", .path = path, .timeout_ms = PART_TIMEOUT_MS
	};
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_call(c, &req, &doc);
	free(path);
	return ctl_show_answer(c, rc, report_taken, doc);
}

enum ctl_exit
cmd_clients_stats(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = ctl_get(c, "/v1/clients", &doc);
	return ctl_show_answer(c, rc, report_clients, doc);
}
