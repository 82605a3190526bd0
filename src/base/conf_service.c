/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The services of a site. */
#include "base/conf_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/printable.h"
#include "base/xalloc.h"

#define WHEN_LOST_MIN_MS 10000
#define WHEN_LOST_MAX_MS 86400000

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

		if (conf_check_probe(ck, &raw->probes[i], &out->probes[i]) ==
			-1 ||
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

/* Less than the silence of a busy machine would be a hair trigger. */
static int
check_when_lost(struct conf_ck *ck, const char *text, struct conf_service *out)
{
	static const char word[] = "withdraw after ";
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "when_lost");

	if (text != NULL && strncmp(text, word, strlen(word)) == 0) {
		if (num_parse_duration_ms(text + strlen(word), WHEN_LOST_MIN_MS,
			WHEN_LOST_MAX_MS, &out->when_lost_ms, ck->err) == -1)
			return conf_ck_wrap(ck);
	} else if (text != NULL && strcmp(text, "hold") != 0) {
		return conf_ck_refuse(ck,
		    "%s: expected hold or withdraw after DURATION",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_service_drain(struct conf_ck *ck, const struct raw_service *raw,
    const struct conf_drain *site, struct conf_service *out)
{
	if (raw->drain != NULL)
		return conf_check_drain(ck, raw->drain, &out->drain);
	conf_drain_copy(site, &out->drain);
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
	if (check_need(ck, raw->need, out) == -1)
		return -1;
	return check_when_lost(ck, raw->when_lost, out);
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
		    check_service_drain(ck, &raw->services[i], &out->drain,
			&out->services[i]) == -1 ||
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
