/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include <curl/curl.h>

#include "base/xalloc.h"

#define CONNECT_TIMEOUT_MS 2000
#define ANSWER_MAX_BYTES (64u << 20)

struct ctl_client {
	CURL *curl;
	char *socket; /* NULL: url */
	char *base;   /* what paths are put behind */
};

/* An answer while it comes in. */
struct inbox {
	char *bytes;
	size_t len;
	bool too_long;
};

static bool
is_http_url(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 ||
	    strncasecmp(url, "https://", 8) == 0;
}

struct ctl_client *
ctl_client_new(const char *socket, const char *url, struct err *err)
{
	struct sockaddr_un sa;
	struct ctl_client *cl;
	size_t len;

	if (socket != NULL && strlen(socket) >= sizeof(sa.sun_path)) {
		err_set(err, ERR_CONF, "socket %s: path too long", socket);
		return NULL;
	}
	if (socket == NULL && !is_http_url(url)) {
		err_set(err, ERR_CONF, "url %s: expected http://HOST:PORT",
		    url);
		return NULL;
	}
	cl = xcalloc(1, sizeof(*cl));
	cl->socket = socket == NULL ? NULL : xstrdup(socket);
	cl->base = xstrdup(socket == NULL ? url : "http://localhost");
	len = strlen(cl->base);
	while (len > 0 && cl->base[len - 1] == '/')
		cl->base[--len] = '\0';
	cl->curl = curl_easy_init();
	if (cl->curl == NULL) {
		err_set(err, ERR_SYS, "libcurl: cannot start");
		ctl_client_free(cl);
		return NULL;
	}
	return cl;
}

void
ctl_client_free(struct ctl_client *cl)
{
	if (cl == NULL)
		return;
	curl_easy_cleanup(cl->curl);
	free(cl->socket);
	free(cl->base);
	free(cl);
}

void
ctl_answer_clear(struct ctl_answer *answer)
{
	json_decref(answer->doc);
	free(answer->message);
	*answer = (struct ctl_answer){ 0 };
}

char *
ctl_escape(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	char *out = xcalloc(strlen(s) + 1, 3);
	char *p = out;

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (strchr(plain, c) != NULL) {
			*p++ = *s;
			continue;
		}
		*p++ = '%';
		*p++ = hex[c >> 4];
		*p++ = hex[c & 0xf];
	}
	return out;
}

/* curl's CURLOPT_WRITEFUNCTION: anything but n ends the transfer. */
static size_t
on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct inbox *in = arg;

	n *= size;
	if (n > ANSWER_MAX_BYTES - in->len) {
		in->too_long = true;
		return 0;
	}
	in->bytes = xreallocarray(in->bytes, in->len + n + 1, 1);
	memcpy(in->bytes + in->len, bytes, n);
	in->len += n;
	return n;
}

static void
set_request(struct ctl_client *cl, const struct ctl_request *req)
{
	CURL *h = cl->curl;

	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	/* On an old connection that closes, libcurl would send once more what
	 * may have been carried out already. */
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, req->method);
	if (cl->socket != NULL)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, cl->socket);
	if (strcmp(req->method, "POST") != 0)
		return;
	curl_easy_setopt(h, CURLOPT_POST, 1L);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
	    (curl_off_t)req->body_len);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS,
	    req->body == NULL ? "" : (const char *)req->body);
}

/* No "Expect: 100-continue": it costs a round trip, or a second. */
static struct curl_slist *
make_headers(const struct ctl_request *req)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char *type;

	if (req->type == NULL)
		return list;
	type = xasprintf("Content-Type: %s", req->type);
	list = curl_slist_append(list, type);
	free(type);
	return list;
}

/* Why there is no answer at all, and what to look at. */
static char *
explain_silence(const struct ctl_client *cl, CURLcode rc, const char *detail)
{
	const char *what = cl->socket != NULL ? "socket" : "url";
	const char *where = cl->socket != NULL ? cl->socket : cl->base;
	long sys = 0;

	curl_easy_getinfo(cl->curl, CURLINFO_OS_ERRNO, &sys);
	if (rc == CURLE_COULDNT_CONNECT && cl->socket != NULL && sys != 0) {
		return xasprintf("%s %s: %s: %s", what, where,
		    strerror((int)sys),
		    sys == EACCES
			? "you need write access to it"
			: "is anycastd running? --socket or ANYCASTD_SOCKET "
			  "names another one");
	}
	if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST) {
		return xasprintf("%s %s: %s: is anycastd running there?", what,
		    where, detail);
	}
	if (rc == CURLE_OPERATION_TIMEDOUT) {
		return xasprintf("%s %s: no answer in time: is anycastd stuck?",
		    what, where);
	}
	return xasprintf("%s %s: %s: lost before the answer came, what was "
			 "asked for may have been done",
	    what, where, detail);
}

/* The text of {"error": {"message": ...}}, or of the bare status. */
static char *
explain_refusal(const json_t *doc, int status)
{
	const json_t *error = json_object_get(doc, "error");
	const char *message =
	    json_string_value(json_object_get(error, "message"));

	if (message != NULL && message[0] != '\0')
		return xstrdup(message);
	return xasprintf("the daemon answered with HTTP status %d", status);
}

static int
judge(const struct inbox *in, struct ctl_answer *out)
{
	json_error_t why;

	if (in->len > 0)
		out->doc = json_loadb(in->bytes, in->len, 0, &why);
	if (out->status >= 400) {
		out->message = explain_refusal(out->doc, out->status);
		return -1;
	}
	if (out->doc == NULL && in->len > 0) {
		out->message =
		    xasprintf("the daemon's answer: not JSON: %s", why.text);
		return -1;
	}
	return 0;
}

int
ctl_client_call(struct ctl_client *cl, const struct ctl_request *req,
    struct ctl_answer *out)
{
	struct curl_slist *headers = make_headers(req);
	char *url = xasprintf("%s%s", cl->base, req->path);
	char detail[CURL_ERROR_SIZE] = "";
	struct inbox in = { 0 };
	long status = 0;
	CURLcode rc;
	int ret = -1;

	*out = (struct ctl_answer){ 0 };
	set_request(cl, req);
	curl_easy_setopt(cl->curl, CURLOPT_URL, url);
	curl_easy_setopt(cl->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(cl->curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(cl->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(cl->curl, CURLOPT_WRITEDATA, &in);
	rc = curl_easy_perform(cl->curl);
	curl_easy_getinfo(cl->curl, CURLINFO_RESPONSE_CODE, &status);
	if (rc == CURLE_OK) {
		out->status = (int)status;
		ret = judge(&in, out);
	} else if (in.too_long) {
		out->status = (int)status;
		out->message =
		    xstrdup("the daemon's answer: longer than 64 MiB");
	} else {
		out->message = explain_silence(cl, rc,
		    detail[0] != '\0' ? detail : curl_easy_strerror(rc));
	}
	curl_easy_setopt(cl->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	free(in.bytes);
	free(url);
	return ret;
}
