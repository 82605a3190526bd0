/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_HEADERS_H
#define API_HEADERS_H
/*
 * headers -- what libevent's parser lets through and we do not.
 */
#include <stdbool.h>

struct evhttp_request;

/*
 * RFC 9112 s.3.2, s.6: exactly one Host, one Content-Length at most, no
 * Transfer-Encoding but "chunked", never both, no blank in a header's name,
 * which is not empty.  And no body where libevent reads none: it would be the
 * next request.
 */
bool api_headers_are_sane(struct evhttp_request *ev);

#endif /* API_HEADERS_H */
