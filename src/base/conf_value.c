/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single values of the configuration, each with its message. */
#include "base/conf_check.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define URL_MAX 2048u

static void __attribute__((format(printf, 2, 3)))
append(struct conf_ck *ck, const char *fmt, ...)
{
	size_t used = strlen(ck->path);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ck->path + used, sizeof(ck->path) - used, fmt, ap);
	va_end(ap);
}

size_t
conf_ck_enter(struct conf_ck *ck, const char *key)
{
	size_t mark = strlen(ck->path);

	append(ck, "%s%s", mark > 0 ? "." : "", key);
	return mark;
}

size_t
conf_ck_enter_entry(struct conf_ck *ck, size_t index)
{
	size_t mark = strlen(ck->path);

	append(ck, "[%zu]", index);
	return mark;
}

void
conf_ck_leave(struct conf_ck *ck, size_t mark)
{
	ck->path[mark] = '\0';
}

int
conf_ck_wrap(struct conf_ck *ck)
{
	unsigned line = conf_lines_find(ck->lines, ck->path);

	/* Whoever refused the value: here it is the configuration's fault. */
	if (ck->err != NULL)
		ck->err->code = ERR_CONF;
	if (ck->path[0] == '\0')
		return err_wrap(ck->err, "%s:%u", ck->file, line);
	return err_wrap(ck->err, "%s:%u: %s", ck->file, line, ck->path);
}

int
conf_ck_refuse(struct conf_ck *ck, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)err_set(ck->err, ERR_CONF, "%s", what);
	return conf_ck_wrap(ck);
}

int
conf_ck_duration(struct conf_ck *ck, const struct conf_duration *d,
    const char *text, int64_t *out_ms)
{
	size_t mark = conf_ck_enter(ck, d->key);

	*out_ms = d->default_ms;
	if (text != NULL &&
	    num_parse_duration_ms(text, d->min_ms, d->max_ms, out_ms,
		ck->err) == -1)
		return conf_ck_wrap(ck);
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_ck_count(struct conf_ck *ck, const struct conf_count *n, const char *text,
    uint32_t *out)
{
	size_t mark = conf_ck_enter(ck, n->key);

	*out = n->initial;
	if (text != NULL &&
	    num_parse_u32(text, n->min, n->max, out, ck->err) == -1)
		return conf_ck_wrap(ck);
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_ck_percent(struct conf_ck *ck, const struct conf_count *n,
    const char *text, uint32_t *out)
{
	size_t len = text != NULL ? strlen(text) : 0;
	char *number = text != NULL ? xstrdup(text) : NULL;
	int rc;

	if (len > 0 && number[len - 1] == '%')
		number[len - 1] = '\0';
	rc = conf_ck_count(ck, n, number, out);
	free(number);
	return rc;
}

int
conf_ck_file(struct conf_ck *ck, const struct conf_file *f, const char *text,
    char **out)
{
	size_t mark = conf_ck_enter(ck, f->key);
	char shown[PRINTABLE_TEXT_BYTES];

	if (text == NULL)
		text = f->initial;
	if (text[0] != '/') {
		return conf_ck_refuse(ck,
		    "%s: expected an absolute path such as %s",
		    printable(text, shown), f->initial);
	}
	if (strlen(text) > f->max) {
		return conf_ck_refuse(ck,
		    "%s: too long, expected at most %zu bytes",
		    printable(text, shown), f->max);
	}
	*out = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_ck_bool(struct conf_ck *ck, const char *key, const char *text, bool *out)
{
	size_t mark = conf_ck_enter(ck, key);
	char shown[PRINTABLE_TEXT_BYTES];

	*out = text != NULL && strcmp(text, "true") == 0;
	if (text != NULL && !*out && strcmp(text, "false") != 0) {
		return conf_ck_refuse(ck, "%s: expected true or false",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_ck_name(struct conf_ck *ck, const char *text, char **out)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	char shown[PRINTABLE_TEXT_BYTES];
	size_t len = strlen(text);

	if (len == 0 || len > CONF_NAME_MAX || strspn(text, first) == 0 ||
	    strspn(text, rest) != len) {
		return conf_ck_refuse(ck,
		    "%s: expected a name of 1 to %d characters a-z 0-9 . _ -, "
		    "the first a letter or digit",
		    printable(text, shown), CONF_NAME_MAX);
	}
	*out = xstrdup(text);
	return 0;
}

/* libcurl takes "http:host", "http:///host" and the like; we do not. */
static bool
is_url(const char *text, bool is_path_allowed)
{
	const char *host = strstr(text, "://");
	char *path = NULL;
	bool ok = false;
	CURLU *url;

	if (host == NULL || host[3] == '/' ||
	    (strncmp(text, "http://", 7) != 0 &&
		strncmp(text, "https://", 8) != 0))
		return false;
	url = curl_url();
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		/* "http://h/", "http://h?q", "http://h" all have path "/". */
		ok = is_path_allowed ||
		    (strcmp(path, "/") == 0 && strpbrk(text, "?#@") == NULL);
	}
	curl_free(path);
	curl_url_cleanup(url);
	return ok;
}

int
conf_ck_url(struct conf_ck *ck, const char *text, bool is_path_allowed,
    char **out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t len = strlen(text);

	if (len > URL_MAX || !is_url(text, is_path_allowed)) {
		return conf_ck_refuse(ck, "%s: expected a URL such as %s",
		    printable(text, shown),
		    is_path_allowed ? "http://192.0.2.1:80/health"
				    : "http://192.0.2.1:8053");
	}
	*out = xstrdup(text);
	if (!is_path_allowed && text[len - 1] == '/')
		(*out)[len - 1] = '\0';
	return 0;
}

static int
refuse_endpoint(struct conf_ck *ck, const char *text)
{
	char shown[PRINTABLE_TEXT_BYTES];

	return conf_ck_refuse(ck,
	    "%s: expected address:port such as 192.0.2.1:80 or "
	    "[2001:db8::1]:80",
	    printable(text, shown));
}

int
conf_ck_endpoint(struct conf_ck *ck, const char *text, char **out)
{
	const char *colon = strrchr(text, ':');
	bool has_brackets = text[0] == '[';
	char host[ADDR_TEXT_BYTES];
	const char *host_text = text + has_brackets;
	struct addr a;
	size_t len;
	uint32_t port;

	if (colon == NULL || (has_brackets && colon[-1] != ']'))
		return refuse_endpoint(ck, text);
	len = (size_t)(colon - host_text) - has_brackets;
	if (colon - host_text < has_brackets || len >= sizeof(host))
		return refuse_endpoint(ck, text);
	memcpy(host, host_text, len);
	host[len] = '\0';
	if (addr_parse(host, &a, NULL) == -1 ||
	    addr_is_ipv4(&a) == has_brackets ||
	    num_parse_u32(colon + 1, 1, UINT16_MAX, &port, NULL) == -1)
		return refuse_endpoint(ck, text);
	*out = xasprintf(has_brackets ? "[%s]:%" PRIu32 : "%s:%" PRIu32,
	    addr_format(&a, host), port);
	return 0;
}

int
conf_ck_addr(struct conf_ck *ck, const char *text, struct addr *out)
{
	if (addr_parse(text, out, ck->err) == -1)
		return conf_ck_wrap(ck);
	return 0;
}

int
conf_ck_addr_text(struct conf_ck *ck, const char *text, char **out)
{
	char buf[ADDR_TEXT_BYTES];
	struct addr a;

	if (conf_ck_addr(ck, text, &a) == -1)
		return -1;
	*out = xstrdup(addr_format(&a, buf));
	return 0;
}

static int
check_prefix(struct conf_ck *ck, const char *text, struct prefix *out)
{
	if (prefix_parse(text, out, ck->err) == -1)
		return conf_ck_wrap(ck);
	if (out->len == 0) {
		return conf_ck_refuse(ck,
		    "%s: the default route, expected a prefix of your own",
		    text);
	}
	if (addr_is_never_host(&out->addr)) {
		return conf_ck_refuse(ck, "%s: %s, expected a unicast prefix",
		    text, addr_special(&out->addr));
	}
	return 0;
}

int
conf_ck_prefixes(struct conf_ck *ck, char *const *texts, size_t n,
    struct prefix **out)
{
	size_t mark = conf_ck_enter(ck, "prefixes");

	*out = xcalloc(n, sizeof(**out));
	for (size_t i = 0; i < n; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_prefix(ck, texts[i], &(*out)[i]) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}
