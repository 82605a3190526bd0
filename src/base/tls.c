/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/tls.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/text.h"
#include "base/xalloc.h"

struct tls {
	SSL_CTX *ctx;
	uint8_t digest[crypto_generichash_BYTES]; /* of the files */
};

/* What OpenSSL said first: -1. */
static int
err_ssl(struct err *err, const char *what, const char *file)
{
	unsigned long code = ERR_peek_error();
	const char *why = ERR_SYSTEM_ERROR(code)
	    ? strerror(ERR_GET_REASON(code))
	    : ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(err, ERR_CONF, "tls.%s: %s: %s", what, file,
	    why != NULL ? why : "cannot be read");
}

/* Nobody is there to type one. */
static int
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's */
no_pass_phrase(char *buf, int size, int is_writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1;
}

static void
format_peer(const SSL *ssl, char *out, size_t size)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getpeername(SSL_get_fd(ssl), (struct sockaddr *)&ss, &len) == -1 ||
	    getnameinfo((const struct sockaddr *)&ss, len, out, (socklen_t)size,
		NULL, 0, NI_NUMERICHOST) != 0)
		(void)text_copy(out, size, "somebody who is gone");
}

/* A handshake that fails is seen by nobody else: libevent closes. */
static void
on_info(const SSL *ssl, int where, int what)
{
	/* Apart, so that strangers' noise does not hide what our own say. */
	static struct log_limit heard, refused;
	bool is_heard = (where & SSL_CB_READ) != 0;
	char peer[INET6_ADDRSTRLEN + IF_NAMESIZE];

	if ((where & SSL_CB_ALERT) == 0 || what >> 8 != SSL3_AL_FATAL)
		return;
	format_peer(ssl, peer, sizeof(peer));
	log_limited(is_heard ? &heard : &refused, "tls: %s: %s: %s", peer,
	    is_heard ? "it says" : "refused",
	    (what & 0xff) == SSL_AD_CERTIFICATE_REQUIRED
		? "no certificate" /* OpenSSL 3.0 has no word for it */
		: SSL_alert_desc_string_long(what));
}

static void
warn_of_open_key(const char *file)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & 07) != 0)
		log_warnx("tls.key: %s: everybody may read it", file);
}

static int
load(SSL_CTX *ctx, const struct tls_files *files, struct err *err)
{
	STACK_OF(X509_NAME) * authorities;

	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, files->certificate) != 1)
		return err_ssl(err, "certificate", files->certificate);
	if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) !=
		1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return err_ssl(err, "key", files->key);
	authorities = SSL_load_client_CA_file(files->ca);
	if (authorities == NULL ||
	    SSL_CTX_load_verify_locations(ctx, files->ca, NULL) != 1) {
		sk_X509_NAME_pop_free(authorities, X509_NAME_free);
		return err_ssl(err, "ca", files->ca);
	}
	SSL_CTX_set_client_CA_list(ctx, authorities);
	warn_of_open_key(files->key);
	return 0;
}

static void
digest_add(crypto_generichash_state *state, const char *file)
{
	uint8_t buf[4096];
	FILE *f = fopen(file, "re");
	size_t n = 0;

	while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		(void)crypto_generichash_update(state, buf, n);
	/* Between two files. */
	(void)crypto_generichash_update(state, (const uint8_t *)"", 1);
	if (f != NULL)
		(void)fclose(f);
	sodium_memzero(buf, sizeof(buf));
}

static void
digest_make(struct tls *t, const struct tls_files *files)
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(t->digest));
	digest_add(&state, files->certificate);
	digest_add(&state, files->key);
	digest_add(&state, files->ca);
	(void)crypto_generichash_final(&state, t->digest, sizeof(t->digest));
}

struct tls *
tls_new(const struct tls_files *files, struct err *err)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	ERR_clear_error();
	t->ctx = SSL_CTX_new(TLS_method());
	if (t->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) != 1) {
		err_set(err, ERR_SYS, "tls: OpenSSL cannot start");
		tls_free(t);
		return NULL;
	}
	SSL_CTX_set_verify(t->ctx,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* A certificate is looked at each time: none is resumed after its end.
	 * And tickets that a client never reads make its close a reset. */
	(void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_num_tickets(t->ctx, 0);
	/* A connection waits for most of its life. */
	(void)SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_info_callback(t->ctx, on_info);
	/* Before they are read: those that come in between are others. */
	digest_make(t, files);
	if (load(t->ctx, files, err) == -1) {
		tls_free(t);
		return NULL;
	}
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

bool
tls_is_same(const struct tls *a, const struct tls *b)
{
	return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

struct bufferevent *
tls_accept(struct tls *t, struct event_base *base)
{
	SSL *ssl = SSL_new(t->ctx);
	struct bufferevent *bev = NULL;

	if (ssl != NULL) {
		bev = bufferevent_openssl_socket_new(base, -1, ssl,
		    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	}
	/* libevent would take none for a connection without TLS. */
	if (bev == NULL)
		abort();
	/* Who is gone says no goodbye; each answer has its length. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static X509 *
peer_of(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	return ssl != NULL && SSL_get_verify_result(ssl) == X509_V_OK
	    ? SSL_get0_peer_certificate(ssl)
	    : NULL;
}

bool
tls_is_established(struct bufferevent *bev)
{
	const SSL *ssl = bufferevent_openssl_get_ssl(bev);

	return ssl != NULL && SSL_is_init_finished(ssl) == 1;
}

bool
tls_is_good(const struct tls *t, struct bufferevent *bev)
{
	const SSL *ssl = bufferevent_openssl_get_ssl(bev);
	const X509 *peer = peer_of(bev);

	return peer != NULL && SSL_get_SSL_CTX(ssl) == t->ctx &&
	    X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

bool
tls_peer_is(struct bufferevent *bev, const char *name)
{
	X509 *peer = peer_of(bev);

	return peer != NULL &&
	    X509_check_host(peer, name, 0, X509_CHECK_FLAG_NO_WILDCARDS,
		NULL) == 1;
}

void
tls_peer_name(struct bufferevent *bev, char *out, size_t size)
{
	X509 *peer = peer_of(bev);
	char name[256], shown[PRINTABLE_TEXT_BYTES];
	int n = -1;

	if (peer != NULL) {
		n = X509_NAME_get_text_by_NID(X509_get_subject_name(peer),
		    NID_commonName, name, sizeof(name));
	}
	(void)text_copy(out, size, n >= 0 ? printable(name, shown) : "?");
}

int64_t
tls_certificate_end_ms(const char *file)
{
	FILE *f = fopen(file, "re");
	X509 *first =
	    f != NULL ? PEM_read_X509_AUX(f, NULL, no_pass_phrase, NULL) : NULL;
	int64_t end_ms = 0;
	struct tm tm;

	if (first != NULL &&
	    ASN1_TIME_to_tm(X509_get0_notAfter(first), &tm) == 1)
		end_ms = (int64_t)timegm(&tm) * 1000;
	X509_free(first);
	ERR_clear_error();
	if (f != NULL)
		(void)fclose(f);
	return end_ms;
}
