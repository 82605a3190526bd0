/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole file: the roles, what stands beside the services, cross checks. */
#include "base/conf_check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS (24 * HOUR_MS)
#define RETENTION_MAX_MS (36500 * DAY_MS)

/* With the NUL that the kernel does not need, but every reader wants. */
#define SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define FILE_MAX (PATH_MAX - 1)

static int
check_by_hand(struct conf_ck *ck, const char *text, bool *out)
{
	size_t mark = conf_ck_enter(ck, "by_hand");
	char shown[PRINTABLE_TEXT_BYTES];

	*out = text != NULL && strcmp(text, "overrule") == 0;
	if (text != NULL && !*out && strcmp(text, "stop") != 0) {
		return conf_ck_refuse(ck, "%s: expected stop or overrule",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

/* How changes are made. */
static int
check_bird_changes(struct conf_ck *ck, const struct raw_bird *raw,
    struct conf_bird *out)
{
	static const struct conf_duration gap = { "min_gap", 0, MIN_MS, 100 };
	static const struct conf_duration delay = { "max_delay", 0, MIN_MS,
		SEC_MS };
	static const struct conf_duration confirm = { "confirm", 2 * SEC_MS,
		4 * MIN_MS, 10 * SEC_MS };

	if (conf_ck_duration(ck, &gap, raw->min_gap, &out->min_gap_ms) == -1 ||
	    conf_ck_duration(ck, &delay, raw->max_delay, &out->max_delay_ms) ==
		-1 ||
	    conf_ck_duration(ck, &confirm, raw->confirm, &out->confirm_ms) ==
		-1)
		return -1;
	if (out->max_delay_ms < out->min_gap_ms) {
		(void)conf_ck_enter(ck, "max_delay");
		return conf_ck_refuse(ck, "expected at least min_gap");
	}
	if (out->confirm_ms % SEC_MS != 0) {
		(void)conf_ck_enter(ck, "confirm");
		return conf_ck_refuse(ck, "expected whole seconds");
	}
	return check_by_hand(ck, raw->by_hand, &out->overrule_hands);
}

static int
check_bird(struct conf_ck *ck, const struct raw_bird *raw,
    struct conf_bird *out)
{
	static const struct raw_bird none = { 0 };
	static const struct conf_file socket = { "socket", "/run/bird/bird.ctl",
		SOCKET_MAX };
	static const struct conf_file include = { "include",
		"/var/lib/anycastd/bird.conf", FILE_MAX };
	static const struct conf_duration poll = { "poll", 100, HOUR_MS,
		2 * SEC_MS };
	static const struct conf_duration timeout = { "timeout", 100, MIN_MS,
		2 * SEC_MS };
	static const struct conf_duration check = { "check", 0, DAY_MS,
		MIN_MS };
	size_t mark = conf_ck_enter(ck, "bird");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_file(ck, &socket, raw->socket, &out->socket) == -1 ||
	    conf_ck_file(ck, &include, raw->include, &out->include) == -1 ||
	    conf_ck_duration(ck, &poll, raw->poll, &out->poll_ms) == -1 ||
	    conf_ck_duration(ck, &timeout, raw->timeout, &out->timeout_ms) ==
		-1 ||
	    conf_ck_duration(ck, &check, raw->check, &out->check_ms) == -1 ||
	    check_bird_changes(ck, raw, out) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* Experiments withdraw the test prefix: users' traffic must not notice. */
static int
check_apart(struct conf_ck *ck, const struct conf_agent *a,
    const struct prefix *test)
{
	char test_text[PREFIX_TEXT_BYTES];
	char text[PREFIX_TEXT_BYTES];

	for (size_t s = 0; s < a->n_services; s++) {
		const struct conf_service *sv = &a->services[s];

		for (size_t i = 0; i < sv->n_prefixes; i++) {
			if (!prefix_overlaps(&sv->prefixes[i], test))
				continue;
			return conf_ck_refuse(ck,
			    "%s: overlaps %s of service %s, expected a prefix "
			    "without users",
			    prefix_format(test, test_text),
			    prefix_format(&sv->prefixes[i], text), sv->name);
		}
	}
	return 0;
}

/* A withdrawal of the one must not touch the other. */
static int
check_apart_from_others(struct conf_ck *ck, const struct conf_test *t, size_t i)
{
	char text[PREFIX_TEXT_BYTES], other[PREFIX_TEXT_BYTES];

	for (size_t k = 0; k < i; k++) {
		if (!prefix_overlaps(&t->prefixes[k], &t->prefixes[i]))
			continue;
		return conf_ck_refuse(ck,
		    "%s: overlaps %s, expected test prefixes that are apart",
		    prefix_format(&t->prefixes[i], text),
		    prefix_format(&t->prefixes[k], other));
	}
	return 0;
}

static int
check_test_prefixes(struct conf_ck *ck, struct conf_agent *a)
{
	struct conf_test *t = &a->test;
	size_t mark = conf_ck_enter(ck, "prefixes"), n[2] = { 0, 0 };

	t->number = xcalloc(t->n_prefixes, sizeof(t->number[0]));
	for (size_t i = 0; i < t->n_prefixes; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_apart(ck, a, &t->prefixes[i]) == -1 ||
		    check_apart_from_others(ck, t, i) == -1)
			return -1;
		t->number[i] = n[t->prefixes[i].is_ipv4]++;
		conf_ck_leave(ck, entry);
	}
	t->n_tests = n[0] > n[1] ? n[0] : n[1];
	if (t->n_tests > CONF_TESTS_MAX) {
		return conf_ck_refuse(ck,
		    "%zu of one family, expected at most %u", t->n_tests,
		    CONF_TESTS_MAX);
	}
	if (n[0] > 0 && n[1] > 0 && n[0] != n[1]) {
		return conf_ck_refuse(ck,
		    "%zu IPv4 and %zu IPv6 prefixes, which are withdrawn in "
		    "pairs: expected as many of each, or one family alone",
		    n[1], n[0]);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

/* The prefix that the source is in; n_prefixes with a message if it is none. */
static size_t
find_test_prefix(struct conf_ck *ck, const char *text, const struct addr *a,
    const struct conf_test *t)
{
	char shown[PREFIX_TEXT_BYTES];
	size_t n_family = 0, last = 0;

	for (size_t i = 0; i < t->n_prefixes; i++) {
		if (prefix_contains(&t->prefixes[i], a))
			return i;
		if (t->prefixes[i].is_ipv4 != addr_is_ipv4(a))
			continue;
		n_family++;
		last = i;
	}
	if (n_family == 0) {
		(void)conf_ck_refuse(ck,
		    "%s: no test prefix of this family, expected a source in "
		    "each prefix",
		    text);
	} else if (n_family == 1) {
		(void)conf_ck_refuse(ck,
		    "%s: not in the test prefix, expected an address in %s",
		    text, prefix_format(&t->prefixes[last], shown));
	} else {
		(void)conf_ck_refuse(ck,
		    "%s: in none of the test prefixes, expected an address in "
		    "each of them",
		    text);
	}
	return t->n_prefixes;
}

/* Puts one source behind its prefix; zero is "not yet". */
static int
check_source(struct conf_ck *ck, const char *text, struct conf_test *t)
{
	static const struct addr none = { { 0 } };
	char shown[PREFIX_TEXT_BYTES];
	struct addr a;
	size_t i;

	if (conf_ck_addr(ck, text, &a) == -1)
		return -1;
	i = find_test_prefix(ck, text, &a, t);
	if (i == t->n_prefixes)
		return -1;
	if (!addr_equal(&t->sources[i], &none)) {
		return conf_ck_refuse(ck,
		    "%s: a second source in %s, expected one in each prefix",
		    text, prefix_format(&t->prefixes[i], shown));
	}
	t->sources[i] = a;
	return 0;
}

static int
check_sources(struct conf_ck *ck, const struct raw_test *raw,
    struct conf_test *t)
{
	size_t mark = conf_ck_enter(ck, "sources");

	t->sources = xcalloc(t->n_prefixes, sizeof(t->sources[0]));
	t->n_sources = t->n_prefixes;
	for (unsigned i = 0; i < raw->sources_count; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_source(ck, raw->sources[i], t) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	if (raw->sources_count != t->n_prefixes) {
		return conf_ck_refuse(ck,
		    "%u given, expected one in each of the %zu prefixes",
		    raw->sources_count, t->n_prefixes);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_engine(struct conf_ck *ck, const char *text, enum conf_engine *out)
{
	size_t mark = conf_ck_enter(ck, "engine");
	char shown[PRINTABLE_TEXT_BYTES];
	enum conf_engine e = CONF_ENGINE_RAW;

	while (text != NULL && e < CONF_ENGINE_COUNT &&
	    strcmp(conf_engine_name(e), text) != 0)
		e++;
	if (e == CONF_ENGINE_COUNT) {
		return conf_ck_refuse(ck, "%s: expected raw or packet",
		    printable(text, shown));
	}
	*out = e;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_test(struct conf_ck *ck, const struct raw_test *raw,
    struct conf_agent *out)
{
	static const struct conf_duration confirm = { "confirm", SEC_MS,
		HOUR_MS, 30 * SEC_MS };
	struct conf_test *t = &out->test;
	size_t mark = conf_ck_enter(ck, "test");

	if (conf_ck_duration(ck, &confirm, raw != NULL ? raw->confirm : NULL,
		&t->confirm_ms) == -1 ||
	    check_engine(ck, raw != NULL ? raw->engine : NULL, &t->engine) ==
		-1)
		return -1;
	if (raw != NULL) {
		if (conf_ck_prefixes(ck, raw->prefixes, raw->prefixes_count,
			&t->prefixes) == -1)
			return -1;
		t->n_prefixes = raw->prefixes_count;
		if (check_test_prefixes(ck, out) == -1 ||
		    check_sources(ck, raw, t) == -1)
			return -1;
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_agent(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf_agent *out)
{
	static const struct conf_duration unknown_max = { "unknown_max", SEC_MS,
		24 * HOUR_MS, 2 * MIN_MS };
	size_t mark = conf_ck_enter(ck, "site");

	if (conf_ck_name(ck, raw->site, &out->site) == -1)
		return -1;
	if (raw->services_count == 0 && raw->test == NULL) {
		return conf_ck_refuse(ck,
		    "neither services nor a test prefix, expected at least one "
		    "of `services` and `test`");
	}
	conf_ck_leave(ck, mark);
	conf_drain_default(&out->drain);
	if (raw->drain != NULL &&
	    conf_check_drain(ck, raw->drain, &out->drain) == -1)
		return -1;
	if (raw->load != NULL &&
	    conf_check_load(ck, raw->load, &out->load) == -1)
		return -1;
	if (check_bird(ck, raw->bird, &out->bird) == -1 ||
	    conf_check_services(ck, raw, out) == -1 ||
	    check_test(ck, raw->test, out) == -1 ||
	    conf_check_site_guards(ck, raw, out) == -1)
		return -1;
	if (conf_ck_duration(ck, &unknown_max, raw->unknown_max,
		&out->unknown_max_ms) == -1)
		return -1;
	if (raw->controller != NULL) {
		mark = conf_ck_enter(ck, "controller");
		if (conf_ck_url(ck, raw->controller, false, &out->controller) ==
		    -1)
			return -1;
		conf_ck_leave(ck, mark);
	}
	return 0;
}

/* Keys of an agent in a file without a site are a mistake, not a nothing. */
static int
check_no_agent(struct conf_ck *ck, const struct conf_raw *raw)
{
	const char *key = NULL;

	if (raw->controller != NULL)
		key = "controller";
	if (raw->unknown_max != NULL)
		key = "unknown_max";
	if (raw->guards != NULL)
		key = "guards";
	if (raw->allow != NULL)
		key = "allow";
	if (raw->test != NULL)
		key = "test";
	if (raw->services != NULL)
		key = "services";
	if (raw->load != NULL)
		key = "load";
	if (raw->drain != NULL)
		key = "drain";
	if (raw->bird != NULL)
		key = "bird";
	if (raw->fleet == NULL && key == NULL) {
		return conf_ck_refuse(ck,
		    "no role, expected `site` (agent) or `fleet` (controller)");
	}
	if (key != NULL) {
		(void)conf_ck_enter(ck, key);
		return conf_ck_refuse(ck, "only for a site, expected `site`");
	}
	return 0;
}

/* Strangers will read it in their packet dumps. */
static int
check_probe_text(struct conf_ck *ck, const char *text, char **out)
{
	size_t mark = conf_ck_enter(ck, "text");
	char shown[PRINTABLE_TEXT_BYTES];

	if (text == NULL)
		text = "anycast catchment measurement";
	if (strlen(text) > CONF_PROBE_TEXT_MAX) {
		return conf_ck_refuse(ck,
		    "%s: too long, expected at most %u bytes",
		    printable(text, shown), CONF_PROBE_TEXT_MAX);
	}
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~') {
			return conf_ck_refuse(ck,
			    "%s: expected printable ASCII",
			    printable(text, shown));
		}
	}
	*out = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_profile(struct conf_ck *ck, const char *text, bool *is_lab)
{
	size_t mark = conf_ck_enter(ck, "profile");

	*is_lab = text != NULL && strcmp(text, "lab") == 0;
	if (text != NULL && !*is_lab && strcmp(text, "internet") != 0)
		return conf_ck_refuse(ck, "expected internet or lab");
	conf_ck_leave(ck, mark);
	return 0;
}

/* Where nobody damps flapping prefixes seconds are enough. */
static int
check_pace(struct conf_ck *ck, const struct raw_predict *raw,
    struct conf_predict *out)
{
	static const struct conf_duration internet = { "pace", 30 * MIN_MS,
		24 * HOUR_MS, 90 * MIN_MS };
	static const struct conf_duration lab = { "pace", 10, 24 * HOUR_MS,
		100 };

	if (check_profile(ck, raw->profile, &out->is_lab) == -1)
		return -1;
	return conf_ck_duration(ck, out->is_lab ? &lab : &internet, raw->pace,
	    &out->pace_ms);
}

static int
check_null_run(struct conf_ck *ck, const struct raw_null_run *raw,
    struct conf_predict *out)
{
	static const struct raw_null_run none = { 0 };
	static const struct conf_count limit = { "limit", 1, 100, 1 };
	static const struct conf_count min = { "min_clients", 1, 1000000, 100 };
	static const struct conf_duration every = { "every", SEC_MS,
		365 * DAY_MS, 7 * DAY_MS };
	size_t mark = conf_ck_enter(ck, "null_run");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_percent(ck, &limit, raw->limit,
		&out->null_run.limit_percent) == -1 ||
	    conf_ck_count(ck, &min, raw->min_clients,
		&out->null_run.min_clients) == -1 ||
	    conf_ck_duration(ck, &every, raw->every, &out->null_run.every_ms) ==
		-1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* Each is a list of its own in the store. */
static int
check_take(struct conf_ck *ck, const struct conf_predict *p)
{
	if (p->take_clients_ms == 0 || p->take_clients_ms >= HOUR_MS ||
	    p->is_lab)
		return 0;
	(void)conf_ck_enter(ck, "take_clients");
	return conf_ck_refuse(ck, "expected 0s, never, or at least 1h");
}

static int
check_predict(struct conf_ck *ck, const struct raw_predict *raw,
    struct conf_predict *out)
{
	static const struct raw_predict none = { 0 };
	static const struct conf_count rate = { "rate", 1, 1000000, 1000 };
	static const struct conf_duration linger = { "linger", 10, 5 * MIN_MS,
		2 * SEC_MS };
	static const struct conf_count sentinels = { "sentinels", 1, 65536,
		256 };
	/* Three rounds alike span the 30 s that routers wait between two
	 * advertisements of a route (RFC 4271, 10). */
	static const struct conf_duration interval = { "sentinel_interval", 100,
		10 * MIN_MS, 15 * SEC_MS };
	static const struct conf_duration settle = { "settle_max", SEC_MS,
		HOUR_MS, 5 * MIN_MS };
	static const struct conf_duration gap = { "block_gap", 0, 10 * SEC_MS,
		20 };
	static const struct conf_duration landing = { "landing_after", SEC_MS,
		24 * HOUR_MS, 10 * MIN_MS };
	static const struct conf_duration take = { "take_clients", 0,
		30 * DAY_MS, 0 };
	size_t mark = conf_ck_enter(ck, "predict");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_count(ck, &rate, raw->rate, &out->rate_pps) == -1 ||
	    conf_ck_duration(ck, &linger, raw->linger, &out->linger_ms) == -1 ||
	    conf_ck_count(ck, &sentinels, raw->sentinels, &out->sentinels) ==
		-1 ||
	    conf_ck_duration(ck, &interval, raw->sentinel_interval,
		&out->sentinel_interval_ms) == -1 ||
	    conf_ck_duration(ck, &settle, raw->settle_max,
		&out->settle_max_ms) == -1 ||
	    check_pace(ck, raw, out) == -1 ||
	    check_null_run(ck, raw->null_run, out) == -1 ||
	    conf_ck_duration(ck, &landing, raw->landing_after,
		&out->landing_after_ms) == -1 ||
	    conf_ck_duration(ck, &take, raw->take_clients,
		&out->take_clients_ms) == -1 ||
	    check_take(ck, out) == -1 ||
	    conf_ck_bool(ck, "allow_special", raw->allow_special,
		&out->allow_special) == -1 ||
	    conf_ck_duration(ck, &gap, raw->block_gap, &out->block_gap_ms) ==
		-1 ||
	    check_probe_text(ck, raw->text, &out->text) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

static bool
has_site(const struct conf_controller *c, size_t n, const char *site)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(c->sites[i], site) == 0)
			return true;
	}
	return false;
}

static int
check_sites(struct conf_ck *ck, const struct raw_fleet *raw,
    struct conf_controller *out)
{
	size_t mark = conf_ck_enter(ck, "sites");

	out->sites = xcalloc(raw->sites_count, sizeof(out->sites[0]));
	out->n_sites = raw->sites_count;
	for (size_t i = 0; i < out->n_sites; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (conf_ck_name(ck, raw->sites[i], &out->sites[i]) == -1)
			return -1;
		if (has_site(out, i, out->sites[i])) {
			return conf_ck_refuse(ck,
			    "%s: given twice, expected each site once",
			    out->sites[i]);
		}
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_fleet(struct conf_ck *ck, const struct raw_fleet *raw,
    struct conf_controller *out)
{
	size_t mark = conf_ck_enter(ck, "fleet");
	size_t listen = conf_ck_enter(ck, "listen");

	if (conf_ck_endpoint(ck, raw->listen, &out->listen) == -1)
		return -1;
	conf_ck_leave(ck, listen);
	if (check_sites(ck, raw, out) == -1 ||
	    check_predict(ck, raw->predict, &out->predict) == -1 ||
	    conf_check_fleet_guards(ck, raw, out) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* One without the other would only look as if it were safe. */
static int
check_tls_use(struct conf_ck *ck, const struct conf *c)
{
	const char *url = c->agent != NULL ? c->agent->controller : NULL;
	bool has_tls = c->tls.certificate != NULL;
	bool is_https = url != NULL && strncmp(url, "https:", 6) == 0;
	size_t mark = conf_ck_enter(ck, "tls");

	if (has_tls && c->controller == NULL && url == NULL) {
		return conf_ck_refuse(ck,
		    "nobody to talk to, expected `controller` or `fleet`");
	}
	conf_ck_leave(ck, mark);
	mark = conf_ck_enter(ck, "controller");
	if (url != NULL && has_tls != is_https) {
		return conf_ck_refuse(ck, "%s: %s `tls`, expected %s://...",
		    url, has_tls ? "with" : "without",
		    has_tls ? "https" : "http");
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_tls(struct conf_ck *ck, const struct raw_tls *raw, struct conf *out)
{
	static const struct conf_file certificate = { "certificate",
		"/etc/anycastd/tls/site.pem", FILE_MAX };
	static const struct conf_file key = { "key",
		"/etc/anycastd/tls/site.key", FILE_MAX };
	static const struct conf_file ca = { "ca", "/etc/anycastd/tls/ca.pem",
		FILE_MAX };
	size_t mark = conf_ck_enter(ck, "tls");

	if (raw != NULL &&
	    (conf_ck_file(ck, &certificate, raw->certificate,
		 &out->tls.certificate) == -1 ||
		conf_ck_file(ck, &key, raw->key, &out->tls.key) == -1 ||
		conf_ck_file(ck, &ca, raw->ca, &out->tls.ca) == -1))
		return -1;
	conf_ck_leave(ck, mark);
	return check_tls_use(ck, out);
}

/* 0 is for ever; what is younger than a day nobody has looked at yet. */
static int
check_keep(struct conf_ck *ck, const struct conf_duration *d, const char *text,
    int64_t *out_ms)
{
	if (conf_ck_duration(ck, d, text, out_ms) == -1)
		return -1;
	if (*out_ms == 0 || *out_ms >= DAY_MS)
		return 0;
	(void)conf_ck_enter(ck, d->key);
	return conf_ck_refuse(ck, "expected 0s, for ever, or at least 1d");
}

static int
check_retention(struct conf_ck *ck, const struct raw_retention *raw,
    struct conf_retention *out)
{
	static const struct conf_duration events = { "events", 0,
		RETENTION_MAX_MS, 365 * DAY_MS };
	static const struct conf_duration outcomes = { "outcomes", 0,
		RETENTION_MAX_MS, 90 * DAY_MS };
	size_t mark = conf_ck_enter(ck, "retention");

	if (check_keep(ck, &events, raw != NULL ? raw->events : NULL,
		&out->events_ms) == -1 ||
	    check_keep(ck, &outcomes, raw != NULL ? raw->outcomes : NULL,
		&out->outcomes_ms) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* With both roles and no other controller, the site is the fleet's own. */
static int
check_own_site(struct conf_ck *ck, const struct conf *c)
{
	if (c->agent == NULL || c->controller == NULL ||
	    c->agent->controller != NULL ||
	    has_site(c->controller, c->controller->n_sites, c->agent->site))
		return 0;
	(void)conf_ck_enter(ck, "site");
	return conf_ck_refuse(ck, "%s: expected one of fleet.sites",
	    c->agent->site);
}

static int
check_metrics(struct conf_ck *ck, const char *raw, char **out)
{
	size_t mark = conf_ck_enter(ck, "metrics");

	if (raw != NULL && conf_ck_endpoint(ck, raw, out) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* "/run/x.sock" -> "/run/x-ro.sock"; NULL if that is too long. */
static char *
read_socket_of(const char *socket)
{
	static const char end[] = ".sock";
	size_t len = strlen(socket);
	char *path;

	if (len > strlen(end) && strcmp(socket + len - strlen(end), end) == 0)
		len -= strlen(end);
	path = xasprintf("%.*s-ro%s", (int)len, socket, socket + len);
	if (strlen(path) <= SOCKET_MAX)
		return path;
	free(path);
	return NULL;
}

static int
check_read_socket(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf *out)
{
	static const struct conf_file place = { "read_socket",
		"/run/anycastd/anycastd-ro.sock", SOCKET_MAX };
	const char *mode = raw->read_socket_mode;
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark;

	if (raw->read_socket == NULL) {
		out->read_socket = read_socket_of(out->socket);
	} else if (strcmp(raw->read_socket, "off") != 0 &&
	    conf_ck_file(ck, &place, raw->read_socket, &out->read_socket) ==
		-1) {
		return -1;
	}
	mark = conf_ck_enter(ck, "read_socket");
	if (out->read_socket != NULL &&
	    strcmp(out->read_socket, out->socket) == 0) {
		return conf_ck_refuse(ck,
		    "%s: is the control socket too, expected another path",
		    out->read_socket);
	}
	conf_ck_leave(ck, mark);
	mark = conf_ck_enter(ck, "read_socket_mode");
	out->read_socket_group = mode != NULL && strcmp(mode, "group") == 0;
	if (mode != NULL && !out->read_socket_group &&
	    strcmp(mode, "all") != 0) {
		return conf_ck_refuse(ck, "%s: expected all or group",
		    printable(mode, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check(struct conf_ck *ck, const struct conf_raw *raw, struct conf *out)
{
	static const struct conf_file store = { "store",
		"/var/lib/anycastd/anycastd.db", FILE_MAX };
	static const struct conf_file socket = { "socket",
		"/run/anycastd/anycastd.sock", SOCKET_MAX };

	if (raw->site == NULL && check_no_agent(ck, raw) == -1)
		return -1;
	if (conf_ck_file(ck, &store, raw->store, &out->store) == -1 ||
	    conf_ck_file(ck, &socket, raw->socket, &out->socket) == -1 ||
	    check_retention(ck, raw->retention, &out->retention) == -1 ||
	    check_read_socket(ck, raw, out) == -1 ||
	    check_metrics(ck, raw->metrics, &out->metrics) == -1)
		return -1;
	if (raw->site != NULL) {
		out->agent = xcalloc(1, sizeof(*out->agent));
		if (check_agent(ck, raw, out->agent) == -1)
			return -1;
	}
	if (raw->fleet != NULL) {
		out->controller = xcalloc(1, sizeof(*out->controller));
		if (check_fleet(ck, raw->fleet, out->controller) == -1)
			return -1;
	}
	if (check_own_site(ck, out) == -1 || check_tls(ck, raw->tls, out) == -1)
		return -1;
	return conf_check_feeds(ck, raw, out);
}
