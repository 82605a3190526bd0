/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/allow.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/printable.h"

static unsigned
len_max(const struct prefix *p)
{
	return p->is_ipv4 ? 32 : 128;
}

/* "24,32}" */
static int
parse_lengths(const char *s, struct allow_entry *out)
{
	const char *comma = strchr(s, ',');
	size_t len = strlen(s);
	uint32_t min = 0, max = 0;
	char low[4], high[4];

	if (comma == NULL || len == 0 || s[len - 1] != '}' ||
	    (size_t)(comma - s) >= sizeof(low) ||
	    (size_t)(s + len - 1 - (comma + 1)) >= sizeof(high))
		return -1;
	(void)snprintf(low, sizeof(low), "%.*s", (int)(comma - s), s);
	(void)snprintf(high, sizeof(high), "%.*s",
	    (int)(s + len - 1 - (comma + 1)), comma + 1);
	if (num_parse_u32(low, out->prefix.len, len_max(&out->prefix), &min,
		NULL) == -1 ||
	    num_parse_u32(high, min, len_max(&out->prefix), &max, NULL) == -1)
		return -1;
	out->min_len = (uint8_t)min;
	out->max_len = (uint8_t)max;
	return 0;
}

int
allow_entry_parse(const char *s, struct allow_entry *out, struct err *err)
{
	size_t net = strcspn(s, "{+");
	char text[PREFIX_TEXT_BYTES], shown[PRINTABLE_TEXT_BYTES];
	struct allow_entry e;

	(void)snprintf(text, sizeof(text), "%.*s", (int)net, s);
	if (net >= sizeof(text)) {
		return err_set(err, ERR_CONF, "%s: expected a prefix",
		    printable(s, shown));
	}
	if (prefix_parse(text, &e.prefix, err) == -1)
		return -1;
	if (e.prefix.len == 0) {
		return err_set(err, ERR_CONF,
		    "%s: allows everything, expected prefixes of your own",
		    printable(s, shown));
	}
	e.min_len = e.max_len = e.prefix.len;
	if (strcmp(s + net, "+") == 0) {
		e.max_len = (uint8_t)len_max(&e.prefix);
	} else if (s[net] == '{') {
		if (parse_lengths(s + net + 1, &e) == -1)
			goto fail;
	} else if (s[net] != '\0') {
		goto fail;
	}
	*out = e;
	return 0;
fail:
	return err_set(err, ERR_CONF,
	    "%s: expected PREFIX, PREFIX+ or PREFIX{MIN,MAX} with lengths from %u to %u",
	    printable(s, shown), e.prefix.len, len_max(&e.prefix));
}

char *
allow_entry_format(const struct allow_entry *e, char buf[ALLOW_TEXT_BYTES])
{
	size_t n = strlen(prefix_format(&e->prefix, buf));

	if (e->min_len == e->prefix.len && e->max_len == e->prefix.len)
		return buf;
	if (e->min_len == e->prefix.len && e->max_len == len_max(&e->prefix)) {
		(void)snprintf(buf + n, ALLOW_TEXT_BYTES - n, "+");
	} else {
		(void)snprintf(buf + n, ALLOW_TEXT_BYTES - n, "{%u,%u}",
		    e->min_len, e->max_len);
	}
	return buf;
}

static bool
covers(const struct allow_entry *e, const struct prefix *p)
{
	return prefix_contains(&e->prefix, &p->addr) && p->len >= e->min_len &&
	    p->len <= e->max_len;
}

/* The entry is about public space, and the prefix is not in it. */
static bool
is_special_for(const struct allow_entry *e, const struct prefix *p)
{
	return addr_special(&p->addr) != NULL &&
	    addr_special(&e->prefix.addr) == NULL;
}

static int
refuse_unlisted(const struct allow_list *list, const struct prefix *p,
    struct err *err)
{
	char text[PREFIX_TEXT_BYTES], entry[ALLOW_TEXT_BYTES];
	const char *what = "is not";

	(void)prefix_format(p, text);
	for (size_t i = 0; i < list->n; i++) {
		const struct allow_entry *e = &list->entries[i];

		if (covers(e, p)) {
			return err_set(err, ERR_REFUSED,
			    "guard allow_list: %s: %s, and %s does not begin there",
			    text, addr_special(&p->addr),
			    allow_entry_format(e, entry));
		}
		if (!prefix_contains(&e->prefix, &p->addr) ||
		    p->len < e->prefix.len)
			continue;
		what = "its length is not";
	}
	return err_set(err, ERR_REFUSED,
	    "guard allow_list: %s: %s among those of `allow`", text, what);
}

int
allow_check(const struct allow_list *list, const struct prefix *p,
    struct err *err)
{
	char text[PREFIX_TEXT_BYTES];

	if (p->len == 0) {
		return err_set(err, ERR_REFUSED,
		    "guard allow_list: %s: a default route is never announced",
		    prefix_format(p, text));
	}
	if (addr_is_never_host(&p->addr)) {
		return err_set(err, ERR_REFUSED,
		    "guard allow_list: %s: %s, never announced",
		    prefix_format(p, text), addr_special(&p->addr));
	}
	if (list == NULL || list->n == 0)
		return 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct allow_entry *e = &list->entries[i];

		if (covers(e, p) && !is_special_for(e, p))
			return 0;
	}
	return refuse_unlisted(list, p, err);
}
