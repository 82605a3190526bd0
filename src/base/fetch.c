/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One CURLM per engine, driven by the loop: libcurl tells which sockets and
 * which one time-out it waits for, we tell it what happened.  libcurl's own
 * callbacks only take notes; answers are handed up after it has returned.
 * What needs nothing of libcurl goes without it (fetch_plain.h).
 *
 * Names are resolved by libcurl's resolver thread, so that a dead resolver
 * never stops the loop.
 */
#include "base/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/fetch_plain.h"
#include "base/http_answer.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/printable.h"
#include "base/tls.h"
#include "base/xalloc.h"

#define BODY_FIRST_BYTES 4096u
/* As many as may run at once when all probes of a wake-up are http
 * (core/beat.c), 6 KiB each. */
#define SPARE_MAX 128
/* With a certificate: then a new connection shows the renewed one. */
#define LIFETIME_SEC 3600L

struct fetch_engine {
	struct loop *lp;
	CURLM *multi;
	struct loop_timer *timer;
	TAILQ_HEAD(, fetch) running;
	CURL *spare[SPARE_MAX]; /* all their options are the defaults */
	size_t n_spare;
	bool delivering;
};

struct fetch {
	TAILQ_ENTRY(fetch) entry;
	struct fetch_engine *fe;
	struct fetch_plain *plain; /* instead of what follows of libcurl's */
	CURL *easy;
	struct loop_timer *failed; /* set up in vain: reports err from here */
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	bool want_cert_end;
	bool has_unix_socket;
	bool has_certificate; /* shows one */
	bool truncate;
	bool body_too_long;
	bool headers_too_long;
	bool is_clean;    /* ended, without any error */
	int socket_errno; /* our own socket() failed */
	int64_t timeout_ms;
	size_t max_body_bytes;
	uint8_t *body; /* one byte more than body_size, for the NUL */
	size_t body_len;
	size_t body_size;
	size_t headers_bytes;
	struct mono started;
	struct err err;
	char curl_text[CURL_ERROR_SIZE];
	fetch_done_cb *on_done;
	void *arg;
};

/* A handle costs more to make than to reset. */
static CURL *
easy_take(struct fetch_engine *fe)
{
	return fe->n_spare > 0 ? fe->spare[--fe->n_spare] : curl_easy_init();
}

/* What a failed transfer leaves in a handle, a reset does not always clear: its
 * next one would report another error. */
static void
easy_give_back(struct fetch_engine *fe, CURL *easy, bool is_clean)
{
	(void)curl_multi_remove_handle(fe->multi, easy);
	if (!is_clean || fe->n_spare == SPARE_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	fe->spare[fe->n_spare++] = easy;
}

static void
fetch_free(struct fetch *f)
{
	TAILQ_REMOVE(&f->fe->running, f, entry);
	fetch_plain_free(f->plain);
	if (f->easy != NULL)
		easy_give_back(f->fe, f->easy, f->is_clean);
	loop_timer_free(f->failed);
	curl_slist_free_all(f->headers);
	curl_slist_free_all(f->connect_to);
	free(f->body);
	free(f);
}

void
fetch_cancel(struct fetch *f)
{
	if (f != NULL)
		fetch_free(f);
}

/*
 * Results.
 */

static void
err_from_timeout(struct fetch *f)
{
	curl_off_t resolved_us = 0;

	(void)curl_easy_getinfo(f->easy, CURLINFO_NAMELOOKUP_TIME_T,
	    &resolved_us);
	if (resolved_us == 0 && !f->has_unix_socket) {
		err_set(&f->err, ERR_GONE, "name not resolved in %lld ms",
		    (long long)f->timeout_ms);
		return;
	}
	err_set(&f->err, ERR_TIMEOUT, "no answer in %lld ms",
	    (long long)f->timeout_ms);
}

/* Behind the library's own name, version and number: what it is about. */
static const char *
reason_of(const char *curl_text)
{
	static const char mark[] = "routines::";
	const char *at = strstr(curl_text, mark);

	return at != NULL ? at + sizeof(mark) - 1 : curl_text;
}

static void
err_from_socket(struct fetch *f)
{
	char text[PRINTABLE_TEXT_BYTES];
	const char *why = reason_of(f->curl_text);
	long os_errno = f->socket_errno;

	if (os_errno == 0)
		(void)curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os_errno);
	if (os_errno == 0) {
		err_set(&f->err, ERR_PROTO, "connection broken%s%s",
		    why[0] != '\0' ? ": " : "", printable(why, text));
		return;
	}
	errno = (int)os_errno;
	err_sys(&f->err, "connection");
}

/* In TLS 1.3 the server judges a certificate when we think that all is done; why
 * it closes is lost when we write meanwhile. */
static void
hint_at_certificate(struct fetch *f)
{
	curl_off_t shaken_us = 0;

	(void)curl_easy_getinfo(f->easy, CURLINFO_APPCONNECT_TIME_T,
	    &shaken_us);
	if (f->has_certificate && shaken_us != 0)
		err_wrap(&f->err, "the certificate may not be accepted");
}

static bool
was_connected(const struct fetch *f)
{
	curl_off_t connected_us = 0;

	(void)curl_easy_getinfo(f->easy, CURLINFO_CONNECT_TIME_T,
	    &connected_us);
	return connected_us != 0;
}

/* libcurl gives one code to a foreign URL and to an answer without HTTP. */
static void
err_from_protocol(struct fetch *f)
{
	if (was_connected(f)) {
		err_set(&f->err, ERR_PROTO, "the answer is not HTTP");
	} else {
		err_set(&f->err, ERR_CONF, "URL: neither http nor https");
	}
}

/* And one to a lack of memory and to a header line over its own limit. */
static void
err_from_memory(struct fetch *f)
{
	if (was_connected(f)) {
		err_set(&f->err, ERR_PROTO, "header line too long");
		return;
	}
	errno = ENOMEM;
	err_sys(&f->err, "libcurl");
}

static void
err_from_body(struct fetch *f)
{
	err_set(&f->err, ERR_PROTO, "body of more than %zu bytes",
	    f->max_body_bytes);
}

static void
err_from_other(struct fetch *f, CURLcode code)
{
	char text[PRINTABLE_TEXT_BYTES];

	if (f->headers_too_long) {
		err_set(&f->err, ERR_PROTO, "header of more than %zu bytes",
		    HTTP_HEAD_MAX_BYTES);
	} else if (f->body_too_long) {
		err_from_body(f);
	} else {
		err_set(&f->err, ERR_PROTO, "%s",
		    printable(f->curl_text[0] != '\0'
			    ? f->curl_text
			    : curl_easy_strerror(code),
			text));
	}
}

static void
err_from_curl(struct fetch *f, CURLcode code)
{
	/* Not an enum switch: libcurl has about a hundred codes. */
	switch ((int)code) {
	case CURLE_OPERATION_TIMEDOUT:
		err_from_timeout(f);
		return;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		err_from_socket(f);
		hint_at_certificate(f);
		return;
	case CURLE_COULDNT_RESOLVE_HOST:
		err_set(&f->err, ERR_GONE, "name not resolved");
		return;
	case CURLE_INTERFACE_FAILED:
		errno = EADDRNOTAVAIL;
		err_sys(&f->err, "source address");
		return;
	case CURLE_URL_MALFORMAT:
		err_set(&f->err, ERR_CONF, "URL: malformed");
		return;
	case CURLE_UNSUPPORTED_PROTOCOL:
		err_from_protocol(f);
		return;
	case CURLE_GOT_NOTHING:
		err_set(&f->err, ERR_PROTO, "closed without an answer");
		return;
	case CURLE_PARTIAL_FILE:
		err_set(&f->err, ERR_PROTO, "the answer ends too early");
		return;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		err_from_memory(f);
		return;
	default:
		err_from_other(f, code);
		return;
	}
}

/* The end of the first certificate, which is the server's own. */
static int64_t
cert_end_ms(const struct fetch *f)
{
	static const char key[] = "Expire date:";
	struct curl_certinfo *chain = NULL;
	time_t end = -1;

	if (curl_easy_getinfo(f->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK ||
	    chain == NULL || chain->num_of_certs < 1)
		return -1;
	for (const struct curl_slist *line = chain->certinfo[0]; line != NULL;
	     line = line->next) {
		if (strncmp(line->data, key, sizeof(key) - 1) == 0)
			end = curl_getdate(line->data + sizeof(key) - 1, NULL);
	}
	return end == -1 ? -1 : (int64_t)end * 1000;
}

/* Hands the answer up; f is freed. */
static void
fetch_deliver(struct fetch *f, int status)
{
	struct fetch_answer answer = { .body = (const uint8_t *)"",
		.took_us = mono_now().us - f->started.us,
		.cert_end_ms = -1,
		.err = f->err };
	fetch_done_cb *on_done = f->on_done;
	void *arg = f->arg;
	uint8_t *body = f->body;

	if (f->err.code == ERR_NONE) {
		answer.status = status;
		if (f->want_cert_end && f->easy != NULL)
			answer.cert_end_ms = cert_end_ms(f);
	}
	if (f->err.code == ERR_NONE && body != NULL) {
		body[f->body_len] = '\0';
		answer.body = body;
		answer.body_len = f->body_len;
	}
	f->body = NULL;
	fetch_free(f);
	on_done(&answer, arg);
	free(body);
}

static void
fetch_finish(struct fetch *f, CURLcode code)
{
	bool enough =
	    code == CURLE_WRITE_ERROR && f->body_too_long && f->truncate;
	long os_errno = 0, status = 0;

	/* libcurl's reset leaves the last errno of a socket in the handle: the
	 * next request must not be told of this one's. */
	(void)curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os_errno);
	f->is_clean = code == CURLE_OK && os_errno == 0;
	if (code != CURLE_OK && !enough)
		err_from_curl(f, code);
	(void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	fetch_deliver(f, (int)status);
}

/* on_done may start and cancel requests: ask libcurl anew each time. */
static void
engine_deliver(struct fetch_engine *fe)
{
	CURLMsg *msg;
	int left;

	fe->delivering = true;
	while ((msg = curl_multi_info_read(fe->multi, &left)) != NULL) {
		struct fetch *f = NULL;
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    (char **)&f);
		fetch_finish(f, code);
	}
	fe->delivering = false;
}

/*
 * Between libcurl and the loop.
 */

static void
engine_on_fd(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct fetch_engine *fe = arg;
	int what = 0, running;

	(void)lp;
	if ((events & LOOP_READ) != 0)
		what |= CURL_CSELECT_IN;
	if ((events & LOOP_WRITE) != 0)
		what |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(fe->multi, fd, what, &running);
	engine_deliver(fe);
}

static void
engine_on_timer(struct loop *lp, void *arg)
{
	struct fetch_engine *fe = arg;
	int running;

	(void)lp;
	(void)curl_multi_socket_action(fe->multi, CURL_SOCKET_TIMEOUT, 0,
	    &running);
	engine_deliver(fe);
}

static int
multi_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch_engine *fe = arg;

	(void)multi;
	if (timeout_ms < 0) {
		loop_timer_cancel(fe->timer);
	} else {
		loop_timer_set(fe->timer, timeout_ms);
	}
	return 0;
}

static int
multi_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socket_arg)
{
	struct fetch_engine *fe = arg;
	struct loop_fd *io = socket_arg;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_fd_free(io);
		(void)curl_multi_assign(fe->multi, fd, NULL);
		return 0;
	}
	if ((what & CURL_POLL_IN) != 0)
		events |= LOOP_READ;
	if ((what & CURL_POLL_OUT) != 0)
		events |= LOOP_WRITE;
	if (io != NULL) {
		loop_fd_set(io, events);
		return 0;
	}
	io = loop_fd_new(fe->lp, fd, events, engine_on_fd, fe);
	(void)curl_multi_assign(fe->multi, fd, io);
	return 0;
}

struct fetch_engine *
fetch_engine_new(struct loop *lp)
{
	struct fetch_engine *fe = xcalloc(1, sizeof(*fe));

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (fe->multi = curl_multi_init()) == NULL) {
		log_warnx("fetch: libcurl cannot start");
		abort();
	}
	fe->lp = lp;
	fe->timer = loop_timer_new(lp, engine_on_timer, fe);
	TAILQ_INIT(&fe->running);
	(void)curl_multi_setopt(fe->multi, CURLMOPT_SOCKETFUNCTION,
	    multi_on_socket);
	(void)curl_multi_setopt(fe->multi, CURLMOPT_SOCKETDATA, fe);
	(void)curl_multi_setopt(fe->multi, CURLMOPT_TIMERFUNCTION,
	    multi_on_timer);
	(void)curl_multi_setopt(fe->multi, CURLMOPT_TIMERDATA, fe);
	return fe;
}

void
fetch_engine_free(struct fetch_engine *fe)
{
	struct fetch *f, *next;

	if (fe == NULL)
		return;
	assert(!fe->delivering);
	for (f = TAILQ_FIRST(&fe->running); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		fetch_free(f);
	}
	while (fe->n_spare > 0)
		curl_easy_cleanup(fe->spare[--fe->n_spare]);
	(void)curl_multi_cleanup(fe->multi);
	loop_timer_free(fe->timer);
	curl_global_cleanup();
	free(fe);
}

/*
 * One request.
 */

/* False: that was enough. */
static bool
fetch_on_body(const uint8_t *data, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t room = f->max_body_bytes - f->body_len;

	if (n > room) {
		f->body_too_long = true;
		n = f->truncate ? room : 0;
	}
	if (f->body_len + n > f->body_size || f->body == NULL) {
		size_t want = f->body_size * 2;

		if (want < BODY_FIRST_BYTES)
			want = BODY_FIRST_BYTES;
		if (want < f->body_len + n)
			want = f->body_len + n;
		f->body = xreallocarray(f->body, want + 1, 1);
		f->body_size = want;
	}
	memcpy(f->body + f->body_len, data, n);
	f->body_len += n;
	return !f->body_too_long;
}

static size_t
easy_on_body(char *data, size_t size, size_t count, void *arg)
{
	size_t n = size * count;

	/* Less than given ends the transfer. */
	return fetch_on_body((const uint8_t *)data, n, arg) ? n : 0;
}

static size_t
easy_on_header(const char *data, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	size_t n = size * count;

	(void)data;
	f->headers_bytes += n;
	if (f->headers_bytes > HTTP_HEAD_MAX_BYTES) {
		f->headers_too_long = true;
		return 0;
	}
	return n;
}

/* Ours, to tell a lack of descriptors from a refused connection. */
static curl_socket_t
easy_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct fetch *f = arg;
	int fd = socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);

	(void)purpose;
	if (fd == -1)
		f->socket_errno = errno;
	return fd;
}

/* The setters return 0 when libcurl took everything. */
static int
set_callbacks(struct fetch *f)
{
	CURL *e = f->easy;
	int rc = 0;

	rc |= (int)curl_easy_setopt(e, CURLOPT_PRIVATE, f);
	rc |= (int)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->curl_text);
	rc |= (int)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, easy_on_body);
	rc |= (int)curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
	rc |= (int)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, easy_on_header);
	rc |= (int)curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
	rc |= (int)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION,
	    easy_on_socket);
	rc |= (int)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, f);
	return rc;
}

static int
set_transport(struct fetch *f, const struct fetch_request *req)
{
	CURL *e = f->easy;
	int rc = 0;
	long fresh = req->fresh_connection ? 1L : 0L;

	rc |= (int)curl_easy_setopt(e, CURLOPT_URL, req->url);
	rc |= (int)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= (int)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	rc |= (int)curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	rc |= (int)curl_easy_setopt(e, CURLOPT_USERAGENT, "anycastd");
	/* Empty: whatever http_proxy says in the environment. */
	rc |= (int)curl_easy_setopt(e, CURLOPT_PROXY, "");
	rc |= (int)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Without it, giving up on a name waits for the resolver thread. */
	rc |= (int)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	rc |=
	    (int)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	rc |= (int)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)req->timeout_ms);
	rc |= (int)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, fresh);
	rc |= (int)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, fresh);
	rc |= (int)curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 1L - fresh);
	if (req->unix_socket != NULL) {
		rc |= (int)curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH,
		    req->unix_socket);
	}
	if (req->insecure) {
		rc |= (int)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		rc |= (int)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return rc;
}

/* Both ends are ours, so TLS 1.3; files are read at each new connection, and no
 * list of authorities is kept: one that is replaced counts at once. */
static int
set_tls(const struct fetch *f, const struct tls_files *files)
{
	CURL *e = f->easy;
	int rc = 0;

	if (files == NULL)
		return 0;
	rc |= (int)curl_easy_setopt(e, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_3);
	rc |= (int)curl_easy_setopt(e, CURLOPT_SSLCERT, files->certificate);
	rc |= (int)curl_easy_setopt(e, CURLOPT_SSLKEY, files->key);
	rc |= (int)curl_easy_setopt(e, CURLOPT_CAINFO, files->ca);
	/* Or those of the system are believed, too. */
	rc |= (int)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	rc |= (int)curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	rc |= (int)curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	rc |= (int)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, LIFETIME_SEC);
	return rc;
}

static void
add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (more == NULL) {
		log_warnx("fetch: out of memory");
		abort();
	}
	*list = more;
}

static void
add_header(struct fetch *f, const char *line)
{
	add_line(&f->headers, line);
}

/* From where to where, whatever the URL says. */
static int
set_ends(struct fetch *f, const struct fetch_request *req)
{
	CURL *e = f->easy;
	char *text;
	int rc = 0;

	if (req->resolve != NULL) {
		/* Any host, any port: this address, the same port. */
		text = xasprintf(strchr(req->resolve, ':') != NULL ? "::[%s]:"
								   : "::%s:",
		    req->resolve);
		add_line(&f->connect_to, text);
		free(text);
		rc |=
		    (int)curl_easy_setopt(e, CURLOPT_CONNECT_TO, f->connect_to);
	}
	if (req->source != NULL) {
		text = xasprintf("host!%s", req->source);
		rc |= (int)curl_easy_setopt(e, CURLOPT_INTERFACE, text);
		free(text);
	}
	if (req->want_cert_end)
		rc |= (int)curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
	return rc;
}

static int
set_method(struct fetch *f, const struct fetch_request *req)
{
	CURL *e = f->easy;
	int rc = 0;
	bool has_body = req->body != NULL || strcmp(req->method, "POST") == 0;

	if (has_body) {
		rc |= (int)curl_easy_setopt(e, CURLOPT_POST, 1L);
		rc |= (int)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)(req->body != NULL ? req->body_len : 0));
		rc |= (int)curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS,
		    req->body != NULL ? req->body : "");
		/* Do not ask a slow peer for leave to send. */
		add_header(f, "Expect:");
	}
	if (strcmp(req->method, "HEAD") == 0) {
		rc |= (int)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (strcmp(req->method, has_body ? "POST" : "GET") != 0) {
		rc |= (int)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST,
		    req->method);
	}
	if (req->content_type != NULL) {
		char *line = xasprintf("Content-Type: %s", req->content_type);

		add_header(f, line);
		free(line);
	} else if (has_body) {
		add_header(f, "Content-Type:");
	}
	for (size_t i = 0; req->headers != NULL && req->headers[i] != NULL; i++)
		add_header(f, req->headers[i]);
	rc |= (int)curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
	return rc;
}

static void
fetch_on_failed(struct loop *lp, void *arg)
{
	(void)lp;
	fetch_deliver(arg, 0);
}

static void
plain_on_done(unsigned status, const struct err *err, void *arg)
{
	struct fetch *f = arg;

	f->err = *err;
	if (f->err.code == ERR_NONE && f->body_too_long && !f->truncate)
		err_from_body(f);
	fetch_deliver(f, (int)status);
}

struct fetch *
fetch_start(struct fetch_engine *fe, const struct fetch_request *req,
    fetch_done_cb *on_done, void *arg)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	assert(req->timeout_ms > 0);
	f->fe = fe;
	f->has_unix_socket = req->unix_socket != NULL;
	f->has_certificate = req->tls != NULL;
	f->truncate = req->truncate;
	f->want_cert_end = req->want_cert_end;
	f->timeout_ms = req->timeout_ms;
	f->max_body_bytes = req->max_body_bytes;
	f->started = mono_now();
	f->on_done = on_done;
	f->arg = arg;
	TAILQ_INSERT_TAIL(&fe->running, f, entry);

	f->plain =
	    fetch_plain_start(fe->lp, req, fetch_on_body, plain_on_done, f);
	if (f->plain != NULL)
		return f;
	f->easy = easy_take(fe);
	if (f->easy == NULL || set_callbacks(f) != 0 ||
	    set_transport(f, req) != 0 || set_tls(f, req->tls) != 0 ||
	    set_ends(f, req) != 0 || set_method(f, req) != 0 ||
	    curl_multi_add_handle(fe->multi, f->easy) != CURLM_OK) {
		err_from_curl(f, CURLE_FAILED_INIT);
		f->failed = loop_timer_new(fe->lp, fetch_on_failed, f);
		loop_timer_set(f->failed, 0);
	}
	return f;
}
