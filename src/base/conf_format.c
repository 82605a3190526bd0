/* SPDX-License-Identifier: GPL-3.0-or-later */
/* struct conf back into texts, and libcyaml makes YAML of them. */
#include "base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_raw.h"
#include "base/escape.h"
#include "base/num.h"
#include "base/xalloc.h"

static char *
text_or_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

static char *
duration(int64_t ms)
{
	char buf[DURATION_TEXT_BYTES];

	return xstrdup(num_format_duration_ms(ms, buf));
}

static char *
truth(bool b)
{
	return xstrdup(b ? "true" : "false");
}

static char **
texts_of_prefixes(const struct prefix *prefixes, size_t n, unsigned *count)
{
	char **texts = xcalloc(n, sizeof(*texts));
	char buf[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < n; i++)
		texts[i] = xstrdup(prefix_format(&prefixes[i], buf));
	*count = (unsigned)n;
	return texts;
}

/* "200-299,304" */
static char *
codes(const struct conf_http *http)
{
	char *text = NULL;

	for (size_t i = 0; i < http->n_codes; i++) {
		const struct conf_range *r = &http->codes[i];
		char *one = r->min == r->max
		    ? xasprintf("%u", r->min)
		    : xasprintf("%u-%u", r->min, r->max);
		char *longer =
		    text != NULL ? xasprintf("%s,%s", text, one) : xstrdup(one);

		free(one);
		free(text);
		text = longer;
	}
	return text;
}

const char *
conf_when_lost_format(int64_t ms, char buf[CONF_WHEN_LOST_BYTES])
{
	char text[DURATION_TEXT_BYTES];

	if (ms == 0)
		return "hold";
	(void)snprintf(buf, CONF_WHEN_LOST_BYTES, "withdraw after %s",
	    num_format_duration_ms(ms, text));
	return buf;
}

/* list: NULL-terminated, or NULL. */
static char **
copy_list(char *const *list, unsigned *count)
{
	unsigned n = 0;
	char **copy;

	*count = 0;
	if (list == NULL)
		return NULL;
	while (list[n] != NULL)
		n++;
	copy = xcalloc(n, sizeof(copy[0]));
	for (unsigned i = 0; i < n; i++)
		copy[i] = xstrdup(list[i]);
	*count = n;
	return copy;
}

static void
fill_http(struct raw_probe *out, const struct conf_probe *p)
{
	const struct conf_http *http = &p->http;

	out->http = xstrdup(p->target);
	out->method = xstrdup(conf_method_name(http->method));
	out->headers = copy_list(http->headers, &out->headers_count);
	out->status = codes(http);
	out->match = text_or_null(http->match);
	out->insecure = truth(http->insecure);
	out->resolve = text_or_null(http->resolve);
	if (http->tls_expiry_ms != 0)
		out->tls_expiry = duration(http->tls_expiry_ms);
}

static char *
escaped(const struct conf_bytes *b)
{
	return b->bytes != NULL ? escape_format(b->bytes, b->len) : NULL;
}

static void
fill_tcp(struct raw_probe *out, const struct conf_probe *p)
{
	out->tcp = xstrdup(p->target);
	out->send = escaped(&p->tcp.send);
	out->expect = escaped(&p->tcp.expect);
}

static void
fill_icmp(struct raw_probe *out, const struct conf_probe *p)
{
	out->icmp = xstrdup(p->target);
	out->count = xasprintf("%u", p->icmp.count);
	out->max_loss = xasprintf("%u%%", p->icmp.max_loss_percent);
	if (p->icmp.max_rtt_ms != 0)
		out->max_rtt = duration(p->icmp.max_rtt_ms);
}

static void
fill_dns(struct raw_probe *out, const struct conf_probe *p)
{
	char rcode[DNS_RCODE_TEXT_BYTES];

	out->dns = xstrdup(p->target);
	out->query = xstrdup(p->dns.query);
	out->type = xstrdup(p->dns.type->name);
	out->rcode = xstrdup(dns_rcode_format(p->dns.rcode, rcode));
	out->answer = text_or_null(p->dns.answer);
}

static void
fill_kind(struct raw_probe *out, const struct conf_probe *p)
{
	switch (p->kind) {
	case PROBE_HTTP:
		fill_http(out, p);
		break;
	case PROBE_TCP:
		fill_tcp(out, p);
		break;
	case PROBE_ICMP:
		fill_icmp(out, p);
		break;
	case PROBE_EXEC:
		out->exec = copy_list(p->argv, &out->exec_count);
		break;
	case PROBE_DNS:
		fill_dns(out, p);
		break;
	case PROBE_ADDRESS:
		out->address = xstrdup(p->target);
		out->interface = text_or_null(p->interface);
		break;
	case PROBE_FILE:
		out->file = xstrdup(p->target);
		out->when = xstrdup(p->when_present ? "present" : "absent");
		break;
	case PROBE_KIND_COUNT:
		break;
	}
}

static void
fill_probe(struct raw_probe *out, const struct conf_probe *p)
{
	out->name = xstrdup(p->name);
	fill_kind(out, p);
	out->interval = duration(p->interval_ms);
	if (p->quick_interval_ms != 0)
		out->quick_interval = duration(p->quick_interval_ms);
	out->timeout = duration(p->timeout_ms);
	if (p->has_spread)
		out->spread = duration(p->spread_ms);
	out->down_after = xasprintf("%u", p->down_after);
	out->up_after = xasprintf("%u", p->up_after);
	out->source = text_or_null(p->source);
}

static void
fill_step(struct raw_drain_step *out, const struct conf_drain_step *step)
{
	out->step = xstrdup(conf_drain_kind_name(step->kind));
	if (step->kind == DRAIN_PREPEND)
		out->times = xasprintf("%u", step->times);
	out->hold = duration(step->hold_ms);
	if (step->kind != DRAIN_WITHDRAW)
		out->back = duration(step->back_ms);
	if (step->below_per_s > 0) {
		out->below =
		    xasprintf("%llu", (unsigned long long)step->below_per_s);
		out->wait_max = duration(step->wait_max_ms);
	}
}

static struct raw_counter *
new_counter(const struct conf_counter *c)
{
	struct raw_counter *out;

	if (c->kind == COUNTER_NONE)
		return NULL;
	out = xcalloc(1, sizeof(*out));
	if (c->kind == COUNTER_INTERFACE) {
		out->interface = xstrdup(c->name);
	} else if (c->kind == COUNTER_NFT) {
		out->nft = xstrdup(c->name);
	} else {
		while (c->argv[out->command_count] != NULL)
			out->command_count++;
		out->command =
		    xcalloc(out->command_count, sizeof(out->command[0]));
		for (unsigned i = 0; i < out->command_count; i++)
			out->command[i] = xstrdup(c->argv[i]);
	}
	return out;
}

static struct raw_drain *
new_drain(const struct conf_drain *d)
{
	struct raw_drain *out = xcalloc(1, sizeof(*out));

	out->steps = xcalloc(d->n_steps, sizeof(out->steps[0]));
	out->steps_count = (unsigned)d->n_steps;
	for (size_t i = 0; i < d->n_steps; i++)
		fill_step(&out->steps[i], &d->steps[i]);
	out->counter = new_counter(&d->counter);
	out->interval = duration(d->interval_ms);
	return out;
}

static struct raw_load *
new_load(const struct conf_load *l)
{
	struct raw_load *out;

	if (l->counter.kind == COUNTER_NONE)
		return NULL;
	out = xcalloc(1, sizeof(*out));
	out->counter = new_counter(&l->counter);
	if (l->counter.kind != COUNTER_COMMAND)
		out->counts = xstrdup(l->counter.bytes ? "bytes" : "packets");
	out->unit = xasprintf("%u", l->unit);
	out->interval = duration(l->interval_ms);
	out->half_life = duration(l->half_life_ms);
	return out;
}

static void
fill_service(struct raw_service *out, const struct conf_service *s)
{
	char buf[CONF_WHEN_LOST_BYTES];

	out->name = xstrdup(s->name);
	out->prefixes =
	    texts_of_prefixes(s->prefixes, s->n_prefixes, &out->prefixes_count);
	out->need =
	    s->need == s->n_probes ? xstrdup("all") : xasprintf("%u", s->need);
	out->when_lost = xstrdup(conf_when_lost_format(s->when_lost_ms, buf));
	out->drain = new_drain(&s->drain);
	out->probes = xcalloc(s->n_probes, sizeof(out->probes[0]));
	out->probes_count = (unsigned)s->n_probes;
	for (size_t i = 0; i < s->n_probes; i++)
		fill_probe(&out->probes[i], &s->probes[i]);
}

static struct raw_test *
new_test(const struct conf_test *t)
{
	struct raw_test *out = xcalloc(1, sizeof(*out));
	char buf[ADDR_TEXT_BYTES];

	out->prefixes =
	    texts_of_prefixes(t->prefixes, t->n_prefixes, &out->prefixes_count);
	out->sources = xcalloc(t->n_sources, sizeof(out->sources[0]));
	out->sources_count = (unsigned)t->n_sources;
	for (size_t i = 0; i < t->n_sources; i++)
		out->sources[i] = xstrdup(addr_format(&t->sources[i], buf));
	out->confirm = duration(t->confirm_ms);
	out->engine = xstrdup(conf_engine_name(t->engine));
	return out;
}

static char *
percent(unsigned n)
{
	return xasprintf("%u%%", n);
}

static void
fill_allow(struct conf_raw *out, const struct allow_list *list)
{
	char buf[ALLOW_TEXT_BYTES];

	if (list->n == 0)
		return;
	out->allow = xcalloc(list->n, sizeof(out->allow[0]));
	out->allow_count = (unsigned)list->n;
	for (size_t i = 0; i < list->n; i++) {
		out->allow[i] =
		    xstrdup(allow_entry_format(&list->entries[i], buf));
	}
}

static struct raw_agent_guards *
new_site_guards(const struct conf_agent_guards *g)
{
	struct raw_agent_guards *out = xcalloc(1, sizeof(*out));
	struct raw_brake *brake = xcalloc(1, sizeof(*brake));
	struct raw_damping *damping = xcalloc(1, sizeof(*damping));

	out->stale_after = xasprintf("%u", g->stale_after);
	brake->share = percent(g->brake.share_percent);
	brake->window = duration(g->brake.window_ms);
	brake->release = duration(g->brake.release_ms);
	brake->action = xstrdup(g->brake.holds ? "hold" : "alarm");
	out->brake = brake;
	damping->suppress = xasprintf("%u", g->damping.suppress);
	damping->reuse = xasprintf("%u", g->damping.reuse);
	damping->half_life = duration(g->damping.half_life_ms);
	damping->max_hold = duration(g->damping.max_hold_ms);
	damping->updates = xasprintf("%u", g->damping.updates);
	out->damping = damping;
	return out;
}

static void
fill_capacity(struct raw_fleet *out, const struct conf_controller *c)
{
	if (c->n_capacity == 0)
		return;
	out->capacity = xcalloc(c->n_capacity, sizeof(out->capacity[0]));
	out->capacity_count = (unsigned)c->n_capacity;
	for (size_t i = 0; i < c->n_capacity; i++) {
		const struct conf_capacity *entry = &c->capacity[i];

		out->capacity[i].site = xstrdup(c->sites[entry->site]);
		out->capacity[i].capacity = xasprintf("%u", entry->capacity);
		if (entry->has_load)
			out->capacity[i].load = xasprintf("%u", entry->load);
	}
}

static struct raw_guards *
new_fleet_guards(const struct conf_guards *g)
{
	struct raw_guards *out = xcalloc(1, sizeof(*out));
	struct raw_budget *budget = xcalloc(1, sizeof(*budget));
	struct raw_brake *brake = xcalloc(1, sizeof(*brake));
	struct raw_room *room = xcalloc(1, sizeof(*room));

	out->min_sites = xasprintf("%u", g->min_sites);
	out->min_capacity = g->min_capacity_percent != 0
	    ? percent(g->min_capacity_percent)
	    : xasprintf("%u", g->min_capacity);
	budget->window = duration(g->budget.window_ms);
	budget->sites = xasprintf("%u", g->budget.sites);
	budget->prefixes = xasprintf("%u", g->budget.prefixes);
	budget->capacity = percent(g->budget.capacity_percent);
	out->budget = budget;
	brake->sites = xasprintf("%u", g->brake.sites);
	brake->window = duration(g->brake.window_ms);
	brake->release = duration(g->brake.release_ms);
	out->brake = brake;
	room->limit = percent(g->room.limit_percent);
	room->margin = percent(g->room.margin_percent);
	room->levels = xasprintf("%u", g->room.levels);
	out->room = room;
	return out;
}

static void
fill_agent(struct conf_raw *out, const struct conf_agent *a)
{
	out->site = xstrdup(a->site);
	out->bird = xcalloc(1, sizeof(*out->bird));
	out->bird->socket = xstrdup(a->bird.socket);
	out->bird->include = xstrdup(a->bird.include);
	out->bird->poll = duration(a->bird.poll_ms);
	out->bird->timeout = duration(a->bird.timeout_ms);
	out->bird->min_gap = duration(a->bird.min_gap_ms);
	out->bird->max_delay = duration(a->bird.max_delay_ms);
	out->bird->confirm = duration(a->bird.confirm_ms);
	out->bird->by_hand =
	    xstrdup(a->bird.overrule_hands ? "overrule" : "stop");
	out->bird->check = duration(a->bird.check_ms);
	out->drain = new_drain(&a->drain);
	out->load = new_load(&a->load);
	if (a->n_services > 0) {
		out->services =
		    xcalloc(a->n_services, sizeof(out->services[0]));
	}
	out->services_count = (unsigned)a->n_services;
	for (size_t i = 0; i < a->n_services; i++)
		fill_service(&out->services[i], &a->services[i]);
	if (a->test.n_prefixes > 0)
		out->test = new_test(&a->test);
	fill_allow(out, &a->allow);
	out->guards = new_site_guards(&a->guards);
	out->controller = text_or_null(a->controller);
	out->unknown_max = duration(a->unknown_max_ms);
}

static void
fill_controller(struct conf_raw *out, const struct conf_controller *c)
{
	struct raw_fleet *fleet = xcalloc(1, sizeof(*fleet));
	struct raw_predict *predict = xcalloc(1, sizeof(*predict));

	fleet->listen = xstrdup(c->listen);
	fleet->sites = xcalloc(c->n_sites, sizeof(fleet->sites[0]));
	fleet->sites_count = (unsigned)c->n_sites;
	for (size_t i = 0; i < c->n_sites; i++)
		fleet->sites[i] = xstrdup(c->sites[i]);
	predict->rate = xasprintf("%u", c->predict.rate_pps);
	predict->linger = duration(c->predict.linger_ms);
	predict->sentinels = xasprintf("%u", c->predict.sentinels);
	predict->sentinel_interval = duration(c->predict.sentinel_interval_ms);
	predict->settle_max = duration(c->predict.settle_max_ms);
	predict->allow_special = truth(c->predict.allow_special);
	predict->block_gap = duration(c->predict.block_gap_ms);
	predict->text = xstrdup(c->predict.text);
	predict->pace = duration(c->predict.pace_ms);
	predict->profile = xstrdup(c->predict.is_lab ? "lab" : "internet");
	predict->landing_after = duration(c->predict.landing_after_ms);
	predict->take_clients = duration(c->predict.take_clients_ms);
	predict->null_run = xcalloc(1, sizeof(*predict->null_run));
	predict->null_run->limit = percent(c->predict.null_run.limit_percent);
	predict->null_run->min_clients =
	    xasprintf("%u", c->predict.null_run.min_clients);
	predict->null_run->every = duration(c->predict.null_run.every_ms);
	fleet->predict = predict;
	fill_capacity(fleet, c);
	fleet->guards = new_fleet_guards(&c->guards);
	out->fleet = fleet;
}

static void
fill_tls(struct conf_raw *out, const struct conf_tls *t)
{
	if (t->certificate == NULL)
		return;
	out->tls = xcalloc(1, sizeof(*out->tls));
	out->tls->certificate = xstrdup(t->certificate);
	out->tls->key = xstrdup(t->key);
	out->tls->ca = xstrdup(t->ca);
}

static void
fill_retention(struct conf_raw *out, const struct conf_retention *r)
{
	out->retention = xcalloc(1, sizeof(*out->retention));
	out->retention->events = duration(r->events_ms);
	out->retention->outcomes = duration(r->outcomes_ms);
}

static void
fill_feed(struct raw_feed *out, const struct conf_feed *f)
{
	out->name = xstrdup(f->name);
	out->type = xstrdup(conf_feed_type_name(f->type));
	out->from = xasprintf("%s:%s", conf_feed_way_name(f->way), f->where);
	out->weight = xstrdup(conf_feed_weight_name(f->weight));
	out->site = xstrdup(f->site);
	if (f->n_senders > 0) {
		out->senders = texts_of_prefixes(f->senders, f->n_senders,
		    &out->senders_count);
	}
}

static void
fill_feeds(struct conf_raw *out, const struct conf *c)
{
	struct raw_clients *cl = xcalloc(1, sizeof(*cl));

	cl->half_life = duration(c->clients.half_life_ms);
	cl->report = duration(c->clients.report_ms);
	cl->max_clients = xasprintf("%u", c->clients.max_clients);
	cl->max_blocks = xasprintf("%u", c->clients.max_blocks);
	cl->per_block = xasprintf("%u", c->clients.per_block);
	cl->allow_special = truth(c->clients.allow_special);
	if (c->clients.n_destinations > 0) {
		cl->destinations = texts_of_prefixes(c->clients.destinations,
		    c->clients.n_destinations, &cl->destinations_count);
	}
	out->clients = cl;
	out->feeds = xcalloc(c->n_feeds, sizeof(out->feeds[0]));
	out->feeds_count = (unsigned)c->n_feeds;
	for (size_t i = 0; i < c->n_feeds; i++)
		fill_feed(&out->feeds[i], &c->feeds[i]);
}

char *
conf_format(const struct conf *c)
{
	struct conf_raw *raw = xcalloc(1, sizeof(*raw));
	char *text;

	raw->store = xstrdup(c->store);
	fill_retention(raw, &c->retention);
	raw->socket = xstrdup(c->socket);
	raw->read_socket =
	    xstrdup(c->read_socket != NULL ? c->read_socket : "off");
	raw->read_socket_mode = xstrdup(c->read_socket_group ? "group" : "all");
	raw->metrics = text_or_null(c->metrics);
	if (c->agent != NULL)
		fill_agent(raw, c->agent);
	if (c->controller != NULL)
		fill_controller(raw, c->controller);
	fill_tls(raw, &c->tls);
	if (c->n_feeds > 0)
		fill_feeds(raw, c);
	text = conf_raw_save(raw);
	conf_raw_free(raw);
	return text;
}

static char *
service_text(const struct conf_service *s)
{
	struct conf_raw *raw = xcalloc(1, sizeof(*raw));
	char *text;

	raw->services = xcalloc(1, sizeof(raw->services[0]));
	raw->services_count = 1;
	fill_service(&raw->services[0], s);
	text = conf_raw_save(raw);
	conf_raw_free(raw);
	return text;
}

bool
conf_service_equal(const struct conf_service *a, const struct conf_service *b)
{
	char *x = service_text(a), *y = service_text(b);
	bool is_equal = strcmp(x, y) == 0;

	free(x);
	free(y);
	return is_equal;
}

/* Without what its probes do not know of. */
static struct conf_service
only_checks(const struct conf_service *s)
{
	struct conf_service copy = *s;

	copy.n_prefixes = 0;
	copy.when_lost_ms = 0;
	return copy;
}

bool
conf_service_checks_equal(const struct conf_service *a,
    const struct conf_service *b)
{
	struct conf_service x = only_checks(a), y = only_checks(b);

	return conf_service_equal(&x, &y);
}

bool
conf_probe_equal(const struct conf_probe *a, const struct conf_probe *b)
{
	char name[] = "x";
	struct conf_service x = { .name = name, .n_probes = 1, .need = 1 };
	struct conf_service y = x;
	struct conf_probe pa = *a, pb = *b;

	x.probes = &pa;
	y.probes = &pb;
	return conf_service_equal(&x, &y);
}
