/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an http probe has beside its URL. */
#include "base/conf_check.h"

#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define MATCH_MAX 1024u
#define HEADER_MAX 1024u
#define STATUS_MIN 100u
#define STATUS_MAX 599u
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* RFC 9110 s.5.6.2 */
static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789"
				  "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static int
check_method(struct conf_ck *ck, const char *text, enum conf_method *out)
{
	size_t mark = conf_ck_enter(ck, "method");
	char shown[PRINTABLE_TEXT_BYTES];
	enum conf_method m = CONF_METHOD_GET;

	while (text != NULL && m < CONF_METHOD_COUNT &&
	    strcmp(conf_method_name(m), text) != 0)
		m++;
	if (m == CONF_METHOD_COUNT) {
		return conf_ck_refuse(ck, "%s: expected GET, HEAD or POST",
		    printable(text, shown));
	}
	*out = m;
	conf_ck_leave(ck, mark);
	return 0;
}

/* "200" or "200-299", len bytes of it. */
static int
parse_codes(const char *s, size_t len, struct conf_range *out)
{
	char text[8] = "";
	const char *last = text;

	if (len != 3 && len != 7)
		return -1;
	memcpy(text, s, len);
	if (len == 7) {
		if (text[3] != '-')
			return -1;
		text[3] = '\0';
		last = text + 4;
	}
	if (num_parse_u32(text, STATUS_MIN, STATUS_MAX, &out->min, NULL) == -1)
		return -1;
	return num_parse_u32(last, out->min, STATUS_MAX, &out->max, NULL);
}

/* "200-299,304" */
static int
parse_status(const char *s, struct conf_http *out)
{
	while (out->n_codes < CONF_CODES_MAX) {
		size_t len = strcspn(s, ",");

		if (parse_codes(s, len, &out->codes[out->n_codes]) == -1)
			return -1;
		out->n_codes++;
		if (s[len] == '\0')
			return 0;
		s += len + 1;
		s += strspn(s, " ");
	}
	return -1;
}

static int
check_status(struct conf_ck *ck, const char *text, struct conf_http *out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "status");

	out->codes = xcalloc(CONF_CODES_MAX, sizeof(out->codes[0]));
	if (parse_status(text != NULL ? text : "200-299", out) == -1) {
		return conf_ck_refuse(ck,
		    "%s: expected a status from 100 to 599, a range such as "
		    "200-299, or up to %u of them such as 200-299,304",
		    printable(text, shown), CONF_CODES_MAX);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_match(struct conf_ck *ck, const char *text, struct conf_http *out)
{
	size_t mark = conf_ck_enter(ck, "match");

	if (text != NULL && (text[0] == '\0' || strlen(text) > MATCH_MAX)) {
		return conf_ck_refuse(ck, "expected a text of 1 to %u bytes",
		    MATCH_MAX);
	}
	if (text != NULL && out->method == CONF_METHOD_HEAD) {
		return conf_ck_refuse(ck,
		    "the answer to HEAD has no body, expected method GET or "
		    "POST");
	}
	if (text != NULL)
		out->match = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

/* The two that say how long the request is: a wrong one would break it. */
static bool
is_ours(const char *header, size_t name_len)
{
	static const char *const ours[] = { "Content-Length",
		"Transfer-Encoding" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strlen(ours[i]) == name_len &&
		    strncasecmp(header, ours[i], name_len) == 0)
			return true;
	}
	return false;
}

static int
check_header(struct conf_ck *ck, const char *text, char **out)
{
	size_t name_len = strspn(text, token_chars);
	char shown[PRINTABLE_TEXT_BYTES];
	const char *value = text + name_len + 1;

	if (name_len == 0 || text[name_len] != ':' ||
	    value[strspn(value, " ")] == '\0' || strlen(text) > HEADER_MAX) {
		return conf_ck_refuse(ck,
		    "%s: expected \"Name: value\" of at most %u bytes",
		    printable(text, shown), HEADER_MAX);
	}
	if (is_ours(text, name_len)) {
		return conf_ck_refuse(ck, "%s: set by the probe itself",
		    printable(text, shown));
	}
	*out = xstrdup(text);
	return 0;
}

static int
check_headers(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_http *out)
{
	size_t mark = conf_ck_enter(ck, "headers");

	if (raw->headers_count > 0) {
		out->headers =
		    xcalloc(raw->headers_count + 1u, sizeof(out->headers[0]));
	}
	for (unsigned i = 0; i < raw->headers_count; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_header(ck, raw->headers[i], &out->headers[i]) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_expiry(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	static const struct conf_duration expiry = { "tls_expiry", 1000,
		3650 * DAY_MS, 0 };

	if (raw->tls_expiry != NULL &&
	    strncmp(out->target, "https://", 8) != 0) {
		(void)conf_ck_enter(ck, expiry.key);
		return conf_ck_refuse(ck, "only for an https URL");
	}
	return conf_ck_duration(ck, &expiry, raw->tls_expiry,
	    &out->http.tls_expiry_ms);
}

static int
check_resolve(struct conf_ck *ck, const char *text, struct conf_http *out)
{
	size_t mark = conf_ck_enter(ck, "resolve");

	if (text != NULL && conf_ck_addr_text(ck, text, &out->resolve) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_http(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	struct conf_http *http = &out->http;

	if (check_method(ck, raw->method, &http->method) == -1 ||
	    check_headers(ck, raw, http) == -1 ||
	    check_status(ck, raw->status, http) == -1 ||
	    check_match(ck, raw->match, http) == -1 ||
	    check_resolve(ck, raw->resolve, http) == -1 ||
	    check_expiry(ck, raw, out) == -1)
		return -1;
	return conf_ck_bool(ck, "insecure", raw->insecure, &http->insecure);
}
