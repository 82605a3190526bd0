/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The services of a site and their probes. */
#include "base/conf_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define MATCH_MAX 1024u

#define INTERVAL_MIN_MS 50
#define INTERVAL_MAX_MS (INT64_C(60) * 60 * 1000)
#define TIMEOUT_MIN_MS 10
#define TIMEOUT_MAX_MS (INT64_C(60) * 1000)
#define DEFAULT_MS 1000

#define STATUS_MIN 100u
#define STATUS_MAX 599u

/* Exactly one of the four ways to probe is given. */
static int
find_kind(struct conf_ck *ck, const struct raw_probe *raw, enum probe_kind *out)
{
	const bool given[PROBE_KIND_COUNT] = {
		[PROBE_HTTP] = raw->http != NULL,
		[PROBE_TCP] = raw->tcp != NULL,
		[PROBE_ICMP] = raw->icmp != NULL,
		[PROBE_EXEC] = raw->exec != NULL,
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
		    "%s of http, tcp, icmp and exec is given, expected one",
		    n == 0 ? "none" : "more than one");
	}
	return 0;
}

static int
check_exec(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t bytes = 0;

	if (raw->exec[0][0] != '/') {
		(void)conf_ck_enter_entry(ck, 0);
		return conf_ck_refuse(ck,
		    "%s: expected the absolute path of a program",
		    printable(raw->exec[0], shown));
	}
	for (unsigned i = 0; i < raw->exec_count; i++)
		bytes += strlen(raw->exec[i]) + 1;
	if (bytes > CONF_ARGS_BYTES_MAX) {
		return conf_ck_refuse(ck,
		    "too long, expected at most %u bytes in all",
		    CONF_ARGS_BYTES_MAX);
	}
	out->argv = xcalloc(raw->exec_count + 1u, sizeof(out->argv[0]));
	for (unsigned i = 0; i < raw->exec_count; i++)
		out->argv[i] = xstrdup(raw->exec[i]);
	return 0;
}

static int
check_icmp(struct conf_ck *ck, const char *text, char **out)
{
	char buf[ADDR_TEXT_BYTES];
	struct addr a;

	if (conf_ck_addr(ck, text, &a) == -1)
		return -1;
	*out = xstrdup(addr_format(&a, buf));
	return 0;
}

static int
check_target(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, conf_probe_kind_name(out->kind));
	int rc = -1;

	switch (out->kind) {
	case PROBE_HTTP:
		rc = conf_ck_url(ck, raw->http, true, &out->target);
		break;
	case PROBE_TCP:
		rc = conf_ck_endpoint(ck, raw->tcp, &out->target);
		break;
	case PROBE_ICMP:
		rc = check_icmp(ck, raw->icmp, &out->target);
		break;
	case PROBE_EXEC:
		rc = check_exec(ck, raw, out);
		break;
	case PROBE_KIND_COUNT:
		break;
	}
	if (rc == 0)
		conf_ck_leave(ck, mark);
	return rc;
}

static int
check_times(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	static const struct conf_duration interval = { "interval",
		INTERVAL_MIN_MS, INTERVAL_MAX_MS, DEFAULT_MS };
	static const struct conf_count down = { "down_after", 1, 100, 3 };
	static const struct conf_count up = { "up_after", 1, 100, 2 };
	struct conf_duration timeout = { "timeout", TIMEOUT_MIN_MS,
		TIMEOUT_MAX_MS, DEFAULT_MS };

	if (conf_ck_duration(ck, &interval, raw->interval, &out->interval_ms) ==
	    -1)
		return -1;
	if (out->interval_ms < timeout.default_ms)
		timeout.default_ms = out->interval_ms;
	if (conf_ck_duration(ck, &timeout, raw->timeout, &out->timeout_ms) ==
		-1 ||
	    conf_ck_count(ck, &down, raw->down_after, &out->down_after) == -1 ||
	    conf_ck_count(ck, &up, raw->up_after, &out->up_after) == -1)
		return -1;
	return 0;
}

/* "200" or "200-299" */
static int
parse_status(const char *text, struct conf_probe *out)
{
	char first[4] = "";
	const char *last = text;

	if (strlen(text) == 7 && text[3] == '-') {
		memcpy(first, text, 3);
		last = text + 4;
	}
	if (num_parse_u32(last, STATUS_MIN, STATUS_MAX, &out->status_max,
		NULL) == -1)
		return -1;
	if (last == text) {
		out->status_min = out->status_max;
		return 0;
	}
	return num_parse_u32(first, STATUS_MIN, out->status_max,
	    &out->status_min, NULL);
}

static int
check_status(struct conf_ck *ck, const char *text, struct conf_probe *out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "status");

	out->status_min = 200;
	out->status_max = 299;
	if (text != NULL && parse_status(text, out) == -1) {
		return conf_ck_refuse(ck,
		    "%s: expected a status from 100 to 599 or a range such as "
		    "200-299",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_match(struct conf_ck *ck, const char *text, struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "match");

	if (text != NULL && (text[0] == '\0' || strlen(text) > MATCH_MAX)) {
		return conf_ck_refuse(ck, "expected a text of 1 to %u bytes",
		    MATCH_MAX);
	}
	if (text != NULL)
		out->match = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

/* What only makes sense with HTTP is an error elsewhere, not ignored. */
static int
refuse_http_key(struct conf_ck *ck, const char *key, const char *text)
{
	if (text == NULL)
		return 0;
	(void)conf_ck_enter(ck, key);
	return conf_ck_refuse(ck, "only for an http probe");
}

static int
check_http(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	if (out->kind != PROBE_HTTP &&
	    (refuse_http_key(ck, "status", raw->status) == -1 ||
		refuse_http_key(ck, "match", raw->match) == -1 ||
		refuse_http_key(ck, "insecure", raw->insecure) == -1))
		return -1;
	if (check_status(ck, raw->status, out) == -1 ||
	    check_match(ck, raw->match, out) == -1)
		return -1;
	return conf_ck_bool(ck, "insecure", raw->insecure, &out->insecure);
}

static int
check_probe(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out)
{
	size_t mark = conf_ck_enter(ck, "name");

	if (conf_ck_name(ck, raw->name, &out->name) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	if (find_kind(ck, raw, &out->kind) == -1 ||
	    check_target(ck, raw, out) == -1 || check_times(ck, raw, out) == -1)
		return -1;
	return check_http(ck, raw, out);
}

static int
check_probe_name(struct conf_ck *ck, const struct conf_service *s, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(s->probes[j].name, s->probes[i].name) != 0)
			continue;
		(void)conf_ck_enter(ck, "name");
		return conf_ck_refuse(ck,
		    "%s: also the name of probes[%zu], expected another one",
		    s->probes[i].name, j);
	}
	return 0;
}

static int
check_probes(struct conf_ck *ck, const struct raw_service *raw,
    struct conf_service *out)
{
	size_t mark = conf_ck_enter(ck, "probes");

	out->probes = xcalloc(raw->probes_count, sizeof(out->probes[0]));
	out->n_probes = raw->probes_count;
	for (size_t i = 0; i < out->n_probes; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_probe(ck, &raw->probes[i], &out->probes[i]) == -1 ||
		    check_probe_name(ck, out, i) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_need(struct conf_ck *ck, const char *text, struct conf_service *out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "need");
	uint32_t max = (uint32_t)out->n_probes;

	if (text == NULL || strcmp(text, "all") == 0) {
		out->need = max;
	} else if (strcmp(text, "any") == 0) {
		out->need = 1;
	} else if (num_parse_u32(text, 1, max, &out->need, NULL) == -1) {
		return conf_ck_refuse(ck,
		    "%s: expected all, any or a number from 1 to %u (probes)",
		    printable(text, shown), max);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_service(struct conf_ck *ck, const struct raw_service *raw,
    struct conf_service *out)
{
	size_t mark = conf_ck_enter(ck, "name");

	if (conf_ck_name(ck, raw->name, &out->name) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	if (conf_ck_prefixes(ck, raw->prefixes, raw->prefixes_count,
		&out->prefixes) == -1)
		return -1;
	out->n_prefixes = raw->prefixes_count;
	if (check_probes(ck, raw, out) == -1)
		return -1;
	return check_need(ck, raw->need, out);
}

static int
check_service_name(struct conf_ck *ck, const struct conf_agent *a, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(a->services[j].name, a->services[i].name) != 0)
			continue;
		(void)conf_ck_enter(ck, "name");
		return conf_ck_refuse(ck,
		    "%s: also the name of services[%zu], expected another one",
		    a->services[i].name, j);
	}
	return 0;
}

/* A prefix and where it stands in the file. */
struct place {
	const struct prefix *prefix;
	size_t service;
	size_t index;
};

static int
compare_places(const void *va, const void *vb)
{
	const struct place *a = va;
	const struct place *b = vb;
	int c = memcmp(a->prefix->addr.b, b->prefix->addr.b,
	    sizeof(a->prefix->addr.b));

	if (c != 0)
		return c;
	if (a->prefix->len != b->prefix->len)
		return a->prefix->len < b->prefix->len ? -1 : 1;
	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static int
refuse_twice(struct conf_ck *ck, const struct place *first,
    const struct place *second)
{
	char text[PREFIX_TEXT_BYTES];

	(void)conf_ck_enter(ck, "services");
	(void)conf_ck_enter_entry(ck, second->service);
	(void)conf_ck_enter(ck, "prefixes");
	(void)conf_ck_enter_entry(ck, second->index);
	return conf_ck_refuse(ck,
	    "%s: also given as services[%zu].prefixes[%zu], expected each "
	    "prefix once",
	    prefix_format(second->prefix, text), first->service, first->index);
}

/* Two services could not agree on when to withdraw a prefix of both. */
static int
check_unique(struct conf_ck *ck, const struct conf_agent *a, size_t n)
{
	struct place *places = xcalloc(n + 1, sizeof(*places));
	size_t used = 0;
	int rc = 0;

	for (size_t s = 0; s < a->n_services; s++) {
		for (size_t i = 0; i < a->services[s].n_prefixes; i++) {
			places[used++] =
			    (struct place){ &a->services[s].prefixes[i], s, i };
		}
	}
	qsort(places, used, sizeof(*places), compare_places);
	for (size_t i = 1; i < used && rc == 0; i++) {
		if (prefix_equal(places[i - 1].prefix, places[i].prefix))
			rc = refuse_twice(ck, &places[i - 1], &places[i]);
	}
	free(places);
	return rc;
}

int
conf_check_services(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf_agent *out)
{
	size_t mark = conf_ck_enter(ck, "services");
	size_t n_prefixes = 0;

	out->services =
	    xcalloc(raw->services_count + 1u, sizeof(out->services[0]));
	out->n_services = raw->services_count;
	for (size_t i = 0; i < out->n_services; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_service(ck, &raw->services[i], &out->services[i]) ==
			-1 ||
		    check_service_name(ck, out, i) == -1)
			return -1;
		n_prefixes += out->services[i].n_prefixes;
		if (n_prefixes > CONF_PREFIXES_MAX) {
			return conf_ck_refuse(ck,
			    "too many prefixes, expected at most %u in all",
			    CONF_PREFIXES_MAX);
		}
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return check_unique(ck, out, n_prefixes);
}
