/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/headers.h"

#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static bool
is_number(const char *s)
{
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

bool
api_headers_are_sane(struct evhttp_request *ev)
{
	bool may_have_body = evhttp_request_get_command(ev) == EVHTTP_REQ_POST;
	unsigned hosts = 0, lengths = 0, encodings = 0;
	struct evkeyval *kv;

	TAILQ_FOREACH (kv, evhttp_request_get_input_headers(ev), next) {
		hosts += strcasecmp(kv->key, "Host") == 0;
		if (strcasecmp(kv->key, "Content-Length") == 0) {
			lengths++;
			if (!is_number(kv->value) ||
			    (!may_have_body && strcmp(kv->value, "0") != 0))
				return false;
		}
		if (strcasecmp(kv->key, "Transfer-Encoding") == 0) {
			encodings++;
			if (strcasecmp(kv->value, "chunked") != 0 ||
			    !may_have_body)
				return false;
		}
		if (kv->key[0] == '\0' || strpbrk(kv->key, " \t") != NULL)
			return false;
	}
	return hosts == 1 && lengths <= 1 && encodings <= 1 &&
	    lengths + encodings <= 1;
}
