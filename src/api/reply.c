/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What handlers read and answer, made of the server's own few calls. */
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "base/num.h"
#include "store/utf8.h"

/* ---- what they read ---- */

int
api_param_i64(const struct api_request *req, const char *name,
    const int64_t range[2], int64_t *out, struct err *err)
{
	const char *text = api_param(req, name);
	uint64_t value;

	if (text == NULL)
		return 0;
	if (strcmp(text, "-1") == 0 && range[0] <= -1) {
		*out = -1;
		return 0;
	}
	if (num_parse_u64(text, range[0] > 0 ? (uint64_t)range[0] : 0,
		(uint64_t)range[1], &value, err) == -1) {
		err_wrap(err, "parameter %s", name);
		return -1;
	}
	*out = (int64_t)value;
	return 0;
}

json_t *
api_body_json(const struct api_request *req, struct err *err)
{
	size_t len;
	const uint8_t *bytes = api_body(req, &len);
	json_error_t why;
	json_t *body;

	if (len == 0)
		return json_object();
	body =
	    json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(body)) {
		json_decref(body);
		err_set(err, ERR_PROTO, "body: expected a JSON object: %s",
		    body == NULL ? why.text : "it is something else");
		return NULL;
	}
	return body;
}

/* ---- what they answer ---- */

void
api_reply_empty(struct api_request *req, int status)
{
	api_reply_bytes(req, status, NULL, "", 0);
}

void
api_reply_json(struct api_request *req, int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	api_reply_text(req, status, text);
	free(text);
}

static int
status_of(enum err_code code)
{
	switch (code) {
	case ERR_GONE:
		return 404;
	case ERR_REFUSED:
		return 409;
	case ERR_CONF:
	case ERR_PROTO:
		return 400;
	case ERR_TIMEOUT:
		return 504;
	case ERR_NONE:
	case ERR_SYS:
	case ERR_STORE:
	case ERR_BIRD:
	case ERR_CODE_COUNT:
		break;
	}
	return 500;
}

void
api_reply_err(struct api_request *req, const struct err *err)
{
	char text[sizeof(err->msg)];

	/* It may quote what the client sent, bytes of any kind. */
	memcpy(text, err->msg, sizeof(text));
	utf8_clean(text);
	api_reply_json(req, status_of(err->code),
	    json_pack("{s:{s:s, s:s}}", "error", "code",
		err_code_name(err->code), "message", text));
}
