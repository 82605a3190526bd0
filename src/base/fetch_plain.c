/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fetch_plain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/endpoint.h"
#include "base/num.h"
#include "base/xalloc.h"

#define SCHEME "http://"
#define DEFAULT_PORT 80u
#define HOST_MAX_BYTES 254u /* of a name (RFC 1035 s.2.3.4), terminated */
#define READ_BYTES ((size_t)8 * 1024)
#define LAST_READS 16 /* more than any of our callers takes */
/* Everything in the request but the path, the host and the caller's lines. */
#define FRAME_BYTES 128u

struct fetch_plain {
	struct loop *lp;
	/* The time-out; or at once, when the outcome stands already. */
	struct loop_timer *timer;
	struct loop_fd *io;
	int fd;
	char *out;
	size_t out_bytes;
	size_t sent;
	struct http_answer answer;
	int64_t timeout_ms;
	struct err err;
	fetch_plain_done_cb *on_done;
	void *arg;
};

/*
 * What is plain.
 */

struct plain_url {
	char host[HOST_MAX_BYTES];
	bool is_ipv6; /* in brackets in the URL */
	uint32_t port;
	const char *path; /* borrowed; may be empty */
};

/* The address of text, if that is how we would write it. */
static bool
is_address(const char *text, struct addr *out)
{
	char again[ADDR_TEXT_BYTES];

	return addr_parse(text, out, NULL) == 0 &&
	    strcmp(addr_format(out, again), text) == 0;
}

/* Nothing that could be a number in disguise, such as 127.1. */
static bool
is_name(const char *text)
{
	const char *last = strrchr(text, '.');

	last = last != NULL ? last + 1 : text;
	return *last >= 'a' && *last <= 'z' &&
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.")] ==
	    '\0';
}

/* RFC 3986 s.3.3 and 3.4, without the segments that a client takes out. */
static bool
is_plain_path(const char *path)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~!$&'()*+,;=:@/?%";

	return (path[0] == '/' || path[0] == '\0') &&
	    path[strspn(path, chars)] == '\0' && strstr(path, "/.") == NULL;
}

static bool
split_port(const char *text, const char *end, uint32_t *out)
{
	char digits[8] = "";

	*out = DEFAULT_PORT;
	if (text == end)
		return true;
	if (*text++ != ':' || (size_t)(end - text) >= sizeof(digits))
		return false;
	memcpy(digits, text, (size_t)(end - text));
	return num_parse_u32(digits, 1, UINT16_MAX, out, NULL) == 0;
}

/* False: it has more to it. */
static bool
split_url(const char *text, struct plain_url *url)
{
	const char *host = text + sizeof(SCHEME) - 1, *end;
	size_t len;

	if (strncmp(text, SCHEME, sizeof(SCHEME) - 1) != 0)
		return false;
	url->path = host + strcspn(host, "/?#");
	url->is_ipv6 = *host == '[';
	host += url->is_ipv6;
	len = strcspn(host, url->is_ipv6 ? "]" : ":/?#");
	end = host + len + url->is_ipv6;
	if (len >= sizeof(url->host) || end > url->path)
		return false;
	memcpy(url->host, host, len);
	url->host[len] = '\0';
	return split_port(end, url->path, &url->port) &&
	    is_plain_path(url->path);
}

static bool
is_plain(const struct fetch_request *req, struct plain_url *url,
    struct addr *to)
{
	struct addr host;
	bool is_host_address;

	if (!req->fresh_connection || req->unix_socket != NULL ||
	    req->body != NULL || req->content_type != NULL ||
	    (strcmp(req->method, "GET") != 0 &&
		strcmp(req->method, "HEAD") != 0) ||
	    !split_url(req->url, url))
		return false;
	is_host_address = is_address(url->host, &host);
	if (is_host_address ? addr_is_ipv4(&host) == url->is_ipv6
			    : url->is_ipv6)
		return false;
	if (req->resolve != NULL) {
		return (is_host_address || is_name(url->host)) &&
		    addr_parse(req->resolve, to, NULL) == 0;
	}
	*to = host;
	return is_host_address;
}

/*
 * The request.
 */

static void
put(struct wcursor *w, const char *text)
{
	wcursor_bytes(w, text, strlen(text));
}

static bool
is_header(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* The caller's line of that name, which replaces ours; NULL: none. */
static const char *
find_header(const struct fetch_request *req, const char *name)
{
	for (size_t i = 0; req->headers != NULL && req->headers[i] != NULL;
	     i++) {
		if (is_header(req->headers[i], name))
			return req->headers[i];
	}
	return NULL;
}

static void
put_host(struct wcursor *w, const struct plain_url *url)
{
	char port[16];

	put(w, url->is_ipv6 ? "[" : "");
	put(w, url->host);
	put(w, url->is_ipv6 ? "]" : "");
	if (url->port != DEFAULT_PORT) {
		(void)snprintf(port, sizeof(port), ":%u", url->port);
		put(w, port);
	}
}

/* Host comes first, whoever says it (RFC 9110 s.7.2). */
static void
put_headers(struct wcursor *w, const struct fetch_request *req,
    const struct plain_url *url)
{
	const char *host = find_header(req, "Host");

	put(w, "Host:");
	if (host != NULL) {
		put(w, host + sizeof("Host:") - 1);
	} else {
		put(w, " ");
		put_host(w, url);
	}
	put(w, "\r\n");
	if (find_header(req, "User-Agent") == NULL)
		put(w, "User-Agent: anycastd\r\n");
	if (find_header(req, "Accept") == NULL)
		put(w, "Accept: */*\r\n");
	for (size_t i = 0; req->headers != NULL && req->headers[i] != NULL;
	     i++) {
		if (is_header(req->headers[i], "Host"))
			continue;
		put(w, req->headers[i]);
		put(w, "\r\n");
	}
}

static void
write_request(struct fetch_plain *fp, const struct fetch_request *req,
    const struct plain_url *url)
{
	size_t size = FRAME_BYTES + strlen(url->path) + strlen(url->host);
	struct wcursor w;

	for (size_t i = 0; req->headers != NULL && req->headers[i] != NULL; i++)
		size += strlen(req->headers[i]) + 2;
	fp->out = xcalloc(size, 1);
	w = (struct wcursor){ .p = (uint8_t *)fp->out, .left = size };
	put(&w, req->method);
	put(&w, " ");
	put(&w, url->path[0] != '\0' ? url->path : "/");
	put(&w, " HTTP/1.1\r\n");
	put_headers(&w, req, url);
	put(&w, "\r\n");
	assert(!w.bad);
	fp->out_bytes = size - w.left;
}

/*
 * The connection.
 */

static int
connection_err(struct fetch_plain *fp, int errnum)
{
	errno = errnum;
	return err_sys(&fp->err, "connection");
}

static void
plain_finish(struct fetch_plain *fp)
{
	fp->on_done(fp->err.code == ERR_NONE ? fp->answer.status : 0, &fp->err,
	    fp->arg);
}

static void plain_on_io(struct loop *lp, int fd, unsigned events, void *arg);

static int
plain_await(struct fetch_plain *fp, unsigned events)
{
	if (fp->io == NULL) {
		fp->io = loop_fd_new(fp->lp, fp->fd, events, plain_on_io, fp);
	} else {
		loop_fd_set(fp->io, events);
	}
	return 0;
}

static int
plain_send(struct fetch_plain *fp)
{
	ssize_t n = send(fp->fd, fp->out + fp->sent, fp->out_bytes - fp->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n == -1 && errno != EAGAIN && errno != EINTR)
		return connection_err(fp, errno);
	if (n > 0)
		fp->sent += (size_t)n;
	return plain_await(fp,
	    fp->sent < fp->out_bytes ? LOOP_WRITE : LOOP_READ);
}

enum read_state { READ_NOTHING, READ_SOME, READ_ALL /* or it is broken */ };

static enum read_state
plain_read(struct fetch_plain *fp)
{
	uint8_t bytes[READ_BYTES];
	ssize_t n = recv(fp->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	enum http_progress progress = HTTP_BROKEN;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return READ_NOTHING;
	if (n == -1) {
		(void)connection_err(fp, errno);
	} else if (n == 0) {
		progress = http_answer_close(&fp->answer, &fp->err);
	} else {
		progress =
		    http_answer_feed(&fp->answer, bytes, (size_t)n, &fp->err);
	}
	return progress == HTTP_MORE ? READ_SOME : READ_ALL;
}

/* The time is over, but the loop may have stood still: the answer is there? */
static bool
plain_read_rest(struct fetch_plain *fp)
{
	enum read_state state = READ_SOME;

	if (fp->io == NULL || fp->sent < fp->out_bytes)
		return false;
	for (int i = 0; i < LAST_READS && state == READ_SOME; i++)
		state = plain_read(fp);
	return state == READ_ALL;
}

/* True: there is nothing more to wait for. */
static bool
plain_write(struct fetch_plain *fp)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	if (getsockopt(fp->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == -1)
		errnum = errno;
	if (errnum != 0) {
		(void)connection_err(fp, errnum);
		return true;
	}
	return plain_send(fp) == -1;
}

static void
plain_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct fetch_plain *fp = arg;
	bool is_over = fp->sent < fp->out_bytes ? plain_write(fp)
						: plain_read(fp) == READ_ALL;

	(void)lp;
	(void)fd;
	(void)events;
	if (is_over)
		plain_finish(fp);
}

static int
plain_connect(struct fetch_plain *fp, const struct addr *to, uint16_t port,
    const char *source)
{
	struct endpoint ep;
	int rc;

	endpoint_set(&ep, to, port);
	fp->fd = endpoint_socket(&ep, SOCK_STREAM, source, &fp->err);
	if (fp->fd == -1)
		return -1;
	rc = endpoint_connect(fp->fd, &ep);
	if (rc == -1)
		return connection_err(fp, errno);
	return rc == 1 ? plain_send(fp) : plain_await(fp, LOOP_WRITE);
}

static void
plain_on_timer(struct loop *lp, void *arg)
{
	struct fetch_plain *fp = arg;

	(void)lp;
	if (fp->err.code == ERR_NONE && !plain_read_rest(fp)) {
		(void)err_set(&fp->err, ERR_TIMEOUT, "no answer in %lld ms",
		    (long long)fp->timeout_ms);
	}
	plain_finish(fp);
}

struct fetch_plain *
fetch_plain_start(struct loop *lp, const struct fetch_request *req,
    http_body_cb *on_body, fetch_plain_done_cb *on_done, void *arg)
{
	struct plain_url url;
	struct addr to;
	struct fetch_plain *fp;
	int rc;

	if (!is_plain(req, &url, &to))
		return NULL;
	fp = xcalloc(1, sizeof(*fp));
	*fp = (struct fetch_plain){ .lp = lp,
		.timer = loop_timer_new(lp, plain_on_timer, fp),
		.fd = -1,
		.timeout_ms = req->timeout_ms,
		.on_done = on_done,
		.arg = arg };
	http_answer_begin(&fp->answer, strcmp(req->method, "HEAD") == 0,
	    on_body, arg);
	write_request(fp, req, &url);
	rc = plain_connect(fp, &to, (uint16_t)url.port, req->source);
	loop_timer_set(fp->timer, rc == 0 ? req->timeout_ms : 0);
	return fp;
}

void
fetch_plain_free(struct fetch_plain *fp)
{
	if (fp == NULL)
		return;
	loop_timer_free(fp->timer);
	loop_fd_free(fp->io);
	if (fp->fd != -1)
		(void)close(fp->fd);
	free(fp->out);
	free(fp);
}
