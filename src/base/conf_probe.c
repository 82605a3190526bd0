/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One probe: its kind, what all kinds have, and what the small kinds have. */
#include "base/conf_check.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define INTERVAL_MIN_MS 50
#define INTERVAL_MAX_MS (3600 * SEC_MS)
#define QUICK_MIN_MS 10
#define TIMEOUT_MIN_MS 10
#define TIMEOUT_MAX_MS (60 * SEC_MS)
#define DEFAULT_MS 1000

#define DNS_PORT 53
#define TALK_BYTES_MAX 1024u
#define ANSWER_MAX 1024u
#define PATH_BYTES_MAX 4095u
#define LOSS_MAX_PERCENT 99u

#define BIT(kind) (1u << (kind))

/* What makes sense with some kinds only is an error elsewhere, not ignored. */
static const struct owned_key {
	const char *key;
	size_t offset; /* of its pointer in struct raw_probe */
	unsigned kinds;
	const char *whose;
} owned_keys[] = {
#define KEY(name, kinds, whose)                                                \
	{                                                                      \
#name, offsetof(struct raw_probe, name), kinds, whose          \
	}
	KEY(source, BIT(PROBE_HTTP) | BIT(PROBE_TCP) | BIT(PROBE_DNS),
	    "an http, tcp or dns"),
	KEY(method, BIT(PROBE_HTTP), "an http"),
	KEY(headers, BIT(PROBE_HTTP), "an http"),
	KEY(status, BIT(PROBE_HTTP), "an http"),
	KEY(match, BIT(PROBE_HTTP), "an http"),
	KEY(insecure, BIT(PROBE_HTTP), "an http"),
	KEY(resolve, BIT(PROBE_HTTP), "an http"),
	KEY(tls_expiry, BIT(PROBE_HTTP), "an http"),
	KEY(send, BIT(PROBE_TCP), "a tcp"),
	KEY(expect, BIT(PROBE_TCP), "a tcp"),
	KEY(query, BIT(PROBE_DNS), "a dns"),
	KEY(type, BIT(PROBE_DNS), "a dns"),
	KEY(rcode, BIT(PROBE_DNS), "a dns"),
	KEY(answer, BIT(PROBE_DNS), "a dns"),
	KEY(count, BIT(PROBE_ICMP), "an icmp"),
	KEY(max_loss, BIT(PROBE_ICMP), "an icmp"),
	KEY(max_rtt, BIT(PROBE_ICMP), "an icmp"),
	KEY(interface, BIT(PROBE_ADDRESS), "an address"),
	KEY(when, BIT(PROBE_FILE), "a file"),
#undef KEY
};

static bool
is_given(const struct raw_probe *raw, size_t offset)
{
	const void *value;

	memcpy(&value, (const char *)raw + offset, sizeof(value));
	return value != NULL;
}

static int
check_owned_keys(struct conf_ck *ck, const struct raw_probe *raw,
    enum probe_kind kind)
{
	size_t n = sizeof(owned_keys) / sizeof(owned_keys[0]);

	for (size_t i = 0; i < n; i++) {
		const struct owned_key *k = &owned_keys[i];

		if ((k->kinds & BIT(kind)) != 0 || !is_given(raw, k->offset))
			continue;
		(void)conf_ck_enter(ck, k->key);
		return conf_ck_refuse(ck, "only for %s probe", k->whose);
	}
	return 0;
}

/* Exactly one of the ways to probe is given. */
static int
find_kind(struct conf_ck *ck, const struct raw_probe *raw, enum probe_kind *out)
{
	const bool given[PROBE_KIND_COUNT] = {
		[PROBE_HTTP] = raw->http != NULL,
		[PROBE_TCP] = raw->tcp != NULL,
		[PROBE_ICMP] = raw->icmp != NULL,
		[PROBE_EXEC] = raw->exec != NULL,
		[PROBE_DNS] = raw->dns != NULL,
		[PROBE_ADDRESS] = raw->address != NULL,
		[PROBE_FILE] = raw->file != NULL,
	};
	unsigned n = 0;

	for (unsigned i = 0; i < PROBE_KIND_COUNT; i++) {
		if (!given[i])
			continue;
		*out = (enum probe_kind)i;
		n++;
	}
	if (n != 1) {
		return conf_ck_refuse(ck,
		    "%s of http, tcp, icmp, exec, dns, address and file is "
		    "given, expected one",
		    n == 0 ? "none" : "more than one");
	}
	return 0;
}

int
conf_ck_argv(struct conf_ck *ck, char *const *args, unsigned n, char ***out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t bytes = 0;

	if (args[0][0] != '/') {
		(void)conf_ck_enter_entry(ck, 0);
		return conf_ck_refuse(ck,
		    "%s: expected the absolute path of a program",
		    printable(args[0], shown));
	}
	for (unsigned i = 0; i < n; i++)
		bytes += strlen(args[i]) + 1;
	if (bytes > CONF_ARGS_BYTES_MAX) {
		return conf_ck_refuse(ck,
		    "too long, expected at most %u bytes in all",
		    CONF_ARGS_BYTES_MAX);
	}
	*out = xcalloc(n + 1u, sizeof((*out)[0]));
	for (unsigned i = 0; i < n; i++)
		(*out)[i] = xstrdup(args[i]);
	return 0;
}

/* An endpoint, or an address alone. */
static int
check_server(struct conf_ck *ck, const char *text, char **out)
{
	char buf[ADDR_TEXT_BYTES];
	struct addr a;

	if (addr_parse(text, &a, NULL) == -1)
		return conf_ck_endpoint(ck, text, out);
	*out = xasprintf(addr_is_ipv4(&a) ? "%s:%d" : "[%s]:%d",
	    addr_format(&a, buf), DNS_PORT);
	return 0;
}

static int
check_target(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	static const struct conf_file file = { "file", "/run/maintenance",
		PATH_BYTES_MAX };
	size_t mark;
	int rc = -1;

	if (out->kind == PROBE_FILE)
		return conf_ck_file(ck, &file, raw->file, &out->target);
	mark = conf_ck_enter(ck, conf_probe_kind_name(out->kind));
	switch (out->kind) {
	case PROBE_HTTP:
		rc = conf_ck_url(ck, raw->http, true, &out->target);
		break;
	case PROBE_TCP:
		rc = conf_ck_endpoint(ck, raw->tcp, &out->target);
		break;
	case PROBE_ICMP:
		rc = conf_ck_addr_text(ck, raw->icmp, &out->target);
		break;
	case PROBE_EXEC:
		rc = conf_ck_argv(ck, raw->exec, raw->exec_count, &out->argv);
		break;
	case PROBE_DNS:
		rc = check_server(ck, raw->dns, &out->target);
		break;
	case PROBE_ADDRESS:
		rc = conf_ck_addr_text(ck, raw->address, &out->target);
		break;
	case PROBE_FILE:
	case PROBE_KIND_COUNT:
		break;
	}
	if (rc == 0)
		conf_ck_leave(ck, mark);
	return rc;
}

static int
check_timeout(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	struct conf_duration timeout = { "timeout", TIMEOUT_MIN_MS,
		TIMEOUT_MAX_MS, DEFAULT_MS };

	if (out->interval_ms < timeout.default_ms)
		timeout.default_ms = out->interval_ms;
	return conf_ck_duration(ck, &timeout, raw->timeout, &out->timeout_ms);
}

static int
check_times(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	static const struct conf_duration interval = { "interval",
		INTERVAL_MIN_MS, INTERVAL_MAX_MS, DEFAULT_MS };
	static const struct conf_duration spread = { "spread", 0,
		INTERVAL_MAX_MS, 0 };
	static const struct conf_count down = { "down_after", 1, 100, 3 };
	static const struct conf_count up = { "up_after", 1, 100, 2 };
	struct conf_duration quick = { "quick_interval", QUICK_MIN_MS, 0, 0 };

	if (conf_ck_duration(ck, &interval, raw->interval, &out->interval_ms) ==
	    -1)
		return -1;
	quick.max_ms = out->interval_ms;
	out->has_spread = raw->spread != NULL;
	if (conf_ck_duration(ck, &quick, raw->quick_interval,
		&out->quick_interval_ms) == -1 ||
	    check_timeout(ck, raw, out) == -1 ||
	    conf_ck_duration(ck, &spread, raw->spread, &out->spread_ms) == -1 ||
	    conf_ck_count(ck, &down, raw->down_after, &out->down_after) == -1 ||
	    conf_ck_count(ck, &up, raw->up_after, &out->up_after) == -1)
		return -1;
	return 0;
}

/* The bytes of a text with escapes; text NULL: none. */
static int
check_bytes(struct conf_ck *ck, const char *key, const char *text,
    struct conf_bytes *out)
{
	size_t mark = conf_ck_enter(ck, key);
	ptrdiff_t len;

	if (text != NULL) {
		out->bytes = xcalloc(strlen(text) + 1, 1);
		len = escape_parse(text, out->bytes, ck->err);
		if (len == -1)
			return conf_ck_wrap(ck);
		if (len == 0 || len > TALK_BYTES_MAX) {
			return conf_ck_refuse(ck, "%td bytes, expected 1 to %u",
			    len, TALK_BYTES_MAX);
		}
		out->len = (size_t)len;
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_tcp(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	if (check_bytes(ck, "send", raw->send, &out->tcp.send) == -1 ||
	    check_bytes(ck, "expect", raw->expect, &out->tcp.expect) == -1)
		return -1;
	return 0;
}

static int
check_query(struct conf_ck *ck, const char *text, struct conf_dns *out)
{
	char name[DNS_NAME_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "query");

	if (text == NULL)
		return conf_ck_refuse(ck, "missing, expected a domain name");
	if (dns_name_parse(text, name, ck->err) == -1)
		return conf_ck_wrap(ck);
	out->query = xstrdup(name);
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_dns_words(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_dns *out)
{
	char names[DNS_TYPE_NAMES_BYTES], shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "type");
	int rcode;

	out->type = dns_type_find(raw->type != NULL ? raw->type : "A");
	if (out->type == NULL) {
		return conf_ck_refuse(ck, "%s: expected one of %s",
		    printable(raw->type, shown), dns_type_names(names));
	}
	conf_ck_leave(ck, mark);
	mark = conf_ck_enter(ck, "rcode");
	rcode = raw->rcode != NULL ? dns_rcode_find(raw->rcode) : 0;
	if (rcode == -1) {
		return conf_ck_refuse(ck,
		    "%s: expected a code such as NOERROR, NXDOMAIN or REFUSED",
		    printable(raw->rcode, shown));
	}
	out->rcode = (unsigned)rcode;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_dns(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	struct conf_dns *dns = &out->dns;
	size_t mark;

	if (check_query(ck, raw->query, dns) == -1 ||
	    check_dns_words(ck, raw, dns) == -1)
		return -1;
	if (raw->answer == NULL)
		return 0;
	mark = conf_ck_enter(ck, "answer");
	if (strlen(raw->answer) > ANSWER_MAX) {
		return conf_ck_refuse(ck, "too long, expected at most %u bytes",
		    ANSWER_MAX);
	}
	if (dns_data_parse(dns->type, raw->answer, &dns->answer, ck->err) == -1)
		return conf_ck_wrap(ck);
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_icmp(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	static const struct conf_count count = { "count", 1, CONF_PINGS_MAX,
		1 };
	static const struct conf_count loss = { "max_loss", 0, LOSS_MAX_PERCENT,
		0 };
	static const struct conf_duration rtt = { "max_rtt", 1, TIMEOUT_MAX_MS,
		0 };
	struct conf_icmp *icmp = &out->icmp;
	char timeout[DURATION_TEXT_BYTES];

	if (conf_ck_count(ck, &count, raw->count, &icmp->count) == -1 ||
	    conf_ck_percent(ck, &loss, raw->max_loss,
		&icmp->max_loss_percent) == -1 ||
	    conf_ck_duration(ck, &rtt, raw->max_rtt, &icmp->max_rtt_ms) == -1)
		return -1;
	if (out->timeout_ms / icmp->count < TIMEOUT_MIN_MS) {
		(void)conf_ck_enter(ck, "count");
		return conf_ck_refuse(ck,
		    "%u pings in a timeout of %s, expected %dms for each",
		    icmp->count,
		    num_format_duration_ms(out->timeout_ms, timeout),
		    TIMEOUT_MIN_MS);
	}
	return 0;
}

static int
check_address(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "interface");
	const char *name = raw->interface;
	char shown[PRINTABLE_TEXT_BYTES];

	if (name == NULL) {
		conf_ck_leave(ck, mark);
		return 0;
	}
	if (name[0] == '\0' || strlen(name) >= IF_NAMESIZE ||
	    strpbrk(name, " /:") != NULL) {
		return conf_ck_refuse(ck,
		    "%s: expected the name of an interface such as lo",
		    printable(name, shown));
	}
	out->interface = xstrdup(name);
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_when(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "when");
	char shown[PRINTABLE_TEXT_BYTES];

	if (raw->when == NULL) {
		return conf_ck_refuse(ck,
		    "missing, expected present or absent: when all is well");
	}
	out->when_present = strcmp(raw->when, "present") == 0;
	if (!out->when_present && strcmp(raw->when, "absent") != 0) {
		return conf_ck_refuse(ck, "%s: expected present or absent",
		    printable(raw->when, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_kind(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	switch (out->kind) {
	case PROBE_HTTP:
		return conf_check_http(ck, raw, out);
	case PROBE_TCP:
		return check_tcp(ck, raw, out);
	case PROBE_ICMP:
		return check_icmp(ck, raw, out);
	case PROBE_DNS:
		return check_dns(ck, raw, out);
	case PROBE_ADDRESS:
		return check_address(ck, raw, out);
	case PROBE_FILE:
		return check_when(ck, raw, out);
	case PROBE_EXEC:
	case PROBE_KIND_COUNT:
		break;
	}
	return 0;
}

/* The family of who is connected to: 4, 6, or 0 when a name decides. */
static int
target_family(const struct conf_probe *p)
{
	const char *at = p->target;
	const char *scheme;
	char host[ADDR_TEXT_BYTES];
	struct addr a;
	size_t len;

	if (p->kind == PROBE_HTTP && p->http.resolve != NULL)
		return strchr(p->http.resolve, ':') != NULL ? 6 : 4;
	scheme = strstr(at, "://");
	if (scheme != NULL)
		at = scheme + 3;
	if (at[0] == '[')
		return 6;
	len = strcspn(at, ":/?#");
	if (len >= sizeof(host))
		return 0;
	memcpy(host, at, len);
	host[len] = '\0';
	return addr_parse(host, &a, NULL) == 0 ? 4 : 0;
}

static int
check_source(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "source");
	int family, source;

	if (raw->source == NULL) {
		conf_ck_leave(ck, mark);
		return 0;
	}
	if (conf_ck_addr_text(ck, raw->source, &out->source) == -1)
		return -1;
	family = target_family(out);
	source = strchr(out->source, ':') != NULL ? 6 : 4;
	if (family != 0 && family != source) {
		return conf_ck_refuse(ck,
		    "%s: expected an IPv%d address, as where it connects to",
		    out->source, family);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_probe(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "name");

	if (conf_ck_name(ck, raw->name, &out->name) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	if (find_kind(ck, raw, &out->kind) == -1 ||
	    check_owned_keys(ck, raw, out->kind) == -1 ||
	    check_target(ck, raw, out) == -1 ||
	    check_times(ck, raw, out) == -1 || check_kind(ck, raw, out) == -1)
		return -1;
	return check_source(ck, raw, out);
}
