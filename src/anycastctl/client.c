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
#define NO_FILES "a fleet with certificates needs --certificate, --key and --ca"

struct ctl_client {
	CURL *curl;
	struct ctl_target target;
	char *base; /* what paths are put behind */
};

/* An answer while it comes in. */
struct inbox {
	char *bytes;
	size_t len;
	bool too_long;
};

bool
ctl_url_is_https(const char *url)
{
	return url != NULL && strncasecmp(url, "https://", 8) == 0;
}

static int
check_target(const struct ctl_target *t, struct err *err)
{
	struct sockaddr_un sa;
	struct tls *tls;

	if (t->socket != NULL) {
		return strlen(t->socket) < sizeof(sa.sun_path)
		    ? 0
		    : err_set(err, ERR_CONF, "socket %s: path too long",
			  t->socket);
	}
	if (!ctl_url_is_https(t->url) &&
	    strncasecmp(t->url, "http://", 7) != 0) {
		return err_set(err, ERR_CONF,
		    "url %s: expected http://HOST:PORT or https://HOST:PORT",
		    t->url);
	}
	if (t->tls.certificate == NULL)
		return 0;
	/* libcurl would tell less, and only when it has connected. */
	tls = tls_new(&t->tls, err);
	tls_free(tls);
	return tls == NULL ? -1 : 0;
}

struct ctl_client *
ctl_client_new(const struct ctl_target *target, struct err *err)
{
	struct ctl_client *cl;
	size_t len;

	if (check_target(target, err) == -1)
		return NULL;
	cl = xcalloc(1, sizeof(*cl));
	cl->target = *target;
	cl->base =
	    xstrdup(target->socket == NULL ? target->url : "http://localhost");
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
set_tls(CURL *h, const struct tls_files *files)
{
	if (files->certificate == NULL)
		return;
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	curl_easy_setopt(h, CURLOPT_SSLCERT, files->certificate);
	curl_easy_setopt(h, CURLOPT_SSLKEY, files->key);
	/* Nobody is asked for one, not even when the files are replaced. */
	curl_easy_setopt(h, CURLOPT_KEYPASSWD, "");
	curl_easy_setopt(h, CURLOPT_CAINFO, files->ca);
	/* Or those of the system are believed, too. */
	curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(h, CURLOPT_SSL_SESSIONID_CACHE, 0L);
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
	if (cl->target.socket != NULL) {
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH,
		    cl->target.socket);
	}
	set_tls(h, &cl->target.tls);
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

/* Of an https URL: what the server cannot have carried out; NULL: not so. */
static char *
explain_handshake(const struct ctl_client *cl, CURLcode rc, const char *detail)
{
	const char *ca = cl->target.tls.ca;

	/* Not an enum switch: libcurl has about a hundred codes. */
	switch ((int)rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return xasprintf(
		    "url %s: not believed to be anycastd: %s: %s%s", cl->base,
		    detail,
		    ca != NULL ? "the authority is that of --ca " : NO_FILES,
		    ca != NULL ? ca : "");
	case CURLE_SSL_CONNECT_ERROR:
		return xasprintf("url %s: %s: is it http there?", cl->base,
		    detail);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return xasprintf("url %s: %s", cl->base, detail);
	default:
		return NULL;
	}
}

/*
 * In TLS 1.3 the server judges a certificate when we think that all is done.
 * What it says of it (an alert: RFC 8446 s.6) is lost if we write meanwhile.
 */
static char *
explain_judgement(const struct ctl_client *cl, const char *detail)
{
	const char *certificate = cl->target.tls.certificate;
	const char *alert = strstr(detail, " alert ");
	char *who = certificate != NULL
	    ? xasprintf("the certificate %s", certificate)
	    : xstrdup("a client without certificate: " NO_FILES);
	char *text;

	if (alert != NULL) {
		alert += strlen(" alert ");
		text = xasprintf("url %s: %.*s: it refuses %s", cl->base,
		    (int)strcspn(alert, ","), alert, who);
	} else {
		text = xasprintf("url %s: lost before the answer came, and its "
				 "log tells why: it has ended, or refuses %s",
		    cl->base, who);
	}
	free(who);
	return text;
}

static bool
is_shaken(const struct ctl_client *cl)
{
	curl_off_t at_us = 0;

	(void)curl_easy_getinfo(cl->curl, CURLINFO_APPCONNECT_TIME_T, &at_us);
	return at_us != 0;
}

/* What the daemon may have heard, and yet there is no answer. */
static char *
explain_loss(const struct ctl_client *cl, CURLcode rc, const char *detail)
{
	bool is_broken = rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR ||
	    rc == CURLE_GOT_NOTHING;
	bool is_clear =
	    cl->target.url != NULL && !ctl_url_is_https(cl->target.url);

	if (is_broken && is_shaken(cl))
		return explain_judgement(cl, detail);
	return xasprintf("%s %s: %s: lost before the answer came, what was "
			 "asked for may have been done%s",
	    cl->target.socket != NULL ? "socket" : "url",
	    cl->target.socket != NULL ? cl->target.socket : cl->base, detail,
	    is_broken && is_clear ? "; or is it https there?" : "");
}

/* Why there is no answer at all, and what to look at. */
static char *
explain_silence(const struct ctl_client *cl, CURLcode rc, const char *detail)
{
	const char *what = cl->target.socket != NULL ? "socket" : "url";
	const char *where =
	    cl->target.socket != NULL ? cl->target.socket : cl->base;
	long sys = 0;
	char *text;

	curl_easy_getinfo(cl->curl, CURLINFO_OS_ERRNO, &sys);
	if (rc == CURLE_COULDNT_CONNECT && cl->target.socket != NULL &&
	    sys != 0) {
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
	text = explain_handshake(cl, rc, detail);
	return text != NULL ? text : explain_loss(cl, rc, detail);
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

/* What is nowhere over TCP: all that changes something, and some that tells. */
static void
hint_at_socket(struct ctl_answer *out)
{
	static const char mark[] = ": nothing here";
	size_t len = strlen(out->message);
	char *text;

	if (len < strlen(mark) ||
	    strcmp(out->message + len - strlen(mark), mark) != 0)
		return;
	text = xasprintf("%s: not over a URL: ask over the daemon's socket",
	    out->message);
	free(out->message);
	out->message = text;
}

static int
judge(const struct ctl_client *cl, const struct inbox *in,
    struct ctl_answer *out)
{
	json_error_t why;

	if (in->len > 0)
		out->doc = json_loadb(in->bytes, in->len, 0, &why);
	if (out->status >= 400) {
		out->message = explain_refusal(out->doc, out->status);
		if (cl->target.url != NULL && out->status == 404)
			hint_at_socket(out);
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
		ret = judge(cl, &in, out);
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
