/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Generates the synthetic Internet: countries, metros, ASes with PoPs, links
 * by preferential attachment with locality, and exchanges.  The sites come from
 * sites.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "yard.h"

#define TICKET_TRIES 6u
#define COST_NOISE 0.2
#define PRIMARY_SHARE 0.2
#define RANKED_PEERS_SHARE 0.15

struct internet_conf
internet_conf_full(uint64_t seed, size_t n_sites)
{
	return (struct internet_conf){
		.seed = seed,
		.n_sites = n_sites,
		.n_as = { 15, 125, 900, 6000, 68000 },
		.n_metros = 420,
		.n_countries = 60,
	};
}

struct internet_conf
internet_conf_small(uint64_t seed, size_t n_sites)
{
	return (struct internet_conf){
		.seed = seed,
		.n_sites = n_sites,
		.n_as = { 6, 15, 60, 200, 1700 },
		.n_metros = 60,
		.n_countries = 12,
	};
}

static double
gauss(struct sim_rng *r)
{
	return sqrt(-2 * log(sim_rng_unit(r) + 1e-12)) *
	    cos(2 * M_PI * sim_rng_unit(r));
}

static void
place_near(struct sim_rng *r, const double *at, double spread, double *xyz)
{
	double norm = 0;

	for (int k = 0; k < 3; k++) {
		xyz[k] = at[k] + spread * gauss(r);
		norm += xyz[k] * xyz[k];
	}
	for (int k = 0; k < 3; k++)
		xyz[k] /= sqrt(norm);
}

static void
push(uint32_t **list, size_t *n, size_t *room, uint32_t value)
{
	if (*n == *room) {
		*room = *room == 0 ? 8 : 2 * *room;
		*list = xreallocarray(*list, *room, sizeof(**list));
	}
	(*list)[(*n)++] = value;
}

static void
metros_make(struct yard *y)
{
	struct internet *net = y->net;
	size_t n_countries = net->conf.n_countries;
	double *centres = xcalloc(3 * n_countries, sizeof(*centres));
	double continents[6][3];
	const double zero[3] = { 0, 0, 0 };

	for (int k = 0; k < 6; k++)
		place_near(&y->rng, zero, 1, continents[k]);
	for (size_t k = 0; k < n_countries; k++)
		place_near(&y->rng, continents[k % 6], 0.25, centres + 3 * k);
	for (size_t m = 0; m < net->n_metros; m++) {
		struct metro *mt = &net->metros[m];
		/* One for each country, then by their sizes. */
		double z = pow(sim_rng_unit(&y->rng), 2.2);
		size_t k =
		    m < n_countries ? m : (size_t)(z * (double)n_countries);

		mt->country = (uint32_t)k;
		place_near(&y->rng, centres + 3 * k, 0.12, mt->xyz);
		mt->weight =
		    1 / (1 + 0.1 * (double)k) / (1 + sim_rng_unit(&y->rng) * 4);
	}
	free(centres);
	for (size_t a = 0; a < net->n_metros; a++) {
		for (size_t b = 0; b < net->n_metros; b++) {
			const double *p = net->metros[a].xyz;
			const double *q = net->metros[b].xyz;

			net->distance[a * net->n_metros + b] =
			    (float)sqrt((p[0] - q[0]) * (p[0] - q[0]) +
				(p[1] - q[1]) * (p[1] - q[1]) +
				(p[2] - q[2]) * (p[2] - q[2]));
		}
	}
}

static bool
is_eligible(const struct internet *net, size_t m, uint32_t country,
    size_t around, double reach)
{
	float far = net->distance[around * net->n_metros + m];

	return (country == UINT32_MAX || net->metros[m].country == country) &&
	    (reach <= 0 || (double)far <= reach);
}

size_t
metro_draw(struct yard *y, uint32_t country, size_t around, double reach)
{
	const struct internet *net = y->net;
	double all = 0, at;
	size_t last = around;

	for (size_t m = 0; m < net->n_metros; m++) {
		if (is_eligible(net, m, country, around, reach))
			all += net->metros[m].weight;
	}
	at = sim_rng_unit(&y->rng) * all;
	for (size_t m = 0; m < net->n_metros; m++) {
		if (!is_eligible(net, m, country, around, reach))
			continue;
		last = m;
		at -= net->metros[m].weight;
		if (at < 0)
			break;
	}
	return last;
}

static void
exchanges_make(struct yard *y)
{
	size_t n = y->net->n_metros / 2;

	for (size_t k = 0; k < n; k++) {
		y->net->metros[metro_draw(y, UINT32_MAX, 0, 0)].has_exchange =
		    true;
	}
}

static bool
has_pop(const struct internet *net, const struct as *as, uint32_t metro)
{
	for (uint32_t k = 0; k < as->n_pops; k++) {
		if (net->pop_metro[as->pop + k] == metro)
			return true;
	}
	return false;
}

static void
pop_add(struct yard *y, struct as *as, size_t metro)
{
	struct internet *net = y->net;

	if (as->n_pops == SIM_POPS_MAX || has_pop(net, as, (uint32_t)metro))
		return;
	/* The PoPs of an AS lie together: it is made in one go. */
	net->pop_metro[as->pop + as->n_pops++] = (uint32_t)metro;
	net->n_pops++;
}

static void
pops_make(struct yard *y, struct as *as)
{
	static const struct {
		size_t least, most;
		double away; /* share outside of the home country */
	} kinds[TIERS] = {
		[TIER1] = { 150, 250, 1 },
		[TIER_LARGE] = { 40, 100, 0.6 },
		[TIER_NATIONAL] = { 2, 9, 0.12 },
		[TIER_SMALL] = { 1, 2, 0.02 },
		[TIER_STUB] = { 1, 1, 0 },
	};
	size_t least = kinds[as->tier].least, most = kinds[as->tier].most;
	size_t n = least + sim_rng_below(&y->rng, most - least + 1);
	size_t home = metro_draw(y, UINT32_MAX, 0, 0);

	if (n > y->net->n_metros / 2)
		n = y->net->n_metros / 2;
	as->country = y->net->metros[home].country;
	pop_add(y, as, home);
	for (size_t k = 0; k < 3 * n && as->n_pops < n; k++) {
		bool is_away = sim_rng_unit(&y->rng) < kinds[as->tier].away;
		/* Large transits are at home on a continent. */
		double reach =
		    as->tier == TIER_LARGE && sim_rng_unit(&y->rng) < 0.7 ? 0.7
									  : 0;

		pop_add(y, as,
		    metro_draw(y, is_away ? UINT32_MAX : as->country, home,
			reach));
	}
}

static void
costs_make(struct yard *y, size_t v)
{
	struct internet *net = y->net;
	struct as *as = &net->ases[v];

	if (as->n_pops < 2)
		return;
	as->cost = xcalloc((size_t)as->n_pops * as->n_pops, sizeof(float));
	for (size_t a = 0; a < as->n_pops; a++) {
		for (size_t b = 0; b < as->n_pops; b++) {
			size_t from = net->pop_metro[as->pop + a];
			size_t to = net->pop_metro[as->pop + b];
			size_t low = from < to ? from : to;
			size_t high = from < to ? to : from;
			double noise = sim_unit(sim_hash(net->conf.seed ^
			    sim_hash(v << 40 ^ low << 20 ^ high)));

			as->cost[a * as->n_pops + b] =
			    net->distance[from * net->n_metros + to] *
			    (float)(1 + COST_NOISE * (2 * noise - 1));
		}
	}
}

size_t
ticket_group(const struct yard *y, size_t tier, size_t country)
{
	return tier * (y->net->conf.n_countries + 1) + country;
}

static void
ticket_add(struct yard *y, uint32_t v)
{
	const struct as *as = &y->net->ases[v];
	size_t everywhere = ticket_group(y, as->tier, y->net->conf.n_countries);
	size_t g = ticket_group(y, as->tier, as->country);

	push(&y->tickets[g], &y->n_tickets[g], &y->ticket_room[g], v);
	push(&y->tickets[everywhere], &y->n_tickets[everywhere],
	    &y->ticket_room[everywhere], v);
}

static void
ases_make(struct yard *y)
{
	struct internet *net = y->net;
	size_t v = 0;

	for (unsigned tier = 0; tier < TIERS; tier++) {
		for (size_t k = 0; k < net->conf.n_as[tier]; k++, v++) {
			struct as *as = &net->ases[v];

			as->tier = (uint8_t)tier;
			as->pop = (uint32_t)net->n_pops;
			pops_make(y, as);
			costs_make(y, v);
			as->has_primary = sim_rng_unit(&y->rng) < PRIMARY_SHARE;
			as->ranks_peers =
			    sim_rng_unit(&y->rng) < RANKED_PEERS_SHARE;
			if (tier != TIER_STUB)
				ticket_add(y, (uint32_t)v);
		}
	}
}

uint32_t
pop_nearest(const struct internet *net, const struct as *as, size_t metro)
{
	uint32_t best = 0;
	float least = INFINITY;

	for (uint32_t k = 0; k < as->n_pops; k++) {
		float d = net->distance[metro * net->n_metros +
		    net->pop_metro[as->pop + k]];

		if (d < least) {
			least = d;
			best = k;
		}
	}
	return best;
}

static void
link_add(struct yard *y, enum relation relation, struct link l)
{
	if (y->n_links[relation] == y->room[relation]) {
		y->room[relation] =
		    y->room[relation] == 0 ? 1024 : 2 * y->room[relation];
		y->links[relation] = xreallocarray(y->links[relation],
		    y->room[relation], sizeof(*y->links[relation]));
	}
	y->links[relation][y->n_links[relation]++] = l;
}

/* Sessions of two ASes at up to `most` places. */
static void
join(struct yard *y, uint32_t from, uint32_t to, enum relation relation,
    size_t most)
{
	struct internet *net = y->net;
	const struct as *a = &net->ases[from], *b = &net->ases[to];
	size_t start = sim_rng_below(&y->rng, a->n_pops), n = 0;

	for (size_t k = 0; k < a->n_pops && n < most; k++) {
		uint32_t mine = (uint32_t)((start + k) % a->n_pops);
		size_t metro = net->pop_metro[a->pop + mine];
		uint32_t theirs = pop_nearest(net, b, metro);
		double far = (double)net->distance[metro * net->n_metros +
		    net->pop_metro[b->pop + theirs]];

		/* The last place is taken in any case. */
		if (far > NEAR && (n > 0 || k + 1 < a->n_pops))
			continue;
		link_add(y, relation,
		    (struct link){ to, theirs, from, a->pop + mine });
		if (relation == FROM_PEER) {
			link_add(y, relation,
			    (struct link){ from, mine, to, b->pop + theirs });
		}
		n++;
	}
}

/* A provider of a higher tier, by tickets: those at the metro preferred. */
static uint32_t
provider_draw(struct yard *y, uint32_t v, size_t tier)
{
	struct internet *net = y->net;
	const struct as *as = &net->ases[v];
	size_t g = ticket_group(y, tier, as->country);
	uint32_t metro = net->pop_metro[as->pop], last = 0;

	if (tier <= TIER_LARGE || y->n_tickets[g] < 3)
		g = ticket_group(y, tier, net->conf.n_countries);
	for (size_t k = 0; k < TICKET_TRIES; k++) {
		last = y->tickets[g][sim_rng_below(&y->rng, y->n_tickets[g])];
		if (last < v && has_pop(net, &net->ases[last], metro))
			break;
	}
	return last;
}

static void
providers_join(struct yard *y, uint32_t v)
{
	/* How many providers; and of which tier they are, in percent. */
	static const struct {
		unsigned two, three; /* percent with at least so many */
		unsigned of_tier[TIERS];
		size_t places;
	} kinds[TIERS] = {
		[TIER_LARGE] = { 100, 60, { 100, 0, 0, 0, 0 }, 8 },
		[TIER_NATIONAL] = { 90, 45, { 25, 75, 0, 0, 0 }, 3 },
		[TIER_SMALL] = { 65, 25, { 6, 34, 60, 0, 0 }, 2 },
		[TIER_STUB] = { 50, 17, { 4, 24, 36, 36, 0 }, 1 },
	};
	const struct as *as = &y->net->ases[v];
	unsigned chance = (unsigned)sim_rng_below(&y->rng, 100);
	unsigned want = 1u + (chance < kinds[as->tier].two) +
	    (chance < kinds[as->tier].three);
	uint32_t have[3];
	unsigned n = 0;

	for (unsigned tries = 0; tries < 12 && n < want; tries++) {
		unsigned at = (unsigned)sim_rng_below(&y->rng, 100);
		size_t tier = 0;
		uint32_t provider;
		bool is_new = true;

		while (at >= kinds[as->tier].of_tier[tier])
			at -= kinds[as->tier].of_tier[tier++];
		provider = provider_draw(y, v, tier);
		for (unsigned k = 0; k < n; k++)
			is_new &= have[k] != provider;
		if (!is_new || provider >= v)
			continue;
		have[n++] = provider;
		join(y, v, provider, FROM_CUSTOMER, kinds[as->tier].places);
		ticket_add(y, provider);
		y->degree[provider]++;
	}
}

static void
exchange_join(struct yard *y, uint32_t v)
{
	static const unsigned percent[TIERS] = { 0, 12, 80, 50, 4 };
	const struct as *as = &y->net->ases[v];

	if (sim_rng_below(&y->rng, 100) >= percent[as->tier])
		return;
	for (uint32_t k = 0; k < as->n_pops; k++) {
		uint32_t m = y->net->pop_metro[as->pop + k];

		if (y->net->metros[m].has_exchange) {
			push(&y->members[m], &y->n_members[m],
			    &y->member_room[m], v);
		}
	}
}

static void
exchange_mesh(struct yard *y, size_t m)
{
	const struct internet *net = y->net;

	for (size_t i = 0; i < y->n_members[m]; i++) {
		for (size_t j = i + 1; j < y->n_members[m]; j++) {
			uint32_t a = y->members[m][i], b = y->members[m][j];
			uint32_t pa = pop_nearest(net, &net->ases[a], m);
			uint32_t pb = pop_nearest(net, &net->ases[b], m);

			/* Not everyone peers with everyone. */
			if (sim_rng_below(&y->rng, 100) >= 45)
				continue;
			link_add(y, FROM_PEER,
			    (struct link){ a, pa, b, net->ases[b].pop + pb });
			link_add(y, FROM_PEER,
			    (struct link){ b, pb, a, net->ases[a].pop + pa });
		}
	}
}

static void
links_make(struct yard *y)
{
	struct internet *net = y->net;

	for (uint32_t a = 0; a < net->conf.n_as[TIER1]; a++) {
		for (uint32_t b = 0; b < a; b++)
			join(y, a, b, FROM_PEER, 10);
	}
	for (uint32_t v = (uint32_t)net->conf.n_as[TIER1]; v < net->n_ases; v++)
		providers_join(y, v);
	for (uint32_t v = 0; v < net->n_ases; v++)
		exchange_join(y, v);
	for (size_t m = 0; m < net->n_metros; m++)
		exchange_mesh(y, m);
}

/* Stubs have no customers: nothing is ever learned from them. */
static bool
is_useless(const struct internet *net, const struct link *l, bool is_down)
{
	return !is_down && l->from >= net->first_stub;
}

/* Sorts links by receiver into sessions. */
static void
sessions_index(const struct internet *net, const struct link *links, size_t n,
    bool is_down, struct sessions *out)
{
	out->begin = xcalloc(net->n_ases + 2, sizeof(*out->begin));
	out->list = xcalloc(n + 1, sizeof(*out->list));
	for (size_t k = 0; k < n; k++) {
		if (!is_useless(net, &links[k], is_down)) {
			out->begin[(is_down ? links[k].from : links[k].to) +
			    2]++;
		}
	}
	for (size_t v = 2; v < net->n_ases + 2; v++)
		out->begin[v] += out->begin[v - 1];
	for (size_t k = 0; k < n; k++) {
		const struct link *l = &links[k];
		const struct as *a = &net->ases[l->from];
		const struct as *b = &net->ases[l->to];
		struct session s = { l->from, l->from_pop,
			(uint16_t)l->to_pop };

		if (is_useless(net, l, is_down))
			continue;
		if (is_down) {
			s.from = l->to;
			s.from_pop = b->pop + l->to_pop;
			s.at = (uint16_t)(l->from_pop - a->pop);
		}
		out->list[out->begin[(is_down ? l->from : l->to) + 1]++] = s;
	}
}

static void
weights_make(struct yard *y)
{
	struct internet *net = y->net;
	size_t n = internet_clients(net);
	uint32_t *order = xcalloc(n, sizeof(*order));

	for (size_t c = 0; c < n; c++) {
		size_t k = sim_rng_below(&y->rng, c + 1);

		order[c] = order[k];
		order[k] = (uint32_t)c;
	}
	for (size_t r = 0; r < n; r++)
		net->weight[order[r]] = 1.0 / (double)(r + 20);
	free(order);
}

static void
size_note(struct yard *y)
{
	struct internet *net = y->net;

	net->size = (struct internet_size){
		.ases = net->n_ases,
		.pops = net->n_pops - net->conf.n_as[TIER_STUB],
		.transit_links = y->n_links[FROM_CUSTOMER],
		.peer_links = y->n_links[FROM_PEER] / 2,
		.site_sessions = net->n_attachments,
	};
	for (size_t v = 0; v < net->n_ases; v++) {
		if (y->degree[v] > net->size.largest_customer_degree)
			net->size.largest_customer_degree = y->degree[v];
	}
}

static void
yard_init(struct yard *y, struct internet *net)
{
	size_t groups = TIERS * (net->conf.n_countries + 1);

	y->net = net;
	y->rng.s = sim_hash(net->conf.seed);
	y->tickets = xcalloc(groups, sizeof(*y->tickets));
	y->n_tickets = xcalloc(groups, sizeof(*y->n_tickets));
	y->ticket_room = xcalloc(groups, sizeof(*y->ticket_room));
	y->members = xcalloc(net->n_metros, sizeof(*y->members));
	y->n_members = xcalloc(net->n_metros, sizeof(*y->n_members));
	y->member_room = xcalloc(net->n_metros, sizeof(*y->member_room));
	y->degree = xcalloc(net->n_ases, sizeof(*y->degree));
}

static void
yard_fini(struct yard *y)
{
	size_t groups = TIERS * (y->net->conf.n_countries + 1);

	for (size_t g = 0; g < groups; g++)
		free(y->tickets[g]);
	for (size_t m = 0; m < y->net->n_metros; m++)
		free(y->members[m]);
	free(y->tickets);
	free(y->n_tickets);
	free(y->ticket_room);
	free(y->members);
	free(y->n_members);
	free(y->member_room);
	free(y->degree);
	for (size_t k = 0; k < RELATIONS; k++)
		free(y->links[k]);
}

static void
net_init(struct internet *net, const struct internet_conf *conf)
{
	net->conf = *conf;
	net->n_metros = conf->n_metros;
	for (size_t t = 0; t < TIERS; t++)
		net->n_ases += conf->n_as[t];
	net->first_stub = net->n_ases - conf->n_as[TIER_STUB];
	net->metros = xcalloc(net->n_metros, sizeof(*net->metros));
	net->distance =
	    xcalloc(net->n_metros * net->n_metros, sizeof(*net->distance));
	net->ases = xcalloc(net->n_ases, sizeof(*net->ases));
	net->weight = xcalloc(conf->n_as[TIER_STUB], sizeof(*net->weight));
	net->route_class = xcalloc(net->n_ases, 1);
	net->length = xcalloc(net->n_ases, 1);
	net->pop_metro = xcalloc(conf->n_as[TIER1] * SIM_POPS_MAX +
		conf->n_as[TIER_LARGE] * 100 + conf->n_as[TIER_NATIONAL] * 9 +
		conf->n_as[TIER_SMALL] * 2 + conf->n_as[TIER_STUB],
	    sizeof(*net->pop_metro));
}

struct internet *
internet_new(const struct internet_conf *conf)
{
	struct internet *net = xcalloc(1, sizeof(*net));
	struct yard y = { 0 };

	net_init(net, conf);
	yard_init(&y, net);
	metros_make(&y);
	exchanges_make(&y);
	ases_make(&y);
	net->pop_site = xcalloc(net->n_pops, sizeof(*net->pop_site));
	links_make(&y);
	sessions_index(net, y.links[FROM_CUSTOMER], y.n_links[FROM_CUSTOMER],
	    false, &net->in[FROM_CUSTOMER]);
	sessions_index(net, y.links[FROM_CUSTOMER], y.n_links[FROM_CUSTOMER],
	    true, &net->in[FROM_PROVIDER]);
	sessions_index(net, y.links[FROM_PEER], y.n_links[FROM_PEER], false,
	    &net->in[FROM_PEER]);
	sites_make(&y);
	weights_make(&y);
	size_note(&y);
	yard_fini(&y);
	return net;
}

void
internet_free(struct internet *net)
{
	if (net == NULL)
		return;
	for (size_t v = 0; v < net->n_ases; v++)
		free(net->ases[v].cost);
	for (size_t k = 0; k < RELATIONS; k++) {
		free(net->in[k].begin);
		free(net->in[k].list);
	}
	free(net->metros);
	free(net->distance);
	free(net->ases);
	free(net->pop_metro);
	free(net->attachments);
	free(net->attached);
	free(net->weight);
	free(net->route_class);
	free(net->length);
	free(net->pop_site);
	free(net);
}

size_t
internet_sites(const struct internet *net)
{
	return net->conf.n_sites;
}

size_t
internet_clients(const struct internet *net)
{
	return net->conf.n_as[TIER_STUB];
}

bool
internet_is_multihomed(const struct internet *net, size_t client)
{
	size_t v = net->first_stub + client;
	const size_t *begin = net->in[FROM_PROVIDER].begin;

	return begin[v + 1] - begin[v] > 1;
}

const double *
internet_weights(const struct internet *net)
{
	return net->weight;
}

void
internet_size(const struct internet *net, struct internet_size *out)
{
	*out = net->size;
}
