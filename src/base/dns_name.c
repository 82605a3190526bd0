/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/dns_name.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct dns_type types[] = {
	{ "A", 1, DNS_CLASS_IN, "4" },
	{ "AAAA", 28, DNS_CLASS_IN, "6" },
	{ "NS", 2, DNS_CLASS_IN, "n" },
	{ "SOA", 6, DNS_CLASS_IN, "nnwwwww" },
	{ "CNAME", 5, DNS_CLASS_IN, "n" },
	{ "PTR", 12, DNS_CLASS_IN, "n" },
	{ "MX", 15, DNS_CLASS_IN, "hn" },
	{ "SRV", 33, DNS_CLASS_IN, "hhhn" },
	{ "TXT", 16, DNS_CLASS_IN, "t" },
	{ "CHAOS TXT", 16, DNS_CLASS_CH, "t" },
};

/* RFC 1035 s.4.1.1, RFC 2136 s.2.2. */
static const char *const rcodes[] = { "NOERROR", "FORMERR", "SERVFAIL",
	"NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
	"NOTAUTH", "NOTZONE" };

const struct dns_type *
dns_type_find(const char *name)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		if (strcasecmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

char *
dns_type_names(char buf[DNS_TYPE_NAMES_BYTES])
{
	size_t used = 0;

	for (size_t i = 0; i < COUNT(types) && used < DNS_TYPE_NAMES_BYTES;
	     i++) {
		used +=
		    (size_t)snprintf(buf + used, DNS_TYPE_NAMES_BYTES - used,
			"%s%s", i > 0 ? ", " : "", types[i].name);
	}
	return buf;
}

int
dns_rcode_find(const char *name)
{
	for (size_t i = 0; i < COUNT(rcodes); i++) {
		if (strcasecmp(rcodes[i], name) == 0)
			return (int)i;
	}
	return -1;
}

char *
dns_rcode_format(unsigned rcode, char buf[DNS_RCODE_TEXT_BYTES])
{
	if (rcode < COUNT(rcodes)) {
		(void)snprintf(buf, DNS_RCODE_TEXT_BYTES, "%s", rcodes[rcode]);
	} else {
		(void)snprintf(buf, DNS_RCODE_TEXT_BYTES, "%u", rcode);
	}
	return buf;
}

/* The bytes of the label that s begins with; 0: none that may be one. */
static size_t
label_len(const char *s)
{
	size_t len = strcspn(s, ".");

	for (size_t i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '\\')
			return 0;
	}
	return len <= DNS_LABEL_BYTES_MAX ? len : 0;
}

static int
refuse_name(const char *text, struct err *err)
{
	char shown[PRINTABLE_TEXT_BYTES];

	return err_set(err, ERR_CONF,
	    "%s: expected a domain name such as www.example.net",
	    printable(text, shown));
}

int
dns_name_parse(const char *text, char out[DNS_NAME_TEXT_BYTES], struct err *err)
{
	size_t len = strlen(text);
	size_t n = 0;

	if (strcmp(text, ".") == 0) {
		memcpy(out, ".", 2);
		return 0;
	}
	if (len > 0 && text[len - 1] == '.')
		len--;
	/* On the wire: a length before each label, and an empty one behind. */
	if (len == 0 || len + 2 > DNS_NAME_BYTES_MAX)
		return refuse_name(text, err);
	while (n < len) {
		size_t label = label_len(text + n);

		if (label == 0 || n + label + 1 == len)
			return refuse_name(text, err);
		n += label + 1;
	}
	for (size_t i = 0; i < len; i++) {
		bool is_upper = text[i] >= 'A' && text[i] <= 'Z';

		out[i] = (char)(is_upper ? text[i] - 'A' + 'a' : text[i]);
	}
	out[len] = '\0';
	return 0;
}

static int
parse_address(char part, const char *text, char **out, struct err *err)
{
	bool want_ipv4 = part == '4';
	char buf[ADDR_TEXT_BYTES];
	struct addr a;

	if (addr_parse(text, &a, err) == -1)
		return -1;
	if (addr_is_ipv4(&a) != want_ipv4) {
		return err_set(err, ERR_CONF, "%s: expected an %s address",
		    text, want_ipv4 ? "IPv4" : "IPv6");
	}
	*out = xstrdup(addr_format(&a, buf));
	return 0;
}

/* One part of the data, by its character of the shape. */
static int
parse_part(char part, const char *text, char **out, struct err *err)
{
	char name[DNS_NAME_TEXT_BYTES];
	uint32_t max = part == 'h' ? UINT16_MAX : UINT32_MAX;
	uint32_t n;

	if (part == '4' || part == '6')
		return parse_address(part, text, out, err);
	if (part == 'n') {
		if (dns_name_parse(text, name, err) == -1)
			return -1;
		*out = xstrdup(name);
		return 0;
	}
	if (num_parse_u32(text, 0, max, &n, err) == -1)
		return -1;
	*out = xasprintf("%" PRIu32, n);
	return 0;
}

static int
refuse_parts(const struct dns_type *type, struct err *err)
{
	size_t n = strlen(type->shape);

	return err_set(err, ERR_CONF,
	    "expected the %zu word%s of the data of %s, one blank apart", n,
	    n == 1 ? "" : "s", type->name);
}

/* text: a copy of ours, taken apart. */
static int
parse_parts(const struct dns_type *type, char *text, char **out,
    struct err *err)
{
	char *rest = text;
	char *all = NULL;

	for (const char *part = type->shape; *part != '\0'; part++) {
		const char *word = strsep(&rest, " ");
		char *longer, *one = NULL;

		if (word == NULL) {
			free(all);
			return refuse_parts(type, err);
		}
		if (parse_part(*part, word, &one, err) == -1) {
			free(all);
			return -1;
		}
		longer =
		    all != NULL ? xasprintf("%s %s", all, one) : xstrdup(one);
		free(one);
		free(all);
		all = longer;
	}
	if (rest != NULL) {
		free(all);
		return refuse_parts(type, err);
	}
	*out = all;
	return 0;
}

int
dns_data_parse(const struct dns_type *type, const char *text, char **out,
    struct err *err)
{
	char *copy = xstrdup(text);
	int rc = 0;

	if (type->shape[0] == 't') {
		*out = copy;
		return 0;
	}
	rc = parse_parts(type, copy, out, err);
	free(copy);
	return rc;
}
