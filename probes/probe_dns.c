/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dns: one question over UDP; when the answer is truncated, the same once more
 * over TCP (RFC 7766 s.5), all in one time-out.
 *
 * The socket is connected, so the kernel drops what others send; the id and
 * the port are random, and what answers another question is passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/endpoint.h"
#include "base/xalloc.h"
#include "probes/dns_wire.h"
#include "probes/probe_run.h"

/* Taken at once, so that a flood does not hold up the others. */
#define BURST_MAX 16
#define UDP_BYTES_MAX 4096u
#define LENGTH_BYTES 2u /* before a message over TCP */
#define TCP_BYTES_MAX (LENGTH_BYTES + UINT16_MAX)
#define DATA_SHOWN_CHARS 40

struct exchange {
	struct endpoint ep;
	struct dns_question question;
	uint8_t out[LENGTH_BYTES + DNS_QUERY_BYTES_MAX]; /* as for TCP */
	size_t out_len;
	size_t sent;    /* of it over TCP */
	unsigned drops; /* messages that were no answer to us */
	uint8_t *in;    /* over TCP, TCP_BYTES_MAX; NULL: still UDP */
	size_t in_len;
};

static void
judge_reply(struct probe *p, const struct dns_reply *reply)
{
	const struct conf_dns *dns = &p->cp->dns;
	char got[DNS_RCODE_TEXT_BYTES], want[DNS_RCODE_TEXT_BYTES];
	size_t n = reply->n_records;

	dns_rcode_format(reply->rcode, got);
	if (reply->rcode != dns->rcode) {
		probe_decide(p, PROBE_FAIL, "%s, expected %s", got,
		    dns_rcode_format(dns->rcode, want));
	} else if (dns->answer == NULL || reply->has_wanted) {
		probe_decide(p, PROBE_PASS, "%s, %zu record%s", got, n,
		    n == 1 ? "" : "s");
	} else if (n == 0) {
		probe_decide(p, PROBE_FAIL, "%s, no %s record", got,
		    dns->type->name);
	} else {
		probe_decide(p, PROBE_FAIL,
		    "%zu record%s, first \"%.*s\", expected \"%.*s\"", n,
		    n == 1 ? "" : "s", DATA_SHOWN_CHARS, reply->first,
		    DATA_SHOWN_CHARS, dns->answer);
	}
}

static void
close_socket(struct probe *p)
{
	loop_fd_free(p->io);
	p->io = NULL;
	if (p->fd != -1)
		(void)close(p->fd);
	p->fd = -1;
}

/* 0, or -1 when the attempt has ended. */
static int
open_socket(struct probe *p, int type, unsigned events, loop_fd_cb *cb)
{
	const struct exchange *ex = p->own;
	struct err err = { 0 };

	p->fd = endpoint_socket(&ex->ep, type, p->cp->source, &err);
	if (p->fd == -1) {
		probe_decide_err(p, &err);
		return -1;
	}
	if (connect(p->fd, (const struct sockaddr *)&ex->ep.sa, ex->ep.len) ==
		-1 &&
	    errno != EINPROGRESS) {
		probe_decide_errno(p, errno);
		return -1;
	}
	p->io = loop_fd_new(p->env->lp, p->fd, events, cb, p);
	return 0;
}

/*
 * TCP.
 */

static void
tcp_write(struct probe *p)
{
	struct exchange *ex = p->own;
	ssize_t n = send(p->fd, ex->out + ex->sent, ex->out_len - ex->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			probe_decide_errno(p, errno);
		return;
	}
	ex->sent += (size_t)n;
	if (ex->sent == ex->out_len)
		loop_fd_set(p->io, LOOP_READ);
}

/* A whole message over TCP is the answer, or none comes. */
static void
judge_tcp(struct probe *p, const uint8_t *msg, size_t len)
{
	const struct exchange *ex = p->own;
	struct dns_reply reply;

	if (dns_wire_decode_reply(msg, len, &ex->question, p->cp->dns.answer,
		&reply) == DNS_OK) {
		judge_reply(p, &reply);
	} else {
		probe_decide(p, PROBE_FAIL,
		    "truncated over UDP, malformed over TCP");
	}
}

static void
tcp_read(struct probe *p)
{
	struct exchange *ex = p->own;
	struct cursor c = { .p = ex->in };
	ssize_t n = recv(p->fd, ex->in + ex->in_len, TCP_BYTES_MAX - ex->in_len,
	    MSG_DONTWAIT);
	size_t len;

	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			probe_decide_errno(p, errno);
		return;
	}
	ex->in_len += (size_t)n;
	c.left = ex->in_len;
	len = cursor_be16(&c);
	if (!c.bad && c.left >= len) {
		judge_tcp(p, c.p, len);
	} else if (n == 0 && probe_is_late(p)) {
		probe_decide_timeout(p);
	} else if (n == 0) {
		probe_decide(p, PROBE_FAIL,
		    "truncated over UDP, closed early over TCP");
	}
}

static void
tcp_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct probe *p = arg;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)lp;
	if ((events & LOOP_WRITE) == 0) {
		tcp_read(p);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == -1)
		errnum = errno;
	if (probe_was_given_up(p, errnum)) {
		probe_decide_timeout(p);
	} else if (errnum != 0) {
		probe_decide(p, PROBE_FAIL, "truncated over UDP, TCP: %s",
		    strerror(errnum));
	} else {
		tcp_write(p);
	}
}

static void
tcp_start(struct probe *p)
{
	struct exchange *ex = p->own;

	close_socket(p);
	ex->in = xcalloc(TCP_BYTES_MAX, 1);
	(void)open_socket(p, SOCK_STREAM, LOOP_WRITE, tcp_on_io);
}

/*
 * UDP.
 */

/* True: wait for another message. */
static bool
judge_udp(struct probe *p, const uint8_t *msg, size_t len)
{
	struct exchange *ex = p->own;
	struct dns_reply reply;

	switch (dns_wire_decode_reply(msg, len, &ex->question,
	    p->cp->dns.answer, &reply)) {
	case DNS_OK:
		judge_reply(p, &reply);
		return false;
	case DNS_TRUNCATED:
		tcp_start(p);
		return false;
	case DNS_MALFORMED:
		probe_decide(p, PROBE_FAIL, "malformed answer of %zu bytes",
		    len);
		return false;
	case DNS_FOREIGN:
	case DNS_VERDICT_COUNT:
		break;
	}
	ex->drops++;
	return true;
}

static void
udp_on_io(struct loop *lp, int fd, unsigned events, void *arg)
{
	struct probe *p = arg;
	uint8_t buf[UDP_BYTES_MAX];
	bool more = true;

	(void)lp;
	(void)events;
	for (int i = 0; i < BURST_MAX && more; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n == -1) {
			if (errno != EAGAIN && errno != EINTR)
				probe_decide_errno(p, errno);
			return;
		}
		more = judge_udp(p, buf, (size_t)n);
	}
}

/* The query, behind its length. */
static int
encode(struct exchange *ex)
{
	struct wcursor w = { .p = ex->out, .left = LENGTH_BYTES };
	size_t len;

	if (getrandom(&ex->question.id, sizeof(ex->question.id),
		GRND_NONBLOCK) != sizeof(ex->question.id))
		return -1;
	len = dns_wire_encode_query(&ex->question, ex->out + LENGTH_BYTES,
	    sizeof(ex->out) - LENGTH_BYTES);
	wcursor_be16(&w, (uint16_t)len);
	ex->out_len = LENGTH_BYTES + len;
	return len > 0 ? 0 : -1;
}

static void
dns_start(struct probe *p)
{
	struct exchange *ex = xcalloc(1, sizeof(*ex));
	struct err err = { 0 };

	p->own = ex;
	ex->question.name = p->cp->dns.query;
	ex->question.type = p->cp->dns.type;
	if (endpoint_parse(p->cp->target, &ex->ep, &err) == -1) {
		probe_decide_err(p, &err);
		return;
	}
	if (encode(ex) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "the question cannot be written");
		return;
	}
	if (open_socket(p, SOCK_DGRAM, LOOP_READ, udp_on_io) == -1)
		return;
	if (send(p->fd, ex->out + LENGTH_BYTES, ex->out_len - LENGTH_BYTES,
		MSG_DONTWAIT) == -1)
		probe_decide_errno(p, errno);
}

static void
dns_on_timer(struct probe *p)
{
	const struct exchange *ex = p->own;

	if (probe_is_late(p) || (ex->in == NULL && ex->drops == 0)) {
		probe_decide_timeout(p);
	} else if (ex->in != NULL) {
		probe_decide(p, PROBE_FAIL,
		    "truncated over UDP, no answer over TCP in %lld ms",
		    (long long)p->cp->timeout_ms);
	} else {
		probe_decide(p, PROBE_FAIL,
		    "no answer in %lld ms, but %u to other questions",
		    (long long)p->cp->timeout_ms, ex->drops);
	}
}

static void
dns_stop(struct probe *p)
{
	struct exchange *ex = p->own;

	close_socket(p);
	free(ex->in);
	free(ex);
	p->own = NULL;
}

const struct probe_kind_ops probe_dns_ops = {
	.start = dns_start,
	.stop = dns_stop,
	.on_timer = dns_on_timer,
};
