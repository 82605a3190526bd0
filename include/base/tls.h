/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_TLS_H
#define BASE_TLS_H
/*
 * tls -- who the other end is: TLS 1.3 (RFC 8446) with a certificate at either
 * end, of an authority of the fleet's own, through OpenSSL and libevent.  A site
 * is who its certificate names (RFC 6125: a DNS name of subjectAltName, or the
 * common name where there is none).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bufferevent;
struct event_base;

/* PEM, absolute paths. */
struct tls_files {
	const char *certificate; /* own one, and what leads from it to ca */
	const char *key;         /* without a pass phrase */
	const char *ca;          /* who signs for the fleet; nobody else does */
};

/* HTTP's status on a connection that is not good any more (tls_is_good): ask
 * again, over another one (RFC 9110, 15.5.20). */
#define TLS_MISDIRECTED 421

struct tls;

/* NULL with err that names the file. */
struct tls *tls_new(const struct tls_files *files, struct err *err);
/* Connections that were made with it go on. */
void tls_free(struct tls *t);
/* Made of the same files, to the byte. */
bool tls_is_same(const struct tls *a, const struct tls *b);
/* Wall: when the first certificate of a file ends; 0: it cannot be read. */
int64_t tls_certificate_end_ms(const char *file);

/* A bufferevent without a socket yet, for a server: a client without a
 * certificate that ca vouches for gets no further than the handshake. */
struct bufferevent *tls_accept(struct tls *t, struct event_base *base);

/* What follows is false for a connection without TLS. */

/* Is its handshake over? */
bool tls_is_established(struct bufferevent *bev);
/* Was it made with t, and has the other end's certificate not ended since? */
bool tls_is_good(const struct tls *t, struct bufferevent *bev);
/* Is the other end's certificate of that name? */
bool tls_peer_is(struct bufferevent *bev, const char *name);
/* The common name of it, for people; "?" if it has none. */
void tls_peer_name(struct bufferevent *bev, char *out, size_t size);

#endif /* BASE_TLS_H */
