/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_FETCH_PLAIN_H
#define BASE_FETCH_PLAIN_H
/*
 * fetch_plain -- inside of fetch: a request that asks for none of the things
 * that libcurl is there for, over a connection of its own.  That is an http
 * probe of an address, of which a site may have a hundred a second: an agent
 * with nothing else to do takes half of its CPU time to set libcurl up and down
 * for them (docs/bench.md).
 *
 * The request is libcurl's to the byte, and so is what is made of the answers
 * that there are; test_fetch_plain.c holds both beside each other and names what
 * differs.  One thing does on purpose: an answer that is there when the loop gets
 * to it counts, also if the time is over by then.
 */
#include <stdbool.h>

#include "base/fetch.h"
#include "base/http_answer.h"

struct fetch_plain;

/* err->code is ERR_NONE when an answer came, else the status is 0.  err is
 * borrowed, and gone once fetch_plain_free is called, from within or later. */
typedef void fetch_plain_done_cb(unsigned status, const struct err *err,
    void *arg);

/*
 * NULL: not for us.  Ours are GET and HEAD of a plain http:// URL whose host is
 * an address, or any if there is an address to connect to, when connections are
 * not to be kept.  A URL that libcurl would rewrite is not plain.
 *
 * req is borrowed for the call.  on_body gets each part of the body, and on_done
 * is called once, never from within; then the caller frees.
 */
struct fetch_plain *fetch_plain_start(struct loop *lp,
    const struct fetch_request *req, http_body_cb *on_body,
    fetch_plain_done_cb *on_done, void *arg);
void fetch_plain_free(struct fetch_plain *fp);

#endif /* BASE_FETCH_PLAIN_H */
